//! Connections that a guard denies or a peer turns away.

use libp2p_core::Multiaddr;
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{
    ConnectionId, DialError, ListenError, NetworkBehaviour, ToSwarm,
    behaviour::{DialFailure, ListenFailure},
};

use crate::{
    sampling::overlay::random::Random,
    swarm::{
        exchanger::error::ExchangeError,
        handler::InboundId,
        limits::Limits,
        record::Record,
        sampling::{
            command::Command,
            config::Config,
            driver::{
                Driver,
                testing::{
                    SECOND, accepted, address, closed, denied, dial_failed, dial_of, dialled,
                    drain, driver, established, fail_dials, fakes, id, memory, pushed, relays_home,
                    request_of, sent, somewhere, speaks, wake_at,
                },
            },
            event::Event,
        },
        wire::sampling::{Proposal, Request, Response},
    },
    time::Time,
};

/// Our own connection limits: nobody is blamed, and nothing counted.
#[test]
fn dials_that_this_node_denies_empty_neither_view_nor_budget() {
    let config = Config::open_internet().with_view_size(10);
    let mut driver = driver(config.with_neighbours(0));
    for port in 1..=10 {
        let address = memory(port);
        fakes(&mut driver, 1, &address);
    }
    let mut dials = 0;
    for second in 0..100 {
        dials += fail_dials(&mut driver, denied, Time::new(second * SECOND)).len();
    }
    assert!(dials > 30, "{dials}");
    assert_eq!(driver.sampler.view().len(), 10);
}

/// A node whose connections are all used up: each round makes its exchange with somebody who is
/// connected.
#[test]
fn denied_dial_falls_back_to_connected_peer() {
    let limits = Limits {
        dials_per_minute: 3,
        ..Default::default()
    };
    let config = Config::local().with_period(SECOND).with_limits(limits);
    let mut driver = driver(config.with_view_size(10));
    let (peer, connection) = (PeerId::random(), ConnectionId::new_unchecked(1 << 40));
    established(&mut driver, peer, connection, Time::ZERO);
    driver.advance(Time::ZERO);
    let (id, _) = request_of(drain(&mut driver)).expect("it is asked");

    driver.on_result((peer, connection), id, Ok(accepted()), Time::ZERO);
    assert_eq!(driver.neighbourhood.members(), [peer]);
    for port in 1..=10 {
        let address = memory(port);
        fakes(&mut driver, 1, &address);
    }
    drain(&mut driver);
    // Ten a second, and the minute's three are never used up.
    let mut exchanges = 0;
    for second in 1..=30 {
        let now = Time::new(second * SECOND);
        driver.advance(now);
        let dial = dial_of(drain(&mut driver)).expect("within the budget");
        let partner = driver.exchanger.under_way().partners().first().copied();
        let error = denied(&peer);
        let failure = DialFailure {
            peer_id: partner,
            error: &error,
            connection_id: dial,
        };
        driver.on_dial_failure(failure, now);
        driver.advance(now);
        let actions = drain(&mut driver);
        let refused = actions.iter().filter(|action| {
            let ToSwarm::GenerateEvent(Event::ExchangeFailed { error, removed, .. }) = action
            else {
                return false;
            };
            matches!(error, ExchangeError::Refused(_)) && !removed
        });
        assert_eq!(refused.count(), 1, "{actions:?}");
        let requests = actions.into_iter().filter_map(|action| match action {
            ToSwarm::NotifyHandler {
                event: Command::Request(id, Request::Exchange { gossip, .. }),
                peer_id,
                ..
            } if gossip.pull => Some((id, peer_id)),
            _ => None,
        });
        for (id, partner) in requests.collect::<Vec<_>>() {
            assert_eq!(partner, peer);
            driver.on_result((peer, connection), id, Ok(accepted()), now);
            exchanges += 1;
        }
    }
    assert_eq!(exchanges, 30);
    assert_eq!(driver.sampler.view().len(), 10);
}

/// A peer at its own limit closes what it has just accepted. It is there, and stays in the view.
#[test]
fn peer_that_closes_what_it_accepted_is_not_blamed() {
    let mut driver = driver(Config::local().with_period(SECOND));
    fakes(&mut driver, 1, &address());
    let peer = driver.sampler.view().as_slice()[0].peer.peer_id();
    let mut turned_away = 0;
    for second in 1..=10 {
        let now = Time::new(second * SECOND);
        driver.advance(now);
        let Some(dial) = dial_of(drain(&mut driver)) else {
            continue;
        };
        established(&mut driver, peer, dial, now);
        assert!(request_of(drain(&mut driver)).is_some());
        closed(&mut driver, peer, dial, now);
        turned_away += drain(&mut driver)
            .into_iter()
            .filter(|action| {
                matches!(
                    action,
                    ToSwarm::GenerateEvent(Event::ExchangeFailed {
                        error: ExchangeError::TurnedAway,
                        removed: false,
                        ..
                    })
                )
            })
            .count();
    }
    assert!(turned_away > 2);
    assert!(driver.sampler.view().contains(&peer));
}

#[test]
fn blocked_peer_leaves_the_view_and_gossip_does_not_bring_it_back() {
    let mut driver = driver(Config::local().with_neighbours(0));
    fakes(&mut driver, 2, &address());
    let blocked = driver.sampler.view().as_slice()[0].clone();
    let peer = blocked.peer.peer_id();
    let mut list = libp2p_allow_block_list::Behaviour::default();
    list.block_peer(peer);
    let mut deny = || {
        let address = Multiaddr::empty();
        let id = ConnectionId::new_unchecked(1 << 40);
        let denied = list.handle_established_inbound_connection(id, peer, &address, &address);
        denied.err().expect("blocked")
    };
    let error = ListenError::Denied { cause: deny() };
    let nowhere = Multiaddr::empty();
    let came_by = |peer_id| ListenFailure {
        local_addr: &nowhere,
        send_back_addr: &nowhere,
        error: &error,
        connection_id: ConnectionId::new_unchecked(1 << 40),
        peer_id,
    };
    driver.on_listen_failure(came_by(None), Time::new(SECOND));
    assert_eq!(driver.sampler.view().len(), 2, "no peer is named");
    driver.on_listen_failure(came_by(Some(peer)), Time::new(SECOND));
    assert!(!driver.sampler.view().contains(&peer));
    // A sibling's dial says so, too.
    let error = DialError::Denied { cause: deny() };
    dial_failed(
        &mut driver,
        peer,
        ConnectionId::new_unchecked(1 << 41),
        &error,
        Time::new(2 * SECOND),
    );
    let tell = |driver: &mut Driver<Random>, now| {
        let gossip = pushed(vec![blocked.clone()]);
        let request = Request::Exchange {
            gossip,
            neighbour: Proposal::None,
        };
        let connection = ConnectionId::new_unchecked(1 << 42);
        driver.on_request((PeerId::random(), connection), InboundId(1), request, now);
        driver.sampler.view().contains(&peer)
    };
    assert!(!tell(&mut driver, Time::new(61 * SECOND)));
    assert!(
        tell(&mut driver, Time::new(62 * SECOND)),
        "it has another chance"
    );
    dial_failed(
        &mut driver,
        peer,
        ConnectionId::new_unchecked(1 << 41),
        &error,
        Time::new(63 * SECOND),
    );
    assert!(!tell(&mut driver, Time::new(64 * SECOND)));
    // It is connected: so it is blocked no longer.
    established(
        &mut driver,
        peer,
        ConnectionId::new_unchecked(1 << 43),
        Time::new(64 * SECOND),
    );
    assert!(tell(&mut driver, Time::new(64 * SECOND)));
}

/// A guard of this swarm denies each dial, and a connected peer is asked instead.
#[test]
fn denied_peer_has_another_chance_although_others_are_connected() {
    let mut driver = driver(Config::local().with_neighbours(0));
    let records = [1, 2].map(|at| {
        let keypair = Keypair::generate_ed25519();
        let home = memory(at);
        Record::sign(&keypair, 1, &[home]).expect("signing works")
    });
    let [connected, other] = [0, 1].map(|at| records[at].peer_id());
    driver.init(records);
    dialled(
        &mut driver,
        connected,
        id(1),
        somewhere(),
        Time::new(SECOND),
    );
    let (mut dials, mut now) = (0, SECOND);
    for _ in 0..60 {
        driver.advance(Time::new(now));
        let actions = drain(&mut driver);
        for (on, outbound, _) in sent(&actions) {
            driver.on_result(
                (connected, on),
                outbound,
                Ok(Response::empty()),
                Time::new(now),
            );
        }
        for action in actions {
            let ToSwarm::Dial { opts } = action else {
                continue;
            };
            dials += 1;
            dial_failed(
                &mut driver,
                other,
                opts.connection_id(),
                &denied(&other),
                Time::new(now),
            );
        }
        now = wake_at(&driver).map_or(now, |at| at.max(Time::new(now)).since_zero());
    }
    assert!(driver.sampler.view().contains(&other));
    assert!(dials > 3, "{dials} dials");
}

/// The partner has closed the connection, and a guard denies the next dial.
#[test]
fn peer_that_was_denied_and_replaced_is_not_waited_for() {
    let mut driver = driver(Config::local().with_neighbours(0));
    let keypair = Keypair::generate_ed25519();
    let (peer, other) = (keypair.public().to_peer_id(), PeerId::random());
    driver.init([Record::sign(&keypair, 1, &[somewhere()]).expect("signing works")]);
    dialled(&mut driver, peer, id(1), somewhere(), Time::new(SECOND));
    speaks(&mut driver, peer, id(1));
    driver.advance(Time::new(SECOND));
    let asked = sent(&drain(&mut driver));
    assert_eq!(asked.len(), 1);
    dialled(&mut driver, other, id(2), relays_home(), Time::new(SECOND));
    speaks(&mut driver, other, id(2));
    closed(&mut driver, peer, id(1), Time::new(SECOND));
    let dial = dial_of(drain(&mut driver)).expect("another connection");
    dial_failed(&mut driver, peer, dial, &denied(&peer), Time::new(SECOND));
    let asked = sent(&drain(&mut driver));
    let [(on, outbound, _)] = asked[..] else {
        panic!("{asked:?}");
    };
    driver.on_result(
        (other, on),
        outbound,
        Ok(Response::empty()),
        Time::new(SECOND),
    );
    assert!(driver.neighbourhood.is_settled());
}
