//! The seeds: where a node starts, and where it goes back to when its view is empty.

use std::time::Duration;

use libp2p_core::{Multiaddr, multiaddr::Protocol};
use libp2p_identity::PeerId;
use rand::{Rng, RngExt, seq::IteratorRandom};

use crate::swarm::{
    address::{is_relayed, split_peer},
    behaviour::event::SeedError,
};

/// How many seeds a node keeps. A guess; mDNS on a large LAN may find as many.
const MAX_SEEDS: usize = 256;
/// How many seeds are tried at the same time. A guess.
const AT_ONCE: usize = 4;

/// Seeds and where each stands. Every seed is contacted once, view or no view: that is what joins
/// two networks that grew apart. After that, only when the view is empty.
#[derive(Debug)]
pub(super) struct Seeds {
    seeds: Vec<Seed>,
    first_pause: Duration,
    longest_pause: Duration,
    /// The pause after the next failure of all seeds.
    pause: Duration,
    /// When the seeds may be tried again, once the view is empty and all were tried.
    retry_at: Option<Duration>,
}

#[derive(Debug)]
struct Seed {
    address: Multiaddr,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be tried.
    Due,
    /// Being tried, until this time.
    Trying(Duration),
    /// Tried; its turn comes again when the view is empty.
    Tried,
}

impl Seeds {
    pub(super) fn new((first_pause, longest_pause): (Duration, Duration)) -> Self {
        Self {
            seeds: Vec::new(),
            first_pause,
            longest_pause,
            pause: first_pause,
            retry_at: None,
        }
    }

    /// Adds a seed; one that is known already changes nothing.
    pub(super) fn add(&mut self, address: Multiaddr, local: PeerId) -> Result<(), SeedError> {
        let (bare, peer) = split_peer(&address);
        if peer == Some(local) {
            return Err(SeedError::Ourselves);
        }
        // A relay's address ends in `/p2p-circuit` and names the relay in between.
        let relayed = bare.iter().any(|p| matches!(p, Protocol::P2pCircuit));
        let dialled = bare
            .iter()
            .next()
            .is_some_and(|p| !matches!(p, Protocol::P2p(_)));
        if !dialled && !relayed {
            return Err(SeedError::NotAnAddress);
        }
        if self
            .seeds
            .iter()
            .any(|seed| is_same(&seed.address, &address))
        {
            return Ok(());
        }
        if self.seeds.len() >= MAX_SEEDS {
            // The oldest that had its chance gives way: addresses found by mDNS come and go.
            let tried = self.seeds.iter().position(|s| s.state == State::Tried);
            let tried = tried.ok_or(SeedError::TooMany { max: MAX_SEEDS })?;
            self.seeds.remove(tried);
        }
        self.seeds.push(Seed {
            address,
            state: State::Due,
        });
        Ok(())
    }

    /// The seeds, in the order in which they came.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &Multiaddr> {
        self.seeds.iter().map(|seed| &seed.address)
    }

    /// Forgets a seed; returns whether it was one.
    pub(super) fn remove(&mut self, address: &Multiaddr) -> bool {
        let before = self.seeds.len();
        self.seeds.retain(|seed| !is_same(&seed.address, address));
        self.seeds.len() < before
    }

    /// Whether the time has come to start over: the view is empty (`lonely`), no exchange is under
    /// way (`idle`), every seed was tried, and the pause is over. Then all seeds are due again, and whatever else was tried should be,
    /// too. To be called before [`Self::poll`], whenever anything has changed.
    pub(super) fn start_over<R: Rng + ?Sized>(
        &mut self,
        now: Duration,
        lonely: bool,
        idle: bool,
        rng: &mut R,
    ) -> bool {
        if !lonely {
            self.pause = self.first_pause;
        }
        let ready = lonely && idle;
        if !ready || self.seeds.iter().any(|seed| seed.state != State::Tried) {
            self.retry_at = None;
            return false;
        }
        let Some(at) = self.retry_at else {
            let stretched = self.pause.mul_f64(rng.random_range(0.5..1.5));
            self.retry_at = Some(now.saturating_add(stretched));
            self.pause = self.pause.saturating_mul(2).min(self.longest_pause);
            return false;
        };
        if now < at {
            return false;
        }
        self.retry_at = None;
        for seed in &mut self.seeds {
            seed.state = State::Due;
        }
        true
    }

    /// Whether any seed is still to be tried.
    pub(super) fn is_due(&self) -> bool {
        self.seeds.iter().any(|seed| seed.state == State::Due)
    }

    /// The next seed to try, until `now + timeout`. To be called until `None`.
    pub(super) fn poll<R: Rng + ?Sized>(
        &mut self,
        now: Duration,
        timeout: Duration,
        rng: &mut R,
    ) -> Option<Multiaddr> {
        let trying = |seed: &&Seed| matches!(seed.state, State::Trying(_));
        if self.seeds.iter().filter(trying).count() >= AT_ONCE {
            return None;
        }
        let due = self.seeds.iter_mut().filter(|s| s.state == State::Due);
        let seed = due.choose(rng)?;
        seed.state = State::Trying(now.saturating_add(timeout));
        Some(seed.address.clone())
    }

    /// A seed whose time is over; it counts as tried. To be called until `None`.
    pub(super) fn poll_timeout(&mut self, now: Duration) -> Option<Multiaddr> {
        let late = |seed: &&mut Seed| matches!(seed.state, State::Trying(until) if until <= now);
        let seed = self.seeds.iter_mut().find(late)?;
        seed.state = State::Tried;
        Some(seed.address.clone())
    }

    /// An attempt has ended, well or badly. Returns whether there was one.
    pub(super) fn tried(&mut self, address: &Multiaddr) -> bool {
        let trying = |s: &&mut Seed| s.address == *address && matches!(s.state, State::Trying(_));
        let seed = self.seeds.iter_mut().find(trying);
        seed.is_some_and(|seed| {
            seed.state = State::Tried;
            true
        })
    }

    /// When [`Self::start_over`] or [`Self::poll_timeout`] have work to do next by themselves.
    pub(super) fn next_wake(&self) -> Option<Duration> {
        let deadlines = self.seeds.iter().filter_map(|seed| match seed.state {
            State::Trying(until) => Some(until),
            State::Due | State::Tried => None,
        });
        deadlines.chain(self.retry_at).min()
    }
}

/// Whether two seeds are one address, with and without `/p2p/<peer>` at the end. Behind one relay
/// there are many peers.
fn is_same(one: &Multiaddr, other: &Multiaddr) -> bool {
    let ((bare, peer), (other_bare, other_peer)) = (split_peer(one), split_peer(other));
    let unnamed = !is_relayed(&bare) && (peer.is_none() || other_peer.is_none());
    bare == other_bare && (peer == other_peer || unnamed)
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn seeds(count: u64) -> Seeds {
        let mut seeds = Seeds::new((SECOND, 60 * SECOND));
        for port in 1..=count {
            seeds
                .add(address(port), PeerId::random())
                .expect("an address");
        }
        seeds
    }

    fn poll(seeds: &mut Seeds, now: Duration, lonely: bool) -> Vec<Multiaddr> {
        let mut rng = StdRng::seed_from_u64(1);
        seeds.start_over(now, lonely, true, &mut rng);
        std::iter::from_fn(|| seeds.poll(now, 10 * SECOND, &mut rng)).collect()
    }

    fn address(port: u64) -> Multiaddr {
        Multiaddr::empty().with(Protocol::Memory(port))
    }

    #[test]
    fn every_seed_is_tried_once_a_few_at_a_time() {
        let mut seeds = seeds(6);
        let first = poll(&mut seeds, SECOND, false);
        assert_eq!(first.len(), AT_ONCE);
        assert!(seeds.tried(&first[0]));
        assert!(!seeds.tried(&first[0]));
        let second = poll(&mut seeds, SECOND, false);
        assert_eq!(second.len(), 1);
        assert!(!first.contains(&second[0]));
        assert_eq!(seeds.next_wake(), Some(11 * SECOND));
        let late = std::iter::from_fn(|| seeds.poll_timeout(11 * SECOND)).count();
        assert_eq!(late, AT_ONCE);
        assert_eq!(poll(&mut seeds, 11 * SECOND, false).len(), 1);
    }

    #[test]
    fn a_lonely_node_comes_back_ever_more_seldom() {
        let mut seeds = seeds(1);
        let mut attempts = Vec::new();
        for tick in 0..6_000 {
            let now = tick * SECOND / 10;
            for address in poll(&mut seeds, now, true) {
                attempts.push(now);
                assert!(seeds.tried(&address));
            }
        }
        // 1, 2, 4, ... 32, 60, 60, ... give or take a half: 600 s hold some 15 of them.
        assert!((10..22).contains(&attempts.len()), "{attempts:?}");
        let last = attempts[attempts.len() - 1] - attempts[attempts.len() - 2];
        assert!(last >= 30 * SECOND, "{attempts:?}");
        assert!(poll(&mut seeds, 10_000 * SECOND, false).is_empty());
    }

    #[test]
    fn what_is_no_seed_is_named() {
        let local = PeerId::random();
        let mut seeds = Seeds::new((SECOND, SECOND));
        let p2p = Protocol::P2p(PeerId::random());
        let ours = Multiaddr::empty()
            .with(Protocol::Memory(1))
            .with(Protocol::P2p(local));
        assert!(matches!(seeds.add(ours, local), Err(SeedError::Ourselves)));
        for bad in [Multiaddr::empty(), Multiaddr::empty().with(p2p)] {
            assert!(matches!(
                seeds.add(bad, local),
                Err(SeedError::NotAnAddress)
            ));
        }
        for port in 0..MAX_SEEDS as u64 {
            assert!(seeds.add(address(port), local).is_ok());
            assert!(seeds.add(address(port), local).is_ok(), "known already");
        }
        let full = seeds.add(address(9_999), local);
        assert!(matches!(full, Err(SeedError::TooMany { max: MAX_SEEDS })));
    }

    #[test]
    fn a_seed_in_two_spellings_is_one() {
        let local = PeerId::random();
        let [peer, other] = [(); 2].map(|()| Protocol::P2p(PeerId::random()));
        let (bare, full) = (address(1), address(1).with(peer.clone()));
        for (first, second) in [(&bare, &full), (&full, &bare)] {
            let mut seeds = Seeds::new((SECOND, SECOND));
            for seed in [first, second] {
                assert!(seeds.add(seed.clone(), local).is_ok());
            }
            assert!(seeds.addresses().eq([first]), "dialled twice");
            assert!(seeds.remove(second) && seeds.addresses().next().is_none());
        }
        // Two peers at one address are two, and so are two behind one relay.
        let circuit = full.clone().with(Protocol::P2pCircuit);
        let behind = |peer| circuit.clone().with(peer);
        let mut seeds = Seeds::new((SECOND, SECOND));
        let all = [
            full.clone(),
            bare.with(other.clone()),
            circuit.clone(),
            behind(peer),
            behind(other),
        ];
        for seed in &all {
            assert!(seeds.add(seed.clone(), local).is_ok());
        }
        assert!(seeds.addresses().eq(&all));
        assert!(seeds.remove(&circuit) && seeds.addresses().count() == 4);
    }

    #[test]
    fn those_that_had_their_chance_give_way() {
        let mut seeds = seeds(MAX_SEEDS as u64);
        let tried = poll(&mut seeds, SECOND, false);
        assert!(seeds.tried(&tried[0]));
        assert!(seeds.add(address(9_999), PeerId::random()).is_ok());
        assert_eq!(seeds.addresses().count(), MAX_SEEDS);
        assert!(!seeds.addresses().any(|address| *address == tried[0]));
        assert!(seeds.remove(&address(9_999)));
        assert!(!seeds.remove(&address(9_999)));
    }

    /// A wake-up in the past that no call clears would make the behaviour spin.
    #[test]
    fn a_seed_added_while_lonely_leaves_no_wake_up_in_the_past() {
        let mut seeds = seeds(1);
        let first = poll(&mut seeds, Duration::ZERO, true);
        assert!(seeds.tried(&first[0]));
        assert!(poll(&mut seeds, Duration::ZERO, true).is_empty());
        // It waits for the second attempt. mDNS finds another.
        seeds.add(address(2), PeerId::random()).expect("an address");
        assert_eq!(poll(&mut seeds, SECOND / 10, true).len(), 1);
        let now = 5 * SECOND;
        assert!(poll(&mut seeds, now, true).is_empty());
        assert!(seeds.next_wake().is_none_or(|wake| wake > now));
    }

    #[test]
    fn the_last_seed_removed_leaves_no_wake_up_in_the_past() {
        let mut seeds = seeds(1);
        let first = poll(&mut seeds, Duration::ZERO, true);
        assert!(seeds.tried(&first[0]));
        assert!(poll(&mut seeds, Duration::ZERO, true).is_empty());
        seeds.remove(&address(1));
        // Started over, with nobody: for those who are connected.
        assert!(poll(&mut seeds, 9 * SECOND, true).is_empty());
        assert!(poll(&mut seeds, 9 * SECOND, true).is_empty());
        assert!(seeds.next_wake().is_none_or(|wake| wake > 9 * SECOND));
        poll(&mut seeds, 10 * SECOND, false);
        assert_eq!(seeds.next_wake(), None);
    }
}
