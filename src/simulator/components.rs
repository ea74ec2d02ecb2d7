//! Whether the network is in one piece.

use crate::simulator::graph::Graph;

/// The weakly connected components of the live nodes: pieces that no link joins, whichever way it
/// leads. More than one is what TOCS 2007 calls a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Components {
    /// How many there are; 0 without nodes.
    pub count: usize,
    /// The number of nodes of the largest one; 0 without nodes.
    pub largest: usize,
    /// The number of nodes outside the largest one: what is cut off.
    pub outside: usize,
}

impl Components {
    /// The components of `graph`.
    pub fn of(graph: &Graph) -> Self {
        let mut sets = Sets::new(graph.len());
        for (node, peer) in graph.edges() {
            sets.join(node, peer);
        }
        let roots = (0..).zip(&sets.parents);
        let roots = roots.filter(|&(node, parent): &(u32, _)| *parent == node);
        let (mut count, mut largest) = (0, 0);
        for (root, _) in roots {
            count += 1;
            largest = largest.max(sets.sizes[root as usize] as usize);
        }
        Self {
            count,
            largest,
            outside: graph.len() - largest,
        }
    }
}

/// Disjoint sets of nodes: trees whose roots stand for them.
struct Sets {
    /// Each node's parent; of a root, the root itself.
    parents: Vec<u32>,
    /// The number of nodes of each root's set.
    sizes: Vec<u32>,
}

impl Sets {
    fn new(nodes: usize) -> Self {
        Self {
            parents: (0..).take(nodes).collect(),
            sizes: vec![1; nodes],
        }
    }

    /// The root of the set that `node` is in. Every node on the way comes closer to it.
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

    /// The smaller set goes to the larger one.
    fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.root(one), self.root(other));
        if one == other {
            return;
        }
        let (small, large) = if self.sizes[one as usize] < self.sizes[other as usize] {
            (one, other)
        } else {
            (other, one)
        };
        self.parents[small as usize] = large;
        self.sizes[large as usize] += self.sizes[small as usize];
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    fn components(count: usize, largest: usize, outside: usize) -> Components {
        Components {
            count,
            largest,
            outside,
        }
    }

    #[test]
    fn known_graphs() {
        let of = |views: Vec<(u32, Vec<u32>)>| Components::of(&Graph::new(9, views));
        assert_eq!(of(vec![]), components(0, 0, 0));
        assert_eq!(of(vec![(3, vec![])]), components(1, 1, 0));
        let ring = (0..9).map(|id| (id, vec![(id + 1) % 9])).collect();
        assert_eq!(of(ring), components(1, 9, 0));
        let star = (1..9).map(|id| (id, vec![0])).chain([(0, vec![])]);
        assert_eq!(of(star.collect()), components(1, 9, 0));
        // Its centre gone, nothing holds it together.
        let crashed = (1..9).map(|id| (id, vec![0]));
        assert_eq!(of(crashed.collect()), components(8, 1, 7));
        let clique = |ids: std::ops::Range<u32>| {
            let view = move |id| ids.clone().filter(move |&peer| peer != id).collect();
            move |id| (id, view(id))
        };
        let two = (0..3).map(clique(0..3)).chain((3..9).map(clique(3..9)));
        assert_eq!(of(two.collect()), components(2, 6, 3));
    }

    #[test]
    fn brute_force() {
        for seed in 0..200 {
            let mut rng = StdRng::seed_from_u64(seed);
            let nodes: u32 = rng.random_range(1..30);
            let views: Vec<(u32, Vec<u32>)> = (0..nodes)
                .map(|id| {
                    let length = rng.random_range(0..3);
                    let view = (0..length).map(|_| rng.random_range(0..nodes));
                    (id, view.collect())
                })
                .collect();
            let graph = Graph::new(nodes as usize, views);
            // The smallest node that each is joined to, passed along every link until it is still.
            let mut labels: Vec<u32> = (0..nodes).collect();
            for _ in 0..nodes {
                for (a, b) in graph.edges() {
                    let label = labels[a as usize].min(labels[b as usize]);
                    labels[a as usize] = label;
                    labels[b as usize] = label;
                }
            }
            let size = |label| labels.iter().filter(|&&l| l == label).count();
            let sizes: Vec<usize> = (0..nodes).map(size).filter(|&size| size > 0).collect();
            let largest = *sizes.iter().max().unwrap();
            let expected = components(sizes.len(), largest, nodes as usize - largest);
            assert_eq!(Components::of(&graph), expected, "seed {seed}");
        }
    }
}
