//! Which connections stay open, and for how long.

use std::collections::BTreeSet;

use libp2p_identity::PeerId;
use libp2p_swarm::{ConnectionId, DialError, dial_opts::PeerCondition};

use crate::{
    sampling::overlay::random::Random,
    swarm::{
        exchanger::pruning::Pruning,
        handler::InboundId,
        sampling::{
            config::Config,
            driver::{
                Driver,
                testing::{
                    SECOND, address, closes, dial_failed, dial_seed, dialled, dials, drain, driver,
                    established, id, request_of, sent, somebody, somewhere, wake_at,
                },
            },
        },
        wire::sampling::{Proposal, Request, Response},
    },
    time::Time,
};

/// The application dials a peer while an exchange has it connected, and is told so: then it may
/// count on the connection.
#[test]
fn connection_that_the_application_wants_stays() {
    for wanted in [false, true] {
        let mut driver = driver(Config::local().with_neighbours(0));
        let peer = PeerId::random();
        let connection = dial_seed(&mut driver, address());
        established(&mut driver, peer, connection, Time::ZERO);
        let (id, _) = request_of(drain(&mut driver)).expect("an exchange");
        driver.on_result(
            (peer, connection),
            id,
            Ok(Response::empty()),
            Time::new(SECOND),
        );
        if wanted {
            let condition = PeerCondition::DisconnectedAndNotDialing;
            dial_failed(
                &mut driver,
                peer,
                ConnectionId::new_unchecked(1 << 41),
                &DialError::DialPeerConditionFalse(condition),
                Time::new(SECOND),
            );
        }
        driver.exchanger.on_idle(peer, connection);
        let closes = closes(&drain(&mut driver)) > 0;
        assert_eq!(closes, !wanted);
    }
}

/// All that could be pruned was busy when there was something to prune.
#[test]
fn busy_connection_is_pruned_later() {
    let pruning = Pruning {
        max_connections: 1,
        grace: 5 * SECOND,
    };
    let config = Config::local().with_neighbours(0);
    let mut driver = driver(config.with_pruning(Some(pruning)));
    let peers = [1, 2].map(|at| (PeerId::random(), id(at)));
    for (peer, connection) in peers {
        dialled(
            &mut driver,
            peer,
            connection,
            somewhere(),
            Time::new(SECOND),
        );
    }
    driver.advance(Time::new(SECOND));
    let requests = sent(&drain(&mut driver));
    assert_eq!(requests.len(), 2, "siblings' connections are used");
    driver.advance(Time::new(7 * SECOND));
    assert!(drain(&mut driver).is_empty(), "both are busy");
    for (connection, request, _) in requests {
        let of = peers.iter().find(|(_, id)| *id == connection);
        let (peer, _) = of.expect("one of the two");
        let answer = Ok(Response::empty());
        driver.on_result((*peer, connection), request, answer, Time::new(7 * SECOND));
    }
    drain(&mut driver);
    let mut closed = 0;
    for _ in 0..3 {
        let Some(wake) = wake_at(&driver) else {
            break;
        };
        driver.advance(wake);
        closed += closes(&drain(&mut driver));
    }
    assert_eq!(closed, 1);
}

/// Five dead peers that take long to fail, and one that answers.
#[test]
fn node_without_neighbours_does_not_wait_for_the_dead() {
    for neighbours in [0, 8] {
        let config = Config::local()
            .with_neighbours(neighbours)
            .with_view_size(6);
        let mut driver = driver(config);
        driver.init((1..=6).map(somebody));
        let mut dialled = Vec::new();
        for tick in 0..20 {
            dialled.extend(dials(&mut driver, Time::new(tick * SECOND / 10)));
        }
        let partners: BTreeSet<_> = dialled.iter().map(|(_, peer, _)| *peer).collect();
        match neighbours {
            0 => assert_eq!(partners.len(), 1, "nobody is missed"),
            _ => assert_eq!(partners.len(), 6, "within two seconds"),
        }
    }
}

#[test]
fn node_without_neighbours_keeps_the_connections_it_has() {
    let mut driver = driver(Config::local().with_neighbours(8));
    driver.init((1..=5).map(somebody));
    let mut made = Vec::new();
    let mut now = Time::ZERO;
    while made.len() < 4 {
        now += SECOND;
        for (connection, peer, _) in dials(&mut driver, now) {
            established(&mut driver, peer, connection, now);
            let (request, _) = request_of(drain(&mut driver)).expect("a request");
            // Its places are taken.
            driver.on_result((peer, connection), request, Ok(Response::empty()), now);
            made.push((peer, connection));
        }
        assert!(now < Time::new(600 * SECOND), "it makes exchanges");
    }
    let held = |driver: &Driver<Random>, made: &[(PeerId, ConnectionId)]| {
        let held = made
            .iter()
            .filter(|(_, id)| driver.exchanger.keeper.is_lifeline(*id));
        held.count()
    };
    assert_eq!(held(&driver, &made), 2, "the latest two, and no more");
    assert!(driver.exchanger.keeper.is_lifeline(made[made.len() - 1].1));
    // Two become neighbours: it needs no others.
    for id in 0..2 {
        let peer = PeerId::random();
        let connection = ConnectionId::new_unchecked((1 << 42) + id);
        established(&mut driver, peer, connection, now);
        driver.note_contact((peer, connection), &[], now);
        let proposal = Request::notice(Proposal::Welcome);
        driver.on_request((peer, connection), InboundId(id as u64), proposal, now);
    }
    assert_eq!(driver.neighbourhood.members().len(), 2);
    assert_eq!(held(&driver, &made), 0);
}
