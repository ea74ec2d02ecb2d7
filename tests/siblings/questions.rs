//! Requests to peers that are known by their `PeerId` alone.

use libp2p::{
    PeerId, StreamProtocol,
    identity::Keypair,
    request_response::{self, ProtocolSupport},
    swarm::NetworkBehaviour,
};
use libp2p_peer_sampling::{Behaviour, Config, Event, Handle, Selection};

use crate::{
    IDLE, NEVER,
    common::swarms::{Node, config, eventually, eventually_async, swarm},
    sampling, stop,
};

#[derive(NetworkBehaviour)]
struct Asking {
    sampling: Behaviour,
    questions: request_response::cbor::Behaviour<String, String>,
}

/// A node that answers every question, and keeps nobody connected.
struct Asker {
    node: Node<Asking>,
    handle: Handle,
}

impl Asker {
    fn start(config: Config) -> Self {
        let (swarm, address) = swarm(Keypair::generate_ed25519(), IDLE, |keypair| {
            let protocol = StreamProtocol::new("/question/1.0.0");
            let protocols = [(protocol, ProtocolSupport::Full)];
            Asking {
                sampling: sampling(keypair, config.with_neighbours(0)),
                questions: request_response::Behaviour::new(protocols, Default::default()),
            }
        });
        let handle = swarm.behaviour().sampling.handle();
        let node = Node::spawn(swarm, address);
        Self { node, handle }
    }

    async fn is_connected(&self, peer: PeerId) -> bool {
        self.node.ask(move |swarm| swarm.is_connected(&peer)).await
    }

    /// At how many addresses the dials have been that peer sampling knew of.
    async fn addresses_dialled(&self) -> u64 {
        let counters = self.node.ask(|swarm| swarm.behaviour().sampling.counters());
        counters.await.addresses_dialled
    }
}

/// Lets `asker` put a question to `peer`, which it names by its id alone, and `peer` answer.
async fn question(asker: &mut Asker, other: &mut Asker) -> String {
    let peer = other.node.peer_id;
    let ask = move |swarm: &mut libp2p::Swarm<Asking>| {
        let questions = &mut swarm.behaviour_mut().questions;
        questions.send_request(&peer, "who are you?".to_owned());
    };
    asker.node.ask(ask).await;
    let channel = other.node.event("the question", |event| match event {
        AskingEvent::Questions(request_response::Event::Message {
            message: request_response::Message::Request { channel, .. },
            ..
        }) => Some(channel),
        _ => None,
    });
    let channel = channel.await;
    let me = peer.to_string();
    let answer = move |swarm: &mut libp2p::Swarm<Asking>| {
        let questions = &mut swarm.behaviour_mut().questions;
        questions.send_response(channel, me).is_ok()
    };
    assert!(other.node.ask(answer).await, "the asker waits");
    let answer = asker.node.event("the answer", |event| match event {
        AskingEvent::Questions(request_response::Event::Message {
            message: request_response::Message::Response { response, .. },
            ..
        }) => Some(Ok(response)),
        AskingEvent::Questions(request_response::Event::OutboundFailure { error, .. }) => {
            Some(Err(error))
        }
        _ => None,
    });
    answer.await.expect("the peer can be reached")
}

/// It is known by hearsay only: no other behaviour knows an address.
#[tokio::test(flavor = "multi_thread")]
async fn a_sampled_peer_is_asked_by_its_id_alone() {
    let config = || config().with_period(NEVER).with_view_size(6);
    let seed = Asker::start(config());
    let address = seed.node.address.clone();
    let mut nodes = vec![seed];
    nodes.extend((1..12).map(|_| Asker::start(config().with_seeds([address.clone()]))));
    eventually("every view is full", || {
        nodes.iter().all(|node| node.handle.view_len() == 6)
    })
    .await;
    let mut pair = None;
    eventually_async("somebody is sampled who was not met", async || {
        for (asker, node) in nodes.iter().enumerate() {
            let Some(sample) = node.handle.select_peer(Selection::Uniform) else {
                continue;
            };
            let peer = sample.peer_id();
            if !node.handle.is_contacted(&peer) && !node.is_connected(peer).await {
                pair = Some((asker, peer));
            }
        }
        pair.is_some()
    })
    .await;
    let (asker, peer) = pair.expect("somebody");
    let mut asker = nodes.swap_remove(asker);
    let other = nodes.iter().position(|node| node.node.peer_id == peer);
    let mut other = nodes.swap_remove(other.expect("one of them"));
    let before = asker.addresses_dialled().await;
    let answer = question(&mut asker, &mut other).await;
    assert_eq!(answer, peer.to_string());
    assert!(asker.addresses_dialled().await > before);
    stop([asker, other].into_iter().chain(nodes).map(|n| n.node)).await;
}

/// It was announced when it was met, so request-response knows where it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_peer_sampling_has_forgotten_can_still_be_asked() {
    let mut other = Asker::start(config().with_period(NEVER));
    let seeds = [other.node.address.clone()];
    let mut asker = Asker::start(config().with_period(NEVER).with_seeds(seeds.clone()));
    let told = asker.node.event("Contacted", |event| match event {
        AskingEvent::Sampling(Event::Contacted { peer, addresses }) => Some((peer, addresses)),
        _ => None,
    });
    let peer = other.node.peer_id;
    assert_eq!(told.await, (peer, seeds.to_vec()));
    eventually_async("the connection closes", async || {
        !asker.is_connected(peer).await
    })
    .await;
    let forget = move |swarm: &mut libp2p::Swarm<Asking>| {
        let sampling = &mut swarm.behaviour_mut().sampling;
        sampling.remove(&peer);
        sampling.leave();
    };
    asker.node.ask(forget).await;
    assert!(!asker.handle.contains(&peer) && !asker.handle.is_contacted(&peer));
    let before = asker.addresses_dialled().await;
    let answer = question(&mut asker, &mut other).await;
    assert_eq!(answer, peer.to_string());
    assert_eq!(
        asker.addresses_dialled().await,
        before,
        "peer sampling had a hand in it"
    );
    stop([asker.node, other.node]).await;
}
