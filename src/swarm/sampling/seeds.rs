//! The seeds: where a node starts, where it goes back to when its view is empty, and where it looks
//! now and then for those it has lost sight of.

use std::time::Duration;

use libp2p_core::{Multiaddr, multiaddr::Protocol};
use libp2p_identity::PeerId;
use rand::{Rng, RngExt, seq::IteratorRandom};

use crate::swarm::{
    address::{is_relayed, split_peer},
    sampling::event::SeedError,
};
use crate::time::{Backoff, Time};

/// How many seeds a node keeps. A guess; mDNS on a large LAN may find as many.
const MAX_SEEDS: usize = 256;
/// How many seeds are tried at the same time. A guess.
const AT_ONCE: usize = 4;

/// Seeds and where each stands. Every seed is contacted once, view or no view. After that, all of
/// them again and again while the view is empty, and one of them when the node
/// [probes](Self::probe).
#[derive(Debug)]
pub(crate) struct Seeds {
    seeds: Vec<Seed>,
    backoff: Backoff,
    /// The pause after the next time that all seeds are due.
    pause: Duration,
    /// When all seeds are due again, if the view is empty then.
    retry_at: Option<Time>,
    /// Whether the view was empty when this was last said, or since when it was not.
    lonely: Result<(), Time>,
}

#[derive(Debug)]
struct Seed {
    address: Multiaddr,
    state: State,
    /// How often it was tried: those that were tried least come first.
    attempts: u32,
    /// Whether this node itself has answered there.
    ours: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be tried.
    Due,
    /// Being tried, until this time.
    Trying(Time),
    /// To be tried at this time: it has asked for that.
    Later(Time),
    /// Tried; its turn comes again when the view is empty, or the node probes.
    Tried,
}

impl Seeds {
    pub(crate) fn new(backoff: Backoff) -> Self {
        Self {
            seeds: Vec::new(),
            backoff,
            pause: backoff.first,
            retry_at: None,
            lonely: Err(Time::ZERO),
        }
    }

    /// Adds a seed; one that is known already changes nothing.
    pub(crate) fn add(&mut self, address: Multiaddr, local: PeerId) -> Result<(), SeedError> {
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
            attempts: 0,
            ours: false,
        });
        Ok(())
    }

    /// The seeds, in the order in which they came.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &Multiaddr> {
        self.seeds.iter().map(|seed| &seed.address)
    }

    /// Forgets a seed; returns whether it was one.
    pub(crate) fn remove(&mut self, address: &Multiaddr) -> bool {
        let before = self.seeds.len();
        self.seeds.retain(|seed| !is_same(&seed.address, address));
        self.seeds.len() < before
    }

    /// Whether the time has come to start over: the view is empty (`lonely`), and the pause is
    /// over. Then all seeds are due again, and whatever else was tried should be, too. To be called
    /// before [`Self::poll`], whenever anything has changed.
    ///
    /// Nothing that others do puts it off: neither exchanges and dials that are under way, nor
    /// peers that come into the view for a moment. The pause is short again once the view was not
    /// empty for as long.
    pub(crate) fn start_over<R: Rng + ?Sized>(
        &mut self,
        now: Time,
        lonely: bool,
        rng: &mut R,
    ) -> bool {
        self.lonely = match (lonely, self.lonely) {
            (true, _) => Ok(()),
            (false, Ok(())) => Err(now),
            (false, Err(since)) => Err(since),
        };
        if let Err(since) = self.lonely {
            if since.saturating_add(self.pause) <= now {
                self.pause = self.backoff.first;
                self.retry_at = None;
            }
            return false;
        }
        if self.retry_at.is_some_and(|at| now < at) {
            return false;
        }
        let stretched = self.pause.mul_f64(rng.random_range(0.5..1.5));
        self.pause = self.pause.saturating_mul(2).min(self.backoff.longest);
        let was_set = self
            .retry_at
            .replace(now.saturating_add(stretched))
            .is_some();
        let tried = self
            .seeds
            .iter_mut()
            .filter(|s| was_set && s.state == State::Tried);
        tried.for_each(|seed| seed.state = State::Due);
        was_set
    }

    /// The node looks for peers that it has lost sight of: one of those seeds that were tried is
    /// due again. Returns whether there is one.
    pub(crate) fn probe<R: Rng + ?Sized>(&mut self, rng: &mut R) -> bool {
        let tried = self.seeds.iter_mut().filter(|s| s.state == State::Tried);
        let chosen = tried.choose(rng);
        let is_some = chosen.is_some();
        chosen.into_iter().for_each(|seed| seed.state = State::Due);
        is_some
    }

    /// Whether any seed is still to be tried.
    pub(crate) fn is_due(&self) -> bool {
        self.seeds.iter().any(|seed| seed.state == State::Due)
    }

    /// The next seed to try, until `now + timeout`. To be called until `None`.
    pub(crate) fn poll<R: Rng + ?Sized>(
        &mut self,
        now: Time,
        timeout: Duration,
        rng: &mut R,
    ) -> Option<Multiaddr> {
        let later = |s: &&mut Seed| matches!(s.state, State::Later(at) if at <= now);
        let back = self.seeds.iter_mut().filter(later);
        back.for_each(|seed| seed.state = State::Due);
        let trying = |seed: &&Seed| matches!(seed.state, State::Trying(_));
        if self.seeds.iter().filter(trying).count() >= AT_ONCE {
            return None;
        }
        let due = self.seeds.iter().filter(|s| s.state == State::Due);
        let least = due.map(|seed| seed.attempts).min()?;
        let due = self.seeds.iter_mut().filter(|s| s.state == State::Due);
        let seed = due.filter(|seed| seed.attempts == least).choose(rng)?;
        seed.attempts = seed.attempts.saturating_add(1);
        seed.state = State::Trying(now.saturating_add(timeout));
        Some(seed.address.clone())
    }

    /// A seed whose time is over; it counts as tried. To be called until `None`.
    pub(crate) fn poll_expired(&mut self, now: Time) -> Option<Multiaddr> {
        let late = |seed: &&mut Seed| matches!(seed.state, State::Trying(until) if until <= now);
        let seed = self.seeds.iter_mut().find(late)?;
        seed.state = State::Tried;
        Some(seed.address.clone())
    }

    /// An attempt has ended, well or badly. Returns whether there was one.
    pub(crate) fn tried(&mut self, address: &Multiaddr) -> bool {
        let trying = |s: &&mut Seed| s.address == *address && matches!(s.state, State::Trying(_));
        let seed = self.seeds.iter_mut().find(trying);
        seed.is_some_and(|seed| {
            seed.state = State::Tried;
            true
        })
    }

    /// A seed has too much to do, and says when it may have room. It is tried again then, and not
    /// before, but after the longest pause at the latest. The other seeds are as they were, so a
    /// seed puts off nobody but itself.
    pub(crate) fn come_back(&mut self, address: &Multiaddr, after: Duration, now: Time) {
        let at = now.saturating_add(after.min(self.backoff.longest));
        let seed = self.seeds.iter_mut().find(|seed| seed.address == *address);
        seed.into_iter()
            .for_each(|seed| seed.state = State::Later(at));
    }

    /// This node itself has answered at a seed's address. It is tried again as any other: who
    /// answers at an address may change. Returns whether that is news.
    pub(crate) fn is_ourselves(&mut self, address: &Multiaddr) -> bool {
        self.tried(address);
        let seed = self.seeds.iter_mut().find(|seed| seed.address == *address);
        seed.is_some_and(|seed| !std::mem::replace(&mut seed.ours, true))
    }

    /// When [`Self::start_over`] or [`Self::poll_expired`] have work to do next by themselves.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        let deadlines = self.seeds.iter().filter_map(|seed| match seed.state {
            State::Trying(at) | State::Later(at) => Some(at),
            State::Due | State::Tried => None,
        });
        let retry_at = self.retry_at.filter(|_| self.lonely.is_ok());
        deadlines.chain(retry_at).min()
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
mod tests;
