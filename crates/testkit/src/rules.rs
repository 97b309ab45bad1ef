//! Decisions for tests: small, and free to do what no use case would.

use std::fmt;
use std::sync::Arc;

use tidings_domain::change::Change;
use tidings_domain::decision::{Decided, Decision};
use tidings_domain::id::{JobId, MessageId, SummaryId, ThreadId, UserId};
use tidings_domain::job::{Job, NoticesSettled, Work};
use tidings_domain::member::{MarkedVia, Member};
use tidings_domain::message::{Author, Message, Origin};
use tidings_domain::seq::Modseq;
use tidings_domain::snapshot::{NotInScope, Scope, Snapshot};
use tidings_domain::summary::{Summary, SummaryContent};
use tidings_domain::text::{Body, ClientKey, DraftHash, Subject};
use tidings_domain::time::Timestamp;

/// Why a [`Rule`] said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub &'static str);

impl From<NotInScope> for Refused {
    fn from(_: NotInScope) -> Self {
        Self("looked at something outside of its scope")
    }
}

type Judge<T> = Arc<dyn Fn(&Snapshot) -> Result<Decided<T>, Refused> + Send + Sync>;

/// A decision made of a scope and a function.
pub struct Rule<T> {
    scope: Scope,
    origin: Origin,
    judge: Judge<T>,
}

impl<T> Clone for Rule<T> {
    fn clone(&self) -> Self {
        Self { scope: self.scope.clone(), origin: self.origin, judge: Arc::clone(&self.judge) }
    }
}

impl<T> fmt::Debug for Rule<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl<T> Rule<T> {
    /// A rule that came through a request.
    pub fn new(
        scope: Scope,
        judge: impl Fn(&Snapshot) -> Result<Decided<T>, Refused> + Send + Sync + 'static,
    ) -> Self {
        Self { scope, origin: Origin::Request, judge: Arc::new(judge) }
    }

    /// The same rule, come through something else.
    #[must_use]
    pub fn through(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

impl<T: Send + 'static> Decision for Rule<T> {
    type Output = T;
    type Rejection = Refused;

    fn scope(&self) -> Scope {
        self.scope.clone()
    }

    fn origin(&self) -> Origin {
        self.origin
    }

    fn decide(&self, found: &Snapshot) -> Result<Decided<T>, Refused> {
        (self.judge)(found)
    }
}

/// A message to be written.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Where to.
    pub thread: ThreadId,
    /// By whom.
    pub sender: UserId,
    /// The id it gets.
    pub id: MessageId,
    /// What.
    pub body: Body,
    /// Under which key.
    pub key: Option<ClientKey>,
    /// When.
    pub at: Timestamp,
    /// Through what.
    pub origin: Origin,
}

/// What [`sending`] answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The message, or the first one with its key.
    pub message: Message,
    /// Whether there was one with its key.
    pub duplicate: bool,
}

impl Draft {
    /// The message at the place where the thread stands; `None` if there is no thread or no such member.
    fn message(&self, found: &Snapshot) -> Result<Option<(Message, Member)>, NotInScope> {
        let (Some(thread), Some(member)) = (found.thread(), found.member(&self.sender)?) else {
            return Ok(None);
        };
        let message = Message {
            id: self.id,
            number: found.next_number(),
            thread: thread.id,
            seq: thread.last_seq.next(),
            modseq: thread.modseq.next(),
            author: Author::Member { user: member.user.clone(), role: member.role.clone() },
            body: self.body.clone(),
            client_key: self.key.clone(),
            draft: DraftHash::of_body(&self.body),
            origin: self.origin,
            created_at: thread.next_message_at(self.at),
            edited_at: None,
            deleted_at: None,
        };
        Ok(Some((message, member.clone())))
    }

    fn scope(&self) -> Scope {
        let scope = Scope::thread(self.thread).member(self.sender.clone());
        match &self.key {
            Some(key) => scope.client_key(self.sender.clone(), key.clone()),
            None => scope,
        }
    }
}

/// Sends as a member does: once per key, moving the sender's own marker.
#[must_use]
pub fn sending(draft: Draft) -> Rule<Sent> {
    let (scope, origin) = (draft.scope(), draft.origin);
    let judge = move |found: &Snapshot| {
        let (message, member) = draft.message(found)?.ok_or(Refused("no such thread or member"))?;
        if !member.takes_part() {
            return Err(Refused("takes no part"));
        }
        if let Some(key) = &draft.key
            && let Some(first) = found.keyed(&draft.sender, key)?
        {
            if first.draft != message.draft {
                return Err(Refused("key used for another draft"));
            }
            let output = Sent { message: first.clone(), duplicate: true };
            return Ok(Decided { changes: Vec::new(), output });
        }
        let modseq = message.modseq.next();
        let marked = member.marked(message.seq, message.created_at, MarkedVia::Send, modseq);
        let member = marked.unwrap_or(Member { modseq, ..member });
        Ok(Decided {
            changes: vec![Change::AppendMessage(message.clone()), Change::PutMember(member)],
            output: Sent { message, duplicate: false },
        })
    };
    Rule { scope, origin, judge: Arc::new(judge) }
}

/// Writes the message and nothing else: no marker moves, and the key is used whether it is taken or not.
#[must_use]
pub fn appending(draft: Draft) -> Rule<Message> {
    let (scope, origin) = (draft.scope(), draft.origin);
    let judge = move |found: &Snapshot| {
        let (message, _) = draft.message(found)?.ok_or(Refused("no such thread or member"))?;
        Ok(Decided { changes: vec![Change::AppendMessage(message.clone())], output: message })
    };
    Rule { scope, origin, judge: Arc::new(judge) }
}

/// Puts a member who is there already, changed.
#[must_use]
pub fn keeping_member(
    thread: ThreadId,
    user: UserId,
    change: impl Fn(&mut Member) + Send + Sync + 'static,
) -> Rule<Member> {
    Rule::new(Scope::thread(thread).member(user.clone()), move |found| {
        let mut member = found.member(&user)?.cloned().ok_or(Refused("no such member"))?;
        let marker = member.marker;
        change(&mut member);
        member.modseq = found.head().1.next();
        if member.marker != marker {
            member.marker_modseq = member.modseq;
        }
        Ok(Decided { changes: vec![Change::PutMember(member.clone())], output: member })
    })
}

/// Puts a member as given, known before or not.
#[must_use]
pub fn putting_member(member: Member) -> Rule<Member> {
    Rule::new(Scope::thread(member.thread).member(member.user.clone()), move |found| {
        let member = Member { modseq: found.head().1.next(), ..member.clone() };
        Ok(Decided { changes: vec![Change::PutMember(member.clone())], output: member })
    })
}

/// Replaces a message with what `change` makes of it.
#[must_use]
pub fn replacing(
    thread: ThreadId,
    id: MessageId,
    change: impl Fn(&mut Message) + Send + Sync + 'static,
) -> Rule<Message> {
    Rule::new(Scope::thread(thread).message(id), move |found| {
        let mut message = found.message(id)?.cloned().ok_or(Refused("no such message"))?;
        change(&mut message);
        message.modseq = found.head().1.next();
        Ok(Decided { changes: vec![Change::ReplaceMessage(message.clone())], output: message })
    })
}

/// Gives the thread another subject, or none.
#[must_use]
pub fn putting_subject(thread: ThreadId, subject: Option<Subject>, at: Timestamp) -> Rule<Modseq> {
    Rule::new(Scope::thread(thread), move |found| {
        let mut thread = found.thread().cloned().ok_or(Refused("no such thread"))?;
        thread.fields_modseq = thread.modseq.next();
        thread.subject.clone_from(&subject);
        thread.updated_at = at;
        let output = thread.fields_modseq;
        Ok(Decided { changes: vec![Change::PutThread(thread)], output })
    })
}

/// Adds a summary, which is all that changes.
#[must_use]
pub fn summarising(
    thread: ThreadId,
    id: SummaryId,
    author: UserId,
    content: SummaryContent,
    at: Timestamp,
) -> Rule<Summary> {
    Rule::new(Scope::thread(thread), move |found| {
        let thread = found.thread().ok_or(Refused("no such thread"))?;
        let summary = Summary {
            id,
            thread: thread.id,
            author: author.clone(),
            content: content.clone(),
            modseq: thread.modseq.next(),
            created_at: at,
        };
        Ok(Decided { changes: vec![Change::AddSummary(summary.clone())], output: summary })
    })
}

/// Has a job done about the thread, which is all that changes: nobody hears of it.
#[must_use]
pub fn enqueuing(job: Job) -> Rule<Job> {
    let thread = job.work.thread();
    Rule::new(Scope::thread(thread), move |found| {
        found.thread().ok_or(Refused("no such thread"))?;
        Ok(Decided { changes: vec![Change::EnqueueJob(job.clone())], output: job.clone() })
    })
}

/// As [`appending`], and has those who are away told of the message at `due_at`.
#[must_use]
pub fn appending_with_notice(draft: Draft, id: JobId, due_at: Timestamp) -> Rule<Job> {
    let (scope, origin) = (draft.scope(), draft.origin);
    let judge = move |found: &Snapshot| {
        let (message, _) = draft.message(found)?.ok_or(Refused("no such thread or member"))?;
        let work = Work::NotifyUnread { thread: message.thread };
        let job = Job { id, due_at, work };
        let changes = vec![Change::AppendMessage(message), Change::EnqueueJob(job.clone())];
        Ok(Decided { changes, output: job })
    };
    Rule { scope, origin, judge: Arc::new(judge) }
}

/// Notes who was notified and which windows have ended, which is all that changes: nobody hears of it.
#[must_use]
pub fn settling(settled: NoticesSettled) -> Rule<()> {
    let scope = settled
        .notified
        .iter()
        .fold(Scope::thread(settled.thread), |scope, (user, _)| scope.member(user.clone()));
    Rule::new(scope, move |found| {
        found.thread().ok_or(Refused("no such thread"))?;
        for (user, _) in &settled.notified {
            found.member(user)?.ok_or(Refused("no such member"))?;
        }
        Ok(Decided { changes: vec![Change::SettleNotices(settled.clone())], output: () })
    })
}
