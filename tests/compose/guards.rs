use libp2p::{
    Multiaddr,
    allow_block_list::{self, BlockedPeers},
    connection_limits::{self, ConnectionLimits},
    identity::Keypair,
    memory_connection_limits,
    swarm::NetworkBehaviour,
};
use libp2p_peer_sampling::{Behaviour, Config};

#[derive(NetworkBehaviour)]
struct Node {
    limits: connection_limits::Behaviour,
    memory: memory_connection_limits::Behaviour,
    blocked: allow_block_list::Behaviour<BlockedPeers>,
    sampling: Behaviour,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn node(keypair: &Keypair, seeds: Vec<Multiaddr>) -> Result<Node, Failure> {
    let sampling = Config::local().with_network("example").with_seeds(seeds);
    let limits = ConnectionLimits::default()
        .with_max_established(Some(8 + 24))
        .with_max_established_per_peer(Some(2));
    Ok(Node {
        limits: connection_limits::Behaviour::new(limits),
        memory: memory_connection_limits::Behaviour::with_max_percentage(0.9),
        blocked: allow_block_list::Behaviour::default(),
        sampling: Behaviour::new(keypair, sampling)?,
    })
}
