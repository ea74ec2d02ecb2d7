//! What all connections of one behaviour have in common.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use crate::swarm::{
    clock::Clock,
    counters::Tally,
    limits::Limits,
    node::{gate::Gate, leases::HolderId},
    wire::Wire,
};

/// The wire, the limits, what keeps to them, and the counters. Behaviours of one node may have the
/// gate and the counters in common.
#[derive(Debug)]
pub(crate) struct Shared<W> {
    pub(crate) wire: W,
    pub(crate) limits: Limits,
    pub(crate) gate: Arc<Gate>,
    /// Which behaviour of its node this is.
    pub(crate) holder: HolderId,
    pub(crate) tally: Arc<Tally>,
    pub(crate) clock: Clock,
    has_left: AtomicBool,
}

impl<W: Wire> Shared<W> {
    /// Of a node that still serves requests.
    pub(crate) fn new(
        wire: W,
        limits: Limits,
        (gate, holder): (Arc<Gate>, HolderId),
        tally: Arc<Tally>,
        clock: Clock,
    ) -> Self {
        Self {
            wire,
            limits,
            gate,
            holder,
            tally,
            clock,
            has_left: AtomicBool::new(false),
        }
    }

    /// From now on this node serves no requests.
    pub(crate) fn leave(&self) {
        self.has_left.store(true, Relaxed);
    }

    /// Whether this node serves no requests any more.
    pub(crate) fn has_left(&self) -> bool {
        self.has_left.load(Relaxed)
    }
}
