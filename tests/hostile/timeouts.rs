//! Peers that are silent, or too slow.

use std::time::Duration;

use futures::AsyncWriteExt;
use libp2p::{
    Multiaddr, SwarmBuilder, Transport, core::muxing::StreamMuxerBox, identity::Keypair, quic,
};
use libp2p_peer_sampling::{
    Behaviour, Event, ExchangeError, InboundError, MAX_MESSAGE_BYTES, OutboundError, Reason,
    SeedError,
};
use tokio::time::Instant;

use crate::{
    common::{
        raw::{Listener, Raw, framed, pb, varint, within},
        swarms::Node,
    },
    victim::{HOUR, SHORT, Victim, asking, end, put, rest, start, still},
};

#[tokio::test]
async fn requests_that_do_not_come_are_not_waited_for() {
    let mut victim = Victim::start(still().with_exchange_timeout(SHORT)).await;
    let raw = Raw::dial(victim.address()).await;
    let begun = Instant::now();
    let mut silent = raw.open().await;
    let mut half = raw.open().await;
    let mut dripping = raw.open().await;
    put(&mut half, &[10, 0x0a, 8, 1]).await;
    let length = varint(MAX_MESSAGE_BYTES as u64);
    put(&mut dripping, &length).await;
    // Each byte comes in good time, and the message would take hours.
    let drip = async {
        loop {
            if dripping.write_all(&[0]).await.is_err() || dripping.flush().await.is_err() {
                return;
            }
            tokio::time::sleep(SHORT / 20).await;
        }
    };
    within("an end to the dripping", drip).await;
    // However little patience this node has with its own requests.
    let borne = begun.elapsed();
    assert!(borne >= Duration::from_secs(10), "{borne:?}");
    for _ in 0..3 {
        let (error, _) = victim.inbound_failed(raw.peer_id, "silence").await;
        assert!(matches!(error, InboundError::RequestTimeout), "{error:?}");
    }
    let counters = victim.counters().await;
    assert_eq!(counters.refused(Reason::RequestTimeout), 3);
    assert_eq!(rest(&mut silent, "an end to silence").await, []);
    assert_eq!(rest(&mut half, "an end to half a message").await, []);
    victim.assert_view([], "after silence");
    victim.makes_up_with(&raw, "silence").await;
    raw.stop().await;
    victim.stop().await;
}

/// Over QUIC, where a reader says how much it takes. With yamux, whose windows of 256 KiB are part
/// of its protocol, the largest answer there is goes out whether or not anybody reads it.
#[tokio::test]
async fn answers_that_are_not_read_are_not_waited_for() {
    let config = still().with_exchange_timeout(SHORT);
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_quic()
        .with_behaviour(|keypair| Behaviour::new(keypair, config).expect("valid settings"))
        .expect("infallible")
        .with_swarm_config(|config| config.with_idle_connection_timeout(HOUR))
        .build();
    let any = "/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("a multiaddr");
    swarm.listen_on(any).expect("a free port");
    let handle = swarm.behaviour().handle();
    let mut node = Node::spawn(swarm, Multiaddr::empty());
    let mut address = None;
    while address.is_none() {
        address = node.ask(|swarm| swarm.listeners().next().cloned()).await;
        tokio::task::yield_now().await;
    }

    let keypair = Keypair::generate_ed25519();
    let mut config = quic::Config::new(&keypair);
    // The negotiation fits, and no answer with a record in it.
    config.max_stream_data = 64;
    let transport = quic::tokio::Transport::new(config)
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
        .boxed();
    let address = address.expect("it listens");
    let raw = Raw::dial_on(keypair, transport, &address).await;
    let request = asking(vec![raw.descriptor()]);
    let mut stream = raw.open().await;
    put(&mut stream, &framed(&request)).await;
    end(&mut stream).await;
    let failed = |event| match event {
        Event::InboundFailed { peer, error, .. } => Some((peer, error)),
        _ => None,
    };
    let (peer, error) = node.event("an answer that is not read", failed).await;
    assert_eq!(peer, raw.peer_id);
    assert!(matches!(error, InboundError::ResponseTimeout), "{error:?}");
    let counters = node.ask(|swarm| swarm.behaviour().counters()).await;
    assert_eq!(counters.refused(Reason::ResponseTimeout), 1);
    // The request was good, and is merged.
    let view: Vec<_> = handle
        .view()
        .peers()
        .map(|record| record.peer_id())
        .collect();
    assert_eq!(view, [raw.peer_id]);

    let answer = raw.exchange(&request).await;
    assert_eq!(answer.descriptors.len(), 2, "the node, and this peer");
    raw.stop().await;
    node.stop().await;
}

fn is_timeout(error: &ExchangeError) -> bool {
    // The connection's clock and the behaviour's run side by side.
    matches!(
        error,
        ExchangeError::Timeout | ExchangeError::Outbound(OutboundError::Timeout)
    )
}

#[tokio::test]
async fn answers_that_do_not_come_are_not_waited_for() {
    let mut victim = Victim::start(still().with_exchange_timeout(SHORT)).await;
    for negotiates in [true, false] {
        let what = &format!("a peer that does not answer, negotiates: {negotiates}");
        let mut listener = Listener::memory().await;
        let mut raw = victim.connect(&mut listener).await;
        let (mut answered, mut unanswered) = (None, None);
        match negotiates {
            true => answered = Some(raw.request().await.1),
            false => unanswered = Some(raw.accept().await),
        }
        let (error, removed) = victim.exchange_failed(raw.peer_id, what).await;
        assert!(is_timeout(&error), "{what}: {error:?}");
        assert!(!removed, "{what}");
        victim.assert_view([], what);
        // An answer that comes too late is one to nothing, and brings nobody in.
        if let Some(stream) = &mut answered {
            let late = pb::Response {
                descriptors: vec![raw.descriptor()],
                neighbour: true,
                retry_after: 0,
            };
            let _ = within(what, stream.write_all(&framed(&late))).await;
            end(stream).await;
        }
        victim.assert_view([], what);
        victim.makes_up_with(&raw, what).await;
        drop(unanswered);
        raw.stop().await;
    }

    let what = "a seed that does not answer";
    let mut listener = Listener::memory().await;
    victim
        .add_seed(&listener.address)
        .await
        .expect("a good address");
    let mut raw = listener.accept().await;
    let request = raw.request().await;
    let error = victim.seed_failed(&listener.address, what).await;
    let SeedError::Exchange(error) = error else {
        panic!("{error:?}");
    };
    assert!(is_timeout(&error), "{error:?}");
    victim.assert_view([], what);
    raw.closed().await;
    drop(request);
    victim.stop().await;
}

/// One lost answer may be the network's fault.
#[tokio::test]
async fn a_silent_peer_leaves_the_view_the_second_time() {
    let config = still().with_period(2 * SHORT).with_exchange_timeout(SHORT);
    let mut node = start(config);
    let mut raw = Raw::dial(&node.node.address).await;
    let peer_id = raw.peer_id;
    let request = pb::Request {
        descriptors: vec![raw.descriptor()],
        ..Default::default()
    };
    raw.exchange(&request).await;
    for expected in [false, true] {
        let unanswered = raw.request().await;
        let failed = |event| match event {
            Event::ExchangeFailed {
                peer,
                error,
                removed,
            } => Some((peer, error, removed)),
            _ => None,
        };
        let (peer, error, removed) = node.event("no answer", failed).await;
        assert_eq!((peer, removed), (peer_id, expected));
        assert!(is_timeout(&error), "{error:?}");
        assert_eq!(node.view().contains(&peer_id), !expected);
        drop(unanswered);
    }
    raw.exchange(&request).await;
    assert_eq!(node.view(), [peer_id]);
    raw.stop().await;
    node.node.stop().await;
}
