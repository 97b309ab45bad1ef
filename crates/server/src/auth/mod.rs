//! Whose tokens are believed, and how it is known that they are theirs.
//!
//! A token is taken apart ([`unverified`]), an issuer is found that has signed it with the one algorithm that is
//! configured for it ([`verifier`], [`issuer`], [`jwks`]), and only then is anything in it read ([`claims`]).

mod algorithm;
mod claims;
mod fetch;
mod issuer;
mod jwks;
pub(crate) mod mint;
mod public_key;
mod secret;
mod unverified;
mod verifier;

pub(crate) use self::algorithm::Algorithm;
pub(crate) use self::fetch::{Fetched, client, fetch};
pub(crate) use self::jwks::Upkeep;
pub(crate) use self::public_key::public_key;
pub(crate) use self::secret::Secret;
pub(crate) use self::verifier::Verifier;

#[cfg(test)]
mod tests;
