//! What one exchange costs, both ends together: `cargo bench --bench exchange`.

use std::{sync::Arc, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use libp2p_peer_sampling::time::Time;
use libp2p_peer_sampling::{
    fuzzing::Buffers,
    overlay::Random,
    sampler::{Config, PartnerSelection, Sampler},
};
use rand::{RngExt, SeedableRng, rngs::SmallRng};

type Node = Sampler<u32, Random, SmallRng>;

/// Few enough that they fit into the cache: what is measured is the work, not the memory.
const NODES: u32 = 500;
const C: usize = 30;

fn population(overlay: Random, selection: PartnerSelection) -> Vec<Node> {
    let mut rng = SmallRng::seed_from_u64(1);
    let config = Arc::new(
        Config::default()
            .with_view_size(C)
            .with_selection(selection),
    );
    let mut node = |id: u32| {
        let node_rng = SmallRng::from_rng(&mut rng);
        let mut node = Sampler::new(id, config.clone(), overlay, node_rng).expect("valid settings");
        node.set_local(Some(id));
        while node.view().len() < C {
            node.init([rng.random_range(0..NODES)]);
        }
        node
    };
    (0..NODES).map(&mut node).collect()
}

/// One node's round.
fn round(nodes: &mut [Node], buffers: &mut Buffers<u32>, id: u32, now: Time) {
    let at = id as usize;
    while let Some(exchange) = buffers.work(&mut nodes[at], |node| node.poll_round(now)) {
        let partner = &mut nodes[exchange.partner as usize];
        let response = buffers.work(partner, |node| {
            node.handle_request(&id, exchange.request, now)
        });
        let merged = buffers.work(&mut nodes[at], |node| {
            node.handle_response(exchange.id, response, now)
        });
        merged.expect("in flight");
    }
}

fn exchanges(c: &mut Criterion) {
    let mut group = c.benchmark_group("exchange");
    group.throughput(Throughput::Elements(1));
    for selection in [PartnerSelection::Tail, PartnerSelection::Rand] {
        for (healer, swapper) in [(0, 0), (0, 15), (1, 14), (3, 12), (15, 0)] {
            let name = format!("{selection:?}/H={healer} S={swapper}");
            let mut nodes = population(Random::new(healer, swapper), selection);
            let mut buffers = Buffers::new(2);
            let (mut id, mut now) = (0, Duration::ZERO);
            group.bench_function(name, |b| {
                b.iter(|| {
                    if id == 0 {
                        now += Config::default().period();
                    }
                    round(&mut nodes, &mut buffers, id, Time::new(now));
                    id = (id + 1) % NODES;
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, exchanges);
criterion_main!(benches);
