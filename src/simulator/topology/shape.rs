//! Where simulated nodes are, and how far from each other.

use std::{fmt, sync::Arc};

use crate::{
    sampling::overlay::ranked::{
        coordinates::Proximity,
        distance::Distance,
        labels::Zones,
        ring::{Ring, SortedRing},
        xor::Xor,
    },
    simulator::host::Host,
};

/// Which topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A sorted ring of places that the seed has drawn.
    Ring,
    /// A ring of even places, in the order of the numbers, of which only nearness counts: the
    /// distance of T-Man 2005, min(|a-b|, N-|a-b|).
    EvenRing,
    /// A grid whose ends meet: node i is in column i mod w and row i/w, with w = ⌈√N⌉. The distance
    /// is that of Manhattan.
    Torus,
    /// A rooted binary tree, in which node i > 0 hangs on node ⌊(i-1)/2⌋. The distance is the
    /// number of hops; only the edges are links.
    Tree,
    /// The XOR of places that the seed has drawn.
    Xor,
    /// The Euclidean distance in the unit square, at places that the seed has drawn.
    Proximity,
    /// Zones of some 32 nodes each, which the seed has drawn.
    Zones,
}

/// Where the nodes of a simulation are. It is the distance that they are ranked by: one of those
/// that the crate has, over places that follow from numbers.
#[derive(Clone)]
pub struct Shape {
    kind: Kind,
    places: Places,
    distance: Arc<dyn Distance<Host> + Send + Sync>,
}

/// What the place of a node follows from.
#[derive(Debug, Clone, Copy)]
struct Places {
    nodes: u32,
    seed: u64,
    /// From this number on, nodes say that they are where another one is.
    liars: u32,
}

impl Shape {
    /// The shape of a network of `nodes` nodes, at least 1. Newcomers have places, too.
    pub fn new(kind: Kind, nodes: usize, seed: u64) -> Self {
        // A network has fewer than 2^31 nodes.
        let nodes = nodes.clamp(1, Host::ATTACKERS as usize) as u32;
        let places = Places {
            nodes,
            seed,
            liars: nodes,
        };
        Self::at(kind, places)
    }

    /// The last `count` of the nodes, at most all but one, are liars: each says that it is where
    /// one of the others is, drawn by the seed. In all else they keep to the protocol.
    pub fn with_liars(self, count: usize) -> Self {
        let nodes = self.places.nodes;
        let count = u32::try_from(count).unwrap_or(nodes).min(nodes - 1);
        let places = Places {
            liars: nodes - count,
            ..self.places
        };
        Self::at(self.kind, places)
    }

    fn at(kind: Kind, places: Places) -> Self {
        let place = move |host: &Host| Some(places.place(*host));
        let distance: Arc<dyn Distance<Host> + Send + Sync> = match kind {
            Kind::Ring => Arc::new(SortedRing::new(place)),
            Kind::EvenRing => Arc::new(Ring::new(move |host: &Host| Some(places.even(*host)))),
            Kind::Torus => {
                Arc::new(move |from: &Host, to: &Host| f64::from(places.steps(*from, *to)))
            }
            Kind::Tree => Arc::new(move |from: &Host, to: &Host| {
                f64::from(hops(places.number(*from), places.number(*to)))
            }),
            Kind::Xor => Arc::new(Xor::new(place)),
            Kind::Proximity => Arc::new(Proximity::new(move |host: &Host| {
                Some(places.coordinates(*host))
            })),
            Kind::Zones => Arc::new(Zones::new(move |host: &Host| Some(places.zone(*host)))),
        };
        Self {
            kind,
            places,
            distance,
        }
    }

    /// Which topology.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the node says that it is where another one is.
    pub fn is_liar(&self, host: Host) -> bool {
        (self.places.liars..self.places.nodes).contains(&host.0)
    }

    /// The place on the ring, if that is what it is.
    pub(super) fn on_ring(&self, host: Host) -> Option<u64> {
        (self.kind == Kind::Ring).then(|| self.places.place(host))
    }

    /// How far a link may reach.
    pub(super) fn reach(&self) -> f64 {
        match self.kind {
            Kind::Tree => 1.0,
            _ => f64::INFINITY,
        }
    }
}

impl Places {
    /// The number of the node whose place it is.
    fn number(self, host: Host) -> u32 {
        match (self.liars..self.nodes).contains(&host.0) {
            // `liars` is at least 1.
            true => (mixed(self.seed, u64::from(host.0) << 32) % u64::from(self.liars)) as u32,
            false => host.0,
        }
    }

    fn place(self, host: Host) -> u64 {
        mixed(self.seed, u64::from(self.number(host)))
    }

    fn even(self, host: Host) -> u64 {
        let apart = u64::MAX / u64::from(self.nodes) + 1;
        u64::from(self.number(host)).wrapping_mul(apart)
    }

    fn coordinates(self, host: Host) -> [f64; 2] {
        let place = self.place(host);
        let unit = |half: u64| half as f64 / f64::from(u32::MAX);
        [unit(place >> 32), unit(place & u64::from(u32::MAX))]
    }

    fn zone(self, host: Host) -> u64 {
        self.place(host) % u64::from(self.nodes).div_ceil(32)
    }

    /// How many steps from one place of the grid to another.
    fn steps(self, from: Host, to: Host) -> u32 {
        let columns = (f64::from(self.nodes).sqrt().ceil() as u32).max(1);
        let rows = self.nodes.div_ceil(columns);
        let around = |one: u32, other: u32, length: u32| {
            let straight = one.abs_diff(other);
            straight.min(length - straight)
        };
        // Newcomers begin again in the first row.
        let cell = |host| {
            let number = self.number(host) % (columns * rows);
            (number % columns, number / columns)
        };
        let ((x, y), (column, row)) = (cell(from), cell(to));
        around(x, column, columns) + around(y, row, rows)
    }
}

/// How many edges of the tree lie between two nodes.
fn hops(one: u32, other: u32) -> u32 {
    // Counted from 1, a node hangs on half its number.
    let (mut one, mut other) = (u64::from(one) + 1, u64::from(other) + 1);
    let mut hops = 0;
    while one != other {
        match one > other {
            true => one /= 2,
            false => other /= 2,
        }
        hops += 1;
    }
    hops
}

/// All bits depend on all bits: the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
fn mixed(seed: u64, number: u64) -> u64 {
    let mut hash = seed
        .wrapping_add(number.wrapping_add(1))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ hash >> 31
}

impl Distance<Host> for Shape {
    fn sides(&self) -> usize {
        self.distance.sides()
    }

    fn distance(&self, side: usize, from: &Host, to: &Host) -> f64 {
        self.distance.distance(side, from, to)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shape")
            .field("kind", &self.kind)
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(shape: &Shape, from: u32, to: u32) -> f64 {
        shape.distance(0, &Host(from), &Host(to))
    }

    #[test]
    fn each_shape_is_as_its_name_says() {
        let shape = |kind| Shape::new(kind, 16, 7);
        let even = shape(Kind::EvenRing);
        assert_eq!(distance(&even, 0, 15), distance(&even, 0, 1));
        assert_eq!(distance(&even, 3, 11), 8.0 * distance(&even, 3, 4));
        let torus = shape(Kind::Torus);
        let from_0: Vec<f64> = (0..16).map(|to| distance(&torus, 0, to)).collect();
        let row = [0.0, 1.0, 2.0, 1.0];
        let rows = [0.0, 1.0, 2.0, 1.0].map(|y| row.map(|x| x + y));
        assert_eq!(from_0, rows.concat());
        let tree = shape(Kind::Tree);
        let from_4: Vec<f64> = [1, 9, 10, 0, 3, 4, 6]
            .map(|to| distance(&tree, 4, to))
            .into();
        assert_eq!(from_4, [1.0, 1.0, 1.0, 2.0, 2.0, 0.0, 4.0]);
        for kind in [Kind::Ring, Kind::Xor, Kind::Proximity, Kind::Zones] {
            let shape = Shape::new(kind, 200, 7);
            assert_eq!(distance(&shape, 5, 5), 0.0, "{kind:?}");
            let far = (0..100).filter(|&to| distance(&shape, 5, to) > 0.0);
            assert!(far.count() >= 30, "{kind:?}");
        }
    }

    #[test]
    fn a_liar_says_that_it_is_where_an_honest_node_is() {
        for kind in [Kind::Ring, Kind::Torus, Kind::Tree, Kind::Proximity] {
            let shape = Shape::new(kind, 100, 3).with_liars(10);
            assert!(shape.is_liar(Host(90)) && !shape.is_liar(Host(89)));
            assert!(!shape.is_liar(Host(100)), "a newcomer");
            for liar in 90..100 {
                let victims = (0..90).filter(|&id| distance(&shape, liar, id) == 0.0);
                assert_eq!(victims.count(), 1, "{kind:?}");
            }
        }
    }
}
