//! Other behaviours beside ours, in real swarms: they reach whom it has found, and it finds whom they
//! know.

mod common;

use std::{collections::BTreeMap, convert::Infallible, fmt::Debug, time::Duration};

use common::{
    observer::{Observer, Sees},
    swarms::{Node, Sampling, config, eventually, eventually_async, swarm},
};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, identify,
    identity::Keypair,
    kad,
    multiaddr::Protocol,
    rendezvous,
    request_response::{self, ProtocolSupport},
    swarm::{
        DialError, FromSwarm, NetworkBehaviour,
        behaviour::DialFailure,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use libp2p_peer_sampling::{Behaviour, Config, Direction, Event, ExchangeError, Handle, Selection};

/// A period that no test lives to see: what happens, happens without waiting for it.
const NEVER: Duration = Duration::from_secs(60 * 60);
const IDLE: Duration = Duration::from_millis(100);

fn sampling(keypair: &Keypair, config: Config) -> Behaviour {
    Behaviour::new(keypair, config).expect("valid settings")
}

async fn stop<B: NetworkBehaviour + Send>(nodes: impl IntoIterator<Item = Node<B>>)
where
    B::ToSwarm: Debug,
{
    for node in nodes {
        node.stop().await;
    }
}

// ---- request-response ----

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

/// Lets `asker` put a question to `peer`, of whom it names nothing but the id, and `peer` answer.
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

/// Of whom there is only hearsay: no other behaviour knows an address.
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

// ---- rendezvous ----

#[derive(NetworkBehaviour)]
struct Meeting {
    sampling: Behaviour,
    rendezvous: rendezvous::client::Behaviour,
}

/// How to find the first peer: a point that knows who is there and has no part in peer sampling, and
/// nobody has a seed.
#[tokio::test(flavor = "multi_thread")]
async fn whom_rendezvous_discovers_fills_the_views() {
    const NODES: usize = 8;

    let (point, address) = swarm(Keypair::generate_ed25519(), IDLE, |_| {
        rendezvous::server::Behaviour::new(Default::default())
    });
    let point = Node::spawn(point, address);
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        let keypair = Keypair::generate_ed25519();
        let idle = Duration::from_secs(10);
        let (mut swarm, address) = swarm(keypair, idle, |keypair| Meeting {
            sampling: sampling(keypair, config()),
            rendezvous: rendezvous::client::Behaviour::new(keypair.clone()),
        });
        swarm.add_external_address(address.clone());
        let known = swarm.dial(point.address.clone());
        known.expect("a multiaddr");
        let handle = swarm.behaviour().sampling.handle();
        let mut node = Node::spawn(swarm, address);
        let at = point.peer_id;
        let space = || rendezvous::Namespace::from_static("chat");
        eventually_async("the point is connected", async || {
            node.ask(move |swarm| swarm.is_connected(&at)).await
        })
        .await;
        let registered = node.ask(move |swarm| {
            let rendezvous = &mut swarm.behaviour_mut().rendezvous;
            rendezvous.register(space(), at, None)
        });
        registered.await.expect("it has an address");
        node.event("Registered", |event| match event {
            MeetingEvent::Rendezvous(rendezvous::client::Event::Registered { .. }) => Some(()),
            MeetingEvent::Sampling(Event::ExchangeFailed { peer, error, .. }) => {
                assert_eq!(peer, at);
                let unsupported = matches!(error, ExchangeError::Outbound(_));
                assert!(
                    unsupported,
                    "the point itself does not speak the protocol: {error}"
                );
                None
            }
            _ => None,
        })
        .await;
        node.ask(move |swarm| {
            let rendezvous = &mut swarm.behaviour_mut().rendezvous;
            rendezvous.discover(Some(space()), None, None, at);
        })
        .await;
        nodes.push((node, handle));
    }
    eventually("every view holds the others", || {
        nodes
            .iter()
            .all(|(_, handle)| handle.view_len() == NODES - 1)
    })
    .await;
    for (node, handle) in &nodes {
        assert!(!handle.contains(&point.peer_id) && !handle.contains(&node.peer_id));
    }
    stop(nodes.into_iter().map(|(node, _)| node)).await;
    point.stop().await;
}

// ---- identify ----

#[derive(NetworkBehaviour)]
struct Identified {
    sampling: Behaviour,
    identify: identify::Behaviour,
}

fn identified(config: Config) -> (Node<Identified>, Handle) {
    let (swarm, address) = swarm(Keypair::generate_ed25519(), IDLE, |keypair| {
        let identify = identify::Config::new("/test/1.0.0".to_owned(), keypair.public());
        Identified {
            sampling: sampling(keypair, config.with_neighbours(0)),
            identify: identify::Behaviour::new(identify),
        }
    });
    let handle = swarm.behaviour().sampling.handle();
    (Node::spawn(swarm, address), handle)
}

/// It came for something else while nobody was looked for, and identify has heard where it listens. When
/// all others are gone, that is the way back.
#[tokio::test(flavor = "multi_thread")]
async fn who_came_by_once_is_remembered_by_what_identify_says() {
    let config = || config().with_view_size(2).with_retries(1);
    let far = [1, 2].map(|_| Sampling::start(config().with_period(NEVER)));
    let seeds = far.each_ref().map(|far| far.node.address.clone());
    let (visitor, its_view) = identified(config().with_period(NEVER).with_seeds(seeds));
    let (mut node, view) = identified(config());
    let near = [1, 2].map(|_| {
        let seeds = [node.address.clone()];
        Sampling::start(config().with_period(NEVER).with_seeds(seeds))
    });
    eventually("both know enough", || {
        its_view.view_len() == 2 && view.view_len() == 2
    })
    .await;

    let address = node.address.clone();
    let dialled = visitor.ask(move |swarm| swarm.dial(address)).await;
    dialled.expect("a multiaddr");
    let guest = visitor.peer_id;
    let identified = node.event("Received", |event| match event {
        IdentifiedEvent::Identify(identify::Event::Received { peer_id, .. }) => Some(peer_id),
        _ => None,
    });
    assert_eq!(identified.await, guest);
    eventually_async("it goes", async || {
        !node.ask(move |swarm| swarm.is_connected(&guest)).await
    })
    .await;
    assert!(!view.is_contacted(&guest), "there was an exchange");
    stop(near.map(|near| near.node)).await;
    let found = node.event("an exchange with it", |event| match event {
        IdentifiedEvent::Sampling(Event::Exchanged {
            peer, direction, ..
        }) => (peer == guest).then_some(direction),
        _ => None,
    });
    assert_eq!(found.await, Direction::Outbound);
    eventually("it is in the view", || view.contains(&guest)).await;
    stop([node, visitor]).await;
    stop(far.map(|far| far.node)).await;
}

// ---- Everybody who knows addresses ----

/// A behaviour that remembers at which addresses dials have failed, one list for each dial.
#[derive(Default)]
struct Failures {
    dials: Vec<(PeerId, Vec<Multiaddr>)>,
}

impl Sees for Failures {
    type Says = Infallible;

    fn sees(&mut self, event: &FromSwarm<'_>) -> Option<Infallible> {
        if let FromSwarm::DialFailure(DialFailure {
            peer_id: Some(peer),
            error: DialError::Transport(attempts),
            ..
        }) = event
        {
            let addresses = attempts.iter().map(|(address, _)| address.clone());
            self.dials.push((*peer, addresses.collect()));
        }
        None
    }
}

#[derive(NetworkBehaviour)]
struct Crowd {
    sampling: Behaviour,
    identify: identify::Behaviour,
    kademlia: kad::Behaviour<kad::store::MemoryStore>,
    questions: request_response::cbor::Behaviour<String, String>,
    failures: Observer<Failures>,
}

/// identify, Kademlia and request-response return addresses that end in `/p2p/<peer>`, and the
/// swarm takes two spellings of one address for two.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_siblings_know_too_is_dialled_once() {
    const PEERS: usize = 5;

    let peers = [(); PEERS].map(|()| identified(config().with_period(NEVER)).0);
    let seeds = peers.each_ref().map(|peer| peer.address.clone());
    let (swarm, address) = swarm(Keypair::generate_ed25519(), IDLE, |keypair| {
        let identify = identify::Config::new("/test/1.0.0".to_owned(), keypair.public());
        let store = kad::store::MemoryStore::new(keypair.public().to_peer_id());
        let protocols = [(
            StreamProtocol::new("/question/1.0.0"),
            ProtocolSupport::Full,
        )];
        let config = config().with_period(NEVER).with_neighbours(0);
        Crowd {
            sampling: sampling(keypair, config.with_seeds(seeds)),
            identify: identify::Behaviour::new(identify),
            kademlia: kad::Behaviour::new(keypair.public().to_peer_id(), store),
            questions: request_response::Behaviour::new(protocols, Default::default()),
            failures: Observer::default(),
        }
    });
    let mut node = Node::spawn(swarm, address);
    let (mut contacted, mut received) = (0, 0);
    node.event("all are met and identified", |event| {
        match event {
            CrowdEvent::Sampling(Event::Contacted { .. }) => contacted += 1,
            CrowdEvent::Identify(identify::Event::Received { .. }) => received += 1,
            _ => {}
        }
        (contacted == PEERS && received >= PEERS).then_some(())
    })
    .await;
    let ids = peers
        .each_ref()
        .map(|peer| (peer.peer_id, peer.address.clone()));
    stop(peers).await;
    eventually_async("nobody is connected", async || {
        node.ask(|swarm| swarm.connected_peers().next().is_none())
            .await
    })
    .await;
    node.ask(move |swarm| {
        for (peer, address) in ids {
            swarm.behaviour_mut().kademlia.add_address(&peer, address);
            // Peer sampling may be looking for it, too.
            let opts = DialOpts::peer_id(peer).condition(PeerCondition::Always);
            swarm.dial(opts.build()).expect("an address is known");
        }
    })
    .await;
    let mut failures = Vec::new();
    eventually_async("every dial has failed", async || {
        failures = node
            .ask(|swarm| swarm.behaviour().failures.who.dials.clone())
            .await;
        failures.len() >= PEERS
    })
    .await;
    for (peer, addresses) in failures {
        let home = Protocol::P2p(peer);
        assert_eq!(
            addresses.len(),
            1,
            "one address, in two spellings: {addresses:?}"
        );
        assert_eq!(addresses[0].iter().last(), Some(home));
    }
    node.stop().await;
}

// ---- What siblings are told ----

/// A behaviour that remembers which addresses of peers the others tell of.
#[derive(Default)]
struct Listener {
    told: Vec<(PeerId, Multiaddr)>,
}

impl Sees for Listener {
    type Says = Infallible;

    fn sees(&mut self, event: &FromSwarm<'_>) -> Option<Infallible> {
        if let FromSwarm::NewExternalAddrOfPeer(event) = event {
            self.told.push((event.peer_id, event.addr.clone()));
        }
        None
    }
}

#[derive(NetworkBehaviour)]
struct Heard {
    sampling: Behaviour,
    listener: Observer<Listener>,
}

#[tokio::test(flavor = "multi_thread")]
async fn siblings_are_told_of_each_contact_once_and_of_nobody_else() {
    let gone = Sampling::start(config());
    let seeds = [gone.node.address.clone()];
    let others = [1, 2, 3].map(|_| Sampling::start(config().with_seeds(seeds.clone())));
    eventually("one of them is known", || others[0].handle.view_len() == 3).await;
    let hearsay = others[0].handle.view();
    let hearsay = hearsay.iter().find(|r| r.peer_id() == gone.node.peer_id);
    let hearsay = hearsay.expect("one of them").envelope().to_vec();
    let dead = gone.node.peer_id;
    gone.node.stop().await;

    let seeds = others.each_ref().map(|other| other.node.address.clone());
    let (mut swarm, address) = swarm(Keypair::generate_ed25519(), IDLE, |keypair| Heard {
        sampling: sampling(keypair, config().with_seeds(seeds)),
        listener: Observer::default(),
    });
    let init = swarm.behaviour_mut().sampling.init([hearsay]);
    assert_eq!(init.entered, 1);
    let mut node = Node::spawn(swarm, address);
    let mut met: BTreeMap<PeerId, usize> = BTreeMap::new();
    let (mut contacted, mut failed) = (Vec::new(), false);
    node.event("three exchanges with each of them", |event| {
        match event {
            HeardEvent::Sampling(Event::Exchanged { peer, .. }) => {
                *met.entry(peer).or_default() += 1;
                let known = contacted.iter().any(|(contact, _)| *contact == peer);
                // Who has come by over the memory transport is found when it is dialled.
                assert!(known || met[&peer] > 0);
            }
            HeardEvent::Sampling(Event::Contacted { peer, addresses }) => {
                assert!(!addresses.is_empty());
                contacted.extend(addresses.into_iter().map(|address| (peer, address)));
            }
            HeardEvent::Sampling(Event::ExchangeFailed { peer, .. }) => failed |= peer == dead,
            _ => {}
        }
        let often = met.len() == 3 && met.values().all(|exchanges| *exchanges >= 3);
        (failed && often && contacted.len() >= 3).then_some(())
    })
    .await;
    let mut told = node
        .ask(|swarm| swarm.behaviour().listener.who.told.clone())
        .await;
    told.sort();
    let mut expected = others
        .each_ref()
        .map(|o| (o.node.peer_id, o.node.address.clone()));
    expected.sort();
    assert_eq!(
        told, expected,
        "each once, and nobody of whom there is only hearsay"
    );
    contacted.sort();
    assert_eq!(contacted, expected, "and so is the application");
    for (peer, address) in told {
        assert_eq!(address.iter().last(), Some(Protocol::P2p(peer)));
    }
    node.stop().await;
    stop(others.map(|other| other.node)).await;
}
