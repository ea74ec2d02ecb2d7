//! Seeds that break the rules, and seeds that are none.

use libp2p::{Multiaddr, PeerId, identity::Keypair, multiaddr::Protocol};
use libp2p_peer_sampling::{Direction, Event, ExchangeError, OutboundError, SeedError};

use crate::{
    common::{
        raw::{Listener, framed, pb},
        swarms::{Sampling, config},
    },
    faults::{faults_of_answers, send},
    victim::{HOUR, Victim, end, put, start, still},
};

#[tokio::test]
async fn bad_answers_of_seeds_are_named_and_spoil_nothing() {
    let mut victim = Victim::start(still()).await;
    for number in 0.. {
        let before = victim.counters().await;
        let mut listener = Listener::memory().await;
        victim
            .add_seed(&listener.address)
            .await
            .expect("a good address");
        let mut raw = listener.accept().await;
        let (request, mut stream) = raw.request().await;
        let mut faults = faults_of_answers(&request).into_iter();
        let Some(fault) = faults.nth(number) else {
            break;
        };
        let what = &fault.name;
        send(&mut stream, &fault).await;
        let error = victim.seed_failed(&listener.address, what).await;
        let SeedError::Exchange(ExchangeError::Outbound(OutboundError::Message(error))) = error
        else {
            panic!("{what}: {error:?}");
        };
        fault.assert(&error, victim.counted_since(&before).await);
        victim.assert_view([], what);
        // Dialled for this exchange only, and of no further use.
        raw.closed().await;
    }
    victim.stop().await;
}

#[tokio::test]
async fn bad_seeds_are_named() {
    let mut victim = Victim::start(still()).await;
    let ours = victim.address().clone();
    let without_peer = |address: &Multiaddr| {
        let mut bare = address.clone();
        bare.pop();
        bare
    };
    let nowhere = Multiaddr::from(Protocol::Memory(u64::MAX - 2));
    // With a peer at its end or not, an address is one seed.
    let nowhere_else = Multiaddr::from(Protocol::Memory(u64::MAX - 3));
    let not_an_address = Multiaddr::from(Protocol::P2p(PeerId::random()));

    // At once, where the address says it all.
    let error = victim.add_seed(&ours).await;
    assert!(matches!(error, Err(SeedError::Ourselves)), "{error:?}");
    let error = victim.add_seed(&not_an_address).await;
    assert!(matches!(error, Err(SeedError::NotAnAddress)), "{error:?}");

    // As an event, where it takes a dial.
    let honest = victim.honest.node.peer_id;
    let wrong_peer =
        without_peer(&victim.honest.node.address).with(Protocol::P2p(PeerId::random()));
    let other_transport = "/ip4/127.0.0.1/tcp/1".parse().expect("a multiaddr");
    type IsSeedError = fn(&SeedError, PeerId) -> bool;
    let cases: [(Multiaddr, IsSeedError); 5] = [
        (nowhere, |error, _| {
            matches!(error, SeedError::Unreachable(_))
        }),
        (
            nowhere_else.with(Protocol::P2p(PeerId::random())),
            |error, _| matches!(error, SeedError::Unreachable(_)),
        ),
        (other_transport, |error, _| {
            matches!(error, SeedError::Unreachable(_))
        }),
        (without_peer(&ours), |error, _| {
            matches!(error, SeedError::Ourselves)
        }),
        (
            wrong_peer,
            |error, honest| matches!(error, SeedError::WrongPeer(peer) if *peer == honest),
        ),
    ];
    for (address, is) in cases {
        victim.add_seed(&address).await.expect("to be found out");
        let error = victim.seed_failed(&address, "a bad seed").await;
        assert!(is(&error, honest), "{address}: {error:?}");
        victim.assert_view([], &address.to_string());
    }

    // A good seed among bad ones does what a seed is for.
    let mut listener = Listener::memory().await;
    victim
        .add_seed(&listener.address)
        .await
        .expect("a good address");
    let mut raw = listener.accept().await;
    let (_, mut stream) = raw.request().await;
    let answer = pb::Response {
        descriptors: vec![raw.descriptor()],
        neighbour: false,
        retry_after: 0,
    };
    put(&mut stream, &framed(&answer)).await;
    end(&mut stream).await;
    victim
        .exchanged(raw.peer_id, Direction::Outbound, "a good seed")
        .await;
    victim.assert_view([raw.peer_id], "after a good seed");
    raw.closed().await;
    victim.stop().await;

    // Those of the settings are told in the same way, and do not keep a node from starting.
    let keypair = Keypair::generate_ed25519();
    let ours =
        Multiaddr::from(Protocol::Memory(1)).with(Protocol::P2p(keypair.public().to_peer_id()));
    let config = still().with_seeds([ours.clone(), not_an_address.clone()]);
    let mut node = Sampling::with(keypair, HOUR, config);
    let failed = |event| match event {
        Event::SeedFailed { address, error } => Some((address, error)),
        _ => None,
    };
    let (address, error) = node.event("ourselves", failed).await;
    assert_eq!(address, ours);
    assert!(matches!(error, SeedError::Ourselves), "{error:?}");
    let (address, error) = node.event("no address", failed).await;
    assert_eq!(address, not_an_address);
    assert!(matches!(error, SeedError::NotAnAddress), "{error:?}");
    node.node.stop().await;
}

/// The only peer, connected by the application, drops the first request. A node that knows nobody
/// asks it again.
#[tokio::test]
async fn a_lonely_node_asks_its_connected_peers_again() {
    let node = start(config());
    let mut listener = Listener::memory().await;
    let to = listener.address.clone();
    let dial = node.node.ask(move |swarm| swarm.dial(to));
    dial.await.expect("a dial");
    let mut peer = listener.accept().await;
    let (_, stream) = peer.request().await;
    drop(stream);
    peer.request().await;
    node.node.stop().await;
    peer.closed().await;
}
