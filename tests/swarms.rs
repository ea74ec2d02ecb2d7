//! Real swarms in one process.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::swarms::{Node, Sampling, config, eventually, eventually_async, swarm};
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    identity::{KeyType, Keypair},
    multiaddr::Protocol,
    swarm::dial_opts::DialOpts,
};
use libp2p_peer_sampling::{
    Behaviour, BehaviourGone, Config, ConfigError, Direction, Event, Limits, NeighbourDownReason,
    NotAdmitted, Reason, RecordError, Scope, SeedError, Selection,
    overlay::{OverlayKind, Random, Ranking},
    sampler::Propagation,
    simulator,
    simulator::{driver::Driver, graph::Graph, in_degrees::InDegrees, rounds::Rounds},
    time::Backoff,
};
use tokio::time::Instant;

/// A period that no test lives to see: what happens, happens without waiting for it.
const NEVER: Duration = Duration::from_secs(60 * 60);

/// `count` nodes that know the first.
fn star(count: usize, config: impl Fn() -> Config) -> Vec<Sampling> {
    let first = Sampling::start(config());
    let seed = first.node.address.clone();
    let others = (1..count).map(|_| Sampling::start(config().with_seeds([seed.clone()])));
    std::iter::once(first).chain(others).collect()
}

async fn stop(nodes: impl IntoIterator<Item = Sampling>) {
    for node in nodes {
        node.node.stop().await;
    }
}

async fn views_hold(nodes: &[Sampling], peers: usize) {
    eventually(&format!("every view holds {peers} peers"), || {
        nodes.iter().all(|node| node.handle.view_len() == peers)
    })
    .await;
}

/// No node in its own view, no peer twice.
fn assert_sound(nodes: &[Sampling]) {
    for node in nodes {
        let view = node.view();
        assert!(!view.contains(&node.node.peer_id), "itself in its own view");
        let different: BTreeSet<PeerId> = view.iter().copied().collect();
        assert_eq!(different.len(), view.len(), "a peer twice in a view");
    }
}

fn snapshot_sd(nodes: &[Sampling]) -> f64 {
    let number: BTreeMap<PeerId, u32> = nodes
        .iter()
        .zip(0..)
        .map(|(node, number)| (node.node.peer_id, number))
        .collect();
    let views = nodes.iter().zip(0..).map(|(node, id)| {
        let view = node.view().into_iter();
        (id, view.map(|peer| number[&peer]))
    });
    InDegrees::of(&Graph::new(nodes.len(), views)).sd
}

/// How many exchanges the nodes have started and ended well since they were last asked.
fn exchanges(nodes: &mut [Sampling]) -> usize {
    let mut count = 0;
    for node in nodes {
        while let Ok(event) = node.node.events.try_recv() {
            count += usize::from(matches!(
                event,
                Event::Exchanged {
                    direction: Direction::Outbound,
                    ..
                }
            ));
        }
    }
    count
}

/// Limits are for others than honest nodes.
async fn assert_nobody_was_refused(node: &Sampling) {
    let counters = |swarm: &mut Swarm<Behaviour>| swarm.behaviour().counters();
    let counters = node.node.ask(counters).await;
    for reason in [
        Reason::TooManyRequests,
        Reason::TooManyStreams,
        Reason::Overloaded,
    ] {
        assert_eq!(counters.refused(reason), 0, "{counters:?}");
    }
    assert_eq!(counters.records_passed_over, 0, "{counters:?}");
    assert!(counters.dials > 0 || counters.requests_received > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_nodes_from_a_star_converge_to_the_random_overlay() {
    const N: usize = 50;
    const C: usize = 20;
    const SNAPSHOTS: usize = 10;

    let gossip = Config::local().gossip().clone().with_view_size(C);
    let model = simulator::config::Config::new(N).with_gossip(gossip);
    let mut model = Rounds::new(model, Random::for_view_size(C)).expect("valid settings");
    (0..50).for_each(|_| model.next_round());
    let mut expected = 0.0;
    for _ in 0..10 * SNAPSHOTS {
        (0..3).for_each(|_| model.next_round());
        expected += InDegrees::of(&model.network().graph()).sd / (10 * SNAPSHOTS) as f64;
    }

    let mut nodes = star(N, || config().with_view_size(C));
    views_hold(&nodes, C).await;
    // Rounds are counted by what happened, not by the clock.
    let mut done = 0;
    eventually("twenty rounds of every node", || {
        done += exchanges(&mut nodes);
        done >= 20 * N
    })
    .await;
    let mut sds = Vec::new();
    for _ in 0..SNAPSHOTS {
        let mut done = 0;
        eventually("three more rounds", || {
            done += exchanges(&mut nodes);
            done >= 3 * N
        })
        .await;
        assert_sound(&nodes);
        sds.push(snapshot_sd(&nodes));
    }
    views_hold(&nodes, C).await;
    let mean = sds.iter().sum::<f64>() / sds.len() as f64;
    println!("in-degree SD {mean:.2}, of the model {expected:.2}");
    assert!(
        (mean / expected - 1.0).abs() < 0.25,
        "in-degree SD {mean}, of the model {expected}; {sds:?}"
    );
    for node in &nodes {
        assert_nobody_was_refused(node).await;
    }
    stop(nodes).await;
}

/// The overlay of the open internet, on loopback.
#[tokio::test(flavor = "multi_thread")]
async fn basalt_joins_gives_out_samples_and_forgets_the_dead() {
    const N: usize = 30;
    const DEAD: usize = 10;

    let config = || {
        config()
            .with_overlay(OverlayKind::Basalt(Ranking::Identity))
            .with_view_size(60)
            .with_period(Duration::from_millis(50))
    };
    let mut nodes = star(N, config);
    // Of 29 peers each holds none of 60 slots with a probability of 0.12.
    eventually("every view holds most of the others", || {
        nodes.iter().all(|node| node.handle.view_len() >= 18)
    })
    .await;
    assert_sound(&nodes);
    let peers: BTreeSet<PeerId> = nodes.iter().map(|node| node.node.peer_id).collect();
    let samples = nodes[1].handle.fresh_samples().take(3);
    for sample in samples.collect::<Vec<_>>().await {
        assert!(peers.contains(&sample.peer_id()));
    }
    assert_eq!(nodes[2].handle.sample(10).len(), 10);

    let dead: Vec<PeerId> = nodes[N - DEAD..].iter().map(|n| n.node.peer_id).collect();
    stop(nodes.drain(N - DEAD..)).await;
    eventually("nobody has the dead in its view", || {
        let holds = |node: &Sampling| dead.iter().any(|peer| node.handle.contains(peer));
        !nodes.iter().any(holds)
    })
    .await;
    assert!(nodes.iter().all(|node| node.handle.view_len() >= 10));
    stop(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_joins_a_hundred_others_does_not_wait_for_the_period() {
    // Without neighbours, for whose sake a node hurries as well.
    let nodes = star(100, || config().with_period(NEVER).with_neighbours(0));
    views_hold(&nodes, 30).await;
    let seed = nodes[99].node.address.clone();
    let joined = Instant::now();
    let newcomer = Config::local().with_period(NEVER).with_neighbours(0);
    let newcomer = Sampling::start(newcomer.with_seeds([seed]));
    eventually("its view is full", || newcomer.handle.view_len() == 30).await;
    println!("full after {:?}", joined.elapsed());
    stop(nodes.into_iter().chain([newcomer])).await;
}

#[tokio::test]
async fn push_only_spreads_through_a_star() {
    let nodes = star(10, || config().with_propagation(Propagation::Push));
    views_hold(&nodes, 9).await;
    assert_sound(&nodes);
    stop(nodes).await;
}

/// Who only pulls is known only to those who pull from it: a ring, in which everyone is.
#[tokio::test]
async fn pull_only_spreads_around_a_ring() {
    let nodes: Vec<Sampling> = (0..10)
        .map(|_| Sampling::start(config().with_propagation(Propagation::Pull)))
        .collect();
    for (number, node) in nodes.iter().enumerate() {
        let next = nodes[(number + 1) % nodes.len()].node.address.clone();
        let added = node.node.ask(|swarm| swarm.behaviour_mut().add_seed(next));
        added.await.expect("a seed");
    }
    views_hold(&nodes, 9).await;
    assert_sound(&nodes);
    stop(nodes).await;
}

#[tokio::test]
async fn seeds_need_not_name_their_peer() {
    let a = Sampling::start(config());
    let mut bare = a.node.address.clone();
    assert!(matches!(bare.pop(), Some(Protocol::P2p(_))));
    let b = Sampling::start(config().with_seeds([bare]));
    let nodes = [a, b];
    views_hold(&nodes, 1).await;
    stop(nodes).await;
}

#[tokio::test]
async fn a_seed_that_comes_up_late_is_found() {
    let keypair = Keypair::generate_ed25519();
    // Far from what the other nodes count up.
    let bare = Multiaddr::from(Protocol::Memory(1 << 40));
    let address = bare
        .clone()
        .with(Protocol::P2p(keypair.public().to_peer_id()));
    let backoff = (Duration::from_millis(20), Duration::from_millis(200));
    let mut early = Sampling::start(
        config()
            .with_seeds([address])
            .with_seed_backoff(Backoff::new(backoff.0, backoff.1)),
    );
    for _ in 0..3 {
        let reason = early
            .event("a failed seed", |event| match event {
                Event::SeedFailed { error, .. } => Some(error),
                _ => None,
            })
            .await;
        assert!(matches!(reason, SeedError::Unreachable(_)), "{reason:?}");
    }

    let (mut late, _) = swarm(keypair, NEVER, |keypair| {
        Behaviour::new(keypair, config()).expect("valid settings")
    });
    late.listen_on(bare.clone()).expect("it is free");
    let late = Node::spawn(late, bare);
    eventually("the seed is found", || early.handle.view_len() == 1).await;
    late.stop().await;
    stop([early]).await;
}

#[tokio::test]
async fn a_peer_that_somebody_else_connects_is_exchanged_with() {
    let nodes = [Sampling::start(config()), Sampling::start(config())];
    let opts = DialOpts::from(nodes[1].node.address.clone());
    let dialled = nodes[0].node.ask(|swarm| swarm.dial(opts));
    dialled.await.expect("it can be dialled");
    views_hold(&nodes, 1).await;
    stop(nodes).await;
}

#[tokio::test]
async fn peers_of_the_view_can_be_dialled_by_their_id_alone() {
    // No neighbours, and each exchange connection is closed: nobody is connected for long.
    let nodes = star(3, || config().with_neighbours(0).with_period(NEVER));
    views_hold(&nodes, 2).await;
    let other = nodes[2].node.peer_id;
    eventually_async("it is connected", async || {
        let ask = nodes[1].node.ask(move |swarm| {
            // Refused where it is connected already.
            let _ = swarm.dial(other);
            swarm.is_connected(&other)
        });
        ask.await
    })
    .await;
    stop(nodes).await;
}

/// Neighbours are symmetric and bounded, and nothing else stays connected: not because the idle
/// time-out says so (it is far away), but because whoever dialled for an exchange closes.
#[tokio::test(flavor = "multi_thread")]
async fn only_neighbours_stay_connected() {
    const BOUND: usize = 3;
    let settings = || config().with_neighbours(BOUND).with_period(NEVER);
    let start = |settings| Sampling::with_idle_timeout(NEVER, settings);
    let first = start(settings());
    let seed = first.node.address.clone();
    let mut nodes = vec![first];
    nodes.extend((1..12).map(|_| start(settings().with_seeds([seed.clone()]))));
    views_hold(&nodes, 11).await;

    eventually_async(
        "neighbours are symmetric, and all that is connected",
        async || {
            let mut neighbours = BTreeMap::new();
            let mut connected = BTreeMap::new();
            for node in &nodes {
                let ask = node.node.ask(|swarm| {
                    let connected: BTreeSet<PeerId> = swarm.connected_peers().copied().collect();
                    let neighbours = swarm.behaviour().neighbours();
                    let neighbours: BTreeSet<PeerId> = neighbours.iter().copied().collect();
                    (neighbours, connected)
                });
                let (mine, all) = ask.await;
                assert!(mine.len() <= BOUND, "{mine:?}");
                neighbours.insert(node.node.peer_id, mine);
                connected.insert(node.node.peer_id, all);
            }
            let symmetric = neighbours.iter().all(|(peer, theirs)| {
                !theirs.is_empty() && theirs.iter().all(|other| neighbours[other].contains(peer))
            });
            symmetric && neighbours == connected
        },
    )
    .await;
    stop(nodes).await;
}

/// Both ends keep the connection, or it would not outlive the first pause.
#[tokio::test]
async fn neighbours_stay_connected_beyond_the_idle_timeout() {
    let start = |settings| Sampling::with_idle_timeout(Duration::from_millis(20), settings);
    let first = start(config());
    let seed = first.node.address.clone();
    let mut nodes = [first, start(config().with_seeds([seed]))];
    let [a, b] = [nodes[0].node.peer_id, nodes[1].node.peer_id];
    for (node, other) in nodes.iter_mut().zip([b, a]) {
        let mut rounds = 0;
        node.event("ten rounds as neighbours", |event| match event {
            Event::NeighbourDown { reason, .. } => panic!("no longer neighbours: {reason:?}"),
            Event::Exchanged { peer, .. } => {
                assert_eq!(peer, other);
                rounds += 1;
                (rounds >= 10).then_some(())
            }
            _ => None,
        })
        .await;
    }
    stop(nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_finds_a_neighbour_where_all_places_are_taken() {
    let nodes = star(4, || config().with_neighbours(3));
    for node in &nodes {
        eventually_async("all its places are taken", async || {
            let ask = node.node.ask(|swarm| swarm.behaviour().neighbours().len());
            ask.await == 3
        })
        .await;
    }
    let seed = nodes[0].node.address.clone();
    let mut newcomer = Sampling::start(config().with_neighbours(3).with_seeds([seed]));
    let is_up = |event| matches!(event, Event::NeighbourUp { .. }).then_some(());
    newcomer.event("a neighbour", is_up).await;
    stop(nodes.into_iter().chain([newcomer])).await;
}

#[tokio::test]
async fn goodbye_is_heard_and_a_crash_is_noticed() {
    let down = |peer| {
        move |event| match event {
            Event::NeighbourDown { peer: p, reason } if p == peer => Some(reason),
            _ => None,
        }
    };
    let mut nodes = star(3, config);
    views_hold(&nodes, 2).await;
    let mut first = nodes.remove(0);
    let mut missing: BTreeSet<PeerId> = nodes.iter().map(|node| node.node.peer_id).collect();
    first
        .event("both as neighbours", |event| {
            if let Event::NeighbourUp { peer } = event {
                missing.remove(&peer);
            }
            missing.is_empty().then_some(())
        })
        .await;

    let mut polite = nodes.remove(0);
    let peer = polite.node.peer_id;
    polite.node.ask(|swarm| swarm.behaviour_mut().leave()).await;
    let left = |event| matches!(event, Event::Left).then_some(());
    polite.event("left", left).await;
    let reason = first.event("its neighbour down", down(peer)).await;
    assert_eq!(reason, NeighbourDownReason::Goodbye);

    let rude = nodes.remove(0);
    let peer = rude.node.peer_id;
    rude.node.stop().await;
    let reason = first.event("its neighbour down", down(peer)).await;
    assert_eq!(reason, NeighbourDownReason::ConnectionClosed);
    eventually("the dead are forgotten", || first.handle.view_len() == 0).await;
    stop([first, polite]).await;
}

/// Nobody is connected when it leaves, so nobody is told; and its swarm runs on.
#[tokio::test]
async fn a_node_that_has_left_is_forgotten_by_those_who_did_not_hear_it() {
    let nodes = star(2, || config().with_neighbours(0));
    views_hold(&nodes, 1).await;
    let leaving = &nodes[1].node;
    leaving.ask(|swarm| swarm.behaviour_mut().leave()).await;
    eventually("it is forgotten", || nodes[0].handle.view_len() == 0).await;
    stop(nodes).await;
}

#[tokio::test]
async fn networks_with_different_names_do_not_mix() {
    let a = Sampling::start(config().with_network("a"));
    let seed = a.node.address.clone();
    let mut b = Sampling::start(config().with_network("b").with_seeds([seed]));
    let error = b
        .event("a failed seed", |event| match event {
            Event::SeedFailed { error, .. } => Some(error.to_string()),
            _ => None,
        })
        .await;
    assert_eq!(
        error,
        "the peer does not speak /b/peer-sampling/1.0.0; a node of another network has another name \
         in place of this one, see Config::with_network"
    );
    assert_eq!((a.handle.view_len(), b.handle.view_len()), (0, 0));
    stop([a, b]).await;
}

/// In the global scope a memory address is nothing to tell others.
#[tokio::test]
async fn a_node_without_an_address_says_so_and_takes_part_unseen() {
    let first = Sampling::start(config());
    let seed = first.node.address.clone();
    let global = Config::default()
        .with_period(Duration::from_millis(200))
        .with_seeds([seed]);
    let mut hidden = Sampling::start(global);
    let silence = hidden
        .event("not advertising", |event| match event {
            Event::NotAdvertising(silence) => Some(silence),
            _ => None,
        })
        .await;
    assert_eq!(silence.scope, Scope::Global);
    let (_, reason) = silence.addresses[0];
    assert_eq!(reason, NotAdmitted::Scope(Scope::Loopback));
    assert_eq!(silence.addresses.len(), 1);
    let record = hidden
        .node
        .ask(|swarm| swarm.behaviour().local_record().cloned());
    assert!(record.await.is_none());
    // It exchanges, and neither side has anything to keep.
    let exchanged = |event| {
        matches!(
            event,
            Event::Exchanged {
                direction: Direction::Outbound,
                ..
            }
        )
        .then_some(())
    };
    hidden.event("an exchange", exchanged).await;
    assert!(first.view().is_empty());

    // An external address that the swarm confirms makes it known.
    let external = "/ip4/1.2.3.4/tcp/1".parse().expect("a multiaddr");
    hidden
        .node
        .ask(move |swarm| swarm.add_external_address(external))
        .await;
    eventually("it is known", || first.handle.view_len() == 1).await;
    assert!(first.handle.contains(&hidden.node.peer_id));
    stop([first, hidden]).await;
}

#[tokio::test]
async fn handles_sample_from_another_task_and_streams_end_with_the_swarm() {
    let nodes = star(5, config);
    let mut samples = nodes[0].handle.fresh_samples();
    let reader = tokio::spawn(async move {
        let mut seen = BTreeSet::new();
        while let Some(record) = samples.next().await {
            seen.insert(record.peer_id());
        }
        seen
    });
    views_hold(&nodes, 4).await;
    let handle = nodes[1].handle.clone();
    let sampled: BTreeSet<PeerId> = (0..4)
        .filter_map(|_| handle.select_peer(Selection::Uniform))
        .map(|record| record.peer_id())
        .collect();
    assert_eq!(sampled.len(), 4, "without replacement");
    stop(nodes).await;
    let seen = reader.await.expect("no panic");
    assert_eq!(seen.len(), 4);
    assert_eq!(handle.view_len(), 4, "the last view stays");
}

#[tokio::test]
async fn a_handle_waits_for_the_join_goes_on_with_samples_and_knows_neighbours_and_counters() {
    let lonely = Sampling::start(config());
    let waiting = lonely.handle.joined();
    let nodes = star(5, config);
    for node in &nodes {
        node.handle.joined().await.expect("the swarm runs");
    }
    views_hold(&nodes, 4).await;
    let handle = nodes[0].handle.clone();
    // Far more than there are peers: they repeat.
    let samples: Vec<_> = handle.samples().take(200).collect().await;
    let peers: BTreeSet<PeerId> = samples.iter().map(|record| record.peer_id()).collect();
    assert_eq!((samples.len(), peers.len()), (200, 4));
    eventually("it has neighbours", || !handle.neighbours().is_empty()).await;
    assert!(handle.counters().requests_sent > 0);

    stop([lonely]).await;
    assert_eq!(waiting.await, Err(BehaviourGone));
    stop(nodes).await;
}

/// What was saved before a restart is enough to come back: no seeds.
#[tokio::test]
async fn a_node_comes_back_by_the_records_it_has_saved() {
    // Without neighbours each exchange is dialled, and each contact found where it says it is.
    let mut nodes = star(4, || config().with_neighbours(0));
    views_hold(&nodes, 3).await;
    let old = nodes.remove(3);
    eventually("it has found all others", || {
        old.handle.contacted().len() == 3
    })
    .await;
    let saved: Vec<Vec<u8>> = old
        .handle
        .contacted()
        .iter()
        .map(|record| record.envelope().to_vec())
        .collect();
    old.node.stop().await;

    let new = Sampling::start(config());
    let mut spoilt = saved[0].clone();
    *spoilt.last_mut().expect("a signature") ^= 1;
    let saved = [vec![spoilt], saved].concat();
    let restored = new
        .node
        .ask(|swarm| swarm.behaviour_mut().init(saved))
        .await;
    assert_eq!(restored.entered, 3);
    let refused = &restored.refused[..];
    assert!(matches!(refused, [(0, RecordError::Signature)]));
    let peer = new.node.peer_id;
    eventually("the others know it", || {
        nodes.iter().all(|node| node.handle.contains(&peer))
    })
    .await;
    stop(nodes.into_iter().chain([new])).await;
}

#[tokio::test]
async fn a_node_with_another_keypair_than_its_swarms_is_in_no_view_and_told_when_it_dials_itself() {
    let signer = Keypair::generate_ed25519();
    let (swarm, address) = swarm(Keypair::generate_ed25519(), NEVER, |_| {
        Behaviour::new(&signer, config()).expect("valid settings")
    });
    let signer = swarm.behaviour().local_peer_id();
    assert_ne!(signer, *swarm.local_peer_id());
    let mut wrong = Node::spawn(swarm, address.clone());

    let mut other = Sampling::start(config().with_seeds([address.clone()]));
    let mut exchanges = 0;
    let exchanged = |event| {
        exchanges += u32::from(matches!(event, Event::Exchanged { .. }));
        (exchanges == 5).then_some(())
    };
    other.event("five exchanges", exchanged).await;
    assert_eq!(
        other.handle.view_len(),
        0,
        "nobody can dial it by its record"
    );

    let dial = wrong.ask(move |swarm| swarm.dial(address));
    dial.await.expect("it has an address");
    let told = |event| match event {
        Event::WrongKeypair { signer, swarm } => Some((signer, swarm)),
        _ => None,
    };
    let told = wrong.event("an error", told).await;
    assert_eq!(told, (signer, wrong.peer_id));
    let record = wrong.ask(|swarm| swarm.behaviour().local_record().is_some());
    assert!(!record.await, "it is advertised");
    wrong.stop().await;
    stop([other]).await;
}

#[tokio::test]
async fn seeds_come_and_go() {
    let node = Sampling::start(config());
    let seed: Multiaddr = "/memory/1099511627777".parse().expect("a multiaddr");
    let same = seed.clone();
    let seeds = node.node.ask(move |swarm| {
        let behaviour = swarm.behaviour_mut();
        behaviour.add_seed(seed.clone()).expect("an address");
        behaviour.add_seed(seed.clone()).expect("known already");
        let seeds: Vec<Multiaddr> = behaviour.seeds().cloned().collect();
        let removed = (behaviour.remove_seed(&seed), behaviour.remove_seed(&seed));
        (seeds, removed)
    });
    assert_eq!(seeds.await, (vec![same], (true, false)));
    stop([node]).await;
}

#[tokio::test]
async fn a_peer_can_be_removed() {
    let nodes = star(2, || config().with_period(NEVER));
    views_hold(&nodes, 1).await;
    let other = nodes[1].node.peer_id;
    let remove = nodes[0]
        .node
        .ask(move |swarm| swarm.behaviour_mut().remove(&other));
    assert!(remove.await);
    let neighbours = nodes[0]
        .node
        .ask(|swarm| swarm.behaviour().neighbours().len());
    assert_eq!(neighbours.await, 0);
    stop(nodes).await;
}

#[test]
fn a_key_that_the_limits_do_not_allow_is_refused() {
    let mut limits = Limits::default();
    limits.key_types = &[KeyType::Secp256k1];
    let config = Config::local().with_limits(limits);
    let made = Behaviour::new(&Keypair::generate_ed25519(), config);
    assert_eq!(made.err(), Some(ConfigError::KeyType));
}

/// A view that never fills is no reason to pad each request: once nobody new is found, there is
/// nobody.
#[tokio::test(flavor = "multi_thread")]
async fn requests_of_a_small_network_are_not_padded_for_good() {
    for count in [2, 10] {
        let seed = Sampling::start(config());
        let seeds = [seed.node.address.clone()];
        let joins = (1..count).map(|_| Sampling::start(config().with_seeds(seeds.clone())));
        let nodes: Vec<_> = [seed].into_iter().chain(joins).collect();
        eventually("everybody knows everybody", || {
            nodes.iter().all(|node| node.handle.view_len() == count - 1)
        })
        .await;
        let total = || {
            let counters = nodes.iter().map(|node| node.handle.counters());
            counters.fold((0, 0), |(bytes, messages), counters| {
                let sent = counters.requests_sent + counters.responses_sent;
                (bytes + counters.bytes_sent, messages + sent)
            })
        };
        // Some rounds, in which nobody finds anybody.
        let (_, before) = total();
        eventually("rounds pass", || total().1 > before + 40 * count as u64).await;
        let (bytes, messages) = total();
        eventually("rounds pass", || total().1 > messages + 40 * count as u64).await;
        let (bytes, messages) = (total().0 - bytes, total().1 - messages);
        let each = bytes / messages;
        println!("{count} nodes: {each} bytes per message");
        // A record of one address takes some 140 bytes. With padding a request took 3,845.
        assert!(each < 160 * count as u64 + 100, "{count}: {each} bytes");
        for node in nodes {
            node.node.stop().await;
        }
    }
}
