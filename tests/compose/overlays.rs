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
    let everybody = config
        .clone()
        .with_network("example")
        .with_view_size(100)
        .with_overlay(Basalt::for_view_size(100));
    let archive = config
        .with_network("example-archive")
        .with_overlay(Random::for_view_size(30));
    let everybody = Behaviour::new(keypair, everybody)?;
    let archive = Behaviour::beside(&everybody.handle(), keypair, archive)?;
    Ok(Node { everybody, archive })
}
