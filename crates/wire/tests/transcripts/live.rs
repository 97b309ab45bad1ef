//! The sessions of a transcript, without sockets: who hears what, by the table's own word.

use std::collections::HashSet;

use tidings_domain::change::{Change, Commit};
use tidings_domain::id::{SessionId, ThreadId, UserId};
use tidings_domain::member::Member;
use tidings_domain::messaging::{MessageView, Messaging, ReadError};
use tidings_domain::ports::ThreadRepository;
use tidings_domain::seq::Seq;
use tidings_domain::thread::Thread;
use tidings_domain::time::Timestamp;
use tidings_domain::typing::{TypingBoard, TypingChange};
use tidings_domain::user::{Actor, User};
use tidings_storage_memory::MemoryStore;
use tidings_wire::{Answer, Dialect, EventError, Frame, Heard, Intent, Outbound, Replies};

use crate::coverage::Coverage;
use crate::names::Names;

struct Session {
    name: String,
    id: SessionId,
    actor: Actor,
    joined: HashSet<ThreadId>,
    heard: Vec<String>,
}

impl Session {
    fn hear(&mut self, frame: &Frame, coverage: &mut Coverage) {
        coverage.heard(frame.event);
        self.heard.push(format!(r#"["{}",{}]"#, frame.event, frame.args));
    }
}

/// The sessions that are connected, in the order in which they came.
pub(crate) struct Live {
    dialect: &'static Dialect,
    memory: MemoryStore,
    typing: TypingBoard,
    sessions: Vec<Session>,
}

impl Live {
    pub(crate) fn new(dialect: &'static Dialect, memory: MemoryStore) -> Self {
        let typing = TypingBoard::new(dialect.socket.typing_expires_after_ms);
        Self { dialect, memory, typing, sessions: Vec::new() }
    }

    /// What every session heard since the last time: one line, or none.
    pub(crate) fn take_heard(&mut self) -> Option<String> {
        let heard: Vec<String> = self
            .sessions
            .iter_mut()
            .filter(|session| !session.heard.is_empty())
            .map(|session| {
                format!(r#""{}":[{}]"#, session.name, std::mem::take(&mut session.heard).join(","))
            })
            .collect();
        (!heard.is_empty()).then(|| format!(r#"{{"hears":{{{}}}}}"#, heard.join(",")))
    }

    fn session(&mut self, name: &str) -> Result<&mut Session, String> {
        let found = self.sessions.iter_mut().find(|session| session.name == name);
        found.ok_or_else(|| format!("there is no session {name}"))
    }

    pub(crate) fn actor(&mut self, name: &str) -> Result<Actor, String> {
        Ok(self.session(name)?.actor.clone())
    }

    pub(crate) fn came(
        &mut self,
        name: String,
        id: SessionId,
        actor: Actor,
        user: &User,
        coverage: &mut Coverage,
    ) -> Result<(), String> {
        if self.session(&name).is_ok() {
            return Err(format!("there is a session {name} already"));
        }
        let frames = (self.dialect.socket.handshake.welcome)(&actor, user);
        let mut session = Session { name, id, actor, joined: HashSet::new(), heard: Vec::new() };
        frames.iter().for_each(|frame| session.hear(frame, coverage));
        self.sessions.push(session);
        Ok(())
    }

    pub(crate) async fn went(&mut self, name: &str, coverage: &mut Coverage) -> Result<(), String> {
        let id = self.session(name)?.id;
        self.sessions.retain(|session| session.id != id);
        for change in self.typing.gone(id) {
            self.tell_typing(&change, coverage).await;
        }
        Ok(())
    }

    pub(crate) async fn expire(&mut self, now: Timestamp, coverage: &mut Coverage) {
        for change in self.typing.expire(now) {
            self.tell_typing(&change, coverage).await;
        }
    }

    /// What the sender of an event is told.
    pub(crate) fn reply(
        &mut self,
        name: &str,
        replies: &Replies,
        coverage: &mut Coverage,
    ) -> Result<(), String> {
        let session = self.session(name)?;
        replies.emit.iter().for_each(|frame| session.hear(frame, coverage));
        Ok(())
    }

    /// Carries out what concerns a session and not the store.
    pub(crate) async fn intend(
        &mut self,
        name: &str,
        intent: Intent,
        now: Timestamp,
        coverage: &mut Coverage,
    ) -> Result<Result<Answer, EventError>, String> {
        let (id, user) = (self.session(name)?.id, self.session(name)?.actor.user.clone());
        let (thread, typing) = match intent {
            Intent::Execute(_) => return Err("a use case is not carried out here".to_owned()),
            Intent::Nothing => return Ok(Ok(Answer::Nothing)),
            // Nobody is kept in a thread.
            Intent::Leave(thread) => {
                self.session(name)?.joined.remove(&thread);
                if let Some(change) = self.typing.stop(thread, id) {
                    self.tell_typing(&change, coverage).await;
                }
                return Ok(Ok(Answer::Left(thread)));
            }
            Intent::Join(thread) => (thread, None),
            Intent::Typing { thread, typing } => (thread, Some(typing)),
        };
        let Some((found, members)) = self.roster(thread).await else {
            return Ok(Err(EventError::Access(ReadError::UnknownThread)));
        };
        if !(self.dialect.expresses)(&found) || !members.iter().any(|member| member.user == user) {
            return Ok(Err(EventError::Access(ReadError::NotAMember)));
        }
        let Some(typing) = typing else {
            self.session(name)?.joined.insert(thread);
            return Ok(Ok(Answer::Joined(thread)));
        };
        let change =
            if typing { self.typing.start(thread, &user, id, now) } else { self.typing.stop(thread, id) };
        if let Some(change) = change {
            self.tell_typing(&change, coverage).await;
        }
        Ok(Ok(Answer::Noted))
    }

    /// The thread, and who takes part in it.
    async fn roster(&self, thread: ThreadId) -> Option<(Thread, Vec<Member>)> {
        let (thread, mut members) = self.memory.members(thread).await.expect("memory does not fail")?;
        members.retain(Member::takes_part);
        Some((thread, members))
    }

    pub(crate) async fn commit(
        &mut self,
        commit: &Commit,
        messaging: &Messaging,
        names: &mut Names,
        coverage: &mut Coverage,
    ) {
        let thread = commit.thread.id;
        names.thread(thread);
        for change in &commit.changes {
            let message = match change {
                Change::AppendMessage(message) => {
                    names.message(message.id);
                    if let Some(author) = message.author.user() {
                        self.end_typing(thread, author, coverage).await;
                    }
                    Some(message)
                }
                Change::ReplaceMessage(message) => Some(message),
                Change::PutMember(member) if !member.takes_part() => {
                    self.end_typing(thread, &member.user, coverage).await;
                    let out = self.sessions.iter_mut().filter(|session| session.actor.user == member.user);
                    out.for_each(|session| {
                        session.joined.remove(&thread);
                    });
                    None
                }
                Change::AddSummary(summary) => {
                    names.summary(summary.id);
                    None
                }
                Change::PutMember(_)
                | Change::PutThread(_)
                | Change::EnqueueJob(_)
                | Change::SettleNotices(_) => None,
            };
            let view = match message {
                Some(message) => {
                    let author: Vec<UserId> = message.author.user().cloned().into_iter().collect();
                    let sender = messaging.profiles(&author).await.expect("memory does not fail").pop();
                    Some(MessageView::fresh(message.clone(), sender))
                }
                None => None,
            };
            let heard = Heard { commit, change, message: view.as_ref() };
            for outbound in (self.dialect.socket.commit)(&heard) {
                self.deliver(thread, &outbound, message.map(|message| message.seq), coverage).await;
            }
        }
    }

    async fn end_typing(&mut self, thread: ThreadId, user: &UserId, coverage: &mut Coverage) {
        if let Some(change) = self.typing.sent(thread, user) {
            self.tell_typing(&change, coverage).await;
        }
    }

    async fn tell_typing(&mut self, change: &TypingChange, coverage: &mut Coverage) {
        if let Some(outbound) = (self.dialect.socket.typing)(change) {
            self.deliver(change.thread, &outbound, None, coverage).await;
        }
    }

    async fn deliver(
        &mut self,
        thread: ThreadId,
        outbound: &Outbound,
        about: Option<Seq>,
        coverage: &mut Coverage,
    ) {
        let Some((found, members)) = self.roster(thread).await else { return };
        if !(self.dialect.expresses)(&found) {
            return;
        }
        for session in &mut self.sessions {
            let user = &session.actor.user;
            let may = |member: &Member| member.user == *user && about.is_none_or(|seq| member.sees(seq));
            if members.iter().any(may) && outbound.audience.includes(user, session.joined.contains(&thread)) {
                session.hear(&outbound.frame, coverage);
            }
        }
    }
}
