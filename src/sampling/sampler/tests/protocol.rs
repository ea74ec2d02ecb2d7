//! Tests of the sampler as a protocol like any other.

use super::*;

/// What the trait's methods do is what the node's own do.
#[test]
fn the_protocol_does_what_the_node_does() {
    let (mut a, mut b) = (full_node(config()), node(20, config()));
    let (mut twin, mut other) = (full_node(config()), node(20, config()));
    let now = Time::new(ROUND);

    let exchange = a.poll_exchange(&mut Nobody, now).expect("due");
    let expected = twin.poll_round(now).expect("due");
    assert_eq!(exchange, expected);
    let response = Protocol::handle_request(&mut b, &0, exchange.request, now);
    let answer = other.handle_request(&0, expected.request, now);
    assert_eq!(response, Some(answer.clone()));
    a.handle_outcome(exchange.id, Ok(answer.clone()), now);
    twin.handle_response(expected.id, answer, now)
        .expect("in flight");
    assert_eq!(a.view(), twin.view());
    assert_eq!(Protocol::next_wake(&a), twin.next_wake());
}

#[test]
fn a_late_outcome_changes_nothing() {
    let mut a = full_node(config());
    let exchange = a.poll_exchange(&mut Nobody, Time::ZERO).expect("due");
    let wake = Protocol::next_wake(&a).expect("it times out");
    assert_eq!(Protocol::poll_expired(&mut a, wake.at), Some(exchange.id));
    assert_eq!(Protocol::poll_expired(&mut a, wake.at), None);
    let view = a.view().clone();
    let newcomer = Response {
        descriptors: vec![Descriptor::fresh(99)],
    };
    a.handle_outcome(exchange.id, Ok(newcomer), wake.at);
    a.handle_outcome(ExchangeId::new(77), Err(Failure::Unreachable), wake.at);
    assert_eq!(*a.view(), view);
}

#[test]
fn its_events_are_the_samples_of_the_overlay() {
    let rng = StdRng::seed_from_u64(1);
    let overlay = Basalt::for_view_size(10);
    let mut a = Sampler::new(0, config(), overlay, rng).expect("valid settings");
    a.init(1..=10_u32);
    let mut samples = Vec::new();
    for round in 0..20 {
        let now = Time::new(round * ROUND);
        while let Some(exchange) = a.poll_exchange(&mut Nobody, now) {
            a.handle_outcome(exchange.id, Err(Failure::Refused), now);
        }
        samples.extend(std::iter::from_fn(|| a.poll_event()));
    }
    assert!(samples.len() >= 5, "{samples:?}");
}
