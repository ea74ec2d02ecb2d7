//! The links that nodes are to have, and how many they have.

use crate::{
    sampling::overlay::{Overlay, ranked::distance::Distance},
    simulator::{host::Host, network::Network, topology::shape::Shape},
};

/// Of each node, how far its links reach: the K nearest of all honest nodes that are there.
#[derive(Debug)]
pub(super) struct Target {
    shape: Shape,
    degree: usize,
    /// For which nodes the reaches were found, by number.
    live: Vec<u32>,
    /// Of each of these, one for each side.
    reaches: Vec<Reach>,
}

/// The links of one node on one side.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Reach {
    /// How far away the last one is.
    farthest: f64,
    /// How many are nearer than that.
    nearer: usize,
    /// How many there are.
    links: usize,
}

impl Reach {
    /// Of a node's distances on one side to all peers that may be its `links` links, those that
    /// are too far away left out.
    fn of(distances: &mut [f64], links: usize) -> Self {
        let links = links.min(distances.len());
        let Some(last) = links.checked_sub(1) else {
            return Self {
                farthest: 0.0,
                nearer: 0,
                links: 0,
            };
        };
        let (before, &mut farthest, _) = distances.select_nth_unstable_by(last, f64::total_cmp);
        Self {
            farthest,
            nearer: before.iter().filter(|d| **d < farthest).count(),
            links,
        }
    }

    /// How many of the links are among the peers at these distances.
    fn has(self, distances: impl Iterator<Item = f64> + Clone) -> usize {
        let nearer = distances.clone().filter(|d| *d < self.farthest).count();
        let as_far = distances.filter(|d| *d == self.farthest).count();
        nearer.min(self.nearer) + as_far.min(self.links - self.nearer)
    }
}

impl Target {
    pub(super) fn new(shape: Shape, degree: usize) -> Self {
        Self {
            shape,
            degree,
            live: Vec::new(),
            reaches: Vec::new(),
        }
    }

    /// Finds out the links of the nodes that are there, if they are others than before.
    pub(super) fn renew<O: Overlay<Host> + Clone>(&mut self, network: &Network<O>) {
        let live = network.nodes().map(|(id, _)| id);
        let live: Vec<u32> = live.filter(|id| !self.shape.is_liar(Host(*id))).collect();
        if live != self.live {
            self.live = live;
            self.reaches = match self
                .live
                .iter()
                .all(|id| self.shape.on_ring(Host(*id)).is_some())
            {
                true => self.sorted(),
                false => self.compared(),
            };
        }
    }

    /// How many links are on a side, of the `degree` that are taken in turn.
    fn links(&self, side: usize) -> usize {
        let sides = self.shape.sides();
        let others = self.live.len().saturating_sub(1);
        let degree = self.degree.min(others);
        (degree + sides - 1 - side) / sides
    }

    /// In a ring they are the next ones.
    fn sorted(&self) -> Vec<Reach> {
        let place = |id: u32| self.shape.on_ring(Host(id)).unwrap_or_default();
        let mut order: Vec<(u64, usize)> = self.live.iter().map(|id| place(*id)).zip(0..).collect();
        order.sort_unstable();
        let (nodes, sides) = (order.len(), self.shape.sides());
        let mut reaches = vec![Reach::of(&mut [], 0); nodes * sides];
        for (at, (_, number)) in order.iter().enumerate() {
            for side in 0..sides {
                let links = self.links(side);
                let last = match side {
                    0 => (at + links) % nodes,
                    _ => (at + nodes - links) % nodes,
                };
                let (from, to) = (Host(self.live[*number]), Host(self.live[order[last].1]));
                reaches[number * sides + side] = Reach {
                    farthest: self.shape.distance(side, &from, &to),
                    // Places are all different.
                    nearer: links.saturating_sub(1),
                    links,
                };
            }
        }
        reaches
    }

    /// Each node is compared with each other one.
    fn compared(&self) -> Vec<Reach> {
        let mut reaches = Vec::new();
        let mut distances = Vec::new();
        for from in &self.live {
            for side in 0..self.shape.sides() {
                let others = self.live.iter().filter(|to| *to != from);
                let distance = |to: &u32| self.shape.distance(side, &Host(*from), &Host(*to));
                distances.clear();
                distances.extend(others.map(distance));
                distances.retain(|distance| *distance <= self.shape.reach());
                reaches.push(Reach::of(&mut distances, self.links(side)));
            }
        }
        reaches
    }

    /// The share of the links that is missing among the first of the views.
    pub(super) fn missing<O: Overlay<Host> + Clone>(&self, network: &Network<O>) -> f64 {
        let (mut all, mut there) = (0, 0);
        let sides = self.shape.sides();
        for (id, reaches) in self.live.iter().zip(self.reaches.chunks(sides)) {
            let Some(node) = network.node(*id) else {
                continue;
            };
            let from = Host(*id);
            let first = node.view().head(self.degree).iter().map(|d| d.peer);
            let may_be = |peer: &Host| network.node(peer.0).is_some() && !self.shape.is_liar(*peer);
            let first = first.filter(may_be);
            for (side, reach) in reaches.iter().enumerate() {
                all += reach.links;
                let distances = first
                    .clone()
                    .map(|to| self.shape.distance(side, &from, &to));
                there += reach.has(distances);
            }
        }
        match all {
            0 => 0.0,
            _ => (all - there) as f64 / all as f64,
        }
    }

    /// The share of liars among the first of honest views.
    pub(super) fn liars<O: Overlay<Host> + Clone>(&self, network: &Network<O>) -> f64 {
        let honest = network
            .nodes()
            .filter(|(id, _)| !self.shape.is_liar(Host(*id)));
        let first = honest.flat_map(|(_, node)| node.view().head(self.degree));
        let (liars, all) = first.fold((0_usize, 0_usize), |(liars, all), d| {
            (liars + usize::from(self.shape.is_liar(d.peer)), all + 1)
        });
        liars as f64 / all.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::topology::shape::Kind;

    fn target(kind: Kind, degree: usize, live: impl IntoIterator<Item = u32>) -> Target {
        let mut target = Target::new(Shape::new(kind, 64, 9), degree);
        target.live = live.into_iter().collect();
        target
    }

    #[test]
    fn sorting_a_ring_finds_what_comparing_all_finds() {
        for degree in [1, 2, 3, 6] {
            let target = target(Kind::Ring, degree, (0..64).filter(|id| id % 5 != 0));
            assert_eq!(target.sorted(), target.compared(), "{degree}");
        }
        let few = target(Kind::Ring, 6, [3, 7]);
        assert_eq!(few.sorted().len(), 4);
    }

    #[test]
    fn of_peers_at_the_same_distance_any_will_do() {
        let reach = Reach::of(&mut [3.0, 1.0, 2.0, 2.0, 2.0], 3);
        let expected = Reach {
            farthest: 2.0,
            nearer: 1,
            links: 3,
        };
        assert_eq!(reach, expected);
        let has = |distances: &[f64]| reach.has(distances.iter().copied());
        assert_eq!(has(&[1.0, 2.0, 2.0]), 3);
        assert_eq!(has(&[2.0, 2.0, 2.0]), 2, "the nearest is missing");
        assert_eq!(has(&[1.0, 3.0, 2.0]), 2);
        assert_eq!(has(&[]), 0);
        assert_eq!(Reach::of(&mut [], 3).links, 0);
    }

    #[test]
    fn the_links_of_a_tree_are_its_edges() {
        let target = target(Kind::Tree, 3, 0..63);
        let reaches = target.compared();
        let links = |id: usize| reaches[id].links;
        assert_eq!((links(0), links(1), links(62)), (2, 3, 1));
        assert_eq!(
            reaches.iter().map(|reach| reach.links).sum::<usize>(),
            2 * 62
        );
    }
}
