//! The host API: whatever the host sends, and what it says rightly.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::{Value, json};
use tidings_domain::context::{Context, ContextRef, Party};
use tidings_domain::error::StoreError;
use tidings_domain::messaging::{
    HostCommand, HostError, HostOpenThread, HostOutcome, ImportError, ImportMember, ImportMessage,
    ImportProblem, ImportThread, Imported, MemberPut, PutMember, Unique, ViewStart,
};
use tidings_domain::text::Subject as ThreadSubject;
use tidings_domain::thread::ThreadKey;
use tidings_domain::time::Timestamp;
use tidings_domain::user::{Subject, User};
use tidings_testkit::strategies::{bodies, client_keys, message_ids, thread_ids, timestamps, user_ids};
use tidings_wire::host::{HostRequest, HostRoute, IMPORT_MESSAGES_MAX, IMPORT_THREADS_MAX, ROUTES};
use tidings_wire::{Method, Refusal, RestRequest};

use crate::decoding::check_refusal;
use crate::json::{check_written, hard_values, texts};
use crate::rows::{members, threads, users};

const SECRET: &str = "postgres://tidings:hunter2@10.0.0.7";

fn route(method: Method, path: &str) -> &'static HostRoute {
    let found = ROUTES.iter().find(|route| route.method == method && route.path == path);
    found.expect("a route of the host API")
}

fn decode(
    route: &HostRoute,
    params: &[(&str, &str)],
    body: &[u8],
    key: Option<&str>,
) -> Result<HostCommand, Refusal> {
    let request = RestRequest { params, query: &[], body };
    (route.decode)(&HostRequest { request, idempotency_key: key })
}

fn said(method: Method, path: &str, params: &[(&str, &str)], body: &Value) -> HostCommand {
    decode(route(method, path), params, body.to_string().as_bytes(), None).expect("a valid request")
}

/// Offers a request to every route.
fn offer(param: &str, body: &[u8], key: Option<&str>) -> Result<(), TestCaseError> {
    let params = ["id", "kind", "threadId", "userId"].map(|name| (name, param));
    let text = String::from_utf8_lossy(body);
    for route in ROUTES {
        if let Err(refusal) = decode(route, &params, body, key) {
            check_refusal(&refusal, &[param, &text, key.unwrap_or_default()])?;
        }
    }
    Ok(())
}

/// What the host calls short texts.
fn shorts() -> impl Strategy<Value = String> {
    "[\\PC&&[^\\s]]{1,60}"
}

fn contexts() -> impl Strategy<Value = ContextRef> {
    (user_ids(), user_ids(), of((user_ids(), user_ids()))).prop_map(|(kind, id, parent)| ContextRef {
        kind: kind.as_str().parse().expect("a kind"),
        id: id.as_str().parse().expect("an id"),
        parent: parent
            .map(|(kind, id)| (kind.as_str().parse().expect("a kind"), id.as_str().parse().expect("an id"))),
    })
}

fn party_lists() -> impl Strategy<Value = Vec<Party>> {
    let party = (user_ids(), user_ids())
        .prop_map(|(user, role)| Party { user, role: role.as_str().parse().expect("a role") });
    vec(party, 0..4)
}

fn of_parties(parties: &[Party]) -> Value {
    let party = |party: &Party| json!({ "userId": party.user.as_str(), "role": party.role.as_str() });
    parties.iter().map(party).collect()
}

fn of_context(context: &ContextRef) -> Value {
    let parent =
        context.parent.as_ref().map(|(kind, id)| json!({ "kind": kind.as_str(), "id": id.as_str() }));
    json!({ "kind": context.kind.as_str(), "id": context.id.as_str(), "parent": parent })
}

fn iso(at: Timestamp) -> String {
    let at = chrono::DateTime::from_timestamp_millis(at.as_millis()).expect("a time");
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

fn imports() -> impl Strategy<Value = ImportThread> {
    let message = (message_ids(), of(user_ids()), bodies(), timestamps())
        .prop_map(|(id, sender, body, created_at)| ImportMessage { id, sender, body, created_at });
    let reads = vec(of(timestamps()), 4);
    (thread_ids(), of(contexts()), timestamps(), party_lists(), reads, vec(message, 0..3)).prop_map(
        |(id, context, created_at, parties, reads, messages)| ImportThread {
            id,
            key: None,
            context,
            subject: None,
            created_at,
            members: parties
                .into_iter()
                .zip(reads)
                .map(|(party, read_until)| ImportMember { party, read_until })
                .collect(),
            messages,
        },
    )
}

fn of_import(import: &ImportThread) -> Value {
    let member = |member: &ImportMember| {
        json!({
            "userId": member.party.user.as_str(),
            "role": member.party.role.as_str(),
            "readUntil": member.read_until.map(iso),
        })
    };
    let message = |message: &ImportMessage| {
        json!({
            "id": message.id.to_string(),
            "senderId": message.sender.as_ref().map(|sender| sender.as_str()),
            "content": message.body.as_str(),
            "createdAt": iso(message.created_at),
        })
    };
    json!({
        "id": import.id.to_string(),
        "context": import.context.as_ref().map(of_context),
        "unique": "request",
        "createdAt": iso(import.created_at),
        "members": import.members.iter().map(member).collect::<Value>(),
        "messages": import.messages.iter().map(message).collect::<Value>(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_request_of_the_host_is_a_command_or_refused(
        param in "\\PC{0,200}",
        body in texts(),
        key in of("[\\PC\\x00-\\x1f]{0,200}"),
    ) {
        offer(&param, body.as_bytes(), key.as_deref())?;
    }

    #[test]
    fn any_bytes_of_the_host_are_a_command_or_refused(body in vec(any::<u8>(), 0..300)) {
        offer("0198f0a0-0000-7000-8000-000000000001", &body, None)?;
    }

    #[test]
    fn a_user_is_told(
        id in user_ids(),
        name in shorts(),
        more in (of(shorts()), of(shorts()), of(user_ids()), of("https?://[a-z0-9./?=&%-]{0,60}")),
        subjects in of(vec((shorts(), shorts()), 0..3)),
    ) {
        let (username, email, role, avatar_url) = more;
        let body = json!({
            "name": name,
            "username": username,
            "email": email,
            "role": role.as_ref().map(|role| role.as_str()),
            "avatarUrl": avatar_url,
            "subjects": subjects.as_ref().map(|subjects| {
                subjects.iter().map(|(issuer, sub)| json!({ "issuer": issuer, "sub": sub })).collect::<Vec<_>>()
            }),
        });
        let asked = said(Method::Put, "/users/{id}", &[("id", id.as_str())], &body);
        let role = role.map(|role| role.as_str().parse().expect("a role"));
        let user = User { name, username, email, role, avatar_url, ..User::unknown(id) };
        let subject = |(issuer, sub)| Subject { issuer, sub };
        let subjects = subjects.map(|subjects| subjects.into_iter().map(subject).collect());
        prop_assert_eq!(asked, HostCommand::PutUser { user, subjects });
    }

    /// What is in `data` is kept as it was written, to the last space.
    #[test]
    fn an_object_is_told(
        reference in contexts(),
        title in shorts(),
        is_public: bool,
        state in of(shorts()),
        parties in party_lists(),
        data in of(prop::sample::select(vec![r#"{"b": 1.50, "a" : [1e3]}"#, "[ ]", "7", "\"x\"", "{\"a\":1,\"a\":2}"])),
    ) {
        let told = json!({ "title": title, "isPublic": is_public, "state": state, "parties": of_parties(&parties) });
        let mut body = told.to_string();
        body.pop();
        if let Some(data) = data {
            body.push_str(r#","data":"#);
            body.push_str(data);
        }
        if let Some((kind, id)) = &reference.parent {
            body.push_str(r#","parent":"#);
            body.push_str(&json!({ "kind": kind.as_str(), "id": id.as_str() }).to_string());
        }
        body.push('}');
        let params = [("kind", reference.kind.as_str()), ("id", reference.id.as_str())];
        let asked = decode(route(Method::Put, "/contexts/{kind}/{id}"), &params, body.as_bytes(), None);
        let data = data.map(str::to_owned);
        let context = Context { reference: reference.clone(), title, is_public, state, parties, data };
        prop_assert_eq!(asked, Ok(HostCommand::PutContext(context)));
    }

    #[test]
    fn a_thread_is_asked_for(
        context in of(contexts()),
        parties in party_lists(),
        subject in of("[a-zé😀]{1,50}"),
        unique in prop::sample::select(vec![None, Some("parties"), Some("context"), Some("request")]),
        key in of(client_keys()),
    ) {
        let mut body = json!({ "context": context.as_ref().map(of_context), "parties": of_parties(&parties), "subject": subject });
        if let Some(unique) = unique {
            body["unique"] = unique.into();
        }
        let (text, given) = (body.to_string(), key.as_ref().map(|key| key.as_str().to_owned()));
        let asked = decode(route(Method::Post, "/threads"), &[], text.as_bytes(), given.as_deref());
        let subject = subject.map(|subject| ThreadSubject::parse(&subject).expect("a subject"));
        let unique = match unique {
            None | Some("parties") => Unique::Parties,
            Some("context") => Unique::Context,
            Some(_) => Unique::Request(key),
        };
        prop_assert_eq!(asked, Ok(HostCommand::OpenThread(HostOpenThread { context, parties, subject, unique })));
    }

    #[test]
    fn a_member_is_taken_out(thread in thread_ids(), user in user_ids()) {
        let (id, path) = (thread.to_string(), "/threads/{threadId}/members/{userId}");
        let params = [("threadId", id.as_str()), ("userId", user.as_str())];
        let asked = decode(route(Method::Delete, path), &params, b"", None);
        prop_assert_eq!(asked, Ok(HostCommand::RemoveMember { thread, user: user.clone() }));
    }

    #[test]
    fn a_member_is_put(thread in thread_ids(), user in user_ids(), role in of(user_ids()), whole in of(any::<bool>())) {
        let (id, path) = (thread.to_string(), "/threads/{threadId}/members/{userId}");
        let params = [("threadId", id.as_str()), ("userId", user.as_str())];
        let mut body = json!({ "role": role.as_ref().map(|role| role.as_str()) });
        if let Some(whole) = whole {
            body["visibleFrom"] = json!(if whole { "beginning" } else { "now" });
        }
        let role = role.map(|role| role.as_str().parse().expect("a role"));
        let visible_from = if whole == Some(true) { ViewStart::Beginning } else { ViewStart::Now };
        let put = PutMember { thread, user: user.clone(), role, visible_from };
        prop_assert_eq!(said(Method::Put, path, &params, &body), HostCommand::PutMember(put.clone()));
        let bare = decode(route(Method::Put, path), &params, b"", None);
        let now = PutMember { role: None, visible_from: ViewStart::Now, ..put };
        prop_assert_eq!(bare, Ok(HostCommand::PutMember(now)));
    }

    #[test]
    fn history_is_brought_over(imports in vec(imports(), 0..3)) {
        let body = json!({ "threads": imports.iter().map(of_import).collect::<Value>() });
        prop_assert_eq!(said(Method::Post, "/import/threads", &[], &body), HostCommand::Import(imports));
    }

    #[test]
    fn any_answer_to_the_host_is_written(outcome in outcomes(), failure in failures()) {
        for route in ROUTES {
            let reply = (route.encode)(Ok(&outcome), &[&tidings_wire::campaign::DIALECT]);
            prop_assert!((200..300).contains(&reply.status));
            reply.body.iter().try_for_each(|body| check_written(body).map(|_| ()))?;
            let reply = (route.encode)(Err(&failure), &[]);
            let body = check_written(reply.body.as_deref().unwrap_or_default())?;
            prop_assert!(!body.to_string().contains(SECRET));
            prop_assert_eq!(&body["status"], reply.status);
            prop_assert_eq!(reply.content_type, "application/problem+json");
        }
    }
}

fn outcomes() -> BoxedStrategy<HostOutcome> {
    let imported = (threads(), any::<bool>(), any::<usize>(), any::<usize>())
        .prop_map(|(thread, created, added, known)| Imported { thread, created, added, known });
    prop_oneof![
        users().prop_map(|user| HostOutcome::User(Box::new(user))),
        Just(HostOutcome::Context),
        (threads(), vec(members(), 0..3), any::<bool>()).prop_map(|(thread, members, created)| {
            HostOutcome::Opened { thread: Box::new(thread), members, created }
        }),
        (threads(), members(), any::<bool>()).prop_map(|(thread, member, added)| {
            let (thread, member) = (Box::new(thread), Box::new(member));
            HostOutcome::MemberPut(MemberPut { thread, member, added })
        }),
        Just(HostOutcome::Removed),
        vec(imported, 0..3).prop_map(HostOutcome::Imported),
    ]
    .boxed()
}

fn failures() -> impl Strategy<Value = HostError> {
    let store = prop::sample::select(vec![
        StoreError::Unavailable(SECRET.to_owned()),
        StoreError::Unknown(SECRET.to_owned()),
        StoreError::Corrupt(SECRET.to_owned()),
        StoreError::Internal(SECRET.to_owned()),
        StoreError::Busy { limit: 7 },
    ]);
    prop_oneof![
        Just(HostError::UnknownThread),
        Just(HostError::UnknownMember),
        Just(HostError::RoleRequired),
        Just(HostError::ThreadFull),
        Just(HostError::Parties("do not fit")),
        Just(HostError::KeyReused),
        store.clone().prop_map(HostError::Store),
        (thread_ids(), store).prop_map(|(thread, error)| {
            HostError::Import(ImportError { thread, problem: ImportProblem::Store(error) })
        }),
        (thread_ids(), message_ids()).prop_map(|(thread, id)| {
            HostError::Import(ImportError { thread, problem: ImportProblem::TooOld(id) })
        }),
    ]
}

#[test]
fn what_is_hard_on_a_parser_is_refused_or_passed_over_for_the_host_too() -> Result<(), TestCaseError> {
    for value in hard_values() {
        offer(&value, value.as_bytes(), Some(&value))?;
        for field in ["name", "title", "data", "parties", "threads", "subjects", "context", "unheardOf"] {
            let body = format!(r#"{{"name":"A","title":"T","parties":[],"{field}":{value}}}"#);
            offer("ada", body.as_bytes(), None)?;
        }
    }
    Ok(())
}

/// The other system may have accepted what shows nothing; a subject that shows nothing is none.
#[test]
fn blank_history_is_imported() {
    for blank in ["", " \n", "\u{200b}", "\u{2800}\u{3164}", "\u{ad}"] {
        let message = json!({
            "id": "0190a0a0-0000-4000-9000-000000000001",
            "content": blank,
            "createdAt": "2025-08-08T10:30:00Z",
        });
        let thread = json!({
            "id": "0190a0a0-0000-4000-8000-000000000001",
            "unique": "request",
            "subject": blank,
            "createdAt": "2025-08-08T10:30:00Z",
            "members": [{ "userId": "ada", "role": "ADVERTISER" }],
            "messages": [message],
        });
        let HostCommand::Import(imports) =
            said(Method::Post, "/import/threads", &[], &json!({ "threads": [thread] }))
        else {
            panic!("an import")
        };
        assert_eq!(imports[0].messages[0].body.as_str(), blank);
        assert_eq!(imports[0].subject, None);
    }
}

/// How an import is unique follows from its members and object.
#[test]
fn an_import_is_unique_as_a_thread_of_the_host_is() {
    let member = |user: &str| json!({ "userId": user, "role": "member" });
    let key = |context: Value, unique: Value, users: &[&str]| {
        let mut thread = json!({
            "id": "0198f0a0-0000-7000-8000-000000000001",
            "createdAt": "2024-01-01T00:00:00Z",
            "context": context,
            "members": users.iter().map(|user| member(user)).collect::<Vec<_>>(),
        });
        if !unique.is_null() {
            thread["unique"] = unique;
        }
        let body = json!({ "threads": [thread] }).to_string();
        let asked = decode(route(Method::Post, "/import/threads"), &[], body.as_bytes(), None)?;
        let HostCommand::Import(imports) = asked else { panic!("an import") };
        Ok::<_, Refusal>(imports.into_iter().next().expect("one thread").key)
    };
    let spring = || json!({ "kind": "campaign", "id": "spring" });
    let campaign = tidings_testkit::campaign("spring");
    let user = |text: &str| text.parse().expect("a user");
    let pair = ThreadKey::pair(campaign.clone(), user("bob"), user("ada"));
    let direct = ThreadKey::direct(user("bob"), user("ada"));
    let two = ["ada", "bob"];
    assert_eq!(key(spring(), Value::Null, &two), Ok(Some(pair)));
    assert_eq!(key(Value::Null, json!("parties"), &two), Ok(Some(direct)));
    assert_eq!(key(spring(), json!("context"), &["ada"]), Ok(Some(ThreadKey::Context(campaign))));
    assert_eq!(key(spring(), json!("request"), &two), Ok(None));
    assert!(key(spring(), Value::Null, &["ada"]).is_err());
    assert!(key(Value::Null, Value::Null, &["ada", "bob", "cy"]).is_err());
    assert!(key(Value::Null, json!("context"), &two).is_err());
}

#[test]
fn an_import_has_limits() {
    let import = route(Method::Post, "/import/threads");
    let thread = |messages: usize| {
        let message =
            r#"{"id":"0198f0a0-0000-7000-8000-000000000002","content":"x","createdAt":"2024-01-01"}"#;
        format!(
            r#"{{"id":"0198f0a0-0000-7000-8000-000000000001","unique":"request","createdAt":"2024-01-01","members":[],"messages":[{}]}}"#,
            vec![message; messages].join(",")
        )
    };
    let offer = |threads: &[String]| {
        let body = format!(r#"{{"threads":[{}]}}"#, threads.join(","));
        assert!(body.len() <= import.body_bytes_max, "the body's limit comes first");
        decode(import, &[], body.as_bytes(), None)
    };
    assert!(offer(&vec![thread(0); IMPORT_THREADS_MAX]).is_ok());
    let refusal = offer(&vec![thread(0); IMPORT_THREADS_MAX + 1]).expect_err("too many threads");
    assert!(refusal.message.contains("threads must have at most 1000 entries"), "{}", refusal.message);
    assert!(offer(&[thread(IMPORT_MESSAGES_MAX)]).is_ok());
    let halves = [thread(IMPORT_MESSAGES_MAX / 2), thread(IMPORT_MESSAGES_MAX / 2 + 1)];
    let refusal = offer(&halves).expect_err("too many messages");
    assert!(refusal.message.contains("messages must have at most 50000 entries"), "{}", refusal.message);
}

#[test]
fn lists_of_the_host_have_limits() {
    let many = |one: Value, count: usize| Value::from(vec![one; count]);
    let subjects =
        |count| json!({ "name": "A", "subjects": many(json!({ "issuer": "i", "sub": "s" }), count) });
    let parties =
        |count| json!({ "title": "T", "parties": many(json!({ "userId": "u", "role": "r" }), count) });
    let offer = |path, params: &[(&str, &str)], body: &Value| {
        decode(route(Method::Put, path), params, body.to_string().as_bytes(), None)
    };
    let object = [("kind", "campaign"), ("id", "1")];
    assert!(offer("/users/{id}", &[("id", "ada")], &subjects(1_000)).is_ok());
    assert!(offer("/users/{id}", &[("id", "ada")], &subjects(1_001)).is_err());
    assert!(offer("/contexts/{kind}/{id}", &object, &parties(1_000)).is_ok());
    assert!(offer("/contexts/{kind}/{id}", &object, &parties(1_001)).is_err());
}
