//! Two users who can talk at once, for a server that was given nothing.

use std::net::SocketAddr;

use anyhow::Context;
use serde_json::{Map, Value};
use tidings_domain::context::{ContextRef, Party};
use tidings_domain::id::{ThreadId, UserId};
use tidings_domain::message::Origin;
use tidings_domain::messaging::{Founders, Messaging, OpenThread};
use tidings_domain::text::Subject;
use tidings_domain::user::{Actor, User};

use crate::auth::Secret;
use crate::auth::mint::signed;

/// How long the demo users' tokens hold, in seconds.
const TTL_S: u64 = 24 * 60 * 60;

/// The demo: two tokens and a thread.
pub(crate) struct Demo {
    alice: String,
    bob: String,
    thread: ThreadId,
}

impl Demo {
    /// Makes the tokens, and the thread unless it is there from an earlier run.
    pub(crate) async fn set_up(messaging: &Messaging, secret: &Secret) -> anyhow::Result<Self> {
        let alice = party("alice", "ADVERTISER")?;
        let bob = party("bob", "PROMOTER")?;
        for (party, name) in [(&alice, "Alice"), (&bob, "Bob")] {
            let mut user = User::unknown(party.user.clone());
            name.clone_into(&mut user.name);
            user.role = Some(party.role.clone());
            messaging.sighted(user).await.context("the demo users cannot be kept")?;
        }
        let actor = Actor::new(alice.user.clone(), Some(alice.role.clone()), Origin::Request);
        let open = OpenThread {
            context: ContextRef::new("campaign".parse()?, "demo".parse()?),
            founders: Founders::Given([alice.clone(), bob.clone()]),
            subject: Subject::parse("Demo campaign").ok(),
        };
        let opened = messaging.open_thread(&actor, open).await.context("the demo thread cannot be opened")?;
        let mint = |party: &Party, name: &str| {
            let claims = Map::from_iter([("name".to_owned(), Value::from(name))]);
            signed(secret, &party.user, Some(&party.role), claims, TTL_S)
        };
        Ok(Self { alice: mint(&alice, "Alice")?, bob: mint(&bob, "Bob")?, thread: opened.thread.thread.id })
    }

    /// What to do with it.
    pub(crate) fn tell(&self, address: SocketAddr) -> String {
        let Self { alice, bob, thread } = self;
        format!(
            r#"
Two demo users, valid for a day, and a thread between them:

  alice (ADVERTISER)  {alice}
  bob   (PROMOTER)    {bob}
  thread              {thread}

Bob listens and says hello (needs Node.js; once: npm install socket.io-client@4):

node -e "
const {{ io }} = require('socket.io-client');
const threadId = '{thread}';
const socket = io('http://{address}/messaging', {{ auth: {{ token: '{bob}' }} }});
socket.on('connected', () => socket.emit('joinThread', {{ threadId }}));
socket.on('threadJoined', () => socket.emit('sendMessage', {{ threadId, content: 'Hello from Socket.IO' }}));
socket.on('newMessage', (message) => console.log(message.sender.username + ': ' + message.content));
"

Alice answers:

curl -sS http://{address}/messaging/threads/{thread}/messages -H 'Content-Type: application/json' -H 'Authorization: Bearer {alice}' -d '{{"content":"Hello from curl"}}'
"#
        )
    }
}

fn party(user: &str, role: &str) -> anyhow::Result<Party> {
    let user: UserId = user.parse()?;
    Ok(Party { user, role: role.parse()? })
}
