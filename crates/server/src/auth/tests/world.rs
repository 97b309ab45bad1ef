//! Issuers, their keys, and a verifier that believes them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value, json};
use tidings_domain::context::{Context, ContextRef};
use tidings_domain::error::StoreError;
use tidings_domain::id::UserId;
use tidings_domain::ports::{Clock, Directory, TokenError, TokenVerifier};
use tidings_domain::user::{Identity, Subject, User};
use tidings_storage_memory::MemoryStore;
use tidings_testkit::{ManualClock, T0};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::{Secret, Upkeep, Verifier};
use crate::config::{Config, Environment, Flags};
use crate::store::Nobody;

pub(super) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A key pair of an issuer.
pub(super) struct Pair {
    pub(super) algorithm: Algorithm,
    private: String,
    pub(super) public_pem: String,
    public: Vec<u8>,
}

impl Pair {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the tests ask for three kinds of pairs")]
    pub(super) fn new(algorithm: Algorithm) -> Self {
        let pair = match algorithm {
            Algorithm::RS256 => rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256),
            Algorithm::ES256 => rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            _ => rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519),
        };
        let pair = pair.unwrap();
        let public = pair.public_key_raw().to_vec();
        Self { algorithm, private: pair.serialize_pem(), public_pem: pair.public_key_pem(), public }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the tests ask for three kinds of pairs")]
    fn key(&self) -> EncodingKey {
        let pem = self.private.as_bytes();
        let key = match self.algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(pem),
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem),
            _ => EncodingKey::from_ed_pem(pem),
        };
        key.unwrap()
    }

    pub(super) fn sign(&self, kid: Option<&str>, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = kid.map(str::to_owned);
        jsonwebtoken::encode(&header, claims, &self.key()).unwrap()
    }

    /// The public half as a member of a key set.
    pub(super) fn jwk(&self, kid: &str) -> Value {
        if self.algorithm == Algorithm::EdDSA {
            let x = URL_SAFE_NO_PAD.encode(&self.public);
            return json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": x});
        }
        let mut jwk = Jwk::from_encoding_key(&self.key(), self.algorithm).unwrap();
        jwk.common.key_id = Some(kid.to_owned());
        serde_json::to_value(jwk).unwrap()
    }
}

/// RSA keys take long to make; these two serve all tests.
pub(super) static RSA: LazyLock<Pair> = LazyLock::new(|| Pair::new(Algorithm::RS256));
pub(super) static OTHER_RSA: LazyLock<Pair> = LazyLock::new(|| Pair::new(Algorithm::RS256));

/// A token of HS256 or its like.
pub(super) fn shared(secret: &str, algorithm: Algorithm, claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes()))
        .unwrap()
}

/// Claims of Ada that hold for an hour from [`T0`], with these besides.
pub(super) fn claims(besides: &Value) -> Value {
    let mut claims = json!({"sub": "ada", "role": "ADVERTISER", "name": "Ada", "exp": in_seconds(3_600)});
    let all = claims.as_object_mut().unwrap();
    for (name, value) in besides.as_object().unwrap_or(&Map::new()) {
        all.insert(name.clone(), value.clone());
        if value.is_null() {
            all.remove(name);
        }
    }
    claims
}

/// A `NumericDate` so many seconds after [`T0`].
pub(super) fn in_seconds(seconds: i64) -> i64 {
    T0.as_millis() / 1_000 + seconds
}

/// The reference store's users, and the subjects that the host has tied to them.
#[derive(Debug)]
pub(super) struct Known {
    users: MemoryStore,
    subjects: HashMap<(&'static str, &'static str), User>,
}

#[async_trait]
impl Directory for Known {
    async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        self.users.users(ids).await
    }

    async fn user_by_subject(&self, subject: &Subject) -> Result<Option<User>, StoreError> {
        let mut known = self.subjects.iter();
        Ok(known
            .find(|((by, who), _)| *by == subject.issuer && *who == subject.sub)
            .map(|(_, user)| user.clone()))
    }

    async fn put_user(&self, user: User, subjects: Option<Vec<Subject>>) -> Result<User, StoreError> {
        self.users.put_user(user, subjects).await
    }

    async fn contexts(&self, references: &[ContextRef]) -> Result<Vec<Context>, StoreError> {
        self.users.contexts(references).await
    }

    async fn put_context(&self, context: Context) -> Result<(), StoreError> {
        self.users.put_context(context).await
    }
}

/// A verifier of a configuration, its clock and its tasks.
pub(super) struct World {
    verifier: Verifier,
    pub(super) clock: Arc<ManualClock>,
    pub(super) directory: Arc<Known>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl World {
    /// As an operator writes it.
    pub(super) fn new(file: &str) -> Self {
        Self::with_subjects(file, HashMap::new())
    }

    pub(super) fn with_subjects(file: &str, subjects: HashMap<(&'static str, &'static str), User>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, file).unwrap();
        let flags = Flags::from([("--config", path.to_str().unwrap().to_owned())]);
        let loaded = Config::load(&flags, &Environment::default()).unwrap_or_else(|error| panic!("{error}"));
        let clock = Arc::new(ManualClock::at(T0));
        let directory = Arc::new(Known { users: MemoryStore::new(Arc::new(Nobody)), subjects });
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let upkeep =
            Upkeep { clock: Arc::clone(&clock) as Arc<dyn Clock>, tasks: tasks.clone(), stop: stop.clone() };
        let own = Secret::given(SECRET).unwrap();
        let known = Arc::clone(&directory) as Arc<dyn Directory>;
        let verifier =
            Verifier::new(&loaded.config.auth, &own, loaded.config.dialects.served.clone(), known, &upkeep)
                .unwrap();
        Self { verifier, clock, directory, tasks, stop }
    }

    pub(super) async fn enters(&self, token: &str) -> Result<Identity, TokenError> {
        self.verifier.verify("campaign", token).await
    }

    pub(super) async fn at_host(&self, token: &str) -> Result<Identity, TokenError> {
        self.verifier.verify("host", token).await
    }

    /// Why the token is refused.
    pub(super) async fn refuses(&self, token: &str) -> &'static str {
        match self.enters(token).await {
            Ok(identity) => panic!("let in: {identity:?}"),
            Err(TokenError(why)) => why,
        }
    }

    /// Moves the clock on.
    pub(super) fn wait(&self, seconds: i64) {
        self.clock.advance(seconds * 1_000);
    }
}
