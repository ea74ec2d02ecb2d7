//! Dials and connections through relays.

use std::{collections::BTreeSet, io, time::Duration};

use libp2p_core::{Multiaddr, multiaddr::Protocol, transport::TransportError};
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{ConnectionId, DialError};

use crate::{
    sampling::overlay::random::Random,
    swarm::{
        record::Record,
        sampling::{
            config::Config,
            driver::{
                Driver,
                testing::{
                    SECOND, add_seed, behind, closed, closes, dial_failed, dial_of, dialled, dials,
                    drain, driver, id, relays_home, releases, sent, somewhere, wake_at,
                },
            },
        },
        wire::sampling::Response,
    },
    time::Time,
};

/// Puts `count` peers behind `relay` into the view.
fn put_behind(driver: &mut Driver<Random>, relay: PeerId, count: usize) -> Vec<PeerId> {
    let records = (0..count).map(|_| {
        let keypair = Keypair::generate_ed25519();
        Record::sign(&keypair, 1, &[behind(relay)]).expect("signing works")
    });
    let records: Vec<_> = records.collect();
    let peers = records.iter().map(Record::peer_id).collect();
    assert_eq!(driver.init(records), count);
    peers
}

/// The dial ends as libp2p's relay client ends it, whatever the reason.
fn no_circuit(driver: &mut Driver<Random>, dial: ConnectionId, peer: PeerId, at: &[Multiaddr]) {
    let attempts = at.iter().map(|address| {
        let full = address.clone().with(Protocol::P2p(peer));
        (full, TransportError::Other(io::Error::other("no circuit")))
    });
    dial_failed(
        driver,
        peer,
        dial,
        &DialError::Transport(attempts.collect()),
        Time::new(SECOND),
    );
}

/// libp2p's relay client gives up when another behaviour is just dialling the relay.
#[test]
fn exchange_waits_for_another_behaviours_dial_of_the_relay() {
    let mut driver = driver(Config::local().with_relayed(true).with_neighbours(0));
    let relay = PeerId::random();
    let peer = put_behind(&mut driver, relay, 1)[0];
    let wanted = dials(&mut driver, Time::new(SECOND));
    let [(dial, _, addresses)] = &wanted[..] else {
        panic!("{wanted:?}");
    };
    driver.addresses_to_dial(id(1), Some(relay), Time::new(SECOND));
    no_circuit(&mut driver, *dial, peer, addresses);
    assert!(driver.sampler.view().contains(&peer));
    assert!(
        dials(&mut driver, Time::new(SECOND)).is_empty(),
        "too early"
    );
    dialled(&mut driver, relay, id(1), relays_home(), Time::new(SECOND));
    let again = dials(&mut driver, Time::new(SECOND));
    assert!(
        matches!(&again[..], [(_, to, _)] if *to == peer),
        "{again:?}"
    );
    // There is the relay, and there is no circuit.
    no_circuit(&mut driver, again[0].0, peer, &again[0].2);
    assert!(!driver.sampler.view().contains(&peer));
    assert!(driver.exchanger.under_way().waiting_for(peer).is_empty());
    assert!(driver.exchanger.keeper.holder.dials_nobody());
}

#[test]
fn one_dead_peer_behind_a_relay_that_answers_does_not_shut_out_the_rest() {
    for (answers, expected) in [(true, 4), (false, 1)] {
        let mut limits = *Config::local().limits();
        limits.dials_per_address = 3;
        let config = Config::local().with_relayed(true).with_neighbours(0);
        let mut driver = driver(config.with_limits(limits));
        let relay = PeerId::random();
        if answers {
            dialled(&mut driver, relay, id(1), relays_home(), Time::new(SECOND));
        }
        put_behind(&mut driver, relay, 20);
        let mut count = 0;
        loop {
            let wanted = dials(&mut driver, Time::new(SECOND));
            if wanted.is_empty() {
                break;
            }
            for (dial, peer, at) in wanted {
                count += at.len();
                no_circuit(&mut driver, dial, peer, &at);
            }
        }
        // A round tries four partners.
        assert_eq!(count, expected, "{answers}");
    }
}

/// Somebody behind an honest relay says that the relay is where a victim is.
#[test]
fn relay_vouches_for_its_own_host_alone() {
    let config = Config::local().with_relayed(true).with_neighbours(0);
    let mut driver = driver(config);
    let relay = PeerId::random();
    let true_home = "/ip4/10.0.0.7/tcp/9".parse().expect("a multiaddr");
    dialled(&mut driver, relay, id(1), true_home, Time::new(SECOND));
    let peer = put_behind(&mut driver, relay, 1)[0];
    let wanted = dials(&mut driver, Time::new(SECOND));
    let address = behind(relay).with(Protocol::P2p(peer));
    dialled(&mut driver, peer, wanted[0].0, address, Time::new(SECOND));
    let connections = &driver.exchanger.keeper.connections;
    assert_eq!(connections.dialled(&peer, wanted[0].0), None);
}

/// A listener that never has an address: a relay that does not answer, over and over.
#[test]
fn listener_that_is_never_set_up_keeps_nothing_open_for_ever() {
    let mut driver = driver(Config::local().with_neighbours(0));
    let seed = somewhere();
    add_seed(&mut driver, seed.clone());
    driver
        .exchanger
        .keeper
        .set_listening(BTreeSet::new(), 1, Time::ZERO);
    driver.advance(Time::ZERO);
    assert!(drain(&mut driver).is_empty(), "seeds wait for the listener");
    let mut actions = Vec::new();
    while actions.is_empty() {
        let wake = wake_at(&driver).expect("and not for ever");
        assert!(wake <= Time::new(2 * SECOND), "{wake:?}");
        driver.advance(wake);
        actions = drain(&mut driver);
    }
    let dial = dial_of(actions);
    let (dial, peer) = (dial.expect("the seed's turn"), PeerId::random());
    dialled(&mut driver, peer, dial, seed, Time::new(SECOND));
    let request = sent(&drain(&mut driver))[0].1;
    let answer = Ok(Response::empty());
    driver.on_result((peer, dial), request, answer, Time::new(2 * SECOND));
    driver.exchanger.on_idle(peer, dial);
    let closes = |driver: &mut Driver<Random>| closes(&drain(driver)) > 0;
    assert!(!closes(&mut driver), "the listener may need it");
    let mut wake = Time::ZERO;
    while wake < Time::new(120 * SECOND) && !closes(&mut driver) {
        wake = Time::new(wake_at(&driver).expect("the wait ends").since_zero());
        driver.advance(wake);
        driver.exchanger.on_idle(peer, dial);
    }
    assert!(wake < Time::new(120 * SECOND), "kept for nothing");
    assert!(wake_at(&driver) > Some(wake));
}

/// dcutr takes a while; and where nobody is wanted, or nothing comes of it, the circuit is let go.
#[test]
fn circuit_is_left_open_for_a_direct_connection_and_no_longer() {
    for neighbours in [0, 1] {
        let config = Config::local().with_relayed(true);
        let mut driver = driver(config.with_neighbours(neighbours));
        let peer = put_behind(&mut driver, PeerId::random(), 1)[0];
        let (dial, to, addresses) = dials(&mut driver, Time::new(SECOND)).remove(0);
        assert_eq!(to, peer);
        let released = |driver: &mut Driver<Random>| releases(&drain(driver));
        let address = addresses[0].clone().with(Protocol::P2p(peer));
        dialled(&mut driver, peer, dial, address, Time::new(SECOND));
        let (_, request, _) = sent(&drain(&mut driver))[0];
        driver.on_result(
            (peer, dial),
            request,
            Ok(Response::empty()),
            Time::new(SECOND),
        );
        assert_eq!(released(&mut driver), 1 - neighbours);
        let wake = wake_at(&driver).expect("rounds, and the end of the wait");
        assert!(wake <= Time::new(6 * SECOND), "{wake:?}");
        driver
            .exchanger
            .keeper
            .end_waits(Time::new(6 * SECOND - Duration::from_nanos(1)));
        assert_eq!(released(&mut driver), 0, "too early");
        driver.exchanger.keeper.end_waits(Time::new(6 * SECOND));
        assert_eq!(released(&mut driver), 1, "kept for nothing");
        driver.exchanger.keeper.end_waits(Time::new(7 * SECOND));
        assert_eq!(
            (released(&mut driver), driver.exchanger.keeper.next_wake()),
            (0, None)
        );
    }
}

#[test]
fn connection_that_carries_a_circuit_is_closed_after_it() {
    let mut driver = driver(Config::local().with_relayed(true).with_neighbours(0));
    let (relay, peer) = (PeerId::random(), PeerId::random());
    add_seed(&mut driver, relays_home());
    driver.advance(Time::new(SECOND));
    let dial = dial_of(drain(&mut driver));
    let seed = dial.expect("the seed is dialled");
    dialled(&mut driver, relay, seed, relays_home(), Time::new(SECOND));
    let (_, outbound, _) = sent(&drain(&mut driver))[0];
    dialled(&mut driver, peer, id(1), behind(relay), Time::new(SECOND));
    drain(&mut driver);
    driver.on_result(
        (relay, seed),
        outbound,
        Ok(Response::empty()),
        Time::new(SECOND),
    );
    let closes = |driver: &mut Driver<Random>| {
        driver.exchanger.on_idle(relay, seed);
        closes(&drain(driver)) > 0
    };
    assert!(!closes(&mut driver), "it carries another");
    closed(&mut driver, peer, id(1), Time::new(SECOND));
    assert!(
        releases(&drain(&mut driver)) > 0,
        "nobody will ever close it"
    );
    assert!(closes(&mut driver));
}
