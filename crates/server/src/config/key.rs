//! What a setting is, apart from its value: the one place for its name, its default and its documentation.

/// The start of the environment variables that are derived from the names of settings.
pub(crate) const ENV_PREFIX: &str = "TIDINGS_";

/// A setting. Its default is text as in the file and goes through the same parser as what an operator writes, so the
/// documentation cannot differ from the program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    /// Its place in the file, with dots; a `*` stands for a name that the operator chooses.
    pub(crate) name: &'static str,
    /// Environment variables that set it besides the derived one, strongest first.
    pub(crate) aliases: &'static [&'static str],
    /// The command line option that sets it.
    pub(crate) flag: Option<&'static str>,
    /// Its value when nobody gives one, as TOML.
    pub(crate) default: Option<&'static str>,
    /// A value that would be taken, as TOML.
    pub(crate) example: &'static str,
    /// What values are taken, for people: "expected …".
    pub(crate) expected: &'static str,
    /// What it does, for people.
    pub(crate) about: &'static str,
    /// Whether its value is never shown.
    pub(crate) is_secret: bool,
    /// Whether its value may be kept in a file of its own: `NAME_FILE`, `name_file`.
    pub(crate) has_file: bool,
}

impl Key {
    /// A setting with a default.
    pub(crate) const fn new(
        name: &'static str,
        default: &'static str,
        expected: &'static str,
        about: &'static str,
    ) -> Self {
        let key = Self::unset(name, default, expected, about);
        Self { default: Some(default), ..key }
    }

    /// A setting that has no value unless one is given.
    pub(crate) const fn unset(
        name: &'static str,
        example: &'static str,
        expected: &'static str,
        about: &'static str,
    ) -> Self {
        let (aliases, flag, default) = (&[], None, None);
        Self { name, aliases, flag, default, example, expected, about, is_secret: false, has_file: false }
    }

    pub(crate) const fn aliases(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    pub(crate) const fn flag(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }

    /// Never shown; may be kept in a file of its own.
    pub(crate) const fn secret(self) -> Self {
        Self { is_secret: true, has_file: true, ..self }
    }

    /// May be kept in a file of its own.
    pub(crate) const fn or_file(self) -> Self {
        Self { has_file: true, ..self }
    }

    /// The section it is in, and its name there.
    pub(crate) fn split(&self) -> (&'static str, &'static str) {
        self.name.rsplit_once('.').unwrap_or(("", self.name))
    }

    /// The setting itself, for one without a `*`.
    pub(crate) fn place(&'static self) -> Place {
        self.of("*")
    }

    /// The setting of the thing called `name`.
    pub(crate) fn of(&'static self, name: &str) -> Place {
        let path = self.name.replace('*', name);
        let derived = format!("{ENV_PREFIX}{}", env_part(&path));
        let env = std::iter::once(derived).chain(self.aliases.iter().map(|alias| (*alias).to_owned()));
        Place { key: self, path, env: env.collect() }
    }
}

/// How a name, with its dots and dashes, is written in an environment variable.
pub(crate) fn env_part(name: &str) -> String {
    name.replace(['.', '-'], "_").to_ascii_uppercase()
}

/// A setting with the operator's names in place of the `*`.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) key: &'static Key,
    /// Its place in the file, with dots.
    pub(crate) path: String,
    /// The environment variables that set it, strongest first.
    pub(crate) env: Vec<String>,
}
