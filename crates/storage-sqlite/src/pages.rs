//! Pages of a thread's messages.

use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use tidings_domain::error::StoreError;
use tidings_domain::id::ThreadId;
use tidings_domain::message::Message;
use tidings_domain::page::{MessagePage, PageEnd};

use crate::SqliteStore;
use crate::error::store_error;
use crate::read::{give_way, id_bytes};
use crate::rows::{MessageRow, message_columns, signed};

/// A text of up to so many bytes is read without adding it up first with those before it.
const SHORT_TEXT_BYTES: i64 = 4 * 1024;

/// The messages of a page whose texts are short, in the order in which the page is read. Arguments are the thread, the
/// bounds, how many rows, and how many bytes a short text has.
///
/// Seqs have no gaps, so the rows of a page lie in a range as long as its limit. Without that bound, a thread of long
/// texts would be walked through to its beginning for short ones.
macro_rules! short_texts {
    ($above:literal, $below:literal, $order:literal) => {
        concat!(
            "select ",
            message_columns!(),
            " from thread t cross join message x on x.thread = t.number where t.id = $1 and x.seq > ",
            $above,
            " and x.seq < ",
            $below,
            " and octet_length(x.body) <= $5 order by x.seq ",
            $order,
            " limit $4",
        )
    };
}

const NEWEST_SHORT: &str = short_texts!("max($2, min($3, t.last_seq + 1) - $4 - 1)", "$3", "desc");
const OLDEST_SHORT: &str = short_texts!("$2", "min($3, $2 + $4 + 1)", "asc");

/// The messages of a page with texts of any length, in no order. Arguments are the thread, the bounds, how many rows, and
/// how many bytes of text in all. The length of a text stands in its row, so that a text that is left out is not read.
macro_rules! page {
    ($order:literal) => {
        concat!(
            "with sized as (select x.number, x.seq, octet_length(x.body) as bytes",
            " from thread t cross join message x on x.thread = t.number",
            " where t.id = $1 and x.seq > $2 and x.seq < $3 order by x.seq ",
            $order,
            " limit $4), above as (select number, sum(bytes) over (order by seq ",
            $order,
            " rows between unbounded preceding and 1 preceding) as bytes from sized) select ",
            message_columns!(),
            " from above cross join message x on x.number = above.number",
            " cross join thread t on t.number = x.thread where coalesce(above.bytes, 0) < $5",
        )
    };
}

const NEWEST: &str = page!("desc");
const OLDEST: &str = page!("asc");

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[NEWEST_SHORT, OLDEST_SHORT, NEWEST, OLDEST];

pub(crate) async fn page(
    store: &SqliteStore,
    thread: ThreadId,
    page: &MessagePage,
) -> Result<Vec<Message>, StoreError> {
    // Nearly always all texts are short.
    if let Some(mut messages) = short_page(store, thread, page).await? {
        if page.from == PageEnd::Newest {
            messages.reverse();
        }
        return Ok(messages);
    }
    let sql = match page.from {
        PageEnd::Newest => NEWEST,
        PageEnd::Oldest => OLDEST,
    };
    let mut found = rows(store, sql, thread, page, i64::from(page.limit.text_bytes()));
    let mut messages = Vec::new();
    while let Some(row) = found.try_next().await.map_err(|error| store_error(&error))? {
        messages.push(row.message()?);
        give_way(messages.len()).await;
    }
    messages.sort_unstable_by_key(|message| message.seq);
    Ok(messages)
}

/// The page in the order in which it is read, if its texts are short. Reads no further than the page goes, nor than the
/// first text that is missing.
async fn short_page(
    store: &SqliteStore,
    thread: ThreadId,
    page: &MessagePage,
) -> Result<Option<Vec<Message>>, StoreError> {
    let (after, before) = (signed(page.after.get()), page.before.map(|before| signed(before.get())));
    let (sql, first, step) = match (page.from, before) {
        // Nothing says at which message the page begins.
        (PageEnd::Newest, None) => return Ok(None),
        (PageEnd::Newest, Some(before)) => (NEWEST_SHORT, before.saturating_sub(1), -1),
        (PageEnd::Oldest, _) => (OLDEST_SHORT, after.saturating_add(1), 1),
    };
    let limit = usize::try_from(page.limit.get()).unwrap_or(usize::MAX);
    let mut room = i64::from(page.limit.text_bytes());
    let mut found = rows(store, sql, thread, page, SHORT_TEXT_BYTES);
    let (mut messages, mut next) = (Vec::new(), first);
    loop {
        let is_at_the_end = next <= after || before.is_some_and(|before| next >= before);
        if room <= 0 || messages.len() >= limit || is_at_the_end {
            return Ok(Some(messages));
        }
        match found.try_next().await.map_err(|error| store_error(&error))? {
            Some(row) if row.seq == next => {
                room = room.saturating_sub(row.text_bytes());
                messages.push(row.message()?);
            }
            // What is missing is longer, or there is no such message.
            Some(_) | None => return Ok(None),
        }
        next = next.saturating_add(step);
        give_way(messages.len()).await;
    }
}

fn rows<'s>(
    store: &'s SqliteStore,
    sql: &'static str,
    thread: ThreadId,
    page: &MessagePage,
    text_bytes: i64,
) -> BoxStream<'s, sqlx::Result<MessageRow>> {
    sqlx::query_as::<_, MessageRow>(sql)
        .bind(id_bytes(thread.as_uuid()))
        .bind(signed(page.after.get()))
        .bind(page.before.map_or(i64::MAX, |before| signed(before.get())))
        .bind(i64::from(page.limit.get()))
        .bind(text_bytes)
        .fetch(&store.readers)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use sqlx::{Connection, SqliteConnection};

    use super::*;
    use crate::config::SqliteConfig;
    use crate::open;

    const THREAD: &str = "insert into thread (number, id, member_count, last_seq, last_message_at, modseq, fields_modseq, \
        created_at, updated_at, commit_no) values ($1, unhex(printf('%032x', $1)), 0, $2, 0, 0, 0, 0, 0, 0)";
    const LONG_MESSAGES: &str = "\
        with recursive n (seq) as (select 1 union all select seq + 1 from n where seq < $2) \
        insert into message (id, thread, seq, modseq, appended_modseq, body, draft, created_at, commit_no) \
        select randomblob(16), $1, seq, seq, seq, printf('%5000d', seq), zeroblob(16), seq, 0 from n";

    /// How many steps SQLite takes for a statement on a thread.
    async fn steps(connection: &mut SqliteConnection, sql: &'static str, number: i64, before: i64) -> u64 {
        let steps = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&steps);
        connection.lock_handle().await.expect("a connection").set_progress_handler(1, move || {
            count.fetch_add(1, Ordering::Relaxed);
            true
        });
        let id: Vec<u8> = [vec![0; 15], vec![u8::try_from(number).expect("a small number")]].concat();
        let query = sqlx::query(sql).bind(id).bind(0).bind(before).bind(50).bind(SHORT_TEXT_BYTES);
        query.fetch_all(&mut *connection).await.expect("it runs");
        connection.lock_handle().await.expect("a connection").remove_progress_handler();
        steps.load(Ordering::Relaxed)
    }

    /// However long the thread is and its texts are.
    #[test]
    fn a_page_costs_what_is_in_it() {
        tidings_testkit::block_on(async {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let config = SqliteConfig::at(folder.path().join("pages.db"));
            let mut connection = open::writer(&config).await.expect("a new file opens");
            let (short, long) = (100, 5_000);
            for (number, count) in [(1_i64, short), (2, long)] {
                for sql in [THREAD, LONG_MESSAGES] {
                    let query = sqlx::query(sql).bind(number).bind(count);
                    query.execute(&mut connection).await.expect("rows");
                }
            }
            for sql in STATEMENTS {
                let of_few = steps(&mut connection, sql, 1, short + 1).await;
                assert!(of_few > 0);
                for before in [long + 1, i64::MAX] {
                    let of_many = steps(&mut connection, sql, 2, before).await;
                    assert!(of_many <= 2 * of_few, "{sql}: {of_many} steps, {of_few} in a thread of {short}");
                }
            }
            connection.close().await.expect("it closes");
        });
    }
}
