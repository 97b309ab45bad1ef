//! Tokens of the clients, as the contestants verify them.

use anyhow::Context;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde::Serialize;

use crate::fixture::role;

/// How long a token holds, in seconds.
const HOLDS_S: u64 = 24 * 60 * 60;

/// Mints tokens: HS256, with the claims `sub`, `role`, `name` and `exp`.
#[expect(missing_debug_implementations, reason = "it holds the secret")]
pub struct Tokens {
    key: EncodingKey,
    header: Header,
    expires: u64,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    role: &'a str,
    name: &'a str,
    exp: u64,
}

impl Tokens {
    /// Tokens signed with this secret, holding for a day from now.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self {
            key: EncodingKey::from_secret(secret.as_bytes()),
            header: Header::new(Algorithm::HS256),
            expires: get_current_timestamp().saturating_add(HOLDS_S),
        }
    }

    /// A token of this user, with the role that its id tells.
    ///
    /// # Errors
    /// The secret cannot sign.
    pub fn of(&self, user: &str) -> anyhow::Result<String> {
        let claims = Claims { sub: user, role: role(user), name: user, exp: self.expires };
        encode(&self.header, &claims, &self.key).context("minting a token")
    }
}
