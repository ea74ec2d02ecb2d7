//! Beside behaviours that refuse connections: connection-limits, allow-block-list and
//! memory-connection-limits.

mod common;

use std::{collections::BTreeSet, time::Duration};

use common::swarms::{Node, config, eventually, eventually_async, swarm};
use libp2p::{
    Multiaddr, PeerId, Swarm,
    allow_block_list::{self, AllowedPeers, BlockedPeers},
    connection_limits::{self, ConnectionLimits},
    identity::Keypair,
    memory_connection_limits,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
};
use libp2p_peer_sampling::{
    Behaviour, Config, Direction, Event, ExchangeError, Handle, NeighbourDownReason, time::Backoff,
};

/// Peer sampling behind all guards there are. They come first, as libp2p recommends.
#[derive(NetworkBehaviour)]
struct Guarded {
    limits: connection_limits::Behaviour,
    blocked: allow_block_list::Behaviour<BlockedPeers>,
    allowed: Toggle<allow_block_list::Behaviour<AllowedPeers>>,
    memory: Toggle<memory_connection_limits::Behaviour>,
    sampling: Behaviour,
}

struct Guard {
    node: Node<Guarded>,
    handle: Handle,
    seen: Seen,
}

/// What the behaviour has told.
#[derive(Debug, Default)]
struct Seen {
    exchanged: usize,
    /// Our own guards.
    refused: usize,
    blocked: BTreeSet<PeerId>,
    /// The guards of others.
    turned_away: usize,
    other_failures: Vec<String>,
    /// Who left the view for a failure.
    removed: BTreeSet<PeerId>,
    neighbours_disconnected: usize,
}

impl Guard {
    fn start(limits: ConnectionLimits, config: Config) -> Self {
        let idle = Duration::from_secs(60 * 60);
        let (swarm, address) = swarm(Keypair::generate_ed25519(), idle, |keypair| Guarded {
            limits: connection_limits::Behaviour::new(limits),
            blocked: Default::default(),
            allowed: Toggle::from(None),
            memory: Toggle::from(None),
            sampling: Behaviour::new(keypair, config).expect("valid settings"),
        });
        let handle = swarm.behaviour().sampling.handle();
        Self {
            node: Node::spawn(swarm, address),
            handle,
            seen: Seen::default(),
        }
    }

    fn peer(&self) -> PeerId {
        self.node.peer_id
    }

    fn view(&self) -> BTreeSet<PeerId> {
        let view = self.handle.view();
        view.peers().map(|record| record.peer_id()).collect()
    }

    /// Takes note of the events so far.
    fn listen(&mut self) {
        let seen = &mut self.seen;
        while let Ok(event) = self.node.events.try_recv() {
            let GuardedEvent::Sampling(event) = event;
            match event {
                Event::Exchanged {
                    direction: Direction::Outbound,
                    ..
                } => seen.exchanged += 1,
                Event::ExchangeFailed {
                    peer,
                    error,
                    removed,
                } => {
                    if removed {
                        seen.removed.insert(peer);
                    }
                    match error {
                        ExchangeError::Refused(_) => seen.refused += 1,
                        ExchangeError::Blocked => _ = seen.blocked.insert(peer),
                        ExchangeError::TurnedAway => seen.turned_away += 1,
                        other => seen.other_failures.push(other.to_string()),
                    }
                }
                Event::NeighbourDown { reason, .. } => {
                    let closed = reason == NeighbourDownReason::ConnectionClosed;
                    seen.neighbours_disconnected += usize::from(closed);
                }
                _ => {}
            }
        }
    }

    async fn connections(&self) -> u32 {
        let count = |swarm: &mut Swarm<Guarded>| {
            let info = swarm.network_info();
            info.connection_counters().num_established()
        };
        self.node.ask(count).await
    }

    async fn neighbours(&self) -> Vec<PeerId> {
        let neighbours =
            |swarm: &mut Swarm<Guarded>| swarm.behaviour().sampling.neighbours().to_vec();
        self.node.ask(neighbours).await
    }
}

/// `count` nodes that know the first.
fn star(count: usize, limits: &ConnectionLimits, config: impl Fn() -> Config) -> Vec<Guard> {
    let first = Guard::start(limits.clone(), config());
    let seed: Multiaddr = first.node.address.clone();
    let others =
        (1..count).map(|_| Guard::start(limits.clone(), config().with_seeds([seed.clone()])));
    std::iter::once(first).chain(others).collect()
}

fn peers<'a>(nodes: impl IntoIterator<Item = &'a Guard>) -> BTreeSet<PeerId> {
    nodes.into_iter().map(Guard::peer).collect()
}

/// Waits until every node has made `rounds` more exchanges of its own.
async fn rounds(nodes: &mut [Guard], rounds: usize) {
    let mut goals = Vec::new();
    for node in &mut *nodes {
        node.listen();
        goals.push(node.seen.exchanged + rounds);
    }
    eventually("rounds of all", || {
        let mut nodes = nodes.iter_mut().zip(&goals);
        nodes.all(|(node, goal)| {
            node.listen();
            node.seen.exchanged >= *goal
        })
    })
    .await;
}

/// Waits until everybody has everybody else in its view.
async fn all_know_all(nodes: &[Guard]) {
    let all = peers(nodes);
    eventually("everybody knows everybody", || {
        nodes.iter().all(|node| {
            let mut view = node.view();
            view.insert(node.peer());
            view == all
        })
    })
    .await;
}

async fn stop(nodes: impl IntoIterator<Item = Guard>) {
    for node in nodes {
        node.node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_tight_limits_views_fill_and_stay_mixed_and_nobody_is_blamed() {
    const N: usize = 20;
    const C: usize = 10;
    const MOST: u32 = 4;

    let limits = ConnectionLimits::default()
        .with_max_established(Some(MOST))
        .with_max_established_per_peer(Some(1))
        .with_max_pending_outgoing(Some(2));
    let config = || {
        config()
            .with_view_size(C)
            .with_neighbours(3)
            // Or exchanges are over before they get into each other's way.
            .with_period(Duration::from_millis(50))
            .with_seed_backoff(Backoff::new(
                Duration::from_millis(50),
                Duration::from_millis(500),
            ))
    };
    let mut nodes = star(N, &limits, config);
    eventually("every view is full", || {
        nodes.iter().all(|node| node.handle.view_len() == C)
    })
    .await;
    let denied = assert_mixed(&mut nodes, MOST).await;
    // How many depends on how fast the machine is; below, it is all of them.
    assert!(denied > 0, "limits that deny nothing are not tight");

    // From now on nobody connects to anybody.
    for node in &nodes {
        let close = |swarm: &mut Swarm<Guarded>| {
            let limits = swarm.behaviour_mut().limits.limits_mut();
            *limits = ConnectionLimits::default().with_max_established(Some(0));
        };
        node.node.ask(close).await;
    }
    let denied = assert_mixed(&mut nodes, MOST).await;
    assert!(
        denied > 10 * N,
        "{denied} denied dials of nodes that are full"
    );
    stop(nodes).await;
}

/// Lets each node make 40 exchanges. All views show nearly everybody in that time, nobody leaves a
/// view for a failure, and no node has more than `most` connections. Returns how many dials were
/// denied.
async fn assert_mixed(nodes: &mut [Guard], most: u32) -> usize {
    let denied = |nodes: &[Guard]| -> usize {
        let denied = |node: &Guard| node.seen.refused + node.seen.turned_away;
        nodes.iter().map(denied).sum()
    };
    let before = denied(nodes);
    let mut met = vec![BTreeSet::new(); nodes.len()];
    for _ in 0..20 {
        rounds(nodes, 2).await;
        for (met, node) in met.iter_mut().zip(&*nodes) {
            met.extend(node.view());
            assert!(node.connections().await <= most);
        }
    }
    for (met, node) in met.iter().zip(&*nodes) {
        let (met, seen) = (met.len(), &node.seen);
        assert!(met >= nodes.len() - 4, "{met} others seen; {seen:?}");
        assert_eq!(seen.removed, BTreeSet::new(), "{seen:?}");
        // Each round may be denied one dial of its own, and goes on with somebody else.
        assert!(seen.refused <= seen.exchanged, "{seen:?}");
        println!("{met} {seen:?}");
    }
    denied(nodes) - before
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_peer_leaves_the_view_until_it_is_unblocked() {
    let mut nodes = star(6, &ConnectionLimits::default(), || {
        config().with_neighbours(3)
    });
    all_know_all(&nodes).await;
    let victim = nodes[1].peer();
    let block = move |swarm: &mut Swarm<Guarded>| {
        let blocked = &mut swarm.behaviour_mut().blocked;
        assert!(blocked.block_peer(victim));
    };
    nodes[0].node.ask(block).await;
    eventually("the blocked peer leaves the view", || {
        !nodes[0].handle.contains(&victim)
    })
    .await;
    // All others go on about it.
    for _ in 0..5 {
        rounds(&mut nodes, 3).await;
        assert!(!nodes[0].handle.contains(&victim));
        assert!(!nodes[0].neighbours().await.contains(&victim));
        assert!(!nodes[0].handle.is_contacted(&victim));
        let saved = nodes[0].handle.contacted();
        assert!(saved.iter().all(|record| record.peer_id() != victim));
    }
    let others = |node: &&Guard| ![victim, nodes[0].peer()].contains(&node.peer());
    for node in nodes.iter().filter(others) {
        assert!(
            node.handle.contains(&victim),
            "it is nobody else's business"
        );
    }
    assert!(
        nodes[1].seen.removed.is_empty(),
        "nor is the blocker blamed"
    );

    let unblock = move |swarm: &mut Swarm<Guarded>| {
        let blocked = &mut swarm.behaviour_mut().blocked;
        assert!(blocked.unblock_peer(victim));
    };
    nodes[0].node.ask(unblock).await;
    all_know_all(&nodes).await;
    stop(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_allowed_peers_are_in_the_view() {
    let mut nodes = star(6, &ConnectionLimits::default(), || {
        config().with_neighbours(2)
    });
    all_know_all(&nodes).await;
    let allowed = [nodes[1].peer(), nodes[2].peer()];
    let allow = move |swarm: &mut Swarm<Guarded>| {
        let mut list = allow_block_list::Behaviour::default();
        for peer in allowed {
            list.allow_peer(peer);
        }
        swarm.behaviour_mut().allowed = Toggle::from(Some(list));
        let connected: Vec<_> = swarm.connected_peers().copied().collect();
        for peer in connected.iter().filter(|peer| !allowed.contains(peer)) {
            let _ = swarm.disconnect_peer_id(*peer);
        }
    };
    nodes[0].node.ask(allow).await;
    eventually("nobody else is in the view", || {
        nodes[0].view() == BTreeSet::from(allowed)
    })
    .await;
    for _ in 0..5 {
        rounds(&mut nodes, 3).await;
        assert_eq!(nodes[0].view(), BTreeSet::from(allowed));
    }
    let everybody = |swarm: &mut Swarm<Guarded>| {
        swarm.behaviour_mut().allowed = Toggle::from(None);
    };
    nodes[0].node.ask(everybody).await;
    all_know_all(&nodes).await;
    stop(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_memory_goes_on_with_its_neighbours_and_recovers() {
    let config = || config().with_neighbours(2).with_quarantine(None);
    let mut nodes = star(8, &ConnectionLimits::default(), config);
    all_know_all(&nodes).await;
    eventually_async("it has neighbours", async || {
        nodes[0].neighbours().await.len() == 2
    })
    .await;
    let full = |swarm: &mut Swarm<Guarded>| {
        let nothing = memory_connection_limits::Behaviour::with_max_bytes(0);
        swarm.behaviour_mut().memory = Toggle::from(Some(nothing));
    };
    nodes[0].node.ask(full).await;
    let before = nodes[0].seen.refused;
    rounds(&mut nodes, 10).await;
    assert!(nodes[0].seen.refused > before, "its dials were denied");
    assert!(nodes[0].seen.removed.is_empty());
    assert_eq!(nodes[0].handle.view_len(), 7);
    let freed = |swarm: &mut Swarm<Guarded>| {
        swarm.behaviour_mut().memory = Toggle::from(None);
    };
    nodes[0].node.ask(freed).await;
    all_know_all(&nodes).await;
    stop(nodes).await;
}
