//! The secret that signs tokens: given, or made once and kept in the data folder.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::cli::Keys;

/// The shortest secret that is taken, in bytes: as long as the HS256 digest (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// A secret. Never shown, not even by `Debug`.
#[derive(Clone)]
pub(crate) struct Secret {
    bytes: Vec<u8>,
    /// Whether it was made here, rather than given by the operator.
    pub(crate) is_own: bool,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The given secret, or the one in the data folder, which is made if there is none.
    pub(crate) fn load(keys: &Keys) -> anyhow::Result<Self> {
        if let Some(given) = &keys.jwt_secret {
            return Self::checked(given.clone().into_bytes(), "JWT_SECRET", false);
        }
        fs::create_dir_all(&keys.data_dir)
            .with_context(|| format!("cannot make the data folder {}", keys.data_dir.display()))?;
        let path = keys.data_dir.join("secret");
        match fs::read_to_string(&path) {
            Ok(kept) => Self::checked(kept.trim().as_bytes().to_vec(), &path.display().to_string(), true),
            Err(error) if error.kind() == ErrorKind::NotFound => Self::make(&path),
            Err(error) => Err(error).with_context(|| format!("cannot read the secret {}", path.display())),
        }
    }

    fn make(path: &Path) -> anyhow::Result<Self> {
        let mut random = [0; SECRET_BYTES_MIN];
        getrandom::fill(&mut random).context("the operating system gives no random bytes")?;
        let text = URL_SAFE_NO_PAD.encode(random);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let write = |text: &str| -> std::io::Result<()> {
            let mut file = options.open(path)?;
            writeln!(file, "{text}")?;
            file.sync_all()
        };
        match write(&text) {
            Ok(()) => Ok(Self { bytes: text.into_bytes(), is_own: true }),
            Err(error) => {
                Err(error).with_context(|| format!("cannot keep a new secret in {}", path.display()))
            }
        }
    }

    fn checked(bytes: Vec<u8>, from: &str, is_own: bool) -> anyhow::Result<Self> {
        if bytes.len() < SECRET_BYTES_MIN {
            bail!(
                "the secret in {from} has {} bytes, at least {SECRET_BYTES_MIN} are needed: make one with \
                 `openssl rand -base64 32`",
                bytes.len()
            );
        }
        Ok(Self { bytes, is_own })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(data_dir: &Path, given: Option<&str>) -> Keys {
        Keys { data_dir: data_dir.to_owned(), jwt_secret: given.map(str::to_owned) }
    }

    #[test]
    fn a_made_secret_is_kept_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let made = Secret::load(&keys(&folder.path().join("deep"), None)).unwrap();
        let again = Secret::load(&keys(&folder.path().join("deep"), None)).unwrap();
        assert_eq!(made.as_bytes(), again.as_bytes());
        assert!(made.as_bytes().len() >= SECRET_BYTES_MIN && made.is_own);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(folder.path().join("deep/secret")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_short_secret_is_refused_without_being_shown() {
        let folder = tempfile::tempdir().unwrap();
        let error = Secret::load(&keys(folder.path(), Some("hunter2"))).unwrap_err().to_string();
        assert!(
            error.contains("JWT_SECRET") && error.contains("32") && !error.contains("hunter2"),
            "{error}"
        );
    }
}
