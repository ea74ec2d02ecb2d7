//! Random numbers for one occasion, the same however the work is divided.

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

/// An RNG for one occasion: a node, a round, a number. The same however the work is divided.
pub(crate) fn fork(seed: u64, (id, round, number): (u32, u64, u32)) -> Xoshiro256PlusPlus {
    let occasion = u64::from(id) << 32 | u64::from(number);
    let mut mixed = Xoshiro256PlusPlus::seed_from_u64(seed ^ occasion);
    Xoshiro256PlusPlus::seed_from_u64(mixed.random::<u64>() ^ round)
}
