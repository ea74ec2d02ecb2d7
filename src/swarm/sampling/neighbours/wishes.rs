//! Which peers a node wants as neighbours by name, and which want it: where the overlay ranks.

use libp2p_identity::PeerId;

use crate::swarm::wire::sampling::Proposal;

/// Which peers a node wants, and which want it. A connection is kept if both ends have agreed, and
/// at least one of them has the other among its targets.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// The targets of this node, the best first.
    targets: Vec<PeerId>,
    /// Those of the neighbours that have said last that this node is among their targets.
    wanted_by: Vec<PeerId>,
}

impl Wishes {
    /// Sets the targets of this node, the best first.
    pub(crate) fn set_targets(&mut self, targets: &[PeerId]) {
        self.targets.clear();
        self.targets.extend_from_slice(targets);
    }

    /// Whether the peer is among the targets of this node.
    pub(crate) fn wants(&self, peer: &PeerId) -> bool {
        self.targets.contains(peer)
    }

    /// How many targets this node has.
    pub(crate) fn count(&self) -> usize {
        self.targets.len()
    }

    /// What a neighbour says of this node: that it is among its targets, or not any more.
    pub(crate) fn note(&mut self, peer: PeerId, proposal: Proposal) {
        self.forget(&peer);
        if proposal == Proposal::Needed {
            self.wanted_by.push(peer);
        }
    }

    /// The peer is no neighbour.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.wanted_by.retain(|other| other != peer);
    }

    /// Whether a neighbour is kept for nobody's sake.
    pub(crate) fn is_idle(&self, peer: &PeerId) -> bool {
        !self.wants(peer) && !self.wanted_by.contains(peer)
    }
}
