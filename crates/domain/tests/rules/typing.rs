//! The typing board against a list of who types where until when.

use proptest::prelude::{Just, Strategy, prop, prop_assert_eq, prop_oneof, proptest};
use std::collections::BTreeSet;

use tidings_domain::id::{SessionId, ThreadId, UserId};
use tidings_domain::time::Timestamp;
use tidings_domain::typing::{TYPING_THREADS_PER_SESSION_MAX, TypingBoard, TypingChange};
use uuid::Uuid;

const LASTS_MS: i64 = 30;
const SESSIONS: u8 = 6;
const THREADS: u8 = 20;

fn thread(n: u8) -> ThreadId {
    ThreadId::from_uuid(Uuid::from_u128(u128::from(n)))
}

fn session(n: u8) -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(u128::from(n)))
}

fn user(n: u8) -> UserId {
    format!("u{n}").parse().unwrap()
}

/// Two sessions each.
const fn owner(session: u8) -> u8 {
    session / 2
}

#[derive(Debug, Clone)]
enum Op {
    Start {
        thread: u8,
        session: u8,
    },
    Stop {
        thread: u8,
        session: u8,
    },
    Sent {
        thread: u8,
        user: u8,
    },
    Gone {
        session: u8,
    },
    Expire,
    /// The clock of a machine may also be set back.
    Time {
        millis: i64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    // Mostly few threads, so that sessions meet; now and then many, so that one reaches its limit.
    let thread = || prop_oneof![3 => 0..3_u8, 1 => 0..THREADS];
    let session = || 0..SESSIONS;
    prop_oneof![
        8 => (thread(), session()).prop_map(|(thread, session)| Op::Start { thread, session }),
        2 => (thread(), session()).prop_map(|(thread, session)| Op::Stop { thread, session }),
        1 => (thread(), 0..SESSIONS / 2).prop_map(|(thread, user)| Op::Sent { thread, user }),
        1 => session().prop_map(|session| Op::Gone { session }),
        2 => Just(Op::Expire),
        3 => prop_oneof![9 => 0..LASTS_MS, 1 => -LASTS_MS..0].prop_map(|millis| Op::Time { millis }),
    ]
}

/// Who types: (thread, session, until). A user is the owner of the session.
#[derive(Default)]
struct Model(Vec<(u8, u8, i64)>);

type Told = (u8, u8, bool);

impl Model {
    fn types(&self, thread: u8, user: u8) -> bool {
        self.0.iter().any(|&(t, s, _)| t == thread && owner(s) == user)
    }

    fn start(&mut self, thread: u8, session: u8, now: i64) -> Option<Told> {
        let already = self.0.iter().any(|&(t, s, _)| (t, s) == (thread, session));
        let held = self.0.iter().filter(|&&(_, s, _)| s == session).count();
        if !already && held >= TYPING_THREADS_PER_SESSION_MAX {
            return None;
        }
        self.0.retain(|&(t, s, _)| (t, s) != (thread, session));
        self.0.push((thread, session, now + LASTS_MS));
        Some((thread, owner(session), true))
    }

    /// Ends all that `ends` names; tells of those who type no more.
    fn end(&mut self, ends: impl Fn(u8, u8, i64) -> bool) -> Vec<Told> {
        let ended: BTreeSet<(u8, u8)> = self
            .0
            .iter()
            .filter(|&&(t, s, until)| ends(t, s, until))
            .map(|&(t, s, _)| (t, owner(s)))
            .collect();
        self.0.retain(|&(t, s, until)| !ends(t, s, until));
        ended.into_iter().filter(|&(t, u)| !self.types(t, u)).map(|(t, u)| (t, u, false)).collect()
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.0.iter().map(|&(_, _, until)| Timestamp::from_millis(until)).min()
    }
}

fn told(changes: impl IntoIterator<Item = TypingChange>) -> Vec<(ThreadId, UserId, bool)> {
    let mut told: Vec<_> = changes.into_iter().map(|c| (c.thread, c.user, c.typing)).collect();
    told.sort();
    told
}

fn expected(changes: impl IntoIterator<Item = Told>) -> Vec<(ThreadId, UserId, bool)> {
    let mut told: Vec<_> = changes.into_iter().map(|(t, u, typing)| (thread(t), user(u), typing)).collect();
    told.sort();
    told
}

proptest! {
    #[test]
    fn the_board_is_the_list(ops in prop::collection::vec(op(), 0..120)) {
        let mut board = TypingBoard::new(LASTS_MS);
        let mut model = Model::default();
        let mut heard: BTreeSet<(ThreadId, UserId)> = BTreeSet::new();
        let mut now = 1_000;
        for op in ops {
            let at = Timestamp::from_millis(now);
            let (found, wanted) = match op {
                Op::Start { thread: t, session: s } => (
                    told(board.start(thread(t), &user(owner(s)), session(s), at)),
                    expected(model.start(t, s, now)),
                ),
                Op::Stop { thread: t, session: s } => (
                    told(board.stop(thread(t), session(s))),
                    expected(model.end(|thread, session, _| (thread, session) == (t, s))),
                ),
                Op::Sent { thread: t, user: u } => (
                    told(board.sent(thread(t), &user(u))),
                    expected(model.end(|thread, session, _| (thread, owner(session)) == (t, u))),
                ),
                Op::Gone { session: s } => {
                    (told(board.gone(session(s))), expected(model.end(|_, session, _| session == s)))
                }
                Op::Expire => (told(board.expire(at)), expected(model.end(|_, _, until| until <= now))),
                Op::Time { millis } => {
                    now += millis;
                    (Vec::new(), Vec::new())
                }
            };
            prop_assert_eq!(&found, &wanted);
            for (thread, user, typing) in found {
                if typing { heard.insert((thread, user)) } else { heard.remove(&(thread, user)) };
            }
            prop_assert_eq!(board.next_deadline(), model.next_deadline());
            for t in 0..THREADS {
                for u in 0..SESSIONS / 2 {
                    let types = model.types(t, u);
                    prop_assert_eq!(board.is_typing(thread(t), &user(u)), types);
                    // Whoever only listens knows the same.
                    prop_assert_eq!(heard.contains(&(thread(t), user(u))), types);
                }
            }
        }
        board.expire(Timestamp::from_millis(i64::MAX));
        assert_holds_nothing(&board);
    }

    #[test]
    fn a_session_types_in_a_limited_number_of_threads(threads in prop::collection::vec(0..40_u8, 0..80)) {
        let mut board = TypingBoard::new(LASTS_MS);
        let at = Timestamp::from_millis(0);
        let mut shown = BTreeSet::new();
        for t in threads {
            let taken = shown.contains(&t) || shown.len() < TYPING_THREADS_PER_SESSION_MAX;
            prop_assert_eq!(board.start(thread(t), &user(0), session(0), at).is_some(), taken);
            if taken {
                shown.insert(t);
            }
            prop_assert_eq!(board.is_typing(thread(t), &user(0)), taken);
        }
        prop_assert_eq!(board.gone(session(0)).len(), shown.len());
        assert_holds_nothing(&board);
    }
}

/// An emptied board is as a new one in every field, also in those that no question reaches.
fn assert_holds_nothing(board: &TypingBoard) {
    assert_eq!(format!("{board:?}"), format!("{:?}", TypingBoard::new(LASTS_MS)));
}

#[test]
fn typing_ends_at_its_deadline_and_not_before() {
    let at = Timestamp::from_millis;
    let mut board = TypingBoard::new(LASTS_MS);
    board.start(thread(1), &user(0), session(0), at(100));
    assert_eq!(board.expire(at(129)), []);
    assert!(board.is_typing(thread(1), &user(0)));
    let ended = TypingChange { thread: thread(1), user: user(0), typing: false };
    assert_eq!(board.expire(at(130)), [ended]);
    assert_holds_nothing(&board);
}

#[test]
fn a_second_sign_puts_the_end_off_and_leaves_no_old_deadline() {
    let at = Timestamp::from_millis;
    let mut board = TypingBoard::new(LASTS_MS);
    board.start(thread(1), &user(0), session(0), at(0));
    assert!(board.start(thread(1), &user(0), session(0), at(20)).is_some());
    assert_eq!(board.next_deadline(), Some(at(50)));
    assert_eq!(board.expire(at(49)), []);
    assert_eq!(board.expire(at(50)).len(), 1);
}

#[test]
fn a_user_types_until_the_last_of_their_sessions_stops() {
    let at = Timestamp::from_millis;
    let mut board = TypingBoard::new(LASTS_MS);
    board.start(thread(1), &user(0), session(0), at(0));
    board.start(thread(1), &user(0), session(1), at(10));
    assert_eq!(board.stop(thread(1), session(0)), None);
    assert!(board.is_typing(thread(1), &user(0)));
    assert_eq!(board.stop(thread(1), session(0)), None);
    assert_eq!(board.gone(session(1)).len(), 1);
    assert_holds_nothing(&board);
}
