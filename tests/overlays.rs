//! Several instances of the behaviour in one swarm: several networks, or several overlays.

mod common;

use std::{collections::BTreeSet, time::Duration};

use common::swarms::{Node, config, eventually, eventually_async, swarm};
use libp2p::{
    Multiaddr, PeerId, Swarm, gossipsub,
    identity::Keypair,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
};
use libp2p_peer_sampling::{
    Behaviour, Config, Direction, Event, ExchangeError, Handle, NeighbourDownReason, OutboundError,
    overlay::{OverlayKind, Ranking},
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
    handles: [Option<Handle>; 2],
    /// Which instances have said goodbye.
    left: [bool; 2],
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
            let sampling = |config: Option<Config>, first: Option<&Handle>| {
                let config = config.map(|config| config.with_neighbours(NEIGHBOURS));
                let made = config.map(|config| match first {
                    Some(first) => Behaviour::beside(first, keypair, config),
                    None => Behaviour::new(keypair, config),
                });
                Toggle::from(made.map(|made| made.expect("valid settings")))
            };
            let a = sampling(a, None);
            let first = a.as_ref().map(Behaviour::handle);
            let gossipsub = gossipsub::Behaviour::new(
                gossipsub::MessageAuthenticity::Signed(keypair.clone()),
                gossipsub::Config::default(),
            );
            Two {
                b: sampling(b, first.as_ref()),
                a,
                gossipsub: gossipsub.expect("valid settings"),
            }
        });
        let handle = |behaviour: &Toggle<Behaviour>| behaviour.as_ref().map(Behaviour::handle);
        let handles = [handle(&swarm.behaviour().a), handle(&swarm.behaviour().b)];
        Self {
            node: Node::spawn(swarm, address),
            handles,
            left: [false; 2],
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
                ExchangeError::Outbound(OutboundError::Unsupported(_)) => seen.unsupported += 1,
                other => seen.other_failures.push(other.to_string()),
            },
            Event::NeighbourUp { peer } => assert!(neighbours.insert(peer)),
            Event::NeighbourDown { peer, reason } => {
                assert!(neighbours.remove(&peer));
                let closed = reason == NeighbourDownReason::ConnectionClosed;
                seen.neighbours_disconnected += usize::from(closed);
            }
            Event::Left => self.left[which] = true,
            _ => {}
        }
    }
}

/// Which instances a node has, and a seed to start from.
fn start(
    count: usize,
    configs: [Option<&dyn Fn() -> Config>; 2],
    seed: &Multiaddr,
) -> Vec<Twofold> {
    let make = |config: Option<&dyn Fn() -> Config>| {
        config.map(|config| config().with_seeds([seed.clone()]))
    };
    (0..count)
        .map(|_| Twofold::start(make(configs[0]), make(configs[1])))
        .collect()
}

/// Waits until every instance has made `rounds` more exchanges of its own.
async fn rounds(nodes: &mut [Twofold], rounds: usize) {
    let goals: Vec<_> = nodes
        .iter_mut()
        .map(|node| {
            node.listen();
            [0, 1].map(|i| match node.handles[i] {
                Some(_) => node.seen[i].exchanged + rounds,
                None => 0,
            })
        })
        .collect();
    eventually("rounds of all", || {
        nodes.iter_mut().zip(&goals).all(|(node, goals)| {
            node.listen();
            (0..2).all(|i| node.left[i] || node.seen[i].exchanged >= goals[i])
        })
    })
    .await;
}

/// Each view holds everybody else of its network, and nobody of the other.
async fn views_are_complete(nodes: &[Twofold]) {
    for i in 0..2 {
        let members = nodes.iter().filter(|node| node.handles[i].is_some());
        let peers: BTreeSet<PeerId> = members.clone().map(|node| node.node.peer_id).collect();
        for node in members {
            let handle = node.handles[i].as_ref().expect("a member");
            let mut others = peers.clone();
            others.remove(&node.node.peer_id);
            eventually("a view holds everybody else", || {
                let view: BTreeSet<_> = handle.view().peers().map(|r| r.peer_id()).collect();
                assert!(view.is_subset(&others), "somebody of another network");
                view == others
            })
            .await;
        }
    }
}

/// At some moment each node is connected to its neighbours alone, of either instance.
async fn nothing_is_kept_for_nothing(nodes: &[Twofold]) {
    for node in nodes {
        let is_tidy = |swarm: &mut Swarm<Two>| {
            let behaviour = swarm.behaviour();
            let instances = [&behaviour.a, &behaviour.b].into_iter();
            let instances = instances.filter_map(|instance| instance.as_ref());
            let kept: Vec<_> = instances.flat_map(Behaviour::neighbours).collect();
            swarm.connected_peers().all(|peer| kept.contains(&peer))
        };
        let tidy = async || node.node.ask(is_tidy).await;
        eventually_async("connected to neighbours alone", tidy).await;
    }
}

/// Nothing that one instance did was to the other's harm.
fn assert_undisturbed(nodes: &[Twofold]) {
    for node in nodes {
        for seen in &node.seen {
            assert_eq!(seen.connection_closed, 0, "{seen:?}");
            assert_eq!(seen.neighbours_disconnected, 0, "{seen:?}");
        }
    }
}

/// A neighbour that does not answer for half a second is given up, as it should be: so these tests
/// do not take each other's processor.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn two_networks_in_one_swarm_do_not_disturb_each_other() {
    let _alone = ALONE.lock().await;
    let a = || config().with_network("a");
    let b = || config().with_network("b");
    let mut nodes = vec![Twofold::start(Some(a()), Some(b()))];
    let seed = nodes[0].node.address.clone();
    nodes.extend(start(7, [Some(&a), Some(&b)], &seed));
    nodes.extend(start(4, [Some(&a), None], &seed));
    nodes.extend(start(4, [None, Some(&b)], &seed));
    views_are_complete(&nodes).await;
    rounds(&mut nodes, 40).await;
    views_are_complete(&nodes).await;
    nothing_is_kept_for_nothing(&nodes).await;
    assert_undisturbed(&nodes);
    for node in &nodes {
        // The views never fill, so each connected peer is asked whether it speaks the protocol:
        // once, and once more if the node was alone.
        for seen in &node.seen {
            assert!(seen.unsupported <= 8, "{seen:?}");
        }
    }

    // One instance leaves; the other goes on as if nothing had happened.
    let leaves = |swarm: &mut Swarm<Two>| {
        let a = swarm.behaviour_mut().a.as_mut();
        a.expect("the first has both").leave();
    };
    nodes[0].node.ask(leaves).await;
    eventually("it has left", || {
        nodes[0].listen();
        nodes[0].left[0]
    })
    .await;
    rounds(&mut nodes, 10).await;
    nothing_is_kept_for_nothing(&nodes).await;
    assert!(!nodes[0].neighbours[1].is_empty());
    assert_undisturbed(&nodes);
    for node in nodes {
        node.node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_overlays_of_the_same_nodes_do_not_disturb_each_other() {
    let _alone = ALONE.lock().await;
    let random = || config().with_network("random");
    let basalt = || {
        let overlay = OverlayKind::Basalt(Ranking::Identity);
        // Of so many slots every peer has one.
        config()
            .with_network("basalt")
            .with_overlay(overlay)
            .with_view_size(100)
    };
    let mut nodes = vec![Twofold::start(Some(random()), Some(basalt()))];
    let seed = nodes[0].node.address.clone();
    nodes.extend(start(9, [Some(&random), Some(&basalt)], &seed));
    views_are_complete(&nodes).await;
    rounds(&mut nodes, 30).await;
    nothing_is_kept_for_nothing(&nodes).await;
    assert_undisturbed(&nodes);
    for node in nodes {
        node.node.stop().await;
    }
}
