//! `docs/dialects.md`, generated from the tables: which vocabulary says what. With `DIALECTS=write` in the environment
//! the page is written anew; otherwise it is an error when it is stale.
//!
//! What a dialect says of a change is not written down here: the page shows what its encoders make of samples.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use tidings_domain::change::{Change, Commit};
use tidings_domain::id::{MessageId, SessionId, SummaryId, ThreadId, UserId};
use tidings_domain::member::{MarkedVia, Member, ReadMarker};
use tidings_domain::message::{Author, Message, Origin};
use tidings_domain::messaging::{Marked, MessageView, Outcome, ReadError, Sent};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::summary::{Summary, SummaryContent};
use tidings_domain::text::DraftHash;
use tidings_domain::thread::Thread;
use tidings_domain::typing::TypingChange;
use tidings_domain::user::{Actor, User};
use tidings_testkit::{T0, body, campaign};
use tidings_wire::{Answer, Dialect, EventError, Heard, Outbound, Reach, Refused, Replies, campaign, host};
use uuid::Uuid;

const DIALECTS: &[&Dialect] = &[&campaign::DIALECT];

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn thread() -> Thread {
    Thread {
        id: ThreadId::from_uuid(uuid(1)),
        number: 1,
        context: Some(campaign("1")),
        subject: None,
        member_count: 2,
        last_seq: Seq::new(1),
        last_message_at: T0,
        modseq: Modseq::new(9),
        fields_modseq: Modseq::new(9),
        notice_due: None,
        notice_upto: Seq::ZERO,
        created_at: T0,
        updated_at: T0,
    }
}

fn ada() -> UserId {
    "ada".parse().expect("a user")
}

fn message(origin: Origin) -> Message {
    let body = body("hello");
    Message {
        id: MessageId::from_uuid(uuid(2)),
        number: 1,
        thread: thread().id,
        seq: Seq::new(1),
        modseq: Modseq::new(9),
        author: Author::Member { user: ada(), role: "ADVERTISER".parse().expect("a role") },
        draft: DraftHash::of_body(&body),
        body,
        client_key: None,
        origin,
        created_at: T0,
        edited_at: None,
        deleted_at: None,
    }
}

fn member(via: Option<MarkedVia>) -> Member {
    let role = "ADVERTISER".parse().expect("a role");
    let joining = Member { modseq: Modseq::new(9), ..Member::joining(thread().id, ada(), role, T0) };
    match via {
        None => joining,
        Some(via) => Member {
            marker: ReadMarker { seq: Seq::new(1), at: Some(T0), via },
            marker_modseq: joining.modseq,
            ..joining
        },
    }
}

fn summary() -> Summary {
    Summary {
        id: SummaryId::from_uuid(uuid(3)),
        thread: thread().id,
        author: ada(),
        content: SummaryContent::parse("s".to_owned(), vec![], vec![], None).expect("a summary"),
        modseq: Modseq::new(9),
        created_at: T0,
    }
}

/// Everything that happens in a thread, through a request and through a socket.
fn happenings() -> Vec<(&'static str, Change, Origin)> {
    let socket = Origin::Session(SessionId::from_uuid(uuid(4)));
    let request = Origin::Request;
    let by_message = MarkedVia::Message(MessageId::from_uuid(uuid(2)));
    vec![
        ("a message sent by REST", Change::AppendMessage(message(request)), request),
        ("a message sent over a socket", Change::AppendMessage(message(socket)), socket),
        ("a message edited or deleted", Change::ReplaceMessage(message(request)), request),
        ("read up to a message", Change::PutMember(member(Some(by_message))), request),
        ("a thread read by REST", Change::PutMember(member(Some(MarkedVia::Thread))), request),
        ("a thread read over a socket", Change::PutMember(member(Some(MarkedVia::Thread))), socket),
        ("read by answering", Change::PutMember(member(Some(MarkedVia::Send))), request),
        ("a member who came, hid, left or was removed", Change::PutMember(member(None)), request),
        ("the thread's subject", Change::PutThread(thread()), request),
        ("a summary", Change::AddSummary(summary()), request),
        (
            "anything brought over from another system",
            Change::AppendMessage(message(request)),
            Origin::Import,
        ),
    ]
}

fn heard(dialect: &Dialect, change: &Change, origin: Origin) -> Vec<Outbound> {
    let changes = vec![change.clone()];
    let commit = Commit { thread: Arc::new(thread()), prev: Modseq::new(8), origin, changes };
    let view = match change {
        Change::AppendMessage(message) | Change::ReplaceMessage(message) => {
            Some(MessageView::fresh(message.clone(), None))
        }
        Change::PutMember(_)
        | Change::PutThread(_)
        | Change::AddSummary(_)
        | Change::EnqueueJob(_)
        | Change::SettleNotices(_) => None,
    };
    (dialect.socket.commit)(&Heard { commit: &commit, change, message: view.as_ref() })
}

const fn reach(reach: Reach) -> &'static str {
    match reach {
        Reach::Nobody => "–",
        Reach::Joined => "joined",
        Reach::Everyone => "all",
    }
}

/// The events that are told the sender in one of these cases, and whether a callback is called.
fn replied(answers: &[Replies]) -> String {
    let events: BTreeSet<&str> =
        answers.iter().flat_map(|replies| &replies.emit).map(|frame| frame.event).collect();
    let mut told: Vec<String> = events.into_iter().map(|event| format!("`{event}`")).collect();
    if answers.iter().any(|replies| replies.ack.is_some()) {
        told.push("ack".to_owned());
    }
    if told.is_empty() { "–".to_owned() } else { told.join(", ") }
}

fn inbound(page: &mut String, dialect: &Dialect) -> std::fmt::Result {
    let actor = Actor::new(ada(), None, Origin::Request);
    let view = || MessageView::fresh(message(Origin::Request), None);
    let sent = Sent { message: view(), duplicate: false, modseq: Modseq::new(9) };
    let marked = Marked { member: member(None), moved: true, modseq: Modseq::new(9) };
    let answers = [
        Answer::Executed(Box::new(Outcome::Sent(sent))),
        Answer::Executed(Box::new(Outcome::Marked(marked))),
        Answer::Joined(thread().id),
        Answer::Left(thread().id),
        Answer::Noted,
    ];
    writeln!(page, "| event | does | its sender is told | on failure |\n|---|---|---|---|")?;
    for inbound in dialect.socket.inbound {
        let done: Vec<Replies> = answers.iter().map(|answer| (inbound.reply)(&actor, Ok(answer))).collect();
        let failed = (inbound.reply)(&actor, Err(&EventError::Access(ReadError::UnknownThread)));
        let (done, failed) = (replied(&done), replied(&[failed]));
        writeln!(page, "| `{}` | {} | {done} | {failed} |", inbound.name, inbound.about)?;
    }
    Ok(())
}

fn outbound(page: &mut String, dialect: &Dialect) -> std::fmt::Result {
    writeln!(
        page,
        "| what happens | event | sockets of who did it | sockets of the others |\n|---|---|---|---|"
    )?;
    let mut row = |what: &str, told: &[Outbound]| {
        for Outbound { frame, audience } in told {
            let (own, others) = (reach(audience.own), reach(audience.others));
            writeln!(page, "| {what} | `{}` | {own} | {others} |", frame.event)?;
        }
        if told.is_empty() { writeln!(page, "| {what} | – | – | – |") } else { Ok(()) }
    };
    for (what, change, origin) in happenings() {
        row(what, &heard(dialect, &change, origin))?;
    }
    let typing = |typing| TypingChange { thread: thread().id, user: ada(), typing };
    for (what, change) in [("typing begins", typing(true)), ("typing ends or expires", typing(false))] {
        row(what, &(dialect.socket.typing)(&change).into_iter().collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Which threads the dialect has words for.
fn expressed(dialect: &Dialect) -> String {
    let about = |kind: &str| {
        let mut of = campaign("1");
        of.kind = kind.parse().expect("a kind");
        Some(of)
    };
    let sorts = [
        ("two about a campaign", thread()),
        ("more than two about a campaign", Thread { member_count: 3, ..thread() }),
        ("two about a contract", Thread { context: about("contract"), ..thread() }),
        ("two about nothing", Thread { context: None, ..thread() }),
    ];
    let said: Vec<&str> =
        sorts.iter().filter(|(_, thread)| (dialect.expresses)(thread)).map(|(sort, _)| *sort).collect();
    said.join("; ")
}

fn write_dialect(page: &mut String, dialect: &Dialect) -> std::fmt::Result {
    let Dialect { name, prefixes, socket, claims, .. } = dialect;
    writeln!(page, "\n## `{name}`\n")?;
    let prefixes: Vec<String> = prefixes.iter().map(|prefix| format!("`{prefix}`")).collect();
    writeln!(page, "- REST under {}", prefixes.join(" and "))?;
    writeln!(page, "- Socket.IO path `{}`, namespace `{}`", socket.path, socket.namespace)?;
    writeln!(
        page,
        "- token claims: user `{}`, role `{}`, name `{}`, picture `{}`",
        claims.user.join("` or `"),
        claims.role.join("` or `"),
        claims.name.join("` or `"),
        claims.avatar_url.join("` or `"),
    )?;
    writeln!(page, "- threads it has words for, of those between: {}", expressed(dialect))?;
    let end = if socket.outlives_token {
        "stays open beyond its token, for `auth.sockets_outlive_tokens`"
    } else {
        "is closed when its token ends"
    };
    writeln!(page, "- a socket {end}")?;
    writeln!(page, "- typing ends by itself after {} s", socket.typing_expires_after_ms / 1_000)?;
    let refused = match (socket.handshake.refused)(&tidings_wire::AuthFailure::Missing) {
        Refused::Disconnected => "let in and disconnected at once".to_owned(),
        Refused::ConnectError { message, .. } => format!("refused with `connect_error` {message:?}"),
    };
    writeln!(page, "- a socket without a valid token is {refused}")?;
    let actor = Actor::new(ada(), None, Origin::Request);
    let welcome = (socket.handshake.welcome)(&actor, &User::unknown(ada()));
    let welcome: Vec<String> = welcome.iter().map(|frame| format!("`{}`", frame.event)).collect();
    writeln!(page, "- a socket with one hears first: {}", welcome.join(", "))?;
    writeln!(page, "\n### Routes\n\n| method | path | does |\n|---|---|---|")?;
    for route in dialect.routes {
        writeln!(page, "| {} | `{}` | {} |", route.method.as_str(), route.path, route.about)?;
    }
    writeln!(page, "\n### Events of clients\n")?;
    inbound(page, dialect)?;
    writeln!(page, "\n### Events of the server\n")?;
    outbound(page, dialect)
}

fn write_host(page: &mut String) -> std::fmt::Result {
    writeln!(page, "\n## The host API\n")?;
    writeln!(
        page,
        "What the application around Tidings tells it, under `{}`, with a token of the scope",
        host::PREFIX
    )?;
    writeln!(
        page,
        "`service`. Errors are problem documents; [problems.md](problems.md) lists their codes.\n"
    )?;
    writeln!(page, "| method | path | does | largest body |\n|---|---|---|---|")?;
    for route in host::ROUTES {
        let kib = route.body_bytes_max / 1_024;
        let largest = if kib >= 1_024 { format!("{} MiB", kib / 1_024) } else { format!("{kib} KiB") };
        writeln!(page, "| {} | `{}` | {} | {largest} |", route.method.as_str(), route.path, route.about)?;
    }
    writeln!(
        page,
        "\nOne import takes at most {} threads and {} messages.",
        host::IMPORT_THREADS_MAX,
        host::IMPORT_MESSAGES_MAX
    )
}

fn page() -> Result<String, std::fmt::Error> {
    let mut page = String::from(
        "# Dialects\n\n\
         Generated from the tables in `crates/wire`: `DIALECTS=write cargo test -p tidings-wire --test dialects`.\n\n\
         A dialect is one wire vocabulary. One process serves all of them over the same threads. A thread that a dialect\n\
         has no words for is absent from its lists and events.\n\n\
         In the tables of what is heard, *joined* are the sockets that follow the thread, *all* those of the user, joined\n\
         or not; `–` is nobody, or nothing. *ack* is the client's callback, if it gave one.\n",
    );
    for dialect in DIALECTS {
        write_dialect(&mut page, dialect)?;
    }
    write_host(&mut page)?;
    Ok(page)
}

#[test]
fn the_page_says_what_the_tables_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/dialects.md");
    let page = page().expect("a text takes more");
    if std::env::var_os("DIALECTS").is_some_and(|value| value == "write") {
        fs::write(&path, page).expect("the page can be written");
        return;
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == page,
        "docs/dialects.md is stale: DIALECTS=write cargo test -p tidings-wire --test dialects"
    );
}
