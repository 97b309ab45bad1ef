//! Sequences of decisions against the naive model, one by one and in batches.

use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use proptest::test_runner::TestCaseError;
use tidings_domain::change::Change;
use tidings_domain::decision::{Decided, Decision};
use tidings_domain::member::{MarkedVia, Member, Standing, unread};
use tidings_domain::message::{Message, Origin};
use tidings_domain::messaging::{Mark, MarkError, Marked, OwnMessage, Send, SendError};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::snapshot::{NotInScope, Scope, Snapshot};
use tidings_domain::text::Subject;

use crate::model::{MarkVerdict, Model, SendVerdict};
use crate::world::{OPENED_AT, Rows, at, body, marking, message_id, role, sending, the_thread, user};

const FOUNDERS: u8 = 3;
/// One more than ever gets in.
const USERS: u8 = 5;

#[derive(Debug, Clone)]
enum Op {
    Send { who: u8, text: u8, key: Option<u8>, ticks: i64 },
    MarkThread { who: u8, ticks: i64 },
    MarkMessage { who: u8, which: prop::sample::Index, own: bool, ticks: i64 },
    Stand { who: u8, standing: Standing, afresh: bool },
    Delete { which: prop::sample::Index },
    Edit { which: prop::sample::Index, text: u8 },
    Retitle,
}

fn op() -> impl Strategy<Value = Op> {
    let who = || 0..USERS;
    // Clocks of nodes differ and are set back.
    let ticks = || prop_oneof![3 => 0..20_i64, 1 => -50..0_i64];
    let standing = prop_oneof![
        3 => Just(Standing::Active),
        1 => Just(Standing::Hidden),
        1 => Just(Standing::Left),
        1 => Just(Standing::Removed),
    ];
    let which = any::<prop::sample::Index>;
    prop_oneof![
        10 => (who(), 0..3_u8, prop::option::of(0..4_u8), ticks())
            .prop_map(|(who, text, key, ticks)| Op::Send { who, text, key, ticks }),
        2 => (who(), ticks()).prop_map(|(who, ticks)| Op::MarkThread { who, ticks }),
        5 => (who(), which(), any::<bool>(), ticks())
            .prop_map(|(who, which, own, ticks)| Op::MarkMessage { who, which, own, ticks }),
        2 => (0..USERS - 1, standing, any::<bool>())
            .prop_map(|(who, standing, afresh)| Op::Stand { who, standing, afresh }),
        1 => which().prop_map(|which| Op::Delete { which }),
        1 => (which(), 0..3_u8).prop_map(|(which, text)| Op::Edit { which, text }),
        1 => Just(Op::Retitle),
    ]
}

/// What use cases to come will do; here so that sending and marking are tried beside it.
#[derive(Debug)]
enum Host {
    Stand { who: u8, standing: Standing, afresh: bool },
    Delete { message: usize },
    Edit { message: usize, text: u8 },
    Retitle,
}

impl Decision for Host {
    type Output = ();
    type Rejection = NotInScope;

    fn scope(&self) -> Scope {
        let scope = Scope::thread(the_thread());
        match self {
            Self::Stand { who, .. } => scope.member(user(*who)),
            Self::Delete { message } | Self::Edit { message, .. } => scope.message(message_id(*message)),
            Self::Retitle => scope,
        }
    }

    fn origin(&self) -> Origin {
        Origin::Request
    }

    fn decide(&self, found: &Snapshot) -> Result<Decided<()>, NotInScope> {
        let thread = found.thread().unwrap();
        let modseq = thread.modseq.next();
        let change = match self {
            Self::Stand { who, standing, afresh } => {
                let fresh = || Member::joining(thread.id, user(*who), role(*who), at(0));
                let mut member = found.member(&user(*who))?.cloned().unwrap_or_else(fresh);
                if *afresh {
                    member.visible_from = thread.last_seq;
                }
                Change::PutMember(Member { standing: *standing, modseq, ..member })
            }
            Self::Delete { message } => {
                let found = found.message(message_id(*message))?.unwrap().clone();
                Change::ReplaceMessage(Message { deleted_at: Some(at(1)), modseq, ..found })
            }
            Self::Edit { message, text } => {
                let found = found.message(message_id(*message))?.unwrap().clone();
                Change::ReplaceMessage(Message { body: body(*text), edited_at: Some(at(1)), modseq, ..found })
            }
            Self::Retitle => {
                let mut fields = thread.clone();
                fields.subject = Subject::parse("another").ok();
                fields.fields_modseq = modseq;
                // Counters in it are not taken over.
                (fields.last_seq, fields.modseq, fields.member_count) = (Seq::new(99), Modseq::new(99), 99);
                Change::PutThread(fields)
            }
        };
        Ok(Decided { changes: vec![change], output: () })
    }
}

#[derive(Debug)]
enum Step {
    Send(Box<Send>),
    Mark(Mark),
    Host(Host),
}

#[derive(Debug, Clone, PartialEq)]
enum Answer {
    Sent(Box<Result<(Message, Modseq, bool), SendError>>),
    Marked(Box<Result<Marked, MarkError>>),
    Hosted(Result<(), NotInScope>),
}

fn split<T, E>(verdict: Result<Decided<T>, E>) -> (Vec<Change>, Result<T, E>) {
    match verdict {
        Ok(decided) => (decided.changes, Ok(decided.output)),
        Err(rejection) => (Vec::new(), Err(rejection)),
    }
}

impl Step {
    fn scope(&self) -> Scope {
        match self {
            Self::Send(send) => send.scope(),
            Self::Mark(mark) => mark.scope(),
            Self::Host(host) => host.scope(),
        }
    }

    fn decide(&self, found: &Snapshot) -> (Vec<Change>, Answer) {
        match self {
            Self::Send(send) => {
                let (changes, answer) = split(send.decide(found));
                (changes, Answer::Sent(Box::new(answer)))
            }
            Self::Mark(mark) => {
                let (changes, answer) = split(mark.decide(found));
                (changes, Answer::Marked(Box::new(answer)))
            }
            Self::Host(host) => {
                let (changes, answer) = split(host.decide(found));
                (changes, Answer::Hosted(answer))
            }
        }
    }
}

type Checked = Result<(), TestCaseError>;

/// A run of steps beside the model.
struct Run {
    rows: Rows,
    model: Model,
    now: i64,
    steps: Vec<Step>,
    answers: Vec<Answer>,
}

impl Run {
    fn new() -> Self {
        Self {
            rows: Rows::opened(FOUNDERS),
            model: Model::opened(FOUNDERS),
            now: OPENED_AT,
            steps: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// The place of a post picked out of all there are, and of none now and then.
    fn pick(&self, which: prop::sample::Index) -> usize {
        which.index(self.model.posts.len() + 1)
    }

    fn step_of(&self, place: usize) -> usize {
        place.checked_sub(1).map_or(usize::from(u16::MAX), |index| self.model.posts[index].step)
    }

    fn take(&mut self, op: &Op) -> Checked {
        let before = self.rows.clone();
        match *op {
            Op::Send { who, text, key, ticks } => self.send(who, text, key, ticks),
            Op::MarkThread { who, ticks } => self.mark(who, None, false, ticks),
            Op::MarkMessage { who, which, own, ticks } => self.mark(who, Some(self.pick(which)), own, ticks),
            Op::Stand { who, standing, afresh } => {
                self.model.stand(who, standing, afresh);
                self.host(Host::Stand { who, standing, afresh })
            }
            Op::Delete { which } => match self.pick(which) {
                0 => Ok(()),
                place => {
                    self.model.delete(place);
                    self.host(Host::Delete { message: self.step_of(place) })
                }
            },
            Op::Edit { which, text } => match self.pick(which) {
                0 => Ok(()),
                place => self.host(Host::Edit { message: self.step_of(place), text }),
            },
            Op::Retitle => self.host(Host::Retitle),
        }?;
        self.check_rows(&before)
    }

    /// Decides twice, stores once, and holds what a store would write against what the snapshot says it leaves.
    fn decide(&mut self, step: Step) -> Result<(Vec<Change>, Answer), TestCaseError> {
        let scope = step.scope();
        let mut found = self.rows.snapshot(std::slice::from_ref(&scope));
        let verdict = step.decide(&found);
        prop_assert_eq!(&verdict, &step.decide(&found), "a decision must not differ from itself");
        let prev = self.rows.thread.modseq;
        for (change, nth) in verdict.0.iter().zip(1..) {
            prop_assert_eq!(
                change.modseq().map(Modseq::get),
                Some(prev.get() + nth),
                "modseqs must follow each other"
            );
            found.apply(change);
        }
        self.rows.write(&verdict.0);
        let mut wanted = self.rows.snapshot(std::slice::from_ref(&scope));
        for change in &verdict.0 {
            // Beyond the scope, a snapshot also knows what was appended through it.
            if let Change::AppendMessage(message) = change {
                wanted.load_message(message.id, Some(message.clone()));
            }
        }
        prop_assert_eq!(&found, &wanted);
        self.steps.push(step);
        self.answers.push(verdict.1.clone());
        Ok(verdict)
    }

    fn host(&mut self, host: Host) -> Checked {
        self.decide(Step::Host(host)).map(|_| ())
    }

    fn send(&mut self, who: u8, text: u8, key: Option<u8>, ticks: i64) -> Checked {
        self.now += ticks;
        let step = self.steps.len();
        let before = self.rows.thread.modseq;
        let (changes, answer) = self.decide(Step::Send(Box::new(sending(who, step, text, key, self.now))))?;
        let Answer::Sent(answer) = answer else { unreachable!() };
        match self.model.send(who, step, text, key, self.now) {
            SendVerdict::NotAMember => prop_assert_eq!(*answer, Err(SendError::NotAMember)),
            SendVerdict::KeyReused => prop_assert_eq!(*answer, Err(SendError::KeyReused)),
            SendVerdict::Repeats(place) => {
                let first = self.rows.messages[&Seq::new(place as u64)].clone();
                prop_assert_eq!(*answer, Ok((first, before, true)));
                prop_assert!(changes.is_empty());
            }
            SendVerdict::Posted(place) => {
                let (message, modseq, duplicate) = answer.unwrap();
                prop_assert_eq!(message.seq.get(), place as u64);
                prop_assert_eq!(message.id, message_id(step));
                prop_assert_eq!(&message.body, &body(text));
                prop_assert!(!duplicate);
                prop_assert_eq!(modseq, self.rows.thread.modseq, "the answer covers the sender's marker too");
                prop_assert!(matches!(&changes[..], [Change::AppendMessage(_), Change::PutMember(_)]));
            }
        }
        Ok(())
    }

    fn mark(&mut self, who: u8, place: Option<usize>, refuse_own: bool, ticks: i64) -> Checked {
        self.now += ticks;
        let own = if refuse_own { OwnMessage::Refuse } else { OwnMessage::Allow };
        let up_to = place.map(|place| self.step_of(place));
        let (changes, answer) = self.decide(Step::Mark(marking(who, up_to, own, self.now)))?;
        let Answer::Marked(answer) = answer else { unreachable!() };
        let verdict = self.model.mark(who, place, refuse_own);
        match verdict {
            MarkVerdict::NotAMember => prop_assert_eq!(*answer, Err(MarkError::NotAMember)),
            MarkVerdict::UnknownMessage => prop_assert_eq!(*answer, Err(MarkError::UnknownMessage)),
            MarkVerdict::OwnMessage => prop_assert_eq!(*answer, Err(MarkError::OwnMessage)),
            MarkVerdict::Stays | MarkVerdict::Moves => {
                let marked = answer.unwrap();
                let moves = verdict == MarkVerdict::Moves;
                prop_assert_eq!(marked.moved, moves);
                prop_assert_eq!(changes.len(), usize::from(moves));
                prop_assert_eq!(&marked.member, &self.rows.members[&user(who)]);
                prop_assert_eq!(marked.modseq, self.rows.thread.modseq);
            }
        }
        Ok(())
    }

    /// The rows are what the model says, and no row went backwards.
    fn check_rows(&self, before: &Rows) -> Checked {
        let rows = &self.rows;
        let posts = &self.model.posts;
        prop_assert_eq!(rows.thread.last_seq.get(), posts.len() as u64);
        prop_assert_eq!(rows.thread.last_message_at, at(posts.last().map_or(OPENED_AT, |post| post.at)));
        let in_it = (0..USERS).filter(|who| self.model.takes_part(*who)).count();
        prop_assert_eq!(rows.thread.member_count as usize, in_it);
        let mut number = 0;
        for ((message, post), place) in rows.messages.values().zip(posts).zip(1..) {
            prop_assert_eq!(message.seq.get(), place);
            prop_assert_eq!(message.author.user(), Some(&user(post.author)));
            prop_assert_eq!(message.created_at, at(post.at));
            prop_assert_eq!(message.deleted_at.is_some(), post.deleted);
            prop_assert!(message.number > number);
            number = message.number;
        }
        prop_assert!(rows.messages.values().map(|m| m.created_at).is_sorted_by(|one, next| one < next));
        prop_assert_eq!(rows.members.len(), self.model.people.len());
        for (who, person) in &self.model.people {
            let member = &rows.members[&user(*who)];
            let firmness = match member.marker.via {
                MarkedVia::Send => 0,
                MarkedVia::Message(_) => 1,
                MarkedVia::Thread => 2,
            };
            prop_assert_eq!((member.marker.seq.get(), firmness), (person.read as u64, person.firmness));
            prop_assert!(member.marker.seq <= rows.thread.last_seq);
            if let Some(message) = rows.messages.get(&member.marker.seq) {
                prop_assert!(member.marker.at >= Some(message.created_at), "read before it was written");
            }
            if let Some(before) = before.members.get(&user(*who)) {
                prop_assert!(member.marker.seq >= before.marker.seq);
            }
            let above = member.unread_above();
            let deleted = rows.messages.values().filter(|m| m.seq > above && m.deleted_at.is_some()).count();
            let counted = unread(rows.thread.last_seq, above, deleted as u64);
            prop_assert_eq!(counted, person.unread.len() as u64, "unread of {} is {:?}", who, person.unread);
        }
        let mut marks: Vec<Modseq> = rows.messages.values().map(|message| message.modseq).collect();
        marks.extend(rows.members.values().map(|member| member.modseq));
        marks.sort_unstable();
        prop_assert!(marks.is_sorted_by(|one, next| one < next), "two rows with one modseq");
        prop_assert!(marks.last() <= Some(&rows.thread.modseq));
        Ok(())
    }

    /// The same steps, several to a snapshot that was loaded once for all of them.
    fn batched(&self, sizes: &[usize]) -> (Rows, Vec<Answer>) {
        let mut rows = Rows::opened(FOUNDERS);
        let mut answers = Vec::new();
        let mut left = &self.steps[..];
        for size in sizes.iter().cycle() {
            if left.is_empty() {
                break;
            }
            let (batch, rest) = left.split_at((*size).min(left.len()));
            left = rest;
            let scopes: Vec<Scope> = batch.iter().map(Step::scope).collect();
            let mut found = rows.snapshot(&scopes);
            for step in batch {
                let (changes, answer) = step.decide(&found);
                changes.iter().for_each(|change| found.apply(change));
                rows.write(&changes);
                answers.push(answer);
            }
        }
        (rows, answers)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_thread_is_a_list_of_posts_and_of_what_each_has_not_read(
        ops in prop::collection::vec(op(), 0..60),
        sizes in prop::collection::vec(1..9_usize, 1..6),
    ) {
        let mut run = Run::new();
        for op in ops {
            run.take(&op)?;
        }
        let (rows, answers) = run.batched(&sizes);
        prop_assert_eq!(rows, run.rows, "rows differ when batched");
        prop_assert_eq!(answers, run.answers, "answers differ when batched");
    }
}
