//! Whatever a store may hold, and whatever may fail.

use std::sync::Arc;

use proptest::prelude::*;
use tidings_domain::change::Change;
use tidings_domain::context::{Context, Party};
use tidings_domain::error::StoreError;
use tidings_domain::member::Member;
use tidings_domain::message::Origin;
use tidings_domain::messaging::{
    CommandError, Listed, MarkError, Marked, MessageView, MessagesView, OpenError, Opened, Outcome,
    ReadError, SendError, Sent, SummaryError, ThreadView, ThreadsView,
};
use tidings_domain::ports::{Denied, TooMany};
use tidings_domain::seq::Modseq;
use tidings_domain::typing::TypingChange;
use tidings_domain::user::{Actor, User};
use tidings_testkit::strategies::{thread_ids, user_ids};
use tidings_wire::campaign::DIALECT;
use tidings_wire::{Answer, EventError, Frame, Heard, Outbound, Reach, Refusal, Replies, Reply};

use crate::json::check_written;
use crate::rows::{actor_ids, commits, members, messages, origins, summaries, threads, users};

/// What no client may ever see.
const SECRET: &str = "postgres://tidings:hunter2@10.0.0.7";

fn check_frame(frame: &Frame) -> Result<(), TestCaseError> {
    prop_assert!(!frame.event.is_empty());
    prop_assert!(!frame.args.contains(SECRET));
    // As the transport writes it.
    check_written(&format!("[{}]", frame.args))?;
    Ok(())
}

fn check_outbound(outbound: &Outbound) -> Result<(), TestCaseError> {
    check_frame(&outbound.frame)?;
    // Nobody hears of their own reading or typing; everybody else does.
    match outbound.frame.event {
        "newMessage" => prop_assert_eq!(outbound.audience.others, Reach::Everyone),
        "messageRead" | "threadRead" | "userTyping" => {
            prop_assert_eq!(outbound.audience.own, Reach::Nobody);
            prop_assert_eq!(outbound.audience.others, Reach::Everyone);
            prop_assert!(outbound.audience.actor.is_some());
        }
        "threadUpdated" => {
            prop_assert_eq!(outbound.audience.own, Reach::Everyone);
            prop_assert_eq!(outbound.audience.others, Reach::Nobody);
            prop_assert!(outbound.audience.actor.is_some());
        }
        other => prop_assert!(false, "an event {}", other),
    }
    Ok(())
}

fn check_replies(replies: &Replies) -> Result<(), TestCaseError> {
    replies.emit.iter().try_for_each(check_frame)?;
    if let Some(ack) = &replies.ack {
        prop_assert!(!ack.contains(SECRET));
        check_written(&format!("[{ack}]"))?;
    }
    Ok(())
}

fn check_reply(reply: &Reply) -> Result<(), TestCaseError> {
    prop_assert!((200..600).contains(&reply.status));
    if let Some(body) = &reply.body {
        prop_assert!(!body.contains(SECRET));
        let value = check_written(body)?;
        if reply.status >= 400 {
            prop_assert_eq!(value.get("statusCode"), Some(&reply.status.into()));
            prop_assert!(
                value
                    .get("message")
                    .and_then(|message| message.as_str())
                    .is_some_and(|message| !message.is_empty())
            );
        }
    }
    Ok(())
}

fn views() -> BoxedStrategy<MessageView> {
    (messages(), proptest::option::of(users()), prop::collection::vec(members(), 0..3))
        .prop_map(|(message, sender, members)| MessageView::of(message, sender.map(Arc::new), &members))
        .boxed()
}

fn thread_views() -> BoxedStrategy<ThreadView> {
    let seat = (members(), users()).prop_map(|(member, user): (Member, User)| (member, Arc::new(user)));
    let listed = (any::<u64>(), proptest::option::of(views()))
        .prop_map(|(unread, last_message)| Listed { unread, last_message });
    let told = proptest::option::of(("\\PC{0,30}", any::<bool>()));
    (threads(), members(), prop::collection::vec(seat, 0..4), told, proptest::option::of(listed))
        .prop_map(|(thread, member, members, told, listed)| {
            let context = told.zip(thread.context.clone()).map(|((title, is_public), reference)| {
                Arc::new(Context {
                    reference,
                    title,
                    is_public,
                    state: None,
                    parties: Vec::new(),
                    data: None,
                })
            });
            ThreadView { thread, member, members, context, listed }
        })
        .boxed()
}

fn outcomes() -> BoxedStrategy<Outcome> {
    prop_oneof![
        (thread_views(), any::<bool>())
            .prop_map(|(thread, created)| Outcome::Opened(Box::new(Opened { thread, created }))),
        (views(), any::<bool>()).prop_map(|(message, duplicate)| {
            Outcome::Sent(Sent { message, duplicate, modseq: Modseq::new(7) })
        }),
        (members(), any::<bool>()).prop_map(|(member, moved)| Outcome::Marked(Marked {
            member,
            moved,
            modseq: Modseq::new(7)
        })),
        prop::collection::vec(thread_views(), 0..3)
            .prop_map(|threads| Outcome::Threads(ThreadsView { threads, rest: None })),
        thread_views().prop_map(|view| Outcome::Thread(Box::new(view))),
        (threads(), prop::collection::vec(views(), 0..4), any::<bool>()).prop_map(
            |(thread, messages, has_older)| Outcome::Messages(MessagesView {
                thread,
                messages,
                has_older,
                rest: None
            })
        ),
        proptest::option::of(thread_views()).prop_map(|found| Outcome::Found(found.map(Box::new))),
        any::<u64>().prop_map(Outcome::Unread),
        summaries().prop_map(Outcome::SummaryAdded),
        prop::collection::vec(summaries(), 0..3).prop_map(Outcome::Summaries),
    ]
    .boxed()
}

fn party(role: &str) -> Party {
    Party { user: "ada".parse().expect("a user"), role: role.parse().expect("a role") }
}

fn failures() -> BoxedStrategy<CommandError> {
    let store = prop::sample::select(vec![
        StoreError::Unavailable(SECRET.to_owned()),
        StoreError::Busy { limit: 4_096 },
        StoreError::Unknown(SECRET.to_owned()),
        StoreError::Corrupt(SECRET.to_owned()),
        StoreError::Internal(SECRET.to_owned()),
    ]);
    let of_store = store.prop_flat_map(|store| {
        prop::sample::select(vec![
            CommandError::Open(store.clone().into()),
            CommandError::Send(store.clone().into()),
            CommandError::Mark(store.clone().into()),
            CommandError::Read(store.clone().into()),
            CommandError::Summary(store.into()),
        ])
    });
    let of_rules = prop::sample::select(vec![
        CommandError::Open(OpenError::UnknownContext),
        CommandError::Open(OpenError::NotAParty),
        CommandError::Open(OpenError::NoCounterpart),
        CommandError::Open(OpenError::Removed),
        CommandError::Open(OpenError::UnknownParty(party("ADVERTISER"))),
        CommandError::Open(OpenError::UnknownParty(party("anything"))),
        CommandError::Send(SendError::TooMany(TooMany { retry_after_ms: 1 })),
        CommandError::Summary(SummaryError::UnknownThread),
        CommandError::Summary(SummaryError::NotAMember),
        CommandError::Summary(SummaryError::UnknownCite(7)),
        CommandError::Send(SendError::UnknownThread),
        CommandError::Send(SendError::NotAMember),
        CommandError::Send(SendError::Denied(Denied { reason: SECRET.to_owned() })),
        CommandError::Send(SendError::KeyReused),
        CommandError::Mark(MarkError::UnknownThread),
        CommandError::Mark(MarkError::UnknownMessage),
        CommandError::Mark(MarkError::NotAMember),
        CommandError::Mark(MarkError::OwnMessage),
        CommandError::Read(ReadError::UnknownThread),
        CommandError::Read(ReadError::NotAMember),
    ]);
    prop_oneof![of_store, of_rules].boxed()
}

fn answers() -> BoxedStrategy<Answer> {
    prop_oneof![
        outcomes().prop_map(|outcome| Answer::Executed(Box::new(outcome))),
        thread_ids().prop_map(Answer::Joined),
        thread_ids().prop_map(Answer::Left),
        Just(Answer::Noted),
        Just(Answer::Nothing),
    ]
    .boxed()
}

fn event_errors() -> BoxedStrategy<EventError> {
    prop_oneof![
        failures().prop_map(EventError::Command),
        "\\PC{1,40}".prop_map(|message| EventError::Refused(Refusal::invalid(message))),
        Just(EventError::Access(ReadError::NotAMember)),
        Just(EventError::Access(ReadError::UnknownThread)),
        Just(EventError::Access(ReadError::Store(StoreError::Unavailable(SECRET.to_owned())))),
        Just(EventError::Limit("this session follows too many threads")),
    ]
    .boxed()
}

fn actors() -> BoxedStrategy<Actor> {
    (actor_ids(), origins()).prop_map(|((user, role), origin)| Actor::new(user, role, origin)).boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_commit_is_told(commit in commits(), sender in proptest::option::of(users())) {
        for change in &commit.changes {
            let view = match change {
                Change::AppendMessage(message) | Change::ReplaceMessage(message) => {
                    Some(MessageView::fresh(message.clone(), sender.clone().map(Arc::new)))
                }
                Change::PutMember(_)
                | Change::PutThread(_)
                | Change::AddSummary(_)
                | Change::EnqueueJob(_) | Change::SettleNotices(_) => None,
            };
            let heard = Heard { commit: &commit, change, message: view.as_ref() };
            let told = (DIALECT.socket.commit)(&heard);
            told.iter().try_for_each(check_outbound)?;
            // What was brought over is no news; a member who came, hid or left has not read anything by that.
            let silent = match change {
                Change::PutMember(member) => !member.just_marked(),
                Change::AppendMessage(_) => false,
                Change::ReplaceMessage(_)
                | Change::PutThread(_)
                | Change::AddSummary(_)
                | Change::EnqueueJob(_) | Change::SettleNotices(_) => true,
            };
            prop_assert!(told.is_empty() || !(silent || commit.origin == Origin::Import));
            // A transport that has no view of the message has nothing to tell, and does not fail.
            let heard = Heard { message: None, ..heard };
            (DIALECT.socket.commit)(&heard).iter().try_for_each(check_outbound)?;
        }
    }

    #[test]
    fn any_typing_is_told(thread in thread_ids(), user in user_ids(), typing: bool) {
        let outbound = (DIALECT.socket.typing)(&TypingChange { thread, user, typing });
        check_outbound(&outbound.expect("the dialect knows typing"))?;
    }

    #[test]
    fn any_welcome_is_written(actor in actors(), user in users()) {
        (DIALECT.socket.handshake.welcome)(&actor, &user).iter().try_for_each(check_frame)?;
    }

    /// An outcome of another command than the route's own is a mistake of ours: it is answered, not a panic.
    #[test]
    fn any_outcome_is_answered(actor in actors(), outcome in outcomes(), failure in failures()) {
        for route in DIALECT.routes {
            check_reply(&(route.encode)(&actor, Ok(&outcome)))?;
            let failed = (route.encode)(&actor, Err(&failure));
            prop_assert!(failed.status >= 400);
            check_reply(&failed)?;
        }
    }

    #[test]
    fn any_answer_is_told(actor in actors(), answer in answers(), error in event_errors()) {
        for inbound in DIALECT.socket.inbound {
            check_replies(&(inbound.reply)(&actor, Ok(&answer)))?;
            let failed = (inbound.reply)(&actor, Err(&error));
            check_replies(&failed)?;
            // Who asked always learns of a failure, with and without a callback.
            prop_assert_eq!(failed.emit.len(), 1);
            prop_assert_eq!(failed.emit[0].event, "error");
            let told = failed.ack.is_some_and(|ack| ack.starts_with(r#"{"success":false,"#));
            prop_assert!(told, "the callback is told");
        }
    }
}
