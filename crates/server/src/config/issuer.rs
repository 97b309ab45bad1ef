//! `[auth.issuers.NAME]`: somebody who signs tokens.

use jsonwebtoken::DecodingKey;
use reqwest::Url;

use super::auth::exact;
use super::dialects;
use super::key::{Key, Place};
use super::source::Source;
use super::trust::Given;
use super::value::{Wrong, boolean, list, one_of, text};
use crate::auth::{Algorithm, Secret};

const SECTION: &str = "auth.issuers";

static ALL: [Key; 16] = [
    Key::unset(
        "auth.issuers.*.firebase",
        "\"my-project\"",
        "the id of a Firebase project",
        "Believe the ID tokens of this Firebase project, with all checks that Firebase asks for. Sets `algorithm`, \
         `issuer`, `audience` and the key set.",
    ),
    Key::unset(
        "auth.issuers.*.jwks_url",
        "\"https://id.example.org/.well-known/jwks.json\"",
        "an https:// address, or http:// on this machine",
        "Where the issuer's public keys are published, as a JWK set (RFC 7517).",
    ),
    Key::unset(
        "auth.issuers.*.public_key",
        "\"-----BEGIN PUBLIC KEY-----…\"",
        "a public key in PEM form (BEGIN PUBLIC KEY) that fits `algorithm`",
        "The issuer's only public key.",
    )
    .or_file(),
    Key::unset(
        "auth.issuers.*.secret",
        "\"openssl rand -base64 32\"",
        "at least 32 bytes of text, hard to guess",
        "The secret that the issuer shares with Tidings, for HS256.",
    )
    .secret(),
    Key::unset(
        "auth.issuers.*.algorithm",
        "\"RS256\"",
        "HS256, RS256, ES256 or EdDSA",
        "The only algorithm that counts, whatever a token says. Not set: HS256 with a `secret`, RS256 with a \
         `jwks_url`; a `public_key` needs it.",
    ),
    Key::unset(
        "auth.issuers.*.issuer",
        "\"https://id.example.org/\"",
        "a text",
        "The `iss` that its tokens must have.",
    ),
    Key::unset(
        "auth.issuers.*.audience",
        "[\"tidings\"]",
        "a text, or several",
        "The `aud` that its tokens must have; any of these.",
    ),
    Key::unset(
        "auth.issuers.*.dialects",
        "[\"campaign\"]",
        "names of dialects",
        "The dialects that its users may enter. Not set: all.",
    ),
    Key::new(
        "auth.issuers.*.service",
        "false",
        "true or false",
        "Whether its tokens with the scope `service` may use the host API.",
    ),
    Key::new(
        "auth.issuers.*.subject",
        "\"user\"",
        "user or directory",
        "How a token's subject becomes a user: `user`, it is the user's id, after the prefix; `directory`, the host has \
         said whose it is (`subjects` of `PUT /v1/users/ID`, with the issuer's name in this file).",
    ),
    Key::unset(
        "auth.issuers.*.first_sight",
        "false",
        "true or false",
        "Whether somebody nobody has told Tidings about is taken in. Not set: true with `subject = \"user\"`, false with \
         `\"directory\"`, where true needs a prefix.",
    ),
    Key::unset(
        "auth.issuers.*.user_prefix",
        "\"partner:\"",
        "1 to 64 visible characters",
        "What the ids of its users begin with, so that two issuers cannot name each other's users.",
    ),
    Key::unset(
        "auth.issuers.*.user_claim",
        "[\"sub\"]",
        "names of claims, the first present counts",
        "Where a token says who it is for. Not set: as the dialect has it.",
    ),
    Key::unset("auth.issuers.*.role_claim", "[\"role\"]", "names of claims", "The same for the role."),
    Key::unset(
        "auth.issuers.*.name_claim",
        "[\"name\"]",
        "names of claims",
        "The same for the name that others see.",
    ),
    Key::unset(
        "auth.issuers.*.avatar_claim",
        "[\"picture\"]",
        "names of claims",
        "The same for the picture's address.",
    ),
];
pub(crate) static KEYS: &[Key] = &ALL;

/// The longest prefix of user ids, in characters; an id has 128.
const PREFIX_CHARS_MAX: usize = 64;
/// Somebody who signs tokens.
#[derive(Debug, Clone)]
pub(crate) struct IssuerSettings {
    pub(crate) name: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) keys: KeySettings,
    /// The `iss` of its tokens, if one is asked for.
    pub(crate) issuer: Option<String>,
    /// Any of these as `aud`; none: not asked for.
    pub(crate) audience: Vec<String>,
    /// Whether its tokens are Firebase's, which have more to show.
    pub(crate) is_firebase: bool,
    /// The dialects that its users may enter.
    pub(crate) dialects: Vec<String>,
    /// Whether its services may use the host API.
    pub(crate) service: bool,
    pub(crate) subject: SubjectRule,
    pub(crate) claims: Claims,
}

/// With what its tokens are verified.
#[derive(Debug, Clone)]
pub(crate) enum KeySettings {
    Secret(Secret),
    Public(Box<DecodingKey>),
    Jwks(Url),
}

impl KeySettings {
    pub(crate) const fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Secret(secret) => Some(secret),
            Self::Public(_) | Self::Jwks(_) => None,
        }
    }
}

/// How the subject of a token becomes a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubjectRule {
    /// Whether the directory says whose a subject is, rather than the subject itself.
    pub(crate) by_directory: bool,
    /// Whether somebody unknown is taken in.
    pub(crate) first_sight: bool,
    /// What the ids of users that are named by subjects begin with.
    pub(crate) prefix: String,
}

/// The names of claims in place of a dialect's; none: the dialect's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) user: Vec<String>,
    pub(crate) role: Vec<String>,
    pub(crate) name: Vec<String>,
    pub(crate) avatar_url: Vec<String>,
}

/// The names of the issuers that there are.
pub(super) fn names(source: &Source<'_>) -> Vec<String> {
    source.names(SECTION, KEYS).into_iter().collect()
}

pub(super) fn read(source: &mut Source<'_>, name: &str) -> Option<IssuerSettings> {
    let wrong_before = source.problems.len();
    let path = format!("{SECTION}.{name}");
    let places = ALL.each_ref().map(|key| key.of(name));
    let [firebase, jwks, public, shared, alg, iss, aud, served, service, rest @ ..] = &places;
    let given = Given {
        firebase: source.read_at(firebase, project).map(|set| set.value),
        jwks: source.read_at(jwks, url).map(|set| set.value),
        public: source.read_at(public, text).map(|set| set.value),
        secret: exact(source, shared),
        algorithm: source.read_at(alg, algorithm).map(|set| set.value),
        issuer: source.read_at(iss, text).map(|set| set.value),
        audience: source.read_at(aud, list).map(|set| set.value).unwrap_or_default(),
    };
    let dialects = source.read_at(served, dialect_names).map(|set| set.value);
    let service = source.read_at(service, boolean).map(|set| set.value);
    let (subject, claims) = subject_and_claims(source, &path, rest);
    if source.problems.len() > wrong_before {
        return None;
    }
    let trusted = given.trust(source, &path)?;
    Some(IssuerSettings {
        name: name.to_owned(),
        algorithm: trusted.algorithm,
        keys: trusted.keys,
        issuer: trusted.issuer,
        audience: trusted.audience,
        is_firebase: trusted.is_firebase,
        dialects: dialects.unwrap_or_else(|| dialects::names().map(str::to_owned).collect()),
        service: service?,
        subject: subject?,
        claims,
    })
}

fn subject_and_claims(
    source: &mut Source<'_>,
    path: &str,
    places: &[Place],
) -> (Option<SubjectRule>, Claims) {
    let [subject, first_sight, prefix, claims @ ..] = places else { return (None, Claims::default()) };
    let by_directory = source.read_at(subject, one_of(&[("user", false), ("directory", true)]));
    let first_sight = source.read_at(first_sight, boolean).map(|set| set.value);
    let prefix = source.read_at(prefix, prefix_of_ids).map(|set| set.value).unwrap_or_default();
    let mut claims =
        claims.iter().map(|place| source.read_at(place, list).map(|set| set.value).unwrap_or_default());
    let mut next = || claims.next().unwrap_or_default();
    let claims = Claims { user: next(), role: next(), name: next(), avatar_url: next() };
    let rule = by_directory.map(|set| SubjectRule {
        by_directory: set.value,
        first_sight: first_sight.unwrap_or(!set.value),
        prefix,
    });
    if rule.as_ref().is_some_and(|rule| rule.by_directory && rule.first_sight && rule.prefix.is_empty()) {
        source.wrong(
            path,
            "subject = \"directory\" with first_sight, and no user_prefix",
            "a prefix for those who are taken in, so that a subject cannot name one of the host's users",
            "add a line such as user_prefix = \"guest:\", or remove first_sight",
        );
    }
    (rule, claims)
}

fn algorithm(value: &toml::Value) -> Result<Algorithm, Wrong> {
    let name = text(value)?;
    Algorithm::ALL.into_iter().find(|known| known.name() == name).ok_or(None)
}

fn project(value: &toml::Value) -> Result<String, Wrong> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text(value).and_then(|id| if id.chars().all(is_plain) { Ok(id) } else { Err(None) })
}

fn url(value: &toml::Value) -> Result<Url, Wrong> {
    let url: Url = text(value)?.parse().map_err(|_| None)?;
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_here => Ok(url),
        "http" => Err(Some("keys that come over http:// can be exchanged on the way".to_owned())),
        _ => Err(None),
    }
}

fn dialect_names(value: &toml::Value) -> Result<Vec<String>, Wrong> {
    let names = list(value)?;
    match names.iter().find(|name| !dialects::names().any(|known| known == name.as_str())) {
        None => Ok(names),
        Some(unknown) => {
            let known: Vec<&str> = dialects::names().collect();
            Err(Some(format!("there is no dialect {unknown:?}, only {}", known.join(", "))))
        }
    }
}

fn prefix_of_ids(value: &toml::Value) -> Result<String, Wrong> {
    let prefix = text(value)?;
    let fits =
        prefix.chars().count() <= PREFIX_CHARS_MAX && prefix.parse::<tidings_domain::id::UserId>().is_ok();
    if fits { Ok(prefix) } else { Err(None) }
}
