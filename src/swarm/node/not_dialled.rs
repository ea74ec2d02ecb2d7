//! Why this node would not dial a peer.

use thiserror::Error;

/// Why this node would not dial a peer of its view. Nobody was dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum NotDialled {
    /// As many dials have been made for exchanges as one minute may have; see
    /// [`Limits::dials_per_minute`](crate::Limits::dials_per_minute).
    #[error("as many dials have been made as one minute may have")]
    Budget,
    /// Its addresses, or others of their networks, have been dialled in vain as often as one hour
    /// may have it, or so shortly ago that it is too early to try again: for this peer, or for
    /// others who are said to have the same; see
    /// [`Limits::dials_per_address`](crate::Limits::dials_per_address).
    #[error("its addresses or their networks have been dialled in vain too often")]
    InVain,
    /// All its addresses are this node's own.
    #[error("its addresses are this node's own")]
    Ourselves,
    /// This swarm has no transport for any of its addresses.
    #[error("this swarm has no transport for its addresses")]
    NoTransport,
    /// No behaviour of this swarm knows an address of it.
    #[error("nobody here knows an address of it")]
    NoAddress,
}
