//! Handles of other tasks.

use std::collections::BTreeSet;

use futures::StreamExt;
use libp2p::PeerId;
use libp2p_peer_sampling::{BehaviourGone, Selection};

use crate::{
    common::swarms::{Sampling, config, eventually},
    star, stop, views_hold,
};

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
