//! A secret that signs tokens: given, or made once and kept in the data folder.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::folder;

/// The shortest secret that is taken, in bytes: as long as the HS256 digest (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;
/// Fewer different bytes than this are no random text.
const DIFFERENT_BYTES_MIN: usize = 12;
/// The file of the secret that is made here, in the data folder.
const FILE: &str = "secret";

/// A secret. Never shown, not even by `Debug`.
#[derive(Clone)]
pub(crate) struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// A secret that somebody gave.
    ///
    /// # Errors
    /// Why it is not taken, without showing it.
    pub(crate) fn given(text: &str) -> Result<Self, String> {
        if text.contains("-----BEGIN") {
            // Whoever may know a public key could sign with it.
            return Err("it is a PEM key, not a secret: a public key belongs in public_key".to_owned());
        }
        if text.len() < SECRET_BYTES_MIN {
            return Err(format!("it has {} bytes, at least {SECRET_BYTES_MIN} are needed", text.len()));
        }
        Ok(Self(text.as_bytes().to_vec()))
    }

    /// The secret in the data folder, which is made if there is none.
    pub(crate) fn own(data_dir: &Path) -> anyhow::Result<Self> {
        folder::make(data_dir)?;
        let path = data_dir.join(FILE);
        match fs::read_to_string(&path) {
            Ok(kept) => Self::given(kept.trim())
                .map_err(|why| anyhow::anyhow!("the secret in {} is not taken: {why}", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Self::make(&path),
            Err(error) => Err(error).with_context(|| format!("cannot read the secret {}", path.display())),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What makes it easy to guess, if something does.
    pub(crate) fn weakness(&self) -> Option<&'static str> {
        let text = String::from_utf8_lossy(&self.0).to_ascii_lowercase();
        let mut different = self.0.clone();
        different.sort_unstable();
        different.dedup();
        if different.len() < DIFFERENT_BYTES_MIN {
            return Some("it is made of a few characters that repeat");
        }
        let words = ["secret", "password", "change", "your", "example", "test", "default", "12345"];
        words.iter().any(|word| text.contains(word)).then_some("it looks like a placeholder")
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
        write(&text).with_context(|| format!("cannot keep a new secret in {}", path.display()))?;
        Ok(Self(text.into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_secret_is_kept_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("deep/data");
        let (made, again) = (Secret::own(&data).unwrap(), Secret::own(&data).unwrap());
        assert_eq!(made.as_bytes(), again.as_bytes());
        assert!(made.as_bytes().len() >= SECRET_BYTES_MIN);
        assert_eq!(made.weakness(), None);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&data.join("secret")), 0o600);
            assert_eq!((mode(&data), mode(&folder.path().join("deep"))), (0o700, 0o700));
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_shown() {
        for wrong in ["hunter2", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAhunter2hunter2hunter2hunter2\n"]
        {
            let error = Secret::given(wrong).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn weak_ones_are_known() {
        for weak in ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "your_secret_key_your_secret_key_your"] {
            assert!(Secret::given(weak).unwrap().weakness().is_some(), "{weak}");
        }
    }
}
