//! `tidings token mint`.

use anyhow::Context;
use serde_json::{Map, Value};
use tidings_domain::id::{Role, UserId};

use crate::auth::{Secret, mint::signed};
use crate::cli::Mint;
use crate::config::Config;

/// The token, and a line's end.
pub(crate) fn minted(mint: &Mint, config: &Config) -> anyhow::Result<String> {
    let secret = match &config.auth.secret {
        Some(given) => given.clone(),
        None => Secret::own(&config.server.data_dir)?,
    };
    let user: UserId = mint.user.parse().context("--user")?;
    let role: Option<Role> = mint.role.as_deref().map(str::parse).transpose().context("--role")?;
    let mut claims: Map<String, Value> = mint.claims.iter().cloned().collect();
    for (name, given) in [("name", &mint.name), ("scope", &mint.scope)] {
        if let Some(given) = given {
            claims.insert(name.to_owned(), Value::from(given.as_str()));
        }
    }
    Ok(format!("{}\n", signed(&secret, &user, role.as_ref(), claims, mint.ttl.as_secs())?))
}
