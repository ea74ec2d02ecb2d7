//! Gossipsub over neighbours: `examples/studies/gossip.rs` on a small scale, and gossipsub's own
//! peer exchange.

mod common;

#[path = "../examples/studies/gossip"]
#[allow(dead_code, unreachable_pub)]
mod gossip {
    pub mod gauge;
    pub mod ledger;
    pub mod node;
    pub mod study;
    pub mod topology;
}

use std::{collections::BTreeSet, time::Duration};

use common::{
    observer::{Observer, Sees},
    swarms::{Node, PATIENCE, eventually, eventually_async, swarm},
};
use futures::StreamExt;
use gossip::{
    gauge::Most,
    node::{Keeps, Mesh},
    study::{self, Bound, HEALED_WITHIN, Measured, Plan},
};
use libp2p::{
    Multiaddr, PeerId, Swarm,
    gossipsub::{self, IdentTopic, MessageAuthenticity},
    identity::Keypair,
    swarm::{
        DialError, DialFailure, FromSwarm, NetworkBehaviour, SwarmEvent, behaviour::toggle::Toggle,
    },
};
use libp2p_peer_sampling::{Behaviour, Config, Handle};
use tokio::{sync::Mutex, time::timeout};

const NEIGHBOURS: usize = 4;
/// How often a machine may be too busy to measure anything but itself.
const ATTEMPTS: usize = 3;

fn plan(keeps: Keeps, period: Duration) -> Plan {
    Plan {
        nodes: 16,
        keeps,
        rotation: 8,
        view_size: 10,
        rounds: 24,
        period,
        heartbeat: period / 3,
        interval: Duration::from_millis(50),
        messages: 2,
        mesh: Mesh::Fitting,
        max_connections: None,
        crash: matches!(keeps, Keeps::Neighbours(_)),
        seed: 0,
    }
}

/// One network at a time; and another when there were too many connections while timers were too
/// late for the periods to mean anything.
async fn measured(plan: &Plan, bound: usize) -> Measured {
    static ALONE: Mutex<()> = Mutex::const_new(());
    let _alone = ALONE.lock().await;
    let mut attempt = 1;
    loop {
        let measured = study::run(plan).await.expect("the nodes run");
        let late = measured.latest_timer > plan.period / 5;
        let crashed = measured.crashed.as_ref().map(|crashed| &crashed.most);
        let all = [&measured.joining, &measured.running];
        let most = all.into_iter().chain(crashed).map(Most::total).max();
        if !late || most <= Some(bound) || attempt == ATTEMPTS {
            return measured;
        }
        attempt += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_bounded_and_every_message_arrives_before_and_after_a_crash() {
    let plan = plan(Keeps::Neighbours(NEIGHBOURS), Duration::from_millis(300));
    let bound = Bound::of(NEIGHBOURS).total();
    let measured = measured(&plan, bound).await;
    let crashed = measured.crashed.as_ref().expect("half of them have");
    for most in [&measured.joining, &measured.running, &crashed.most] {
        let late = measured.latest_timer;
        assert!(
            most.total() <= bound,
            "{most:?}; a timer was late by {late:?}"
        );
    }
    assert!(measured.tally.down["Rotated"] > 0, "{:?}", measured.tally);
    assert!(measured.delivery.wanted > 0);
    assert!(measured.delivery.is_complete(), "{:?}", measured.missed);
    let healed = crashed.mesh.is_some_and(|at| at <= HEALED_WITHIN.into());
    assert!(healed, "{crashed:?}");
    assert!(crashed.later.wanted > 0);
    assert!(crashed.later.is_complete(), "{:?}", crashed.missed);
}

/// What the bound is measured against.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_every_exchange_is_kept_nodes_end_up_connected_to_nearly_everybody() {
    let plan = plan(Keeps::Everybody, Duration::from_millis(200));
    let measured = measured(&plan, plan.nodes * plan.nodes).await;
    let last = measured.bins.last().expect("24 rounds");
    let bound = Bound::of(NEIGHBOURS).total();
    assert!(last.mean > bound as f64, "{last:?}");
    let peak = measured.running.peak.expect("24 rounds");
    assert!(peak.count.total() >= plan.nodes - 1, "{peak:?}");
    assert!(measured.delivery.is_complete(), "{:?}", measured.missed);
}

// ---- Gossipsub's own peer exchange ----

/// Peer sampling may be left out.
#[derive(NetworkBehaviour)]
struct Composed {
    sampling: Toggle<Behaviour>,
    gossipsub: gossipsub::Behaviour,
    witness: Observer<Witness>,
}

/// Sees which peers the others dial in vain for want of an address: the swarm itself has no event
/// for that.
#[derive(Debug, Default)]
struct Witness;

impl Sees for Witness {
    type Says = PeerId;

    fn sees(&mut self, event: &FromSwarm<'_>) -> Option<PeerId> {
        match event {
            FromSwarm::DialFailure(DialFailure {
                peer_id,
                error: DialError::NoAddresses,
                ..
            }) => *peer_id,
            _ => None,
        }
    }
}

/// Long enough for nothing to happen by itself.
const NEVER: Duration = Duration::from_secs(60 * 60);
/// How many peers a mesh of the hub holds.
const FULL: usize = 3;

fn topic() -> IdentTopic {
    IdentTopic::new("peer exchange")
}

fn composed(keypair: &Keypair, sampling: Option<Config>) -> Composed {
    let config = gossipsub::ConfigBuilder::default()
        .mesh_n_high(FULL)
        .mesh_n(FULL)
        .mesh_n_low(2)
        .mesh_outbound_min(0)
        .do_px()
        .prune_peers(FULL)
        .heartbeat_initial_delay(Duration::from_millis(100))
        .heartbeat_interval(Duration::from_millis(100))
        .build();
    let author = MessageAuthenticity::Signed(keypair.clone());
    let sampling = sampling.map(|config| Behaviour::new(keypair, config).expect("valid settings"));
    Composed {
        sampling: sampling.into(),
        gossipsub: gossipsub::Behaviour::new(author, config.expect("valid settings"))
            .expect("valid settings"),
        witness: Observer::default(),
    }
}

/// Exchanges with seeds, and no other: all others that are dialled, gossipsub has dialled.
fn only_seeds() -> Config {
    Config::local()
        .with_neighbours(0)
        .with_period(NEVER)
        .with_eager_delay(NEVER)
}

/// A hub whose mesh is full, and those in it.
struct Full {
    hub: Node<Composed>,
    others: Vec<Node<Composed>>,
    hub_handle: Handle,
}

impl Full {
    async fn start() -> Self {
        let start = |config: Config| {
            let (mut swarm, address) = swarm(Keypair::generate_ed25519(), NEVER, |keypair| {
                composed(keypair, Some(config))
            });
            let behaviour = swarm.behaviour_mut();
            let subscribed = behaviour.gossipsub.subscribe(&topic());
            subscribed.expect("allowed");
            let sampling = behaviour.sampling.as_ref().expect("not left out");
            let handle = sampling.handle();
            (Node::spawn(swarm, address), handle)
        };
        let (hub, hub_handle) = start(only_seeds());
        let mut others = Vec::new();
        for _ in 0..FULL {
            let (other, _) = start(only_seeds().with_seeds([hub.address.clone()]));
            let peer = other.peer_id;
            eventually("the hub knows it", || hub_handle.contains(&peer)).await;
            let address = hub.address.clone();
            // The application's own: nobody closes it.
            let dialled = other.ask(move |swarm| swarm.dial(address)).await;
            dialled.expect("an address");
            others.push(other);
        }
        let full = Self {
            hub,
            others,
            hub_handle,
        };
        let all = full.peers();
        eventually_async("the mesh is full", async || full.hub.ask(mesh).await == all).await;
        full
    }

    fn peers(&self) -> BTreeSet<PeerId> {
        self.others.iter().map(|other| other.peer_id).collect()
    }

    async fn stop(self) {
        self.hub.stop().await;
        for node in self.others {
            node.stop().await;
        }
    }
}

fn mesh(swarm: &mut Swarm<Composed>) -> BTreeSet<PeerId> {
    let gossipsub = &swarm.behaviour().gossipsub;
    gossipsub.mesh_peers(&topic().hash()).copied().collect()
}

/// Polls the swarm until `wanted` has seen enough.
async fn until(
    swarm: &mut Swarm<Composed>,
    what: &str,
    mut wanted: impl FnMut(&Swarm<Composed>, SwarmEvent<ComposedEvent>) -> bool,
) {
    let seen = timeout(PATIENCE, async {
        loop {
            let event = swarm.select_next_some().await;
            if wanted(swarm, event) {
                return;
            }
        }
    });
    seen.await
        .unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"));
}

/// Connects a newcomer to the hub and has it graft the hub's mesh, in which there is no room for
/// it.
async fn graft(newcomer: &mut Swarm<Composed>, hub: &Node<Composed>) {
    newcomer.dial(hub.address.clone()).expect("an address");
    let hub = hub.peer_id;
    until(newcomer, "the hub's subscription", |_, event| {
        matches!(
            event,
            SwarmEvent::Behaviour(ComposedEvent::Gossipsub(gossipsub::Event::Subscribed {
                peer_id, ..
            })) if peer_id == hub
        )
    })
    .await;
    let gossipsub = &mut newcomer.behaviour_mut().gossipsub;
    gossipsub.subscribe(&topic()).expect("allowed");
}

#[tokio::test]
async fn pruned_nodes_dial_by_peer_id_and_are_connected() {
    let full = Full::start().await;
    let config = only_seeds().with_seeds([full.hub.address.clone()]);
    let (mut newcomer, _) = swarm(Keypair::generate_ed25519(), NEVER, |keypair| {
        composed(keypair, Some(config))
    });
    let peers = full.peers();
    let local = *newcomer.local_peer_id();
    // Its one exchange tells it where they are; it has nothing to do with them yet.
    until(
        &mut newcomer,
        "the view is full, the hub let go of",
        |swarm, _| {
            let sampling = swarm.behaviour().sampling.as_ref().expect("not left out");
            let handle = sampling.handle();
            peers.iter().all(|peer| handle.contains(peer)) && swarm.network_info().num_peers() == 0
        },
    )
    .await;
    assert!(full.hub_handle.contains(&local));

    graft(&mut newcomer, &full.hub).await;
    until(
        &mut newcomer,
        "all in the hub's mesh are connected",
        |swarm, _| peers.iter().all(|peer| swarm.is_connected(peer)),
    )
    .await;

    // What gossipsub has dialled stays, one connection to each, and carries messages without the
    // hub.
    let Full {
        hub, mut others, ..
    } = full;
    let hub_id = hub.peer_id;
    hub.stop().await;
    until(&mut newcomer, "a mesh of its own", |swarm, _| {
        let gossipsub = &swarm.behaviour().gossipsub;
        gossipsub.mesh_peers(&topic().hash()).count() == FULL && !swarm.is_connected(&hub_id)
    })
    .await;
    let counters = newcomer.network_info();
    assert_eq!(counters.num_peers(), FULL);
    assert_eq!(
        counters.connection_counters().num_established() as usize,
        FULL
    );
    let gossipsub = &mut newcomer.behaviour_mut().gossipsub;
    gossipsub.publish(topic(), "still here").expect("a mesh");
    let newcomer = Node::spawn(newcomer, Multiaddr::empty());
    for other in &mut others {
        other
            .event("the message", |event| match event {
                ComposedEvent::Gossipsub(gossipsub::Event::Message { message, .. }) => {
                    (message.data == b"still here").then_some(())
                }
                _ => None,
            })
            .await;
    }
    newcomer.stop().await;
    for other in others {
        other.stop().await;
    }
}

/// Gossipsub's own words: "We cannot dial any peers from PX currently as we typically will not know
/// their multiaddr."
#[tokio::test]
async fn without_peer_sampling_the_same_dials_have_no_addresses() {
    let full = Full::start().await;
    let (mut newcomer, _) = swarm(Keypair::generate_ed25519(), NEVER, |keypair| {
        composed(keypair, None)
    });
    graft(&mut newcomer, &full.hub).await;
    let mut missing = full.peers();
    until(&mut newcomer, "dials in vain", |_, event| {
        if let SwarmEvent::Behaviour(ComposedEvent::Witness(peer)) = event {
            missing.remove(&peer);
        }
        missing.is_empty()
    })
    .await;
    assert_eq!(newcomer.network_info().num_peers(), 1);
    full.stop().await;
}
