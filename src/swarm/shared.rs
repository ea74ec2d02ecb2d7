//! What all connections of a node have in common.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use web_time::Instant;

use crate::swarm::{
    address::policy::AddressPolicy, counters::Tally, limits::Limits, node::gate::Gate,
    record::verifier::Verifier,
};
use crate::time::Time;

/// The limits, what keeps to them, and the counters.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) verifier: Verifier,
    pub(crate) gate: Arc<Gate>,
    pub(crate) tally: Arc<Tally>,
    start: Instant,
    has_left: AtomicBool,
}

impl Shared {
    /// For a node that makes its rounds in each `period`, and whose time began at `start`.
    pub(crate) fn new(
        policy: AddressPolicy,
        limits: Limits,
        (gate, tally): (Arc<Gate>, Arc<Tally>),
        start: Instant,
    ) -> Self {
        Self {
            verifier: Verifier::new(policy, limits, tally.clone()),
            gate,
            tally,
            limits,
            start,
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

    /// How late it is.
    pub(crate) fn now(&self) -> Time {
        Time::new(self.start.elapsed())
    }
}
