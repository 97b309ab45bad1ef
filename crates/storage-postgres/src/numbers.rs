//! The small numbers of threads and messages, taken from sequences some at a time and kept until they are used.

use std::collections::VecDeque;

use sqlx::PgConnection;

/// How many numbers one value of the sequence `message_number` stands for: its increment.
const BLOCK: u64 = 1_024;

const MESSAGE_BLOCK: &str = "select nextval('message_number')";
const THREADS: &str = "select nextval('thread_number') from generate_series(1, $1)";

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[MESSAGE_BLOCK, THREADS];

/// Numbers that nobody else has. A batch works on a copy, so that what was not committed is used by the next.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbers {
    next_message: u64,
    messages_end: u64,
    threads: VecDeque<u64>,
}

impl Numbers {
    /// Sees to it that there are so many numbers for messages, all above `last`, and so many for threads.
    ///
    /// `last` is the highest message number in the threads that the transaction has locked. Another process may have
    /// taken a later block than ours and used it there; one taken now, under the lock, is later than all of those.
    pub(crate) async fn reserve(
        &mut self,
        connection: &mut PgConnection,
        messages: u64,
        last: u64,
        threads: usize,
    ) -> Result<(), sqlx::Error> {
        let left = self.messages_end.saturating_sub(self.next_message);
        if messages > 0 && (left < messages.min(BLOCK) || self.next_message <= last) {
            let first: i64 = sqlx::query_scalar(MESSAGE_BLOCK).fetch_one(&mut *connection).await?;
            self.next_message = u64::try_from(first).unwrap_or_default();
            self.messages_end = self.next_message.saturating_add(BLOCK);
        }
        if let Some(missing @ 1..) = threads.checked_sub(self.threads.len()) {
            let count = i32::try_from(missing).unwrap_or(i32::MAX);
            let taken: Vec<i64> = sqlx::query_scalar(THREADS).bind(count).fetch_all(connection).await?;
            self.threads.extend(taken.into_iter().filter_map(|number| u64::try_from(number).ok()));
        }
        Ok(())
    }

    /// The number that the next message gets.
    pub(crate) const fn next_message(&self) -> u64 {
        self.next_message
    }

    /// Uses up the numbers to `last`; false when it goes beyond what was reserved.
    pub(crate) const fn use_messages(&mut self, last: u64) -> bool {
        self.next_message = last.saturating_add(1);
        self.next_message <= self.messages_end
    }

    pub(crate) fn use_thread(&mut self) -> Option<u64> {
        self.threads.pop_front()
    }
}
