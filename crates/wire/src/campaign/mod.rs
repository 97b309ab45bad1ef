//! The `campaign` dialect: threads of an advertiser and a promoter about a campaign.
//!
//! Namespace `/messaging`, routes under `/messaging` and `/api/messaging`. Where its known clients disagree: every
//! socket of the counterpart hears a new message, joined or not; a message sent over a socket is echoed to the
//! sender's joined sockets, one sent over REST is not; nobody hears of their own typing or reading, except that
//! their other devices hear of a thread read over REST.

mod errors;
mod events;
mod fields;
mod live;
mod routes;
mod shapes;
mod summaries;

use tidings_domain::context::ContextRef;
use tidings_domain::id::{ContextId, ContextKind};
use tidings_domain::thread::Thread;
use tidings_domain::user::Within;

use crate::dialect::{ClaimNames, Dialect, Handshake, Socket};

/// The kind of the objects that this dialect's threads are about.
const KIND: &str = "campaign";
/// The role of the one side.
const ADVERTISER: &str = "ADVERTISER";
/// The role of the other side.
const PROMOTER: &str = "PROMOTER";
/// Typing ends after this long without a sign. The real clients send `true` once for a whole message, and `false` when
/// its author pauses or sends it: this is for the `false` that never comes.
const TYPING_EXPIRES_AFTER_MS: i64 = 30_000;

/// The dialect's table.
pub static DIALECT: Dialect = Dialect {
    name: "campaign",
    prefixes: &["/messaging", "/api/messaging"],
    routes: routes::ROUTES,
    socket: Socket {
        path: "/socket.io/",
        namespace: "/messaging",
        handshake: Handshake { token: events::token, refused: events::refused, welcome: events::welcome },
        inbound: events::INBOUND,
        unknown: events::unknown,
        commit: live::commit,
        typing: live::typing,
        typing_expires_after_ms: TYPING_EXPIRES_AFTER_MS,
        // Its clients pass a fixed token, and none of them comes back from a disconnect by the server.
        outlives_token: true,
    },
    claims: ClaimNames {
        user: &["sub", "user_id"],
        role: &["role"],
        name: &["name"],
        avatar_url: &["picture"],
    },
    problem: errors::problem,
    expresses,
    within: || Some(within()),
};

fn kind() -> ContextKind {
    // The constant is visible text of eight characters.
    KIND.parse().unwrap_or_else(|_| unreachable!("a constant of visible characters"))
}

fn campaign(id: ContextId) -> ContextRef {
    ContextRef::new(kind(), id)
}

/// Threads of two about a campaign: its clients know one promoter and one advertiser.
fn within() -> Within {
    Within { kind: kind(), members_max: 2 }
}

/// As [`within`]; asked for every frame, so nothing is made for it.
fn expresses(thread: &Thread) -> bool {
    thread.context.as_ref().is_some_and(|context| context.kind.as_str() == KIND) && thread.member_count <= 2
}
