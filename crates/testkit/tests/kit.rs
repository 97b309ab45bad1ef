//! The kit's own parts.

use tidings_domain::ports::{Clock, IdSource};
use tidings_testkit::{ManualClock, SeededIds, T0};

#[test]
fn ids_are_the_same_in_every_run_and_carry_the_time() {
    let (one, same, other) = (SeededIds::new(1), SeededIds::new(1), SeededIds::new(2));
    let ids: Vec<_> = (0..100).map(|_| one.uuid_v7(T0)).collect();
    assert!(ids.iter().all(|id| *id == same.uuid_v7(T0)));
    assert!(ids.iter().all(|id| *id != other.uuid_v7(T0)));
    let millis = u64::try_from(T0.as_millis()).unwrap();
    for id in &ids {
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.as_u128() >> 80, u128::from(millis));
    }
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), ids.len());
}

#[test]
fn a_clock_stands_until_it_is_moved() {
    let clock = ManualClock::at(T0);
    assert_eq!((clock.now(), clock.now()), (T0, T0));
    assert_eq!(clock.advance(250), T0.plus_millis(250));
    assert_eq!(clock.advance(-50), clock.now());
    assert_eq!(clock.now(), T0.plus_millis(200));
}
