//! Compares adaptive healing, the default, with every fixed H: how random the overlay is at rest,
//! and how many rounds it takes to forget a crash. See `docs/healing.md`.
//!
//! `cargo run --release --example healing` takes some minutes; with `-- --quick`, some seconds.

mod healing {
    pub mod measure;
    pub mod plot;
    pub mod table;
}

#[path = "../shared/mod.rs"]
mod shared;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use healing::{
    measure::{Judged, Network, Policy, Run},
    plot, table,
};
use libp2p_peer_sampling::simulator::config::ConfigError;
use shared::{
    output::{Plot, print},
    runs,
};

/// Compares adaptive healing with every fixed H: in networks at rest, under churn, after a crash.
///
/// The same arguments give the same output, byte for byte, with any number of threads.
#[derive(Debug, Parser)]
#[command(name = "healing")]
struct Arguments {
    /// How many nodes there are [default: 10000; with --quick 2000]
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,

    /// The view size c: how many peers each node knows
    #[arg(long, value_name = "C", default_value_t = 30)]
    view: usize,

    /// How many runs each policy gets, from different seeds [default: 3; with --quick 1]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    seeds: Option<u64>,

    /// The first of the seeds
    #[arg(long, value_name = "X", default_value_t = 0)]
    seed: u64,

    /// Use a small network, one seed, and only some fixed H
    #[arg(long)]
    quick: bool,

    /// Draw the results into this file
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,

    /// How many simulations run at the same time [default: as many as there are processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

impl Arguments {
    fn network(&self) -> Network {
        Network {
            nodes: self
                .nodes
                .unwrap_or(if self.quick { 2_000 } else { 10_000 }),
            view_size: self.view,
        }
    }

    fn seeds(&self) -> Vec<u64> {
        let count = self.seeds.unwrap_or(if self.quick { 1 } else { 3 });
        (0..count)
            .map(|seed| self.seed.wrapping_add(seed))
            .collect()
    }

    fn policies(&self) -> Vec<Policy> {
        let half = self.view / 2;
        let few = [0, 1, 2, 3, half / 2, half];
        let healers = (0..=half).filter(|healer| !self.quick || few.contains(healer));
        let fixed = healers.map(Policy::Fixed);
        std::iter::once(Policy::Adaptive).chain(fixed).collect()
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("healing: {reason}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let (network, seeds) = (arguments.network(), arguments.seeds());
    let checked = network.config(seeds[0]).check();
    checked.map_err(|error| error.to_string())?;
    let plot = arguments.plot.as_deref().map(Plot::create).transpose()?;
    let all = judged(arguments).map_err(|error| error.to_string())?;
    let table = table::written(network, &seeds, &all);
    // A reader that closes the output early may still want the figure.
    print(&table)?;
    if let Some(plot) = plot {
        plot.write(plot::figure(network, &all))?;
    }
    Ok(())
}

/// All policies with all seeds. Whichever thread did a run, it ends up in the same place.
fn judged(arguments: &Arguments) -> Result<Vec<Judged>, ConfigError> {
    let (network, seeds) = (arguments.network(), arguments.seeds());
    let policies = arguments.policies();
    let jobs = policies
        .iter()
        .flat_map(|policy| seeds.iter().map(move |seed| (*policy, *seed)));
    let jobs: Vec<(Policy, u64)> = jobs.collect();
    let threads = runs::threads(arguments.threads);
    let done = runs::side_by_side(&jobs, threads, |&(policy, seed)| {
        network.judge(policy, seed)
    })?;
    let mut runs: Vec<((Policy, u64), Run)> = jobs.into_iter().zip(done).collect();
    runs.sort_by_key(|((_, seed), _)| *seed);
    let of = |policy: Policy| {
        let runs = runs.extract_if(.., |((of, _), _)| *of == policy);
        Judged::new(policy, runs.map(|(_, run)| run).collect())
    };
    Ok(policies.into_iter().map(of).collect())
}
