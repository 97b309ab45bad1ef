//! A database of an earlier version, with rows in it, opened by this one.

use sqlx::Executor;
use sqlx::migrate::Migrator;
use tidings_domain::job::Work;
use tidings_domain::message::Message;
use tidings_domain::page::{PageLimit, ThreadPage};
use tidings_domain::ports::{JobRepository, MessageRepository, ThreadRepository};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::time::Timestamp;
use tidings_testkit::{ALICE, BOB, Person, T0, block_on};

use crate::world::{World, messages};

/// Two threads of Alice and Bob. In the first, six messages with four dates, a job for Bob from the fifth on, and one for
/// all from the sixth on; Bob has hidden it, and his copy of its activity is an old one. In the second, one message and a
/// window whose job is done.
const DATED: &str = "\
insert into thread (id, number, member_count, last_seq, last_message_at, last_number, modseq, fields_modseq, \
  notice_due, created_at, updated_at) values \
  ('0198f0a0-0000-7000-8000-000000000001', 1, 2, 6, 200, 6, 14, 0, 900, 40, 40), \
  ('0198f0a0-0000-7000-8000-000000000002', 2, 2, 1, 201, 3, 4, 0, 231, 40, 40); \
insert into member (thread_id, user_id, role, standing, read_seq, read_at, read_via, read_modseq, visible_from, \
  archived, muted, joined_at, joined_modseq, modseq, activity_at) values \
  ('0198f0a0-0000-7000-8000-000000000001', 'alice', 'brand', 0, 6, 200, 0, 14, 0, false, false, 40, 1, 14, 200), \
  ('0198f0a0-0000-7000-8000-000000000001', 'bob', 'member', 1, 0, null, 0, 0, 0, false, false, 40, 2, 2, 77), \
  ('0198f0a0-0000-7000-8000-000000000002', 'alice', 'brand', 0, 1, 201, 0, 4, 0, false, false, 40, 1, 4, 201), \
  ('0198f0a0-0000-7000-8000-000000000002', 'bob', 'member', 0, 0, null, 0, 0, 0, false, false, 40, 2, 2, 201); \
insert into message (thread_id, seq, id, number, modseq, appended_modseq, sender, sender_role, body, draft, imported, \
  created_at) \
  select ('0198f0a0-0000-7000-8000-00000000000' || thread)::uuid, seq, \
    ('0198f0a0-0000-7000-8000-00000000001' || number)::uuid, number, 2 * seq + 1, 2 * seq + 1, 'alice', 'brand', \
    'at ' || at, '00112233-4455-6677-8899-aabbccddeeff', false, at \
  from (values (1, 1, 1, 100), (2, 1, 2, 100), (3, 2, 1, 201), (4, 1, 3, 100), (5, 1, 4, 101), (6, 1, 5, 200), \
    (7, 1, 6, 200)) v (number, thread, seq, at); \
insert into job (id, kind, thread_id, from_seq, only_users, due_at, claimable_at, attempts) values \
  ('0198f0a0-0000-7000-8000-000000000099', 0, '0198f0a0-0000-7000-8000-000000000001', 5, '{bob}', 900, 950, 3), \
  ('0198f0a0-0000-7000-8000-000000000098', 0, '0198f0a0-0000-7000-8000-000000000001', 6, '{}', 800, 990, 0); \
select setval('message_number', 1025), setval('thread_number', 10)";

#[test]
fn dates_that_were_equal_rise_and_notices_go_on() {
    block_on(async {
        let world = World::new();
        let mut past = world.past_the_store().await;
        past.execute("drop schema public cascade; create schema public").await.unwrap();
        let (folder, first) = (concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"), "0001_messaging.sql");
        let only_first = tempfile::tempdir().unwrap();
        std::fs::copy(format!("{folder}/{first}"), only_first.path().join(first)).unwrap();
        Migrator::new(only_first.path()).await.unwrap().run_direct(None, &mut past, false).await.unwrap();
        past.execute(DATED).await.unwrap();

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
        assert_eq!((sent.seq, sent.created_at), (Seq::new(7), T0));
        store.close().await;
    });
}
