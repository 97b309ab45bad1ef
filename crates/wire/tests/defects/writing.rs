//! What is written, by whom, and what becomes of it.

use serde_json::json;
use tidings_domain::change::Change;
use tidings_domain::message::Origin;
use tidings_domain::messaging::{Deps, Settings};
use tidings_domain::ports::JobRepository;
use tidings_testkit::T0;
use tidings_wire::Reach;

use crate::world::{in_a_world, in_a_world_with, only, text};

/// In the original an outsider marks a thread as read over the socket, and both sides are told.
#[test]
fn d03_strangers_mark_nothing() {
    in_a_world(async |world| {
        let thread = world.thread_with("bob").await;
        let message = world.said("ada", &thread, "unread").await;
        let before = world.commits();
        for stranger in ["eve", "cy", "root"] {
            for payload in
                [json!({ "threadId": thread }), json!({ "threadId": thread, "messageId": message })]
            {
                let replies = world.emit(stranger, "markAsRead", &payload.to_string()).await;
                let (event, told) = only(&replies.emit);
                assert_eq!((event, text(&told, "message").as_str()), ("error", "Failed to mark as read"));
                assert!(replies.ack.unwrap().contains(r#""success":false"#));
            }
            for path in [format!("/threads/{thread}/read"), format!("/messages/{message}/read")] {
                assert_eq!(world.rest(stranger, "PATCH", &path, "").await.0, 403, "{path}");
            }
        }
        assert_eq!(world.commits(), before, "nobody hears, nothing is stored");
        let (_, list) = world.rest("bob", "GET", "/threads", "").await;
        assert_eq!(list[0]["unreadCount"], 1);
    });
}

/// The original stores the empty text and text of any size, and answers null with a 500.
#[test]
fn d05_content_is_judged() {
    in_a_world(async |world| {
        let thread = world.thread_with("bob").await;
        let path = format!("/threads/{thread}/messages");
        let before = world.commits();
        let long = "x".repeat(10_001);
        let contents = [
            "null",
            "7",
            "true",
            "[\"x\"]",
            "{}",
            r#""""#,
            r#"" \n\t ""#,
            r#""\u00a0\ufeff""#,
            r#""a\u0000b""#,
        ];
        for content in contents.map(str::to_owned).into_iter().chain([format!("\"{long}\"")]) {
            let (status, body) =
                world.rest("ada", "POST", &path, &format!(r#"{{"content":{content}}}"#)).await;
            assert_eq!((status, &body["statusCode"]), (400, &json!(400)), "{content}: {body}");
            let payload = format!(r#"{{"threadId":"{thread}","content":{content}}}"#);
            let (event, told) = only(&world.emit("ada", "sendMessage", &payload).await.emit);
            assert_eq!((event, text(&told, "code").as_str()), ("error", "invalid-payload"), "{content}");
        }
        for body in ["", "{}", "[]", "null", "{\"content\":"] {
            assert_eq!(world.rest("ada", "POST", &path, body).await.0, 400, "{body}");
        }
        assert_eq!(world.commits(), before, "nothing is stored");
        // What is judged is kept as it was written.
        let (_, sent) = world.rest("ada", "POST", &path, r#"{"content":"  kept  "}"#).await;
        assert_eq!(text(&sent, "content"), "  kept  ");
    });
}

/// The original says 400 or 500 where it means 403 and 404.
#[test]
fn d06_refusals_have_true_statuses() {
    in_a_world(async |world| {
        let thread = world.thread_with("bob").await;
        let message = world.said("ada", &thread, "hello").await;
        let nowhere = "0198f0a0-0000-7000-8000-0000000000aa";
        let hello = r#"{"content":"hello"}"#;
        let (no_thread, no_access) = ("Thread not found", "You do not have access to this thread");
        let role = "Invalid user role: ADMIN. Only PROMOTER and ADVERTISER can send messages.";
        for (who, method, path, body, status, message) in [
            ("eve", "POST", format!("/threads/{thread}/messages"), hello, 403, no_access),
            ("root", "POST", format!("/threads/{thread}/messages"), hello, 403, role),
            ("ada", "POST", format!("/threads/{nowhere}/messages"), hello, 404, no_thread),
            ("eve", "PATCH", format!("/threads/{thread}/read"), "", 403, no_access),
            ("ada", "PATCH", format!("/threads/{nowhere}/read"), "", 404, no_thread),
            ("ada", "GET", format!("/threads/{nowhere}"), "", 404, no_thread),
            ("ada", "GET", format!("/threads/{nowhere}/messages"), "", 404, no_thread),
            (
                "eve",
                "PATCH",
                format!("/messages/{message}/read"),
                "",
                403,
                "You do not have access to this message",
            ),
            (
                "ada",
                "PATCH",
                format!("/messages/{message}/read"),
                "",
                400,
                "You cannot mark your own messages as read",
            ),
            ("ada", "PATCH", format!("/messages/{nowhere}/read"), "", 404, "Message not found"),
            (
                "eve",
                "POST",
                "/threads".to_owned(),
                r#"{"campaignId":"spring"}"#,
                403,
                "You are not a promoter for this campaign",
            ),
            ("ada", "POST", "/threads".to_owned(), r#"{"campaignId":"nowhere"}"#, 404, "Campaign not found"),
            (
                "ada",
                "POST",
                "/threads".to_owned(),
                r#"{"campaignId":"not a uuid"}"#,
                400,
                "Invalid campaign ID format. Expected UUID format, received: not a uuid",
            ),
        ] {
            let (came, answer) = world.rest(who, method, &path, body).await;
            assert_eq!((came, text(&answer, "message").as_str()), (status, message), "{who} {method} {path}");
        }
    });
}

/// The original never calls a callback, and its errors name nothing.
#[test]
fn d10_a_callback_learns_what_became_of_a_send() {
    in_a_world(async |world| {
        let thread = world.thread_with("bob").await;
        let send = |key: &str, content: &str| {
            json!({ "threadId": thread, "content": content, "clientMsgId": key }).to_string()
        };
        let ack = |replies: &tidings_wire::Replies| -> serde_json::Value {
            serde_json::from_str(replies.ack.as_deref().unwrap()).unwrap()
        };
        let sent = ack(&world.emit("ada", "sendMessage", &send("k", "hello")).await);
        assert_eq!((&sent["success"], &sent["message"]["clientMsgId"]), (&json!(true), &json!("k")));
        let again = ack(&world.emit("ada", "sendMessage", &send("k", "hello")).await);
        assert_eq!(again["message"]["id"], sent["message"]["id"]);
        assert_eq!(again["message"]["duplicate"], true);
        let conflict = world.emit("ada", "sendMessage", &send("k", "another text")).await;
        for (payload, code) in
            [(send("x", " "), "invalid-payload"), (send("k", "other"), "client-key-reused")]
        {
            let failed = ack(&world.emit("ada", "sendMessage", &payload).await);
            assert_eq!((&failed["success"], &failed["code"]), (&json!(false), &json!(code)));
            assert_eq!(failed["retryable"], false);
        }
        assert_eq!(only(&conflict.emit).0, "error", "without a callback the event tells");
    });
}

/// The original sends mail, SMS and push before it answers.
#[test]
fn d11_a_send_does_not_wait_for_notices() {
    let change =
        |_: &_, deps: Deps| Deps { settings: Settings::default().notice_after_ms(Some(1_000)), ..deps };
    in_a_world_with(change, async |world| {
        let thread = world.thread_with("bob").await;
        // There is nobody at all who could deliver; the send is answered, and the notice is a job that waits.
        world.said("ada", &thread, "are you there?").await;
        assert_eq!(world.memory.next_job_at().await, Ok(Some(T0.plus_millis(1_000))));
    });
}

/// In the original only a client that also names the thread lets the other side know.
#[test]
fn d13_a_mark_by_message_alone_is_heard() {
    in_a_world(async |world| {
        let thread = world.thread_with("bob").await;
        for by_socket in [false, true] {
            let message = world.said("ada", &thread, "read me").await;
            if by_socket {
                let payload = json!({ "messageId": message }).to_string();
                assert!(world.emit("bob", "markAsRead", &payload).await.emit.is_empty());
            } else {
                assert_eq!(world.rest("bob", "PATCH", &format!("/messages/{message}/read"), "").await.0, 200);
            }
            let told = world.told();
            let [told] = &told[..] else { panic!("{told:?}") };
            assert_eq!(told.audience.others, Reach::Everyone);
            assert_eq!(told.audience.actor, Some("bob".parse().unwrap()));
            let (event, payload) = only(std::slice::from_ref(&told.frame));
            assert_eq!(event, "messageRead");
            assert_eq!(payload, json!({ "messageId": message, "userId": "bob", "threadId": thread }));
        }
    });
}

/// The original writes message, activity and read marks apart, by two clocks.
#[test]
fn d14_a_send_is_one_commit_with_one_time() {
    in_a_world(async |world| {
        let thread = world.thread_with("bob").await;
        world.said("bob", &thread, "a question").await;
        world.clock.advance(1_234);
        let before = world.commits();
        world.said("ada", &thread, "an answer").await;
        let heard = world.heard.heard();
        assert_eq!(heard.len(), before + 1, "one commit");
        let commit = heard.last().unwrap();
        assert_eq!(commit.origin, Origin::Request);
        let [Change::AppendMessage(message), Change::PutMember(ada)] = &commit.changes[..] else {
            panic!("{commit:?}")
        };
        assert_eq!(message.created_at, T0.plus_millis(1_234));
        assert_eq!(commit.thread.last_message_at, message.created_at);
        assert_eq!((ada.marker.seq, ada.marker.at), (message.seq, Some(message.created_at)));
        let (_, list) = world.rest("ada", "GET", "/threads", "").await;
        assert_eq!(list[0]["lastMessageAt"], list[0]["messages"][0]["createdAt"]);
        assert_eq!(list[0]["unreadCount"], 0, "who answers has read");
        // Nor do two clocks, of which one is behind, put an answer before its question.
        world.clock.advance(-60_000);
        world.said("bob", &thread, "by another node").await;
        let (_, list) = world.rest("ada", "GET", "/threads", "").await;
        let (_, messages) = world.rest("ada", "GET", &format!("/threads/{thread}/messages"), "").await;
        assert_eq!(list[0]["lastMessageAt"], messages[0]["createdAt"]);
        assert!(messages[0]["createdAt"].as_str() >= messages[1]["createdAt"].as_str(), "{messages}");
    });
}
