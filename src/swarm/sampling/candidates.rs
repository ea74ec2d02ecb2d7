//! Candidates: peers whose addresses this node has from other behaviours of the swarm, or from the
//! application.

use std::{collections::BTreeMap, time::Duration};

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use rand::{Rng, seq::IteratorRandom};

use crate::swarm::limits::MAX_ADDRESSES;
use crate::time::{Backoff, Time};

/// How many candidates a node keeps. A guess: enough to find a way in among many that are stale,
/// and with their addresses some 50 kB.
const MAX_CANDIDATES: usize = 64;
/// How many candidates are tried at the same time. A guess, as many as seeds.
const AT_ONCE: usize = 4;
/// How long one that failed is left alone, at first and at most, where there is no quarantine. A
/// guess, as long as on the open internet.
const REST: Backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(60 * 60));

/// What mDNS, rendezvous, identify and others say of where peers are. Nobody has signed it, so it
/// never enters the view: it is where to look for somebody to make an exchange with, while the view
/// has room, each address once.
#[derive(Debug)]
pub(crate) struct Candidates {
    peers: BTreeMap<PeerId, Candidate>,
    /// How long one that failed is left alone, at first and at most.
    rest: Backoff,
    /// Counts what was told.
    told: u64,
}

#[derive(Debug, Default)]
struct Candidate {
    /// Without the peer at their end, those told first at the front.
    addresses: Vec<Address>,
    trying: bool,
    /// Whether it does not speak the protocol.
    mute: bool,
    /// How often all its addresses were tried in vain, since it last answered.
    failures: u32,
    /// Until when it is left alone, though it is told of again.
    rests_until: Time,
    /// When it was last told of.
    told: u64,
}

#[derive(Debug)]
struct Address {
    address: Multiaddr,
    tried: bool,
}

/// What became of an exchange with a peer that may be a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It answered.
    Met,
    /// It could not be reached, or the exchange broke.
    Failed,
    /// It does not speak the protocol.
    Mute,
}

impl Candidates {
    /// `rest`: how long one that failed is left alone, at first and at most.
    pub(crate) fn new(rest: Option<Backoff>) -> Self {
        Self {
            peers: BTreeMap::new(),
            rest: rest.unwrap_or(REST),
            told: 0,
        }
    }

    /// Somebody says that `peer` is at `address`, which has no peer at its end. Who has failed of
    /// late is not tried again for that, unless it is a new address.
    pub(crate) fn tell(&mut self, peer: PeerId, address: Multiaddr, now: Time) {
        self.told += 1;
        if !self.peers.contains_key(&peer) && self.peers.len() >= MAX_CANDIDATES {
            // Who had its chance gives way first, and then who was told of longest ago.
            let idle = self.peers.iter().filter(|(_, other)| !other.trying);
            let oldest = idle.min_by_key(|(_, other)| (other.has_untried(), other.told));
            let Some(oldest) = oldest.map(|(oldest, _)| *oldest) else {
                return;
            };
            self.peers.remove(&oldest);
        }
        let candidate = self.peers.entry(peer).or_default();
        candidate.told = self.told;
        let rested = candidate.rests_until <= now && !candidate.trying;
        let known = candidate.addresses.iter().any(|a| a.address == address);
        if rested && !candidate.has_untried() {
            candidate.reopen();
        }
        if known {
            return;
        }
        if candidate.addresses.len() >= MAX_ADDRESSES {
            if !rested {
                return; // Or addresses without end would have it tried without end.
            }
            candidate.addresses.remove(0);
        }
        candidate.addresses.push(Address {
            address,
            tried: false,
        });
    }

    /// The next candidate to make an exchange with. To be called until `None`; each is tried until
    /// [`Self::ended`]. Those that are `known` have no need of it; those that are `busy` are left
    /// for later.
    pub(crate) fn next<R: Rng + ?Sized>(
        &mut self,
        (now, rng): (Time, &mut R),
        known: impl Fn(&PeerId) -> bool,
        busy: impl Fn(&PeerId) -> bool,
    ) -> Option<PeerId> {
        if self.peers.values().filter(|c| c.trying).count() >= AT_ONCE {
            return None;
        }
        let mut ready = Vec::new();
        for (peer, candidate) in self.peers.iter_mut().filter(|(_, c)| c.is_due(now)) {
            if known(peer) {
                candidate.close();
            } else if !busy(peer) {
                ready.push((peer, candidate));
            }
        }
        // At random: who made up many identities is not to be the first.
        let (peer, candidate) = ready.into_iter().choose(rng)?;
        candidate.trying = true;
        Some(*peer)
    }

    /// Whether somebody is to be tried.
    pub(crate) fn is_waiting(&self, now: Time) -> bool {
        self.peers.values().any(|candidate| candidate.is_due(now))
    }

    /// Where to dial a candidate: what was not tried yet, or, when all was, everything.
    pub(crate) fn addresses(&self, peer: &PeerId) -> Vec<Multiaddr> {
        let addresses = self.peers.get(peer).map_or(&[][..], |c| &c.addresses);
        let untried = addresses.iter().filter(|address| !address.tried);
        let untried: Vec<_> = untried.map(|a| a.address.clone()).collect();
        match untried.is_empty() {
            true => addresses.iter().map(|a| a.address.clone()).collect(),
            false => untried,
        }
    }

    /// A candidate is dialled at these of its addresses.
    pub(crate) fn dialled(&mut self, peer: &PeerId, at: &[Multiaddr]) {
        let candidate = self.peers.get_mut(peer);
        let addresses = candidate.into_iter().flat_map(|c| &mut c.addresses);
        for address in addresses.filter(|a| at.contains(&a.address)) {
            address.tried = true;
        }
    }

    /// None of a candidate's addresses may be dialled.
    pub(crate) fn not_dialled(&mut self, peer: &PeerId) {
        if let Some(candidate) = self.peers.get_mut(peer) {
            candidate.close();
        }
    }

    /// Whether a candidate is being tried: then all that is known of where it is, is what somebody
    /// said.
    pub(crate) fn is_trying(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|c| c.trying)
    }

    /// An exchange with `peer` has ended.
    pub(crate) fn ended(&mut self, peer: &PeerId, outcome: Outcome, now: Time) {
        let Some(candidate) = self.peers.get_mut(peer) else {
            return;
        };
        let was_tried = std::mem::take(&mut candidate.trying);
        match outcome {
            Outcome::Met => {
                candidate.close();
                candidate.mute = false;
                candidate.failures = 0;
                candidate.rests_until = Time::ZERO;
            }
            Outcome::Mute => {
                candidate.close();
                candidate.mute = true;
                candidate.rests_until = now + self.rest.longest;
            }
            Outcome::Failed if was_tried && !candidate.has_untried() => {
                let rest = self.rest.pause(candidate.failures);
                candidate.failures = candidate.failures.saturating_add(1);
                candidate.rests_until = now + rest;
            }
            Outcome::Failed => {}
        }
    }

    /// The node is alone: candidates that failed have another chance, except those that do not
    /// speak the protocol.
    pub(crate) fn start_over(&mut self, now: Time) {
        for candidate in self.peers.values_mut() {
            if !candidate.trying && !candidate.is_mute(now) {
                candidate.reopen();
            }
        }
    }
}

impl Candidate {
    fn has_untried(&self) -> bool {
        self.addresses.iter().any(|address| !address.tried)
    }

    fn is_mute(&self, now: Time) -> bool {
        self.mute && now < self.rests_until
    }

    fn is_due(&self, now: Time) -> bool {
        !self.trying && self.has_untried() && !self.is_mute(now)
    }

    fn reopen(&mut self) {
        self.addresses.iter_mut().for_each(|a| a.tried = false);
    }

    fn close(&mut self) {
        self.addresses.iter_mut().for_each(|a| a.tried = true);
    }
}

#[cfg(test)]
mod tests {
    use libp2p_core::multiaddr::Protocol;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn candidates() -> Candidates {
        Candidates::new(Some(Backoff::new(10 * SECOND, 40 * SECOND)))
    }

    fn address(port: u64) -> Multiaddr {
        Multiaddr::empty().with(Protocol::Memory(port))
    }

    /// Tries all candidates that are due, and lets them fail; returns at how many addresses.
    fn fail(candidates: &mut Candidates, now: Time) -> usize {
        let mut rng = StdRng::seed_from_u64(1);
        let mut tried = 0;
        while let Some(peer) = candidates.next((now, &mut rng), |_| false, |_| false) {
            let addresses = candidates.addresses(&peer);
            candidates.dialled(&peer, &addresses);
            tried += addresses.len();
            candidates.ended(&peer, Outcome::Failed, now);
        }
        tried
    }

    #[test]
    fn failed_candidate_rests_longer_each_time() {
        let mut candidates = candidates();
        let peer = PeerId::random();
        let mut tried = Vec::new();
        for second in 0..200 {
            candidates.tell(peer, address(1), Time::new(second * SECOND));
            if fail(&mut candidates, Time::new(second * SECOND)) > 0 {
                tried.push(second);
            }
        }
        assert_eq!(tried, [0, 10, 30, 70, 110, 150, 190]);
        let mut rng = StdRng::seed_from_u64(1);
        candidates.tell(peer, address(1), Time::new(300 * SECOND));
        let next = candidates.next((Time::new(300 * SECOND), &mut rng), |_| false, |_| false);
        assert_eq!(next, Some(peer));
        candidates.ended(&peer, Outcome::Met, Time::new(300 * SECOND));
        assert_eq!(
            fail(&mut candidates, Time::new(300 * SECOND)),
            0,
            "met, and not told of since"
        );
        candidates.tell(peer, address(1), Time::new(301 * SECOND));
        assert_eq!(fail(&mut candidates, Time::new(301 * SECOND)), 1);
        candidates.tell(peer, address(1), Time::new(311 * SECOND));
        assert_eq!(
            fail(&mut candidates, Time::new(311 * SECOND)),
            1,
            "forgiven"
        );
    }

    #[test]
    fn a_new_address_is_tried_at_once_and_addresses_without_end_are_not() {
        let mut candidates = candidates();
        let peer = PeerId::random();
        candidates.tell(peer, address(1), Time::ZERO);
        assert_eq!(fail(&mut candidates, Time::ZERO), 1);
        candidates.tell(peer, address(2), Time::new(SECOND));
        assert_eq!(
            fail(&mut candidates, Time::new(SECOND)),
            1,
            "only the new one"
        );
        let mut tried = 0;
        for port in 3..100 {
            candidates.tell(peer, address(port), Time::new(SECOND));
            tried += fail(&mut candidates, Time::new(SECOND));
        }
        assert_eq!(tried, MAX_ADDRESSES - 2);
        candidates.tell(peer, address(100), Time::new(100 * SECOND));
        let known = candidates.addresses(&peer);
        assert_eq!(known.len(), MAX_ADDRESSES);
        assert!(known.contains(&address(100)) && !known.contains(&address(1)));
    }

    #[test]
    fn a_lonely_node_tries_all_again_but_those_that_do_not_speak() {
        let mut candidates = candidates();
        let (dead, mute) = (PeerId::random(), PeerId::random());
        let mut rng = StdRng::seed_from_u64(1);
        candidates.tell(mute, address(1), Time::ZERO);
        assert!(
            candidates
                .next((Time::new(SECOND), &mut rng), |_| false, |_| false)
                .is_some()
        );
        candidates.ended(&mute, Outcome::Mute, Time::new(SECOND));
        candidates.tell(dead, address(2), Time::new(SECOND));
        assert_eq!(fail(&mut candidates, Time::new(SECOND)), 1);
        assert!(!candidates.is_waiting(Time::new(2 * SECOND)));
        candidates.start_over(Time::new(2 * SECOND));
        candidates.tell(mute, address(3), Time::new(2 * SECOND));
        assert_eq!(
            fail(&mut candidates, Time::new(2 * SECOND)),
            1,
            "the dead one"
        );
        candidates.start_over(Time::new(41 * SECOND));
        assert_eq!(
            fail(&mut candidates, Time::new(41 * SECOND)),
            3,
            "both, at all addresses"
        );
    }

    #[test]
    fn few_candidates_at_once_and_none_known_or_busy() {
        let mut candidates = candidates();
        let peers: Vec<_> = (0..10).map(|_| PeerId::random()).collect();
        for peer in &peers {
            candidates.tell(*peer, address(1), Time::ZERO);
        }
        let mut rng = StdRng::seed_from_u64(1);
        let (known, busy) = (peers[0], peers[1]);
        let mut next = |candidates: &mut Candidates| {
            candidates.next(
                (Time::new(SECOND), &mut rng),
                |p| *p == known,
                |p| *p == busy,
            )
        };
        let first: Vec<_> = std::iter::from_fn(|| next(&mut candidates)).collect();
        assert_eq!(first.len(), AT_ONCE);
        for peer in first {
            candidates.ended(&peer, Outcome::Met, Time::new(SECOND));
        }
        let mut others = 0;
        while let Some(peer) = next(&mut candidates) {
            candidates.ended(&peer, Outcome::Met, Time::new(SECOND));
            assert!(peer != known && peer != busy);
            others += 1;
        }
        assert_eq!(others, 8 - AT_ONCE);
        assert_eq!(
            fail(&mut candidates, Time::new(SECOND)),
            1,
            "the busy one has its turn later"
        );
    }

    #[test]
    fn candidates_are_bounded_and_tried_ones_give_way() {
        let mut candidates = candidates();
        let first = PeerId::random();
        candidates.tell(first, address(1), Time::ZERO);
        let tried = PeerId::random();
        candidates.tell(tried, address(2), Time::ZERO);
        candidates.ended(&tried, Outcome::Met, Time::ZERO);
        for port in 0..MAX_CANDIDATES as u64 - 1 {
            candidates.tell(PeerId::random(), address(port), Time::ZERO);
        }
        assert_eq!(candidates.peers.len(), MAX_CANDIDATES);
        assert!(!candidates.peers.contains_key(&tried));
        assert!(candidates.peers.contains_key(&first));
        candidates.tell(PeerId::random(), address(1), Time::ZERO);
        assert_eq!(candidates.peers.len(), MAX_CANDIDATES);
        assert!(!candidates.peers.contains_key(&first), "the oldest");
    }
}
