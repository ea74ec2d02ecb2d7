//! What the swarm is to do next, in order.

use std::collections::VecDeque;

use libp2p_core::{Multiaddr, multiaddr::Protocol};
use libp2p_identity::PeerId;
use libp2p_swarm::{
    CloseConnection, ConnectionId, NotifyHandler, ToSwarm,
    dial_opts::{DialOpts, PeerCondition},
};

use crate::swarm::{address::split_peer, sampling::event::Event, wire::sampling::Command};

/// A queue towards the swarm. Drained at every poll; each input adds a few at most.
#[derive(Debug, Default)]
pub(crate) struct Actions(VecDeque<ToSwarm<Event, Command>>);

impl Actions {
    pub(crate) fn pop(&mut self) -> Option<ToSwarm<Event, Command>> {
        self.0.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells the application, and the log.
    pub(crate) fn emit(&mut self, event: Event) {
        log(&event);
        self.0.push_back(ToSwarm::GenerateEvent(event));
    }

    /// Tells the other behaviours, and then the application, where `peer` was found: at `addresses`, which
    /// do not name it.
    pub(crate) fn tell_contacted(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let full = |address: Multiaddr| address.with(Protocol::P2p(peer));
        let addresses: Vec<_> = addresses.into_iter().map(full).collect();
        for address in &addresses {
            self.0.push_back(ToSwarm::NewExternalAddrOfPeer {
                peer_id: peer,
                address: address.clone(),
            });
        }
        self.emit(Event::Contacted { peer, addresses });
    }

    pub(crate) fn command(&mut self, peer_id: PeerId, connection: ConnectionId, event: Command) {
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

    /// Dials by peer id alone: `handle_pending_outbound_connection` knows the addresses, here and
    /// in the other behaviours.
    pub(crate) fn dial_peer(&mut self, peer: PeerId) -> ConnectionId {
        self.dial(DialOpts::peer_id(peer).build())
    }

    /// Dials at these addresses and at no others, whatever the other behaviours know.
    pub(crate) fn dial_peer_at(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) -> ConnectionId {
        self.dial(DialOpts::peer_id(peer).addresses(addresses).build())
    }

    /// The same, from a port on which this node does not listen.
    pub(crate) fn dial_peer_anew(
        &mut self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    ) -> ConnectionId {
        let opts = DialOpts::peer_id(peer).addresses(addresses);
        self.dial(opts.allocate_new_port().build())
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

/// What goes as it should at trace, all else at debug. What an operator should know is a warning
/// where it is found.
fn log(event: &Event) {
    match event {
        Event::Exchanged {
            peer,
            direction,
            received,
            view_len,
        } => tracing::trace!(%peer, ?direction, received, view_len, "Exchanged"),
        Event::Contacted { peer, addresses } => tracing::trace!(%peer, ?addresses, "Contacted"),
        Event::ExchangeFailed {
            peer,
            error,
            removed,
        } => tracing::debug!(%peer, %error, removed, "Exchange failed"),
        Event::InboundFailed {
            peer,
            connection_id,
            error,
        } => tracing::debug!(%peer, connection = %connection_id, %error, "Inbound exchange failed"),
        Event::SeedFailed { address, error } => tracing::debug!(%address, %error, "Seed failed"),
        Event::NeighbourUp { peer } => tracing::debug!(%peer, "Neighbour up"),
        Event::NeighbourDown { peer, reason } => tracing::debug!(%peer, ?reason, "Neighbour down"),
        Event::NotAdvertising(_)
        | Event::AddressesLeftOut { .. }
        | Event::Isolated(_)
        | Event::WrongKeypair { .. } => {}
        Event::Left => tracing::debug!("Left"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::{
        handler::InboundError,
        logged::logged,
        sampling::event::{ExchangeError, NeighbourDownReason, SeedError},
    };

    #[test]
    fn failures_and_removals_are_logged_with_peer_and_reason() {
        let peer = PeerId::random();
        let name = peer.to_string();
        let address: Multiaddr = "/memory/7".parse().expect("a multiaddr");
        let events = [
            Event::ExchangeFailed {
                peer,
                error: ExchangeError::Timeout,
                removed: true,
            },
            Event::InboundFailed {
                peer,
                connection_id: ConnectionId::new_unchecked(3),
                error: InboundError::TooManyRequests,
            },
            Event::SeedFailed {
                address,
                error: SeedError::Timeout,
            },
            Event::NeighbourDown {
                peer,
                reason: NeighbourDownReason::Replaced,
            },
        ];
        let parts: [&[&str]; 4] = [
            &[&name, "exchange time-out", "removed=true"],
            &[&name, "too many requests", "connection=3"],
            &["/memory/7", "exchange time-out"],
            &[&name, "Replaced"],
        ];
        let mut actions = Actions::default();
        let lines = logged(|| events.into_iter().for_each(|event| actions.emit(event)));
        assert_eq!(lines.len(), parts.len(), "{lines:?}");
        for (line, parts) in lines.iter().zip(parts) {
            assert!(line.starts_with("DEBUG"), "{line}");
            assert!(parts.iter().all(|part| line.contains(part)), "{line}");
        }
    }
}
