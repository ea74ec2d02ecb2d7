//! Round trips in simulated networks, where the latency is known.

use std::time::Duration;

use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

use crate::{
    protocols::round_trip::{Event, RoundTrip, config::Config, histogram::Histogram},
    sampling::overlay::random::Random,
    simulator::{
        config::Config as Simulation, driver::Driver, events::Events, faults::Faults,
        latency::Latency,
    },
};

const NODES: usize = 1_000;
const ROUNDS: u32 = 20;

type Network = Events<Random, RoundTrip<u32, Xoshiro256PlusPlus>>;

fn network(latency: Latency, loss: f64) -> Network {
    let simulation = Simulation::new(NODES)
        .with_seed(5)
        .with_latency(latency)
        .with_faults(Faults::none().with_loss(loss));
    let make = move |id: u32| {
        let rng = Xoshiro256PlusPlus::seed_from_u64(id.into());
        RoundTrip::new(Config::default(), rng).expect("valid settings")
    };
    let overlay = Random::for_view_size(30);
    let mut network = Events::with_riders(simulation, overlay, make).expect("valid settings");
    (0..ROUNDS).for_each(|_| network.next_round());
    network
}

fn of_all(network: &Network) -> Histogram {
    let mut all = Histogram::default();
    for (_, rider) in network.riders() {
        all.merge(rider.histogram());
    }
    all
}

#[test]
fn round_trips_are_twice_the_latency_where_messages_get_lost_too() {
    let latency = Duration::from_millis(70);
    let mut network = network(Latency::Constant(latency), 0.1);
    let events = network.take_events();
    assert!(!events.is_empty());
    for (_, Event::Measured { round_trip, .. }) in events {
        assert_eq!(round_trip, 2 * latency);
    }
    // Of each exchange, the answer arrives for .81.
    let measured = of_all(&network).count() as f64;
    let share = measured / network.rider_traffic().requests as f64;
    assert!((0.79..0.83).contains(&share), "{share}");
    for (id, rider) in network.riders() {
        let peers = rider.iter().count();
        assert!(peers > 5, "{id} has measured {peers} peers");
        assert!(rider.iter().all(|(_, of)| of.shortest == of.latest));
    }
}

#[test]
fn the_histogram_of_all_is_that_of_the_latency() {
    let (min, max) = (Duration::from_millis(20), Duration::from_millis(120));
    let all = of_all(&network(Latency::Uniform { min, max }, 0.0));
    assert!(all.count() > u64::from(ROUNDS - 4) * NODES as u64);
    // The sum of two of 20 to 120 ms, each as likely: 40 + 200 √(share / 2) up to the middle.
    for (share, millis) in [(0.02, 60.0), (0.18, 100.0), (0.5, 140.0), (0.82, 180.0)] {
        let found = all.percentile(share).map_or(0.0, |d| d.as_secs_f64() * 1e3);
        assert!((found / millis - 1.0).abs() < 0.07, "{share}: {found}");
    }
}
