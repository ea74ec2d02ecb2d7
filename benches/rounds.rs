//! Node-rounds per second, over networks of 10^3 to 10^6 nodes: `cargo bench --bench rounds`.

use std::time::Duration;

use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use libp2p_peer_sampling::{
    overlay::Random,
    sampler::{Config as Sampler, PartnerSelection},
    simulator::{config::Config, driver::Driver, rounds::Rounds},
};

fn node_rounds(c: &mut Criterion) {
    let mut group = c.benchmark_group("rounds");
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10)
        .measurement_time(Duration::from_secs(10));
    for (healer, swapper) in [(0, 15), (3, 12)] {
        for nodes in [1_000, 10_000, 100_000, 1_000_000] {
            let gossip = Sampler::default().with_selection(PartnerSelection::Rand);
            let config = Config::new(nodes).with_gossip(gossip);
            let overlay = Random::new(healer, swapper);
            let mut rounds = Rounds::new(config, overlay).expect("valid settings");
            // The views of the first rounds are unlike those of later ones.
            (0..10).for_each(|_| rounds.next_round());
            group.throughput(Throughput::Elements(nodes as u64));
            let id = BenchmarkId::new(format!("H={healer} S={swapper}"), nodes);
            group.bench_function(id, |b| b.iter(|| rounds.next_round()));
        }
    }
    group.finish();
}

criterion_group!(benches, node_rounds);
criterion_main!(benches);
