//! From a token to who it speaks for.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tidings_domain::id::UserId;
use tidings_domain::ports::{Clock, Directory, TokenError, TokenVerifier};
use tidings_domain::time::Timestamp;
use tidings_domain::user::{Identity, Subject, User};
use tidings_wire::{ClaimNames, Dialect};

use super::Secret;
use super::claims::{MALFORMED_USER, Verified};
use super::issuer::Issuer;
use super::jwks::Upkeep;
use super::unverified::Unverified;
use crate::config::{Auth, SubjectRule};

/// What the host API is called where a dialect is named.
pub(crate) const HOST: &str = "host";
/// Where tokens for the host API say who they are for.
static HOST_CLAIMS: ClaimNames =
    ClaimNames { user: &["sub"], role: &["role"], name: &["name"], avatar_url: &["picture"] };

const UNREADABLE: TokenError = TokenError("the token's user cannot be looked up now");
const NOBODY: TokenError = TokenError("the token's user is not known here");

/// Verifies the tokens of all issuers.
///
/// Which issuer: those whose algorithm the token names; among them those configured with the token's `iss`, and if
/// there are none, those configured without one; of these, in the order of their names and the server's own secret
/// last, the first whose key has signed it. Whatever else is then wrong with the token is final.
#[derive(Debug)]
pub(crate) struct Verifier {
    issuers: Vec<Issuer>,
    leeway: Duration,
    clock: Arc<dyn Clock>,
    directory: Arc<dyn Directory>,
    dialects: Vec<&'static Dialect>,
}

impl Verifier {
    /// For the issuers of the configuration, and `own`, the secret of the server itself. Beside named issuers that one
    /// speaks for services alone.
    ///
    /// # Errors
    /// When keys are to be fetched and this machine cannot.
    pub(crate) fn new(
        auth: &Auth,
        own: &Secret,
        dialects: Vec<&'static Dialect>,
        directory: Arc<dyn Directory>,
        upkeep: &Upkeep,
    ) -> anyhow::Result<Self> {
        let issuers = auth.issuers.iter().map(|settings| Issuer::new(settings.clone(), upkeep));
        let mut issuers = issuers.collect::<anyhow::Result<Vec<Issuer>>>()?;
        let entered = if issuers.is_empty() { dialects.as_slice() } else { &[] };
        let entered = entered.iter().map(|dialect| dialect.name.to_owned()).collect();
        issuers.push(Issuer::of_secret(own, entered));
        issuers.iter().for_each(Issuer::warm_up);
        Ok(Self { issuers, leeway: auth.leeway, clock: Arc::clone(&upkeep.clock), directory, dialects })
    }

    /// The issuers that may have signed a token, in the order in which they are asked.
    fn candidates(&self, token: &Unverified<'_>) -> Result<Vec<&Issuer>, TokenError> {
        let fitting: Vec<&Issuer> =
            self.issuers.iter().filter(|issuer| issuer.uses_algorithm_of(token)).collect();
        if fitting.is_empty() {
            return Err(TokenError("the token's algorithm is not accepted"));
        }
        let named = token.claims.get("iss").and_then(serde_json::Value::as_str);
        let called = |name: Option<&str>| -> Vec<&Issuer> {
            fitting.iter().copied().filter(|issuer| issuer.settings.issuer.as_deref() == name).collect()
        };
        let mut candidates = named.map(|_| called(named)).unwrap_or_default();
        if candidates.is_empty() {
            candidates = called(None);
        }
        if candidates.is_empty() {
            return Err(TokenError("the token's issuer is not accepted"));
        }
        Ok(candidates)
    }

    async fn signer(&self, token: &Unverified<'_>) -> Result<&Issuer, TokenError> {
        let mut why = TokenError("the token's signature does not hold");
        for issuer in self.candidates(token)? {
            match issuer.has_signed(token).await {
                Ok(true) => return Ok(issuer),
                Ok(false) => {}
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    async fn user(
        &self,
        issuer: &Issuer,
        claims: &Verified<'_>,
        defaults: &ClaimNames,
    ) -> Result<User, TokenError> {
        let own = &issuer.settings.claims;
        let subject = claims.subject(&names(&own.user, defaults.user))?;
        let rule = &issuer.settings.subject;
        if rule.by_directory {
            let named = Subject { issuer: issuer.settings.name.clone(), sub: subject.clone() };
            let found = self.directory.user_by_subject(&named).await;
            match found.map_err(unreadable)? {
                Some(known) => return Ok(known),
                None if !rule.first_sight => return Err(NOBODY),
                None => {}
            }
        }
        let mut user = User::unknown(user_id(rule, &subject)?);
        if !rule.by_directory && !rule.first_sight {
            let known = self.directory.users(std::slice::from_ref(&user.id)).await.map_err(unreadable)?;
            if known.is_empty() {
                return Err(NOBODY);
            }
        }
        if let Some(name) = claims.name(&names(&own.name, defaults.name)) {
            user.name = name;
        }
        user.avatar_url = claims.avatar_url(&names(&own.avatar_url, defaults.avatar_url));
        user.role = claims.role(&names(&own.role, defaults.role))?;
        if let Some(issued_at) = claims.issued_at() {
            user.as_of = issued_at;
        }
        Ok(user)
    }

    /// The identity of a service, which is nobody's user.
    fn service(claims: &Verified<'_>, expires_at: Timestamp) -> Result<Identity, TokenError> {
        let subject = claims.subject(HOST_CLAIMS.user)?;
        let id = subject.parse().map_err(|_| MALFORMED_USER)?;
        Ok(Identity::service(User::unknown(id), expires_at))
    }
}

#[async_trait]
impl TokenVerifier for Verifier {
    async fn verify(&self, dialect: &str, token: &str) -> Result<Identity, TokenError> {
        let token = Unverified::parse(token)?;
        let issuer = self.signer(&token).await?;
        let claims = Verified(&token.claims);
        let leeway_ms = i64::try_from(self.leeway.as_millis()).unwrap_or_default();
        let expires_at = claims.check(&issuer.settings, self.clock.now(), self.leeway)?;
        // As long as it is accepted here, a session that it began goes on.
        let expires_at = expires_at.plus_millis(leeway_ms);
        match (dialect == HOST, claims.is_service()) {
            (true, true) if issuer.settings.service => return Self::service(&claims, expires_at),
            (true, true) => return Err(TokenError("the token's issuer may not speak for services")),
            (true, false) => return Err(TokenError("the token lacks the scope service")),
            (false, true) => return Err(TokenError("the token is a service's, which may not enter here")),
            (false, false) => {}
        }
        let known = self.dialects.iter().find(|known| known.name == dialect);
        let defaults = match known {
            Some(known) if issuer.settings.dialects.iter().any(|name| name == dialect) => &known.claims,
            _ => return Err(TokenError("the token may not enter here")),
        };
        Ok(Identity::user(self.user(issuer, &claims, defaults).await?, expires_at))
    }
}

fn user_id(rule: &SubjectRule, subject: &str) -> Result<UserId, TokenError> {
    format!("{}{subject}", rule.prefix).parse().map_err(|_| MALFORMED_USER)
}

/// An issuer's own names of a claim, or the dialect's.
fn names<'n>(own: &'n [String], defaults: &'n [&'static str]) -> Vec<&'n str> {
    if own.is_empty() { defaults.to_vec() } else { own.iter().map(String::as_str).collect() }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn unreadable(error: tidings_domain::error::StoreError) -> TokenError {
    tracing::error!(%error, "a token's user could not be looked up");
    UNREADABLE
}
