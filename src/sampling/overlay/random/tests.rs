//! Tests of the random overlay: healer, swapper, and what moves them.

use rand::{SeedableRng, rngs::StdRng};

use super::*;
use crate::sampling::{overlay::exchange, view::Descriptor};

fn view(peers: impl IntoIterator<Item = u32>) -> View<u32> {
    peers
        .into_iter()
        .map(|peer| Descriptor { peer, age: 1 })
        .collect()
}

fn merge(overlay: &mut Random, view: &mut View<u32>, sent: &[u32], received: &[(u32, u32)]) {
    merge_at(Side::Active, overlay, view, sent, received);
}

fn merge_at(
    side: Side,
    overlay: &mut Random,
    view: &mut View<u32>,
    sent: &[u32],
    received: &[(u32, u32)],
) {
    let mut received = received
        .iter()
        .map(|&(peer, age)| Descriptor { peer, age })
        .collect();
    let merge = Merge {
        view_size: 10,
        partner: &99,
        side,
        sent,
        received: &mut received,
        candidates: &[],
    };
    overlay.merge(view, merge, &mut StdRng::seed_from_u64(3));
    assert!(received.is_empty());
}

/// The regression test of the order-preserving swapper: a view kept in a hash set, or one
/// that an inbound exchange has reordered, would drop others than those it sent.
#[test]
fn the_swapper_drops_what_was_sent() {
    let mut overlay = Random::swapper(10);
    let mut view = view(0..10);
    // Sent in an order that is not the view's, as after an inbound exchange in between.
    let sent = [7, 2, 9, 4, 0];
    merge(
        &mut overlay,
        &mut view,
        &sent,
        &[(20, 1), (21, 1), (22, 1), (23, 1), (24, 1)],
    );
    assert_eq!(view.len(), 10);
    assert!(sent.iter().all(|gone| !view.contains(gone)), "{view:?}");
    assert!([1, 3, 5, 6, 8].iter().all(|kept| view.contains(kept)));
    assert!((20..25).all(|new| view.contains(&new)));
}

#[test]
fn the_swapper_drops_in_the_order_sent_and_only_as_many_as_it_must() {
    let mut overlay = Random::swapper(10);
    let mut view = view(0..10);
    merge(&mut overlay, &mut view, &[7, 2, 9, 4], &[(20, 1), (7, 0)]);
    // One too many: 7, refreshed in place, is still the first that was sent.
    assert_eq!(view.len(), 10);
    assert!(!view.contains(&7));
    assert!(view.contains(&2));
}

#[test]
fn the_healer_drops_the_oldest_wherever_they_come_from() {
    let mut overlay = Random::healer(10);
    let mut view = view(0..10);
    merge(
        &mut overlay,
        &mut view,
        &[0, 1],
        &[(20, 9), (21, 0), (22, 8)],
    );
    assert_eq!(view.len(), 10);
    assert!(!view.contains(&20) && !view.contains(&22) && view.contains(&21));
    // The third to go is among equals the first of the view.
    assert!(!view.contains(&0));
}

#[test]
fn blind_keeps_the_size_and_no_preference() {
    let mut overlay = Random::blind();
    let mut view = view(0..10);
    merge(
        &mut overlay,
        &mut view,
        &[0, 1],
        &[(20, 9), (21, 0), (22, 8)],
    );
    assert_eq!(view.len(), 10);
}

#[test]
fn a_view_with_room_loses_nobody() {
    for mut overlay in [Random::blind(), Random::healer(10), Random::swapper(10)] {
        let mut view = view(0..3);
        merge(&mut overlay, &mut view, &[0, 1, 2], &[(20, 9), (21, 0)]);
        assert_eq!(view.len(), 5);
    }
}

#[test]
fn healer_and_swapper_are_bounded_by_half_of_the_view() {
    let check = |overlay: Random, c| Overlay::<u32>::check(&overlay, c);
    assert_eq!(check(Random::new(3, 12), 30), Ok(()));
    assert_eq!(
        check(Random::new(4, 12), 30).unwrap_err().to_string(),
        "healer 4 + swapper 12 must be at most half of the view size 30, that is 15"
    );
    assert!(check(Random::new(usize::MAX, 1), 30).is_err());
}

fn failing(mut overlay: Random, failures: usize) -> Random {
    (0..failures).for_each(|_| Overlay::<u32>::exchange_ended(&mut overlay, &1, Outcome::Broken));
    overlay
}

#[test]
fn adaptive_drops_the_oldest_at_rest_only_where_it_is_asked() {
    let sent = [0, 1, 2, 3];
    let received = [(20, 1), (21, 1), (22, 1), (23, 1), (24, 1)];
    for (side, oldest_stays) in [(Side::Active, true), (Side::Passive, false)] {
        // 8 is the oldest.
        let age = |peer| if peer == 8 { 7 } else { 1 };
        let mut view: View<u32> = (0..10)
            .map(|peer| Descriptor {
                peer,
                age: age(peer),
            })
            .collect();
        // The asking side knew its partner: nothing new at the front.
        let received = match side {
            Side::Active => &received[1..],
            Side::Passive => &received[..],
        };
        merge_at(side, &mut Random::adaptive(10), &mut view, &sent, received);
        assert_eq!(view.len(), 10);
        assert_eq!(view.contains(&8), oldest_stays, "{side:?}");
        assert!(sent.iter().all(|gone| !view.contains(gone)), "{side:?}");
        assert!([4, 5, 6, 7, 9].iter().all(|kept| view.contains(kept)));
    }
}

#[test]
fn adaptive_turns_into_the_healer_in_a_burst_and_back_after_it() {
    let at = |overlay: &Random, side| overlay.for_merge(side);
    let rest = Random::adaptive(30);
    assert_eq!(at(&rest, Side::Active), (0, 15));
    assert_eq!(at(&rest, Side::Passive), (1, 14));
    let isolated = failing(rest, 1);
    assert_eq!(at(&isolated, Side::Active), (0, 15));
    let mut burst = failing(rest, 4);
    assert_eq!(at(&burst, Side::Active), (15, 0));
    assert_eq!(at(&burst, Side::Passive), (15, 0));
    (0..10).for_each(|_| Overlay::<u32>::exchange_ended(&mut burst, &1, Outcome::Answered));
    assert_eq!(burst, rest);
}

#[test]
fn adaptive_stays_within_half_of_the_view() {
    for c in 2..=200 {
        for failures in 0..=20 {
            let overlay = failing(Random::for_view_size(c), failures);
            assert_eq!(Overlay::<u32>::check(&overlay, c), Ok(()), "c={c}");
            for side in [Side::Active, Side::Passive] {
                let (healer, swapper) = overlay.for_merge(side);
                assert_eq!(healer + swapper, c / 2, "c={c}, {failures} failures");
            }
        }
    }
    let of_another = Overlay::<u32>::check(&Random::adaptive(30), 20);
    assert!(of_another.is_err(), "made for larger views");
}

#[test]
fn a_fixed_healer_is_not_moved_by_failures() {
    let fixed = Random::new(3, 12);
    assert_eq!(failing(fixed, 10), fixed);
}

#[test]
fn the_oldest_are_kept_back_from_what_is_sent() {
    for (overlay, kept_back) in [
        (Random::swapper(10), 0),
        (Random::adaptive(10), 1),
        (failing(Random::adaptive(10), 4), 5),
    ] {
        let mut view: View<u32> = (0..10).map(|peer| Descriptor { peer, age: peer }).collect();
        let mut outgoing = exchange::to(&9, Side::Active, 10);
        let mut rng = StdRng::seed_from_u64(5);
        { overlay }.compose(&mut view, &mut outgoing, &mut rng);
        assert_eq!(outgoing.len(), 4);
        let tail = view.iter().rev().take(kept_back).map(|d| d.peer);
        assert!(tail.eq((0..10).rev().take(kept_back)), "{view:?}");
    }
}
