//! Real nodes form a sorted ring, a third of them is killed at once, and the ring closes again.
//!
//! `cargo run --release --example ring` takes half a minute. With `--plot ring.svg` it draws the
//! ring as it was after some of the rounds.

mod ring {
    pub mod links;
    pub mod node;
    pub mod plot;
}

#[path = "shared/figure.rs"]
#[expect(dead_code, reason = "the studies need more of it")]
mod figure;

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use ring::{
    links::{Links, linked},
    node::{Failure, Node},
    plot::{Frame, draw},
};
use tokio::time::{Instant, sleep_until};

/// Runs a network whose nodes keep connected to the next ones on a ring.
#[derive(Debug, Parser)]
#[command(name = "ring")]
struct Arguments {
    /// How many nodes there are
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u16).range(4..=1_000))]
    nodes: u16,

    /// The time between two rounds, in milliseconds
    #[arg(long, value_name = "MILLIS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    period: u64,

    /// How many rounds the ring may take to form, and again to close
    #[arg(long, value_name = "K", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,

    /// Over QUIC instead of TCP
    #[arg(long)]
    quic: bool,

    /// Draws the ring as it was after some of the rounds
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

/// After which rounds the ring is drawn, beside the last one of each part.
const DRAWN: [u32; 3] = [1, 2, 3];

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let period = Duration::from_millis(arguments.period);
    rlimit::increase_nofile_limit(u64::MAX)?;
    let mut nodes = Vec::new();
    let mut seed = None;
    for _ in 0..arguments.nodes {
        let node = Node::start(seed.clone(), period, arguments.quic).await?;
        seed.get_or_insert_with(|| node.address.clone());
        nodes.push(node);
    }
    println!(
        "{} nodes join through one, and know nobody else",
        nodes.len()
    );
    let mut frames = Vec::new();
    let formed = follow(&nodes, &arguments, "joining", &mut frames).await;
    // Every third of them, wherever it stands on the ring.
    let (dead, live): (Vec<_>, Vec<_>) = nodes
        .into_iter()
        .enumerate()
        .partition(|(at, _)| at % 3 == 1);
    let (dead, live) = (of(dead), of(live));
    println!("\n{} of them are killed at once", dead.len());
    for node in dead {
        node.kill().await;
    }
    let closed = follow(&live, &arguments, "after the crash", &mut frames).await;
    for node in live {
        node.kill().await;
    }
    if let Some(path) = &arguments.plot {
        draw(path, &frames)?;
        println!("\nDrawn: {}", path.display());
    }
    match (formed, closed) {
        (Some(formed), Some(closed)) => {
            println!("\nThe ring was whole after {formed} rounds, and after {closed} again");
            Ok(())
        }
        _ => Err(format!("the ring was not whole after {} rounds", arguments.rounds).into()),
    }
}

fn of(nodes: Vec<(usize, Node)>) -> Vec<Node> {
    nodes.into_iter().map(|(_, node)| node).collect()
}

/// Prints how far the ring is, round by round; returns after how many rounds it was whole: every
/// node has its two neighbours on the ring first in its view, and stays connected to both.
async fn follow(
    nodes: &[Node],
    arguments: &Arguments,
    name: &'static str,
    frames: &mut Vec<Frame>,
) -> Option<u32> {
    let begin = Instant::now();
    println!("round  links known  connected  dead");
    for round in 1..=arguments.rounds {
        sleep_until(begin + Duration::from_millis(arguments.period) * round).await;
        let links = Links::of(nodes);
        println!(
            "{round:>5}  {:>5} of {:<4}  {:>9}  {:>4}",
            links.known, links.all, links.connected, links.dead
        );
        let whole = links.are_whole();
        if whole || DRAWN.contains(&round) {
            frames.push(Frame {
                title: format!("{name}, round {round}"),
                links: linked(nodes),
                nodes: nodes.iter().map(|node| node.angle()).collect(),
            });
        }
        if whole {
            return Some(round);
        }
    }
    None
}
