//! An error with its causes, each told once.

use std::error::Error;
use std::fmt::{self, Display};

/// Shows an error and what caused it. Many libraries repeat a cause in the text of the error that it caused; here it is
/// left out then.
#[derive(Debug)]
pub(crate) struct WithCauses<'e>(pub(crate) &'e (dyn Error + 'static));

impl Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !said.contains(&text) {
                said.extend([": ", &text]);
            }
            cause = error.source();
        }
        f.write_str(&said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Repeating(std::io::Error);

    impl Display for Repeating {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "error returned from database: {}", self.0)
        }
    }

    impl Error for Repeating {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_cause_that_its_error_repeats_is_told_once() {
        let cause = std::io::Error::other("unable to open database file");
        let error = anyhow::Error::new(Repeating(cause)).context("cannot start");
        let told = WithCauses(error.as_ref()).to_string();
        assert_eq!(told, "cannot start: error returned from database: unable to open database file");
    }
}
