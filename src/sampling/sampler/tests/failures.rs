//! Tests of failures: who leaves the view, who gets another chance.

use super::*;

#[test]
fn the_unreachable_leave_at_once_and_others_are_tried() {
    let mut a = full_node(config().with_retries(2));
    let mut tried = Vec::new();
    while let Some(exchange) = a.poll_round(Time::new(ROUND)) {
        tried.push(exchange.partner);
        let failed = a.handle_failure(exchange.id, Failure::Unreachable, Time::new(ROUND));
        assert!(failed.expect("in flight").removed);
    }
    assert_eq!(tried, [1, 2, 3]);
    assert_eq!(a.view().len(), 7);
}

#[test]
fn the_broken_leave_only_when_it_happens_twice_in_a_row() {
    let mut a = full_node(config().with_retries(0));
    let fail = |a: &mut Node, round: u32| {
        let exchange = a.exchange_with(1, Time::new(round * ROUND)).expect("free");
        let failed = a.handle_failure(exchange.id, Failure::Broken, Time::new(ROUND));
        failed.expect("in flight").removed
    };
    assert!(!fail(&mut a, 1));
    let exchange = a.exchange_with(1, Time::new(ROUND)).expect("free");
    a.handle_response(exchange.id, empty(), Time::new(ROUND))
        .expect("in flight");
    assert!(!fail(&mut a, 2));
    assert!(fail(&mut a, 3));
    assert!(!a.view().contains(&1));
}

/// A peer that this node itself refuses to dial, for a block list, is the oldest for ever.
#[test]
fn our_own_refusal_blames_nobody_and_blocks_nobody_else() {
    let mut a = full_node(config());
    for round in 1..=5 {
        let exchange = a.poll_round(Time::new(round * ROUND)).expect("due");
        let mut partner = exchange.partner;
        if partner == 1 {
            assert_eq!(round, 1, "passed over once it was refused");
            let failed = a.handle_failure(exchange.id, Failure::Refused, Time::new(ROUND));
            assert!(!failed.expect("in flight").removed);
            let other = a
                .poll_round(Time::new(round * ROUND))
                .expect("another in its place");
            partner = other.partner;
            a.handle_response(other.id, empty(), Time::new(round * ROUND))
                .expect("in flight");
        } else {
            a.handle_response(exchange.id, empty(), Time::new(round * ROUND))
                .expect("in flight");
        }
        assert_ne!(partner, 1);
    }
    assert_eq!(a.view().len(), 10);
}

#[test]
fn a_refused_peer_is_tried_again_when_there_is_nobody_else() {
    let mut a = node(0, config());
    a.init([1]);
    for round in 1..=3 {
        let exchange = a.poll_round(Time::new(round * ROUND)).expect("due");
        assert_eq!(exchange.partner, 1);
        a.handle_failure(exchange.id, Failure::Refused, Time::new(ROUND))
            .expect("in flight");
        assert!(a.poll_round(Time::new(round * ROUND)).is_none());
    }
}

#[test]
fn an_exchange_that_is_refused_is_made_with_another_within_the_same_round() {
    let mut a = full_node(config());
    let refused = a.poll_round(Time::new(ROUND)).expect("due");
    let itself = a.exchange_instead(refused.id, refused.partner, Time::new(ROUND));
    assert_eq!((itself, a.in_flight()), (None, 1));
    assert_eq!(
        a.exchange_instead(refused.id, 0, Time::new(ROUND)),
        None,
        "ourselves"
    );
    // Not in the view: a neighbour.
    let other = a
        .exchange_instead(refused.id, 99, Time::new(ROUND))
        .expect("free");
    assert_eq!((other.partner, a.in_flight()), (99, 1));
    assert!(
        a.poll_round(Time::new(ROUND)).is_none(),
        "the round tries nobody else"
    );
    assert_eq!(
        a.exchange_instead(refused.id, 98, Time::new(ROUND)),
        None,
        "over"
    );
    let seed = a.exchange_with(97, Time::new(ROUND)).expect("free");
    assert_eq!(
        a.exchange_instead(seed.id, 98, Time::new(ROUND)),
        None,
        "of no round"
    );
    // Unless that fails as well.
    a.handle_failure(other.id, Failure::Broken, Time::new(ROUND))
        .expect("in flight");
    let third = a.poll_round(Time::new(ROUND)).expect("in its place");
    assert_ne!(third.partner, refused.partner);
    assert!(a.view().contains(&refused.partner));
}

#[test]
fn the_peer_refused_for_longest_has_another_chance_first() {
    let mut a = node(0, config().with_retries(0));
    a.init([1, 2, 3]);
    for partner in [2, 1] {
        let exchange = a.exchange_with(partner, Time::new(ROUND)).expect("free");
        a.handle_failure(exchange.id, Failure::Refused, Time::new(ROUND))
            .expect("in flight");
    }
    a.reconsider();
    let _with_3 = a.exchange_with(3, Time::new(ROUND)).expect("free");
    assert_eq!(a.poll_round(Time::new(ROUND)).expect("due").partner, 2);
}

#[test]
fn an_inbound_exchange_clears_a_suspect() {
    let mut a = full_node(config().with_retries(0));
    for _ in 0..2 {
        let exchange = a.exchange_with(1, Time::new(ROUND)).expect("free");
        let failed = a.handle_failure(exchange.id, Failure::Broken, Time::new(ROUND));
        assert!(!failed.expect("in flight").removed);
        let ping = Request {
            descriptors: Vec::new(),
            pull: true,
            room: usize::MAX,
        };
        a.handle_request(&1, ping, Time::new(ROUND));
    }
}

/// Nobody is left: it may be this node that was cut off, so all may come back.
#[test]
fn a_node_left_with_nobody_forgives_all() {
    let quarantine = Some(Backoff::new(ROUND, 10 * ROUND));
    let mut a = node(0, config().with_quarantine(quarantine).with_retries(5));
    a.init([1, 2]);
    let tell = |a: &mut Node, peers: &[u32]| {
        let request = Request {
            descriptors: peers.iter().copied().map(Descriptor::fresh).collect(),
            pull: false,
            room: usize::MAX,
        };
        a.handle_request(&99, request, Time::new(ROUND));
    };
    let fail = |a: &mut Node| {
        let exchange = a.poll_round(Time::new(ROUND)).expect("due");
        a.handle_failure(exchange.id, Failure::Unreachable, Time::new(ROUND))
            .expect("in flight");
        exchange.partner
    };
    let first = fail(&mut a);
    tell(&mut a, &[first]);
    assert!(!a.view().contains(&first), "in quarantine");
    fail(&mut a);
    assert!(a.view().is_empty());
    tell(&mut a, &[first]);
    assert!(a.view().contains(&first), "forgiven");
}

/// A peer that comes and says goodbye again and again uses up what may enter in a round; but
/// without anybody there would be no next round.
#[test]
fn a_node_left_with_nobody_lets_the_next_in_at_once() {
    let diversity = Diversity {
        per_source: 10,
        per_prefix: 10,
        per_round: 2,
    };
    let quarantine = Some(Backoff::new(ROUND, ROUND));
    let config = config().with_diversity(Some(diversity));
    let mut a = node(0, config.with_quarantine(quarantine));
    a.init([8]);
    let exchange = a.poll_round(Time::new(ROUND)).expect("due");
    let tell = |a: &mut Node, peer: u32| {
        let request = Request {
            descriptors: vec![Descriptor::fresh(peer)],
            pull: false,
            room: usize::MAX,
        };
        a.handle_request(&peer, request, Time::new(ROUND));
    };
    tell(&mut a, 1);
    a.handle_failure(exchange.id, Failure::Unreachable, Time::new(ROUND))
        .expect("in flight");
    assert!(a.view().contains(&1) && a.view().len() == 1);
    for visitor in 2..10 {
        a.remove(&(visitor - 1));
        assert!(a.view().is_empty());
        tell(&mut a, visitor);
        assert!(a.view().contains(&visitor), "8 too, that has failed");
    }
}
