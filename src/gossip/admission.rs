//! Whom a node takes in: not those that have just failed, and not too many from one hand.

use std::time::Duration;

use crate::{
    gossip::config::{Config, Diversity},
    overlay::Side,
    view::{Descriptor, Peer, View},
};

/// After so many failures a peer is not taken in again, as long as it is remembered. A guess.
const LAST_CHANCE: u32 = 6;

/// How many failed peers are remembered, for each peer that the view may hold. A guess: more than a
/// crash of half of all nodes leaves behind in what a node is told.
const REMEMBERED_PER_PEER: usize = 16;

/// What a node keeps to decide whom it takes in. Takes no memory while nothing is decided.
#[derive(Debug)]
pub(super) struct Admission<I>(Option<Box<State<I>>>);

#[derive(Debug)]
struct State<I> {
    /// Those that failed, the one whose last failure is longest ago first.
    failed: Vec<FailedPeer<I>>,
    /// Who brought whom: peers of the view, and who told of them first.
    sources: Vec<(I, I)>,
    /// How many have entered the view in this round by way of requests of others.
    entered: usize,
}

#[derive(Debug)]
struct FailedPeer<I> {
    peer: I,
    failures: u32,
    until: Duration,
}

impl<I> Default for State<I> {
    fn default() -> Self {
        Self {
            failed: Vec::new(),
            sources: Vec::new(),
            entered: 0,
        }
    }
}

impl<I: Clone + Eq> Admission<I> {
    pub(super) fn new() -> Self {
        Self(None)
    }

    /// A peer could not be reached, or not be talked to, and has left the view.
    pub(super) fn failed(&mut self, peer: &I, now: Duration, config: &Config) {
        let Some((first, longest)) = config.quarantine() else {
            return;
        };
        let failed = &mut self.state().failed;
        let at = failed.iter().position(|failed| failed.peer == *peer);
        let failures = at.map_or(0, |at| failed.remove(at).failures) + 1;
        let pause = match failures {
            LAST_CHANCE.. => Duration::MAX,
            _ => first.saturating_mul(1 << (failures - 1)).min(longest),
        };
        if failed.len() >= REMEMBERED_PER_PEER * config.view_size() {
            failed.remove(0);
        }
        failed.push(FailedPeer {
            peer: peer.clone(),
            failures,
            until: now.saturating_add(pause),
        });
    }

    /// A peer has answered: what it failed before is forgiven.
    pub(super) fn answered(&mut self, peer: &I) {
        if let Some(state) = &mut self.0 {
            state.failed.retain(|failed| failed.peer != *peer);
        }
    }

    /// Nobody is left: it may have been our own connection that failed.
    pub(super) fn forgive(&mut self) {
        if let Some(state) = &mut self.0 {
            state.failed.clear();
        }
    }

    /// Whether the peer failed so shortly ago that it is not taken in.
    pub(super) fn in_quarantine(&self, peer: &I, now: Duration) -> bool {
        let state = self.0.as_ref();
        state.is_some_and(|state| {
            let mut failed = state.failed.iter();
            failed.any(|failed| failed.peer == *peer && now < failed.until)
        })
    }

    pub(super) fn begin_round(&mut self) {
        if let Some(state) = &mut self.0 {
            state.entered = 0;
        }
    }

    /// Leaves out of `received` whom this node is not to take in now. Whoever is in the view already
    /// may be refreshed in any case.
    pub(super) fn filter<P: Peer<Id = I>>(
        &self,
        view: &View<P>,
        (partner, side): (&I, Side),
        received: &mut Vec<Descriptor<P>>,
        (now, config): (Duration, &Config),
    ) {
        if self
            .0
            .as_ref()
            .is_some_and(|state| !state.failed.is_empty())
        {
            received.retain(|d| !self.in_quarantine(d.peer.id(), now));
        }
        let Some(Diversity {
            per_source,
            per_prefix,
            per_round,
        }) = config.diversity()
        else {
            return;
        };
        let state = self.0.as_ref();
        let brought = state.map_or(0, |state| {
            let sources = state.sources.iter();
            sources.filter(|(_, source)| source == partner).count()
        });
        let mut of_source = per_source.saturating_sub(brought);
        let mut of_round = match side {
            // As many as this node has asked for itself.
            Side::Active => usize::MAX,
            Side::Passive => per_round.saturating_sub(state.map_or(0, |state| state.entered)),
        };
        let prefix = |peer: &P| peer.prefixes().map(|prefixes| prefixes.narrow());
        let mut prefixes: Vec<u64> = view.iter().filter_map(|d| prefix(&d.peer)).collect();
        received.retain(|d| {
            if view.contains(d.peer.id()) {
                return true;
            }
            let narrow = prefix(&d.peer);
            let crowded = narrow.is_some_and(|narrow| {
                prefixes.iter().filter(|other| **other == narrow).count() >= per_prefix
            });
            // A peer speaks for itself without a source's help.
            let own = d.peer.id() == partner;
            if crowded || of_round == 0 || (!own && of_source == 0) {
                return false;
            }
            of_round -= 1;
            of_source -= usize::from(!own);
            prefixes.extend(narrow);
            true
        });
    }

    /// Notes who came into the view by a merge: those of `received` that `view` did not hold `before`
    /// and that the overlay has kept.
    pub(super) fn note<P: Peer<Id = I>>(
        &mut self,
        view: &View<P>,
        (partner, side): (&I, Side),
        newcomers: Vec<I>,
    ) {
        let kept = newcomers.into_iter().filter(|peer| view.contains(peer));
        let state = self.state();
        state.sources.retain(|(peer, _)| view.contains(peer));
        let before = state.sources.len();
        state
            .sources
            .extend(kept.map(|peer| (peer, partner.clone())));
        if side == Side::Passive {
            state.entered += state.sources.len() - before;
        }
    }

    fn state(&mut self) -> &mut State<I> {
        self.0.get_or_insert_default()
    }
}
