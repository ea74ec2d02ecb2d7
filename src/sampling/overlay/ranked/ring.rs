//! Rings: peers in the order of their places, the last before the first.

use crate::{
    peer::Peer,
    sampling::overlay::ranked::{
        distance::{Distance, between},
        hashed::place_of,
    },
};

/// A sorted ring: half of the links are the next peers clockwise, half the next ones the other way
/// (T-Man 2009, direction-dependent ranking). With two links, every node knows its successor and
/// its predecessor, however unevenly places lie.
///
/// The ring has 2^64 places. Peers without a place are farther than all others.
#[derive(Debug, Clone, Copy)]
pub struct SortedRing<F> {
    place: F,
}

impl<F> SortedRing<F> {
    /// The ring of these places: `Fn(&P) -> Option<u64>`.
    pub fn new(place: F) -> Self {
        Self { place }
    }
}

impl<P: Peer> SortedRing<fn(&P) -> Option<u64>> {
    /// The ring of the hashes of identities: see [`place`](super::hashed::place).
    pub fn by_id() -> Self {
        Self::new(place_of)
    }
}

impl<P, F: Fn(&P) -> Option<u64>> Distance<P> for SortedRing<F> {
    fn sides(&self) -> usize {
        2
    }

    fn distance(&self, side: usize, from: &P, to: &P) -> f64 {
        between(
            (self.place)(from),
            (self.place)(to),
            |from, to| match side {
                0 => to.wrapping_sub(from) as f64,
                _ => from.wrapping_sub(to) as f64,
            },
        )
    }
}

/// A ring of which only nearness counts: the links are the nearest peers, on whichever side. It
/// holds together if places are even. Else all links of a node may be on one side, and
/// [`SortedRing`] is better.
#[derive(Debug, Clone, Copy)]
pub struct Ring<F> {
    place: F,
}

impl<F> Ring<F> {
    /// The ring of these places: `Fn(&P) -> Option<u64>`. It has 2^64 places.
    pub fn new(place: F) -> Self {
        Self { place }
    }
}

impl<P: Peer> Ring<fn(&P) -> Option<u64>> {
    /// The ring of the hashes of identities: see [`place`](super::hashed::place).
    pub fn by_id() -> Self {
        Self::new(place_of)
    }
}

impl<P, F: Fn(&P) -> Option<u64>> Distance<P> for Ring<F> {
    fn distance(&self, _side: usize, from: &P, to: &P) -> f64 {
        between((self.place)(from), (self.place)(to), |from, to| {
            let clockwise = to.wrapping_sub(from);
            clockwise.min(clockwise.wrapping_neg()) as f64
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNPLACED: u64 = 1_000;

    fn place(peer: &u64) -> Option<u64> {
        (*peer != UNPLACED).then_some(*peer)
    }

    #[test]
    fn each_side_of_a_sorted_ring_goes_round_its_own_way() {
        let ring = SortedRing::new(place);
        assert_eq!(ring.distance(0, &5, &7), 2.0);
        assert_eq!(ring.distance(1, &7, &5), 2.0);
        assert_eq!(ring.distance(0, &u64::MAX, &1), 2.0);
        assert!(ring.distance(0, &7, &5) > 1e19);
        assert!(ring.distance(0, &7, &UNPLACED) > ring.distance(0, &7, &5));
        assert_eq!(
            ring.distance(0, &UNPLACED, &1),
            ring.distance(0, &UNPLACED, &2)
        );
    }

    #[test]
    fn a_ring_goes_round_the_shorter_way() {
        let ring = Ring::new(place);
        assert_eq!(ring.distance(0, &5, &7), 2.0);
        assert_eq!(ring.distance(0, &7, &5), 2.0);
        assert_eq!(ring.distance(0, &u64::MAX, &1), 2.0);
        assert_eq!(ring.distance(0, &0, &(1 << 63)), 2_f64.powi(63));
        assert!(ring.distance(0, &7, &UNPLACED) > 2_f64.powi(63));
        let by_id = Ring::by_id();
        assert!(by_id.distance(0, &5_u64, &7) > 1e6);
        assert_eq!(by_id.distance(0, &5_u64, &5), 0.0);
    }
}
