//! Addresses that several behaviours know, and those that each is told of.

use std::{collections::BTreeMap, convert::Infallible};

use libp2p::{
    Multiaddr, PeerId, StreamProtocol, identify,
    identity::Keypair,
    kad,
    multiaddr::Protocol,
    request_response::{self, ProtocolSupport},
    swarm::{
        DialError, FromSwarm, NetworkBehaviour,
        behaviour::DialFailure,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use libp2p_peer_sampling::{Behaviour, Event};

use crate::{
    IDLE, NEVER,
    common::{
        observer::{Observer, Sees},
        swarms::{Node, Sampling, config, eventually, eventually_async, swarm},
    },
    identified, sampling, stop,
};

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
    let hearsay = hearsay.peers().find(|r| r.peer_id() == gone.node.peer_id);
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
        "each once, and nobody that is known by hearsay only"
    );
    contacted.sort();
    assert_eq!(contacted, expected, "and so is the application");
    for (peer, address) in told {
        assert_eq!(address.iter().last(), Some(Protocol::P2p(peer)));
    }
    node.stop().await;
    stop(others.map(|other| other.node)).await;
}
