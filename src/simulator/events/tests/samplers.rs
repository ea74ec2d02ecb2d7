//! Tests of a network of samplers alone.

use std::time::Duration;

use crate::{
    sampling::overlay::random::Random,
    simulator::{
        bootstrap::Bootstrap,
        config::Config,
        driver::Driver,
        events::Events,
        faults::{Crash, Faults},
        in_degrees::InDegrees,
        latency::Latency,
        network::Network,
        rounds::Rounds,
    },
};

const SWAPPER: Random = Random::swapper(30);

fn config() -> Config {
    Config::new(600).with_seed(7)
}

fn with_latency(latency: Duration) -> Config {
    config().with_latency(Latency::Constant(latency))
}

fn events(config: Config, overlay: Random, rounds: u64) -> Events<Random> {
    let mut simulation = Events::new(config, overlay).expect("valid settings");
    (0..rounds).for_each(|_| simulation.next_round());
    simulation
}

/// The mean over some rounds.
fn in_degree_sd(driver: &mut impl Driver) -> f64 {
    let sds = (0..30).map(|_| {
        driver.next_round();
        InDegrees::of(&driver.network().graph()).sd
    });
    sds.sum::<f64>() / 30.0
}

#[test]
fn where_messages_take_no_time_it_is_as_in_rounds() {
    let in_time = in_degree_sd(&mut events(with_latency(Duration::ZERO), SWAPPER, 40));
    let mut rounds = Rounds::new(config(), SWAPPER).expect("valid settings");
    (0..40).for_each(|_| rounds.next_round());
    let in_rounds = in_degree_sd(&mut rounds);
    assert!(
        (in_time / in_rounds - 1.0).abs() < 0.05,
        "{in_time} {in_rounds}"
    );
}

/// The swapper drops what it has sent, and another exchange may have dropped it already.
#[test]
fn exchanges_that_overlap_spread_the_swappers_in_degrees() {
    let mut quick = events(with_latency(Duration::ZERO), SWAPPER, 40);
    let mut slow = events(with_latency(Duration::from_secs(1)), SWAPPER, 40);
    assert_eq!(quick.traffic().overlapped, 0);
    // An exchange takes 2 of 10 seconds.
    let share = slow.traffic().overlapped as f64 / slow.traffic().responses as f64;
    assert!((0.15..0.25).contains(&share), "{share}");
    let (quick, slow) = (in_degree_sd(&mut quick), in_degree_sd(&mut slow));
    assert!(slow > 1.2 * quick, "{slow} {quick}");
}

#[test]
fn a_network_goes_through_everything_at_once() {
    let faults = Faults::none()
        .with_churn(0.002)
        .with_loss(0.02)
        .with_crash(Crash {
            fraction: 0.5,
            round: 30,
        });
    let config = config()
        .with_bootstrap(Bootstrap::Star)
        .with_faults(faults)
        .with_latency(Latency::LogNormal {
            median: Duration::from_millis(100),
            sigma: 1.0,
        });
    let mut simulation = events(config.clone(), Random::new(3, 12), 30);
    assert!((0.4..0.6).contains(&simulation.network().graph().dead_share()));
    (0..30).for_each(|_| simulation.next_round());
    let after = simulation.network().graph();
    assert_eq!(after.len(), 300);
    assert!(after.dead_share() < 0.02, "{}", after.dead_share());
    assert!(InDegrees::of(&after).mean > 28.0);
    let traffic = simulation.traffic();
    assert!(
        traffic.failures > 0 && traffic.overlapped > 0,
        "{traffic:?}"
    );
    // Whatever was asked was answered, got lost, or is on its way; some of the rest is late.
    assert!(traffic.exchanges <= traffic.responses && traffic.responses <= traffic.requests);

    let again = events(config, Random::new(3, 12), 60);
    assert_eq!(again.traffic(), traffic);
    assert_eq!(again.network().graph(), after);
}

/// The swapper forgets the dead by hardly anything else.
#[test]
fn the_unreachable_may_stay_in_the_views() {
    let dead_links = |stay| {
        let crash = Crash {
            fraction: 0.5,
            round: 10,
        };
        let faults = Faults::none()
            .with_crash(crash)
            .with_unreachable_staying(stay);
        let config = config().with_faults(faults);
        let events = events(config.clone(), SWAPPER, 20);
        let mut rounds = Rounds::new(config, SWAPPER).expect("valid settings");
        (0..20).for_each(|_| rounds.next_round());
        let share = |network: &Network<Random>| network.graph().dead_share();
        [share(events.network()), share(rounds.network())]
    };
    let (stay, leave) = (dead_links(true), dead_links(false));
    let found = format!("seed 7: {stay:?}, {leave:?}");
    assert!(stay.iter().all(|share| *share > 0.4), "{found}");
    assert!(leave.iter().all(|share| *share < 0.33), "{found}");
}

#[test]
fn what_is_lost_is_given_up_when_its_time_is_over() {
    let lossy = config().with_faults(Faults::none().with_loss(1.0));
    let traffic = events(lossy, SWAPPER, 10).traffic();
    assert_eq!((traffic.exchanges, traffic.responses), (0, 0));
    // The time-out is as long as the period: those of the last rounds are not over.
    assert!(traffic.failures > 600 * 8, "{traffic:?}");
    assert!(traffic.failures < traffic.requests, "{traffic:?}");
}
