//! Which nodes know each other at the start.

use rand::{Rng, seq::index};

/// The graph that the overlay starts from: the papers' initial topologies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bootstrap {
    /// Nodes join in equal groups, one group per round, and each newcomer knows only the oldest
    /// node: of those that are still there.
    ///
    /// TOCS 2007: "500 nodes per round until round 20", that is `rounds: 20` of 10^4 nodes.
    Growing {
        /// In how many rounds all nodes have joined; at least 1.
        rounds: u64,
    },
    /// A ring: each node knows the c nodes nearest to it, half of them on each side.
    Lattice,
    /// Everybody knows the first node, which knows nobody.
    Star,
    /// Each node knows the one before it; the first knows nobody.
    Chain,
    /// Each node knows c others, chosen uniformly at random: what the overlay should look like in
    /// the end.
    Random,
}

impl Bootstrap {
    /// The paper's *growing* scenario: all nodes have joined after 20 rounds.
    pub const GROWING: Self = Self::Growing { rounds: 20 };

    /// How many nodes are there when `round` begins, of `nodes` in the end. Round 0 is the start.
    pub(crate) fn joined(self, nodes: usize, round: u64) -> usize {
        match self {
            Self::Growing { rounds } => {
                let (rounds, nodes) = (rounds.max(1), nodes as u128);
                let joined = nodes * u128::from(round.min(rounds));
                // At most `nodes`.
                joined.div_ceil(u128::from(rounds)) as usize
            }
            _ => nodes,
        }
    }

    /// The peers that node `id` of `nodes` knows when it joins, at most `view_size` peers; `oldest`
    /// is there already.
    pub(crate) fn peers<R: Rng + ?Sized>(
        self,
        id: u32,
        oldest: Option<u32>,
        nodes: u32,
        view_size: usize,
        rng: &mut R,
    ) -> Vec<u32> {
        match self {
            Self::Growing { .. } | Self::Star => oldest.into_iter().collect(),
            Self::Chain => id.checked_sub(1).into_iter().collect(),
            Self::Lattice => {
                let around = |step: u32| [(id + step) % nodes, (id + nodes - step) % nodes];
                let mut peers: Vec<u32> =
                    (1..=nodes / 2).flat_map(around).take(view_size).collect();
                // In a small ring the two sides meet.
                peers.dedup();
                peers
            }
            Self::Random => {
                let others = nodes as usize - 1;
                index::sample(rng, others, view_size.min(others))
                    .into_iter()
                    .map(|at| at as u32)
                    // Everybody but the node itself.
                    .map(|at| at + u32::from(at >= id))
                    .collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

    use super::*;

    fn peers(bootstrap: Bootstrap, id: u32, nodes: u32, view_size: usize) -> Vec<u32> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        bootstrap.peers(id, (id > 0).then_some(0), nodes, view_size, &mut rng)
    }

    #[test]
    fn each_shape_is_as_its_name_says() {
        assert_eq!(peers(Bootstrap::Star, 0, 10, 4), []);
        assert_eq!(peers(Bootstrap::Star, 7, 10, 4), [0]);
        assert_eq!(peers(Bootstrap::Chain, 0, 10, 4), []);
        assert_eq!(peers(Bootstrap::Chain, 7, 10, 4), [6]);
        assert_eq!(peers(Bootstrap::Lattice, 0, 10, 4), [1, 9, 2, 8]);
        assert_eq!(peers(Bootstrap::Lattice, 9, 10, 3), [0, 8, 1]);
        assert_eq!(peers(Bootstrap::Lattice, 0, 4, 3), [1, 3, 2]);
    }

    #[test]
    fn random_views_hold_different_others_everybody_as_often() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
        let mut counts = [0u32; 20];
        for _ in 0..10_000 {
            let mut peers = Bootstrap::Random.peers(7, Some(0), 20, 5, &mut rng);
            peers.iter().for_each(|&peer| counts[peer as usize] += 1);
            peers.sort_unstable();
            peers.dedup();
            assert_eq!(peers.len(), 5);
        }
        assert_eq!(counts[7], 0);
        // 50,000 of 19: 2,632 expected, standard deviation some 44.
        let others = counts.iter().enumerate().filter(|(id, _)| *id != 7);
        assert!(
            others.clone().all(|(_, n)| (2_420..2_850).contains(n)),
            "{counts:?}"
        );
    }

    #[test]
    fn growing_adds_the_same_number_each_round() {
        let joined = |round| Bootstrap::GROWING.joined(10_000, round);
        assert_eq!(
            [joined(0), joined(1), joined(19), joined(20)],
            [0, 500, 9_500, 10_000]
        );
        assert_eq!(joined(300), 10_000);
        assert_eq!(Bootstrap::GROWING.joined(7, 3), 2);
        assert_eq!(Bootstrap::GROWING.joined(7, u64::MAX), 7);
        assert_eq!(Bootstrap::Star.joined(7, 0), 7);
    }
}
