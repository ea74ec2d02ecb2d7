//! The network behaviour: turns swarm events into inputs of the state machine, and what that asks
//! for into dials and substreams. The only place with a clock and a timer.

pub(crate) mod event;

mod actions;
mod connections;
mod exchanges;
mod links;
mod local;
mod neighbours;
mod seeds;

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::FutureExt;
use futures_timer::Delay;
use libp2p_core::{Endpoint, Multiaddr, transport::PortUse};
use libp2p_identity::{KeyType, Keypair, PeerId};
use libp2p_swarm::{
    ConnectionDenied, ConnectionId, DialError, FromSwarm, NetworkBehaviour, StreamProtocol,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure},
};
use rand::{SeedableRng, rngs::StdRng};
use web_time::Instant;

use crate::{
    gossip::{
        Failed, Gossip,
        message::{Exchange, ExchangeId, Failure},
    },
    overlay::{Overlay, random::Random},
    sampling::{PeerSampling, Selection},
    swarm::{
        address::split_peer,
        behaviour::{
            connections::Origin,
            event::{Direction, Event, ExchangeError, NeighbourDownReason, SeedError, one_line},
            exchanges::{Dial, Purpose},
            links::Links,
            local::LocalRecord,
            seeds::Seeds,
        },
        config::{Config, ConfigError},
        handle::{Handle, Publisher},
        handler::{Command, Handler, InboundId, OutboundError, OutboundId, ToBehaviour},
        record::{Record, Verifier},
        wire::{Request, Response},
    },
};

/// How long a peer that has connected to us is left to start an exchange itself before we do, while
/// the view has room. A guess.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long goodbyes may take. A guess: a round trip, and nothing depends on them.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);
/// Gossip peer sampling as a [`NetworkBehaviour`].
///
/// # Contract
///
/// Compose it into a swarm and poll the swarm; there is nothing else that must be called. The
/// behaviour joins through its [seeds](Config::with_seeds) or through any peer that somebody else
/// connects and that speaks the protocol, keeps a view of random peers from then on, and keeps a
/// few of them connected as neighbours.
///
/// - *Reading*: [`handle`](Self::handle) for other tasks; here, the [`PeerSampling`] methods,
///   [`neighbours`](Self::neighbours), [`local_record`](Self::local_record).
/// - *Steering*: [`add_seed`](Self::add_seed), [`remove`](Self::remove), [`leave`](Self::leave).
/// - *Other behaviours of the same swarm* can dial any peer of the view by its `PeerId` alone.
///
/// Connections that it dials for an exchange are closed by it afterwards, unless the peer has become
/// a neighbour; connections that existed before stay. A behaviour that wants to keep such a
/// connection for itself dials its own.
///
/// `O` is the overlay: which peers stay in the view.
pub struct Behaviour<O = Random> {
    config: Config,
    protocol: StreamProtocol,
    verifier: Arc<Verifier>,
    gossip: Gossip<Record, O, StdRng>,
    publisher: Publisher,
    local: LocalRecord,
    links: Links,
    seeds: Seeds,
    leaving: Option<Leaving>,
    rng: StdRng,
    start: Instant,
    timer: Delay,
    timer_at: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// Goodbyes are on their way, at most until this time.
    Until(Duration),
    Left,
}

impl Behaviour<Random> {
    /// A behaviour with the random overlay at its [default](Random::for_view_size) for the view
    /// size.
    ///
    /// `keypair` is the swarm's own: it signs this node's record.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when a setting is outside its bounds, or the key is RSA.
    ///
    /// # Panics
    ///
    /// When the operating system has no random numbers.
    pub fn new(keypair: &Keypair, config: Config) -> Result<Self, ConfigError> {
        let overlay = Random::for_view_size(config.gossip().view_size());
        Self::with_overlay(keypair, config, overlay)
    }
}

impl<O: Overlay<Record>> Behaviour<O> {
    /// A behaviour with an overlay of one's own choice.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when a setting, of the overlay or another, is outside its bounds, or the
    /// key is RSA.
    ///
    /// # Panics
    ///
    /// When the operating system has no random numbers.
    pub fn with_overlay(
        keypair: &Keypair,
        config: Config,
        overlay: O,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        if keypair.key_type() == KeyType::RSA {
            return Err(ConfigError::RsaKey);
        }
        let mut rng: StdRng = match config.rng_seed() {
            Some(seed) => StdRng::seed_from_u64(seed),
            None => rand::make_rng(),
        };
        let gossip = Gossip::new(
            keypair.public().to_peer_id(),
            config.gossip().clone(),
            overlay,
            StdRng::from_rng(&mut rng),
        )?;
        #[expect(
            clippy::disallowed_methods,
            reason = "the behaviour is where the clock is"
        )]
        let start = Instant::now();
        let mut behaviour = Self {
            protocol: config.protocol()?,
            verifier: Arc::new(Verifier::new(config.scope())),
            gossip,
            publisher: Publisher::new(StdRng::from_rng(&mut rng)),
            local: LocalRecord::new(keypair.clone(), config.scope()),
            links: Links::new(config.neighbours()),
            seeds: Seeds::new(config.seed_backoff()),
            leaving: None,
            rng,
            start,
            timer: Delay::new(Duration::ZERO),
            timer_at: None,
            config,
        };
        for address in behaviour.config.seeds().to_vec() {
            if let Err(error) = behaviour.add_seed(address.clone()) {
                behaviour
                    .links
                    .actions
                    .emit(Event::SeedFailed { address, error });
            }
        }
        Ok(behaviour)
    }

    /// A handle for other tasks: reads the view, samples from it, streams samples.
    pub fn handle(&self) -> Handle {
        self.publisher.handle().clone()
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// This node's own record as others get it; `None` while it does not advertise itself.
    pub fn local_record(&self) -> Option<&Record> {
        self.gossip.local()
    }

    /// The neighbours: peers that both ends keep connected.
    pub fn neighbours(&self) -> &[PeerId] {
        self.links.neighbours()
    }

    /// Adds a seed, with or without `/p2p/<peer>` at the end, and contacts it soon. It is kept for
    /// when the view is empty. A seed that is known already changes nothing.
    ///
    /// # Errors
    ///
    /// A [`SeedError`] when the address is this node's own or cannot be dialled, or there are too
    /// many. Nothing was changed.
    pub fn add_seed(&mut self, address: Multiaddr) -> Result<(), SeedError> {
        self.seeds.add(address, self.local.peer_id())
    }

    /// Removes a peer from the view, and from the neighbours; returns whether it was in the view.
    /// Other nodes may bring it back.
    pub fn remove(&mut self, peer: &PeerId) -> bool {
        if self.links.is_neighbour(peer) {
            self.links.dissolve(*peer);
            self.links
                .remove_neighbour(*peer, NeighbourDownReason::Dissolved);
        }
        let removed = self.gossip.remove(peer).is_some();
        self.publish();
        removed
    }

    /// Says goodbye to every connected peer that speaks the protocol, so that they forget this node
    /// at once instead of finding out; ends with [`Event::Left`] within a second or so. Nothing
    /// depends on it. From now on this behaviour takes no part any more.
    pub fn leave(&mut self) {
        if self.leaving.is_some() {
            return;
        }
        self.links.say_goodbye();
        self.leaving = Some(Leaving::Until(self.now() + LEAVE_TIMEOUT));
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn publish(&self) {
        self.publisher.publish(self.gossip.view());
    }

    fn new_handler(&self, peer: &PeerId, for_exchange: bool) -> Handler {
        Handler::new(
            self.protocol.clone(),
            self.verifier.clone(),
            self.config.gossip().exchange_timeout(),
            for_exchange || self.links.is_neighbour(peer),
        )
    }

    // ---- What is due ----

    /// Does what the time asks for.
    fn advance(&mut self, now: Duration) {
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
        let seed_timeout = 2 * self.config.gossip().exchange_timeout();
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
        if let Some(event) = self.local.poll(now) {
            self.links.actions.emit(event);
        }
        if self.links.is_newly_short() {
            self.gossip.hasten(now);
        }
    }

    fn next_wake(&self) -> Option<Duration> {
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
                    self.local.next_wake(),
                ]
                .into_iter()
                .flatten()
                .min()
            }
        }
    }

    fn has_room(&self) -> bool {
        self.gossip.view().len() < self.config.gossip().view_size()
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

    fn on_outcome(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        outbound: OutboundId,
        result: Result<Response, OutboundError>,
    ) {
        if let Err(OutboundError::Unsupported) = result {
            self.links
                .connections
                .mark_support(&peer, connection, false);
        }
        match (self.links.exchanges.answered(outbound), result) {
            (Some(Purpose::Exchange(id)), Ok(response)) => {
                self.exchange_succeeded(id, peer, connection, response);
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
        if self.gossip.handle_response(id, gossip, self.now()).is_ok() {
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

    fn on_request(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        id: InboundId,
        request: Request,
    ) {
        self.links.connections.mark_used(&peer, connection);
        self.links.connections.mark_support(&peer, connection, true);
        let response = match request {
            _ if self.leaving.is_some() => Response::empty(),
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

    fn on_connection_established(&mut self, event: ConnectionEstablished) {
        let (peer, connection, now) = (event.peer_id, event.connection_id, self.now());
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

    fn on_connection_closed(&mut self, event: ConnectionClosed) {
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

    fn on_dial_failure(&mut self, event: DialFailure) {
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

impl<O: Overlay<Record> + 'static> NetworkBehaviour for Behaviour<O> {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.new_handler(&peer, false))
    }

    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let known = peer.and_then(|peer| self.gossip.view().get(&peer));
        Ok(known.map_or_else(Vec::new, |known| known.peer.addresses().to_vec()))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let for_exchange = self.links.exchanges.is_dial(connection);
        Ok(self.new_handler(&peer, for_exchange))
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        if let Some(record) = self.local.on_swarm_event(&event, self.now()) {
            self.gossip.set_local(record);
        }
        match event {
            FromSwarm::ConnectionEstablished(event) => self.on_connection_established(event),
            FromSwarm::ConnectionClosed(event) => self.on_connection_closed(event),
            FromSwarm::DialFailure(event) => self.on_dial_failure(event),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection_id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            ToBehaviour::Request(id, request) => {
                self.on_request(peer, connection_id, id, request);
            }
            ToBehaviour::Outcome(id, result) => self.on_outcome(peer, connection_id, id, result),
            ToBehaviour::InboundFailed(error) => self.links.actions.emit(Event::InboundFailed {
                peer,
                connection_id,
                error,
            }),
            ToBehaviour::Supported => {
                self.links
                    .connections
                    .mark_support(&peer, connection_id, true)
            }
            ToBehaviour::Idle => self.links.on_idle(peer, connection_id),
        }
    }

    #[tracing::instrument(level = "trace", name = "NetworkBehaviour::poll", skip(self, cx))]
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            if let Some(action) = self.links.actions.pop() {
                return Poll::Ready(action);
            }
            let now = self.now();
            self.advance(now);
            if !self.links.actions.is_empty() {
                continue;
            }
            let wake = self.next_wake();
            if self.timer_at != wake {
                self.timer_at = wake;
                if let Some(at) = wake {
                    self.timer.reset(at.saturating_sub(now));
                }
            }
            if self.timer_at.is_none() || self.timer.poll_unpin(cx).is_pending() {
                return Poll::Pending;
            }
            self.timer_at = None;
        }
    }
}

impl<O: Overlay<Record>> PeerSampling for Behaviour<O> {
    type Peer = Record;

    fn view(&self) -> Vec<Record> {
        self.publisher.handle().view()
    }

    fn view_len(&self) -> usize {
        self.gossip.view().len()
    }

    fn select_peer(&mut self, selection: Selection) -> Option<Record> {
        self.publisher.handle().select_peer(selection)
    }

    fn broadcast(&mut self, send: impl FnMut(Record)) -> usize {
        self.handle().broadcast(send)
    }
}

impl<O> fmt::Debug for Behaviour<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour")
            .field("local_peer_id", &self.local.peer_id())
            .field("protocol", &self.protocol)
            .field("links", &self.links)
            .field("leaving", &self.leaving)
            .finish_non_exhaustive()
    }
}
