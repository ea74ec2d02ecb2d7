//! What to simulate.

#[cfg(test)]
mod tests;

use std::time::Duration;

use thiserror::Error;

use crate::{
    sampling::sampler::config as gossip,
    simulator::{
        adversary::attack::Adversaries, bootstrap::Bootstrap, faults::Faults, host::Host,
        latency::Latency,
    },
};

/// Settings of a simulation. Checked as a whole when a driver is made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    nodes: usize,
    gossip: gossip::Config,
    bootstrap: Bootstrap,
    faults: Faults,
    adversaries: Option<Adversaries>,
    latency: Latency,
    rounds: u64,
    seed: u64,
    threads: usize,
}

impl Config {
    /// The smallest and the largest network, in nodes. Each takes some hundreds of bytes.
    pub const NODES: (usize, usize) = (2, 100_000_000);
    /// The fewest and the most rounds.
    pub const ROUNDS: (u64, u64) = (1, 1_000_000_000);
    /// The fewest and the most threads.
    pub const THREADS: (usize, usize) = (1, 256);

    /// A network of `nodes` nodes with the crate's own defaults, from random views, without faults,
    /// for 100 rounds, seed 0, on one thread. Where messages take time, 50 ms each (a guess).
    pub fn new(nodes: usize) -> Self {
        Self {
            nodes,
            gossip: gossip::Config::default(),
            bootstrap: Bootstrap::Random,
            faults: Faults::none(),
            adversaries: None,
            latency: Latency::Constant(Duration::from_millis(50)),
            rounds: 100,
            seed: 0,
            threads: 1,
        }
    }

    /// The settings of every node.
    pub fn with_gossip(mut self, gossip: gossip::Config) -> Self {
        self.gossip = gossip;
        self
    }

    /// Which nodes know each other at the start.
    pub fn with_bootstrap(mut self, bootstrap: Bootstrap) -> Self {
        self.bootstrap = bootstrap;
        self
    }

    /// What goes wrong.
    pub fn with_faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Who attacks: so many of the nodes are no honest ones. Only the round-based driver knows
    /// attackers.
    pub fn with_adversaries(mut self, adversaries: Adversaries) -> Self {
        self.adversaries = Some(adversaries);
        self
    }

    /// How long messages take, for the event-based driver; in the round-based one they take no
    /// time.
    pub fn with_latency(mut self, latency: Latency) -> Self {
        self.latency = latency;
        self
    }

    /// How many rounds there are to be; 1 to 10^9. A driver does not stop by itself: this is what
    /// the rounds named in the faults are held against.
    pub fn with_rounds(mut self, rounds: u64) -> Self {
        self.rounds = rounds;
        self
    }

    /// The seed from which every random number comes. The same seed gives the same run.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many threads may be used, 1 to 256. The result is the same for any number.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// How many nodes there are once all have joined, attackers included.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// How many of them are honest.
    pub fn honest(&self) -> usize {
        let attackers = self.adversaries.map_or(0, |a| a.count(self.nodes));
        self.nodes.saturating_sub(attackers)
    }

    /// The settings of every node.
    pub fn gossip(&self) -> &gossip::Config {
        &self.gossip
    }

    /// Which nodes know each other at the start.
    pub fn bootstrap(&self) -> Bootstrap {
        self.bootstrap
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Who attacks, if anybody does.
    pub fn adversaries(&self) -> Option<&Adversaries> {
        self.adversaries.as_ref()
    }

    /// How long messages take.
    pub fn latency(&self) -> Latency {
        self.latency
    }

    /// How many rounds there are to be.
    pub fn rounds(&self) -> u64 {
        self.rounds
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How many threads may be used.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Whether these settings go together.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] that names the first setting that does not. What only the overlay can tell
    /// is found when a driver is made.
    pub fn check(&self) -> Result<(), ConfigError> {
        let (min, max) = Self::NODES;
        in_bounds("nodes", self.nodes as u64, (min as u64, max as u64))?;
        in_bounds("rounds", self.rounds, Self::ROUNDS)?;
        let (min, max) = Self::THREADS;
        in_bounds("threads", self.threads as u64, (min as u64, max as u64))?;
        self.gossip.check()?;
        if self.gossip.view_size() >= self.nodes {
            return Err(ConfigError::ViewTooLarge {
                view_size: self.gossip.view_size(),
                nodes: self.nodes,
            });
        }
        if let Bootstrap::Growing { rounds } = self.bootstrap {
            in_bounds("growing", rounds, (1, self.rounds))?;
        }
        for crash in self.faults.crashes() {
            fraction("crash", crash.fraction)?;
            self.in_time("crash", crash.round)?;
        }
        if !self.latency.is_valid() {
            return Err(ConfigError::Latency(self.latency));
        }
        if let Some(adversaries) = &self.adversaries {
            self.check_adversaries(adversaries)?;
        }
        fraction("churn", self.faults.churn())?;
        fraction("loss", self.faults.loss())?;
        // Newcomers have numbers of their own.
        let joined = 1.0 + self.faults.churn() * self.rounds as f64;
        if self.nodes as f64 * joined >= f64::from(Host::ATTACKERS) {
            return Err(ConfigError::TooManyNewcomers {
                churn: self.faults.churn(),
                rounds: self.rounds,
            });
        }
        match self.faults.partition() {
            Some(rounds) if rounds.is_empty() => Err(ConfigError::EmptyPartition {
                from: rounds.start,
                to: rounds.end,
            }),
            Some(rounds) => self.in_time("partition", rounds.start),
            None => Ok(()),
        }
    }

    fn check_adversaries(&self, adversaries: &Adversaries) -> Result<(), ConfigError> {
        let bounds = |(min, max): (usize, usize)| (min as u64, max as u64);
        fraction("attackers", adversaries.fraction())?;
        let count = adversaries.count(self.nodes);
        if count == 0 || self.honest() < 2 {
            return Err(ConfigError::Attackers {
                fraction: adversaries.fraction(),
                nodes: self.nodes,
            });
        }
        let force = adversaries.force() as u64;
        in_bounds("force", force, bounds(Adversaries::FORCE))?;
        if let Some(identities) = adversaries.identities() {
            let of_each = bounds((count, Adversaries::IDENTITIES));
            in_bounds("identities", identities as u64, of_each)?;
        }
        match adversaries.message() {
            Some(message) => in_bounds("message", message as u64, bounds(Adversaries::MESSAGE)),
            None => Ok(()),
        }
    }

    fn in_time(&self, setting: &'static str, round: u64) -> Result<(), ConfigError> {
        if round <= self.rounds {
            return in_bounds(setting, round, (1, self.rounds));
        }
        Err(ConfigError::AfterTheLastRound {
            setting,
            round,
            rounds: self.rounds,
        })
    }
}

fn fraction(setting: &'static str, value: f64) -> Result<(), ConfigError> {
    // NaN is in no range.
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::NotAFraction { setting, value })
}

fn in_bounds(setting: &'static str, value: u64, (min, max): (u64, u64)) -> Result<(), ConfigError> {
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

/// Settings that do not go together. Caused by the caller; nothing was changed.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number is outside its bounds.
    #[error("{setting} is {value}, must be {min} to {max}")]
    OutOfBounds {
        /// Which setting, in a word.
        setting: &'static str,
        /// What it was set to.
        value: u64,
        /// The smallest value that would do.
        min: u64,
        /// The largest value that would do.
        max: u64,
    },
    /// A share or a probability that is none.
    #[error("{setting} is {value}, must be a fraction from 0 to 1")]
    NotAFraction {
        /// Which setting, in a word.
        setting: &'static str,
        /// What it was set to.
        value: f64,
    },
    /// A view cannot hold more peers than there are others.
    #[error("view size is {view_size}, must be smaller than the network of {nodes} nodes")]
    ViewTooLarge {
        /// The view size c given.
        view_size: usize,
        /// The network size given.
        nodes: usize,
    },
    /// A fault that would never happen.
    #[error("{setting} at round {round}, after the last round, {rounds}")]
    AfterTheLastRound {
        /// Which setting, in a word.
        setting: &'static str,
        /// The round named.
        round: u64,
        /// The last round.
        rounds: u64,
    },
    /// Attackers that are none, or that leave nobody to be attacked.
    #[error(
        "attackers is {fraction}, must be at least one of {nodes} nodes, and leave two of them honest"
    )]
    Attackers {
        /// The share of all nodes that were to be attackers.
        fraction: f64,
        /// The network size given, attackers included.
        nodes: usize,
    },
    /// Attackers in a simulation that cannot have any.
    #[error("attackers: only the round-based driver knows them")]
    OnlyInRounds,
    /// Attackers in a topology, where they would have no places.
    #[error("attackers: they have no places in a topology")]
    OnlyRandomViews,
    /// More nodes would join than can be told apart, which is 2^31.
    #[error("churn is {churn}, brings more than 2^31 nodes in {rounds} rounds")]
    TooManyNewcomers {
        /// The share of the nodes that are replaced per round.
        churn: f64,
        /// The number of rounds.
        rounds: u64,
    },
    /// A partition that heals before it begins.
    #[error("partition from round {from} to {to}, must end after it begins")]
    EmptyPartition {
        /// The round in which it was to begin.
        from: u64,
        /// The round in which it was to heal.
        to: u64,
    },
    /// A latency that is out of its bounds, which stand beside [`Latency`].
    #[error("latency is {0:?}, must be at most an hour, with min up to max and sigma 0 to 5")]
    Latency(Latency),
    /// The nodes cannot work with their settings.
    #[error(transparent)]
    Sampler(#[from] gossip::ConfigError),
}
