//! Bounds of the configuration, and the name of the protocol.

use super::*;
use crate::swarm::sampling::config::check::ConfigError;

#[test]
fn presets_are_within_their_bounds() {
    for config in [
        Config::default(),
        Config::open_internet(),
        Config::private_network(),
        Config::local(),
    ] {
        assert_eq!(config.check(), Ok(()));
    }
}

#[test]
fn each_bound_is_named() {
    let narrow = Limits {
        descriptors_per_message: 15,
        ..Default::default()
    };
    let cases = [
        (
            Config::local().with_limits(narrow).with_view_size(32),
            "descriptors per message is 15, must be 16 to 64",
        ),
        (
            Config::local().with_view_size(129),
            "view size is 129, must be 2 to 128",
        ),
        (
            Config::local().with_view_size(1),
            "view size is 1, must be 2 to 10000",
        ),
        (
            Config::local().with_neighbours(129),
            "neighbours is 129, must be 0 to 128",
        ),
        (
            Config::local().with_neighbour_rotation(Some(0)),
            "neighbour rotation is 0 rounds, must be 1 to 1000000",
        ),
        (
            Config::local().with_neighbour_rotation(Some(1_000_001)),
            "neighbour rotation is 1000001 rounds, must be 1 to 1000000",
        ),
        (
            Config::local().with_pruning(Some(Pruning {
                max_connections: 7,
                grace: Duration::from_secs(60),
            })),
            "pruning beyond 7 connections after 60s, must be at least the 8 neighbours, and 1, and \
             at most 24h",
        ),
        (
            Config::local().with_network(""),
            "network name \"\" must have 1 to 64 bytes and no white space or control characters",
        ),
        (
            Config::local()
                .with_seed_backoff(Backoff::new(Duration::from_secs(2), Duration::from_secs(1))),
            "seed backoff is 2s to 1s, must be 1ms to 24h and not fall",
        ),
        (
            Config::local().with_profile(&vec![0; 257]),
            "profile of 257 bytes, at most 256 are allowed",
        ),
    ];
    for (config, message) in cases {
        assert_eq!(config.check().unwrap_err().to_string(), message);
    }
    let eternity = Backoff::new(Duration::MAX, Duration::MAX);
    let config = Config::local().with_seed_backoff(eternity);
    assert!(matches!(config.check(), Err(ConfigError::SeedBackoff(_))));
    for name in ["a b", "a\n", &"x".repeat(65)] {
        assert!(matches!(
            Config::local().with_network(name).check(),
            Err(ConfigError::Network(_))
        ));
    }
}

#[test]
fn the_network_is_part_of_the_protocol() {
    let protocol = |config: Config| config.protocol().map(|p| p.to_string());
    assert_eq!(
        protocol(Config::local()).as_deref(),
        Ok("/peer-sampling/1.0.0")
    );
    assert_eq!(
        protocol(Config::local().with_network("testnet")).as_deref(),
        Ok("/testnet/peer-sampling/1.0.0")
    );
}
