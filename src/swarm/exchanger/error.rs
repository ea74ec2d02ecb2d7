//! Why an exchange that this node started came to nothing.

use thiserror::Error;

use crate::{
    gossip::Failure,
    swarm::{handler::OutboundError, node::budget::NotDialled},
};

/// Why an exchange that this node started came to nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The peer could not be reached under any address. It leaves the view.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// This node has no network, or no means to use it: no permission, no free socket. That says
    /// nothing about the peer; the view is as it was.
    #[error("this node has no network: {0}")]
    Offline(String),
    /// Somebody has answered where the peer is, and the handshake failed; from another port, too.
    /// So it does where both have dialled each other at the same moment. The peer leaves the view,
    /// without blame.
    #[error("the handshake failed: {0}")]
    Handshake(String),
    /// Another behaviour of this swarm refused the connection, for its limits perhaps. Caused by
    /// this node; the view is as it was. The round makes its exchange with a peer that is
    /// connected already instead.
    #[error("refused by this node: {0}")]
    Refused(String),
    /// The peer is on a block list of this swarm, or not on its allow list
    /// (`libp2p-allow-block-list`). Caused by this node; the peer leaves the view and the contacts,
    /// and for the time of a first quarantine, a minute at least, it is not taken in again.
    #[error("blocked by this node")]
    Blocked,
    /// This node would not dial it. Caused by this node, or by a peer that gives away addresses
    /// which are not their own: nothing is known about the peer. With [`NotDialled::Budget`] the
    /// view is as it was; otherwise the peer leaves it.
    #[error("not dialled: {0}")]
    NotDialled(#[from] NotDialled),
    /// The peer closed the connection before it said anything: it is at a limit of its own, does
    /// not want this node, or had connected for something else. Caused by the peer; the view is as
    /// it was, and others come before it from now on.
    #[error("the peer closed the connection before it said anything")]
    TurnedAway,
    /// The peer is behind a relay that carries as many circuits as it will, or has carried as many
    /// for this node. That says nothing about the peer, which leaves the view all the same, without
    /// blame: an attacker that makes up peers could run such a relay, and no node can tell.
    #[error("its relay carries as many circuits as it will: {0}")]
    RelayFull(String),
    /// The connection closed before the answer came; the next one too, and the third, if there was
    /// a way to the peer still.
    #[error("the connection closed before the answer came")]
    ConnectionClosed,
    /// No answer within the exchange time-out, dialling included.
    #[error("no answer within the exchange time-out")]
    Timeout,
    /// There was a connection, and the exchange on it failed.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
}

impl ExchangeError {
    /// Whether the peer has not answered in time.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, Self::Timeout | Self::Outbound(OutboundError::Timeout))
    }

    /// Whether either end may have had too much to do. A peer that cannot be dialled is gone.
    pub(crate) fn may_be_overload(&self) -> bool {
        let is_refusal = matches!(
            self,
            Self::TurnedAway
                | Self::Outbound(OutboundError::Busy | OutboundError::NotServed { .. })
        );
        is_refusal || self.failure() == Failure::Broken
    }

    /// Whether nothing is known about the peer, and there is no use in keeping it.
    pub(crate) fn is_in_vain(&self) -> bool {
        matches!(
            self,
            Self::NotDialled(NotDialled::InVain | NotDialled::NoTransport | NotDialled::NoAddress)
                | Self::Handshake(_)
                | Self::RelayFull(_)
                | Self::Blocked
        )
    }

    /// What the error says about the partner.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Unreachable(_) => Failure::Unreachable,
            Self::NotDialled(NotDialled::Ourselves) => Failure::Unreachable,
            Self::NotDialled(_)
            | Self::Offline(_)
            | Self::Handshake(_)
            | Self::Refused(_)
            | Self::Blocked
            | Self::TurnedAway
            | Self::RelayFull(_)
            | Self::Outbound(OutboundError::Busy | OutboundError::NotServed { .. }) => {
                Failure::Refused
            }
            Self::Outbound(OutboundError::Unsupported(_)) => Failure::Unsupported,
            Self::ConnectionClosed
            | Self::Timeout
            | Self::Outbound(OutboundError::Timeout | OutboundError::Message(_)) => Failure::Broken,
        }
    }
}
