//! Several instances of the behaviour in one swarm: several networks, or several overlays.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::swarms::{Node, config, eventually, eventually_async, swarm};
use libp2p::{
    Multiaddr, PeerId, gossipsub,
    identity::Keypair,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
};
use libp2p_peer_sampling::{
    Behaviour, Config, Direction, Event, ExchangeError, Handle, NeighbourDownReason, OverlayKind,
    Ranking,
};

const NEIGHBOURS: usize = 3;

/// Two instances, and gossipsub, which lets no connection idle out.
#[derive(NetworkBehaviour)]
struct Two {
    a: Toggle<Behaviour>,
    b: Toggle<Behaviour>,
    gossipsub: gossipsub::Behaviour,
}

struct Twofold {
    node: Node<Two>,
    a: Option<Handle>,
    b: Option<Handle>,
    neighbours: [BTreeSet<PeerId>; 2],
    seen: [Seen; 2],
}

/// What one instance has told.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Seen {
    exchanged: usize,
    connection_closed: usize,
    unsupported: usize,
    other_failures: Vec<String>,
    neighbours_disconnected: usize,
}

impl Twofold {
    fn start(a: Option<Config>, b: Option<Config>) -> Self {
        let keypair = Keypair::generate_ed25519();
        // An hour: what is to be closed is closed on purpose.
        let idle = Duration::from_secs(60 * 60);
        let (swarm, address) = swarm(keypair, idle, |keypair| {
            let sampling = |config: Option<Config>| {
                let config = config.map(|config| config.with_neighbours(NEIGHBOURS));
                Toggle::from(config.map(|c| Behaviour::new(keypair, c).expect("valid settings")))
            };
            let gossipsub = gossipsub::Behaviour::new(
                gossipsub::MessageAuthenticity::Signed(keypair.clone()),
                gossipsub::Config::default(),
            );
            Two {
                a: sampling(a),
                b: sampling(b),
                gossipsub: gossipsub.expect("valid settings"),
            }
        });
        let handle = |behaviour: &Toggle<Behaviour>| behaviour.as_ref().map(Behaviour::handle);
        let (a, b) = (handle(&swarm.behaviour().a), handle(&swarm.behaviour().b));
        Self {
            node: Node::spawn(swarm, address),
            a,
            b,
            neighbours: Default::default(),
            seen: Default::default(),
        }
    }

    /// Takes note of the events so far.
    fn listen(&mut self) {
        while let Ok(event) = self.node.events.try_recv() {
            match event {
                TwoEvent::A(event) => self.note(0, event),
                TwoEvent::B(event) => self.note(1, event),
                TwoEvent::Gossipsub(_) => {}
            }
        }
    }

    fn note(&mut self, which: usize, event: Event) {
        let (seen, neighbours) = (&mut self.seen[which], &mut self.neighbours[which]);
        match event {
            Event::Exchanged {
                direction: Direction::Outbound,
                ..
            } => seen.exchanged += 1,
            Event::ExchangeFailed { error, .. } => match error {
                ExchangeError::ConnectionClosed => seen.connection_closed += 1,
                ExchangeError::Outbound(libp2p_peer_sampling::OutboundError::Unsupported) => {
                    seen.unsupported += 1;
                }
                other => seen.other_failures.push(other.to_string()),
            },
            Event::NeighbourUp { peer } => assert!(neighbours.insert(peer)),
            Event::NeighbourDown { peer, reason } => {
                assert!(neighbours.remove(&peer));
                seen.neighbours_disconnected +=
                    usize::from(reason == NeighbourDownReason::ConnectionClosed);
            }
            _ => {}
        }
    }
}

fn view(handle: &Handle) -> BTreeSet<PeerId> {
    handle
        .view()
        .iter()
        .map(|record| record.peer_id())
        .collect()
}

/// Waits until every instance has made `rounds` more exchanges of its own.
async fn rounds(nodes: &mut [Twofold], rounds: usize) {
    let goals: Vec<_> = nodes
        .iter_mut()
        .map(|node| {
            node.listen();
            let instances = [node.a.is_some(), node.b.is_some()];
            [0, 1].map(|i| usize::from(instances[i]) * (node.seen[i].exchanged + rounds))
        })
        .collect();
    eventually("rounds of all", || {
        nodes.iter_mut().zip(&goals).all(|(node, goals)| {
            node.listen();
            (0..2).all(|i| node.seen[i].exchanged >= goals[i])
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn probe() {
    let config = |name: &str, seed: Option<Multiaddr>| {
        config()
            .with_network(name)
            .with_view_size(8)
            .with_seeds(seed)
    };
    let first = Twofold::start(Some(config("a", None)), Some(config("b", None)));
    let seed = first.node.address.clone();
    let mut nodes = vec![first];
    for _ in 0..10 {
        nodes.push(Twofold::start(
            Some(config("a", Some(seed.clone()))),
            Some(config("b", Some(seed.clone()))),
        ));
    }
    for _ in 0..5 {
        nodes.push(Twofold::start(Some(config("a", Some(seed.clone()))), None));
        nodes.push(Twofold::start(None, Some(config("b", Some(seed.clone())))));
    }
    rounds(&mut nodes, 40).await;
    for n in &mut nodes {
        n.listen();
        let c = n
            .node
            .ask(|s| s.network_info().connection_counters().num_established())
            .await;
        println!(
            "{:?} {:?} conns {c} neigh {} {}",
            n.seen[0],
            n.seen[1],
            n.neighbours[0].len(),
            n.neighbours[1].len()
        );
    }
    for n in nodes {
        n.node.stop().await;
    }
}
