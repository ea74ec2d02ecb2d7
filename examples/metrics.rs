//! To copy: what to show on a dashboard, in Prometheus' text format, without a library for it.
//! `cargo run --example metrics` runs two nodes, and prints the metrics of one of them.

use std::{error::Error, fmt::Write, time::Duration};

use futures::{StreamExt, stream::select_all};
use libp2p::{Multiaddr, Swarm, SwarmBuilder, noise, swarm::SwarmEvent, tcp, yamux};
use libp2p_peer_sampling::{Behaviour, Config, Handle, Health};
use tokio::time::{Instant, timeout_at};

/// The metrics of a node. A handle works from any task: from that of an HTTP server, too.
fn metrics(handle: &Handle) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let counters = handle.counters();
    for (name, count) in counters.iter() {
        writeln!(text, "# TYPE peer_sampling_{name}_total counter")?;
        writeln!(text, "peer_sampling_{name}_total {count}")?;
    }
    writeln!(text, "# TYPE peer_sampling_refused_total counter")?;
    for (reason, count) in counters.refusals() {
        let reason = reason.name();
        writeln!(
            text,
            "peer_sampling_refused_total{{reason=\"{reason}\"}} {count}"
        )?;
    }
    let slowdown = match handle.health() {
        Health::Overloaded { slowdown } => slowdown,
        _ => 1.0,
    };
    for (name, value) in [
        ("view_peers", handle.view_len() as f64),
        ("neighbours", handle.neighbours().len() as f64),
        ("slowdown", slowdown),
    ] {
        writeln!(text, "# TYPE peer_sampling_{name} gauge")?;
        writeln!(text, "peer_sampling_{name} {value}")?;
    }
    Ok(text)
}

type Failure = Box<dyn Error + Send + Sync>;

/// A node that listens, and where.
async fn start(seed: Option<Multiaddr>) -> Result<(Swarm<Behaviour>, Multiaddr), Failure> {
    let config = Config::local().with_network("metrics").with_seeds(seed);
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_behaviour(|keypair| Ok(Behaviour::new(keypair, config)?))?
        .build();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return Ok((swarm, address));
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (first, address) = start(None).await?;
    let handle = first.behaviour().handle();
    let (second, _) = start(Some(address)).await?;
    let mut swarms = select_all([first, second]);
    let end = Instant::now() + Duration::from_secs(3);
    while timeout_at(end, swarms.next()).await.is_ok() {}
    print!("{}", metrics(&handle)?);
    Ok(())
}
