//! Which peers a node takes in: not those that have just failed, and not too many from one hand.

/// The network that counts for the cap of one network.
fn narrow<P: Peer>(peer: &P) -> Option<u64> {
    peer.prefixes().map(|prefixes| prefixes.narrow())
}

fn count(prefixes: &[u64], narrow: u64) -> usize {
    prefixes.iter().filter(|other| **other == narrow).count()
}

#[cfg(test)]
mod tests;

use crate::{
    peer::Peer,
    sampling::{
        overlay::exchange::Side,
        sampler::config::{Config, Diversity},
        view::{Descriptor, View},
    },
    time::{Backoff, Time},
};

/// How many failed peers are remembered, for each peer that the view may hold. A guess: more than a
/// crash of half of all nodes leaves behind in what a node is told.
const REMEMBERED_PER_PEER: usize = 16;

/// What a node keeps to decide which peers it takes in. Takes no memory while nothing is decided.
#[derive(Debug)]
pub(super) struct Admission<P: Peer>(Option<Box<State<P>>>);

#[derive(Debug)]
struct State<P: Peer> {
    /// Those that failed, the one whose last failure is longest ago first.
    failed: Vec<FailedPeer<P>>,
    /// The peers of the view, and the peer that told of each first.
    sources: Vec<(P::Id, P::Id)>,
    /// How many have entered the view in this round by way of requests of others.
    entered: usize,
}

#[derive(Debug)]
struct FailedPeer<P: Peer> {
    id: P::Id,
    /// What the view held of it when it failed.
    known: Option<P>,
    failures: u32,
    /// How many of these failures came after it had moved.
    moves: u32,
    /// When it failed last.
    since: Time,
    /// Until when it is not taken in.
    until: Time,
}

impl<P: Peer> FailedPeer<P> {
    /// Whether `peer`, another copy of it, is kept out. If the peer has moved, that it failed where
    /// it was says nothing about where it is: its pause is as long as if it had only failed after
    /// moves.
    fn keeps_out(&self, peer: &P, quarantine: Backoff, now: Time) -> bool {
        let known = self.known.as_ref();
        let until = match known.is_some_and(|known| peer.has_moved(known)) {
            true => self.since.saturating_add(quarantine.pause(self.moves)),
            false => self.until,
        };
        self.id == *peer.id() && now < until.min(self.until)
    }
}

impl<P: Peer> Default for State<P> {
    fn default() -> Self {
        Self {
            failed: Vec::new(),
            sources: Vec::new(),
            entered: 0,
        }
    }
}

impl<P: Peer> Admission<P> {
    pub(super) fn new() -> Self {
        Self(None)
    }

    /// A peer could not be reached, or not be talked to, and leaves the view, which holds `known`
    /// of it. It stays out for a pause that doubles with each failure, up to the longest: no
    /// verdict is for ever.
    pub(super) fn failed(&mut self, id: &P::Id, known: Option<&P>, (now, config): (Time, &Config)) {
        let Some(quarantine) = config.quarantine() else {
            return;
        };
        let failed = &mut self.state().failed;
        let at = failed.iter().position(|failed| failed.id == *id);
        let before = at.map(|at| failed.remove(at));
        let (failures, moves) = before.as_ref().map_or((0, 0), |b| (b.failures, b.moves));
        let before = before.and_then(|before| before.known);
        let moved = known.zip(before.as_ref());
        let moved = moved.is_some_and(|(known, before)| known.has_moved(before));
        let known = known.cloned().or(before);
        let pause = quarantine.pause(failures);
        if failed.len() >= REMEMBERED_PER_PEER * config.view_size() {
            failed.remove(0);
        }
        failed.push(FailedPeer {
            id: id.clone(),
            known,
            failures: failures.saturating_add(1),
            moves: moves.saturating_add(u32::from(moved)),
            since: now,
            until: now.saturating_add(pause),
        });
    }

    /// A peer has answered: what it failed before is forgotten.
    pub(super) fn answered(&mut self, id: &P::Id) {
        if let Some(state) = &mut self.0 {
            state.failed.retain(|failed| failed.id != *id);
        }
    }

    /// A peer has started an exchange itself: so it lives, and may be taken in again. Whether this
    /// node reaches it is to be seen, so the next failure counts on from those before. Not within
    /// the first pause after a failure: a peer behind a firewall would be dialled in vain whenever
    /// it calls.
    pub(super) fn called(&mut self, id: &P::Id, now: Time, config: &Config) {
        let (Some(state), Some(quarantine)) = (&mut self.0, config.quarantine()) else {
            return;
        };
        let mut failed = state.failed.iter_mut();
        if let Some(failed) = failed.find(|failed| failed.id == *id)
            && failed.since.saturating_add(quarantine.first) <= now
        {
            failed.until = now;
        }
    }

    /// Forgets who brought the peers that are no longer in `view`.
    pub(super) fn retain(&mut self, view: &View<P>) {
        if let Some(state) = &mut self.0 {
            state.sources.retain(|(peer, _)| view.contains(peer));
        }
    }

    /// Nobody is left: it may have been our own connection that failed. And without anybody there
    /// is no next round that would let others in again.
    pub(super) fn forgive(&mut self) {
        if let Some(state) = &mut self.0 {
            state.failed.clear();
            state.entered = 0;
        }
    }

    /// Whether the peer failed so shortly ago that it is not taken in.
    fn in_quarantine(&self, peer: &P, now: Time, config: &Config) -> bool {
        let failed = self.0.as_ref().map_or(&[][..], |state| &state.failed);
        let pauses = config.quarantine().filter(|_| !failed.is_empty());
        pauses.is_some_and(|pauses| {
            let mut failed = failed.iter();
            failed.any(|failed| failed.keeps_out(peer, pauses, now))
        })
    }

    pub(super) fn begin_round(&mut self) {
        if let Some(state) = &mut self.0 {
            state.entered = 0;
        }
    }

    /// Leaves out of `received` the peers that this node is not to take in now. What is in the view
    /// already may be refreshed in any case.
    pub(super) fn filter(
        &self,
        view: &View<P>,
        (partner, side): (&P::Id, Side),
        received: &mut Vec<Descriptor<P>>,
        (now, config): (Time, &Config),
    ) {
        received.retain(|d| !self.in_quarantine(&d.peer, now, config));
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
            let others = sources.filter(|(peer, _)| peer != partner);
            others.filter(|(_, source)| source == partner).count()
        });
        let mut of_source = per_source.saturating_sub(brought);
        let mut of_round = match side {
            // As many as this node has asked for itself.
            Side::Active => usize::MAX,
            Side::Passive => per_round.saturating_sub(state.map_or(0, |state| state.entered)),
        };
        let mut prefixes: Vec<u64> = view.iter().filter_map(|d| narrow(&d.peer)).collect();
        let mut newcomers: Vec<P::Id> = Vec::new();
        received.retain(|d| {
            if view.contains(d.peer.id()) || newcomers.contains(d.peer.id()) {
                return true;
            }
            let narrow = narrow(&d.peer);
            let crowded = narrow.is_some_and(|narrow| count(&prefixes, narrow) >= per_prefix);
            // A peer speaks for itself without a source's help.
            let own = d.peer.id() == partner;
            if crowded || of_round == 0 || (!own && of_source == 0) {
                return false;
            }
            of_round -= 1;
            of_source -= usize::from(!own);
            prefixes.extend(narrow);
            newcomers.push(d.peer.id().clone());
            true
        });
    }

    /// Whether this node is to take in a peer known from elsewhere now, beside those that are in
    /// the view or `received`, and those that it was asked about before. No source has told of such
    /// a peer, so only its own failures count, and its network.
    pub(super) fn admits_candidate<'a>(
        &'a self,
        view: &'a View<P>,
        received: &'a [Descriptor<P>],
        (now, config): (Time, &'a Config),
    ) -> impl FnMut(&P) -> bool {
        let per_prefix = config.diversity().map(|diversity| diversity.per_prefix);
        let known = view
            .iter()
            .chain(received.iter().filter(|d| !view.contains(d.peer.id())));
        let mut prefixes: Vec<u64> = match per_prefix {
            Some(_) => known.filter_map(|d| narrow(&d.peer)).collect(),
            None => Vec::new(),
        };
        move |peer| {
            if self.in_quarantine(peer, now, config) {
                return false;
            }
            let id = peer.id();
            let is_known = view.contains(id) || received.iter().any(|d| d.peer.id() == id);
            let (Some(per_prefix), Some(narrow), false) = (per_prefix, narrow(peer), is_known)
            else {
                return true;
            };
            let has_room = count(&prefixes, narrow) < per_prefix;
            if has_room {
                prefixes.push(narrow);
            }
            has_room
        }
    }

    /// Notes who came into the view by a merge: those of `received` that `view` did not hold
    /// `before` and that the overlay has kept.
    pub(super) fn note(
        &mut self,
        view: &View<P>,
        (partner, side): (&P::Id, Side),
        newcomers: Vec<P::Id>,
    ) {
        let state = self.state();
        state.sources.retain(|(peer, _)| view.contains(peer));
        let before = state.sources.len();
        for peer in newcomers {
            let noted = state.sources[before..]
                .iter()
                .any(|(other, _)| *other == peer);
            if view.contains(&peer) && !noted {
                state.sources.push((peer, partner.clone()));
            }
        }
        if side == Side::Passive {
            state.entered += state.sources.len() - before;
        }
    }

    fn state(&mut self) -> &mut State<P> {
        self.0.get_or_insert_default()
    }
}
