//! Golden transcripts: what every session hears and what every request gets, step by step, pinned dialect by dialect.
//!
//! A transcript is `<dialect>/<case>.jsonl`, or `host/<case>.jsonl` for the host API: steps, each followed by what came
//! of it. The runner drives the dialect's
//! table (decode, the use case over the memory store, encode) and plays the sessions by the table's own audiences, so
//! no transport is involved. `script.rs` says what lines there are. With `TRANSCRIPTS=write` in the environment the
//! lines that say what came of a step are written anew, to be reviewed like code.

mod coverage;
mod diff;
mod host;
mod live;
mod names;
mod script;
mod store;
mod world;

use std::fs;
use std::path::{Path, PathBuf};

use coverage::Coverage;
use tidings_wire::host::NAME as HOST;
use tidings_wire::{Dialect, campaign};

/// The dialects, each with every event that its sessions may hear.
const DIALECTS: &[(&Dialect, &[&str])] = &[(
    &campaign::DIALECT,
    &[
        "connected",
        "threadJoined",
        "threadLeft",
        "newMessage",
        "messageRead",
        "threadRead",
        "threadUpdated",
        "userTyping",
        "error",
    ],
)];

/// The codes that the host API answers with, those of the commands of others apart.
const HOST_CODES: &[&str] = &[
    "body-too-large",
    "idempotency-key-reused",
    "import-in-future",
    "import-members",
    "import-message-in-other-thread",
    "import-message-too-old",
    "import-message-twice",
    "import-other-thread",
    "import-unknown-sender",
    "internal",
    "invalid-parties",
    "invalid-request",
    "member-not-found",
    "no-such-route",
    "outcome-unknown",
    "rate-limited",
    "role-required",
    "store-busy",
    "store-unavailable",
    "thread-not-found",
    "unauthenticated",
    "unavailable",
    "unsupported-media-type",
];

/// The transcripts of a folder, by name.
fn cases(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(folder);
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("a dialect has a folder of transcripts")
        .map(|entry| entry.expect("a folder's entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "{} holds no transcript", folder.display());
    cases
}

/// Plays every transcript of a folder; gives what they touched, and what did not come as written.
fn play(folder: &str, dialect: &'static Dialect, write: bool) -> (Coverage, Vec<String>) {
    let mut coverage = Coverage::default();
    let mut failures = Vec::new();
    for path in cases(folder) {
        let text = fs::read_to_string(&path).expect("a transcript can be read");
        let played = tidings_testkit::block_on(script::play(dialect, &text, &mut coverage));
        let case = format!("{folder}/{}", path.file_name().unwrap_or_default().display());
        failures.extend(played.failures.into_iter().map(|failure| format!("{case}:{failure}")));
        if write && played.text != text {
            fs::write(&path, played.text).expect("a transcript can be written");
        }
    }
    (coverage, failures)
}

#[test]
fn everything_comes_as_written() {
    let write = std::env::var_os("TRANSCRIPTS").is_some_and(|value| value == "write");
    // The sessions beside the host's requests speak campaign.
    let folders = DIALECTS.iter().map(|(dialect, _)| (dialect.name, *dialect));
    for (folder, dialect) in folders.chain([(HOST, &campaign::DIALECT)]) {
        let (_, failures) = play(folder, dialect, write);
        assert!(
            write || failures.is_empty(),
            "{} steps did not come as written (TRANSCRIPTS=write writes them anew):\n\n{}",
            failures.len(),
            failures.join("\n")
        );
    }
}

#[test]
fn every_route_and_event_occurs_well_and_badly() {
    for (dialect, heard) in DIALECTS {
        let (coverage, _) = play(dialect.name, dialect, false);
        let missing = coverage.missing(dialect, heard);
        assert!(missing.is_empty(), "no transcript of {} shows:\n{}", dialect.name, missing.join("\n"));
    }
}

#[test]
fn every_route_and_code_of_the_host_api_occurs() {
    let (coverage, _) = play(HOST, &campaign::DIALECT, false);
    let missing = coverage.missing_of_host(HOST_CODES);
    assert!(missing.is_empty(), "no transcript of the host API shows:\n{}", missing.join("\n"));
}
