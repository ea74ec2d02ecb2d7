//! What nodes say of themselves, and that all others read it.

use std::time::Duration;

use libp2p::{PeerId, identity::Keypair};
use libp2p_peer_sampling::{Config, ProfileError};

use crate::{
    NEVER,
    common::swarms::{Sampling, config, eventually},
    stop,
};

/// A network of its own, so that its name is in what is signed.
fn settings() -> Config {
    config().with_network("profiles")
}

/// `None`: the node is not in the view.
fn said(node: &Sampling, peer: &PeerId) -> Option<Option<String>> {
    let view = node.handle.view();
    let record = view.peers().find(|record| record.peer_id() == *peer)?;
    Some(record.profile_as())
}

async fn all_others_read(nodes: &[Sampling], who: usize, text: Option<&str>) {
    let peer = nodes[who].node.peer_id;
    let text = Some(text.map(str::to_owned));
    eventually(&format!("all others read {text:?}"), || {
        let mut others = nodes.iter().filter(|node| node.node.peer_id != peer);
        others.all(|node| said(node, &peer) == text)
    })
    .await;
}

async fn set(node: &Sampling, profile: &'static str) -> Result<(), ProfileError> {
    let profile = profile.to_owned();
    let set = node
        .node
        .ask(move |swarm| swarm.behaviour_mut().set_profile(&profile));
    set.await
}

#[tokio::test]
async fn nodes_read_each_others_profiles_and_their_changes() {
    let names = ["a", "b", "c"];
    let start = |name: &str, seeds| {
        let config = settings().with_seeds(seeds);
        Sampling::start(config.with_profile(&name.to_owned()))
    };
    let first = start("a", None);
    let seed = Some(first.node.address.clone());
    let nodes = [first, start("b", seed.clone()), start("c", seed)];
    for (who, name) in names.into_iter().enumerate() {
        all_others_read(&nodes, who, Some(name)).await;
    }
    let counters = nodes[0].node.ask(|swarm| swarm.behaviour().counters());
    assert_eq!(counters.await.profiles_passed_over, 0);

    assert_eq!(set(&nodes[1], "changed").await, Ok(()));
    all_others_read(&nodes, 1, Some("changed")).await;
    all_others_read(&nodes, 2, Some("c")).await;

    let long = "x".repeat(257).leak();
    let refused = set(&nodes[1], long).await;
    assert_eq!(refused, Err(ProfileError::TooLarge { bytes: 257 }));
    assert_eq!(set(&nodes[1], "").await, Ok(()));
    all_others_read(&nodes, 1, None).await;
    stop(nodes).await;
}

/// Others still have what it said, and would pass it on for ever.
#[tokio::test]
async fn node_that_restarts_without_a_profile_takes_its_old_one_back() {
    let keypair = Keypair::generate_ed25519();
    // It calls nobody, so it does not notice that the peer was away.
    let quiet = settings().with_period(NEVER).with_eager_delay(NEVER);
    let other = Sampling::start(quiet.with_neighbours(0));
    let seed = other.node.address.clone();
    let start = |config: Config| {
        let config = config.with_seeds([seed.clone()]).with_neighbours(0);
        Sampling::with(keypair.clone(), Duration::from_secs(10), config)
    };
    let before = start(settings().with_profile(&"before".to_owned()));
    let peer = before.node.peer_id;
    eventually("it is read", || {
        said(&other, &peer) == Some(Some("before".into()))
    })
    .await;
    before.node.stop().await;
    let after = start(settings());
    eventually("it is taken back", || said(&other, &peer) == Some(None)).await;
    stop([other, after]).await;
}
