//! How many nodes can be taken away at random before the rest falls apart.

use libp2p_peer_sampling::simulator::graph::Graph;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

/// The share of nodes after whose removal the rest is in more than one piece for the first time, in
/// each of so many runs, ascending.
///
/// Each run removes all nodes in another order. Looked at from its end it is a graph that grows, in
/// which pieces only ever join.
pub fn first_partitions(graph: &Graph, runs: usize, seed: u64) -> Vec<f64> {
    let undirected = graph.undirected();
    let nodes = graph.len();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut order: Vec<u32> = (0..).take(nodes).collect();
    let mut shares: Vec<f64> = (0..runs)
        .map(|_| {
            order.shuffle(&mut rng);
            let mut pieces = Pieces::new(nodes);
            let mut first = nodes;
            for (removed, &node) in order.iter().enumerate().rev() {
                // Those that are removed after it are there with it.
                pieces.add(node, undirected.adjacent(node));
                if pieces.count > 1 {
                    first = removed;
                }
            }
            first as f64 / nodes.max(1) as f64
        })
        .collect();
    shares.sort_unstable_by(f64::total_cmp);
    shares
}

/// The pieces of a graph to which nodes are added: disjoint sets.
struct Pieces {
    count: usize,
    /// Each node's parent, of a root itself; of a node that is not there yet, nobody.
    parents: Vec<u32>,
}

const NOBODY: u32 = u32::MAX;

impl Pieces {
    fn new(nodes: usize) -> Self {
        Self {
            count: 0,
            parents: vec![NOBODY; nodes],
        }
    }

    fn add(&mut self, node: u32, adjacent: &[u32]) {
        self.parents[node as usize] = node;
        self.count += 1;
        for &peer in adjacent {
            if self.parents[peer as usize] != NOBODY {
                let (one, other) = (self.root(node), self.root(peer));
                if one != other {
                    // The newcomer's piece is small more often than not.
                    self.parents[one as usize] = other;
                    self.count -= 1;
                }
            }
        }
    }

    fn root(&mut self, mut node: u32) -> u32 {
        loop {
            let parent = self.parents[node as usize];
            if parent == node {
                return node;
            }
            let grandparent = self.parents[parent as usize];
            self.parents[node as usize] = grandparent;
            node = grandparent;
        }
    }
}

#[cfg(test)]
mod tests {
    use libp2p_peer_sampling::simulator::components::Components;

    use super::*;

    #[test]
    fn known_graphs() {
        // A star falls apart with its centre, wherever that comes, unless nobody or one is left.
        let star = Graph::new(101, (1..101).map(|id| (id, vec![0])).chain([(0, vec![])]));
        let shares = first_partitions(&star, 400, 1);
        let early = shares.iter().filter(|share| **share < 0.5).count();
        assert!(
            shares.is_sorted() && (150..250).contains(&early),
            "seed 1: {early}"
        );
        let clique = Graph::random(20, 19, &mut StdRng::seed_from_u64(1));
        assert_eq!(first_partitions(&clique, 3, 1), [1.0; 3]);
        let parted = Graph::new(2, [(0, vec![]), (1, vec![])]);
        assert_eq!(first_partitions(&parted, 1, 1), [0.0]);
    }

    #[test]
    fn brute_force() {
        for seed in 0..50 {
            let graph = Graph::random(30, 2, &mut StdRng::seed_from_u64(seed));
            let mut order: Vec<u32> = (0..30).collect();
            order.shuffle(&mut StdRng::seed_from_u64(seed));
            let in_pieces = |removed: &usize| {
                let left = &order[*removed..];
                let views = left.iter().map(|&id| {
                    let view = graph.view(id).iter().copied();
                    (
                        id,
                        view.filter(|peer| left.contains(peer)).collect::<Vec<_>>(),
                    )
                });
                Components::of(&Graph::new(30, views)).count > 1
            };
            let first = (0..30).find(in_pieces).unwrap_or(30);
            let found = first_partitions(&graph, 1, seed);
            assert_eq!(found, [first as f64 / 30.0], "seed {seed}");
        }
    }
}
