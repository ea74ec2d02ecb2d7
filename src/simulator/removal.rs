//! How many nodes can be taken away at random before the rest falls apart.

use rand::{Rng, seq::SliceRandom};

use crate::simulator::{graph::Graph, sets::Sets};

/// The share of nodes after whose removal the rest is in more than one piece for the first time, in
/// each of so many runs, ascending; 1 where it never is. TOCS 2007 and Cyclon 2005 judge robustness
/// by it.
///
/// Each run removes all nodes in another order. Looked at from its end it is a graph that grows, in
/// which pieces only ever join.
pub fn first_partitions<R: Rng + ?Sized>(graph: &Graph, runs: usize, rng: &mut R) -> Vec<f64> {
    let undirected = graph.undirected();
    let nodes = graph.len();
    let mut order: Vec<u32> = (0..).take(nodes).collect();
    let mut shares: Vec<f64> = (0..runs)
        .map(|_| {
            order.shuffle(rng);
            let mut sets = Sets::new(nodes);
            let mut there = vec![false; nodes];
            let (mut pieces, mut first) = (0, nodes);
            for (removed, &node) in order.iter().enumerate().rev() {
                there[node as usize] = true;
                pieces += 1;
                // Those that are removed after it are there with it.
                let adjacent = undirected.adjacent(node).iter();
                for &peer in adjacent.filter(|&&peer| there[peer as usize]) {
                    pieces -= usize::from(sets.join(node, peer));
                }
                if pieces > 1 {
                    first = removed;
                }
            }
            first as f64 / nodes.max(1) as f64
        })
        .collect();
    shares.sort_unstable_by(f64::total_cmp);
    shares
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::simulator::components::Components;

    fn first_partitions(graph: &Graph, runs: usize, seed: u64) -> Vec<f64> {
        super::first_partitions(graph, runs, &mut StdRng::seed_from_u64(seed))
    }

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
