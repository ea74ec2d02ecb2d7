//! XOR: the distance of Kademlia.

use crate::{
    peer::Peer,
    sampling::overlay::ranked::{
        distance::{Distance, between},
        hashed::place_of,
    },
};

/// The XOR of two places (Maymounkov, Mazières, *Kademlia*, IPTPS 2002): the links are the peers
/// that a table of Kademlia has in its nearest buckets. The places are not those of libp2p's
/// Kademlia, which hashes with SHA-256.
///
/// There are 2^64 places. Peers without a place are farther than all others.
#[derive(Debug, Clone, Copy)]
pub struct Xor<F> {
    place: F,
}

impl<F> Xor<F> {
    /// The distance of these places: `Fn(&P) -> Option<u64>`.
    pub fn new(place: F) -> Self {
        Self { place }
    }
}

impl<P: Peer> Xor<fn(&P) -> Option<u64>> {
    /// The distance of the hashes of identities: see [`place`](super::hashed::place).
    pub fn by_id() -> Self {
        Self::new(place_of)
    }
}

impl<P, F: Fn(&P) -> Option<u64>> Distance<P> for Xor<F> {
    fn distance(&self, _side: usize, from: &P, to: &P) -> f64 {
        between((self.place)(from), (self.place)(to), |from, to| {
            (from ^ to) as f64
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bit_in_which_two_differ_decides() {
        let xor = Xor::new(|peer: &u64| (*peer > 0).then_some(*peer));
        assert_eq!(xor.distance(0, &0b1100, &0b1010), 6.0);
        assert_eq!(xor.distance(0, &0b1010, &0b1100), 6.0);
        assert_eq!(xor.distance(0, &9, &9), 0.0);
        assert!(xor.distance(0, &9, &0) > xor.distance(0, &1, &u64::MAX));
        assert_eq!(Xor::by_id().distance(0, &5_u64, &5), 0.0);
    }
}
