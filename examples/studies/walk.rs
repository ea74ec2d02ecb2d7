//! Compares two ways to a random peer, through one interface: out of the local view, and by a
//! random walk, a Kademlia lookup of a random key. How long does a peer take, and how many messages
//! does it cost?
//!
//! `cargo run --release --example walk` takes about a minute; with `-- --quick`, ten seconds.
//! `walk/service.rs` offers the walk as a `PeerSampling`, and `walk/study.rs` draws from both.

#[expect(dead_code, reason = "users and the test need more of it")]
mod walk {
    pub mod node;
    pub mod service;
    pub mod study;
}

#[path = "../shared/columns.rs"]
mod columns;
#[expect(dead_code, reason = "nothing is plotted")]
#[path = "../shared/output.rs"]
mod output;

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use columns::aligned;
use output::print;
use walk::{
    node::Failure,
    study::{Measured, Study},
};

/// Measures what a random peer costs: out of the view, and by a random walk over Kademlia.
///
/// Runs real sockets on loopback. The load of the machine shows in the times.
#[derive(Debug, Parser)]
#[command(name = "walk")]
struct Arguments {
    /// How many nodes there are, the seed included [default: 50; with --quick 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=200))]
    nodes: Option<u16>,

    /// For how many rounds peers are drawn in each way [default: 10; with --quick 3]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: Option<u32>,

    /// How many nodes draw
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=200))]
    drawing: u16,

    /// How many peers each of them draws in a round: one line of the table for each way
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 5])]
    draws: Vec<u32>,

    /// The period T of peer sampling, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    period: u64,

    /// Use a small network, and a short time
    #[arg(long)]
    quick: bool,
}

impl Arguments {
    fn study(&self) -> Study {
        let unless_quick = |always, quick| if self.quick { quick } else { always };
        Study {
            nodes: self.nodes.map_or(unless_quick(50, 20), usize::from),
            drawing: usize::from(self.drawing),
            rounds: self.rounds.unwrap_or(if self.quick { 3 } else { 10 }),
            draws: self.draws.clone(),
            period: Duration::from_millis(self.period),
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("walk: {reason}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let study = arguments.study();
    let head = format!(
        "{} nodes, of which {} draw; rounds of {:?}\n\n",
        study.nodes, study.drawing, study.period
    );
    if print(&head)? {
        print(&table(&study.measure().await?))?;
    }
    Ok(())
}

fn table(all: &[Measured]) -> String {
    let head = [
        "peers from",
        "drawn each round",
        "drawn",
        "different",
        "nobody",
        "time per peer",
        "messages per peer",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(all.iter().map(|measured| {
        let drawn = &measured.drawn;
        vec![
            measured.way.to_owned(),
            measured.per_round.to_string(),
            drawn.peers.len().to_string(),
            drawn.different().to_string(),
            drawn.nobody.to_string(),
            format!("{:.1?}", drawn.time_per_peer()),
            format!("{:.1}", measured.messages_per_peer()),
        ]
    }));
    aligned(&rows)
}
