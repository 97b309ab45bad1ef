//! How a request's body is written: its encodings and types, as far as they are taken.
//!
//! As the originals' framework does it: gzip and deflate are inflated within the body's limit, and a form of flat fields
//! stands for a JSON object of texts. Besides, whatever begins as a JSON object is read as one, because many clients
//! forget to say so.

use std::collections::BTreeMap;
use std::io::{self, Read};

use axum::body::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};
use serde_json::Value;

use crate::door::Failed;

/// How much of a header is repeated to its sender, in characters.
const ECHO_CHARS_MAX: usize = 64;

/// Whether a form may stand for a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forms {
    Taken,
    Refused,
}

/// The body as the JSON that it stands for, at most `bytes_max` of it.
pub(crate) fn json(
    headers: &HeaderMap,
    body: Bytes,
    bytes_max: usize,
    forms: Forms,
) -> Result<Bytes, Failed> {
    if body.is_empty() {
        return Ok(body);
    }
    let body = inflated(headers, body, bytes_max)?;
    let given = text(headers, &CONTENT_TYPE)?;
    let mut parameters = given.split(';').map(str::trim);
    let kind = parameters.next().unwrap_or_default().to_ascii_lowercase();
    for parameter in parameters {
        let charset =
            parameter.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
        let Some((_, charset)) = charset else { continue };
        let charset = charset.trim().trim_matches('"');
        if !["utf-8", "utf8", "us-ascii"].iter().any(|taken| charset.eq_ignore_ascii_case(taken)) {
            return Err(unsupported("charset", charset, "UTF-8"));
        }
    }
    let is_object = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    match kind.as_str() {
        "" | "application/json" | "text/json" => Ok(body),
        _ if is_object || kind.ends_with("+json") => Ok(body),
        "application/x-www-form-urlencoded" if forms == Forms::Taken => Ok(form(&body)),
        _ => Err(unsupported("content type", &kind, "application/json")),
    }
}

fn unsupported(what: &str, given: &str, expected: &str) -> Failed {
    let given: String = given.chars().take(ECHO_CHARS_MAX).collect();
    Failed::Unsupported(format!("the {what} {given} is not supported: send {expected}"))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, Failed> {
    let value = headers.get(name).map_or(Ok(""), |value| value.to_str());
    value.map_err(|_| Failed::Unsupported(format!("the {name} header is not readable")))
}

/// The body without its encoding. A bomb is given up at the limit.
fn inflated(headers: &HeaderMap, body: Bytes, bytes_max: usize) -> Result<Bytes, Failed> {
    let encoding = text(headers, &CONTENT_ENCODING)?.trim().to_ascii_lowercase();
    let plain = match encoding.as_str() {
        "" | "identity" => return Ok(body),
        "gzip" | "x-gzip" => read(MultiGzDecoder::new(&*body), bytes_max),
        // By its name in HTTP: a zlib stream (RFC 9110, section 8.4.1.2).
        "deflate" => read(ZlibDecoder::new(&*body), bytes_max),
        _ => return Err(unsupported("content encoding", &encoding, "gzip, deflate or none")),
    };
    match plain {
        Ok(plain) if plain.len() > bytes_max => Err(Failed::TooLarge { bytes_max }),
        Ok(plain) => Ok(plain.into()),
        Err(_) => Err(Failed::invalid("the request body is not in the encoding that it names")),
    }
}

/// At most one byte more than the limit.
fn read(encoded: impl Read, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    encoded.take(limit).read_to_end(&mut plain)?;
    Ok(plain)
}

/// A form's fields as an object of texts; a field that comes twice as a list of them.
fn form(body: &[u8]) -> Bytes {
    let mut fields: BTreeMap<String, Value> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(body) {
        let value = Value::String(value.into_owned());
        match fields.get_mut(&*name) {
            None => drop(fields.insert(name.into_owned(), value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    serde_json::to_vec(&fields).unwrap_or_default().into()
}
