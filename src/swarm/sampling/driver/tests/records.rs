//! Records: announced, outbid, shown to their peers.

use libp2p_core::{Multiaddr, multiaddr::Protocol};
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{ConnectionId, ToSwarm};

use crate::{
    sampling::{
        overlay::random::Random, sampler::message::Request as SamplerRequest, view::Descriptor,
    },
    swarm::{
        handler::InboundId,
        record::Record,
        sampling::{
            command::Command,
            config::Config,
            driver::{
                Driver,
                testing::{SECOND, came, drain, driver, established, signed},
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
