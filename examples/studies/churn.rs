//! Counts the lost deliveries of a gossipsub network whose nodes are killed and replaced all the
//! time. Each node is a process of its own: a killed node is as silent as a crashed one.
//!
//! `cargo run --release --example churn` takes two minutes.

mod churn {
    pub mod node;
    #[expect(dead_code, reason = "tests stop nodes as well")]
    pub mod process;
    pub mod study;
}

#[path = "../shared/columns.rs"]
mod columns;
#[path = "../shared/seconds.rs"]
mod seconds;

use std::{collections::BTreeSet, process::ExitCode, time::Duration};

use churn::{
    node::{self, Failure},
    study::{self, GROWN_UP, MESSAGE_TIME, Measured, Plan, Transports},
};
use clap::Parser;
use columns::aligned;
use seconds::seconds;

/// Kills a node and starts another one, again and again, and counts the messages that are lost.
#[derive(Debug, Parser)]
#[command(name = "churn")]
struct Arguments {
    /// How many nodes there are at any moment
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20,
        value_parser = clap::value_parser!(u16).range(3..=200)
    )]
    nodes: u16,

    /// The time between two replacements, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    replace_every: f64,

    /// For how long nodes are replaced, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120.0, value_parser = seconds)]
    seconds: f64,

    /// The time between two messages, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0.3, value_parser = seconds)]
    message_every: f64,

    /// Where nodes listen
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = Transports::Both)]
    transports: Transports,

    /// The time between two rounds, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    period: f64,

    /// How many exchanges a node starts in each round
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=30)
    )]
    fanout: u16,

    /// The timeout of an exchange, in seconds [default: the library's]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    exchange_timeout: Option<f64>,

    /// The seed that decides which nodes are killed
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

impl Arguments {
    fn plan(&self) -> Plan {
        Plan {
            arguments: &[],
            nodes: self.nodes.into(),
            transports: self.transports,
            replace_every: Duration::from_secs_f64(self.replace_every),
            message_every: Duration::from_secs_f64(self.message_every),
            duration: Duration::from_secs_f64(self.seconds),
            period: Duration::from_secs_f64(self.period),
            exchange_timeout: self.exchange_timeout.map(Duration::from_secs_f64),
            fanout: self.fanout.into(),
            seed: self.seed,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("churn: {reason}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(), Failure> {
    if let Some(settings) = node::settings()? {
        return node::run(&settings).await;
    }
    let plan = Arguments::parse().plan();
    println!(
        "{} nodes, of which one is killed and replaced every {:?}, for {:?}.",
        plan.nodes, plan.replace_every, plan.duration
    );
    let measured = study::run(&plan).await?;
    print!("{}", table(&measured));
    for lost in &measured.lost {
        tracing::debug!(?lost);
    }
    println!(
        "A delivery is expected at each node that was at least {GROWN_UP:?} old when the message \
         was sent, and lived for another {MESSAGE_TIME:?}."
    );
    Ok(())
}

fn table(measured: &Measured) -> String {
    let Measured {
        replaced,
        messages,
        unsent,
        expected,
        lost,
    } = measured;
    let row = |what: &str, count: usize| vec![what.to_owned(), count.to_string()];
    let distinct = |of: fn(&study::Lost) -> u64| lost.iter().map(of).collect::<BTreeSet<_>>();
    let mut rows = vec![
        row("nodes replaced", *replaced),
        row("messages", *messages),
        row("  not sent, for want of a peer", *unsent),
        row("deliveries expected", *expected),
        row("deliveries lost", lost.len()),
    ];
    if !lost.is_empty() {
        let youngest = lost.iter().map(|lost| lost.age).min();
        let oldest = lost.iter().map(|lost| lost.age).max();
        let age = |age: Option<Duration>| format!("{:.1} s", age.unwrap_or_default().as_secs_f64());
        rows.push(row("  of messages", distinct(|lost| lost.message).len()));
        rows.push(row("  at nodes", distinct(|lost| lost.node).len()));
        rows.push(vec!["  age of the youngest".to_owned(), age(youngest)]);
        rows.push(vec!["  age of the oldest".to_owned(), age(oldest)]);
    }
    aligned(&rows)
}
