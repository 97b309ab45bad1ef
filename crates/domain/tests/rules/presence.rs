//! The presence board against a list of sessions and of those who lately went.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use tidings_domain::id::{SessionId, UserId};
use tidings_domain::presence::{PresenceBoard, PresenceChange};
use tidings_domain::time::Timestamp;
use uuid::Uuid;

const GRACE_MS: i64 = 30;
const USERS: u8 = 3;
const DEVICES: u8 = 3;

fn session(user: u8, device: u8) -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(u128::from(user) << 8 | u128::from(device)))
}

fn user(n: u8) -> UserId {
    format!("u{n}").parse().unwrap()
}

#[derive(Debug, Clone)]
enum Op {
    Came { user: u8, device: u8 },
    Went { user: u8, device: u8 },
    Expire,
    Time { millis: i64 },
}

fn op() -> impl Strategy<Value = Op> {
    let who = || (0..USERS, 0..DEVICES);
    prop_oneof![
        3 => who().prop_map(|(user, device)| Op::Came { user, device }),
        4 => who().prop_map(|(user, device)| Op::Went { user, device }),
        2 => Just(Op::Expire),
        3 => prop_oneof![9 => 0..GRACE_MS, 1 => -GRACE_MS..0].prop_map(|millis| Op::Time { millis }),
    ]
}

#[derive(Default)]
struct Model {
    open: BTreeSet<(u8, u8)>,
    /// Who has no session but is not given up yet, and since when.
    leaving: BTreeMap<u8, i64>,
}

type Told = (UserId, bool, Timestamp);

impl Model {
    fn is_open(&self, user: u8) -> bool {
        self.open.iter().any(|&(u, _)| u == user)
    }

    fn is_there(&self, user: u8) -> bool {
        self.is_open(user) || self.leaving.contains_key(&user)
    }

    fn came(&mut self, who: u8, device: u8, now: i64) -> Vec<Told> {
        let was_there = self.is_there(who);
        self.leaving.remove(&who);
        self.open.insert((who, device));
        if was_there { Vec::new() } else { vec![(user(who), true, Timestamp::from_millis(now))] }
    }

    fn went(&mut self, who: u8, device: u8, now: i64) {
        if self.open.remove(&(who, device)) && !self.is_open(who) {
            self.leaving.insert(who, now);
        }
    }

    fn expire(&mut self, now: i64) -> Vec<Told> {
        let given_up = |since: i64| since + GRACE_MS <= now;
        let told = self.leaving.iter().filter(|&(_, &since)| given_up(since));
        let told = told.map(|(&who, &since)| (user(who), false, Timestamp::from_millis(since))).collect();
        self.leaving.retain(|_, since| !given_up(*since));
        told
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.leaving.values().map(|since| Timestamp::from_millis(since + GRACE_MS)).min()
    }
}

fn told(changes: impl IntoIterator<Item = PresenceChange>) -> Vec<Told> {
    let mut told: Vec<Told> = changes.into_iter().map(|c| (c.user, c.online, c.at)).collect();
    told.sort();
    told
}

proptest! {
    #[test]
    fn the_board_is_the_list(ops in prop::collection::vec(op(), 0..120)) {
        let mut board = PresenceBoard::new(GRACE_MS);
        let mut model = Model::default();
        let mut heard: BTreeSet<UserId> = BTreeSet::new();
        let mut now = 1_000;
        for op in ops {
            let at = Timestamp::from_millis(now);
            let (found, wanted) = match op {
                Op::Came { user: u, device: d } => {
                    (told(board.came(&user(u), session(u, d), at)), model.came(u, d, now))
                }
                Op::Went { user: u, device: d } => {
                    board.went(&user(u), session(u, d), at);
                    model.went(u, d, now);
                    (Vec::new(), Vec::new())
                }
                Op::Expire => (told(board.expire(at)), model.expire(now)),
                Op::Time { millis } => {
                    now += millis;
                    (Vec::new(), Vec::new())
                }
            };
            prop_assert_eq!(&found, &wanted);
            for (user, online, _) in found {
                // Nobody comes twice without going, or goes without having come.
                let news = if online { heard.insert(user) } else { heard.remove(&user) };
                prop_assert!(news);
            }
            prop_assert_eq!(board.next_deadline(), model.next_deadline());
            for u in 0..USERS {
                prop_assert_eq!(board.is_online(&user(u)), model.is_there(u));
                prop_assert_eq!(heard.contains(&user(u)), model.is_there(u));
            }
        }
        for u in 0..USERS {
            for d in 0..DEVICES {
                board.went(&user(u), session(u, d), Timestamp::from_millis(now));
            }
        }
        board.expire(Timestamp::from_millis(i64::MAX));
        // As a new one in every field, also in those that no question reaches.
        prop_assert_eq!(format!("{board:?}"), format!("{:?}", PresenceBoard::new(GRACE_MS)));
    }
}

#[test]
fn a_reconnect_within_the_grace_is_silent() {
    let at = Timestamp::from_millis;
    let mut board = PresenceBoard::new(GRACE_MS);
    assert!(board.came(&user(0), session(0, 0), at(0)).is_some());
    board.went(&user(0), session(0, 0), at(100));
    assert_eq!(board.expire(at(129)), []);
    assert_eq!(board.came(&user(0), session(0, 1), at(129)), None);
    assert_eq!(board.next_deadline(), None);
    assert_eq!(board.expire(at(10_000)), []);
    assert!(board.is_online(&user(0)));
}

#[test]
fn a_user_goes_only_when_the_last_device_has_and_the_grace_is_over() {
    let at = Timestamp::from_millis;
    let mut board = PresenceBoard::new(GRACE_MS);
    board.came(&user(0), session(0, 0), at(0));
    assert_eq!(board.came(&user(0), session(0, 1), at(1)), None);
    board.went(&user(0), session(0, 0), at(10));
    assert_eq!(board.next_deadline(), None);
    board.went(&user(0), session(0, 1), at(50));
    assert_eq!(board.expire(at(79)), []);
    let gone = PresenceChange { user: user(0), online: false, at: at(50) };
    assert_eq!(board.expire(at(80)), [gone]);
    assert!(!board.is_online(&user(0)));
}
