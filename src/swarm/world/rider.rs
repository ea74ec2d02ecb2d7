//! A protocol that rides on a sampler, in a world: the extremes, over samplers that know everybody.

use std::collections::BTreeMap;

use libp2p_core::Multiaddr;
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{
    ConnectionId, StreamProtocol,
    behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{
    gossip::partners::Partners,
    protocols::extrema::{Event, Extrema, Message, config::Config as Settings},
    riders::extrema::ExtremaWire,
    sampling::view::{Descriptor, View},
    swarm::{
        exchanger::Exchanger,
        handle::publisher::Publisher,
        handler::{InboundId, OutboundError, OutboundId},
        node::holder::Holder,
        record::Record,
        rider::{config::Config, driver::Driver},
        sampling::{config::Config as Sampling, driver::testing::holder},
        world::{
            World,
            driven::{Driven, Home},
            faults::Faults,
            network::address,
        },
    },
    time::{Time, Wake},
};

/// The driver of a rider, and what the sampler beside it knows.
pub(crate) struct Rider {
    pub(crate) driver: Driver<Extrema<PeerId, StdRng>, ExtremaWire>,
    /// Where all nodes are: what the sampler says when the swarm asks.
    homes: BTreeMap<PeerId, Multiaddr>,
    /// The sampler's end of the handle: it ends with the node.
    _publisher: Publisher,
}

impl Driven for Rider {
    type Wire = ExtremaWire;
    type Event = Event;
    type Setup = ();
    type Notes = ();

    fn exchanger(&self) -> &Exchanger<ExtremaWire, Event> {
        &self.driver.exchanger
    }

    fn exchanger_mut(&mut self) -> &mut Exchanger<ExtremaWire, Event> {
        &mut self.driver.exchanger
    }

    fn advance(&mut self, _: Home<'_>, (): &(), now: Time) {
        self.driver.advance(now);
    }

    fn next_wake(&self) -> Option<Wake> {
        self.driver.next_wake()
    }

    fn addresses_to_dial(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        _: Time,
    ) -> Vec<Multiaddr> {
        let holder = &self.driver.exchanger.keeper.holder;
        assert!(
            holder.handed(connection, peer).is_err(),
            "it chooses nothing"
        );
        let home = peer.and_then(|peer| self.homes.get(&peer));
        home.cloned().into_iter().collect()
    }

    fn on_connection_established(&mut self, event: ConnectionEstablished, now: Time) {
        self.driver.on_connection_established(event, now);
    }

    fn on_connection_closed(&mut self, event: ConnectionClosed, now: Time) {
        self.driver.on_connection_closed(event, now);
    }

    fn on_dial_failure(&mut self, event: DialFailure, now: Time) {
        self.driver.on_dial_failure(event, now);
    }

    fn on_request(
        &mut self,
        from: (PeerId, ConnectionId),
        id: InboundId,
        request: Message,
        now: Time,
    ) {
        self.driver.on_request(from, id, request, now);
    }

    fn on_result(
        &mut self,
        from: (PeerId, ConnectionId),
        id: OutboundId,
        result: Result<Message, OutboundError>,
        now: Time,
    ) {
        self.driver.on_result(from, id, result, now);
    }

    fn is_neighbour(&self, _: &PeerId) -> bool {
        false
    }

    fn is_at_rest(&self) -> bool {
        self.driver.exchanger.under_way().is_empty()
    }

    fn note(&self, _: usize, _: Event, (): &mut ()) {}

    fn forget(_: usize, (): &mut ()) {}
}

impl World<Rider> {
    /// A world in which node n has the value n, and every sampler knows all others.
    pub(crate) fn of_riders(seed: u64, nodes: usize, faults: Faults) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let settings = Config::default();
        let timeout = settings.exchange_timeout();
        let world_rng = StdRng::from_rng(&mut rng);
        let mut world = Self::of_none(world_rng, (nodes, 1), ((), timeout), faults);
        let mut records = Vec::new();
        for node in 0..nodes {
            let mut secret = [0; 32];
            rng.fill(&mut secret[..]);
            let keypair = Keypair::ed25519_from_bytes(secret).expect("32 bytes");
            let record = Record::sign(&keypair, 1, &[address(node)]).expect("signing works");
            world.nodes.peers.push(record.peer_id());
            records.push(record);
        }
        let homes = world.nodes.peers.iter().copied();
        let homes: BTreeMap<_, _> = homes.zip((0..nodes).map(address)).collect();
        for node in 0..nodes {
            let local = world.nodes.peers[node];
            let shared = holder(local, &Sampling::local()).node().clone();
            let publisher_rng = StdRng::from_rng(&mut rng);
            let publisher = Publisher::new(shared.clone(), None, publisher_rng, false);
            let others = records.iter().filter(|record| record.peer_id() != local);
            let view: View<Record> = others.cloned().map(Descriptor::fresh).collect();
            publisher.publish(&view);
            let name = StreamProtocol::new("/extrema/1.0.0");
            // Each partner has to be dialled: more can go wrong.
            let extrema = Settings::new(0.0..=nodes as f64).with_partners(Partners::Samples);
            let protocol = Extrema::new(extrema, node as f64, StdRng::from_rng(&mut rng));
            let peers = publisher.handle().peers();
            let own = Holder::join(&shared, name.clone());
            let protocol = protocol.expect("valid settings");
            world.nodes.drivers[node] = Some(Rider {
                driver: Driver::new(protocol, own, name, peers, settings),
                homes: homes.clone(),
                _publisher: publisher,
            });
        }
        (0..nodes).for_each(|node| world.settle(node));
        world.begin();
        world
    }
}
