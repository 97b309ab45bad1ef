//! `tidings doctor`: looks for what would go wrong, and says what to do about it.

mod issuers;
mod listening;
mod machine;
mod storage;

use std::fmt;
use std::process::ExitCode;

use crate::auth::Secret;
use crate::config::{Config, Loaded};

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Ok,
    Warn,
    Fail,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    level: Level,
    /// What was looked at.
    what: String,
    /// What was seen.
    seen: String,
    /// What to do, when something is to be done.
    remedy: String,
}

impl Finding {
    fn ok(what: &str, seen: impl Into<String>) -> Self {
        Self { level: Level::Ok, what: what.to_owned(), seen: seen.into(), remedy: String::new() }
    }

    fn warn(what: &str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Warn, what: what.to_owned(), seen: seen.into(), remedy: remedy.into() }
    }

    fn fail(what: &str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Fail, what: what.to_owned(), seen: seen.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { level, what, seen, remedy } = self;
        let level = match level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        write!(f, "{level:<5} {what}: {seen}")?;
        if !remedy.is_empty() {
            write!(f, "\n      do: {remedy}")?;
        }
        Ok(())
    }
}

/// Looks at everything; gives the report, and an exit code that is not 0 when something will not work.
pub(crate) async fn examine(loaded: &Loaded) -> (String, ExitCode) {
    let findings = findings(loaded).await;
    let lines: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (fails, warns) = (count(Level::Fail), count(Level::Warn));
    let looked_at = findings.len();
    let report =
        format!("{lines}\n{looked_at} looked at, {warns} to look into, {fails} that will not work\n");
    (report, if fails == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn findings(loaded: &Loaded) -> Vec<Finding> {
    let config = &loaded.config;
    let mut findings: Vec<Finding> = loaded
        .warnings
        .iter()
        .map(|warning| Finding::warn("configuration", warning, "see docs/configuration.md"))
        .collect();
    findings.push(listening::finding(config).await);
    findings.extend(listening::metrics(config));
    findings.push(storage::folder(&config.server.data_dir));
    findings.push(storage::database(config).await);
    findings.push(storage::privacy(config));
    findings.extend(machine::clock(&config.server.data_dir));
    findings.push(machine::descriptors(config.limits.sockets));
    findings.push(secret(config));
    findings.extend(issuers::findings(config).await);
    findings.extend(origins(config));
    findings
}

fn secret(config: &Config) -> Finding {
    let remedy = "make one with: openssl rand -base64 32";
    let shared = config.auth.issuers.iter().filter_map(|issuer| issuer.keys.secret());
    match config.auth.secret.iter().chain(shared).find_map(|secret| secret.weakness()) {
        Some(weakness) => {
            Finding::warn("secret", format!("it {weakness}; who guesses it can be anybody"), remedy)
        }
        None if config.auth.secret.is_some() => Finding::ok("secret", "given, and long enough"),
        None => match Secret::kept(&config.server.data_dir) {
            Ok(Some(_)) => Finding::ok("secret", "the one in the data folder"),
            Ok(None) => Finding::ok("secret", "will be made in the data folder at the first start"),
            Err(error) => {
                Finding::fail("secret", format!("{error:#}"), "correct the file, or set JWT_SECRET")
            }
        },
    }
}

fn origins(config: &Config) -> Vec<Finding> {
    let origins = config.origins();
    let mut findings = Vec::new();
    if origins.exact.is_empty() && !origins.loopback {
        let remedy =
            "CORS_ORIGINS=https://your.app, or origins.allow; nothing if only apps and servers connect";
        findings.push(Finding::warn("origins", "no web page may connect", remedy));
    }
    if origins.loopback && !config.server.listen.ip().is_loopback() {
        let seen = "pages on any visitor's own machine may connect to a server that others can reach";
        findings.push(Finding::warn("origins", seen, "remove loopback from origins.allow in production"));
    }
    for origin in origins.exact.iter().filter(|origin| is_plain_http(origin)) {
        let seen = format!("{origin} is no https:// page, so its visitors' tokens can be read on the way");
        findings.push(Finding::warn("origins", seen, "serve the page over https"));
    }
    if findings.is_empty() {
        let named = if origins.exact.is_empty() { "loopback".to_owned() } else { origins.exact.join(", ") };
        findings.push(Finding::ok("origins", named));
    }
    findings
}

fn is_plain_http(origin: &str) -> bool {
    let host = origin.strip_prefix("http://").unwrap_or("localhost");
    !["localhost", "127.0.0.1", "[::1]"].iter().any(|here| host.starts_with(here))
}

#[cfg(test)]
mod tests;
