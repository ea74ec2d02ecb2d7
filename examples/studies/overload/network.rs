//! Many real swarms in one process, over loopback, and what they come to.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, StreamExt, future::select_all};
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder,
    identity::Keypair,
    noise, request_response,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use libp2p_peer_sampling::{Behaviour, Config, Direction, Event, Limits};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::requests;

pub type Failure = Box<dyn Error + Send + Sync>;

/// What the nodes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// They sample peers, and keep so many neighbours.
    Sampling { neighbours: usize },
    /// They send requests to random nodes.
    Requests,
}

/// What nodes know at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// As many random others as the view holds.
    Known,
    /// The first node.
    Seed,
}

/// A network to run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub nodes: usize,
    pub kind: Kind,
    /// The time between two exchanges, or requests, that a node starts.
    pub period: Duration,
    /// After how long each of them has failed.
    pub timeout: Duration,
    pub start: Start,
    /// Every node is connected to every other from the beginning, and stays so.
    pub connected: bool,
    /// Over QUIC instead of TCP, noise and yamux.
    pub quic: bool,
    /// How many records a sampler remembers; `None` for the library's default.
    pub remembered: Option<usize>,
}

/// What all nodes have done together, since the start.
#[derive(Debug, Default)]
struct Counts {
    succeeded: AtomicU64,
    failed: AtomicU64,
    seeds_failed: AtomicU64,
    dials: AtomicU64,
}

/// What all nodes have done together, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Exchanges, or requests, that were answered.
    pub succeeded: u64,
    /// Those that were not.
    pub failed: u64,
    /// Attempts at the seed that came to nothing.
    pub seeds_failed: u64,
    pub dials: u64,
}

impl Totals {
    /// What came between.
    pub fn since(self, before: Self) -> Self {
        Self {
            succeeded: self.succeeded - before.succeeded,
            failed: self.failed - before.failed,
            seeds_failed: self.seeds_failed - before.seeds_failed,
            dials: self.dials - before.dials,
        }
    }
}

impl Counts {
    fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// A network that is running. To be stopped with [`stop`](Self::stop).
pub struct Network {
    counts: Arc<Counts>,
    stop: watch::Sender<bool>,
    nodes: Vec<JoinHandle<()>>,
}

#[derive(NetworkBehaviour)]
struct Sampler {
    sampling: Behaviour,
}

#[derive(NetworkBehaviour)]
struct Asker {
    requests: requests::Behaviour,
}

impl Network {
    /// Starts all nodes at once.
    ///
    /// # Errors
    ///
    /// When a node cannot listen.
    pub async fn start(plan: Plan) -> Result<Self, Failure> {
        let (stop, stopped) = watch::channel(false);
        let mut network = Self {
            counts: Arc::default(),
            stop,
            nodes: Vec::new(),
        };
        match plan.kind {
            Kind::Sampling { neighbours } => {
                network.start_samplers(plan, neighbours, &stopped).await?;
            }
            Kind::Requests => network.start_askers(plan, &stopped).await?,
        }
        Ok(network)
    }

    /// What all nodes have done since the start.
    pub fn totals(&self) -> Totals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Totals {
            succeeded: read(&self.counts.succeeded),
            failed: read(&self.counts.failed),
            seeds_failed: read(&self.counts.seeds_failed),
            dials: read(&self.counts.dials),
        }
    }

    /// Ends all nodes.
    ///
    /// # Errors
    ///
    /// When one of them has panicked.
    pub async fn stop(self) -> Result<(), Failure> {
        self.stop.send_replace(true);
        for node in self.nodes {
            node.await?;
        }
        Ok(())
    }

    async fn start_samplers(
        &mut self,
        plan: Plan,
        neighbours: usize,
        stopped: &watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let mut rng = StdRng::seed_from_u64(1);
        let (mut swarms, mut envelopes, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let mut seed = None;
        for _ in 0..plan.nodes {
            let mut limits = Limits::default();
            // With a dial for each exchange it would be the budget of dials that is measured.
            limits.dials_per_minute = 100_000;
            limits.records_remembered = plan.remembered.unwrap_or(limits.records_remembered);
            let config = Config::local()
                .with_limits(limits)
                .with_period(plan.period)
                .with_exchange_timeout(plan.timeout)
                .with_neighbours(neighbours)
                .with_seeds(seed.clone().filter(|_| plan.start == Start::Seed));
            let (mut swarm, address) = swarm(plan.quic, |keypair| {
                let sampling = Behaviour::new(keypair, config)?;
                Ok(Sampler { sampling })
            })
            .await?;
            // The behaviour signs its record once it is polled.
            while swarm.behaviour().sampling.local_record().is_none() {
                swarm.next().now_or_never();
            }
            let record = swarm.behaviour().sampling.local_record();
            envelopes.extend(record.map(|record| record.envelope().to_vec()));
            places.push((*swarm.local_peer_id(), address.clone()));
            seed.get_or_insert(address);
            swarms.push(swarm);
        }
        if plan.start == Start::Known {
            for swarm in &mut swarms {
                let some = (0..30).map(|_| envelopes[rng.random_range(0..envelopes.len())].clone());
                swarm.behaviour_mut().sampling.init(some);
            }
        }
        if plan.connected {
            connect(&mut swarms, &places).await?;
        }
        for swarm in swarms {
            let (counts, stopped) = (self.counts.clone(), stopped.clone());
            self.nodes
                .push(tokio::spawn(sample(swarm, counts, stopped)));
        }
        Ok(())
    }

    async fn start_askers(
        &mut self,
        plan: Plan,
        stopped: &watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let (mut swarms, mut places) = (Vec::new(), Vec::new());
        for _ in 0..plan.nodes {
            let (swarm, address) = swarm(plan.quic, |_| {
                Ok(Asker {
                    requests: requests::behaviour(plan.timeout),
                })
            })
            .await?;
            places.push((*swarm.local_peer_id(), address));
            swarms.push(swarm);
        }
        if plan.connected {
            connect(&mut swarms, &places).await?;
        }
        let places = Arc::new(places);
        for (number, swarm) in swarms.into_iter().enumerate() {
            let (counts, places, stopped) = (self.counts.clone(), places.clone(), stopped.clone());
            let rng = StdRng::seed_from_u64(number as u64);
            let node = ask(swarm, plan, (counts, places), rng, stopped);
            self.nodes.push(tokio::spawn(node));
        }
        Ok(())
    }
}

/// A swarm that listens, and where, with `/p2p`.
async fn swarm<B: NetworkBehaviour>(
    quic: bool,
    behaviour: impl FnOnce(&Keypair) -> Result<B, Failure>,
) -> Result<(Swarm<B>, Multiaddr), Failure> {
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_quic()
        .with_behaviour(|keypair| behaviour(keypair))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(3_600)))
        .build();
    let address = match quic {
        true => "/ip4/127.0.0.1/udp/0/quic-v1",
        false => "/ip4/127.0.0.1/tcp/0",
    };
    swarm.listen_on(address.parse()?)?;
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            let peer = *swarm.local_peer_id();
            return Ok((swarm, address.with_p2p(peer).map_err(|_| "named")?));
        }
    }
}

/// Connects every node to every other.
async fn connect<B: NetworkBehaviour>(
    swarms: &mut [Swarm<B>],
    places: &[(PeerId, Multiaddr)],
) -> Result<(), Failure> {
    for (number, swarm) in swarms.iter_mut().enumerate() {
        for (_, address) in &places[..number] {
            swarm.dial(address.clone())?;
        }
    }
    let all = swarms.len() - 1;
    while swarms
        .iter()
        .any(|swarm| swarm.connected_peers().count() < all)
    {
        select_all(swarms.iter_mut().map(|swarm| swarm.next())).await;
    }
    Ok(())
}

async fn sample(
    mut swarm: Swarm<Sampler>,
    counts: Arc<Counts>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let event = tokio::select! {
            event = swarm.select_next_some() => event,
            _ = stopped.changed() => return,
        };
        match event {
            SwarmEvent::Dialing { .. } => Counts::add(&counts.dials),
            SwarmEvent::Behaviour(SamplerEvent::Sampling(event)) => match event {
                Event::Exchanged {
                    direction: Direction::Outbound,
                    ..
                } => Counts::add(&counts.succeeded),
                Event::ExchangeFailed { .. } => Counts::add(&counts.failed),
                Event::SeedFailed { .. } => Counts::add(&counts.seeds_failed),
                _ => {}
            },
            _ => {}
        }
    }
}

async fn ask(
    mut swarm: Swarm<Asker>,
    plan: Plan,
    (counts, places): (Arc<Counts>, Arc<Vec<(PeerId, Multiaddr)>>),
    mut rng: StdRng,
    mut stopped: watch::Receiver<bool>,
) {
    use request_response::{Event, Message};

    let local = *swarm.local_peer_id();
    let first = Instant::now() + plan.period.mul_f64(rng.random());
    let mut turns = interval_at(first, plan.period);
    turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let event = tokio::select! {
            event = swarm.select_next_some() => event,
            _ = stopped.changed() => return,
            _ = turns.tick() => {
                let (peer, address) = &places[rng.random_range(0..places.len())];
                if *peer != local {
                    let message = vec![0; requests::MESSAGE_BYTES];
                    let requests = &mut swarm.behaviour_mut().requests;
                    requests.send_request_with_addresses(peer, message, vec![address.clone()]);
                }
                continue;
            }
        };
        match event {
            SwarmEvent::Dialing { .. } => Counts::add(&counts.dials),
            SwarmEvent::Behaviour(AskerEvent::Requests(event)) => match event {
                Event::Message {
                    connection_id,
                    message,
                    ..
                } => match message {
                    Message::Request {
                        request, channel, ..
                    } => {
                        // When it fails the other end counts it.
                        let _ = swarm
                            .behaviour_mut()
                            .requests
                            .send_response(channel, request);
                    }
                    Message::Response { .. } => {
                        Counts::add(&counts.succeeded);
                        if !plan.connected {
                            swarm.close_connection(connection_id);
                        }
                    }
                },
                Event::OutboundFailure { .. } => Counts::add(&counts.failed),
                _ => {}
            },
            _ => {}
        }
    }
}
