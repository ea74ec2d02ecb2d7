//! A real node meets peers that break the rules, and must name what they did, keep its view, and go
//! on using the connection.
#![cfg(feature = "swarm")]

mod common;

use std::{collections::BTreeSet, time::Duration};

use common::{
    raw::{Listener, Raw, framed, pb, peer_record, signed, varint, within},
    swarms::{Node, Sampling, config, eventually, swarm},
};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{Multiaddr, PeerId, identity::Keypair, multiaddr::Protocol};
use libp2p_peer_sampling::{
    Behaviour, Config, Direction, Event, ExchangeError, InboundError, MAX_DESCRIPTORS,
    MAX_MESSAGE_BYTES, MAX_RECORD_BYTES, MessageError, OutboundError, RecordError, SeedError,
    gossip::config::Propagation,
};
use prost::Message;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A node that starts nothing by itself after its first round, and never gives up: what happens,
/// happens because of what a test has sent. Without neighbours, which would make it hurry.
fn still() -> Config {
    config()
        .with_period(HOUR)
        .with_eager_delay(HOUR)
        .with_exchange_timeout(HOUR)
        .with_neighbours(0)
}

fn start(config: Config) -> Sampling {
    // Only a peer sampling behaviour may close anything here.
    let keypair = Keypair::generate_ed25519();
    let (swarm, address) = swarm(keypair, HOUR, |keypair| {
        Behaviour::new(keypair, config).expect("valid settings")
    });
    let handle = swarm.behaviour().handle();
    let node = Node::spawn(swarm, address);
    Sampling { node, handle }
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

    async fn dial(&self, address: &Multiaddr) {
        let address = address.clone();
        let dial = self.sampling.node.ask(move |swarm| swarm.dial(address));
        dial.await.expect("a dial");
    }

    async fn add_seed(&self, address: &Multiaddr) -> Result<(), SeedError> {
        let address = address.clone();
        let add =
            move |swarm: &mut libp2p::Swarm<Behaviour>| swarm.behaviour_mut().add_seed(address);
        self.sampling.node.ask(add).await
    }

    /// How the request failed that `from` has sent, and the name of the connection.
    async fn inbound_failed(
        &mut self,
        from: PeerId,
        what: &str,
    ) -> (InboundError, libp2p::swarm::ConnectionId) {
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
        let request = pb::Request {
            descriptors: vec![raw.descriptor()],
            pull: true,
            ..Default::default()
        };
        let response = raw.exchange(&request).await;
        // Itself and the honest one.
        assert_eq!(response.descriptors.len(), 2, "{what}");
        self.assert_view([raw.peer_id], what);
        let peer = raw.peer_id;
        let remove =
            move |swarm: &mut libp2p::Swarm<Behaviour>| swarm.behaviour_mut().remove(&peer);
        assert!(self.sampling.node.ask(remove).await, "{what}");
        self.assert_view([], what);
    }

    async fn stop(self) {
        self.sampling.node.stop().await;
        self.honest.node.stop().await;
    }
}

/// Bytes that are no message. Descriptors are field 1 of both messages, so that each fault is one
/// of a request as much as of a response.
struct Fault {
    name: String,
    bytes: Vec<u8>,
    /// Whether the peer closes its side behind them. If not, it keeps the node waiting for more.
    closes: bool,
    is: Box<dyn Fn(&MessageError) -> bool>,
}

fn fault(
    name: impl Into<String>,
    bytes: Vec<u8>,
    is: impl Fn(&MessageError) -> bool + 'static,
) -> Fault {
    Fault {
        name: name.into(),
        bytes,
        closes: false,
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
    let too_long = MAX_MESSAGE_BYTES as u64 + 1;
    // Group in group in group, as deep as fits: what skips them must not recurse as deep.
    let groups = vec![0x2b; MAX_MESSAGE_BYTES];
    let mut faults = vec![
        fault(
            "one byte too long",
            varint(too_long),
            move |error| matches!(error, MessageError::TooLong { bytes } if *bytes == too_long),
        ),
        fault("as long as can be", varint(u64::MAX), |error| {
            matches!(error, MessageError::TooLong { bytes: u64::MAX })
        }),
        fault("a length without end", vec![0xff; 11], no_protobuf),
        closed(fault("nothing", vec![], is_cut_off)),
        closed(fault("half a length", vec![0x80], is_cut_off)),
        closed(fault("half a message", vec![10, 0x0a, 8, 1], is_cut_off)),
        fault("no field", prefixed(&[0xff; 3]), no_protobuf),
        fault(
            "a number for descriptors",
            prefixed(&[0x08, 1]),
            no_protobuf,
        ),
        fault(
            "a descriptor that is longer than the message",
            prefixed(&[0x0a, 0x7f]),
            no_protobuf,
        ),
        fault(
            "a descriptor that is none",
            prefixed(&[0x0a, 1, 0xff]),
            no_protobuf,
        ),
        fault("groups without end", prefixed(&groups), no_protobuf),
        fault(
            "one descriptor too many",
            descriptors(MAX_DESCRIPTORS + 1),
            |error| matches!(error, MessageError::TooManyDescriptors { count } if *count == MAX_DESCRIPTORS + 1),
        ),
        fault(
            "as many descriptors as fit",
            descriptors(MAX_MESSAGE_BYTES / 2),
            |error| matches!(error, MessageError::TooManyDescriptors { count } if *count == MAX_MESSAGE_BYTES / 2),
        ),
    ];
    faults.extend(bad_records().into_iter().map(|(name, record, is)| {
        // Behind a good one, which must not come in either.
        let keypair = Keypair::generate_ed25519();
        let good = signed(&keypair, &peer_record(&keypair, &[&home()]));
        let descriptors = [good, record].map(|signed_peer_record| pb::Descriptor {
            signed_peer_record,
            age: 0,
        });
        let message = pb::Request {
            descriptors: descriptors.into(),
            ..Default::default()
        };
        let is = move |error: &MessageError| matches!(error, MessageError::Record { index: 1, error } if is(error));
        fault(name, framed(&message), is)
    }));
    faults
}

fn home() -> Multiaddr {
    Multiaddr::from(Protocol::Memory(u64::MAX - 1))
}

type IsRecordError = fn(&RecordError) -> bool;

fn bad_records() -> Vec<(&'static str, Vec<u8>, IsRecordError)> {
    let keypair = Keypair::generate_ed25519();
    let other = Keypair::generate_ed25519();
    let record = peer_record(&keypair, &[&home()]);
    let edited = |edit: fn(&mut pb::Envelope)| {
        let mut envelope = pb::Envelope::decode(&signed(&keypair, &record)[..]).expect("just made");
        edit(&mut envelope);
        envelope.encode_to_vec()
    };
    let mut no_address = record.clone();
    no_address.addresses[0].multiaddr = vec![0xff; 3];
    let mut no_peer = record.clone();
    no_peer.peer_id = vec![1, 2, 3];
    let of_another = home().with(Protocol::P2p(other.public().to_peer_id()));
    vec![
        (
            "a record with a wrong signature",
            edited(|envelope| envelope.signature[5] ^= 1),
            |error| matches!(error, RecordError::Signature),
        ),
        (
            "a record without a signature",
            edited(|envelope| envelope.signature.clear()),
            |error| matches!(error, RecordError::Signature),
        ),
        (
            "a record with an RSA key",
            edited(|envelope| {
                envelope.public_key.as_mut().expect("there").r#type = pb::KeyType::Rsa.into();
            }),
            |error| matches!(error, RecordError::KeyType(0)),
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
            |error| matches!(error, RecordError::Key(_)),
        ),
        (
            "a record of another type",
            edited(|envelope| envelope.payload_type = vec![0x03, 0x02]),
            |error| matches!(error, RecordError::PayloadType),
        ),
        ("a record that is no protobuf", vec![0xff; 9], |error| {
            matches!(error, RecordError::NotProtobuf(_))
        }),
        ("an empty record", vec![], |error| {
            matches!(error, RecordError::PayloadType)
        }),
        (
            "a record about nobody",
            signed(&keypair, &no_peer),
            |error| matches!(error, RecordError::PeerId(_)),
        ),
        (
            "a record about another",
            signed(&other, &record),
            |error| matches!(error, RecordError::Signer { subject, signer } if subject != signer),
        ),
        (
            "a record that is too large",
            vec![0; MAX_RECORD_BYTES + 1],
            |error| matches!(error, RecordError::TooLarge { bytes } if *bytes == MAX_RECORD_BYTES + 1),
        ),
        (
            "a record with too many addresses",
            signed(&keypair, &peer_record(&keypair, &[&home(); 9])),
            |error| matches!(error, RecordError::TooManyAddresses { count: 9 }),
        ),
        (
            "a record with an address that is none",
            signed(&keypair, &no_address),
            |error| matches!(error, RecordError::Address(_)),
        ),
        (
            "a record with an address of another",
            signed(&keypair, &peer_record(&keypair, &[&of_another])),
            |error| matches!(error, RecordError::AddressOfAnother(_)),
        ),
    ]
}

/// Puts a fault on a stream. The node may have had enough before the end.
async fn send(stream: &mut common::raw::RawStream, fault: &Fault) {
    let send = async {
        let _ = stream.write_all(&fault.bytes).await;
        let _ = stream.flush().await;
        if fault.closes {
            let _ = stream.close().await;
        }
    };
    within(&fault.name, send).await;
}

/// Waits until the node has let go of a stream, and returns what came until then.
async fn rest(stream: &mut common::raw::RawStream, what: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = within(what, stream.read_to_end(&mut bytes)).await;
    bytes
}

#[tokio::test]
async fn bad_requests_are_named_and_spoil_nothing() {
    let mut victim = Victim::start(still()).await;
    let raw = Raw::dial(victim.address()).await;
    let mut connections = BTreeSet::new();
    for fault in faults() {
        let mut stream = raw.open().await;
        send(&mut stream, &fault).await;
        let (error, connection) = victim.inbound_failed(raw.peer_id, &fault.name).await;
        let InboundError::Request(error) = error else {
            panic!("{}: {error:?}", fault.name);
        };
        assert!((fault.is)(&error), "{}: {error:?}", fault.name);
        assert_eq!(rest(&mut stream, &fault.name).await, [], "{}", fault.name);
        victim.assert_view([], &fault.name);
        victim.makes_up_with(&raw, &fault.name).await;
        connections.insert(connection);
    }
    assert_eq!(connections.len(), 1, "all on the same connection");
    raw.stop().await;
    victim.stop().await;
}
