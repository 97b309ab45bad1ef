//! Carrying out the use cases that clients' events ask for.

use std::sync::Arc;

use tidings_domain::error::StoreError;
use tidings_domain::id::ThreadId;
use tidings_domain::messaging::{Command, CommandError, Messaging, Outcome, SendError};
use tidings_domain::user::User;
use tidings_socketio::{Ack, Event};
use tidings_wire::{Answer, EventError, Inbound, Intent, Refusal};
use tokio::time::Instant;

use crate::Hub;
use crate::hub::Stopped;
use crate::input::{Input, Reply, ThreadInput};
use crate::meters::SendMeters;
use crate::sessions::{Place, Session};

/// What carries out a use case and tells the client what came of it, on behalf of any session.
#[derive(Debug)]
pub(crate) struct Performer {
    hub: Hub,
    messaging: Messaging,
    sends: SendMeters,
}

impl Performer {
    pub(crate) fn new(hub: Hub, messaging: Messaging) -> Self {
        Self { hub, messaging, sends: SendMeters::new() }
    }

    /// Handles an event, for which the user's budget has been asked, while those after it are begun. Nothing is waited for before the store has what it is to do.
    pub(crate) async fn perform(
        &self,
        session: &Arc<Session>,
        sender: Arc<User>,
        inbound: &'static Inbound,
        event: Event,
        ack: Option<Ack>,
    ) -> Result<(), Stopped> {
        let actor = &session.actor;
        let intent = decode(inbound, &event);
        // Its text is not needed while the store is at work.
        drop(event);
        let (thread, result) = match intent {
            Ok(Intent::Execute(Command::Send(send))) => {
                let began = Instant::now();
                let result = self.messaging.send_shown_as(actor, Some(sender), send).await;
                let result = result.map(Outcome::Sent).map_err(CommandError::Send);
                self.sends.sent(&result, began.elapsed());
                settled(result)
            }
            Ok(_) => {
                tracing::error!(event = inbound.name, "only what goes to the store may overlap");
                (None, Err(EventError::Command(CommandError::Send(SendError::Store(misplaced())))))
            }
            Err(refusal) => (None, Err(EventError::Refused(refusal))),
        };
        let place = Place::take(session).await;
        self.reply(place, inbound, thread, result.as_ref(), ack).await
    }

    /// Carries out a use case; the hub answers nevertheless.
    pub(crate) async fn carry_out(
        &self,
        place: Place,
        inbound: &'static Inbound,
        command: Command,
        ack: Option<Ack>,
    ) -> Result<(), Stopped> {
        let is_send = matches!(command, Command::Send(_));
        let began = Instant::now();
        let result = self.messaging.execute(&place.session().actor, command).await;
        if is_send {
            self.sends.sent(&result, began.elapsed());
        }
        let (thread, result) = settled(result);
        self.reply(place, inbound, thread, result.as_ref(), ack).await
    }

    /// Tells the client what came of its event, behind the commit that its event made.
    pub(crate) async fn reply(
        &self,
        place: Place,
        inbound: &Inbound,
        thread: Option<ThreadId>,
        result: Result<&Answer, &EventError>,
        ack: Option<Ack>,
    ) -> Result<(), Stopped> {
        let replies = (inbound.reply)(&place.session().actor, result);
        if replies.emit.is_empty() && ack.is_none() {
            return Ok(());
        }
        let reply = Reply { place, replies, ack };
        self.hub
            .give(match thread {
                Some(thread) => Input::Thread(thread, ThreadInput::Reply(reply)),
                None => Input::Reply(reply),
            })
            .await
    }
}

/// What a client's event asks for.
pub(crate) fn decode(inbound: &Inbound, event: &Event) -> Result<Intent, Refusal> {
    match event.args().fault() {
        Some(fault) => Err(Refusal::invalid(fault.to_string())),
        None => (inbound.decode)(&event.args().iter().collect::<Vec<_>>()),
    }
}

/// A dialect lets an event overlap that is no send.
fn misplaced() -> StoreError {
    StoreError::Internal("an event that is no send overlaps others".into())
}

/// What is told of a use case, and the thread behind whose news.
fn settled(result: Result<Outcome, CommandError>) -> (Option<ThreadId>, Result<Answer, EventError>) {
    let thread = result.as_ref().ok().and_then(changed_thread);
    (thread, result.map(|outcome| Answer::Executed(Box::new(outcome))).map_err(EventError::Command))
}

/// The thread that an outcome has changed, whose commit is on its way to the hub.
#[expect(clippy::wildcard_enum_match_arm, reason = "what changes nothing waits for nothing")]
fn changed_thread(outcome: &Outcome) -> Option<ThreadId> {
    match outcome {
        Outcome::Sent(sent) => Some(sent.message.message.thread),
        Outcome::Marked(marked) => Some(marked.member.thread),
        Outcome::Opened(opened) => Some(opened.thread.thread.id),
        _ => None,
    }
}
