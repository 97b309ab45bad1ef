//! Programs that the tests use.

use std::process::{Command, Stdio};

use crate::{run, say};

/// A program, and how it is come by.
#[derive(Debug)]
pub(crate) struct Program {
    name: &'static str,
    version: &'static str,
    why: &'static str,
    /// Its Debian package, if `apt-get` has it recent enough.
    package: Option<&'static str>,
}

/// What `cargo xtask test` looks for.
pub(crate) const NEEDED: &[Program] = &[
    NODE,
    NPM,
    Program {
        name: "strace",
        version: "-V",
        why: "shows that an ack follows its flush",
        package: Some("strace"),
    },
    Program {
        name: "curl",
        version: "--version",
        why: "runs the line that the server prints",
        package: Some("curl"),
    },
    Program {
        name: "sqlite3",
        version: "--version",
        why: "makes the backups that the documentation shows",
        package: Some("sqlite3"),
    },
    Program {
        name: "/usr/bin/chromium",
        version: "--version",
        why: "shows the pages of frontends; Debian's",
        package: Some("chromium"),
    },
    POSTGRES,
];

/// What tests start their database servers from.
pub(crate) const POSTGRES: Program = Program {
    name: "/usr/lib/postgresql/*/bin/initdb",
    version: "--version",
    why: "starts the database servers of the tests; Debian's",
    package: Some("postgresql"),
};

const NODE: Program = Program {
    name: "node",
    version: "--version",
    why: "runs stock clients and peers; 20 or later",
    package: None,
};
const NPM: Program =
    Program { name: "npm", version: "--version", why: "installs stock clients and peers", package: None };

/// What the benches are made with and run on.
pub(crate) const BENCHED: &[Program] = &[
    NODE,
    NPM,
    Program {
        name: "cc",
        version: "--version",
        why: "compiles the shim that slows fsync",
        package: Some("gcc"),
    },
    Program {
        name: "setpriv",
        version: "--version",
        why: "ends servers with the run",
        package: Some("util-linux"),
    },
    POSTGRES,
];

impl Program {
    /// Finds the program, or installs it where that can be done without asking.
    ///
    /// # Errors
    /// The command that installs it.
    pub(crate) fn ensure(&self) -> Result<(), String> {
        if self.is_there() {
            return Ok(());
        }
        let Self { name, why, package, .. } = self;
        let Some(package) = package else {
            return Err(format!(
                "{name} is missing ({why}). Install Node.js: https://nodejs.org/en/download"
            ));
        };
        if !is_root() {
            return Err(format!(
                "{name} is missing ({why}). Install it: sudo apt-get install --yes {package}"
            ));
        }
        say(&format!("{name} is missing ({why}); installing it"));
        run(Command::new("apt-get").arg("update"))?;
        run(Command::new("apt-get").args(["install", "--yes", "--no-install-recommends", package]))?;
        if self.is_there() { Ok(()) } else { Err(format!("{name} is still missing")) }
    }

    fn is_there(&self) -> bool {
        // Any version of it will do.
        let is_pattern = self.name.contains('*');
        let mut command = Command::new(if is_pattern { "sh" } else { self.name });
        if is_pattern {
            command.args(["-c", &format!("ls {}", self.name)]);
        } else {
            command.arg(self.version);
        }
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
