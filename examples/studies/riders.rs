//! Two protocols beside the sampler, in real swarms on loopback: what they find out, how many dials
//! they cost, and which behaviour keeps which connection open.
//!
//! `cargo run --release --example riders` takes about a minute.

mod riders {
    pub mod study;
}

use std::{error::Error, time::Duration};

use clap::{Parser, ValueEnum};
use libp2p_peer_sampling::round_trip::Histogram;
use riders::study::{Plan, Seen, Transport, dials, run};

/// Runs samplers alone, then with two protocols beside them: extremes and round-trip times.
#[derive(Debug, Parser)]
#[command(name = "riders")]
struct Arguments {
    /// How many nodes there are
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(4..=500))]
    nodes: u16,

    /// How many neighbours a node has: peers that stay connected
    #[arg(long, value_name = "K", default_value_t = 4, value_parser = clap::value_parser!(u16).range(0..=64))]
    neighbours: u16,

    /// How many rounds are measured, after ten rounds in which the nodes join
    #[arg(long, value_name = "K", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: u32,

    /// The time between two rounds, in milliseconds
    #[arg(long, value_name = "MILLIS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(20..=60_000))]
    period: u64,

    /// The transport
    #[arg(long, value_enum, default_value_t = Over::Tcp)]
    over: Over,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Over {
    Tcp,
    Quic,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments = Arguments::parse();
    let alone = Plan {
        nodes: arguments.nodes.into(),
        transport: match arguments.over {
            Over::Tcp => Transport::Tcp,
            Over::Quic => Transport::Quic,
        },
        riders: false,
        neighbours: arguments.neighbours.into(),
        period: Duration::from_millis(arguments.period),
        idle_timeout: Duration::from_secs(10),
        joining: 10,
        rounds: arguments.rounds,
    };
    let with = Plan {
        riders: true,
        ..alone
    };
    println!(
        "{} nodes on loopback, {} rounds of {:?}",
        alone.nodes, alone.rounds, alone.period
    );
    let of_alone = dials(&alone, &run(alone).await?);
    println!("\nThe sampler alone:      {of_alone:.2} dials per node and round");
    let seen = run(with).await?;
    let of_with = dials(&with, &seen);
    println!("With both riders beside: {of_with:.2} dials per node and round");
    print_extremes(&seen);
    print_round_trips(&seen);
    print_leases(&seen);
    Ok(())
}

fn print_extremes(seen: &[Seen]) {
    println!("\nExtremes; node n has the value n:");
    let mut known: Vec<_> = seen.iter().filter_map(|node| node.extremes).collect();
    known.sort_by_key(|(_, learned)| *learned);
    for share in [1, known.len() / 2, known.len()] {
        if let Some((extremes, learned)) = share.checked_sub(1).and_then(|at| known.get(at)) {
            println!(
                "  {share:>3} nodes have learned after {:>4.1} s: {} to {}",
                learned.as_secs_f64(),
                extremes.min,
                extremes.max
            );
        }
    }
}

fn print_round_trips(seen: &[Seen]) {
    let mut all = Histogram::default();
    for node in seen {
        all.merge(&node.round_trips);
    }
    println!("\n{} round trips:", all.count());
    for (name, share) in [("half", 0.5), ("nine in ten", 0.9), ("99 in 100", 0.99)] {
        if let Some(longest) = all.percentile(share) {
            println!("  {name:>11} took at most {longest:.0?}");
        }
    }
}

fn print_leases(seen: &[Seen]) {
    println!("\nWho keeps the connections of the first node open at the end:");
    for lease in seen.iter().take(1).flat_map(|node| &node.leases) {
        println!(
            "  {:?} for {} with {}",
            lease.purpose, lease.holder, lease.peer
        );
    }
}
