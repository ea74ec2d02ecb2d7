//! Where the nodes of a world are, and which of them reach each other.

use std::{collections::BTreeSet, time::Duration};

use libp2p_core::{Multiaddr, multiaddr::Protocol};

/// Where nodes are, and what keeps them from each other.
#[derive(Debug)]
pub(crate) struct Network {
    /// Where each node listens.
    pub(crate) homes: Vec<Multiaddr>,
    /// Nodes that are not reached where they listen.
    pub(crate) closed: BTreeSet<usize>,
    /// Nodes that have no network, and know it.
    pub(crate) offline: BTreeSet<usize>,
    /// Nodes that are stopped, and whose connections stay.
    pub(crate) frozen: BTreeSet<usize>,
    /// Nodes that only reach each other.
    pub(crate) island: BTreeSet<usize>,
    /// After how long a dial of a node that is not there fails; `None`: after a round trip.
    pub(crate) silence: Option<Duration>,
}

impl Network {
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            homes: (0..nodes).map(address).collect(),
            closed: BTreeSet::new(),
            offline: BTreeSet::new(),
            frozen: BTreeSet::new(),
            island: BTreeSet::new(),
            silence: None,
        }
    }

    /// Whether `to`, where it listens, is there for `from`.
    pub(crate) fn is_reached(&self, from: usize, to: usize) -> bool {
        let apart = self.island.contains(&from) != self.island.contains(&to);
        let gone = [&self.closed, &self.offline, &self.frozen];
        !apart && !gone.iter().any(|gone| gone.contains(&to))
    }
}

/// Where a node listens at first.
pub(crate) fn address(node: usize) -> Multiaddr {
    Multiaddr::empty().with(Protocol::Memory(node as u64 + 1))
}
