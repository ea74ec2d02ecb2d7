//! Whom the driver dials, and what comes of it.

use std::{collections::BTreeSet, io, time::Duration};

use libp2p_core::{multiaddr::Protocol, transport::TransportError};
use libp2p_identity::Keypair;
use libp2p_swarm::{ConnectionDenied, ToSwarm};

use super::*;
use crate::{
    sampling::overlay::random::Random,
    swarm::{
        exchanger::pruning::Pruning,
        handler::{InboundId, OutboundId},
        sampling::{
            config::Config,
            driver::testing::{SECOND, begin_round, closed, dialled, drain, driver, wake_at},
        },
        wire::sampling::{Command, Proposal, Request, Response},
    },
};

fn relays_home() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/9".parse().expect("a multiaddr")
}

fn somewhere() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/8".parse().expect("a multiaddr")
}

fn behind(relay: PeerId) -> Multiaddr {
    let circuit = relays_home().with(Protocol::P2p(relay));
    circuit.with(Protocol::P2pCircuit)
}

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

fn connect(driver: &mut Driver<Random>, peer: PeerId, id: ConnectionId, address: Multiaddr) {
    dialled(driver, peer, id, address, Time::new(SECOND));
}

fn close(driver: &mut Driver<Random>, peer: PeerId, id: ConnectionId) {
    closed(driver, peer, id, Time::new(SECOND));
}

fn id(number: usize) -> ConnectionId {
    ConnectionId::new_unchecked((1 << 41) + number)
}

/// The dials that the driver wants now: where the swarm is told to go.
fn dials(driver: &mut Driver<Random>) -> Vec<(ConnectionId, PeerId, Vec<Multiaddr>)> {
    driver.advance(Time::new(SECOND));
    let dials = drain(driver).into_iter().filter_map(|action| match action {
        ToSwarm::Dial { opts } => Some((opts.connection_id(), opts.get_peer_id()?)),
        _ => None,
    });
    let dials: Vec<_> = dials.collect();
    let go = |(id, peer)| {
        (
            id,
            peer,
            driver.addresses_to_dial(id, Some(peer), Time::new(SECOND)),
        )
    };
    dials.into_iter().map(go).collect()
}

/// The dial ends as libp2p's relay client ends it, whatever the reason.
fn no_circuit(driver: &mut Driver<Random>, dial: ConnectionId, peer: PeerId, at: &[Multiaddr]) {
    let attempts = at.iter().map(|address| {
        let full = address.clone().with(Protocol::P2p(peer));
        (full, TransportError::Other(io::Error::other("no circuit")))
    });
    let failure = DialFailure {
        peer_id: Some(peer),
        error: &DialError::Transport(attempts.collect()),
        connection_id: dial,
    };
    driver.on_dial_failure(failure, Time::new(SECOND));
}

fn sent(actions: &[ToSwarm<Event, Command>]) -> Vec<(ConnectionId, OutboundId, Proposal)> {
    let sent = actions.iter().filter_map(|action| match action {
        ToSwarm::NotifyHandler {
            handler: libp2p_swarm::NotifyHandler::One(connection),
            event: Command::Request(id, Request::Exchange { neighbour, .. }),
            ..
        } => Some((*connection, *id, *neighbour)),
        _ => None,
    });
    sent.collect()
}

/// libp2p's relay client gives up when somebody else is just dialling the relay.
#[test]
fn an_exchange_waits_for_somebody_elses_dial_of_the_relay() {
    let mut driver = driver(Config::local().with_relayed(true).with_neighbours(0));
    let relay = PeerId::random();
    let peer = put_behind(&mut driver, relay, 1)[0];
    let dialled = dials(&mut driver);
    let [(dial, _, addresses)] = &dialled[..] else {
        panic!("{dialled:?}");
    };
    driver.addresses_to_dial(id(1), Some(relay), Time::new(SECOND));
    no_circuit(&mut driver, *dial, peer, addresses);
    assert!(driver.sampler.view().contains(&peer));
    assert!(dials(&mut driver).is_empty(), "too early");
    connect(&mut driver, relay, id(1), relays_home());
    let again = dials(&mut driver);
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
            connect(&mut driver, relay, id(1), relays_home());
        }
        put_behind(&mut driver, relay, 20);
        let mut count = 0;
        loop {
            let dialled = dials(&mut driver);
            if dialled.is_empty() {
                break;
            }
            for (dial, peer, at) in dialled {
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
fn a_relay_vouches_for_its_own_host_alone() {
    let config = Config::local().with_relayed(true).with_neighbours(0);
    let mut driver = driver(config);
    let relay = PeerId::random();
    let true_home = "/ip4/10.0.0.7/tcp/9".parse().expect("a multiaddr");
    connect(&mut driver, relay, id(1), true_home);
    let peer = put_behind(&mut driver, relay, 1)[0];
    let dialled = dials(&mut driver);
    let address = behind(relay).with(Protocol::P2p(peer));
    connect(&mut driver, peer, dialled[0].0, address);
    let connections = &driver.exchanger.keeper.connections;
    assert_eq!(connections.dialled(&peer, dialled[0].0), None);
}

/// A listener that never has an address: a relay that does not answer, over and over.
#[test]
fn a_listener_that_is_never_set_up_keeps_nothing_open_for_ever() {
    let mut driver = driver(Config::local().with_neighbours(0));
    let seed = somewhere();
    driver
        .discovery
        .seeds
        .add(seed.clone(), PeerId::random())
        .expect("an address");
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
    let dial = actions.iter().find_map(|action| match action {
        ToSwarm::Dial { opts } => Some(opts.connection_id()),
        _ => None,
    });
    let (dial, peer) = (dial.expect("the seed's turn"), PeerId::random());
    connect(&mut driver, peer, dial, seed);
    let request = sent(&drain(&mut driver))[0].1;
    let answer = Ok(Response::empty());
    driver.on_result((peer, dial), request, answer, Time::new(2 * SECOND));
    driver.exchanger.on_idle(peer, dial);
    let closes = |driver: &mut Driver<Random>| {
        let mut actions = drain(driver).into_iter();
        actions.any(|action| matches!(action, ToSwarm::CloseConnection { .. }))
    };
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

/// All that could be pruned was busy when there was something to prune.
#[test]
fn what_was_busy_is_pruned_later() {
    let pruning = Pruning {
        max_connections: 1,
        grace: 5 * SECOND,
    };
    let config = Config::local().with_neighbours(0);
    let mut driver = driver(config.with_pruning(Some(pruning)));
    let peers = [1, 2].map(|at| (PeerId::random(), id(at)));
    for (peer, connection) in peers {
        connect(&mut driver, peer, connection, somewhere());
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
        let actions = drain(&mut driver).into_iter();
        let close = |action: &_| matches!(action, ToSwarm::CloseConnection { .. });
        closed += actions.filter(close).count();
    }
    assert_eq!(closed, 1);
}

#[test]
fn neighbours_are_agreed_on_over_direct_connections_alone() {
    let mut driver = driver(Config::local().with_relayed(true));
    let (peer, relay) = (PeerId::random(), PeerId::random());
    connect(&mut driver, relay, id(0), relays_home());
    drain(&mut driver);
    connect(&mut driver, peer, id(1), behind(relay));
    driver.advance(Time::new(SECOND));
    let requests = sent(&drain(&mut driver));
    let request = requests.iter().find(|(on, ..)| *on == id(1));
    let (on, outbound, proposal) = *request.expect("an exchange");
    assert_eq!(proposal, Proposal::None);
    driver.on_result(
        (peer, on),
        outbound,
        Ok(Response::empty()),
        Time::new(SECOND),
    );
    let request = Request::notice(Proposal::Needed);
    driver.on_request((peer, id(1)), InboundId(1), request, Time::new(SECOND));
    assert!(driver.neighbourhood.members().is_empty());
    drain(&mut driver);

    // dcutr has made a direct one of it.
    connect(&mut driver, peer, id(2), relays_home());
    let proposed = sent(&drain(&mut driver));
    let [(on, outbound, Proposal::Needed)] = proposed[..] else {
        panic!("{proposed:?}");
    };
    assert_eq!(on, id(2));
    let yes = Response {
        neighbour: true,
        ..Response::empty()
    };
    driver.on_result((peer, on), outbound, Ok(yes), Time::new(SECOND));
    assert_eq!(driver.neighbourhood.members(), [peer]);
    assert_eq!(driver.exchanger.keeper.usable(&peer), Some(id(2)));
    close(&mut driver, peer, id(2));
    assert!(driver.neighbourhood.members().is_empty());
    let down = drain(&mut driver).into_iter().any(|action| {
        matches!(
            action,
            ToSwarm::GenerateEvent(Event::NeighbourDown {
                reason: NeighbourDownReason::ConnectionClosed,
                ..
            })
        )
    });
    assert!(down, "nobody was told");
    assert_eq!(driver.exchanger.keeper.usable(&peer), Some(id(1)));
}

/// dcutr takes a while; and where nobody is wanted, or nothing comes of it, the circuit is let go.
#[test]
fn a_circuit_is_left_open_for_a_direct_connection_and_no_longer() {
    for neighbours in [0, 1] {
        let config = Config::local().with_relayed(true);
        let mut driver = driver(config.with_neighbours(neighbours));
        let peer = put_behind(&mut driver, PeerId::random(), 1)[0];
        let (dial, to, addresses) = dials(&mut driver).remove(0);
        assert_eq!(to, peer);
        let released = |driver: &mut Driver<Random>| {
            let actions = drain(driver).into_iter();
            let to_handlers = actions.filter_map(|action| match action {
                ToSwarm::NotifyHandler { event, .. } => Some(event),
                _ => None,
            });
            to_handlers
                .filter(|c| matches!(c, Command::NotifyIdle))
                .count()
        };
        let address = addresses[0].clone().with(Protocol::P2p(peer));
        connect(&mut driver, peer, dial, address);
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

/// A guard of this swarm denies each dial, and somebody is connected who would do for ever.
#[test]
fn who_was_denied_has_another_chance_although_there_are_others() {
    let mut driver = driver(Config::local().with_neighbours(0));
    let records = [1, 2].map(|at| {
        let keypair = Keypair::generate_ed25519();
        let home = Multiaddr::empty().with(Protocol::Memory(at));
        Record::sign(&keypair, 1, &[home]).expect("signing works")
    });
    let [connected, denied] = [0, 1].map(|at| records[at].peer_id());
    driver.init(records);
    connect(&mut driver, connected, id(1), somewhere());
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
            let cause = ConnectionDenied::new("too many connections");
            let failure = DialFailure {
                peer_id: Some(denied),
                error: &DialError::Denied { cause },
                connection_id: opts.connection_id(),
            };
            driver.on_dial_failure(failure, Time::new(now));
        }
        now = wake_at(&driver).map_or(now, |at| at.max(Time::new(now)).since_zero());
    }
    assert!(driver.sampler.view().contains(&denied));
    assert!(dials > 3, "{dials} dials");
}

/// Who was asked for an exchange has closed the connection, and may not be dialled again.
#[test]
fn nobody_is_waited_for_whom_another_was_asked_instead_of() {
    let mut driver = driver(Config::local().with_neighbours(0));
    let keypair = Keypair::generate_ed25519();
    let (peer, other) = (keypair.public().to_peer_id(), PeerId::random());
    driver.init([Record::sign(&keypair, 1, &[somewhere()]).expect("signing works")]);
    connect(&mut driver, peer, id(1), somewhere());
    driver
        .exchanger
        .keeper
        .connections
        .mark_support(&peer, id(1), true, Time::new(SECOND));
    driver.advance(Time::new(SECOND));
    let asked = sent(&drain(&mut driver));
    assert_eq!(asked.len(), 1);
    connect(&mut driver, other, id(2), relays_home());
    driver
        .exchanger
        .keeper
        .connections
        .mark_support(&other, id(2), true, Time::new(SECOND));
    close(&mut driver, peer, id(1));
    let dial = drain(&mut driver)
        .iter()
        .find_map(|action| match action {
            ToSwarm::Dial { opts } => Some(opts.connection_id()),
            _ => None,
        })
        .expect("another connection");
    let cause = ConnectionDenied::new("too many connections");
    let failure = DialFailure {
        peer_id: Some(peer),
        error: &DialError::Denied { cause },
        connection_id: dial,
    };
    driver.on_dial_failure(failure, Time::new(SECOND));
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

/// The answer to such a proposal is lost with its connection.
#[test]
fn no_place_is_held_for_a_proposal_whose_connection_is_gone() {
    let config = Config::local().with_relayed(true).with_neighbours(1);
    let mut driver = driver(config);
    let (peer, other) = (PeerId::random(), PeerId::random());
    connect(&mut driver, peer, id(1), behind(PeerId::random()));
    driver.advance(Time::new(SECOND));
    let (on, outbound, _) = sent(&drain(&mut driver))[0];
    driver.on_result(
        (peer, on),
        outbound,
        Ok(Response::empty()),
        Time::new(SECOND),
    );
    connect(&mut driver, peer, id(2), relays_home());
    assert_eq!(sent(&drain(&mut driver)).len(), 1, "a proposal");
    connect(&mut driver, peer, id(3), relays_home());
    close(&mut driver, peer, id(2));
    drain(&mut driver);
    connect(&mut driver, other, id(4), relays_home());
    driver.advance(Time::new(SECOND));
    let proposed = sent(&drain(&mut driver));
    assert!(
        matches!(proposed[..], [(_, _, Proposal::Needed)]),
        "{proposed:?}"
    );
}

/// It was proposed on a direct connection; then that closed, and the request went through a relay.
#[test]
fn a_yes_through_a_relay_costs_nobody_its_place() {
    let config = Config::local().with_relayed(true).with_neighbours(2);
    let mut driver = driver(config.with_neighbour_rotation(Some(1)));
    let yes = || Response {
        neighbour: true,
        ..Response::empty()
    };
    let peers: Vec<_> = (0..3).map(|_| PeerId::random()).collect();
    for (number, peer) in peers.iter().enumerate() {
        connect(&mut driver, *peer, id(number), relays_home());
        driver.advance(Time::new(SECOND));
        let (on, outbound, _) = sent(&drain(&mut driver))[0];
        driver.on_result((*peer, on), outbound, Ok(yes()), Time::new(SECOND));
    }
    assert_eq!(driver.neighbourhood.members(), &peers[..2]);
    (0..2).for_each(|_| begin_round(&mut driver, Time::new(SECOND)));
    drain(&mut driver);

    let third = peers[2];
    connect(&mut driver, third, id(3), behind(PeerId::random()));
    let exchange = driver.sampler.exchange_with(third, Time::new(SECOND));
    driver.start(
        exchange.expect("none is in flight"),
        None,
        Time::new(SECOND),
    );
    let (on, _, proposal) = sent(&drain(&mut driver))[0];
    assert_eq!((on, proposal), (id(2), Proposal::Welcome), "it is due");
    close(&mut driver, third, id(2));
    let (on, outbound, proposal) = sent(&drain(&mut driver))[0];
    assert_eq!((on, proposal), (id(3), Proposal::None));
    driver.on_result((third, on), outbound, Ok(yes()), Time::new(SECOND));
    assert_eq!(driver.neighbourhood.members(), &peers[..2]);
}

#[test]
fn what_carries_other_connections_is_closed_after_them() {
    let mut driver = driver(Config::local().with_relayed(true).with_neighbours(0));
    let (relay, peer) = (PeerId::random(), PeerId::random());
    let keypair = Keypair::generate_ed25519();
    driver
        .discovery
        .seeds
        .add(relays_home(), keypair.public().to_peer_id())
        .expect("an address");
    driver.advance(Time::new(SECOND));
    let dial = drain(&mut driver)
        .into_iter()
        .find_map(|action| match action {
            ToSwarm::Dial { opts } => Some(opts.connection_id()),
            _ => None,
        });
    let seed = dial.expect("the seed is dialled");
    connect(&mut driver, relay, seed, relays_home());
    let (_, outbound, _) = sent(&drain(&mut driver))[0];
    connect(&mut driver, peer, id(1), behind(relay));
    drain(&mut driver);
    driver.on_result(
        (relay, seed),
        outbound,
        Ok(Response::empty()),
        Time::new(SECOND),
    );
    let closes = |driver: &mut Driver<Random>| {
        driver.exchanger.on_idle(relay, seed);
        let actions = drain(driver);
        actions
            .iter()
            .any(|a| matches!(a, ToSwarm::CloseConnection { .. }))
    };
    assert!(!closes(&mut driver), "it carries another");
    close(&mut driver, peer, id(1));
    let asked = drain(&mut driver).iter().any(|action| {
        matches!(
            action,
            ToSwarm::NotifyHandler {
                event: Command::NotifyIdle,
                ..
            }
        )
    });
    assert!(asked, "nobody will ever close it");
    assert!(closes(&mut driver));
}
