//! Whether the peers in a view know each other.

use rand::{Rng, seq::index};

use crate::simulator::graph::Undirected;

/// How many nodes are looked at without taking too long: up to here, all; beyond, that many make a
/// sample. Measured on the random graph, N=10⁶, c=30: they take about a second, and come within
/// some 2 % of the coefficient.
pub const NODES: usize = 20_000;

/// The clustering coefficient of the undirected graph (TOCS 2007, after Watts and Strogatz).
///
/// That of a node is the share of edges that there are between the nodes adjacent to it among
/// those that there could be; the graph's is the mean over all nodes. Nodes with fewer than two
/// adjacent ones count, as 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clustering {
    /// The coefficient, from 0 to 1; 0 without nodes.
    pub coefficient: f64,
    /// The standard error of the coefficient, if it comes from a sample; 0 if it is exact.
    pub error: f64,
    /// How many nodes it is the mean of.
    pub nodes: usize,
}

impl Clustering {
    /// The coefficient of `graph`: exact if it has at most `max_nodes` nodes, and then nothing is
    /// drawn from `rng`; otherwise the mean over that many of them, drawn without replacement.
    ///
    /// No node takes longer than looking at each edge twice, hubs included.
    pub fn of<R: Rng + ?Sized>(graph: &Undirected, max_nodes: usize, rng: &mut R) -> Self {
        let mut marked = vec![false; graph.len()];
        let (nodes, sum, squares) = if graph.len() <= max_nodes {
            let all = 0..graph.len();
            sums(all.map(|node| local(graph, node as u32, &mut marked)))
        } else {
            let sample = index::sample(rng, graph.len(), max_nodes).into_iter();
            sums(sample.map(|node| local(graph, node as u32, &mut marked)))
        };
        let n = nodes.max(1) as f64;
        let coefficient = sum / n;
        let variance = (squares / n - coefficient * coefficient).max(0.0);
        // Of a sample from a finite population, without replacement.
        let unseen = (graph.len() - nodes) as f64 / graph.len().max(1) as f64;
        Self {
            coefficient,
            error: (variance / (n - 1.0).max(1.0) * unseen).sqrt(),
            nodes,
        }
    }
}

/// The expected coefficient of the uniform random graph of `nodes` nodes whose views hold
/// `view_size` others: nearly 2c/(N − 1).
///
/// A little less, since of two nodes that are adjacent to a third, each has used some of its c
/// links for that one: 1/(2 − p) on average, where p = c/(N − 1). It has a link to a given one of
/// the other N − 2 with probability q = (c − 1/(2 − p))/(N − 2), and two are joined with 1 − (1 −
/// q)².
pub fn random_coefficient(nodes: usize, view_size: f64) -> f64 {
    if nodes < 3 {
        return 0.0;
    }
    let others = (nodes - 1) as f64;
    let p = view_size.clamp(0.0, others) / others;
    let left = (p * others - 1.0 / (2.0 - p)) / (others - 1.0);
    1.0 - (1.0 - left.max(0.0)).powi(2)
}

/// The number of terms, their sum, and the sum of their squares.
fn sums(terms: impl Iterator<Item = f64>) -> (usize, f64, f64) {
    terms.fold((0, 0.0, 0.0), |(count, sum, squares), term| {
        (count + 1, sum + term, squares + term * term)
    })
}

/// The coefficient of one node. `marked` is false for all nodes, before and after.
fn local(graph: &Undirected, node: u32, marked: &mut [bool]) -> f64 {
    let adjacent = graph.adjacent(node);
    let degree = adjacent.len();
    if degree < 2 {
        return 0.0;
    }
    for &peer in adjacent {
        marked[peer as usize] = true;
    }
    // Each edge is found from both of its ends.
    let mut ends = 0;
    for &peer in adjacent {
        let others = graph.adjacent(peer);
        // A hub's list is searched rather than read, or every node beside it would read it all.
        let search = degree * (others.len().ilog2() as usize + 1);
        ends += if search < others.len() {
            let found = |other: &&u32| others.binary_search(other).is_ok();
            adjacent.iter().filter(found).count()
        } else {
            let found = |other: &&u32| marked[**other as usize];
            others.iter().filter(found).count()
        };
    }
    for &peer in adjacent {
        marked[peer as usize] = false;
    }
    ends as f64 / (degree as f64 * (degree as f64 - 1.0))
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;
    use crate::simulator::graph::Graph;

    fn exact(graph: &Graph) -> f64 {
        let mut rng = StdRng::seed_from_u64(1);
        let found = Clustering::of(&graph.undirected(), usize::MAX, &mut rng);
        assert_eq!((found.error, found.nodes), (0.0, graph.len()));
        assert_eq!(rng, StdRng::seed_from_u64(1));
        found.coefficient
    }

    fn graph(ids: u32, view: impl Fn(u32) -> Vec<u32>) -> Graph {
        Graph::new(ids as usize, (0..ids).map(|id| (id, view(id))))
    }

    /// By definition, from the adjacency of each pair.
    fn brute_force(graph: &Undirected) -> Vec<f64> {
        let joined = |a: u32, b: u32| graph.adjacent(a).contains(&b);
        (0..graph.len() as u32)
            .map(|node| {
                let (mut pairs, mut edges) = (0, 0);
                for &a in graph.adjacent(node) {
                    for &b in graph.adjacent(node).iter().filter(|&&b| b < a) {
                        pairs += 1;
                        edges += u32::from(joined(a, b));
                    }
                }
                f64::from(edges) / f64::from(pairs.max(1))
            })
            .collect()
    }

    #[test]
    fn known_graphs() {
        assert_eq!(exact(&graph(0, |_| vec![])), 0.0);
        assert_eq!(exact(&graph(1, |_| vec![])), 0.0);
        assert_eq!(exact(&graph(5, |_| vec![])), 0.0);
        assert_eq!(exact(&graph(9, |id| vec![(id + 1) % 9])), 0.0);
        assert_eq!(exact(&graph(9, |_| vec![0])), 0.0);
        assert_eq!(exact(&graph(9, |_| (0..9).collect())), 1.0);
        // A ring of the nearest two on both sides: 3 of the 6 pairs are joined.
        let lattice = exact(&graph(20, |id| vec![(id + 1) % 20, (id + 2) % 20]));
        assert!((lattice - 0.5).abs() < 1e-12);
        // A triangle with a tail: 1, 1, 1/3, 0.
        let tail = exact(&graph(4, |id| match id {
            0 => vec![1, 2],
            1 => vec![2],
            2 => vec![3],
            _ => vec![],
        }));
        assert!((tail - 7.0 / 12.0).abs() < 1e-12);
    }

    #[test]
    fn brute_force_agrees() {
        for seed in 0..50 {
            let mut rng = StdRng::seed_from_u64(seed);
            let nodes = rng.random_range(0..60);
            let random = Graph::random(nodes, rng.random_range(0..8), &mut rng);
            let hubs = rng.random_range(0..4);
            // All have the hubs in their views as well.
            let graph = graph(nodes, |id| {
                let view = random.view(id).iter().copied();
                view.filter(|&peer| peer >= hubs).chain(0..hubs).collect()
            });
            let expected = brute_force(&graph.undirected());
            let expected = expected.iter().sum::<f64>() / f64::from(nodes.max(1));
            assert!((exact(&graph) - expected).abs() < 1e-12, "seed {seed}");
        }
    }

    /// Hubs beside which the views of all others are short: their lists are searched.
    #[test]
    fn hubs() {
        let random = Graph::random(400, 3, &mut StdRng::seed_from_u64(1));
        let graph = graph(400, |id| {
            let view = random.view(id).iter().copied();
            view.filter(|&peer| peer > 1).chain([0, 1]).collect()
        });
        let expected = brute_force(&graph.undirected()).iter().sum::<f64>() / 400.0;
        assert!((exact(&graph) - expected).abs() < 1e-12);
    }

    #[test]
    fn samples_estimate_the_mean_and_their_own_error() {
        let graph = Graph::random(300, 8, &mut StdRng::seed_from_u64(1));
        let undirected = graph.undirected();
        let mean = exact(&graph);
        let mut rng = StdRng::seed_from_u64(1);
        assert_eq!(Clustering::of(&undirected, 300, &mut rng).error, 0.0);
        assert_eq!(rng, StdRng::seed_from_u64(1));
        let seeds = 200;
        let (mut bias, mut squares, mut errors) = (0.0, 0.0, 0.0);
        for seed in 0..seeds {
            let found = Clustering::of(&undirected, 100, &mut StdRng::seed_from_u64(seed));
            let again = Clustering::of(&undirected, 100, &mut StdRng::seed_from_u64(seed));
            assert_eq!((found, found.nodes), (again, 100), "seed {seed}");
            bias += (found.coefficient - mean) / seeds as f64;
            squares += (found.coefficient - mean).powi(2) / seeds as f64;
            errors += found.error.powi(2) / seeds as f64;
        }
        let ratio = squares / errors;
        // Four standard errors of the mean of 200, and of their variance.
        assert!(bias.abs() < 4.0 * (errors / seeds as f64).sqrt(), "{bias}");
        assert!((0.6..1.4).contains(&ratio), "{ratio}");
        let none = Clustering::of(&undirected, 0, &mut StdRng::seed_from_u64(1));
        assert_eq!((none.coefficient, none.error, none.nodes), (0.0, 0.0, 0));
    }

    /// TOCS 2007, N=10^4, c=30: 0.0058 for the random graph, read off a plot.
    #[test]
    fn the_random_graph() {
        assert!((random_coefficient(10_000, 30.0) / 0.0058 - 1.0).abs() < 0.02);
        assert_eq!(random_coefficient(10, 9.0), 1.0);
        assert_eq!(random_coefficient(2, 1.0), 0.0);
        assert_eq!(random_coefficient(10, 0.0), 0.0);
        for (nodes, c) in [(2_000, 30), (500, 5)] {
            let graph = Graph::random(nodes, c, &mut StdRng::seed_from_u64(1));
            let expected = random_coefficient(nodes as usize, c as f64);
            let off = exact(&graph) / expected - 1.0;
            // In triangles: N c² of them by chance, give or take their square root, or so.
            let tolerance = 5.0 / (c.pow(3) as f64).sqrt();
            assert!(off.abs() < tolerance, "seed 1: N={nodes} c={c}: {off}");
        }
    }
}
