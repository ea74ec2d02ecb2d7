//! The sampler in a world: how its drivers are made and driven, and what they know of each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use libp2p_core::Multiaddr;
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{
    ConnectionId,
    behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    sampling::overlay::any::AnyOverlay,
    swarm::{
        exchanger::Exchanger,
        handler::{InboundId, OutboundError, OutboundId},
        node::{Node, holder::Holder},
        record::Record,
        sampling::{
            config::Config,
            driver::{Driver, testing::holder},
            event::{Event, NeighbourDownReason},
        },
        wire::sampling::{Request, Response, Sampling},
        world::{
            World,
            driven::{Driven, Home},
            faults::Faults,
            network::address,
        },
    },
    time::{Time, Wake},
};

/// The driver of a sampler with any overlay.
pub(crate) type Sampler = Driver<AnyOverlay>;

/// What the samplers of a world are made of.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) keypairs: Vec<Keypair>,
}

/// What the samplers of a world have said.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The neighbours of each driver, by its events.
    pub(crate) neighbours: BTreeSet<(usize, PeerId)>,
    /// How often a neighbour gave way to a fresh one.
    pub(crate) rotations: u32,
    /// How many peers have left the view of each driver since an exchange with them failed.
    pub(crate) removed: BTreeMap<usize, u32>,
}

impl Driven for Sampler {
    type Wire = Sampling;
    type Event = Event;
    type Setup = Setup;
    type Notes = Told;

    fn exchanger(&self) -> &Exchanger<Sampling, Event> {
        &self.exchanger
    }

    fn exchanger_mut(&mut self) -> &mut Exchanger<Sampling, Event> {
        &mut self.exchanger
    }

    fn advance(&mut self, home: Home<'_>, setup: &Setup, now: Time) {
        Self::advance(self, now);
        if let Some(seq) = self.take_outbid().record {
            let address = std::slice::from_ref(home.address);
            let record = Record::sign(&setup.keypairs[home.node], seq + 1, address);
            self.sampler.set_local(Some(record.expect("signing works")));
        }
    }

    fn next_wake(&self) -> Option<Wake> {
        Self::next_wake(self)
    }

    fn addresses_to_dial(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        now: Time,
    ) -> Vec<Multiaddr> {
        Self::addresses_to_dial(self, connection, peer, now)
    }

    fn on_connection_established(&mut self, event: ConnectionEstablished, now: Time) {
        Self::on_connection_established(self, event, now);
    }

    fn on_connection_closed(&mut self, event: ConnectionClosed, now: Time) {
        Self::on_connection_closed(self, event, now);
    }

    fn on_dial_failure(&mut self, event: DialFailure, now: Time) {
        Self::on_dial_failure(self, event, now);
    }

    fn on_request(
        &mut self,
        from: (PeerId, ConnectionId),
        id: InboundId,
        request: Request,
        now: Time,
    ) {
        Self::on_request(self, from, id, request, now);
    }

    fn on_result(
        &mut self,
        from: (PeerId, ConnectionId),
        id: OutboundId,
        result: Result<Response, OutboundError>,
        now: Time,
    ) {
        Self::on_result(self, from, id, result, now);
    }

    fn is_neighbour(&self, peer: &PeerId) -> bool {
        self.neighbourhood.contains(peer)
    }

    fn is_at_rest(&self) -> bool {
        self.sampler.in_flight() == 0
    }

    fn note(&self, at: usize, event: Event, told: &mut Told) {
        match event {
            Event::NeighbourUp { peer } => {
                assert!(
                    self.publisher.handle().is_contacted(&peer),
                    "there is only hearsay of a neighbour"
                );
                let is_new = told.neighbours.insert((at, peer));
                assert!(is_new, "it was one before");
            }
            Event::NeighbourDown { peer, reason } => {
                told.rotations += u32::from(reason == NeighbourDownReason::Rotated);
                let was_one = told.neighbours.remove(&(at, peer));
                assert!(was_one, "it was none before");
            }
            Event::ExchangeFailed { removed: true, .. } => {
                *told.removed.entry(at).or_default() += 1;
            }
            _ => {}
        }
    }

    fn forget(at: usize, told: &mut Told) {
        told.neighbours.retain(|(driver, _)| *driver != at);
    }
}

impl World<Sampler> {
    // ---- Beginnings ----

    /// A world in which every node has node 0 for a seed.
    pub(crate) fn new(seed: u64, nodes: usize, config: &Config, faults: Faults) -> Self {
        Self::with_way_in(seed, nodes, config, faults, with_seed)
    }

    /// A world in which `way_in` tells each node but the first, whose peer id comes last, how to
    /// begin, and is given those before it.
    pub(crate) fn with_way_in(
        seed: u64,
        nodes: usize,
        config: &Config,
        faults: Faults,
        way_in: impl Fn(&mut Sampler, &[PeerId], PeerId),
    ) -> Self {
        Self::with_instances(1, (seed, nodes), config, faults, way_in)
    }

    /// A world in which each node has so many drivers, each for an overlay of its own.
    pub(crate) fn with_instances(
        instances: usize,
        (seed, nodes): (u64, usize),
        config: &Config,
        faults: Faults,
        way_in: impl Fn(&mut Sampler, &[PeerId], PeerId),
    ) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let setup = Setup {
            config: config.clone(),
            keypairs: Vec::new(),
        };
        let timeout = config.gossip().exchange_timeout();
        let world_rng = StdRng::from_rng(&mut rng);
        let mut world = Self::of_none(world_rng, (nodes, instances), (setup, timeout), faults);
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
                    way_in(&mut driver, &world.nodes.peers, peer);
                }
                world.nodes.drivers[node + instance * nodes] = Some(driver);
            }
            world.nodes.peers.push(peer);
            world.setup.keypairs.push(keypair);
            world.settle(node);
        }
        world.begin();
        world
    }

    /// Starts a crashed node again, as on a machine where nothing was saved: with the same key, at
    /// `home`, and with `seq` for the number of its first record.
    pub(crate) fn restart(&mut self, node: usize, seq: u64, home: Multiaddr, seeds: &[Multiaddr]) {
        let keypair = &self.setup.keypairs[node];
        let config = &self.setup.config;
        let holder = holder(keypair.public().to_peer_id(), config);
        let rng = &mut self.medium.rng;
        let mut driver = new_driver(keypair, holder, (seq, &home), config, rng);
        for seed in seeds {
            let added = driver
                .discovery
                .seeds
                .add(seed.clone(), self.nodes.peers[node]);
            added.expect("an address");
        }
        self.revive(node, home, driver);
    }

    // ---- Rounds ----

    /// Goes on until `condition` holds, and returns after how many rounds; panics when it takes
    /// more than `most`.
    pub(crate) fn rounds_until(
        &mut self,
        what: &str,
        most: u32,
        condition: impl Fn(&Self) -> bool,
    ) -> u32 {
        for round in 0..=most {
            if condition(self) {
                return round;
            }
            self.rounds(1);
        }
        panic!("{what}: not within {most} rounds");
    }

    pub(crate) fn rounds(&mut self, count: u32) {
        let period = self.setup.config.gossip().period();
        self.run_until(self.now() + count * period);
    }

    // ---- What they know ----

    pub(crate) fn view_len(&self, at: usize) -> usize {
        let driver = self.driver(at);
        driver.map_or(0, |driver| driver.sampler.view().len())
    }

    /// How many neighbours a driver has.
    pub(crate) fn neighbours_of(&self, at: usize) -> usize {
        let driver = self.driver(at);
        driver.map_or(0, |driver| driver.neighbourhood.members().len())
    }

    pub(crate) fn knows(&self, node: usize, other: usize) -> bool {
        let driver = self.driver(node);
        driver.is_some_and(|d| d.sampler.view().contains(&self.nodes.peers[other]))
    }

    /// In how many views a node is.
    pub(crate) fn in_degree(&self, node: usize) -> usize {
        let nodes = 0..self.nodes.count();
        nodes.filter(|other| self.knows(*other, node)).count()
    }

    /// Into how many parts the views of the live drivers fall.
    pub(crate) fn parts(&self) -> usize {
        let live: Vec<_> = self.nodes.live().map(|(node, _)| node).collect();
        let mut part: BTreeMap<usize, usize> = live.iter().map(|node| (*node, *node)).collect();
        for a in &live {
            for b in live.iter().filter(|b| self.knows(*a, **b)) {
                let (one, other) = (part[a], part[b]);
                let others = part.values_mut().filter(|part| **part == other);
                others.for_each(|part| *part = one);
            }
        }
        part.into_values().collect::<BTreeSet<_>>().len()
    }

    /// Into how many parts the network of neighbours falls.
    pub(crate) fn components(&self) -> usize {
        let mut parts = Vec::new();
        for (node, driver) in self.nodes.live() {
            let ids = driver.neighbourhood.members().iter();
            let at = |id: &PeerId| self.nodes.position(id).expect("known");
            let mut part: BTreeSet<usize> = ids.map(at).collect();
            part.insert(node);
            let touches = |other: &mut BTreeSet<usize>| !part.is_disjoint(other);
            let touching: Vec<_> = parts.extract_if(.., touches).collect();
            part.extend(touching.into_iter().flatten());
            parts.push(part);
        }
        parts.len()
    }
}

/// Gives a node the first node's address for a seed.
pub(crate) fn with_seed(driver: &mut Sampler, _: &[PeerId], peer: PeerId) {
    let added = driver.discovery.seeds.add(address(0), peer);
    added.expect("an address");
}

/// A driver that has just started, with `seq` for the number of its record.
fn new_driver(
    keypair: &Keypair,
    holder: Holder,
    (seq, home): (u64, &Multiaddr),
    config: &Config,
    rng: &mut StdRng,
) -> Sampler {
    let overlay = AnyOverlay::new(*config.overlay(), config.gossip().view_size());
    let record = Record::sign(keypair, seq, std::slice::from_ref(home)).expect("signing works");
    let driver_rng = StdRng::from_rng(rng);
    let mut driver =
        Driver::new(holder, config, overlay, None, driver_rng).expect("valid settings");
    driver.sampler.set_local(Some(record));
    driver
}

/// One more behaviour of a node.
fn join(node: &Arc<Node>, config: &Config) -> Holder {
    Holder::join(node, config.protocol().expect("a name"))
}
