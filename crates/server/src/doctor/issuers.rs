//! The issuers whose keys are published.

use std::time::UNIX_EPOCH;

use tidings_domain::ports::Clock;
use tidings_system::SystemClock;

use super::Finding;
use crate::auth::{self, Fetched};
use crate::config::{Config, KeySettings};

/// How far this clock and an issuer's may be apart before tokens are refused for it, beyond the leeway, in seconds.
const SKEW_FATAL_S: u64 = 60;

/// Whether the keys of every issuer can be had.
pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for issuer in &config.auth.issuers {
        let what = format!("issuer {}", issuer.name);
        let KeySettings::Jwks(url) = &issuer.keys else {
            findings.push(Finding::ok(&what, format!("{}, its key is given", issuer.algorithm)));
            continue;
        };
        let fetched = match auth::client() {
            Ok(client) => auth::fetch(&client, url, issuer.algorithm).await,
            Err(error) => Err(error),
        };
        match fetched {
            Ok(Fetched { keys, date, .. }) => {
                let seen = format!("{} keys for {} at {url}", keys.len(), issuer.algorithm);
                findings.push(Finding::ok(&what, seen));
                findings.extend(date.and_then(|date| clock(&what, &date, config.auth.leeway.as_secs())));
            }
            Err(error) => {
                let remedy =
                    "correct the address, or let this machine reach it; until then its tokens are refused";
                findings.push(Finding::fail(&what, format!("no keys from {url}: {error:#}"), remedy));
            }
        }
    }
    findings
}

/// What the issuer's clock says of this one, if they differ.
fn clock(what: &str, date: &str, leeway_s: u64) -> Option<Finding> {
    let there = httpdate::parse_http_date(date).ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let here = u64::try_from(SystemClock.now().as_millis() / 1_000).ok()?;
    let apart = there.abs_diff(here);
    let seen = format!("this clock and the issuer's are {apart} s apart, the leeway is {leeway_s} s");
    let remedy = "set the clock, and let NTP keep it";
    if apart > SKEW_FATAL_S.max(leeway_s) {
        return Some(Finding::fail(what, seen, remedy));
    }
    // A second is lost to rounding and the way.
    (apart > leeway_s + 1).then(|| Finding::warn(what, seen, remedy))
}
