//! Candidates: peers that other behaviours know an address of.

use libp2p_core::{Multiaddr, multiaddr::Protocol};
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{ConnectionId, ToSwarm};

use crate::{
    sampling::{overlay::random::Random, view::Descriptor},
    swarm::{
        limits::Limits,
        record::Record,
        sampling::{
            config::Config,
            driver::{
                Driver,
                testing::{
                    SECOND, address, denied, dials, drain, driver, established, fail_dials, fakes,
                    memory, nobody_there, pushed, request_of, speaks, wake_at,
                },
            },
        },
        wire::sampling::Response,
    },
    time::{Backoff, Time},
};

fn tell(driver: &mut Driver<Random>, peer: PeerId, port: u64, now: Time) -> Multiaddr {
    let home = memory(port);
    driver.on_address_told(peer, &home, now);
    home
}

/// And nowhere else, whatever the sibling that told of it says when it is asked.
#[test]
fn candidate_is_dialled_where_the_policy_admits_while_the_view_has_room() {
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

/// Otherwise an attacker that makes up addresses for honest peers would have them shut out.
#[test]
fn candidate_that_is_not_there_is_not_blamed() {
    let quarantine = Some(Backoff::new(60 * SECOND, 3_600 * SECOND));
    let config = Config::local().with_quarantine(quarantine);
    let mut driver = driver(config.with_neighbours(0));
    // A node that knows no other peer forgives all.
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
    let gossip = pushed(vec![Descriptor::fresh(record)]);
    let teller = PeerId::random();
    driver
        .sampler
        .handle_request(&teller, gossip, Time::new(SECOND));
    assert!(driver.sampler.view().contains(&peer), "shut out");
}

/// As with seeds, since mDNS tells of each once; but within the budget.
#[test]
fn lonely_node_tries_its_candidates_again() {
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
fn denied_candidate_has_another_chance_and_no_other_peer_is_asked_instead() {
    let mut driver = driver(Config::local().with_neighbours(0));
    let (friend, connection) = (PeerId::random(), ConnectionId::new_unchecked(1 << 40));
    established(&mut driver, friend, connection, Time::ZERO);
    driver.advance(Time::ZERO);
    let (id, _) = request_of(drain(&mut driver)).expect("a sibling's connection is used");
    speaks(&mut driver, friend, connection);
    driver.on_result((friend, connection), id, Ok(Response::empty()), Time::ZERO);
    let peer = PeerId::random();
    tell(&mut driver, peer, 1, Time::ZERO);
    assert_eq!(fail_dials(&mut driver, denied, Time::ZERO), [peer]);
    assert_eq!(driver.sampler.in_flight(), 0, "another peer is asked");
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
    let limits = Limits {
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

/// A few are met at once, and candidates that gossip tells of meanwhile are not dialled.
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
        let home = memory(port);
        Descriptor::fresh(Record::sign(keypair, 1, &[home]).expect("signing works"))
    });
    answer.gossip.descriptors = records.collect();
    driver.on_result((peer, connection), id, Ok(answer), Time::new(SECOND));
    assert_eq!(driver.sampler.view().len(), 2);
    assert!(!driver.discovery.candidates.is_trying(&peer));
    drain(&mut driver);
    // Both are told of again: one is a contact, gossip tells of the other.
    tell(&mut driver, peer, 1, Time::new(SECOND));
    tell(&mut driver, other, 9, Time::new(SECOND));
    let now = SECOND + SECOND / 100; // Before the next round.
    assert!(dials(&mut driver, Time::new(now)).is_empty());
    assert!(
        !driver.discovery.candidates.is_waiting(Time::new(now)),
        "nobody is looked at again"
    );
}
