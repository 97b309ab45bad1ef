//! A user's list of threads: which ones by an index in list order, then all that their rows show.

use std::collections::HashMap;

use tidings_domain::error::StoreError;
use tidings_domain::id::UserId;
use tidings_domain::member::{Member, unread};
use tidings_domain::message::Message;
use tidings_domain::page::{About, ENTRY_MEMBERS_MAX, ThreadEntry, ThreadPage};
use tidings_domain::thread::Thread;
use uuid::Uuid;

use crate::pool::Reader;
use crate::read::by_arrival;
use crate::rows::{MemberRow, MessageRow, ThreadRow, member_columns, message_columns, thread_columns};

/// Arguments: user, activity and id of the place above, how many, how many to pass over. Small threads come in order from
/// the index; large ones, of which a user has few, are sorted; the two are merged.
const PLACES: &str = "\
(select m.activity_at as at, m.thread_id as id from member m \
 where m.user_id = $1 and m.standing = 0 and m.activity_at is not null \
   and (m.activity_at, m.thread_id) < ($2, $3) \
 order by m.activity_at desc, m.thread_id desc limit $4::bigint + $5::bigint) \
union all \
(select t.last_message_at, t.id from member m join thread t on t.id = m.thread_id \
 where m.user_id = $1 and m.standing = 0 and m.activity_at is null and (t.last_message_at, t.id) < ($2, $3) \
 order by t.last_message_at desc, t.id desc limit $4::bigint + $5::bigint) \
order by at desc, id desc limit $4 offset $5";

/// The same for threads about objects of one kind, which argument 6 names.
const PLACES_OF_KIND: &str = "\
(select m.activity_at as at, m.thread_id as id from member m join thread t on t.id = m.thread_id \
 where m.user_id = $1 and m.standing = 0 and m.activity_at is not null \
   and (m.activity_at, m.thread_id) < ($2, $3) and t.context_kind = $6 \
 order by m.activity_at desc, m.thread_id desc limit $4::bigint + $5::bigint) \
union all \
(select t.last_message_at, t.id from member m join thread t on t.id = m.thread_id \
 where m.user_id = $1 and m.standing = 0 and m.activity_at is null and (t.last_message_at, t.id) < ($2, $3) \
   and t.context_kind = $6 \
 order by t.last_message_at desc, t.id desc limit $4::bigint + $5::bigint) \
order by at desc, id desc limit $4 offset $5";

/// The same within the threads about one object, which are looked up by it: arguments 6 to 9 are its kind and id and
/// those of its parent.
const PLACES_ABOUT: &str = "\
select t.last_message_at, t.id from thread t join member m on m.thread_id = t.id and m.user_id = $1 \
where t.context_kind = $6 and t.context_id = $7 \
  and t.parent_kind is not distinct from $8 and t.parent_id is not distinct from $9 \
  and m.standing = 0 and (t.last_message_at, t.id) < ($2, $3) \
order by t.last_message_at desc, t.id desc limit $4 offset $5";

const THREADS: &str = concat!("select ", thread_columns!(), " from thread t where t.id = any($1)");

/// Arguments: the threads, the user, [`ENTRY_MEMBERS_MAX`].
const MEMBERS: &str = concat!(
    "select ",
    member_columns!(),
    " from unnest($1::uuid[]) j (id) join member m on m.thread_id = j.id and m.user_id = $2",
    " union all select ",
    member_columns!(),
    " from unnest($1::uuid[]) j (id) join thread t on t.id = j.id and t.member_count <= $3",
    " join member m on m.thread_id = t.id and m.user_id <> $2",
);

/// Arguments: the threads in order, the user, how many bytes of text. Large texts are kept apart from their rows, and
/// what is left out is not read.
const LAST_MESSAGES: &str = concat!(
    "select ",
    message_columns!(),
    " from (select x.*, sum(octet_length(x.body)) over",
    " (order by j.place rows between unbounded preceding and 1 preceding) as above",
    " from unnest($1::uuid[]) with ordinality j (id, place) join thread t on t.id = j.id",
    " join member m on m.thread_id = t.id and m.user_id = $2",
    " join message x on x.thread_id = t.id and x.seq = t.last_seq where x.seq > m.visible_from) x",
    " where coalesce(x.above, 0) < $3",
);

const DELETED: &str = "select m.thread_id, (select count(*) from message d where d.thread_id = m.thread_id \
    and d.deleted_at is not null and d.seq > greatest(m.read_seq, m.visible_from)) \
    from unnest($1::uuid[]) j (id) join member m on m.thread_id = j.id and m.user_id = $2";

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] =
    &[PLACES, PLACES_OF_KIND, PLACES_ABOUT, THREADS, MEMBERS, LAST_MESSAGES, DELETED];

/// Above every place: no time is later, no id is higher.
const TOP: (i64, Uuid) = (i64::MAX, Uuid::max());

#[derive(Debug, Default)]
struct Details {
    threads: HashMap<Uuid, Thread>,
    own: HashMap<Uuid, Member>,
    members: HashMap<Uuid, Vec<MemberRow>>,
    last_messages: HashMap<Uuid, Message>,
    deleted: HashMap<Uuid, u64>,
}

/// A page of the list, at the reader's moment.
pub(crate) async fn threads_of(
    reader: &mut Reader,
    user: &UserId,
    page: &ThreadPage,
) -> Result<Vec<ThreadEntry>, StoreError> {
    let ids = places(reader, user, page).await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut details = Details::default();
    for row in reader.all(sqlx::query_as::<_, ThreadRow>(THREADS).bind(&ids)).await? {
        details.threads.insert(row.id, row.thread()?);
    }
    let small = i32::try_from(ENTRY_MEMBERS_MAX).unwrap_or(i32::MAX);
    let members = sqlx::query_as::<_, MemberRow>(MEMBERS).bind(&ids).bind(user.as_str()).bind(small);
    for row in reader.all(members).await? {
        let member = row.member()?;
        if member.user == *user {
            details.own.insert(row.thread_id, member);
        }
        details.members.entry(row.thread_id).or_default().push(row);
    }
    let last = sqlx::query_as::<_, MessageRow>(LAST_MESSAGES)
        .bind(&ids)
        .bind(user.as_str())
        .bind(i64::from(page.limit.text_bytes()));
    for row in reader.all(last).await? {
        details.last_messages.insert(row.thread_id, row.message()?);
    }
    let deleted = sqlx::query_as::<_, (Uuid, i64)>(DELETED).bind(&ids).bind(user.as_str());
    for (thread, count) in reader.all(deleted).await? {
        details.deleted.insert(thread, u64::try_from(count).unwrap_or_default());
    }
    ids.into_iter().map(|id| details.entry(id)).collect()
}

/// The page's threads, in order.
async fn places(reader: &mut Reader, user: &UserId, page: &ThreadPage) -> Result<Vec<Uuid>, StoreError> {
    let (activity, id) =
        page.below.map_or(TOP, |place| (place.activity_at.as_millis(), *place.thread.as_uuid()));
    let sql = match &page.about {
        Some(About::Object(_)) => PLACES_ABOUT,
        Some(About::Kind(_)) => PLACES_OF_KIND,
        None => PLACES,
    };
    let query = sqlx::query_as::<_, (i64, Uuid)>(sql)
        .bind(user.as_str())
        .bind(activity)
        .bind(id)
        .bind(i64::from(page.limit.get()))
        .bind(i64::from(page.skip));
    let query = match &page.about {
        None => query,
        Some(About::Kind(kind)) => query.bind(kind.as_str()),
        Some(About::Object(object)) => query
            .bind(object.kind.as_str())
            .bind(object.id.as_str())
            .bind(object.parent.as_ref().map(|(kind, _)| kind.as_str()))
            .bind(object.parent.as_ref().map(|(_, id)| id.as_str())),
    };
    Ok(reader.all(query).await?.into_iter().map(|(_, id)| id).collect())
}

impl Details {
    fn entry(&mut self, id: Uuid) -> Result<ThreadEntry, StoreError> {
        let missing = || StoreError::Corrupt("a list names a thread that is not there".into());
        let thread = self.threads.remove(&id).ok_or_else(missing)?;
        let member = self.own.remove(&id).ok_or_else(missing)?;
        let members = self.members.remove(&id).map_or_else(|| Ok(Vec::new()), by_arrival)?;
        let deleted = self.deleted.remove(&id).unwrap_or(0);
        Ok(ThreadEntry {
            unread: unread(thread.last_seq, member.unread_above(), deleted),
            last_message: self.last_messages.remove(&id),
            thread,
            member,
            members,
        })
    }
}
