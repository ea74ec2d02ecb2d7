//! Whether the network is in one piece.

use crate::simulator::{graph::Graph, sets::Sets};

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
        let (mut count, mut largest) = (0, 0);
        for size in sets.sizes() {
            count += 1;
            largest = largest.max(size);
        }
        Self {
            count,
            largest,
            outside: graph.len() - largest,
        }
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
