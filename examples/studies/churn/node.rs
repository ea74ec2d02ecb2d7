//! A node in a process of its own. It reads commands from standard input, a line of JSON each, and
//! answers each with a line of JSON. It ends when its input does.

use std::{
    collections::{BTreeMap, VecDeque},
    env,
    error::Error,
    io::{BufRead, Write, stdin, stdout},
    time::Duration,
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder,
    core::transport::ListenerId,
    gossipsub,
    identity::Keypair,
    noise,
    swarm::{NetworkBehaviour, SwarmEvent, behaviour::toggle::Toggle},
    tcp, yamux,
};
use libp2p_peer_sampling::{
    Behaviour, Config, Direction, Event,
    overlay::{OverlayKind, Ranking},
    time::Backoff,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    sync::mpsc,
    time::{Interval, MissedTickBehavior, interval},
};

/// The variable that makes a process a node, and tells it its settings.
pub const SETTINGS: &str = "PEER_SAMPLING_NODE";

/// How many failed exchanges a node remembers.
const FAILURES: usize = 1_000;

pub type Failure = Box<dyn Error + Send + Sync>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overlay {
    Random,
    Basalt,
}

/// How a node is set up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    /// The seed of its key: the same number is the same peer.
    pub key: u64,
    pub listen: Vec<Multiaddr>,
    /// Addresses that it advertises although it need not listen there.
    pub external: Vec<Multiaddr>,
    pub seeds: Vec<Multiaddr>,
    pub period: Duration,
    /// `None` for the library's.
    pub exchange_timeout: Option<Duration>,
    pub quarantine: (Duration, Duration),
    pub overlay: Overlay,
    pub neighbours: usize,
    pub fanout: usize,
    pub gossipsub: bool,
}

impl Settings {
    /// A node with rounds of 200 ms.
    pub fn new(key: u64, listen: Vec<Multiaddr>) -> Self {
        Self {
            key,
            listen,
            external: Vec::new(),
            seeds: Vec::new(),
            period: Duration::from_millis(200),
            exchange_timeout: None,
            quarantine: (Duration::from_secs(1), Duration::from_secs(60)),
            overlay: Overlay::Random,
            neighbours: 8,
            fanout: 1,
            gossipsub: false,
        }
    }

    /// The node's key.
    pub fn keypair(&self) -> Keypair {
        let mut secret = [1; 32];
        secret[..8].copy_from_slice(&self.key.to_be_bytes());
        Keypair::ed25519_from_bytes(&mut secret).expect("32 bytes are a secret key")
    }

    pub fn peer_id(&self) -> PeerId {
        self.keypair().public().to_peer_id()
    }

    fn sampling(&self) -> Config {
        // The view sizes of the presets. Of a few nodes, Basalt with 30 slots would leave some out.
        let (overlay, view_size) = match self.overlay {
            Overlay::Random => (OverlayKind::Random, 30),
            Overlay::Basalt => (OverlayKind::Basalt(Ranking::default()), 100),
        };
        let config = Config::local()
            .with_network("process")
            .with_overlay(overlay)
            .with_view_size(view_size)
            .with_neighbours(self.neighbours)
            .with_fanout(self.fanout)
            .with_period(self.period)
            .with_eager_delay(self.period / 10)
            .with_quarantine(Some(Backoff::new(self.quarantine.0, self.quarantine.1)))
            .with_seeds(self.seeds.iter().cloned());
        match self.exchange_timeout {
            Some(timeout) => config.with_exchange_timeout(timeout),
            None => config,
        }
    }
}

/// What a node can be asked for. Each command has one answer.
#[derive(Debug, Serialize, Deserialize)]
pub enum Command {
    /// The answer is a [`Look`].
    Look,
    /// Puts saved records into the view. The answer says how many came in.
    Init { envelopes: Vec<Vec<u8>> },
    /// Sends a message to everybody. The answer says whether gossipsub took it.
    Publish { message: u64 },
    /// Listens nowhere from now on. The answer is `true`.
    Close,
    /// Listens at an address. The answer is `true`.
    Open { address: Multiaddr },
    /// Says goodbye, and ends. The answer is `true`.
    Quit,
}

/// The first line that a node prints.
#[derive(Debug, Serialize, Deserialize)]
pub struct Started {
    /// With `/p2p`.
    pub addresses: Vec<Multiaddr>,
}

/// A node as it is at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Look {
    /// How many periods it has lived through. Counts late on a busy machine.
    pub round: u64,
    /// The peers of its view, each with the addresses of its record.
    pub view: BTreeMap<String, Vec<Multiaddr>>,
    pub neighbours: Vec<String>,
    pub contacts: Vec<String>,
    /// How many connections it has with each peer.
    pub connections: BTreeMap<String, u32>,
    /// How many exchanges that it has started have succeeded, with each peer.
    pub exchanges: BTreeMap<String, u64>,
    /// The latest exchanges that failed, latest last.
    pub failures: VecDeque<Failed>,
    /// The messages that it has received, in that order.
    pub heard: Vec<u64>,
}

/// An exchange that failed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failed {
    pub round: u64,
    pub peer: String,
    pub error: String,
    /// Whether the peer left the view for it.
    pub removed: bool,
}

#[derive(NetworkBehaviour)]
struct Composed {
    sampling: Behaviour,
    gossipsub: Toggle<gossipsub::Behaviour>,
}

/// The settings of this process, if it is to be a node.
///
/// # Errors
///
/// When they cannot be read.
pub fn settings() -> Result<Option<Settings>, Failure> {
    let settings = env::var(SETTINGS).ok();
    Ok(settings.as_deref().map(serde_json::from_str).transpose()?)
}

/// Runs a node until it is told to quit, or its input ends.
///
/// # Errors
///
/// When it cannot be set up, or a command cannot be read.
pub async fn run(settings: &Settings) -> Result<(), Failure> {
    end_with_parent()?;
    let mut node = Node::start(settings)?;
    // Whatever has started this process may have left a line unfinished.
    println!();
    let mut commands = read_lines();
    loop {
        tokio::select! {
            event = node.swarm.select_next_some() => {
                if node.on_event(event)? {
                    return answer(&true);
                }
            }
            command = commands.recv() => match command {
                Some(command) => node.obey(serde_json::from_str(&command)?)?,
                None => return Ok(()),
            },
            _ = node.clock.tick() => node.look.round += 1,
        }
    }
}

/// A process that is stopped does not see the end of its input.
fn end_with_parent() -> Result<(), Failure> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        set_parent_process_death_signal(Some(Signal::KILL))?;
    }
    Ok(())
}

fn answer(answer: &impl Serialize) -> Result<(), Failure> {
    let mut line = serde_json::to_string(answer)?;
    line.push('\n');
    stdout().write_all(line.as_bytes())?;
    Ok(stdout().flush()?)
}

/// What a node has printed, if this line is an answer.
pub fn parse<T: DeserializeOwned>(line: &str) -> Option<T> {
    serde_json::from_str(line).ok()
}

/// Lines from standard input. A thread of its own: reading cannot be cancelled.
fn read_lines() -> mpsc::UnboundedReceiver<String> {
    let (lines_tx, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            if lines_tx.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn topic() -> gossipsub::IdentTopic {
    gossipsub::IdentTopic::new("process")
}

struct Node {
    swarm: Swarm<Composed>,
    clock: Interval,
    listeners: Vec<ListenerId>,
    /// How many of them have no address yet.
    unbound: usize,
    started: bool,
    look: Look,
}

impl Node {
    fn start(settings: &Settings) -> Result<Self, Failure> {
        let mut swarm = SwarmBuilder::with_existing_identity(settings.keypair())
            .with_tokio()
            .with_tcp(
                tcp::Config::default().nodelay(true),
                noise::Config::new,
                yamux::Config::default,
            )?
            .with_quic()
            .with_behaviour(|keypair| composed(keypair, settings))?
            .build();
        if let Some(gossipsub) = swarm.behaviour_mut().gossipsub.as_mut() {
            gossipsub.subscribe(&topic())?;
        }
        let listen = settings.listen.iter().cloned();
        let listeners = listen.map(|address| swarm.listen_on(address));
        let listeners: Vec<_> = listeners.collect::<Result<_, _>>()?;
        for address in &settings.external {
            swarm.add_external_address(address.clone());
        }
        let mut clock = interval(settings.period);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            swarm,
            clock,
            unbound: listeners.len(),
            listeners,
            started: false,
            look: Look {
                round: 0,
                view: BTreeMap::new(),
                neighbours: Vec::new(),
                contacts: Vec::new(),
                connections: BTreeMap::new(),
                exchanges: BTreeMap::new(),
                failures: VecDeque::new(),
                heard: Vec::new(),
            },
        })
    }

    /// Returns whether it has said goodbye.
    fn on_event(&mut self, event: SwarmEvent<ComposedEvent>) -> Result<bool, Failure> {
        match event {
            SwarmEvent::NewListenAddr { .. } => {
                self.unbound = self.unbound.saturating_sub(1);
                if self.unbound == 0 && !self.started {
                    self.started = true;
                    let local = *self.swarm.local_peer_id();
                    let with_peer = |address: &Multiaddr| address.clone().with_p2p(local);
                    let addresses = self.swarm.listeners().map(with_peer);
                    let addresses = addresses.collect::<Result<_, _>>();
                    let addresses = addresses.map_err(|_| "another peer listens here")?;
                    answer(&Started { addresses })?;
                }
            }
            SwarmEvent::ListenerClosed {
                reason: Err(error), ..
            } => return Err(error.into()),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                num_established,
                ..
            } => {
                let count = num_established.get();
                self.look.connections.insert(peer_id.to_string(), count);
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                num_established,
                ..
            } => {
                let connections = &mut self.look.connections;
                match num_established {
                    0 => connections.remove(&peer_id.to_string()),
                    count => connections.insert(peer_id.to_string(), count),
                };
            }
            SwarmEvent::Behaviour(ComposedEvent::Sampling(event)) => match event {
                Event::ExchangeFailed {
                    peer,
                    error,
                    removed,
                } => {
                    let failures = &mut self.look.failures;
                    if failures.len() == FAILURES {
                        failures.pop_front();
                    }
                    failures.push_back(Failed {
                        round: self.look.round,
                        peer: peer.to_string(),
                        error: error.to_string(),
                        removed,
                    });
                }
                Event::Exchanged {
                    peer,
                    direction: Direction::Outbound,
                    ..
                } => *self.look.exchanges.entry(peer.to_string()).or_default() += 1,
                Event::Left => return Ok(true),
                _ => {}
            },
            SwarmEvent::Behaviour(ComposedEvent::Gossipsub(gossipsub::Event::Message {
                message,
                ..
            })) => {
                let text = String::from_utf8(message.data)?;
                self.look.heard.push(text.parse()?);
            }
            _ => {}
        }
        Ok(false)
    }

    fn obey(&mut self, command: Command) -> Result<(), Failure> {
        match command {
            Command::Look => answer(&self.look()),
            Command::Init { envelopes } => {
                answer(&self.swarm.behaviour_mut().sampling.init(envelopes).entered)
            }
            Command::Publish { message } => {
                let gossipsub = self.swarm.behaviour_mut().gossipsub.as_mut();
                let gossipsub = gossipsub.ok_or("this node has no gossipsub")?;
                let published = gossipsub.publish(topic(), message.to_string());
                answer(&published.is_ok())
            }
            Command::Close => {
                for listener in self.listeners.drain(..) {
                    self.swarm.remove_listener(listener);
                }
                answer(&true)
            }
            Command::Open { address } => {
                self.listeners.push(self.swarm.listen_on(address)?);
                answer(&true)
            }
            // The answer comes with the goodbye.
            Command::Quit => {
                self.swarm.behaviour_mut().sampling.leave();
                Ok(())
            }
        }
    }

    fn look(&self) -> Look {
        let sampling = &self.swarm.behaviour().sampling;
        let handle = sampling.handle();
        let view = handle.view();
        let view = view
            .peers()
            .map(|record| (record.peer_id().to_string(), record.addresses().to_vec()));
        let contacts = handle.contacted();
        let contacts = contacts.iter().map(|record| record.peer_id().to_string());
        Look {
            view: view.collect(),
            neighbours: sampling
                .neighbours()
                .iter()
                .map(PeerId::to_string)
                .collect(),
            contacts: contacts.collect(),
            ..self.look.clone()
        }
    }
}

fn composed(keypair: &Keypair, settings: &Settings) -> Result<Composed, Failure> {
    let gossipsub = match settings.gossipsub {
        true => Some(gossipsub::Behaviour::new(
            gossipsub::MessageAuthenticity::Signed(keypair.clone()),
            gossipsub::Config::default(),
        )?),
        false => None,
    };
    Ok(Composed {
        sampling: Behaviour::new(keypair, settings.sampling())?,
        gossipsub: gossipsub.into(),
    })
}
