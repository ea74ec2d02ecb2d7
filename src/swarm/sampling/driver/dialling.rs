//! Whom the driver dials, and what the swarm says of connections.

use std::{collections::BTreeMap, io};

use libp2p_core::{ConnectedPoint, Multiaddr, transport::TransportError};
use libp2p_identity::PeerId;
use libp2p_swarm::{
    ConnectionId, DialError, ListenError,
    behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure, ListenFailure},
};
use rand::seq::IteratorRandom;

use crate::{
    gossip::ExchangeId,
    sampling::overlay::Overlay,
    swarm::{
        address::{Host, Target, relay_of, split_peer},
        exchanger::{
            attempts::{Attempt, attempts, is_blocked, is_relay_full, never_left, one_line},
            connections::{Origin, Whither},
            error::ExchangeError,
            exchanges::Dial,
        },
        limits::MAX_ADDRESSES,
        node::budget::{Addresses, Choice, Fate, NotDialled},
        record::Record,
        sampling::{
            candidates::Outcome,
            driver::Driver,
            event::{Event, NeighbourDownReason, SeedError},
        },
    },
    time::Time,
};

impl<O: Overlay<Record>> Driver<O> {
    /// Dials the partner of exchange `id`, within the budget.
    pub(super) fn dial_partner(&mut self, id: ExchangeId, partner: PeerId, now: Time) {
        if self.recalled.contains(&id) {
            return self.dial_recalled(id, partner, now);
        }
        let (record, verified) = self.whereabouts(&partner);
        let unsigned = match &record {
            Some(_) => Vec::new(),
            None => self.candidates.addresses(&partner),
        };
        let addresses = Addresses {
            known: record.as_ref().map_or(&unsigned, |r| r.addresses()),
            verified: verified.as_ref(),
        };
        match self.dials.choose(addresses, now, &mut self.rng) {
            // Not by its id alone: whoever has a peer dialled that nobody has signed for would have the
            // other behaviours add what the budget has not counted, and the policy not seen.
            Ok(choice) if !unsigned.is_empty() => {
                let chosen = choice.addresses().to_vec();
                self.candidates.dialled(&partner, &chosen);
                let connection = self.links.dial_partner_at(id, partner, chosen);
                self.hand_over(connection, choice, now);
            }
            Ok(choice) => {
                let connection = self.links.dial_partner(id, partner);
                self.hand_over(connection, choice, now);
            }
            Err(why) => {
                self.candidates.not_dialled(&partner);
                self.exchange_failed(id, why.into(), now);
            }
        }
    }

    /// Dials a peer that is in the view no more, where it was seen last: at no other addresses, so
    /// that other behaviours add nothing that the budget has not seen.
    fn dial_recalled(&mut self, id: ExchangeId, partner: PeerId, now: Time) {
        let (addresses, is_hearsay) = self.last_seen(&partner);
        let choice = match is_hearsay {
            true => {
                let addresses = Addresses {
                    known: &addresses,
                    verified: None,
                };
                self.dials.choose(addresses, now, &mut self.rng)
            }
            false => self.dials.choose_known(&addresses, &mut self.rng),
        };
        match choice {
            Ok(choice) => {
                let chosen = choice.addresses().to_vec();
                let connection = self.links.dial_partner_at(id, partner, chosen);
                self.hand_over(connection, choice, now);
            }
            Err(why) => self.exchange_failed(id, why.into(), now),
        }
    }

    /// The handshake with the partner of exchange `id` has failed, perhaps since both ends have
    /// dialled at the same moment: dials once more, from another port. Returns whether it does.
    fn dial_anew(&mut self, id: ExchangeId, now: Time) -> bool {
        let first = self.links.exchanges.is_first_try(id);
        let Some(partner) = self.links.exchanges.partner(id).filter(|_| first) else {
            return false;
        };
        let (met, is_hearsay) = self.last_seen(&partner);
        let choice = match is_hearsay {
            true => {
                let (record, verified) = self.whereabouts(&partner);
                let addresses = Addresses {
                    known: record.as_ref().map_or(&met, |record| record.addresses()),
                    verified: verified.as_ref(),
                };
                self.dials.choose_anew(addresses, now, &mut self.rng)
            }
            false => self.dials.choose_known(&met, &mut self.rng),
        };
        let choice = choice.ok().filter(|choice| !choice.addresses().is_empty());
        let Some(choice) = choice.filter(|_| self.links.exchanges.redial(id)) else {
            return false;
        };
        let chosen = choice.addresses().to_vec();
        let connection = self.links.dial_partner_anew(id, partner, chosen);
        self.hand_over(connection, choice, now);
        true
    }

    /// Where a peer was seen last, that may have failed since, and whether that is only what it
    /// says itself: this node has not found it there, and the application has not said so.
    fn last_seen(&self, peer: &PeerId) -> (Vec<Multiaddr>, bool) {
        let met = self.publisher.contacts(|contacts| {
            let (record, verified) = contacts.last_seen(peer)?;
            let home = verified.map(|home| vec![home.clone()]);
            let is_hearsay = home.is_none();
            Some((
                home.unwrap_or_else(|| record.addresses().to_vec()),
                is_hearsay,
            ))
        });
        let given = self.given.iter().find(|given| given.peer_id() == *peer);
        match (met, given) {
            (Some((home, false)), _) => (home, false),
            (_, Some(given)) => (given.addresses().to_vec(), false),
            (Some(said), None) => said,
            (None, None) => (Vec::new(), true),
        }
    }

    fn hand_over(&mut self, connection: ConnectionId, choice: Choice, now: Time) {
        self.dials.hand_over(connection, choice, now);
        let handed = self.dials.handed(connection).unwrap_or_default();
        let relays = handed.iter().filter_map(relay_of).collect();
        self.links.relays.dialled_through(connection, relays);
    }

    /// What is known of where a peer is: its record, and the one of its addresses where it was found.
    fn whereabouts(&self, peer: &PeerId) -> (Option<Record>, Option<Multiaddr>) {
        let hearsay = self.gossip.view().get(peer).map(|d| &d.peer);
        self.publisher
            .contacts(|contacts| contacts.whereabouts(peer, hearsay))
    }

    /// The swarm asks where to dial `peer`, on behalf of this behaviour or a sibling.
    pub(in crate::swarm) fn addresses_to_dial(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        now: Time,
    ) -> Vec<Multiaddr> {
        if let Some(peer) = peer {
            self.dials.begun(connection, peer);
        }
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
            Ok(choice) => self.hand_over(connection, choice, now),
            Err(why) => tracing::debug!(%peer, %why, "No address for a sibling"),
        }
        self.dials.handed(connection).unwrap_or_default()
    }

    pub(in crate::swarm) fn on_connection_established(
        &mut self,
        event: ConnectionEstablished,
        now: Time,
    ) {
        let (peer, connection) = (event.peer_id, event.connection_id);
        self.blocked.remove(&peer);
        let dial = self.links.exchanges.dial_ended(connection);
        let is_dialler = event.endpoint.is_dialer();
        if is_dialler && dial.is_none() && self.links.relays.is_dialled_through(&peer) {
            // A sibling has dialled it, for the sake of a dial of ours.
            self.links.fellow.dials(connection);
        }
        let is_ours = self.links.fellow.established(peer, connection);
        let origin = match (is_ours, is_dialler) {
            (true, _) => Origin::Exchange,
            (false, true) => Origin::Sibling,
            (false, false) => Origin::Inbound,
        };
        let (mut dialled, remote, relay) = match event.endpoint {
            ConnectedPoint::Dialer { address, .. } => {
                (Some(split_peer(address).0), address, relay_of(address))
            }
            ConnectedPoint::Listener {
                local_addr,
                send_back_addr,
            } => (None, send_back_addr, relay_of(local_addr)),
        };
        self.dials.dial_ended(connection);
        if let Some(address) = dialled.take_if(|a| !self.is_relay_there(a)) {
            tracing::debug!(%peer, %address, "Relayed, and not by who is at that address");
            self.dials.failed(connection, |_| Fate::InVain);
        }
        if let Some(address) = &dialled {
            self.dials.answered(connection, address);
        }
        self.links.dial_through_ended(connection);
        self.not_found_at(&peer, event.failed_addresses);
        let missed = event.failed_addresses.iter().take(MAX_ADDRESSES);
        let whither = Whither {
            dialled,
            missed: missed.map(|address| split_peer(address).0).collect(),
            remote: Target::of(remote),
            relayed: event.endpoint.is_relayed(),
            relay,
        };
        let upgraded = !whither.relayed
            && self.links.connections.is_connected(&peer)
            && !self.links.connections.is_direct(&peer);
        self.links
            .connections
            .add(peer, connection, (origin, whither), now);
        if let Some(Host::Ip(ip)) = Target::of(remote).map(|target| target.host()) {
            self.reached[usize::from(ip.is_ipv6())] = true;
        }
        self.links.consider_pruning_others();
        self.links.look_for_surplus(&peer, now);
        if self.leaving.is_some() {
            self.links.release(peer, connection);
            return;
        }
        for id in self.links.exchanges.waiting_for(peer) {
            self.links.send_exchange(id, peer, connection);
        }
        for (id, partner) in self.links.exchanges.relay_ready(&peer) {
            self.dial_partner(id, partner, now);
        }
        // Both ends have met through the relay: they need not wait for their next exchange.
        if upgraded && self.publisher.contacts(|contacts| contacts.contains(&peer)) {
            self.links.upgraded(peer, connection);
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

    pub(in crate::swarm) fn on_connection_closed(&mut self, event: ConnectionClosed, now: Time) {
        let (peer, connection) = (event.peer_id, event.connection_id);
        let has_served = self.links.connections.has_served(&peer, connection);
        let is_theirs = self.links.connections.is_inbound(&peer, connection);
        let relay = self.links.connections.relay(&peer, connection);
        self.links.connections.remove(&peer, connection);
        self.links.fellow.closed(connection);
        self.links.disconnected(peer, connection);
        if self.links.exchanges.connection_closed(connection) {
            self.links.settle(peer, None, (now, &mut self.rng));
        }
        if let Some(relay) = relay {
            self.links.release_all(relay);
        }
        for id in self.links.exchanges.running_on(connection) {
            self.lost_its_connection(id, peer, (has_served, is_theirs), now);
        }
        if !self.links.connections.is_direct(&peer) {
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

    pub(in crate::swarm) fn on_dial_failure(&mut self, event: DialFailure, now: Time) {
        let refused = matches!(event.error, DialError::DialPeerConditionFalse(_));
        let is_ours = self.links.fellow.is_ours(event.connection_id);
        self.links.fellow.dial_failed(event.connection_id);
        let denied = matches!(
            event.error,
            DialError::Denied { .. } | DialError::NoAddresses
        );
        self.dials.dial_ended(event.connection_id);
        let nothing = refused || denied;
        let fates: BTreeMap<_, _> = self
            .dials
            .handed(event.connection_id)
            .into_iter()
            .flatten()
            .map(|address| (address.clone(), self.fate(event.error, &address)))
            .collect();
        self.dials
            .failed(event.connection_id, |address| match nothing {
                true => Fate::Unmade,
                false => fates.get(address).copied().unwrap_or(Fate::InVain),
            });
        self.links.dial_through_ended(event.connection_id);
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
                let is_news = match error {
                    SeedError::Ourselves => self.seeds.is_ourselves(&address),
                    _ => {
                        self.seeds.tried(&address);
                        true
                    }
                };
                if is_news {
                    let failed = Event::SeedFailed { address, error };
                    self.links.actions.emit(failed);
                }
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
        for (id, partner) in
            waiting.map_or_else(Vec::new, |peer| self.links.exchanges.relay_ready(&peer))
        {
            self.dial_partner(id, partner, now);
        }
        for id in waiting.map_or_else(Vec::new, |peer| self.links.exchanges.waiting_for(peer)) {
            self.waited_in_vain(id, event.error, now);
        }
        if let (Some(peer), DialError::Denied { cause }) = (event.peer_id, event.error)
            && is_blocked(cause)
        {
            self.block(peer, now);
        }
    }

    /// A guard of this swarm has denied the dial for exchange `id`: the exchange is made with somebody who is
    /// connected already, so that a node at its limits takes part all the same. Gives `error` back when
    /// there is nobody.
    fn ask_somebody_connected(
        &mut self,
        id: ExchangeId,
        error: ExchangeError,
        now: Time,
    ) -> Option<ExchangeError> {
        let busy = self.links.exchanges.partners();
        let is_free = |peer: &PeerId| !busy.contains(peer) && self.links.usable(peer).is_some();
        let neighbours = self.links.neighbours().iter().copied().filter(is_free);
        let partner = neighbours.choose(&mut self.rng).or_else(|| {
            let speaking = self.links.connections.speaking().map(|(peer, _)| peer);
            speaking.filter(is_free).choose(&mut self.rng)
        });
        let Some(exchange) =
            partner.and_then(|partner| self.gossip.exchange_instead(id, partner, now))
        else {
            return Some(error);
        };
        if let Some(refused) = self.links.exchanges.finish(id) {
            let failed = Outcome::Failed;
            self.candidates.ended(&refused.partner, failed, now);
            // Perhaps it was asked on a connection that is gone.
            self.links
                .settle(refused.partner, None, (now, &mut self.rng));
            self.links.actions.emit(Event::ExchangeFailed {
                peer: refused.partner,
                error,
                removed: false,
            });
        }
        self.carry_out(exchange, None, now);
        None
    }

    /// A guard of this swarm does not want the peer at all. Whoever tells of it brings it back no sooner than
    /// it is given another chance.
    fn block(&mut self, peer: PeerId, now: Time) {
        self.remove(&peer);
        self.blocked
            .insert(peer, now.saturating_add(self.blocked_for));
    }

    pub(in crate::swarm) fn on_listen_failure(&mut self, event: ListenFailure, now: Time) {
        if let (Some(peer), ListenError::Denied { cause }) = (event.peer_id, event.error)
            && is_blocked(cause)
        {
            self.block(peer, now);
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

    /// The connection closed before the answer came.
    fn lost_its_connection(
        &mut self,
        id: ExchangeId,
        partner: PeerId,
        (has_served, is_theirs): (bool, bool),
        now: Time,
    ) {
        let elsewhere = || self.links.usable(&partner).is_some();
        let known = elsewhere() || self.whereabouts(&partner).0.is_some();
        // Whoever had dialled was done with it when the request came.
        let is_worth_it = (has_served || is_theirs) && known;
        if is_worth_it && self.links.exchanges.redial(id) {
            return self.bring(id, partner, now);
        }
        let error = match has_served {
            true => ExchangeError::ConnectionClosed,
            // A guard of its has denied the connection, or it was done: it is there, and that is all there
            // is to be said.
            false => ExchangeError::TurnedAway,
        };
        self.exchange_failed(id, error, now);
    }

    /// Whether the relay that an address leads through is the one that is connected, and at that host: it need not
    /// have been dialled there. True also where there is no relay.
    fn is_relay_there(&self, address: &Multiaddr) -> bool {
        let relay = relay_of(address).zip(Target::of(address));
        relay.is_none_or(|(relay, target)| {
            let connections = &self.links.connections;
            connections.is_relay_at(&relay, target.host())
        })
    }

    /// What became of a failed dial at `address`.
    fn fate(&self, error: &DialError, address: &Multiaddr) -> Fate {
        match relay_of(address) {
            _ if never_left(error, address) => Fate::Unmade,
            Some(_) if self.busy_relay(address).is_some() => Fate::Unmade,
            Some(_) if self.is_relay_there(address) => Fate::RelayAnswered,
            _ => Fate::InVain,
        }
    }

    /// The relay of a relayed address, when it is only just being dialled by somebody else. libp2p's relay
    /// client does not wait for that dial, but gives up.
    fn busy_relay(&self, address: &Multiaddr) -> Option<PeerId> {
        let connections = &self.links.connections;
        relay_of(address)
            .filter(|relay| self.dials.is_dialling(relay) && !connections.is_direct(relay))
    }

    /// An exchange has waited for a dial of somebody else's, perhaps at an address that was stale:
    /// that says nothing about those that we know.
    fn waited_in_vain(&mut self, id: ExchangeId, error: &DialError, now: Time) {
        if self.links.exchanges.is_dialling(id) || self.links.exchanges.waits_for_relay(id) {
            return;
        }
        match self.links.exchanges.partner(id) {
            Some(partner) if self.links.exchanges.redial(id) => {
                self.dial_partner(id, partner, now);
            }
            _ => self.exchange_dial_failed(id, error, now),
        }
    }

    /// What it says that a dial has failed at every address. What is this machine's fault blames
    /// nobody.
    fn transport_error(
        &mut self,
        id: ExchangeId,
        tried: &[(Multiaddr, TransportError<io::Error>)],
        error: &DialError,
        now: Time,
    ) -> ExchangeError {
        let attempts = attempts(tried);
        if attempts.contains(&Attempt::Handshake) {
            return ExchangeError::Handshake(one_line(error));
        }
        if attempts.is_empty() || attempts.contains(&Attempt::InVain) {
            return ExchangeError::Unreachable(one_line(error));
        }
        if !self.recalled.contains(&id) {
            self.dials.give_back();
        }
        let offline = tried.iter().zip(&attempts);
        let mut offline = offline.filter(|(_, attempt)| **attempt == Attempt::Offline);
        if !offline.any(|((address, _), _)| self.has_reached(address)) {
            return NotDialled::NoTransport.into();
        }
        // A node that has just heard somebody has a network, whatever that address is.
        if self.heard_at.saturating_add(self.exchange_timeout) <= now {
            self.note_trouble(now);
        }
        ExchangeError::Offline(one_line(error))
    }

    /// Whether this node has ever had a connection of the address family of `address`: a machine
    /// without IPv6 has not lost it.
    fn has_reached(&self, address: &Multiaddr) -> bool {
        match Target::of(address).map(|target| target.host()) {
            Some(Host::Ip(ip)) => self.reached[usize::from(ip.is_ipv6())],
            _ => true,
        }
    }

    fn exchange_dial_failed(&mut self, id: ExchangeId, error: &DialError, now: Time) {
        if !self.links.exchanges.is_waiting(id) {
            return; // It found another connection.
        }
        if let DialError::Transport(attempts) = error
            && let Some(relay) = attempts.iter().find_map(|(a, _)| self.busy_relay(a))
        {
            self.links.exchanges.wait_for_relay(id, relay);
            return;
        }
        match error {
            DialError::Transport(attempts) if is_relay_full(attempts) => {
                self.exchange_failed(id, ExchangeError::RelayFull(one_line(error)), now);
            }
            // Somebody else dials the peer or has just connected it.
            DialError::DialPeerConditionFalse(_) => {
                let partner = self.links.exchanges.partner(id);
                let connection =
                    partner.and_then(|partner| Some((partner, self.links.usable(&partner)?)));
                if let Some((partner, connection)) = connection {
                    self.links.send_exchange(id, partner, connection);
                }
            }
            DialError::Denied { cause } if is_blocked(cause) => {
                self.dials.give_back();
                self.exchange_failed(id, ExchangeError::Blocked, now);
            }
            DialError::Denied { .. } => {
                self.dials.give_back();
                let error = ExchangeError::Refused(one_line(error));
                // A candidate is no round's partner, and nobody is asked in its place.
                let error = match self.is_candidate(id) {
                    true => Some(error),
                    false => self.ask_somebody_connected(id, error, now),
                };
                if let Some(error) = error {
                    self.exchange_failed(id, error, now);
                }
            }
            DialError::Aborted => {
                self.exchange_failed(id, ExchangeError::Refused(one_line(error)), now);
            }
            DialError::NoAddresses => {
                self.exchange_failed(id, NotDialled::NoAddress.into(), now);
            }
            DialError::Transport(tried) => {
                let error = self.transport_error(id, tried, error, now);
                if !matches!(error, ExchangeError::Handshake(_)) || !self.dial_anew(id, now) {
                    self.exchange_failed(id, error, now);
                }
            }
            DialError::LocalPeerId { .. } | DialError::WrongPeerId { .. } => {
                self.exchange_failed(id, ExchangeError::Unreachable(one_line(error)), now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use std::collections::BTreeSet;

    use libp2p_core::multiaddr::Protocol;
    use libp2p_identity::Keypair;
    use libp2p_swarm::{ConnectionDenied, ToSwarm};

    use super::*;
    use crate::{
        sampling::overlay::random::Random,
        swarm::{
            handler::{Command, InboundId, OutboundId},
            sampling::{
                config::Config,
                driver::testing::{SECOND, closed, dialled, drain, driver},
                pruning::Pruning,
            },
            wire::{Proposal, Request, Response},
        },
    };

    fn relays_home() -> Multiaddr {
        "/ip4/127.0.0.1/tcp/9".parse().expect("a multiaddr")
    }

    fn somewhere() -> Multiaddr {
        "/ip4/127.0.0.1/tcp/8".parse().expect("a multiaddr")
    }

    fn behind(relay: PeerId) -> Multiaddr {
        let circuit = relays_home().with(Protocol::P2p(relay));
        circuit.with(Protocol::P2pCircuit)
    }

    /// Puts `count` peers behind `relay` into the view.
    fn put_behind(driver: &mut Driver<Random>, relay: PeerId, count: usize) -> Vec<PeerId> {
        let records = (0..count).map(|_| {
            let keypair = Keypair::generate_ed25519();
            Record::sign(&keypair, 1, &[behind(relay)]).expect("signing works")
        });
        let records: Vec<_> = records.collect();
        let peers = records.iter().map(Record::peer_id).collect();
        assert_eq!(driver.init(records), count);
        peers
    }

    fn connect(driver: &mut Driver<Random>, peer: PeerId, id: ConnectionId, address: Multiaddr) {
        dialled(driver, peer, id, address, Time::new(SECOND));
    }

    fn close(driver: &mut Driver<Random>, peer: PeerId, id: ConnectionId) {
        closed(driver, peer, id, Time::new(SECOND));
    }

    fn id(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked((1 << 41) + number)
    }

    /// The dials that the driver wants now: where the swarm is told to go.
    fn dials(driver: &mut Driver<Random>) -> Vec<(ConnectionId, PeerId, Vec<Multiaddr>)> {
        driver.advance(Time::new(SECOND));
        let dials = drain(driver).into_iter().filter_map(|action| match action {
            ToSwarm::Dial { opts } => Some((opts.connection_id(), opts.get_peer_id()?)),
            _ => None,
        });
        let dials: Vec<_> = dials.collect();
        let go = |(id, peer)| {
            (
                id,
                peer,
                driver.addresses_to_dial(id, Some(peer), Time::new(SECOND)),
            )
        };
        dials.into_iter().map(go).collect()
    }

    /// The dial ends as libp2p's relay client ends it, whatever the reason.
    fn no_circuit(driver: &mut Driver<Random>, dial: ConnectionId, peer: PeerId, at: &[Multiaddr]) {
        let attempts = at.iter().map(|address| {
            let full = address.clone().with(Protocol::P2p(peer));
            (full, TransportError::Other(io::Error::other("no circuit")))
        });
        let failure = DialFailure {
            peer_id: Some(peer),
            error: &DialError::Transport(attempts.collect()),
            connection_id: dial,
        };
        driver.on_dial_failure(failure, Time::new(SECOND));
    }

    fn sent(actions: &[ToSwarm<Event, Command>]) -> Vec<(ConnectionId, OutboundId, Proposal)> {
        let sent = actions.iter().filter_map(|action| match action {
            ToSwarm::NotifyHandler {
                handler: libp2p_swarm::NotifyHandler::One(connection),
                event: Command::Request(id, Request::Exchange { neighbour, .. }),
                ..
            } => Some((*connection, *id, *neighbour)),
            _ => None,
        });
        sent.collect()
    }

    /// libp2p's relay client gives up when somebody else is just dialling the relay.
    #[test]
    fn an_exchange_waits_for_somebody_elses_dial_of_the_relay() {
        let mut driver = driver(Config::local().with_relayed(true).with_neighbours(0));
        let relay = PeerId::random();
        let peer = put_behind(&mut driver, relay, 1)[0];
        let dialled = dials(&mut driver);
        let [(dial, _, addresses)] = &dialled[..] else {
            panic!("{dialled:?}");
        };
        driver.addresses_to_dial(id(1), Some(relay), Time::new(SECOND));
        no_circuit(&mut driver, *dial, peer, addresses);
        assert!(driver.gossip.view().contains(&peer));
        assert!(dials(&mut driver).is_empty(), "too early");
        connect(&mut driver, relay, id(1), relays_home());
        let again = dials(&mut driver);
        assert!(
            matches!(&again[..], [(_, to, _)] if *to == peer),
            "{again:?}"
        );
        // There is the relay, and there is no circuit.
        no_circuit(&mut driver, again[0].0, peer, &again[0].2);
        assert!(!driver.gossip.view().contains(&peer));
        assert!(driver.links.exchanges.waiting_for(peer).is_empty());
        assert!(driver.dials.is_empty());
    }

    #[test]
    fn one_dead_peer_behind_a_relay_that_answers_does_not_shut_out_the_rest() {
        for (answers, expected) in [(true, 4), (false, 1)] {
            let mut limits = *Config::local().limits();
            limits.dials_per_address = 3;
            let config = Config::local().with_relayed(true).with_neighbours(0);
            let mut driver = driver(config.with_limits(limits));
            let relay = PeerId::random();
            if answers {
                connect(&mut driver, relay, id(1), relays_home());
            }
            put_behind(&mut driver, relay, 20);
            let mut count = 0;
            loop {
                let dialled = dials(&mut driver);
                if dialled.is_empty() {
                    break;
                }
                for (dial, peer, at) in dialled {
                    count += at.len();
                    no_circuit(&mut driver, dial, peer, &at);
                }
            }
            // A round tries four partners.
            assert_eq!(count, expected, "{answers}");
        }
    }

    /// Somebody behind an honest relay says that the relay is where a victim is.
    #[test]
    fn a_relay_vouches_for_its_own_host_alone() {
        let config = Config::local().with_relayed(true).with_neighbours(0);
        let mut driver = driver(config);
        let relay = PeerId::random();
        let true_home = "/ip4/10.0.0.7/tcp/9".parse().expect("a multiaddr");
        connect(&mut driver, relay, id(1), true_home);
        let peer = put_behind(&mut driver, relay, 1)[0];
        let dialled = dials(&mut driver);
        let address = behind(relay).with(Protocol::P2p(peer));
        connect(&mut driver, peer, dialled[0].0, address);
        let connections = &driver.links.connections;
        assert_eq!(connections.dialled(&peer, dialled[0].0), None);
    }

    /// A listener that never has an address: a relay that does not answer, over and over.
    #[test]
    fn a_listener_that_is_never_set_up_keeps_nothing_open_for_ever() {
        let mut driver = driver(Config::local().with_neighbours(0));
        let seed = somewhere();
        driver
            .seeds
            .add(seed.clone(), PeerId::random())
            .expect("an address");
        driver.links.set_listening(BTreeSet::new(), 1, Time::ZERO);
        driver.advance(Time::ZERO);
        assert!(drain(&mut driver).is_empty(), "seeds wait for the listener");
        let mut actions = Vec::new();
        while actions.is_empty() {
            let wake = driver.next_wake().expect("and not for ever");
            assert!(wake <= Time::new(2 * SECOND), "{wake:?}");
            driver.advance(wake);
            actions = drain(&mut driver);
        }
        let dial = actions.iter().find_map(|action| match action {
            ToSwarm::Dial { opts } => Some(opts.connection_id()),
            _ => None,
        });
        let (dial, peer) = (dial.expect("the seed's turn"), PeerId::random());
        connect(&mut driver, peer, dial, seed);
        let request = sent(&drain(&mut driver))[0].1;
        let answer = Ok(Response::empty());
        driver.on_outcome(peer, dial, request, answer, Time::new(2 * SECOND));
        driver.links.on_idle(peer, dial);
        let closes = |driver: &mut Driver<Random>| {
            let mut actions = drain(driver).into_iter();
            actions.any(|action| matches!(action, ToSwarm::CloseConnection { .. }))
        };
        assert!(!closes(&mut driver), "the listener may need it");
        let mut wake = Time::ZERO;
        while wake < Time::new(120 * SECOND) && !closes(&mut driver) {
            wake = Time::new(driver.next_wake().expect("the wait ends").since_zero());
            driver.advance(wake);
            driver.links.on_idle(peer, dial);
        }
        assert!(wake < Time::new(120 * SECOND), "kept for nothing");
        assert!(driver.next_wake() > Some(wake));
    }

    /// All that could be pruned was busy when there was something to prune.
    #[test]
    fn what_was_busy_is_pruned_later() {
        let pruning = Pruning {
            max_connections: 1,
            grace: 5 * SECOND,
        };
        let config = Config::local().with_neighbours(0);
        let mut driver = driver(config.with_pruning(Some(pruning)));
        let peers = [1, 2].map(|at| (PeerId::random(), id(at)));
        for (peer, connection) in peers {
            connect(&mut driver, peer, connection, somewhere());
        }
        driver.advance(Time::new(SECOND));
        let requests = sent(&drain(&mut driver));
        assert_eq!(requests.len(), 2, "siblings' connections are used");
        driver.advance(Time::new(7 * SECOND));
        assert!(drain(&mut driver).is_empty(), "both are busy");
        for (connection, request, _) in requests {
            let of = peers.iter().find(|(_, id)| *id == connection);
            let (peer, _) = of.expect("one of the two");
            let answer = Ok(Response::empty());
            driver.on_outcome(*peer, connection, request, answer, Time::new(7 * SECOND));
        }
        drain(&mut driver);
        let mut closed = 0;
        for _ in 0..3 {
            let Some(wake) = driver.next_wake() else {
                break;
            };
            driver.advance(wake);
            let actions = drain(&mut driver).into_iter();
            let close = |action: &_| matches!(action, ToSwarm::CloseConnection { .. });
            closed += actions.filter(close).count();
        }
        assert_eq!(closed, 1);
    }

    #[test]
    fn neighbours_are_agreed_on_over_direct_connections_alone() {
        let mut driver = driver(Config::local().with_relayed(true));
        let (peer, relay) = (PeerId::random(), PeerId::random());
        connect(&mut driver, relay, id(0), relays_home());
        drain(&mut driver);
        connect(&mut driver, peer, id(1), behind(relay));
        driver.advance(Time::new(SECOND));
        let requests = sent(&drain(&mut driver));
        let request = requests.iter().find(|(on, ..)| *on == id(1));
        let (on, outbound, proposal) = *request.expect("an exchange");
        assert_eq!(proposal, Proposal::None);
        driver.on_outcome(peer, on, outbound, Ok(Response::empty()), Time::new(SECOND));
        let request = Request::notice(Proposal::Needed);
        driver.on_request(peer, id(1), InboundId(1), request, Time::new(SECOND));
        assert!(driver.links.neighbours().is_empty());
        drain(&mut driver);

        // dcutr has made a direct one of it.
        connect(&mut driver, peer, id(2), relays_home());
        let proposed = sent(&drain(&mut driver));
        let [(on, outbound, Proposal::Needed)] = proposed[..] else {
            panic!("{proposed:?}");
        };
        assert_eq!(on, id(2));
        let yes = Response {
            neighbour: true,
            ..Response::empty()
        };
        driver.on_outcome(peer, on, outbound, Ok(yes), Time::new(SECOND));
        assert_eq!(driver.links.neighbours(), [peer]);
        assert_eq!(driver.links.usable(&peer), Some(id(2)));
        close(&mut driver, peer, id(2));
        assert!(driver.links.neighbours().is_empty());
        let down = drain(&mut driver).into_iter().any(|action| {
            matches!(
                action,
                ToSwarm::GenerateEvent(Event::NeighbourDown {
                    reason: NeighbourDownReason::ConnectionClosed,
                    ..
                })
            )
        });
        assert!(down, "nobody was told");
        assert_eq!(driver.links.usable(&peer), Some(id(1)));
    }

    /// dcutr takes a while; and where nobody is wanted, or nothing comes of it, the circuit is let go.
    #[test]
    fn a_circuit_is_left_open_for_a_direct_connection_and_no_longer() {
        for neighbours in [0, 1] {
            let config = Config::local().with_relayed(true);
            let mut driver = driver(config.with_neighbours(neighbours));
            let peer = put_behind(&mut driver, PeerId::random(), 1)[0];
            let (dial, to, addresses) = dials(&mut driver).remove(0);
            assert_eq!(to, peer);
            let released = |driver: &mut Driver<Random>| {
                let actions = drain(driver).into_iter();
                let to_handlers = actions.filter_map(|action| match action {
                    ToSwarm::NotifyHandler { event, .. } => Some(event),
                    _ => None,
                });
                to_handlers
                    .filter(|c| matches!(c, Command::NotifyIdle))
                    .count()
            };
            let address = addresses[0].clone().with(Protocol::P2p(peer));
            connect(&mut driver, peer, dial, address);
            let (_, request, _) = sent(&drain(&mut driver))[0];
            driver.on_outcome(
                peer,
                dial,
                request,
                Ok(Response::empty()),
                Time::new(SECOND),
            );
            assert_eq!(released(&mut driver), 1 - neighbours);
            let wake = driver.next_wake().expect("rounds, and the end of the wait");
            assert!(wake <= Time::new(6 * SECOND), "{wake:?}");
            driver
                .links
                .end_waits(Time::new(6 * SECOND - Duration::from_nanos(1)));
            assert_eq!(released(&mut driver), 0, "too early");
            driver.links.end_waits(Time::new(6 * SECOND));
            assert_eq!(released(&mut driver), 1, "kept for nothing");
            driver.links.end_waits(Time::new(7 * SECOND));
            assert_eq!((released(&mut driver), driver.links.next_end()), (0, None));
        }
    }

    /// A guard of this swarm denies each dial, and somebody is connected who would do for ever.
    #[test]
    fn who_was_denied_has_another_chance_although_there_are_others() {
        let mut driver = driver(Config::local().with_neighbours(0));
        let records = [1, 2].map(|at| {
            let keypair = Keypair::generate_ed25519();
            let home = Multiaddr::empty().with(Protocol::Memory(at));
            Record::sign(&keypair, 1, &[home]).expect("signing works")
        });
        let [connected, denied] = [0, 1].map(|at| records[at].peer_id());
        driver.init(records);
        connect(&mut driver, connected, id(1), somewhere());
        let (mut dials, mut now) = (0, SECOND);
        for _ in 0..60 {
            driver.advance(Time::new(now));
            let actions = drain(&mut driver);
            for (on, outbound, _) in sent(&actions) {
                driver.on_outcome(
                    connected,
                    on,
                    outbound,
                    Ok(Response::empty()),
                    Time::new(now),
                );
            }
            for action in actions {
                let ToSwarm::Dial { opts } = action else {
                    continue;
                };
                dials += 1;
                let cause = ConnectionDenied::new("too many connections");
                let failure = DialFailure {
                    peer_id: Some(denied),
                    error: &DialError::Denied { cause },
                    connection_id: opts.connection_id(),
                };
                driver.on_dial_failure(failure, Time::new(now));
            }
            now = driver
                .next_wake()
                .map_or(now, |at| at.max(Time::new(now)).since_zero());
        }
        assert!(driver.gossip.view().contains(&denied));
        assert!(dials > 3, "{dials} dials");
    }

    /// Who was asked for an exchange has closed the connection, and may not be dialled again.
    #[test]
    fn nobody_is_waited_for_whom_another_was_asked_instead_of() {
        let mut driver = driver(Config::local().with_neighbours(0));
        let keypair = Keypair::generate_ed25519();
        let (peer, other) = (keypair.public().to_peer_id(), PeerId::random());
        driver.init([Record::sign(&keypair, 1, &[somewhere()]).expect("signing works")]);
        connect(&mut driver, peer, id(1), somewhere());
        driver
            .links
            .connections
            .mark_support(&peer, id(1), true, Time::new(SECOND));
        driver.advance(Time::new(SECOND));
        let asked = sent(&drain(&mut driver));
        assert_eq!(asked.len(), 1);
        connect(&mut driver, other, id(2), relays_home());
        driver
            .links
            .connections
            .mark_support(&other, id(2), true, Time::new(SECOND));
        close(&mut driver, peer, id(1));
        let dial = drain(&mut driver)
            .iter()
            .find_map(|action| match action {
                ToSwarm::Dial { opts } => Some(opts.connection_id()),
                _ => None,
            })
            .expect("another connection");
        let cause = ConnectionDenied::new("too many connections");
        let failure = DialFailure {
            peer_id: Some(peer),
            error: &DialError::Denied { cause },
            connection_id: dial,
        };
        driver.on_dial_failure(failure, Time::new(SECOND));
        let asked = sent(&drain(&mut driver));
        let [(on, outbound, _)] = asked[..] else {
            panic!("{asked:?}");
        };
        driver.on_outcome(
            other,
            on,
            outbound,
            Ok(Response::empty()),
            Time::new(SECOND),
        );
        assert!(driver.links.is_settled());
    }

    /// The answer to such a proposal is lost with its connection.
    #[test]
    fn no_place_is_held_for_a_proposal_whose_connection_is_gone() {
        let config = Config::local().with_relayed(true).with_neighbours(1);
        let mut driver = driver(config);
        let (peer, other) = (PeerId::random(), PeerId::random());
        connect(&mut driver, peer, id(1), behind(PeerId::random()));
        driver.advance(Time::new(SECOND));
        let (on, outbound, _) = sent(&drain(&mut driver))[0];
        driver.on_outcome(peer, on, outbound, Ok(Response::empty()), Time::new(SECOND));
        connect(&mut driver, peer, id(2), relays_home());
        assert_eq!(sent(&drain(&mut driver)).len(), 1, "a proposal");
        connect(&mut driver, peer, id(3), relays_home());
        close(&mut driver, peer, id(2));
        drain(&mut driver);
        connect(&mut driver, other, id(4), relays_home());
        driver.advance(Time::new(SECOND));
        let proposed = sent(&drain(&mut driver));
        assert!(
            matches!(proposed[..], [(_, _, Proposal::Needed)]),
            "{proposed:?}"
        );
    }

    /// It was proposed on a direct connection; then that closed, and the request went through a relay.
    #[test]
    fn a_yes_through_a_relay_costs_nobody_its_place() {
        let config = Config::local().with_relayed(true).with_neighbours(2);
        let mut driver = driver(config.with_neighbour_rotation(Some(1)));
        let yes = || Response {
            neighbour: true,
            ..Response::empty()
        };
        let peers: Vec<_> = (0..3).map(|_| PeerId::random()).collect();
        for (number, peer) in peers.iter().enumerate() {
            connect(&mut driver, *peer, id(number), relays_home());
            driver.advance(Time::new(SECOND));
            let (on, outbound, _) = sent(&drain(&mut driver))[0];
            driver.on_outcome(*peer, on, outbound, Ok(yes()), Time::new(SECOND));
        }
        assert_eq!(driver.links.neighbours(), &peers[..2]);
        (0..2).for_each(|_| driver.links.begin_round(Time::new(SECOND)));
        drain(&mut driver);

        let third = peers[2];
        connect(&mut driver, third, id(3), behind(PeerId::random()));
        let exchange = driver.gossip.exchange_with(third, Time::new(SECOND));
        driver.carry_out(
            exchange.expect("none is in flight"),
            None,
            Time::new(SECOND),
        );
        let (on, _, proposal) = sent(&drain(&mut driver))[0];
        assert_eq!((on, proposal), (id(2), Proposal::Welcome), "it is due");
        close(&mut driver, third, id(2));
        let (on, outbound, proposal) = sent(&drain(&mut driver))[0];
        assert_eq!((on, proposal), (id(3), Proposal::None));
        driver.on_outcome(third, on, outbound, Ok(yes()), Time::new(SECOND));
        assert_eq!(driver.links.neighbours(), &peers[..2]);
    }

    #[test]
    fn what_carries_other_connections_is_closed_after_them() {
        let mut driver = driver(Config::local().with_relayed(true).with_neighbours(0));
        let (relay, peer) = (PeerId::random(), PeerId::random());
        let keypair = Keypair::generate_ed25519();
        driver
            .seeds
            .add(relays_home(), keypair.public().to_peer_id())
            .expect("an address");
        driver.advance(Time::new(SECOND));
        let dial = drain(&mut driver)
            .into_iter()
            .find_map(|action| match action {
                ToSwarm::Dial { opts } => Some(opts.connection_id()),
                _ => None,
            });
        let seed = dial.expect("the seed is dialled");
        connect(&mut driver, relay, seed, relays_home());
        let (_, outbound, _) = sent(&drain(&mut driver))[0];
        connect(&mut driver, peer, id(1), behind(relay));
        drain(&mut driver);
        driver.on_outcome(
            relay,
            seed,
            outbound,
            Ok(Response::empty()),
            Time::new(SECOND),
        );
        let closes = |driver: &mut Driver<Random>| {
            driver.links.on_idle(relay, seed);
            let actions = drain(driver);
            actions
                .iter()
                .any(|a| matches!(a, ToSwarm::CloseConnection { .. }))
        };
        assert!(!closes(&mut driver), "it carries another");
        close(&mut driver, peer, id(1));
        let asked = drain(&mut driver).iter().any(|action| {
            matches!(
                action,
                ToSwarm::NotifyHandler {
                    event: Command::NotifyIdle,
                    ..
                }
            )
        });
        assert!(asked, "nobody will ever close it");
        assert!(closes(&mut driver));
    }
}
