//! One node: gossipsub, peer sampling and identify on TCP, in a task of its own. It counts its
//! connections whenever one opens or closes.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use clap::ValueEnum;
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, SwarmBuilder, gossipsub, identify,
    identity::Keypair,
    multiaddr::Protocol,
    noise,
    swarm::{ConnectionId, NetworkBehaviour, Swarm, SwarmEvent},
    tcp, yamux,
};
use libp2p_peer_sampling::{Behaviour, Config, Direction, Event, Pruning};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::Instant,
};

use crate::gossip::{
    gauge::{Count, Gauge},
    ledger::Ledger,
};

/// With its own peer exchange: how many other peers gossipsub names to a peer that it prunes.
const PRUNE_PEERS: usize = 16;

pub type Failure = Box<dyn Error + Send + Sync>;

#[derive(NetworkBehaviour)]
pub struct Composed {
    pub sampling: Behaviour,
    pub gossipsub: gossipsub::Behaviour,
    identify: identify::Behaviour,
}

/// What becomes of the connections that exchanges make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Neighbours, a bounded number of them.
    Neighbours(usize),
    /// Every one, as an application does that takes each exchange for a friend.
    Everybody,
}

/// How a node is set up.
#[derive(Debug, Clone)]
pub struct Options {
    pub keeps: Keeps,
    pub view_size: usize,
    pub period: Duration,
    pub heartbeat: Duration,
    pub seeds: Vec<Multiaddr>,
    /// About how many rounds pass before a new neighbour is due.
    pub rotation: u32,
    pub mesh: Mesh,
    /// Some connections beyond this number are closed, no matter which side dialled.
    pub max_connections: Option<usize>,
}

/// How gossipsub is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mesh {
    /// Set only what a mesh over few neighbours needs.
    Fitting,
    /// Gossipsub's defaults.
    Defaults,
    /// Gossipsub's own peer exchange, and a mesh so narrow that it prunes many peers.
    PeerExchange,
}

impl Options {
    fn sampling(&self) -> Config {
        Config::local()
            .with_network("gossip")
            .with_view_size(self.view_size)
            .with_period(self.period)
            .with_neighbour_rotation(Some(self.rotation))
            .with_neighbours(match self.keeps {
                Keeps::Neighbours(count) => count,
                Keeps::Everybody => 0,
            })
            .with_pruning(self.max_connections.map(|max_connections| Pruning {
                max_connections,
                grace: 10 * self.period,
            }))
            .with_seeds(self.seeds.iter().cloned())
    }

    /// Gossipsub's defaults are for a mesh of 5 to 12 out of many peers. With fewer neighbours its
    /// bounds have to be lower: below `mesh_n_low`, gossipsub grafts any peer that comes by.
    fn gossipsub(&self) -> Result<gossipsub::Config, Failure> {
        let mut config = gossipsub::ConfigBuilder::default();
        if let (Keeps::Neighbours(count), true) = (self.keeps, self.mesh != Mesh::Defaults) {
            let mesh_n = (count * 3 / 4).clamp(2, 6);
            config
                .mesh_n(mesh_n)
                .mesh_n_low((count / 2).clamp(1, mesh_n))
                .mesh_outbound_min((count / 4).min(mesh_n / 2));
            if self.mesh == Mesh::PeerExchange {
                config.mesh_n_high(mesh_n).do_px().prune_peers(PRUNE_PEERS);
            }
        }
        let config = config
            .heartbeat_interval(self.heartbeat)
            .heartbeat_initial_delay(self.heartbeat)
            .build()?;
        Ok(config)
    }
}

pub fn topic() -> gossipsub::IdentTopic {
    gossipsub::IdentTopic::new("gossip")
}

/// What all nodes report to.
#[derive(Debug)]
pub struct Records {
    started: Instant,
    all: Mutex<All>,
}

#[derive(Debug)]
pub struct All {
    pub gauge: Gauge,
    pub ledger: Ledger,
    pub tally: Tally,
}

/// What happened, and how often.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Exchanges that ended well, counted where they were started.
    pub exchanges: usize,
    /// Those that did not, by reason.
    pub failed: BTreeMap<String, usize>,
    /// Neighbours that came.
    pub up: usize,
    /// Neighbours that went, by reason.
    pub down: BTreeMap<String, usize>,
    /// Connections that closed and were never to a neighbour, and how many of these gossipsub had
    /// taken into its mesh; counted at both ends.
    pub brief: usize,
    pub brief_in_mesh: usize,
    /// How long they were open, all together and the one that was open for longest.
    pub brief_sum: Duration,
    pub brief_longest: Duration,
}

impl Records {
    pub fn new(nodes: usize, period: Duration) -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            all: Mutex::new(All {
                gauge: Gauge::new(nodes, period),
                ledger: Ledger::new(nodes),
                tally: Tally::default(),
            }),
        })
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A node as it is at one moment.
#[derive(Debug)]
pub struct Look {
    pub peer_id: PeerId,
    pub neighbours: Vec<PeerId>,
    pub mesh: Vec<PeerId>,
    pub view_len: usize,
}

type Question = Box<dyn FnOnce(&mut Swarm<Composed>) + Send>;

/// A running node.
#[derive(Debug)]
pub struct Node {
    /// Its number, from 0.
    pub number: usize,
    /// With `/p2p`.
    pub address: Multiaddr,
    questions: mpsc::UnboundedSender<Question>,
    task: JoinHandle<()>,
    records: Arc<Records>,
}

impl Node {
    pub async fn start(
        number: usize,
        options: &Options,
        records: &Arc<Records>,
    ) -> Result<Self, Failure> {
        let mut swarm = swarm(options)?;
        let peer_id = *swarm.local_peer_id();
        let mut watch = Watch {
            number,
            keeps: options.keeps,
            records: records.clone(),
            links: BTreeMap::new(),
        };
        // It may be connected before it listens.
        let address = loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { address, .. } => {
                    break address.with(Protocol::P2p(peer_id));
                }
                event => watch.on_event(&mut swarm, event),
            }
        };
        let (questions, asked) = mpsc::unbounded_channel();
        Ok(Self {
            number,
            address,
            questions,
            task: tokio::spawn(drive(swarm, asked, watch)),
            records: records.clone(),
        })
    }

    /// Asks the running swarm something.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Swarm<Composed>) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let (answer_tx, answer) = oneshot::channel();
        let ask: Question = Box::new(move |swarm| {
            // Who has asked may have gone.
            let _ = answer_tx.send(question(swarm));
        });
        let asked = self.questions.send(ask);
        asked.map_err(|_| "a node has stopped by itself")?;
        Ok(answer.await?)
    }

    pub async fn look(&self) -> Result<Look, Failure> {
        let look = self.ask(|swarm| {
            let peer_id = *swarm.local_peer_id();
            let Composed {
                sampling,
                gossipsub,
                ..
            } = swarm.behaviour();
            Look {
                peer_id,
                neighbours: sampling.neighbours().to_vec(),
                mesh: gossipsub.mesh_peers(&topic().hash()).copied().collect(),
                view_len: sampling.handle().view_len(),
            }
        });
        look.await
    }

    /// Says something to everybody.
    pub async fn publish(&self, message: usize) -> Result<(), Failure> {
        let text = message.to_string();
        let publish = move |swarm: &mut Swarm<Composed>| {
            let gossipsub = &mut swarm.behaviour_mut().gossipsub;
            gossipsub.publish(topic(), text).map(|_| ())
        };
        match self.ask(publish).await? {
            Ok(()) => self.records.all().ledger.sent(message),
            Err(error) => tracing::debug!(node = self.number, %error, "Not published"),
        }
        Ok(())
    }

    /// Stops it as a crash would: nobody is told.
    pub async fn stop(self) -> Result<(), Failure> {
        drop(self.questions);
        self.task.await?;
        self.records.all().gauge.gone(self.number);
        Ok(())
    }
}

fn swarm(options: &Options) -> Result<Swarm<Composed>, Failure> {
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_behaviour(|keypair| composed(keypair, options))?
        .build();
    swarm.behaviour_mut().gossipsub.subscribe(&topic())?;
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    Ok(swarm)
}

fn composed(keypair: &Keypair, options: &Options) -> Result<Composed, Failure> {
    Ok(Composed {
        sampling: Behaviour::new(keypair, options.sampling())?,
        gossipsub: gossipsub::Behaviour::new(
            gossipsub::MessageAuthenticity::Signed(keypair.clone()),
            options.gossipsub()?,
        )?,
        identify: identify::Behaviour::new(identify::Config::new(
            "/gossip/1.0.0".into(),
            keypair.public(),
        )),
    })
}

async fn drive(
    mut swarm: Swarm<Composed>,
    mut asked: mpsc::UnboundedReceiver<Question>,
    mut watch: Watch,
) {
    watch.count(&swarm);
    loop {
        tokio::select! {
            event = swarm.select_next_some() => watch.on_event(&mut swarm, event),
            question = asked.recv() => match question {
                Some(question) => question(&mut swarm),
                None => return,
            }
        }
    }
}

/// What a node's task knows of its connections.
struct Watch {
    number: usize,
    keeps: Keeps,
    records: Arc<Records>,
    links: BTreeMap<ConnectionId, Link>,
}

#[derive(Debug)]
struct Link {
    peer: PeerId,
    since: Duration,
    dialled: bool,
    /// Whether the peer ever was a neighbour, or in the mesh, while this connection was there.
    neighbour: bool,
    in_mesh: bool,
}

impl Watch {
    fn on_event(&mut self, swarm: &mut Swarm<Composed>, event: SwarmEvent<ComposedEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                let link = Link {
                    peer: peer_id,
                    since: self.records.elapsed(),
                    dialled: endpoint.is_dialer(),
                    neighbour: false,
                    in_mesh: false,
                };
                self.links.insert(connection_id, link);
                self.count(swarm);
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                if let Some(link) = self.links.remove(&connection_id)
                    && !link.neighbour
                {
                    let open = self.records.elapsed().saturating_sub(link.since);
                    let tally = &mut self.records.all().tally;
                    tally.brief += 1;
                    tally.brief_in_mesh += usize::from(link.in_mesh);
                    tally.brief_sum += open;
                    tally.brief_longest = tally.brief_longest.max(open);
                }
                self.count(swarm);
            }
            SwarmEvent::Behaviour(ComposedEvent::Sampling(event)) => self.on_sampled(swarm, event),
            SwarmEvent::Behaviour(ComposedEvent::Gossipsub(gossipsub::Event::Message {
                message,
                ..
            })) => {
                let text = String::from_utf8_lossy(&message.data);
                if let Ok(number) = text.parse() {
                    let at = self.records.elapsed();
                    self.records.all().ledger.heard(number, self.number, at);
                }
            }
            _ => {}
        }
        self.note(swarm);
    }

    fn on_sampled(&mut self, swarm: &mut Swarm<Composed>, event: Event) {
        let tally = &mut self.records.all().tally;
        match event {
            Event::Exchanged {
                peer, direction, ..
            } => {
                if direction == Direction::Outbound {
                    tally.exchanges += 1;
                }
                if self.keeps == Keeps::Everybody {
                    // It is connected, so this says no more than that the connection is wanted.
                    let _ = swarm.dial(peer);
                }
            }
            Event::ExchangeFailed { error, .. } => {
                let reason = error.to_string();
                let reason = reason.split(':').next().unwrap_or_default().to_owned();
                *tally.failed.entry(reason).or_default() += 1;
            }
            Event::NeighbourUp { .. } => tally.up += 1,
            Event::NeighbourDown { reason, .. } => {
                *tally.down.entry(format!("{reason:?}")).or_default() += 1;
            }
            _ => {}
        }
    }

    /// Notes who is a neighbour, and who is in the mesh.
    fn note(&mut self, swarm: &Swarm<Composed>) {
        let Composed {
            sampling,
            gossipsub,
            ..
        } = swarm.behaviour();
        let topic = topic().hash();
        let mesh: BTreeSet<_> = gossipsub.mesh_peers(&topic).collect();
        for link in self.links.values_mut() {
            link.neighbour |= sampling.neighbours().contains(&link.peer);
            link.in_mesh |= mesh.contains(&link.peer);
        }
    }

    fn count(&self, swarm: &Swarm<Composed>) {
        let neighbours = swarm.behaviour().sampling.neighbours();
        let mut count = Count::default();
        for link in self.links.values() {
            let kind = match (neighbours.contains(&link.peer), link.dialled) {
                (true, _) => &mut count.neighbours,
                (false, true) => &mut count.own,
                (false, false) => &mut count.inbound,
            };
            *kind += 1;
        }
        let info = swarm.network_info();
        let established = info.connection_counters().num_established() as usize;
        assert_eq!(count.total(), established, "what the swarm says");
        count.second = established - info.num_peers();
        let at = self.records.elapsed();
        self.records.all().gauge.set(self.number, count, at);
    }
}
