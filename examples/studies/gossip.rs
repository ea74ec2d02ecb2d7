//! Gossipsub over neighbours, on real sockets on loopback. Neighbours come and go, and half of the
//! nodes crash. The example measures how many connections a node has at every moment, and whether
//! every message arrives. For comparison, another run keeps the connection of every exchange.
//!
//! `cargo run --release --example gossip` takes some minutes; with `-- --quick`, some seconds.

mod gossip {
    pub mod gauge;
    pub mod ledger;
    pub mod node;
    pub mod plot;
    pub mod study;
    pub mod table;
    pub mod topology;
}

#[path = "../shared/columns.rs"]
mod columns;
#[expect(
    dead_code,
    reason = "real nodes have their own tasks, and are not simulated one per thread"
)]
#[path = "../shared/mod.rs"]
mod shared;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use gossip::{
    node::{Failure, Keeps, Mesh},
    plot,
    study::{self, Plan},
    table,
};
use shared::output::{Plot, print};

/// Measures connections per node and the delivery of messages, with gossipsub over neighbours and
/// over the connections of all exchanges.
#[derive(Debug, Parser)]
#[command(name = "gossip")]
struct Arguments {
    /// How many nodes there are [default: 60; with --quick 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(4..=500))]
    nodes: Option<u16>,

    /// How many neighbours a node has [default: 8; with --quick 4]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(2..=64))]
    neighbours: Option<u16>,

    /// About how many rounds pass before a new neighbour is due [default: 30; with --quick 10]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rotation: Option<u32>,

    /// The view size: how many peers each node knows [default: 30; with --quick 10]
    #[arg(long, value_name = "C", value_parser = clap::value_parser!(u16).range(2..=128))]
    view: Option<u16>,

    /// How many rounds there are after all have joined [default: 300; with --quick 40]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: Option<u32>,

    /// The time between two rounds, in milliseconds
    #[arg(long, value_name = "MILLIS", default_value_t = 400, value_parser = clap::value_parser!(u64).range(20..=60_000))]
    period: u64,

    /// The time between two nodes that join, in milliseconds
    #[arg(long, value_name = "MILLIS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    interval: u64,

    /// How many runs there are with neighbours; another half of the nodes crashes in each
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    runs: u64,

    /// Leave out the run that keeps the connection of every exchange
    #[arg(long)]
    no_naive: bool,

    /// How gossipsub is set up
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Mesh::Fitting)]
    mesh: Mesh,

    /// Close some connections beyond this number, no matter which side dialled [default: no limit]
    #[arg(long, value_name = "N")]
    max_connections: Option<usize>,

    /// Use a small network, and few rounds
    #[arg(long)]
    quick: bool,

    /// Draw connections per node into this file
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

impl Arguments {
    fn plan(&self) -> Plan {
        let or = |given: Option<u16>, always, quick| match given {
            Some(given) => usize::from(given),
            None if self.quick => quick,
            None => always,
        };
        let period = Duration::from_millis(self.period);
        Plan {
            nodes: or(self.nodes, 60, 20),
            keeps: Keeps::Neighbours(or(self.neighbours, 8, 4)),
            rotation: self.rotation.unwrap_or(if self.quick { 10 } else { 30 }),
            view_size: or(self.view, 30, 10),
            rounds: self.rounds.unwrap_or(if self.quick { 40 } else { 300 }),
            period,
            heartbeat: period * 2 / 5,
            interval: Duration::from_millis(self.interval),
            messages: 2,
            mesh: self.mesh,
            max_connections: self.max_connections,
            crash: true,
            seed: 0,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("gossip: {reason}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let plan = arguments.plan();
    let file = arguments.plot.as_deref().map(Plot::create).transpose()?;
    print(&table::head(&plan))?;
    let mut runs = Vec::new();
    for seed in 0..arguments.runs {
        let plan = Plan {
            seed,
            ..plan.clone()
        };
        runs.push(study::run(&plan).await?);
    }
    let naive = match arguments.no_naive {
        true => None,
        false => {
            let plan = Plan {
                keeps: Keeps::Everybody,
                crash: false,
                ..plan
            };
            Some(study::run(&plan).await?)
        }
    };
    print(&table::written(&runs, naive.as_ref()))?;
    if let Some(file) = file {
        file.write(plot::figure(&runs[0], naive.as_ref()))?;
    }
    Ok(())
}
