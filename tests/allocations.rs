//! Once each node has its storage, exchanges do not allocate: neither at the node that starts one,
//! nor at the node that answers.
//!
//! A binary of its own: the counter replaces the global allocator.

use std::{sync::Arc, time::Duration};

use allocation_counter::measure;
use libp2p_peer_sampling::{
    PeerSampling, Recency, Selection, ZoneAware,
    fuzzing::Buffers,
    gossip::Failure,
    overlay::Random,
    sampler::{Config, PartnerSelection, Sampler},
    time::Time,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

type Node = Sampler<u32, Random, StdRng>;

const NODES: u32 = 50;
const C: usize = 30;
const PERIOD: Duration = Duration::from_secs(10);

struct World {
    nodes: Vec<Node>,
    /// Shared, or each node has its own.
    buffers: Option<Buffers<u32>>,
    /// One in so many exchanges fails.
    failing: u32,
    rng: StdRng,
    now: Time,
    answered: u64,
    failed: u64,
}

impl World {
    fn new(config: Config, overlay: Random, buffers: Option<Buffers<u32>>, failing: u32) -> Self {
        let config = Arc::new(config.with_view_size(C).with_period(PERIOD));
        let node = |id: u32| {
            let rng = StdRng::seed_from_u64(id.into());
            let mut node = Sampler::new(id, config.clone(), overlay, rng).expect("valid settings");
            node.set_local(Some(id));
            node.init((1..=C as u32).map(|other| (id + other) % NODES));
            node
        };
        Self {
            nodes: (0..NODES).map(node).collect(),
            buffers,
            failing,
            rng: StdRng::seed_from_u64(1),
            now: Time::ZERO,
            answered: 0,
            failed: 0,
        }
    }

    fn node<T>(&mut self, id: u32, work: impl FnOnce(&mut Node) -> T) -> T {
        let node = &mut self.nodes[id as usize];
        match &mut self.buffers {
            Some(buffers) => buffers.work(node, work),
            None => work(node),
        }
    }

    fn rounds(&mut self, count: u32) {
        for _ in 0..count {
            self.now += PERIOD;
            for id in 0..NODES {
                self.round(id);
            }
        }
    }

    fn round(&mut self, id: u32) {
        let now = self.now;
        while let Some(exchange) = self.node(id, |node| node.poll_round(now)) {
            if self.rng.random_ratio(1, self.failing) {
                // The request is not delivered.
                if let Some(buffers) = &mut self.buffers {
                    buffers.keep(exchange.request.descriptors);
                }
                self.node(id, |node| {
                    node.handle_failure(exchange.id, Failure::Broken, now)
                })
                .expect("in flight");
                self.failed += 1;
            } else {
                let (partner, request) = (exchange.partner, exchange.request);
                let response = self.node(partner, |node| node.handle_request(&id, request, now));
                self.node(id, |node| node.handle_response(exchange.id, response, now))
                    .expect("in flight");
                self.answered += 1;
            }
        }
    }
}

const OVERLAYS: [Random; 5] = [
    Random::blind(),
    Random::for_view_size(C),
    Random::new(3, 12),
    Random::swapper(C),
    Random::healer(C),
];

fn every_setting() -> impl Iterator<Item = (Config, Random)> {
    let selections = [PartnerSelection::Tail, PartnerSelection::Rand];
    selections.into_iter().flat_map(|selection| {
        OVERLAYS.map(|overlay| (Config::default().with_selection(selection), overlay))
    })
}

/// How many allocations 40 rounds take, and how many exchanges there were.
fn allocations(world: &mut World) -> (u64, u64) {
    world.rounds(20);
    let before = world.answered;
    let info = measure(|| world.rounds(40));
    (info.count_total, world.answered - before)
}

#[test]
fn exchanges_do_not_allocate_out_of_shared_buffers() {
    for (config, overlay) in every_setting() {
        let what = format!("{overlay:?}, {:?}", config.selection());
        let mut world = World::new(config, overlay, Some(Buffers::new(2)), u32::MAX);
        assert_eq!(allocations(&mut world), (0, 2_000), "{what}");
    }
}

#[test]
fn exchanges_do_not_allocate_out_of_the_nodes_own_buffers() {
    for (config, overlay) in every_setting() {
        let what = format!("{overlay:?}, {:?}", config.selection());
        let mut world = World::new(config, overlay, None, u32::MAX);
        assert_eq!(allocations(&mut world), (0, 2_000), "{what}");
    }
}

/// A failure leaves notes. A time with far more of them first, so that there is storage for all.
#[test]
fn failures_do_not_allocate_either() {
    for (config, overlay) in every_setting() {
        let what = format!("{overlay:?}, {:?}", config.selection());
        let mut world = World::new(config, overlay, Some(Buffers::new(2)), 2);
        world.rounds(60);
        world.failing = 10;
        let failed = world.failed;
        let (allocations, answered) = allocations(&mut world);
        assert!(answered > 1_500, "{what}: {answered}");
        assert!(world.failed - failed > 150, "{what}: {}", world.failed);
        assert_eq!(allocations, 0, "{what}");
    }
}

/// Through the interface too, and the view is not copied.
#[test]
fn handing_out_peers_does_not_allocate() {
    let mut world = World::new(Config::default(), Random::blind(), None, u32::MAX);
    let node = &mut world.nodes[0];
    // Storage for those that were handed out.
    node.broadcast(drop);
    let zone = |peer: &u32| Some(peer % 3);
    let zone = ZoneAware::new(1, 0.5, zone).expect("a probability");
    let modes = [Selection::Head, Selection::Tail, Selection::Uniform];
    let allocations = measure(|| {
        for _ in 0..100 {
            for mode in &modes {
                let peer = PeerSampling::select_peer(node, mode).into_inner();
                assert!(peer.is_some());
            }
            assert!(node.select_peer(Recency::Proportional).is_some());
            assert!(node.select_peer(zone).is_some());
            assert_eq!(PeerSampling::view(node).len(), C);
            assert_eq!(node.broadcast(drop), C);
        }
    });
    assert_eq!(allocations.count_total, 0);
}

/// The counter counts: without storage to begin with there are allocations.
#[test]
fn the_first_exchanges_do_allocate() {
    let mut world = World::new(Config::default(), Random::blind(), None, u32::MAX);
    assert_ne!(measure(|| world.rounds(1)).count_total, 0);
}
