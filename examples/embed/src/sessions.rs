//! What this service had before: its users' sessions. Tidings asks them who somebody is.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use parking_lot::Mutex;
use tidings_domain::ports::{Clock as _, TokenError, TokenVerifier};
use tidings_domain::user::{Identity, User};
use tidings_system::SystemClock;

/// How long somebody stays logged in, in milliseconds. Their sockets are closed then.
const SESSION_MS: i64 = 60 * 60 * 1000;

/// Who is logged in, by session token.
#[derive(Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<HashMap<String, Identity>>>);

impl fmt::Debug for Sessions {
    /// Without the tokens: they let whoever reads the log in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenVerifier for Sessions {
    async fn verify(&self, _dialect: &str, token: &str) -> Result<Identity, TokenError> {
        let identity = self.0.lock().get(token).cloned().ok_or(TokenError("there is no such session"))?;
        if identity.expires_at <= SystemClock.now() {
            self.0.lock().remove(token);
            return Err(TokenError("the session has ended"));
        }
        Ok(identity)
    }
}

/// `POST /login/{user}/{role}`: the token of a new session, as text. Lets anybody in as anybody: your password check,
/// and where your roles come from, goes here.
pub(crate) async fn login(
    State(sessions): State<Sessions>,
    Path((user, role)): Path<(String, String)>,
) -> Result<String, StatusCode> {
    let mut user = User::unknown(user.parse().map_err(|_| StatusCode::BAD_REQUEST)?);
    user.role = Some(role.parse().map_err(|_| StatusCode::BAD_REQUEST)?);
    let half = || getrandom::u64().map_err(|_| StatusCode::SERVICE_UNAVAILABLE);
    let token = format!("{:016x}{:016x}", half()?, half()?);
    let now = SystemClock.now();
    let mut sessions = sessions.0.lock();
    sessions.retain(|_, identity| identity.expires_at > now);
    sessions.insert(token.clone(), Identity::user(user, now.plus_millis(SESSION_MS)));
    Ok(token)
}
