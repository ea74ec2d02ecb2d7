//! Tests only: a driver, and what the swarm tells it of connections.

use std::time::Duration;

use libp2p_core::{ConnectedPoint, Endpoint, Multiaddr, transport::PortUse};
use libp2p_identity::PeerId;
use libp2p_swarm::{
    ConnectionId, ToSwarm,
    behaviour::{ConnectionClosed, ConnectionEstablished},
};
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    sampling::overlay::random::Random,
    swarm::{
        sampling::{config::Config, driver::Driver, event::Event},
        wire::sampling::Command,
    },
    time::Time,
};

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn driver(config: Config) -> Driver<Random> {
    let overlay = Random::for_view_size(config.gossip().view_size());
    let rng = StdRng::seed_from_u64(1);
    Driver::new(PeerId::random(), &config, overlay, rng).expect("valid settings")
}

/// All that the driver wants to be done.
pub(super) fn drain(driver: &mut Driver<Random>) -> Vec<ToSwarm<Event, Command>> {
    std::iter::from_fn(|| driver.links.actions.pop()).collect()
}

/// The peer was dialled at `address`, by this behaviour or another.
pub(super) fn dialled(
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
pub(super) fn came(
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

pub(super) fn closed(
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
