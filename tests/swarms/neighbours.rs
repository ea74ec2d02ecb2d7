//! Who stays connected, and who can be dialled.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use libp2p::PeerId;
use libp2p_peer_sampling::Event;

use crate::{
    NEVER,
    common::swarms::{Sampling, config, eventually_async},
    star, stop, views_hold,
};

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
/// time-out says so (it is far away), but because the node that dialled for an exchange closes.
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
