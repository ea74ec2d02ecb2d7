//! How two nodes become neighbours, and cease to be.

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::{ConnectionId, ToSwarm};

use crate::{
    swarm::{
        handler::{InboundId, OutboundError},
        sampling::{
            command::Command,
            config::Config,
            driver::testing::{
                SECOND, accepted, begin_round, behind, came, closed, dialled, drain, driver,
                established, id, relays_home, request_of, sent,
            },
            event::{Event, NeighbourDownReason},
        },
        wire::sampling::{Proposal, Request, Response},
    },
    time::Time,
};

/// The answer to a proposal is lost on a connection that stays. The peer may have said yes,
/// and nobody tells it that nothing came of it.
#[test]
fn peer_whose_answer_was_lost_is_told_that_it_is_no_neighbour() {
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

/// Only a peer that there was an exchange with becomes a neighbour, however often it asks.
#[test]
fn stranger_that_only_proposes_is_no_neighbour() {
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

#[test]
fn neighbours_are_agreed_on_over_direct_connections_alone() {
    let mut driver = driver(Config::local().with_relayed(true));
    let (peer, relay) = (PeerId::random(), PeerId::random());
    dialled(&mut driver, relay, id(0), relays_home(), Time::new(SECOND));
    drain(&mut driver);
    dialled(&mut driver, peer, id(1), behind(relay), Time::new(SECOND));
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
    dialled(&mut driver, peer, id(2), relays_home(), Time::new(SECOND));
    let proposed = sent(&drain(&mut driver));
    let [(on, outbound, Proposal::Needed)] = proposed[..] else {
        panic!("{proposed:?}");
    };
    assert_eq!(on, id(2));

    driver.on_result((peer, on), outbound, Ok(accepted()), Time::new(SECOND));
    assert_eq!(driver.neighbourhood.members(), [peer]);
    assert_eq!(driver.exchanger.keeper.usable(&peer), Some(id(2)));
    closed(&mut driver, peer, id(2), Time::new(SECOND));
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

/// The answer to such a proposal is lost with its connection.
#[test]
fn no_place_is_held_for_a_proposal_whose_connection_is_gone() {
    let config = Config::local().with_relayed(true).with_neighbours(1);
    let mut driver = driver(config);
    let (peer, other) = (PeerId::random(), PeerId::random());
    dialled(
        &mut driver,
        peer,
        id(1),
        behind(PeerId::random()),
        Time::new(SECOND),
    );
    driver.advance(Time::new(SECOND));
    let (on, outbound, _) = sent(&drain(&mut driver))[0];
    driver.on_result(
        (peer, on),
        outbound,
        Ok(Response::empty()),
        Time::new(SECOND),
    );
    dialled(&mut driver, peer, id(2), relays_home(), Time::new(SECOND));
    assert_eq!(sent(&drain(&mut driver)).len(), 1, "a proposal");
    dialled(&mut driver, peer, id(3), relays_home(), Time::new(SECOND));
    closed(&mut driver, peer, id(2), Time::new(SECOND));
    drain(&mut driver);
    dialled(&mut driver, other, id(4), relays_home(), Time::new(SECOND));
    driver.advance(Time::new(SECOND));
    let proposed = sent(&drain(&mut driver));
    assert!(
        matches!(proposed[..], [(_, _, Proposal::Needed)]),
        "{proposed:?}"
    );
}

/// It was proposed on a direct connection; then that closed, and the request went through a relay.
#[test]
fn yes_through_a_relay_costs_no_neighbour_its_place() {
    let config = Config::local().with_relayed(true).with_neighbours(2);
    let mut driver = driver(config.with_neighbour_rotation(Some(1)));

    let peers: Vec<_> = (0..3).map(|_| PeerId::random()).collect();
    for (number, peer) in peers.iter().enumerate() {
        dialled(
            &mut driver,
            *peer,
            id(number),
            relays_home(),
            Time::new(SECOND),
        );
        driver.advance(Time::new(SECOND));
        let (on, outbound, _) = sent(&drain(&mut driver))[0];
        driver.on_result((*peer, on), outbound, Ok(accepted()), Time::new(SECOND));
    }
    assert_eq!(driver.neighbourhood.members(), &peers[..2]);
    (0..2).for_each(|_| begin_round(&mut driver, Time::new(SECOND)));
    drain(&mut driver);

    let third = peers[2];
    dialled(
        &mut driver,
        third,
        id(3),
        behind(PeerId::random()),
        Time::new(SECOND),
    );
    let exchange = driver.sampler.exchange_with(third, Time::new(SECOND));
    driver.start(
        exchange.expect("none is in flight"),
        None,
        Time::new(SECOND),
    );
    let (on, _, proposal) = sent(&drain(&mut driver))[0];
    assert_eq!((on, proposal), (id(2), Proposal::Welcome), "it is due");
    closed(&mut driver, third, id(2), Time::new(SECOND));
    let (on, outbound, proposal) = sent(&drain(&mut driver))[0];
    assert_eq!((on, proposal), (id(3), Proposal::None));
    driver.on_result((third, on), outbound, Ok(accepted()), Time::new(SECOND));
    assert_eq!(driver.neighbourhood.members(), &peers[..2]);
}

#[test]
fn neighbour_that_does_not_answer_an_exchange_is_given_up() {
    let mut driver = driver(Config::local().with_neighbours(8));
    let (peer, connection) = (PeerId::random(), ConnectionId::new_unchecked(1 << 40));
    established(&mut driver, peer, connection, Time::new(SECOND));
    driver.note_contact((peer, connection), &[], Time::new(SECOND));
    let proposal = Request::notice(Proposal::Welcome);
    driver.on_request(
        (peer, connection),
        InboundId(1),
        proposal,
        Time::new(SECOND),
    );
    assert_eq!(driver.neighbourhood.members(), [peer]);
    let exchange = driver
        .sampler
        .exchange_with(peer, Time::new(SECOND))
        .expect("free");
    driver.start(exchange, None, Time::new(SECOND));
    drain(&mut driver);
    driver.advance(Time::new(12 * SECOND));
    let down = drain(&mut driver)
        .into_iter()
        .find_map(|action| match action {
            ToSwarm::GenerateEvent(Event::NeighbourDown { reason, .. }) => Some(reason),
            _ => None,
        });
    assert_eq!(down, Some(NeighbourDownReason::Unresponsive));
}
