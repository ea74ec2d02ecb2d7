use libp2p::{Multiaddr, gossipsub, identity::Keypair, swarm::NetworkBehaviour};
use libp2p_peer_sampling::{Behaviour, Config};

#[derive(NetworkBehaviour)]
struct Node {
    sampling: Behaviour,
    gossipsub: gossipsub::Behaviour,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn node(keypair: &Keypair, seeds: Vec<Multiaddr>) -> Result<Node, Failure> {
    let author = gossipsub::MessageAuthenticity::Signed(keypair.clone());
    let mut gossipsub = gossipsub::Behaviour::new(author, gossipsub::Config::default())?;
    gossipsub.subscribe(&gossipsub::IdentTopic::new("chat"))?;
    let sampling = Config::local().with_network("chat").with_seeds(seeds);
    Ok(Node { sampling: Behaviour::new(keypair, sampling)?, gossipsub })
}
