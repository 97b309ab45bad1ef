//! `tidings token mint`.

use anyhow::{Context, bail};
use serde_json::{Map, Value};
use tidings_domain::id::{Role, UserId};

use crate::auth::{Secret, mint::signed};
use crate::cli::Mint;
use crate::config::Config;

/// The token, and a line's end.
pub(crate) fn minted(mint: &Mint, config: &Config) -> anyhow::Result<String> {
    let secret = match &config.auth.secret {
        Some(given) => given.clone(),
        // A secret that no server knows would sign tokens that none takes.
        None => match Secret::kept(&config.server.data_dir)? {
            Some(kept) => kept,
            None => bail!("{}", missing(config)),
        },
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

/// Why there is nothing to sign with, and what to do.
fn missing(config: &Config) -> String {
    let file = Secret::file(&config.server.data_dir);
    let place = std::path::absolute(&file).unwrap_or(file);
    format!(
        "there is no secret to sign a token with: JWT_SECRET (auth.secret) is not set, and there is no file {}. \
         Give the same JWT_SECRET as the server, or its folder with --data-dir; a server without a JWT_SECRET makes \
         the file at its first start: tidings serve",
        place.display()
    )
}
