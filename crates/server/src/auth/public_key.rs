//! Public keys that an operator gives, and those of a key set.

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};

use super::Algorithm;

/// The shortest DER form of an RSA public key of 2,048 bits, in bytes.
const RSA_2048_DER_BYTES_MIN: usize = 262;
/// An uncompressed point of P-256: a tag and two coordinates.
const P256_BYTES: usize = 65;
const ED25519_BYTES: usize = 32;

/// The key of a PEM text, for this algorithm and no other.
///
/// # Errors
/// Why it is not taken.
pub(crate) fn public_key(algorithm: Algorithm, pem: &str) -> Result<DecodingKey, &'static str> {
    if pem.contains("PRIVATE KEY") {
        return Err("a private key, which only the issuer should have");
    }
    if !pem.contains("PUBLIC KEY") {
        return Err("no public key in PEM form");
    }
    let bytes = pem.as_bytes();
    let key = match algorithm {
        Algorithm::Rs256 => DecodingKey::from_rsa_pem(bytes),
        Algorithm::Es256 => DecodingKey::from_ec_pem(bytes),
        Algorithm::EdDsa => DecodingKey::from_ed_pem(bytes),
        Algorithm::Hs256 => return Err("a public key, where HS256 has a secret"),
    };
    let key = key.map_err(|_| "a key of another kind, or a damaged one")?;
    let size = key.try_get_as_bytes().map(<[u8]>::len).unwrap_or_default();
    let (fits, why) = match algorithm {
        Algorithm::Hs256 => (false, "a public key, where HS256 has a secret"),
        Algorithm::Rs256 => (size >= RSA_2048_DER_BYTES_MIN, "an RSA key of less than 2048 bits"),
        Algorithm::Es256 => (size == P256_BYTES, "a key of another curve than P-256"),
        Algorithm::EdDsa => (size == ED25519_BYTES, "a key of another curve than Ed25519"),
    };
    if fits { Ok(key) } else { Err(why) }
}

/// The key of a JWK if it is made for signatures of this algorithm.
pub(super) fn from_jwk(algorithm: Algorithm, jwk: &Jwk) -> Option<DecodingKey> {
    let common = &jwk.common;
    let is_for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    let is_for_this =
        common.key_algorithm.is_none_or(|named| named == KeyAlgorithm::from(algorithm.verifying()));
    let has_right_kind = match (&jwk.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::Rs256) => true,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::Es256) => key.curve == EllipticCurve::P256,
        (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDsa) => key.curve == EllipticCurve::Ed25519,
        // A shared secret has no business in a published set.
        _ => false,
    };
    if is_for_signatures && is_for_this && has_right_kind { DecodingKey::from_jwk(jwk).ok() } else { None }
}
