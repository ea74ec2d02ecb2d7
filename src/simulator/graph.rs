//! A snapshot of the network: which nodes are in the view of which.
//!
//! The measures of it, those of the peer sampling paper (TOCS 2007), stand in the files beside this
//! one.

use rand::{Rng, seq::index};

/// The directed graph of views at one moment: an edge leads from a live node to every other live
/// node in its view.
///
/// Nodes are numbered anew, from 0 on, in the order of their ids: only the live ones count. Links
/// to the dead are no edges, and are counted apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    ids: Vec<u32>,
    rows: Rows,
    dead_links: usize,
}

impl Graph {
    /// The graph of the live nodes, each given by its id and the ids in its view, in any order.
    ///
    /// All ids lie below `ids`, the number of ids ever used; that is what memory is reserved for,
    /// and higher ones only cost some more. A view without the node itself and without duplicates
    /// is expected: the former is left out, and of the latter every one counts. A node that is
    /// given twice counts as it was given first.
    ///
    /// Takes 4 bytes per link and 12 per node, and 4 per id while it is built.
    pub fn new<V: IntoIterator<Item = u32>>(
        ids: usize,
        live: impl IntoIterator<Item = (u32, V)>,
    ) -> Self {
        let mut nodes = vec![NOBODY; ids];
        let mut graph = Self {
            ids: Vec::new(),
            rows: Rows::default(),
            dead_links: 0,
        };
        for (id, view) in live {
            let index = id as usize;
            if index >= nodes.len() {
                nodes.resize(index + 1, NOBODY);
            }
            if nodes[index] == NOBODY {
                // Any mark will do until all are known.
                nodes[index] = 0;
                graph.ids.push(id);
                graph.rows.push(view.into_iter().filter(|&peer| peer != id));
            }
        }
        if !graph.ids.is_sorted() {
            let mut order: Vec<usize> = (0..graph.ids.len()).collect();
            order.sort_unstable_by_key(|&row| graph.ids[row]);
            let mut sorted = Rows::default();
            for &row in &order {
                sorted.push(graph.rows.row(row).iter().copied());
            }
            graph.rows = sorted;
            graph.ids.sort_unstable();
        }
        for (node, &id) in (0..).zip(&graph.ids) {
            nodes[id as usize] = node;
        }
        let links = graph.rows.total();
        graph.rows.shorten(|row| {
            let mut live = 0;
            for index in 0..row.len() {
                let node = nodes.get(row[index] as usize);
                if let Some(&node) = node.filter(|&&node| node != NOBODY) {
                    row[live] = node;
                    live += 1;
                }
            }
            live
        });
        graph.dead_links = links - graph.rows.total();
        graph
    }

    /// The uniform random graph, against which TOCS 2007 holds all others: every view is a uniform
    /// sample, without replacement, of `view_size` other nodes, or of all when there are no more.
    pub fn random<R: Rng + ?Sized>(nodes: u32, view_size: usize, rng: &mut R) -> Self {
        let others = nodes.saturating_sub(1) as usize;
        let mut rows = Rows::default();
        for node in 0..nodes {
            let view = index::sample(rng, others, view_size.min(others));
            // An index among the others: they are fewer than `nodes`, so it fits.
            let peer = |index: usize| index as u32 + u32::from(index >= node as usize);
            rows.push(view.into_iter().map(peer));
        }
        rows.nodes.shrink_to_fit();
        Self {
            ids: (0..nodes).collect(),
            rows,
            dead_links: 0,
        }
    }

    /// The number of live nodes, N.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no live node.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The ids of the live nodes, ascending: node 0's first.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The number that the live node with this id has here; `None` if it is not alive.
    pub fn node(&self, id: u32) -> Option<u32> {
        // There are no more nodes than ids, and those have 32 bits.
        self.ids.binary_search(&id).ok().map(|node| node as u32)
    }

    /// The live nodes in the view of `node`, in the view's order. Of a node that there is not,
    /// none.
    pub fn view(&self, node: u32) -> &[u32] {
        self.rows.row(node as usize)
    }

    /// All edges, as pairs of nodes: whose view it is, and who is in it.
    pub fn edges(&self) -> impl Iterator<Item = (u32, u32)> {
        self.rows.pairs()
    }

    /// The number of links from live nodes: the entries of their views, those of dead peers
    /// included.
    pub fn links(&self) -> usize {
        self.rows.total() + self.dead_links
    }

    /// The number of links from live nodes to live ones: the edges.
    pub fn live_links(&self) -> usize {
        self.rows.total()
    }

    /// The number of links from live nodes to dead ones.
    pub fn dead_links(&self) -> usize {
        self.dead_links
    }

    /// The share of links from live nodes that lead to dead ones, from 0 to 1; 0 if there are no
    /// links at all.
    pub fn dead_share(&self) -> f64 {
        self.dead_links as f64 / self.links().max(1) as f64
    }

    /// The same without directions. Takes up to 8 bytes per link and 8 per node.
    pub fn undirected(&self) -> Undirected {
        let mut rows = Rows {
            starts: vec![0; self.len()],
            nodes: vec![0; 2 * self.live_links()],
        };
        for (node, peer) in self.edges() {
            rows.starts[node as usize] += 1;
            rows.starts[peer as usize] += 1;
        }
        let mut next = 0;
        for start in &mut rows.starts {
            next += std::mem::replace(start, next);
        }
        let mut put = |row: u32, node: u32| {
            let start = &mut rows.starts[row as usize];
            rows.nodes[*start] = node;
            *start += 1;
        };
        for (node, peer) in self.edges() {
            put(node, peer);
            put(peer, node);
        }
        // By now each start has come to its row's end, where the next row starts.
        rows.starts.insert(0, 0);
        rows.shorten(|row| {
            row.sort_unstable();
            let mut distinct = 0;
            for index in 0..row.len() {
                if distinct == 0 || row[index] != row[distinct - 1] {
                    row[distinct] = row[index];
                    distinct += 1;
                }
            }
            distinct
        });
        Undirected { rows }
    }

    /// For measures of both kinds of graphs.
    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }
}

/// The graph of views without directions: an edge joins two nodes of which at least one has the
/// other in its view, once however many links there are between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undirected {
    rows: Rows,
}

impl Undirected {
    /// The number of live nodes, N.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no live node.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The nodes next to `node`, ascending. Of a node that there is not, none.
    pub fn adjacent(&self, node: u32) -> &[u32] {
        self.rows.row(node as usize)
    }

    /// The number of edges, each counted once.
    pub fn edges(&self) -> usize {
        self.rows.total() / 2
    }

    /// For measures of both kinds of graphs.
    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }
}

/// In place of a node: not alive.
const NOBODY: u32 = u32::MAX;

/// A list of nodes for each node, all in one vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rows {
    /// Where each list starts, and at the end where the last one ends.
    starts: Vec<usize>,
    nodes: Vec<u32>,
}

impl Default for Rows {
    fn default() -> Self {
        Self {
            starts: vec![0],
            nodes: Vec::new(),
        }
    }
}

impl Rows {
    /// The number of lists.
    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The length of all lists together.
    pub(crate) fn total(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn row(&self, index: usize) -> &[u32] {
        if index < self.len() {
            &self.nodes[self.starts[index]..self.starts[index + 1]]
        } else {
            &[]
        }
    }

    fn pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        let rows = (0..).zip(self.starts.windows(2));
        rows.flat_map(|(node, ends)| {
            self.nodes[ends[0]..ends[1]]
                .iter()
                .map(move |&peer| (node, peer))
        })
    }

    fn push(&mut self, row: impl Iterator<Item = u32>) {
        self.nodes.extend(row);
        self.starts.push(self.nodes.len());
    }

    /// Cuts every list to its first entries, as many as `keep` says, which may rearrange it first.
    fn shorten(&mut self, mut keep: impl FnMut(&mut [u32]) -> usize) {
        let (mut start, mut kept) = (0, 0);
        for row_end in &mut self.starts[1..] {
            let end = *row_end;
            let length = keep(&mut self.nodes[start..end]);
            self.nodes.copy_within(start..start + length, kept);
            kept += length;
            start = end;
            *row_end = kept;
        }
        self.nodes.truncate(kept);
        self.nodes.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

    use super::*;

    #[test]
    fn nodes_are_renumbered_and_dead_links_counted() {
        // Ids 0 to 9, of which 2, 5 and 7 are alive; 12 is above what was announced.
        let views = [
            (7, vec![5, 1, 2, 7]),
            (2, vec![7, 5, 12]),
            (5, vec![0, 9]),
            (2, vec![5]),
        ];
        let graph = Graph::new(10, views);
        assert_eq!((graph.len(), graph.ids()), (3, &[2, 5, 7][..]));
        assert_eq!(graph.view(0), [2, 1]);
        assert_eq!(graph.view(1), [0; 0]);
        assert_eq!(graph.view(2), [1, 0]);
        assert_eq!(graph.view(3), [0; 0]);
        assert_eq!(
            (graph.links(), graph.live_links(), graph.dead_links()),
            (8, 4, 4)
        );
        assert_eq!(graph.dead_share(), 0.5);
        assert_eq!(graph.node(5), Some(1));
        assert_eq!(graph.node(1), None);
        let high = Graph::new(0, [(12, vec![3]), (3, vec![12])]);
        assert_eq!(high.edges().collect::<Vec<_>>(), [(0, 1), (1, 0)]);
    }

    #[test]
    fn empty_graphs() {
        let empty = Graph::new(3, std::iter::empty::<(u32, [u32; 0])>());
        assert!(empty.is_empty() && empty.undirected().is_empty());
        assert_eq!((empty.dead_share(), empty.edges().count()), (0.0, 0));
        let alone = Graph::new(3, [(1, vec![0, 2])]);
        assert_eq!((alone.len(), alone.dead_share()), (1, 1.0));
        assert_eq!(alone.undirected().edges(), 0);
        assert_eq!(Graph::random(0, 3, &mut StdRng::seed_from_u64(1)), empty);
    }

    #[test]
    fn the_order_of_the_nodes_does_not_matter() {
        for seed in 0..20 {
            let mut rng = StdRng::seed_from_u64(seed);
            let ids: Vec<u32> = (0..40).filter(|_| rng.random_bool(0.6)).collect();
            let mut views: Vec<(u32, Vec<u32>)> = ids
                .iter()
                .map(|&id| {
                    let view = index::sample(&mut rng, 40, 5).into_iter();
                    let view = view.map(|peer| peer as u32).filter(|&peer| peer != id);
                    (id, view.collect())
                })
                .collect();
            let graph = Graph::new(40, views.clone());
            for (id, view) in &views {
                let node = graph.node(*id).unwrap();
                let live = view.iter().copied().filter(|peer| ids.contains(peer));
                let found = graph.view(node).iter().map(|&n| graph.ids()[n as usize]);
                assert!(live.eq(found), "seed {seed}");
            }
            views.shuffle(&mut rng);
            assert_eq!(Graph::new(40, views), graph, "seed {seed}");
        }
    }

    #[test]
    fn undirected_is_symmetric_sorted_and_without_duplicates() {
        for seed in 0..50 {
            let mut rng = StdRng::seed_from_u64(seed);
            let graph = Graph::random(rng.random_range(0..25), rng.random_range(0..8), &mut rng);
            let both = |(a, b)| [(a, b), (b, a)];
            let expected: BTreeSet<(u32, u32)> = graph.edges().flat_map(both).collect();
            let undirected = graph.undirected();
            let found: Vec<(u32, u32)> = undirected.rows().pairs().collect();
            assert!(expected.iter().eq(&found), "seed {seed}");
            assert_eq!(undirected.edges(), expected.len() / 2, "seed {seed}");
        }
    }

    #[test]
    fn random_views_are_uniform_samples_of_the_others() {
        let mut rng = StdRng::seed_from_u64(1);
        let (nodes, c) = (20, 6);
        let mut counts = vec![[0; 20]; 20];
        for _ in 0..2_000 {
            let graph = Graph::random(nodes, c, &mut rng);
            for node in 0..nodes {
                let view: BTreeSet<u32> = graph.view(node).iter().copied().collect();
                assert!(view.len() == c && !view.contains(&node), "seed 1");
            }
            for (node, peer) in graph.edges() {
                counts[node as usize][peer as usize] += 1;
            }
        }
        // Binomial(2000, 6/19): mean 632, SD 21.
        for (node, counts) in counts.iter().enumerate() {
            for (peer, &count) in counts.iter().enumerate() {
                let fits = if node == peer { 0..1 } else { 532..732 };
                assert!(fits.contains(&count), "seed 1: {node} {peer} {count}");
            }
        }
        assert_eq!(Graph::random(5, 9, &mut rng).live_links(), 20);
    }
}
