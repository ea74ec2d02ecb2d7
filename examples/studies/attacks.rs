//! How much attackers gain in each overlay, and what it costs to resist them. The results justify
//! the default overlay for the open internet: see `docs/attacks.md`.
//!
//! `cargo run --release --example attacks` takes about 20 minutes on one core; with `-- --quick`,
//! some seconds.

mod attacks {
    pub mod measure;
    pub mod plot;
    pub mod study;
    pub mod table;
}

#[path = "../shared/columns.rs"]
mod columns;
#[path = "../shared/mod.rs"]
mod shared;

use std::{path::PathBuf, process::ExitCode};

use attacks::{
    measure::Network,
    plot,
    study::{Part, Study},
    table,
};
use clap::{Parser, ValueEnum};
use shared::{
    output::{Plot, print},
    runs,
};

/// Measures what attackers gain in each overlay, and what it costs to resist them.
///
/// The same arguments give the same output, byte for byte, with any number of threads.
#[derive(Debug, Parser)]
#[command(name = "attacks")]
struct Arguments {
    /// How many nodes there are, attackers included [default: 1000; with --quick 150]
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,

    /// The view size: how many peers each node knows [default: 100; with --quick 30]
    #[arg(long, value_name = "V")]
    view: Option<usize>,

    /// How many rounds an attack lasts [default: 200; with --quick 60]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(2..=1_000_000))]
    rounds: Option<u64>,

    /// The seed of all random numbers
    #[arg(long, value_name = "X", default_value_t = 0)]
    seed: u64,

    /// Use a small network, and run only some attacks
    #[arg(long)]
    quick: bool,

    /// Run only these parts [default: all]
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,

    /// Draw the curves into this file
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,

    /// How many simulations run at the same time [default: as many as there are processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

impl Arguments {
    fn network(&self) -> Network {
        let unless_quick = |always, quick| if self.quick { quick } else { always };
        Network {
            nodes: self.nodes.unwrap_or(unless_quick(1_000, 150)),
            view_size: self.view.unwrap_or(unless_quick(100, 30)),
            rounds: self.rounds.unwrap_or(if self.quick { 60 } else { 200 }),
            seed: self.seed,
        }
    }

    fn parts(&self) -> Vec<Part> {
        let all = Part::value_variants().iter().copied();
        let asked = |part: &Part| self.only.is_empty() || self.only.contains(part);
        all.filter(asked).collect()
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("attacks: {reason}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let parts = arguments.parts();
    if arguments.plot.is_some() && !parts.contains(&Part::Curves) {
        return Err("--plot: only with the part curves".to_owned());
    }
    let mut plot = arguments.plot.as_deref().map(Plot::create).transpose()?;
    let threads = runs::threads(arguments.threads);
    let mut study = Study::new(arguments.network(), arguments.quick);
    if !print(&table::head(study.network))? {
        return Ok(());
    }
    for part in parts {
        let done = study.run(part, threads);
        done.map_err(|error| error.to_string())?;
        if part == Part::Curves
            && let Some(plot) = plot.take()
        {
            plot.write(plot::figure(&study))?;
        }
        if !print(&table::written(&study, part))? {
            break;
        }
    }
    Ok(())
}
