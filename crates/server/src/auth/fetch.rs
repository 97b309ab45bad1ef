//! Fetches a key set.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;
use reqwest::header::{CACHE_CONTROL, DATE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use serde_json::Value;

use super::Algorithm;
use super::public_key::from_jwk;

/// How long a fetch may take.
pub(crate) const FETCH_MAX: Duration = Duration::from_secs(5);
/// The largest key set, in bytes.
const SET_BYTES_MAX: usize = 64 * 1024;
/// Most keys of a set.
const KEYS_MAX: usize = 20;
/// How long a set counts as fresh when its server does not say, and the bounds of what a server may say.
const FRESH: Duration = Duration::from_hours(1);
const FRESH_MIN: Duration = Duration::from_mins(1);
const FRESH_MAX: Duration = Duration::from_hours(24);

/// A key set as it came.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// The keys that fit the issuer's algorithm, with their ids; at least one.
    pub(crate) keys: Vec<(Option<String>, DecodingKey)>,
    /// How long they may be used without asking again.
    pub(crate) fresh: Duration,
    /// The server's clock, as it wrote it.
    pub(crate) date: Option<String>,
}

/// A client that fetches key sets: no proxy, no redirects, no cookies.
pub(crate) fn client() -> anyhow::Result<Client> {
    let client =
        Client::builder().timeout(FETCH_MAX).redirect(Policy::none()).no_proxy().user_agent("tidings");
    client.build().context("no TLS client without root certificates: install the package ca-certificates")
}

/// The keys for `algorithm` that are published at `url`.
pub(crate) async fn fetch(client: &Client, url: &Url, algorithm: Algorithm) -> anyhow::Result<Fetched> {
    let response = client.get(url.clone()).send().await.map_err(reqwest::Error::without_url)?;
    ensure!(response.status().is_success(), "the server answers {}", response.status());
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let fresh = header(CACHE_CONTROL).and_then(max_age).unwrap_or(FRESH).clamp(FRESH_MIN, FRESH_MAX);
    let date = header(DATE).map(str::to_owned);
    let keys = keys(&body(response).await?, algorithm)?;
    Ok(Fetched { keys, fresh, date })
}

async fn body(mut response: Response) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + chunk.len() > SET_BYTES_MAX {
            bail!("the key set has more than {SET_BYTES_MAX} bytes");
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn keys(body: &[u8], algorithm: Algorithm) -> anyhow::Result<Vec<(Option<String>, DecodingKey)>> {
    let set: Value = serde_json::from_slice(body).context("the answer is no JSON")?;
    let listed = set.get("keys").and_then(Value::as_array).context("the answer is no JWK set")?;
    ensure!(listed.len() <= KEYS_MAX, "the set has {} keys, more than {KEYS_MAX}", listed.len());
    // One by one, so that a key of a kind that nobody here knows does not spoil the others.
    let known = listed.iter().filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
    let keys: Vec<_> =
        known.filter_map(|jwk| Some((jwk.common.key_id.clone(), from_jwk(algorithm, &jwk)?))).collect();
    ensure!(!keys.is_empty(), "none of the {} keys is for {algorithm}", listed.len());
    Ok(keys)
}

/// The `max-age` of a `Cache-Control`; nothing may be kept: none at all.
fn max_age(header: &str) -> Option<Duration> {
    let parts = || header.split(',').map(str::trim);
    if parts().any(|part| part.eq_ignore_ascii_case("no-store") || part.eq_ignore_ascii_case("no-cache")) {
        return Some(Duration::ZERO);
    }
    parts().find_map(|part| part.strip_prefix("max-age=")?.parse().ok()).map(Duration::from_secs)
}
