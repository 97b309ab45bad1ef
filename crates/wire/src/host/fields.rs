//! What the fields of requests must be, for the texts that refuse them.

use crate::payload::Field;

pub(super) const FIELDS: &[Field] = &[
    Field { name: "createdAt", expected: "a date, such as 2025-08-08T10:30:00.000Z" },
    Field { name: "readUntil", expected: "a date, such as 2025-08-08T10:30:00.000Z" },
    Field { name: "content", expected: "a text of 1 to 10,000 characters" },
    Field { name: "visibleFrom", expected: "now or beginning" },
    Field { name: "parties", expected: "a list of objects with userId and role" },
    Field { name: "members", expected: "a list of objects with userId and role" },
    Field { name: "subjects", expected: "a list of objects with issuer and sub" },
    Field { name: "context", expected: "an object with kind and id" },
    Field { name: "parent", expected: "an object with kind and id" },
    Field { name: "threads", expected: "a list of threads" },
    Field { name: "messages", expected: "a list of messages" },
];
