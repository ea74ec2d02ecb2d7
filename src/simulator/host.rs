//! A simulated peer, in four bytes: its number.

use crate::view::Peer;

/// A peer of the simulator: the number of a node, or of an attacker.
///
/// Numbers below 2^31 are nodes, in the order in which they join; the rest belongs to attackers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(pub u32);

impl Peer for Host {
    type Id = u32;

    #[inline]
    fn id(&self) -> &u32 {
        &self.0
    }
}
