//! Names for what the server makes up: the first thread's id is `$thread1`, the second message's `$message2`.

use std::fmt::Display;
use std::str::Chars;

use tidings_domain::id::{MessageId, SummaryId, ThreadId};

/// A character that comes more often than this in a row is written `$(x*100)`.
const RUN_MIN: usize = 64;

/// The ids seen so far, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Names {
    threads: Vec<ThreadId>,
    messages: Vec<MessageId>,
    summaries: Vec<SummaryId>,
}

impl Names {
    pub(crate) fn thread(&mut self, id: ThreadId) {
        if !self.threads.contains(&id) {
            self.threads.push(id);
        }
    }

    pub(crate) fn message(&mut self, id: MessageId) {
        if !self.messages.contains(&id) {
            self.messages.push(id);
        }
    }

    pub(crate) fn summary(&mut self, id: SummaryId) {
        if !self.summaries.contains(&id) {
            self.summaries.push(id);
        }
    }

    /// The ids for the names: `$THREAD1` is `$thread1` in upper case; `$(x*100)` is a hundred times x.
    pub(crate) fn to_wire(&self, text: &str) -> Result<String, String> {
        let mut wire = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            wire.push_str(before);
            rest = match self.replaced(after)? {
                Some((with, after)) => {
                    wire.push_str(&with);
                    after
                }
                None => {
                    wire.push('$');
                    after
                }
            };
        }
        wire.push_str(rest);
        Ok(wire)
    }

    /// What stands for the name that `text` begins with, without its `$`, and what comes after it.
    fn replaced<'a>(&self, text: &'a str) -> Result<Option<(String, &'a str)>, String> {
        if let Some(run) = text.strip_prefix('(') {
            let (run, after) = run.split_once(')').ok_or("a run without an end")?;
            let (repeated, times) = run.rsplit_once('*').ok_or("a run without a number")?;
            let times = times.parse().map_err(|error| format!("{run}: {error}"))?;
            return Ok(Some((repeated.repeat(times), after)));
        }
        let digits = |text: &'a str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let words = ["thread", "message", "summary"].map(|word| (word, false));
        for (word, upper) in words.into_iter().chain([("THREAD", true), ("MESSAGE", true)]) {
            let Some((number, after)) = text.strip_prefix(word).map(|text| text.split_at(digits(text)))
            else {
                continue;
            };
            let Ok(number) = number.parse::<usize>() else { continue };
            let id = self.id(word, number).ok_or_else(|| format!("there is no ${word}{number} yet"))?;
            return Ok(Some((if upper { id.to_uppercase() } else { id }, after)));
        }
        Ok(None)
    }

    fn id(&self, word: &str, number: usize) -> Option<String> {
        let index = number.checked_sub(1)?;
        if word.eq_ignore_ascii_case("thread") {
            self.threads.get(index).map(ToString::to_string)
        } else if word == "summary" {
            self.summaries.get(index).map(ToString::to_string)
        } else {
            self.messages.get(index).map(ToString::to_string)
        }
    }

    /// The names for the ids.
    pub(crate) fn to_script(&self, text: &str) -> String {
        let threads =
            self.threads.iter().enumerate().map(|(index, id)| ("thread", index, id as &dyn Display));
        let messages =
            self.messages.iter().enumerate().map(|(index, id)| ("message", index, id as &dyn Display));
        let summaries =
            self.summaries.iter().enumerate().map(|(index, id)| ("summary", index, id as &dyn Display));
        let named =
            threads.chain(messages).chain(summaries).fold(text.to_owned(), |text, (word, index, id)| {
                text.replace(&id.to_string(), &format!("${word}{}", index + 1))
            });
        shortened(named.chars())
    }
}

fn shortened(text: Chars<'_>) -> String {
    let mut short = String::new();
    let mut text = text.peekable();
    while let Some(c) = text.next() {
        let mut times = 1;
        while text.next_if_eq(&c).is_some() {
            times += 1;
        }
        if times < RUN_MIN {
            short.extend(std::iter::repeat_n(c, times));
        } else {
            short.extend(["$(", c.encode_utf8(&mut [0; 4]), "*", &times.to_string(), ")"]);
        }
    }
    short
}

#[test]
fn names_and_runs_come_back() {
    let mut names = Names::default();
    let id: ThreadId = "0198f0a0-0000-7000-8000-0000000000aa".parse().expect("an id");
    names.thread(id);
    let text = r#"{"a":"$thread1","b":"$(é*70)","c":"$5 and $x"}"#;
    let wire = names.to_wire(text).expect("known names");
    assert_eq!(wire, format!(r#"{{"a":"{id}","b":"{}","c":"$5 and $x"}}"#, "é".repeat(70)));
    assert_eq!(names.to_script(&wire), text);
    assert_eq!(names.to_wire("$THREAD1"), Ok(id.to_string().to_uppercase()));
    assert!(names.to_wire("$thread2").is_err());
}
