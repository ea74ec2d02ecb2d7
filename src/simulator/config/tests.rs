//! Tests of the settings of a simulation and their bounds.

use super::*;
use crate::simulator::{adversary::attack::Attack, faults::Crash};

#[test]
fn each_impossible_combination_is_named() {
    let config = || Config::new(100).with_rounds(50);
    let attacked = |change: fn(Adversaries) -> Adversaries| {
        config().with_adversaries(change(Adversaries::new(Attack::Flood, 0.2)))
    };
    let attackers = |fraction| config().with_adversaries(Adversaries::new(Attack::Flood, fraction));
    let crash = |fraction, round| Faults::none().with_crash(Crash { fraction, round });
    let cases = [
        (Config::new(1), "nodes is 1, must be 2 to 100000000"),
        (
            Config::new(30),
            "view size is 30, must be smaller than the network of 30 nodes",
        ),
        (
            config().with_rounds(0),
            "rounds is 0, must be 1 to 1000000000",
        ),
        (config().with_threads(0), "threads is 0, must be 1 to 256"),
        (
            config().with_bootstrap(Bootstrap::Growing { rounds: 51 }),
            "growing is 51, must be 1 to 50",
        ),
        (
            config().with_faults(crash(1.5, 3)),
            "crash is 1.5, must be a fraction from 0 to 1",
        ),
        (
            config().with_faults(crash(0.5, 51)),
            "crash at round 51, after the last round, 50",
        ),
        (
            config().with_faults(crash(0.5, 0)),
            "crash is 0, must be 1 to 50",
        ),
        (
            config().with_faults(Faults::none().with_partition(0..9)),
            "partition is 0, must be 1 to 50",
        ),
        (
            config().with_faults(Faults::none().with_churn(-0.1)),
            "churn is -0.1, must be a fraction from 0 to 1",
        ),
        (
            Config::new(1_000_000)
                .with_rounds(10_000)
                .with_faults(Faults::none().with_churn(0.5)),
            "churn is 0.5, brings more than 2^31 nodes in 10000 rounds",
        ),
        (
            config().with_faults(Faults::none().with_loss(f64::NAN)),
            "loss is NaN, must be a fraction from 0 to 1",
        ),
        (
            config().with_faults(Faults::none().with_partition(9..9)),
            "partition from round 9 to 9, must end after it begins",
        ),
        (
            config().with_faults(Faults::none().with_partition(51..60)),
            "partition at round 51, after the last round, 50",
        ),
        (
            attackers(1.5),
            "attackers is 1.5, must be a fraction from 0 to 1",
        ),
        (
            attackers(0.004),
            "attackers is 0.004, must be at least one of 100 nodes, and leave two of them honest",
        ),
        (
            attackers(0.99),
            "attackers is 0.99, must be at least one of 100 nodes, and leave two of them honest",
        ),
        (
            attacked(|a| a.with_force(1_001)),
            "force is 1001, must be 0 to 1000",
        ),
        (
            attacked(|a| a.with_identities(19)),
            "identities is 19, must be 20 to 100000000",
        ),
        (
            attacked(|a| a.with_message(0)),
            "message is 0, must be 1 to 10000",
        ),
        (
            config().with_latency(Latency::Constant(Duration::MAX)),
            "latency is Constant(18446744073709551615.999999999s), must be at most an hour, \
             with min up to max and sigma 0 to 5",
        ),
        (
            config().with_gossip(gossip::Config::default().with_fanout(0)),
            "fanout is 0, must be 1 to 30",
        ),
    ];
    for (config, message) in cases {
        assert_eq!(config.check().unwrap_err().to_string(), message);
    }
    assert_eq!(config().with_faults(crash(1.0, 50)).check(), Ok(()));
    assert_eq!(Config::new(31).check(), Ok(()));
    assert_eq!(attackers(0.98).check(), Ok(()));
    assert_eq!((attackers(0.98).honest(), config().honest()), (2, 100));
}
