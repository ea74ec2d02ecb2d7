//! The dial budget: how often this node dials which address on the word of others.
//!
//! A signed record proves which peer made it, not that the addresses are its own. One that makes up
//! a thousand identities and gives a victim's address to each would have every node of a network
//! dial it a thousand times, were peers what is counted. So addresses and their networks are
//! counted, and only dials that came to nothing: a peer that answers under the right identity is at
//! that host by its own word, and a network of many live peers uses nothing up.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use libp2p_core::{Multiaddr, multiaddr::Protocol};
use rand::{
    Rng,
    seq::{IteratorRandom, SliceRandom},
};
use thiserror::Error;

use crate::swarm::{
    address::Target,
    limits::Limits,
    rate::{Bucket, Rate},
};
use crate::time::{Backoff, Time};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// How many dials in vain are remembered, some 2 MB at most. When there are more within an hour,
/// nothing else is dialled on hearsay: were the oldest forgotten, many addresses would wash away
/// the one that is not to be dialled. A guess: more than the default of 60 dials a minute, two
/// addresses each, makes in two hours.
const REMEMBERED: usize = 16_384;
/// How many times as often as an address may be dialled in vain, a relay that answers may be asked
/// in vain for peers behind it. With the default of 3 that is the bound of its whole network, 12:
/// four times as many dead peers among those that one relay serves do not shut out the rest. A
/// guess.
const BEHIND_A_RELAY: u32 = 4;

/// Why this node would not dial a peer of its view. Nobody was dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum NotDialled {
    /// As many dials have been made for exchanges as one minute may have; see
    /// [`Limits::dials_per_minute`](crate::Limits::dials_per_minute).
    #[error("as many dials have been made as one minute may have")]
    Budget,
    /// Its addresses, or others of their networks, have been dialled in vain as often as one hour
    /// may have it, or so shortly ago that it is too early to try again: for this peer, or for
    /// others that are said to have the same; see
    /// [`Limits::dials_per_address`](crate::Limits::dials_per_address).
    #[error("its addresses or their networks have been dialled in vain too often")]
    InVain,
    /// All its addresses are this node's own.
    #[error("its addresses are this node's own")]
    Ourselves,
    /// This swarm has no transport for any of its addresses.
    #[error("this swarm has no transport for its addresses")]
    NoTransport,
    /// No behaviour of this swarm knows an address of it.
    #[error("nobody here knows an address of it")]
    NoAddress,
}

/// What this node has dialled, and may dial.
#[derive(Debug)]
pub(crate) struct Budget {
    per_minute: Rate,
    minute: Bucket,
    per_dial: usize,
    in_vain: InVain,
    /// Where this node itself listens.
    own: BTreeSet<Target>,
}

/// What became of a failed dial at one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DialOutcome {
    /// Nothing has left this machine.
    Unmade,
    /// No peer has answered, or another one.
    InVain,
    /// The relay has answered under its own identity, and has not reached the peer.
    RelayAnswered,
}

/// An address that was handed to the swarm.
#[derive(Debug)]
pub(crate) struct Handed {
    address: Multiaddr,
    /// Whether it was counted.
    counted: bool,
}

impl Handed {
    pub(crate) fn address(&self) -> &Multiaddr {
        &self.address
    }
}

impl Budget {
    /// `backoff`: how long a target is left alone after a dial in vain, at first and at most.
    pub(crate) fn new(limits: &Limits, backoff: Option<Backoff>) -> Self {
        Self {
            per_minute: Rate::per(limits.dials_per_minute, MINUTE),
            minute: Bucket::default(),
            per_dial: limits.addresses_per_dial,
            in_vain: InVain {
                per_address: limits.dials_per_address,
                per_prefix: limits.dials_per_prefix,
                backoff,
                log: VecDeque::new(),
                targets: BTreeMap::new(),
                prefixes: BTreeMap::new(),
            },
            own: BTreeSet::new(),
        }
    }

    /// Where this node can be reached, so that it does not dial itself. Behind a relay are others,
    /// too.
    pub(crate) fn set_own<'a>(&mut self, addresses: impl Iterator<Item = &'a Multiaddr>) {
        let direct =
            addresses.filter(|a| !a.iter().any(|protocol| protocol == Protocol::P2pCircuit));
        self.own = direct.filter_map(Target::of).collect();
    }

    /// Which of a peer's `addresses` this node dials for an exchange. The caller dials, and
    /// then calls [`Self::hand_over`].
    pub(crate) fn choose<R: Rng + ?Sized>(
        &mut self,
        addresses: Addresses<'_>,
        now: Time,
        rng: &mut R,
    ) -> Result<Choice, NotDialled> {
        let mut choice = self.choose_for_sibling(addresses, now, rng)?;
        choice.drawn = self.minute.take(self.per_minute, now);
        match choice.drawn {
            true => Ok(choice),
            false => Err(NotDialled::Budget),
        }
    }

    /// Which of `addresses` this node dials that are no hearsay: it has found the peer there
    /// itself, or the user says that it is there. They are not counted, as a seed's are not, and
    /// draw on no budget: others could use that up, and keep a node from its way back. They have
    /// their own pace.
    pub(crate) fn choose_known<R: Rng + ?Sized>(
        &self,
        addresses: &[Multiaddr],
        rng: &mut R,
    ) -> Result<Choice, NotDialled> {
        let is_own = |address: &&Multiaddr| {
            let target = Target::of(address);
            target.is_some_and(|target| self.own.contains(&target))
        };
        let foreign = addresses.iter().filter(|address| !is_own(address));
        let chosen = foreign.sample(rng, self.per_dial);
        match chosen.is_empty() {
            true => Err(NotDialled::Ourselves),
            false => Ok(Choice {
                addresses: chosen.into_iter().cloned().collect(),
                ..Choice::default()
            }),
        }
    }

    /// From when on more than half of a minute's dials are left: so much is for others than the
    /// peers of the view. `None`: never.
    pub(crate) fn next_spare(&self) -> Option<Time> {
        let half = self.per_minute.burst() / 2;
        self.minute.next_above(half, self.per_minute)
    }

    /// Which of a peer's `addresses` a sibling may dial, which has counted its dials itself.
    pub(crate) fn choose_for_sibling<R: Rng + ?Sized>(
        &mut self,
        addresses: Addresses<'_>,
        now: Time,
        rng: &mut R,
    ) -> Result<Choice, NotDialled> {
        self.choose_within(addresses, (now, self.in_vain.backoff), rng)
    }

    /// Which of a peer's `addresses` this node dials again, though it has just dialled there in
    /// vain: without backoff, and counted as any dial.
    pub(crate) fn choose_anew<R: Rng + ?Sized>(
        &mut self,
        addresses: Addresses<'_>,
        now: Time,
        rng: &mut R,
    ) -> Result<Choice, NotDialled> {
        self.choose_within(addresses, (now, None), rng)
    }

    fn choose_within<R: Rng + ?Sized>(
        &mut self,
        addresses: Addresses<'_>,
        (now, backoff): (Time, Option<Backoff>),
        rng: &mut R,
    ) -> Result<Choice, NotDialled> {
        self.in_vain.expire(now);
        let targets = addresses.known.iter().filter_map(|address| {
            let target = Target::of(address)?;
            Some((address, target))
        });
        let mut foreign: Vec<_> = targets.filter(|(_, t)| !self.own.contains(t)).collect();
        if foreign.is_empty() && !addresses.known.is_empty() {
            return Err(NotDialled::Ourselves);
        }
        let home = foreign.iter().find(|(a, _)| Some(*a) == addresses.verified);
        if let Some((home, _)) = home {
            return Ok(Choice {
                addresses: vec![(*home).clone()],
                ..Choice::default()
            });
        }
        // Otherwise a peer that has two addresses that are no use here would never be reached at
        // the third.
        foreign.shuffle(rng);
        let mut chosen = Choice::default();
        let (mut hosts, mut targets) = (BTreeSet::new(), BTreeSet::new());
        // One address of each host before a second of any.
        for second in [false, true] {
            for (address, target) in &foreign {
                let seen = targets.contains(target) || (!second && hosts.contains(&target.host()));
                let admitted = self.in_vain.admits(target, &chosen.counted, (now, backoff));
                if chosen.addresses.len() >= self.per_dial || seen || !admitted {
                    continue;
                }
                hosts.insert(target.host());
                targets.insert(*target);
                chosen.addresses.push((*address).clone());
                chosen.counted.push(*target);
            }
        }
        match chosen.addresses.is_empty() && !addresses.known.is_empty() {
            true => Err(NotDialled::InVain),
            false => Ok(chosen),
        }
    }

    /// What was chosen for an exchange was not dialled after all.
    pub(crate) fn give_back(&mut self) {
        self.minute.give_back(self.per_minute);
    }

    /// Counts what is dialled from now on: as in vain, until it turns out not to be.
    pub(crate) fn hand_over(&mut self, choice: Choice, now: Time) -> Vec<Handed> {
        for target in &choice.counted {
            self.in_vain.count(*target, now);
        }
        let handed = choice.addresses.into_iter().map(|address| Handed {
            counted: Target::of(&address).is_some_and(|t| choice.counted.contains(&t)),
            address,
        });
        handed.collect()
    }

    /// A dial has ended well, at `address`. The peer is at that host, whatever was tried there; it
    /// may have given away other hosts beside it. And a relay that one was reached through is one:
    /// the peers behind it that were not reached are forgiven it.
    pub(crate) fn answered(&mut self, handed: Vec<Handed>, address: &Multiaddr) {
        let host = |address: &Multiaddr| Target::of(address).map(|target| target.host());
        let home = host(address);
        self.failed(handed, |tried| match host(tried) == home {
            true => DialOutcome::Unmade,
            false => DialOutcome::InVain,
        });
        if let Some(target) = Target::of(address).filter(|target| target.relay().is_some()) {
            self.in_vain.forgive(target);
        }
    }

    /// A peer has come from the host of `address`, one of its own: what was dialled there in vain
    /// is forgiven, for its door may have been closed for a while. Not within the first backoff
    /// after a dial in vain: a peer behind a firewall would be dialled in vain whenever it calls.
    pub(crate) fn called(&mut self, address: &Multiaddr, now: Time) {
        let Some(target) = Target::of(address).filter(|target| target.relay().is_none()) else {
            return;
        };
        let first = self
            .in_vain
            .backoff
            .map_or(Duration::ZERO, |backoff| backoff.first);
        let last = self.in_vain.targets.get(&target).map(|(_, last)| *last);
        if last.is_some_and(|last| last.saturating_add(first) <= now) {
            self.in_vain.forgive(target);
        }
    }

    /// A dial has failed, at each address in its way.
    pub(crate) fn failed(
        &mut self,
        handed: Vec<Handed>,
        outcome: impl Fn(&Multiaddr) -> DialOutcome,
    ) {
        for handed in handed {
            let target = Target::of(&handed.address).filter(|_| handed.counted);
            match (target, outcome(&handed.address)) {
                (Some(target), DialOutcome::Unmade) => _ = self.in_vain.uncount(target),
                (Some(target), DialOutcome::InVain) => self.in_vain.count_at_the_door(target),
                (Some(_), DialOutcome::RelayAnswered) | (None, _) => {}
            }
        }
    }
}

/// What is known about where a peer is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses<'a> {
    /// By its record.
    pub(crate) known: &'a [Multiaddr],
    /// The one of them where this node has found it: the only one to dial. It is no hearsay any
    /// more, and is not counted, or others could keep this node from its contacts, by giving away
    /// their addresses.
    pub(crate) verified: Option<&'a Multiaddr>,
}

/// The addresses to dial; empty when none are known, and siblings may know some.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    addresses: Vec<Multiaddr>,
    counted: Vec<Target>,
    /// Whether it was drawn from the minute's budget.
    drawn: bool,
}

impl Choice {
    pub(crate) fn addresses(&self) -> &[Multiaddr] {
        &self.addresses
    }

    pub(crate) fn is_drawn(&self) -> bool {
        self.drawn
    }
}

/// The dials of the last hour that came to nothing, or are under way.
#[derive(Debug)]
struct InVain {
    per_address: u32,
    per_prefix: u32,
    backoff: Option<Backoff>,
    /// The oldest first.
    log: VecDeque<(Time, Target)>,
    /// How many of the log, and when the last was made.
    targets: BTreeMap<Target, (u32, Time)>,
    /// How many of the log.
    prefixes: BTreeMap<u64, u32>,
}

impl InVain {
    /// Forgets what is longer ago than an hour.
    fn expire(&mut self, now: Time) {
        while let Some((at, target)) = self.log.front().copied()
            && at.saturating_add(HOUR) <= now
        {
            self.log.pop_front();
            self.less(&target);
        }
    }

    /// Whether one more dial of `target`, beside those to `chosen`, is within bounds.
    fn admits(
        &self,
        target: &Target,
        chosen: &[Target],
        (now, backoff): (Time, Option<Backoff>),
    ) -> bool {
        let of = |target| self.targets.get(target).copied().unwrap_or_default();
        // A relay must answer, and may then be asked for more than one peer in vain.
        let behind = target.relay().map(|_| of(target).0);
        let asked_enough =
            behind.is_some_and(|asked| asked >= self.per_address.saturating_mul(BEHIND_A_RELAY));
        let (dials, last) = of(&target.relay().unwrap_or(*target));
        let too_early = backoff.is_some_and(|backoff| {
            let pause = backoff.pause(dials.saturating_sub(1));
            dials > 0 && now < last + pause
        });
        let crowded = target.prefixes().is_some_and(|prefixes| {
            let narrow = prefixes.narrow();
            let beside = chosen.iter().filter_map(Target::prefixes);
            let beside = beside.filter(|other| other.narrow() == narrow).count();
            let before = self.prefixes.get(&narrow).copied().unwrap_or_default();
            before as usize + beside >= self.per_prefix as usize
        });
        let full = self.log.len() + chosen.len() >= REMEMBERED;
        dials < self.per_address && !too_early && !asked_enough && !crowded && !full
    }

    fn count(&mut self, target: Target, now: Time) {
        self.log.push_back((now, target));
        let (dials, last) = self.targets.entry(target).or_default();
        (*dials, *last) = (*dials + 1, now);
        if let Some(prefixes) = target.prefixes() {
            *self.prefixes.entry(prefixes.narrow()).or_default() += 1;
        }
    }

    /// A dial of a relay, for somebody behind it, has not found the relay: it counts as one of its
    /// own address.
    fn count_at_the_door(&mut self, target: Target) {
        if let Some(door) = target.relay()
            && let Some(at) = self.uncount(target)
        {
            self.count(door, at);
        }
    }

    /// Takes all dials of `target` back.
    fn forgive(&mut self, target: Target) {
        while self.uncount(target).is_some() {}
    }

    /// Takes the last dial of `target` back, and returns when it was.
    fn uncount(&mut self, target: Target) -> Option<Time> {
        // Nearly always among the last; `None`: longer ago than an hour.
        let at = self.log.iter().rposition(|(_, other)| *other == target)?;
        let (when, _) = self.log.remove(at)?;
        self.less(&target);
        if let Some((_, last)) = self.targets.get_mut(&target) {
            let mut before = self.log.iter().take(at).rev();
            let before = before.find(|(_, other)| *other == target);
            *last = before.map_or(*last, |(at, _)| *at);
        }
        Some(when)
    }

    /// One dial of `target` less.
    fn less(&mut self, target: &Target) {
        if let Some((dials, _)) = self.targets.get_mut(target) {
            *dials -= 1;
            if *dials == 0 {
                self.targets.remove(target);
            }
        }
        let narrow = target.prefixes().map(|prefixes| prefixes.narrow());
        if let Some(narrow) = narrow
            && let Some(dials) = self.prefixes.get_mut(&narrow)
        {
            *dials -= 1;
            if *dials == 0 {
                self.prefixes.remove(&narrow);
            }
        }
    }
}

#[cfg(test)]
mod tests;
