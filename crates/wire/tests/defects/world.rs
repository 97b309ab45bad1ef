//! The campaign dialect over the store in memory, asked as its clients ask.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;
use tidings_domain::change::{Change, Commit};
use tidings_domain::context::{Context, Party};
use tidings_domain::id::SessionId;
use tidings_domain::message::Origin;
use tidings_domain::messaging::{Deps, MessageView, Messaging};
use tidings_domain::policy::SenderRoles;
use tidings_domain::ports::{Directory, IdSource};
use tidings_domain::user::Actor;
use tidings_storage_memory::MemoryStore;
use tidings_testkit::{ManualClock, RecordingNotifier, SeededIds, T0, block_on, campaign};
use tidings_wire::campaign::DIALECT;
use tidings_wire::{Answer, EventError, Frame, Heard, Intent, Outbound, Replies, RestRequest};

/// A campaign system with an advertiser, ada, two promoters of her campaign, bob and cy, and a stranger, eve.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) messaging: Messaging,
    pub(crate) memory: MemoryStore,
    pub(crate) heard: Arc<RecordingNotifier>,
    pub(crate) clock: Arc<ManualClock>,
}

pub(crate) fn in_a_world(test: impl AsyncFnOnce(World)) {
    in_a_world_with(|_, deps| deps, test);
}

/// In a world whose parts were changed.
pub(crate) fn in_a_world_with(
    change: impl FnOnce(&MemoryStore, Deps) -> Deps,
    test: impl AsyncFnOnce(World),
) {
    let heard = Arc::new(RecordingNotifier::default());
    let memory = MemoryStore::new(Arc::<RecordingNotifier>::clone(&heard));
    let clock = Arc::new(ManualClock::at(T0));
    let roles = ["ADVERTISER", "PROMOTER"].map(|role| role.parse().unwrap());
    let policy = SenderRoles::default().allow("campaign".parse().unwrap(), roles.to_vec());
    let deps = Deps {
        policy: Arc::new(policy),
        clock: Arc::<ManualClock>::clone(&clock),
        ..Deps::on(memory.clone(), ManualClock::at(T0), SeededIds::new(1))
    };
    let messaging = Messaging::new(change(&memory, deps));
    let world = World { messaging, memory, heard, clock };
    block_on(async {
        world.tell_campaign("spring").await;
        test(world).await;
    });
}

/// The role in somebody's token.
fn role(who: &str) -> &'static str {
    match who {
        "ada" => "ADVERTISER",
        "root" => "ADMIN",
        _ => "PROMOTER",
    }
}

pub(crate) fn actor(who: &str, origin: Origin) -> Actor {
    let within = (DIALECT.within)();
    Actor { within, ..Actor::new(who.parse().unwrap(), Some(role(who).parse().unwrap()), origin) }
}

impl World {
    pub(crate) async fn tell_campaign(&self, id: &str) {
        let party = |who: &str| Party { user: who.parse().unwrap(), role: role(who).parse().unwrap() };
        let context = Context {
            reference: campaign(id),
            title: format!("Campaign {id}"),
            is_public: true,
            state: None,
            parties: ["ada", "bob", "cy"].map(party).to_vec(),
            data: None,
        };
        self.memory.put_context(context).await.unwrap();
    }

    /// A request: its status and body.
    pub(crate) async fn rest(&self, who: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let given: Vec<&str> = path.split('/').collect();
        let fits = |pattern: &str| {
            let pattern: Vec<&str> = pattern.split('/').collect();
            pattern.len() == given.len()
                && pattern
                    .iter()
                    .zip(&given)
                    .all(|(pattern, given)| pattern.starts_with('{') || pattern == given)
        };
        let mut routes = DIALECT.routes.iter();
        let route = routes.find(|route| route.method.as_str() == method && fits(route.path)).unwrap();
        let params: Vec<(&str, &str)> = route
            .path
            .split('/')
            .zip(&given)
            .filter_map(|(pattern, given)| Some((pattern.strip_prefix('{')?.strip_suffix('}')?, *given)))
            .collect();
        let query: Vec<(Cow<'_, str>, Cow<'_, str>)> = form_urlencoded::parse(query.as_bytes()).collect();
        let request = RestRequest { params: &params, query: &query, body: body.as_bytes() };
        let actor = actor(who, Origin::Request);
        let reply = match (route.decode)(&request) {
            Err(refusal) => (DIALECT.problem)(&tidings_wire::Problem::Refused(&refusal)),
            Ok(command) => (route.encode)(&actor, self.messaging.execute(&actor, command).await.as_ref()),
        };
        let body = reply.body.map(|body| serde_json::from_str(&body).unwrap()).unwrap_or_default();
        (reply.status, body)
    }

    /// An event that asks for a use case: what its sender is told.
    pub(crate) async fn emit(&self, who: &str, event: &str, payload: &str) -> Replies {
        let session = SessionId::from_uuid(SeededIds::new(7).uuid_v7(T0));
        let actor = actor(who, Origin::Session(session));
        let inbound = DIALECT.event(event).unwrap();
        let result = match (inbound.decode)(&[payload]) {
            Err(refusal) => Err(EventError::Refused(refusal)),
            Ok(Intent::Execute(command)) => match self.messaging.execute(&actor, command).await {
                Ok(outcome) => Ok(Answer::Executed(Box::new(outcome))),
                Err(error) => Err(EventError::Command(error)),
            },
            Ok(other) => panic!("{other:?} is the hub's"),
        };
        (inbound.reply)(&actor, result.as_ref())
    }

    /// The thread of ada and a promoter about the campaign.
    pub(crate) async fn thread_with(&self, promoter: &str) -> String {
        let body = format!(r#"{{"campaignId":"spring","promoterId":"{promoter}","advertiserId":"ada"}}"#);
        let (status, thread) = self.rest("ada", "POST", "/threads", &body).await;
        assert_eq!(status, 201, "{thread}");
        text(&thread, "id")
    }

    /// A message's id.
    pub(crate) async fn said(&self, who: &str, thread: &str, content: &str) -> String {
        let body = format!(r#"{{"content":"{content}"}}"#);
        let (status, sent) = self.rest(who, "POST", &format!("/threads/{thread}/messages"), &body).await;
        assert_eq!(status, 201, "{sent}");
        text(&sent, "id")
    }

    /// What the dialect says of the last commit.
    pub(crate) fn told(&self) -> Vec<Outbound> {
        let commits = self.heard.heard();
        let commit: &Commit = commits.last().unwrap();
        let told = commit.changes.iter().flat_map(|change| {
            let view = match change {
                Change::AppendMessage(message) => Some(MessageView::fresh(message.clone(), None)),
                Change::ReplaceMessage(_)
                | Change::PutMember(_)
                | Change::PutThread(_)
                | Change::AddSummary(_)
                | Change::EnqueueJob(_)
                | Change::SettleNotices(_) => None,
            };
            (DIALECT.socket.commit)(&Heard { commit, change, message: view.as_ref() })
        });
        told.collect()
    }

    /// How many commits there were.
    pub(crate) fn commits(&self) -> usize {
        self.heard.heard().len()
    }
}

/// A field that is a text.
pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

/// The only event among replies, with its payload.
pub(crate) fn only(frames: &[Frame]) -> (&'static str, Value) {
    let [frame] = frames else { panic!("{frames:?}") };
    (frame.event, serde_json::from_str(&frame.args).unwrap())
}
