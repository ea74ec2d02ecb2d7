use libp2p::{
    Multiaddr, PeerId, Swarm, identify,
    identity::Keypair,
    rendezvous::{Namespace, client},
    swarm::NetworkBehaviour,
};
use libp2p_peer_sampling::{Behaviour, Config};

#[derive(NetworkBehaviour)]
struct Node {
    sampling: Behaviour,
    identify: identify::Behaviour,
    rendezvous: client::Behaviour,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn node(keypair: &Keypair, seeds: Vec<Multiaddr>) -> Result<Node, Failure> {
    let identify = identify::Config::new("/example/1.0.0".to_owned(), keypair.public());
    let sampling = Config::local().with_network("example").with_seeds(seeds);
    Ok(Node {
        sampling: Behaviour::new(keypair, sampling)?,
        identify: identify::Behaviour::new(identify),
        rendezvous: client::Behaviour::new(keypair.clone()),
    })
}

/// Once the rendezvous point is connected.
fn look_around(swarm: &mut Swarm<Node>, point: PeerId) {
    let namespace = Namespace::from_static("example");
    swarm.behaviour_mut().rendezvous.discover(Some(namespace), None, None, point);
}
