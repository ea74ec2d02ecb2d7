//! How many views each node is in.

use crate::simulator::graph::Graph;

/// The in-degrees of the live nodes, and how they are distributed (TOCS 2007). A node's in-degree
/// is the number of *live* nodes that have it in their views.
#[derive(Debug, Clone, PartialEq)]
pub struct InDegrees {
    /// The mean: links between live nodes per live node. 0 without nodes.
    pub mean: f64,
    /// The standard deviation over all live nodes, as that of a population, since they are all
    /// there are: divided by N, not N − 1. 0 without nodes.
    pub sd: f64,
    /// The largest. 0 without nodes.
    pub max: usize,
    /// How many nodes there are of each in-degree, from 0 to the largest. Empty without nodes.
    pub histogram: Vec<usize>,
}

impl InDegrees {
    /// The in-degrees in `graph`.
    pub fn of(graph: &Graph) -> Self {
        let degrees = per_node(graph);
        let mut histogram = Vec::new();
        for &degree in &degrees {
            let degree = degree as usize;
            if degree >= histogram.len() {
                histogram.resize(degree + 1, 0);
            }
            histogram[degree] += 1;
        }
        let nodes = degrees.len().max(1) as f64;
        let mean = graph.live_links() as f64 / nodes;
        let deviation = |&degree: &u32| (f64::from(degree) - mean).powi(2);
        Self {
            mean,
            // The sum of no floats is −0.
            sd: ((0.0 + degrees.iter().map(deviation).sum::<f64>()) / nodes).sqrt(),
            max: histogram.len().saturating_sub(1),
            histogram,
        }
    }
}

/// The in-degree of each live node, node 0's first, as [`InDegrees`] defines it.
pub fn per_node(graph: &Graph) -> Vec<u32> {
    let mut degrees = vec![0; graph.len()];
    for (_, peer) in graph.edges() {
        degrees[peer as usize] += 1;
    }
    degrees
}

/// The standard deviation of in-degrees in the uniform random graph of `nodes` nodes whose views
/// hold `view_size` others: √(c(1 − c/(N−1))), that of a binomial distribution with N − 1 trials.
///
/// Views of more than all others count as views of all others. Without others, it is 0.
pub fn random_sd(nodes: usize, view_size: f64) -> f64 {
    let others = nodes.saturating_sub(1) as f64;
    let c = view_size.clamp(0.0, others);
    (c * (1.0 - c / others.max(1.0))).sqrt()
}

/// The distribution of in-degrees in the uniform random graph, as [`random_sd`] describes it: how
/// probable each in-degree is, from 0 to where all that are higher sum up to less than 10⁻¹².
pub fn random_distribution(nodes: usize, view_size: f64) -> Vec<f64> {
    let others = nodes.saturating_sub(1);
    let trials = others as f64;
    let c = view_size.clamp(0.0, trials);
    let p = c / trials.max(1.0);
    if p == 1.0 {
        let mut all = vec![0.0; others];
        all.push(1.0);
        return all;
    }
    // In logarithms, since the first ones may be too small for a float:
    // P(k+1) = P(k) · (n−k)/(k+1) · p/(1−p).
    let mut ln = trials * (-p).ln_1p();
    let mut distribution = vec![ln.exp()];
    // Past the mean each ratio is below 1 and falls, so that the rest is less than a geometric
    // series.
    for k in 0..others {
        let ratio = (trials - k as f64) / (k as f64 + 1.0) * (p / (1.0 - p));
        let rest = ln.exp() * ratio / (1.0 - ratio);
        if ratio < 1.0 && rest < 1e-12 {
            break;
        }
        ln += ratio.ln();
        distribution.push(ln.exp());
    }
    distribution
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn known_graphs() {
        let ring = Graph::new(9, (0..9).map(|id| (id, [(id + 1) % 9])));
        let expected = InDegrees {
            mean: 1.0,
            sd: 0.0,
            max: 1,
            histogram: vec![0, 9],
        };
        assert_eq!(InDegrees::of(&ring), expected);
        // All know node 0, which knows nobody: 4 of 5 in one place.
        let star = Graph::new(5, (0..5).map(|id| (id, [0])));
        let degrees = InDegrees::of(&star);
        assert_eq!((degrees.mean, degrees.max), (0.8, 4));
        assert_eq!(degrees.histogram, [4, 0, 0, 0, 1]);
        assert!((degrees.sd - 1.6).abs() < 1e-12);
        assert_eq!(per_node(&star), [4, 0, 0, 0, 0]);
    }

    #[test]
    fn links_of_and_to_the_dead_do_not_count() {
        let graph = Graph::new(4, [(0, vec![1, 2, 3]), (3, vec![1, 0])]);
        assert_eq!(per_node(&graph), [1, 1]);
        assert_eq!(InDegrees::of(&graph).mean, 1.0);
    }

    #[test]
    fn without_nodes_all_is_zero() {
        let degrees = InDegrees::of(&Graph::new(0, std::iter::empty::<(u32, [u32; 0])>()));
        assert_eq!((degrees.mean, degrees.sd, degrees.max), (0.0, 0.0, 0));
        assert!(degrees.sd.is_sign_positive());
        assert_eq!(degrees.histogram, [0; 0]);
        for nodes in [0, 1] {
            assert_eq!(random_sd(nodes, 30.0), 0.0);
            assert_eq!(random_distribution(nodes, 30.0), [1.0]);
        }
    }

    #[test]
    fn brute_force() {
        for seed in 0..50 {
            let mut rng = StdRng::seed_from_u64(seed);
            let graph = Graph::random(rng.random_range(1..30), rng.random_range(0..9), &mut rng);
            let degree = |of: u32| graph.edges().filter(|&(_, peer)| peer == of).count();
            let degrees: Vec<usize> = (0..graph.len() as u32).map(degree).collect();
            let found = InDegrees::of(&graph);
            let n = degrees.len() as f64;
            let mean = degrees.iter().sum::<usize>() as f64 / n;
            let squares = degrees.iter().map(|d| d * d).sum::<usize>() as f64 / n;
            assert!((found.mean - mean).abs() < 1e-12, "seed {seed}");
            assert!(
                (found.sd.powi(2) - (squares - mean * mean)).abs() < 1e-9,
                "seed {seed}"
            );
            assert_eq!(found.max, *degrees.iter().max().unwrap(), "seed {seed}");
            for (degree, &nodes) in found.histogram.iter().enumerate() {
                let expected = degrees.iter().filter(|&&d| d == degree).count();
                assert_eq!(nodes, expected, "seed {seed}");
            }
        }
    }

    /// TOCS 2007, N=10^4, c=30: the random graph's in-degree SD is 5.47.
    #[test]
    fn the_random_graph() {
        assert!((random_sd(10_000, 30.0) - 5.469).abs() < 0.001);
        assert_eq!(random_sd(10, 20.0), 0.0);
        let graph = Graph::random(10_000, 30, &mut StdRng::seed_from_u64(1));
        let degrees = InDegrees::of(&graph);
        assert!((degrees.sd - 5.469).abs() < 0.2, "seed 1: {}", degrees.sd);
        // The largest difference of the two distribution functions; beyond 0.0195 once in 1,000.
        let random = random_distribution(10_000, 30.0);
        let (mut difference, mut worst): (f64, f64) = (0.0, 0.0);
        for (degree, probability) in random.iter().enumerate() {
            let nodes = degrees.histogram.get(degree).copied().unwrap_or(0);
            difference += nodes as f64 / 1e4 - probability;
            worst = worst.max(difference.abs());
        }
        assert!(worst < 0.0195, "seed 1: {worst}");
    }

    #[test]
    fn the_distribution_is_the_binomial_one() {
        assert_eq!(random_distribution(3, 1.0), [0.25, 0.5, 0.25]);
        assert_eq!(random_distribution(4, 7.0), [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(random_distribution(4, 0.0), [1.0]);
        // The last three: whose first terms are too small for a float, or nearly.
        for (nodes, c) in [
            (2, 0.3),
            (50, 49.0),
            (10_000, 30.0),
            (10_000, 900.0),
            (1_000_000, 2_000.0),
        ] {
            let distribution = random_distribution(nodes, c);
            let moment = |power: i32| {
                let terms = (0..).zip(&distribution);
                terms
                    .map(|(k, p)| f64::from(k).powi(power) * p)
                    .sum::<f64>()
            };
            let sd = random_sd(nodes, c);
            assert!((moment(0) - 1.0).abs() < 1e-9, "{nodes} {c}: {}", moment(0));
            assert!((moment(1) / c - 1.0).abs() < 1e-9, "{nodes} {c}");
            let variance = moment(2) - c * c;
            assert!((variance - sd * sd).abs() < 1e-8 * c * c, "{nodes} {c}");
        }
        assert!(random_distribution(1_000_000, 30.0).len() < 100);
    }
}
