//! A real node meets peers that break the rules, and must name what they did, keep its view, and go
//! on using the connection.

mod common;

use std::{collections::BTreeSet, time::Duration};

use common::{
    raw::{Listener, Raw, RawStream, framed, pb, peer_record, signed, varint, within},
    swarms::{Node, Sampling, config, eventually, eventually_async, swarm},
};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder, Transport,
    core::muxing::StreamMuxerBox,
    identify,
    identity::Keypair,
    multiaddr::Protocol,
    quic,
    swarm::{ConnectionId, NetworkBehaviour},
};
use libp2p_peer_sampling::{
    Behaviour, Config, Counters, Direction, Event, ExchangeError, InboundError, Limits,
    MAX_DESCRIPTORS, MAX_MESSAGE_BYTES, MAX_RECORD_BYTES, MessageError, OutboundError, Reason,
    SeedError, sampler::Propagation,
};
use prost::Message;
use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A node that starts nothing by itself after its first round, and never gives up: what happens,
/// happens because of what a test has sent. Without neighbours, which would make it hurry. One peer
/// may send all the requests of a test.
fn still() -> Config {
    let mut limits = Limits::default();
    limits.request_burst = 1_000;
    config()
        .with_limits(limits)
        .with_period(HOUR)
        .with_eager_delay(HOUR)
        .with_exchange_timeout(HOUR)
        .with_neighbours(0)
}

fn start(config: Config) -> Sampling {
    // Only a peer sampling behaviour may close anything here.
    Sampling::with_idle_timeout(HOUR, config)
}

/// The node under test, and the honest one that is all its view.
struct Victim {
    sampling: Sampling,
    honest: Sampling,
}

impl Victim {
    async fn start(config: Config) -> Self {
        let mut sampling = start(config);
        let honest = start(still().with_seeds([sampling.node.address.clone()]));
        let peer_id = honest.node.peer_id;
        // Its only round for an hour.
        let round = |event| match event {
            Event::Exchanged {
                peer,
                direction: Direction::Outbound,
                ..
            } => (peer == peer_id).then_some(()),
            _ => None,
        };
        sampling.event("the first round", round).await;
        let victim = Self { sampling, honest };
        victim.assert_view([], "at the start");
        victim
    }

    fn address(&self) -> &Multiaddr {
        &self.sampling.node.address
    }

    /// The view holds the honest node, these, and nobody else.
    fn assert_view(&self, others: impl IntoIterator<Item = PeerId>, when: &str) {
        let expected: BTreeSet<_> = others
            .into_iter()
            .chain([self.honest.node.peer_id])
            .collect();
        let view = self.sampling.view();
        assert_eq!(BTreeSet::from_iter(view), expected, "{when}");
    }

    async fn counters(&self) -> Counters {
        let counters = |swarm: &mut Swarm<Behaviour>| swarm.behaviour().counters();
        self.sampling.node.ask(counters).await
    }

    /// What was refused since `before`.
    async fn counted_since(&self, before: &Counters) -> Counted {
        counted(before, &self.counters().await)
    }

    async fn dial(&self, address: &Multiaddr) {
        let address = address.clone();
        let dial = self.sampling.node.ask(move |swarm| swarm.dial(address));
        dial.await.expect("a dial");
    }

    async fn add_seed(&self, address: &Multiaddr) -> Result<(), SeedError> {
        let address = address.clone();
        let add = move |swarm: &mut Swarm<Behaviour>| swarm.behaviour_mut().add_seed(address);
        self.sampling.node.ask(add).await
    }

    /// How the request failed that `from` has sent, and the name of the connection.
    async fn inbound_failed(&mut self, from: PeerId, what: &str) -> (InboundError, ConnectionId) {
        let failed = |event| match event {
            Event::InboundFailed {
                peer,
                connection_id,
                error,
            } => {
                assert_eq!(peer, from, "{what}");
                Some((error, connection_id))
            }
            _ => None,
        };
        self.sampling.event(what, failed).await
    }

    /// How the exchange with `with` failed, and whether the peer left the view for it.
    async fn exchange_failed(&mut self, with: PeerId, what: &str) -> (ExchangeError, bool) {
        let failed = |event| match event {
            Event::ExchangeFailed {
                peer,
                error,
                removed,
            } => {
                assert_eq!(peer, with, "{what}");
                Some((error, removed))
            }
            _ => None,
        };
        self.sampling.event(what, failed).await
    }

    async fn seed_failed(&mut self, seed: &Multiaddr, what: &str) -> SeedError {
        let failed = |event| match event {
            Event::SeedFailed { address, error } => {
                assert_eq!(address, *seed, "{what}");
                Some(error)
            }
            _ => None,
        };
        self.sampling.event(what, failed).await
    }

    /// The peer makes an exchange as it should be, on the connection that it has spoilt before, and
    /// gets what anybody gets: the view was closed to the fault, and not to the peer.
    async fn makes_up_with(&mut self, raw: &Raw, what: &str) {
        let request = asking(vec![raw.descriptor()]);
        let response = raw.exchange(&request).await;
        // Itself and the honest one.
        assert_eq!(response.descriptors.len(), 2, "{what}");
        self.assert_view([raw.peer_id], what);
        self.remove(raw.peer_id).await;
    }

    async fn remove(&self, peer: PeerId) {
        let remove = move |swarm: &mut Swarm<Behaviour>| swarm.behaviour_mut().remove(&peer);
        assert!(self.sampling.node.ask(remove).await);
        self.assert_view([], "as before");
    }

    /// The end of a good exchange with `with`: how many descriptors came from it.
    async fn exchanged(&mut self, with: PeerId, way: Direction, what: &str) -> usize {
        let exchanged = |event| match event {
            Event::Exchanged {
                peer,
                direction,
                received,
                ..
            } => (peer == with && direction == way).then_some(received),
            Event::ExchangeFailed { .. } | Event::InboundFailed { .. } => {
                panic!("{what}: {event:?}")
            }
            _ => None,
        };
        self.sampling.event(what, exchanged).await
    }

    /// What has happened and nobody has asked for yet.
    fn other_events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.sampling.node.events.try_recv().ok()).collect()
    }

    /// The application connects a peer, so the behaviour tries an exchange on the connection, and
    /// leaves it open afterwards: it is not its own.
    async fn connect(&self, listener: &mut Listener) -> Raw {
        self.dial(&listener.address).await;
        listener.accept().await
    }

    async fn stop(self) {
        self.sampling.node.stop().await;
        self.honest.node.stop().await;
    }
}

/// A request with enough room for the answers in these tests.
fn asking(descriptors: Vec<pb::Descriptor>) -> pb::Request {
    pb::Request {
        descriptors,
        pull: true,
        padding: vec![0; 1_024],
        ..Default::default()
    }
}

/// Bytes that are no message. Descriptors are field 1 of both messages, so that each fault is one
/// of a request as much as of a response.
struct Fault {
    name: String,
    bytes: Vec<u8>,
    /// Whether the peer closes its side behind them. If not, it keeps the node waiting for more.
    closes: bool,
    /// The name of what it is counted as.
    reason: &'static str,
    is: Box<dyn Fn(&MessageError) -> bool>,
}

impl Fault {
    /// It is the error that it should be, and was counted as that and as nothing else.
    fn assert(&self, error: &MessageError, counted: Counted) {
        let what = &self.name;
        assert!((self.is)(error), "{what}: {error:?}");
        assert_eq!(error.reason().name(), self.reason, "{what}");
        assert_eq!(counted, [(self.reason, 1)], "{what}");
    }
}

/// The refusals that were counted lately, by their names.
type Counted = Vec<(&'static str, u64)>;

fn counted(before: &Counters, after: &Counters) -> Counted {
    let pairs = before.refusals().zip(after.refusals());
    let more = pairs.map(|((reason, before), (_, after))| (reason.name(), after - before));
    more.filter(|(_, count)| *count > 0).collect()
}

fn fault(
    name: impl Into<String>,
    bytes: Vec<u8>,
    reason: &'static str,
    is: impl Fn(&MessageError) -> bool + 'static,
) -> Fault {
    Fault {
        name: name.into(),
        bytes,
        closes: false,
        reason,
        is: Box::new(is),
    }
}

/// `message` behind its length.
fn prefixed(message: &[u8]) -> Vec<u8> {
    [&varint(message.len() as u64)[..], message].concat()
}

fn descriptors(count: usize) -> Vec<u8> {
    framed(&pb::Request {
        descriptors: vec![pb::Descriptor::default(); count],
        ..Default::default()
    })
}

fn faults() -> Vec<Fault> {
    let is_cut_off = |error: &MessageError| matches!(error, MessageError::CutOff);
    let no_protobuf = |error: &MessageError| matches!(error, MessageError::NotProtobuf(_));
    let closed = |fault| Fault {
        closes: true,
        ..fault
    };
    let (cut_off, not_protobuf) = ("message_cut_off", "message_not_protobuf");
    let too_long = MAX_MESSAGE_BYTES as u64 + 1;
    // Group in group in group, as deep as fits: what skips them must not recurse as deep.
    let groups = vec![0x2b; MAX_MESSAGE_BYTES];
    let mut faults = vec![
        fault(
            "one byte too long",
            varint(too_long),
            "message_too_long",
            move |error| matches!(error, MessageError::TooLong { bytes } if *bytes == too_long),
        ),
        fault(
            "as long as can be",
            varint(u64::MAX),
            "message_too_long",
            |error| matches!(error, MessageError::TooLong { bytes: u64::MAX }),
        ),
        fault(
            "a length without end",
            vec![0xff; 11],
            not_protobuf,
            no_protobuf,
        ),
        closed(fault("nothing", vec![], cut_off, is_cut_off)),
        closed(fault("half a length", vec![0x80], cut_off, is_cut_off)),
        closed(fault(
            "half a message",
            vec![10, 0x0a, 8, 1],
            cut_off,
            is_cut_off,
        )),
        fault("no field", prefixed(&[0xff; 3]), not_protobuf, no_protobuf),
        fault(
            "a number for descriptors",
            prefixed(&[0x08, 1]),
            not_protobuf,
            no_protobuf,
        ),
        fault(
            "a descriptor that is longer than the message",
            prefixed(&[0x0a, 0x7f]),
            not_protobuf,
            no_protobuf,
        ),
        fault(
            "a descriptor that is none",
            prefixed(&[0x0a, 1, 0xff]),
            not_protobuf,
            no_protobuf,
        ),
        fault(
            "groups without end",
            prefixed(&groups),
            not_protobuf,
            no_protobuf,
        ),
        fault(
            "one descriptor too many",
            descriptors(MAX_DESCRIPTORS + 1),
            "too_many_descriptors",
            |error| matches!(error, MessageError::TooManyDescriptors { count } if *count == MAX_DESCRIPTORS + 1),
        ),
        fault(
            "as many descriptors as fit",
            descriptors(MAX_MESSAGE_BYTES / 2),
            "too_many_descriptors",
            |error| matches!(error, MessageError::TooManyDescriptors { count } if *count == MAX_MESSAGE_BYTES / 2),
        ),
    ];
    // Behind a good one, which must not come in either.
    let message = pb::Request {
        descriptors: vec![stranger(), bare(vec![0; MAX_RECORD_BYTES + 1])],
        ..Default::default()
    };
    faults.push(fault(
        "a record that is too large",
        framed(&message),
        "record_too_large",
        |error| matches!(error, MessageError::RecordTooLarge { index: 1, bytes } if *bytes == MAX_RECORD_BYTES + 1),
    ));
    faults
}

/// Faults of answers: an end without a byte is none, and what is longer than the request is refused
/// for that.
fn faults_of_answers(request: &pb::Request) -> Vec<Fault> {
    let request = framed(request).len();
    let mut faults = faults();
    faults.retain(|fault| !fault.bytes.is_empty());
    for fault in &mut faults {
        let bytes = fault.bytes.len();
        if bytes > request {
            fault.reason = "response_too_long";
            fault.is = Box::new(move |error| {
                matches!(error, MessageError::ResponseTooLong { bytes: came, request: asked }
                    if *came == bytes as u64 && *asked == request)
            });
        }
    }
    faults
}

fn bare(signed_peer_record: Vec<u8>) -> pb::Descriptor {
    pb::Descriptor {
        signed_peer_record,
        age: 0,
    }
}

/// A flawless descriptor of somebody new.
fn stranger() -> pb::Descriptor {
    let keypair = Keypair::generate_ed25519();
    bare(signed(&keypair, &peer_record(&keypair, &[&home()])))
}

fn home() -> Multiaddr {
    Multiaddr::from(Protocol::Memory(u64::MAX - 1))
}

/// Records that a node cannot use, and what each is counted as.
fn unusable_records() -> Vec<(&'static str, Vec<u8>, Reason)> {
    let keypair = Keypair::generate_ed25519();
    let other = Keypair::generate_ed25519();
    let record = peer_record(&keypair, &[&home()]);
    let edited = |edit: fn(&mut pb::Envelope)| {
        let mut envelope = pb::Envelope::decode(&signed(&keypair, &record)[..]).expect("just made");
        edit(&mut envelope);
        envelope.encode_to_vec()
    };
    let of_type = |key_type| {
        let mut envelope = pb::Envelope::decode(&signed(&keypair, &record)[..]).expect("just made");
        envelope.public_key.as_mut().expect("there").r#type = key_type;
        envelope.encode_to_vec()
    };
    let with_address = |multiaddr: &[u8]| {
        let mut record = record.clone();
        record.addresses[0].multiaddr = multiaddr.to_vec();
        signed(&keypair, &record)
    };
    let mut no_peer = record.clone();
    no_peer.peer_id = vec![1, 2, 3];
    let of_another = home().with(Protocol::P2p(other.public().to_peer_id()));
    let mut too_many = peer_record(&keypair, &[&home(); 9]);
    too_many.seq = 2;
    vec![
        (
            "a record with a wrong signature",
            edited(|envelope| envelope.signature[5] ^= 1),
            Reason::RecordSignature,
        ),
        (
            "a record without a signature",
            edited(|envelope| envelope.signature.clear()),
            Reason::RecordSignature,
        ),
        (
            "a record with an RSA key",
            of_type(pb::KeyType::Rsa.into()),
            Reason::RecordKeyType,
        ),
        (
            "a record with a key type of a later version",
            of_type(4),
            Reason::RecordKeyType,
        ),
        (
            "a record with a key type whose feature is off",
            of_type(pb::KeyType::Ecdsa.into()),
            match cfg!(feature = "ecdsa") {
                true => Reason::RecordKey,
                false => Reason::RecordKeyUnsupported,
            },
        ),
        (
            "a record with a broken key",
            edited(|envelope| {
                envelope
                    .public_key
                    .as_mut()
                    .expect("there")
                    .data
                    .truncate(3)
            }),
            Reason::RecordKey,
        ),
        (
            "a record of another type",
            edited(|envelope| envelope.payload_type = vec![0x03, 0x02]),
            Reason::RecordPayloadType,
        ),
        (
            "a record that is no protobuf",
            vec![0xff; 9],
            Reason::RecordNotProtobuf,
        ),
        ("an empty record", vec![], Reason::RecordPayloadType),
        (
            "a record about nobody",
            signed(&keypair, &no_peer),
            Reason::RecordPeerId,
        ),
        (
            "a record about another",
            signed(&other, &record),
            Reason::RecordSigner,
        ),
        (
            "a record with too many addresses",
            signed(&keypair, &too_many),
            Reason::RecordTooManyAddresses,
        ),
        (
            "a record with an address of an unknown protocol",
            with_address(&[0x8f, 0x4e]),
            Reason::RecordAddress,
        ),
        (
            "a record with a truncated address",
            with_address(&[4, 127, 0]),
            Reason::RecordAddress,
        ),
        (
            "a record with an address of another",
            with_address(&of_another.to_vec()),
            Reason::RecordAddressOfAnother,
        ),
        (
            "a record without addresses",
            signed(&keypair, &peer_record(&keypair, &[])),
            Reason::RecordNotAdmitted,
        ),
    ]
}

/// Puts a fault on a stream. The node may have had enough before the end.
async fn send(stream: &mut RawStream, fault: &Fault) {
    let send = async {
        let _ = stream.write_all(&fault.bytes).await;
        let _ = stream.flush().await;
        if fault.closes {
            let _ = stream.close().await;
        }
    };
    within(&fault.name, send).await;
}

async fn put(stream: &mut RawStream, bytes: &[u8]) {
    within("writing", stream.write_all(bytes))
        .await
        .expect("a stream");
    within("writing", stream.flush()).await.expect("a stream");
}

async fn end(stream: &mut RawStream) {
    // The node may have all that it wants, and be gone.
    let _ = within("closing", stream.close()).await;
}

/// Waits until the node has let go of a stream, and returns what came until then.
async fn rest(stream: &mut RawStream, what: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = within(what, stream.read_to_end(&mut bytes)).await;
    bytes
}

#[tokio::test]
async fn bad_requests_are_named_and_spoil_nothing() {
    let mut victim = Victim::start(still()).await;
    let raw = Raw::dial(victim.address()).await;
    let (mut connections, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for fault in faults() {
        let before = victim.counters().await;
        let mut stream = raw.open().await;
        send(&mut stream, &fault).await;
        let (error, connection) = victim.inbound_failed(raw.peer_id, &fault.name).await;
        let InboundError::Request(error) = error else {
            panic!("{}: {error:?}", fault.name);
        };
        fault.assert(&error, victim.counted_since(&before).await);
        assert_eq!(rest(&mut stream, &fault.name).await, [], "{}", fault.name);
        victim.assert_view([], &fault.name);
        victim.makes_up_with(&raw, &fault.name).await;
        connections.insert(connection);
        seen.insert(fault.reason);
    }
    assert_eq!(connections.len(), 1, "all on the same connection");
    // Every kind of fault that a request can have, but streams that break.
    let of_messages = |name: &&str| name.starts_with("message");
    let all: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    let mut all: BTreeSet<_> = all.into_iter().filter(of_messages).collect();
    all.extend(["too_many_descriptors", "record_too_large"]);
    assert_eq!(seen, all);
    raw.stop().await;
    victim.stop().await;
}

/// What the node reads on after it has refused a message would be read for nothing.
#[tokio::test]
async fn what_is_too_long_is_not_read() {
    let mut victim = Victim::start(still()).await;
    let raw = Raw::dial(victim.address()).await;
    let mut stream = raw.open().await;
    // Far more than yamux lets through without a reader.
    let bytes = [varint(16 << 20), vec![0; 16 << 20]].concat();
    let written = within("an end to the writing", stream.write_all(&bytes)).await;
    assert!(written.is_err(), "the node has read all of it");
    let (error, _) = victim.inbound_failed(raw.peer_id, "too long").await;
    assert!(
        matches!(
            error,
            InboundError::Request(MessageError::TooLong { bytes: 0x100_0000 })
        ),
        "{error:?}"
    );
    victim.assert_view([], "after a message too long");
    victim.makes_up_with(&raw, "too long").await;
    raw.stop().await;
    victim.stop().await;
}

#[tokio::test]
async fn bad_answers_are_named_and_spoil_nothing() {
    let mut victim = Victim::start(still()).await;
    for number in 0.. {
        let before = victim.counters().await;
        let mut listener = Listener::memory().await;
        let mut raw = victim.connect(&mut listener).await;
        let (request, mut stream) = raw.request().await;
        let mut faults = faults_of_answers(&request).into_iter();
        let Some(fault) = faults.nth(number) else {
            break;
        };
        let what = &fault.name;
        assert_eq!(request.descriptors.len(), 2, "{what}: itself, the other");
        send(&mut stream, &fault).await;
        let (error, removed) = victim.exchange_failed(raw.peer_id, what).await;
        let ExchangeError::Outbound(OutboundError::Message(error)) = error else {
            panic!("{what}: {error:?}");
        };
        fault.assert(&error, victim.counted_since(&before).await);
        assert!(!removed, "{what}");
        victim.assert_view([], what);
        victim.makes_up_with(&raw, what).await;
        raw.stop().await;
    }
    victim.stop().await;
}

#[tokio::test]
async fn bad_answers_of_seeds_are_named_and_spoil_nothing() {
    let mut victim = Victim::start(still()).await;
    for number in 0.. {
        let before = victim.counters().await;
        let mut listener = Listener::memory().await;
        victim
            .add_seed(&listener.address)
            .await
            .expect("a good address");
        let mut raw = listener.accept().await;
        let (request, mut stream) = raw.request().await;
        let mut faults = faults_of_answers(&request).into_iter();
        let Some(fault) = faults.nth(number) else {
            break;
        };
        let what = &fault.name;
        send(&mut stream, &fault).await;
        let error = victim.seed_failed(&listener.address, what).await;
        let SeedError::Exchange(ExchangeError::Outbound(OutboundError::Message(error))) = error
        else {
            panic!("{what}: {error:?}");
        };
        fault.assert(&error, victim.counted_since(&before).await);
        victim.assert_view([], what);
        // Dialled for this exchange only, and of no further use.
        raw.closed().await;
    }
    victim.stop().await;
}

/// An exchange is one request and one answer. There is nobody to read more.
#[tokio::test]
async fn what_follows_a_message_changes_nothing() {
    let mut victim = Victim::start(still()).await;
    let stranger = Keypair::generate_ed25519();
    let more = pb::Descriptor {
        signed_peer_record: signed(&stranger, &peer_record(&stranger, &[&home()])),
        age: 0,
    };

    let mut listener = Listener::memory().await;
    let mut raw = victim.connect(&mut listener).await;
    let (_, mut stream) = raw.request().await;
    let answer = |descriptor| {
        framed(&pb::Response {
            descriptors: vec![descriptor],
            neighbour: false,
        })
    };
    let bytes = [
        answer(raw.descriptor()),
        answer(more.clone()),
        vec![0xff; 100],
    ]
    .concat();
    put(&mut stream, &bytes).await;
    end(&mut stream).await;
    let received = victim
        .exchanged(raw.peer_id, Direction::Outbound, "two answers")
        .await;
    assert_eq!(received, 1);
    victim.assert_view([raw.peer_id], "after two answers");
    victim.remove(raw.peer_id).await;
    victim.makes_up_with(&raw, "two answers").await;

    let mut stream = raw.open().await;
    let pull = asking(vec![]);
    let push = pb::Request {
        descriptors: vec![more],
        ..Default::default()
    };
    let bytes = [framed(&pull), framed(&push)].concat();
    put(&mut stream, &bytes).await;
    let answer = rest(&mut stream, "one answer").await;
    let answer = pb::Response::decode_length_delimited(&answer[..]).expect("protobuf");
    assert_eq!(answer.descriptors.len(), 2);
    victim.assert_view([], "after two requests");
    victim.makes_up_with(&raw, "two requests").await;

    let events = victim.other_events();
    let exchanges = events
        .iter()
        .filter(|event| matches!(event, Event::Exchanged { peer, direction: Direction::Inbound, .. } if *peer == raw.peer_id));
    // The first of the two requests, and the good one after each fault.
    assert_eq!(exchanges.count(), 3, "{events:?}");
    assert!(
        events.iter().all(|event| matches!(
            event,
            Event::Exchanged {
                direction: Direction::Inbound,
                ..
            } | Event::Contacted { .. }
        )),
        "{events:?}"
    );
    raw.stop().await;
    victim.stop().await;
}

/// A record that one implementation can read and another cannot may be an honest peer's: given to
/// those that can, it must not part the two.
#[tokio::test]
async fn record_in_a_request_that_cannot_be_used_is_passed_over_and_not_passed_on() {
    let mut victim = Victim::start(still()).await;
    let raw = Raw::dial(victim.address()).await;
    for (what, poison, reason) in unusable_records() {
        let before = victim.counters().await;
        let [first, last] = [stranger(), stranger()];
        let request = asking(vec![first.clone(), bare(poison.clone()), last.clone()]);
        raw.exchange(&request).await;
        let received = victim
            .exchanged(raw.peer_id, Direction::Inbound, what)
            .await;
        // A wrong signature ends the verification in its message.
        let expected = match reason {
            Reason::RecordSignature => vec![&first],
            _ => vec![&first, &last],
        };
        assert_eq!(received, expected.len(), "{what}");
        let after = victim.counters().await;
        assert_eq!(after.refused(reason) - before.refused(reason), 1, "{what}");
        let passed_over = after.records_passed_over - before.records_passed_over;
        assert_eq!(passed_over, 3 - expected.len() as u64, "{what}");

        let passed_on = raw.exchange(&asking(vec![])).await.descriptors;
        victim
            .exchanged(raw.peer_id, Direction::Inbound, what)
            .await;
        let passed_on: Vec<_> = passed_on.iter().map(|d| &d.signed_peer_record).collect();
        assert!(!passed_on.contains(&&poison), "{what}");
        for taken in expected {
            assert!(passed_on.contains(&&taken.signed_peer_record), "{what}");
        }
        for peer in victim.sampling.view() {
            if peer != victim.honest.node.peer_id {
                let remove =
                    move |swarm: &mut Swarm<Behaviour>| swarm.behaviour_mut().remove(&peer);
                assert!(victim.sampling.node.ask(remove).await, "{what}");
            }
        }
        victim.assert_view([], what);
    }
    raw.stop().await;
    victim.stop().await;
}

/// The second answer used to cost the honest carrier its place in the view.
#[tokio::test]
async fn carrier_of_a_record_that_cannot_be_used_is_not_blamed() {
    let config = still().with_period(SHORT / 5).with_exchange_timeout(HOUR);
    // A node that only pulls pads all its requests: there is room for any answer.
    let mut node = start(config.with_propagation(Propagation::Pull));
    let mut raw = Raw::dial(&node.node.address).await;
    let peer_id = raw.peer_id;
    let request = pb::Request {
        descriptors: vec![raw.descriptor()],
        ..Default::default()
    };
    raw.exchange(&request).await;
    let mut counted = BTreeSet::new();
    for (what, poison, reason) in unusable_records() {
        for _ in 0..2 {
            let (_, mut stream) = raw.request().await;
            let answer = pb::Response {
                descriptors: vec![raw.descriptor(), bare(poison.clone())],
                neighbour: false,
            };
            put(&mut stream, &framed(&answer)).await;
            end(&mut stream).await;
            let exchanged = |event| match event {
                Event::Exchanged {
                    direction: Direction::Outbound,
                    received,
                    ..
                } => Some(received),
                Event::ExchangeFailed { .. } => panic!("{what}: {event:?}"),
                _ => None,
            };
            assert_eq!(node.event(what, exchanged).await, 1, "{what}");
            assert_eq!(node.view(), [peer_id], "{what}");
        }
        counted.insert(reason.name());
    }
    let counters = node.node.ask(|swarm| swarm.behaviour().counters()).await;
    let refusals = counters.refusals().filter(|(_, count)| *count > 0);
    let refusals: BTreeSet<_> = refusals.map(|(reason, _)| reason.name()).collect();
    assert_eq!(refusals, counted);
    raw.stop().await;
    node.node.stop().await;
}

/// A stream that ends before a byte of the answer came says that the peer has enough to do.
#[tokio::test]
async fn peer_that_does_not_serve_is_not_blamed() {
    let config = still().with_period(2 * SHORT);
    let mut node = start(config);
    let mut raw = Raw::dial(&node.node.address).await;
    let peer_id = raw.peer_id;
    let request = pb::Request {
        descriptors: vec![raw.descriptor()],
        ..Default::default()
    };
    raw.exchange(&request).await;
    for closes in [true, false, false] {
        let (_, mut stream) = raw.request().await;
        if closes {
            end(&mut stream).await;
        }
        drop(stream);
        let failed = |event| match event {
            Event::ExchangeFailed {
                peer,
                error,
                removed,
            } => Some((peer, error, removed)),
            _ => None,
        };
        let (peer, error, removed) = node.event("no answer", failed).await;
        assert_eq!((peer, removed), (peer_id, false));
        assert!(
            matches!(error, ExchangeError::Outbound(OutboundError::NotServed)),
            "{error:?}"
        );
        assert_eq!(node.view(), [peer_id]);
    }
    raw.stop().await;
    node.node.stop().await;
}

#[tokio::test]
async fn descriptors_that_nobody_has_asked_for_are_refused() {
    let mut victim = Victim::start(still().with_propagation(Propagation::Push)).await;
    let mut listener = Listener::memory().await;
    let mut raw = victim.connect(&mut listener).await;
    let (request, mut stream) = raw.request().await;
    assert!(!request.pull);
    let answer = pb::Response {
        descriptors: vec![raw.descriptor()],
        neighbour: false,
    };
    let before = victim.counters().await;
    put(&mut stream, &framed(&answer)).await;
    let what = "an answer that is too much";
    let (error, removed) = victim.exchange_failed(raw.peer_id, what).await;
    assert!(
        matches!(
            error,
            ExchangeError::Outbound(OutboundError::Message(MessageError::UnaskedDescriptors {
                count: 1
            }))
        ),
        "{error:?}"
    );
    assert!(!removed);
    let counted = victim.counted_since(&before).await;
    assert_eq!(counted, [("unasked_descriptors", 1)]);
    victim.assert_view([], what);
    victim.makes_up_with(&raw, what).await;
    raw.stop().await;
    victim.stop().await;
}

/// Far more than the request took: none of it is read but its length.
#[tokio::test]
async fn answer_longer_than_its_request_is_refused_unread() {
    let mut victim = Victim::start(still()).await;
    let mut listener = Listener::memory().await;
    let mut raw = victim.connect(&mut listener).await;
    let (request, mut stream) = raw.request().await;
    let asked = framed(&request).len();
    let answer = pb::Response {
        descriptors: (0..60).map(|_| stranger()).collect(),
        neighbour: false,
    };
    let answer = framed(&answer);
    let before = victim.counters().await;
    // The length alone: nothing that follows is waited for.
    put(&mut stream, &answer[..2]).await;
    let what = "an answer that is too long";
    let (error, removed) = victim.exchange_failed(raw.peer_id, what).await;
    assert!(
        matches!(
            error,
            ExchangeError::Outbound(OutboundError::Message(
                MessageError::ResponseTooLong { bytes, request }
            )) if bytes == answer.len() as u64 && request == asked
        ),
        "{error:?}"
    );
    assert!(!removed);
    let counted = victim.counted_since(&before).await;
    assert_eq!(counted, [("response_too_long", 1)]);
    assert_eq!(
        victim.counters().await.bytes_received - before.bytes_received,
        2
    );
    victim.assert_view([], what);
    victim.makes_up_with(&raw, what).await;
    raw.stop().await;
    victim.stop().await;
}

#[tokio::test]
async fn a_neighbour_that_nobody_has_asked_is_told_so() {
    let mut victim = Victim::start(still()).await;
    let mut listener = Listener::memory().await;
    let mut raw = victim.connect(&mut listener).await;
    let yes = framed(&pb::Response {
        neighbour: true,
        ..Default::default()
    });
    let (request, mut stream) = raw.request().await;
    assert_eq!(request.neighbour(), pb::Neighbour::None);
    put(&mut stream, &yes).await;
    end(&mut stream).await;
    victim
        .exchanged(raw.peer_id, Direction::Outbound, "the exchange")
        .await;
    // The notice, and a peer that does not listen to it.
    let (notice, mut stream) = raw.request().await;
    assert_eq!(notice, pb::Request::default());
    put(&mut stream, &yes).await;
    end(&mut stream).await;
    victim.makes_up_with(&raw, "an answer to nothing").await;
    assert!(!raw.has_stream(), "it is told once");
    let neighbours = |swarm: &mut Swarm<Behaviour>| swarm.behaviour().neighbours().len();
    assert_eq!(victim.sampling.node.ask(neighbours).await, 0);
    raw.stop().await;
    victim.stop().await;
}

/// Long enough for an honest exchange on a busy machine, and short enough to be waited for.
const SHORT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn requests_that_do_not_come_are_not_waited_for() {
    let mut victim = Victim::start(still().with_exchange_timeout(SHORT)).await;
    let raw = Raw::dial(victim.address()).await;
    let begun = Instant::now();
    let mut silent = raw.open().await;
    let mut half = raw.open().await;
    let mut dripping = raw.open().await;
    put(&mut half, &[10, 0x0a, 8, 1]).await;
    let length = varint(MAX_MESSAGE_BYTES as u64);
    put(&mut dripping, &length).await;
    // Each byte comes in good time, and the message would take hours.
    let drip = async {
        loop {
            if dripping.write_all(&[0]).await.is_err() || dripping.flush().await.is_err() {
                return;
            }
            tokio::time::sleep(SHORT / 20).await;
        }
    };
    within("an end to the dripping", drip).await;
    // However little patience this node has with its own requests.
    let borne = begun.elapsed();
    assert!(borne >= Duration::from_secs(10), "{borne:?}");
    for _ in 0..3 {
        let (error, _) = victim.inbound_failed(raw.peer_id, "silence").await;
        assert!(matches!(error, InboundError::RequestTimeout), "{error:?}");
    }
    let counters = victim.counters().await;
    assert_eq!(counters.refused(Reason::RequestTimeout), 3);
    assert_eq!(rest(&mut silent, "an end to silence").await, []);
    assert_eq!(rest(&mut half, "an end to half a message").await, []);
    victim.assert_view([], "after silence");
    victim.makes_up_with(&raw, "silence").await;
    raw.stop().await;
    victim.stop().await;
}

/// Over QUIC, where a reader says how much it takes. With yamux, whose windows of 256 KiB are part
/// of its protocol, the largest answer there is goes out whether or not anybody reads it.
#[tokio::test]
async fn answers_that_are_not_read_are_not_waited_for() {
    let config = still().with_exchange_timeout(SHORT);
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_quic()
        .with_behaviour(|keypair| Behaviour::new(keypair, config).expect("valid settings"))
        .expect("infallible")
        .with_swarm_config(|config| config.with_idle_connection_timeout(HOUR))
        .build();
    let any = "/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("a multiaddr");
    swarm.listen_on(any).expect("a free port");
    let handle = swarm.behaviour().handle();
    let mut node = Node::spawn(swarm, Multiaddr::empty());
    let mut address = None;
    while address.is_none() {
        address = node.ask(|swarm| swarm.listeners().next().cloned()).await;
        tokio::task::yield_now().await;
    }

    let keypair = Keypair::generate_ed25519();
    let mut config = quic::Config::new(&keypair);
    // The negotiation fits, and no answer with a record in it.
    config.max_stream_data = 64;
    let transport = quic::tokio::Transport::new(config)
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
        .boxed();
    let address = address.expect("it listens");
    let raw = Raw::dial_on(keypair, transport, &address).await;
    let request = asking(vec![raw.descriptor()]);
    let mut stream = raw.open().await;
    put(&mut stream, &framed(&request)).await;
    end(&mut stream).await;
    let failed = |event| match event {
        Event::InboundFailed { peer, error, .. } => Some((peer, error)),
        _ => None,
    };
    let (peer, error) = node.event("an answer that is not read", failed).await;
    assert_eq!(peer, raw.peer_id);
    assert!(matches!(error, InboundError::ResponseTimeout), "{error:?}");
    let counters = node.ask(|swarm| swarm.behaviour().counters()).await;
    assert_eq!(counters.refused(Reason::ResponseTimeout), 1);
    // The request was good, and is merged.
    let view: Vec<_> = handle
        .view()
        .iter()
        .map(|record| record.peer_id())
        .collect();
    assert_eq!(view, [raw.peer_id]);

    let answer = raw.exchange(&request).await;
    assert_eq!(answer.descriptors.len(), 2, "the node, and this peer");
    raw.stop().await;
    node.stop().await;
}

fn is_timeout(error: &ExchangeError) -> bool {
    // The connection's clock and the behaviour's run side by side.
    matches!(
        error,
        ExchangeError::Timeout | ExchangeError::Outbound(OutboundError::Timeout)
    )
}

#[tokio::test]
async fn answers_that_do_not_come_are_not_waited_for() {
    let mut victim = Victim::start(still().with_exchange_timeout(SHORT)).await;
    for negotiates in [true, false] {
        let what = &format!("a peer that does not answer, negotiates: {negotiates}");
        let mut listener = Listener::memory().await;
        let mut raw = victim.connect(&mut listener).await;
        let (mut answered, mut unanswered) = (None, None);
        match negotiates {
            true => answered = Some(raw.request().await.1),
            false => unanswered = Some(raw.accept().await),
        }
        let (error, removed) = victim.exchange_failed(raw.peer_id, what).await;
        assert!(is_timeout(&error), "{what}: {error:?}");
        assert!(!removed, "{what}");
        victim.assert_view([], what);
        // An answer that comes too late is one to nothing, and brings nobody in.
        if let Some(stream) = &mut answered {
            let late = pb::Response {
                descriptors: vec![raw.descriptor()],
                neighbour: true,
            };
            let _ = within(what, stream.write_all(&framed(&late))).await;
            end(stream).await;
        }
        victim.assert_view([], what);
        victim.makes_up_with(&raw, what).await;
        drop(unanswered);
        raw.stop().await;
    }

    let what = "a seed that does not answer";
    let mut listener = Listener::memory().await;
    victim
        .add_seed(&listener.address)
        .await
        .expect("a good address");
    let mut raw = listener.accept().await;
    let request = raw.request().await;
    let error = victim.seed_failed(&listener.address, what).await;
    let SeedError::Exchange(error) = error else {
        panic!("{error:?}");
    };
    assert!(is_timeout(&error), "{error:?}");
    victim.assert_view([], what);
    raw.closed().await;
    drop(request);
    victim.stop().await;
}

/// One lost answer may be the network's fault.
#[tokio::test]
async fn a_silent_peer_leaves_the_view_the_second_time() {
    let config = still().with_period(2 * SHORT).with_exchange_timeout(SHORT);
    let mut node = start(config);
    let mut raw = Raw::dial(&node.node.address).await;
    let peer_id = raw.peer_id;
    let request = pb::Request {
        descriptors: vec![raw.descriptor()],
        ..Default::default()
    };
    raw.exchange(&request).await;
    for expected in [false, true] {
        let unanswered = raw.request().await;
        let failed = |event| match event {
            Event::ExchangeFailed {
                peer,
                error,
                removed,
            } => Some((peer, error, removed)),
            _ => None,
        };
        let (peer, error, removed) = node.event("no answer", failed).await;
        assert_eq!((peer, removed), (peer_id, expected));
        assert!(is_timeout(&error), "{error:?}");
        assert_eq!(node.view().contains(&peer_id), !expected);
        drop(unanswered);
    }
    raw.exchange(&request).await;
    assert_eq!(node.view(), [peer_id]);
    raw.stop().await;
    node.node.stop().await;
}

#[tokio::test]
async fn streams_beyond_the_bound_are_refused() {
    const BOUND: usize = 4;
    const MORE: u64 = 40;

    let mut victim = Victim::start(still()).await;
    let raw = Raw::dial(victim.address()).await;
    let mut streams = Vec::new();
    for _ in 0..BOUND as u64 + MORE {
        streams.push(raw.open().await);
    }
    let (error, _) = victim
        .inbound_failed(raw.peer_id, "a stream too many")
        .await;
    assert!(matches!(error, InboundError::TooManyStreams), "{error:?}");
    // Told once, and counted each time.
    let counted = async || victim.counters().await.refused(Reason::TooManyStreams) == MORE;
    eventually_async("all that were too many are counted", counted).await;
    // The bound is one connection's, and holds up nobody else.
    let other = Raw::dial(victim.address()).await;
    victim.makes_up_with(&other, "meanwhile").await;
    other.stop().await;

    for stream in &mut streams {
        let _ = within("the end of a stream", stream.close()).await;
    }
    for _ in 0..BOUND {
        let (error, _) = victim.inbound_failed(raw.peer_id, "an end").await;
        assert!(
            matches!(error, InboundError::Request(MessageError::CutOff)),
            "{error:?}"
        );
    }
    victim.assert_view([], "after streams beyond the bound");
    victim.makes_up_with(&raw, "streams beyond the bound").await;
    raw.stop().await;
    victim.stop().await;
}

#[tokio::test]
async fn a_peer_of_another_protocol_is_named() {
    // Who does not speak it is otherwise left alone for a while.
    let mut victim = Victim::start(still().with_quarantine(None)).await;
    let what = "another protocol";
    let mut listener = Listener::memory().await;
    let mut raw = victim.connect(&mut listener).await;
    raw.refuse().await;
    let (error, removed) = victim.exchange_failed(raw.peer_id, what).await;
    assert!(
        matches!(
            error,
            ExchangeError::Outbound(OutboundError::Unsupported(_))
        ),
        "{error:?}"
    );
    let counters = victim.counters().await;
    assert_eq!(counters.refused(Reason::Unsupported), 1);
    assert!(!removed);
    victim.assert_view([], what);
    // It may have learnt it meanwhile.
    victim.makes_up_with(&raw, what).await;
    raw.stop().await;

    let mut listener = Listener::memory().await;
    victim
        .add_seed(&listener.address)
        .await
        .expect("a good address");
    let mut raw = listener.accept().await;
    raw.refuse().await;
    let error = victim.seed_failed(&listener.address, what).await;
    assert!(
        matches!(
            error,
            SeedError::Exchange(ExchangeError::Outbound(OutboundError::Unsupported(_)))
        ),
        "{error:?}"
    );
    victim.assert_view([], what);
    raw.closed().await;
    victim.stop().await;
}

/// Or a later version that is stricter, or has fewer features, would start without anybody.
#[test]
fn saved_record_that_cannot_be_used_costs_none_of_the_others() {
    for (what, poison, reason) in unusable_records() {
        let keypair = Keypair::generate_ed25519();
        let mut behaviour = Behaviour::new(&keypair, still()).expect("valid settings");
        let [first, last] = [stranger(), stranger()].map(|d| d.signed_peer_record);
        let restored = behaviour.init([first, poison, last]);
        assert_eq!(
            (restored.entered, behaviour.handle().view_len()),
            (2, 2),
            "{what}"
        );
        let refused = restored
            .refused
            .iter()
            .map(|(at, error)| (*at, error.reason()));
        let refused: Vec<_> = refused.collect();
        match reason {
            Reason::RecordNotAdmitted | Reason::RecordKeyUnsupported => {
                assert!(refused.is_empty(), "{what}: {refused:?}");
            }
            _ => assert_eq!(refused, [(1, reason)], "{what}"),
        }
    }
}

/// A stream that is reset would say nothing about it, and others would ask it again and again.
#[tokio::test]
async fn node_that_has_left_does_not_speak_the_protocol_any_more() {
    let mut left = start(still());
    left.node.ask(|swarm| swarm.behaviour_mut().leave()).await;
    let gone = |event| matches!(event, Event::Left).then_some(());
    left.event("the end of its part", gone).await;
    let seed = left.node.address.clone();
    let mut late = start(still().with_seeds([seed]));
    let failed = |event| match event {
        Event::SeedFailed { error, .. } => Some(error),
        _ => None,
    };
    let error = late.event("a failure", failed).await;
    assert!(
        matches!(
            error,
            SeedError::Exchange(ExchangeError::Outbound(OutboundError::Unsupported(_)))
        ),
        "{error:?}"
    );
    left.node.stop().await;
    late.node.stop().await;
}

#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
struct Both {
    sampling: Behaviour,
    identify: identify::Behaviour,
}

/// Identifies itself ever again, so that a connection that works shows.
fn identify(keypair: &Keypair) -> identify::Behaviour {
    let config = identify::Config::new("/test/1".into(), keypair.public())
        .with_interval(Duration::from_millis(100));
    identify::Behaviour::new(config)
}

#[tokio::test]
async fn another_protocol_goes_on_beside_a_failed_exchange() {
    let (other, address) = swarm(Keypair::generate_ed25519(), HOUR, identify);
    let other = Node::spawn(other, address);
    let (both, address) = swarm(Keypair::generate_ed25519(), HOUR, |keypair| Both {
        sampling: Behaviour::new(keypair, still()).expect("valid settings"),
        identify: identify(keypair),
    });
    let handle = both.behaviour().sampling.handle();
    let mut both = Node::spawn(both, address);
    let honest = start(still().with_seeds([both.address.clone()]));
    eventually("the view holds the honest node", || handle.view_len() == 1).await;

    let address = other.address.clone();
    let dialled = both.ask(move |swarm| swarm.dial(address)).await;
    dialled.expect("a dial");
    let other_id = other.peer_id;
    let mut identified = None;
    let mut failed = None;
    // Whichever is first, both protocols run on that connection.
    let first = |event| {
        match event {
            BothEvent::Identify(identify::Event::Received {
                connection_id,
                peer_id,
                ..
            }) if peer_id == other_id => identified = Some(connection_id),
            BothEvent::Sampling(Event::ExchangeFailed {
                peer,
                error,
                removed,
            }) if peer == other_id => failed = Some((error, removed)),
            _ => {}
        }
        match (identified, failed.take()) {
            (Some(connection), Some(failed)) => Some((connection, failed)),
            (_, unfinished) => {
                failed = unfinished;
                None
            }
        }
    };
    let (connection, (error, removed)) = both.event("both protocols", first).await;
    assert!(
        matches!(
            error,
            ExchangeError::Outbound(OutboundError::Unsupported(_))
        ),
        "{error:?}"
    );
    assert!(!removed);
    for _ in 0..3 {
        let again = |event| match event {
            BothEvent::Identify(identify::Event::Received {
                connection_id,
                peer_id,
                ..
            }) => (connection_id == connection).then_some(peer_id),
            _ => None,
        };
        assert_eq!(both.event("identify again", again).await, other_id);
    }
    let view: Vec<_> = handle
        .view()
        .iter()
        .map(|record| record.peer_id())
        .collect();
    assert_eq!(view, [honest.node.peer_id]);
    honest.node.stop().await;
    both.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn bad_seeds_are_named() {
    let mut victim = Victim::start(still()).await;
    let ours = victim.address().clone();
    let without_peer = |address: &Multiaddr| {
        let mut bare = address.clone();
        bare.pop();
        bare
    };
    let nowhere = Multiaddr::from(Protocol::Memory(u64::MAX - 2));
    // With a peer at its end or not, an address is one seed.
    let nowhere_else = Multiaddr::from(Protocol::Memory(u64::MAX - 3));
    let not_an_address = Multiaddr::from(Protocol::P2p(PeerId::random()));

    // At once, where the address says it all.
    let error = victim.add_seed(&ours).await;
    assert!(matches!(error, Err(SeedError::Ourselves)), "{error:?}");
    let error = victim.add_seed(&not_an_address).await;
    assert!(matches!(error, Err(SeedError::NotAnAddress)), "{error:?}");

    // As an event, where it takes a dial.
    let honest = victim.honest.node.peer_id;
    let wrong_peer =
        without_peer(&victim.honest.node.address).with(Protocol::P2p(PeerId::random()));
    let other_transport = "/ip4/127.0.0.1/tcp/1".parse().expect("a multiaddr");
    type IsSeedError = fn(&SeedError, PeerId) -> bool;
    let cases: [(Multiaddr, IsSeedError); 5] = [
        (nowhere, |error, _| {
            matches!(error, SeedError::Unreachable(_))
        }),
        (
            nowhere_else.with(Protocol::P2p(PeerId::random())),
            |error, _| matches!(error, SeedError::Unreachable(_)),
        ),
        (other_transport, |error, _| {
            matches!(error, SeedError::Unreachable(_))
        }),
        (without_peer(&ours), |error, _| {
            matches!(error, SeedError::Ourselves)
        }),
        (
            wrong_peer,
            |error, honest| matches!(error, SeedError::WrongPeer(peer) if *peer == honest),
        ),
    ];
    for (address, is) in cases {
        victim.add_seed(&address).await.expect("to be found out");
        let error = victim.seed_failed(&address, "a bad seed").await;
        assert!(is(&error, honest), "{address}: {error:?}");
        victim.assert_view([], &address.to_string());
    }

    // A good seed among bad ones does what a seed is for.
    let mut listener = Listener::memory().await;
    victim
        .add_seed(&listener.address)
        .await
        .expect("a good address");
    let mut raw = listener.accept().await;
    let (_, mut stream) = raw.request().await;
    let answer = pb::Response {
        descriptors: vec![raw.descriptor()],
        neighbour: false,
    };
    put(&mut stream, &framed(&answer)).await;
    end(&mut stream).await;
    victim
        .exchanged(raw.peer_id, Direction::Outbound, "a good seed")
        .await;
    victim.assert_view([raw.peer_id], "after a good seed");
    raw.closed().await;
    victim.stop().await;

    // Those of the settings are told in the same way, and do not keep a node from starting.
    let keypair = Keypair::generate_ed25519();
    let ours =
        Multiaddr::from(Protocol::Memory(1)).with(Protocol::P2p(keypair.public().to_peer_id()));
    let config = still().with_seeds([ours.clone(), not_an_address.clone()]);
    let mut node = Sampling::with(keypair, HOUR, config);
    let failed = |event| match event {
        Event::SeedFailed { address, error } => Some((address, error)),
        _ => None,
    };
    let (address, error) = node.event("ourselves", failed).await;
    assert_eq!(address, ours);
    assert!(matches!(error, SeedError::Ourselves), "{error:?}");
    let (address, error) = node.event("no address", failed).await;
    assert_eq!(address, not_an_address);
    assert!(matches!(error, SeedError::NotAnAddress), "{error:?}");
    node.node.stop().await;
}

/// The only peer, connected by the application, drops the first request. A node that knows nobody
/// asks it again.
#[tokio::test]
async fn a_lonely_node_asks_its_connected_peers_again() {
    let node = start(config());
    let mut listener = Listener::memory().await;
    let to = listener.address.clone();
    let dial = node.node.ask(move |swarm| swarm.dial(to));
    dial.await.expect("a dial");
    let mut peer = listener.accept().await;
    let (_, stream) = peer.request().await;
    drop(stream);
    peer.request().await;
    node.node.stop().await;
    peer.closed().await;
}
