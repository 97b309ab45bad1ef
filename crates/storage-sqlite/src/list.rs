//! A user's list of threads: which ones by an index in list order, then all that their rows show in one round trip.

use std::collections::HashMap;

use tidings_domain::error::StoreError;
use tidings_domain::id::UserId;
use tidings_domain::member::{Member, unread};
use tidings_domain::message::Message;
use tidings_domain::page::{About, ENTRY_MEMBERS_MAX, ThreadEntry, ThreadPage};
use tidings_domain::thread::Thread;

use crate::SqliteStore;
use crate::error::store_error;
use crate::load::json;
use crate::read::{by_arrival, script, shaped};
use crate::rows::{MemberRow, MessageRow, ThreadRow, member_columns, message_columns, thread_columns};

/// Arguments: user, activity and id of the place above, how many, how many to pass over, and the kind of the objects or
/// null. Small threads come in order from the index, large ones, of which a user has few, are sorted; the two are merged.
const PLACES: &str = "\
select m.thread, m.activity_at, m.thread_id from member m cross join thread t on t.number = m.thread \
where m.user_id = $1 and m.standing = 0 and m.activity_at is not null \
  and (m.activity_at, m.thread_id) < ($2, $3) and ($6 is null or t.context_kind = $6) \
union all \
select t.number, t.last_message_at, t.id from member m cross join thread t on t.number = m.thread \
where m.user_id = $1 and m.standing = 0 and m.activity_at is null \
  and (t.last_message_at, t.id) < ($2, $3) and ($6 is null or t.context_kind = $6) \
order by 2 desc, 3 desc limit $4 offset $5";

/// The same within the threads about one object, which are looked up by it: arguments 6 to 9 are its kind and id and
/// those of its parent.
const PLACES_ABOUT: &str = "\
select t.number, t.last_message_at, t.id \
from thread t cross join member m on m.thread = t.number and m.user_id = $1 \
where t.context_kind = $6 and t.context_id = $7 and t.parent_kind is $8 and t.parent_id is $9 \
  and m.standing = 0 and (t.last_message_at, t.id) < ($2, $3) \
order by t.last_message_at desc, t.id desc limit $4 offset $5";

/// Arguments: the numbers of the threads, the user, [`ENTRY_MEMBERS_MAX`], how many bytes of text. The length of a text
/// stands in its row, so that a text that is left out is not read.
const DETAILS: &str = concat!(
    "select ",
    thread_columns!(),
    " from json_each($1) j cross join thread t on t.number = j.value;",
    "select ",
    member_columns!(),
    " from json_each($1) j cross join member m on m.thread = j.value and m.user_id = $2;",
    "select ",
    member_columns!(),
    " from json_each($1) j cross join thread t on t.number = j.value",
    " cross join member m on m.thread = t.number where t.member_count <= $3;",
    "with sized as (select x.number, j.key as place, octet_length(x.body) as bytes",
    " from json_each($1) j cross join thread t on t.number = j.value",
    " cross join member m on m.thread = t.number and m.user_id = $2",
    " cross join message x on x.thread = t.number and x.seq = t.last_seq where x.seq > m.visible_from),",
    " above as (select number, sum(bytes) over",
    " (order by place rows between unbounded preceding and 1 preceding) as bytes from sized)",
    " select ",
    message_columns!(),
    " from above cross join message x on x.number = above.number",
    " cross join thread t on t.number = x.thread where coalesce(above.bytes, 0) < $4;",
    "select m.thread, (select count(*) from message d where d.thread = m.thread and d.deleted_at is not null",
    " and d.seq > max(m.read_seq, m.visible_from))",
    " from json_each($1) j cross join member m on m.thread = j.value and m.user_id = $2;",
);

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[PLACES, PLACES_ABOUT, DETAILS];

/// Above every place: no time is later, no id is longer.
const TOP: (i64, [u8; 17]) = (i64::MAX, [0xff; 17]);

#[derive(Debug, Default)]
struct Details {
    threads: HashMap<i64, Thread>,
    own: HashMap<i64, Member>,
    members: HashMap<i64, Vec<MemberRow>>,
    last_messages: HashMap<i64, Message>,
    deleted: HashMap<i64, u64>,
}

pub(crate) async fn threads_of(
    store: &SqliteStore,
    user: &UserId,
    page: &ThreadPage,
) -> Result<Vec<ThreadEntry>, StoreError> {
    let mut moment = store.moment().await?;
    let numbers = places(&mut moment, user, page).await?;
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let query = sqlx::query(DETAILS)
        .bind(json(&numbers)?)
        .bind(user.as_str())
        .bind(i64::from(ENTRY_MEMBERS_MAX))
        .bind(i64::from(page.limit.text_bytes()));
    let mut details = Details::default();
    script(&mut moment, query, |statement, row| {
        match statement {
            0 => {
                let row: ThreadRow = shaped(row)?;
                details.threads.insert(row.number, row.thread()?);
            }
            1 => {
                let row: MemberRow = shaped(row)?;
                details.own.insert(row.thread, row.member()?);
            }
            2 => {
                let row: MemberRow = shaped(row)?;
                details.members.entry(row.thread).or_default().push(row);
            }
            3 => {
                let row: MessageRow = shaped(row)?;
                details.last_messages.insert(row.thread, row.message()?);
            }
            _ => {
                let (thread, count): (i64, i64) = shaped(row)?;
                details.deleted.insert(thread, u64::try_from(count).unwrap_or_default());
            }
        }
        Ok(())
    })
    .await?;
    numbers.into_iter().map(|number| details.entry(number)).collect()
}

/// The numbers of the page's threads, in order.
async fn places(
    moment: &mut sqlx::SqliteConnection,
    user: &UserId,
    page: &ThreadPage,
) -> Result<Vec<i64>, StoreError> {
    let (activity, id) = match &page.below {
        Some(place) => (place.activity_at.as_millis(), place.thread.as_uuid().as_bytes().to_vec()),
        None => (TOP.0, TOP.1.to_vec()),
    };
    let sql = match &page.about {
        Some(About::Object(_)) => PLACES_ABOUT,
        Some(About::Kind(_)) | None => PLACES,
    };
    let query = sqlx::query_as::<_, (i64, i64, Vec<u8>)>(sql)
        .bind(user.as_str())
        .bind(activity)
        .bind(id)
        .bind(i64::from(page.limit.get()))
        .bind(i64::from(page.skip));
    let query = match &page.about {
        None => query.bind(None::<&str>),
        Some(About::Kind(kind)) => query.bind(kind.as_str()),
        Some(About::Object(object)) => query
            .bind(object.kind.as_str())
            .bind(object.id.as_str())
            .bind(object.parent.as_ref().map(|(kind, _)| kind.as_str()))
            .bind(object.parent.as_ref().map(|(_, id)| id.as_str())),
    };
    let places = query.fetch_all(moment).await.map_err(|error| store_error(&error))?;
    Ok(places.into_iter().map(|(number, ..)| number).collect())
}

impl Details {
    fn entry(&mut self, number: i64) -> Result<ThreadEntry, StoreError> {
        let missing = || StoreError::Corrupt("a list names a thread that is not there".into());
        let thread = self.threads.remove(&number).ok_or_else(missing)?;
        let member = self.own.remove(&number).ok_or_else(missing)?;
        let members = match self.members.remove(&number) {
            Some(rows) => by_arrival(rows)?,
            None => vec![member.clone()],
        };
        let deleted = self.deleted.remove(&number).unwrap_or(0);
        Ok(ThreadEntry {
            unread: unread(thread.last_seq, member.unread_above(), deleted),
            last_message: self.last_messages.remove(&number),
            thread,
            member,
            members,
        })
    }
}
