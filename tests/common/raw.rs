//! A peer made by hand, without a swarm: it opens and accepts substreams, and puts any bytes on
//! them.

use std::{future::poll_fn, task::Poll};

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{
    Multiaddr, PeerId, Transport,
    core::{
        Endpoint, SignedEnvelope,
        muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox},
        transport::{Boxed, DialOpts, ListenerId, MemoryTransport, PortUse, TransportEvent},
        upgrade::Version,
    },
    identity::Keypair,
    multiaddr::Protocol,
    plaintext, yamux,
};
use multistream_select::{Negotiated, dialer_select_proto, listener_select_proto};
use prost::Message;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use super::swarms::PATIENCE;

#[rustfmt::skip]
#[allow(clippy::all)]
#[path = "../../src/swarm/generated.rs"]
pub mod pb;

pub const PROTOCOL: &str = "/peer-sampling/1.0.0";

pub type RawTransport = Boxed<(PeerId, StreamMuxerBox)>;
/// With the protocol negotiated on it.
pub type RawStream = Negotiated<SubstreamBox>;

/// The result of `future`, which must not take too long.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

/// The transport of the swarms in these tests.
pub fn memory(keypair: &Keypair) -> RawTransport {
    MemoryTransport::default()
        .upgrade(Version::V1Lazy)
        .authenticate(plaintext::Config::new(keypair))
        .multiplex(yamux::Config::default())
        .boxed()
}

/// One who waits for connections.
pub struct Listener {
    keypair: Keypair,
    transport: RawTransport,
    /// Without `/p2p`.
    bare: Multiaddr,
    /// With `/p2p`.
    pub address: Multiaddr,
}

impl Listener {
    pub async fn memory() -> Self {
        let keypair = Keypair::generate_ed25519();
        let transport = memory(&keypair);
        Self::on(keypair, transport, Multiaddr::from(Protocol::Memory(0))).await
    }

    pub async fn on(keypair: Keypair, mut transport: RawTransport, address: Multiaddr) -> Self {
        transport
            .listen_on(ListenerId::next(), address)
            .expect("an address of this transport");
        let listening = async {
            loop {
                if let TransportEvent::NewAddress { listen_addr, .. } = next(&mut transport).await {
                    return listen_addr;
                }
            }
        };
        let bare = within("a listen address", listening).await;
        let peer = keypair.public().to_peer_id();
        Self {
            keypair,
            transport,
            address: bare.clone().with(Protocol::P2p(peer)),
            bare,
        }
    }

    pub fn peer_id(&self) -> PeerId {
        self.keypair.public().to_peer_id()
    }

    /// The next connection.
    pub async fn accept(&mut self) -> Raw {
        let accepted = async {
            loop {
                if let TransportEvent::Incoming { upgrade, .. } = next(&mut self.transport).await {
                    return upgrade.await.expect("an honest handshake");
                }
            }
        };
        let (_, muxer) = within("a connection", accepted).await;
        Raw::new(self.keypair.clone(), self.bare.clone(), muxer)
    }
}

async fn next(transport: &mut RawTransport) -> TransportEventOf {
    poll_fn(|cx| std::pin::Pin::new(&mut *transport).poll(cx)).await
}

type TransportEventOf = TransportEvent<
    <RawTransport as Transport>::ListenerUpgrade,
    <RawTransport as Transport>::Error,
>;

/// One end of one connection. Its streams are driven by a task, which ends with the connection or
/// with [`Self::stop`].
pub struct Raw {
    pub peer_id: PeerId,
    keypair: Keypair,
    home: Multiaddr,
    wanted: mpsc::UnboundedSender<oneshot::Sender<SubstreamBox>>,
    inbound: mpsc::UnboundedReceiver<SubstreamBox>,
    task: JoinHandle<()>,
}

impl Raw {
    /// Connects to a node over memory.
    pub async fn dial(address: &Multiaddr) -> Self {
        let keypair = Keypair::generate_ed25519();
        let transport = memory(&keypair);
        Self::dial_on(keypair, transport, address).await
    }

    pub async fn dial_on(
        keypair: Keypair,
        mut transport: RawTransport,
        address: &Multiaddr,
    ) -> Self {
        let mut bare = address.clone();
        if let Some(Protocol::P2p(_)) = bare.iter().last() {
            bare.pop();
        }
        let opts = DialOpts {
            role: Endpoint::Dialer,
            port_use: PortUse::New,
        };
        let dial = transport
            .dial(bare, opts)
            .expect("an address of this transport");
        let (_, muxer) = within("a connection", dial).await.expect("a connection");
        // Nobody listens there, and nobody is meant to dial it.
        let home = Multiaddr::from(Protocol::Memory(u64::MAX));
        Self::new(keypair, home, muxer)
    }

    fn new(keypair: Keypair, home: Multiaddr, muxer: StreamMuxerBox) -> Self {
        let (wanted, wanted_rx) = mpsc::unbounded_channel();
        let (inbound_tx, inbound) = mpsc::unbounded_channel();
        Self {
            peer_id: keypair.public().to_peer_id(),
            keypair,
            home,
            wanted,
            inbound,
            task: tokio::spawn(drive(muxer, wanted_rx, inbound_tx)),
        }
    }

    /// Opens a stream and negotiates the protocol on it.
    pub async fn open(&self) -> RawStream {
        let (answer_tx, answer) = oneshot::channel();
        assert!(self.wanted.send(answer_tx).is_ok(), "the connection is up");
        let open = async {
            let stream = answer.await.expect("the connection is up");
            let (_, stream) =
                dialer_select_proto(stream, [PROTOCOL], multistream_select::Version::V1)
                    .await
                    .expect("the node speaks the protocol");
            // The node's word for it, and not only our hope.
            stream.complete().await.expect("the node keeps its word")
        };
        within("a stream", open).await
    }

    /// The next stream that the node opens, with nothing negotiated on it.
    pub async fn accept(&mut self) -> SubstreamBox {
        within("a stream of the node's", self.inbound.recv())
            .await
            .expect("the connection is up")
    }

    /// The next request of the node's, and the stream to answer it on.
    pub async fn request(&mut self) -> (pb::Request, RawStream) {
        let stream = self.accept().await;
        let request = async {
            let (_, stream) = listener_select_proto(stream, [PROTOCOL])
                .await
                .expect("the node proposes the protocol");
            let mut stream = stream.complete().await.expect("negotiated");
            let mut bytes = Vec::new();
            // The node closes its side behind the request.
            stream.read_to_end(&mut bytes).await.expect("a request");
            let request = pb::Request::decode_length_delimited(&bytes[..]).expect("protobuf");
            (request, stream)
        };
        within("a request of the node's", request).await
    }

    /// Turns down the next stream of the node's: another protocol is spoken here.
    pub async fn refuse(&mut self) {
        let stream = self.accept().await;
        let negotiated = listener_select_proto(stream, ["/other/1.0.0"]);
        let negotiated = within("an end to the node's proposals", negotiated).await;
        assert!(negotiated.is_err(), "the node speaks it");
    }

    /// Whether the node has opened another stream.
    pub fn has_stream(&mut self) -> bool {
        self.inbound.try_recv().is_ok()
    }

    /// An exchange as the protocol has it.
    pub async fn exchange(&self, request: &pb::Request) -> pb::Response {
        let mut stream = self.open().await;
        let exchange = async {
            stream.write_all(&framed(request)).await.expect("a stream");
            stream.close().await.expect("a stream");
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.expect("an answer");
            pb::Response::decode_length_delimited(&bytes[..]).expect("protobuf")
        };
        within("an answer of the node's", exchange).await
    }

    /// A flawless descriptor of this peer.
    pub fn descriptor(&self) -> pb::Descriptor {
        pb::Descriptor {
            signed_peer_record: signed(&self.keypair, &peer_record(&self.keypair, &[&self.home])),
            age: 0,
            ..Default::default()
        }
    }

    /// Waits until the node has closed the connection.
    pub async fn closed(self) {
        within("the end of the connection", self.task)
            .await
            .expect("no panic");
    }

    pub async fn stop(self) {
        drop(self.wanted);
        self.task.await.expect("no panic");
    }
}

/// Moves the connection along, until either side ends it.
async fn drive(
    mut muxer: StreamMuxerBox,
    mut wanted: mpsc::UnboundedReceiver<oneshot::Sender<SubstreamBox>>,
    inbound: mpsc::UnboundedSender<SubstreamBox>,
) {
    let mut asked = None;
    poll_fn(|cx| {
        loop {
            if asked.is_none() {
                match wanted.poll_recv(cx) {
                    Poll::Ready(Some(answer)) => asked = Some(answer),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
            }
            if asked.is_some() {
                match muxer.poll_outbound_unpin(cx) {
                    Poll::Ready(Ok(stream)) => {
                        _ = asked.take().map(|answer| answer.send(stream));
                        continue;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
            }
            match muxer.poll_inbound_unpin(cx) {
                Poll::Ready(Ok(stream)) => {
                    _ = inbound.send(stream);
                    continue;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            match muxer.poll_unpin(cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
}

/// A message behind its length.
pub fn framed(message: &impl Message) -> Vec<u8> {
    message.encode_length_delimited_to_vec()
}

pub fn varint(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(value, &mut bytes);
    bytes
}

/// What a record says, before it is signed.
pub fn peer_record(keypair: &Keypair, addresses: &[&Multiaddr]) -> pb::PeerRecord {
    pb::PeerRecord {
        peer_id: keypair.public().to_peer_id().to_bytes(),
        seq: 1,
        addresses: addresses
            .iter()
            .map(|address| pb::AddressInfo {
                multiaddr: address.to_vec(),
            })
            .collect(),
    }
}

/// The envelope around it, signed with any key at all.
pub fn signed(keypair: &Keypair, record: &pb::PeerRecord) -> Vec<u8> {
    SignedEnvelope::new(
        keypair,
        "libp2p-peer-record".into(),
        vec![0x03, 0x01],
        record.encode_to_vec(),
    )
    .expect("signing works")
    .into_protobuf_encoding()
}

/// A profile for the network of this protocol, as `proto/peer_sampling.proto` says.
pub fn profile(keypair: &Keypair, protocol: &str, seq: u64, data: &[u8]) -> Vec<u8> {
    let payload = [&seq.to_be_bytes(), data].concat();
    let domain = "libp2p-peer-sampling-profile";
    let parts = [domain.as_bytes(), protocol.as_bytes(), &payload];
    let parts = parts.map(|part| [varint(part.len() as u64), part.to_vec()].concat());
    pb::Profile {
        seq,
        data: data.to_vec(),
        signature: keypair.sign(&parts.concat()).expect("signing works"),
    }
    .encode_to_vec()
}
