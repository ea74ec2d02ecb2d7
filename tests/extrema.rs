//! The smallest and the largest value of real swarms.
#![cfg(feature = "swarm")]

mod common;

use std::time::Duration;

use common::swarms::{Node, config, eventually, eventually_async, swarm};
use libp2p::{Swarm, identity::Keypair, swarm::NetworkBehaviour};
use libp2p_peer_sampling::{
    Behaviour, Handle,
    extrema::{self, Config, ConfigError, Extremes},
};

#[derive(NetworkBehaviour)]
struct Both {
    sampling: Behaviour,
    extrema: extrema::Behaviour,
}

fn settings() -> Config {
    Config::new(-100.0..=100.0)
        .with_period(Duration::from_millis(100))
        .with_epoch(30)
}

fn start(seed: Option<&Node<Both>>, value: f64) -> (Node<Both>, Handle) {
    let seeds = seed.map(|seed| seed.address.clone());
    let (swarm, address) = swarm(
        Keypair::generate_ed25519(),
        Duration::from_secs(10),
        |keypair| {
            let config = config().with_seeds(seeds);
            let sampling = Behaviour::new(keypair, config).expect("valid settings");
            let extrema = extrema::Behaviour::beside(&sampling.handle(), settings(), value);
            Both {
                extrema: extrema.expect("valid settings"),
                sampling,
            }
        },
    );
    let handle = swarm.behaviour().sampling.handle();
    (Node::spawn(swarm, address), handle)
}

fn network(values: &[f64]) -> Vec<Node<Both>> {
    let mut nodes: Vec<Node<Both>> = Vec::new();
    for value in values {
        let (node, _) = start(nodes.first(), *value);
        nodes.push(node);
    }
    nodes
}

fn estimate(swarm: &mut Swarm<Both>) -> Extremes {
    swarm.behaviour().extrema.protocol().estimate()
}

async fn all_know(nodes: &[Node<Both>], min: f64, max: f64) -> bool {
    for node in nodes {
        if node.ask(estimate).await != (Extremes { min, max }) {
            return false;
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_learn_the_extremes_and_are_told() {
    let mut nodes = network(&[3.0, 1.0, 4.0, 1.5, 9.0, 2.0]);
    eventually_async("all know", async || all_know(&nodes, 1.0, 9.0).await).await;
    let told = nodes[0].event("the extremes", |event| match event {
        BothEvent::Extrema(extrema::Event::Changed(extremes)) if extremes.max == 9.0 => Some(()),
        _ => None,
    });
    told.await;
    let set = |swarm: &mut Swarm<Both>| {
        let behaviour = &mut swarm.behaviour_mut().extrema;
        behaviour.with_protocol(|extrema, _| extrema.set(-1e9))
    };
    assert_eq!(nodes[2].ask(set).await, Ok(()));
    eventually_async("all know", async || all_know(&nodes, -100.0, 9.0).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn extremes_of_a_node_that_is_gone_are_forgotten() {
    let mut nodes = network(&[3.0, 1.0, 4.0, 9.0]);
    eventually_async("all know", async || all_know(&nodes, 1.0, 9.0).await).await;
    nodes.pop().expect("four").stop().await;
    eventually_async("forgotten", async || all_know(&nodes, 1.0, 4.0).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_value_does_not_start_and_who_leaves_takes_no_part() {
    let (first, handle) = start(None, 1.0);
    let refused = extrema::Behaviour::beside(&handle, settings(), f64::NAN).err();
    assert!(matches!(refused, Some(ConfigError::Value(_))));
    let (second, handle) = start(Some(&first), 2.0);
    eventually("joined", || handle.is_joined()).await;
    first
        .ask(|swarm| swarm.behaviour_mut().sampling.leave())
        .await;
    // Whatever is under way ends first.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = first.ask(estimate).await;
    let set = |swarm: &mut Swarm<Both>| {
        let behaviour = &mut swarm.behaviour_mut().extrema;
        behaviour.with_protocol(|extrema, _| extrema.set(50.0))
    };
    assert_eq!(second.ask(set).await, Ok(()));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(first.ask(estimate).await, before);
}
