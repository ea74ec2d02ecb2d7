//! Where a new connection leads, and which side opened it.

use libp2p_core::{ConnectedPoint, Multiaddr};
use libp2p_identity::PeerId;

use crate::swarm::{
    address::{Target, relay_of, split_peer},
    limits::MAX_ADDRESSES,
};

/// Which side opened a connection, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A behaviour of this node, for an exchange. They close it afterwards, unless the peer has
    /// become a neighbour.
    Ours,
    /// Another behaviour of this swarm, or the application.
    Sibling,
    /// The peer.
    Inbound,
}

/// Where a new connection leads.
#[derive(Debug, Default)]
pub(crate) struct Remote {
    /// Where the peer was dialled, without its id; `None` when it has dialled.
    pub(crate) dialled: Option<Multiaddr>,
    /// Where the same dial has not found it, without its id.
    pub(crate) missed: Vec<Multiaddr>,
    /// The other end, if it is known.
    pub(crate) remote: Option<Target>,
    /// Whether there is a relay in between.
    pub(crate) relayed: bool,
    /// That relay, if it is known.
    pub(crate) relay: Option<PeerId>,
}

impl Remote {
    /// The other end of a connection; `failed`: where the same dial has not found it.
    pub(crate) fn of(endpoint: &ConnectedPoint, failed: &[Multiaddr]) -> Self {
        let (dialled, address, relay) = match endpoint {
            ConnectedPoint::Dialer { address, .. } => {
                (Some(split_peer(address).0), address, relay_of(address))
            }
            ConnectedPoint::Listener {
                local_addr,
                send_back_addr,
            } => (None, send_back_addr, relay_of(local_addr)),
        };
        let missed = failed.iter().take(MAX_ADDRESSES);
        Self {
            dialled,
            missed: missed.map(|address| split_peer(address).0).collect(),
            remote: Target::of(address),
            relayed: endpoint.is_relayed(),
            relay,
        }
    }
}
