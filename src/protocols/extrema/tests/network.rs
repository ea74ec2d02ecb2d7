//! Extremes in simulated networks, where messages take their time and get lost.

use std::time::Duration;

use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

use crate::{
    gossip::partners::Partners,
    protocols::extrema::{Extrema, Extremes, config::Config},
    sampling::overlay::random::Random,
    simulator::{
        config::Config as Simulation,
        driver::Driver,
        events::Events,
        faults::{Crash, Faults},
        latency::Latency,
    },
};

const NODES: usize = 1_000;
/// In periods of ten seconds.
const LATENCY: f64 = 0.02;

type Network = Events<Random, Extrema<u32, Xoshiro256PlusPlus>>;

/// Each node's value is its number.
fn network(faults: Faults, config: Config) -> Network {
    let simulation = Simulation::new(NODES)
        .with_seed(5)
        .with_latency(Latency::Constant(Duration::from_secs_f64(LATENCY * 10.0)))
        .with_faults(faults);
    let make = move |id: u32| {
        let rng = Xoshiro256PlusPlus::seed_from_u64(id.into());
        Extrema::new(config.clone(), id.into(), rng).expect("valid settings")
    };
    Events::with_riders(simulation, Random::for_view_size(30), make).expect("valid settings")
}

fn config() -> Config {
    Config::new(-1e6..=1e6)
}

fn all_know(network: &Network, extremes: Extremes) -> bool {
    network
        .riders()
        .all(|(_, rider)| rider.estimate() == extremes)
}

/// How many rounds it takes until all know new extremes, which two nodes have from now on.
fn rounds_until_known(network: &mut Network) -> u32 {
    let [min, max] = [-1e3, 1e5];
    for (id, value) in [(17, min), (170, max)] {
        let set = network.with_rider(id, |rider, _| rider.set(value));
        assert_eq!(set, Some(Ok(())));
    }
    for round in 1..100 {
        network.next_round();
        if all_know(network, Extremes { min, max }) {
            return round;
        }
    }
    panic!("they never come to all");
}

/// In how many rounds all know, by theory.
///
/// A node that does not know yet asks once per round, and is asked once per round on average. Of
/// the first, both messages have to arrive, of the second one: with a loss of `p` per message, it
/// learns at a rate of `r = (1-p)² + (1-p)` times the share of those that know. So that share grows
/// logistically from `1/n` on, and the rest shrinks to `1/n`, in `2 ln(n) / r` rounds. Messages
/// take their latency, answers twice. And four rounds more for chance: for `p` up to a fifth, that
/// one of the nodes has not learned by then has a probability of `exp(-4r)`, below 0.4 %.
fn bound(loss: f64) -> f64 {
    let arrives = 1.0 - loss;
    let rate = arrives * arrives + arrives;
    let spread = 2.0 * (NODES as f64).ln() / rate;
    spread * (1.0 + 2.0 * LATENCY) + 4.0
}

#[test]
fn extremes_are_known_to_all_as_soon_as_theory_says() {
    for (loss, partners) in [
        (0.0, Partners::Exchanged),
        (0.0, Partners::Samples),
        (0.1, Partners::Exchanged),
        (0.2, Partners::Exchanged),
    ] {
        let config = config().with_epoch(1_000).with_partners(partners);
        let mut network = network(Faults::none().with_loss(loss), config);
        (0..10).for_each(|_| network.next_round());
        let rounds = rounds_until_known(&mut network);
        let most = bound(loss);
        eprintln!("loss {loss}, {partners:?}: {rounds} rounds, at most {most:.1}");
        assert!(
            f64::from(rounds) <= most,
            "{loss} {partners:?}: {rounds} > {most}"
        );
        assert!(rounds >= 4, "faster than light: 3^4 < 1,000");
    }
}

#[test]
fn extremes_whose_nodes_are_gone_are_forgotten_by_all_after_two_epochs() {
    let epoch = 20;
    let crash = Crash {
        fraction: 0.5,
        round: 25,
    };
    let faults = Faults::none().with_crash(crash).with_loss(0.05);
    let mut network = network(faults, config().with_epoch(epoch));
    (0..25).for_each(|_| network.next_round());
    let before = Extremes {
        min: 0.0,
        max: (NODES - 1) as f64,
    };
    assert!(all_know(&network, before));
    network.next_round();
    let left = |network: &Network| {
        let ids = network.riders().map(|(id, _)| f64::from(id));
        let min = ids.clone().fold(f64::INFINITY, f64::min);
        let max = ids.fold(f64::NEG_INFINITY, f64::max);
        Extremes { min, max }
    };
    let after = left(&network);
    assert_ne!(before, after, "the seed lets the wrong ones crash");
    for _ in 0..2 * epoch + bound(0.05) as u32 {
        network.next_round();
    }
    assert!(all_know(&network, after));
}

#[test]
fn estimates_stay_while_epochs_pass() {
    let mut network = network(Faults::none(), config().with_epoch(20));
    (0..15).for_each(|_| network.next_round());
    network.take_events();
    (0..50).for_each(|_| network.next_round());
    assert_eq!(network.take_events(), []);
    let epochs = network.riders().map(|(_, rider)| rider.epoch());
    let (first, last) = (epochs.clone().min(), epochs.max());
    assert!(first >= Some(2) && last <= Some(3), "{first:?} {last:?}");
}

/// Nodes that join know after some rounds what all know, though their epoch began at zero.
#[test]
fn newcomers_come_to_the_epoch_of_the_others() {
    let faults = Faults::none().with_churn(0.01);
    let mut network = network(faults, config().with_epoch(20));
    (0..70).for_each(|_| network.next_round());
    let epochs: Vec<_> = network.riders().map(|(_, rider)| rider.epoch()).collect();
    let latest = epochs.iter().max().copied().unwrap_or(0);
    assert!(latest >= 3, "{latest}");
    let behind = epochs.iter().filter(|epoch| **epoch + 1 < latest).count();
    // Ten join in each round, and are told at the first exchange.
    assert!(behind <= 20, "{behind} of {}", epochs.len());
}
