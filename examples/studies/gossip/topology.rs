//! Which nodes are connected: as neighbours, and in gossipsub's mesh.

use std::collections::{BTreeMap, BTreeSet};

use libp2p::PeerId;

use crate::gossip::node::Look;

/// All nodes at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Topology {
    /// Of the graph whose edges are seen by both ends.
    pub neighbour_components: usize,
    pub mesh_components: usize,
    /// Per node.
    pub neighbours: f64,
    pub fewest_neighbours: usize,
    pub mesh: f64,
    /// How much of the mesh goes over neighbours, 0 to 1.
    pub mesh_over_neighbours: f64,
}

impl Topology {
    pub fn of(looks: &[Look]) -> Self {
        let per_node = |sum: usize| sum as f64 / looks.len().max(1) as f64;
        let neighbours = looks.iter().map(|look| look.neighbours.len());
        let links: usize = looks.iter().map(|look| look.mesh.len()).sum();
        let over_neighbours = looks.iter().flat_map(|look| {
            let is_neighbour = |peer: &&PeerId| look.neighbours.contains(peer);
            look.mesh.iter().filter(is_neighbour)
        });
        Self {
            neighbour_components: components(looks, |look| &look.neighbours),
            mesh_components: components(looks, |look| &look.mesh),
            neighbours: per_node(neighbours.clone().sum()),
            fewest_neighbours: neighbours.min().unwrap_or_default(),
            mesh: per_node(links),
            mesh_over_neighbours: over_neighbours.count() as f64 / links.max(1) as f64,
        }
    }
}

/// Into how many parts the graph falls whose edges both ends name.
fn components(looks: &[Look], named: impl Fn(&Look) -> &[PeerId]) -> usize {
    let names: BTreeMap<&PeerId, &[PeerId]> = looks
        .iter()
        .map(|look| (&look.peer_id, named(look)))
        .collect();
    let both = |a: &PeerId, b: &PeerId| names.get(b).is_some_and(|names| names.contains(a));
    let mut unseen: BTreeSet<&PeerId> = names.keys().copied().collect();
    let mut components = 0;
    while let Some(first) = unseen.pop_first() {
        components += 1;
        let mut reached = vec![first];
        while let Some(peer) = reached.pop() {
            let beyond = names.get(peer).copied().unwrap_or_default();
            let beyond = beyond.iter().filter(|other| both(peer, other));
            reached.extend(beyond.filter(|other| unseen.remove(other)));
        }
    }
    components
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_that_one_end_denies_join_nothing() {
        let peers: Vec<PeerId> = (0..4).map(|_| PeerId::random()).collect();
        let look = |at: usize, neighbours: &[usize], mesh: &[usize]| Look {
            peer_id: peers[at],
            neighbours: neighbours.iter().map(|other| peers[*other]).collect(),
            mesh: mesh.iter().map(|other| peers[*other]).collect(),
            view_len: 0,
        };
        let looks = [
            look(0, &[1], &[1, 2]),
            look(1, &[0, 2], &[0]),
            look(2, &[], &[0, 3]),
            look(3, &[], &[2]),
        ];
        let topology = Topology::of(&looks);
        assert_eq!(topology.neighbour_components, 3);
        assert_eq!(topology.mesh_components, 1);
        assert_eq!(topology.fewest_neighbours, 0);
        assert!((topology.mesh_over_neighbours - 2.0 / 6.0).abs() < 1e-9);
    }
}
