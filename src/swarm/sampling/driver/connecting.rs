//! What the swarm, and other behaviours, say of peers: connections, dials, addresses.

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::{
    ConnectionId, DialError, ListenError,
    behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure, ListenFailure},
};

use crate::{
    sampling::overlay::Overlay,
    swarm::{
        address::split_peer,
        exchanger::attempts::is_blocked,
        record::Record,
        sampling::{
            discovery::Beside,
            driver::{
                Driver,
                meeting::{not_found, not_found_at},
                requests::{Started, padded},
            },
            event::NeighbourDownReason,
            whereabouts::Whereabouts,
        },
    },
    time::Time,
};

impl<O: Overlay<Record>> Driver<O> {
    /// Another behaviour, or the application, says that `peer` is at `address`.
    pub(crate) fn on_address_told(&mut self, peer: PeerId, address: &Multiaddr, now: Time) {
        let wanted = peer != self.local && self.policy.check(&peer, address).is_ok();
        if wanted && self.leaving.is_none() {
            let address = split_peer(address).0;
            self.discovery.candidates.tell(peer, address, now);
        }
    }

    /// The swarm asks where to dial `peer`, on behalf of this behaviour or another.
    pub(crate) fn addresses_to_dial(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        now: Time,
    ) -> Vec<Multiaddr> {
        let holder = &self.exchanger.keeper.holder;
        match (holder.handed(connection, peer), peer) {
            (Ok(handed), _) => handed,
            (Err(_), None) => Vec::new(),
            (Err(is_drawn), Some(peer)) => {
                let whereabouts = Whereabouts {
                    view: self.sampler.view(),
                    publisher: &self.publisher,
                    discovery: &mut self.discovery,
                    holder,
                    now,
                };
                whereabouts.for_others(connection, &peer, is_drawn, &mut self.rng)
            }
        }
    }

    pub(crate) fn on_connection_established(&mut self, event: ConnectionEstablished, now: Time) {
        let (peer, connection) = (event.peer_id, event.connection_id);
        self.blocked.unblock(&peer);
        not_found_at(&self.publisher, &peer, event.failed_addresses);
        let established = self.exchanger.on_connection_established(event, now);
        self.carry_on(now);
        // Both ends have met through the relay: they need not wait for their next exchange.
        if established.is_upgrade && self.publisher.contacts(|c| c.contains(&peer)) {
            self.neighbourhood
                .on_upgrade(peer, connection, &mut self.exchanger);
        }
        let Some(address) = established.seed else {
            return;
        };
        match self.sampler.exchange_with(peer, now) {
            Some(exchange) => self.start_with_seed(exchange, (address, connection), now),
            // An exchange with the same peer is under way: as good.
            None => {
                self.discovery.seeds.tried(&address);
                self.exchanger.keeper.release(peer, connection);
            }
        }
    }

    /// Starts an exchange with a seed that has just been connected.
    fn start_with_seed(
        &mut self,
        exchange: Started,
        (address, connection): (Multiaddr, ConnectionId),
        now: Time,
    ) {
        let exchange = padded(exchange, true, &self.sampler);
        self.requests.add(exchange.id, exchange.request);
        self.discovery.note(exchange.id, Beside::Seed(address));
        let deadline = now + self.exchange_timeout;
        let exchange = (exchange.id, exchange.partner);
        self.exchanger.start_on(exchange, connection, deadline);
        self.carry_on(now);
    }

    pub(crate) fn on_connection_closed(&mut self, event: ConnectionClosed, now: Time) {
        let peer = event.peer_id;
        let closed = self.exchanger.on_connection_closed(event, now);
        if closed.confirms {
            self.end_proposal(peer, None, now);
        }
        self.carry_on(now);
        if !closed.is_direct {
            let reason = NeighbourDownReason::ConnectionClosed;
            self.neighbourhood.remove(peer, reason, &mut self.exchanger);
        }
    }

    pub(crate) fn on_dial_failure(&mut self, event: DialFailure, now: Time) {
        if let Some(peer) = &event.peer_id {
            not_found(&self.publisher, peer, event.error);
        }
        if let Some(address) = self.exchanger.on_dial_failure(event, now) {
            let event = self.discovery.seed_failed(address, event.error.into());
            event.into_iter().for_each(|event| self.emit(event));
        }
        self.carry_on(now);
        if let (Some(peer), DialError::Denied { cause }) = (event.peer_id, event.error)
            && is_blocked(cause)
        {
            self.block(peer, now);
        }
    }

    pub(crate) fn on_listen_failure(&mut self, event: ListenFailure, now: Time) {
        if let (Some(peer), ListenError::Denied { cause }) = (event.peer_id, event.error)
            && is_blocked(cause)
        {
            self.block(peer, now);
        }
    }

    fn block(&mut self, peer: PeerId, now: Time) {
        self.remove(&peer);
        self.blocked.block(peer, now);
    }
}
