//! What an operator may set: one file, the environment, the command line. `docs/configuration.md` is written from it.
//!
//! Every section is a struct in a file of its own, with its [`Key`]s: name, default, documentation. A section reads all
//! of its keys before it misses one, so that all mistakes are reported at once.

mod auth;
mod dialects;
mod env;
mod id_space;
mod in_flight;
mod issuer;
mod key;
mod limits;
mod log;
mod metrics;
mod notices;
mod origins;
mod problem;
mod rates;
mod reference;
mod server;
mod service_link;
mod source;
mod store;
mod trust;
mod value;

use std::path::{Path, PathBuf};

use tidings_transport_ws::HubConfig;
use toml::Table;

pub(crate) use self::auth::Auth;
pub(crate) use self::dialects::Dialects;
pub(crate) use self::env::Environment;
pub(crate) use self::in_flight::InFlightSettings;
pub(crate) use self::issuer::{Claims, IssuerSettings, KeySettings, SubjectRule};
pub(crate) use self::limits::Limits;
pub(crate) use self::log::{Log, LogFormat};
pub(crate) use self::metrics::MetricsSettings;
pub(crate) use self::notices::Notices;
pub(crate) use self::origins::Origins;
pub(crate) use self::problem::{Problem, Problems};
pub(crate) use self::rates::{Rate, RateSettings};
pub(crate) use self::reference::{example, reference};
pub(crate) use self::server::Server;
pub(crate) use self::source::Flags;
pub(crate) use self::store::{PgUrl, StoreSettings, StoreUrl};
pub(crate) use self::value::duration_of;

use self::key::Key;
use self::source::{Shown, Source};

/// The file that is read when none is named and it is there.
const FILE: &str = "tidings.toml";
/// The variable that names the file, and the option that does.
const FILE_ENV: &str = "TIDINGS_CONFIG";
pub(crate) const FILE_FLAG: &str = "--config";

/// Everything that an operator may set.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) store: StoreSettings,
    pub(crate) auth: Auth,
    pub(crate) dialects: Dialects,
    pub(crate) limits: Limits,
    pub(crate) in_flight: InFlightSettings,
    pub(crate) rates: RateSettings,
    pub(crate) notices: Notices,
    pub(crate) metrics: MetricsSettings,
    pub(crate) log: Log,
    /// As given.
    origins: Option<Origins>,
}

/// A configuration that holds, and what there is to say about it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// The file that was read, if any.
    pub(crate) file: Option<PathBuf>,
    /// What an operator should look at, though nothing is wrong with it.
    pub(crate) warnings: Vec<String>,
    shown: Vec<Shown>,
}

/// All settings, section by section.
fn keys() -> impl Iterator<Item = &'static Key> {
    let fixed = [server::KEYS, store::KEYS, log::KEYS, auth::KEYS, issuer::KEYS];
    let fixed = fixed.into_iter().flatten().chain(dialects::keys()).chain(origins::keys());
    fixed
        .chain(limits::KEYS)
        .chain(in_flight::KEYS)
        .chain(rates::KEYS)
        .chain(notices::keys())
        .chain(metrics::KEYS)
}

impl Config {
    /// Reads the configuration from all its places.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn load(flags: &Flags, env: &Environment) -> Result<Loaded, Problems> {
        let named = flags.get(FILE_FLAG).map(String::as_str).or_else(|| env.get(FILE_ENV));
        let file = named.map(PathBuf::from).or_else(|| Path::new(FILE).is_file().then(|| FILE.into()));
        let table = match &file {
            Some(path) => table(path).map_err(|problem| Problems(vec![problem]))?,
            None => Table::new(),
        };
        let mut source = Source::new(flags, env, table);
        source.knows_env(FILE_ENV);
        let server = server::read(&mut source);
        let store = store::read(&mut source);
        let log = log::read(&mut source);
        let auth = auth::read(&mut source);
        let dialects = dialects::read(&mut source);
        let origins = origins::read(&mut source);
        let limits = limits::read(&mut source);
        let in_flight = in_flight::read(&mut source);
        let rates = rates::read(&mut source);
        let notices = notices::read(&mut source);
        let metrics = metrics::read(&mut source);
        source.finish();
        let Source { problems, warnings, shown, .. } = source;
        // What could not be read is among the problems.
        let config = || {
            Some(Self {
                server: server?,
                store: store?,
                auth: auth?,
                dialects: dialects?,
                limits: limits?,
                in_flight: in_flight?,
                rates: rates?,
                notices: notices?,
                metrics: metrics?,
                log: log?,
                origins,
            })
        };
        match config() {
            Some(config) if problems.is_empty() => Ok(Loaded { config, file, warnings, shown }),
            _ => Err(Problems(problems)),
        }
    }

    /// Whether nothing was said about whom to believe and nobody else can connect: then there are demo users.
    pub(crate) fn is_demo(&self) -> bool {
        !self.names_its_users() && self.server.listen.ip().is_loopback()
    }

    /// The pages that may connect.
    pub(crate) fn origins(&self) -> Origins {
        // While nobody but this machine can connect, or a proxy on it, pages on it may: nothing here rests on cookies.
        let fallback = Origins { loopback: self.server.listen.ip().is_loopback(), ..Origins::default() };
        self.origins.clone().unwrap_or(fallback)
    }

    /// The settings of the hub.
    pub(crate) fn hub(&self) -> HubConfig {
        let mut hub = self.limits.hub();
        hub.sockets_outlive_tokens = self.auth.sockets_outlive_tokens;
        hub
    }

    /// Why the server must not listen where it is told to.
    pub(crate) fn unsafe_to_serve(&self) -> Option<Problem> {
        let is_safe = self.names_its_users() || self.server.listen.ip().is_loopback();
        (!is_safe).then(|| Problem {
            what: "server.listen".to_owned(),
            found: format!("{}, which others can reach, and neither a secret nor an issuer", self.server.listen),
            expected: "auth.secret or a table [auth.issuers.NAME], so that tokens are those of your users".to_owned(),
            fix: "JWT_SECRET=\"$(openssl rand -base64 32)\", or an issuer as in docs/configuration.md; or listen on \
                  127.0.0.1"
                .to_owned(),
        })
    }

    /// Whether somebody was named whose tokens are believed.
    fn names_its_users(&self) -> bool {
        self.auth.secret.is_some() || !self.auth.issuers.is_empty()
    }
}

impl Loaded {
    /// The values that count, as TOML with their origins; secrets hidden.
    pub(crate) fn show(&self) -> String {
        let mut lines = vec![match &self.file {
            Some(path) => format!("# file: {}", path.display()),
            None => format!("# file: none ({FILE_FLAG}, {FILE_ENV}, ./{FILE})"),
        }];
        let mut section = "";
        for Shown { path, value, origin } in &self.shown {
            let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
            if parent != section {
                lines.push(format!("\n[{parent}]"));
                section = parent;
            }
            lines.push(match value {
                Some(value) => format!("{name} = {value}  # {origin}"),
                None => format!("# {name} is not set"),
            });
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

fn table(path: &Path) -> Result<Table, Problem> {
    let what = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| Problem {
        what: what.clone(),
        found: format!("a file that cannot be read: {error}"),
        expected: "a configuration file in TOML".to_owned(),
        fix: format!("correct {FILE_FLAG} or {FILE_ENV}, or make the file: tidings config example > {what}"),
    })?;
    text.parse::<Table>().map_err(|error| {
        // Not the error's own text: it quotes the line, which may hold a secret.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        Problem {
            what: format!("{what}:{line}"),
            found: "a line that is no TOML".to_owned(),
            expected: error.message().to_owned(),
            fix: "correct the line; texts stand between quotes".to_owned(),
        }
    })
}

#[cfg(test)]
mod tests;
