//! Seeds: when they are dialled, and what comes of it.

use libp2p_identity::PeerId;
use libp2p_swarm::{ConnectionId, ToSwarm};

use crate::{
    swarm::sampling::{
        command::Command,
        config::Config,
        discovery::MOST_BESIDE,
        driver::testing::{
            SECOND, add_seed, address, come_by, dial_of, dial_seed, drain, driver, established,
        },
    },
    time::Time,
};

/// A seed's dial that takes longer than the seed's time, and finds an exchange with the same
/// peer under way: nobody closes the connection, and its handler keeps it alive for ever.
#[test]
fn late_connection_to_a_seed_is_released() {
    let mut driver = driver(Config::local().with_neighbours(0));
    let dial = dial_seed(&mut driver, address());
    driver.advance(Time::new(25 * SECOND)); // Its time, 20 s, is over.
    // Another behaviour connects the peer, and an exchange is under way there.
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

/// They connect, never answer, and never ask.
#[test]
fn silent_inbound_peers_leave_room_for_seeds() {
    let mut driver = driver(Config::local());
    come_by(&mut driver, 200, Time::ZERO);
    driver.advance(Time::new(2 * SECOND));
    assert_eq!(driver.sampler.in_flight(), MOST_BESIDE);
    drain(&mut driver);
    add_seed(&mut driver, address());
    driver.advance(Time::new(3 * SECOND));
    assert!(dial_of(drain(&mut driver)).is_some());
}
