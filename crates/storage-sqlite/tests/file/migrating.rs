//! A file of an earlier version, with rows in it, opened by this one.

use sqlx::migrate::Migrator;
use sqlx::{Connection, Executor};
use tidings_domain::message::Origin;
use tidings_domain::ports::{ChangeFeed, Directory, JobRepository, SummaryRepository, ThreadRepository};
use tidings_domain::seq::{Modseq, Seq};
use tidings_testkit::{ALICE, BOB, block_on, campaign};

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

#[test]
fn a_file_of_the_first_version_keeps_its_rows() {
    block_on(async {
        let world = World::new();
        let only_first = world.path("migrations");
        std::fs::create_dir(&only_first).unwrap();
        let (folder, first) = (concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"), "0001_messaging.sql");
        std::fs::copy(format!("{folder}/{first}"), only_first.join(first)).unwrap();
        std::fs::File::create(world.path("tidings.db")).unwrap();
        let mut past = world.past_the_store().await;
        Migrator::new(only_first).await.unwrap().run_direct(None, &mut past, false).await.unwrap();
        past.execute(ROWS).await.unwrap();
        past.close().await.unwrap();

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
        assert!(store.summaries(thread, tidings_domain::page::PageLimit::MAX).await.unwrap().is_empty());
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
