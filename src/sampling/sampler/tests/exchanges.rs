//! Tests of exchanges: what is sent, what is merged, when they end.

use super::*;

#[test]
fn an_exchange_teaches_both_sides_of_each_other() {
    let (mut a, mut b) = (node(1, config()), node(2, config()));
    let exchange = a.exchange_with(2, Time::ZERO).expect("free");
    assert_eq!(exchange.request.descriptors, [Descriptor::fresh(1)]);
    let response = b.handle_request(&1, exchange.request, Time::new(ROUND));
    assert_eq!(response.descriptors, [Descriptor::fresh(2)]);
    assert_eq!(a.handle_response(exchange.id, response, Time::ZERO), Ok(2));
    assert_eq!(a.view().as_slice(), [Descriptor { peer: 2, age: 1 }]);
    assert_eq!(b.view().as_slice(), [Descriptor { peer: 1, age: 1 }]);
}

#[test]
fn push_sends_and_pull_asks() {
    let push = config().with_propagation(Propagation::Push);
    let pull = config().with_propagation(Propagation::Pull);

    let (mut a, mut b) = (full_node(push), node(20, config()));
    let exchange = a.poll_round(Time::ZERO).expect("due");
    assert_eq!(exchange.request.descriptors.len(), 5);
    let response = b.handle_request(&0, exchange.request, Time::new(ROUND));
    assert_eq!(response, empty());
    assert_eq!(b.view().len(), 5);
    let unasked = Response {
        descriptors: vec![Descriptor::fresh(99)],
    };
    a.handle_response(exchange.id, unasked, Time::new(ROUND))
        .expect("in flight");
    assert!(!a.view().contains(&99), "an answer nobody asked for");

    let mut a = full_node(pull);
    let exchange = a.poll_round(Time::ZERO).expect("due");
    assert!(exchange.request.descriptors.is_empty());
    let response = b.handle_request(&0, exchange.request, Time::new(ROUND));
    assert_eq!(response.descriptors[0], Descriptor::fresh(20));
    a.handle_response(exchange.id, response, Time::new(ROUND))
        .expect("in flight");
    assert!(a.view().contains(&20));
}

#[test]
fn a_node_that_does_not_advertise_takes_part_unseen() {
    let (mut a, mut b) = (node(1, config()), node(2, config()));
    a.set_local(None);
    let exchange = a.exchange_with(2, Time::ZERO).expect("free");
    let response = b.handle_request(&1, exchange.request, Time::new(ROUND));
    a.handle_response(exchange.id, response, Time::ZERO)
        .expect("in flight");
    assert!(a.view().contains(&2));
    assert!(b.view().is_empty());
}

#[test]
fn descriptors_of_oneself_are_dropped() {
    let mut a = node(1, config());
    a.init([1]);
    let request = Request {
        descriptors: vec![Descriptor::fresh(1), Descriptor::fresh(3)],
        pull: false,
        room: usize::MAX,
    };
    a.handle_request(&3, request, Time::new(ROUND));
    assert_eq!(a.view().len(), 1);
    assert!(!a.view().contains(&1));
}

/// Inbound exchanges permute the view while an own exchange is in flight; what goes is still
/// what that exchange sent.
#[test]
fn the_swapper_remembers_what_each_exchange_sent() {
    let rng = StdRng::seed_from_u64(9);
    let mut a = Node::new(0, config(), Random::swapper(10), rng).expect("valid settings");
    a.init(1..=10);
    let exchange = a.poll_round(Time::ZERO).expect("due");
    let sent: Vec<u32> = exchange
        .request
        .descriptors
        .iter()
        .map(|d| d.peer)
        .collect();
    assert_eq!(sent.len(), 4);
    for _ in 0..5 {
        let pull = Request {
            descriptors: Vec::new(),
            pull: true,
            room: usize::MAX,
        };
        a.handle_request(&99, pull, Time::new(ROUND));
    }
    let response = Response {
        descriptors: (20..24).map(Descriptor::fresh).collect(),
    };
    a.handle_response(exchange.id, response, Time::new(ROUND))
        .expect("in flight");
    assert_eq!(a.view().len(), 10);
    assert!(sent.iter().all(|id| !a.view().contains(id)), "{a:?}");
}

#[test]
fn silence_times_out_and_late_answers_are_refused() {
    let mut a = full_node(config());
    let exchange = a.poll_round(Time::ZERO).expect("due");
    assert_eq!(a.next_wake().map(|wake| wake.at), Some(Time::new(ROUND)));
    assert_eq!(
        a.poll_expired(Time::new(ROUND - Duration::from_nanos(1))),
        None
    );
    let failed = a.poll_expired(Time::new(ROUND)).expect("over");
    assert_eq!((failed.id, failed.partner), (exchange.id, exchange.partner));
    let view = a.view().clone();
    assert_eq!(
        a.handle_response(exchange.id, empty(), Time::new(ROUND)),
        Err(UnknownExchange)
    );
    assert_eq!(
        a.handle_failure(exchange.id, Failure::Broken, Time::new(ROUND)),
        Err(UnknownExchange)
    );
    assert_eq!(*a.view(), view);
}

#[test]
fn one_exchange_at_a_time_with_each_peer_and_none_with_oneself() {
    let mut a = full_node(config());
    let _first = a.exchange_with(1, Time::new(ROUND)).expect("free");
    assert!(a.exchange_with(1, Time::new(ROUND)).is_none());
    assert!(a.exchange_with(0, Time::new(ROUND)).is_none());
    let others = 100..100 + MAX_IN_FLIGHT as u32;
    let started = others
        .filter_map(|id| a.exchange_with(id, Time::new(ROUND)))
        .count();
    assert_eq!(started, MAX_IN_FLIGHT - 1);
}

/// What is sent is what fits, and what was sent is what the swapper takes out.
#[test]
fn answers_keep_to_the_room_there_is() {
    #[derive(Debug, Clone, PartialEq)]
    struct Heavy(u32);
    impl Peer for Heavy {
        type Id = u32;

        fn id(&self) -> &u32 {
            &self.0
        }

        fn size(&self) -> usize {
            100
        }
    }
    let rng = StdRng::seed_from_u64(1);
    let overlay = Random::swapper(10);
    let mut a = Sampler::new(0, config(), overlay, rng).expect("valid settings");
    a.set_local(Some(Heavy(0)));
    a.init((1..=10).map(Heavy));
    for (room, count) in [(0, 0), (99, 0), (100, 1), (399, 3), (usize::MAX, 5)] {
        let request = Request {
            descriptors: Vec::new(),
            pull: true,
            room,
        };
        let answer = a.handle_request(&99, request, Time::new(ROUND));
        assert_eq!(answer.descriptors.len(), count, "room for {room} bytes");
    }
}
