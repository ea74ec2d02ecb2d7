//! The wire of peer sampling: what `proto/peer_sampling.proto` says, with its bounds enforced.

use std::{io, sync::Arc, time::Duration};

use libp2p_identity::PeerId;
use prost::{Message, length_delimiter_len};

use crate::{
    sampling::{
        sampler::message::{Request as SamplerRequest, Response as SamplerResponse},
        view::Descriptor,
    },
    swarm::{
        clock::Clock,
        counters::{Reason, Tally},
        generated as pb,
        limits::{Limits, MAX_DESCRIPTORS, MAX_MESSAGE_BYTES, MAX_RECORD_BYTES},
        record::{
            Record,
            profile::Profile,
            verifier::{Effort, Verifier},
        },
        wire::{self, MessageError, Wire, frame::framed_len},
    },
};

/// The field number of `descriptors` in both messages.
const DESCRIPTORS_FIELD: u32 = 1;
/// What a yes to the wish to be neighbours takes in an answer, in bytes.
const NEIGHBOUR_BYTES: usize = 2;

/// What a padded request may take beside what it makes room for, in bytes.
const PADDING_SLACK: usize = 64;

/// The longest refusal that says when to come back, in bytes: a tag and a varint of 32 bits.
const MOST_REFUSAL_BYTES: usize = 6;

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
    /// A part of the sender's view, for a part of the receiver's.
    Exchange {
        /// The sampler's part.
        gossip: SamplerRequest<Record>,
        /// What becomes of the connection.
        neighbour: Proposal,
    },
    /// The sender leaves the network.
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

    /// Padded, where it asks for more room in the answer than it takes itself. Without the profiles
    /// that it has no room for.
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
                for at in (0..request.descriptors.len()).rev() {
                    if request.encoded_len() <= MAX_MESSAGE_BYTES {
                        break;
                    }
                    request.descriptors[at].profile.clear();
                }
                if gossip.room < usize::MAX {
                    let missing = gossip.room.saturating_sub(request.encoded_len());
                    request.padding = vec![0; missing];
                }
                request
            }
        }
    }
}

/// The second and last message of an exchange.
#[derive(Debug, Clone)]
pub struct Response {
    /// The sampler's part.
    pub(crate) gossip: SamplerResponse<Record>,
    /// Whether the connection is a neighbour's from now on.
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
            retry_after: 0,
        }
    }
}

fn descriptors_to_protobuf(descriptors: Vec<Descriptor<Record>>) -> Vec<pb::Descriptor> {
    descriptors
        .into_iter()
        .map(|descriptor| pb::Descriptor {
            signed_peer_record: descriptor.peer.envelope().to_vec(),
            age: descriptor.age,
            profile: descriptor
                .peer
                .signed_profile()
                .map_or_else(Vec::new, Profile::to_protobuf),
        })
        .collect()
}

/// The sampler's wire: checks what comes in, for all connections of a node.
#[derive(Debug)]
pub struct Sampling {
    verifier: Verifier,
    limits: Limits,
    tally: Arc<Tally>,
    clock: Clock,
}

/// What an answer is held to, besides the length of its request.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// Whether the request asks for descriptors.
    pub(crate) pull: bool,
}

impl Sampling {
    /// `verifier` checks the records of all messages; what is passed over is counted in `tally`.
    pub(crate) fn new(verifier: Verifier, limits: Limits, tally: Arc<Tally>, clock: Clock) -> Self {
        Self {
            verifier,
            limits,
            tally,
            clock,
        }
    }

    /// What checks records.
    pub(crate) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// A request that has come in, with its records checked. `bytes`: what it took, with its
    /// length.
    pub(crate) fn request(
        &self,
        request: pb::Request,
        bytes: usize,
    ) -> Result<Request, MessageError> {
        if request.goodbye {
            return Ok(Request::Goodbye);
        }
        let neighbour_bytes = match request.neighbour {
            0 => 0,
            _ => NEIGHBOUR_BYTES,
        };
        let effort = Effort::Unasked(self.clock.now());
        Ok(Request::Exchange {
            gossip: SamplerRequest {
                descriptors: self.descriptors(request.descriptors, effort)?,
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

    /// An answer that has come in, with its records checked.
    pub(crate) fn response(&self, response: pb::Response) -> Result<Response, MessageError> {
        let descriptors = self.descriptors(response.descriptors, Effort::Asked)?;
        Ok(Response {
            gossip: SamplerResponse { descriptors },
            neighbour: response.neighbour,
        })
    }

    /// The descriptors whose records pass. The others are passed over: what one implementation
    /// cannot read, another may, so an honest peer may have sent it.
    fn descriptors(
        &self,
        descriptors: Vec<pb::Descriptor>,
        effort: Effort,
    ) -> Result<Vec<Descriptor<Record>>, MessageError> {
        let sizes = descriptors.iter().map(|d| d.signed_peer_record.len());
        if let Some((index, bytes)) = sizes.enumerate().find(|(_, size)| *size > MAX_RECORD_BYTES) {
            return Err(MessageError::RecordTooLarge { index, bytes });
        }
        let few = self.limits.descriptors_per_message.min(descriptors.len());
        // The protocol allows the others, so to refuse the message would be to blame the peer.
        for _ in few..descriptors.len() {
            self.tally.pass_over(Reason::RecordBeyondLimits);
        }
        let ages: Vec<_> = descriptors.iter().map(|d| d.age).collect();
        let described = descriptors.into_iter().take(few);
        let described = described.map(|d| (d.signed_peer_record, d.profile));
        let checked = self.verifier.check_described(described, effort);
        Ok(checked
            .into_iter()
            .zip(ages)
            .filter_map(|(peer, age)| {
                Some(Descriptor {
                    peer: peer.ok()?,
                    age,
                })
            })
            .collect())
    }
}

impl Wire for Sampling {
    type Request = Request;
    type Response = Response;
    type Expected = Expected;

    const NAME: &'static str = "peer-sampling/1.0.0";

    /// So nobody gains by sending in somebody else's name, or by asking without giving.
    const RESPONSE_FITS_REQUEST: bool = true;

    fn request_bound(&self) -> usize {
        self.limits.message_bytes
    }

    fn response_bound(&self, _: &Expected) -> usize {
        self.limits.message_bytes
    }

    fn encode_request(&self, mut request: Request) -> (Vec<u8>, Expected) {
        // An answer as long as the request has to be within what this node reads.
        if let Request::Exchange { gossip, .. } = &mut request
            && gossip.room < usize::MAX
        {
            let most = self.limits.message_bytes.saturating_sub(PADDING_SLACK);
            gossip.room = gossip.room.min(most);
        }
        let request = request.into_protobuf();
        let pull = request.pull;
        (wire::encode(&request), Expected { pull })
    }

    fn decode_request(&self, _: PeerId, bytes: &[u8]) -> Result<Request, MessageError> {
        self.request(decode(bytes, None)?, framed_len(bytes.len()))
    }

    fn encode_response(&self, response: Response, request_bytes: usize) -> Vec<u8> {
        let mut response = response.into_protobuf();
        // It was made to fit; only great ages take more than was counted for them.
        while framed_len(response.encoded_len()) > request_bytes
            && response.descriptors.pop().is_some()
        {}
        wire::encode(&response)
    }

    fn encode_refusal(&self, retry_after: Duration) -> Option<Vec<u8>> {
        let seconds = retry_after.as_secs_f64().ceil() as u32;
        Some(wire::encode(&pb::Response {
            retry_after: seconds.max(1),
            ..Default::default()
        }))
    }

    fn decode_refusal(&self, bytes: &[u8]) -> Option<Duration> {
        // A message with more than that has something else to say.
        if bytes.len() > MOST_REFUSAL_BYTES {
            return None;
        }
        let refusal: pb::Response = wire::decode(bytes).ok()?;
        let seconds = u64::from(refusal.retry_after);
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    fn decode_response(
        &self,
        _: PeerId,
        bytes: &[u8],
        expected: Expected,
    ) -> Result<Response, MessageError> {
        self.response(decode(bytes, Some(expected))?)
    }
}

/// A message whose descriptors were counted before anything was made of them. `asked`: what it is
/// held to as an answer; `None` where it is a request.
pub(crate) fn decode<M: Message + Default>(
    bytes: &[u8],
    asked: Option<Expected>,
) -> Result<M, MessageError> {
    let count = count_descriptors(bytes).map_err(MessageError::NotProtobuf)?;
    if count > MAX_DESCRIPTORS {
        return Err(MessageError::TooManyDescriptors { count });
    }
    if count > 0 && asked.is_some_and(|asked| !asked.pull) {
        return Err(MessageError::UnaskedDescriptors { count });
    }
    wire::decode(bytes)
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
mod tests;
