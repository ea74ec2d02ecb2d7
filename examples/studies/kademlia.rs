//! Compares a DHT without a list of bootstrap nodes with one that bootstraps the usual way. It
//! measures how full the routing tables are, how much the seed has to do, and how many records are
//! found after the seed has gone. See `docs/kademlia.md`.
//!
//! `cargo run --release --example kademlia` takes about 7 minutes; with `-- --quick`, one minute.
//! `kademlia/node.rs` shows how the behaviours make a DHT together.

mod kademlia {
    pub mod member;
    pub mod node;
    pub mod study;
    pub mod table;
}

#[expect(dead_code, reason = "nothing is plotted")]
#[path = "../shared/output.rs"]
mod output;

use std::{process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};
use kademlia::{
    node::{Discovery, Failure, Timing},
    study::Study,
    table,
};
use output::print;

/// Measures DHTs whose nodes know one seed: bootstrapped the usual way, or by peer sampling.
///
/// Runs real sockets on loopback, one network after another. The load of the machine shows in the
/// output.
#[derive(Debug, Parser)]
#[command(name = "kademlia")]
struct Arguments {
    /// How many nodes there are, the seed included [default: 50; with --quick 24]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=200))]
    nodes: Option<u64>,

    /// How many records are put, half of them after the seed is gone [default: 20; with --quick 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=500))]
    records: Option<u64>,

    /// How many times faster than normal the network runs. Normal are: a period T of 10 s for peer
    /// sampling, a timeout of 10 s for idle connections, a refresh of kad every 5 minutes, and the
    /// time between joins of --every
    #[arg(long, value_name = "TIMES", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    faster: u32,

    /// How many rounds are measured after the last join [default: 150; with --quick 20]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: Option<u32>,

    /// The normal time between two joins, in seconds; --faster divides it
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=60))]
    every: u32,

    /// Leave identify out
    #[arg(long)]
    without_identify: bool,

    /// Measure only these networks [default: all]
    #[arg(long, value_enum, value_name = "NETWORK", value_delimiter = ',')]
    only: Vec<Discovery>,

    /// The seed of the random numbers, from which the nodes' identities come
    #[arg(long, value_name = "X", default_value_t = 0)]
    seed: u64,

    /// Use a small network, and a short time
    #[arg(long)]
    quick: bool,
}

impl Arguments {
    fn study(&self) -> Study {
        let unless_quick = |always, quick| if self.quick { quick } else { always };
        let count = |asked: Option<u64>, default| {
            asked.map_or(default, |asked| {
                usize::try_from(asked).unwrap_or(usize::MAX)
            })
        };
        Study {
            nodes: count(self.nodes, unless_quick(50, 24)),
            records: count(self.records, unless_quick(20, 10)),
            every: Duration::from_secs(self.every.into()) / self.faster,
            timing: Timing::faster(self.faster),
            rounds: self.rounds.unwrap_or(if self.quick { 20 } else { 150 }),
            identify: !self.without_identify,
            seed: self.seed,
        }
    }

    fn networks(&self) -> Vec<Discovery> {
        let all = Discovery::value_variants().iter().copied();
        let asked = |discovery: &Discovery| self.only.is_empty() || self.only.contains(discovery);
        all.filter(asked).collect()
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("kademlia: {reason}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let study = arguments.study();
    allow_files(study.nodes);
    if !print(&format!("{}\n", table::head(&study)))? {
        return Ok(());
    }
    let mut all = Vec::new();
    for network in arguments.networks() {
        all.push(study.measure(network).await?);
    }
    print(&format!("{}\n", table::written(&all)))?;
    Ok(())
}

/// Both ends of every connection are files of this process, and all nodes may be connected to all
/// others. That is more than many shells allow.
fn allow_files(nodes: usize) {
    let files = u64::try_from(2 * nodes * nodes).unwrap_or(u64::MAX);
    match rlimit::increase_nofile_limit(files) {
        Ok(allowed) if allowed >= files => {}
        Ok(allowed) => eprintln!("kademlia: only {allowed} open files are allowed: see ulimit -n"),
        Err(error) => eprintln!("kademlia: open files: {error}"),
    }
}
