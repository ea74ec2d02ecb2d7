//! What views become, and what exchanges cost.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::StreamExt;
use libp2p::{PeerId, Swarm};
use libp2p_peer_sampling::{
    Behaviour, Config, Direction, Event, Reason,
    overlay::{OverlayKind, Random, Ranking},
    sampler::Propagation,
    simulator,
    simulator::{driver::Driver, graph::Graph, in_degrees::InDegrees, rounds::Rounds},
};

use crate::{
    assert_sound,
    common::swarms::{Sampling, config, eventually},
    star, stop, views_hold,
};

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
