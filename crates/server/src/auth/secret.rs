//! A secret that signs tokens: given, or made once and kept in the data folder.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::folder;

/// The shortest secret that is taken, in bytes: as long as the HS256 digest (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;
/// Fewer different bytes than this are no random text: even 32 random digits nearly always have as many.
const DIFFERENT_BYTES_MIN: usize = 8;
/// A secret that repeats fewer bytes than this again and again is as easy to guess as these.
const PERIOD_BYTES_MIN: usize = 16;
/// Secrets that stand in other people's documentation, long enough as they are: the example of jwt.io, and the ones that
/// Supabase's files begin with.
const PUBLISHED: [&str; 3] = [
    "a-string-secret-at-least-256-bits-long",
    "super-secret-jwt-token-with-at-least-32-characters-long",
    "your-super-secret-jwt-token-with-at-least-32-characters-long",
];
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
        let bytes = text.as_bytes();
        if PUBLISHED.contains(&text.trim()) {
            return Err("it is an example from public documentation, which anybody can try".to_owned());
        }
        let different = bytes.iter().collect::<BTreeSet<_>>().len();
        if different < DIFFERENT_BYTES_MIN {
            return Err(format!("it is made of {different} different characters, so it is easy to guess"));
        }
        if let Some(period) = period(bytes).filter(|period| *period < PERIOD_BYTES_MIN) {
            return Err(format!("it repeats {period} characters, so it is easy to guess"));
        }
        Ok(Self(bytes.to_vec()))
    }

    /// The secret in the data folder, which is made if there is none.
    pub(crate) fn own(data_dir: &Path) -> anyhow::Result<Self> {
        match Self::kept(data_dir)? {
            Some(kept) => Ok(kept),
            None => {
                folder::make(data_dir)?;
                Self::make(&Self::file(data_dir))
            }
        }
    }

    /// The secret in the data folder, if a server has made one.
    pub(crate) fn kept(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = Self::file(data_dir);
        match fs::read_to_string(&path) {
            Ok(kept) => Self::given(kept.trim())
                .map(Some)
                .map_err(|why| anyhow::anyhow!("the secret in {} is not taken: {why}", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read the secret {}", path.display())),
        }
    }

    /// Where the secret is that is made when none is given.
    pub(crate) fn file(data_dir: &Path) -> PathBuf {
        data_dir.join(FILE)
    }

    /// Whether it begins or ends with white space, as texts do that slipped into a variable with their line's end.
    pub(crate) fn has_white_ends(&self) -> bool {
        let is_white = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
        is_white(self.0.first()) || is_white(self.0.last())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What makes it easy to guess, if something does.
    pub(crate) fn weakness(&self) -> Option<&'static str> {
        let text = String::from_utf8_lossy(&self.0).to_ascii_lowercase();
        let words = ["secret", "password", "change", "your", "example", "test", "default", "12345"];
        words.iter().any(|word| text.contains(word)).then_some("looks like a placeholder")
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

/// After how many bytes a text repeats itself, if it does.
fn period(bytes: &[u8]) -> Option<usize> {
    (1..=bytes.len() / 2).find(|period| bytes.iter().zip(bytes.iter().skip(*period)).all(|(a, b)| a == b))
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
    fn what_is_easy_to_guess_is_refused() {
        for weak in [
            "a".repeat(40).as_str(),
            &"ab1".repeat(20),
            "secret_key_secret_key_secret_key_secret",
            "0000000000000000000000000000000000000000000001",
            "a-string-secret-at-least-256-bits-long",
            &" ".repeat(50),
        ] {
            assert!(Secret::given(weak).is_err(), "{weak}");
        }
    }

    #[test]
    fn what_is_random_is_taken_and_what_looks_like_a_placeholder_is_known() {
        for random in [
            "4c8e1f0b9a7d62534c1e8f0b9a7d6253",
            "83716459201937465820193847562019",
            "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXQ",
            "k2Vw+Zr9uJ0x8h3Yt1QmN5bF7cD6aLpE4sGvRiTyXoU=",
        ] {
            assert_eq!(Secret::given(random).unwrap().weakness(), None, "{random}");
        }
        let placeholder = Secret::given("please change me to something of your own").unwrap();
        assert!(placeholder.weakness().is_some());
    }

    #[test]
    fn looking_for_a_secret_makes_none() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        assert!(Secret::kept(&data).unwrap().is_none());
        assert!(!data.exists());
    }
}
