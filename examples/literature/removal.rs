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
