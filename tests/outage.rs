//! A node whose own network is down blames nobody, and goes on when the network is back. Nor does a
//! handshake that fails. Real swarms over TCP; the network of one of them can be switched off.

mod common;

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use common::{
    raw::{peer_record, signed, within},
    swarms::{Node, config, eventually, eventually_async},
};
use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, ready},
};
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, DialOpts, ListenerId, TransportError, TransportEvent},
        upgrade::Version,
    },
    identity::Keypair,
    noise,
    swarm::{Config as SwarmConfig, SwarmEvent},
    tcp, yamux,
};
use libp2p_peer_sampling::{Behaviour, Config, Event, ExchangeError, Handle};
use tokio::net::TcpListener;

type Output = (PeerId, StreamMuxerBox);

/// A transport whose dials say that there is no network, for as long as it is switched off.
struct Switch {
    inner: Boxed<Output>,
    off: Arc<AtomicBool>,
}

impl Transport for Switch {
    type Output = Output;
    type Error = io::Error;
    type ListenerUpgrade = <Boxed<Output> as Transport>::ListenerUpgrade;
    type Dial = BoxFuture<'static, io::Result<Output>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        opts: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        if self.off.load(Relaxed) {
            let error = io::Error::from(io::ErrorKind::NetworkUnreachable);
            return Ok(ready(Err(error)).boxed());
        }
        Ok(self.inner.dial(address, opts)?.boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

struct Switched {
    node: Node,
    handle: Handle,
    off: Arc<AtomicBool>,
}

/// A node that makes a connection for each exchange, and keeps none.
async fn start(config: Config) -> Switched {
    let keypair = Keypair::generate_ed25519();
    let off = Arc::new(AtomicBool::new(false));
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(&keypair).expect("a key"))
        .multiplex(yamux::Config::default())
        .boxed();
    let transport = Switch {
        inner: tcp,
        off: off.clone(),
    };
    let behaviour = Behaviour::new(&keypair, config.with_neighbours(0)).expect("valid settings");
    let handle = behaviour.handle();
    let peer = keypair.public().to_peer_id();
    let executor = SwarmConfig::with_tokio_executor();
    let mut swarm = Swarm::new(transport.boxed(), behaviour, peer, executor);
    let any = "/ip4/127.0.0.1/tcp/0".parse().expect("a multiaddr");
    swarm.listen_on(any).expect("loopback");
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address;
        }
    };
    let node = Node::spawn(swarm, address);
    Switched { node, handle, off }
}

#[tokio::test(flavor = "multi_thread")]
async fn node_without_a_network_keeps_its_view_and_goes_on_when_the_network_is_back() {
    let seed = start(config()).await;
    let seeds = [seed.node.address.clone()];
    let mut nodes = vec![seed];
    for _ in 0..5 {
        nodes.push(start(config().with_seeds(seeds.clone())).await);
    }
    eventually("everybody knows everybody", || {
        nodes.iter().all(|node| node.handle.view_len() == 5)
    })
    .await;
    let mut cut_off = nodes.pop().expect("six");
    cut_off.off.store(true, Relaxed);
    let mut offline = 0;
    // Ten rounds, in each of which it tries all that it knows.
    while offline < 40 {
        let event = cut_off
            .node
            .event("a failed exchange", |event| match event {
                Event::ExchangeFailed { error, removed, .. } => Some((error, removed)),
                _ => None,
            });
        let (error, removed) = event.await;
        assert!(!removed, "{error} is the peer's fault");
        offline += u32::from(matches!(error, ExchangeError::Offline(_)));
    }
    assert_eq!(cut_off.handle.view_len(), 5);
    // Its seed is gone when the network is back.
    nodes.remove(0).node.stop().await;
    cut_off.off.store(false, Relaxed);
    let found = cut_off.node.event("an exchange", |event| match event {
        Event::Exchanged { peer, .. } => Some(peer),
        _ => None,
    });
    let found = found.await;
    assert!(nodes.iter().any(|node| node.node.peer_id == found));
    let peer = cut_off.node.peer_id;
    eventually_async("all others know it", async || {
        nodes.iter().all(|node| node.handle.contains(&peer))
    })
    .await;
    for node in nodes {
        node.node.stop().await;
    }
    cut_off.node.stop().await;
}

/// Somebody answers where a peer is said to be, and hangs up. Both ends dialling at the same moment
/// come to the same: TCP makes one connection of the two, and no handshake succeeds.
#[tokio::test(flavor = "multi_thread")]
async fn failed_handshake_is_named_and_made_again_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let port = listener.local_addr().expect("it is bound").port();
    let home: Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}")
        .parse()
        .expect("a multiaddr");
    let keypair = Keypair::generate_ed25519();
    let envelope = signed(&keypair, &peer_record(&keypair, &[&home]));
    // Put together as most swarms are: so errors are wrapped in several layers.
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )
        .expect("noise")
        .with_quic()
        .with_dns()
        .expect("a resolver")
        .with_behaviour(|keypair| Behaviour::new(keypair, config()).expect("valid settings"))
        .expect("infallible")
        .build();
    let restored = swarm.behaviour_mut().init([envelope]);
    assert_eq!(restored.entered, 1, "{restored:?}");
    let mut node = Node::spawn(swarm, home);
    for _ in 0..2 {
        let (stream, _) = within("a connection", listener.accept())
            .await
            .expect("one");
        drop(stream);
    }
    let failed = node.event("a failed exchange", |event| match event {
        Event::ExchangeFailed { error, .. } => Some(error),
        _ => None,
    });
    let error = failed.await;
    assert!(matches!(error, ExchangeError::Handshake(_)), "{error:?}");
    node.stop().await;
}

/// Nobody listens there: the text of that must not be taken for a handshake's.
#[tokio::test(flavor = "multi_thread")]
async fn closed_port_is_unreachable() {
    let mut node = start(config()).await;
    let keypair = Keypair::generate_ed25519();
    let home: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().expect("a multiaddr");
    let envelope = signed(&keypair, &peer_record(&keypair, &[&home]));
    node.node
        .ask(|swarm| swarm.behaviour_mut().init([envelope]))
        .await;
    let failed = node.node.event("a failed exchange", |event| match event {
        Event::ExchangeFailed { error, .. } => Some(error),
        _ => None,
    });
    let error = failed.await;
    assert!(matches!(error, ExchangeError::Unreachable(_)), "{error:?}");
    node.node.stop().await;
}
