//! How a client enters a namespace, or is refused it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Member, Namespaces, Session};
use crate::codec::Text;
use crate::codec::socket::Kind;
use crate::{Connect, Encoded, Id, Reason, Recovery, Refused, Service, Socket};

/// The parts of an auth payload that mean something to the protocol.
#[derive(Deserialize)]
struct RecoveryFields {
    pid: Option<String>,
    offset: Option<String>,
}

/// What a client is told when it is let in.
#[derive(Serialize)]
struct Acceptance {
    sid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<String>,
}

impl<S: Service> Namespaces<S> {
    pub(super) async fn connect(
        &self,
        session: &mut Session<S::Session>,
        namespace: Text,
        auth: Option<Text>,
    ) {
        let connection = &session.client.connection;
        if session.member(&namespace).is_some() || session.members.len() >= self.config.max_namespaces {
            connection.close(Reason::ParseError);
            return;
        }
        if !self.service.has_namespace(&namespace) {
            self.refuse(session, &namespace, &Refused::new("Invalid namespace"));
            return;
        }
        let Ok(id) = Id::random() else {
            self.refuse(session, &namespace, &Refused::new("Server unavailable"));
            return;
        };
        let namespace: Arc<str> = namespace.as_str().into();
        let socket = Socket::new(id, Arc::clone(&namespace), Arc::clone(&session.client));
        let request = Connect {
            namespace: Arc::clone(&namespace),
            recovery: auth.as_deref().and_then(recovery),
            auth,
            handshake: Arc::clone(&session.handshake),
            is_first: !session.has_entered,
        };
        match self.service.connect(request, socket.clone()).await {
            Ok(accepted) => {
                session.client.connection.set_established(true);
                session.has_entered = true;
                let acceptance = Acceptance { sid: id.to_string(), pid: accepted.pid };
                let acceptance = Encoded(encode(Kind::Connect, &namespace, &acceptance).0.alone());
                let entered = socket.enter(acceptance, accepted.frames);
                session.members.push(Member { socket, session: accepted.session });
                if entered {
                    session.refusals = 0;
                } else {
                    // Let in and put out at once: another way to refuse, and counted as one.
                    self.sweep(session).await;
                    self.count_refusal(session);
                }
            }
            Err(refused) => {
                socket.leave();
                self.refuse(session, &namespace, &refused);
            }
        }
    }

    fn refuse(&self, session: &mut Session<S::Session>, namespace: &str, refused: &Refused) {
        let connection = &session.client.connection;
        connection.send(&encode(Kind::ConnectError, namespace, refused).0);
        session.has_ended_some = true;
        self.count_refusal(session);
    }

    fn count_refusal(&self, session: &mut Session<S::Session>) {
        session.refusals += 1;
        if session.refusals > self.config.max_refusals {
            session.client.connection.close(Reason::Closed("too many refusals"));
        }
    }
}

fn recovery(auth: &str) -> Option<Recovery> {
    let RecoveryFields { pid, offset } = serde_json::from_str(auth).ok()?;
    Some(Recovery { pid: pid?, offset })
}

/// A packet with one value, which cannot fail to be written: it is made of strings and raw JSON.
fn encode(kind: Kind, namespace: &str, value: &impl Serialize) -> Encoded {
    Encoded::control(kind, namespace, &serde_json::to_string(value).unwrap_or_default())
}
