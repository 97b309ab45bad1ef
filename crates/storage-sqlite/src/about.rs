//! What is unread in a user's threads together, and the latest thread about an object: no list is read for either.

use tidings_domain::context::ContextRef;
use tidings_domain::error::StoreError;
use tidings_domain::id::UserId;
use tidings_domain::page::About;
use tidings_domain::thread::Thread;

use crate::SqliteStore;
use crate::error::store_error;
use crate::load::json;
use crate::rows::{ThreadRow, thread_columns, unsigned};

/// The published formula of unread, summed over rows of `member m` and `thread t`.
macro_rules! unread_sum {
    () => {
        "select coalesce(sum(max(0, t.last_seq - max(m.read_seq, m.visible_from) - \
           (select count(*) from message d where d.thread = t.number and d.deleted_at is not null \
              and d.seq > max(m.read_seq, m.visible_from)))), 0) "
    };
}

/// Arguments: user, the most members of a thread, and the kind of the objects or null. Small and large threads have an
/// index each.
const UNREAD: &str = concat!(
    "select (",
    unread_sum!(),
    "from member m cross join thread t on t.number = m.thread \
     where m.user_id = $1 and m.standing = 0 and m.activity_at is not null \
       and t.last_seq > m.read_seq and t.member_count <= $2 and ($3 is null or t.context_kind = $3)) + (",
    unread_sum!(),
    "from member m cross join thread t on t.number = m.thread \
     where m.user_id = $1 and m.standing = 0 and m.activity_at is null \
       and t.last_seq > m.read_seq and t.member_count <= $2 and ($3 is null or t.context_kind = $3))"
);

/// Whether the threads about an object are found by the object: they may be those of many users, and a user's threads may
/// be about many objects, so the shorter side is read. A side of a few threads is not compared. Arguments: user, the most
/// members of a thread, and the kind and id of the object and of its parent.
macro_rules! side {
    () => {
        "with own(threads) as materialized (select \
           (select count(*) from member m where m.user_id = $1 and m.standing = 0 and m.activity_at is not null) + \
           (select count(*) from member m where m.user_id = $1 and m.standing = 0 and m.activity_at is null)), \
         side(by_object) as materialized (select \
           (select count(*) from (select 1 from thread t where t.context_kind = $3 and t.context_id = $4 \
              limit 17)) <= 16 or \
           (select count(*) from (select 1 from thread t where t.context_kind = $3 and t.context_id = $4 \
              limit 1 + (select threads from own))) <= (select threads from own)) "
    };
}

/// The rows of `member m` and `thread t` that count, found by the object.
macro_rules! by_object {
    () => {
        "from side cross join thread t cross join member m on m.thread = t.number and m.user_id = $1 \
         where side.by_object and m.standing = 0 and t.context_kind = $3 and t.context_id = $4 \
           and t.parent_kind is $5 and t.parent_id is $6 and t.member_count <= $2"
    };
}

/// The same rows, found by the user: those of small threads or those of large ones.
macro_rules! by_user {
    ($size:literal) => {
        concat!(
            "from side cross join member m cross join thread t on t.number = m.thread \
             where not side.by_object and m.user_id = $1 and m.standing = 0 and m.activity_at is ",
            $size,
            " and t.context_kind = $3 and t.context_id = $4 \
              and t.parent_kind is $5 and t.parent_id is $6 and t.member_count <= $2"
        )
    };
}

/// The same within the threads about one object.
const UNREAD_ABOUT: &str = concat!(
    side!(),
    "select (",
    unread_sum!(),
    by_object!(),
    " and t.last_seq > m.read_seq) + (",
    unread_sum!(),
    by_user!("not null"),
    " and t.last_seq > m.read_seq) + (",
    unread_sum!(),
    by_user!("null"),
    " and t.last_seq > m.read_seq)"
);

/// In which everyone of the JSON list $7 takes part.
macro_rules! with_everyone {
    () => {
        " and not exists (select 1 from json_each($7) j where not exists \
           (select 1 from member o where o.thread = t.number and o.user_id = j.value and o.standing in (0, 1))) "
    };
}

/// Arguments: as before, and the users who take part, as JSON.
const LATEST_ABOUT: &str = concat!(
    side!(),
    "select ",
    thread_columns!(),
    " from thread t where t.number = (select number from (\
       select t.number, t.last_message_at, t.id ",
    by_object!(),
    with_everyone!(),
    "union all select t.number, t.last_message_at, t.id ",
    by_user!("not null"),
    with_everyone!(),
    "union all select t.number, t.last_message_at, t.id ",
    by_user!("null"),
    with_everyone!(),
    ") order by last_message_at desc, id desc limit 1)"
);

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[UNREAD, UNREAD_ABOUT, LATEST_ABOUT];

pub(crate) async fn unread_of(
    store: &SqliteStore,
    user: &UserId,
    about: Option<&About>,
    members_max: u32,
) -> Result<u64, StoreError> {
    let sql = if matches!(about, Some(About::Object(_))) { UNREAD_ABOUT } else { UNREAD };
    let query = sqlx::query_scalar::<_, i64>(sql).bind(user.as_str()).bind(i64::from(members_max));
    let query = match about {
        None => query.bind(None::<&str>),
        Some(About::Kind(kind)) => query.bind(kind.as_str()),
        Some(About::Object(object)) => query
            .bind(object.kind.as_str())
            .bind(object.id.as_str())
            .bind(object.parent.as_ref().map(|(kind, _)| kind.as_str()))
            .bind(object.parent.as_ref().map(|(_, id)| id.as_str())),
    };
    let sum = query.fetch_one(&store.readers).await.map_err(|error| store_error(&error))?;
    unsigned(sum, "a sum of unread messages")
}

pub(crate) async fn latest_about(
    store: &SqliteStore,
    user: &UserId,
    object: &ContextRef,
    with: &[UserId],
    members_max: u32,
) -> Result<Option<Thread>, StoreError> {
    let with: Vec<&str> = with.iter().map(UserId::as_str).collect();
    let query = sqlx::query_as::<_, ThreadRow>(LATEST_ABOUT)
        .bind(user.as_str())
        .bind(i64::from(members_max))
        .bind(object.kind.as_str())
        .bind(object.id.as_str())
        .bind(object.parent.as_ref().map(|(kind, _)| kind.as_str()))
        .bind(object.parent.as_ref().map(|(_, id)| id.as_str()))
        .bind(json(&with)?);
    store.one_thread(query).await
}
