//! Delivering commits.

use std::sync::Arc;

use tidings_domain::change::{Change, Commit};
use tidings_domain::id::{SessionId, ThreadId, UserId};
use tidings_domain::messaging::MessageView;
use tidings_domain::typing::TypingChange;
use tidings_domain::user::User;
use tidings_wire::Heard;

use crate::fanout::{Durability, Hearers};
use crate::roster::Roster;
use crate::state::{HubState, NotYet};

impl HubState {
    /// Delivers a commit, unless something must be read first.
    pub(crate) fn commit(&mut self, id: ThreadId, commit: &Commit) -> Result<(), NotYet> {
        if self.sessions.len() == 0 {
            // Nobody is here to hear it, nor to have heard what was before: whoever comes reads anew.
            self.threads.forget(id);
            return Ok(());
        }
        let state = self.threads.entry(id, self.now);
        if let Some(delivered) = state.delivered {
            if commit.modseq() <= delivered {
                return Ok(());
            }
            if commit.prev > delivered {
                return Err(NotYet::After(delivered));
            }
        }
        let roster = state.roster.as_mut().ok_or(NotYet::Roster)?;
        if !roster.apply(commit) {
            return Err(NotYet::Roster);
        }
        state.delivered = Some(commit.modseq());
        // What a change ends is told before the change itself.
        for change in &commit.changes {
            match change {
                Change::AppendMessage(message) => {
                    if let Some(author) = message.author.user() {
                        self.end_typing(id, author);
                    }
                }
                Change::PutMember(member) if !member.takes_part() => {
                    self.end_typing(id, &member.user);
                    self.take_out(id, &member.user);
                }
                Change::PutMember(_)
                | Change::ReplaceMessage(_)
                | Change::PutThread(_)
                | Change::AddSummary(_)
                | Change::EnqueueJob(_)
                | Change::SettleNotices(_) => {}
            }
        }
        self.tell(id, commit);
        self.refresh_if_stale(id);
        Ok(())
    }

    /// Tells everyone who is here what a commit changed.
    fn tell(&self, id: ThreadId, commit: &Commit) {
        let Some(state) = self.threads.get(id) else { return };
        let Some(roster) = &state.roster else { return };
        let hearers = Hearers::new(roster, &state.joined, &self.sessions, &self.meters);
        if hearers.is_empty() {
            return;
        }
        for change in &commit.changes {
            let view = match change {
                Change::AppendMessage(message) | Change::ReplaceMessage(message) => {
                    let sender = message.author.user().and_then(|user| self.profile(roster, user));
                    Some(MessageView::fresh(message.clone(), sender))
                }
                Change::PutMember(_)
                | Change::PutThread(_)
                | Change::AddSummary(_)
                | Change::EnqueueJob(_)
                | Change::SettleNotices(_) => None,
            };
            let heard = Heard { commit, change, message: view.as_ref() };
            let seq = view.as_ref().map(|view| view.message.seq);
            for dialect in self.typists.dialects().filter(|dialect| (dialect.expresses)(&roster.thread)) {
                for outbound in (dialect.socket.commit)(&heard) {
                    hearers.tell(dialect, &outbound, Durability::Durable, seq);
                }
            }
        }
    }

    /// How a user is called: as whoever acted last knows, or else as it was when the roster was read.
    fn profile(&self, roster: &Roster, user: &UserId) -> Option<Arc<User>> {
        let remembered = self.names.as_ref().and_then(|messaging| messaging.remembered(user));
        remembered.or_else(|| roster.get(user).map(|seat| Arc::clone(&seat.profile)))
    }

    /// A user who takes no part any more follows the thread on no session.
    fn take_out(&mut self, id: ThreadId, user: &UserId) {
        let Some(state) = self.threads.get_mut(id) else { return };
        let ids: Vec<SessionId> = self.sessions.of(user).iter().map(|session| session.id).collect();
        for session in ids {
            if state.joined.remove(&session) {
                self.sessions.leave(session, id);
            }
        }
    }

    fn end_typing(&mut self, id: ThreadId, user: &UserId) {
        if self.typists.is_typing(id, user) {
            let ended = self.typists.end(id, user);
            self.tell_typing(&ended);
        }
    }

    /// Tells everyone who is here who began or ended typing.
    pub(crate) fn tell_typing(&self, changes: &[TypingChange]) {
        for change in changes {
            let Some(state) = self.threads.get(change.thread) else { continue };
            let Some(roster) = &state.roster else { continue };
            let hearers = Hearers::new(roster, &state.joined, &self.sessions, &self.meters);
            for dialect in self.typists.dialects().filter(|dialect| (dialect.expresses)(&roster.thread)) {
                if let Some(outbound) = (dialect.socket.typing)(change) {
                    hearers.tell(dialect, &outbound, Durability::Ephemeral, None);
                }
            }
        }
    }
}
