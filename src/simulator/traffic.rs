//! What the nodes have sent, and what it would be on the wire.

use std::ops::{AddAssign, Sub};

/// What has happened between the nodes of a network, summed over all of them. What attackers send
/// is not among it; what honest nodes send to them is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Exchanges that succeeded at the node that started them.
    pub exchanges: u64,
    /// Exchanges that failed: nobody there, or a message lost.
    pub failures: u64,
    /// Requests that met a node with an exchange of its own under way. In the papers' model there
    /// are none.
    pub overlapped: u64,
    /// Requests sent, those that were lost included.
    pub requests: u64,
    /// Responses sent, those that were lost included.
    pub responses: u64,
    /// Descriptors in these messages.
    pub descriptors: u64,
    /// Exchanges started with identities that an attacker has made up, so that their common address
    /// was dialled.
    pub victim_dials: u64,
}

impl Traffic {
    /// A descriptor on the wire, in bytes, with a record signed by an Ed25519 key that names one
    /// address `/ip4/../udp/../quic-v1`, and an age of 1 to 127.
    ///
    /// By `proto/peer_sampling.proto`; a test of the wire format holds it against the encoder. The
    /// record takes 175 bytes, 66 of them the signature.
    pub const DESCRIPTOR_BYTES: u64 = 183;
    /// A request beside its descriptors, in bytes: the length before it, the wish to pull, and one
    /// to be neighbours. Two bytes each, and less where one of them is nothing to speak of.
    pub const REQUEST_BYTES: u64 = 6;
    /// A response beside its descriptors, in bytes: the length before it, and a yes to the wish to
    /// be neighbours.
    pub const RESPONSE_BYTES: u64 = 4;

    /// How many bytes these messages would have on the wire, without what the transport adds.
    pub fn bytes(&self) -> u64 {
        self.requests * Self::REQUEST_BYTES
            + self.responses * Self::RESPONSE_BYTES
            + self.descriptors * Self::DESCRIPTOR_BYTES
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.exchanges += other.exchanges;
        self.failures += other.failures;
        self.overlapped += other.overlapped;
        self.requests += other.requests;
        self.responses += other.responses;
        self.descriptors += other.descriptors;
        self.victim_dials += other.victim_dials;
    }
}

impl Sub for Traffic {
    type Output = Self;

    /// What came in addition since `earlier`, which must be an earlier state of the same sums.
    fn sub(self, earlier: Self) -> Self {
        Self {
            exchanges: self.exchanges - earlier.exchanges,
            failures: self.failures - earlier.failures,
            overlapped: self.overlapped - earlier.overlapped,
            requests: self.requests - earlier.requests,
            responses: self.responses - earlier.responses,
            descriptors: self.descriptors - earlier.descriptors,
            victim_dials: self.victim_dials - earlier.victim_dials,
        }
    }
}
