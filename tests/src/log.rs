//! What a process writes, kept as it comes.

use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;

/// The lines that a child process writes to standard output and standard error, in the order they arrived.
///
/// Cheap to clone; the clones share the lines.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    open: usize,
}

impl Log {
    /// Takes over both pipes of `child`.
    pub fn of(child: &mut Child) -> Self {
        let log = Self::default();
        log.state().open = 2;
        log.follow(child.stdout.take());
        log.follow(child.stderr.take());
        log
    }

    fn follow(&self, pipe: Option<impl Read + Send + 'static>) {
        let log = self.clone();
        std::thread::spawn(move || {
            let mut lines = pipe.map(|pipe| BufReader::new(pipe).split(b'\n'));
            while let Some(Ok(line)) = lines.as_mut().and_then(Iterator::next) {
                log.state().lines.push(String::from_utf8_lossy(&line).into_owned());
                log.0.changed.notify_all();
            }
            log.state().open -= 1;
            log.0.changed.notify_all();
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `pick` finds something in the lines so far.
    ///
    /// # Errors
    /// The whole log, when the process closes its pipes first or `within` passes.
    pub fn wait<T>(&self, within: Duration, pick: impl Fn(&[String]) -> Option<T>) -> anyhow::Result<T> {
        let deadline = Instant::now() + within;
        let mut state = self.state();
        loop {
            if let Some(found) = pick(&state.lines) {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.open == 0 || left.is_zero() {
                let why = if state.open == 0 { "the process ended" } else { "the deadline passed" };
                bail!("{why} before the awaited output came:\n{}", state.lines.join("\n"));
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until the process and everyone it handed its pipes to have closed them; `false` when `within` passes.
    #[must_use]
    pub fn closed(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let mut state = self.state();
        while state.open > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// All lines so far.
    #[must_use]
    pub fn text(&self) -> String {
        self.state().lines.join("\n")
    }
}
