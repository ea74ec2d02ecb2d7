use libp2p::{
    Multiaddr, Swarm, autonat, dcutr, identify, identity::Keypair, multiaddr::Protocol, relay,
    swarm::NetworkBehaviour,
};
use libp2p_peer_sampling::{Behaviour, Config};

#[derive(NetworkBehaviour)]
struct Node {
    relay: relay::client::Behaviour,
    dcutr: dcutr::Behaviour,
    autonat: autonat::v2::client::Behaviour,
    identify: identify::Behaviour,
    sampling: Behaviour,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// After `with_relay_client`, which hands out the client.
fn node(
    keypair: &Keypair,
    client: relay::client::Behaviour,
    seeds: Vec<Multiaddr>,
) -> Result<Node, Failure> {
    let identify = identify::Config::new("/example/1.0.0".to_owned(), keypair.public());
    let sampling = Config::local().with_network("example").with_seeds(seeds).with_relayed(true);
    Ok(Node {
        relay: client,
        dcutr: dcutr::Behaviour::new(keypair.public().to_peer_id()),
        autonat: autonat::v2::client::Behaviour::default(),
        identify: identify::Behaviour::new(identify),
        sampling: Behaviour::new(keypair, sampling)?,
    })
}

/// `relay` ends in `/p2p/<relay>`. Call it before you poll the swarm, and when the listener closes.
fn reserve(swarm: &mut Swarm<Node>, relay: Multiaddr) -> Result<(), Failure> {
    swarm.listen_on(relay.with(Protocol::P2pCircuit))?;
    Ok(())
}
