//! A token before anything about it is believed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};
use tidings_domain::ports::TokenError;

use super::Algorithm;

/// The longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// The longest key id, in bytes.
const KID_BYTES_MAX: usize = 256;
/// Headers with which a token would bring its own key, or ask for more than is understood here (RFC 7515, section 4.1).
const HEADERS_REFUSED: [&str; 5] = ["crit", "jku", "jwk", "x5u", "b64"];

const MALFORMED: TokenError = TokenError("the token is malformed");

/// A token that has the form of one. Nothing in it is true before [`is_signed_with`](Self::is_signed_with) says so.
#[derive(Debug)]
pub(super) struct Unverified<'t> {
    /// What the token calls its algorithm. Only compared with the one that an issuer has.
    pub(super) algorithm: String,
    pub(super) kid: Option<String>,
    pub(super) claims: Map<String, Value>,
    /// What is signed.
    signed: &'t str,
    signature: &'t str,
}

impl<'t> Unverified<'t> {
    pub(super) fn parse(token: &'t str) -> Result<Self, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError("the token is too long"));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(MALFORMED)?;
        let (header, claims) = signed.split_once('.').ok_or(MALFORMED)?;
        let (mut header, claims) = (object(header)?, object(claims)?);
        if HEADERS_REFUSED.iter().any(|name| header.contains_key(*name)) {
            return Err(TokenError("the token has a header that is not accepted"));
        }
        let Some(Value::String(algorithm)) = header.remove("alg") else { return Err(MALFORMED) };
        let kid = match header.remove("kid") {
            None => None,
            Some(Value::String(kid)) if kid.len() <= KID_BYTES_MAX => Some(kid),
            Some(_) => return Err(MALFORMED),
        };
        Ok(Self { algorithm, kid, claims, signed, signature })
    }

    /// Whether the signature holds under this key and algorithm, both the issuer's.
    pub(super) fn is_signed_with(&self, key: &DecodingKey, algorithm: Algorithm) -> bool {
        jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), key, algorithm.verifying())
            .unwrap_or(false)
    }
}

fn object(part: &str) -> Result<Map<String, Value>, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| MALFORMED)?;
    serde_json::from_slice(&bytes).map_err(|_| MALFORMED)
}
