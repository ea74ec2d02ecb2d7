//! What one merge costs: `cargo bench --bench merge`.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use libp2p_peer_sampling::{
    overlay::{Merge, Overlay, Random, Side},
    peer::Peer,
    view::{Descriptor, View},
};
use rand::{SeedableRng, rngs::StdRng};

const C: usize = 30;

/// A peer whose identity is as long as a `PeerId`'s, behind a pointer, as in a record.
#[derive(Clone)]
struct Long(Box<[u8; 40]>);

impl Peer for Long {
    type Id = [u8; 40];

    fn id(&self) -> &[u8; 40] {
        &self.0
    }
}

impl From<u32> for Long {
    fn from(number: u32) -> Self {
        let mut id = [7; 40];
        id[8..12].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_le_bytes());
        Self(Box::new(id))
    }
}

fn descriptors<P: From<u32>>(peers: std::ops::Range<u32>) -> Vec<Descriptor<P>> {
    let descriptor = |number: u32| Descriptor {
        peer: number.into(),
        age: number * 7 % 11,
    };
    peers.map(descriptor).collect()
}

/// A full view, of which 14 were sent, gets 15 descriptors, `known` of them known.
fn merge<P: Peer + From<u32>>(c: &mut Criterion, name: &str, mut overlay: Random, known: u32) {
    let full: View<P> = descriptors(0..C as u32).into_iter().collect();
    let sent: Vec<P::Id> = full.head(14).iter().map(|d| d.peer.id().clone()).collect();
    let received = descriptors::<P>(C as u32 - known..C as u32 - known + 15);
    let mut rng = StdRng::seed_from_u64(1);
    c.bench_function(&format!("merge/{name}/{known} of 15 known"), |b| {
        b.iter_batched_ref(
            || {
                let mut view = View::with_capacity(C + received.len());
                view.append(&mut full.as_slice().to_vec());
                (view, received.clone())
            },
            |(view, received)| {
                let merge = Merge {
                    partner: &sent[0],
                    view_size: C,
                    side: Side::Active,
                    sent: &sent,
                    received,
                    candidates: &[],
                };
                overlay.merge(view, merge, &mut rng);
                black_box(view.len())
            },
            BatchSize::SmallInput,
        );
    });
}

fn merges(c: &mut Criterion) {
    let overlays = [
        ("blind", Random::blind()),
        ("H=1 S=14", Random::new(1, 14)),
        ("H=3 S=12", Random::new(3, 12)),
        ("swapper", Random::swapper(C)),
        ("healer", Random::healer(C)),
    ];
    for (name, overlay) in overlays {
        merge::<u32>(c, &format!("u32/{name}"), overlay, 1);
        merge::<Long>(c, &format!("40 bytes/{name}"), overlay, 1);
    }
    merge::<u32>(c, "u32/swapper", Random::swapper(C), 14);
    merge::<Long>(c, "40 bytes/swapper", Random::swapper(C), 14);
}

criterion_group!(benches, merges);
criterion_main!(benches);
