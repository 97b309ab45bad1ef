//! Folders of the server's own, private to its user.

use std::fs::DirBuilder;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Makes a folder, and those above it, for its owner alone. One that is there stays as it is.
pub(crate) fn make(path: &Path) -> anyhow::Result<()> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).with_context(|| format!("cannot make the folder {}", path.display()))
}

/// Files that other users of this machine may read or write, of those that are there.
#[cfg(unix)]
pub(crate) fn exposed(files: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.permissions().mode());
    let is_exposed = |file: &PathBuf| {
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        // Nobody gets to a file whose folder nobody may enter.
        mode(file) & 0o066 != 0 && mode(parent.unwrap_or(Path::new("."))) & 0o011 != 0
    };
    files.into_iter().filter(is_exposed).collect()
}

#[cfg(not(unix))]
pub(crate) fn exposed(_: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    Vec::new()
}

/// The command that makes files private.
pub(crate) fn chmod(files: &[PathBuf]) -> String {
    files.iter().fold("chmod 600".to_owned(), |command, file| format!("{command} {}", file.display()))
}
