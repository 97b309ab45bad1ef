//! Who takes part in the tests, and their tokens.

use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::binary::tidings;

/// The token secret of every server that the harness starts.
pub const SECRET: &str = "a secret for tests, known to everyone who reads this line";

/// Somebody with a token.
#[derive(Debug, Clone)]
pub struct User {
    /// As the host names them.
    pub id: &'static str,
    /// `ADVERTISER`, `PROMOTER` or `ADMIN`.
    pub role: &'static str,
    /// What others see.
    pub name: &'static str,
    /// Minted by the binary itself.
    pub token: String,
}

impl User {
    fn mint(id: &'static str, role: &'static str, name: &'static str) -> anyhow::Result<Self> {
        let token = minted(&["--user", id, "--role", role, "--name", name])?;
        Ok(Self { id, role, name, token })
    }

    fn json(&self) -> Value {
        json!({ "id": self.id, "role": self.role, "name": self.name, "token": self.token })
    }
}

fn minted(who: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(tidings()?)
        .args(["token", "mint", "--ttl", "1h"])
        .args(who)
        .env("JWT_SECRET", SECRET)
        .output()
        .context("running tidings token mint")?;
    let token = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    ensure!(
        output.status.success() && token.split('.').count() == 3,
        "tidings token mint gave no token: {token}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(token)
}

/// Two who talk, two who talk elsewhere, one who is taken out of threads, an administrator, and the host. Some ids are UUIDs, as the campaign system's are,
/// others are not: user ids are the host's.
#[derive(Debug, Clone)]
pub struct Users {
    /// An advertiser.
    pub alice: User,
    /// A promoter, Alice's counterpart.
    pub bob: User,
    /// Another advertiser: the outsider.
    pub carol: User,
    /// Another promoter, Carol's counterpart.
    pub dave: User,
    /// A promoter who is taken out of threads.
    pub eve: User,
    /// Of a role that may not write.
    pub admin: User,
    /// Nobody: the host's own token, with the scope `service`.
    pub host: User,
    /// A user who is called as the host's token is.
    pub namesake: User,
}

impl Users {
    /// Mints everyone's token.
    ///
    /// # Errors
    /// What the binary said.
    pub fn mint() -> anyhow::Result<Self> {
        Ok(Self {
            alice: User::mint("6f1c2a44-9d0b-4a57-8f0e-1b7f3c5d9e01", "ADVERTISER", "Alice Advertiser")?,
            bob: User::mint("0b9d8e7c-6a5f-4e3d-9c2b-a1f0e9d8c7b6", "PROMOTER", "Bob Promoter")?,
            carol: User::mint("advertiser-2003", "ADVERTISER", "Carol Outsider")?,
            dave: User::mint("promoter:dave", "PROMOTER", "Dave \u{1f468}\u{200d}\u{1f4bb} Ørsted")?,
            eve: User::mint("7c4e1b2a-3f6d-4c8b-a9e0-d1c2b3a49586", "PROMOTER", "Eve Former")?,
            namesake: User::mint("host", "ADVERTISER", "Hostilia")?,
            admin: User::mint("5d0c9b8a-7f6e-4d5c-8b3a-291807f6e5d4", "ADMIN", "Ada Admin")?,
            host: User {
                id: "host",
                role: "",
                name: "the host",
                token: minted(&["--user", "host", "--scope", "service"])?,
            },
        })
    }

    /// What the Node scenarios are told.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "alice": self.alice.json(),
            "bob": self.bob.json(),
            "carol": self.carol.json(),
            "dave": self.dave.json(),
            "eve": self.eve.json(),
            "admin": self.admin.json(),
            "host": self.host.json(),
        })
    }
}
