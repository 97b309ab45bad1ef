//! The command line, and the environment variables that stand for parts of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Marketplace messaging: threads, messages, read receipts and typing over REST and Socket.IO.
#[derive(Debug, Parser)]
#[command(name = "tidings", version)]
pub(crate) struct Cli {
    /// What is logged to standard error, as a `tracing` filter: `info`, `tidings_transport_ws=debug`…
    #[arg(long, global = true, default_value = "info", env = "TIDINGS_LOG")]
    pub(crate) log: String,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server. Without any option: a SQLite file in ./data, a secret made once, two demo users.
    Serve(Serve),
    /// Work with access tokens.
    #[command(subcommand)]
    Token(TokenCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Print a token for a user, signed with the server's secret.
    Mint(Mint),
}

/// Where the server keeps its things.
#[derive(Debug, Clone, Args)]
pub(crate) struct Keys {
    /// The folder of the database and the secret; made if it is missing.
    #[arg(long, default_value = "data", env = "TIDINGS_DATA_DIR")]
    pub(crate) data_dir: PathBuf,
    /// The secret that signs tokens (HS256), at least 32 bytes. Without it, one is made and kept in the data folder.
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    pub(crate) jwt_secret: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:3000", env = "TIDINGS_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// `sqlite:PATH`, or `memory:` to forget everything at the end. Without it, tidings.db in the data folder.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    #[command(flatten)]
    pub(crate) keys: Keys,
}

#[derive(Debug, Args)]
pub(crate) struct Mint {
    /// The user's id: 1 to 128 visible characters.
    #[arg(long)]
    pub(crate) user: String,
    /// The user's role, such as ADVERTISER or PROMOTER.
    #[arg(long)]
    pub(crate) role: String,
    /// The name shown to others.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A further claim, NAME=VALUE; the value is taken as JSON if it is, else as text. May be repeated.
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = parse_claim)]
    pub(crate) claims: Vec<(String, serde_json::Value)>,
    /// How long the token holds: 90s, 15m, 1h, 7d.
    #[arg(long, default_value = "1h", value_parser = parse_duration)]
    pub(crate) ttl: Duration,
    #[command(flatten)]
    pub(crate) keys: Keys,
}

fn parse_claim(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    if name.is_empty() {
        return Err("the claim's name is empty".to_owned());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| serde_json::Value::from(value));
    Ok((name.to_owned(), value))
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a number with a unit: 90s, 15m, 1h, 7d".to_owned();
    let unit = text.chars().next_back().ok_or_else(expected)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(expected()),
    };
    let number: u64 = text.trim_end_matches(unit).parse().map_err(|_| expected())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in ["", "s", "10", "1w", "-1h", "1.5h", "99999999999999999999d", "18446744073709551615d"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn claims_are_json_or_text() {
        assert_eq!(parse_claim("a=1"), Ok(("a".to_owned(), 1.into())));
        assert_eq!(parse_claim("a=b=c"), Ok(("a".to_owned(), "b=c".into())));
        assert!(parse_claim("a").is_err());
        assert!(parse_claim("=1").is_err());
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
