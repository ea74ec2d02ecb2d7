//! What a behaviour and the handlers of its connections tell each other, for every [`Wire`].

pub(crate) mod connection;
pub(crate) mod listen;
#[cfg(test)]
pub(crate) mod scripted;
pub(crate) mod streams;
#[cfg(test)]
mod tests;

use std::time::Duration;

use libp2p_swarm::StreamProtocol;
use thiserror::Error;

use crate::swarm::{
    counters::Reason,
    node::gate::Refusal,
    wire::{MessageError, Wire},
};

/// Names a request of ours, chosen by the behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutboundId(pub(crate) u64);

/// Names a request of the peer's, until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InboundId(pub(crate) u64);

/// From the behaviour.
#[derive(Debug)]
pub enum Command<W: Wire> {
    /// Sends a request.
    Request(OutboundId, W::Request),
    /// Answers a request.
    Respond(InboundId, W::Response),
    /// Drops a request unanswered.
    Refuse(InboundId),
    /// Keeps the connection alive, or no longer.
    KeepAlive(bool),
    /// Asks for one [`ToBehaviour::Idle`] when nothing is under way on the connection.
    NotifyIdle,
}

/// To the behaviour.
#[derive(Debug)]
pub enum ToBehaviour<W: Wire> {
    /// The peer sent a request; it waits for [`Command::Respond`].
    Request(InboundId, W::Request),
    /// What became of a request of ours.
    Outcome(OutboundId, Result<W::Response, OutboundError>),
    /// A request of the peer's came to nothing, or our answer to it did.
    InboundFailed(InboundError),
    /// Another protocol, identify, has learnt that the peer speaks ours.
    Supported,
    /// Nothing is under way on the connection.
    Idle,
}

/// Why an exchange that this node has started came to nothing once there was a connection.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OutboundError {
    /// The peer does not speak the protocol of this name.
    #[error(
        "the peer does not speak {0}; a node of another network has another name in place of this \
         one, see Config::with_network"
    )]
    Unsupported(StreamProtocol),
    /// The peer ended or reset the stream before a byte of its answer came. It reads no more
    /// requests than it can bear, of one peer and of all, so this says nothing else about it: the
    /// sampler leaves its view as it was, and chooses other peers first from now on.
    #[error("the peer did not serve the request: it reads no more than it can bear")]
    NotServed {
        /// When it may have room for the request, from now on, if it has said so. A seed is asked
        /// again then, and not before, though never later than it would be anyway.
        retry_after: Option<Duration>,
    },
    /// The peer did not answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The answer did not arrive, or was refused.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// Too many exchanges under way on this connection already. Caused by this node.
    #[error("too many exchanges under way on this connection")]
    Busy,
}

impl OutboundError {
    /// Which kind of error it is; of a message's error, the message's.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Unsupported(_) => Reason::Unsupported,
            Self::NotServed { .. } => Reason::NotServed,
            Self::Timeout => Reason::NoAnswer,
            Self::Message(error) => error.reason(),
            Self::Busy => Reason::Busy,
        }
    }
}

/// Why an exchange that a peer has started came to nothing. The request changed nothing, the view
/// of the sampler for example, unless the error says that the answer failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InboundError {
    /// The peer opened a substream and did not send its request in time.
    #[error("no request in time")]
    RequestTimeout,
    /// The peer did not read the answer in time. Its request was taken: the sampler has merged it.
    #[error("the answer was not read in time")]
    ResponseTimeout,
    /// The request did not arrive, or was refused.
    #[error("request: {0}")]
    Request(#[source] MessageError),
    /// The answer could not be sent. The request was taken.
    #[error("answer: {0}")]
    Response(#[source] MessageError),
    /// The peer has too many substreams open on this connection; this one was dropped unread. Told
    /// once a minute for each peer, however many there are; all are
    /// [counted](crate::Behaviour::counters).
    #[error("too many substreams open on this connection")]
    TooManyStreams,
    /// The peer sends too many requests: this one was dropped unread. Told as seldom.
    #[error("too many requests from this peer")]
    TooManyRequests,
    /// All peers together send too many requests, or have too many substreams open: this one, which
    /// was perhaps an honest peer's, was dropped unread, or had been open for longest. If the
    /// request was read already, it was taken. Told as seldom.
    #[error("too many requests from all peers together")]
    Overloaded,
}

impl InboundError {
    /// Which kind of error it is; of a message's error, the message's.
    pub fn reason(&self) -> Reason {
        match self {
            Self::RequestTimeout => Reason::RequestTimeout,
            Self::ResponseTimeout => Reason::ResponseTimeout,
            Self::Request(error) | Self::Response(error) => error.reason(),
            Self::TooManyStreams => Reason::TooManyStreams,
            Self::TooManyRequests => Reason::TooManyRequests,
            Self::Overloaded => Reason::Overloaded,
        }
    }
}

impl From<Refusal> for InboundError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooManyStreams => Self::TooManyStreams,
            Refusal::TooManyRequests => Self::TooManyRequests,
            Refusal::Overloaded => Self::Overloaded,
        }
    }
}
