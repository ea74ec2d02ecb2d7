//! A world of drivers without sockets: dials, connections and substreams are simulated, with delays
//! and faults from a seed, and what must hold is checked once everything has come to rest.
//!
//! Thousands of hours of rounds, in which everything that can cross does cross, take seconds; and a
//! seed that fails fails again.

mod recovery;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    io,
    sync::Arc,
    time::Duration,
};

use libp2p_core::{
    ConnectedPoint, Endpoint, Multiaddr,
    multiaddr::Protocol,
    transport::{PortUse, TransportError},
};
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{
    ConnectionId, DialError, ToSwarm,
    behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure},
    dial_opts::PeerCondition,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    sampling::overlay::any::AnyOverlay,
    swarm::{
        exchanger::pruning::Pruning,
        handler::{InboundId, OutboundError, OutboundId},
        node::{Node, holder::Holder},
        record::Record,
        sampling::{
            config::Config,
            driver::{Driver, testing::holder},
            event::{Event, NeighbourDownReason},
        },
        wire::{
            MessageError,
            sampling::{Command, Request, Response},
        },
    },
    time::Time,
};

const SECOND: Duration = Duration::from_secs(1);

/// Which faults happen, each as a probability of the thing it may happen to.
#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    /// A dial to a live node fails.
    dial: f64,
    /// A request is lost: the substream breaks before it arrives.
    request: f64,
    /// An answer is lost: the request was merged, and nobody learns of it.
    response: f64,
    /// A connection closes while a message travels on it.
    connection: f64,
    /// In a second, another behaviour dials somebody, and keeps the connection for up to a minute.
    sibling: f64,
    /// It keeps it for ever.
    sibling_clings: bool,
    /// A dial leads through a relay.
    relayed: f64,
}

/// One end of a connection: a node, or one of the drivers that share it there.
type End = (usize, ConnectionId);

#[derive(Debug)]
enum Happening {
    Wake(usize),
    /// The other behaviours have their turn.
    Siblings,
    SiblingCloses(End),
    DialEnds {
        from: usize,
        to: Option<usize>,
        peer: Option<PeerId>,
        connection: ConnectionId,
    },
    Request {
        from: End,
        id: OutboundId,
        request: Request,
    },
    Response {
        to: End,
        id: OutboundId,
        result: Result<Response, OutboundError>,
    },
}

struct World {
    rng: StdRng,
    now: Time,
    faults: Faults,
    /// The first driver of each node, then the second of each, and so on.
    drivers: Vec<Option<Driver<AnyOverlay>>>,
    nodes: usize,
    config: Config,
    keypairs: Vec<Keypair>,
    peers: Vec<PeerId>,
    /// Where each node listens.
    homes: Vec<Multiaddr>,
    /// Nodes that are not reached where they listen.
    closed: BTreeSet<usize>,
    /// Nodes that have no network, and know it.
    offline: BTreeSet<usize>,
    /// Nodes that are stopped, and whose connections stay.
    frozen: BTreeSet<usize>,
    /// Nodes that only reach each other.
    island: BTreeSet<usize>,
    /// After how long a dial of somebody who is not there fails; `None`: after a round trip.
    silence: Option<Duration>,
    /// When each driver is to be woken.
    wakes: Vec<Option<Time>>,
    /// What is to happen, by its time and its number.
    agenda: BinaryHeap<Reverse<(Time, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    next: u64,
    /// The other end of each end of a connection.
    connections: BTreeMap<(usize, usize), (End, End)>,
    ids: BTreeMap<ConnectionId, usize>,
    /// The first numbers of those with a relay in between.
    relayed: BTreeSet<usize>,
    next_connection: usize,
    /// Requests that wait for an answer: who asked, by the number given to the asked.
    unanswered: BTreeMap<u64, (End, OutboundId)>,
    /// Requests under way on an end of a connection.
    busy: BTreeMap<End, usize>,
    /// Ends whose handler keeps the connection alive.
    kept_alive: BTreeSet<End>,
    /// Ends that want to be told when nothing is under way.
    notify_idle: BTreeSet<End>,
    /// Which node dials whom at the moment, seeds left out.
    dialling: BTreeSet<(usize, usize, ConnectionId)>,
    /// Who has dialled where, and when, seeds left out.
    dials: Vec<(usize, Multiaddr, Time)>,
    /// How often seeds were dialled.
    dials_of_seeds: usize,
    /// How often each fault has happened, so that a test can see that it did.
    dials_failed: u32,
    messages_lost: u32,
    connections_lost: u32,
    /// Whose neighbours are whom, by the events.
    told: BTreeSet<(usize, PeerId)>,
    /// How often a neighbour gave way to a fresh one.
    rotations: u32,
    /// The most connections that a node has had at once.
    most_connections: usize,
}

impl World {
    /// A world in which everybody has node 0 for a seed.
    fn new(seed: u64, nodes: usize, config: &Config, faults: Faults) -> Self {
        Self::with_way_in(seed, nodes, config, faults, |driver, _, peer| {
            driver
                .discovery
                .seeds
                .add(address(0), peer)
                .expect("an address");
        })
    }

    /// A world in which `way_in` tells each node but the first, whose peer id comes last, how to
    /// begin, and is given those before it.
    fn with_way_in(
        seed: u64,
        nodes: usize,
        config: &Config,
        faults: Faults,
        way_in: impl Fn(&mut Driver<AnyOverlay>, &[PeerId], PeerId),
    ) -> Self {
        Self::with_instances(1, (seed, nodes), config, faults, way_in)
    }

    /// A world in which each node has so many drivers, each for an overlay of its own.
    fn with_instances(
        instances: usize,
        (seed, nodes): (u64, usize),
        config: &Config,
        faults: Faults,
        way_in: impl Fn(&mut Driver<AnyOverlay>, &[PeerId], PeerId),
    ) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut world = Self {
            rng: StdRng::from_rng(&mut rng),
            now: Time::ZERO,
            faults,
            drivers: (0..nodes * instances).map(|_| None).collect(),
            nodes,
            config: config.clone(),
            keypairs: Vec::new(),
            peers: Vec::new(),
            homes: (0..nodes).map(address).collect(),
            closed: BTreeSet::new(),
            offline: BTreeSet::new(),
            frozen: BTreeSet::new(),
            island: BTreeSet::new(),
            silence: None,
            wakes: vec![None; nodes * instances],
            agenda: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            next: 0,
            connections: BTreeMap::new(),
            ids: BTreeMap::new(),
            relayed: BTreeSet::new(),
            next_connection: 1 << 40,
            unanswered: BTreeMap::new(),
            busy: BTreeMap::new(),
            kept_alive: BTreeSet::new(),
            notify_idle: BTreeSet::new(),
            dialling: BTreeSet::new(),
            dials: Vec::new(),
            dials_of_seeds: 0,
            dials_failed: 0,
            messages_lost: 0,
            connections_lost: 0,
            told: BTreeSet::new(),
            rotations: 0,
            most_connections: 0,
        };
        for node in 0..nodes {
            let mut secret = [0; 32];
            rng.fill(&mut secret[..]);
            let keypair = Keypair::ed25519_from_bytes(secret).expect("32 bytes");
            let peer = keypair.public().to_peer_id();
            let first = holder(peer, config);
            let shared = first.node().clone();
            let mut first = Some(first);
            for instance in 0..instances {
                let holder = first.take().unwrap_or_else(|| join(&shared, config));
                let record = (1, &address(node));
                let mut driver = new_driver(&keypair, holder, record, config, &mut rng);
                if node > 0 {
                    way_in(&mut driver, &world.peers, peer);
                }
                world.drivers[node + instance * nodes] = Some(driver);
            }
            world.peers.push(peer);
            world.keypairs.push(keypair);
            world.settle(node);
        }
        world.plan(SECOND, Happening::Siblings);
        world
    }

    /// The node that a driver belongs to.
    fn node(&self, driver: usize) -> usize {
        driver % self.nodes
    }

    /// The drivers of the node that this is one of.
    fn behaviours_of(&self, driver: usize) -> impl Iterator<Item = usize> + use<> {
        (self.node(driver)..self.drivers.len()).step_by(self.nodes)
    }

    fn plan(&mut self, after: Duration, happening: Happening) {
        self.agenda.push(Reverse((self.now + after, self.next)));
        self.happenings.insert(self.next, happening);
        self.next += 1;
    }

    fn latency(&mut self) -> Duration {
        Duration::from_millis(self.rng.random_range(5..200))
    }

    fn happens(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    /// Lets the world go on until `end`.
    fn run_until(&mut self, end: Time) {
        while let Some(Reverse((at, number))) = self.agenda.peek().copied() {
            if at > end {
                break;
            }
            self.agenda.pop();
            self.now = at;
            let happening = self.happenings.remove(&number).expect("planned");
            self.happen(happening);
        }
        self.now = end;
    }

    fn happen(&mut self, happening: Happening) {
        let waits_for = match &happening {
            Happening::Response { to, .. } => Some(to.0),
            Happening::DialEnds { from, .. } => Some(*from),
            _ => None,
        };
        if waits_for.is_some_and(|at| self.frozen.contains(&self.node(at))) {
            return self.plan(SECOND, happening);
        }
        match happening {
            Happening::Wake(node) => {
                // Unless an earlier one was planned since.
                if self.wakes[node].take_if(|at| *at <= self.now).is_some() {
                    self.settle(node);
                }
            }
            Happening::Siblings => {
                if self.happens(self.faults.sibling) {
                    self.sibling_dials();
                }
                self.plan(SECOND, Happening::Siblings);
            }
            Happening::SiblingCloses(end) => self.close(end),
            Happening::DialEnds {
                from,
                to,
                peer,
                connection,
            } => self.dial_ends(from, (to, peer), connection),
            Happening::Request { from, id, request } => self.request_arrives(from, id, request),
            Happening::Response { to, id, result } => {
                if self.ids.contains_key(&to.1) {
                    self.less_busy(to);
                    let (_, peer) = self.other_end(to);
                    let now = self.now;
                    if let Some(driver) = &mut self.drivers[to.0] {
                        driver.on_result((peer, to.1), id, result, now);
                    }
                    self.settle(to.0);
                    self.tell_if_idle(to);
                }
            }
        }
    }

    /// Carries out what the drivers of a node want, until they want nothing more, and plans their next
    /// wake-up.
    fn settle(&mut self, node: usize) {
        let now = self.now;
        if self.frozen.contains(&self.node(node)) {
            return;
        }
        loop {
            let next = self.behaviours_of(node).find_map(|at| {
                let driver = self.drivers[at].as_mut()?;
                driver.advance(now);
                // As the behaviour does.
                if let Some(seq) = driver.take_outbid() {
                    let node = at % self.nodes;
                    let home = std::slice::from_ref(&self.homes[node]);
                    let record = Record::sign(&self.keypairs[node], seq + 1, home);
                    driver
                        .sampler
                        .set_local(Some(record.expect("signing works")));
                }
                Some((at, driver.exchanger.keeper.actions.pop()?))
            });
            let Some((at, action)) = next else {
                break;
            };
            self.act(at, action);
        }
        for driver in self.behaviours_of(node) {
            let wake = self.drivers[driver]
                .as_ref()
                .and_then(|d| Some(d.next_wake()?.at));
            if let Some(at) = wake {
                assert!(at > now, "a wake-up that is over: {at:?} at {now:?}");
                if self.wakes[driver].is_none_or(|planned| planned > at) {
                    self.wakes[driver] = Some(at);
                    self.plan(at - now, Happening::Wake(driver));
                }
            }
        }
    }

    fn act(&mut self, node: usize, action: ToSwarm<Event, Command>) {
        match action {
            ToSwarm::Dial { opts } => self.dial(node, opts.get_peer_id(), opts.connection_id()),
            ToSwarm::CloseConnection {
                connection: libp2p_swarm::CloseConnection::One(id),
                ..
            } => {
                self.assert_free((node, id));
                self.close((node, id));
            }
            ToSwarm::GenerateEvent(Event::NeighbourUp { peer }) => {
                let driver = self.drivers[node].as_ref().expect("it has just said so");
                assert!(
                    driver.publisher.handle().is_contacted(&peer),
                    "a neighbour of whom there is only hearsay"
                );
                assert!(self.told.insert((node, peer)), "it was one before");
            }
            ToSwarm::GenerateEvent(Event::NeighbourDown { peer, reason }) => {
                self.rotations += u32::from(reason == NeighbourDownReason::Rotated);
                assert!(self.told.remove(&(node, peer)), "it was none before");
            }
            ToSwarm::NotifyHandler {
                handler: libp2p_swarm::NotifyHandler::One(id),
                event,
                ..
            } => self.command((node, id), event),
            _ => {}
        }
    }

    /// Nobody closes what another behaviour of its node uses or keeps.
    fn assert_free(&self, end: End) {
        if self.ends(end).is_none() {
            return;
        }
        let (other, peer) = self.other_end(end);
        // What was under way with somebody who does not answer is lost.
        if self.frozen.contains(&self.node(other.0)) {
            return;
        }
        for at in self.behaviours_of(end.0) {
            let driver = self.drivers[at].as_ref().expect("all of a node live");
            let busy = driver.exchanger.under_way().is_busy(end.1) || self.is_busy((at, end.1));
            assert!(
                !busy,
                "{at} has something under way on what {} closes",
                end.0
            );
            let mut kept = driver.exchanger.keeper.connections.kept(&peer);
            assert!(
                !driver.neighbourhood.contains(&peer) || kept.all(|id| id != end.1),
                "{at} keeps what {} closes",
                end.0
            );
        }
    }

    fn dial(&mut self, from: usize, peer: Option<PeerId>, connection: ConnectionId) {
        let now = self.now;
        let driver = self.drivers[from].as_mut().expect("it has just dialled");
        let for_exchange = driver.exchanger.keeper.holder.is_mine(connection);
        assert!(for_exchange, "only exchanges dial");
        let seed = driver.exchanger.keeper.holder.seed_dialled(connection);
        self.dials_of_seeds += usize::from(seed.is_some());
        let to = match peer {
            Some(peer) => self.peers.iter().position(|p| *p == peer),
            None => self
                .homes
                .iter()
                .position(|home| seed.as_ref() == Some(home)),
        };
        let is_connected =
            peer.is_some_and(|peer| driver.exchanger.keeper.connections.is_connected(&peer));
        let node = self.node(from);
        if let (Some(peer), Some(to)) = (peer, to) {
            let mut dialling = self.dialling.iter();
            if is_connected || dialling.any(|(from, other, _)| (*from, *other) == (node, to)) {
                let condition = PeerCondition::DisconnectedAndNotDialing;
                let error = DialError::DialPeerConditionFalse(condition);
                return self.dial_fails(from, Some(peer), connection, &error);
            }
        }
        let mut addresses = Vec::new();
        for at in self.behaviours_of(from) {
            let driver = self.drivers[at].as_mut().expect("all of a node live");
            addresses.extend(driver.addresses_to_dial(connection, peer, now));
        }
        if peer.is_some() && addresses.is_empty() {
            return self.dial_fails(from, peer, connection, &DialError::NoAddresses);
        }
        if self.offline.contains(&node) {
            let unreachable = || io::Error::from(io::ErrorKind::NetworkUnreachable);
            let tried = addresses.into_iter().chain(seed);
            let tried = tried.map(|address| (address, TransportError::Other(unreachable())));
            let error = DialError::Transport(tried.collect());
            return self.dial_fails(from, peer, connection, &error);
        }
        // Where it was told to be is where it is.
        let to = to.filter(|to| seed.is_some() || addresses.contains(&self.homes[*to]));
        if let (Some(_), Some(to)) = (peer, to) {
            self.dialling.insert((node, to, connection));
        }
        for address in addresses {
            self.dials.push((from, address, now));
        }
        let latency = self.latency();
        let after = match to.is_some_and(|to| self.is_reached(node, to)) {
            true => latency,
            false => self.silence.unwrap_or(latency),
        };
        let happening = Happening::DialEnds {
            from,
            to,
            peer,
            connection,
        };
        self.plan(after, happening);
    }

    fn dial_fails(
        &mut self,
        from: usize,
        peer_id: Option<PeerId>,
        connection_id: ConnectionId,
        error: &DialError,
    ) {
        for at in self.behaviours_of(from) {
            if let Some(driver) = &mut self.drivers[at] {
                driver.on_dial_failure(
                    DialFailure {
                        peer_id,
                        error,
                        connection_id,
                    },
                    self.now,
                );
            }
        }
        self.settle(from);
    }

    /// Whether `to`, where it listens, is there for `from`.
    fn is_reached(&self, from: usize, to: usize) -> bool {
        let apart = self.island.contains(&from) != self.island.contains(&to);
        let gone = [&self.closed, &self.offline, &self.frozen];
        self.drivers[to].is_some() && !apart && !gone.iter().any(|gone| gone.contains(&to))
    }

    fn dial_ends(
        &mut self,
        from: usize,
        (to, peer): (Option<usize>, Option<PeerId>),
        connection: ConnectionId,
    ) {
        let from = self.node(from);
        self.dialling.retain(|(_, _, id)| *id != connection);
        let failed = self.happens(self.faults.dial);
        self.dials_failed += u32::from(failed);
        let live = to.filter(|to| self.is_reached(from, *to) && !failed);
        let Some(to) = live else {
            let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
            let attempt = (Multiaddr::empty(), TransportError::Other(refused));
            let error = DialError::Transport(vec![attempt]);
            return self.dial_fails(from, peer, connection, &error);
        };
        if self.drivers[from].is_some() {
            let relayed = self.happens(self.faults.relayed);
            self.connect(from, to, connection, relayed);
        }
    }

    /// Another behaviour of some node dials some other.
    fn sibling_dials(&mut self) {
        let from = self.rng.random_range(0..self.nodes);
        let to = self.rng.random_range(0..self.nodes);
        let peer = self.peers[to];
        let (Some(driver), Some(_)) = (&self.drivers[from], &self.drivers[to]) else {
            return;
        };
        if from == to {
            return;
        }
        let connection = ConnectionId::new_unchecked(self.next_connection);
        self.next_connection += 1;
        // Where there is a relay in between, as dcutr does.
        if driver.exchanger.keeper.connections.is_direct(&peer) {
            let condition = PeerCondition::DisconnectedAndNotDialing;
            let error = DialError::DialPeerConditionFalse(condition);
            return self.dial_fails(from, Some(peer), connection, &error);
        }
        self.connect(from, to, connection, false);
        let minute = Duration::from_millis(self.rng.random_range(0..60_000));
        if !self.faults.sibling_clings {
            self.plan(minute, Happening::SiblingCloses((from, connection)));
        }
    }

    fn connect(&mut self, from: usize, to: usize, connection: ConnectionId, relayed: bool) {
        let accepted = ConnectionId::new_unchecked(self.next_connection);
        self.next_connection = (self.next_connection + 3) & !1;
        let ends = ((from, connection), (to, accepted));
        self.connections
            .insert((self.next_connection, self.next_connection + 1), ends);
        if relayed {
            self.relayed.insert(self.next_connection);
        }
        self.ids.insert(connection, self.next_connection);
        self.ids.insert(accepted, self.next_connection + 1);
        let most = [from, to].map(|node| self.connections_of(node));
        self.most_connections = most.into_iter().fold(self.most_connections, usize::max);
        self.established(to, self.peers[from], accepted, false);
        self.established(from, self.peers[to], connection, true);
    }

    fn established(&mut self, node: usize, peer: PeerId, id: ConnectionId, dialled: bool) {
        let relayed = self.is_relayed((node, id));
        let through = |address: Multiaddr| match relayed {
            true => address.with(Protocol::P2pCircuit),
            false => address,
        };
        let at = self.peers.iter().position(|p| *p == peer).expect("known");
        let endpoint = match dialled {
            true => ConnectedPoint::Dialer {
                address: through(address(at)),
                role_override: Endpoint::Dialer,
                port_use: PortUse::New,
            },
            false => ConnectedPoint::Listener {
                local_addr: through(Multiaddr::empty()),
                send_back_addr: Multiaddr::empty(),
            },
        };
        let event = ConnectionEstablished {
            peer_id: peer,
            connection_id: id,
            endpoint: &endpoint,
            failed_addresses: &[],
            other_established: 0,
        };
        let now = self.now;
        for at in self.behaviours_of(node) {
            // As `Behaviour::new_handler`.
            if let Some(driver) = &self.drivers[at]
                && (driver.exchanger.keeper.holder.is_mine(id)
                    || (!relayed && driver.neighbourhood.contains(&peer)))
            {
                self.kept_alive.insert((at, id));
            }
        }
        for at in self.behaviours_of(node) {
            if let Some(driver) = &mut self.drivers[at] {
                driver.on_connection_established(event, now);
            }
        }
        self.settle(node);
    }

    /// The ends of the connection that this end is one of.
    fn ends(&self, end: End) -> Option<((usize, usize), (End, End))> {
        let number = *self.ids.get(&end.1)?;
        let key = (number & !1, number | 1);
        Some((key, *self.connections.get(&key)?))
    }

    fn is_relayed(&self, end: End) -> bool {
        self.relayed.contains(&(self.ids[&end.1] & !1))
    }

    /// The other end, as the driver there sees it that is this one's counterpart.
    fn other_end(&self, end: End) -> (End, PeerId) {
        let (_, (a, b)) = self.ends(end).expect("it is open");
        let (node, id) = if a.1 == end.1 { b } else { a };
        let instance = end.0 / self.nodes;
        ((node + instance * self.nodes, id), self.peers[node])
    }

    fn close(&mut self, end: End) {
        let Some((key, (a, b))) = self.ends(end) else {
            return;
        };
        self.connections.remove(&key);
        for ((node, id), (other, _)) in [(a, b), (b, a)] {
            self.ids.remove(&id);
            for at in self.behaviours_of(node) {
                self.busy.remove(&(at, id));
                self.notify_idle.remove(&(at, id));
                self.kept_alive.remove(&(at, id));
            }
            let endpoint = ConnectedPoint::Listener {
                local_addr: Multiaddr::empty(),
                send_back_addr: Multiaddr::empty(),
            };
            for at in self.behaviours_of(node) {
                if let Some(driver) = &mut self.drivers[at] {
                    driver.on_connection_closed(
                        ConnectionClosed {
                            peer_id: self.peers[other],
                            connection_id: id,
                            endpoint: &endpoint,
                            cause: None,
                            remaining_established: 0,
                        },
                        self.now,
                    );
                }
            }
        }
        self.settle(a.0);
        self.settle(b.0);
    }

    fn command(&mut self, end: End, command: Command) {
        if !self.ids.contains_key(&end.1) {
            return; // Closed meanwhile, as the swarm would drop it.
        }
        match command {
            Command::Request(id, request) => {
                *self.busy.entry(end).or_default() += 1;
                let after = self.latency();
                let from = end;
                self.plan(after, Happening::Request { from, id, request });
            }
            Command::Respond(InboundId(asked), response) => {
                self.answer(end, asked, Ok(response));
            }
            Command::Refuse(InboundId(asked)) => {
                self.answer(end, asked, Err(OutboundError::NotServed));
            }
            Command::KeepAlive(true) => _ = self.kept_alive.insert(end),
            Command::KeepAlive(false) => _ = self.kept_alive.remove(&end),
            Command::NotifyIdle => {
                self.notify_idle.insert(end);
                self.tell_if_idle(end);
            }
        }
    }

    fn answer(&mut self, end: End, asked: u64, result: Result<Response, OutboundError>) {
        self.less_busy(end);
        let Some((to, id)) = self.unanswered.remove(&asked) else {
            return;
        };
        let lost = self.happens(self.faults.response);
        self.messages_lost += u32::from(lost);
        let result = match lost {
            true => Err(OutboundError::Message(MessageError::CutOff)),
            false => result,
        };
        let after = self.latency();
        self.plan(after, Happening::Response { to, id, result });
        self.tell_if_idle(end);
    }

    fn request_arrives(&mut self, from: End, id: OutboundId, request: Request) {
        if self.ends(from).is_none() {
            return;
        }
        if self.happens(self.faults.connection) {
            self.connections_lost += 1;
            return self.close(from);
        }
        let (to, _) = self.other_end(from);
        if self.frozen.contains(&self.node(to.0)) {
            let result = Err(OutboundError::Timeout);
            let timeout = self.config.gossip().exchange_timeout();
            return self.plan(
                timeout,
                Happening::Response {
                    to: from,
                    id,
                    result,
                },
            );
        }
        if self.happens(self.faults.request) {
            self.messages_lost += 1;
            let result = Err(OutboundError::Message(MessageError::CutOff));
            return self.happen(Happening::Response {
                to: from,
                id,
                result,
            });
        }
        let asked = self.next;
        self.next += 1;
        self.unanswered.insert(asked, (from, id));
        *self.busy.entry(to).or_default() += 1;
        let peer = self.peers[self.node(from.0)];
        if let Some(driver) = &mut self.drivers[to.0] {
            driver.on_request((peer, to.1), InboundId(asked), request, self.now);
        }
        self.settle(to.0);
    }

    fn less_busy(&mut self, end: End) {
        if let Some(busy) = self.busy.get_mut(&end) {
            *busy = busy.saturating_sub(1);
        }
    }

    fn is_busy(&self, end: End) -> bool {
        self.busy.get(&end).is_some_and(|busy| *busy > 0)
    }

    fn tell_if_idle(&mut self, end: End) {
        if !self.ids.contains_key(&end.1) || self.is_busy(end) || !self.notify_idle.remove(&end) {
            return;
        }
        let (_, peer) = self.other_end(end);
        if let Some(driver) = &mut self.drivers[end.0] {
            driver.exchanger.on_idle(peer, end.1);
        }
        self.settle(end.0);
    }

    /// The node is gone, and its connections with it.
    fn crash(&mut self, node: usize) {
        for at in self.behaviours_of(node) {
            self.drivers[at] = None;
            self.told.retain(|(whose, _)| *whose != at);
        }
        self.disconnect(|a, b| a == node || b == node);
    }

    /// Closes the connections between nodes for which `is_lost` says so.
    fn disconnect(&mut self, is_lost: impl Fn(usize, usize) -> bool) {
        let ends = self.connections.values().copied().collect::<Vec<_>>();
        for (a, b) in ends {
            if is_lost(a.0, b.0) {
                self.close(a);
            }
        }
    }

    fn live(&self) -> impl Iterator<Item = (usize, &Driver<AnyOverlay>)> {
        let drivers = self.drivers.iter().enumerate();
        drivers.filter_map(|(node, driver)| Some((node, driver.as_ref()?)))
    }

    fn connections_of(&self, node: usize) -> usize {
        let ends = self.connections.values().flat_map(|(a, b)| [a.0, b.0]);
        ends.filter(|end| *end == node).count()
    }

    /// Into how many parts the network of neighbours falls.
    fn components(&self) -> usize {
        let mut parts = Vec::new();
        for (node, driver) in self.live() {
            let ids = driver.neighbourhood.members().iter();
            let at = |id: &PeerId| self.peers.iter().position(|p| p == id).expect("known");
            let mut part: BTreeSet<usize> = ids.map(at).collect();
            part.insert(node);
            let touches = |other: &mut BTreeSet<usize>| !part.is_disjoint(other);
            let touching: Vec<_> = parts.extract_if(.., touches).collect();
            part.extend(touching.into_iter().flatten());
            parts.push(part);
        }
        parts.len()
    }

    /// Whether nothing is under way anywhere.
    fn at_rest(&self) -> bool {
        let busy = |happening: &Happening| {
            !matches!(
                happening,
                Happening::Wake(_) | Happening::Siblings | Happening::SiblingCloses(_)
            )
        };
        let drivers = self.live().all(|(_, d)| d.sampler.in_flight() == 0);
        drivers && !self.happenings.values().any(busy)
    }

    /// Goes on until nothing is under way, at most for a minute.
    fn come_to_rest(&mut self, what: &str) {
        let end = self.now + 60 * SECOND;
        while !self.at_rest() {
            assert!(self.now < end, "{what}: still busy after a minute");
            let next = self.now + SECOND / 20;
            self.run_until(next);
        }
    }

    /// What must hold whenever nothing is under way.
    fn check(&self, what: &str, bound: usize) {
        let mut kept = BTreeSet::new();
        for (node, driver) in self.live() {
            let me = &self.peers[self.node(node)];
            let exchanges = driver.exchanger.under_way();
            assert!(exchanges.is_empty(), "{what}: {exchanges:?}");
            let holder = &driver.exchanger.keeper.holder;
            assert!(holder.dials_nobody(), "{what}: {holder:?}");
            assert!(!driver.sampler.view().contains(me), "{what}: itself");
            assert!(
                driver.neighbourhood.is_settled(),
                "{what}: a place is held for nothing"
            );
            let told = self.told.iter().filter(|(whose, _)| *whose == node);
            let told: BTreeSet<_> = told.map(|(_, peer)| *peer).collect();
            let is: BTreeSet<_> = driver.neighbourhood.members().iter().copied().collect();
            assert_eq!(told, is, "{what}: what {node} was told of its neighbours");
            let saved = driver.publisher.handle().contacted();
            assert!(!saved.is_empty(), "{what}: {node} has found nobody");
            let neighbours = driver.neighbourhood.members();
            assert!(neighbours.len() <= bound, "{what}: {neighbours:?}");
            for other in neighbours {
                let at = self.peers.iter().position(|p| p == other).expect("known");
                let counterpart = at + node / self.nodes * self.nodes;
                let back = self.drivers[counterpart].as_ref();
                let back = back.expect("the dead are disconnected");
                assert!(
                    back.neighbourhood.contains(me),
                    "{what}: {node} keeps {at}, which does not keep it"
                );
                let node = self.node(node);
                assert!(
                    driver.exchanger.keeper.connections.is_direct(other),
                    "{what}: {node} keeps {at} through a relay"
                );
                kept.insert((node.min(at), node.max(at)));
            }
        }
        for (a, b) in self.connections.values() {
            for (end, other) in [(a, b), (b, a)] {
                for at in self.behaviours_of(end.0) {
                    let driver = self.drivers[at].as_ref();
                    let driver = driver.expect("the dead are disconnected");
                    let alive = self.kept_alive.contains(&(at, end.1));
                    let peer = &self.peers[other.0];
                    let neighbour = driver.neighbourhood.contains(peer) && !self.is_relayed(*end);
                    let wanted = neighbour || driver.exchanger.keeper.is_lifeline(end.1);
                    assert_eq!(alive, wanted, "{what}: kept alive, and a neighbour");
                }
            }
        }
        // Those that a sibling has dialled, or wanted as well, are the sibling's and the idle
        // time-out's to close.
        let ours = |(a, b): &&(End, End)| {
            let dialler = self.drivers[a.0]
                .as_ref()
                .expect("the dead are disconnected");
            let connections = &dialler.exchanger.keeper.connections;
            let is_ours = connections.is_ours(&self.peers[b.0], a.1);
            is_ours && !dialler.exchanger.keeper.is_lifeline(a.1)
        };
        let open = self.connections.values().filter(ours);
        let open: BTreeSet<_> = open.map(|(a, b)| (a.0.min(b.0), a.0.max(b.0))).collect();
        let left: Vec<_> = open.difference(&kept).collect();
        assert!(left.is_empty(), "{what}: connected for nothing: {left:?}");
    }
}

/// A driver that has just started, with `seq` for the number of its record.
fn new_driver(
    keypair: &Keypair,
    holder: Holder,
    (seq, home): (u64, &Multiaddr),
    config: &Config,
    rng: &mut StdRng,
) -> Driver<AnyOverlay> {
    let overlay = AnyOverlay::new(config.overlay(), config.gossip().view_size());
    let record = Record::sign(keypair, seq, std::slice::from_ref(home)).expect("signing works");
    let driver_rng = StdRng::from_rng(rng);
    let mut driver = Driver::new(holder, config, overlay, driver_rng).expect("valid settings");
    driver.sampler.set_local(Some(record));
    driver
}

/// One more behaviour of a node.
fn join(node: &Arc<Node>, config: &Config) -> Holder {
    Holder::join(&node, config.protocol().expect("a name"))
}

fn address(node: usize) -> Multiaddr {
    Multiaddr::empty().with(Protocol::Memory(node as u64 + 1))
}

/// How many seeds to try: `few`, or as many as `WORLD_SEEDS` says.
fn seeds(few: u64) -> u64 {
    let many = std::env::var("WORLD_SEEDS").ok();
    many.and_then(|many| many.parse().ok()).unwrap_or(few)
}

fn config() -> Config {
    Config::local().with_view_size(10).with_neighbours(4)
}

#[test]
fn without_faults_everybody_is_known_and_nothing_is_left_over() {
    for seed in 0..seeds(20) {
        let what = format!("seed {seed}");
        let mut world = World::new(seed, 25, &config(), Faults::default());
        world.run_until(Time::new(300 * SECOND));
        world.come_to_rest(&what);
        world.check(&what, 4);
        for (node, driver) in world.live() {
            assert_eq!(driver.sampler.view().len(), 10, "{what}: {node}");
            assert!(driver.neighbourhood.members().len() >= 2, "{what}: {node}");
        }
    }
}

#[test]
fn whatever_is_lost_both_ends_agree_in_the_end() {
    let faults = Faults {
        dial: 0.05,
        request: 0.05,
        response: 0.05,
        connection: 0.05,
        sibling: 0.5,
        sibling_clings: false,
        relayed: 0.2,
    };
    let mut happened = (0, 0, 0);
    for seed in 0..seeds(40) {
        let what = format!("seed {seed}");
        let mut world = World::new(seed, 20, &config(), faults);
        world.run_until(Time::new(300 * SECOND));
        // From now on nothing is lost any more.
        world.faults = Faults::default();
        world.run_until(Time::new(600 * SECOND));
        world.come_to_rest(&what);
        world.check(&what, 4);
        for (node, driver) in world.live() {
            assert_eq!(driver.sampler.view().len(), 10, "{what}: {node}");
        }
        happened.0 += world.dials_failed;
        happened.1 += world.messages_lost;
        happened.2 += world.connections_lost;
    }
    assert!(
        happened.0 > 100 && happened.1 > 100 && happened.2 > 100,
        "faults that were to happen, and did not: {happened:?}"
    );
}

/// As mDNS does: everybody is told of whoever is there already, and half of all dials fail.
#[test]
fn nodes_that_siblings_tell_of_each_other_need_no_seeds() {
    let faults = Faults {
        dial: 0.5,
        ..Faults::default()
    };
    for seed in 0..seeds(10) {
        let what = format!("seed {seed}");
        let tell = |driver: &mut Driver<AnyOverlay>, before: &[PeerId], _| {
            for (node, peer) in before.iter().enumerate() {
                driver.on_address_told(*peer, &address(node), Time::ZERO);
            }
        };
        let mut world = World::with_way_in(seed, 20, &config(), faults, tell);
        world.run_until(Time::new(300 * SECOND));
        world.faults = Faults::default();
        world.run_until(Time::new(900 * SECOND));
        world.come_to_rest(&what);
        world.check(&what, 4);
        for (node, driver) in world.live() {
            assert_eq!(driver.sampler.view().len(), 10, "{what}: {node}");
        }
        assert!(world.dials_failed > 20, "{what}: {}", world.dials_failed);
    }
}

/// What one driver is done with, another may need; and what nobody needs is closed.
#[test]
fn drivers_that_share_connections_do_not_disturb_each_other() {
    let faults = Faults {
        dial: 0.05,
        request: 0.05,
        response: 0.05,
        connection: 0.05,
        sibling: 0.3,
        sibling_clings: false,
        relayed: 0.1,
    };
    for seed in 0..seeds(8) {
        let what = format!("seed {seed}");
        let mut world =
            World::with_instances(2, (seed, 15), &config(), faults, |driver, _, peer| {
                driver
                    .discovery
                    .seeds
                    .add(address(0), peer)
                    .expect("an address");
            });
        world.run_until(Time::new(200 * SECOND));
        world.faults = Faults::default();
        // The first driver of one node leaves, and the second goes on.
        let now = world.now;
        let driver = world.drivers[7].as_mut().expect("it lives");
        driver.leave(now);
        world.settle(7);
        world.run_until(Time::new(600 * SECOND));
        world.come_to_rest(&what);
        world.check(&what, 4);
        for (at, driver) in world.live().filter(|(at, _)| *at != 7) {
            assert_eq!(driver.sampler.view().len(), 10, "{what}: {at}");
            let neighbours = driver.neighbourhood.members().len();
            assert!(neighbours >= 2, "{what}: {at} has {neighbours} neighbours");
        }
        assert!(
            world.drivers[7]
                .as_ref()
                .is_some_and(|driver| driver.next_wake().is_none())
        );
    }
}

#[test]
fn after_a_crash_of_half_the_dead_are_forgotten_and_their_places_taken() {
    for seed in 0..seeds(20) {
        let what = format!("seed {seed}");
        let mut world = World::new(seed, 30, &config(), Faults::default());
        world.run_until(Time::new(300 * SECOND));
        // The seed among them.
        (0..15).for_each(|node| world.crash(node));
        world.run_until(Time::new(900 * SECOND));
        world.come_to_rest(&what);
        world.check(&what, 4);
        for (node, driver) in world.live() {
            let view = driver.sampler.view();
            assert_eq!(view.len(), 10, "{what}: {node}");
            let dead = |peer: &PeerId| world.peers[..15].contains(peer);
            let dead = view.iter().filter(|d| dead(&d.peer.peer_id())).count();
            assert_eq!(dead, 0, "{what}: {node}");
            assert!(!driver.neighbourhood.members().is_empty(), "{what}: {node}");
        }
    }
}

/// 60 nodes whose connections no idle time-out closes, as in a gossipsub swarm: 300 rounds, then half of the
/// nodes crash.
#[test]
fn neighbours_rotate_and_their_network_stays_whole() {
    for seed in 0..seeds(2) {
        let what = format!("seed {seed}");
        let settings = Config::local().with_neighbours(8);
        let period = settings.gossip().period();
        let mut world = World::new(seed, 60, &settings, Faults::default());
        world.run_until(Time::new(20 * period));
        world.most_connections = 0;
        let mut places = Vec::new();
        for round in 20..300 {
            world.run_until(Time::new(round * period));
            assert_eq!(world.components(), 1, "{what}: round {round}");
            places.extend(world.live().map(|(_, d)| d.neighbourhood.members().len()));
        }
        let mean = places.iter().sum::<usize>() as f64 / places.len() as f64;
        let least = places.iter().min().copied().unwrap_or_default();
        println!(
            "{what}: {mean:.2} neighbours, {least} at least, {} rotations, {} connections at most",
            world.rotations, world.most_connections
        );
        assert!(mean > 7.5, "{what}: places stay empty");
        // One in 49 rounds and node; each makes others look for somebody fresh, too.
        assert!(world.rotations > 200, "{what}: they do not rotate");
        assert!(world.most_connections <= 16, "{what}: too many connections");
        (0..30).for_each(|node| world.crash(node));
        let mut rounds = 0;
        while world.components() > 1 {
            rounds += 1;
            assert!(rounds <= 5, "{what}: still in parts after five rounds");
            world.run_until(world.now + period);
        }
        let left: Vec<_> = world
            .live()
            .map(|(_, d)| d.neighbourhood.members().len())
            .collect();
        world.run_until(world.now + period);
        let refilled: Vec<_> = world
            .live()
            .map(|(_, d)| d.neighbourhood.members().len())
            .collect();
        println!("{what}: whole after {rounds} rounds, with {left:?}, a round later {refilled:?}");
        world.run_until(world.now + 40 * period);
        world.come_to_rest(&what);
        world.check(&what, 8);
    }
}

/// As where gossipsub holds open what Kademlia has dialled.
#[test]
fn what_siblings_never_close_is_pruned() {
    let faults = Faults {
        sibling: 1.0,
        sibling_clings: true,
        ..Faults::default()
    };
    let pruning = Pruning {
        max_connections: 9,
        grace: 30 * SECOND,
    };
    for seed in 0..seeds(10) {
        let what = format!("seed {seed}");
        for pruning in [None, Some(pruning)] {
            let config = config().with_pruning(pruning);
            let mut world = World::new(seed, 20, &config, faults);
            world.run_until(Time::new(600 * SECOND));
            world.faults = Faults::default();
            world.run_until(Time::new(700 * SECOND));
            world.come_to_rest(&what);
            world.check(&what, 4);
            let open = (0..20).map(|node| world.connections_of(node));
            match pruning {
                Some(pruning) => {
                    assert!(open.max() <= Some(pruning.max_connections), "{what}");
                    // In 30 s a node gets 3 from siblings, as a rule.
                    let most = world.most_connections;
                    assert!(most <= pruning.max_connections + 10, "{what}: {most}");
                }
                // Of 19 that there could be.
                None => assert!(open.sum::<usize>() > 15 * 20, "{what}: siblings let go"),
            }
            let mut drivers = world.live();
            assert!(
                drivers.all(|(_, d)| d.neighbourhood.members().len() >= 2),
                "{what}"
            );
        }
    }
}

#[test]
fn who_leaves_is_forgotten_and_takes_no_part() {
    for seed in 0..seeds(20) {
        let what = format!("seed {seed}");
        let mut world = World::new(seed, 15, &config(), Faults::default());
        world.run_until(Time::new(300 * SECOND));
        for node in [0, 3, 7] {
            let now = world.now;
            let driver = world.drivers[node].as_mut().expect("it lives");
            driver.leave(now);
            world.settle(node);
        }
        world.run_until(Time::new(900 * SECOND));
        world.come_to_rest(&what);
        world.check(&what, 4);
        for (node, driver) in world.live() {
            for left in [0, 3, 7] {
                let known = driver.sampler.view().contains(&world.peers[left]);
                assert!(
                    !known || [0, 3, 7].contains(&node),
                    "{what}: {node} knows {left}"
                );
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_world() {
    let run = |seed| {
        let mut world = World::new(seed, 15, &config(), Faults::default());
        world.run_until(Time::new(100 * SECOND));
        let views = world.live().map(|(_, d)| d.sampler.view().clone());
        (world.next, views.collect::<Vec<_>>())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
