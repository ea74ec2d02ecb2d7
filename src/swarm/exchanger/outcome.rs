//! What comes of exchanges, of other requests, and of connections.

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;

use crate::{
    gossip::{ExchangeId, Failure},
    swarm::{
        exchanger::{error::ExchangeError, under_way::RequestPurpose},
        handler::OutboundError,
    },
};

/// What has come of an exchange so far, or of another request.
#[derive(Debug)]
pub(crate) enum Outcome<A> {
    /// There is a connection: the request is to be sent on it, by [`Exchanger::send`].
    Connected {
        id: ExchangeId,
        partner: PeerId,
        connection: ConnectionId,
    },
    /// There is none: the partner is to be dialled, by [`Exchanger::dial`], or given up, by
    /// [`Exchanger::fail`].
    Unconnected {
        id: ExchangeId,
        partner: PeerId,
        /// Why what was tried before has failed; for when nobody knows where else to dial.
        before: Option<ExchangeError>,
        /// Whether the handshake has failed, so that it may help to dial from another port.
        anew: bool,
    },
    /// The answer. The exchange is over, and its connection to be released.
    Answered {
        id: ExchangeId,
        partner: PeerId,
        connection: ConnectionId,
        response: A,
    },
    /// A guard of this swarm has denied the dial. The exchange is still under way: the caller ends
    /// it, by [`Exchanger::fail`] or [`Exchanger::finish`].
    Denied {
        id: ExchangeId,
        partner: PeerId,
        error: ExchangeError,
    },
    /// It came to nothing. The exchange is over.
    Failed {
        id: ExchangeId,
        partner: PeerId,
        /// The connection it ran on, to be released.
        connection: Option<ConnectionId>,
        error: ExchangeError,
        failure: Failure,
    },
    /// What came of a request that is no exchange.
    Notified {
        peer: PeerId,
        connection: ConnectionId,
        purpose: RequestPurpose,
        result: Result<A, OutboundError>,
    },
    /// An answer to a request that was given up.
    TooLate {
        peer: PeerId,
        result: Result<A, OutboundError>,
    },
}

/// What a new connection is good for, beside the exchanges that waited for one.
#[derive(Debug, Default)]
pub(crate) struct Established {
    /// The seed that it was dialled for.
    pub(crate) seed: Option<Multiaddr>,
    /// Whether it is the first direct one to a peer that was connected through a relay.
    pub(crate) is_upgrade: bool,
}

/// What has ended with a connection.
#[derive(Debug)]
pub(crate) struct Closed {
    /// Whether a question to a neighbour was under way on it.
    pub(crate) confirms: bool,
    /// Whether there is still a direct connection to the peer.
    pub(crate) is_direct: bool,
}

impl<A> Outcome<A> {
    /// Whether it waits for the caller's word about this exchange.
    pub(crate) fn is_of(&self, exchange: ExchangeId) -> bool {
        match self {
            Self::Connected { id, .. }
            | Self::Unconnected { id, .. }
            | Self::Denied { id, .. }
            | Self::Answered { id, .. }
            | Self::Failed { id, .. } => *id == exchange,
            Self::Notified { .. } | Self::TooLate { .. } => false,
        }
    }
}

/// Whether the peer has said anything: a refusal is a sign of life, too.
pub(crate) fn is_sign_of_life<A>(result: &Result<A, OutboundError>) -> bool {
    match result {
        Ok(_) => true,
        Err(error) => matches!(
            error,
            OutboundError::Message(_) | OutboundError::NotServed { .. }
        ),
    }
}
