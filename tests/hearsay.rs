//! What a node does, and does not do, on the mere word of others: real TCP sockets on loopback.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{
    raw::{Raw, pb, peer_record, signed},
    swarms::{Node, Sampling, eventually, ip_swarm},
};
use futures::StreamExt;
use libp2p::{
    Multiaddr, Transport, core::upgrade::Version, identity::Keypair, multiaddr::Protocol, noise,
    swarm::SwarmEvent, tcp, yamux,
};
use libp2p_peer_sampling::{
    Behaviour, Config, Direction, Event, ExchangeError, Limits, NotDialled, Scope,
    overlay::{OverlayKind, Ranking},
};
use tokio::{net::TcpListener, task::JoinHandle};

const FAKES: usize = 1_000;
/// The swarm's own default.
const IDLE: Duration = Duration::from_secs(10);

/// Somebody who speaks no libp2p, and counts who knocks.
struct Victim {
    address: Multiaddr,
    knocks: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Victim {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let port = listener.local_addr().expect("it listens").port();
        let knocks = Arc::new(AtomicUsize::new(0));
        let counter = knocks.clone();
        let task = tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            address: format!("/ip4/127.0.0.1/tcp/{port}")
                .parse()
                .expect("a multiaddr"),
            knocks,
            task,
        }
    }

    async fn stop(self) -> usize {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()));
        self.knocks.load(Ordering::Relaxed)
    }
}

/// A node on a TCP port of loopback.
async fn start(config: Config) -> Sampling {
    let mut swarm = ip_swarm(Keypair::generate_ed25519(), IDLE, |keypair| {
        Behaviour::new(keypair, config).expect("valid settings")
    });
    let any = "/ip4/127.0.0.1/tcp/0".parse().expect("a multiaddr");
    swarm.listen_on(any).expect("loopback");
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address.with(Protocol::P2p(*swarm.local_peer_id()));
        }
    };
    let handle = swarm.behaviour().handle();
    let node = Node::spawn(swarm, address);
    Sampling { node, handle }
}

/// The limits of the open internet, on loopback, with as many dials in a minute as a test has time
/// for.
fn open_internet() -> Config {
    let mut limits = Limits::default();
    limits.dials_per_minute = 1_000_000;
    Config::open_internet()
        .with_scope(Scope::Loopback)
        .with_limits(limits)
        .with_quarantine(None)
        .with_period(Duration::from_millis(20))
        .with_view_size(100)
        .with_neighbours(0)
}

/// Somebody who tells the node at `address` whatever it likes.
async fn teller(address: &Multiaddr) -> Raw {
    let keypair = Keypair::generate_ed25519();
    let transport = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(&keypair).expect("a key"))
        .multiplex(yamux::Config::default())
        .boxed();
    Raw::dial_on(keypair, transport, address).await
}

/// Records of made-up peers, all said to be at `address`.
fn fakes(address: &Multiaddr) -> Vec<Vec<u8>> {
    let fake = || {
        let keypair = Keypair::generate_ed25519();
        signed(&keypair, &peer_record(&keypair, &[address]))
    };
    std::iter::repeat_with(fake).take(FAKES).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_victim_given_away_under_a_thousand_identities_is_dialled_three_times() {
    for overlay in [OverlayKind::Basalt(Ranking::default()), OverlayKind::Random] {
        let config = || open_internet().with_overlay(overlay).with_diversity(None);
        let victim = Victim::start().await;
        let mut node = start(config()).await;
        let teller = teller(&node.node.address).await;
        for fakes in fakes(&victim.address).chunks(50) {
            let descriptor = |record: &Vec<u8>| pb::Descriptor {
                signed_peer_record: record.clone(),
                age: 1,
                ..Default::default()
            };
            let request = pb::Request {
                descriptors: fakes.iter().map(descriptor).collect(),
                ..Default::default()
            };
            teller.exchange(&request).await;
            // Nobody stays in the view for want of a dial.
            eventually("the fakes are gone", || node.handle.view_len() == 0).await;
        }
        teller.stop().await;
        // Basalt drops some that were never tried.
        let (mut dialled, mut undialled) = (0, 0);
        while let Ok(event) = node.node.events.try_recv() {
            match event {
                Event::ExchangeFailed {
                    error: ExchangeError::NotDialled(NotDialled::InVain),
                    ..
                } => undialled += 1,
                Event::ExchangeFailed { .. } => dialled += 1,
                _ => {}
            }
        }
        assert!(undialled >= FAKES / 4, "{overlay:?} tries only {undialled}");
        assert!(node.handle.contacted().is_empty());
        node.node.stop().await;
        let knocks = victim.stop().await;
        assert_eq!(knocks, 3, "{overlay:?}");
        // A handshake that fails is made again from another port, and that counts, too; unless
        // others, dialled at the same time, have used the rest up.
        assert!((2..=3).contains(&dialled), "{overlay:?}: {dialled}");
    }
}

/// Dials that succeed use up no budget, so a network of peers on one subnet works, by either
/// preset.
#[tokio::test(flavor = "multi_thread")]
async fn ten_containers_on_one_subnet_know_each_other() {
    const COUNT: usize = 10;
    let private = || {
        Config::private_network()
            .with_scope(Scope::Loopback)
            .with_period(Duration::from_millis(200))
            .with_neighbours(0)
    };
    let open = || open_internet().with_period(Duration::from_millis(200));
    for config in [private as fn() -> Config, open] {
        let first = start(config()).await;
        let seed = first.node.address.clone();
        let mut nodes = vec![first];
        for _ in 1..COUNT {
            nodes.push(start(config().with_seeds([seed.clone()])).await);
        }
        for node in &mut nodes {
            // Each needs a dial, since nobody stays connected; far more than a prefix may have in
            // vain.
            let mut exchanges = 0;
            node.event("twenty exchanges", |event| match event {
                Event::ExchangeFailed { error, .. } => {
                    let text = error.to_string();
                    assert!(!text.starts_with("not dialled"), "{text}");
                    None
                }
                Event::Exchanged {
                    direction: Direction::Outbound,
                    ..
                } => {
                    exchanges += 1;
                    (exchanges >= 20).then_some(())
                }
                _ => None,
            })
            .await;
        }
        eventually("all know all others", || {
            nodes.iter().all(|node| node.handle.view_len() == COUNT - 1)
        })
        .await;
        for node in nodes {
            assert!(!node.handle.contacted().is_empty());
            node.node.stop().await;
        }
    }
}

/// What is saved is who was found, not who was told of.
#[tokio::test]
async fn only_contacts_are_saved() {
    let victim = Victim::start().await;
    let other = start(open_internet()).await;
    let node = start(open_internet().with_seeds([other.node.address.clone()])).await;
    let told = fakes(&victim.address)[..5].to_vec();
    let told = node.node.ask(|swarm| swarm.behaviour_mut().init(told));
    assert!(told.await.refused.is_empty());
    let peer = other.node.peer_id;
    eventually("the other is a contact", || {
        let saved = node.handle.contacted();
        saved.len() == 1 && saved[0].peer_id() == peer
    })
    .await;
    assert!(node.handle.is_contacted(&peer));
    for record in node.handle.view().peers() {
        let is = node.handle.is_contacted(&record.peer_id());
        assert_eq!(is, record.peer_id() == peer);
    }
    // It came by itself, and that is all that is known.
    assert!(other.handle.is_contacted(&node.node.peer_id));
    node.node.stop().await;
    other.node.stop().await;
    victim.stop().await;
}
