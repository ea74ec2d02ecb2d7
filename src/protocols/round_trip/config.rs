//! The settings of a node that measures round trips: [`Config`].

use std::time::Duration;

use thiserror::Error;

use crate::gossip::partners::Partners;

/// Settings of [`RoundTrip`](crate::protocols::round_trip::RoundTrip), checked as a whole when it is
/// made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    period: Duration,
    peers: usize,
    partners: Partners,
}

impl Default for Config {
    /// One measurement in 10 seconds, as many as the sampler makes exchanges, with the partners of
    /// those; a table of 1,024 peers.
    fn default() -> Self {
        Self {
            period: Duration::from_secs(10),
            peers: 1_024,
            partners: Partners::Exchanged,
        }
    }
}

impl Config {
    /// The time between two measurements, above zero; each is up to a tenth longer or shorter, at
    /// random. One without an answer is given up after as long.
    pub fn with_period(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }

    /// How many peers the table holds, at least 1; each takes some 150 bytes.
    pub fn with_peers(mut self, peers: usize) -> Self {
        self.peers = peers;
        self
    }

    /// Where partners come from: the partners of the sampler's exchanges, from anywhere in the
    /// network, or neighbours, the same few again and again.
    pub fn with_partners(mut self, partners: Partners) -> Self {
        self.partners = partners;
        self
    }

    /// The time between two measurements.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// How many peers the table holds.
    pub fn peers(&self) -> usize {
        self.peers
    }

    /// Where partners come from.
    pub fn partners(&self) -> Partners {
        self.partners
    }

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] for the first that is outside its bounds.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.period.is_zero() {
            return Err(ConfigError::Period);
        }
        if self.peers == 0 {
            return Err(ConfigError::Peers);
        }
        if self.partners == Partners::Samples {
            return Err(ConfigError::Partners);
        }
        Ok(())
    }
}

/// Why the settings cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The period is zero.
    #[error("the period is zero")]
    Period,
    /// The table has no room.
    #[error("the table holds no peer")]
    Peers,
    /// Partners would have to be dialled.
    #[error("samples are dialled, which is no part of a round trip")]
    Partners,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_outside_their_bounds_are_refused() {
        let config = Config::default();
        assert_eq!(config.check(), Ok(()));
        let neighbours = config.with_partners(Partners::Neighbours);
        assert_eq!(neighbours.check(), Ok(()));
        for (config, refused) in [
            (config.with_period(Duration::ZERO), ConfigError::Period),
            (config.with_peers(0), ConfigError::Peers),
            (
                config.with_partners(Partners::Samples),
                ConfigError::Partners,
            ),
        ] {
            assert_eq!(config.check(), Err(refused));
        }
    }
}
