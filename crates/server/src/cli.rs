//! The command line. Values of settings are texts here; the configuration reads them, with all its other places.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::{FILE_FLAG, Flags, duration_of};

// Not as documentation comments, in which names would need marks that a terminal shows.
const HELP_CONFIG: &str =
    "The configuration file [env: TIDINGS_CONFIG] [default: tidings.toml, if it is there]";
const HELP_LOG: &str =
    "What is logged to standard error: info, tidings_transport_ws=debug… [env: TIDINGS_LOG] [default: info]";
const HELP_LISTEN: &str =
    "The address to listen on; port 0 takes a free one [env: TIDINGS_LISTEN, PORT] [default: 127.0.0.1:3000]";
const HELP_DATA_DIR: &str = "The folder of the database and the secret; made if it is missing [env: TIDINGS_DATA_DIR] [default: data]";
const HELP_DATABASE_URL: &str =
    "sqlite:PATH, postgres://…, or memory: [env: DATABASE_URL] [default: tidings.db in the data folder]";
const HELP_FROM: &str = "The store to copy: sqlite:PATH or postgres://…; a password is better kept in PGPASSWORD or ~/.pgpass, as others can see the command line";
const HELP_TO: &str = "The empty store to copy into; a missing file or schema is made";
const HELP_JWT_SECRET: &str = "The secret that signs tokens (HS256), at least 32 bytes; the variable is the better place, as others can see the command line [env: JWT_SECRET] [default: made once and kept in the data folder]";

/// Marketplace messaging: threads, messages, read receipts and typing over REST and Socket.IO.
#[derive(Debug, Parser)]
#[command(name = "tidings", version)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Settings that can be given on the command line; there they count for more than in the environment and in the file.
#[derive(Debug, Default, Args)]
pub(crate) struct Settings {
    #[arg(long, global = true, value_name = "PATH", help = HELP_CONFIG)]
    config: Option<String>,
    #[arg(long, global = true, value_name = "FILTER", help = HELP_LOG)]
    log: Option<String>,
    #[arg(long, global = true, value_name = "ADDRESS", help = HELP_LISTEN)]
    listen: Option<String>,
    #[arg(long, global = true, value_name = "PATH", help = HELP_DATA_DIR)]
    data_dir: Option<String>,
    #[arg(long, global = true, value_name = "URL", help = HELP_DATABASE_URL)]
    database_url: Option<String>,
    #[arg(long, global = true, value_name = "SECRET", help = HELP_JWT_SECRET)]
    jwt_secret: Option<String>,
}

impl Settings {
    /// Those that were given.
    pub(crate) fn flags(self) -> Flags {
        let all = [
            (FILE_FLAG, self.config),
            ("--log", self.log),
            ("--listen", self.listen),
            ("--data-dir", self.data_dir),
            ("--database-url", self.database_url),
            ("--jwt-secret", self.jwt_secret),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server. Without any option: a SQLite file in ./data, a secret made once, two demo users.
    Serve,
    /// Work with access tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Bring the database's schema up to date, and end. `serve` does it too.
    Migrate,
    /// Copy everything from one store into an empty other one. Stop what serves from them first. Interrupted, the same
    /// command goes on.
    Copy(Copy),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Ask a running server at the configured address whether it is ready; the exit code tells.
    Healthcheck,
    /// Look for what would go wrong: database, folders, clock, secrets, issuers, origins, limits of the system.
    Doctor,
}

#[derive(Debug, Args)]
pub(crate) struct Copy {
    #[arg(long, value_name = "URL", help = HELP_FROM)]
    pub(crate) from: String,
    #[arg(long, value_name = "URL", help = HELP_TO)]
    pub(crate) to: String,
}

#[derive(Debug, Clone, std::marker::Copy, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Tell everything that is wrong with the configuration.
    Check,
    /// Print the values that count and where each came from; secrets hidden.
    Show,
    /// Print a configuration file with every setting at its default.
    Example,
    /// Print the tables of docs/configuration.md.
    Reference,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Print a token for a user, or for a service with --scope service, signed with the server's secret.
    Mint(Mint),
}

#[derive(Debug, Args)]
pub(crate) struct Mint {
    /// The user's id, or the service's name: 1 to 128 visible characters.
    #[arg(long)]
    pub(crate) user: String,
    /// The user's role, such as ADVERTISER or PROMOTER.
    #[arg(long, required_unless_present = "scope")]
    pub(crate) role: Option<String>,
    /// The name shown to others.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// What the token is good for besides: `service`, for the host API and no dialect.
    #[arg(long)]
    pub(crate) scope: Option<String>,
    /// A further claim, NAME=VALUE; the value is taken as JSON if it is, else as text. May be repeated.
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = parse_claim)]
    pub(crate) claims: Vec<(String, serde_json::Value)>,
    /// How long the token holds: 90s, 15m, 1h, 7d.
    #[arg(long, default_value = "1h", value_parser = parse_duration)]
    pub(crate) ttl: Duration,
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
    duration_of(text).ok_or_else(|| "expected a number with a unit: 90s, 15m, 1h, 7d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn settings_stand_before_and_after_the_command() {
        let cli = Cli::parse_from(["tidings", "--log", "debug", "serve", "--listen", "127.0.0.1:0"]);
        let flags = cli.settings.flags();
        assert_eq!(flags.get("--log").map(String::as_str), Some("debug"));
        assert_eq!(flags.get("--listen").map(String::as_str), Some("127.0.0.1:0"));
    }
}
