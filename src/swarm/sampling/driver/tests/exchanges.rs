//! Exchanges that this node starts: with which peers, on which connection, with how much padding.

use std::{collections::BTreeSet, time::Duration};

use libp2p_identity::PeerId;
use libp2p_swarm::{ConnectionId, ToSwarm};

use crate::{
    sampling::{sampler::message::Response as SamplerResponse, view::Descriptor},
    swarm::{
        limits::Limits,
        sampling::{
            command::Command,
            config::Config,
            driver::testing::{
                SECOND, address, closed, come_by, dial_of, dials, drain, driver, established,
                fakes, request_of, somebody, speaks, wake_at,
            },
        },
        wire::sampling::{Request, Response},
    },
    time::Time,
};

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

/// The peer had dialled for an exchange of its own, and was done with it when ours came.
#[test]
fn exchange_whose_connection_closes_is_made_on_another() {
    let mut driver = driver(Config::local().with_neighbours(0));
    fakes(&mut driver, 1, &address());
    let peer = driver.sampler.view().as_slice()[0].peer.peer_id();
    let connection = ConnectionId::new_unchecked(1 << 40);
    established(&mut driver, peer, connection, Time::ZERO);
    speaks(&mut driver, peer, connection);
    driver.advance(Time::new(SECOND));
    assert!(request_of(drain(&mut driver)).is_some());
    closed(&mut driver, peer, connection, Time::new(SECOND));
    // A few times.
    for _ in 0..2 {
        let dial = dial_of(drain(&mut driver)).expect("it is dialled");
        established(&mut driver, peer, dial, Time::new(SECOND));
        let again = request_of(drain(&mut driver));
        assert!(again.is_some(), "and asked again");
        speaks(&mut driver, peer, dial);
        closed(&mut driver, peer, dial, Time::new(SECOND));
    }
    let actions = drain(&mut driver);
    assert!(dial_of(actions).is_none());
    assert_eq!(driver.sampler.in_flight(), 0);
    assert!(driver.sampler.view().contains(&peer), "it is suspected");
}

#[test]
fn peers_that_connect_again_and_again_are_not_asked_each_time() {
    let limits = Limits {
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

#[test]
fn padding_ends_where_nobody_new_is_found() {
    let mut driver = driver(Config::local().with_neighbours(0));
    let partner = somebody(1);
    driver.init([partner.clone()]);
    let peer = partner.peer_id();
    let mut padded = Vec::new();
    let mut now = Time::ZERO;
    while padded.len() < 8 {
        now += SECOND;
        for (connection, ..) in dials(&mut driver, now) {
            established(&mut driver, peer, connection, now);
            let (request, sent) = request_of(drain(&mut driver)).expect("a request");
            let Request::Exchange { gossip, .. } = sent else {
                panic!("an exchange");
            };
            padded.push(gossip.room < usize::MAX);
            let answer = Response {
                gossip: SamplerResponse {
                    // The seventh brings somebody new.
                    descriptors: match padded.len() {
                        7 => vec![Descriptor::fresh(somebody(7))],
                        _ => vec![Descriptor::fresh(partner.clone())],
                    },
                },
                neighbour: false,
            };
            driver.on_result((peer, connection), request, Ok(answer), now);
            closed(&mut driver, peer, connection, now);
            driver.remove(&PeerId::random());
        }
        let others: Vec<_> = driver
            .sampler
            .view()
            .iter()
            .map(|d| d.peer.peer_id())
            .collect();
        if padded.len() == 7 {
            others
                .iter()
                .filter(|other| **other != peer)
                .for_each(|other| {
                    driver.remove(other);
                });
        }
    }
    assert_eq!(padded, [true, true, true, false, false, false, false, true]);
}
