//! Summaries of a thread, written by somebody or something that read it.

use crate::id::{SummaryId, ThreadId, UserId};
use crate::seq::{Modseq, Seq};
use crate::text::{InvalidText, is_blank};
use crate::time::Timestamp;

/// The longest text of a summary, in characters.
pub const SUMMARY_CHARS_MAX: usize = 10_000;
/// The most points of one list in a summary.
pub const SUMMARY_POINTS_MAX: usize = 50;
/// The longest point, in characters.
pub const SUMMARY_POINT_CHARS_MAX: usize = 500;
/// The most messages that one point cites.
pub const SUMMARY_CITES_MAX: usize = 100;

/// What a thread came to, in short.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Summary {
    /// Its id.
    pub id: SummaryId,
    /// The thread it is about.
    pub thread: ThreadId,
    /// Who had it written.
    pub author: UserId,
    /// What it says.
    pub content: SummaryContent,
    /// The thread's change counter when it was added.
    pub modseq: Modseq,
    /// When it was added.
    pub created_at: Timestamp,
}

/// What a summary says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SummaryContent {
    text: String,
    key_points: Vec<SummaryPoint>,
    action_items: Vec<SummaryPoint>,
    sentiment: Option<Sentiment>,
}

/// One point, with the messages it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SummaryPoint {
    /// What it says.
    pub text: String,
    /// The messages it rests on; may be empty.
    pub cites: Vec<Seq>,
}

/// Why a summary was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSummary {
    /// The text breaks a rule.
    #[error("summary {0}")]
    Text(InvalidText),
    /// A point breaks a rule.
    #[error("{list} has a point that {error}")]
    Point {
        /// Which list.
        list: &'static str,
        /// Which rule.
        error: InvalidText,
    },
    /// A list has too many points.
    #[error("{list} must have at most {SUMMARY_POINTS_MAX} points")]
    TooManyPoints {
        /// Which list.
        list: &'static str,
    },
    /// A point cites too many messages.
    #[error("{list} has a point that cites more than {SUMMARY_CITES_MAX} messages")]
    TooManyCites {
        /// Which list.
        list: &'static str,
    },
}

impl SummaryContent {
    /// A summary of this text and these points.
    ///
    /// # Errors
    /// [`InvalidSummary`] names the limit that was broken.
    pub fn parse(
        text: String,
        key_points: Vec<SummaryPoint>,
        action_items: Vec<SummaryPoint>,
        sentiment: Option<Sentiment>,
    ) -> Result<Self, InvalidSummary> {
        let content = Self::parse_kept(text, key_points, action_items, sentiment)?;
        if is_blank(&content.text) {
            return Err(InvalidSummary::Text(InvalidText::Blank));
        }
        for (list, points) in [("keyPoints", &content.key_points), ("actionItems", &content.action_items)] {
            if points.iter().any(|point| is_blank(&point.text)) {
                return Err(InvalidSummary::Point { list, error: InvalidText::Blank });
            }
        }
        Ok(content)
    }

    /// A summary that was accepted by an earlier version. Its texts may be blank, since what counts as blank has changed;
    /// every other limit is that of [`parse`](Self::parse).
    ///
    /// # Errors
    /// [`InvalidSummary`] names the limit that was broken.
    pub fn parse_kept(
        text: String,
        key_points: Vec<SummaryPoint>,
        action_items: Vec<SummaryPoint>,
        sentiment: Option<Sentiment>,
    ) -> Result<Self, InvalidSummary> {
        checked(&text, SUMMARY_CHARS_MAX).map_err(InvalidSummary::Text)?;
        points("keyPoints", &key_points)?;
        points("actionItems", &action_items)?;
        Ok(Self { text, key_points, action_items, sentiment })
    }

    /// What it says as a whole.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What matters.
    #[must_use]
    pub fn key_points(&self) -> &[SummaryPoint] {
        &self.key_points
    }

    /// What is to be done.
    #[must_use]
    pub fn action_items(&self) -> &[SummaryPoint] {
        &self.action_items
    }

    /// How people feel about it.
    #[must_use]
    pub const fn sentiment(&self) -> Option<Sentiment> {
        self.sentiment
    }
}

fn points(list: &'static str, points: &[SummaryPoint]) -> Result<(), InvalidSummary> {
    if points.len() > SUMMARY_POINTS_MAX {
        return Err(InvalidSummary::TooManyPoints { list });
    }
    for point in points {
        checked(&point.text, SUMMARY_POINT_CHARS_MAX)
            .map_err(|error| InvalidSummary::Point { list, error })?;
        if point.cites.len() > SUMMARY_CITES_MAX {
            return Err(InvalidSummary::TooManyCites { list });
        }
    }
    Ok(())
}

fn checked(text: &str, chars_max: usize) -> Result<(), InvalidText> {
    if text.len() > chars_max * 4 || text.chars().count() > chars_max {
        return Err(InvalidText::TooLong { max: chars_max, unit: "characters" });
    }
    if text.contains('\0') {
        return Err(InvalidText::Control(0));
    }
    Ok(())
}

/// A mood from -1 (bad) to 1 (good), in hundredths, so that it is the same in every store and on every wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sentiment(i16);

/// A number that is no sentiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a number from -1 to 1")]
pub struct InvalidSentiment;

impl Sentiment {
    /// The sentiment nearest to this number.
    ///
    /// # Errors
    /// [`InvalidSentiment`] when it is not a number from -1 to 1.
    pub fn parse(number: f64) -> Result<Self, InvalidSentiment> {
        if !(-1.0..=1.0).contains(&number) {
            return Err(InvalidSentiment);
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is between -100 and 100")]
        let hundredths = (number * 100.0).round() as i16;
        Ok(Self(hundredths))
    }

    /// The sentiment of so many hundredths, for stores.
    ///
    /// # Errors
    /// [`InvalidSentiment`] when they are not from -100 to 100.
    pub const fn from_hundredths(hundredths: i16) -> Result<Self, InvalidSentiment> {
        if hundredths < -100 || hundredths > 100 { Err(InvalidSentiment) } else { Ok(Self(hundredths)) }
    }

    /// In hundredths.
    #[must_use]
    pub const fn hundredths(self) -> i16 {
        self.0
    }

    /// As a number from -1 to 1.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}
