//! The nodes of a world, with their drivers, and what these are told of connections.

use libp2p_core::{ConnectedPoint, Endpoint, Multiaddr, multiaddr::Protocol, transport::PortUse};
use libp2p_identity::PeerId;
use libp2p_swarm::behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure};

use crate::{
    swarm::world::{
        connections::{Connections, End},
        driven::Driven,
        medium::Medium,
        network::address,
    },
    time::Time,
};

/// The nodes, and the drivers of each.
#[derive(Debug)]
pub(crate) struct Nodes<D> {
    /// The first driver of each node, then the second of each, and so on.
    pub(crate) drivers: Vec<Option<D>>,
    pub(crate) peers: Vec<PeerId>,
    count: usize,
}

impl<D: Driven> Nodes<D> {
    /// Nodes without drivers, which are to have `instances` each.
    pub(crate) fn new(count: usize, instances: usize) -> Self {
        Self {
            drivers: (0..count * instances).map(|_| None).collect(),
            peers: Vec::new(),
            count,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The node that a driver belongs to.
    pub(crate) fn node(&self, driver: usize) -> usize {
        driver % self.count
    }

    /// The drivers of the node that this is one of.
    pub(crate) fn behaviours_of(&self, driver: usize) -> impl Iterator<Item = usize> + use<D> {
        (self.node(driver)..self.drivers.len()).step_by(self.count)
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = (usize, &D)> {
        let drivers = self.drivers.iter().enumerate();
        drivers.filter_map(|(at, driver)| Some((at, driver.as_ref()?)))
    }

    /// The number of the node that `peer` is.
    pub(crate) fn position(&self, peer: &PeerId) -> Option<usize> {
        self.peers.iter().position(|p| p == peer)
    }

    /// The driver at another node that is this one's counterpart.
    pub(crate) fn counterpart(&self, driver: usize, node: usize) -> usize {
        node + driver / self.count * self.count
    }

    /// The other end of a connection, as the counterpart of this driver sees it, and the peer
    /// there.
    pub(crate) fn other_end(&self, end: End, connections: &Connections) -> (End, PeerId) {
        let (node, id) = connections.other_end(end.1);
        ((self.counterpart(end.0, node), id), self.peers[node])
    }

    /// No driver closes what another of its node uses or keeps.
    pub(crate) fn assert_free(&self, end: End, medium: &Medium<D::Wire>) {
        if !medium.connections.is_open(end.1) {
            return;
        }
        let (other, peer) = self.other_end(end, &medium.connections);
        // What was under way with a peer that does not answer is lost.
        if medium.network.frozen.contains(&self.node(other.0)) {
            return;
        }
        for at in self.behaviours_of(end.0) {
            let driver = self.drivers[at].as_ref().expect("all of a node live");
            let exchanger = driver.exchanger();
            let is_asking = exchanger.under_way().is_busy(end.1);
            assert!(
                !is_asking && !medium.handlers.is_busy((at, end.1)),
                "{at} has something under way on what {} closes",
                end.0
            );
            let mut kept = exchanger.keeper.connections.kept(&peer);
            assert!(
                !driver.is_neighbour(&peer) || kept.all(|id| id != end.1),
                "{at} keeps what {} closes",
                end.0
            );
        }
    }

    /// A dial of this driver's node has failed.
    pub(crate) fn dial_failed(&mut self, driver: usize, event: DialFailure, now: Time) {
        for at in self.behaviours_of(driver) {
            if let Some(driver) = &mut self.drivers[at] {
                driver.on_dial_failure(event, now);
            }
        }
    }

    /// A connection with node `other` is established, as this end sees it.
    pub(crate) fn established(
        &mut self,
        (node, id): End,
        other: usize,
        is_dialler: bool,
        medium: &mut Medium<D::Wire>,
    ) {
        let is_relayed = medium.connections.is_relayed(id);
        let through = |address: Multiaddr| match is_relayed {
            true => address.with(Protocol::P2pCircuit),
            false => address,
        };
        let endpoint = match is_dialler {
            true => ConnectedPoint::Dialer {
                address: through(address(other)),
                role_override: Endpoint::Dialer,
                port_use: PortUse::New,
            },
            false => ConnectedPoint::Listener {
                local_addr: through(Multiaddr::empty()),
                send_back_addr: Multiaddr::empty(),
            },
        };
        let peer = self.peers[other];
        let event = ConnectionEstablished {
            peer_id: peer,
            connection_id: id,
            endpoint: &endpoint,
            failed_addresses: &[],
            other_established: 0,
        };
        for at in self.behaviours_of(node) {
            // As the behaviour does when it makes the handler.
            if let Some(driver) = &self.drivers[at]
                && (driver.exchanger().keeper.holder.is_mine(id)
                    || (!is_relayed && driver.is_neighbour(&peer)))
            {
                medium.handlers.keep_alive((at, id), true);
            }
        }
        for at in self.behaviours_of(node) {
            if let Some(driver) = &mut self.drivers[at] {
                driver.on_connection_established(event, medium.now);
            }
        }
    }

    /// A connection with node `other` is closed, as this end sees it.
    pub(crate) fn closed(&mut self, (node, id): End, other: usize, medium: &mut Medium<D::Wire>) {
        let endpoint = ConnectedPoint::Listener {
            local_addr: Multiaddr::empty(),
            send_back_addr: Multiaddr::empty(),
        };
        let event = ConnectionClosed {
            peer_id: self.peers[other],
            connection_id: id,
            endpoint: &endpoint,
            cause: None,
            remaining_established: 0,
        };
        for at in self.behaviours_of(node) {
            medium.handlers.forget((at, id));
            if let Some(driver) = &mut self.drivers[at] {
                driver.on_connection_closed(event, medium.now);
            }
        }
    }
}
