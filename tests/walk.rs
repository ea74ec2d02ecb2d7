//! One interface over a local view and over lookups: real sockets on loopback, and the nodes of
//! `examples/studies/walk.rs`. What either costs is measured there.

#[allow(dead_code, unreachable_pub)]
#[path = "../examples/studies/walk"]
mod walk {
    pub mod node;
    pub mod service;
    pub mod study;
}

use std::{collections::BTreeSet, time::Duration};

use libp2p_peer_sampling::{PeerSampling, Selection};
use walk::{
    service::RandomKey,
    study::{Study, draw},
};

fn study() -> Study {
    Study {
        nodes: 8,
        drawing: 2,
        rounds: 2,
        draws: vec![3],
        period: Duration::from_millis(300),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_code_draws_from_the_view_and_by_walks() {
    let measured = study().measure().await.expect("a network");
    assert_eq!(measured.len(), 2);
    for way in &measured {
        // Two nodes, two rounds, three peers in each.
        assert_eq!(way.drawn.peers.len(), 12, "{way:?}");
        assert_eq!(way.drawn.nobody, 0, "{way:?}");
        assert!((2..=8).contains(&way.drawn.different()), "{way:?}");
        assert!(way.messages > 0, "{way:?}");
    }
    let [view, walk] = &measured[..] else {
        panic!("{measured:?}");
    };
    // A walk asks at least one peer, and waits for its answer.
    assert!(walk.messages_per_peer() >= 2.0, "{walk:?}");
    assert!(view.drawn.time < walk.drawn.time, "{view:?}, {walk:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn walks_end_at_nodes_of_the_network_and_waiting_ends_with_the_node() {
    let mut members = study().start().await.expect("a network");
    let ids: BTreeSet<_> = members.iter().map(|member| member.peer_id).collect();
    let mut member = members.pop().expect("eight");
    let drawn = draw(&mut member.walk, &RandomKey, 5, (1, Duration::ZERO)).await;
    assert_eq!(drawn.peers.len(), 5);
    assert!(drawn.peers.iter().all(|peer| ids.contains(peer)));
    assert!(!drawn.peers.contains(&member.peer_id), "itself");

    let mut waiting = member.handle.waiting();
    let first = waiting.select_peer(&Selection::Uniform).await;
    assert!(first.is_some_and(|peer| ids.contains(&peer.peer_id())));
    let (handle, mut walk) = member.stop().await;
    assert_eq!(waiting.select_peer(&Selection::Uniform).await, None);
    assert!(walk.select_peer(&RandomKey).await.is_none());
    assert_eq!(handle.view_len(), 7, "the last view stays");
    for member in members {
        member.stop().await;
    }
}
