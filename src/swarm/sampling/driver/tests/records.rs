//! Records: announced, outbid, shown to their peers.

use libp2p_core::{Multiaddr, multiaddr::Protocol};
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{ConnectionId, ToSwarm};

use crate::{
    sampling::{
        overlay::random::Random, sampler::message::Request as SamplerRequest, view::Descriptor,
    },
    swarm::{
        counters::Reason,
        handler::InboundId,
        record::{Record, profile::Profile},
        sampling::{
            command::Command,
            config::Config,
            driver::{
                Driver,
                testing::{
                    SECOND, came, dials, drain, driver, established, pushed, request_of, signed,
                    somebody,
                },
            },
            event::Event,
        },
        wire::sampling::{Proposal, Request},
    },
    time::Time,
};

/// Others are told first, so that the application can have them dial it as soon as it knows.
#[test]
fn inbound_peer_is_announced_on_its_own_host_unless_it_came_through_a_relay() {
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

#[test]
fn peer_is_shown_the_later_record_that_others_have_of_it() {
    let mut driver = driver(Config::local());
    let keypair = Keypair::generate_ed25519();
    let (later, now_at) = (signed(&keypair, 100, 1), signed(&keypair, 7, 2));
    let peer = later.peer_id();
    driver.init([later.clone()]);
    let connection = ConnectionId::new_unchecked(1 << 40);
    established(&mut driver, peer, connection, Time::new(SECOND));
    drain(&mut driver);
    let request = |pull| Request::Exchange {
        gossip: SamplerRequest {
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
fn node_notices_a_later_record_of_its_own() {
    let mut driver = driver(Config::local());
    let keypair = Keypair::generate_ed25519();
    driver.local = keypair.public().to_peer_id();
    driver.sampler.set_local(Some(signed(&keypair, 7, 2)));
    let hear = |driver: &mut Driver<Random>, record: Record| {
        driver.hear_first_hand(&PeerId::random(), &mut [Descriptor::fresh(record)]);
        driver.take_outbid().record
    };
    assert_eq!(hear(&mut driver, signed(&keypair, 7, 2)), None, "its own");
    assert_eq!(
        hear(&mut driver, signed(&keypair, 6, 1)),
        None,
        "an earlier one"
    );
    assert_eq!(hear(&mut driver, signed(&keypair, 7, 1)), Some(7));
    assert_eq!(hear(&mut driver, signed(&keypair, 100, 1)), Some(100));
    assert_eq!(driver.take_outbid().record, None, "once");
}

/// The record, with its owner's profile of this number.
fn profiled(keypair: &Keypair, record: Record, seq: u64, bytes: &[u8]) -> Record {
    let profile = Profile::sign(keypair, "/peer-sampling/1.0.0", seq, bytes.to_vec());
    let mut record = record;
    record.set_profile(Some(profile.expect("signing works")));
    record
}

#[test]
fn stale_profile_is_counted_and_changes_nothing() {
    let mut driver = driver(Config::local());
    let (keypair, teller) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
    let copy = |seq| profiled(&keypair, signed(&keypair, 1, 1), seq, &[seq as u8]);
    driver.init([copy(5)]);
    let from = teller.public().to_peer_id();
    let connection = ConnectionId::new_unchecked(1 << 40);
    established(&mut driver, from, connection, Time::new(SECOND));
    for (number, (seq, kept, stale)) in [(4, 5, 1), (5, 5, 1), (6, 6, 1), (5, 6, 2)]
        .into_iter()
        .enumerate()
    {
        let request = Request::Exchange {
            gossip: pushed(vec![Descriptor::fresh(copy(seq))]),
            neighbour: Proposal::None,
        };
        let id = InboundId(number as u64);
        driver.on_request((from, connection), id, request, Time::new(SECOND));
        let known = driver.sampler.view().get(&keypair.public().to_peer_id());
        let profile = known.and_then(|known| known.peer.profile());
        assert_eq!(profile.map(Profile::seq), Some(kept), "after {seq}");
        let counters = driver.exchanger.keeper.holder.node().tally.snapshot();
        assert_eq!(counters.refused(Reason::ProfileStale), stale);
        assert_eq!(counters.profiles_passed_over, stale);
    }
}

#[test]
fn peer_is_shown_the_later_profile_that_others_have_of_it() {
    let mut driver = driver(Config::local());
    let keypair = Keypair::generate_ed25519();
    let record = || signed(&keypair, 7, 1);
    let peer = record().peer_id();
    driver.init([profiled(&keypair, record(), 100, b"before")]);
    let mut hear = |own: Record| {
        let rival = driver.hear_first_hand(&peer, &mut [Descriptor::fresh(own)]);
        let rival = rival.as_ref().and_then(|rival| rival.peer.profile());
        rival.map(Profile::seq)
    };
    assert_eq!(hear(profiled(&keypair, record(), 7, b"now")), Some(100));
    assert_eq!(hear(record()), Some(100), "it was restarted without one");
    assert_eq!(hear(profiled(&keypair, record(), 101, b"now")), None);
}

#[test]
fn node_notices_a_later_profile_of_its_own_and_keeps_its_record() {
    let mut driver = driver(Config::local());
    let keypair = Keypair::generate_ed25519();
    driver.local = keypair.public().to_peer_id();
    let record = || signed(&keypair, 7, 2);
    let of = |seq, bytes| profiled(&keypair, record(), seq, bytes);
    for (own, copy, expected) in [
        (of(9, b"now"), of(9, b"now"), None),
        (of(9, b"now"), of(8, b"before"), None),
        (of(9, b"now"), of(9, b"before"), Some(9)),
        (of(9, b"now"), of(100, b"before"), Some(100)),
        (of(9, b"now"), record(), None),
        (record(), of(5, b"before"), Some(5)),
        (record(), of(5, b""), None),
    ] {
        driver.sampler.set_local(Some(own));
        driver.hear_first_hand(&PeerId::random(), &mut [Descriptor::fresh(copy)]);
        let outbid = driver.take_outbid();
        assert_eq!((outbid.record, outbid.profile), (None, expected));
    }
}

/// An answer takes no more bytes than its request: with less padding it would bring fewer peers.
#[test]
fn node_with_a_profile_makes_room_for_those_of_others() {
    let room = |profile: &[u8]| {
        let mut driver = driver(Config::local().with_neighbours(0));
        let keypair = Keypair::generate_ed25519();
        let own = profiled(&keypair, signed(&keypair, 1, 1), 1, profile);
        driver.sampler.set_local(Some(own));
        let partner = somebody(2);
        driver.init([partner.clone()]);
        let dials = dials(&mut driver, Time::new(SECOND));
        let (connection, ..) = dials.first().expect("a dial");
        let connection = *connection;
        established(
            &mut driver,
            partner.peer_id(),
            connection,
            Time::new(SECOND),
        );
        match request_of(drain(&mut driver)) {
            Some((_, Request::Exchange { gossip, .. })) => gossip.room,
            other => panic!("no exchange: {other:?}"),
        }
    };
    // For half of a view of 30.
    assert_eq!(room(&[7; 100]) - room(&[]), 15 * 100);
}
