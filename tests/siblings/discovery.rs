//! Peers that rendezvous discovers.

use std::time::Duration;

use libp2p::{identity::Keypair, rendezvous, swarm::NetworkBehaviour};
use libp2p_peer_sampling::{Behaviour, Event, ExchangeError};

use crate::{
    IDLE,
    common::swarms::{Node, config, eventually, eventually_async, swarm},
    sampling, stop,
};

#[derive(NetworkBehaviour)]
struct Meeting {
    sampling: Behaviour,
    rendezvous: rendezvous::client::Behaviour,
}

/// How to find the first peer: a point that knows who is there and has no part in peer sampling,
/// and nobody has a seed.
#[tokio::test(flavor = "multi_thread")]
async fn peers_that_rendezvous_discovers_fill_the_views() {
    const NODES: usize = 8;

    let (point, address) = swarm(Keypair::generate_ed25519(), IDLE, |_| {
        rendezvous::server::Behaviour::new(Default::default())
    });
    let point = Node::spawn(point, address);
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        let keypair = Keypair::generate_ed25519();
        let idle = Duration::from_secs(10);
        let (mut swarm, address) = swarm(keypair, idle, |keypair| Meeting {
            sampling: sampling(keypair, config()),
            rendezvous: rendezvous::client::Behaviour::new(keypair.clone()),
        });
        swarm.add_external_address(address.clone());
        let known = swarm.dial(point.address.clone());
        known.expect("a multiaddr");
        let handle = swarm.behaviour().sampling.handle();
        let mut node = Node::spawn(swarm, address);
        let at = point.peer_id;
        let space = || rendezvous::Namespace::from_static("chat");
        eventually_async("the point is connected", async || {
            node.ask(move |swarm| swarm.is_connected(&at)).await
        })
        .await;
        let registered = node.ask(move |swarm| {
            let rendezvous = &mut swarm.behaviour_mut().rendezvous;
            rendezvous.register(space(), at, None)
        });
        registered.await.expect("it has an address");
        node.event("Registered", |event| match event {
            MeetingEvent::Rendezvous(rendezvous::client::Event::Registered { .. }) => Some(()),
            MeetingEvent::Sampling(Event::ExchangeFailed { peer, error, .. }) => {
                assert_eq!(peer, at);
                let unsupported = matches!(error, ExchangeError::Outbound(_));
                assert!(
                    unsupported,
                    "the point itself does not speak the protocol: {error}"
                );
                None
            }
            _ => None,
        })
        .await;
        node.ask(move |swarm| {
            let rendezvous = &mut swarm.behaviour_mut().rendezvous;
            rendezvous.discover(Some(space()), None, None, at);
        })
        .await;
        nodes.push((node, handle));
    }
    eventually("every view holds the others", || {
        nodes
            .iter()
            .all(|(_, handle)| handle.view_len() == NODES - 1)
    })
    .await;
    for (node, handle) in &nodes {
        assert!(!handle.contains(&point.peer_id) && !handle.contains(&node.peer_id));
    }
    stop(nodes.into_iter().map(|(node, _)| node)).await;
    point.stop().await;
}
