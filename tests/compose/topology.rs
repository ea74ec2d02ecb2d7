use libp2p::{Multiaddr, identity::Keypair, swarm::NetworkBehaviour};
use libp2p_peer_sampling::{
    Behaviour, Config, Handle, RankedSelection, Record, overlay::Ranked, ranking::SortedRing,
};

type Ring = Ranked<SortedRing<fn(&Record) -> Option<u64>>, Record>;

#[derive(NetworkBehaviour)]
struct Node {
    everybody: Behaviour,
    ring: Behaviour<Ring>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn node(keypair: &Keypair, seeds: Vec<Multiaddr>) -> Result<Node, Failure> {
    let config = Config::local();
    let everybody = config.clone().with_network("example").with_seeds(seeds);
    let everybody = Behaviour::new(keypair, everybody)?;
    // Two links. The other peers of the view are there to find these.
    let ring = config
        .with_network("example-ring")
        .with_view_size(100)
        .with_neighbours(4)
        .with_overlay(Ranked::new(SortedRing::by_id(), 2));
    let ring = Behaviour::beside(&everybody.handle(), keypair, ring)?;
    Ok(Node { everybody, ring })
}

/// The next peer on the ring.
fn successor(ring: &Handle) -> Option<Record> {
    ring.select_peer(RankedSelection::Nearest)
}
