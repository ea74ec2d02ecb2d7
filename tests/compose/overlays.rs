use libp2p::{Multiaddr, identity::Keypair, swarm::NetworkBehaviour};
use libp2p_peer_sampling::{Behaviour, Config, overlay::{Basalt, Random}};

#[derive(NetworkBehaviour)]
struct Node {
    everybody: Behaviour<Basalt>,
    archive: Behaviour<Random>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn node(keypair: &Keypair, seeds: Vec<Multiaddr>) -> Result<Node, Failure> {
    let config = Config::local().with_seeds(seeds);
    let everybody = config.clone().with_network("example").with_view_size(100);
    let archive = config.with_network("example-archive").with_view_size(30);
    let everybody = Behaviour::with_overlay(keypair, everybody, Basalt::for_view_size(100))?;
    let (first, overlay) = (everybody.handle(), Random::for_view_size(30));
    let archive = Behaviour::beside_with_overlay(&first, keypair, archive, overlay)?;
    Ok(Node { everybody, archive })
}
