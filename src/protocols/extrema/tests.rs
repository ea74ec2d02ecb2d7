//! Tests of one node that looks for extremes.

#[cfg(feature = "simulator")]
mod network;

use std::time::Duration;

use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

use super::*;
use crate::gossip::Nobody;

type Node = Extrema<u32, Xoshiro256PlusPlus>;

const EPOCH: u32 = 10;

/// A neighbour, 9, and the partner of the sampler's latest exchange, unless it was taken.
struct Known(Option<u32>);

impl Peers<u32> for Known {
    fn select_peer(&mut self) -> Option<u32> {
        None
    }

    fn neighbours(&self) -> &[u32] {
        &[9]
    }

    fn next_exchanged(&mut self) -> Option<u32> {
        self.0.take()
    }
}

fn node(value: f64) -> Node {
    let config = Config::new(0.0..=100.0).with_epoch(EPOCH);
    let rng = Xoshiro256PlusPlus::seed_from_u64(1);
    Extrema::new(config, value, rng).expect("valid settings")
}

fn extremes(min: f64, max: f64) -> Extremes {
    Extremes { min, max }
}

fn message(epoch: u64, min: f64, max: f64) -> Message {
    let extremes = extremes(min, max);
    Message { epoch, extremes }
}

/// Lets so many rounds begin, without a partner.
fn pass(node: &mut Node, rounds: u32) {
    for _ in 0..rounds {
        let due = node.rounds.next_round();
        assert!(node.poll_exchange(&mut Nobody, due).is_none());
    }
}

/// One exchange, which is answered by this.
fn ask(node: &mut Node, answer: Message) {
    let now = node.rounds.next_round();
    let exchange = node.poll_exchange(&mut Known(Some(8)), now);
    let exchange = exchange.expect("a round is due");
    node.handle_outcome(exchange.id, Ok(answer), now);
}

fn hear(node: &mut Node, heard: Message) -> Option<Message> {
    node.handle_request(&7, heard, Time::ZERO)
}

#[test]
fn what_comes_in_is_clamped_and_told_once() {
    let mut node = node(50.0);
    assert_eq!(node.poll_event(), None, "the own value is no news");
    let answer = hear(&mut node, message(0, -5.0, f64::INFINITY));
    assert_eq!(answer, Some(message(0, 0.0, 100.0)));
    let changed = Event::Changed(extremes(0.0, 100.0));
    assert_eq!(node.poll_event(), Some(changed));
    hear(&mut node, message(0, 1.0, 99.0));
    assert_eq!(node.poll_event(), None);
}

#[test]
fn what_is_not_a_number_changes_nothing() {
    let mut node = node(50.0);
    assert_eq!(node.set(f64::NAN), Err(NotANumber));
    hear(&mut node, message(0, f64::NAN, 60.0));
    assert_eq!(node.estimate(), extremes(50.0, 50.0));
    assert_eq!(node.set(1_000.0), Ok(()));
    assert_eq!(node.estimate(), extremes(50.0, 100.0));
    let rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let refused = Node::new(Config::new(0.0..=1.0), f64::NAN, rng).err();
    assert_eq!(refused, Some(ConfigError::Value(NotANumber)));
}

#[test]
fn a_value_that_is_gone_is_forgotten_after_two_epochs() {
    let mut node = node(50.0);
    hear(&mut node, message(0, 50.0, 90.0));
    pass(&mut node, EPOCH + 1);
    assert_eq!((node.epoch(), node.estimate().max), (1, 90.0));
    pass(&mut node, EPOCH);
    assert_eq!((node.epoch(), node.estimate().max), (2, 50.0));
}

#[test]
fn a_later_epoch_is_followed_when_half_of_the_own_one_is_over() {
    let mut node = node(50.0);
    hear(&mut node, message(0, 50.0, 50.0));
    pass(&mut node, EPOCH / 2 - 1);
    hear(&mut node, message(1, 50.0, 90.0));
    assert_eq!((node.epoch(), node.estimate().max), (0, 50.0));
    pass(&mut node, 1);
    hear(&mut node, message(1, 50.0, 90.0));
    assert_eq!((node.epoch(), node.estimate().max), (1, 90.0));
    hear(&mut node, message(0, 50.0, 95.0));
    assert_eq!(node.estimate().max, 90.0, "an earlier epoch");
}

#[test]
fn a_newcomer_takes_the_first_number_and_leaves_it_when_most_are_far_off() {
    let mut node = node(50.0);
    let lie = message(u64::MAX, 50.0, 50.0);
    let truth = message(7, 50.0, 90.0);
    hear(&mut node, lie);
    assert_eq!(node.epoch(), u64::MAX);
    ask(&mut node, lie);
    for _ in 1..EPOCH {
        for _ in 0..9 {
            hear(&mut node, lie);
        }
        ask(&mut node, truth);
        assert_eq!(node.epoch(), u64::MAX, "too far off to count");
    }
    ask(&mut node, truth);
    assert_eq!((node.epoch(), node.estimate().max), (7, 90.0));
}

#[test]
fn who_is_in_touch_is_not_led_away() {
    let mut node = node(50.0);
    hear(&mut node, message(3, 50.0, 50.0));
    pass(&mut node, EPOCH - 1);
    hear(&mut node, message(3 + MAX_JUMP + 1, 50.0, 90.0));
    assert_eq!((node.epoch(), node.estimate().max), (3, 50.0));
    hear(&mut node, message(3, 50.0, 60.0));
    pass(&mut node, 2);
    hear(&mut node, message(u64::MAX, 50.0, 90.0));
    assert_eq!((node.epoch(), node.estimate().max), (4, 60.0));
}

#[test]
fn a_round_waits_for_the_sampler_and_is_made_up_for_with_a_neighbour() {
    let mut node = node(50.0);
    let partner = |node: &mut Node, exchanged, now| {
        let exchange = node.poll_exchange(&mut Known(exchanged), now);
        exchange.map(|exchange| exchange.partner)
    };
    let first = node.rounds.next_round();
    assert_eq!(partner(&mut node, None, first), None);
    let second = node.rounds.next_round();
    assert_eq!(partner(&mut node, None, second), Some(9));
    assert_eq!(partner(&mut node, None, second), None);
    assert_eq!(partner(&mut node, Some(8), second), Some(8));
    assert_eq!(partner(&mut node, Some(7), second), None, "one per round");
    let third = node.rounds.next_round();
    assert_eq!(partner(&mut node, Some(7), third), Some(7));
    assert_eq!(partner(&mut node, None, third), None);
}

#[test]
fn an_exchange_without_an_answer_is_given_up_after_a_period() {
    let mut node = node(50.0);
    assert!(node.poll_exchange(&mut Nobody, Time::ZERO).is_none());
    let exchange = node.poll_exchange(&mut Known(Some(8)), Time::ZERO);
    let id = exchange
        .map(|exchange| exchange.id)
        .expect("the turn is kept");
    let over = Time::ZERO + Duration::from_secs(10);
    assert_eq!(node.next_wake().map(|wake| wake.at <= over), Some(true));
    assert_eq!(node.poll_expired(over), Some(id));
    node.handle_outcome(id, Ok(message(0, 50.0, 90.0)), over);
    assert_eq!(node.estimate().max, 50.0, "it came too late");
}
