//! The sampler's wire: what the tests of it have in common.

mod bounds;
mod messages;
mod profiles;
mod records;
mod room;

use asynchronous_codec::Decoder;
use bytes::BytesMut;
use futures::executor::block_on;
use libp2p_identity::Keypair;
use web_time::Instant;

use super::*;
use crate::{
    peer::Peer,
    swarm::{
        address::{Scope, policy::AddressPolicy},
        handler::{scripted::Scripted, streams::receive_request},
        node::gate::Gate,
        shared::Shared,
        wire::frame::Frames,
    },
};

/// The protocol of a network of that name.
const NET: &str = "/net/peer-sampling/1.0.0";

fn descriptor(age: u32) -> Descriptor<Record> {
    let keypair = Keypair::generate_ed25519();
    let address = "/ip4/127.0.0.1/udp/1/quic-v1".parse().expect("a multiaddr");
    let peer = Record::sign(&keypair, 1, &[address]).expect("signing works");
    Descriptor { peer, age }
}

fn shared_within(limits: Limits) -> Arc<Shared<Sampling>> {
    #[expect(clippy::disallowed_methods, reason = "any time will do")]
    let clock = Clock::new(Instant::now());
    let period = std::time::Duration::from_secs(10);
    let tally = Arc::new(Tally::default());
    let gate = Arc::new(Gate::new(&limits, period));
    let policy = AddressPolicy::new(Scope::Loopback);
    let verifier = Verifier::new(policy, limits, NET, tally.clone());
    let wire = Sampling::new(verifier, limits, tally.clone(), clock);
    Arc::new(Shared::new(wire, limits, (gate, 1), tally, clock))
}

fn shared() -> Arc<Shared<Sampling>> {
    shared_within(Limits::default())
}

fn framed(message: &impl Message) -> Vec<u8> {
    message.encode_length_delimited_to_vec()
}

/// What the answering side makes of these bytes.
fn receive_by(shared: &Arc<Shared<Sampling>>, bytes: Vec<u8>) -> Result<Request, MessageError> {
    let stream = Scripted::new(bytes);
    let (request, _) = block_on(receive_request(stream, PeerId::random(), shared))?;
    Ok(request)
}

fn receive(bytes: Vec<u8>) -> Result<Request, MessageError> {
    receive_by(&shared(), bytes)
}

/// What the starting side makes of these bytes, in answer to `request`.
fn response_to(request: &pb::Request, bytes: &[u8]) -> Result<Response, MessageError> {
    let wire = &shared().wire;
    let expected = Expected { pull: request.pull };
    let request = Some(framed_len(request.encoded_len()));
    let mut frames = Frames::new(wire.response_bound(&expected), request);
    let mut src = BytesMut::from(bytes);
    let bytes = frames.decode_eof(&mut src)?.ok_or(MessageError::CutOff)?;
    wire.decode_response(PeerId::random(), &bytes, expected)
}

fn asking(padding: usize) -> pb::Request {
    pb::Request {
        pull: true,
        padding: vec![0; padding],
        ..Default::default()
    }
}
