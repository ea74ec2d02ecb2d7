//! What `fuzz/` needs and nobody else: the parts that read what comes from the network, without a
//! network. **Exempt from semver**: behind the feature `fuzzing`, and may change in any release.
//!
//! Nothing is decided here: each function calls the one that a node calls.

use asynchronous_codec::{Decoder, Encoder};
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
        counters::Counters,
        generated as pb,
        limits::Limits,
        record::{Effort, Record, RecordError},
        sampling::config::Config,
        shared::Shared,
        wire::{Asked, Codec, MessageError, Request, Response},
    },
};

/// Checks what a node receives, as all its connections do.
#[derive(Debug)]
pub struct Checks(Shared);

impl Checks {
    /// Of a node with these settings.
    #[expect(
        clippy::disallowed_methods,
        reason = "a node reads the clock to see how many records it may verify"
    )]
    pub fn new(config: &Config) -> Self {
        Self(Shared::new(
            config.addresses().clone(),
            *config.limits(),
            config.gossip().period(),
            Instant::now(),
        ))
    }

    /// The record in `envelope`, as one that this node has asked for.
    ///
    /// # Errors
    ///
    /// A [`RecordError`] when it is passed over.
    pub fn record(&self, envelope: Vec<u8>) -> Result<Record, RecordError> {
        self.0.verifier.check(envelope, Effort::Asked)
    }

    /// What was counted.
    pub fn counters(&self) -> Counters {
        self.0.tally.snapshot()
    }

    /// The request, which took so many bytes, as it would be passed on.
    ///
    /// # Errors
    ///
    /// A [`MessageError`] when one of the records is too large.
    pub fn request(&self, request: pb::Request, bytes: usize) -> Result<pb::Request, MessageError> {
        Request::from_protobuf(request, bytes, &self.0).map(Request::into_protobuf)
    }

    /// The response as it would be passed on.
    ///
    /// # Errors
    ///
    /// A [`MessageError`] when one of the records is too large.
    pub fn response(&self, response: pb::Response) -> Result<pb::Response, MessageError> {
        Response::from_protobuf(response, &self.0).map(Response::into_protobuf)
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
    let asked = asked.map(|(bytes, pull)| Asked { bytes, pull });
    Codec::<M, M>::new(limits, asked)
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
