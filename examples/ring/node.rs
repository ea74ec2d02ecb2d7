//! One node: a sampler of the whole network, and beside it the ring.

use std::{error::Error, f64::consts::TAU, time::Duration};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder,
    identity::Keypair,
    noise,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use libp2p_peer_sampling::{
    Behaviour, Config, Handle, Record,
    overlay::Ranked,
    ranking::{SortedRing, place},
};
use tokio::task::JoinHandle;

pub type Failure = Box<dyn Error + Send + Sync>;

/// The ring of the hashes of peer ids.
type Ring = Ranked<SortedRing<fn(&Record) -> Option<u64>>, Record>;

/// How many neighbours on the ring a node has: one on each side.
const LINKS: usize = 2;

#[derive(NetworkBehaviour)]
struct Peer {
    everybody: Behaviour,
    ring: Behaviour<Ring>,
}

/// A running node.
pub struct Node {
    pub id: PeerId,
    pub address: Multiaddr,
    ring: Handle,
    task: JoinHandle<()>,
}

impl Node {
    /// Starts a node that knows one other, and waits until it listens.
    pub async fn start(
        seed: Option<Multiaddr>,
        period: Duration,
        quic: bool,
    ) -> Result<Self, Failure> {
        let keypair = Keypair::generate_ed25519();
        // On one machine nobody needs longer. QUIC does not tell that a process is gone, so there a
        // dead node is found out by its silence alone.
        let config = Config::local()
            .with_period(period)
            .with_exchange_timeout(2 * period);
        let everybody = config
            .clone()
            .with_network("example")
            .with_neighbours(4)
            .with_seeds(seed);
        let everybody = Behaviour::new(&keypair, everybody)?;
        // The view has room for five times what a message has, so that the ring forms fast.
        let ring = config
            .with_network("example-ring")
            .with_view_size(100)
            .with_neighbours(2 * LINKS)
            .with_overlay(Ranked::new(SortedRing::by_id(), LINKS));
        let ring = Behaviour::beside(&everybody.handle(), &keypair, ring)?;
        let handle = ring.handle();
        let mut swarm = SwarmBuilder::with_existing_identity(keypair)
            .with_tokio()
            .with_tcp(
                tcp::Config::default().nodelay(true),
                noise::Config::new,
                yamux::Config::default,
            )?
            .with_quic()
            .with_behaviour(|_| Peer { everybody, ring })?
            .build();
        let listen = match quic {
            true => "/ip4/127.0.0.1/udp/0/quic-v1",
            false => "/ip4/127.0.0.1/tcp/0",
        };
        swarm.listen_on(listen.parse()?)?;
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        Ok(Self {
            id: *swarm.local_peer_id(),
            address,
            ring: handle,
            task: tokio::spawn(run(swarm)),
        })
    }

    /// Where the node stands on the ring, of 2^64 places.
    pub fn place(&self) -> u64 {
        place(&self.id)
    }

    /// The same as an angle, in radians.
    pub fn angle(&self) -> f64 {
        angle(self.place())
    }

    /// The peers that it takes for its neighbours on the ring.
    pub fn links(&self) -> Vec<PeerId> {
        let view = self.ring.view();
        view.peers().take(LINKS).map(Record::peer_id).collect()
    }

    /// The peers that it stays connected to for the ring's sake.
    pub fn connected(&self) -> Vec<PeerId> {
        self.ring.neighbours()
    }

    /// Ends the node without a word to anybody.
    pub async fn kill(self) {
        self.task.abort();
        // It ends with an error, since it was aborted.
        let _ = self.task.await;
    }
}

/// A place on the ring as an angle, in radians.
pub fn angle(place: u64) -> f64 {
    place as f64 / 2_f64.powi(64) * TAU
}

async fn run(mut swarm: Swarm<Peer>) {
    loop {
        swarm.select_next_some().await;
    }
}
