//! The settings of a node that looks for extremes: [`Config`].

use std::{ops::RangeInclusive, time::Duration};

use thiserror::Error;

use crate::gossip::partners::Partners;

/// Settings of [`Extrema`](crate::protocols::extrema::Extrema), checked as a whole when it is made.
/// All nodes of a network should have the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    range: RangeInclusive<f64>,
    period: Duration,
    epoch: u32,
    partners: Partners,
}

impl Config {
    /// Values lie within `range`: two finite numbers, the first not above the second. Values
    /// outside are clamped to it, the own one and those of others. The narrower it is, the less a
    /// liar can claim.
    pub fn new(range: RangeInclusive<f64>) -> Self {
        Self {
            range,
            period: Duration::from_secs(10),
            epoch: 40,
            partners: Partners::default(),
        }
    }

    /// The time between two rounds, above zero; each is up to a tenth longer or shorter, at random.
    /// An exchange is given up after as long. Default: 10 seconds, as the sampler's.
    pub fn with_period(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }

    /// How many rounds an epoch has, at least 2. A value that is gone is forgotten after two.
    /// Should be more than twice the rounds that values take to spread, some `4 + ln n` in a
    /// network of `n` nodes. Default: 40, enough for a million nodes.
    pub fn with_epoch(mut self, rounds: u32) -> Self {
        self.epoch = rounds;
        self
    }

    /// Where partners come from. Default: [`Partners::Exchanged`], which costs no dial.
    pub fn with_partners(mut self, partners: Partners) -> Self {
        self.partners = partners;
        self
    }

    /// The time between two rounds.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// How many rounds an epoch has.
    pub fn epoch(&self) -> u32 {
        self.epoch
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
        let (start, end) = (*self.range.start(), *self.range.end());
        if !start.is_finite() || !end.is_finite() || start > end {
            return Err(ConfigError::Range { start, end });
        }
        if self.period.is_zero() {
            return Err(ConfigError::Period);
        }
        if self.epoch < 2 {
            return Err(ConfigError::Epoch);
        }
        Ok(())
    }

    /// The value, or the end of the range that is nearer. The range has been checked.
    pub(crate) fn clamp(&self, value: f64) -> f64 {
        value.max(*self.range.start()).min(*self.range.end())
    }
}

/// The value given is not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the value is not a number")]
pub struct NotANumber;

/// Why the settings cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The range is none: an end is not finite, or they are in the wrong order.
    #[error("{start} to {end} is no range of finite numbers")]
    Range {
        /// The smallest value allowed.
        start: f64,
        /// The largest value allowed.
        end: f64,
    },
    /// The period is zero.
    #[error("the period is zero")]
    Period,
    /// An epoch has less than two rounds.
    #[error("an epoch has at least two rounds")]
    Epoch,
    /// The value of the node is not a number.
    #[error(transparent)]
    Value(#[from] NotANumber),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_outside_their_bounds_are_refused() {
        let config = Config::new(-1.0..=1.0);
        assert_eq!(config.check(), Ok(()));
        assert_eq!(Config::new(1.0..=1.0).check(), Ok(()));
        for range in [1.0..=-1.0, 0.0..=f64::INFINITY, f64::NAN..=1.0] {
            let refused = Config::new(range).check();
            assert!(matches!(refused, Err(ConfigError::Range { .. })));
        }
        let refused = config.clone().with_period(Duration::ZERO).check();
        assert_eq!(refused, Err(ConfigError::Period));
        assert_eq!(config.with_epoch(1).check(), Err(ConfigError::Epoch));
    }
}
