//! Real swarms find their places in a topology, and find them again after a crash: the examples
//! `ring` and `zones`, small.

#[path = "../examples/ring"]
#[expect(dead_code, reason = "the example needs more of it")]
mod ring {
    pub mod links;
    pub mod node;
}

#[path = "../examples/zones"]
#[expect(dead_code, reason = "the example needs more of it")]
mod zones {
    pub mod node;
    pub mod traffic;
}

use std::time::Duration;

use tokio::time::{Instant, sleep};

const PERIOD: Duration = Duration::from_millis(250);
/// How long anything may take: many times what it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(150);

/// Waits until it is so.
async fn until(what: &str, mut is_so: impl FnMut() -> Result<(), String>) {
    let begin = Instant::now();
    while let Err(state) = is_so() {
        assert!(begin.elapsed() < PATIENCE, "{what}: {state}");
        sleep(PERIOD / 4).await;
    }
}

async fn ring_closes_again(quic: bool) {
    use ring::{links::Links, node::Node};

    let mut nodes = Vec::new();
    let mut seed = None;
    for _ in 0..18 {
        let node = Node::start(seed.clone(), PERIOD, quic).await;
        let node = node.expect("it listens");
        seed.get_or_insert_with(|| node.address.clone());
        nodes.push(node);
    }
    let whole = |nodes: &[Node]| {
        let links = Links::of(nodes);
        match links.are_whole() && links.dead == 0 {
            true => Ok(()),
            false => Err(format!("{links:?}")),
        }
    };
    until("the ring forms", || whole(&nodes)).await;
    // The seed is among them.
    for at in (0..6).rev() {
        nodes.swap_remove(3 * at).kill().await;
    }
    until("the ring closes", || whole(&nodes)).await;
    for node in nodes {
        node.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ring_closes_after_a_third_is_killed() {
    ring_closes_again(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ring_closes_after_a_third_is_killed_over_quic() {
    ring_closes_again(true).await;
}

/// The random view beside the ranked one holds other zones, too.
#[tokio::test(flavor = "multi_thread")]
async fn ranked_views_hold_the_own_zone_and_random_ones_all() {
    use zones::{
        node::{Node, zone_of},
        traffic::of_own_zone,
    };

    let mut nodes = Vec::new();
    let mut seed = None;
    for number in 0..24 {
        let zone = ["east", "north", "west"][number % 3];
        let node = Node::start(zone, seed.clone(), PERIOD).await;
        let node = node.expect("it listens");
        seed.get_or_insert_with(|| node.address.clone());
        nodes.push(node);
    }
    until("links are within the zone", || {
        let of_zone = |node: &Node| {
            let near = node.near().into_iter().take(4);
            near.filter(|record| zone_of(record).as_deref() == Some(node.zone))
                .count()
        };
        let links: usize = nodes.iter().map(of_zone).sum();
        match links == 4 * nodes.len() {
            true => Ok(()),
            false => Err(format!("{links} of {}", 4 * nodes.len())),
        }
    })
    .await;
    let random = of_own_zone(&nodes, Node::everybody);
    assert!((0.2..0.5).contains(&random), "{random}");
    for node in nodes {
        node.stop().await;
    }
}
