//! What `fuzz/` needs and nobody else: the parts that read what comes from the network, without a
//! network. **Exempt from semver**: behind the feature `fuzzing`, and may change in any release.
//!
//! Nothing is decided here: each function calls the one that a node calls.

use asynchronous_codec::{Decoder, Encoder};
use prost::Message;

use crate::{
    gossip::message::ExchangeId,
    swarm::{
        address::Scope,
        record::{self, Record, RecordError},
        wire::{Codec, MessageError, Request, Response},
    },
    view::{Descriptor, Peer, View},
};

/// The messages, as prost sees them.
pub mod pb {
    pub use crate::swarm::generated::*;
}

/// Checks records, as all connections of a node do.
#[derive(Debug)]
pub struct Verifier(record::Verifier);

impl Verifier {
    /// Of a node with this scope.
    pub fn new(scope: Scope) -> Self {
        Self(record::Verifier::new(scope))
    }

    /// The record in `envelope`; `None` when nothing is wrong with it and it is of no use here.
    ///
    /// # Errors
    ///
    /// A [`RecordError`] when something is wrong.
    pub fn check(&self, envelope: Vec<u8>) -> Result<Option<Record>, RecordError> {
        self.0.check(envelope)
    }
}

/// What turns one side's bytes into messages, and messages into bytes.
pub fn codec<M: Message + Default + 'static>()
-> impl Decoder<Item = M, Error = MessageError> + for<'a> Encoder<Item<'a> = M, Error = MessageError>
{
    Codec::<M, M>::default()
}

/// The request as it would be passed on, once its records were checked.
///
/// # Errors
///
/// A [`MessageError`] when one of the records breaks a rule.
pub fn check_request(
    request: pb::Request,
    verifier: &Verifier,
) -> Result<pb::Request, MessageError> {
    Request::from_protobuf(request, &verifier.0).map(Request::into_protobuf)
}

/// The response as it would be passed on, once its records were checked.
///
/// # Errors
///
/// A [`MessageError`] when one of the records breaks a rule.
pub fn check_response(
    response: pb::Response,
    verifier: &Verifier,
) -> Result<pb::Response, MessageError> {
    Response::from_protobuf(response, &verifier.0).map(Response::into_protobuf)
}

/// The id of an exchange that may never have been started.
pub fn exchange_id(number: u64) -> ExchangeId {
    ExchangeId(number)
}

/// Does `work` with the view's descriptors in `workspace`.
pub fn with_workspace<P: Peer, T>(
    view: &mut View<P>,
    workspace: &mut Vec<Descriptor<P>>,
    work: impl FnOnce(&mut View<P>) -> T,
) -> T {
    view.with_workspace(workspace, work)
}
