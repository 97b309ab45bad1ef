//! The shape of the workspace: which crate may use which, and the habits that a compiler does not check.
//!
//! A new edge between crates is one line in [`RULES`] and a sentence in `docs/architecture.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// What a crate may use.
struct Rule {
    krate: &'static str,
    /// Crates of this workspace.
    workspace: &'static [&'static str],
    /// More of them, for its tests, examples and benches alone.
    tests: &'static [&'static str],
    /// Crates from outside.
    outside: Outside,
}

/// Which crates from outside.
enum Outside {
    /// These and no others. For the pure heart, where a new one is a decision.
    Only(&'static [&'static str]),
    /// Any but these.
    AnyBut(&'static [&'static str]),
}

/// Crates that do I/O, know a protocol or run tasks: not for pure crates.
const NOT_PURE: &[&str] = &[
    "async-std",
    "axum",
    "clap",
    "futures-util",
    "getrandom",
    "hyper",
    "hyper-util",
    "mio",
    "reqwest",
    "smol",
    "sqlx",
    "tokio",
    "tokio-tungstenite",
    "tokio-util",
    "tower",
    "tracing",
    "tungstenite",
];
const DATABASES: &[&str] = &["sqlx", "rusqlite", "libsqlite3-sys", "tokio-postgres"];
const WEB: &[&str] =
    &["axum", "hyper", "hyper-util", "reqwest", "tower", "tungstenite", "tokio-tungstenite", "jsonwebtoken"];
const STORES_AND_SUITES: &[&str] = &["tidings-testkit", "tidings-storage-memory"];

const RULES: &[Rule] = &[
    Rule {
        krate: "tidings-domain",
        workspace: &[],
        // A dev-dependency may lead back: the rules are shown at work on the reference store.
        tests: STORES_AND_SUITES,
        outside: Outside::Only(&["async-trait", "sha2", "thiserror", "uuid"]),
    },
    Rule {
        krate: "tidings-wire",
        workspace: &["tidings-domain"],
        tests: STORES_AND_SUITES,
        outside: Outside::AnyBut(NOT_PURE),
    },
    Rule {
        krate: "tidings-system",
        workspace: &["tidings-domain"],
        tests: &[],
        outside: Outside::Only(&["getrandom", "uuid"]),
    },
    Rule {
        krate: "tidings-testkit",
        workspace: &["tidings-domain"],
        tests: &["tidings-storage-memory"],
        outside: Outside::AnyBut(&["sqlx", "axum", "hyper", "serde_json"]),
    },
    Rule {
        krate: "tidings-storage-memory",
        workspace: &["tidings-domain"],
        tests: &["tidings-testkit"],
        outside: Outside::AnyBut(&["sqlx", "axum", "hyper", "serde_json"]),
    },
    Rule {
        krate: "tidings-storage-sqlite",
        workspace: &["tidings-domain"],
        tests: STORES_AND_SUITES,
        outside: Outside::AnyBut(WEB),
    },
    Rule {
        krate: "tidings-storage-postgres",
        workspace: &["tidings-domain"],
        tests: &["tidings-testkit", "tidings-storage-memory", "tidings-throwaway-postgres"],
        outside: Outside::AnyBut(WEB),
    },
    Rule {
        krate: "tidings-socketio",
        workspace: &[],
        tests: &[],
        outside: Outside::AnyBut(&["axum", "sqlx", "jsonwebtoken", "reqwest"]),
    },
    Rule {
        krate: "tidings-transport-http",
        workspace: &["tidings-domain", "tidings-wire"],
        tests: STORES_AND_SUITES,
        outside: Outside::AnyBut(DATABASES),
    },
    Rule {
        krate: "tidings-transport-ws",
        workspace: &["tidings-domain", "tidings-wire", "tidings-socketio"],
        tests: STORES_AND_SUITES,
        outside: Outside::AnyBut(DATABASES),
    },
    Rule {
        krate: "tidings-server",
        workspace: &[
            "tidings-domain",
            "tidings-wire",
            "tidings-system",
            "tidings-storage-memory",
            "tidings-storage-sqlite",
            "tidings-storage-postgres",
            "tidings-socketio",
            "tidings-transport-http",
            "tidings-transport-ws",
        ],
        tests: &["tidings-testkit"],
        outside: Outside::AnyBut(DATABASES),
    },
    // What an embedder needs, and no more than an embedder can have.
    Rule {
        krate: "tidings-example-embed",
        workspace: &[
            "tidings-domain",
            "tidings-wire",
            "tidings-system",
            "tidings-storage-memory",
            "tidings-socketio",
            "tidings-transport-http",
            "tidings-transport-ws",
        ],
        tests: &["tidings-tests"],
        outside: Outside::AnyBut(DATABASES),
    },
    Rule {
        krate: "tidings-example-custom-store",
        workspace: &["tidings-domain"],
        tests: &["tidings-testkit"],
        outside: Outside::AnyBut(WEB),
    },
    // These see the server from outside: its processes, files and wire. The tests take the names of all routes and
    // events from the dialects' tables.
    Rule {
        krate: "tidings-tests",
        workspace: &["tidings-wire", "tidings-throwaway-postgres"],
        tests: &[],
        outside: Outside::AnyBut(&[]),
    },
    Rule {
        krate: "tidings-throwaway-postgres",
        workspace: &[],
        tests: &[],
        outside: Outside::Only(&["anyhow", "rustix", "tempfile"]),
    },
    Rule {
        // Drives servers from outside, and embeds one.
        krate: "tidings-bench",
        workspace: &[
            "tidings-domain",
            "tidings-wire",
            "tidings-system",
            "tidings-socketio",
            "tidings-transport-ws",
            "tidings-storage-memory",
            "tidings-tests",
            "tidings-throwaway-postgres",
        ],
        tests: &[],
        outside: Outside::AnyBut(DATABASES),
    },
    Rule { krate: "xtask", workspace: &[], tests: &[], outside: Outside::AnyBut(&["sqlx", "tokio"]) },
];

/// A dependency as declared.
struct Edge {
    from: String,
    to: String,
    inside: bool,
    dev: bool,
}

fn edges(metadata: &Metadata) -> Vec<Edge> {
    let members: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let declared = metadata.packages.iter().flat_map(|package| {
        package.dependencies.iter().map(|dependency| Edge {
            from: package.name.to_string(),
            to: dependency.name.clone(),
            inside: members.contains(dependency.name.as_str()),
            dev: dependency.kind == DependencyKind::Development,
        })
    });
    declared.collect()
}

/// Why an edge is not allowed.
fn objection(edge: &Edge) -> Option<String> {
    let Edge { from, to, .. } = edge;
    let Some(rule) = RULES.iter().find(|rule| rule.krate == from) else {
        return Some(format!("{from} is not in the table; say there what it may use"));
    };
    let listed = |names: &[&str]| names.contains(&to.as_str());
    let allowed = match (edge.inside, edge.dev) {
        (true, false) => listed(rule.workspace),
        (true, true) => listed(rule.workspace) || listed(rule.tests),
        // What a test uses from outside is nobody's worry.
        (false, true) => true,
        (false, false) => match rule.outside {
            Outside::Only(names) => listed(names),
            Outside::AnyBut(names) => !listed(names),
        },
    };
    (!allowed).then(|| format!("{from} must not use {to}"))
}

fn workspace() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

#[test]
fn every_edge_between_crates_is_in_the_table() -> anyhow::Result<()> {
    let metadata = MetadataCommand::new().no_deps().manifest_path(workspace().join("Cargo.toml")).exec()?;
    let unlisted = metadata
        .packages
        .iter()
        .filter(|package| !RULES.iter().any(|rule| rule.krate == package.name.as_str()))
        .map(|package| format!("{} is not in the table; say there what it may use", package.name));
    let objections: Vec<String> = edges(&metadata).iter().filter_map(objection).chain(unlisted).collect();
    assert!(
        objections.is_empty(),
        "forbidden edges (tests/tests/architecture.rs):\n{}",
        objections.join("\n")
    );
    Ok(())
}

#[test]
fn a_forbidden_edge_is_named() {
    let edge = |from: &str, to: &str, inside, dev| {
        objection(&Edge { from: from.to_owned(), to: to.to_owned(), inside, dev })
    };
    let named = |from: &str, to: &str| Some(format!("{from} must not use {to}"));
    assert_eq!(edge("tidings-domain", "tokio", false, false), named("tidings-domain", "tokio"));
    assert_eq!(edge("tidings-domain", "serde_json", false, false), named("tidings-domain", "serde_json"));
    assert_eq!(edge("tidings-wire", "axum", false, false), named("tidings-wire", "axum"));
    assert_eq!(
        edge("tidings-transport-ws", "tidings-storage-sqlite", true, false),
        named("tidings-transport-ws", "tidings-storage-sqlite")
    );
    assert_eq!(
        edge("tidings-socketio", "tidings-domain", true, true),
        named("tidings-socketio", "tidings-domain")
    );
    assert_eq!(edge("tidings-wire", "tidings-domain", true, false), None);
    assert_eq!(edge("tidings-storage-sqlite", "tidings-testkit", true, true), None);
    assert_eq!(edge("tidings-domain", "proptest", false, true), None);
}

/// The longest source file, in lines.
const SOURCE_LINES_MAX: usize = 400;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "types", "misc"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default();
            if name != "target" && name != "node_modules" {
                sources(&path, found)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

#[test]
fn sources_are_short_and_named_by_what_they_hold() -> anyhow::Result<()> {
    let mut found = Vec::new();
    for folder in ["crates", "examples", "tests", "xtask"] {
        sources(&workspace().join(folder), &mut found)?;
    }
    let mut objections = Vec::new();
    for path in &found {
        let shown = path.display();
        let named = |part: &std::ffi::OsStr| EMPTY_NAMES.iter().any(|name| part == *name);
        if path.file_stem().is_some_and(named) || path.iter().any(named) {
            objections.push(format!("{shown}: a name that says nothing"));
        }
        let is_test = path.iter().rev().skip(1).any(|part| part == "tests" || part == "benches")
            && !path.iter().any(|part| part == "src");
        let lines = fs::read_to_string(path)?.lines().count();
        if !is_test && lines > SOURCE_LINES_MAX {
            objections.push(format!("{shown}: {lines} lines, more than {SOURCE_LINES_MAX}"));
        }
    }
    assert!(objections.is_empty(), "{}", objections.join("\n"));
    Ok(())
}

#[test]
fn the_npm_lock_names_no_registry() -> anyhow::Result<()> {
    let lock = fs::read_to_string(tidings_tests::node_folder().join("package-lock.json"))?;
    assert!(!lock.contains("\"resolved\""), "tests/node/.npmrc keeps download addresses out of the lock");
    Ok(())
}
