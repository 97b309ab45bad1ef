//! With what an issuer's tokens are verified, from what an operator gave.

use reqwest::Url;

use super::issuer::KeySettings;
use super::source::Source;
use crate::auth::{Algorithm, Secret, public_key};

/// Where Google publishes the keys that sign Firebase's ID tokens.
const FIREBASE_KEYS: &str =
    "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";

/// What the operator gave to verify an issuer's tokens with.
pub(super) struct Given {
    pub(super) firebase: Option<String>,
    pub(super) jwks: Option<Url>,
    pub(super) public: Option<String>,
    pub(super) secret: Option<Secret>,
    pub(super) algorithm: Option<Algorithm>,
    pub(super) issuer: Option<String>,
    pub(super) audience: Vec<String>,
}

/// What that comes to.
pub(super) struct Trusted {
    pub(super) algorithm: Algorithm,
    pub(super) keys: KeySettings,
    pub(super) issuer: Option<String>,
    pub(super) audience: Vec<String>,
    pub(super) is_firebase: bool,
}

impl Given {
    pub(super) fn trust(self, source: &mut Source<'_>, path: &str) -> Option<Trusted> {
        if let Some(project) = &self.firebase {
            if self.algorithm.is_some() || self.issuer.is_some() || !self.audience.is_empty() {
                let found = "algorithm, issuer or audience beside firebase";
                source.wrong(path, found, "firebase alone: it sets all of them", "remove those lines");
            }
            if self.public.is_some() || self.secret.is_some() {
                source.wrong(
                    path,
                    "a key beside firebase",
                    "firebase alone",
                    "remove the secret or public_key",
                );
            }
            let keys = self.jwks.or_else(|| FIREBASE_KEYS.parse().ok())?;
            return Some(Trusted {
                algorithm: Algorithm::Rs256,
                keys: KeySettings::Jwks(keys),
                issuer: Some(format!("https://securetoken.google.com/{project}")),
                audience: vec![project.clone()],
                is_firebase: true,
            });
        }
        let (keys, algorithm) = match (self.jwks, self.public, self.secret) {
            (Some(url), None, None) => {
                if self.issuer.is_none() && self.audience.is_empty() {
                    source.warnings.push(format!(
                        "{path} asks for no issuer and no audience: whoever else uses the same keys may enter"
                    ));
                }
                (KeySettings::Jwks(url), self.algorithm.unwrap_or(Algorithm::Rs256))
            }
            (None, Some(pem), None) => fixed(source, path, &pem, self.algorithm)?,
            (None, None, Some(secret)) => {
                (KeySettings::Secret(secret), self.algorithm.unwrap_or(Algorithm::Hs256))
            }
            (None, None, None) => {
                let fix = "add a line with one of them; docs/configuration.md has examples";
                source.wrong(path, "no key", "one of firebase, jwks_url, public_key, secret", fix);
                return None;
            }
            _ => {
                let expected = "exactly one of jwks_url, public_key, secret";
                source.wrong(path, "several kinds of keys", expected, "split it into one issuer for each");
                return None;
            }
        };
        if matches!(keys, KeySettings::Secret(_)) != (algorithm == Algorithm::Hs256) {
            let expected = "HS256 with a secret; RS256, ES256 or EdDSA with public keys";
            let found = format!("the algorithm {algorithm} with the wrong kind of key");
            source.wrong(path, &found, expected, "correct the algorithm, or give the other kind of key");
            return None;
        }
        let (issuer, audience) = (self.issuer, self.audience);
        Some(Trusted { algorithm, keys, issuer, audience, is_firebase: false })
    }
}

fn fixed(
    source: &mut Source<'_>,
    path: &str,
    pem: &str,
    algorithm: Option<Algorithm>,
) -> Option<(KeySettings, Algorithm)> {
    let Some(algorithm) = algorithm else {
        let expected = "the algorithm that the key is for: RS256, ES256 or EdDSA";
        source.wrong(
            path,
            "a public_key without an algorithm",
            expected,
            "add a line such as algorithm = \"RS256\"",
        );
        return None;
    };
    match public_key(algorithm, pem) {
        Ok(key) => Some((KeySettings::Public(Box::new(key)), algorithm)),
        Err(why) => {
            let expected =
                format!("the public key of {algorithm} in PEM form, which begins BEGIN PUBLIC KEY");
            source.wrong(
                format!("{path}.public_key"),
                why,
                &expected,
                "openssl pkey -in private.pem -pubout",
            );
            None
        }
    }
}
