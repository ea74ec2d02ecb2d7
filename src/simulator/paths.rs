//! How far the nodes are from each other.

use rand::{Rng, seq::index};

use crate::simulator::graph::{Graph, Rows, Undirected};

/// From how many nodes paths are followed without taking too long: up to here, from all; beyond,
/// a sample will do. Measured on the random graph, N=10⁴, c=30: all take less than half a second;
/// 64 come within 10⁻⁴ of the mean.
pub const SOURCES: usize = 10_000;

/// The lengths of shortest paths, in links (TOCS 2007: the average path length is the mean over all
/// pairs of nodes).
///
/// The figures published there are those of the *directed* graph, where a path goes from a node to
/// those in its view; the length from a to b may then differ from that from b to a.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathLengths {
    /// The mean over all ordered pairs of different nodes of which the second can be reached from
    /// the first; 0 if there are none.
    pub mean: f64,
    /// The longest of them: when all sources were taken and all nodes can be reached, the
    /// diameter. 0 if there are none.
    pub longest: usize,
    /// The share of ordered pairs of different nodes of which the second cannot be reached from
    /// the first, from 0 to 1; 0 if there are no pairs.
    pub unreachable: f64,
    /// How many nodes paths were followed from: the first nodes of the pairs.
    pub sources: usize,
}

impl PathLengths {
    /// The lengths along the links of `graph`: exact if it has at most `max_sources` nodes, and
    /// then nothing is drawn from `rng`; otherwise of the paths from that many of them, drawn
    /// without replacement, to all.
    ///
    /// Follows 64 sources at once, and takes 32 bytes per node.
    pub fn directed<R: Rng + ?Sized>(graph: &Graph, max_sources: usize, rng: &mut R) -> Self {
        Self::along(graph.rows(), max_sources, rng)
    }

    /// The same along edges that can be walked both ways.
    pub fn undirected<R: Rng + ?Sized>(
        graph: &Undirected,
        max_sources: usize,
        rng: &mut R,
    ) -> Self {
        Self::along(graph.rows(), max_sources, rng)
    }

    fn along<R: Rng + ?Sized>(rows: &Rows, max_sources: usize, rng: &mut R) -> Self {
        let sources: Vec<usize> = if rows.len() <= max_sources {
            (0..rows.len()).collect()
        } else {
            index::sample(rng, rows.len(), max_sources).into_vec()
        };
        let (mut reached, mut total, mut longest) = (0, 0, 0);
        let mut search = Search::new(rows);
        for batch in sources.chunks(BATCH) {
            search.run(batch, |distance, pairs| {
                reached += pairs;
                total += pairs * distance as u64;
                longest = longest.max(distance);
            });
        }
        let pairs = sources.len() as f64 * rows.len().saturating_sub(1) as f64;
        Self {
            mean: total as f64 / reached.max(1) as f64,
            longest,
            // Exactly 0 when all were reached.
            unreachable: (pairs - reached as f64) / pairs.max(1.0),
            sources: sources.len(),
        }
    }
}

/// As many sources as a word has bits.
const BATCH: usize = 64;

/// A breadth-first search from many sources at once: every word has one bit per source (Then et
/// al., *The more the merrier: efficient multi-source graph traversal*, VLDB 2014).
struct Search<'a> {
    rows: &'a Rows,
    /// Who has been at each node.
    seen: Vec<u64>,
    /// Who has come to each node in the step before, if it stands in `here`.
    arrived: Vec<u64>,
    /// Who comes to each node in this step, also those that had been there before.
    arriving: Vec<u64>,
    /// The nodes that somebody has come to for the first time in the step before.
    here: Vec<u32>,
    /// The nodes whose `arriving` is not 0.
    next: Vec<u32>,
}

impl<'a> Search<'a> {
    fn new(rows: &'a Rows) -> Self {
        Self {
            rows,
            seen: vec![0; rows.len()],
            arrived: vec![0; rows.len()],
            arriving: vec![0; rows.len()],
            here: Vec::new(),
            next: Vec::new(),
        }
    }

    /// Follows all paths from the sources, which differ and are at most as many as a word has
    /// bits. Calls `report` with each distance that there is, and how many pairs are that far
    /// apart.
    fn run(&mut self, sources: &[usize], mut report: impl FnMut(usize, u64)) {
        self.seen.fill(0);
        for (bit, &source) in sources.iter().enumerate() {
            self.seen[source] = 1 << bit;
            self.arrived[source] = 1 << bit;
            self.here.push(source as u32);
        }
        let mut missing = sources.len() as u64 * (self.rows.len() as u64 - 1);
        let mut distance = 0;
        while !self.here.is_empty() {
            distance += 1;
            if missing > 0 {
                self.step();
            }
            self.here.clear();
            let mut pairs = 0;
            for &node in &self.next {
                let index = node as usize;
                let new = std::mem::take(&mut self.arriving[index]) & !self.seen[index];
                if new != 0 {
                    self.seen[index] |= new;
                    self.arrived[index] = new;
                    self.here.push(node);
                    pairs += u64::from(new.count_ones());
                }
            }
            self.next.clear();
            if pairs > 0 {
                report(distance, pairs);
                missing -= pairs;
            }
        }
    }

    /// All go one step along all links.
    fn step(&mut self) {
        for &node in &self.here {
            let bits = self.arrived[node as usize];
            for &peer in self.rows.row(node as usize) {
                let arriving = &mut self.arriving[peer as usize];
                if *arriving == 0 {
                    self.next.push(peer);
                }
                *arriving |= bits;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    fn rng() -> StdRng {
        StdRng::seed_from_u64(1)
    }

    fn graph(ids: u32, view: impl Fn(u32) -> Vec<u32>) -> Graph {
        Graph::new(ids as usize, (0..ids).map(|id| (id, view(id))))
    }

    fn lengths(mean: f64, longest: usize, unreachable: f64, sources: usize) -> PathLengths {
        PathLengths {
            mean,
            longest,
            unreachable,
            sources,
        }
    }

    fn both(graph: &Graph) -> [PathLengths; 2] {
        let mut rng = rng();
        let found = [
            PathLengths::directed(graph, usize::MAX, &mut rng),
            PathLengths::undirected(&graph.undirected(), usize::MAX, &mut rng),
        ];
        assert_eq!(rng, self::rng());
        found
    }

    #[test]
    fn known_graphs() {
        for nodes in [0, 1] {
            let nothing = lengths(0.0, 0, 0.0, nodes as usize);
            assert_eq!(both(&graph(nodes, |_| vec![])), [nothing; 2]);
        }
        assert_eq!(both(&graph(7, |_| vec![])), [lengths(0.0, 0, 1.0, 7); 2]);
        let ring = graph(101, |id| vec![(id + 1) % 101]);
        let expected = [lengths(50.5, 100, 0.0, 101), lengths(25.5, 50, 0.0, 101)];
        assert_eq!(both(&ring), expected);
        let complete = graph(80, |_| (0..80).collect());
        assert_eq!(both(&complete), [lengths(1.0, 1, 0.0, 80); 2]);
        // All know the centre, which knows nobody: of 90 ordered pairs it takes part in 18.
        let star = graph(10, |_| vec![0]);
        let undirected = lengths((18.0 + 72.0 * 2.0) / 90.0, 2, 0.0, 10);
        assert_eq!(both(&star), [lengths(1.0, 1, 0.9, 10), undirected]);
        let cliques = graph(9, |id| {
            if id < 3 {
                (0..3).collect()
            } else {
                (3..9).collect()
            }
        });
        assert_eq!(both(&cliques), [lengths(1.0, 1, 0.5, 9); 2]);
    }

    /// One source after the other, from the matrix of distances of Floyd and Warshall.
    fn brute_force(nodes: usize, edges: impl Iterator<Item = (u32, u32)>) -> Vec<Vec<usize>> {
        const FAR: usize = 1_000_000;
        let mut distances = vec![vec![FAR; nodes]; nodes];
        for (a, b) in edges {
            distances[a as usize][b as usize] = 1;
        }
        for through in 0..nodes {
            for from in 0..nodes {
                for to in 0..nodes {
                    let way = distances[from][through] + distances[through][to];
                    distances[from][to] = distances[from][to].min(way);
                }
            }
        }
        let lengths = |(from, row): (usize, &Vec<usize>)| {
            let others = row.iter().enumerate().filter(|&(to, _)| to != from);
            others.map(|(_, &d)| d).filter(|&d| d < FAR).collect()
        };
        distances.iter().enumerate().map(lengths).collect()
    }

    #[test]
    fn brute_force_agrees() {
        for seed in 0..24 {
            let mut rng = StdRng::seed_from_u64(seed);
            // More than one batch, often not full.
            let nodes = rng.random_range(1..100);
            let random = Graph::random(nodes, rng.random_range(0..4), &mut rng);
            // Some views are empty, so that not all can be reached.
            let graph = graph(nodes, |id| match id % 5 {
                0 => vec![],
                _ => random.view(id).to_vec(),
            });
            let turned = graph.edges().map(|(a, b)| (b, a));
            let rows = [
                brute_force(nodes as usize, graph.edges()),
                brute_force(nodes as usize, graph.edges().chain(turned)),
            ];
            for (found, rows) in both(&graph).iter().zip(rows) {
                let all = rows.concat();
                let pairs = f64::from(nodes * (nodes - 1)).max(1.0);
                let sum = all.iter().sum::<usize>() as f64;
                assert!(
                    (found.mean - sum / all.len().max(1) as f64).abs() < 1e-9,
                    "seed {seed}"
                );
                assert_eq!(
                    found.longest,
                    all.iter().max().copied().unwrap_or(0),
                    "seed {seed}"
                );
                let expected = if nodes == 1 {
                    0.0
                } else {
                    1.0 - all.len() as f64 / pairs
                };
                assert!((found.unreachable - expected).abs() < 1e-9, "seed {seed}");
            }
        }
    }

    #[test]
    fn samples_estimate_the_mean() {
        let graph = Graph::random(600, 5, &mut rng());
        let mut unused = rng();
        let exact = PathLengths::directed(&graph, 600, &mut unused);
        assert_eq!(unused, rng());
        let mut mean = 0.0;
        for seed in 0..20 {
            let sample = || PathLengths::directed(&graph, 70, &mut StdRng::seed_from_u64(seed));
            assert_eq!((sample(), sample().sources), (sample(), 70), "seed {seed}");
            assert_ne!(sample().mean, exact.mean, "seed {seed}");
            assert_eq!(
                sample().unreachable > 0.0,
                exact.unreachable > 0.0,
                "seed {seed}"
            );
            mean += sample().mean / 20.0;
        }
        assert!(
            (mean / exact.mean - 1.0).abs() < 0.01,
            "{mean} {}",
            exact.mean
        );
        let none = PathLengths::directed(&graph, 0, &mut rng());
        assert_eq!(none, lengths(0.0, 0, 0.0, 0));
    }

    /// TOCS 2007, N=10^4, c=30: 2.978 for the random graph, directed.
    #[test]
    fn the_random_graph() {
        let graph = Graph::random(10_000, 30, &mut rng());
        let found = PathLengths::directed(&graph, 128, &mut rng());
        assert!(
            (found.mean / 2.978 - 1.0).abs() < 0.003,
            "seed 1: {}",
            found.mean
        );
        assert_eq!((found.unreachable, found.longest), (0.0, 4), "seed 1");
    }
}
