//! What the swarm says of connections and dials, and what that means for the exchanges.

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::{
    ConnectionId, DialError,
    behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure},
};

use crate::{
    gossip::ExchangeId,
    swarm::{
        exchanger::{
            Exchanger,
            error::ExchangeError,
            outcome::{Closed, Established, Outcome},
            remote::{Origin, Remote},
            verdict::{Judge, Verdict},
        },
        node::{budget::DialOutcome, dials::DialPurpose},
        wire::Wire,
    },
    time::Time,
};

impl<W: Wire, E> Exchanger<W, E> {
    pub(crate) fn on_connection_established(
        &mut self,
        event: ConnectionEstablished,
        now: Time,
    ) -> Established {
        let (peer, connection) = (event.peer_id, event.connection_id);
        let holder = &self.keeper.holder;
        let purpose = holder.take_purpose(connection);
        let is_dialler = event.endpoint.is_dialer();
        if is_dialler && purpose.is_none() && holder.is_dialled_through(&peer) {
            // A sibling has dialled it, for the sake of a dial of ours.
            holder.adopt(connection, peer);
        }
        let origin = match (holder.established(peer, connection), is_dialler) {
            (true, _) => Origin::Ours,
            (false, true) => Origin::Sibling,
            (false, false) => Origin::Inbound,
        };
        let mut remote = Remote::of(event.endpoint, event.failed_addresses);
        let dialled = &mut remote.dialled;
        if let Some(address) = dialled.take_if(|a| !self.judge().is_relay_there(a)) {
            tracing::debug!(%peer, %address, "Relayed, and not by the relay at that address");
        }
        if is_dialler {
            let address = remote.dialled.as_ref();
            self.keeper.holder.dial_answered(connection, address);
        }
        self.end_way_through(connection);
        let target = remote.remote;
        let connections = &mut self.keeper.connections;
        let is_upgrade =
            !remote.relayed && connections.is_connected(&peer) && !connections.is_direct(&peer);
        connections.add(peer, connection, (origin, remote), now);
        self.trouble.connected(target);
        self.keeper.pruner.consider_others();
        self.keeper.look_for_surplus(&peer, now);
        if self.keeper.is_leaving() {
            self.keeper.release(peer, connection);
            return Established::default();
        }
        let waiting = self.under_way.waiting_for(peer);
        let is_unused = waiting.is_empty() && !self.under_way.is_busy(connection);
        for id in waiting {
            self.connected(id, peer, connection);
        }
        self.end_waits_for_relay(&peer);
        let seed = match purpose {
            Some(DialPurpose::Exchange(_)) if is_unused => {
                self.keeper.release(peer, connection);
                None
            }
            Some(DialPurpose::Seed(address)) => Some(address),
            _ => None,
        };
        Established { seed, is_upgrade }
    }

    pub(crate) fn on_connection_closed(&mut self, event: ConnectionClosed, now: Time) -> Closed {
        let (peer, connection) = (event.peer_id, event.connection_id);
        let connections = &mut self.keeper.connections;
        let has_served = connections.has_served(&peer, connection);
        let is_theirs = connections.is_inbound(&peer, connection);
        let relay = connections.relay(&peer, connection);
        connections.remove(&peer, connection);
        self.keeper.disconnected(peer, connection);
        let confirms = self.under_way.connection_closed(connection);
        if let Some(relay) = relay {
            self.keeper.release_all(relay);
        }
        for id in self.under_way.running_on(connection) {
            self.lost_its_connection((id, peer), (has_served, is_theirs), now);
        }
        // They have waited for the end of the connection.
        for id in self.under_way.waiting_for(peer) {
            let is_settled = self.outcomes.iter().any(|outcome| outcome.is_of(id));
            if !is_settled && !self.keeper.holder.is_dialling_for(id) {
                self.find_connection((id, peer), None, now);
            }
        }
        Closed {
            confirms,
            is_direct: self.keeper.connections.is_direct(&peer),
        }
    }

    /// A dial has failed; returns the seed that it was for.
    pub(crate) fn on_dial_failure(&mut self, event: DialFailure, now: Time) -> Option<Multiaddr> {
        let (connection, error) = (event.connection_id, event.error);
        let holder = &self.keeper.holder;
        let refused = matches!(error, DialError::DialPeerConditionFalse(_));
        let is_ours = holder.is_ours(connection);
        let is_denied = matches!(error, DialError::Denied { .. } | DialError::NoAddresses);
        holder.dial_failed(connection, |address| match refused || is_denied {
            true => DialOutcome::Unmade,
            false => self.judge().outcome_at(error, address),
        });
        self.end_way_through(connection);
        let mut seed = None;
        match self.keeper.holder.take_purpose(connection) {
            Some(DialPurpose::Exchange(id)) => self.dial_failed((id, connection), error, now),
            Some(DialPurpose::Seed(address)) => seed = Some(address),
            Some(DialPurpose::Relay) => {}
            // A sibling wants the peer, and is told that it is connected already.
            None if refused && !is_ours => {
                if let Some(peer) = event.peer_id {
                    self.keeper.share(peer);
                }
            }
            None => {}
        }
        if let Some(peer) = event.peer_id.filter(|_| !refused) {
            self.end_waits_for_relay(&peer);
            for id in self.under_way.waiting_for(peer) {
                self.waited_in_vain((id, peer, connection), error, now);
            }
        }
        seed
    }

    /// A dial has ended: the relays that it led through may be needed no longer.
    fn end_way_through(&mut self, dial: ConnectionId) {
        for relay in self.keeper.holder.relays_of(dial) {
            self.keeper.release_all(relay);
        }
    }

    /// The relay is connected, or its dial has failed: the exchanges that have waited for that go
    /// on.
    fn end_waits_for_relay(&mut self, relay: &PeerId) {
        for id in self.under_way.relay_ready(relay) {
            if let Some(partner) = self.under_way.partner(id) {
                self.unconnected(id, partner, None);
            }
        }
    }

    /// The connection closed before the answer came.
    fn lost_its_connection(
        &mut self,
        (id, partner): (ExchangeId, PeerId),
        (has_served, is_theirs): (bool, bool),
        now: Time,
    ) {
        let error = match has_served {
            true => ExchangeError::ConnectionClosed,
            // A guard of its has denied the connection, or it was done: it is there, and that is
            // all there is to be said.
            false => ExchangeError::TurnedAway,
        };
        // The peer had dialled, and was done with the connection when the request came.
        if (has_served || is_theirs) && self.under_way.try_again(id) {
            self.find_connection((id, partner), Some(error), now);
        } else {
            self.fail(id, error, now);
        }
    }

    /// An exchange has waited for another behaviour's dial, perhaps at an address that was stale:
    /// that says nothing about those that we know.
    fn waited_in_vain(
        &mut self,
        (id, partner, dial): (ExchangeId, PeerId, ConnectionId),
        error: &DialError,
        now: Time,
    ) {
        let is_settled = self.outcomes.iter().any(|outcome| outcome.is_of(id));
        let waits_on = self.keeper.holder.is_dialling_for(id) || self.under_way.waits_for_relay(id);
        if is_settled || waits_on {
            return;
        }
        match self.under_way.try_again(id) {
            true => self.unconnected(id, partner, None),
            false => self.dial_failed((id, dial), error, now),
        }
    }

    /// The dial for an exchange has failed.
    fn dial_failed(
        &mut self,
        (id, dial): (ExchangeId, ConnectionId),
        error: &DialError,
        now: Time,
    ) {
        let partner = self.under_way.partner(id);
        let Some(partner) = partner.filter(|_| self.under_way.is_waiting(id)) else {
            return; // It found another connection.
        };
        match self.judge().judge(error) {
            Verdict::RelayBusy(relay) => self.under_way.wait_for_relay(id, relay),
            Verdict::DialledByOther => {
                if let Some(connection) = self.keeper.usable(&partner) {
                    self.connected(id, partner, connection);
                }
            }
            Verdict::Handshake(before) => {
                if !self.under_way.is_first_try(id) || !self.under_way.try_again(id) {
                    return self.fail(id, before, now);
                }
                self.outcomes.push_back(Outcome::Unconnected {
                    id,
                    partner,
                    before: Some(before),
                    anew: true,
                });
            }
            Verdict::Denied(error) => {
                self.keeper.holder.give_back(dial);
                self.outcomes
                    .push_back(Outcome::Denied { id, partner, error });
            }
            Verdict::OwnFault { error, no_network } => {
                self.keeper.holder.give_back(dial);
                if no_network {
                    self.trouble.met_no_network(now);
                }
                self.fail(id, error, now);
            }
            Verdict::Failed(error) => self.fail(id, error, now),
        }
    }

    fn judge(&self) -> Judge<'_> {
        Judge {
            connections: &self.keeper.connections,
            holder: &self.keeper.holder,
            trouble: &self.trouble,
        }
    }
}
