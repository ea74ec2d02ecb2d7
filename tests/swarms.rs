//! Real swarms in one process.

mod common;

use std::collections::HashSet;

use common::swarms::{Sampling, config, eventually};
use libp2p::PeerId;
use libp2p_peer_sampling::Config;

/// `count` nodes that know the first.
fn star(count: usize, config: impl Fn() -> Config) -> Vec<Sampling> {
    let first = Sampling::start(config());
    let seed = first.node.address.clone();
    let others = (1..count).map(|_| Sampling::start(config().with_seeds([seed.clone()])));
    std::iter::once(first).chain(others).collect()
}

async fn stop(nodes: Vec<Sampling>) {
    for node in nodes {
        node.node.stop().await;
    }
}

#[tokio::test]
async fn three_nodes_meet_through_one() {
    let nodes = star(3, config);
    eventually("all views hold the two others", || {
        nodes.iter().all(|node| node.handle.view_len() == 2)
    })
    .await;
    for node in &nodes {
        assert!(!node.view().contains(&node.node.peer_id));
        let different: HashSet<PeerId> = node.view().into_iter().collect();
        assert_eq!(different.len(), 2);
    }
    stop(nodes).await;
}
