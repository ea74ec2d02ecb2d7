//! What a node comes back from: its own outage, a clock that is behind, the dead among those it
//! tries.

use std::{collections::BTreeSet, io};

use libp2p_core::{Multiaddr, multiaddr::Protocol, transport::TransportError};
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{ConnectionId, DialError, ToSwarm, behaviour::DialFailure};

use crate::{
    sampling::{overlay::random::Random, view::Descriptor},
    swarm::{
        handler::InboundId,
        record::Record,
        sampling::{
            config::Config,
            driver::{
                Driver,
                testing::{SECOND, closed, dialled, drain, driver},
                tests::{dial_of, established, request_of},
            },
            event::{Event, NeighbourDownReason},
        },
        wire::sampling::{Command, Proposal, Request, Response},
    },
    time::Time,
};

/// A node at `/memory/<port>`, as others hear of it.
fn somebody(port: u64) -> Record {
    signed(&Keypair::generate_ed25519(), 1, port)
}

fn signed(keypair: &Keypair, seq: u64, port: u64) -> Record {
    let home = Multiaddr::empty().with(Protocol::Memory(port));
    Record::sign(keypair, seq, &[home]).expect("signing works")
}

/// The dials that the driver wants now, each with its partner and its addresses.
fn dials(driver: &mut Driver<Random>, now: Time) -> Vec<(ConnectionId, PeerId, Vec<Multiaddr>)> {
    driver.advance(now);
    let wanted = drain(driver).into_iter().filter_map(|action| match action {
        ToSwarm::Dial { opts } => Some((opts.connection_id(), opts.get_peer_id()?)),
        _ => None,
    });
    let wanted: Vec<_> = wanted.collect();
    let at = |(id, peer)| (id, peer, driver.addresses_to_dial(id, Some(peer), now));
    wanted.into_iter().map(at).collect()
}

/// All dials under way fail in this way.
fn fail(driver: &mut Driver<Random>, kind: io::ErrorKind, now: Time) -> usize {
    let dials = dials(driver, now);
    for (connection_id, peer, addresses) in &dials {
        let tried = addresses.iter().map(|address| {
            let error = TransportError::Other(kind.into());
            (address.clone().with(Protocol::P2p(*peer)), error)
        });
        let event = DialFailure {
            peer_id: Some(*peer),
            error: &DialError::Transport(tried.collect()),
            connection_id: *connection_id,
        };
        driver.on_dial_failure(event, now);
    }
    dials.len()
}

#[test]
fn a_node_without_a_network_keeps_its_view() {
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
    assert!(driver.sampler.view().len() < 10, "those who are dead leave");
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

/// Both ends have dialled at the same moment, and TCP has made one connection of the two.
#[test]
fn a_failed_handshake_blames_nobody_and_is_made_again_from_another_port() {
    let mut driver = driver(Config::open_internet());
    driver.policy = Config::local().addresses().clone();
    // Of the one the application says where it is, of the other somebody else.
    let (given, told) = (somebody(1), somebody(2));
    driver.init([given.clone()]);
    driver.sampler.init([told.clone()]);
    let handshake_fails = |driver: &mut Driver<Random>, peer, home: &Multiaddr, connection_id| {
        let noise = io::Error::other("Handshake failed");
        let tried = vec![(home.clone(), TransportError::Other(noise))];
        let event = DialFailure {
            peer_id: Some(peer),
            error: &DialError::Transport(tried),
            connection_id,
        };
        driver.on_dial_failure(event, Time::new(SECOND));
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
    let request = crate::sampling::sampler::message::Request {
        descriptors: [&given, &told].map(|r| Descriptor::fresh(r.clone())).into(),
        pull: false,
        room: usize::MAX,
    };
    let teller = PeerId::random();
    driver
        .sampler
        .handle_request(&teller, request, Time::new(SECOND));
    assert_eq!(driver.sampler.view().len(), 2, "they are blamed");
}

#[test]
fn a_peer_that_no_transport_reaches_leaves_without_blame() {
    let mut driver = driver(Config::local());
    let peer = somebody(1);
    driver.init([peer.clone(), somebody(2)]);
    let dialled = dials(&mut driver, Time::new(SECOND));
    let (connection_id, partner, addresses) = &dialled[0];
    let unknown = TransportError::MultiaddrNotSupported(addresses[0].clone());
    let event = DialFailure {
        peer_id: Some(*partner),
        error: &DialError::Transport(vec![(addresses[0].clone(), unknown)]),
        connection_id: *connection_id,
    };
    driver.on_dial_failure(event, Time::new(SECOND));
    assert!(!driver.sampler.view().contains(partner));
    // The next to tell of it is believed.
    let told = if peer.peer_id() == *partner {
        peer
    } else {
        somebody(3)
    };
    let request = crate::sampling::sampler::message::Request {
        descriptors: vec![Descriptor::fresh(told.clone())],
        pull: false,
        room: usize::MAX,
    };
    driver
        .sampler
        .handle_request(&PeerId::random(), request, Time::new(SECOND));
    assert!(driver.sampler.view().contains(&told.peer_id()));
}

#[test]
fn a_node_that_has_lost_everybody_goes_back_to_what_it_was_given() {
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
    // Nobody who said goodbye, or is not wanted, is tried again.
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
fn a_node_looks_for_former_contacts_now_and_then() {
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

#[test]
fn a_peer_is_shown_the_later_record_that_others_have_of_it() {
    let mut driver = driver(Config::local());
    let keypair = Keypair::generate_ed25519();
    let (later, now_at) = (signed(&keypair, 100, 1), signed(&keypair, 7, 2));
    let peer = later.peer_id();
    driver.init([later.clone()]);
    let connection = ConnectionId::new_unchecked(1 << 40);
    established(&mut driver, peer, connection, Time::new(SECOND));
    drain(&mut driver);
    let request = |pull| Request::Exchange {
        gossip: crate::sampling::sampler::message::Request {
            descriptors: vec![Descriptor::fresh(now_at.clone())],
            pull,
            room: usize::MAX,
        },
        neighbour: Proposal::None,
    };
    let answer = |driver: &mut Driver<Random>| {
        drain(driver).into_iter().find_map(|action| match action {
            ToSwarm::NotifyHandler {
                event: Command::Respond(_, response),
                ..
            } => Some(response.gossip.descriptors),
            _ => None,
        })
    };
    driver.on_request(
        (peer, connection),
        InboundId(1),
        request(true),
        Time::new(SECOND),
    );
    let told = answer(&mut driver).expect("an answer");
    assert_eq!(told.first().map(|d| &d.peer), Some(&later));
    let known = driver.sampler.view().get(&peer).map(|d| d.peer.clone());
    assert_eq!(known, Some(now_at.clone()), "its own word counts");
    // It is told once: what is known of it now is its own word.
    driver.on_request(
        (peer, connection),
        InboundId(2),
        request(true),
        Time::new(SECOND),
    );
    assert!(
        !answer(&mut driver)
            .expect("an answer")
            .iter()
            .any(|d| d.peer == later)
    );
}

#[test]
fn a_node_notices_a_later_record_of_its_own() {
    let mut driver = driver(Config::local());
    let keypair = Keypair::generate_ed25519();
    driver.local = keypair.public().to_peer_id();
    driver.sampler.set_local(Some(signed(&keypair, 7, 2)));
    let hear = |driver: &mut Driver<Random>, record: Record| {
        driver.hear_first_hand(&PeerId::random(), &mut [Descriptor::fresh(record)]);
        driver.take_outbid()
    };
    assert_eq!(hear(&mut driver, signed(&keypair, 7, 2)), None, "its own");
    assert_eq!(
        hear(&mut driver, signed(&keypair, 6, 1)),
        None,
        "an earlier one"
    );
    assert_eq!(hear(&mut driver, signed(&keypair, 7, 1)), Some(7));
    assert_eq!(hear(&mut driver, signed(&keypair, 100, 1)), Some(100));
    assert_eq!(driver.take_outbid(), None, "once");
}

/// Five dead peers that take long to fail, and one that answers.
#[test]
fn a_node_without_neighbours_does_not_wait_for_the_dead() {
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
fn a_node_without_neighbours_keeps_the_connections_it_has() {
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

#[test]
fn a_neighbour_that_does_not_answer_an_exchange_is_no_neighbour() {
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
                gossip: crate::sampling::sampler::message::Response {
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
