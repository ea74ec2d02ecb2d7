//! What the driver does, one input after the other.

mod dialling;
mod recovery;

use std::collections::BTreeSet;

use libp2p_core::{ConnectedPoint, multiaddr::Protocol};
use libp2p_identity::Keypair;
use libp2p_swarm::{
    DialError, ListenError, NetworkBehaviour, ToSwarm,
    behaviour::{ConnectionEstablished, DialFailure, ListenFailure},
    dial_opts::PeerCondition,
};

use super::*;
use crate::{
    sampling::{
        Selection,
        overlay::{basalt::Basalt, random::Random},
        view::Descriptor,
    },
    swarm::{
        exchanger::error::ExchangeError,
        handler::OutboundId,
        sampling::discovery::MOST_BESIDE,
        sampling::driver::testing::{
            SECOND, came, closed, dialled, drain, driver, holder, wake_at,
        },
    },
};

fn address() -> Multiaddr {
    Multiaddr::empty().with(Protocol::Memory(1))
}

fn established(driver: &mut Driver<Random>, peer: PeerId, id: ConnectionId, now: Time) {
    dialled(driver, peer, id, address(), now);
}

fn dial_of(actions: Vec<ToSwarm<Event, Command>>) -> Option<ConnectionId> {
    actions.into_iter().find_map(|action| match action {
        ToSwarm::Dial { opts } => Some(opts.connection_id()),
        _ => None,
    })
}

/// Gives the driver a seed, and returns the dial to it.
fn dial_seed(driver: &mut Driver<Random>, address: Multiaddr) -> ConnectionId {
    let added = driver.discovery.seeds.add(address, PeerId::random());
    added.expect("an address");
    driver.advance(Time::ZERO);
    dial_of(drain(driver)).expect("the seed is dialled")
}

fn request_of(actions: Vec<ToSwarm<Event, Command>>) -> Option<(OutboundId, Request)> {
    actions.into_iter().find_map(|action| match action {
        ToSwarm::NotifyHandler {
            event: Command::Request(id, request),
            ..
        } => Some((id, request)),
        _ => None,
    })
}

/// A seed's dial that takes longer than the seed's time, and finds an exchange with the same
/// peer under way: nobody closes the connection, and its handler keeps it alive for ever.
#[test]
fn a_late_seed_connection_is_released() {
    let mut driver = driver(Config::local().with_neighbours(0));
    let dial = dial_seed(&mut driver, address());
    driver.advance(Time::new(25 * SECOND)); // Its time, 20 s, is over.
    // Somebody else connects the peer, and an exchange is under way there.
    let (peer, other) = (PeerId::random(), ConnectionId::new_unchecked(1 << 40));
    established(&mut driver, peer, other, Time::new(25 * SECOND));
    driver.advance(Time::new(25 * SECOND));
    drain(&mut driver);
    assert_eq!(driver.sampler.in_flight(), 1);
    established(&mut driver, peer, dial, Time::new(26 * SECOND));
    let released = drain(&mut driver).iter().any(|action| {
        matches!(
            action,
            ToSwarm::NotifyHandler {
                event: Command::KeepAlive(false),
                ..
            }
        )
    });
    assert!(released, "nobody will ever close the seed's connection");
}

/// More connected peers than exchanges may be in flight: those that had no turn have theirs
/// before anybody is asked again.
#[test]
fn every_connected_peer_has_its_turn() {
    let mut driver = driver(Config::local().with_view_size(100));
    for id in 0..70 {
        let id = ConnectionId::new_unchecked((1 << 40) + id);
        established(&mut driver, PeerId::random(), id, Time::ZERO);
    }
    let mut asked = BTreeSet::new();
    // All of the first 64 time out.
    for now in [Duration::ZERO, 11 * SECOND, 11 * SECOND] {
        driver.advance(Time::new(now));
        asked.extend(drain(&mut driver).iter().filter_map(|action| match action {
            ToSwarm::NotifyHandler {
                peer_id,
                event: Command::Request(_, Request::Exchange { gossip, .. }),
                ..
            } if gossip.pull => Some(*peer_id),
            _ => None,
        }));
    }
    assert_eq!(asked.len(), 70, "the six others have their turn");
}

/// The exchange waits for the dial of a seed at a stale address; when that fails, the peer's
/// own addresses are never tried, and it leaves the view as unreachable.
#[test]
fn a_peer_is_not_unreachable_because_somebody_elses_dial_failed() {
    let mut driver = driver(Config::local().with_neighbours(0));
    let keypair = Keypair::generate_ed25519();
    let peer = keypair.public().to_peer_id();
    let stale = address().with(Protocol::P2p(peer));
    let seed = dial_seed(&mut driver, stale);
    // Somebody else tells of the peer, at its true address.
    let home = Multiaddr::empty().with(Protocol::Memory(7));
    driver
        .sampler
        .init([Record::sign(&keypair, 1, &[home]).expect("signing works")]);
    driver.advance(Time::new(SECOND));
    let own = dial_of(drain(&mut driver)).expect("the round's partner is dialled");
    let condition = PeerCondition::DisconnectedAndNotDialing;
    driver.on_dial_failure(
        DialFailure {
            peer_id: Some(peer),
            error: &DialError::DialPeerConditionFalse(condition),
            connection_id: own,
        },
        Time::new(SECOND),
    );
    driver.on_dial_failure(
        DialFailure {
            peer_id: Some(peer),
            error: &DialError::Transport(Vec::new()),
            connection_id: seed,
        },
        Time::new(SECOND),
    );
    driver.advance(Time::new(2 * SECOND));
    let redialled = dial_of(drain(&mut driver)).is_some();
    driver.advance(Time::new(12 * SECOND));
    assert!(
        redialled || driver.sampler.view().contains(&peer),
        "dropped, and never dialled"
    );
}

/// The answer to a proposal is lost on a connection that stays. The peer may have said yes,
/// and nobody tells it that nothing came of it.
#[test]
fn a_peer_whose_answer_was_lost_is_told_that_it_is_no_neighbour() {
    let mut driver = driver(Config::local());
    let (peer, connection) = (PeerId::random(), ConnectionId::new_unchecked(1 << 40));
    established(&mut driver, peer, connection, Time::ZERO);
    driver.advance(Time::ZERO);
    let sent = request_of(drain(&mut driver));
    let (id, request) = sent.expect("a sibling's connection is used");
    assert!(matches!(
        request,
        Request::Exchange {
            neighbour: Proposal::Needed,
            ..
        }
    ));
    driver.on_result(
        (peer, connection),
        id,
        Err(OutboundError::Timeout),
        Time::new(SECOND),
    );
    let told = drain(&mut driver).into_iter().any(|action| {
        matches!(
            action,
            ToSwarm::NotifyHandler {
                event: Command::Request(
                    _,
                    Request::Exchange {
                        neighbour: Proposal::None,
                        ..
                    }
                ),
                ..
            }
        )
    });
    assert!(told, "it keeps a place for a neighbour that is none");
}

/// A dial that was under way when the node left ends in nothing.
#[test]
fn after_leaving_no_exchange_is_started() {
    let mut driver = driver(Config::local());
    let dial = dial_seed(&mut driver, address());
    driver.leave(Time::new(SECOND));
    established(&mut driver, PeerId::random(), dial, Time::new(SECOND));
    let actions = drain(&mut driver);
    assert!(
        actions.iter().all(|action| matches!(
            action,
            ToSwarm::NotifyHandler {
                event: Command::KeepAlive(false) | Command::NotifyIdle,
                ..
            }
        )),
        "{actions:?}"
    );
    driver.advance(Time::new(SECOND));
    assert!(matches!(
        drain(&mut driver)[..],
        [ToSwarm::GenerateEvent(Event::Left)]
    ));
    assert_eq!(wake_at(&driver), None);
}

/// An exchange under way when the node leaves is given up, and its answer changes nothing.
#[test]
fn after_leaving_answers_come_too_late() {
    let mut driver = driver(Config::local());
    let (peer, connection) = (PeerId::random(), ConnectionId::new_unchecked(1 << 40));
    established(&mut driver, peer, connection, Time::ZERO);
    driver.advance(Time::ZERO);
    let (id, _) = request_of(drain(&mut driver)).expect("a sibling's connection is used");
    driver.leave(Time::new(SECOND));
    assert_eq!(driver.sampler.in_flight(), 0);
    drain(&mut driver);
    let yes = Response {
        neighbour: true,
        ..Response::empty()
    };
    driver.on_result((peer, connection), id, Ok(yes), Time::new(SECOND));
    assert!(driver.neighbourhood.members().is_empty());
    let (_, told) = request_of(drain(&mut driver)).expect("it is told that it is no neighbour");
    assert!(matches!(
        told,
        Request::Exchange {
            neighbour: Proposal::None,
            ..
        }
    ));
}

/// The application dials a peer while an exchange has it connected, and is told so: then it may
/// count on the connection.
#[test]
fn a_connection_that_somebody_else_wants_stays() {
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
            driver.on_dial_failure(
                DialFailure {
                    peer_id: Some(peer),
                    error: &DialError::DialPeerConditionFalse(condition),
                    connection_id: ConnectionId::new_unchecked(1 << 41),
                },
                Time::new(SECOND),
            );
        }
        driver.exchanger.on_idle(peer, connection);
        let closes = drain(&mut driver)
            .iter()
            .any(|action| matches!(action, ToSwarm::CloseConnection { .. }));
        assert_eq!(closes, !wanted);
    }
}

/// Puts `count` made-up peers into the view, all said to be at `address`.
fn fakes(driver: &mut Driver<Random>, count: usize, address: &Multiaddr) {
    let records = (0..count).map(|_| {
        let keypair = Keypair::generate_ed25519();
        Record::sign(&keypair, 1, std::slice::from_ref(address)).expect("signing works")
    });
    assert_eq!(driver.sampler.init(records.collect::<Vec<_>>()), count);
}

/// Lets every dial of ours end in `error`; returns who was dialled, at one address or more.
fn fail_dials(
    driver: &mut Driver<Random>,
    error: impl Fn(&PeerId) -> DialError,
    now: Time,
) -> Vec<PeerId> {
    let mut dialled = Vec::new();
    loop {
        driver.advance(now);
        let actions = drain(driver);
        if actions.is_empty() {
            return dialled;
        }
        for action in actions {
            let ToSwarm::Dial { opts } = action else {
                continue;
            };
            let (id, peer) = (opts.connection_id(), opts.get_peer_id());
            let peer = peer.expect("no seeds here");
            if !driver.addresses_to_dial(id, Some(peer), now).is_empty() {
                dialled.push(peer);
            }
            let failure = DialFailure {
                peer_id: Some(peer),
                error: &error(&peer),
                connection_id: id,
            };
            driver.on_dial_failure(failure, now);
        }
    }
}

fn nobody_there(_: &PeerId) -> DialError {
    DialError::Transport(Vec::new())
}

fn denied(_: &PeerId) -> DialError {
    DialError::Denied {
        cause: libp2p_swarm::ConnectionDenied::new("too many connections"),
    }
}

/// Somebody goes on and on about the dead, each time at another address. They are left alone for
/// ever longer, up to the longest pause.
#[test]
fn nobody_is_redialled_before_its_backoff_ends() {
    let config = Config::open_internet().with_quarantine(Some((20 * SECOND, 80 * SECOND)));
    let mut driver = driver(config.with_neighbours(0).with_period(SECOND));
    // Who is left with nobody forgives all.
    fakes(&mut driver, 1, &address());
    let dead = Keypair::generate_ed25519();
    let peer = dead.public().to_peer_id();
    let error = |dialled: &PeerId| match *dialled == peer {
        true => nobody_there(dialled),
        false => denied(dialled),
    };
    let mut times = Vec::new();
    for second in 1..2_000 {
        let home = Multiaddr::empty().with(Protocol::Memory(1_000 + second));
        let record = Record::sign(&dead, second, &[home]).expect("signing works");
        let gossip = crate::sampling::sampler::message::Request {
            descriptors: vec![Descriptor::fresh(record)],
            pull: false,
            room: usize::MAX,
        };
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

/// A full view of fakes clears without their victim's being dialled for each of them.
#[test]
fn fakes_at_one_address_leave_the_view_undialled() {
    let mut config = Config::open_internet().with_quarantine(None);
    config = config.with_view_size(100).with_neighbours(0);
    let mut driver = driver(config);
    fakes(&mut driver, 100, &address());
    let mut dials = 0;
    for second in 0..300 {
        dials += fail_dials(&mut driver, nobody_there, Time::new(second * SECOND)).len();
    }
    assert_eq!(dials, 3);
    assert!(driver.sampler.view().is_empty());
}

/// Our own connection limits: nobody is blamed, and nothing counted.
#[test]
fn what_we_refuse_ourselves_empties_neither_view_nor_budget() {
    let config = Config::open_internet().with_view_size(10);
    let mut driver = driver(config.with_neighbours(0));
    for port in 1..=10 {
        let address = Multiaddr::empty().with(Protocol::Memory(port));
        fakes(&mut driver, 1, &address);
    }
    let mut dials = 0;
    for second in 0..100 {
        dials += fail_dials(&mut driver, denied, Time::new(second * SECOND)).len();
    }
    assert!(dials > 30, "{dials}");
    assert_eq!(driver.sampler.view().len(), 10);
}

/// A node whose connections are all used up: each round makes its exchange with somebody who is connected.
#[test]
fn who_may_not_dial_goes_on_with_its_neighbours() {
    let limits = crate::swarm::limits::Limits {
        dials_per_minute: 3,
        ..Default::default()
    };
    let config = Config::local().with_period(SECOND).with_limits(limits);
    let mut driver = driver(config.with_view_size(10));
    let (peer, connection) = (PeerId::random(), ConnectionId::new_unchecked(1 << 40));
    established(&mut driver, peer, connection, Time::ZERO);
    driver.advance(Time::ZERO);
    let (id, _) = request_of(drain(&mut driver)).expect("it is asked");
    let yes = || Response {
        neighbour: true,
        ..Response::empty()
    };
    driver.on_result((peer, connection), id, Ok(yes()), Time::ZERO);
    assert_eq!(driver.neighbourhood.members(), [peer]);
    for port in 1..=10 {
        let address = Multiaddr::empty().with(Protocol::Memory(port));
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
            driver.on_result((peer, connection), id, Ok(yes()), now);
            exchanges += 1;
        }
    }
    assert_eq!(exchanges, 30);
    assert_eq!(driver.sampler.view().len(), 10);
}

/// A peer at its own limit closes what it has just accepted. It is there, and stays in the view.
#[test]
fn who_turns_us_away_is_not_blamed() {
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

/// The peer had dialled for an exchange of its own, and was done with it when ours came.
#[test]
fn an_exchange_whose_connection_is_closed_under_it_is_made_on_another() {
    let mut driver = driver(Config::local().with_neighbours(0));
    fakes(&mut driver, 1, &address());
    let peer = driver.sampler.view().as_slice()[0].peer.peer_id();
    let connection = ConnectionId::new_unchecked(1 << 40);
    established(&mut driver, peer, connection, Time::ZERO);
    let connections = &mut driver.exchanger.keeper.connections;
    connections.mark_support(&peer, connection, true, Time::new(SECOND));
    driver.advance(Time::new(SECOND));
    assert!(request_of(drain(&mut driver)).is_some());
    closed(&mut driver, peer, connection, Time::new(SECOND));
    // A few times.
    for _ in 0..2 {
        let dial = dial_of(drain(&mut driver)).expect("it is dialled");
        established(&mut driver, peer, dial, Time::new(SECOND));
        let again = request_of(drain(&mut driver));
        assert!(again.is_some(), "and asked again");
        driver
            .exchanger
            .keeper
            .connections
            .mark_support(&peer, dial, true, Time::new(SECOND));
        closed(&mut driver, peer, dial, Time::new(SECOND));
    }
    let actions = drain(&mut driver);
    assert!(dial_of(actions).is_none());
    assert_eq!(driver.sampler.in_flight(), 0);
    assert!(driver.sampler.view().contains(&peer), "it is suspected");
}

#[test]
fn the_blocked_leave_and_gossip_does_not_bring_them_back() {
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
    assert_eq!(driver.sampler.view().len(), 2, "nobody knows who that was");
    driver.on_listen_failure(came_by(Some(peer)), Time::new(SECOND));
    assert!(!driver.sampler.view().contains(&peer));
    // A sibling's dial says so, too.
    let error = DialError::Denied { cause: deny() };
    let failure = DialFailure {
        peer_id: Some(peer),
        error: &error,
        connection_id: ConnectionId::new_unchecked(1 << 41),
    };
    driver.on_dial_failure(failure, Time::new(2 * SECOND));
    let tell = |driver: &mut Driver<Random>, now| {
        let gossip = crate::sampling::sampler::message::Request {
            descriptors: vec![blocked.clone()],
            pull: false,
            room: usize::MAX,
        };
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
        "who knows: it has its chance"
    );
    driver.on_dial_failure(failure, Time::new(63 * SECOND));
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

/// As many dials as a minute may have: the others have to wait, and stay.
#[test]
fn a_spent_budget_blames_nobody_and_does_not_keep_a_node_from_its_seeds() {
    let limits = crate::swarm::limits::Limits {
        dials_per_minute: 1,
        ..Default::default()
    };
    let config = Config::open_internet().with_limits(limits);
    let mut driver = driver(config.with_neighbours(0));
    for port in 1..=10 {
        fakes(
            &mut driver,
            1,
            &Multiaddr::empty().with(Protocol::Memory(port)),
        );
    }
    let dials: usize = (0..5)
        .map(|second| fail_dials(&mut driver, nobody_there, Time::new(second * SECOND)).len())
        .sum();
    assert_eq!(dials, 1);
    assert_eq!(driver.sampler.view().len(), 9);
    let seed = Multiaddr::empty().with(Protocol::Memory(99));
    driver
        .discovery
        .seeds
        .add(seed, PeerId::random())
        .expect("an address");
    driver.advance(Time::new(5 * SECOND));
    assert!(dial_of(drain(&mut driver)).is_some(), "the seed is dialled");
}

/// Nobody answers in time to a node that has no time itself.
#[test]
fn overload_blames_nobody() {
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
fn what_breaks_under_load_blames_nobody() {
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

fn come_by(driver: &mut Driver<Random>, visitors: usize, now: Time) {
    let endpoint = ConnectedPoint::Listener {
        local_addr: Multiaddr::empty(),
        send_back_addr: Multiaddr::empty(),
    };
    for visitor in 0..visitors {
        let event = ConnectionEstablished {
            peer_id: PeerId::random(),
            connection_id: ConnectionId::new_unchecked((1 << 40) + visitor),
            endpoint: &endpoint,
            failed_addresses: &[],
            other_established: 0,
        };
        driver.on_connection_established(event, now);
    }
}

/// They connect, never answer, and never ask.
#[test]
fn visitors_who_say_nothing_leave_room_for_the_seeds() {
    let mut driver = driver(Config::local());
    come_by(&mut driver, 200, Time::ZERO);
    driver.advance(Time::new(2 * SECOND));
    assert_eq!(driver.sampler.in_flight(), MOST_BESIDE);
    drain(&mut driver);
    driver
        .discovery
        .seeds
        .add(address(), PeerId::random())
        .expect("a good seed");
    driver.advance(Time::new(3 * SECOND));
    assert!(dial_of(drain(&mut driver)).is_some());
}

#[test]
fn whoever_connects_again_and_again_is_not_asked_each_time() {
    let limits = crate::swarm::limits::Limits {
        dials_per_minute: 3,
        ..Default::default()
    };
    let mut driver = driver(Config::local().with_limits(limits));
    let mut asked = Vec::new();
    for minute in 1..=3 {
        let now = Time::new(minute * 60 * SECOND);
        come_by(&mut driver, 20, now);
        driver.advance(now + 2 * SECOND);
        asked.push(driver.sampler.in_flight());
        driver.advance(now + 30 * SECOND);
    }
    assert!(asked.iter().all(|asked| *asked <= 3), "{asked:?}");
    let next = wake_at(&driver);
    assert!(
        next.is_none_or(|at| at > Time::new(210 * SECOND)),
        "spins: {next:?}"
    );
}

/// Nobody who has said goodbye, or whom the application does not want, is handed out.
#[test]
fn who_is_gone_is_no_sample() {
    let config = Config::open_internet();
    let overlay = Basalt::for_view_size(config.gossip().view_size());
    let rng = StdRng::seed_from_u64(1);
    let local = PeerId::random();
    let mut driver =
        Driver::new(holder(local, &config), &config, overlay, rng).expect("valid settings");
    let record = |port| {
        let home = Multiaddr::empty().with(Protocol::Memory(port));
        Record::sign(&Keypair::generate_ed25519(), 1, &[home]).expect("signing works")
    };
    let [polite, unwanted] = [record(1), record(2)];
    driver.publisher.give(&polite);
    driver.publisher.give(&unwanted);
    let connection = ConnectionId::new_unchecked(1 << 40);
    let (id, goodbye) = (InboundId(1), Request::Goodbye);
    driver.on_request(
        (polite.peer_id(), connection),
        id,
        goodbye,
        Time::new(SECOND),
    );
    driver.remove(&unwanted.peer_id());
    let handle = driver.publisher.handle();
    assert_eq!(handle.select_peer(Selection::Uniform), None);
}

/// Neighbours are peers with whom there was an exchange, not whoever asks to be one.
#[test]
fn a_stranger_that_only_proposes_is_no_neighbour() {
    let mut driver = driver(Config::local());
    let (peer, connection) = (PeerId::random(), ConnectionId::new_unchecked(1 << 40));
    let nowhere = (Multiaddr::empty(), Multiaddr::empty());
    came(&mut driver, peer, connection, nowhere, Time::ZERO);
    let mut answer = |request: Request, now: Time| {
        driver.on_request((peer, connection), InboundId(1), request, now);
        let answered = drain(&mut driver)
            .into_iter()
            .find_map(|action| match action {
                ToSwarm::NotifyHandler {
                    event: Command::Respond(_, response),
                    ..
                } => Some(response.neighbour),
                _ => None,
            });
        (answered, driver.publisher.handle().is_contacted(&peer))
    };
    let notice = || Request::notice(Proposal::Needed);
    assert_eq!(answer(notice(), Time::ZERO), (Some(false), false));
    let Request::Exchange { mut gossip, .. } = notice() else {
        panic!("a notice is an exchange of nothing");
    };
    gossip.pull = true;
    let neighbour = Proposal::Needed;
    let exchange = Request::Exchange { gossip, neighbour };
    assert_eq!(answer(exchange, Time::ZERO), (Some(true), true));
    let goodbye = answer(Request::Goodbye, Time::ZERO);
    assert_eq!(goodbye, (Some(false), false));
}

fn tell(driver: &mut Driver<Random>, peer: PeerId, port: u64, now: Time) -> Multiaddr {
    let home = Multiaddr::empty().with(Protocol::Memory(port));
    driver.on_address_told(peer, &home, now);
    home
}

/// What the driver dials: whom, and where.
fn dials(driver: &mut Driver<Random>, now: Time) -> Vec<(PeerId, Vec<Multiaddr>)> {
    driver.advance(now);
    let dials = drain(driver).into_iter().filter_map(|action| match action {
        ToSwarm::Dial { opts } => {
            let peer = opts.get_peer_id().expect("no seeds here");
            Some((
                peer,
                driver.addresses_to_dial(opts.connection_id(), Some(peer), now),
            ))
        }
        _ => None,
    });
    dials.collect()
}

/// And nowhere else, whatever the sibling that told of it says when it is asked.
#[test]
fn a_candidate_is_dialled_where_the_policy_admits_while_the_view_has_room() {
    for room in [true, false] {
        let mut driver = driver(Config::open_internet().with_view_size(10));
        let public: Multiaddr = "/ip4/1.2.3.4/tcp/1".parse().expect("a multiaddr");
        let private = "/ip4/10.0.0.1/tcp/1".parse().expect("a multiaddr");
        fakes(&mut driver, 10 - usize::from(room), &address());
        // The round's own dials come first.
        driver.advance(Time::new(SECOND));
        drain(&mut driver);
        let (peer, hidden) = (PeerId::random(), PeerId::random());
        driver.on_address_told(
            peer,
            &public.clone().with(Protocol::P2p(peer)),
            Time::new(SECOND),
        );
        driver.on_address_told(peer, &private, Time::new(SECOND));
        driver.on_address_told(hidden, &private, Time::new(SECOND));
        driver.on_address_told(driver.local, &public, Time::new(SECOND));
        driver.advance(Time::new(SECOND));
        let opts = drain(&mut driver)
            .into_iter()
            .find_map(|action| match action {
                ToSwarm::Dial { opts } => Some(opts),
                _ => None,
            });
        assert_eq!(opts.is_some(), room);
        if let Some(opts) = opts {
            assert_eq!(opts.get_peer_id(), Some(peer));
            let handed =
                driver.addresses_to_dial(opts.connection_id(), Some(peer), Time::new(SECOND));
            assert_eq!(handed, [public]);
            let text = format!("{opts:?}");
            assert!(
                text.contains("extend_addresses_through_behaviour: false"),
                "{text}"
            );
        }
    }
}

/// Whoever makes up addresses for honest peers would have them shut out.
#[test]
fn a_candidate_that_is_not_there_is_not_blamed() {
    let quarantine = Some((60 * SECOND, 3_600 * SECOND));
    let config = Config::local().with_quarantine(quarantine);
    let mut driver = driver(config.with_neighbours(0));
    // Who is left with nobody forgives all.
    fakes(&mut driver, 1, &address());
    let keypair = Keypair::generate_ed25519();
    let peer = keypair.public().to_peer_id();
    let home = tell(&mut driver, peer, 2, Time::ZERO);
    let error = |dialled: &PeerId| match *dialled == peer {
        true => nobody_there(dialled),
        false => denied(dialled),
    };
    let dialled = fail_dials(&mut driver, error, Time::ZERO);
    assert!(dialled.contains(&peer));
    assert_eq!(driver.sampler.view().len(), 1);
    let record = Record::sign(&keypair, 1, &[home]).expect("signing works");
    let gossip = crate::sampling::sampler::message::Request {
        descriptors: vec![Descriptor::fresh(record)],
        pull: false,
        room: usize::MAX,
    };
    let teller = PeerId::random();
    driver
        .sampler
        .handle_request(&teller, gossip, Time::new(SECOND));
    assert!(driver.sampler.view().contains(&peer), "shut out");
}

/// As with seeds, since mDNS tells of each once; but within the budget.
#[test]
fn a_lonely_node_tries_its_candidates_again() {
    let config = Config::local().with_quarantine(None);
    let mut driver = driver(config.with_neighbours(0));
    let peer = PeerId::random();
    tell(&mut driver, peer, 1, Time::ZERO);
    let mut times = Vec::new();
    for second in 0..300 {
        let now = Time::new(second * SECOND);
        if !fail_dials(&mut driver, nobody_there, now).is_empty() {
            times.push(second);
        }
        assert!(wake_at(&driver).is_some_and(|at| at > now), "it gives up");
    }
    assert!((5..12).contains(&times.len()), "{times:?}");
}

/// By our own connection limits: nobody else is asked for each of many candidates.
#[test]
fn a_candidate_that_is_denied_has_another_chance_and_is_made_up_for_by_nobody() {
    let mut driver = driver(Config::local().with_neighbours(0));
    let (friend, connection) = (PeerId::random(), ConnectionId::new_unchecked(1 << 40));
    established(&mut driver, friend, connection, Time::ZERO);
    driver.advance(Time::ZERO);
    let (id, _) = request_of(drain(&mut driver)).expect("a sibling's connection is used");
    driver
        .exchanger
        .keeper
        .connections
        .mark_support(&friend, connection, true, Time::new(SECOND));
    driver.on_result((friend, connection), id, Ok(Response::empty()), Time::ZERO);
    let peer = PeerId::random();
    tell(&mut driver, peer, 1, Time::ZERO);
    assert_eq!(fail_dials(&mut driver, denied, Time::ZERO), [peer]);
    assert_eq!(driver.sampler.in_flight(), 0, "somebody else is asked");
    assert!(!driver.discovery.candidates.is_trying(&peer));
    tell(&mut driver, peer, 1, Time::new(2 * SECOND));
    assert_eq!(
        fail_dials(&mut driver, denied, Time::new(2 * SECOND)),
        [peer]
    );
}

/// They are said to be wherever the teller likes.
#[test]
fn candidates_leave_half_of_the_budget_to_rounds_and_a_victim_alone() {
    let limits = crate::swarm::limits::Limits {
        dials_per_minute: 10,
        ..*Config::local().limits()
    };
    let config = Config::local().with_limits(limits).with_quarantine(None);
    let mut driver = driver(config.with_neighbours(0));
    for port in 1..=50 {
        tell(&mut driver, PeerId::random(), port, Time::ZERO);
    }
    let dialled = fail_dials(&mut driver, nobody_there, Time::ZERO);
    assert_eq!(dialled.len(), 5);
    let next = wake_at(&driver).expect("the others wait");
    assert!(
        next > Time::ZERO && next <= Time::new(6 * SECOND),
        "{next:?}"
    );
    let dialled = fail_dials(&mut driver, nobody_there, Time::new(6 * SECOND));
    assert_eq!(dialled.len(), 1);

    let mut driver = self::driver(Config::open_internet().with_quarantine(None));
    let victim: Multiaddr = "/ip4/1.2.3.4/tcp/1".parse().expect("a multiaddr");
    let mut dialled = 0;
    for minute in 0..50 {
        let now = Time::new(minute * 60 * SECOND);
        driver.on_address_told(PeerId::random(), &victim, now);
        dialled += fail_dials(&mut driver, nobody_there, now).len();
    }
    assert_eq!(dialled, 3);
}

/// A few at once, and those who hear of them by gossip meanwhile need no telling.
#[test]
fn candidates_that_are_met_fill_the_view_and_are_not_tried_again() {
    let mut driver = driver(Config::local().with_neighbours(0));
    let keypairs = [1, 2].map(|_| Keypair::generate_ed25519());
    let [peer, other] = keypairs.each_ref().map(|k| k.public().to_peer_id());
    tell(&mut driver, peer, 1, Time::ZERO);
    assert_eq!(dials(&mut driver, Time::ZERO).len(), 1);
    let connection = ConnectionId::new_unchecked(1 << 40);
    established(&mut driver, peer, connection, Time::ZERO);
    let (id, _) = request_of(drain(&mut driver)).expect("an exchange");
    let mut answer = Response::empty();
    let records = keypairs.iter().zip(1..).map(|(keypair, port)| {
        let home = Multiaddr::empty().with(Protocol::Memory(port));
        Descriptor::fresh(Record::sign(keypair, 1, &[home]).expect("signing works"))
    });
    answer.gossip.descriptors = records.collect();
    driver.on_result((peer, connection), id, Ok(answer), Time::new(SECOND));
    assert_eq!(driver.sampler.view().len(), 2);
    assert!(!driver.discovery.candidates.is_trying(&peer));
    drain(&mut driver);
    // Both are told of again: one that is a contact, one of whom gossip tells.
    tell(&mut driver, peer, 1, Time::new(SECOND));
    tell(&mut driver, other, 9, Time::new(SECOND));
    let now = SECOND + SECOND / 100; // Before the next round.
    assert!(dials(&mut driver, Time::new(now)).is_empty());
    assert!(
        !driver.discovery.candidates.is_waiting(Time::new(now)),
        "nobody is looked at again"
    );
}

/// Others are told first, so that the application can have them dial it as soon as it knows.
#[test]
fn who_has_dialled_us_is_announced_on_its_own_host_unless_it_came_by_a_relay() {
    let relay = format!("/ip4/1.2.3.4/tcp/1/p2p/{}/p2p-circuit", PeerId::random());
    for (local, announced) in [("/ip4/10.0.0.1/tcp/1", true), (&relay, false)] {
        let mut driver = driver(Config::local());
        let keypair = Keypair::generate_ed25519();
        let (peer, connection) = (
            keypair.public().to_peer_id(),
            ConnectionId::new_unchecked(1),
        );
        let home: Multiaddr = "/ip4/1.2.3.4/tcp/4001".parse().expect("a multiaddr");
        let victim = "/ip4/5.6.7.8/tcp/4001".parse().expect("a multiaddr");
        let local = local.parse().expect("a multiaddr");
        let remote = "/ip4/1.2.3.4/tcp/50000".parse().expect("a multiaddr");
        came(
            &mut driver,
            peer,
            connection,
            (local, remote),
            Time::new(SECOND),
        );
        let record = Record::sign(&keypair, 1, &[victim, home.clone()]);
        let mut request = Request::notice(Proposal::None);
        let Request::Exchange { gossip, .. } = &mut request else {
            panic!("a notice is an exchange of nothing");
        };
        gossip.descriptors = vec![Descriptor::fresh(record.expect("signing works"))];
        driver.on_request((peer, connection), InboundId(1), request, Time::new(SECOND));
        let mut told = drain(&mut driver)
            .into_iter()
            .filter_map(|action| match action {
                ToSwarm::NewExternalAddrOfPeer { peer_id, address } => {
                    Some(("siblings", peer_id, vec![address]))
                }
                ToSwarm::GenerateEvent(Event::Contacted { peer, addresses }) => {
                    Some(("contacted", peer, addresses))
                }
                ToSwarm::GenerateEvent(Event::Exchanged { peer, .. }) => {
                    Some(("exchanged", peer, Vec::new()))
                }
                _ => None,
            });
        if announced {
            let full = vec![home.with(Protocol::P2p(peer))];
            assert_eq!(told.next(), Some(("siblings", peer, full.clone())));
            assert_eq!(told.next(), Some(("contacted", peer, full)));
        }
        assert_eq!(told.next(), Some(("exchanged", peer, Vec::new())));
    }
}

/// Siblings dial by what gossip says, too, and are held to the same.
#[test]
fn siblings_get_addresses_within_the_budget() {
    let mut driver = driver(Config::open_internet().with_quarantine(None));
    fakes(&mut driver, 10, &address());
    let peers: Vec<_> = driver
        .sampler
        .view()
        .iter()
        .map(|d| d.peer.peer_id())
        .collect();
    let mut dials = 0;
    for (peer, id) in peers.into_iter().zip(1 << 41..) {
        let id = ConnectionId::new_unchecked(id);
        dials += driver
            .addresses_to_dial(id, Some(peer), Time::new(SECOND))
            .len();
        let failure = DialFailure {
            peer_id: Some(peer),
            error: &DialError::Transport(Vec::new()),
            connection_id: id,
        };
        driver.on_dial_failure(failure, Time::new(SECOND));
    }
    assert_eq!(dials, 3);
    assert!(driver.exchanger.keeper.holder.dials_nobody());
}
