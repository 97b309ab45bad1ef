//! Read markers, the unread formula and the read state of a message.

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
use tidings_domain::member::{MarkedVia, Member, ReadMarker, Standing, unread};
use tidings_domain::messaging::MessageView;
use tidings_domain::seq::Seq;

use crate::world::{Rows, at, message_id, role, sending, the_thread, user};

fn via() -> impl Strategy<Value = MarkedVia> {
    prop::sample::select(vec![
        MarkedVia::Send,
        MarkedVia::Message(message_id(1)),
        MarkedVia::Message(message_id(2)),
        MarkedVia::Thread,
    ])
}

fn strength(via: MarkedVia) -> u8 {
    match via {
        MarkedVia::Send => 0,
        MarkedVia::Message(_) => 1,
        MarkedVia::Thread => 2,
    }
}

fn standing() -> impl Strategy<Value = Standing> {
    prop::sample::select(vec![Standing::Active, Standing::Hidden, Standing::Left, Standing::Removed])
}

proptest! {
    #[test]
    fn a_marker_ends_at_the_strongest_of_the_highest(moves in prop::collection::vec((0..6_u64, via()), 0..30)) {
        let mut marker = ReadMarker::START;
        let mut best = (0, 0);
        for ((seq, via), moment) in moves.into_iter().zip(1..) {
            let before = marker;
            let moved = marker.moved(Seq::new(seq), at(moment), via);
            prop_assert_eq!(moved.is_some(), (seq, strength(via)) > best);
            if let Some(moved) = moved {
                marker = moved;
                best = (seq, strength(via));
                prop_assert_eq!(marker, ReadMarker { seq: Seq::new(seq), at: Some(at(moment)), via });
            }
            prop_assert!(marker.seq >= before.seq);
            prop_assert_eq!((marker.seq.get(), strength(marker.via)), best);
            // Said again, nothing is new.
            prop_assert_eq!(marker.moved(marker.seq, at(99), marker.via), None);
        }
    }

    #[test]
    fn unread_is_what_a_count_finds(
        deleted in prop::collection::vec(any::<bool>(), 0..40),
        read in 0..40_u64,
        visible_from in 0..40_u64,
    ) {
        let last = deleted.len() as u64;
        let mut member = Member::joining(the_thread(), user(0), role(0), at(0));
        // A marker never passes the head.
        member.marker.seq = Seq::new(read.min(last));
        member.visible_from = Seq::new(visible_from.min(last));
        let mut counted = 0;
        for (deleted, seq) in deleted.iter().zip(1..) {
            if member.sees(Seq::new(seq)) && seq > member.marker.seq.get() && !deleted {
                counted += 1;
            }
        }
        let above = member.unread_above();
        let tombstones = deleted.iter().zip(1..).filter(|(gone, seq)| **gone && *seq > above.get()).count();
        prop_assert_eq!(unread(Seq::new(last), above, tombstones as u64), counted);
    }

    #[test]
    fn unread_never_wraps(last in any::<u64>(), above in any::<u64>(), deleted in any::<u64>()) {
        let wide = i128::from(last) - i128::from(above);
        let left = wide.max(0) - i128::from(deleted);
        prop_assert_eq!(i128::from(unread(Seq::new(last), Seq::new(above), deleted)), left.max(0));
    }

    #[test]
    fn only_who_takes_part_sees_and_only_above_where_their_view_begins(
        standing in standing(),
        from in 0..5_u64,
        seq in 1..9_u64,
    ) {
        let mut member = Member::joining(the_thread(), user(0), role(0), at(0));
        member.standing = standing;
        member.visible_from = Seq::new(from);
        let takes_part = standing == Standing::Active || standing == Standing::Hidden;
        prop_assert_eq!(member.takes_part(), takes_part);
        prop_assert_eq!(member.sees(Seq::new(seq)), takes_part && seq > from);
    }

    #[test]
    fn a_message_is_read_when_every_other_marker_has_passed_it(
        others in prop::collection::vec((standing(), 0..4_u64, 0..50_i64, 0..4_u64), 0..5),
    ) {
        use tidings_domain::decision::Decision;
        let found = Rows::opened(1).snapshot(&[sending(0, 0, 0, None, 5).scope()]);
        let (mut message, _, _) = sending(0, 0, 0, None, 5).decide(&found).unwrap().output;
        message.seq = Seq::new(2);
        let author = Member::joining(the_thread(), user(0), role(0), at(0));
        let mut members = vec![author];
        let mut latest = None;
        let mut everyone = true;
        for ((standing, read, moment, from), n) in others.iter().copied().zip(1..) {
            let mut member = Member::joining(the_thread(), user(n), role(n), at(0));
            member.standing = standing;
            member.visible_from = Seq::new(from);
            member.marker.seq = Seq::new(read);
            member.marker.at = (read > 0).then(|| at(moment));
            // Whose view begins behind it counts only when they had read it before.
            if member.takes_part() && (read >= 2 || from < 2) {
                everyone &= read >= 2;
                latest = latest.max(Some(moment));
            }
            members.push(member);
        }
        let view = MessageView::of(message, None, &members);
        prop_assert_eq!(view.read_at, if everyone { latest.map(at) } else { None });
        prop_assert_eq!(view.is_read(), view.read_at.is_some());
    }
}

#[test]
fn a_marker_starts_before_everything() {
    assert_eq!(ReadMarker::START.seq, Seq::ZERO);
    assert_eq!(ReadMarker::START.at, None);
    assert_eq!(ReadMarker::START.moved(Seq::ZERO, at(1), MarkedVia::Send), None);
    assert!(ReadMarker::START.moved(Seq::new(1), at(1), MarkedVia::Send).is_some());
}
