//! Where values come from, strongest first: the command line, the environment, the file, the default.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use toml::{Table, Value};

use super::env::Environment;
use super::key::{ENV_PREFIX, Key, Place, env_part};
use super::problem::Problem;
use super::service_link;
use super::value::Wrong;

/// The most of a value that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 80;

/// Options of the command line, by name with the dashes.
pub(crate) type Flags = BTreeMap<&'static str, String>;

/// Where a value came from. The stronger is the greater.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// Nobody gave one.
    Default,
    /// The configuration file.
    File,
    /// This variable.
    Environment(String),
    /// This option.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File => f.write_str("file"),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

impl Origin {
    /// Where a value came from, in words.
    pub(crate) fn whence(&self) -> String {
        match self {
            Self::Default => "the default".to_owned(),
            Self::File => "the file".to_owned(),
            Self::Environment(name) => format!("the variable {name}"),
            Self::Flag(name) => format!("the option {name}"),
        }
    }

    /// Whether a value from here counts for more than one from `other`.
    pub(crate) fn outranks(&self, other: &Self) -> bool {
        let rank = |origin: &Self| match origin {
            Self::Default => 0,
            Self::File => 1,
            Self::Environment(_) => 2,
            Self::Flag(_) => 3,
        };
        rank(self) > rank(other)
    }
}

/// A value and where it came from.
#[derive(Debug, Clone)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

/// A setting as `config show` prints it.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) path: String,
    /// As TOML; `None`: not set.
    pub(crate) value: Option<String>,
    pub(crate) origin: Origin,
}

/// All places to look in, and what was noticed on the way.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    flags: &'a Flags,
    env: &'a Environment,
    file: Table,
    asked: BTreeSet<String>,
    asked_env: BTreeSet<String>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<String>,
    pub(crate) shown: Vec<Shown>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(flags: &'a Flags, env: &'a Environment, file: Table) -> Self {
        Self {
            flags,
            env,
            file,
            asked: BTreeSet::new(),
            asked_env: BTreeSet::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            shown: Vec::new(),
        }
    }

    /// The value of a setting; `None` when it is not set, or wrong, which is noted.
    pub(crate) fn read<T>(
        &mut self,
        key: &'static Key,
        parse: impl Fn(&Value) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.read_at(&key.place(), parse).map(|setting| setting.value)
    }

    /// The value of a setting at a place, and where it came from.
    pub(crate) fn read_at<T>(
        &mut self,
        place: &Place,
        parse: impl Fn(&Value) -> Result<T, Wrong>,
    ) -> Option<Setting<T>> {
        let found = self.find(place);
        let shown = found.as_ref().map(|found| show(place.key, &found.value));
        let origin = found.as_ref().map_or(Origin::Default, |found| found.origin.clone());
        self.shown.push(Shown { path: place.path.clone(), value: shown, origin });
        let Setting { value, origin } = found?;
        match parse(&value) {
            Ok(value) => Some(Setting { value, origin }),
            Err(why) => {
                let mut found = format!("{}, from {}", show(place.key, &value), origin.whence());
                if let Some(why) = why {
                    found = format!("{found}: {why}");
                }
                self.problems.push(Problem {
                    what: place.path.clone(),
                    found,
                    expected: place.key.expected.to_owned(),
                    fix: fix(place, &origin),
                });
                None
            }
        }
    }

    /// Notes something wrong that no single value shows.
    pub(crate) fn wrong(&mut self, what: impl Into<String>, found: &str, expected: &str, fix: &str) {
        let (found, expected, fix) = (found.to_owned(), expected.to_owned(), fix.to_owned());
        self.problems.push(Problem { what: what.into(), found, expected, fix });
    }

    /// The names in place of the `*` of these settings of one section, in the file or the environment.
    pub(crate) fn names(&self, section: &str, keys: &[Key]) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        if let Some(Value::Table(table)) = lookup(&self.file, section) {
            names.extend(table.keys().cloned());
        }
        let in_file: BTreeSet<String> = names.iter().map(|name| env_part(name)).collect();
        let rest = |key: &Key| env_part(key.name.split_once(".*.").map_or("", |(_, rest)| rest));
        let mut ends: Vec<String> =
            keys.iter().flat_map(|key| [format!("_{}", rest(key)), format!("_{}_FILE", rest(key))]).collect();
        // The longest first: APP_PUBLIC_KEY is the PUBLIC_KEY of APP, whatever else may be called KEY.
        ends.sort_by_key(|end| std::cmp::Reverse(end.len()));
        let start = format!("{ENV_PREFIX}{}_", env_part(section));
        let variables = self.env.names().filter_map(|variable| variable.strip_prefix(&start));
        let named =
            variables.filter_map(|variable| ends.iter().find_map(|end| variable.strip_suffix(end.as_str())));
        let new = named.filter(|name| !name.is_empty() && !in_file.contains(*name));
        names.extend(new.map(str::to_ascii_lowercase));
        names
    }

    /// Notes the names in the file that no setting has, and the variables that look like ours but are not.
    pub(crate) fn finish(&mut self) {
        let mut leaves = Vec::new();
        collect_leaves(&self.file, "", &mut leaves);
        for leaf in leaves.iter().filter(|leaf| !self.asked.contains(*leaf)) {
            let section = leaf.rsplit_once('.').map_or("", |(section, _)| section);
            let beside: Vec<&str> = self.asked.iter().filter_map(|path| path.strip_prefix(section)).collect();
            let beside: Vec<&str> = beside.iter().map(|name| name.trim_start_matches('.')).collect();
            let known: Vec<&str> =
                if section.is_empty() || beside.is_empty() { self.sections() } else { beside };
            self.problems.push(Problem {
                what: leaf.clone(),
                found: "a name that no setting has, in the file".to_owned(),
                expected: format!("one of {}", known.join(", ")),
                fix: "correct the name or remove the line; docs/configuration.md lists them all".to_owned(),
            });
        }
        let strange =
            self.env.names().filter(|name| name.starts_with(ENV_PREFIX) && !self.asked_env.contains(*name));
        let (links, strange): (Vec<&str>, Vec<&str>) = strange.partition(|name| service_link::is_name(name));
        let links = (!links.is_empty()).then(|| {
            let names = links.join(", ");
            format!("ignored, as Kubernetes sets them for a service (enableServiceLinks: false ends that): {names}")
        });
        let strange =
            strange.iter().map(|name| format!("the variable {name} sets nothing: no setting has this name"));
        let warnings: Vec<String> = strange.chain(links).collect();
        self.warnings.extend(warnings);
    }

    /// Notes that a variable has been looked at, or is nobody's business.
    pub(crate) fn knows_env(&mut self, name: &str) {
        self.asked_env.insert(name.to_owned());
    }

    fn sections(&self) -> Vec<&str> {
        let sections: BTreeSet<&str> = self.asked.iter().filter_map(|path| path.split('.').next()).collect();
        sections.into_iter().collect()
    }

    fn find(&mut self, place: &Place) -> Option<Setting<Value>> {
        self.asked.insert(place.path.clone());
        if place.key.has_file {
            self.asked.insert(format!("{}_file", place.path));
        }
        let from_env = self.find_env(place);
        let from_file = self.find_file(place);
        if let Some(flag) = place.key.flag
            && let Some(text) = self.flags.get(flag)
        {
            return Some(Setting { value: Value::from(text.as_str()), origin: Origin::Flag(flag) });
        }
        let default =
            || place.key.default.map(|text| Setting { value: parsed(text), origin: Origin::Default });
        from_env.or(from_file).or_else(default)
    }

    fn find_env(&mut self, place: &Place) -> Option<Setting<Value>> {
        let mut found: Option<(String, String)> = None;
        for name in &place.env {
            let file_name = format!("{name}_FILE");
            self.asked_env.insert(name.clone());
            let mut given = self.env.get(name).map(|text| (name.clone(), text.to_owned()));
            if name.ends_with("PORT")
                && let Some((_, address)) = given.take_if(|(_, text)| service_link::is_address(text))
            {
                self.warnings.push(format!(
                    "{name} is ignored: {address} is what Kubernetes sets for a service of this name, and no port \
                     (enableServiceLinks: false ends that)"
                ));
            }
            if place.key.has_file {
                self.asked_env.insert(file_name.clone());
                if let Some(path) = self.env.get(&file_name) {
                    if given.is_some() {
                        let both = format!("both {name} and {file_name}");
                        self.wrong(place.path.as_str(), &both, "one of them", &format!("unset {name}"));
                    }
                    given = self.contents(place, path, &file_name).map(|text| (file_name, text)).or(given);
                }
            }
            match (&found, given) {
                (None, given) => found = given,
                (Some((first, text)), Some((name, other))) if *text != other => {
                    self.warnings.push(format!("{name} is ignored: {first} is set too and counts for more"));
                }
                _ => {}
            }
        }
        found.map(|(name, text)| Setting { value: Value::from(text), origin: Origin::Environment(name) })
    }

    fn find_file(&mut self, place: &Place) -> Option<Setting<Value>> {
        let direct = lookup(&self.file, &place.path).cloned();
        let setting = |value| Setting { value, origin: Origin::File };
        if !place.key.has_file {
            return direct.map(setting);
        }
        let name = format!("{}_file", place.path);
        let Some(path) = lookup(&self.file, &name).cloned() else { return direct.map(setting) };
        if direct.is_some() {
            let both = format!("both {} and {name}", place.path);
            self.wrong(place.path.as_str(), &both, "one of them", "remove one of the two lines");
        }
        match path.as_str() {
            Some(path) => self.contents(place, path, &name).map(|text| setting(Value::from(text))),
            None => {
                self.wrong(name, "no text", "the path of a file", "write the path between quotes");
                None
            }
        }
    }

    fn contents(&mut self, place: &Place, path: &str, from: &str) -> Option<String> {
        match std::fs::read_to_string(Path::new(path)) {
            // A text file ends with a line's end, which is none of the value.
            Ok(text) => {
                let text = text
                    .strip_suffix('\n')
                    .map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
                Some(text.to_owned())
            }
            Err(error) => {
                let found = format!("the path {path:?} in {from}, which cannot be read: {error}");
                let expected = "the path of a file that this user may read";
                self.wrong(
                    place.path.as_str(),
                    &found,
                    expected,
                    "correct the path or the file's permissions",
                );
                None
            }
        }
    }
}

/// The value of a text that is TOML, such as a default.
fn parsed(text: &str) -> Value {
    let table = format!("value = {text}").parse::<Table>();
    // Defaults are our own; a test reads each of them.
    table.ok().and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::from(text))
}

fn lookup<'t>(table: &'t Table, path: &str) -> Option<&'t Value> {
    let mut parts = path.split('.');
    let first = table.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

fn collect_leaves(table: &Table, before: &str, leaves: &mut Vec<String>) {
    for (name, value) in table {
        let path = if before.is_empty() { name.clone() } else { format!("{before}.{name}") };
        match value.as_table() {
            Some(table) => collect_leaves(table, &path, leaves),
            None => leaves.push(path),
        }
    }
}

/// A value as it may be shown.
fn show(key: &Key, value: &Value) -> String {
    if key.is_secret {
        let bytes = value.as_str().map_or(0, str::len);
        return format!("\"(hidden: {bytes} bytes)\"");
    }
    let hidden = value.as_str().map(|text| Value::from(without_password(text)));
    let text = hidden.as_ref().unwrap_or(value).to_string();
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return text;
    }
    text.chars().take(SHOWN_CHARS_MAX).chain("…".chars()).collect()
}

/// A URL without the password in it; any other text as it is.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split_once(':').map_or(user, |(user, _)| user);
            format!("{user}:***@{host}")
        }
        None => authority.to_owned(),
    };
    let path = match path.split_once("password=") {
        Some((before, after)) => {
            let after = after.find('&').and_then(|end| after.get(end..)).unwrap_or_default();
            format!("{before}password=***{after}")
        }
        None => path.to_owned(),
    };
    format!("{scheme}://{authority}{path}")
}

/// A way to give a value that would be taken, where the wrong one was given.
fn fix(place: &Place, origin: &Origin) -> String {
    let example = place.key.example;
    let value = parsed(example);
    let listed = |values: &Vec<Value>| values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",");
    let bare = value.as_str().map(str::to_owned).or_else(|| value.as_array().map(listed));
    let bare = bare.unwrap_or_else(|| example.to_owned());
    if place.key.is_secret {
        return "make one with: openssl rand -base64 32; give the same to what signs your users' tokens"
            .to_owned();
    }
    match origin {
        Origin::Flag(flag) => format!("such as {flag} '{bare}'"),
        Origin::Environment(name) => format!("such as {name}='{bare}'"),
        Origin::File | Origin::Default => {
            let (section, name) = place.path.rsplit_once('.').unwrap_or(("", &place.path));
            format!("such as {name} = {example} under [{section}]")
        }
    }
}
