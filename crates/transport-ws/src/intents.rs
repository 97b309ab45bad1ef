//! Carrying out what sessions intend: to follow a thread, to leave it, to show typing.

use tidings_domain::id::ThreadId;
use tidings_domain::messaging::ReadError;
use tidings_wire::{Answer, EventError};

use crate::input::{Intended, Live};
use crate::sessions::Session;
use crate::state::HubState;

impl HubState {
    /// Whether an intent needs a roster that is not there. Leaving needs none, unless it ends typing.
    pub(crate) fn lacks_roster(&self, id: ThreadId, intended: &Intended) -> bool {
        let user = &intended.place.session().actor.user;
        if matches!(intended.what, Live::Leave) && !self.typists.is_typing(id, user) {
            return false;
        }
        self.threads.get(id).is_none_or(|state| state.roster.is_none())
    }

    pub(crate) fn intend(&mut self, id: ThreadId, intended: Intended) {
        let session = intended.place.session();
        // Its connection may have ended while the intent waited.
        if self.sessions.get(session.id).is_none() {
            return;
        }
        let result = match (intended.what, self.access(id, session)) {
            (Live::Leave, _) => {
                self.leave(id, session);
                Ok(Answer::Left(id))
            }
            (_, Err(error)) => Err(EventError::Access(error)),
            (Live::Join, Ok(())) => self.join(id, session),
            (Live::Typing(typing), Ok(())) => {
                self.type_in(id, session, typing);
                Ok(Answer::Noted)
            }
        };
        intended.answer(result.as_ref());
    }

    /// Whether a session may follow a thread and type in it.
    fn access(&self, id: ThreadId, session: &Session) -> Result<(), ReadError> {
        let roster = self.threads.get(id).and_then(|state| state.roster.as_ref());
        // What a dialect has no words for is not there for it.
        let roster = roster.filter(|roster| (session.dialect.expresses)(&roster.thread));
        let roster = roster.ok_or(ReadError::UnknownThread)?;
        roster.get(&session.actor.user).map(|_| ()).ok_or(ReadError::NotAMember)
    }

    fn join(&mut self, id: ThreadId, session: &Session) -> Result<Answer, EventError> {
        if !self.sessions.join(session.id, id, self.config.joined_threads) {
            return Err(EventError::Limit("this session follows too many threads"));
        }
        self.threads.entry(id, self.now).joined.insert(session.id);
        Ok(Answer::Joined(id))
    }

    fn leave(&mut self, id: ThreadId, session: &Session) {
        if let Some(state) = self.threads.get_mut(id) {
            state.joined.remove(&session.id);
        }
        self.sessions.leave(session.id, id);
        self.type_in(id, session, false);
    }

    fn type_in(&mut self, id: ThreadId, session: &Session, typing: bool) {
        let change = if typing {
            let Some((change, until)) = self.typists.start(id, session, self.now) else { return };
            let state = self.threads.entry(id, self.now);
            state.typing_until = state.typing_until.max(Some(until));
            change
        } else {
            let Some(change) = self.typists.stop(id, session) else { return };
            change
        };
        self.tell_typing(&[change]);
    }
}
