//! Addresses that identify tells of.

use libp2p::identify;
use libp2p_peer_sampling::{Direction, Event};

use crate::{
    IdentifiedEvent, NEVER,
    common::swarms::{Sampling, config, eventually, eventually_async},
    identified, stop,
};

/// It came for something else while nobody was looked for, and identify has heard where it listens.
/// When all others are gone, that is the way back.
#[tokio::test(flavor = "multi_thread")]
async fn visitor_is_found_again_by_what_identify_has_told() {
    let config = || config().with_view_size(2).with_retries(1);
    let far = [1, 2].map(|_| Sampling::start(config().with_period(NEVER)));
    let seeds = far.each_ref().map(|far| far.node.address.clone());
    let (visitor, its_view) = identified(config().with_period(NEVER).with_seeds(seeds));
    let (mut node, view) = identified(config());
    let near = [1, 2].map(|_| {
        let seeds = [node.address.clone()];
        Sampling::start(config().with_period(NEVER).with_seeds(seeds))
    });
    eventually("both know enough", || {
        its_view.view_len() == 2 && view.view_len() == 2
    })
    .await;

    let address = node.address.clone();
    let dialled = visitor.ask(move |swarm| swarm.dial(address)).await;
    dialled.expect("a multiaddr");
    let guest = visitor.peer_id;
    let identified = node.event("Received", |event| match event {
        IdentifiedEvent::Identify(identify::Event::Received { peer_id, .. }) => Some(peer_id),
        _ => None,
    });
    assert_eq!(identified.await, guest);
    eventually_async("it goes", async || {
        !node.ask(move |swarm| swarm.is_connected(&guest)).await
    })
    .await;
    assert!(!view.is_contacted(&guest), "there was an exchange");
    stop(near.map(|near| near.node)).await;
    let found = node.event("an exchange with it", |event| match event {
        IdentifiedEvent::Sampling(Event::Exchanged {
            peer, direction, ..
        }) => (peer == guest).then_some(direction),
        _ => None,
    });
    assert_eq!(found.await, Direction::Outbound);
    eventually("it is in the view", || view.contains(&guest)).await;
    stop([node, visitor]).await;
    stop(far.map(|far| far.node)).await;
}
