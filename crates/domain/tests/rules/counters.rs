//! Seq, modseq, page limits and time: small arithmetic with ends.

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use tidings_domain::page::{PAGE_ROWS_MAX, PageLimit};
use tidings_domain::seq::{Modseq, Seq};
use tidings_domain::time::Timestamp;

proptest! {
    #[test]
    fn a_counter_counts_in_ones_and_orders_by_its_value(value in 0..u64::MAX, other in any::<u64>()) {
        prop_assert_eq!(Seq::new(value).next().get(), value + 1);
        prop_assert_eq!(Modseq::new(value).next().get(), value + 1);
        prop_assert_eq!(Seq::new(value).cmp(&Seq::new(other)), value.cmp(&other));
        prop_assert_eq!(Modseq::new(value).cmp(&Modseq::new(other)), value.cmp(&other));
    }

    #[test]
    fn a_page_limit_is_the_nearest_allowed_number(rows in any::<u32>()) {
        prop_assert_eq!(PageLimit::clamped(rows).get(), rows.clamp(1, PAGE_ROWS_MAX));
    }

    #[test]
    fn a_later_moment_is_never_an_earlier_one(at in any::<i64>(), millis in 0..=i64::MAX) {
        let from = Timestamp::from_millis(at);
        let to = from.plus_millis(millis);
        prop_assert!(to >= from);
        let exact = i128::from(at) + i128::from(millis);
        prop_assert_eq!(i128::from(to.as_millis()), exact.min(i128::from(i64::MAX)));
    }
}

#[test]
fn the_ends_of_the_counters_hold() {
    assert_eq!(Seq::ZERO.next(), Seq::new(1));
    assert_eq!(Seq::default(), Seq::ZERO);
    assert_eq!(Seq::new(u64::MAX).next(), Seq::new(u64::MAX));
    assert_eq!(Modseq::new(u64::MAX).next(), Modseq::new(u64::MAX));
}

#[test]
fn page_limits_are_exact_at_both_ends() {
    let cut = |rows| PageLimit::clamped(rows).get();
    assert_eq!([cut(0), cut(1), cut(2)], [1, 1, 2]);
    assert_eq!([cut(PAGE_ROWS_MAX - 1), cut(PAGE_ROWS_MAX), cut(PAGE_ROWS_MAX + 1)], [499, 500, 500]);
    assert_eq!(PageLimit::MAX.get(), PAGE_ROWS_MAX);
}
