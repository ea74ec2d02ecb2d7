//! Nodes and peers that leave.

use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{ConnectionId, ToSwarm};
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    sampling::{mode::selection::Selection, overlay::basalt::Basalt},
    swarm::{
        handler::InboundId,
        record::Record,
        sampling::{
            command::Command,
            config::Config,
            driver::{
                Driver,
                testing::{
                    SECOND, accepted, address, dial_seed, drain, driver, established, holder,
                    memory, request_of, wake_at,
                },
            },
            event::Event,
        },
        wire::sampling::{Proposal, Request},
    },
    time::Time,
};

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

    driver.on_result((peer, connection), id, Ok(accepted()), Time::new(SECOND));
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

/// A peer that has said goodbye, or that the application has removed, is not handed out.
#[test]
fn peer_that_is_gone_is_no_sample() {
    let config = Config::open_internet();
    let overlay = Basalt::for_view_size(config.gossip().view_size());
    let rng = StdRng::seed_from_u64(1);
    let local = PeerId::random();
    let mut driver =
        Driver::new(holder(local, &config), &config, overlay, None, rng).expect("valid settings");
    let record = |port| {
        let home = memory(port);
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
