//! Messages and bytes: what `proto/peer_sampling.proto` says, with its bounds enforced.

use std::{io, sync::Arc};

use asynchronous_codec::{Decoder, Encoder, Framed};
use bytes::BytesMut;
use futures::{AsyncRead, AsyncWrite, SinkExt, TryStreamExt};
use prost::{Message, length_delimiter_len};
use thiserror::Error;

use crate::{
    sampling::{
        sampler::message::{Request as SamplerRequest, Response as SamplerResponse},
        view::Descriptor,
    },
    swarm::{
        counters::{Reason, Tally},
        generated as pb,
        limits::{Limits, MAX_DESCRIPTORS, MAX_RECORD_BYTES},
        metered::Metered,
        record::{Record, error::RecordError, verifier::Effort},
        shared::Shared,
    },
};

/// The field number of `descriptors` in both messages.
const DESCRIPTORS_FIELD: u32 = 1;
/// What a yes to the wish to be neighbours takes in an answer, in bytes.
const NEIGHBOUR_BYTES: usize = 2;

/// What the sender of a request proposes for the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proposal {
    /// It does not keep the connection.
    None,
    /// It keeps it, if the other side does.
    Welcome,
    /// The same, and it is short of neighbours.
    Needed,
}

/// The first message of an exchange.
#[derive(Debug, Clone)]
pub enum Request {
    Exchange {
        gossip: SamplerRequest<Record>,
        neighbour: Proposal,
    },
    Goodbye,
}

impl Request {
    /// A request that exchanges nothing, and only says how the sender sees the connection.
    pub(crate) fn notice(neighbour: Proposal) -> Self {
        Self::Exchange {
            gossip: SamplerRequest {
                descriptors: Vec::new(),
                pull: false,
                room: usize::MAX,
            },
            neighbour,
        }
    }

    /// Padded, where it asks for more room in the answer than it takes itself.
    pub(crate) fn into_protobuf(self) -> pb::Request {
        match self {
            Self::Goodbye => pb::Request {
                goodbye: true,
                ..Default::default()
            },
            Self::Exchange { gossip, neighbour } => {
                let mut request = pb::Request {
                    descriptors: descriptors_to_protobuf(gossip.descriptors),
                    pull: gossip.pull,
                    neighbour: match neighbour {
                        Proposal::None => pb::Neighbour::None,
                        Proposal::Welcome => pb::Neighbour::Welcome,
                        Proposal::Needed => pb::Neighbour::Needed,
                    }
                    .into(),
                    ..Default::default()
                };
                if gossip.room < usize::MAX {
                    let missing = gossip.room.saturating_sub(request.encoded_len());
                    request.padding = vec![0; missing];
                }
                request
            }
        }
    }

    /// `bytes`: how many came, with the length in front.
    pub(crate) fn from_protobuf(
        request: pb::Request,
        bytes: usize,
        shared: &Shared,
    ) -> Result<Self, MessageError> {
        if request.goodbye {
            return Ok(Self::Goodbye);
        }
        let neighbour_bytes = match request.neighbour {
            0 => 0,
            _ => NEIGHBOUR_BYTES,
        };
        let effort = Effort::Unasked(shared.now());
        Ok(Self::Exchange {
            gossip: SamplerRequest {
                descriptors: descriptors_from_protobuf(request.descriptors, effort, shared)?,
                pull: request.pull,
                // The answer's length takes as many bytes as the request's, or fewer.
                room: bytes
                    .saturating_sub(length_delimiter_len(bytes))
                    .saturating_sub(neighbour_bytes),
            },
            neighbour: match pb::Neighbour::try_from(request.neighbour) {
                Ok(pb::Neighbour::Welcome) => Proposal::Welcome,
                Ok(pb::Neighbour::Needed) => Proposal::Needed,
                // Something that a later version may propose, and that we do not.
                Ok(pb::Neighbour::None) | Err(_) => Proposal::None,
            },
        })
    }
}

/// The second and last message of an exchange.
#[derive(Debug, Clone)]
pub struct Response {
    pub(crate) gossip: SamplerResponse<Record>,
    pub(crate) neighbour: bool,
}

impl Response {
    /// An answer that only says that the request has arrived.
    pub(crate) fn empty() -> Self {
        Self {
            gossip: SamplerResponse {
                descriptors: Vec::new(),
            },
            neighbour: false,
        }
    }

    pub(crate) fn into_protobuf(self) -> pb::Response {
        pb::Response {
            descriptors: descriptors_to_protobuf(self.gossip.descriptors),
            neighbour: self.neighbour,
        }
    }

    pub(crate) fn from_protobuf(
        response: pb::Response,
        shared: &Shared,
    ) -> Result<Self, MessageError> {
        let descriptors = descriptors_from_protobuf(response.descriptors, Effort::Asked, shared)?;
        Ok(Self {
            gossip: SamplerResponse { descriptors },
            neighbour: response.neighbour,
        })
    }
}

fn descriptors_to_protobuf(descriptors: Vec<Descriptor<Record>>) -> Vec<pb::Descriptor> {
    descriptors
        .into_iter()
        .map(|descriptor| pb::Descriptor {
            signed_peer_record: descriptor.peer.envelope().to_vec(),
            age: descriptor.age,
        })
        .collect()
}

/// The descriptors whose records pass. The others are passed over: what one implementation cannot
/// read, another may, so an honest peer may have sent it. After the first wrong signature only
/// records that are known already are taken, so that a message makes no more work than one without
/// a fault.
fn descriptors_from_protobuf(
    descriptors: Vec<pb::Descriptor>,
    mut effort: Effort,
    shared: &Shared,
) -> Result<Vec<Descriptor<Record>>, MessageError> {
    let sizes = descriptors.iter().map(|d| d.signed_peer_record.len());
    if let Some((index, bytes)) = sizes.enumerate().find(|(_, size)| *size > MAX_RECORD_BYTES) {
        return Err(MessageError::RecordTooLarge { index, bytes });
    }
    let mut descriptors = descriptors.into_iter();
    let few = shared.limits.descriptors_per_message.min(descriptors.len());
    let mut checked = Vec::with_capacity(few);
    for descriptor in descriptors.by_ref().take(few) {
        match shared.verifier.check(descriptor.signed_peer_record, effort) {
            Ok(peer) => checked.push(Descriptor {
                peer,
                age: descriptor.age,
            }),
            Err(RecordError::Signature) => effort = Effort::None,
            Err(_) => {}
        }
    }
    // The protocol allows them, so to refuse the message would be to blame the peer.
    for _ in descriptors {
        shared.tally.pass_over(Reason::RecordBeyondLimits);
    }
    Ok(checked)
}

/// Why a message did not arrive, or was refused. Unless it says otherwise, caused by the peer on
/// the other side; the view was not changed. A message is refused only for what every
/// implementation of the protocol counts alike; records that this node cannot use are passed over,
/// see [`RecordError`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The message announces more bytes than are allowed, by the protocol or, where it is a
    /// request, by this node's own [`Limits::message_bytes`]. No more of it was read.
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
            Self::Stream(_) => Reason::StreamBroken,
        }
    }
}

/// A stream on which `Out` is sent and `In` received, each behind its length.
type MessageStream<S, Out, In> = Framed<Metered<S>, Codec<Out, In>>;

/// `asked`: what the messages that come in answer; `None` where they are requests.
fn message_stream<S: AsyncRead + AsyncWrite + Unpin, Out: Message, In: Message + Default>(
    stream: S,
    asked: Option<Asked>,
    shared: &Shared,
) -> MessageStream<S, Out, In> {
    let stream = Metered::new(stream, shared.tally.clone());
    Framed::new(stream, Codec::new(shared.limits, asked))
}

/// The starting side of an exchange: send, close, read. `None`: the peer ended the stream before a
/// byte of the answer came.
pub(crate) async fn send_request<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    request: pb::Request,
    shared: &Shared,
) -> Result<Option<Response>, MessageError> {
    let asked = Asked::by(&request);
    let mut stream = message_stream(stream, Some(asked), shared);
    match send_and_read(&mut stream, request, shared).await {
        Err(MessageError::CutOff) if !stream.has_read() => Ok(None),
        Err(MessageError::Stream(error)) if !stream.has_read() && is_reset(&error) => Ok(None),
        read => {
            let response = Response::from_protobuf(read?, shared)?;
            shared.tally.responses_received.add(1);
            Ok(Some(response))
        }
    }
}

async fn send_and_read<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut MessageStream<S, pb::Request, pb::Response>,
    request: pb::Request,
    shared: &Shared,
) -> Result<pb::Response, MessageError> {
    stream.send(request).await?;
    shared.tally.requests_sent.add(1);
    stream.close().await?;
    let (response, _) = stream.try_next().await?.ok_or(MessageError::CutOff)?;
    Ok(response)
}

/// Whether the peer has ended or reset the stream. What happens to the connection has other kinds,
/// or ends the stream's task before the stream is looked at (seen: TCP and memory with yamux,
/// QUIC).
pub(crate) fn is_reset(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof, WriteZero};

    matches!(
        error.kind(),
        BrokenPipe | ConnectionReset | UnexpectedEof | WriteZero
    )
}

/// The answering side, first half.
pub(crate) async fn receive_request<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    shared: &Shared,
) -> Result<(Request, Reply<S>), MessageError> {
    let mut stream = message_stream(stream, None, shared);
    let (request, bytes) = stream.try_next().await?.ok_or(MessageError::CutOff)?;
    let request = Request::from_protobuf(request, bytes, shared)?;
    shared.tally.requests_received.add(1);
    let tally = shared.tally.clone();
    let reply = Reply {
        stream,
        bytes,
        tally,
    };
    Ok((request, reply))
}

/// A stream whose request was read and not answered yet.
pub(crate) struct Reply<S> {
    stream: MessageStream<S, pb::Response, pb::Request>,
    /// What the request took, with the length in front: the answer takes no more.
    bytes: usize,
    tally: Arc<Tally>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Reply<S> {
    /// The answering side, second half.
    pub(crate) async fn send(mut self, response: Response) -> Result<(), MessageError> {
        let mut response = response.into_protobuf();
        // It was made to fit; only great ages take more than was counted for them.
        while framed_len(&response) > self.bytes && response.descriptors.pop().is_some() {}
        self.stream.send(response).await?;
        self.tally.responses_sent.add(1);
        // The answer is on its way. A peer that has it all may close the connection at once.
        let _ = self.stream.close().await;
        Ok(())
    }
}

/// The bytes of a message behind its length.
fn framed_len(message: &impl Message) -> usize {
    let bytes = message.encoded_len();
    length_delimiter_len(bytes) + bytes
}

/// A request that was sent, and what its answer is held to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// What the request takes, in bytes, with its length: the answer takes no more.
    pub(crate) bytes: usize,
    /// Whether it asks for descriptors.
    pub(crate) pull: bool,
}

impl Asked {
    fn by(request: &pb::Request) -> Self {
        Self {
            bytes: framed_len(request),
            pull: request.pull,
        }
    }
}

/// Length-prefixed protobuf, with what is received held to its bounds before it is decoded.
pub(crate) struct Codec<Out, In> {
    inner: prost_codec::Codec<Out, In>,
    limits: Limits,
    asked: Option<Asked>,
}

impl<Out, In> Codec<Out, In> {
    /// `asked`: what the messages that come in answer; `None` where they are requests.
    pub(crate) fn new(limits: Limits, asked: Option<Asked>) -> Self {
        Self {
            inner: prost_codec::Codec::new(limits.message_bytes),
            limits,
            asked,
        }
    }

    /// `bytes`: what a message takes, with its length.
    fn check_length(&self, bytes: u64) -> Result<(), MessageError> {
        match self.asked {
            Some(Asked { bytes: request, .. }) if bytes > request as u64 => {
                Err(MessageError::ResponseTooLong { bytes, request })
            }
            _ => Ok(()),
        }
    }

    fn check_count(&self, count: usize) -> Result<(), MessageError> {
        if count > MAX_DESCRIPTORS {
            return Err(MessageError::TooManyDescriptors { count });
        }
        if count > 0 && self.asked.is_some_and(|asked| !asked.pull) {
            return Err(MessageError::UnaskedDescriptors { count });
        }
        Ok(())
    }
}

impl<Out: Message, In> Encoder for Codec<Out, In> {
    type Item<'a> = Out;
    type Error = MessageError;

    fn encode(&mut self, message: Out, dst: &mut BytesMut) -> Result<(), MessageError> {
        Ok(self.inner.encode(message, dst).map_err(io::Error::from)?)
    }
}

impl<Out, In: Message + Default> Decoder for Codec<Out, In> {
    /// With the bytes that it took, those of the length included.
    type Item = (In, usize);
    type Error = MessageError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Self::Item>, MessageError> {
        let Some((length, prefix)) = message_length(src)? else {
            return Ok(None);
        };
        if length > self.limits.message_bytes as u64 {
            return Err(MessageError::TooLong { bytes: length });
        }
        self.check_length(length + prefix as u64)?;
        // Within the limit now, so it fits.
        let end = prefix + length as usize;
        if src.len() < end {
            return Ok(None);
        }
        let count = count_descriptors(&src[prefix..end]).map_err(MessageError::NotProtobuf)?;
        self.check_count(count)?;
        let decoded = self.inner.decode(src);
        let message = decoded.map_err(|error| MessageError::NotProtobuf(error.into()))?;
        Ok(message.map(|message| (message, end)))
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Self::Item>, MessageError> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(MessageError::CutOff),
            decoded => Ok(decoded),
        }
    }
}

/// The length at the start of `src` and how many bytes it takes; `None` when it is not all there.
fn message_length(src: &[u8]) -> Result<Option<(u64, usize)>, MessageError> {
    // A varint of 64 bits takes at most ten bytes, and its last byte is the first below 0x80.
    let complete = src.iter().take(10).any(|byte| *byte < 0x80) || src.len() >= 10;
    if !complete {
        return Ok(None);
    }
    let mut rest = src;
    let length = prost::encoding::decode_varint(&mut rest).map_err(|error| {
        MessageError::NotProtobuf(io::Error::new(io::ErrorKind::InvalidData, error))
    })?;
    Ok(Some((length, src.len() - rest.len())))
}

fn count_descriptors(mut message: &[u8]) -> io::Result<usize> {
    let mut count = 0;
    while !message.is_empty() {
        let (field, wire_type) = prost_codec::decode_field_tag(&mut message)?;
        count += usize::from(field == DESCRIPTORS_FIELD);
        prost_codec::consume_message(wire_type, field, &mut message)?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use futures::{executor::block_on, io::Cursor};
    use libp2p_core::SignedEnvelope;
    use libp2p_identity::Keypair;
    use web_time::Instant;

    use super::*;
    use crate::swarm::node::gate::Gate;
    use crate::{
        peer::Peer,
        swarm::{
            address::{Scope, policy::AddressPolicy},
            limits::MAX_MESSAGE_BYTES,
        },
    };

    fn descriptor(age: u32) -> Descriptor<Record> {
        let keypair = Keypair::generate_ed25519();
        let address = "/ip4/127.0.0.1/udp/1/quic-v1".parse().expect("a multiaddr");
        let peer = Record::sign(&keypair, 1, &[address]).expect("signing works");
        Descriptor { peer, age }
    }

    fn shared_within(limits: Limits) -> Shared {
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let start = Instant::now();
        let period = std::time::Duration::from_secs(10);
        let at_node = (Arc::new(Gate::new(&limits, period)), Arc::default());
        Shared::new(AddressPolicy::new(Scope::Loopback), limits, at_node, start)
    }

    fn shared() -> Shared {
        shared_within(Limits::default())
    }

    fn framed(message: &impl Message) -> Vec<u8> {
        message.encode_length_delimited_to_vec()
    }

    /// What the answering side makes of these bytes.
    fn receive(bytes: Vec<u8>) -> Result<Request, MessageError> {
        let (request, _) = block_on(receive_request(Cursor::new(bytes), &shared()))?;
        Ok(request)
    }

    /// What the starting side makes of these bytes, in answer to `request`.
    fn response_to(request: &pb::Request, bytes: &[u8]) -> Result<Response, MessageError> {
        let asked = Some(Asked::by(request));
        let mut codec = Codec::<pb::Request, pb::Response>::new(Limits::default(), asked);
        let mut src = BytesMut::from(bytes);
        let (decoded, _) = codec.decode_eof(&mut src)?.ok_or(MessageError::CutOff)?;
        Response::from_protobuf(decoded, &shared())
    }

    fn asking(padding: usize) -> pb::Request {
        pb::Request {
            pull: true,
            padding: vec![0; padding],
            ..Default::default()
        }
    }

    #[test]
    fn messages_survive_the_wire() {
        let descriptors: Vec<_> = (0..15).map(descriptor).collect();
        for proposal in [Proposal::None, Proposal::Welcome, Proposal::Needed] {
            let request = Request::Exchange {
                gossip: SamplerRequest {
                    descriptors: descriptors.clone(),
                    pull: true,
                    room: usize::MAX,
                },
                neighbour: proposal,
            };
            let received = receive(framed(&request.into_protobuf())).expect("valid");
            let Request::Exchange { gossip, neighbour } = received else {
                panic!("an exchange became {received:?}");
            };
            assert_eq!(gossip.descriptors, descriptors);
            assert!(gossip.pull);
            assert_eq!(neighbour, proposal);
        }
        let goodbye = receive(framed(&Request::Goodbye.into_protobuf())).expect("valid");
        assert!(matches!(goodbye, Request::Goodbye));

        let sent = Response {
            gossip: SamplerResponse {
                descriptors: descriptors.clone(),
            },
            neighbour: true,
        };
        let received = response_to(&asking(4_000), &framed(&sent.into_protobuf())).expect("valid");
        assert_eq!(received.gossip.descriptors, descriptors);
        assert!(received.neighbour);
    }

    /// As `proto/peer_sampling.proto` says.
    #[test]
    fn the_largest_message_has_the_size_that_the_schema_names() {
        assert_eq!(MAX_MESSAGE_BYTES, 66_624);
    }

    /// What each of the two messages of an exchange costs, c=30: 15 descriptors with one QUIC address.
    #[test]
    fn a_message_of_the_default_view_takes_some_two_and_a_half_kilobytes() {
        let request = Request::Exchange {
            gossip: SamplerRequest {
                descriptors: (0..15).map(descriptor).collect(),
                pull: true,
                room: usize::MAX,
            },
            neighbour: Proposal::Welcome,
        };
        let bytes = framed(&request.into_protobuf()).len();
        assert!((2_300..2_800).contains(&bytes), "{bytes}");
    }

    /// The simulator knows nothing of this file, and counts bytes by numbers of its own.
    #[cfg(feature = "simulator")]
    #[test]
    fn the_simulator_counts_the_bytes_that_are_sent() {
        use crate::{simulator::traffic::Traffic, swarm::record::next_seq};

        let record = || {
            let keypair = Keypair::generate_ed25519();
            let address = "/ip4/203.0.113.7/udp/4001/quic-v1";
            let address = address.parse().expect("a multiaddr");
            Record::sign(&keypair, next_seq(0), &[address]).expect("signing works")
        };
        for (count, age) in [(1, 1), (15, 1), (15, 127), (64, 127)] {
            let descriptors: Vec<_> = (0..count)
                .map(|_| Descriptor {
                    peer: record(),
                    age,
                })
                .collect();
            let request = Request::Exchange {
                gossip: SamplerRequest {
                    descriptors: descriptors.clone(),
                    pull: true,
                    room: usize::MAX,
                },
                neighbour: Proposal::Welcome,
            };
            let response = Response {
                gossip: SamplerResponse { descriptors },
                neighbour: true,
            };
            let request_sent = Traffic {
                requests: 1,
                descriptors: count,
                ..Default::default()
            };
            let response_sent = Traffic {
                responses: 1,
                descriptors: count,
                ..Default::default()
            };
            let bytes = framed(&request.into_protobuf()).len() as u64;
            assert_eq!(bytes, request_sent.bytes(), "{count} of age {age}");
            let bytes = framed(&response.into_protobuf()).len() as u64;
            assert_eq!(bytes, response_sent.bytes(), "{count} of age {age}");
        }
    }

    #[test]
    fn each_malformed_message_has_its_name() {
        let mut too_long = Vec::new();
        prost::encoding::encode_varint(MAX_MESSAGE_BYTES as u64 + 1, &mut too_long);
        assert!(matches!(
            receive(too_long),
            Err(MessageError::TooLong { bytes }) if bytes == MAX_MESSAGE_BYTES as u64 + 1
        ));
        let endless = vec![0xff; 30];
        assert!(matches!(
            receive(endless),
            Err(MessageError::NotProtobuf(_))
        ));

        let whole = framed(&Request::notice(Proposal::None).into_protobuf());
        assert!(receive(whole).is_ok());
        let whole = framed(&pb::Request {
            descriptors: vec![pb::Descriptor::default()],
            ..Default::default()
        });
        for length in 0..whole.len() {
            assert!(
                matches!(receive(whole[..length].to_vec()), Err(MessageError::CutOff)),
                "{length}"
            );
        }

        let mut not_protobuf = vec![5];
        not_protobuf.extend([0xff; 5]);
        assert!(matches!(
            receive(not_protobuf),
            Err(MessageError::NotProtobuf(_))
        ));

        let many = pb::Request {
            descriptors: vec![pb::Descriptor::default(); MAX_DESCRIPTORS + 1],
            ..Default::default()
        };
        assert!(matches!(
            receive(framed(&many)),
            Err(MessageError::TooManyDescriptors { count: 65 })
        ));

        let mut large = descriptors_to_protobuf(vec![descriptor(0), descriptor(1)]);
        large[1].signed_peer_record = vec![0; MAX_RECORD_BYTES + 1];
        let large = pb::Request {
            descriptors: large,
            ..Default::default()
        };
        let shared = shared();
        let received = block_on(receive_request(Cursor::new(framed(&large)), &shared));
        assert!(matches!(
            received.map(|_| ()),
            Err(MessageError::RecordTooLarge {
                index: 1,
                bytes: 1_025
            })
        ));
        assert_eq!(
            shared.tally.snapshot().records_verified,
            0,
            "none is looked at"
        );
    }

    #[test]
    fn answer_longer_than_its_request_is_refused() {
        let request = asking(1_000);
        let bytes = framed_len(&request);
        let answer = |padding| {
            // A field that nobody knows, as long as is left.
            let mut message = vec![0x7a];
            prost::encoding::encode_varint(padding, &mut message);
            message.resize(message.len() + padding as usize, 0);
            let mut framed = Vec::new();
            prost::encoding::encode_varint(message.len() as u64, &mut framed);
            [framed, message].concat()
        };
        let fits = answer(bytes as u64 - 5);
        assert_eq!(fits.len(), bytes);
        assert!(response_to(&request, &fits).is_ok());
        let longer = answer(bytes as u64 - 4);
        let refused = |answer: &[u8], taken| {
            let refused = response_to(&request, answer);
            assert!(
                matches!(
                    refused,
                    Err(MessageError::ResponseTooLong { bytes: came, request })
                        if came == taken && request == bytes
                ),
                "{refused:?}"
            );
        };
        refused(&longer, bytes as u64 + 1);
        // By its length alone.
        refused(&longer[..2], bytes as u64 + 1);
        // The length counts as it is written, not as it could be.
        let wordy = [&[0x80 | fits[0], fits[1] | 0x80, 0x00], &fits[2..]].concat();
        refused(&wordy, bytes as u64 + 1);
        assert!(matches!(
            response_to(&request, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
            Err(MessageError::TooLong { .. })
        ));
    }

    #[test]
    fn descriptors_that_nobody_asked_for_are_refused() {
        let answer = |count| {
            framed(&pb::Response {
                descriptors: vec![pb::Descriptor::default(); count],
                neighbour: true,
            })
        };
        let push = pb::Request {
            pull: false,
            ..asking(1_000)
        };
        assert!(response_to(&push, &answer(0)).is_ok());
        assert!(matches!(
            response_to(&push, &answer(2)),
            Err(MessageError::UnaskedDescriptors { count: 2 })
        ));
        assert!(response_to(&asking(1_000), &answer(2)).is_ok());
        // Neither has room for any; if it had, it would not have asked.
        let notice = Request::notice(Proposal::Needed).into_protobuf();
        assert!(response_to(&notice, &answer(0)).is_ok());
        for request in [notice, Request::Goodbye.into_protobuf()] {
            assert!(matches!(
                response_to(&request, &answer(1)),
                Err(MessageError::ResponseTooLong { .. })
            ));
        }
    }

    /// A good record between two that are not taken, each for a reason of its own.
    #[test]
    fn record_that_cannot_be_used_spoils_no_other() {
        let keypair = Keypair::generate_ed25519();
        let poison = |edit: fn(&mut pb::Envelope)| {
            let good = descriptor(1);
            let mut envelope = pb::Envelope::decode(good.peer.envelope()).expect("just made");
            edit(&mut envelope);
            envelope.encode_to_vec()
        };
        let of_type = |key_type| {
            poison(match key_type {
                0 => |envelope| envelope.public_key.as_mut().expect("there").r#type = 0,
                _ => |envelope| envelope.public_key.as_mut().expect("there").r#type = 4,
            })
        };
        let unreadable = pb::PeerRecord {
            peer_id: keypair.public().to_peer_id().to_bytes(),
            seq: 1,
            addresses: vec![pb::AddressInfo {
                multiaddr: vec![4, 127, 0],
            }],
        };
        let unreadable = SignedEnvelope::new(
            &keypair,
            "libp2p-peer-record".into(),
            vec![3, 1],
            unreadable.encode_to_vec(),
        )
        .expect("signing works")
        .into_protobuf_encoding();
        let cases = [
            (vec![0xff; 9], Reason::RecordNotProtobuf),
            (vec![], Reason::RecordPayloadType),
            (of_type(0), Reason::RecordKeyType),
            (of_type(4), Reason::RecordKeyType),
            (unreadable, Reason::RecordAddress),
            (
                poison(|envelope| {
                    envelope
                        .public_key
                        .as_mut()
                        .expect("there")
                        .data
                        .truncate(3)
                }),
                Reason::RecordKey,
            ),
        ];
        for (poison, reason) in cases {
            let good = descriptor(3);
            let bad = || pb::Descriptor {
                signed_peer_record: poison.clone(),
                age: 1,
            };
            let [first] = <[_; 1]>::try_from(descriptors_to_protobuf(vec![good.clone()]))
                .expect("one descriptor");
            let request = pb::Request {
                descriptors: vec![bad(), first, bad()],
                pull: true,
                ..Default::default()
            };
            let shared = shared();
            let received = block_on(receive_request(Cursor::new(framed(&request)), &shared));
            let (received, _) = received.expect("its bounds are kept");
            let Request::Exchange { gossip, .. } = received else {
                panic!("an exchange became {received:?}");
            };
            assert_eq!(gossip.descriptors, [good], "{reason:?}");
            let counters = shared.tally.snapshot();
            assert_eq!(counters.refused(reason), 2);
            assert_eq!(counters.records_passed_over, 2);
            let response = pb::Response {
                descriptors: request.descriptors.clone(),
                neighbour: false,
            };
            let received = Response::from_protobuf(response, &shared).expect("its bounds are kept");
            assert_eq!(received.gossip.descriptors.len(), 1, "{reason:?}");
        }
    }

    /// Known records are taken even then: they cost nothing.
    #[test]
    fn wrong_signature_ends_verification_in_its_message() {
        let good: Vec<_> = (0..62).map(descriptor).collect();
        let mut descriptors = descriptors_to_protobuf(good.clone());
        for at in [10, 20] {
            let mut forged = descriptors_to_protobuf(vec![descriptor(7)]);
            let signature = forged[0].signed_peer_record.last_mut();
            *signature.expect("a signature") ^= 1;
            descriptors.splice(at..at, forged);
        }
        let shared = shared();
        let receive = |descriptors: Vec<_>| {
            let response = pb::Response {
                descriptors,
                neighbour: false,
            };
            let received = Response::from_protobuf(response, &shared).expect("its bounds are kept");
            received.gossip.descriptors
        };
        let last = descriptors.split_off(63);
        assert_eq!(receive(last), good[61..]);
        let all = [descriptors, descriptors_to_protobuf(good[61..].to_vec())].concat();
        assert_eq!(all.len(), 64);
        assert_eq!(receive(all), [&good[..10], &good[61..]].concat());
        let counters = shared.tally.snapshot();
        assert_eq!(counters.records_verified, 1 + 10 + 1);
        assert_eq!(counters.records_known, 1);
        assert_eq!(counters.refused(Reason::RecordSignature), 1);
        assert_eq!(counters.refused(Reason::RecordNotVerified), 52);
        assert_eq!(counters.records_passed_over, 53);
    }

    #[test]
    fn the_largest_message_allowed_can_be_received() {
        let descriptors = vec![
            pb::Descriptor {
                signed_peer_record: vec![0; MAX_RECORD_BYTES],
                age: u32::MAX,
            };
            MAX_DESCRIPTORS
        ];
        let message = pb::Request {
            descriptors,
            pull: true,
            neighbour: pb::Neighbour::Needed.into(),
            ..Default::default()
        };
        assert!(message.encoded_len() <= MAX_MESSAGE_BYTES);
        // No record among them, and nothing that it could be refused for.
        assert!(receive(framed(&message)).is_ok());
    }

    /// A request as it comes in, with the bytes that it took.
    fn request_of(
        count: usize,
        room: usize,
        neighbour: Proposal,
    ) -> (SamplerRequest<Record>, usize) {
        let gossip = SamplerRequest {
            descriptors: (0..count).map(|_| descriptor(1)).collect(),
            pull: true,
            room,
        };
        let bytes = framed(&Request::Exchange { gossip, neighbour }.into_protobuf());
        let len = bytes.len();
        match receive(bytes).expect("valid") {
            Request::Exchange { gossip, .. } => (gossip, len),
            Request::Goodbye => panic!("an exchange became a goodbye"),
        }
    }

    #[test]
    fn an_answer_of_as_many_fits() {
        for neighbour in [Proposal::None, Proposal::Needed] {
            for count in [0, 1, 15, 64] {
                let (request, _) = request_of(count, usize::MAX, neighbour);
                let takes: usize = request.descriptors.iter().map(|d| d.peer.size()).sum();
                assert!(request.room >= takes, "{count}: {} < {takes}", request.room);
                // And not another one.
                assert!(request.room < takes + 100, "{count}: {}", request.room);
            }
        }
    }

    #[test]
    fn who_has_little_to_send_asks_for_more() {
        let asked = 15 * 256;
        for count in [0, 1, 15, 64] {
            let (request, bytes) = request_of(count, asked, Proposal::Needed);
            assert!(request.room >= asked, "{count}: {}", request.room);
            assert!(bytes < asked + 16 || count == 64, "{count}: {bytes}");
        }
    }

    /// What is sent in return for `bytes`, a request behind its length.
    fn answer(bytes: Vec<u8>, response: Response) -> Vec<u8> {
        let len = bytes.len();
        let shared = shared();
        let (_, reply) =
            block_on(receive_request(Cursor::new(bytes), &shared)).expect("a valid request");
        // A cursor reads and writes in the same place, one behind the other.
        let mut answered = Vec::new();
        let stream = Cursor::new(&mut answered);
        let framed = Framed::new(
            Metered::new(stream, shared.tally.clone()),
            Codec::<pb::Response, pb::Request>::new(shared.limits, None),
        );
        let reply = Reply {
            stream: framed,
            bytes: reply.bytes,
            tally: reply.tally,
        };
        block_on(reply.send(response)).expect("a cursor takes everything");
        let counters = shared.tally.snapshot();
        assert_eq!(counters.bytes_received, len as u64);
        assert_eq!(counters.bytes_sent, answered.len() as u64);
        assert_eq!(
            (counters.requests_received, counters.responses_sent),
            (1, 1)
        );
        answered
    }

    #[test]
    fn an_answer_never_has_more_bytes_than_its_request() {
        let response = |count, age| Response {
            gossip: SamplerResponse {
                descriptors: (0..count).map(|_| descriptor(age)).collect(),
            },
            neighbour: true,
        };
        let pull = |padding| {
            framed(&pb::Request {
                pull: true,
                neighbour: pb::Neighbour::Needed.into(),
                padding: vec![0; padding],
                ..Default::default()
            })
        };
        for padding in (0..2_000).step_by(37) {
            for age in [0, 1, u32::MAX] {
                let request = pull(padding);
                let bytes = request.len();
                let answered = answer(request, response(15, age));
                assert!(
                    answered.len() <= bytes,
                    "{padding}, {age}: {}",
                    answered.len()
                );
                let read = pb::Response::decode_length_delimited(&answered[..]).expect("protobuf");
                assert!(read.neighbour);
                // Nor much fewer than it may have.
                assert!(
                    answered.len() + 200 > bytes,
                    "{padding}: {}",
                    answered.len()
                );
            }
        }
        // The shortest requests there are.
        assert_eq!(answer(vec![0], Response::empty()), [0]);
        let notice = framed(&Request::notice(Proposal::Welcome).into_protobuf());
        assert_eq!(answer(notice.clone(), response(0, 0)).len(), notice.len());
        let goodbye = framed(&Request::Goodbye.into_protobuf());
        assert_eq!(answer(goodbye, Response::empty()), [0]);
    }

    #[test]
    fn what_is_in_the_padding_is_nobodys_business() {
        let request = pb::Request {
            padding: vec![0xff; 100],
            ..Default::default()
        };
        let received = receive(framed(&request)).expect("valid");
        assert!(matches!(
            received,
            Request::Exchange { gossip, .. } if gossip.descriptors.is_empty() && gossip.room == 102
        ));
    }

    #[test]
    fn narrower_limits_are_kept() {
        let receive = |edit: fn(&mut Limits), bytes: Vec<u8>| {
            let mut limits = Limits::default();
            edit(&mut limits);
            let shared = shared_within(limits);
            let received = block_on(receive_request(Cursor::new(bytes), &shared));
            received.map(|_| ())
        };
        let padded = framed(&pb::Request {
            padding: vec![0; 4_000],
            ..Default::default()
        });
        assert!(receive(|limits| limits.message_bytes = 4_003, padded.clone()).is_ok());
        assert!(matches!(
            receive(|limits| limits.message_bytes = 4_002, padded),
            Err(MessageError::TooLong { bytes: 4_003 })
        ));
    }

    /// Others know nothing of that limit, and are not to blame.
    #[test]
    fn descriptors_beyond_this_nodes_own_limit_are_passed_over() {
        let limits = Limits {
            descriptors_per_message: 2,
            ..Default::default()
        };
        let shared = shared_within(limits);
        let sent: Vec<_> = (0..5).map(descriptor).collect();
        let response = pb::Response {
            descriptors: descriptors_to_protobuf(sent.clone()),
            neighbour: false,
        };
        let mut codec = Codec::<pb::Request, pb::Response>::new(limits, None);
        let mut src = BytesMut::from(&framed(&response)[..]);
        let decoded = codec.decode_eof(&mut src).expect("the protocol allows it");
        let (response, _) = decoded.expect("a message");
        let received = Response::from_protobuf(response, &shared).expect("its bounds are kept");
        assert_eq!(received.gossip.descriptors, sent[..2]);
        let counters = shared.tally.snapshot();
        assert_eq!(counters.records_verified, 2);
        assert_eq!(counters.refused(Reason::RecordBeyondLimits), 3);
        assert_eq!(counters.records_passed_over, 3);
    }

    #[test]
    fn what_a_later_version_proposes_is_no_fault() {
        let request = pb::Request {
            neighbour: 77,
            ..Default::default()
        };
        assert!(matches!(
            receive(framed(&request)),
            Ok(Request::Exchange {
                neighbour: Proposal::None,
                ..
            })
        ));
    }

    #[test]
    fn stream_that_ends_before_an_answer_is_no_fault() {
        struct Sink;
        impl AsyncRead for Sink {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                _: &mut [u8],
            ) -> std::task::Poll<io::Result<usize>> {
                std::task::Poll::Ready(Ok(0))
            }
        }
        impl AsyncWrite for Sink {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                bytes: &[u8],
            ) -> std::task::Poll<io::Result<usize>> {
                std::task::Poll::Ready(Ok(bytes.len()))
            }
            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }
            fn poll_close(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }
        }
        let request = Request::notice(Proposal::None).into_protobuf();
        let result = block_on(send_request(Sink, request, &shared()));
        assert!(matches!(result, Ok(None)));
    }
}
