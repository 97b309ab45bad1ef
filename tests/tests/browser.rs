//! Pages written as the campaign system's frontends are, in a headless browser, on another origin than the server.
//!
//! What they looked like is in `target/tmp/browser/shots`.

use std::path::Path;

use tidings_tests::browser_script;

fn on_stage(name: &str) -> anyhow::Result<()> {
    browser_script(name, Path::new(env!("CARGO_TARGET_TMPDIR")))
}

#[test]
fn the_page_of_the_guide() -> anyhow::Result<()> {
    on_stage("guide")
}

#[test]
fn the_newer_page() -> anyhow::Result<()> {
    on_stage("newer")
}

#[test]
fn the_npm_lock_names_no_registry() -> anyhow::Result<()> {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/package-lock.json");
    let lock = std::fs::read_to_string(lock)?;
    assert!(!lock.contains("\"resolved\""), "tests/browser/.npmrc keeps download addresses out of the lock");
    Ok(())
}
