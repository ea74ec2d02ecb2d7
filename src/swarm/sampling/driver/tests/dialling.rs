//! Failed dials, and what they say about the peer.

use std::{io, time::Duration};

use libp2p_core::{Multiaddr, multiaddr::Protocol, transport::TransportError};
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{DialError, dial_opts::PeerCondition};

use crate::{
    sampling::{overlay::random::Random, view::Descriptor},
    swarm::{
        record::Record,
        sampling::{
            config::Config,
            driver::{
                Driver,
                testing::{
                    SECOND, address, denied, dial_failed, dial_of, dial_seed, dials, drain, driver,
                    fail_dials, fakes, id, memory, nobody_there, pushed, signed, somebody,
                },
            },
        },
    },
    time::{Backoff, Time},
};

/// Puts a peer into the view, of which another peer tells at its true address.
fn hear_of(driver: &mut Driver<Random>, keypair: &Keypair) -> PeerId {
    driver.sampler.init([signed(keypair, 1, 7)]);
    keypair.public().to_peer_id()
}

/// The exchange waits for the dial of a seed at a stale address. When that fails, the peer's own
/// addresses are to be tried.
#[test]
fn failed_dial_of_a_seed_does_not_make_its_peer_unreachable() {
    let mut driver = driver(Config::local().with_neighbours(0));
    let keypair = Keypair::generate_ed25519();
    let stale = address().with(Protocol::P2p(keypair.public().to_peer_id()));
    let seed = dial_seed(&mut driver, stale);
    let peer = hear_of(&mut driver, &keypair);
    driver.advance(Time::new(SECOND));
    assert_eq!(driver.sampler.in_flight(), 1, "a round");
    assert_eq!(dial_of(drain(&mut driver)), None, "it waits");
    let nobody = nobody_there(&peer);
    dial_failed(&mut driver, peer, seed, &nobody, Time::new(SECOND));
    driver.advance(Time::new(2 * SECOND));
    assert!(dial_of(drain(&mut driver)).is_some(), "never dialled");
}

/// A sibling dials the peer at a stale address, without asking where it is, and the swarm refuses
/// to dial it twice.
#[test]
fn failed_dial_of_a_sibling_does_not_make_a_peer_unreachable() {
    let mut driver = driver(Config::local().with_neighbours(0));
    let peer = hear_of(&mut driver, &Keypair::generate_ed25519());
    driver.advance(Time::new(SECOND));
    let own = dial_of(drain(&mut driver)).expect("the round's partner is dialled");
    let condition = PeerCondition::DisconnectedAndNotDialing;
    let refused = DialError::DialPeerConditionFalse(condition);
    dial_failed(&mut driver, peer, own, &refused, Time::new(SECOND));
    let nobody = nobody_there(&peer);
    dial_failed(&mut driver, peer, id(1), &nobody, Time::new(SECOND));
    driver.advance(Time::new(2 * SECOND));
    let redialled = dial_of(drain(&mut driver)).is_some();
    driver.advance(Time::new(12 * SECOND));
    assert!(
        redialled || driver.sampler.view().contains(&peer),
        "dropped, and never dialled"
    );
}

/// Somebody goes on and on about the dead, each time at another address. They are left alone for
/// ever longer, up to the longest pause.
#[test]
fn dead_peer_is_not_redialled_before_its_backoff_ends() {
    let config =
        Config::open_internet().with_quarantine(Some(Backoff::new(20 * SECOND, 80 * SECOND)));
    let mut driver = driver(config.with_neighbours(0).with_period(SECOND));
    // A node that knows no other peer forgives all.
    fakes(&mut driver, 1, &address());
    let dead = Keypair::generate_ed25519();
    let peer = dead.public().to_peer_id();
    let error = |dialled: &PeerId| match *dialled == peer {
        true => nobody_there(dialled),
        false => denied(dialled),
    };
    let mut times = Vec::new();
    for second in 1..2_000 {
        let home = memory(1_000 + second);
        let record = Record::sign(&dead, second, &[home]).expect("signing works");
        let gossip = pushed(vec![Descriptor::fresh(record)]);
        let now = Time::new(Duration::from_secs(second));
        driver
            .sampler
            .handle_request(&PeerId::random(), gossip, now);
        let dialled = fail_dials(&mut driver, error, now);
        times.extend(dialled.contains(&peer).then_some(second));
    }
    let pauses: Vec<_> = times.windows(2).map(|times| times[1] - times[0]).collect();
    assert!((24..=26).contains(&pauses.len()), "{times:?}");
    let least = [20, 40].into_iter().chain(std::iter::repeat(80));
    for (pause, least) in pauses.iter().zip(least) {
        assert!((least..least + 5).contains(pause), "{times:?}");
    }
}

/// Both ends have dialled at the same moment, and TCP has made one connection of the two.
#[test]
fn failed_handshake_blames_no_peer_and_is_made_again_from_another_port() {
    let mut driver = driver(Config::open_internet());
    driver.policy = Config::local().addresses().clone();
    // The application says where one of them is, gossip where the other is.
    let (given, told) = (somebody(1), somebody(2));
    driver.init([given.clone()]);
    driver.sampler.init([told.clone()]);
    let handshake_fails = |driver: &mut Driver<Random>, peer, home: &Multiaddr, connection_id| {
        let noise = io::Error::other("Handshake failed");
        let tried = vec![(home.clone(), TransportError::Other(noise))];
        dial_failed(
            driver,
            peer,
            connection_id,
            &DialError::Transport(tried),
            Time::new(SECOND),
        );
        dial_of(drain(driver))
    };
    for (connection, peer, addresses) in dials(&mut driver, Time::new(SECOND)) {
        let home = &addresses[0];
        let anew = handshake_fails(&mut driver, peer, home, connection);
        let anew = anew.expect("it is dialled again");
        assert!(driver.sampler.view().contains(&peer));
        let again = handshake_fails(&mut driver, peer, home, anew);
        assert_eq!(again, None, "dialled for ever");
        assert!(!driver.sampler.view().contains(&peer));
    }
    // The next to tell of them is believed.
    let request = pushed([&given, &told].map(|r| Descriptor::fresh(r.clone())).into());
    let teller = PeerId::random();
    driver
        .sampler
        .handle_request(&teller, request, Time::new(SECOND));
    assert_eq!(driver.sampler.view().len(), 2, "they are blamed");
}

#[test]
fn peer_that_no_transport_reaches_leaves_without_blame() {
    let mut driver = driver(Config::local());
    let peer = somebody(1);
    driver.init([peer.clone(), somebody(2)]);
    let dialled = dials(&mut driver, Time::new(SECOND));
    let (connection_id, partner, addresses) = &dialled[0];
    let unknown = TransportError::MultiaddrNotSupported(addresses[0].clone());
    dial_failed(
        &mut driver,
        *partner,
        *connection_id,
        &DialError::Transport(vec![(addresses[0].clone(), unknown)]),
        Time::new(SECOND),
    );
    assert!(!driver.sampler.view().contains(partner));
    // The next to tell of it is believed.
    let told = if peer.peer_id() == *partner {
        peer
    } else {
        somebody(3)
    };
    let request = pushed(vec![Descriptor::fresh(told.clone())]);
    driver
        .sampler
        .handle_request(&PeerId::random(), request, Time::new(SECOND));
    assert!(driver.sampler.view().contains(&told.peer_id()));
}
