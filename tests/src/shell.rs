//! Lines that somebody pastes into a terminal.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context;

use crate::log::Log;

/// A pasted command that may go on running; it and all it started are killed when dropped.
#[derive(Debug)]
pub struct Pasted {
    shell: Child,
    log: Log,
}

impl Pasted {
    /// Pastes `text` into a shell in `folder`.
    ///
    /// # Errors
    /// When there is no shell.
    pub fn run(text: &str, folder: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", text]).current_dir(folder);
        Self::spawn(command)
    }

    pub(crate) fn spawn(mut command: Command) -> anyhow::Result<Self> {
        use std::os::unix::process::CommandExt as _;
        let mut shell = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("running a shell")?;
        let log = Log::of(&mut shell);
        Ok(Self { shell, log })
    }

    /// What it writes.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }
}

impl Drop for Pasted {
    fn drop(&mut self) {
        // The whole group: what the shell started is not its last word. Whoever has ended already is not missed.
        let _gone =
            Command::new("sh").args(["-c", &format!("kill -KILL -{} 2>&-", self.shell.id())]).status();
        let _reaped = self.shell.wait();
    }
}
