//! What it costs to be handed one peer: `cargo bench --bench select`.

use std::{error::Error, hint::black_box};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures::FutureExt;
use libp2p::{core::SignedEnvelope, identity::Keypair};
use libp2p_peer_sampling::{
    Behaviour, Config, Handle, PeerSampling, Recency, Record, Selection, ZoneAware,
    overlay::Random,
    pb,
    sampler::{self, Sampler},
};
use prost::Message;
use rand::{SeedableRng, rngs::StdRng};

/// The view size c.
const C: u32 = 30;

type Node = Sampler<u32, Random, StdRng>;

fn node() -> Node {
    let config = sampler::Config::default().with_view_size(C as usize);
    let rng = StdRng::seed_from_u64(1);
    let mut node = Sampler::new(0, config, Random::for_view_size(30), rng).expect("valid settings");
    node.init(1..=C);
    node
}

/// A record at this port, as others get it.
fn envelope(port: u32) -> Result<Vec<u8>, Box<dyn Error>> {
    let keypair = Keypair::generate_ed25519();
    let address: libp2p::Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}").parse()?;
    let record = pb::PeerRecord {
        peer_id: keypair.public().to_peer_id().to_bytes(),
        seq: 1,
        addresses: vec![pb::AddressInfo {
            multiaddr: address.to_vec(),
        }],
    };
    let envelope = SignedEnvelope::new(
        &keypair,
        "libp2p-peer-record".to_owned(),
        vec![3, 1],
        record.encode_to_vec(),
    )?;
    Ok(envelope.into_protobuf_encoding())
}

/// A behaviour with a full view, and its handle.
fn behaviour() -> Result<(Behaviour, Handle), Box<dyn Error>> {
    let config = Config::local().with_view_size(C as usize);
    let mut behaviour = Behaviour::new(&Keypair::generate_ed25519(), config)?;
    let envelopes = (1..=C).map(envelope).collect::<Result<Vec<_>, _>>()?;
    assert_eq!(behaviour.init(envelopes).entered, C as usize);
    let handle = behaviour.handle();
    Ok((behaviour, handle))
}

/// By the method of the type, and through the interface.
fn both_ways<S, T>(
    c: &mut Criterion,
    (name, mode): (&str, S::Mode),
    service: &mut S,
    select: impl Fn(&mut S, &S::Mode) -> T,
) where
    S: PeerSampling,
{
    c.bench_function(&format!("select/{name}/method"), |b| {
        b.iter(|| black_box(select(service, &mode)));
    });
    c.bench_function(&format!("select/{name}/interface"), |b| {
        b.iter(|| black_box(service.select_peer(&mode).now_or_never()));
    });
}

/// All have been handed out before.
fn again(c: &mut Criterion) {
    let mut node = node();
    node.broadcast(drop);
    for (name, mode) in [
        ("sampler/head", Selection::Head),
        ("sampler/tail", Selection::Tail),
        ("sampler/uniform", Selection::Uniform),
    ] {
        both_ways(c, (name, mode), &mut node, |node, mode| {
            node.select_peer(*mode)
        });
    }
    let (_behaviour, mut handle) = behaviour().expect("valid records");
    handle.broadcast(drop);
    let select = |handle: &mut Handle, mode: &Selection| Handle::select_peer(handle, *mode);
    both_ways(
        c,
        ("handle/uniform", Selection::Uniform),
        &mut handle,
        select,
    );

    let mut one = |name: &str, select: &dyn Fn(&Handle) -> Option<Record>| {
        c.bench_function(&format!("select/handle/{name}"), |b| {
            b.iter(|| black_box(select(&handle)));
        });
    };
    one("least recent", &|handle| {
        handle.select_peer(Recency::LeastRecent)
    });
    one("proportional", &|handle| {
        handle.select_peer(Recency::Proportional)
    });
    let zone = |record: &Record| Some(record.seq());
    let mode = ZoneAware::new(1, 0.8, zone).expect("a probability");
    one("zone", &|handle| handle.select_peer(mode));
}

/// Everyone once.
fn everyone(c: &mut Criterion) {
    c.bench_function("select/sampler/everyone once", |b| {
        b.iter_batched_ref(
            node,
            |node| {
                for _ in 0..C {
                    black_box(node.select_peer(Selection::Uniform));
                }
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, again, everyone);
criterion_main!(benches);
