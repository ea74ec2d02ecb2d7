//! What `fuzz/` needs and nobody else: the parts that read what comes from the network, without a
//! network. **Exempt from semver**: behind the feature `fuzzing`, and may change in any release.
//!
//! Nothing is decided here: each function calls the one that a node calls.

use std::{marker::PhantomData, sync::Arc};

use asynchronous_codec::{Decoder, Encoder};
use bytes::BytesMut;
use prost::Message;
use rand::Rng;
use web_time::Instant;

use crate::{
    peer::Peer,
    sampling::{
        overlay::Overlay,
        sampler::{self, Sampler},
        view::{Descriptor, View},
    },
    swarm::{
        clock::Clock,
        counters::{Counters, Tally},
        generated as pb,
        limits::Limits,
        record::{
            Record,
            error::RecordError,
            verifier::{Effort, Verifier},
        },
        sampling::config::{Config, PROTOCOL_NAME},
        wire::{
            self, MessageError,
            frame::{Frames, framed_len},
            sampling::{Expected, Request, Response, Sampling},
        },
    },
};

/// Checks what a node receives, as all its connections do.
#[derive(Debug)]
pub struct Checks {
    wire: Sampling,
    tally: Arc<Tally>,
}

impl Checks {
    /// Of a node with these settings.
    #[expect(
        clippy::disallowed_methods,
        reason = "a node reads the clock to see how many records it may verify"
    )]
    pub fn new(config: &Config) -> Self {
        let (limits, tally) = (*config.limits(), Arc::new(Tally::default()));
        let protocol = config.protocol().unwrap_or(PROTOCOL_NAME);
        let policy = config.addresses().clone();
        let verifier = Verifier::new(policy, limits, protocol.as_ref(), tally.clone());
        let clock = Clock::new(Instant::now());
        Self {
            wire: Sampling::new(verifier, limits, tally.clone(), clock),
            tally,
        }
    }

    /// The record in `envelope`, as one that this node has asked for.
    ///
    /// # Errors
    ///
    /// A [`RecordError`] when it is passed over.
    pub fn record(&self, envelope: Vec<u8>) -> Result<Record, RecordError> {
        self.wire.verifier().check(envelope, Effort::Asked)
    }

    /// What was counted.
    pub fn counters(&self) -> Counters {
        self.tally.snapshot()
    }

    /// The request, which took so many bytes with its length, as it would be passed on.
    ///
    /// # Errors
    ///
    /// A [`MessageError`] when one of the records is too large.
    pub fn request(&self, request: pb::Request, bytes: usize) -> Result<pb::Request, MessageError> {
        self.wire
            .request(request, bytes)
            .map(Request::into_protobuf)
    }

    /// The response as it would be passed on.
    ///
    /// # Errors
    ///
    /// A [`MessageError`] when one of the records is too large.
    pub fn response(&self, response: pb::Response) -> Result<pb::Response, MessageError> {
        self.wire.response(response).map(Response::into_protobuf)
    }
}

/// What turns one side's bytes into messages and how many bytes they took, and messages into bytes.
/// `asked`: of the request that the messages answer, how many bytes it took with its length, and
/// whether it pulls.
pub fn codec<M: Message + Default + 'static>(
    limits: Limits,
    asked: Option<(usize, bool)>,
) -> impl Decoder<Item = (M, usize), Error = MessageError>
+ for<'a> Encoder<Item<'a> = M, Error = MessageError> {
    let (request, expected) = match asked {
        Some((bytes, pull)) => (Some(bytes), Some(Expected { pull })),
        None => (None, None),
    };
    Codec {
        frames: Frames::new(limits.message_bytes, request),
        expected,
        message: PhantomData,
    }
}

struct Codec<M> {
    frames: Frames,
    expected: Option<Expected>,
    message: PhantomData<M>,
}

impl<M: Message> Encoder for Codec<M> {
    type Item<'a> = M;
    type Error = MessageError;

    fn encode(&mut self, message: M, dst: &mut BytesMut) -> Result<(), MessageError> {
        self.frames.encode(wire::encode(&message), dst)
    }
}

impl<M: Message + Default> Codec<M> {
    fn read(&self, bytes: &[u8]) -> Result<(M, usize), MessageError> {
        let message = wire::sampling::decode(bytes, self.expected)?;
        Ok((message, framed_len(bytes.len())))
    }
}

impl<M: Message + Default> Decoder for Codec<M> {
    type Item = (M, usize);
    type Error = MessageError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Self::Item>, MessageError> {
        let bytes = self.frames.decode(src)?;
        bytes.map(|bytes| self.read(&bytes)).transpose()
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Self::Item>, MessageError> {
        let bytes = self.frames.decode_eof(src)?;
        bytes.map(|bytes| self.read(&bytes)).transpose()
    }
}

/// Does `work` with the view's descriptors in `workspace`.
pub fn with_workspace<P: Peer, T>(
    view: &mut View<P>,
    workspace: &mut Vec<Descriptor<P>>,
    work: impl FnOnce(&mut View<P>) -> T,
) -> T {
    view.with_workspace(workspace, work)
}

/// Storage that messages leave behind, for the next ones, of many nodes.
#[derive(Debug)]
pub struct Buffers<P: Peer>(sampler::buffers::Buffers<P>);

impl<P: Peer> Buffers<P> {
    /// Room for `limit` buffers, and none in it.
    pub fn new(limit: usize) -> Self {
        Self(sampler::buffers::Buffers::new(limit))
    }

    /// Takes the storage of a message that was not delivered.
    pub fn keep(&mut self, descriptors: Vec<Descriptor<P>>) {
        self.0.keep(descriptors);
    }

    /// Does `work` with the node, whose messages then come out of here.
    pub fn work<O: Overlay<P>, R: Rng, T>(
        &mut self,
        node: &mut Sampler<P, O, R>,
        work: impl FnOnce(&mut Sampler<P, O, R>) -> T,
    ) -> T {
        node.with_buffers(&mut self.0, work)
    }
}

/// Reads what an exchange of the node is going to need, and changes nothing.
pub fn touch<P: Peer, O: Overlay<P>, R: Rng>(node: &Sampler<P, O, R>) {
    node.touch();
}
