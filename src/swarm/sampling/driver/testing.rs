//! Tests only: a driver, and what the swarm tells it of connections.

use std::time::Duration;

use libp2p_core::{ConnectedPoint, Endpoint, Multiaddr, transport::PortUse};
use libp2p_identity::PeerId;
use libp2p_swarm::{
    ConnectionId, ToSwarm,
    behaviour::{ConnectionClosed, ConnectionEstablished},
};
use rand::{SeedableRng, rngs::StdRng};
use web_time::Instant;

use crate::{
    sampling::overlay::random::Random,
    swarm::{
        clock::Clock,
        node::{Holder, Node},
        sampling::{config::Config, driver::Driver, event::Event},
        wire::sampling::Command,
    },
    time::Time,
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn driver(config: Config) -> Driver<Random> {
    let overlay = Random::for_view_size(config.gossip().view_size());
    let rng = StdRng::seed_from_u64(1);
    Driver::new(holder(PeerId::random(), &config), &config, overlay, rng).expect("valid settings")
}

/// The first behaviour of a new node.
pub(crate) fn holder(local: PeerId, config: &Config) -> Holder {
    let gossip = config.gossip();
    let pace = (gossip.period(), gossip.quarantine());
    #[expect(
        clippy::disallowed_methods,
        reason = "a node has a clock, which drivers do not read"
    )]
    let clock = Clock::new(Instant::now());
    let node = Node::new(local, *config.limits(), pace, clock);
    node.join(config.protocol().expect("a name"))
}

/// Lets the neighbourhood begin a round.
pub(crate) fn begin_round(driver: &mut Driver<Random>, now: Time) {
    driver.neighbourhood.begin_round(&mut driver.exchanger, now);
}

/// When the driver is to be woken.
pub(crate) fn wake_at(driver: &Driver<Random>) -> Option<Time> {
    Some(driver.next_wake()?.at)
}

/// All that the driver wants to be done.
pub(crate) fn drain(driver: &mut Driver<Random>) -> Vec<ToSwarm<Event, Command>> {
    std::iter::from_fn(|| driver.exchanger.keeper.actions.pop()).collect()
}

/// The peer was dialled at `address`, by this behaviour or another.
pub(crate) fn dialled(
    driver: &mut Driver<Random>,
    peer: PeerId,
    id: ConnectionId,
    address: Multiaddr,
    now: Time,
) {
    let endpoint = ConnectedPoint::Dialer {
        address,
        role_override: Endpoint::Dialer,
        port_use: PortUse::New,
    };
    established(driver, peer, id, &endpoint, now);
}

/// The peer has dialled this node, from `home`.
pub(crate) fn came(
    driver: &mut Driver<Random>,
    peer: PeerId,
    id: ConnectionId,
    (local_addr, send_back_addr): (Multiaddr, Multiaddr),
    now: Time,
) {
    let endpoint = ConnectedPoint::Listener {
        local_addr,
        send_back_addr,
    };
    established(driver, peer, id, &endpoint, now);
}

fn established(
    driver: &mut Driver<Random>,
    peer_id: PeerId,
    connection_id: ConnectionId,
    endpoint: &ConnectedPoint,
    now: Time,
) {
    let event = ConnectionEstablished {
        peer_id,
        connection_id,
        endpoint,
        failed_addresses: &[],
        other_established: 0,
    };
    driver.on_connection_established(event, now);
}

pub(crate) fn closed(
    driver: &mut Driver<Random>,
    peer_id: PeerId,
    connection_id: ConnectionId,
    now: Time,
) {
    let endpoint = ConnectedPoint::Listener {
        local_addr: Multiaddr::empty(),
        send_back_addr: Multiaddr::empty(),
    };
    let event = ConnectionClosed {
        peer_id,
        connection_id,
        endpoint: &endpoint,
        cause: None,
        remaining_established: 0,
    };
    driver.on_connection_closed(event, now);
}
