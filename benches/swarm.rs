//! The processor time of an exchange, both ends together, beside a bare request-response of the
//! same size. All nodes are real swarms in one process. Each network of exchanges is paired with
//! one of requests, in the same run.
//!
//! `cargo bench --bench swarm` takes 20 minutes; with `-- --nodes 40 --pairs 1`, one minute.
//!
//! The bench measures the processor time of the process, not the time that passes. So another
//! program on the machine disturbs it little.

#[path = "../examples/studies/overload"]
#[expect(dead_code, reason = "the study needs more of it")]
mod overload {
    pub mod network;
    pub mod requests;
    pub mod usage;
}

#[path = "../examples/shared/columns.rs"]
mod columns;

use std::time::Duration;

use clap::Parser;
use columns::aligned;
use overload::{
    network::{Failure, Kind, Network, Plan, Start},
    usage::cpu,
};
use tokio::time::sleep;

/// Measures exchanges beside requests.
#[derive(Debug, Parser)]
#[command(name = "swarm")]
struct Arguments {
    /// How many nodes the networks have
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        default_values_t = [40, 400, 1_000],
        value_parser = clap::value_parser!(u16).range(2..=5_000)
    )]
    nodes: Vec<u16>,

    /// How many pairs of networks are measured for each line of the table
    #[arg(
        long,
        value_name = "K",
        default_value_t = 3,
        value_parser = clap::value_parser!(u16).range(1..=100)
    )]
    pairs: u16,

    /// For how long each network is measured
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=3_600)
    )]
    seconds: u64,

    /// How many exchanges all nodes together start per second; 400 is a third of what two cores do
    #[arg(
        long,
        value_name = "N",
        default_value_t = 400,
        value_parser = clap::value_parser!(u16).range(1..=10_000)
    )]
    rate: u16,

    /// How many rounds pass before anything is measured
    #[arg(
        long,
        value_name = "K",
        default_value_t = 40,
        value_parser = clap::value_parser!(u16).range(1..=1_000)
    )]
    rounds: u16,

    /// Over QUIC instead of TCP
    #[arg(long)]
    quic: bool,

    /// How many records a node remembers [default: the library's]
    #[arg(long, value_name = "N")]
    remembered: Option<usize>,

    /// Measure only this set-up
    #[arg(long, value_name = "NAME")]
    only: Option<String>,

    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one network has cost.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// Processor time per exchange.
    each: Duration,
    dials: f64,
    failed: u64,
}

/// Runs a network for `warm`, and measures it for `time`.
async fn measure(plan: Plan, warm: Duration, time: Duration) -> Result<Cost, Failure> {
    let network = Network::start(plan).await?;
    sleep(warm).await;
    let (before, start) = (network.totals(), cpu());
    sleep(time).await;
    let (took, done) = (cpu() - start, network.totals().since(before));
    network.stop().await?;
    let count = done.succeeded.max(1);
    Ok(Cost {
        each: took / u32::try_from(count)?,
        dials: done.dials as f64 / count as f64,
        failed: done.failed,
    })
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    rlimit::increase_nofile_limit(u64::MAX)?;
    let time = Duration::from_secs(arguments.seconds);
    let mut rows = vec![
        [
            "",
            "nodes",
            "request-response",
            "exchange",
            "ratio",
            "dials",
            "failed",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for nodes in arguments.nodes {
        let nodes = usize::from(nodes);
        let plan = |kind, connected| Plan {
            nodes,
            kind,
            period: Duration::from_secs_f64(nodes as f64 / f64::from(arguments.rate)),
            timeout: Duration::from_secs(10),
            start: Start::Known,
            connected,
            quic: arguments.quic,
            remembered: arguments.remembered,
        };
        let set_ups = [
            ("with a dial", 0, false),
            ("8 neighbours", 8, false),
            ("connected", 0, true),
        ];
        for (name, neighbours, connected) in set_ups {
            let is_asked = arguments.only.as_ref().is_none_or(|only| only == name);
            // All connections of a larger network do not fit into a process.
            if !is_asked || (connected && nodes > 100) {
                continue;
            }
            for _ in 0..arguments.pairs {
                let of_requests = plan(Kind::Requests, connected);
                let of_exchanges = plan(Kind::Sampling { neighbours }, connected);
                let warm = of_exchanges.period * arguments.rounds.into();
                // Requests cost the same in every round.
                let requests = measure(of_requests, of_requests.period, time).await?;
                let exchanges = measure(of_exchanges, warm, time).await?;
                let millis = |cost: &Cost| format!("{:.3} ms", cost.each.as_secs_f64() * 1e3);
                let ratio = exchanges.each.as_secs_f64() / requests.each.as_secs_f64();
                rows.push(vec![
                    name.to_owned(),
                    nodes.to_string(),
                    millis(&requests),
                    millis(&exchanges),
                    format!("{ratio:.2}"),
                    format!("{:.2} {:.2}", requests.dials, exchanges.dials),
                    format!("{} {}", requests.failed, exchanges.failed),
                ]);
                eprintln!(
                    "{}",
                    rows.last().map_or(String::new(), |row| row.join("  "))
                );
            }
        }
    }
    println!("{}", aligned(&rows));
    Ok(())
}
