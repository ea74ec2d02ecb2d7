use libp2p::{
    Multiaddr, StreamProtocol, Swarm,
    identity::Keypair,
    kad::{self, store::MemoryStore},
    swarm::NetworkBehaviour,
};
use libp2p_peer_sampling::{Behaviour, Config, Event};

#[derive(NetworkBehaviour)]
struct Node {
    sampling: Behaviour,
    kad: kad::Behaviour<MemoryStore>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn node(keypair: &Keypair, seeds: Vec<Multiaddr>) -> Result<Node, Failure> {
    let id = keypair.public().to_peer_id();
    let config = kad::Config::new(StreamProtocol::new("/example/kad/1.0.0"));
    let mut kad = kad::Behaviour::with_config(id, MemoryStore::new(id), config);
    // On the open internet it is one by itself, exactly while this node advertises.
    kad.set_mode(Some(kad::Mode::Server));
    let sampling = Config::local().with_network("example").with_seeds(seeds);
    Ok(Node { sampling: Behaviour::new(keypair, sampling)?, kad })
}

fn on_event(swarm: &mut Swarm<Node>, event: NodeEvent) {
    if let NodeEvent::Sampling(Event::Contacted { peer, addresses }) = event {
        for address in addresses {
            swarm.behaviour_mut().kad.add_address(&peer, address);
        }
    }
}
