//! Drives the state machine by what happens in the swarm: every input comes with the time, every
//! output is an [`Actions`] entry. No clock, no timer.

use std::time::Duration;

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::{
    ConnectionId, DialError,
    behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure},
};
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    gossip::{
        Failed, Gossip,
        message::{Exchange, ExchangeId, Failure},
    },
    overlay::Overlay,
    swarm::{
        address::split_peer,
        behaviour::{
            connections::Origin,
            event::{Direction, Event, ExchangeError, NeighbourDownReason, SeedError, one_line},
            exchanges::{Dial, Purpose},
            links::Links,
            seeds::Seeds,
        },
        config::{Config, ConfigError},
        handle::Publisher,
        handler::{Command, InboundId, OutboundError, OutboundId},
        record::Record,
        wire::{Request, Response},
    },
};

/// How long a peer that has connected to us is left to start an exchange itself before we do, while
/// the view has room. A guess.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long goodbyes may take. A guess: a round trip, and nothing depends on them.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);
/// One node in a swarm: the state machine, its connections, its seeds.
#[derive(Debug)]
pub(super) struct Driver<O> {
    pub(super) gossip: Gossip<Record, O, StdRng>,
    pub(super) publisher: Publisher,
    pub(super) links: Links,
    pub(super) seeds: Seeds,
    exchange_timeout: Duration,
    leaving: Option<Leaving>,
    rng: StdRng,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// Goodbyes are on their way, at most until this time.
    Until(Duration),
    Left,
}

impl<O: Overlay<Record>> Driver<O> {
    pub(super) fn new(
        local: PeerId,
        config: &Config,
        overlay: O,
        mut rng: StdRng,
    ) -> Result<Self, ConfigError> {
        let gossip_rng = StdRng::from_rng(&mut rng);
        Ok(Self {
            gossip: Gossip::new(local, config.gossip().clone(), overlay, gossip_rng)?,
            publisher: Publisher::new(StdRng::from_rng(&mut rng)),
            links: Links::new(config.neighbours()),
            seeds: Seeds::new(config.seed_backoff()),
            exchange_timeout: config.gossip().exchange_timeout(),
            leaving: None,
            rng,
        })
    }

    /// Removes a peer from the view and from the neighbours; returns whether it was in the view.
    pub(super) fn remove(&mut self, peer: &PeerId) -> bool {
        if self.links.is_neighbour(peer) {
            self.links.dissolve(*peer);
            self.links
                .remove_neighbour(*peer, NeighbourDownReason::Dissolved);
        }
        let removed = self.gossip.remove(peer).is_some();
        self.publish();
        removed
    }

    /// Says goodbye, and takes no part any more.
    pub(super) fn leave(&mut self, now: Duration) {
        if self.leaving.is_some() {
            return;
        }
        self.links.say_goodbye();
        self.leaving = Some(Leaving::Until(now.saturating_add(LEAVE_TIMEOUT)));
    }

    fn publish(&self) {
        self.publisher.publish(self.gossip.view());
    }

    // ---- What is due ----

    /// Does what the time asks for.
    pub(super) fn advance(&mut self, now: Duration) {
        match self.leaving {
            Some(Leaving::Left) => return,
            Some(Leaving::Until(end)) => {
                if now >= end || !self.links.exchanges.has_notices() {
                    self.leaving = Some(Leaving::Left);
                    self.links.actions.emit(Event::Left);
                }
                return;
            }
            None => {}
        }
        while let Some(failed) = self.gossip.poll_timeout(now) {
            self.exchange_timed_out(failed);
        }
        while let Some(exchange) = self.gossip.poll_round(now) {
            self.carry_out(exchange, None);
        }
        while let Some(address) = self.seeds.poll_timeout(now) {
            let error = SeedError::Timeout;
            self.links
                .actions
                .emit(Event::SeedFailed { address, error });
        }
        // Dialling and the exchange each have the exchange's time.
        let seed_timeout = 2 * self.exchange_timeout;
        let mut lonely = self.gossip.view().is_empty();
        while let Some(address) = self.seeds.poll(now, seed_timeout, lonely, &mut self.rng) {
            self.contact_seed(address, now);
            lonely = self.gossip.view().is_empty();
        }
        if self.has_room() {
            while let Some(peer) = self.links.connections.untried(now, PATIENCE) {
                self.contact_connected(peer, now);
            }
        }
        if self.links.is_newly_short() {
            self.gossip.hasten(now);
        }
    }

    pub(super) fn next_wake(&self) -> Option<Duration> {
        match self.leaving {
            Some(Leaving::Left) => None,
            Some(Leaving::Until(end)) => Some(end),
            None => {
                let untried = self
                    .has_room()
                    .then(|| self.links.connections.next_untried(PATIENCE));
                [
                    self.gossip.next_wake(),
                    self.seeds.next_wake(),
                    untried.flatten(),
                ]
                .into_iter()
                .flatten()
                .min()
            }
        }
    }

    fn has_room(&self) -> bool {
        self.gossip.view().len() < self.gossip.config().view_size()
    }

    fn contact_seed(&mut self, address: Multiaddr, now: Duration) {
        let (_, peer) = split_peer(&address);
        let connected = peer.filter(|peer| self.links.connections.usable(peer).is_some());
        if let Some(peer) = connected {
            match self.gossip.exchange_with(peer, now) {
                Some(exchange) => self.carry_out(exchange, Some(address)),
                // One with the same peer is under way: as good.
                None => _ = self.seeds.tried(&address),
            }
            return;
        }
        let connection = self.links.actions.dial_address(&address);
        self.links
            .exchanges
            .dialled(connection, Dial::Seed(address));
    }

    /// Somebody else has connected the peer: perhaps it speaks the protocol.
    fn contact_connected(&mut self, peer: PeerId, now: Duration) {
        let exchange = match self.gossip.view().contains(&peer) {
            true => None, // Its turn will come.
            false => self.gossip.exchange_with(peer, now),
        };
        match exchange {
            Some(exchange) => self.carry_out(exchange, None),
            None => {
                let connections: Vec<_> = self.links.connections.of(&peer).collect();
                for connection in connections {
                    self.links.connections.mark_used(&peer, connection);
                }
            }
        }
    }

    // ---- Exchanges that this node starts ----

    fn carry_out(&mut self, exchange: Exchange<Record, PeerId>, seed: Option<Multiaddr>) {
        let (id, partner) = (exchange.id, exchange.partner);
        self.links.exchanges.start(exchange, seed);
        match self.links.connections.usable(&partner) {
            Some(connection) => self.links.send_exchange(id, partner, connection),
            None if self.links.connections.is_connected(&partner) => {
                self.exchange_failed(id, OutboundError::Unsupported.into());
            }
            None => {
                let connection = self.links.actions.dial_peer(partner);
                self.links.exchanges.dialled(connection, Dial::Exchange(id));
            }
        }
    }

    pub(super) fn on_outcome(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        outbound: OutboundId,
        result: Result<Response, OutboundError>,
        now: Duration,
    ) {
        if let Err(OutboundError::Unsupported) = result {
            self.links
                .connections
                .mark_support(&peer, connection, false);
        }
        match (self.links.exchanges.answered(outbound), result) {
            (Some(Purpose::Exchange(id)), Ok(response)) => {
                self.exchange_succeeded(id, peer, connection, response, now);
            }
            (Some(Purpose::Exchange(id)), Err(error)) => self.exchange_failed(id, error.into()),
            (Some(Purpose::Notice), _) => self.links.release(peer, connection),
            (None, result) => {
                tracing::debug!(%peer, ?result, "An answer to an exchange that was given up");
                // It believes to be a neighbour, and is none: the place held for it is gone.
                if result.is_ok_and(|response| response.neighbour)
                    && !self.links.is_neighbour(&peer)
                {
                    self.links.dissolve(peer);
                }
            }
        }
    }

    fn exchange_succeeded(
        &mut self,
        id: ExchangeId,
        peer: PeerId,
        connection: ConnectionId,
        response: Response,
        now: Duration,
    ) {
        let Response { gossip, neighbour } = response;
        let received = gossip.descriptors.len();
        self.links.connections.mark_support(&peer, connection, true);
        if let Some(seed) = self
            .links
            .exchanges
            .finish(id)
            .and_then(|running| running.seed)
        {
            self.seeds.tried(&seed);
        }
        // Known, or `answered` would not have known it.
        if self.gossip.handle_response(id, gossip, now).is_ok() {
            self.links.actions.emit(Event::Exchanged {
                peer,
                direction: Direction::Outbound,
                received,
                view_len: self.gossip.view().len(),
            });
        }
        self.links.settle(peer, Some(neighbour));
        self.links.release(peer, connection);
        self.publish();
    }

    fn exchange_failed(&mut self, id: ExchangeId, error: ExchangeError) {
        match self.gossip.handle_failure(id, failure(&error)) {
            Ok(failed) => self.after_failure(failed, error),
            Err(unknown) => tracing::debug!(%unknown, %error, "A failure that comes too late"),
        }
    }

    fn exchange_timed_out(&mut self, mut failed: Failed<PeerId>) {
        // Nobody has opened the door in all that time: that is no exchange that broke.
        let waiting = self.links.exchanges.is_waiting(failed.id);
        if waiting && self.gossip.remove(&failed.partner).is_some() {
            failed.removed = true;
        }
        self.after_failure(failed, ExchangeError::Timeout);
    }

    fn after_failure(&mut self, failed: Failed<PeerId>, error: ExchangeError) {
        let running = self.links.exchanges.finish(failed.id);
        let (peer, removed) = (failed.partner, failed.removed);
        match running.as_ref().and_then(|running| running.seed.clone()) {
            Some(address) => {
                self.seeds.tried(&address);
                let error = SeedError::Exchange(error);
                self.links
                    .actions
                    .emit(Event::SeedFailed { address, error });
            }
            None => self.links.actions.emit(Event::ExchangeFailed {
                peer,
                error,
                removed,
            }),
        }
        if let Some(connection) = running.and_then(|running| running.connection) {
            self.links.settle(peer, None);
            self.links.release(peer, connection);
        }
        self.publish();
    }

    // ---- Exchanges that others start ----

    pub(super) fn on_request(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        id: InboundId,
        request: Request,
    ) {
        self.links.connections.mark_used(&peer, connection);
        self.links.connections.mark_support(&peer, connection, true);
        if self.leaving.is_some() {
            // An answer would keep this node in the other's view.
            let refuse = Command::Refuse(id);
            self.links.actions.command(peer, connection, refuse);
            return;
        }
        let response = match request {
            Request::Goodbye => {
                self.gossip.remove(&peer);
                self.links
                    .remove_neighbour(peer, NeighbourDownReason::Goodbye);
                Response::empty()
            }
            Request::Exchange { gossip, neighbour } => {
                let received = gossip.descriptors.len();
                // A notice is not an exchange, and ages nothing.
                let notice = received == 0 && !gossip.pull;
                let gossip = match notice {
                    true => Response::empty().gossip,
                    false => self.gossip.handle_request(&peer, gossip),
                };
                if !notice {
                    self.links.actions.emit(Event::Exchanged {
                        peer,
                        direction: Direction::Inbound,
                        received,
                        view_len: self.gossip.view().len(),
                    });
                }
                let neighbour = self.links.answer(peer, neighbour, &mut self.rng);
                Response { gossip, neighbour }
            }
        };
        self.links
            .actions
            .command(peer, connection, Command::Respond(id, response));
        self.publish();
    }

    // ---- The swarm ----

    pub(super) fn on_connection_established(
        &mut self,
        event: ConnectionEstablished,
        now: Duration,
    ) {
        let (peer, connection) = (event.peer_id, event.connection_id);
        let dial = self.links.exchanges.dial_ended(connection);
        let origin = match (&dial, event.endpoint.is_dialer()) {
            (Some(_), _) => Origin::Exchange,
            (None, true) => Origin::Sibling,
            (None, false) => Origin::Inbound,
        };
        self.links.connections.add(peer, connection, origin, now);
        for id in self.links.exchanges.waiting_for(peer) {
            self.links.send_exchange(id, peer, connection);
        }
        let unused = match dial {
            Some(Dial::Seed(address)) => match self.gossip.exchange_with(peer, now) {
                Some(exchange) => {
                    self.links.exchanges.start(exchange.clone(), Some(address));
                    self.links.send_exchange(exchange.id, peer, connection);
                    false
                }
                // One with the same peer is under way: as good.
                None => self.seeds.tried(&address),
            },
            Some(Dial::Exchange(_)) => !self.links.exchanges.is_busy(connection),
            None => false,
        };
        if unused {
            self.links.release(peer, connection);
        }
    }

    pub(super) fn on_connection_closed(&mut self, event: ConnectionClosed) {
        let (peer, connection) = (event.peer_id, event.connection_id);
        self.links.connections.remove(&peer, connection);
        self.links.exchanges.connection_closed(connection);
        for id in self.links.exchanges.running_on(connection) {
            self.exchange_failed(id, ExchangeError::ConnectionClosed);
        }
        if !self.links.connections.is_connected(&peer) {
            self.links
                .remove_neighbour(peer, NeighbourDownReason::ConnectionClosed);
        }
    }

    pub(super) fn on_dial_failure(&mut self, event: DialFailure) {
        match self.links.exchanges.dial_ended(event.connection_id) {
            Some(Dial::Exchange(id)) => self.exchange_dial_failed(id, event.error),
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
            // Somebody else's dial: an exchange may have waited for it.
            None => {
                let waiting = event
                    .peer_id
                    .map(|peer| self.links.exchanges.waiting_for(peer));
                for id in waiting.unwrap_or_default() {
                    if !self.links.exchanges.is_dialling(id) {
                        self.exchange_dial_failed(id, event.error);
                    }
                }
            }
        }
    }

    fn exchange_dial_failed(&mut self, id: ExchangeId, error: &DialError) {
        if !self.links.exchanges.is_waiting(id) {
            return; // It found another connection.
        }
        match error {
            // Somebody else dials the peer or has just connected it.
            DialError::DialPeerConditionFalse(_) => {
                let partner = self.links.exchanges.partner(id);
                let connection = partner
                    .and_then(|partner| Some((partner, self.links.connections.usable(&partner)?)));
                if let Some((partner, connection)) = connection {
                    self.links.send_exchange(id, partner, connection);
                }
            }
            DialError::Denied { .. } | DialError::Aborted => {
                self.exchange_failed(id, ExchangeError::Refused(one_line(error)));
            }
            DialError::LocalPeerId { .. }
            | DialError::NoAddresses
            | DialError::WrongPeerId { .. }
            | DialError::Transport(_) => {
                self.exchange_failed(id, ExchangeError::Unreachable(one_line(error)));
            }
        }
    }
}

/// What an error says about the partner.
fn failure(error: &ExchangeError) -> Failure {
    match error {
        ExchangeError::Unreachable(_) => Failure::Unreachable,
        ExchangeError::Refused(_) | ExchangeError::Outbound(OutboundError::Busy) => {
            Failure::Refused
        }
        ExchangeError::Outbound(OutboundError::Unsupported) => Failure::Unsupported,
        ExchangeError::ConnectionClosed
        | ExchangeError::Timeout
        | ExchangeError::Outbound(OutboundError::Timeout | OutboundError::Message(_)) => {
            Failure::Broken
        }
    }
}
