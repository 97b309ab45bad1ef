//! Whatever a store may hold.

use std::sync::Arc;

use proptest::prelude::*;
use tidings_domain::change::{Change, Commit};
use tidings_domain::context::ContextRef;
use tidings_domain::id::{Role, SessionId, SummaryId, UserId};
use tidings_domain::member::{MarkedVia, Member, ReadMarker, Standing};
use tidings_domain::message::{Author, Message, Origin};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::summary::{Sentiment, Summary, SummaryContent, SummaryPoint};
use tidings_domain::text::{DraftHash, Subject};
use tidings_domain::thread::Thread;
use tidings_domain::user::User;
use tidings_testkit::strategies::{bodies, client_keys, message_ids, thread_ids, timestamps, user_ids};
use uuid::Uuid;

fn seqs() -> BoxedStrategy<Seq> {
    prop_oneof![(0..5_u64), any::<u64>()].prop_map(Seq::new).boxed()
}

fn modseqs() -> BoxedStrategy<Modseq> {
    prop_oneof![(0..5_u64), any::<u64>()].prop_map(Modseq::new).boxed()
}

fn roles() -> BoxedStrategy<Role> {
    prop_oneof![
        prop::sample::select(vec!["ADVERTISER", "PROMOTER", "ADMIN"])
            .prop_map(|role| role.parse().expect("a role")),
        user_ids().prop_map(|id| id.as_str().parse().expect("as visible as an id")),
    ]
    .boxed()
}

pub(crate) fn origins() -> BoxedStrategy<Origin> {
    let session = any::<u128>().prop_map(|bits| Origin::Session(SessionId::from_uuid(Uuid::from_u128(bits))));
    prop_oneof![Just(Origin::Request), Just(Origin::Import), session].boxed()
}

pub(crate) fn messages() -> BoxedStrategy<Message> {
    let author = prop_oneof![
        4 => (user_ids(), roles()).prop_map(|(user, role)| Author::Member { user, role }),
        1 => Just(Author::System),
    ];
    let marks = (message_ids(), any::<u64>(), thread_ids(), seqs(), modseqs());
    let times = (timestamps(), proptest::option::of(timestamps()), proptest::option::of(timestamps()));
    (marks, author, bodies(), proptest::option::of(client_keys()), origins(), times)
        .prop_map(|((id, number, thread, seq, modseq), author, body, client_key, origin, times)| Message {
            id,
            number,
            thread,
            seq,
            modseq,
            author,
            draft: DraftHash::of_body(&body),
            body,
            client_key,
            origin,
            created_at: times.0,
            edited_at: times.1,
            deleted_at: times.2,
        })
        .boxed()
}

pub(crate) fn members() -> BoxedStrategy<Member> {
    let standing =
        prop::sample::select(vec![Standing::Active, Standing::Hidden, Standing::Left, Standing::Removed]);
    let via = prop_oneof![
        Just(MarkedVia::Send),
        Just(MarkedVia::Thread),
        message_ids().prop_map(MarkedVia::Message)
    ];
    let marker = (seqs(), proptest::option::of(timestamps()), via).prop_map(|(seq, at, via)| ReadMarker {
        seq,
        at,
        via,
    });
    let who = (thread_ids(), user_ids(), roles(), standing);
    let counters = (modseqs(), any::<bool>(), modseqs())
        .prop_map(|(modseq, just_marked, other)| (modseq, if just_marked { modseq } else { other }));
    (who, marker, seqs(), any::<bool>(), any::<bool>(), timestamps(), counters)
        .prop_map(
            |((thread, user, role, standing), marker, visible_from, archived, muted, joined_at, counters)| {
                let (modseq, marker_modseq) = counters;
                Member {
                    thread,
                    user,
                    role,
                    standing,
                    marker,
                    marker_modseq,
                    visible_from,
                    archived,
                    muted,
                    notified: visible_from,
                    joined_at,
                    modseq,
                }
            },
        )
        .boxed()
}

fn references() -> BoxedStrategy<ContextRef> {
    let kind = prop_oneof![Just("campaign".to_owned()), user_ids().prop_map(|id| id.as_str().to_owned())];
    (kind, user_ids())
        .prop_map(|(kind, id)| {
            ContextRef::new(kind.parse().expect("as visible as an id"), id.as_str().parse().expect("an id"))
        })
        .boxed()
}

pub(crate) fn threads() -> BoxedStrategy<Thread> {
    let subject =
        proptest::option::of("\\PC{1,60}").prop_map(|text| text.and_then(|text| Subject::parse(&text).ok()));
    let marks = (any::<u64>(), any::<u32>(), seqs(), modseqs(), modseqs());
    let times = (timestamps(), timestamps(), timestamps());
    (thread_ids(), proptest::option::of(references()), subject, marks, times)
        .prop_map(|(id, context, subject, (number, member_count, last_seq, modseq, fields_modseq), times)| {
            Thread {
                id,
                number,
                context,
                subject,
                member_count,
                last_seq,
                last_message_at: times.0,
                modseq,
                fields_modseq,
                notice_due: None,
                notice_upto: Seq::ZERO,
                created_at: times.1,
                updated_at: times.2,
            }
        })
        .boxed()
}

pub(crate) fn users() -> BoxedStrategy<User> {
    let texts = ("\\PC{0,40}", proptest::option::of("\\PC{0,40}"));
    (user_ids(), any::<u64>(), texts, proptest::option::of(roles()), timestamps())
        .prop_map(|(id, number, (name, avatar_url), role, updated_at)| User {
            id,
            number,
            name,
            username: None,
            email: None,
            told: false,
            as_of: tidings_domain::time::Timestamp::from_millis(0),
            avatar_url,
            role,
            updated_at,
        })
        .boxed()
}

/// Any summary: its texts awkward, its points few.
pub(crate) fn summaries() -> BoxedStrategy<Summary> {
    let text = || bodies().prop_map(|body| body.as_str().chars().take(500).collect::<String>());
    let point = || {
        (text(), prop::collection::vec(seqs(), 0..3)).prop_map(|(text, cites)| SummaryPoint { text, cites })
    };
    let points = || prop::collection::vec(point(), 0..3);
    let sentiment = proptest::option::of(
        (-100..=100_i16).prop_map(|it| Sentiment::from_hundredths(it).expect("a sentiment")),
    );
    let content = (text(), points(), points(), sentiment).prop_filter_map(
        "a blank text is no summary",
        |(text, key_points, action_items, sentiment)| {
            SummaryContent::parse(text, key_points, action_items, sentiment).ok()
        },
    );
    (any::<u128>(), thread_ids(), user_ids(), content, modseqs(), timestamps())
        .prop_map(|(id, thread, author, content, modseq, created_at)| Summary {
            id: SummaryId::from_uuid(Uuid::from_u128(id)),
            thread,
            author,
            content,
            modseq,
            created_at,
        })
        .boxed()
}

pub(crate) fn commits() -> BoxedStrategy<Commit> {
    let change = prop_oneof![
        messages().prop_map(Change::AppendMessage),
        messages().prop_map(Change::ReplaceMessage),
        members().prop_map(Change::PutMember),
        threads().prop_map(Change::PutThread),
        summaries().prop_map(Change::AddSummary),
    ];
    (threads(), modseqs(), origins(), prop::collection::vec(change, 0..4))
        .prop_map(|(thread, prev, origin, changes)| Commit {
            thread: Arc::new(thread),
            prev,
            origin,
            changes,
        })
        .boxed()
}

pub(crate) fn actor_ids() -> BoxedStrategy<(UserId, Option<Role>)> {
    (user_ids(), proptest::option::of(roles())).boxed()
}
