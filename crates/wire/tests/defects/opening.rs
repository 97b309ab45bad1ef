//! Threads that are opened.

use std::collections::BTreeSet;

use tidings_testkit::block_on;

use crate::world::{in_a_world, text};

/// The original checks and then inserts: whoever loses the race gets a 500.
#[test]
fn d07_of_concurrent_creates_one_creates() {
    in_a_world(async |world| {
        let tries: Vec<_> = (0..20)
            .map(|n| {
                let (world, who) = (world.clone(), if n % 2 == 0 { "ada" } else { "bob" });
                let body = r#"{"campaignId":"spring","promoterId":"bob","advertiserId":"ada"}"#;
                std::thread::spawn(move || block_on(world.rest(who, "POST", "/threads", body)))
            })
            .collect();
        let mut statuses = Vec::new();
        for answer in tries {
            let (status, body) = answer.join().unwrap();
            if status == 400 {
                let message = text(&body, "message");
                assert_eq!(message, "Thread already exists for this campaign and users");
            }
            statuses.push(status);
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [[201].as_slice(), &[400; 19]].concat());
        assert_eq!(world.commits(), 1);
    });
}

/// The original takes the first promoter of the campaign, whatever the body says.
#[test]
fn d18_the_named_promoter_is_taken() {
    in_a_world(async |world| {
        let body = r#"{"campaignId":"spring","promoterId":"cy","advertiserId":"ada"}"#;
        let (status, thread) = world.rest("ada", "POST", "/threads", body).await;
        assert_eq!((status, text(&thread, "promoterId").as_str()), (201, "cy"));
        let (status, first) = world.rest("ada", "POST", "/threads", r#"{"campaignId":"spring"}"#).await;
        assert_eq!((status, text(&first, "promoterId").as_str()), (201, "bob"));
        let ids: BTreeSet<String> = [thread, first].iter().map(|thread| text(thread, "id")).collect();
        assert_eq!(ids.len(), 2);
        // Valid: a party of the campaign.
        let body = r#"{"campaignId":"spring","promoterId":"eve","advertiserId":"ada"}"#;
        assert_eq!(world.rest("ada", "POST", "/threads", body).await.0, 403);
    });
}

/// The guide at the original's newest revision sends `promoterId` without `advertiserId`; the original passes over it.
#[test]
fn d18_the_promoter_named_alone_is_taken_too() {
    in_a_world(async |world| {
        let body = r#"{"campaignId":"spring","promoterId":"cy","subject":"Spring"}"#;
        let (status, thread) = world.rest("ada", "POST", "/threads", body).await;
        assert_eq!((status, text(&thread, "promoterId").as_str()), (201, "cy"), "{thread}");
        assert_eq!(text(&thread, "advertiserId"), "ada");
        // A promoter may name themselves alone.
        assert_eq!(world.rest("bob", "POST", "/threads", body).await.0, 403);
        let own = r#"{"campaignId":"spring","promoterId":"bob","subject":"Spring"}"#;
        assert_eq!(world.rest("bob", "POST", "/threads", own).await.0, 201);
    });
}
