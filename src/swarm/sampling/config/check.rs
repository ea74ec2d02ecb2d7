//! Whether the settings are within their bounds, and which one is not.

use libp2p_swarm::StreamProtocol;
use thiserror::Error;

use crate::{
    sampling::sampler,
    swarm::{
        exchanger::pruning::Pruning,
        limits::LimitsError,
        record::profile::{ProfileError, check_size},
        sampling::config::{Config, PROTOCOL_NAME},
    },
    time::BackoffError,
};

impl<K> Config<K> {
    /// The protocol's name, with the network's name in it when there is one.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Network`] when the network's name will not do.
    pub fn protocol(&self) -> Result<StreamProtocol, ConfigError> {
        let Some(network) = &self.network else {
            return Ok(PROTOCOL_NAME);
        };
        let bad = |c: char| c.is_whitespace() || c.is_control();
        if network.is_empty() || network.len() > Config::MAX_NETWORK_NAME || network.contains(bad) {
            return Err(ConfigError::Network(network.clone()));
        }
        StreamProtocol::try_from_owned(format!("/{network}{PROTOCOL_NAME}"))
            .map_err(|_| ConfigError::Network(network.clone()))
    }

    /// Whether these settings are within their bounds. Those of the overlay are checked with it.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] that names the first bound that is broken.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.gossip.check()?;
        self.protocol()?;
        if self.gossip.view_size() > Config::MAX_VIEW_SIZE {
            return Err(ConfigError::ViewSize(self.gossip.view_size()));
        }
        self.limits.check(self.gossip.view_size())?;
        if self.neighbours > Config::MAX_NEIGHBOURS {
            return Err(ConfigError::Neighbours(self.neighbours));
        }
        let rotation = self.neighbour_rotation.unwrap_or(1);
        if !(1..=Config::MAX_NEIGHBOUR_ROTATION).contains(&rotation) {
            return Err(ConfigError::NeighbourRotation(rotation));
        }
        let probes = self.probe_interval.unwrap_or(1);
        if !(1..=Config::MAX_PROBE_INTERVAL).contains(&probes) {
            return Err(ConfigError::ProbeInterval(probes));
        }
        let (_, limit) = sampler::config::Config::PERIOD;
        if let Some(pruning) = self.pruning
            && (pruning.max_connections < self.neighbours.max(1) || pruning.grace > limit)
        {
            return Err(ConfigError::Pruning {
                pruning,
                neighbours: self.neighbours,
            });
        }
        self.seed_backoff.check()?;
        check_size(self.profile().len())?;
        Ok(())
    }
}

/// Settings that cannot work. Caused by the caller; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A setting of the mechanism or of the overlay.
    #[error(transparent)]
    Sampler(#[from] sampler::config::ConfigError),
    /// A limit.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// The view size is too large for a message.
    #[error("view size is {0}, must be 2 to {max}", max = Config::MAX_VIEW_SIZE)]
    ViewSize(usize),
    /// Too many neighbours.
    #[error("neighbours is {0}, must be 0 to {max}", max = Config::MAX_NEIGHBOURS)]
    Neighbours(usize),
    /// Neighbours are rotated too often or too seldom.
    #[error(
        "neighbour rotation is {0} rounds, must be 1 to {max}",
        max = Config::MAX_NEIGHBOUR_ROTATION
    )]
    NeighbourRotation(u32),
    /// The node looks outside its view too often or too seldom.
    #[error("probe interval is {0} rounds, must be 1 to {max}", max = Config::MAX_PROBE_INTERVAL)]
    ProbeInterval(u32),
    /// Connections would be pruned that are kept on purpose, or only after ages.
    #[error(
        "pruning beyond {} connections after {:?}, must be at least the {} neighbours, and 1, and at most 24h",
        .pruning.max_connections, .pruning.grace, .neighbours
    )]
    Pruning {
        /// What was set.
        pruning: Pruning,
        /// How many neighbours are to be kept.
        neighbours: usize,
    },
    /// The network's name will not do.
    #[error(
        "network name {0:?} must have 1 to {max} bytes and no white space or control characters",
        max = Config::MAX_NETWORK_NAME
    )]
    Network(String),
    /// The profile is too large, or this node's key does not sign it.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// An RSA key: its records are too large, and refused everywhere.
    #[error("an RSA key cannot sign records of this protocol; use Ed25519")]
    RsaKey,
    /// The second behaviour of a node was given another key than the first.
    #[error("the key is not that of the first behaviour of this node")]
    OtherKeypair,
    /// A key whose records this node's own limits do not allow.
    #[error("the limits allow no records signed by a key of this node's type")]
    KeyType,
    /// The pauses between attempts at the seeds will not do.
    #[error("seed backoff {0}")]
    SeedBackoff(#[from] BackoffError),
}
