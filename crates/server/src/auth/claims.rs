//! What a token says once its signature holds, and whether that is enough.

use std::time::Duration;

use serde_json::{Map, Value};
use tidings_domain::id::Role;
use tidings_domain::ports::TokenError;
use tidings_domain::time::Timestamp;

use crate::config::IssuerSettings;

/// The word in `scope` or `scopes` that makes a token a service's.
const SERVICE: &str = "service";
/// The longest name that is taken from a token, in characters.
const NAME_CHARS_MAX: usize = 128;
/// The longest address of a picture, in bytes; a longer one is left out.
const AVATAR_BYTES_MAX: usize = 2_048;

pub(super) const MALFORMED_USER: TokenError =
    TokenError("the token's user is not 1 to 128 visible characters");

/// The claims of a token whose signature holds.
#[derive(Debug)]
pub(super) struct Verified<'c>(pub(super) &'c Map<String, Value>);

impl Verified<'_> {
    /// Checks everything that the issuer asks for; gives the expiry (RFC 7519, section 4.1).
    pub(super) fn check(
        &self,
        issuer: &IssuerSettings,
        now: Timestamp,
        leeway: Duration,
    ) -> Result<Timestamp, TokenError> {
        let leeway = i64::try_from(leeway.as_millis()).unwrap_or_default();
        let (early, late) = (now.plus_millis(-leeway), now.plus_millis(leeway));
        let expires_at = self.moment("exp")?.ok_or(TokenError("the token has no expiry"))?;
        if expires_at <= early {
            return Err(TokenError("the token has expired"));
        }
        if self.moment("nbf")?.is_some_and(|begin| begin > late) {
            return Err(TokenError("the token is not valid yet"));
        }
        // The issuer was found by this; checked here too, so that finding it may change without harm.
        if let Some(expected) = &issuer.issuer
            && self.text("iss") != Some(expected)
        {
            return Err(TokenError("the token's issuer is not accepted"));
        }
        if !issuer.audience.is_empty() && !self.is_for_any(&issuer.audience) {
            return Err(TokenError("the token is for another audience"));
        }
        if issuer.is_firebase {
            self.check_firebase(late)?;
        }
        Ok(expires_at)
    }

    /// What Firebase asks of whoever verifies its ID tokens, beyond algorithm, issuer, audience and expiry
    /// (firebase.google.com/docs/auth/admin/verify-id-tokens).
    fn check_firebase(&self, late: Timestamp) -> Result<(), TokenError> {
        if self.moment("iat")?.is_none_or(|issued| issued > late) {
            return Err(TokenError("the token was not issued in the past"));
        }
        if self.moment("auth_time")?.is_none_or(|signed_in| signed_in > late) {
            return Err(TokenError("the token's user did not sign in in the past"));
        }
        if self.text("sub").is_none_or(str::is_empty) {
            return Err(TokenError("the token names no user"));
        }
        Ok(())
    }

    /// Whether it speaks for a service rather than a user.
    pub(super) fn is_service(&self) -> bool {
        ["scope", "scopes"].iter().any(|name| match self.0.get(*name) {
            Some(Value::String(scopes)) => scopes.split_whitespace().any(|scope| scope == SERVICE),
            Some(Value::Array(scopes)) => scopes.iter().any(|scope| scope.as_str() == Some(SERVICE)),
            _ => false,
        })
    }

    /// Who it is for: the first of these claims that is there, a text, or a whole number as text.
    pub(super) fn subject(&self, names: &[&str]) -> Result<String, TokenError> {
        let subject = names.iter().find_map(|name| {
            let value = self.0.get(*name)?;
            let text = value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
            text.or_else(|| value.as_u64().map(|number| number.to_string()))
        });
        let subject = subject.ok_or(TokenError("the token names no user"))?;
        // Whatever it names, no store could keep it.
        if subject.chars().any(char::is_control) {
            return Err(MALFORMED_USER);
        }
        Ok(subject)
    }

    /// When it was issued, as far as it says so in a form that holds.
    pub(super) fn issued_at(&self) -> Option<Timestamp> {
        self.moment("iat").ok().flatten()
    }

    pub(super) fn role(&self, names: &[&str]) -> Result<Option<Role>, TokenError> {
        let role = self.first(names).map(str::parse::<Role>).transpose();
        role.map_err(|_| TokenError("the token's role is not 1 to 128 visible characters"))
    }

    pub(super) fn name(&self, names: &[&str]) -> Option<String> {
        self.first(names).map(|name| name.chars().take(NAME_CHARS_MAX).collect())
    }

    pub(super) fn avatar_url(&self, names: &[&str]) -> Option<String> {
        self.first(names).filter(|url| url.len() <= AVATAR_BYTES_MAX).map(str::to_owned)
    }

    /// The first of these claims that is a text.
    fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.text(name)).filter(|text| !text.is_empty())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    fn is_for_any(&self, audiences: &[String]) -> bool {
        let is_ours = |named: &Value| audiences.iter().any(|ours| named.as_str() == Some(ours));
        match self.0.get("aud") {
            Some(Value::Array(named)) => named.iter().any(is_ours),
            Some(named) => is_ours(named),
            None => false,
        }
    }

    /// A `NumericDate`: seconds, perhaps with a fraction.
    fn moment(&self, name: &str) -> Result<Option<Timestamp>, TokenError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let seconds = value.as_f64().ok_or(TokenError("the token's times are no numbers"))?;
        #[expect(clippy::cast_possible_truncation, reason = "a cast from float to integer saturates")]
        let millis = (seconds * 1_000.0) as i64;
        Ok(Some(Timestamp::from_millis(millis)))
    }
}
