//! Makes HS256 tokens: for `token mint` and the demo.

use anyhow::Context;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value};
use tidings_domain::id::{Role, UserId};
use tidings_domain::ports::Clock;
use tidings_system::SystemClock;

use super::Secret;

/// A token for a user, with these claims besides its own.
pub(crate) fn signed(
    secret: &Secret,
    user: &UserId,
    role: Option<&Role>,
    mut claims: Map<String, Value>,
    ttl_s: u64,
) -> anyhow::Result<String> {
    let now = u64::try_from(SystemClock.now().as_millis() / 1_000).unwrap_or_default();
    claims.insert("sub".to_owned(), user.as_str().into());
    if let Some(role) = role {
        claims.insert("role".to_owned(), role.as_str().into());
    }
    claims.insert("iat".to_owned(), now.into());
    claims.insert("exp".to_owned(), now.saturating_add(ttl_s).into());
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).context("the token cannot be signed")
}
