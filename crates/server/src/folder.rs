//! Folders of the server's own, private to its user.

use std::fs::DirBuilder;
use std::path::Path;

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
