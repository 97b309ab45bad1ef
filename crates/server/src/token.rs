//! HS256 tokens: made for `token mint` and the demo, verified for every request and session.

use std::fmt;

use anyhow::Context;
use async_trait::async_trait;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Map, Value};
use tidings_domain::id::{Role, UserId};
use tidings_domain::ports::{Clock, TokenError, TokenVerifier};
use tidings_domain::time::Timestamp;
use tidings_domain::user::{Identity, User};
use tidings_wire::{ClaimNames, Dialect};

use crate::cli::Mint;
use crate::secret::Secret;
use tidings_system::SystemClock;

/// How far the clocks of two machines may be apart, in seconds.
const LEEWAY_S: u64 = 5;
/// The longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// The longest name that is taken from a token, in characters.
const NAME_CHARS_MAX: usize = 128;

/// Prints a token.
#[expect(clippy::print_stdout, reason = "the token is this command's output")]
pub(crate) fn mint(mint: &Mint) -> anyhow::Result<()> {
    let secret = Secret::load(&mint.keys)?;
    let user: UserId = mint.user.parse().context("--user")?;
    let role: Role = mint.role.parse().context("--role")?;
    let mut claims: Map<String, Value> = mint.claims.iter().cloned().collect();
    if let Some(name) = &mint.name {
        claims.insert("name".to_owned(), Value::from(name.as_str()));
    }
    println!("{}", signed(&secret, &user, &role, claims, mint.ttl.as_secs())?);
    Ok(())
}

/// A token for a user, with these claims besides its own.
pub(crate) fn signed(
    secret: &Secret,
    user: &UserId,
    role: &Role,
    mut claims: Map<String, Value>,
    ttl_s: u64,
) -> anyhow::Result<String> {
    let now = u64::try_from(SystemClock.now().as_millis() / 1_000).unwrap_or_default();
    claims.insert("sub".to_owned(), user.as_str().into());
    claims.insert("role".to_owned(), role.as_str().into());
    claims.insert("iat".to_owned(), now.into());
    claims.insert("exp".to_owned(), now.saturating_add(ttl_s).into());
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).context("the token cannot be signed")
}

/// Verifies HS256 tokens of the one default issuer, which may enter every dialect.
pub(crate) struct Hs256Verifier {
    key: DecodingKey,
    validation: Validation,
    dialects: Vec<&'static Dialect>,
}

impl fmt::Debug for Hs256Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hs256Verifier").finish_non_exhaustive()
    }
}

impl Hs256Verifier {
    pub(crate) fn new(secret: &Secret, dialects: Vec<&'static Dialect>) -> Self {
        // The algorithm is ours to name, never the token's.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        // This issuer names no audience; one that is named is not ours to judge.
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp"]);
        Self { key: DecodingKey::from_secret(secret.as_bytes()), validation, dialects }
    }

    fn identity(&self, dialect: &str, token: &str) -> Result<Identity, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError("the token is too long"));
        }
        let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, &self.key, &self.validation);
        let claims = decoded.map_err(|error| TokenError(reason(error.kind())))?.claims;
        let dialect = self.dialects.iter().find(|known| known.name == dialect);
        let names = &dialect.ok_or(TokenError("the token may not enter here"))?.claims;
        user_of(&claims, names)
    }
}

#[async_trait]
impl TokenVerifier for Hs256Verifier {
    async fn verify(&self, dialect: &str, token: &str) -> Result<Identity, TokenError> {
        self.identity(dialect, token)
    }
}

/// The first of these claims that is a text.
fn claim<'a>(claims: &'a Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| claims.get(*name)?.as_str()).filter(|text| !text.is_empty())
}

fn user_of(claims: &Map<String, Value>, names: &ClaimNames) -> Result<Identity, TokenError> {
    let id = claim(claims, names.user).ok_or(TokenError("the token names no user"))?;
    let id: UserId =
        id.parse().map_err(|_| TokenError("the token's user is not 1 to 128 visible characters"))?;
    let role = claim(claims, names.role)
        .map(|role| role.parse::<Role>())
        .transpose()
        .map_err(|_| TokenError("the token's role is not 1 to 128 visible characters"))?;
    let seconds = claims.get("exp").and_then(Value::as_f64).unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "a cast from float to integer saturates")]
    let expires_at = Timestamp::from_millis((seconds * 1_000.0) as i64);
    let mut user = User::unknown(id);
    if let Some(name) = claim(claims, names.name) {
        user.name = name.chars().take(NAME_CHARS_MAX).collect();
    }
    user.avatar_url = claim(claims, names.avatar_url).map(str::to_owned);
    user.role = role;
    Ok(Identity::user(user, expires_at))
}

/// Why a token does not hold, without a word about our keys.
#[expect(clippy::wildcard_enum_match_arm, reason = "what has no word of its own is malformed")]
fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidSignature => "the token's signature does not hold",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "the token's algorithm is not accepted"
        }
        ErrorKind::MissingRequiredClaim(_) => "the token has no expiry",
        _ => "the token is malformed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Keys;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn secret(text: &str) -> Secret {
        Secret::load(&Keys { data_dir: "unused".into(), jwt_secret: Some(text.to_owned()) }).unwrap()
    }

    fn verify(token: &str) -> Result<Identity, TokenError> {
        Hs256Verifier::new(&secret(SECRET), vec![&tidings_wire::campaign::DIALECT])
            .identity("campaign", token)
    }

    fn token(claims: &Value, algorithm: Algorithm, key: &str) -> String {
        let key = EncodingKey::from_secret(key.as_bytes());
        jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()
    }

    fn in_seconds(seconds: i64) -> i64 {
        SystemClock.now().as_millis() / 1_000 + seconds
    }

    #[test]
    fn a_minted_token_says_who_it_is_for() {
        let claims = Map::from_iter([("name".to_owned(), Value::from("Ada"))]);
        let minted =
            signed(&secret(SECRET), &"ada".parse().unwrap(), &"ADVERTISER".parse().unwrap(), claims, 60)
                .unwrap();
        let user = verify(&minted).unwrap().user;
        assert_eq!((user.id.as_str(), user.name.as_str()), ("ada", "Ada"));
        assert_eq!(user.role.unwrap().as_str(), "ADVERTISER");
    }

    #[test]
    fn what_does_not_hold_is_refused() {
        let good = serde_json::json!({"sub": "ada", "exp": in_seconds(60)});
        assert!(verify(&token(&good, Algorithm::HS256, SECRET)).is_ok());
        let none = format!(
            "{}.{}.",
            base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, r#"{"alg":"none"}"#),
            base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, good.to_string()),
        );
        let cases = [
            ("wrong key", token(&good, Algorithm::HS256, "another secret of thirty-two bytes!")),
            ("other algorithm", token(&good, Algorithm::HS512, SECRET)),
            ("no algorithm", none),
            (
                "expired",
                token(&serde_json::json!({"sub": "ada", "exp": in_seconds(-60)}), Algorithm::HS256, SECRET),
            ),
            ("no expiry", token(&serde_json::json!({"sub": "ada"}), Algorithm::HS256, SECRET)),
            (
                "not yet",
                token(
                    &serde_json::json!({"sub": "ada", "exp": in_seconds(60), "nbf": in_seconds(30)}),
                    Algorithm::HS256,
                    SECRET,
                ),
            ),
            ("nobody", token(&serde_json::json!({"exp": in_seconds(60)}), Algorithm::HS256, SECRET)),
            (
                "bad id",
                token(&serde_json::json!({"sub": "a b", "exp": in_seconds(60)}), Algorithm::HS256, SECRET),
            ),
            ("garbage", "garbage".to_owned()),
            ("too long", "a".repeat(TOKEN_BYTES_MAX + 1)),
        ];
        for (case, token) in cases {
            assert!(verify(&token).is_err(), "{case}");
        }
    }
}
