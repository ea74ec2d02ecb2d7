//! Nodes that were away come back. Each is a process of its own, over TCP or QUIC on loopback.
#![cfg(unix)]

#[path = "../common/mod.rs"]
mod common;

#[path = "../../examples/studies/churn"]
#[allow(dead_code, unreachable_pub)]
mod churn {
    pub mod node;
    pub mod process;
}

mod losses;
mod pairs;
mod returns;

use churn::{
    node::{self, Failure, Look, Settings},
    process::{Process, until},
};
use libp2p::Multiaddr;
use tokio::sync::{Mutex, MutexGuard};

/// What makes this program a node: see [`node_process`].
const NODE: &[&str] = &["--ignored", "--exact", "node_process", "--nocapture"];

#[tokio::test]
#[ignore = "a node that the other tests start"]
async fn node_process() -> Result<(), Failure> {
    match node::settings()? {
        Some(settings) => node::run(&settings).await,
        None => Ok(()),
    }
}

/// One network at a time: a dozen processes are enough for a machine.
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

#[derive(Debug, Clone, Copy)]
enum Transport {
    Tcp,
    Quic,
}

use Transport::{Quic, Tcp};

impl Transport {
    fn at(self, port: u16) -> Multiaddr {
        let address = match self {
            Tcp => format!("/ip4/127.0.0.1/tcp/{port}"),
            Quic => format!("/ip4/127.0.0.1/udp/{port}/quic-v1"),
        };
        address.parse().expect("a multiaddr")
    }
}

/// Starts nodes with these keys and the same other settings.
async fn start_all(
    processes: &mut Vec<Process>,
    keys: std::ops::Range<u64>,
    settings: &Settings,
) -> Result<(), Failure> {
    for key in keys {
        let settings = Settings {
            key,
            ..settings.clone()
        };
        processes.push(Process::start(NODE, settings).await?);
    }
    Ok(())
}

/// A node on a port where it can be started again, and `others` that have it as their seed. All
/// know each other. The first is the seed.
async fn network(seed: Settings, others: u64) -> Result<Vec<Process>, Failure> {
    let first = Process::start(NODE, seed.clone()).await?;
    let settings = Settings {
        listen: seed.listen.iter().map(any_port).collect(),
        external: Vec::new(),
        seeds: first.addresses.clone(),
        ..seed
    };
    let mut processes = vec![first];
    start_all(
        &mut processes,
        seed.key + 1..seed.key + 1 + others,
        &settings,
    )
    .await?;
    let full = usize::try_from(others)?;
    until("all know all others", &mut processes, |looks| {
        let all = looks.iter().all(|look| look.view.len() == full);
        all.then_some(())
    })
    .await?;
    Ok(processes)
}

/// An address of the same kind, with a port that the system chooses.
fn any_port(address: &Multiaddr) -> Multiaddr {
    match address.to_string().contains("/udp/") {
        true => Quic.at(0),
        false => Tcp.at(0),
    }
}

async fn kill_all(processes: Vec<Process>) -> Result<(), Failure> {
    for process in processes {
        process.kill().await?;
    }
    Ok(())
}

/// In how many of these views the peer is.
fn in_views(looks: &[Look], peer: &str) -> usize {
    looks
        .iter()
        .filter(|look| look.view.contains_key(peer))
        .count()
}
