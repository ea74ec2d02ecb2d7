//! Goodbyes, crashes and removals.

use std::collections::BTreeSet;

use libp2p::PeerId;
use libp2p_peer_sampling::{Event, NeighbourDownReason};

use crate::{
    NEVER,
    common::swarms::{config, eventually},
    star, stop, views_hold,
};

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
