//! Keys and addresses that cannot be advertised.

use std::time::Duration;

use libp2p::identity::{KeyType, Keypair};
use libp2p_peer_sampling::{
    Behaviour, Config, ConfigError, Direction, Event, Limits, NotAdmitted, Scope,
};

use crate::{
    NEVER,
    common::swarms::{Node, Sampling, config, eventually, swarm},
    stop,
};

/// In the global scope a memory address is nothing to tell others.
#[tokio::test]
async fn a_node_without_an_address_says_so_and_takes_part_unseen() {
    let first = Sampling::start(config());
    let seed = first.node.address.clone();
    let global = Config::default()
        .with_period(Duration::from_millis(200))
        .with_seeds([seed]);
    let mut hidden = Sampling::start(global);
    let silence = hidden
        .event("not advertising", |event| match event {
            Event::NotAdvertising(silence) => Some(silence),
            _ => None,
        })
        .await;
    assert_eq!(silence.scope, Scope::Global);
    let (_, reason) = silence.addresses[0];
    assert_eq!(reason, NotAdmitted::Scope(Scope::Loopback));
    assert_eq!(silence.addresses.len(), 1);
    let record = hidden
        .node
        .ask(|swarm| swarm.behaviour().local_record().cloned());
    assert!(record.await.is_none());
    // It exchanges, and neither side has anything to keep.
    let exchanged = |event| {
        matches!(
            event,
            Event::Exchanged {
                direction: Direction::Outbound,
                ..
            }
        )
        .then_some(())
    };
    hidden.event("an exchange", exchanged).await;
    assert!(first.view().is_empty());

    // An external address that the swarm confirms makes it known.
    let external = "/ip4/1.2.3.4/tcp/1".parse().expect("a multiaddr");
    hidden
        .node
        .ask(move |swarm| swarm.add_external_address(external))
        .await;
    eventually("it is known", || first.handle.view_len() == 1).await;
    assert!(first.handle.contains(&hidden.node.peer_id));
    stop([first, hidden]).await;
}

#[tokio::test]
async fn a_node_with_another_keypair_than_its_swarms_is_in_no_view_and_told_when_it_dials_itself() {
    let signer = Keypair::generate_ed25519();
    let (swarm, address) = swarm(Keypair::generate_ed25519(), NEVER, |_| {
        Behaviour::new(&signer, config()).expect("valid settings")
    });
    let signer = swarm.behaviour().local_peer_id();
    assert_ne!(signer, *swarm.local_peer_id());
    let mut wrong = Node::spawn(swarm, address.clone());

    let mut other = Sampling::start(config().with_seeds([address.clone()]));
    let mut exchanges = 0;
    let exchanged = |event| {
        exchanges += u32::from(matches!(event, Event::Exchanged { .. }));
        (exchanges == 5).then_some(())
    };
    other.event("five exchanges", exchanged).await;
    assert_eq!(
        other.handle.view_len(),
        0,
        "nobody can dial it by its record"
    );

    let dial = wrong.ask(move |swarm| swarm.dial(address));
    dial.await.expect("it has an address");
    let told = |event| match event {
        Event::WrongKeypair { signer, swarm } => Some((signer, swarm)),
        _ => None,
    };
    let told = wrong.event("an error", told).await;
    assert_eq!(told, (signer, wrong.peer_id));
    let record = wrong.ask(|swarm| swarm.behaviour().local_record().is_some());
    assert!(!record.await, "it is advertised");
    wrong.stop().await;
    stop([other]).await;
}

#[test]
fn a_key_that_the_limits_do_not_allow_is_refused() {
    let mut limits = Limits::default();
    limits.key_types = &[KeyType::Secp256k1];
    let config = Config::local().with_limits(limits);
    let made = Behaviour::new(&Keypair::generate_ed25519(), config);
    assert_eq!(made.err(), Some(ConfigError::KeyType));
}
