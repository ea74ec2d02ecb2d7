//! A process with more to do than the machine can: real swarms over TCP, a quick subset of what
//! `examples/studies/overload.rs` shows.
#![cfg(feature = "swarm")]

#[path = "../examples/studies/overload"]
#[allow(dead_code, unreachable_pub)]
mod overload {
    pub mod network;
    pub mod requests;
    pub mod study;
    pub mod usage;
}

use std::time::Duration;

use overload::{
    network::{Kind, Plan, Start},
    study::{Stretch, trace},
};

const STEP: Duration = Duration::from_secs(3);

/// Nodes that ask for many times what two cores can do, and give each exchange little time.
fn plan() -> Plan {
    Plan {
        nodes: 60,
        kind: Kind::Sampling { neighbours: 0 },
        // About ten times as much, in a debug build: rounds can become 32 times longer, so there is
        // room for a machine with other work, too.
        period: Duration::from_millis(20),
        timeout: Duration::from_secs(1),
        start: Start::Seed,
        connected: false,
        quic: false,
        remembered: None,
    }
}

/// Without restraint three in five fail (measured), and more the longer it lasts.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_with_too_much_to_do_does_less_and_most_of_it_succeeds() {
    let seen = trace(plan(), STEP, 6, None, |_| {})
        .await
        .expect("a network");
    let late = &seen[3..];
    let sum = |count: fn(&Stretch) -> u64| late.iter().map(count).sum::<u64>();
    let succeeded = sum(|stretch| stretch.totals.succeeded);
    let failed = sum(|stretch| stretch.totals.failed);
    assert!(succeeded > 100 && failed < succeeded / 2, "{seen:?}");
}
