//! What is unread in a user's threads together, and the latest thread about an object: no list is read for either.

use tidings_domain::context::ContextRef;
use tidings_domain::error::StoreError;
use tidings_domain::id::UserId;
use tidings_domain::page::About;
use tidings_domain::thread::Thread;

use crate::PgStore;
use crate::rows::{ThreadRow, thread_columns, unsigned};

/// The published formula of unread, summed over rows of `member m` and `thread t`.
macro_rules! unread_sum {
    () => {
        "select coalesce(sum(greatest(0, t.last_seq - greatest(m.read_seq, m.visible_from) - \
           (select count(*) from message d where d.thread_id = t.id and d.deleted_at is not null \
              and d.seq > greatest(m.read_seq, m.visible_from)))), 0)::bigint "
    };
}

/// Arguments: user, the most members of a thread, and the kind of the objects or null. Small and large threads have an
/// index each.
const UNREAD: &str = concat!(
    "select (",
    unread_sum!(),
    "from member m join thread t on t.id = m.thread_id \
     where m.user_id = $1 and m.standing = 0 and m.activity_at is not null \
       and t.last_seq > m.read_seq and t.member_count <= $2::bigint and ($3::text is null or t.context_kind = $3)) + (",
    unread_sum!(),
    "from member m join thread t on t.id = m.thread_id \
     where m.user_id = $1 and m.standing = 0 and m.activity_at is null \
       and t.last_seq > m.read_seq and t.member_count <= $2::bigint and ($3::text is null or t.context_kind = $3))"
);

/// Whether the threads about an object are found by the object: they may be those of many users, and a user's threads may
/// be about many objects, so the shorter side is read. A side of a few threads is not compared. Arguments: user, the most
/// members of a thread, and the kind and id of the object and of its parent.
macro_rules! side {
    () => {
        "with own as materialized (select \
           (select count(*) from member m where m.user_id = $1 and m.standing = 0 and m.activity_at is not null) + \
           (select count(*) from member m where m.user_id = $1 and m.standing = 0 and m.activity_at is null) \
           as threads), \
         side as materialized (select \
           (select count(*) from (select 1 from thread t where t.context_kind = $3 and t.context_id = $4 \
              limit 17) few) <= 16 or \
           (select count(*) from (select 1 from thread t where t.context_kind = $3 and t.context_id = $4 \
              limit 1 + (select threads from own)) no_more) <= (select threads from own) as by_object) "
    };
}

/// The rows of `member m` and `thread t` that count, found by the object. `offset 0` keeps the planner from starting with
/// the other side.
macro_rules! by_object {
    () => {
        "from thread t cross join lateral (select * from member m where m.thread_id = t.id and m.user_id = $1 offset 0) m \
         where (select by_object from side) and m.standing = 0 and t.context_kind = $3 and t.context_id = $4 \
           and t.parent_kind is not distinct from $5 and t.parent_id is not distinct from $6 \
           and t.member_count <= $2::bigint"
    };
}

/// The same rows, found by the user: those of small threads or those of large ones.
macro_rules! by_user {
    ($size:literal) => {
        concat!(
            "from member m cross join lateral (select * from thread t where t.id = m.thread_id offset 0) t \
             where not (select by_object from side) and m.user_id = $1 and m.standing = 0 and m.activity_at is ",
            $size,
            " and t.context_kind = $3 and t.context_id = $4 \
              and t.parent_kind is not distinct from $5 and t.parent_id is not distinct from $6 \
              and t.member_count <= $2::bigint"
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

/// In which everyone of $7 takes part.
macro_rules! with_everyone {
    () => {
        " and (select count(*) from member o where o.thread_id = t.id and o.user_id = any($7::text[]) \
           and o.standing in (0, 1)) = cardinality($7::text[]) "
    };
}

/// Arguments: as before, and the users who take part.
const LATEST_ABOUT: &str = concat!(
    side!(),
    "select ",
    thread_columns!(),
    " from thread t where t.id = (select id from (\
       select t.id, t.last_message_at ",
    by_object!(),
    with_everyone!(),
    "union all select t.id, t.last_message_at ",
    by_user!("not null"),
    with_everyone!(),
    "union all select t.id, t.last_message_at ",
    by_user!("null"),
    with_everyone!(),
    ") found order by last_message_at desc, id desc limit 1)"
);

/// The statements of this module, for the test that looks at their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[UNREAD, UNREAD_ABOUT, LATEST_ABOUT];

pub(crate) async fn unread_of(
    store: &PgStore,
    user: &UserId,
    about: Option<&About>,
    members_max: u32,
) -> Result<u64, StoreError> {
    let sql = if matches!(about, Some(About::Object(_))) { UNREAD_ABOUT } else { UNREAD };
    let query = sqlx::query_as::<_, (i64,)>(sql).bind(user.as_str()).bind(i64::from(members_max));
    let query = match about {
        None => query.bind(None::<&str>),
        Some(About::Kind(kind)) => query.bind(kind.as_str()),
        Some(About::Object(object)) => query
            .bind(object.kind.as_str())
            .bind(object.id.as_str())
            .bind(object.parent.as_ref().map(|(kind, _)| kind.as_str()))
            .bind(object.parent.as_ref().map(|(_, id)| id.as_str())),
    };
    let mut reader = store.readers.take().await?;
    let sum = reader.optional(query).await?;
    reader.done().await;
    sum.map_or(Ok(0), |(sum,)| unsigned(sum, "a sum of unread messages"))
}

pub(crate) async fn latest_about(
    store: &PgStore,
    user: &UserId,
    object: &ContextRef,
    with: &[UserId],
    members_max: u32,
) -> Result<Option<Thread>, StoreError> {
    // Each once: they are counted.
    let mut with: Vec<&str> = with.iter().map(UserId::as_str).collect();
    with.sort_unstable();
    with.dedup();
    let query = sqlx::query_as::<_, ThreadRow>(LATEST_ABOUT)
        .bind(user.as_str())
        .bind(i64::from(members_max))
        .bind(object.kind.as_str())
        .bind(object.id.as_str())
        .bind(object.parent.as_ref().map(|(kind, _)| kind.as_str()))
        .bind(object.parent.as_ref().map(|(_, id)| id.as_str()))
        .bind(with);
    let mut reader = store.readers.take().await?;
    let row = reader.optional(query).await?;
    reader.done().await;
    row.map(|row| row.thread()).transpose()
}
