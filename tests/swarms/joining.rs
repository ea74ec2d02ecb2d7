//! How a node finds a network, and comes back to it.

use std::time::Duration;

use libp2p::{Multiaddr, identity::Keypair, multiaddr::Protocol, swarm::dial_opts::DialOpts};
use libp2p_peer_sampling::{Behaviour, Config, Event, RecordError, SeedError, time::Backoff};
use tokio::time::Instant;

use crate::{
    NEVER,
    common::swarms::{Node, Sampling, config, eventually, swarm},
    star, stop, views_hold,
};

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

#[tokio::test(flavor = "multi_thread")]
async fn swarms_that_close_idle_connections_at_once_lose_no_exchange() {
    let config = || config().with_neighbours(0);
    let start = |config| Sampling::with_idle_timeout(Duration::ZERO, config);
    let seed = start(config());
    let address = seed.node.address.clone();
    let others = (0..5).map(|_| start(config().with_seeds([address.clone()])));
    let mut nodes: Vec<_> = [seed].into_iter().chain(others).collect();
    views_hold(&nodes, 5).await;
    for node in &mut nodes {
        for _ in 0..20 {
            node.event("an exchange", |event| match event {
                Event::Exchanged { .. } => Some(()),
                Event::ExchangeFailed { error, .. } => panic!("an exchange failed: {error}"),
                _ => None,
            })
            .await;
        }
    }
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
