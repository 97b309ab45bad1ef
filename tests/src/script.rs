//! Scenarios that start their servers themselves: with a configuration of their own, more than once, or in front of a
//! browser.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::binary::tidings;
use crate::log::Log;
use crate::node::stock_modules;
use crate::users::SECRET;

/// How long a whole scenario may take. Each step in it has a shorter deadline of its own.
const SCRIPT_DEADLINE: Duration = Duration::from_secs(240);

/// Debian's browser.
const CHROMIUM: &str = "/usr/bin/chromium";

/// Runs `tests/node/NAME.mjs` without a server and waits for its end.
///
/// # Errors
/// The script's output, when it fails or takes longer than its deadline.
pub fn script(name: &str) -> anyhow::Result<()> {
    stock_modules()?;
    run("node", name, &json!({ "binary": tidings()?, "secret": SECRET }))
}

/// Runs `tests/browser/NAME.mjs`, which drives a page in a headless browser. Bundles and screenshots go to `target`.
///
/// # Errors
/// The command that installs what is missing; the script's output, when it fails or takes longer than its deadline.
pub fn browser_script(name: &str, target: &Path) -> anyhow::Result<()> {
    stock_modules()?;
    let folder = folder("browser");
    ensure!(
        folder.join("node_modules/playwright-core/package.json").is_file(),
        "the pages' packages are not installed; run: npm ci --prefix {}",
        folder.display()
    );
    ensure!(
        Path::new(CHROMIUM).is_file(),
        "{CHROMIUM} is missing; run: apt-get install --yes --no-install-recommends chromium"
    );
    let world = json!({
        "binary": tidings()?,
        "secret": SECRET,
        "chromium": CHROMIUM,
        "bundles": target.join("browser/bundles"),
        "shots": target.join("browser/shots").join(name),
    });
    run("browser", name, &world)
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A script and all that it started; killed when dropped.
struct Troupe(Child);

impl Drop for Troupe {
    fn drop(&mut self) {
        // The whole group: a script that is killed cannot end its servers. Whoever has ended already is not missed.
        let _gone = Command::new("sh").args(["-c", &format!("kill -KILL -{} 2>&-", self.0.id())]).status();
        let _reaped = self.0.wait();
    }
}

fn run(of: &str, name: &str, world: &Value) -> anyhow::Result<()> {
    use std::os::unix::process::CommandExt as _;
    let mut child = Command::new("node")
        .arg(format!("{name}.mjs"))
        .current_dir(folder(of))
        .env("TIDINGS_WORLD", world.to_string())
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("running node; is Node.js installed?")?;
    let log = Log::of(&mut child);
    let mut troupe = Troupe(child);
    ensure!(log.closed(SCRIPT_DEADLINE), "{name} took longer than {SCRIPT_DEADLINE:?}:\n{}", log.text());
    let status = troupe.0.wait().context("reaping node")?;
    ensure!(status.success(), "{name} failed ({status}):\n{}", log.text());
    Ok(())
}
