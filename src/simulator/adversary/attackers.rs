//! The attackers at work: what each sends, to which node, and when.

use std::ops::Range;

use rand::{RngExt, rngs::Xoshiro256PlusPlus, seq::index};

use crate::{
    sampling::{
        sampler::message::{Request, Response},
        view::Descriptor,
    },
    simulator::{
        adversary::attack::{Adversaries, Attack},
        chance::fork,
        config::Config,
        host::Host,
    },
};

/// All attackers of a simulation. They have no state: what they do in a round follows from the
/// seed.
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

    /// The node that the attack is aimed at, if it is at one.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const LIVE: Range<u32> = 0..80;

    fn attackers(attack: Attack, change: impl FnOnce(Adversaries) -> Adversaries) -> Attackers {
        let adversaries = change(Adversaries::new(attack, 0.2).with_force(4));
        let config = Config::new(100).with_adversaries(adversaries).with_seed(5);
        config.check().expect("valid settings");
        Attackers::of(&config).expect("there are some")
    }

    fn onsets(attackers: &Attackers, round: u64) -> Vec<Onset> {
        attackers.onsets(round, &LIVE.collect::<Vec<_>>())
    }

    fn hosts(descriptors: &[Descriptor<Host>]) -> BTreeSet<Host> {
        assert!(descriptors.iter().all(|d| d.age == 0));
        descriptors.iter().map(|d| d.peer).collect()
    }

    #[test]
    fn each_attacker_uses_its_force_against_everybody() {
        let flood = attackers(Attack::Flood, |a| a);
        let mut targets = BTreeSet::new();
        for round in 1..50 {
            let onsets = onsets(&flood, round);
            assert!(onsets.is_sorted() && onsets.len() == 20 * 4);
            for attacker in 0..20 {
                let from = Host::attacker(attacker).0;
                assert_eq!(onsets.iter().filter(|o| o.from == from).count(), 4);
            }
            assert!(onsets.iter().all(|o| o.turn < 80));
            let numbers: BTreeSet<_> = onsets.iter().map(|onset| onset.number).collect();
            assert_eq!(numbers.len(), 80);
            targets.extend(onsets.iter().map(|onset| onset.to));
        }
        assert!(targets.into_iter().eq(LIVE));
        assert_ne!(onsets(&flood, 1), onsets(&flood, 2));
        assert_eq!(onsets(&flood, 1), onsets(&flood, 1));
        assert_eq!(flood.onsets(1, &[]), []);
    }

    #[test]
    fn an_eclipse_is_of_the_last_founder_while_it_is_there() {
        let eclipse = attackers(Attack::Eclipse, |a| a);
        assert_eq!(eclipse.victim(), Some(79));
        assert!(onsets(&eclipse, 1).iter().all(|onset| onset.to == 79));
        assert_eq!(onsets(&eclipse, 1).len(), 80);
        assert_eq!(eclipse.onsets(1, &[3, 4]), []);
        assert_eq!(attackers(Attack::Flood, |a| a).victim(), None);
    }

    #[test]
    fn half_of_the_force_meets_those_that_restart() {
        let restart = attackers(Attack::Restart, |a| a.with_force(100));
        let just = |onset: &&Onset| restart.adversaries.restarts(onset.to, 60);
        let onsets = onsets(&restart, 60);
        let share = onsets.iter().filter(just).count() as f64 / onsets.len() as f64;
        // 40 restarts in round 60, and no other of these; of the other half, one in 80 meets it.
        assert!((0.46..0.56).contains(&share), "{share}");
        let all = (0..500).filter(|&id| restart.adversaries.restarts(id, 60));
        assert_eq!(all.count(), 10);
        assert!(!(0..500).any(|id| restart.adversaries.restarts(id, 49)));
    }

    #[test]
    fn messages_are_full_of_different_attackers() {
        let flood = attackers(Attack::Flood, |a| a.with_identities(7_000));
        let mut seen = BTreeSet::new();
        for (round, onset) in (1..60).flat_map(|round| {
            let onsets = onsets(&flood, round).into_iter();
            onsets.map(move |onset| (round, onset))
        }) {
            let request = flood.request(onset, round);
            assert!(request.pull);
            let hosts = hosts(&request.descriptors);
            assert_eq!(hosts.len(), 30);
            assert!(
                hosts
                    .iter()
                    .all(|host| host.is_hostile() && !host.is_fake())
            );
            seen.extend(hosts);
        }
        assert_eq!(seen.len(), 7_000);
        let answer = flood.answer(Host::ATTACKERS, 7, 1).descriptors;
        assert_eq!(hosts(&answer).len(), 30);
        assert_ne!(answer, flood.answer(Host::ATTACKERS, 8, 1).descriptors);
        assert_ne!(answer, flood.answer(Host::ATTACKERS, 7, 2).descriptors);
        // With no more identities than attackers, and fewer than fit.
        let few = attackers(Attack::Flood, |a| a).answer(Host::ATTACKERS, 7, 1);
        assert_eq!(hosts(&few.descriptors).len(), 20);
        let short = attackers(Attack::Flood, |a| a.with_message(3));
        assert_eq!(short.answer(Host::ATTACKERS, 7, 1).descriptors.len(), 3);
    }

    #[test]
    fn identities_are_dealt_out_among_the_attackers() {
        let flood = attackers(Attack::Flood, |a| a.with_identities(50));
        let mut seen = BTreeSet::new();
        for round in 1..100 {
            seen.extend(onsets(&flood, round).iter().map(|onset| onset.from));
        }
        assert!(seen.into_iter().eq((0..50).map(|n| Host::attacker(n).0)));
    }

    #[test]
    fn hubs_are_few_and_always_the_same() {
        let hub = attackers(Attack::Hub, |a| a.with_identities(7_000));
        let all = (0..40).flat_map(|from| hosts(&hub.answer(Host::ATTACKERS, from, 1).descriptors));
        assert_eq!(all.collect::<BTreeSet<_>>().len(), 30);
    }

    #[test]
    fn sprayed_identities_are_always_new_and_those_of_a_prefix_are_in_one() {
        let spray = attackers(Attack::Spray, |a| a);
        let mut seen = BTreeSet::new();
        for from in 0..40 {
            let message = spray.answer(Host::attacker(3).0, from, 1).descriptors;
            assert_eq!(message[0].peer, Host::attacker(3));
            assert!(message[1..].iter().all(|d| d.peer.is_fake()));
            seen.extend(hosts(&message[1..]));
        }
        assert!(seen.len() >= 40 * 29 - 1);
        let prefix = attackers(Attack::Prefix, |a| a.with_identities(7_000));
        let wide = |host: Host| crate::peer::Peer::prefixes(&host).map(|prefixes| prefixes.wide());
        let hosts = hosts(&prefix.answer(prefix.identity(0).0, 7, 1).descriptors);
        assert!(
            hosts
                .into_iter()
                .all(|host| wide(host) == wide(prefix.identity(0)))
        );
    }
}
