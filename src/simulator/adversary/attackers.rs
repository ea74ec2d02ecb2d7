//! The attackers at work: what each sends, to whom, and when.

use std::ops::Range;

use rand::{RngExt, rngs::Xoshiro256PlusPlus, seq::index};

use crate::{
    gossip::message::{Request, Response},
    simulator::{
        adversary::attack::{Adversaries, Attack},
        chance::fork,
        config::Config,
        host::Host,
    },
    view::Descriptor,
};

/// All attackers of a simulation. They have no state: what they do in a round follows from the seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attackers {
    adversaries: Adversaries,
    seed: u64,
    count: u32,
    identities: u32,
    /// Descriptors per message.
    message: usize,
    /// The view size c.
    view_size: usize,
    pulls: bool,
    victim: u32,
}

/// An exchange that an attacker starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Onset {
    /// Before which turn of the round it arrives.
    pub(crate) turn: usize,
    /// Apart from all others of the round.
    pub(crate) number: u32,
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl Attackers {
    /// Those of this simulation, which has been checked.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let adversaries = *config.adversaries()?;
        let count = adversaries.count(config.nodes());
        let identities = adversaries.identities().unwrap_or(count);
        let view_size = config.gossip().view_size();
        // All of them are far below 2^31: that was checked.
        Some(Self {
            adversaries,
            seed: config.seed(),
            count: count as u32,
            identities: identities as u32,
            message: adversaries.message().unwrap_or(view_size),
            view_size,
            pulls: config.gossip().propagation().pulls(),
            victim: (config.honest() - 1) as u32,
        })
    }

    pub(crate) fn adversaries(&self) -> &Adversaries {
        &self.adversaries
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Whom the attack is aimed at, if at a node.
    pub(crate) fn victim(&self) -> Option<u32> {
        (self.adversaries.attack() == Attack::Eclipse).then_some(self.victim)
    }

    /// One of their identities: the first are one of each attacker.
    pub(crate) fn identity(&self, number: u32) -> Host {
        match self.adversaries.attack() {
            Attack::Prefix => Host::crowded(number),
            _ => Host::attacker(number),
        }
    }

    /// What they start in a round in which `live` are there, by turns: of those, each takes one.
    pub(crate) fn onsets(&self, round: u64, live: &[u32]) -> Vec<Onset> {
        let one_victim = [self.victim];
        let everybody: &[u32] = match self.adversaries.attack() {
            Attack::Eclipse if live.contains(&self.victim) => &one_victim,
            Attack::Eclipse => &[],
            _ => live,
        };
        if everybody.is_empty() {
            return Vec::new();
        }
        let restarts = |id: &u32| self.adversaries.restarts(*id, round);
        let restarted: Vec<u32> = live.iter().copied().filter(restarts).collect();
        let mut rng = fork(self.seed, (Host::ATTACKERS, round, u32::MAX));
        let each = 0..self.adversaries.force();
        let all = (0..self.count).flat_map(|attacker| each.clone().map(move |_| attacker));
        let onset = |(number, attacker)| {
            let targets = match restarted.is_empty() || rng.random() {
                true => everybody,
                false => &restarted,
            };
            Onset {
                turn: rng.random_range(0..live.len()),
                number,
                from: self.one_of(attacker, &mut rng).0,
                to: targets[rng.random_range(0..targets.len())],
            }
        };
        let mut onsets: Vec<Onset> = (0..).zip(all).map(onset).collect();
        onsets.sort_unstable();
        onsets
    }

    /// One of the identities of an attacker: they are dealt out in turn.
    fn one_of(&self, attacker: u32, rng: &mut Xoshiro256PlusPlus) -> Host {
        let own = (self.identities - attacker).div_ceil(self.count);
        self.identity(attacker + self.count * rng.random_range(0..own.max(1)))
    }

    /// What is sent with an onset.
    pub(crate) fn request(&self, onset: Onset, round: u64) -> Request<Host> {
        // Apart from the numbers of those who ask.
        let number = Host::ATTACKERS | onset.number;
        Request {
            descriptors: self.message(onset.from, fork(self.seed, (onset.from, round, number))),
            pull: self.pulls,
            room: usize::MAX,
        }
    }

    /// What an attacker answers to a node that asks it.
    pub(crate) fn answer(&self, attacker: u32, from: u32, round: u64) -> Response<Host> {
        let descriptors = match self.pulls {
            true => self.message(attacker, fork(self.seed, (attacker, round, from))),
            false => Vec::new(),
        };
        Response { descriptors }
    }

    fn message(&self, sender: u32, mut rng: Xoshiro256PlusPlus) -> Vec<Descriptor<Host>> {
        let known = match self.adversaries.attack() {
            Attack::Hub => (self.identities as usize).min(self.view_size),
            Attack::Spray => {
                let fakes = (1..self.message).map(|_| Host::fake(rng.random()));
                let all = std::iter::once(Host(sender)).chain(fakes);
                return all.map(Descriptor::fresh).collect();
            }
            _ => self.identities as usize,
        };
        let drawn = index::sample(&mut rng, known, self.message.min(known));
        let hosts = drawn.into_iter().map(|number| self.identity(number as u32));
        hosts.map(Descriptor::fresh).collect()
    }
}

/// Those of the onsets, sorted, that come in these turns.
pub(crate) fn within(onsets: &[Onset], turns: Range<usize>) -> &[Onset] {
    let before = |turn| onsets.partition_point(|onset| onset.turn < turn);
    &onsets[before(turns.start)..before(turns.end)]
}
