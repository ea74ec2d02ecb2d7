//! Where a protocol takes the partners of its exchanges from: [`Partners`].

use rand::{Rng, RngExt};

use crate::gossip::Peers;

/// Where a protocol that rides on the sampler takes the partners of its exchanges from.
///
/// A dial costs about five times what an exchange on an open connection does, so only one of the
/// three dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Partners {
    /// A random neighbour: a peer that is kept connected. Costs no dial, and there is nearly always
    /// one; but it is one of few, and the same few for long. For protocols that need steady links.
    Neighbours,
    /// A fresh sample of the whole network: as good as the papers assume. Costs a dial most times.
    Samples,
    /// The partner of the sampler's last exchange, over its connection, which is still open. When
    /// the sampler has made none since: a random neighbour.
    ///
    /// The default: it costs no dial, and yet is another peer in each round, from anywhere in the
    /// network. So what is gossiped spreads as with samples.
    #[default]
    Exchanged,
}

impl Partners {
    /// The next partner; `None` when there is none at the moment. `rng` chooses among neighbours.
    pub fn select<I: Clone, R: Rng + ?Sized>(
        self,
        peers: &mut impl Peers<I>,
        rng: &mut R,
    ) -> Option<I> {
        match self {
            Self::Neighbours => neighbour(peers, rng),
            Self::Samples => peers.select_peer(),
            Self::Exchanged => peers.next_exchanged().or_else(|| neighbour(peers, rng)),
        }
    }

    /// The next partner, for a protocol that can wait and asks again whenever it is polled. Unless
    /// `is_late`, [`Exchanged`](Self::Exchanged) waits for the sampler's next exchange, where
    /// [`select`](Self::select) takes a neighbour at once. In a swarm that matters: the sampler
    /// soon closes the connection of its last exchange.
    pub fn select_when_ready<I: Clone, R: Rng + ?Sized>(
        self,
        is_late: bool,
        peers: &mut impl Peers<I>,
        rng: &mut R,
    ) -> Option<I> {
        match self {
            Self::Exchanged if !is_late => peers.next_exchanged(),
            Self::Neighbours | Self::Samples | Self::Exchanged => self.select(peers, rng),
        }
    }
}

/// A random neighbour.
fn neighbour<I: Clone, R: Rng + ?Sized>(peers: &impl Peers<I>, rng: &mut R) -> Option<I> {
    let neighbours = peers.neighbours();
    if neighbours.is_empty() {
        return None;
    }
    let at = rng.random_range(0..neighbours.len());
    neighbours.get(at).cloned()
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    struct Known {
        sample: Option<u32>,
        neighbours: Vec<u32>,
        exchanged: Option<u32>,
    }

    impl Peers<u32> for Known {
        fn select_peer(&mut self) -> Option<u32> {
            self.sample
        }

        fn neighbours(&self) -> &[u32] {
            &self.neighbours
        }

        fn next_exchanged(&mut self) -> Option<u32> {
            self.exchanged.take()
        }
    }

    #[test]
    fn each_source_gives_its_own_peers() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut known = Known {
            sample: Some(1),
            neighbours: vec![2, 3],
            exchanged: Some(4),
        };
        assert_eq!(Partners::Samples.select(&mut known, &mut rng), Some(1));
        assert_eq!(Partners::Exchanged.select(&mut known, &mut rng), Some(4));
        let mut drawn: Vec<_> = (0..50)
            .filter_map(|_| Partners::Neighbours.select(&mut known, &mut rng))
            .collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn, [2, 3]);
    }

    #[test]
    fn without_a_new_exchange_a_neighbour_takes_its_place() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut known = Known {
            sample: None,
            neighbours: vec![2],
            exchanged: None,
        };
        let wait = Partners::Exchanged.select_when_ready(false, &mut known, &mut rng);
        assert_eq!(wait, None);
        let late = Partners::Exchanged.select_when_ready(true, &mut known, &mut rng);
        assert_eq!(late, Some(2));
        assert_eq!(Partners::Exchanged.select(&mut known, &mut rng), Some(2));
        known.neighbours.clear();
        for partners in [Partners::Neighbours, Partners::Samples, Partners::Exchanged] {
            assert_eq!(partners.select(&mut known, &mut rng), None);
        }
    }
}
