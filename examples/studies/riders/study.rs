//! A network of real swarms in one process, with or without riders beside the samplers, and its
//! results.

use std::{error::Error, time::Duration};

use futures::StreamExt;
use libp2p::{
    Multiaddr, Swarm, SwarmBuilder,
    identity::Keypair,
    noise,
    swarm::{NetworkBehaviour, SwarmEvent, behaviour::toggle::Toggle},
    tcp, yamux,
};
use libp2p_peer_sampling::{
    Behaviour, Config, Lease, extrema,
    round_trip::{self, Histogram},
};
use tokio::time::{Instant, timeout_at};

/// The transport of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Quic,
}

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many nodes; node `n` has the value `n`.
    pub nodes: usize,
    pub transport: Transport,
    /// Whether both riders run beside each sampler.
    pub riders: bool,
    pub neighbours: usize,
    /// Of the sampler and of both riders.
    pub period: Duration,
    /// After how long the swarms close connections that nobody uses.
    pub idle_timeout: Duration,
    /// How many rounds pass before dials are counted.
    pub joining: u32,
    /// In how many rounds they are counted.
    pub rounds: u32,
}

/// What one node has seen.
#[derive(Debug)]
pub struct Seen {
    /// How often it has dialled in the rounds that count.
    pub dials: u64,
    /// The extremes that it knows at the end, and when it learned them, from the network's start.
    pub extremes: Option<(extrema::Extremes, Duration)>,
    /// All round trips that it has measured.
    pub round_trips: Histogram,
    /// Which behaviours keep which connections open, at the end.
    pub leases: Vec<Lease>,
}

/// How often a node has dialled per round, on average.
pub fn dials(plan: &Plan, nodes: &[Seen]) -> f64 {
    let dials: u64 = nodes.iter().map(|node| node.dials).sum();
    dials as f64 / (nodes.len() * plan.rounds as usize) as f64
}

#[derive(NetworkBehaviour)]
struct Peer {
    sampling: Behaviour,
    extrema: Toggle<extrema::Behaviour>,
    round_trips: Toggle<round_trip::Behaviour>,
}

type Failure = Box<dyn Error + Send + Sync>;

/// Runs a network, and returns what its nodes have seen.
pub async fn run(plan: Plan) -> Result<Vec<Seen>, Failure> {
    let start = Instant::now();
    let mut tasks = Vec::new();
    let mut seed = None;
    for number in 0..plan.nodes {
        let (swarm, address) = join(&plan, number as f64, seed.clone()).await?;
        seed.get_or_insert(address);
        tasks.push(tokio::spawn(live(swarm, plan, start)));
    }
    let mut seen = Vec::new();
    for task in tasks {
        seen.push(task.await?);
    }
    Ok(seen)
}

/// A node that listens, and where.
async fn join(
    plan: &Plan,
    value: f64,
    seed: Option<Multiaddr>,
) -> Result<(Swarm<Peer>, Multiaddr), Failure> {
    let keypair = Keypair::generate_ed25519();
    let config = Config::local()
        .with_period(plan.period)
        .with_neighbours(plan.neighbours)
        .with_seeds(seed);
    let sampling = Behaviour::new(&keypair, config)?;
    let handle = sampling.handle();
    let (mut extrema, mut round_trips) = (None, None);
    if plan.riders {
        let config = extrema::Config::new(0.0..=1e6).with_period(plan.period);
        extrema = Some(extrema::Behaviour::beside(&handle, config, value)?);
        let config = round_trip::Config::default().with_period(plan.period);
        round_trips = Some(round_trip::Behaviour::beside(&handle, config)?);
    }
    let peer = Peer {
        sampling,
        extrema: extrema.into(),
        round_trips: round_trips.into(),
    };
    let mut swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_quic()
        .with_behaviour(|_| peer)?
        .with_swarm_config(|config| config.with_idle_connection_timeout(plan.idle_timeout))
        .build();
    let address = match plan.transport {
        Transport::Tcp => "/ip4/127.0.0.1/tcp/0",
        Transport::Quic => "/ip4/127.0.0.1/udp/0/quic-v1",
    };
    swarm.listen_on(address.parse()?)?;
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return Ok((swarm, address));
        }
    }
}

/// Runs a node until the network's time is over.
async fn live(mut swarm: Swarm<Peer>, plan: Plan, start: Instant) -> Seen {
    let counts = start + plan.period * plan.joining;
    let end = counts + plan.period * plan.rounds;
    let (mut dials, mut learned) = (0, Duration::ZERO);
    while let Ok(event) = timeout_at(end, swarm.select_next_some()).await {
        match event {
            SwarmEvent::Dialing { .. } if Instant::now() >= counts => dials += 1,
            SwarmEvent::Behaviour(PeerEvent::Extrema(extrema::Event::Changed(_))) => {
                learned = start.elapsed();
            }
            _ => {}
        }
    }
    let Peer {
        sampling,
        extrema,
        round_trips,
    } = swarm.behaviour();
    let (extrema, round_trips) = (extrema.as_ref(), round_trips.as_ref());
    let measured = round_trips.map(|behaviour| behaviour.protocol().histogram().clone());
    Seen {
        dials,
        extremes: extrema.map(|behaviour| (behaviour.protocol().estimate(), learned)),
        round_trips: measured.unwrap_or_default(),
        leases: sampling.handle().leases(),
    }
}
