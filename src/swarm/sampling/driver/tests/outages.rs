//! What a node comes back from: its own outage, overload, the loss of everybody.

use std::io;

use libp2p_core::{multiaddr::Protocol, transport::TransportError};
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{ConnectionId, DialError, behaviour::DialFailure};

use crate::{
    sampling::overlay::random::Random,
    swarm::{
        handler::OutboundError,
        record::Record,
        sampling::{
            config::Config,
            driver::{
                Driver,
                testing::{
                    SECOND, address, closed, dial_failed, dial_of, dialled, dials, drain, driver,
                    established, fakes, request_of, somebody,
                },
            },
        },
        wire::sampling::Response,
    },
    time::Time,
};

/// All dials under way fail in this way.
fn fail(driver: &mut Driver<Random>, kind: io::ErrorKind, now: Time) -> usize {
    let dials = dials(driver, now);
    for (connection_id, peer, addresses) in &dials {
        let tried = addresses.iter().map(|address| {
            let error = TransportError::Other(kind.into());
            (address.clone().with(Protocol::P2p(*peer)), error)
        });
        dial_failed(
            driver,
            *peer,
            *connection_id,
            &DialError::Transport(tried.collect()),
            now,
        );
    }
    dials.len()
}

/// Nobody answers in time to a node that has no time itself.
#[test]
fn exchange_that_times_out_under_load_blames_no_peer() {
    for overloaded in [false, true] {
        let mut driver = driver(Config::local().with_neighbours(0));
        fakes(&mut driver, 1, &address());
        driver.advance(Time::new(SECOND));
        assert!(dial_of(drain(&mut driver)).is_some(), "a round");
        let peer = driver.sampler.view().as_slice()[0].peer.peer_id();
        if overloaded {
            driver.exchanger.trouble.note(Time::new(11 * SECOND));
        }
        // The dial does not end in time.
        driver.advance(Time::new(11 * SECOND));
        assert_eq!(driver.sampler.view().contains(&peer), overloaded);
    }
}

/// Exchanges break all the time while this node has too much to do.
#[test]
fn exchange_that_breaks_under_load_blames_no_peer() {
    for overloaded in [false, true] {
        let mut driver = driver(Config::local().with_neighbours(0));
        fakes(&mut driver, 1, &address());
        let peer = driver.sampler.view().as_slice()[0].peer.peer_id();
        let connection = ConnectionId::new_unchecked(1 << 40);
        established(&mut driver, peer, connection, Time::ZERO);
        for time in [20, 40] {
            let now = Time::new(time * SECOND);
            driver.advance(now);
            let (id, _) = request_of(drain(&mut driver)).expect("a round");
            if overloaded {
                driver.exchanger.trouble.note(now);
            }
            let late = Err(OutboundError::Timeout);
            driver.on_result((peer, connection), id, late, now + SECOND);
            drain(&mut driver);
        }
        assert_eq!(driver.sampler.view().contains(&peer), overloaded);
    }
}

#[test]
fn node_without_a_network_keeps_its_view() {
    let mut driver = driver(Config::open_internet());
    driver.policy = Config::local().addresses().clone();
    driver.init((1..=10).map(somebody));
    for second in (0..300).step_by(10) {
        fail(
            &mut driver,
            io::ErrorKind::NetworkUnreachable,
            Time::new(second * SECOND),
        );
    }
    assert_eq!(driver.sampler.view().len(), 10);
    assert!(
        fail(
            &mut driver,
            io::ErrorKind::ConnectionRefused,
            Time::new(300 * SECOND)
        ) > 0
    );
    assert!(driver.sampler.view().len() < 10, "dead peers leave");
}

/// A machine without IPv6 hears of peers that have no other address.
#[test]
fn peers_of_an_address_family_that_this_machine_lacks_leave_without_blame() {
    let mut driver = driver(Config::local());
    let records = (1..=3).map(|host| {
        let home = format!("/ip6/2606:4700::{host}/tcp/1").parse();
        let keypair = Keypair::generate_ed25519();
        Record::sign(&keypair, 1, &[home.expect("a multiaddr")]).expect("signing works")
    });
    let records: Vec<Record> = records.collect();
    driver.init(records.clone());
    fail(
        &mut driver,
        io::ErrorKind::NetworkUnreachable,
        Time::new(100 * SECOND),
    );
    assert!(driver.sampler.view().len() < 3);
    assert!(
        !driver.exchanger.trouble.is_in(Time::ZERO),
        "it has its network"
    );
    // A machine that had it and has lost it knows nothing of the others.
    let family = "/ip6/2606:4700::9/tcp/1".parse().expect("a multiaddr");
    dialled(
        &mut driver,
        PeerId::random(),
        ConnectionId::new_unchecked(1 << 40),
        family,
        Time::new(100 * SECOND),
    );
    driver.init(records);
    fail(
        &mut driver,
        io::ErrorKind::NetworkUnreachable,
        Time::new(200 * SECOND),
    );
    assert_eq!(driver.sampler.view().len(), 3);
    assert!(driver.exchanger.trouble.is_in(Time::new(200 * SECOND)));
}

#[test]
fn node_that_has_lost_everybody_goes_back_to_what_it_was_given() {
    let mut driver = driver(Config::open_internet());
    driver.policy = Config::local().addresses().clone();
    let given: Vec<_> = (1..=3).map(somebody).collect();
    assert_eq!(driver.init(given.clone()), 3);
    let mut second = 0;
    while !driver.sampler.view().is_empty() {
        second += 1;
        fail(
            &mut driver,
            io::ErrorKind::TimedOut,
            Time::new(second * SECOND),
        );
        assert!(second < 100, "they are dead");
    }
    // It tries them as it tries seeds, at the longest every five minutes, give or take a half.
    let mut last = second;
    for _ in 0..10 {
        let before = second;
        while fail(
            &mut driver,
            io::ErrorKind::TimedOut,
            Time::new(second * SECOND),
        ) == 0
        {
            second += 1;
            assert!(second < before + 500, "it has given up");
        }
        last = second;
    }
    // Somebody answers.
    let mut dialled = Vec::new();
    while dialled.is_empty() && second < last + 500 {
        second += 1;
        dialled = dials(&mut driver, Time::new(second * SECOND));
    }
    assert!(given.iter().any(|given| given.peer_id() == dialled[0].1));
    // A peer that said goodbye, or was removed, is not tried again.
    for given in &given {
        driver.remove(&given.peer_id());
    }
    fail(
        &mut driver,
        io::ErrorKind::TimedOut,
        Time::new(second * SECOND),
    );
    for second in second + 1..second + 1_000 {
        assert_eq!(
            fail(
                &mut driver,
                io::ErrorKind::TimedOut,
                Time::new(second * SECOND)
            ),
            0
        );
    }
}

/// Its view is full of peers that answer, and still it tries those that it knew once.
#[test]
fn node_looks_for_former_contacts_now_and_then() {
    let mut driver = driver(Config::local().with_neighbours(0).with_view_size(3));
    driver.init([somebody(1)]);
    let outside = somebody(9);
    driver.discovery.give(std::slice::from_ref(&outside));
    let mut times = Vec::new();
    for second in 0..10_000 {
        let now = Time::new(second * SECOND);
        for (connection_id, peer, _) in dials(&mut driver, now) {
            times.extend((peer == outside.peer_id()).then_some(second));
            let event = DialFailure {
                peer_id: Some(peer),
                error: &DialError::Transport(Vec::new()),
                connection_id,
            };
            match peer == outside.peer_id() {
                true => driver.on_dial_failure(event, now),
                false => {
                    established(&mut driver, peer, connection_id, now);
                    let (request, _) = request_of(drain(&mut driver)).expect("a request");
                    driver.on_result((peer, connection_id), request, Ok(Response::empty()), now);
                    closed(&mut driver, peer, connection_id, now);
                }
            }
        }
    }
    // Every 30 rounds: 33 times.
    assert!((28..=38).contains(&times.len()), "{times:?}");
    assert!(!driver.sampler.view().contains(&outside.peer_id()));
}
