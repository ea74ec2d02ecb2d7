//! Peers that do not serve the protocol, speak another one, or both.

use std::time::Duration;

use libp2p::{identify, identity::Keypair, swarm::NetworkBehaviour};
use libp2p_peer_sampling::{Behaviour, Event, ExchangeError, OutboundError, Reason, SeedError};

use crate::{
    common::{
        raw::{Listener, Raw, pb},
        swarms::{Node, eventually, swarm},
    },
    victim::{HOUR, SHORT, Victim, end, start, still},
};

/// A stream that ends before a byte of the answer came says that the peer has enough to do.
#[tokio::test]
async fn peer_that_does_not_serve_is_not_blamed() {
    let config = still().with_period(2 * SHORT);
    let mut node = start(config);
    let mut raw = Raw::dial(&node.node.address).await;
    let peer_id = raw.peer_id;
    let request = pb::Request {
        descriptors: vec![raw.descriptor()],
        ..Default::default()
    };
    raw.exchange(&request).await;
    for closes in [true, false, false] {
        let (_, mut stream) = raw.request().await;
        if closes {
            end(&mut stream).await;
        }
        drop(stream);
        let failed = |event| match event {
            Event::ExchangeFailed {
                peer,
                error,
                removed,
            } => Some((peer, error, removed)),
            _ => None,
        };
        let (peer, error, removed) = node.event("no answer", failed).await;
        assert_eq!((peer, removed), (peer_id, false));
        assert!(
            matches!(
                error,
                ExchangeError::Outbound(OutboundError::NotServed { .. })
            ),
            "{error:?}"
        );
        assert_eq!(node.view(), [peer_id]);
    }
    raw.stop().await;
    node.node.stop().await;
}

#[tokio::test]
async fn a_peer_of_another_protocol_is_named() {
    // Who does not speak it is otherwise left alone for a while.
    let mut victim = Victim::start(still().with_quarantine(None)).await;
    let what = "another protocol";
    let mut listener = Listener::memory().await;
    let mut raw = victim.connect(&mut listener).await;
    raw.refuse().await;
    let (error, removed) = victim.exchange_failed(raw.peer_id, what).await;
    assert!(
        matches!(
            error,
            ExchangeError::Outbound(OutboundError::Unsupported(_))
        ),
        "{error:?}"
    );
    let counters = victim.counters().await;
    assert_eq!(counters.refused(Reason::Unsupported), 1);
    assert!(!removed);
    victim.assert_view([], what);
    // It may have learnt it meanwhile.
    victim.makes_up_with(&raw, what).await;
    raw.stop().await;

    let mut listener = Listener::memory().await;
    victim
        .add_seed(&listener.address)
        .await
        .expect("a good address");
    let mut raw = listener.accept().await;
    raw.refuse().await;
    let error = victim.seed_failed(&listener.address, what).await;
    assert!(
        matches!(
            error,
            SeedError::Exchange(ExchangeError::Outbound(OutboundError::Unsupported(_)))
        ),
        "{error:?}"
    );
    victim.assert_view([], what);
    raw.closed().await;
    victim.stop().await;
}

/// A stream that is reset would say nothing about it, and others would ask it again and again.
#[tokio::test]
async fn node_that_has_left_does_not_speak_the_protocol_any_more() {
    let mut left = start(still());
    left.node.ask(|swarm| swarm.behaviour_mut().leave()).await;
    let gone = |event| matches!(event, Event::Left).then_some(());
    left.event("the end of its part", gone).await;
    let seed = left.node.address.clone();
    let mut late = start(still().with_seeds([seed]));
    let failed = |event| match event {
        Event::SeedFailed { error, .. } => Some(error),
        _ => None,
    };
    let error = late.event("a failure", failed).await;
    assert!(
        matches!(
            error,
            SeedError::Exchange(ExchangeError::Outbound(OutboundError::Unsupported(_)))
        ),
        "{error:?}"
    );
    left.node.stop().await;
    late.node.stop().await;
}

#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
struct Both {
    sampling: Behaviour,
    identify: identify::Behaviour,
}

/// Identifies itself ever again, so that a connection that works shows.
fn identify(keypair: &Keypair) -> identify::Behaviour {
    let config = identify::Config::new("/test/1".into(), keypair.public())
        .with_interval(Duration::from_millis(100));
    identify::Behaviour::new(config)
}

#[tokio::test]
async fn another_protocol_goes_on_beside_a_failed_exchange() {
    let (other, address) = swarm(Keypair::generate_ed25519(), HOUR, identify);
    let other = Node::spawn(other, address);
    let (both, address) = swarm(Keypair::generate_ed25519(), HOUR, |keypair| Both {
        sampling: Behaviour::new(keypair, still()).expect("valid settings"),
        identify: identify(keypair),
    });
    let handle = both.behaviour().sampling.handle();
    let mut both = Node::spawn(both, address);
    let honest = start(still().with_seeds([both.address.clone()]));
    eventually("the view holds the honest node", || handle.view_len() == 1).await;

    let address = other.address.clone();
    let dialled = both.ask(move |swarm| swarm.dial(address)).await;
    dialled.expect("a dial");
    let other_id = other.peer_id;
    let mut identified = None;
    let mut failed = None;
    // Whichever is first, both protocols run on that connection.
    let first = |event| {
        match event {
            BothEvent::Identify(identify::Event::Received {
                connection_id,
                peer_id,
                ..
            }) if peer_id == other_id => identified = Some(connection_id),
            BothEvent::Sampling(Event::ExchangeFailed {
                peer,
                error,
                removed,
            }) if peer == other_id => failed = Some((error, removed)),
            _ => {}
        }
        match (identified, failed.take()) {
            (Some(connection), Some(failed)) => Some((connection, failed)),
            (_, unfinished) => {
                failed = unfinished;
                None
            }
        }
    };
    let (connection, (error, removed)) = both.event("both protocols", first).await;
    assert!(
        matches!(
            error,
            ExchangeError::Outbound(OutboundError::Unsupported(_))
        ),
        "{error:?}"
    );
    assert!(!removed);
    for _ in 0..3 {
        let again = |event| match event {
            BothEvent::Identify(identify::Event::Received {
                connection_id,
                peer_id,
                ..
            }) => (connection_id == connection).then_some(peer_id),
            _ => None,
        };
        assert_eq!(both.event("identify again", again).await, other_id);
    }
    let view: Vec<_> = handle
        .view()
        .peers()
        .map(|record| record.peer_id())
        .collect();
    assert_eq!(view, [honest.node.peer_id]);
    honest.node.stop().await;
    both.stop().await;
    other.stop().await;
}
