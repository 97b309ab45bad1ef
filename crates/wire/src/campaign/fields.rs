//! What the fields of requests and events must be, for the texts that refuse them.

use tidings_domain::text::{BODY_CHARS_MAX, CLIENT_KEY_BYTES_MAX, SUBJECT_CHARS_MAX};

use crate::payload::Field;

// The numbers below are these.
const _: () = assert!(BODY_CHARS_MAX == 10_000 && CLIENT_KEY_BYTES_MAX == 128 && SUBJECT_CHARS_MAX == 255);

pub(super) const CONTENT: Field = Field { name: "content", expected: "a text of 1 to 10,000 characters" };
pub(super) const SUBJECT: Field =
    Field { name: "subject", expected: "a text of at most 255 characters, without control characters" };
pub(super) const CLIENT_MSG_ID: Field =
    Field { name: "clientMsgId", expected: "a text of 1 to 128 bytes, without control characters" };
pub(super) const SENTIMENT_SCORE: Field = Field { name: "sentimentScore", expected: "a number from -1 to 1" };
pub(super) const BEFORE: Field =
    Field { name: "before", expected: "a date, such as 2025-08-08T10:30:00.000Z" };

/// All of them.
pub(super) const FIELDS: &[Field] = &[
    CONTENT,
    SUBJECT,
    CLIENT_MSG_ID,
    Field { name: "clientMessageId", ..CLIENT_MSG_ID },
    SENTIMENT_SCORE,
    Field { name: "threadId", expected: "the id of a thread" },
    Field { name: "messageId", expected: "the id of a message" },
    Field { name: "campaignId", expected: "the id of a campaign" },
    Field { name: "promoterId", expected: "the id of a user" },
    Field { name: "advertiserId", expected: "the id of a user" },
    Field { name: "isTyping", expected: "true or false" },
    Field { name: "summary", expected: "a text" },
    Field { name: "keyPoints", expected: "a list of texts" },
    Field { name: "actionItems", expected: "a list of texts" },
];
