//! Arguments that are neither numbers nor texts.

use std::{fmt, ops::Range, str::FromStr};

use clap::ValueEnum;
use libp2p_peer_sampling::{
    sampler::Diversity,
    simulator::{
        adversary::attack::{Attack, Kept},
        faults::Crash,
    },
};

/// Which overlay.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub enum OverlayName {
    Random,
    Cyclon,
    Basalt,
    Ring,
    Torus,
    Tree,
    Xor,
    Proximity,
    Zones,
}

/// What the slots of Basalt compare.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub enum RankingName {
    Prefixes,
    Identity,
}

/// The partner that a node selects for an exchange.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub enum SelectName {
    Head,
    Tail,
    Rand,
}

/// In which direction descriptors travel.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub enum PropagationName {
    Push,
    Pull,
    PushPull,
}

/// How time passes.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub enum DriverName {
    /// In synchronous rounds, as in the papers
    Rounds,
    /// In virtual time: every message takes time
    Events,
}

/// Which peers each node knows at the start.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub enum BootstrapName {
    Growing,
    Lattice,
    Star,
    Chain,
    Random,
}

/// Along which links paths are followed.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub enum PathsName {
    Directed,
    Undirected,
}

/// What attackers do.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub enum AttackName {
    Flood,
    Hub,
    Eclipse,
    Restart,
    Spray,
    Prefix,
}

impl From<AttackName> for Attack {
    fn from(name: AttackName) -> Self {
        match name {
            AttackName::Flood => Self::Flood,
            AttackName::Hub => Self::Hub,
            AttackName::Eclipse => Self::Eclipse,
            AttackName::Restart => Self::Restart,
            AttackName::Spray => Self::Spray,
            AttackName::Prefix => Self::Prefix,
        }
    }
}

/// What a node that restarts has kept.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub enum KeptName {
    Nothing,
    Contacted,
}

impl From<KeptName> for Kept {
    fn from(name: KeptName) -> Self {
        match name {
            KeptName::Nothing => Self::Nothing,
            KeptName::Contacted => Self::Contacted,
        }
    }
}

/// FRACTION@ROUND: how many crash, and when.
#[derive(Debug, Clone, Copy)]
pub struct CrashAt(pub Crash);

impl FromStr for CrashAt {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = "must be a fraction and a round, as in 0.5@50";
        let (fraction, round) = text.split_once('@').ok_or(malformed)?;
        let fraction: f64 = fraction.parse().map_err(|_| malformed)?;
        let round = round.parse().map_err(|_| malformed)?;
        if !(0.0..=1.0).contains(&fraction) {
            return Err("the fraction must be from 0 to 1");
        }
        if round == 0 {
            return Err("rounds are counted from 1");
        }
        Ok(Self(Crash { fraction, round }))
    }
}

/// FROM..TO: from when to when.
#[derive(Debug, Clone)]
pub struct Between(pub Range<u64>);

impl FromStr for Between {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = "must be two rounds, as in 20..40";
        let (from, to) = text.split_once("..").ok_or(malformed)?;
        let from = from.parse().map_err(|_| malformed)?;
        let to = to.parse().map_err(|_| malformed)?;
        if from == 0 {
            return Err("rounds are counted from 1");
        }
        Ok(Self(from..to))
    }
}

/// A/B: two numbers from 1 on.
#[derive(Debug, Clone, Copy)]
pub struct Pair(pub u32, pub u32);

impl FromStr for Pair {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match numbers(text).as_deref() {
            Some(&[one, other]) => Ok(Self(one, other)),
            _ => Err("must be two numbers from 1 on, as in 16/4"),
        }
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, self.1)
    }
}

/// SOURCE/PREFIX/ROUND: how many peers may come from one hand.
#[derive(Debug, Clone, Copy)]
pub struct Caps(pub Diversity);

impl FromStr for Caps {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = numbers(text);
        let Some(&[per_source, per_prefix, per_round]) = numbers.as_deref() else {
            return Err("must be three numbers from 1 on, as in 8/4/30");
        };
        Ok(Self(Diversity {
            per_source: per_source as usize,
            per_prefix: per_prefix as usize,
            per_round: per_round as usize,
        }))
    }
}

impl fmt::Display for Caps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diversity {
            per_source,
            per_prefix,
            per_round,
        } = self.0;
        write!(f, "{per_source}/{per_prefix}/{per_round}")
    }
}

fn numbers(text: &str) -> Option<Vec<u32>> {
    let number = |part: &str| part.parse().ok().filter(|number| *number > 0);
    text.split('/').map(number).collect()
}
