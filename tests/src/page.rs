//! The documentation, followed as it is printed.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, bail, ensure};

use crate::binary::tidings;
use crate::shell::Pasted;

/// A page of the documentation. It knows which of its blocks were taken to be tried.
#[derive(Debug)]
pub struct Page {
    path: String,
    blocks: Vec<Block>,
    tried: RefCell<BTreeSet<usize>>,
}

#[derive(Debug)]
struct Block {
    language: String,
    text: String,
}

impl Page {
    /// The page at this path from the root of the workspace.
    ///
    /// # Errors
    /// There is none.
    pub fn read(path: &str) -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the tests are in no workspace")?;
        let text = std::fs::read_to_string(root.join(path)).with_context(|| path.to_owned())?;
        Ok(Self { path: path.to_owned(), blocks: blocks(&text), tried: RefCell::default() })
    }

    /// The one block of a language that has this in it, exactly as printed. It counts as tried from now on.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn block(&self, language: &str, part: &str) -> anyhow::Result<&str> {
        let fits = |block: &Block| block.language == language && block.text.contains(part);
        let mut found = self.blocks.iter().enumerate().filter(|(_, block)| fits(block));
        let (index, block) =
            found.next().with_context(|| format!("{}: no {language} with {part}", self.path))?;
        ensure!(found.next().is_none(), "{}: more than one {language} with {part}", self.path);
        self.tried.borrow_mut().insert(index);
        Ok(&block.text)
    }

    /// Whether every block of these languages was tried.
    ///
    /// # Errors
    /// Those that were not.
    pub fn all_tried(&self, languages: &[&str]) -> anyhow::Result<()> {
        let tried = self.tried.borrow();
        let is_left = |(index, block): &(usize, &Block)| {
            languages.contains(&block.language.as_str()) && !tried.contains(index)
        };
        let left: Vec<&str> =
            self.blocks.iter().enumerate().filter(is_left).map(|(_, block)| block.text.as_str()).collect();
        ensure!(left.is_empty(), "{}: no test tries\n{}", self.path, left.join("\n"));
        Ok(())
    }
}

/// The blocks between fences. One in a list is indented as its fence is.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, Block)> = None;
    for line in page.lines() {
        let bare = line.trim_start();
        match (&mut open, bare.strip_prefix("```")) {
            (None, Some(language)) => {
                let block = Block { language: language.to_owned(), text: String::new() };
                open = Some((line.len() - bare.len(), block));
            }
            (Some(_), Some(_)) => blocks.extend(open.take().map(|(_, block)| block)),
            (Some((indent, block)), None) => {
                block.text.push_str(line.get(*indent..).unwrap_or(bare));
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// A shell in which `tidings` is the binary under test, in a folder, with variables of its own and without those that
/// this machine may have.
#[derive(Debug, Clone)]
pub struct Shell {
    folder: PathBuf,
    binary: &'static Path,
    variables: Vec<(String, OsString)>,
}

impl Shell {
    /// A shell in this folder.
    ///
    /// # Errors
    /// The binary does not build.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        let binary = tidings()?;
        let programs = binary.parent().context("the binary is in no folder")?;
        let others = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(programs.to_owned()).chain(std::env::split_paths(&others));
        let path = std::env::join_paths(path)?;
        Ok(Self { folder: folder.to_owned(), binary, variables: vec![("PATH".to_owned(), path)] })
    }

    /// With another variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TIDINGS_") {
                command.env_remove(name);
            }
        }
        for name in ["JWT_SECRET", "DATABASE_URL", "PORT"] {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).current_dir(&self.folder);
        command
    }

    /// Runs lines to their end, which is the first that fails; gives what they print.
    ///
    /// # Errors
    /// One failed; what was printed.
    pub fn run(&self, text: &str) -> anyhow::Result<String> {
        let output = self.command("sh").args(["-euc", text]).stdin(Stdio::null()).output()?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{text}\nended with {}:\n{printed}{errors}", output.status);
        Ok(printed)
    }

    /// Pastes lines that may go on running.
    ///
    /// # Errors
    /// There is no shell.
    pub fn paste(&self, text: &str) -> anyhow::Result<Pasted> {
        let mut command = self.command("sh");
        command.args(["-c", text]);
        Pasted::spawn(command)
    }

    /// `tidings` with these words, to be started as a server.
    #[must_use]
    pub fn tidings(&self, words: &[&str]) -> Command {
        let mut command = self.command(self.binary);
        command.args(words);
        command
    }
}

/// A port that is free at this moment, and stays so: the system gives none of these to clients or to those who ask for
/// any port, each process begins somewhere else, and a process is given each once.
///
/// # Errors
/// There is none.
pub fn free_port() -> anyhow::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let given = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    // Where the system does not say: below the ranges that are usual.
    let end: u32 = given.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(32_768);
    let ports =
        end.checked_sub(FIRST_PORT).filter(|ports| *ports > 0).context("no port is left for tests")?;
    let begin = std::process::id().wrapping_mul(PORTS_APART);
    for _ in 0..ports {
        let offset = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % ports;
        let port = u16::try_from(FIRST_PORT + offset)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("every port is taken");
}

/// The first port that tests use.
const FIRST_PORT: u32 = 10_000;
/// How far apart the ports of processes are that begin one after the other.
const PORTS_APART: u32 = 64;
