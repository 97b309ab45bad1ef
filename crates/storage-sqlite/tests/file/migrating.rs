//! A file of an earlier version, with rows in it, opened by this one.

use sqlx::migrate::Migrator;
use sqlx::{Connection, Executor};
use tidings_domain::job::Work;
use tidings_domain::message::{Message, Origin};
use tidings_domain::page::{PageLimit, ThreadPage};
use tidings_domain::ports::{
    ChangeFeed, Directory, JobRepository, MessageRepository, SummaryRepository, ThreadRepository,
};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::time::Timestamp;
use tidings_domain::transfer::{RecordKind, Transfer};
use tidings_domain::user::{Subject, User};
use tidings_storage_sqlite::{OpenError, SqliteConfig};
use tidings_testkit::{ALICE, BOB, Person, block_on, campaign};
use uuid::Uuid;

use crate::world::{World, messages};

/// A thread of Alice and Bob with a message that he has read, their names, and a campaign.
const ROWS: &str = "\
insert into user (number, id, name, avatar_url, role, updated_at) values (1, 'alice', 'Alice', null, 'brand', 5); \
insert into context (key, kind, id, title, is_public, parties) \
  values ('campaign 1', 'campaign', '1', 'Spring', 1, '[[\"alice\",\"brand\"]]'); \
insert into thread (number, id, key, context_kind, context_id, member_count, last_seq, last_message_at, modseq, \
  fields_modseq, created_at, updated_at, commit_no) \
  values (1, x'0198f0a0000070008000000000000001', 'pair campaign 1 : alice bob', 'campaign', '1', 2, 1, 50, 5, 0, 40, 40, 3); \
insert into member (thread, user_id, thread_id, role, standing, read_seq, read_at, read_via, visible_from, archived, \
  muted, joined_at, joined_modseq, modseq, activity_at, commit_no) values \
  (1, 'alice', x'0198f0a0000070008000000000000001', 'brand', 0, 1, 50, 0, 0, 0, 0, 40, 1, 4, 50, 2), \
  (1, 'bob', x'0198f0a0000070008000000000000001', 'member', 0, 1, 60, 2, 0, 0, 0, 40, 2, 5, 50, 3); \
insert into message (number, id, thread, seq, modseq, appended_modseq, sender, sender_role, body, draft, created_at, \
  commit_no) values (1, x'0198f0a0000070008000000000000002', 1, 1, 3, 3, 'alice', 'brand', 'from before', \
  x'00112233445566778899aabbccddeeff', 50, 2); \
update meta set commits = 3";

/// Makes a file with these migrations alone, and rows in it.
async fn a_file_of(world: &World, migrations: &[&str], rows: &'static str) {
    let (from, to) = (concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"), world.path("migrations"));
    std::fs::create_dir(&to).unwrap();
    for migration in migrations {
        std::fs::copy(format!("{from}/{migration}"), to.join(migration)).unwrap();
    }
    std::fs::File::create(world.path("tidings.db")).unwrap();
    let mut past = world.past_the_store().await;
    Migrator::new(to).await.unwrap().run_direct(None, &mut past, false).await.unwrap();
    past.execute(rows).await.unwrap();
    past.close().await.unwrap();
}

/// What an earlier version kept of a token gives way to any token, what it kept of the host to none.
#[test]
fn users_of_the_second_version_are_as_old_as_can_be() {
    block_on(async {
        let world = World::new();
        let rows = "insert into user (number, id, name, role, updated_at, told) \
            values (1, 'alice', 'Alice', 'brand', 5, 0), (2, 'bob', 'Bob by the host', null, 5, 1)";
        a_file_of(&world, &["0001_messaging.sql", "0002_summaries_jobs_subjects.sql"], rows).await;
        let store = world.open(world.config()).await;
        for (person, kept) in [(ALICE, "from a token"), (BOB, "Bob by the host")] {
            let before = store.users(&[person.id()]).await.unwrap().pop().unwrap();
            assert_eq!(before.as_of, Timestamp::from_millis(0));
            let user = User { name: "from a token".to_owned(), ..User::unknown(person.id()) };
            let put = store.put_user(user, None).await.unwrap();
            assert_eq!((put.name.as_str(), put.number), (kept, before.number));
        }
        store.close().await;
    });
}

/// PostgreSQL cannot store U+0000: after migrating, nothing that is copied contains it.
#[test]
fn texts_of_the_second_version_lose_their_nul() {
    block_on(async {
        let world = World::new();
        let rows = "insert into user (number, id, name, username, email, avatar_url, updated_at) values \
              (1, 'alice', 'Ada' || char(0) || ' Lovelace', char(0), 'a@b' || char(0), 'https://a/' || char(0), 5), \
              (2, 'bob', char(0) || 'Bob', null, null, 'https://b/', 5); \
            insert into context (key, kind, id, title, is_public, parties, state) \
              values ('campaign 1', 'campaign', '1', 'Spring' || char(0), 1, '[]', 'open' || char(0)); \
            insert into subject (issuer, sub, user) values ('host', 'one', 1), ('host', 'one' || char(0), 1)";
        a_file_of(&world, &["0001_messaging.sql", "0002_summaries_jobs_subjects.sql"], rows).await;
        let store = world.open(world.config()).await;
        let alice = store.users(&[ALICE.id()]).await.unwrap().pop().unwrap();
        assert_eq!((alice.name.as_str(), &alice.username, &alice.avatar_url), ("Ada", &None, &None));
        assert_eq!(alice.email.as_deref(), Some("a@b"));
        let bob = store.users(&[BOB.id()]).await.unwrap().pop().unwrap();
        assert_eq!((bob.name.as_str(), bob.avatar_url.as_deref()), ("bob", Some("https://b/")));
        let spring = store.contexts(&[campaign("1")]).await.unwrap().pop().unwrap();
        assert_eq!((spring.title.as_str(), spring.state.as_deref()), ("Spring", Some("open")));
        for (sub, user) in [("one", Some(ALICE.id())), ("one\u{0}", None)] {
            let subject = Subject { issuer: "host".to_owned(), sub: sub.to_owned() };
            let found = store.user_by_subject(&subject).await.unwrap();
            assert_eq!(found.map(|user| user.id), user);
        }
        for kind in [RecordKind::User, RecordKind::Context] {
            let copied = store.records(kind, None).await.unwrap();
            assert!(!copied.records.is_empty());
            assert!(!format!("{copied:?}").contains("\\0"), "{copied:?}");
        }
        store.close().await;
    });
}

#[test]
fn a_file_of_the_first_version_keeps_its_rows() {
    block_on(async {
        let world = World::new();
        a_file_of(&world, &["0001_messaging.sql"], ROWS).await;

        let store = world.open(world.config()).await;
        let thread = "0198f0a0-0000-7000-8000-000000000001".parse().unwrap();
        let (found, members) = store.members(thread).await.unwrap().unwrap();
        assert_eq!((found.last_seq, found.modseq, found.notice_due), (Seq::new(1), Modseq::new(5), None));
        assert_eq!(
            members.iter().map(|member| member.user.clone()).collect::<Vec<_>>(),
            [ALICE.id(), BOB.id()]
        );
        // When their markers moved was not kept: nobody is told a second time that they have read.
        assert!(members.iter().all(|member| member.marker.seq == Seq::new(1) && !member.just_marked()));
        let stored = messages(&store, thread).await;
        assert_eq!(
            (stored.len(), stored[0].body.as_str(), stored[0].origin),
            (1, "from before", Origin::Request)
        );
        let alice = &store.users(&[ALICE.id()]).await.unwrap()[0];
        assert_eq!((alice.name.as_str(), alice.told, &alice.username), ("Alice", false, &None));
        let context = &store.contexts(&[campaign("1")]).await.unwrap()[0];
        assert_eq!((context.title.as_str(), &context.state, &context.data), ("Spring", &None, &None));
        assert!(store.summaries(thread, PageLimit::MAX).await.unwrap().is_empty());
        assert_eq!(store.next_job_at().await, Ok(None));
        let feed = store.changes_of(thread, Modseq::ZERO, 10).await.unwrap().unwrap();
        assert_eq!(feed.changes.len(), 3);

        // And it goes on from there.
        let sent = world.send(&store, thread, "from now on").await.unwrap().unwrap().message;
        assert_eq!((sent.seq, sent.modseq, sent.number), (Seq::new(2), Modseq::new(6), 2));
        store.close().await;
        let store = world.open(world.config()).await;
        assert_eq!(messages(&store, thread).await.len(), 2);
    });
}

/// Two threads of Alice and Bob. In the first, six messages with four dates, a job for Bob from the fifth on, and one for
/// all from the sixth on; Bob has hidden it, and his copy of its activity is an old one. In the second, one message and a
/// window whose job is done.
const DATED: &str = "\
insert into thread (number, id, context_kind, context_id, member_count, last_seq, last_message_at, modseq, \
  fields_modseq, notice_due, created_at, updated_at, commit_no) values \
  (1, x'0198f0a0000070008000000000000001', null, null, 2, 6, 200, 14, 0, 900, 40, 40, 9), \
  (2, x'0198f0a0000070008000000000000002', null, null, 2, 1, 201, 4, 0, 231, 40, 40, 9); \
insert into member (thread, user_id, thread_id, role, standing, read_seq, read_at, read_via, visible_from, archived, \
  muted, joined_at, joined_modseq, modseq, activity_at, commit_no) values \
  (1, 'alice', x'0198f0a0000070008000000000000001', 'brand', 0, 6, 200, 0, 0, 0, 0, 40, 1, 14, 200, 2), \
  (1, 'bob', x'0198f0a0000070008000000000000001', 'member', 1, 0, null, 0, 0, 0, 0, 40, 2, 2, 77, 3), \
  (2, 'alice', x'0198f0a0000070008000000000000002', 'brand', 0, 1, 201, 0, 0, 0, 0, 40, 1, 4, 201, 2), \
  (2, 'bob', x'0198f0a0000070008000000000000002', 'member', 0, 0, null, 0, 0, 0, 0, 40, 2, 2, 201, 3); \
insert into message (number, id, thread, seq, modseq, appended_modseq, sender, sender_role, body, draft, created_at, \
  commit_no) \
  select value ->> 0, unhex('0198f0a000007000800000000000001' || (value ->> 0)), value ->> 1, value ->> 2, \
    2 * (value ->> 2) + 1, 2 * (value ->> 2) + 1, 'alice', 'brand', 'at ' || (value ->> 3), \
    x'00112233445566778899aabbccddeeff', value ->> 3, 2 \
  from json_each('[[1, 1, 1, 100], [2, 1, 2, 100], [3, 2, 1, 201], [4, 1, 3, 100], [5, 1, 4, 101], [6, 1, 5, 200], \
    [7, 1, 6, 200]]'); \
insert into job (id, kind, thread_id, from_seq, only_users, due_at, claimable_at, attempts) values \
  (x'0198f0a0000070008000000000000099', 0, x'0198f0a0000070008000000000000001', 5, '[\"bob\"]', 900, 950, 3), \
  (x'0198f0a0000070008000000000000098', 0, x'0198f0a0000070008000000000000001', 6, '[]', 800, 990, 0); \
update meta set commits = 9";

#[test]
fn dates_that_were_equal_rise_and_notices_go_on() {
    block_on(async {
        let world = World::new();
        a_file_of(&world, &["0001_messaging.sql", "0002_summaries_jobs_subjects.sql"], DATED).await;
        let store = world.open(world.config()).await;
        let [first, second] =
            [1, 2].map(|n| format!("0198f0a0-0000-7000-8000-00000000000{n}").parse().unwrap());
        let dates = |messages: Vec<Message>| -> Vec<(i64, u64)> {
            messages.iter().map(|it| (it.created_at.as_millis(), it.modseq.get())).collect()
        };
        let moved = [(100, 3), (101, 5), (102, 7), (103, 9), (200, 11), (201, 13)];
        assert_eq!(dates(messages(&store, first).await), moved);
        assert_eq!(dates(messages(&store, second).await), [(201, 3)]);
        for (millis, seq) in [(100, 0), (101, 1), (102, 2), (103, 3), (104, 4), (201, 5), (202, 6)] {
            let before = store.last_before(first, Timestamp::from_millis(millis)).await;
            assert_eq!(before, Ok(Seq::new(seq)), "{millis}");
        }
        let (thread, members) = store.members(first).await.unwrap().unwrap();
        assert_eq!((thread.last_message_at, thread.modseq), (Timestamp::from_millis(201), Modseq::new(14)));
        assert_eq!(thread.notice_due, Some(Timestamp::from_millis(900)));
        // The first job is for Bob alone; the second is for Alice too.
        let notified =
            |person: Person| members.iter().find(|it| it.user == person.id()).map(|it| it.notified);
        assert_eq!((notified(ALICE), notified(BOB)), (Some(Seq::new(5)), Some(Seq::new(4))));
        let (thread, members) = store.members(second).await.unwrap().unwrap();
        assert_eq!(thread.notice_due, None);
        assert!(members.iter().all(|member| member.notified == Seq::new(1)));
        // Both have the same activity now: the larger id comes first.
        let page = ThreadPage { about: None, below: None, skip: 0, limit: PageLimit::MAX };
        let list = store.threads_of(&ALICE.id(), &page).await.unwrap();
        assert_eq!(list.iter().map(|entry| entry.thread.id).collect::<Vec<_>>(), [second, first]);
        let now = Timestamp::from_millis(950);
        let claimed = store.claim_jobs(now, now.plus_millis(1), PageLimit::MAX).await.unwrap();
        assert_eq!(claimed.len(), 1);
        assert_eq!(claimed[0].job.work, Work::NotifyUnread { thread: first });
        assert_eq!((claimed[0].job.due_at.as_millis(), claimed[0].attempts), (900, 4));
        let sent = world.send(&store, first, "from now on").await.unwrap().unwrap().message;
        assert_eq!((sent.seq, sent.created_at), (Seq::new(7), tidings_testkit::T0));
        store.close().await;
    });
}

#[test]
fn an_unfinished_copy_opens_for_copying_alone() {
    block_on(async {
        let world = World::new();
        let store = world.open(world.config()).await;
        store.begin(Uuid::from_u128(7)).await.unwrap();
        store.close().await;
        let refused = world.try_open(world.config()).await;
        assert!(matches!(refused, Err(OpenError::Unfinished { .. })), "{refused:?}");
        let store = world.open(SqliteConfig { copying: true, ..world.config() }).await;
        store.end().await.unwrap();
        store.close().await;
        world.open(world.config()).await.close().await;
    });
}

#[test]
fn without_migrating_nothing_is_made_or_changed() {
    block_on(async {
        let world = World::new();
        let looking = SqliteConfig { migrate: false, ..world.config() };
        assert!(matches!(world.try_open(looking.clone()).await, Err(OpenError::Database { .. })));
        assert!(!looking.path.exists());
        std::fs::write(&looking.path, "").unwrap();
        let refused = world.try_open(looking.clone()).await;
        assert!(matches!(refused, Err(OpenError::Schema { found: 0, .. })), "{refused:?}");
        assert_eq!(std::fs::read(&looking.path).unwrap(), b"");
        world.open(world.config()).await.close().await;
        world.open(looking).await.close().await;
    });
}
