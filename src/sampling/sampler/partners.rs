//! With which peer of the view a node starts its next exchange.

use rand::{Rng, RngExt};

use crate::{
    gossip::in_flight::InFlight,
    peer::Peer,
    sampling::{
        sampler::{config::PartnerSelection, exchange::Started},
        view::View,
    },
};

/// The peers that an exchange may be started with now: all but these.
#[derive(Debug)]
pub(super) struct Eligible<'a, I> {
    /// The round has tried them already.
    pub(super) tried: &'a [I],
    /// An exchange with them is in flight.
    pub(super) in_flight: &'a InFlight<I, Started<I>>,
    /// This node itself has refused them.
    pub(super) refused: &'a [I],
}

impl<I: Eq> Eligible<'_, I> {
    /// Whether an exchange with this peer may be started.
    pub(super) fn contains(&self, id: &I) -> bool {
        !(self.tried.contains(id) || self.in_flight.is_with(id) || self.refused.contains(id))
    }

    /// Whether there is nobody that is passed over.
    fn is_everybody(&self) -> bool {
        self.tried.is_empty() && self.in_flight.is_empty() && self.refused.is_empty()
    }
}

/// TOCS, active: "p ← view.selectPeer()".
pub(super) fn select<P: Peer, R: Rng>(
    selection: PartnerSelection,
    view: &View<P>,
    among: &Eligible<'_, P::Id>,
    rng: &mut R,
) -> Option<P::Id> {
    let eligible = view.iter().filter(|d| among.contains(d.peer.id()));
    let chosen = match selection {
        PartnerSelection::Head => eligible.min_by_key(|d| d.age),
        // `rev`: among equals the first of the view, as `View::oldest`.
        PartnerSelection::Tail => eligible.rev().max_by_key(|d| d.age),
        // Nearly always: everybody is eligible, and nobody need be counted.
        PartnerSelection::Rand if among.is_everybody() => {
            let at = rng.random_range(0..view.len().max(1));
            view.as_slice().get(at)
        }
        PartnerSelection::Rand => {
            let count = eligible.clone().count();
            let at = rng.random_range(0..count.max(1));
            eligible.clone().nth(at)
        }
    };
    chosen.map(|d| d.peer.id().clone())
}
