//! What the two drivers have in common.

use crate::{
    sampling::{mode::Mode, overlay::Overlay},
    simulator::{host::Host, network::Network, traffic::Traffic},
};

/// Lets time pass in a network: [`Rounds`](crate::simulator::rounds::Rounds) or
/// [`Events`](crate::simulator::events::Events).
pub trait Driver {
    /// The overlay of every node.
    type Overlay: Overlay<Host> + Clone;

    /// Goes on to the end of the next round: by one period of virtual time.
    fn next_round(&mut self);

    /// How many rounds have passed.
    fn round(&self) -> u64;

    /// The nodes, as they are at the end of the last round.
    fn network(&self) -> &Network<Self::Overlay>;

    /// A sample from the sampling service of one node; `None` when it is not there, or knows
    /// nobody.
    fn select_peer(&mut self, id: u32, mode: impl Mode<Host>) -> Option<u32>;

    /// What they have sent since the start.
    fn traffic(&self) -> Traffic;
}
