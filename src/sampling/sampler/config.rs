//! The settings of the mechanism, and their bounds.

use std::time::Duration;

use thiserror::Error;

use crate::{
    gossip::rounds::Pace,
    sampling::overlay::OverlayError,
    time::{Backoff, BackoffError},
};

/// In which direction descriptors travel in an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Propagation {
    /// Only from the node that starts the exchange. Cannot undo a star: keep it for experiments.
    Push,
    /// Only to the node that starts the exchange. Nodes that nobody pulls from stay unknown.
    Pull,
    /// Both ways. The only one of the three that never partitioned in the paper.
    #[default]
    PushPull,
}

impl Propagation {
    pub(crate) fn pushes(self) -> bool {
        matches!(self, Self::Push | Self::PushPull)
    }

    pub(crate) fn pulls(self) -> bool {
        matches!(self, Self::Pull | Self::PushPull)
    }
}

/// With which peer a node starts its exchanges: the paper's `selectPeer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PartnerSelection {
    /// The youngest entry of the view. Clusters heavily (TOCS 2007 leaves it out for that): keep it
    /// for experiments.
    Head,
    /// The oldest entry that is still live, so dead entries are found and dropped first.
    #[default]
    Tail,
    /// A random entry.
    Rand,
}

/// Settings of [`Sampler`](crate::sampling::sampler::Sampler). Checked as a whole when it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    view_size: usize,
    period: Duration,
    exchange_timeout: Duration,
    fanout: usize,
    retries: usize,
    eager_delay: Duration,
    propagation: Propagation,
    selection: PartnerSelection,
    quarantine: Option<Backoff>,
    diversity: Option<Diversity>,
    contact_times: bool,
}

/// How many peers of the view may come from one hand. Against attackers with many identities: it
/// counts what they cannot choose freely, which is who tells, where peers are, and how fast they
/// come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Diversity {
    /// How many peers of the view may have been learnt from one partner, itself left out; 1 or
    /// more, from c on without effect.
    pub per_source: usize,
    /// How many peers of the view may lie in one narrow network: a /24 or a /48, see
    /// [`Prefixes`](crate::peer::Prefixes); 1 or more, from c on without effect. Peers without
    /// known networks are not counted.
    pub per_prefix: usize,
    /// How many peers may enter the view in one round by way of others' requests, however many
    /// requests there are; 1 or more. What this node has asked for itself is not counted.
    pub per_round: usize,
}

impl Default for Config {
    /// c=30, push-pull and tail from the paper (TOCS 2007). A period of 10 s, a timeout of 10 s and
    /// an eager delay of 100 ms (guesses). Fanout 1. 3 retries (measured by simulation). No
    /// quarantine and no caps, as in the papers.
    fn default() -> Self {
        Self {
            view_size: 30,
            period: Duration::from_secs(10),
            exchange_timeout: Duration::from_secs(10),
            fanout: 1,
            retries: 3,
            eager_delay: Duration::from_millis(100),
            propagation: Propagation::PushPull,
            selection: PartnerSelection::Tail,
            quarantine: None,
            diversity: None,
            contact_times: false,
        }
    }
}

impl Config {
    /// The smallest and the largest view size, in peers.
    pub const VIEW_SIZE: (usize, usize) = (2, 10_000);
    /// The shortest and the longest period.
    pub const PERIOD: (Duration, Duration) =
        (Duration::from_millis(1), Duration::from_secs(24 * 60 * 60));
    /// The shortest and the longest timeout of an exchange.
    pub const EXCHANGE_TIMEOUT: (Duration, Duration) =
        (Duration::from_millis(1), Duration::from_secs(60 * 60));

    /// The view size c, in peers; 2 to 10,000. Memory and message size grow with it, and so do
    /// robustness to failures and attacks.
    pub fn with_view_size(mut self, view_size: usize) -> Self {
        self.view_size = view_size;
        self
    }

    /// The period T of the rounds; 1 ms to 24 h. Each round costs about two messages of c/2
    /// descriptors; everything the overlay promises is counted in rounds.
    pub fn with_period(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }

    /// After how long an exchange without an answer has failed; 1 ms to 1 h. Includes the time to
    /// connect.
    pub fn with_exchange_timeout(mut self, timeout: Duration) -> Self {
        self.exchange_timeout = timeout;
        self
    }

    /// How many exchanges a node starts in each round, each with another partner; 1 to c.
    pub fn with_fanout(mut self, fanout: usize) -> Self {
        self.fanout = fanout;
        self
    }

    /// How many further partners are tried in a round when exchanges fail; 0 to c. "Live" in the
    /// paper's "the oldest live entry" needs at least 1.
    pub fn with_retries(mut self, retries: usize) -> Self {
        self.retries = retries;
        self
    }

    /// The pause between rounds while the view is not full, or after [`hasten`]; at least 1 ms. It
    /// doubles with each exchange that brings nobody new, up to the period. So small networks,
    /// where the view never fills, come to rest.
    ///
    /// [`hasten`]: crate::sampling::sampler::Sampler::hasten
    pub fn with_eager_delay(mut self, delay: Duration) -> Self {
        self.eager_delay = delay;
        self
    }

    /// Push, pull or push-pull.
    pub fn with_propagation(mut self, propagation: Propagation) -> Self {
        self.propagation = propagation;
        self
    }

    /// Head, tail or rand.
    pub fn with_selection(mut self, selection: PartnerSelection) -> Self {
        self.selection = selection;
        self
    }

    /// For how long a peer that failed is not taken in again, no matter who tells of it. The pause
    /// doubles with each further failure. `None` takes it in again at once. A node that is left
    /// with nobody forgives all: its own connection may have failed. Some 16 failed peers are
    /// remembered for each place in the view.
    pub fn with_quarantine(mut self, quarantine: Option<Backoff>) -> Self {
        self.quarantine = quarantine;
        self
    }

    /// How many peers of the view may come from one hand; `None` for no such bounds.
    pub fn with_diversity(mut self, diversity: Option<Diversity>) -> Self {
        self.diversity = diversity;
        self
    }

    /// Whether the node remembers when it was last in contact with each of the latest 4c peers, for
    /// the modes of [`Recency`](crate::Recency). By default it does not, since a million simulated
    /// nodes would need the memory. In a swarm the behaviour remembers it in any case.
    pub fn with_contact_times(mut self, contact_times: bool) -> Self {
        self.contact_times = contact_times;
        self
    }

    /// The view size c, in peers.
    pub fn view_size(&self) -> usize {
        self.view_size
    }

    /// The period T of the rounds.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// After how long an exchange without an answer has failed.
    pub fn exchange_timeout(&self) -> Duration {
        self.exchange_timeout
    }

    /// How many exchanges a node starts in each round.
    pub fn fanout(&self) -> usize {
        self.fanout
    }

    /// How many further partners are tried in a round when exchanges fail.
    pub fn retries(&self) -> usize {
        self.retries
    }

    /// The pause between rounds while the view is not full.
    pub fn eager_delay(&self) -> Duration {
        self.eager_delay
    }

    /// Push, pull or push-pull.
    pub fn propagation(&self) -> Propagation {
        self.propagation
    }

    /// Head, tail or rand.
    pub fn selection(&self) -> PartnerSelection {
        self.selection
    }

    /// For how long a peer that failed is not taken in again, at first and at most.
    pub fn quarantine(&self) -> Option<Backoff> {
        self.quarantine
    }

    /// How many peers of the view may come from one hand.
    pub fn diversity(&self) -> Option<Diversity> {
        self.diversity
    }

    /// Whether the node remembers when it was last in contact with other peers.
    pub fn remembers_contacts(&self) -> bool {
        self.contact_times
    }

    /// How fast rounds follow each other.
    pub(crate) fn pace(&self) -> Pace {
        Pace {
            period: self.period,
            jitter: Duration::ZERO,
            eager_delay: self.eager_delay,
            // Both are at most the view size, which is at most 10,000.
            fanout: self.fanout as u32,
            retries: self.retries as u32,
        }
    }

    /// Whether these settings are within their bounds.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] that names the first bound that is broken.
    pub fn check(&self) -> Result<(), ConfigError> {
        in_bounds("view size", self.view_size, Self::VIEW_SIZE)?;
        in_bounds("fanout", self.fanout, (1, self.view_size))?;
        in_bounds("retries", self.retries, (0, self.view_size))?;
        in_time_bounds("period", self.period, Self::PERIOD)?;
        in_time_bounds(
            "exchange time-out",
            self.exchange_timeout,
            Self::EXCHANGE_TIMEOUT,
        )?;
        in_time_bounds("eager delay", self.eager_delay, Self::PERIOD)?;
        if let Some(quarantine) = self.quarantine {
            quarantine.check()?;
        }
        if let Some(diversity) = self.diversity {
            in_bounds("peers per source", diversity.per_source, (1, usize::MAX))?;
            in_bounds("peers per prefix", diversity.per_prefix, (1, usize::MAX))?;
            in_bounds("peers per round", diversity.per_round, (1, usize::MAX))?;
        }
        Ok(())
    }
}

fn in_bounds(
    setting: &'static str,
    value: usize,
    (min, max): (usize, usize),
) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::OutOfBounds {
        setting,
        value,
        min,
        max,
    })
}

fn in_time_bounds(
    setting: &'static str,
    value: Duration,
    (min, max): (Duration, Duration),
) -> Result<(), ConfigError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::TimeOutOfBounds {
        setting,
        value,
        min,
        max,
    })
}

/// Settings that cannot work. Caused by the caller; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number is outside its bounds.
    #[error("{setting} is {value}, must be {min} to {max}")]
    OutOfBounds {
        /// Which setting, in words.
        setting: &'static str,
        /// What it was set to.
        value: usize,
        /// The smallest value that would do.
        min: usize,
        /// The largest value that would do.
        max: usize,
    },
    /// A duration is outside its bounds.
    #[error("{setting} is {value:?}, must be {min:?} to {max:?}")]
    TimeOutOfBounds {
        /// Which setting, in words.
        setting: &'static str,
        /// What it was set to.
        value: Duration,
        /// The shortest duration that would do.
        min: Duration,
        /// The longest duration that would do.
        max: Duration,
    },
    /// The pauses of the quarantine are outside their bounds.
    #[error("quarantine {0}")]
    Quarantine(#[from] BackoffError),
    /// The overlay cannot work with this view size.
    #[error(transparent)]
    Overlay(#[from] OverlayError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_within_its_bounds() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn each_bound_is_named() {
        let second = Duration::from_secs(1);
        let cases = [
            (
                Config::default().with_view_size(1),
                "view size is 1, must be 2 to 10000",
            ),
            (
                Config::default().with_view_size(10_001),
                "view size is 10001, must be 2 to 10000",
            ),
            (
                Config::default().with_fanout(0),
                "fanout is 0, must be 1 to 30",
            ),
            (
                Config::default().with_fanout(31),
                "fanout is 31, must be 1 to 30",
            ),
            (
                Config::default().with_retries(31),
                "retries is 31, must be 0 to 30",
            ),
            (
                Config::default().with_period(Duration::ZERO),
                "period is 0ns, must be 1ms to 86400s",
            ),
            (
                Config::default().with_period(86_401 * second),
                "period is 86401s, must be 1ms to 86400s",
            ),
            (
                Config::default().with_exchange_timeout(Duration::ZERO),
                "exchange time-out is 0ns, must be 1ms to 3600s",
            ),
            (
                Config::default().with_exchange_timeout(3_601 * second),
                "exchange time-out is 3601s, must be 1ms to 3600s",
            ),
            (
                Config::default().with_eager_delay(86_401 * second),
                "eager delay is 86401s, must be 1ms to 86400s",
            ),
            (
                Config::default().with_eager_delay(Duration::ZERO),
                "eager delay is 0ns, must be 1ms to 86400s",
            ),
        ];
        for (config, message) in cases {
            assert_eq!(config.check().unwrap_err().to_string(), message);
        }
    }
}
