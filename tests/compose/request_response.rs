use libp2p::{
    Multiaddr, StreamProtocol, Swarm,
    identity::Keypair,
    request_response::{self, ProtocolSupport, cbor},
    swarm::NetworkBehaviour,
};
use libp2p_peer_sampling::{Behaviour, Config, Selection};

#[derive(NetworkBehaviour)]
struct Node {
    sampling: Behaviour,
    questions: cbor::Behaviour<String, String>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn node(keypair: &Keypair, seeds: Vec<Multiaddr>) -> Result<Node, Failure> {
    let sampling = Config::local().with_network("example").with_seeds(seeds);
    let protocol = (StreamProtocol::new("/question/1.0.0"), ProtocolSupport::Full);
    Ok(Node {
        sampling: Behaviour::new(keypair, sampling)?,
        questions: cbor::Behaviour::new([protocol], request_response::Config::default()),
    })
}

fn ask_anybody(swarm: &mut Swarm<Node>) {
    let node = swarm.behaviour_mut();
    if let Some(peer) = node.sampling.select_peer(Selection::Uniform) {
        node.questions.send_request(&peer.peer_id(), "who are you?".to_owned());
    }
}
