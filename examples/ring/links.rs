//! How far the ring is.

use std::collections::BTreeMap;

use libp2p::PeerId;

use super::node::{Node, angle};

/// The links of all nodes, two each.
#[derive(Debug, Default)]
pub struct Links {
    pub all: usize,
    /// How many lead to a node's true neighbour, and stand first in its view.
    pub known: usize,
    /// How many of those are open connections.
    pub connected: usize,
    /// How many lead to nodes that are gone.
    pub dead: usize,
}

impl Links {
    /// Those of the nodes that are alive.
    pub fn of(nodes: &[Node]) -> Self {
        let mut ring: Vec<_> = nodes.iter().map(|node| (node.place(), node.id)).collect();
        ring.sort_unstable();
        let at: BTreeMap<PeerId, usize> = ring.iter().map(|(_, id)| *id).zip(0..).collect();
        let mut links = Self::default();
        for node in nodes {
            let (place, count) = (at[&node.id], ring.len());
            let neighbours = [(place + 1) % count, (place + count - 1) % count];
            let (named, connected) = (node.links(), node.connected());
            for neighbour in neighbours.map(|at| ring[at].1) {
                let is_known = named.contains(&neighbour);
                links.all += 1;
                links.known += usize::from(is_known);
                links.connected += usize::from(is_known && connected.contains(&neighbour));
            }
            links.dead += named.iter().filter(|id| !at.contains_key(id)).count();
        }
        links
    }

    /// Whether the ring is perfect, and all its links are connections.
    pub fn are_whole(&self) -> bool {
        self.connected == self.all
    }
}

/// The links of all nodes, right or wrong, as pairs of angles.
pub fn linked(nodes: &[Node]) -> Vec<(f64, f64)> {
    let to = |id: PeerId| angle(libp2p_peer_sampling::ranking::place(&id));
    let links = |node: &Node| {
        let from = node.angle();
        node.links().into_iter().map(move |id| (from, to(id)))
    };
    nodes.iter().flat_map(links).collect()
}
