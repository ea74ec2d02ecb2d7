//! A world of drivers without sockets: dials, connections and substreams are simulated, with delays
//! and faults from a seed, and what must hold is checked once everything has come to rest.
//!
//! Thousands of hours of rounds, in which everything that can cross does cross, take seconds; and a
//! seed that fails fails again. A world drives any behaviour whose driver is [`Driven`].

pub(crate) mod agenda;
pub(crate) mod connections;
pub(crate) mod driven;
pub(crate) mod faults;
pub(crate) mod handlers;
pub(crate) mod medium;
pub(crate) mod mishaps;
pub(crate) mod network;
pub(crate) mod nodes;
pub(crate) mod rider;
pub(crate) mod sampler;

use std::{io, time::Duration};

use libp2p_core::{Multiaddr, transport::TransportError};
use libp2p_identity::PeerId;
use libp2p_swarm::{
    CloseConnection, ConnectionId, DialError, NotifyHandler, ToSwarm, behaviour::DialFailure,
    dial_opts::PeerCondition,
};
use rand::{RngExt, rngs::StdRng};

use crate::{
    swarm::{
        handler::{Command, OutboundError, OutboundId},
        wire::{MessageError, Wire},
        world::{
            connections::End,
            driven::{Driven, Home},
            faults::Faults,
            medium::{Dial, Happening, Medium},
            nodes::Nodes,
        },
    },
    time::Time,
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Nodes, each with one driver or more, and what lies between them.
pub(crate) struct World<D: Driven> {
    pub(crate) nodes: Nodes<D>,
    pub(crate) medium: Medium<D::Wire>,
    pub(crate) setup: D::Setup,
    pub(crate) notes: D::Notes,
    /// How long an exchange may take.
    timeout: Duration,
    /// When each driver is to be woken.
    wakes: Vec<Option<Time>>,
    /// How many addresses were dialled, seeds left out.
    pub(crate) dials: usize,
    /// How often seeds were dialled.
    pub(crate) dials_of_seeds: usize,
    /// The most connections that a node has had at once.
    pub(crate) most_connections: usize,
}

impl<D: Driven> World<D> {
    /// A world of `nodes` nodes that have no drivers yet, and are to have `instances` each.
    pub(crate) fn of_none(
        rng: StdRng,
        (nodes, instances): (usize, usize),
        (setup, timeout): (D::Setup, Duration),
        faults: Faults,
    ) -> Self {
        Self {
            nodes: Nodes::new(nodes, instances),
            medium: Medium::new(rng, nodes, faults),
            setup,
            notes: D::Notes::default(),
            timeout,
            wakes: vec![None; nodes * instances],
            dials: 0,
            dials_of_seeds: 0,
            most_connections: 0,
        }
    }

    // ---- What there is ----

    pub(crate) fn now(&self) -> Time {
        self.medium.now
    }

    pub(crate) fn driver(&self, at: usize) -> Option<&D> {
        self.nodes.drivers[at].as_ref()
    }

    /// # Panics
    ///
    /// When the driver is gone.
    pub(crate) fn driver_mut(&mut self, at: usize) -> &mut D {
        self.nodes.drivers[at].as_mut().expect("it lives")
    }

    fn is_frozen(&self, driver: usize) -> bool {
        self.medium
            .network
            .frozen
            .contains(&self.nodes.node(driver))
    }

    fn is_reached(&self, from: usize, to: usize) -> bool {
        self.nodes.drivers[to].is_some() && self.medium.network.is_reached(from, to)
    }

    // ---- The course of time ----

    /// Lets the behaviours that are not driven here have their turns from now on.
    pub(crate) fn begin(&mut self) {
        self.medium.plan(SECOND, Happening::Siblings);
    }

    /// Lets the world go on until `end`.
    pub(crate) fn run_until(&mut self, end: Time) {
        while let Some((at, happening)) = self.medium.agenda.pop_until(end) {
            self.medium.now = at;
            self.happen(happening);
        }
        self.medium.now = end;
    }

    /// Goes on until nothing is under way, at most for a minute.
    pub(crate) fn come_to_rest(&mut self, what: &str) {
        let end = self.now() + 60 * SECOND;
        while self.medium.is_busy() || !self.nodes.live().all(|(_, driver)| driver.is_at_rest()) {
            assert!(self.now() < end, "{what}: still busy after a minute");
            self.run_until(self.now() + SECOND / 20);
        }
    }

    fn happen(&mut self, happening: Happening<D::Wire>) {
        let waits_for = match &happening {
            Happening::Response { to, .. } => Some(to.0),
            Happening::DialEnds(dial) => Some(dial.from),
            _ => None,
        };
        if waits_for.is_some_and(|at| self.is_frozen(at)) {
            return self.medium.plan(SECOND, happening);
        }
        match happening {
            Happening::Wake(driver) => {
                let now = self.now();
                // Unless an earlier one was planned since.
                if self.wakes[driver].take_if(|at| *at <= now).is_some() {
                    self.settle(driver);
                }
            }
            Happening::Siblings => {
                if self.medium.happens(self.medium.faults.sibling) {
                    self.sibling_dials();
                }
                self.medium.plan(SECOND, Happening::Siblings);
            }
            Happening::SiblingCloses(end) => self.close(end),
            Happening::DialEnds(dial) => self.dial_ends(dial),
            Happening::Request { from, id, request } => self.request_arrives(from, id, request),
            Happening::Response { to, id, result } => self.response_arrives(to, id, result),
        }
    }

    /// Carries out what the drivers of a node want, until they want nothing more, and plans their
    /// next wake-up.
    pub(crate) fn settle(&mut self, node: usize) {
        let now = self.now();
        if self.is_frozen(node) {
            return;
        }
        let home = self.nodes.node(node);
        loop {
            let next = self.nodes.behaviours_of(node).find_map(|at| {
                let driver = self.nodes.drivers[at].as_mut()?;
                let home = Home {
                    node: home,
                    address: &self.medium.network.homes[home],
                };
                driver.advance(home, &self.setup, now);
                Some((at, driver.exchanger_mut().keeper.actions.pop()?))
            });
            let Some((at, action)) = next else {
                break;
            };
            self.act(at, action);
        }
        for at in self.nodes.behaviours_of(node) {
            let driver = self.nodes.drivers[at].as_ref();
            if let Some(wake) = driver.and_then(D::next_wake).map(|wake| wake.at) {
                assert!(wake > now, "a wake-up that is over: {wake:?} at {now:?}");
                if self.wakes[at].is_none_or(|planned| planned > wake) {
                    self.wakes[at] = Some(wake);
                    self.medium.plan(wake - now, Happening::Wake(at));
                }
            }
        }
    }

    fn act(&mut self, at: usize, action: ToSwarm<D::Event, Command<D::Wire>>) {
        match action {
            ToSwarm::Dial { opts } => self.dial(at, opts.get_peer_id(), opts.connection_id()),
            ToSwarm::CloseConnection {
                connection: CloseConnection::One(id),
                ..
            } => {
                self.nodes.assert_free((at, id), &self.medium);
                self.close((at, id));
            }
            ToSwarm::GenerateEvent(event) => {
                let driver = self.nodes.drivers[at]
                    .as_ref()
                    .expect("it has just said so");
                driver.note(at, event, &mut self.notes);
            }
            ToSwarm::NotifyHandler {
                handler: NotifyHandler::One(id),
                event,
                ..
            } => self.command((at, id), event),
            _ => {}
        }
    }

    // ---- Dials ----

    fn dial(&mut self, from: usize, peer: Option<PeerId>, connection: ConnectionId) {
        let now = self.now();
        let driver = self.nodes.drivers[from]
            .as_ref()
            .expect("it has just dialled");
        let keeper = &driver.exchanger().keeper;
        assert!(keeper.holder.is_mine(connection), "only exchanges dial");
        let seed = keeper.holder.seed_dialled(connection);
        self.dials_of_seeds += usize::from(seed.is_some());
        let homes = &self.medium.network.homes;
        let to = match peer {
            Some(peer) => self.nodes.position(&peer),
            None => homes.iter().position(|home| seed.as_ref() == Some(home)),
        };
        let is_connected = peer.is_some_and(|peer| keeper.connections.is_connected(&peer));
        let node = self.nodes.node(from);
        if let (Some(peer), Some(to)) = (peer, to)
            && (is_connected || self.medium.is_dialling(node, to))
        {
            return self.dial_fails(from, Some(peer), connection, &dialled_already());
        }
        let mut addresses = Vec::new();
        for at in self.nodes.behaviours_of(from) {
            let driver = self.nodes.drivers[at].as_mut().expect("all of a node live");
            addresses.extend(driver.addresses_to_dial(connection, peer, now));
        }
        if peer.is_some() && addresses.is_empty() {
            return self.dial_fails(from, peer, connection, &DialError::NoAddresses);
        }
        if self.medium.network.offline.contains(&node) {
            let unreachable = || io::Error::from(io::ErrorKind::NetworkUnreachable);
            let tried = addresses.into_iter().chain(seed);
            let tried = tried.map(|address| (address, TransportError::Other(unreachable())));
            let error = DialError::Transport(tried.collect());
            return self.dial_fails(from, peer, connection, &error);
        }
        // Where it was told to be is where it is.
        let homes = &self.medium.network.homes;
        let to = to.filter(|to| seed.is_some() || addresses.contains(&homes[*to]));
        self.dials += addresses.len();
        let is_reached = to.is_some_and(|to| self.is_reached(node, to));
        let dial = Dial {
            from,
            to,
            peer,
            connection,
        };
        self.medium.begin_dial(node, dial, is_reached);
    }

    fn dial_fails(
        &mut self,
        from: usize,
        peer_id: Option<PeerId>,
        connection_id: ConnectionId,
        error: &DialError,
    ) {
        let event = DialFailure {
            peer_id,
            error,
            connection_id,
        };
        self.nodes.dial_failed(from, event, self.medium.now);
        self.settle(from);
    }

    fn dial_ends(&mut self, dial: Dial) {
        let from = self.nodes.node(dial.from);
        let failed = self.medium.end_dial(dial.connection);
        let live = dial.to.filter(|to| self.is_reached(from, *to) && !failed);
        let Some(to) = live else {
            let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
            let attempt = (Multiaddr::empty(), TransportError::Other(refused));
            let error = DialError::Transport(vec![attempt]);
            return self.dial_fails(from, dial.peer, dial.connection, &error);
        };
        if self.nodes.drivers[from].is_some() {
            let relayed = self.medium.happens(self.medium.faults.relayed);
            self.connect((from, dial.connection), to, relayed);
        }
    }

    /// A behaviour that is not driven here dials, from some node to some other.
    fn sibling_dials(&mut self) {
        let from = self.medium.rng.random_range(0..self.nodes.count());
        let to = self.medium.rng.random_range(0..self.nodes.count());
        let peer = self.nodes.peers[to];
        let (Some(driver), Some(_)) = (&self.nodes.drivers[from], &self.nodes.drivers[to]) else {
            return;
        };
        if from == to {
            return;
        }
        let connection = self.medium.connections.dial();
        // Where there is a relay in between, as dcutr does.
        if driver.exchanger().keeper.connections.is_direct(&peer) {
            return self.dial_fails(from, Some(peer), connection, &dialled_already());
        }
        self.connect((from, connection), to, false);
        let minute = Duration::from_millis(self.medium.rng.random_range(0..60_000));
        if !self.medium.faults.sibling_clings {
            let closes = Happening::SiblingCloses((from, connection));
            self.medium.plan(minute, closes);
        }
    }

    // ---- Connections ----

    fn connect(&mut self, from: End, to: usize, relayed: bool) {
        let accepted = self.medium.connections.open(from, to, relayed);
        for node in [from.0, to] {
            let count = self.medium.connections.count(node);
            self.most_connections = self.most_connections.max(count);
        }
        self.established((to, accepted), from.0, false);
        self.established(from, to, true);
    }

    fn established(&mut self, (node, id): End, other: usize, is_dialler: bool) {
        self.nodes
            .established((node, id), other, is_dialler, &mut self.medium);
        self.settle(node);
    }

    fn close(&mut self, end: End) {
        let Some((a, b)) = self.medium.connections.close(end.1) else {
            return;
        };
        self.nodes.closed(a, b.0, &mut self.medium);
        self.nodes.closed(b, a.0, &mut self.medium);
        self.settle(a.0);
        self.settle(b.0);
    }

    // ---- Messages ----

    /// Tells a handler what to do; nothing if its connection is closed meanwhile, as the swarm
    /// does.
    fn command(&mut self, end: End, command: Command<D::Wire>) {
        let is_open = self.medium.connections.is_open(end.1);
        if is_open && self.medium.command(end, command) {
            self.tell_if_idle(end);
        }
    }

    fn request_arrives(&mut self, from: End, id: OutboundId, request: <D::Wire as Wire>::Request) {
        if !self.medium.connections.is_open(from.1) {
            return;
        }
        if self.medium.loses_connection() {
            return self.close(from);
        }
        let (to, _) = self.nodes.other_end(from, &self.medium.connections);
        if self.is_frozen(to.0) {
            let timeout = Happening::Response {
                to: from,
                id,
                result: Err(OutboundError::Timeout),
            };
            return self.medium.plan(self.timeout, timeout);
        }
        if self.medium.loses_request() {
            let result = Err(OutboundError::Message(MessageError::CutOff));
            return self.happen(Happening::Response {
                to: from,
                id,
                result,
            });
        }
        let asked = self.medium.ask(from, id, to);
        let peer = self.nodes.peers[self.nodes.node(from.0)];
        let now = self.now();
        if let Some(driver) = &mut self.nodes.drivers[to.0] {
            driver.on_request((peer, to.1), asked, request, now);
        }
        self.settle(to.0);
    }

    fn response_arrives(
        &mut self,
        to: End,
        id: OutboundId,
        result: Result<<D::Wire as Wire>::Response, OutboundError>,
    ) {
        if !self.medium.connections.is_open(to.1) {
            return;
        }
        self.medium.handlers.finish(to);
        let (_, peer) = self.nodes.other_end(to, &self.medium.connections);
        let now = self.now();
        if let Some(driver) = &mut self.nodes.drivers[to.0] {
            driver.on_result((peer, to.1), id, result, now);
        }
        self.settle(to.0);
        self.tell_if_idle(to);
    }

    fn tell_if_idle(&mut self, end: End) {
        if !self.medium.connections.is_open(end.1) || !self.medium.handlers.take_idle(end) {
            return;
        }
        let (_, peer) = self.nodes.other_end(end, &self.medium.connections);
        if let Some(driver) = &mut self.nodes.drivers[end.0] {
            driver.exchanger_mut().on_idle(peer, end.1);
        }
        self.settle(end.0);
    }
}

/// The error of a dial to a peer that is connected, or dialled, already.
fn dialled_already() -> DialError {
    DialError::DialPeerConditionFalse(PeerCondition::DisconnectedAndNotDialing)
}

#[cfg(test)]
mod tests;
