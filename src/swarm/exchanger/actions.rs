//! What the swarm is to do next, in order.

use std::collections::VecDeque;

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::{
    CloseConnection, ConnectionId, NotifyHandler, ToSwarm,
    dial_opts::{DialOpts, PeerCondition},
};

use crate::swarm::{address::split_peer, handler::Command, wire::Wire};

/// How to dial a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// By its id alone: all behaviours of the swarm say where it is.
    ById,
    /// At these addresses and at no others.
    At(Vec<Multiaddr>),
    /// The same, from a port on which this node does not listen.
    Anew(Vec<Multiaddr>),
}

/// A queue towards the swarm. Drained at every poll; each input adds a few at most. `W`: what is
/// sent; `E`: what the application is told.
#[derive(Debug)]
pub(crate) struct Actions<W: Wire, E>(VecDeque<ToSwarm<E, Command<W>>>);

impl<W: Wire, E> Default for Actions<W, E> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<W: Wire, E> Actions<W, E> {
    pub(crate) fn pop(&mut self) -> Option<ToSwarm<E, Command<W>>> {
        self.0.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells the application.
    pub(crate) fn emit(&mut self, event: E) {
        self.0.push_back(ToSwarm::GenerateEvent(event));
    }

    /// Tells all behaviours of the swarm that `peer` is at `address`, which names it.
    pub(crate) fn announce(&mut self, peer_id: PeerId, address: Multiaddr) {
        let announcement = ToSwarm::NewExternalAddrOfPeer { peer_id, address };
        self.0.push_back(announcement);
    }

    pub(crate) fn command(&mut self, peer_id: PeerId, connection: ConnectionId, event: Command<W>) {
        self.0.push_back(ToSwarm::NotifyHandler {
            peer_id,
            handler: NotifyHandler::One(connection),
            event,
        });
    }

    pub(crate) fn close(&mut self, peer_id: PeerId, connection: ConnectionId) {
        self.0.push_back(ToSwarm::CloseConnection {
            peer_id,
            connection: CloseConnection::One(connection),
        });
    }

    /// Dials a peer: by its id alone, where this behaviour and others add what they know in
    /// `handle_pending_outbound_connection`; or at these addresses and at no others, perhaps from a
    /// port on which this node does not listen.
    pub(crate) fn dial_peer(&mut self, peer: PeerId, way: Way) -> ConnectionId {
        let opts = DialOpts::peer_id(peer);
        self.dial(match way {
            Way::ById => opts.build(),
            Way::At(addresses) => opts.addresses(addresses).build(),
            Way::Anew(addresses) => opts.addresses(addresses).allocate_new_port().build(),
        })
    }

    /// Dials an address, with or without `/p2p/<peer>`, whether the peer is connected or not.
    pub(crate) fn dial_address(&mut self, address: &Multiaddr) -> ConnectionId {
        let (bare, peer) = split_peer(address);
        self.dial(match peer {
            Some(peer) => DialOpts::peer_id(peer)
                .condition(PeerCondition::Always)
                .addresses(vec![bare])
                .build(),
            None => DialOpts::unknown_peer_id().address(bare).build(),
        })
    }

    fn dial(&mut self, opts: DialOpts) -> ConnectionId {
        let connection = opts.connection_id();
        self.0.push_back(ToSwarm::Dial { opts });
        connection
    }
}
