//! The dial budget: how often this node dials whom on the word of others.
//!
//! A signed record proves who made it, not that its addresses are theirs. One who makes up a thousand
//! identities and gives a victim's address to each would have every node of a network dial it
//! a thousand times, were peers what is counted. So addresses and their networks are counted, and
//! only dials that came to nothing: whoever answers under the right identity is at that host by its
//! own word, and a network of many live peers uses nothing up.

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
use crate::time::Time;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// How many dials in vain are remembered, some 2 MB at most. When there are more within an hour,
/// nothing else is dialled on hearsay: were the oldest forgotten, many addresses would wash away the
/// one that is not to be dialled. A guess: more than the default of 60 dials a minute, two addresses
/// each, makes in two hours.
const REMEMBERED: usize = 16_384;
/// How many times as often as an address may be dialled in vain, a relay that answers may be asked in vain for
/// peers behind it. With the default of 3 that is the bound of its whole network, 12: four times as many dead peers
/// among those that one relay serves do not shut out the rest. A guess.
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
    /// others who are said to have the same; see
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
    /// Nobody has answered, or somebody else.
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
    pub(crate) fn new(limits: &Limits, backoff: Option<(Duration, Duration)>) -> Self {
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

    /// Which of a peer's `addresses` this node dials for an exchange. Whoever gets them dials, and
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

    /// From when on more than half of a minute's dials are left: so much is for others than the peers
    /// of the view. `None`: never.
    pub(crate) fn next_spare(&self) -> Option<Time> {
        let half = self.per_minute.burst() / 2;
        self.minute.next_above(half, self.per_minute)
    }

    /// Which of a peer's `addresses` a sibling may dial, who has counted its dials itself.
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
        (now, backoff): (Time, Option<(Duration, Duration)>),
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
        // Otherwise whoever has two addresses that are no use here would never be reached at the
        // third.
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
    /// may have given away other hosts beside it. And a relay that one was reached through is one: those
    /// behind it who were not reached are forgiven it.
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
            .map_or(Duration::ZERO, |(first, _)| first);
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
    /// The one of them where this node has found it: the only one to dial. It is no hearsay any more,
    /// and is not counted, or others could keep this node from its contacts, by giving away their
    /// addresses.
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
    backoff: Option<(Duration, Duration)>,
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
        (now, backoff): (Time, Option<(Duration, Duration)>),
    ) -> bool {
        let of = |target| self.targets.get(target).copied().unwrap_or_default();
        // A relay must answer, and may then be asked for more than one peer in vain.
        let behind = target.relay().map(|_| of(target).0);
        let asked_enough =
            behind.is_some_and(|asked| asked >= self.per_address.saturating_mul(BEHIND_A_RELAY));
        let (dials, last) = of(&target.relay().unwrap_or(*target));
        let too_early = backoff.is_some_and(|(first, longest)| {
            let pause = first.saturating_mul(1 << dials.saturating_sub(1).min(30));
            dials > 0 && now < last.saturating_add(pause.min(longest))
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

    /// A dial of a relay, for somebody behind it, has not found the relay: it counts as one of its own
    /// address.
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
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn dials(change: impl FnOnce(&mut Limits)) -> Dials {
        let mut limits = Limits {
            dials_per_minute: 1_000_000,
            dials_per_prefix: 12,
            dials_per_address: 3,
            addresses_per_dial: 2,
            ..Limits::default()
        };
        change(&mut limits);
        Dials::new(&limits, None)
    }

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("a multiaddr")
    }

    /// Dials in vain, as often as it may.
    fn exhaust(dials: &mut Dials, known: &[Multiaddr], now: Time) {
        while let Ok(connection) = dial(dials, known, now) {
            dials.failed(connection, |_| Fate::InVain);
        }
    }

    #[test]
    fn a_peer_that_calls_is_dialled_again_where_it_was_dialled_in_vain() {
        let limits = Limits {
            dials_per_minute: 1_000_000,
            ..Limits::default()
        };
        let mut dials = Dials::new(&limits, Some((60 * SECOND, 3_600 * SECOND)));
        let home = [address("/ip4/1.2.3.4/tcp/1")];
        exhaust(&mut dials, &home, Time::new(SECOND));
        dials.called(&home[0], Time::new(30 * SECOND));
        assert!(
            dial(&mut dials, &home, Time::new(30 * SECOND)).is_err(),
            "too early"
        );
        dials.called(&address("/ip4/1.2.3.4/tcp/2"), Time::new(61 * SECOND));
        dials.called(&address("/ip4/1.2.3.5/tcp/1"), Time::new(61 * SECOND));
        exhaust(&mut dials, &home, Time::new(61 * SECOND));
        exhaust(&mut dials, &home, Time::new(1_000 * SECOND));
        assert!(dial(&mut dials, &home, Time::new(1_100 * SECOND)).is_err());
        dials.called(&home[0], Time::new(1_100 * SECOND));
        assert!(dial(&mut dials, &home, Time::new(1_100 * SECOND)).is_ok());
    }

    #[test]
    fn what_is_no_hearsay_is_not_counted() {
        let mut dials = dials(|limits| limits.dials_per_minute = 1);
        dials.set_own([address("/ip4/1.2.3.4/tcp/9")].iter());
        let mut rng = StdRng::seed_from_u64(1);
        let home = [address("/ip4/1.2.3.4/tcp/1")];
        for _ in 0..5 {
            let choice = dials.choose_known(&home, &mut rng);
            let connection = next_connection(&dials);
            dials.hand_over(connection, choice.expect("an address"), Time::new(SECOND));
            dials.failed(connection, |_| Fate::InVain);
        }
        let own = dials.choose_known(&[address("/ip4/1.2.3.4/tcp/9")], &mut rng);
        assert_eq!(own.err(), Some(NotDialled::Ourselves));
        assert!(dials.in_vain.log.is_empty());
        assert!(
            dial(&mut dials, &home, Time::new(SECOND)).is_ok(),
            "the minute's dial is left"
        );
    }

    fn next_connection(dials: &Dials) -> ConnectionId {
        let last = dials.under_way.last_key_value();
        let last = last.map_or(0, |(last, _)| last.to_string().parse().expect("a number"));
        ConnectionId::new_unchecked(last + 1)
    }

    /// Dials a peer of whom only hearsay is known.
    fn dial(dials: &mut Dials, known: &[Multiaddr], now: Time) -> Result<ConnectionId, NotDialled> {
        let addresses = Addresses {
            known,
            verified: None,
        };
        let choice = dials.choose(addresses, now, &mut StdRng::seed_from_u64(1))?;
        let connection = next_connection(dials);
        dials.hand_over(connection, choice, now);
        Ok(connection)
    }

    /// How many of `peers` are dialled, all in vain.
    fn in_vain(dials: &mut Dials, peers: impl Iterator<Item = Multiaddr>, now: Time) -> usize {
        peers
            .filter(
                |address| match dial(dials, std::slice::from_ref(address), now) {
                    Ok(connection) => {
                        dials.failed(connection, |_| Fate::InVain);
                        true
                    }
                    Err(error) => {
                        assert_eq!(error, NotDialled::InVain);
                        false
                    }
                },
            )
            .count()
    }

    #[test]
    fn a_victim_is_dialled_a_few_times_an_hour_whoever_is_said_to_be_there() {
        let mut dials = dials(|_| ());
        let victim = || std::iter::repeat_n(address("/ip4/1.2.3.4/tcp/80"), 1_000);
        assert_eq!(in_vain(&mut dials, victim(), Time::ZERO), 3);
        assert_eq!(in_vain(&mut dials, victim(), Time::new(HOUR - SECOND)), 0);
        assert_eq!(in_vain(&mut dials, victim(), Time::new(HOUR)), 3);
        assert!(dials.is_empty());
    }

    #[test]
    fn a_network_is_dialled_no_more_often_under_many_addresses() {
        let mut dials = dials(|_| ());
        let ports = (1..1_000).map(|port| address(&format!("/ip4/1.2.3.4/tcp/{port}")));
        assert_eq!(in_vain(&mut dials, ports, Time::ZERO), 12);
        let hosts = (1..255).map(|host| address(&format!("/ip4/1.2.3.{host}/udp/1/quic-v1")));
        assert_eq!(in_vain(&mut dials, hosts, Time::ZERO), 0);
        let others = (1..255).map(|net| address(&format!("/ip4/1.2.{net}.4/tcp/80")));
        assert_eq!(in_vain(&mut dials, others, Time::ZERO), 253);
        let names = (0..255).map(|name| address(&format!("/dns4/{name}.example.org/tcp/80")));
        assert_eq!(in_vain(&mut dials, names, Time::ZERO), 12);
        let customer = (0..255).map(|host| address(&format!("/ip6/2a00:1:2:{host}::1/tcp/80")));
        assert_eq!(in_vain(&mut dials, customer, Time::ZERO), 12);
    }

    #[test]
    fn one_dial_counts_all_its_addresses() {
        let mut dials = dials(|limits| {
            limits.dials_per_prefix = 3;
            limits.addresses_per_dial = 8;
        });
        let known: Vec<_> = (1..=5)
            .map(|host| address(&format!("/ip4/1.2.3.{host}/tcp/80")))
            .collect();
        let connection = dial(&mut dials, &known, Time::ZERO).expect("some of them");
        assert_eq!(dials.handed(connection).map(|handed| handed.len()), Some(3));
    }

    #[test]
    fn the_same_door_is_knocked_at_once_in_one_dial() {
        let mut dials = dials(|limits| limits.addresses_per_dial = 8);
        let known = [
            "/tcp/443",
            "/tcp/443/ws",
            "/tcp/443/tls/ws",
            "/udp/443/quic-v1",
        ];
        let known = known.map(|port| address(&format!("/ip4/1.2.3.4{port}")));
        let connection = dial(&mut dials, &known, Time::ZERO).expect("free");
        assert_eq!(dials.handed(connection).map(|handed| handed.len()), Some(2));
    }

    #[test]
    fn hosts_differ_as_far_as_they_can() {
        let known = [
            "/ip6/2a00::1/tcp/1",
            "/ip6/2a00::1/udp/1/quic-v1",
            "/ip4/1.2.3.4/tcp/1",
            "/ip4/1.2.3.4/udp/1/quic-v1",
        ];
        let known = known.map(address);
        for seed in 0..20 {
            let mut dials = dials(|_| ());
            let mut rng = StdRng::seed_from_u64(seed);
            let addresses = Addresses {
                known: &known,
                verified: None,
            };
            let choice = dials.choose(addresses, Time::ZERO, &mut rng);
            let hosts = choice
                .expect("free")
                .counted
                .iter()
                .map(Target::host)
                .collect();
            let hosts: BTreeSet<_> = hosts;
            assert_eq!(hosts.len(), 2, "seed {seed}");
        }
    }

    /// Ten thousand live peers behind one address translator, or in one data centre.
    #[test]
    fn who_answers_uses_nothing_up() {
        let mut dials = dials(|_| ());
        for port in 1..=10_000 {
            let known = ["tcp", "udp"];
            let known = known.map(|kind| address(&format!("/ip4/1.2.3.4/{kind}/{port}")));
            let connection = dial(&mut dials, &known, Time::ZERO).expect("free");
            assert_eq!(dials.handed(connection).map(|handed| handed.len()), Some(2));
            dials.answered(connection, &known[0]);
        }
        assert!(dials.in_vain.log.is_empty());
        assert!(dials.in_vain.targets.is_empty() && dials.in_vain.prefixes.is_empty());
    }

    /// One who answers at home under many identities, and gives away a victim's address beside it.
    #[test]
    fn who_answers_answers_for_no_other_host() {
        let mut dials = dials(|_| ());
        let mut knocks = 0;
        for port in 1..=1_000 {
            let home = address(&format!("/ip4/5.6.7.8/tcp/{port}"));
            let known = [address("/ip4/1.2.3.4/tcp/80"), home.clone()];
            let connection = dial(&mut dials, &known, Time::ZERO).expect("its home");
            let handed = dials.handed(connection).expect("both or one");
            knocks += usize::from(handed.contains(&known[0]));
            dials.answered(connection, &home);
        }
        assert_eq!(knocks, 3);
    }

    fn behind_a_relay(port: u16) -> Multiaddr {
        let relay = PeerId::random();
        address(&format!("/ip4/1.2.3.4/tcp/{port}/p2p/{relay}/p2p-circuit"))
    }

    /// How many of `count` peers behind a relay are dialled, all with this fate.
    fn asked(dials: &mut Dials, count: usize, fate: Fate) -> usize {
        let behind = behind_a_relay(80);
        let mut asked = 0;
        for _ in 0..count {
            if let Ok(connection) = dial(dials, std::slice::from_ref(&behind), Time::new(SECOND)) {
                dials.failed(connection, |_| fate);
                asked += 1;
            }
        }
        asked
    }

    #[test]
    fn a_relay_that_answers_is_asked_more_often_than_one_that_does_not() {
        for (fate, expected) in [
            (Fate::InVain, 3),
            (Fate::RelayAnswered, 12),
            (Fate::Unmade, 50),
        ] {
            let mut dials = dials(|limits| limits.dials_per_prefix = 1_000);
            assert_eq!(asked(&mut dials, 50, fate), expected, "{fate:?}");
        }
        // Its network has its bound whatever it does.
        let mut dials = dials(|limits| limits.dials_per_prefix = 5);
        assert_eq!(asked(&mut dials, 50, Fate::RelayAnswered), 5);
    }

    #[test]
    fn who_is_reached_through_a_relay_clears_it() {
        let mut dials = dials(|_| ());
        assert_eq!(asked(&mut dials, 50, Fate::RelayAnswered), 12);
        // A contact, which is dialled whatever was counted.
        let home = behind_a_relay(80);
        let known = std::slice::from_ref(&home);
        let verified = Some(&home);
        let addresses = Addresses { known, verified };
        let choice = dials.choose(addresses, Time::new(SECOND), &mut StdRng::seed_from_u64(1));
        let connection = ConnectionId::new_unchecked(7);
        dials.hand_over(connection, choice.expect("exempt"), Time::new(SECOND));
        dials.answered(connection, &home);
        assert!(dials.in_vain.log.is_empty());
        assert_eq!(asked(&mut dials, 50, Fate::RelayAnswered), 12);
        // Not another relay, on the same host.
        let connection = dial(&mut dials, &[], Time::new(SECOND)).expect("nothing against it");
        dials.answered(connection, &behind_a_relay(81));
        assert_eq!(asked(&mut dials, 50, Fate::RelayAnswered), 0);
    }

    #[test]
    fn a_relay_that_is_not_there_is_in_backoff_for_all_behind_it() {
        let mut dials = dials(|_| ());
        dials.in_vain.backoff = Some((10 * SECOND, 40 * SECOND));
        assert_eq!(asked(&mut dials, 5, Fate::RelayAnswered), 5);
        assert_eq!(asked(&mut dials, 5, Fate::InVain), 1);
        let door = [address("/ip4/1.2.3.4/tcp/80")];
        assert_eq!(
            dial(&mut dials, &door, Time::new(SECOND)),
            Err(NotDialled::InVain)
        );
    }

    /// Our own connection limits say nothing about an address.
    #[test]
    fn what_was_not_dialled_is_not_counted() {
        let mut dials = dials(|_| ());
        let known = [address("/ip4/1.2.3.4/tcp/80")];
        for _ in 0..100 {
            let connection = dial(&mut dials, &known, Time::ZERO).expect("free");
            dials.failed(connection, |_| Fate::Unmade);
        }
        assert!(dials.in_vain.log.is_empty());
    }

    #[test]
    fn where_a_peer_was_found_it_is_dialled_whatever_others_say() {
        let mut dials = dials(|_| ());
        let home = address("/ip4/1.2.3.4/tcp/80");
        in_vain(
            &mut dials,
            std::iter::repeat_n(home.clone(), 99),
            Time::new(SECOND),
        );
        let known = [address("/ip4/9.9.9.9/tcp/9"), home.clone()];
        let addresses = Addresses {
            known: &known,
            verified: Some(&home),
        };
        let choice = dials.choose(addresses, Time::new(SECOND), &mut StdRng::seed_from_u64(1));
        dials.hand_over(
            ConnectionId::new_unchecked(7),
            choice.expect("exempt"),
            Time::new(SECOND),
        );
        assert_eq!(dials.in_vain.log.len(), 3, "not counted");
        let handed = dials.handed(ConnectionId::new_unchecked(7));
        assert_eq!(handed.as_deref(), Some(&known[1..]), "nowhere else");
        // Nor does its answer make room for others.
        dials.answered(ConnectionId::new_unchecked(7), &home);
        assert_eq!(
            in_vain(&mut dials, [home].into_iter(), Time::new(SECOND)),
            0
        );
    }

    #[test]
    fn a_target_in_backoff_is_left_alone() {
        let mut dials = dials(|limits| limits.dials_per_address = 100);
        dials.in_vain.backoff = Some((10 * SECOND, 40 * SECOND));
        let victim = || std::iter::once(address("/ip4/1.2.3.4/tcp/80"));
        let mut dialled = Vec::new();
        for second in 0..160 {
            if in_vain(&mut dials, victim(), Time::new(second * SECOND)) > 0 {
                dialled.push(second);
            }
        }
        assert_eq!(dialled, [0, 10, 30, 70, 110, 150]);
        // Under way is as good as in vain.
        let known = [address("/ip4/5.6.7.8/tcp/80")];
        let connection = dial(&mut dials, &known, Time::new(200 * SECOND)).expect("free");
        let again = dial(&mut dials, &known, Time::new(200 * SECOND));
        assert_eq!(again, Err(NotDialled::InVain));
        dials.answered(connection, &known[0]);
        assert!(dial(&mut dials, &known, Time::new(200 * SECOND)).is_ok());
    }

    #[test]
    fn a_success_takes_back_its_own_dial_and_no_other() {
        let mut dials = dials(|_| ());
        dials.in_vain.backoff = Some((10 * SECOND, 40 * SECOND));
        let known = [address("/ip4/1.2.3.4/tcp/80")];
        let failed = dial(&mut dials, &known, Time::ZERO).expect("free");
        dials.failed(failed, |_| Fate::InVain);
        let good = dial(&mut dials, &known, Time::new(20 * SECOND)).expect("free");
        dials.answered(good, &known[0]);
        let target = Target::of(&known[0]).expect("a target");
        assert_eq!(dials.in_vain.targets[&target], (1, Time::ZERO));
    }

    #[test]
    fn nobody_dials_himself() {
        let mut dials = dials(|_| ());
        let relay = libp2p_identity::PeerId::random();
        let own = [
            address("/ip4/10.0.0.1/tcp/4001"),
            address(&format!("/ip4/1.2.3.4/tcp/1/p2p/{relay}/p2p-circuit")),
        ];
        dials.set_own(own.iter());
        let again = [address("/ip4/10.0.0.1/tcp/4001/ws")];
        assert_eq!(
            dial(&mut dials, &again, Time::ZERO),
            Err(NotDialled::Ourselves)
        );
        let relay = [address("/ip4/1.2.3.4/tcp/1")];
        assert!(dial(&mut dials, &relay, Time::ZERO).is_ok());
        let both = [again[0].clone(), address("/ip4/10.0.0.2/tcp/4001")];
        let connection = dial(&mut dials, &both, Time::ZERO).expect("the other");
        assert_eq!(dials.handed(connection).as_deref(), Some(&both[1..]));
    }

    #[test]
    fn a_minute_has_so_many_dials() {
        let mut dials = dials(|limits| limits.dials_per_minute = 6);
        let dialled = |dials: &mut Dials, net: usize, now| {
            (0..100)
                .take_while(|host| {
                    let known = [address(&format!("/ip4/1.{net}.{host}.4/tcp/80"))];
                    let result = dial(dials, &known, now);
                    assert!(matches!(result, Ok(_) | Err(NotDialled::Budget)));
                    result.is_ok()
                })
                .count()
        };
        assert_eq!(dialled(&mut dials, 1, Time::ZERO), 6);
        assert_eq!(dialled(&mut dials, 2, Time::new(10 * SECOND)), 1);
        assert_eq!(dialled(&mut dials, 3, Time::new(10 * MINUTE)), 6);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_not_washed_away() {
        let mut dials = dials(|limits| limits.dials_per_prefix = 1_000_000);
        let victim = || std::iter::repeat_n(address("/ip4/1.2.3.4/tcp/80"), 10);
        in_vain(&mut dials, victim(), Time::ZERO);
        let many =
            (0..20_000u32).map(|n| address(&format!("/ip4/8.8.{}.{}/tcp/80", n / 250, n % 250)));
        let dialled = in_vain(&mut dials, many, Time::new(SECOND));
        assert_eq!(dialled, REMEMBERED - 3);
        assert_eq!(in_vain(&mut dials, victim(), Time::new(2 * SECOND)), 0);
        assert_eq!(dials.in_vain.targets.len(), REMEMBERED - 2);
        assert_eq!(in_vain(&mut dials, victim(), Time::new(HOUR + SECOND)), 3);
        assert_eq!(dials.in_vain.log.len(), 3);
        assert_eq!(dials.in_vain.targets.len(), 1);
        assert_eq!(dials.in_vain.prefixes.len(), 1);
    }

    #[test]
    fn of_whom_nothing_is_known_siblings_may_know() {
        let mut dials = dials(|_| ());
        let connection = dial(&mut dials, &[], Time::ZERO).expect("nothing against it");
        assert_eq!(dials.handed(connection), Some(Vec::new()));
    }
}
