//! Somebody whose tokens are believed, with the keys at hand.

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::DecodingKey;
use tidings_domain::ports::TokenError;

use super::jwks::{Jwks, Upkeep};
use super::unverified::Unverified;
use super::{Algorithm, Secret};
use crate::config::{Claims, IssuerSettings, KeySettings, SubjectRule};

/// Somebody whose tokens are believed.
pub(super) struct Issuer {
    pub(super) settings: IssuerSettings,
    keys: Keys,
}

enum Keys {
    Fixed(Arc<DecodingKey>),
    Published(Jwks),
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Issuer").field(&self.settings.name).finish()
    }
}

impl Issuer {
    pub(super) fn new(settings: IssuerSettings, upkeep: &Upkeep) -> anyhow::Result<Self> {
        let keys = match &settings.keys {
            KeySettings::Secret(secret) => Keys::Fixed(Arc::new(DecodingKey::from_secret(secret.as_bytes()))),
            KeySettings::Public(key) => Keys::Fixed(Arc::new((**key).clone())),
            KeySettings::Jwks(url) => {
                Keys::Published(Jwks::new(&settings.name, url.clone(), settings.algorithm, upkeep.clone())?)
            }
        };
        Ok(Self { settings, keys })
    }

    /// The issuer that the server's own secret is: its services may use the host API, its users enter these dialects.
    pub(super) fn of_secret(secret: &Secret, dialects: Vec<String>) -> Self {
        let settings = IssuerSettings {
            name: "secret".to_owned(),
            algorithm: Algorithm::Hs256,
            keys: KeySettings::Secret(secret.clone()),
            issuer: None,
            audience: Vec::new(),
            is_firebase: false,
            dialects,
            service: true,
            subject: SubjectRule { by_directory: false, first_sight: true, prefix: String::new() },
            claims: Claims::default(),
        };
        Self { settings, keys: Keys::Fixed(Arc::new(DecodingKey::from_secret(secret.as_bytes()))) }
    }

    pub(super) fn warm_up(&self) {
        if let Keys::Published(jwks) = &self.keys {
            jwks.warm_up();
        }
    }

    /// Whether the token calls its algorithm what this issuer's is called.
    pub(super) fn uses_algorithm_of(&self, token: &Unverified<'_>) -> bool {
        token.algorithm == self.settings.algorithm.name()
    }

    /// Whether it has signed the token.
    pub(super) async fn has_signed(&self, token: &Unverified<'_>) -> Result<bool, TokenError> {
        let key = match &self.keys {
            Keys::Fixed(key) => Arc::clone(key),
            Keys::Published(jwks) => jwks.key(token.kid.as_deref()).await?,
        };
        Ok(token.is_signed_with(&key, self.settings.algorithm))
    }
}
