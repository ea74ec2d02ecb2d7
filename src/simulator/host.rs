//! A simulated peer, in four bytes: its number, from which its address follows.

use crate::view::Peer;

/// A peer of the simulator: the number of a node, or of an attacker.
///
/// Numbers below 2^31 are honest nodes, in the order in which they join. Above come attackers: those
/// with addresses like everybody else's, those that share one /16, and identities behind which there
/// is nobody, all at one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(pub u32);

impl Host {
    /// The first number that no honest node has.
    pub const ATTACKERS: u32 = 1 << 31;
    /// The first number of an attacker in the one /16.
    const CROWDED: u32 = 0b110 << 29;
    /// The first number of nobody.
    const FAKES: u32 = 0b111 << 29;

    /// An attacker, of 2^30, somewhere.
    pub(crate) fn attacker(number: u32) -> Self {
        Self(Self::ATTACKERS | number & ((1 << 30) - 1))
    }

    /// An attacker, of 2^29, in the one /16.
    pub(crate) fn crowded(number: u32) -> Self {
        Self(Self::CROWDED | number & ((1 << 29) - 1))
    }

    /// An identity, of 2^29, behind which there is nobody: its address is the victim's.
    pub(crate) fn fake(number: u32) -> Self {
        Self(Self::FAKES | number & ((1 << 29) - 1))
    }

    /// Whether it is an attacker, or an identity that one has made up.
    pub fn is_hostile(self) -> bool {
        self.0 >= Self::ATTACKERS
    }

    /// Whether there is nobody behind it, but the address of a victim.
    pub fn is_fake(self) -> bool {
        self.0 >= Self::FAKES
    }
}

impl Peer for Host {
    type Id = u32;

    #[inline]
    fn id(&self) -> &u32 {
        &self.0
    }
}
