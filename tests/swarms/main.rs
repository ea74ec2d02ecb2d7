//! Real swarms in one process.

#[path = "../common/mod.rs"]
mod common;

mod handles;
mod identity;
mod joining;
mod leaving;
mod neighbours;
mod overlays;
mod profiles;

use std::{collections::BTreeSet, time::Duration};

use common::swarms::{Sampling, eventually};
use libp2p::PeerId;
use libp2p_peer_sampling::Config;

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
