//! Whom the driver dials, and what the swarm says of connections.

use std::time::Duration;

use libp2p_core::{ConnectedPoint, Multiaddr};
use libp2p_identity::PeerId;
use libp2p_swarm::{
    ConnectionId, DialError,
    behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure},
};

use crate::{
    gossip::message::ExchangeId,
    overlay::Overlay,
    swarm::{
        address::{Target, split_peer},
        behaviour::{
            connections::{Origin, Whither},
            dials::Addresses,
            driver::Driver,
            event::{Event, ExchangeError, NeighbourDownReason, SeedError, never_left, one_line},
            exchanges::Dial,
        },
        limits::MAX_ADDRESSES,
        record::Record,
    },
};

impl<O: Overlay<Record>> Driver<O> {
    /// Dials the partner of exchange `id`, within the budget.
    pub(super) fn dial_partner(&mut self, id: ExchangeId, partner: PeerId, now: Duration) {
        let (record, verified) = self.whereabouts(&partner);
        let addresses = Addresses {
            known: record.as_ref().map_or(&[], Record::addresses),
            verified: verified.as_ref(),
        };
        match self.dials.choose(addresses, now, &mut self.rng) {
            Ok(choice) => {
                let connection = self.links.dial_partner(id, partner);
                self.dials.hand_over(connection, choice, now);
            }
            Err(why) => self.exchange_failed(id, why.into(), now),
        }
    }

    /// What is known of where a peer is: its record, and the one of its addresses where it was found.
    fn whereabouts(&self, peer: &PeerId) -> (Option<Record>, Option<Multiaddr>) {
        let hearsay = self.gossip.view().get(peer).map(|d| &d.peer);
        self.publisher
            .contacts(|contacts| contacts.whereabouts(peer, hearsay))
    }

    /// The swarm asks where to dial `peer`, on behalf of this behaviour or a sibling.
    pub(in crate::swarm::behaviour) fn addresses_to_dial(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        now: Duration,
    ) -> Vec<Multiaddr> {
        if let Some(handed) = self.dials.handed(connection) {
            return handed;
        }
        // Whoever dials for an exchange has chosen where, or there would be a budget for each instance.
        let is_chosen = self.links.fellow.is_ours(connection);
        let Some(peer) = peer.filter(|_| !is_chosen) else {
            return Vec::new();
        };
        let (Some(record), verified) = self.whereabouts(&peer) else {
            return Vec::new();
        };
        let addresses = Addresses {
            known: record.addresses(),
            verified: verified.as_ref(),
        };
        let choice = self.dials.choose_for_sibling(addresses, now, &mut self.rng);
        match choice {
            Ok(choice) => self.dials.hand_over(connection, choice, now),
            Err(why) => tracing::debug!(%peer, %why, "No address for a sibling"),
        }
        self.dials.handed(connection).unwrap_or_default()
    }

    pub(in crate::swarm::behaviour) fn on_connection_established(
        &mut self,
        event: ConnectionEstablished,
        now: Duration,
    ) {
        let (peer, connection) = (event.peer_id, event.connection_id);
        let dial = self.links.exchanges.dial_ended(connection);
        let is_ours = self.links.fellow.established(peer, connection);
        let origin = match (is_ours, event.endpoint.is_dialer()) {
            (true, _) => Origin::Exchange,
            (false, true) => Origin::Sibling,
            (false, false) => Origin::Inbound,
        };
        let (dialled, remote) = match event.endpoint {
            ConnectedPoint::Dialer { address, .. } => (Some(split_peer(address).0), address),
            ConnectedPoint::Listener { send_back_addr, .. } => (None, send_back_addr),
        };
        if let Some(address) = &dialled {
            self.dials.answered(connection, address);
        }
        self.not_found_at(&peer, event.failed_addresses);
        let missed = event.failed_addresses.iter().take(MAX_ADDRESSES);
        let whither = Whither {
            dialled,
            missed: missed.map(|address| split_peer(address).0).collect(),
            remote: Target::of(remote),
            relayed: event.endpoint.is_relayed(),
        };
        self.links
            .connections
            .add(peer, connection, (origin, whither), now);
        self.links.consider_pruning();
        if self.leaving.is_some() {
            self.links.release(peer, connection);
            return;
        }
        for id in self.links.exchanges.waiting_for(peer) {
            self.links.send_exchange(id, peer, connection);
        }
        let unused = match dial {
            Some(Dial::Seed(address)) => match self.gossip.exchange_with(peer, now) {
                Some(exchange) => {
                    let id = exchange.id;
                    self.begin(exchange, Some(address));
                    self.links.send_exchange(id, peer, connection);
                    false
                }
                // One with the same peer is under way: as good.
                None => {
                    self.seeds.tried(&address);
                    true
                }
            },
            Some(Dial::Exchange(_)) => !self.links.exchanges.is_busy(connection),
            None => false,
        };
        if unused {
            self.links.release(peer, connection);
        }
    }

    pub(in crate::swarm::behaviour) fn on_connection_closed(
        &mut self,
        event: ConnectionClosed,
        now: Duration,
    ) {
        let (peer, connection) = (event.peer_id, event.connection_id);
        self.links.connections.remove(&peer, connection);
        self.links.fellow.closed(connection);
        self.links.exchanges.connection_closed(connection);
        for id in self.links.exchanges.running_on(connection) {
            self.exchange_failed(id, ExchangeError::ConnectionClosed, now);
        }
        if !self.links.connections.is_connected(&peer) {
            self.links
                .remove_neighbour(peer, NeighbourDownReason::ConnectionClosed);
        }
        // They have waited for the end of the connection.
        for id in self.links.exchanges.waiting_for(peer) {
            if !self.links.exchanges.is_dialling(id) {
                self.bring(id, peer, now);
            }
        }
    }

    pub(in crate::swarm::behaviour) fn on_dial_failure(
        &mut self,
        event: DialFailure,
        now: Duration,
    ) {
        let refused = matches!(event.error, DialError::DialPeerConditionFalse(_));
        let is_ours = self.links.fellow.is_ours(event.connection_id);
        self.links.fellow.dial_failed(event.connection_id);
        let denied = matches!(
            event.error,
            DialError::Denied { .. } | DialError::NoAddresses
        );
        self.dials.failed(event.connection_id, |address| {
            refused || denied || never_left(event.error, address)
        });
        if let Some(peer) = &event.peer_id {
            match event.error {
                DialError::Transport(attempts) => {
                    self.not_found_at(peer, attempts.iter().map(|(address, _)| address));
                }
                DialError::WrongPeerId { address, .. } => self.not_found_at(peer, [address]),
                _ => {}
            }
        }
        match self.links.exchanges.dial_ended(event.connection_id) {
            Some(Dial::Exchange(id)) => self.exchange_dial_failed(id, event.error, now),
            Some(Dial::Seed(address)) => {
                let error = SeedError::from(event.error);
                if matches!(error, SeedError::Ourselves) {
                    self.seeds.remove(&address);
                } else {
                    self.seeds.tried(&address);
                }
                self.links
                    .actions
                    .emit(Event::SeedFailed { address, error });
            }
            // A sibling wants the peer, and is told that it is connected already.
            None if refused && !is_ours => {
                if let Some(peer) = event.peer_id {
                    self.links.share(peer);
                }
            }
            None => {}
        }
        let waiting = event.peer_id.filter(|_| !refused);
        for id in waiting.map_or_else(Vec::new, |peer| self.links.exchanges.waiting_for(peer)) {
            self.waited_in_vain(id, event.error, now);
        }
    }

    /// A dial at these addresses has not found `peer`.
    fn not_found_at<'a>(&self, peer: &PeerId, addresses: impl IntoIterator<Item = &'a Multiaddr>) {
        self.publisher.contacts(|contacts| {
            for address in addresses {
                contacts.not_found_at(peer, &split_peer(address).0);
            }
        });
    }

    /// An exchange has waited for a dial of somebody else's, perhaps at an address that was stale:
    /// that says nothing about those that we know.
    fn waited_in_vain(&mut self, id: ExchangeId, error: &DialError, now: Duration) {
        if self.links.exchanges.is_dialling(id) {
            return;
        }
        match self.links.exchanges.partner(id) {
            Some(partner) if self.links.exchanges.redial(id) => {
                self.dial_partner(id, partner, now);
            }
            _ => self.exchange_dial_failed(id, error, now),
        }
    }

    fn exchange_dial_failed(&mut self, id: ExchangeId, error: &DialError, now: Duration) {
        if !self.links.exchanges.is_waiting(id) {
            return; // It found another connection.
        }
        match error {
            // Somebody else dials the peer or has just connected it.
            DialError::DialPeerConditionFalse(_) => {
                let partner = self.links.exchanges.partner(id);
                let connection =
                    partner.and_then(|partner| Some((partner, self.links.usable(&partner)?)));
                if let Some((partner, connection)) = connection {
                    self.links.send_exchange(id, partner, connection);
                }
            }
            DialError::Denied { .. } | DialError::Aborted => {
                self.exchange_failed(id, ExchangeError::Refused(one_line(error)), now);
            }
            DialError::LocalPeerId { .. }
            | DialError::NoAddresses
            | DialError::WrongPeerId { .. }
            | DialError::Transport(_) => {
                self.exchange_failed(id, ExchangeError::Unreachable(one_line(error)), now);
            }
        }
    }
}
