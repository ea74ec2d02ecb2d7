//! Three zones, and a bill for the traffic between them: with random peers, with random peers of
//! which most are to be of the own zone, and with a ranked view beside the random one.
//!
//! `cargo run --release --example zones` takes half a minute. `--plot zones.svg` draws the table.

mod zones {
    pub mod node;
    pub mod plot;
    pub mod traffic;
}

#[path = "shared/columns.rs"]
mod columns;
#[path = "shared/figure.rs"]
#[expect(dead_code, reason = "the studies need more of it")]
mod figure;

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use columns::aligned;
use tokio::time::sleep;
use zones::{
    node::{Failure, Node},
    plot::draw,
    traffic::{Traffic, evenness, of_own_zone},
};

/// Runs a network in three zones, and counts what crosses their borders.
#[derive(Debug, Parser)]
#[command(name = "zones")]
struct Arguments {
    /// How many nodes there are in each of the three zones; the ranked views have 30 places
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u16).range(4..=300))]
    nodes: u16,

    /// The time between two rounds, in milliseconds
    #[arg(long, value_name = "MILLIS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    period: u64,

    /// How many rounds pass before anything is counted, and in how many it is
    #[arg(long, value_name = "K", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,

    /// What a byte between zones costs, if one within a zone costs 1
    #[arg(long, value_name = "PRICE", default_value_t = 10.0)]
    price: f64,

    /// With what probability a zone-aware choice is of the own zone, 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.8)]
    share: f64,

    /// Draws the traffic of each kind
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    rlimit::increase_nofile_limit(u64::MAX)?;
    let period = Duration::from_millis(arguments.period);
    let mut nodes = Vec::new();
    let mut seed = None;
    for number in 0..3 * arguments.nodes {
        let zone = ["east", "north", "west"][usize::from(number % 3)];
        let node = Node::start(zone, seed.clone(), period).await?;
        seed.get_or_insert_with(|| node.address.clone());
        nodes.push(node);
    }
    println!("{} nodes in 3 zones, period {period:?}", nodes.len());
    sleep(period * arguments.rounds).await;
    let before = Traffic::of(&nodes);
    let mut sent = Traffic::default();
    for _ in 0..arguments.rounds {
        for node in &mut nodes {
            node.send(arguments.share, &mut sent)?;
        }
        sleep(period).await;
    }
    let exchanged = Traffic::of(&nodes).since(&before);
    let rows = exchanged.rows().into_iter().chain(sent.rows());
    let rows: Vec<_> = rows.collect();
    let mut table = vec![
        ["", "within", "between", "share within", "cost of one"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for row in &rows {
        table.push(vec![
            row.name.to_owned(),
            row.within.to_string(),
            row.between.to_string(),
            format!("{:.0} %", 100.0 * row.share()),
            format!("{:.1}", row.share() + (1.0 - row.share()) * arguments.price),
        ]);
    }
    println!("{}", aligned(&table));
    println!(
        "of the own zone: {:.0} % of ranked views, {:.0} % of random ones",
        100.0 * of_own_zone(&nodes, Node::near),
        100.0 * of_own_zone(&nodes, Node::everybody)
    );
    let (chi_square, freedom) = evenness(&nodes);
    println!(
        "zones in the random views, against chance: chi-square {chi_square:.1}, {freedom} degrees \
         of freedom"
    );
    if let Some(path) = &arguments.plot {
        draw(path, &rows)?;
        println!("Drawn: {}", path.display());
    }
    for node in nodes {
        node.stop().await;
    }
    Ok(())
}
