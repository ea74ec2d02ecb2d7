//! Attackers: how many there are, and what they are up to.

pub mod attack;
pub(crate) mod attackers;
pub mod exposure;
