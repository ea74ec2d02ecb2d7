//! Both protocols of this crate beside the sampler, in real swarms: they find out what they are
//! for, and cost no dial.
#![cfg(feature = "swarm")]

#[path = "../examples/studies/riders"]
#[allow(dead_code, unreachable_pub)]
mod riders {
    pub mod study;
}

use std::time::Duration;

use libp2p_peer_sampling::{LeasePurpose, extrema::Extremes};
use riders::study::{Plan, Seen, Transport, dials, run};

/// How often a machine may be too busy to measure anything but itself.
const ATTEMPTS: usize = 3;

fn plan(transport: Transport, riders: bool) -> Plan {
    Plan {
        nodes: 8,
        transport,
        riders,
        neighbours: 2,
        period: Duration::from_millis(400),
        idle_timeout: Duration::from_secs(10),
        joining: 8,
        rounds: 20,
    }
}

/// Asserts that the nodes have found out all that there is, whatever it has cost. Returns whether
/// they could do so at the pace of the plan.
fn found_out(plan: &Plan, seen: &[Seen]) -> bool {
    let all = Extremes {
        min: 0.0,
        max: (plan.nodes - 1) as f64,
    };
    for node in seen {
        let known = node.extremes.map(|(extremes, _)| extremes);
        assert_eq!(known, Some(all));
        assert!(node.round_trips.count() > 0);
    }
    let leases: Vec<_> = seen.iter().flat_map(|node| &node.leases).collect();
    let neighbours = leases.iter().filter(|lease| {
        let name: &str = lease.holder.as_ref();
        lease.purpose == LeasePurpose::Neighbour && name.ends_with("/peer-sampling/1.0.0")
    });
    assert!(neighbours.count() > 0, "{leases:?}");
    let is_on_time = |node: &Seen| {
        let median = node.round_trips.percentile(0.5);
        node.round_trips.count() >= u64::from(plan.rounds / 2) && median < Some(plan.period / 4)
    };
    seen.iter().all(is_on_time)
}

async fn riders_cost_no_dial(transport: Transport) {
    let mut found = Vec::new();
    for _ in 0..ATTEMPTS {
        let (alone, with) = (plan(transport, false), plan(transport, true));
        let of_alone = run(alone).await.expect("a network");
        let of_with = run(with).await.expect("a network");
        let on_time = found_out(&with, &of_with);
        let (of_alone, of_with) = (dials(&alone, &of_alone), dials(&with, &of_with));
        eprintln!("{transport:?}: {of_alone:.3} dials alone, {of_with:.3} with riders");
        assert!(of_alone > 0.1, "there is something to compare: {of_alone}");
        // Two runs differ by chance: a node and round dials or does not, 160 of them.
        if on_time && of_with < of_alone + 0.15 {
            return;
        }
        found.push((on_time, of_alone, of_with));
    }
    panic!("riders are late, or dial: {found:?}");
}

/// One after the other, as each keeps the machine busy.
#[tokio::test(flavor = "multi_thread")]
async fn riders_cost_no_dial_over_tcp_and_quic() {
    for transport in [Transport::Tcp, Transport::Quic] {
        riders_cost_no_dial(transport).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn riders_find_their_partners_where_idle_connections_are_closed_at_once() {
    let plan = Plan {
        neighbours: 0,
        idle_timeout: Duration::ZERO,
        ..plan(Transport::Tcp, true)
    };
    let mut counts = Vec::new();
    for _ in 0..ATTEMPTS {
        let seen = run(plan).await.expect("a network");
        counts = seen.iter().map(|node| node.round_trips.count()).collect();
        if counts
            .iter()
            .all(|&count| count >= u64::from(plan.rounds / 2))
        {
            return;
        }
    }
    panic!("too few round trips: {counts:?}");
}
