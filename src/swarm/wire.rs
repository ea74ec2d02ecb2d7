//! The wire of a gossip protocol: how its messages become bytes and back, and within which bounds.

pub(crate) mod frame;
pub(crate) mod protobuf;
pub(crate) mod sampling;

use std::{borrow::Cow, fmt, io, time::Duration};

use libp2p_identity::PeerId;
use prost::Message;
use thiserror::Error;

use crate::swarm::counters::Reason;

/// How the messages of a gossip protocol become bytes and back, and how many bytes they may take.
///
/// One [`Handler`](crate::Handler) serves every protocol of this crate, and every one that an
/// application writes for itself. A wire is all that it needs to know of a protocol.
///
/// # What the handler does
///
/// An exchange is one substream. The node that opens it sends one request, the peer answers with
/// one response, and both close. Each message comes after its length in bytes, an unsigned varint.
/// The handler
///
/// - checks the length of a message against its bound before it reads the rest, or allocates
///   anything for it;
/// - bounds the substreams of each connection and of all, the requests of each peer and of all, and
///   the time of each step;
/// - counts bytes, messages, and what was refused for which [`Reason`].
///
/// # Contract
///
/// The methods run in the task of the connection, before any behaviour sees the message. So
/// expensive work belongs here, to verify a signature for example. They do not block, and they do
/// not panic, whatever the bytes are: any peer can send any bytes.
///
/// A message should be refused only for what every implementation of the protocol counts alike: a
/// bound that the protocol names, or bytes that mean nothing. What only this node cannot use is
/// better left out of the message, or the peer gets blamed for what it only passed on.
///
/// Later versions add fields to messages. Protobuf passes over fields that it does not know; other
/// formats should do the same.
///
/// # Example
///
/// A protocol that finds the smallest value in a network. Both messages are the smallest value that
/// the sender knows.
///
/// ```
/// use libp2p::PeerId;
/// use libp2p_peer_sampling::{MessageError, wire::{self, Wire}};
///
/// /// The message, as a `.proto` file would say it: `message Smallest { uint64 value = 1; }`
/// #[derive(Clone, PartialEq, prost::Message)]
/// struct Smallest {
///     #[prost(uint64, tag = "1")]
///     value: u64,
/// }
///
/// #[derive(Debug)]
/// struct SmallestWire;
///
/// impl SmallestWire {
///     /// A tag, and a varint of 64 bits, with room for fields of later versions.
///     const MOST_BYTES: usize = 64;
///     /// A rule of this protocol: no value is larger.
///     const LARGEST: u64 = 1_000_000;
///
///     fn decode(bytes: &[u8]) -> Result<u64, MessageError> {
///         let Smallest { value } = wire::decode(bytes)?;
///         if value > Self::LARGEST {
///             return Err(MessageError::Refused("a value above a million".into()));
///         }
///         Ok(value)
///     }
/// }
///
/// impl Wire for SmallestWire {
///     type Request = u64;
///     type Response = u64;
///     type Expected = ();
///
///     const NAME: &'static str = "smallest/1.0.0";
///
///     fn request_bound(&self) -> usize {
///         Self::MOST_BYTES
///     }
///
///     fn response_bound(&self, (): &()) -> usize {
///         Self::MOST_BYTES
///     }
///
///     fn encode_request(&self, value: u64) -> (Vec<u8>, ()) {
///         (wire::encode(&Smallest { value }), ())
///     }
///
///     fn decode_request(&self, _: PeerId, bytes: &[u8]) -> Result<u64, MessageError> {
///         Self::decode(bytes)
///     }
///
///     fn encode_response(&self, value: u64, _: usize) -> Vec<u8> {
///         wire::encode(&Smallest { value })
///     }
///
///     fn decode_response(&self, _: PeerId, bytes: &[u8], (): ()) -> Result<u64, MessageError> {
///         Self::decode(bytes)
///     }
/// }
///
/// let peer = PeerId::random();
/// let (bytes, ()) = SmallestWire.encode_request(7);
/// assert!(bytes.len() <= SmallestWire.request_bound());
/// assert!(matches!(SmallestWire.decode_request(peer, &bytes), Ok(7)));
///
/// let (too_large, ()) = SmallestWire.encode_request(1_000_001);
/// let refused = SmallestWire.decode_request(peer, &too_large);
/// assert!(matches!(refused, Err(MessageError::Refused(_))));
/// let refused = SmallestWire.decode_request(peer, &[0xff]);
/// assert!(matches!(refused, Err(MessageError::NotProtobuf(_))));
/// ```
pub trait Wire: fmt::Debug + Send + Sync + 'static {
    /// What opens an exchange.
    type Request: fmt::Debug + Send + 'static;
    /// What answers it.
    type Response: fmt::Debug + Send + 'static;
    /// What a node remembers of a request of its own, to judge the answer by: how much it asked
    /// for, for example. `()` where an answer can be judged by itself.
    type Expected: Send + 'static;

    /// The second half of the protocol's name, without a slash in front: `min-max/1.0.0`. The name
    /// of the network comes first, if it has one.
    const NAME: &'static str;

    /// Whether an answer may take no more bytes than its request, both with their lengths. Then
    /// nobody gets more out of a node than it puts in. A longer answer is refused by its length, as
    /// [`MessageError::ResponseTooLong`]; [`encode_response`](Self::encode_response) has to keep to
    /// it. Default: no, and [`response_bound`](Self::response_bound) is the only bound.
    const RESPONSE_FITS_REQUEST: bool = false;

    /// The largest request that this node reads, in bytes without its length. The handler holds
    /// requests to this bound when they come in, not when they go out: the bound may be narrower
    /// than the protocol's own.
    fn request_bound(&self) -> usize;

    /// The largest answer that this node reads, in bytes without its length, to the request that
    /// `expected` is about.
    fn response_bound(&self, expected: &Self::Expected) -> usize;

    /// The bytes of a request, without their length, and what is remembered of it until the answer
    /// comes. They have to be within the bound that the protocol sets, or peers refuse them.
    fn encode_request(&self, request: Self::Request) -> (Vec<u8>, Self::Expected);

    /// Reads a request of `from`: the bytes behind its length, no more than
    /// [`request_bound`](Self::request_bound). The peer's id is proved by the connection.
    ///
    /// # Errors
    ///
    /// A [`MessageError`] when the request breaks a rule of the protocol. It stays unanswered.
    fn decode_request(&self, from: PeerId, bytes: &[u8]) -> Result<Self::Request, MessageError>;

    /// The bytes of an answer, without their length, to a request that took `request_bytes`, with
    /// its length.
    fn encode_response(&self, response: Self::Response, request_bytes: usize) -> Vec<u8>;

    /// What this node sends instead of an answer if it has too much to do even to read the request.
    /// After `retry_after` there may be room. Short, without its length. Default: `None`, and the
    /// stream ends without a word.
    fn encode_refusal(&self, _retry_after: Duration) -> Option<Vec<u8>> {
        None
    }

    /// Whether these bytes are what [`encode_refusal`](Self::encode_refusal) makes at the other
    /// end, and when to ask again. Default: they are not.
    fn decode_refusal(&self, _bytes: &[u8]) -> Option<Duration> {
        None
    }

    /// Reads the answer of `from`: the bytes behind its length, no more than
    /// [`response_bound`](Self::response_bound). `expected` is what
    /// [`encode_request`](Self::encode_request) has returned with the request.
    ///
    /// # Errors
    ///
    /// A [`MessageError`] when the answer breaks a rule of the protocol. The exchange has failed.
    fn decode_response(
        &self,
        from: PeerId,
        bytes: &[u8],
        expected: Self::Expected,
    ) -> Result<Self::Response, MessageError>;
}

/// Why a message did not arrive, or was refused. Unless it says otherwise, caused by the peer on
/// the other side. The message changed nothing, such as the sampler's view. A message is refused
/// only for what every implementation of its protocol counts alike. In the sampler's messages,
/// records that this node cannot use are passed over, see [`RecordError`](crate::RecordError).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The message announces more bytes than are allowed, by the protocol or, where it is a
    /// request, by this node's own [`Limits::message_bytes`](crate::Limits::message_bytes). No more
    /// of it was read.
    #[error("message of {bytes} bytes, more than are allowed")]
    TooLong {
        /// The length announced, in bytes.
        bytes: u64,
    },
    /// The stream ended before the message did, or before it began.
    #[error("the stream ended before the message did")]
    CutOff,
    /// The bytes are not protobuf, or their length is not a varint.
    #[error("not protobuf: {0}")]
    NotProtobuf(#[source] io::Error),
    /// More descriptors than are allowed. None was looked at.
    #[error("message with {count} descriptors, more than are allowed")]
    TooManyDescriptors {
        /// How many there are.
        count: usize,
    },
    /// One of the records takes more bytes than are allowed. None was looked at.
    #[error("descriptor {index} has a record of {bytes} bytes, more than are allowed")]
    RecordTooLarge {
        /// Which descriptor, from 0.
        index: usize,
        /// The size of its record, in bytes.
        bytes: usize,
    },
    /// The answer takes more bytes than its request did. No more of it was read than its length.
    #[error("answer of {bytes} bytes to a request of {request}, which it may not exceed")]
    ResponseTooLong {
        /// What the answer takes, in bytes, with its length.
        bytes: u64,
        /// What the request took, in bytes, with its length.
        request: usize,
    },
    /// The answer has descriptors, and its request did not ask for any. None was looked at.
    #[error("answer with {count} descriptors to a request that asked for none")]
    UnaskedDescriptors {
        /// How many there are.
        count: usize,
    },
    /// The message breaks another rule of its protocol: this one. For [wires](Wire) to return.
    #[error("refused: {0}")]
    Refused(Cow<'static, str>),
    /// The stream broke: either side, or the network.
    #[error("the stream broke: {0}")]
    Stream(#[from] io::Error),
}

impl MessageError {
    /// Which kind of error it is.
    pub fn reason(&self) -> Reason {
        match self {
            Self::TooLong { .. } => Reason::MessageTooLong,
            Self::CutOff => Reason::MessageCutOff,
            Self::NotProtobuf(_) => Reason::MessageNotProtobuf,
            Self::TooManyDescriptors { .. } => Reason::TooManyDescriptors,
            Self::RecordTooLarge { .. } => Reason::RecordTooLarge,
            Self::ResponseTooLong { .. } => Reason::ResponseTooLong,
            Self::UnaskedDescriptors { .. } => Reason::UnaskedDescriptors,
            Self::Refused(_) => Reason::RefusedByProtocol,
            Self::Stream(_) => Reason::StreamBroken,
        }
    }
}

/// The bytes of a protobuf message, without their length: for [`Wire::encode_request`] and
/// [`Wire::encode_response`].
pub fn encode(message: &impl Message) -> Vec<u8> {
    message.encode_to_vec()
}

/// The protobuf message of these bytes: for [`Wire::decode_request`] and [`Wire::decode_response`].
///
/// A message may take many times the memory that its bytes take: a list of empty messages does. If
/// that is too much, count them before decoding.
///
/// # Errors
///
/// [`MessageError::NotProtobuf`] when the bytes are no such message.
pub fn decode<M: Message + Default>(bytes: &[u8]) -> Result<M, MessageError> {
    M::decode(bytes).map_err(|error| {
        MessageError::NotProtobuf(io::Error::new(io::ErrorKind::InvalidData, error))
    })
}
