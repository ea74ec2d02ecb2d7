//! What becomes of a network when the machine has too much to do: real swarms in one process, all
//! started at once.
//!
//! `cargo run --release --example overload` runs 1,000 nodes for 90 s, an exchange per second each.
//! `-- --load 200,400,800,1600` compares what is asked for per second with what succeeds.

#[path = "../shared/columns.rs"]
mod columns;
#[path = "../shared/seconds.rs"]
mod seconds;
mod overload {
    pub mod network;
    pub mod plot;
    pub mod requests;
    pub mod study;
    pub mod usage;
}
#[expect(dead_code, reason = "the figures of other examples need more of it")]
#[path = "../shared/mod.rs"]
mod shared;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};
use columns::aligned;
use overload::{
    network::{Failure, Kind, Plan, Start},
    plot::{Curve, draw},
    study::{Burst, Stretch, trace},
};
use seconds::seconds;
use shared::output::Plot;

/// Runs more exchanges than the machine can make, and shows how many succeed.
#[derive(Debug, Parser)]
#[command(name = "overload")]
struct Arguments {
    /// How many nodes there are
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u16).range(2..=5_000)
    )]
    nodes: u16,

    /// What the nodes do
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = What::Exchanges)]
    what: What,

    /// The time between two exchanges of a node, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    period: f64,

    /// After how many seconds an exchange has failed
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    timeout: f64,

    /// How many neighbours a node has
    #[arg(
        long,
        value_name = "K",
        default_value_t = 0,
        value_parser = clap::value_parser!(u16).range(0..=64)
    )]
    neighbours: u16,

    /// How nodes join: each knows some others, or all know the first
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Joining::Seed)]
    joining: Joining,

    /// Over QUIC instead of TCP
    #[arg(long)]
    quic: bool,

    /// For how long each network runs, in seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 90,
        value_parser = clap::value_parser!(u32).range(5..=3_600)
    )]
    seconds: u32,

    /// From this second on, other work takes half of the machine for 20 s
    #[arg(long, value_name = "SECOND")]
    burst_at: Option<u32>,

    /// Runs one network for each of these numbers of exchanges per second, of exchanges and of
    /// requests, and compares the last 15 s of each
    #[arg(long, value_name = "N", value_delimiter = ',')]
    load: Vec<u32>,

    /// Where to draw the curves of --load, as SVG
    #[arg(long, value_name = "FILE", requires = "load")]
    plot: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// They sample peers
    Exchanges,
    /// They send bare requests of the same size
    Requests,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Joining {
    Known,
    Seed,
}

/// How often a network is looked at.
const STEP: Duration = Duration::from_secs(5);
/// How many of the last steps count for a curve.
const LAST: usize = 3;
/// How long other work takes half of the machine.
const BURST: Duration = Duration::from_secs(20);

impl Arguments {
    fn plan(&self) -> Plan {
        Plan {
            nodes: self.nodes.into(),
            kind: match self.what {
                What::Exchanges => Kind::Sampling {
                    neighbours: self.neighbours.into(),
                },
                What::Requests => Kind::Requests,
            },
            period: Duration::from_secs_f64(self.period),
            timeout: Duration::from_secs_f64(self.timeout),
            start: match self.joining {
                Joining::Known => Start::Known,
                Joining::Seed => Start::Seed,
            },
            connected: false,
            quic: self.quic,
            remembered: None,
        }
    }

    fn steps(&self) -> u32 {
        self.seconds.div_ceil(STEP.as_secs() as u32)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    match arguments.load.is_empty() {
        true => one(arguments).await,
        false => curves(arguments).await,
    }
}

/// One network, step by step.
async fn one(arguments: &Arguments) -> Result<(), Failure> {
    println!("seconds  succeeded  failed  seed failed  dials  processors  kB per node");
    let burst = arguments.burst_at.map(|second| {
        let from = Duration::from_secs(second.into());
        Burst {
            from,
            until: from + BURST,
        }
    });
    let tell = |stretch: &Stretch| {
        println!(
            "{:>7.0} {:>10} {:>7} {:>12} {:>6} {:>11.2} {:>12}",
            stretch.until.as_secs_f64(),
            stretch.totals.succeeded,
            stretch.totals.failed,
            stretch.totals.seeds_failed,
            stretch.totals.dials,
            stretch.processors,
            stretch.memory / 1_000,
        );
    };
    trace(arguments.plan(), STEP, arguments.steps(), burst, tell).await?;
    Ok(())
}

/// Many networks, and what of the load they carry.
async fn curves(arguments: &Arguments) -> Result<(), Failure> {
    let plot = arguments.plot.as_deref().map(Plot::create).transpose()?;
    let mut rows = vec![
        [
            "",
            "asked for",
            "succeeded",
            "failed",
            "dials",
            "processors",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    let mut curves = Vec::new();
    for (name, kind) in [
        (
            "exchanges",
            Kind::Sampling {
                neighbours: arguments.neighbours.into(),
            },
        ),
        ("requests", Kind::Requests),
    ] {
        let mut points = Vec::new();
        for &load in &arguments.load {
            let plan = Plan {
                kind,
                period: Duration::from_secs_f64(f64::from(arguments.nodes) / f64::from(load)),
                ..arguments.plan()
            };
            let seen = trace(plan, STEP, arguments.steps(), None, |_| {}).await?;
            let last = &seen[seen.len().saturating_sub(LAST)..];
            let time = STEP.as_secs_f64() * last.len() as f64;
            let sum =
                |count: fn(&Stretch) -> u64| last.iter().map(count).sum::<u64>() as f64 / time;
            let good = sum(|stretch| stretch.totals.succeeded);
            let processors = last.iter().map(|stretch| stretch.processors).sum::<f64>();
            rows.push(vec![
                name.to_owned(),
                load.to_string(),
                format!("{good:.0}"),
                format!("{:.0}", sum(|stretch| stretch.totals.failed)),
                format!("{:.0}", sum(|stretch| stretch.totals.dials)),
                format!("{:.2}", processors / last.len() as f64),
            ]);
            eprintln!(
                "{}",
                rows.last().map_or(String::new(), |row| row.join("  "))
            );
            points.push((f64::from(load), good));
        }
        curves.push(Curve { name, points });
    }
    println!("All per second:\n{}", aligned(&rows));
    if let Some(plot) = plot {
        plot.write(draw(&curves))?;
    }
    Ok(())
}
