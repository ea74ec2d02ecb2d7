//! A slot of Basalt: of all peers offered to it, it holds the one that ranks best.

/// A secret seed, and the peer that ranks best with it.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) seed: u64,
    /// The fingerprint of the peer it holds, and its rank; nobody's is beyond all.
    pub(super) holder: u64,
    pub(super) rank: Rank,
}

/// The smallest wins.
pub(super) type Rank = [u64; 3];

pub(super) const NOBODY: Rank = [u64::MAX; 3];

/// A peer as slots see it: hashes that only this node can compute.
pub(super) struct Candidate {
    pub(super) wide: u64,
    pub(super) narrow: u64,
    pub(super) fingerprint: u64,
}

impl Slot {
    /// With a seed; nobody holds it.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            holder: 0,
            rank: NOBODY,
        }
    }

    /// Takes the candidate if it ranks better than the holder; returns whether it does.
    pub(super) fn offer(&mut self, candidate: &Candidate) -> bool {
        // Nearly always the first number decides.
        let wide = mix(self.seed, candidate.wide);
        if wide > self.rank[0] {
            return false;
        }
        let rank = [
            wide,
            mix(self.seed, candidate.narrow),
            mix(self.seed, candidate.fingerprint),
        ];
        if rank >= self.rank {
            return false;
        }
        self.rank = rank;
        self.holder = candidate.fingerprint;
        true
    }
}

/// A permutation of the secret hashes for each seed (the finaliser of MurmurHash3). It need not be
/// hard to invert, as nobody ever sees what goes in or comes out.
fn mix(seed: u64, hash: u64) -> u64 {
    let mut mixed = hash ^ seed;
    mixed = (mixed ^ mixed >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed = (mixed ^ mixed >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ mixed >> 33
}
