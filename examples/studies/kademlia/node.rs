//! One node of the DHT: Kademlia, and the behaviours that tell it of other peers.

use std::{collections::BTreeSet, error::Error, time::Duration};

use clap::ValueEnum;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, identify,
    identity::Keypair,
    kad::{self, store::MemoryStore},
    multiaddr::Protocol,
    noise,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
    tcp, yamux,
};
use libp2p_peer_sampling::{Behaviour, Config, Event};

const KAD: StreamProtocol = StreamProtocol::new("/kademlia-study/kad/1.0.0");

#[derive(NetworkBehaviour)]
pub struct Node {
    pub kad: kad::Behaviour<MemoryStore>,
    sampling: Toggle<Behaviour>,
    identify: Toggle<identify::Behaviour>,
}

/// How a node gets to know others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Discovery {
    /// The usual way: the seed goes into the routing table, and kad bootstraps through it
    Bootstrap,
    /// One line gives kad the peers that peer sampling has contacted; kad bootstraps by itself too
    Contacts,
    /// As contacts, but kad's own bootstraps are put off
    Quiet,
    /// As quiet, and a node looks itself up: when it knows 20 others, and every 5 minutes
    Lookup,
}

impl Discovery {
    pub fn samples(self) -> bool {
        self != Self::Bootstrap
    }

    fn puts_off(self) -> bool {
        matches!(self, Self::Quiet | Self::Lookup)
    }
}

#[derive(Debug, Clone)]
pub struct Options {
    pub keypair: Keypair,
    pub discovery: Discovery,
    pub mode: kad::Mode,
    pub identify: bool,
    /// Whether others can dial it. A node that does not listen does not advertise.
    pub listen: bool,
    /// With `/p2p`; none for the seed itself.
    pub seed: Option<Multiaddr>,
    pub timing: Timing,
}

/// What is told by the clock.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// The period T of peer sampling.
    pub period: Duration,
    /// After how long an idle connection closes.
    pub idle: Duration,
    /// How often kad bootstraps, or the node looks itself up.
    pub refresh: Duration,
}

impl Timing {
    /// The defaults of this library and of libp2p, so many times faster.
    pub fn faster(times: u32) -> Self {
        Self {
            period: Duration::from_secs(10) / times,
            idle: Duration::from_secs(10) / times,
            refresh: Duration::from_secs(5 * 60) / times,
        }
    }
}

pub type Failure = Box<dyn Error + Send + Sync>;

/// Builds the swarm and starts to listen.
pub fn start(options: &Options) -> Result<Swarm<Node>, Failure> {
    let mut swarm = SwarmBuilder::with_existing_identity(options.keypair.clone())
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_behaviour(|keypair| behaviour(keypair, options))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(options.timing.idle))
        .build();
    if options.listen {
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    }
    Ok(swarm)
}

fn behaviour(keypair: &Keypair, options: &Options) -> Result<Node, Failure> {
    let peer_id = keypair.public().to_peer_id();
    let mut config = kad::Config::new(KAD);
    let refresh = (!options.discovery.puts_off()).then_some(options.timing.refresh);
    config.set_periodic_bootstrap_interval(refresh);
    let mut kad = kad::Behaviour::with_config(peer_id, MemoryStore::new(peer_id), config);
    // By itself, kad is a server only with a confirmed external address, which no node has on
    // loopback.
    kad.set_mode(Some(options.mode));

    let mut sampling = None;
    if options.discovery.samples() {
        let config = Config::local()
            .with_network("kademlia-study")
            .with_seeds(options.seed.clone())
            .with_period(options.timing.period)
            // Kad keeps the connections that it needs.
            .with_neighbours(0);
        sampling = Some(Behaviour::new(keypair, config)?);
    } else if let Some(seed) = &options.seed
        && let Some(Protocol::P2p(peer)) = seed.iter().last()
    {
        kad.add_address(&peer, seed.clone());
        kad.bootstrap()?;
    }
    let identify = options.identify.then(|| {
        let version = "/kademlia-study/1.0.0".to_owned();
        identify::Behaviour::new(identify::Config::new(version, keypair.public()))
    });
    Ok(Node {
        kad,
        sampling: sampling.into(),
        identify: identify.into(),
    })
}

impl Node {
    /// How many peers are in the routing table.
    pub fn known(&mut self) -> usize {
        self.kad.kbuckets().map(|bucket| bucket.num_entries()).sum()
    }

    pub fn table(&mut self) -> BTreeSet<PeerId> {
        let mut table = BTreeSet::new();
        for bucket in self.kad.kbuckets() {
            table.extend(bucket.iter().map(|entry| *entry.node.key.preimage()));
        }
        table
    }
}

/// What makes a DHT of these behaviours.
#[derive(Debug)]
pub struct Wiring {
    discovery: Discovery,
    has_looked_up: bool,
}

impl Wiring {
    pub fn new(discovery: Discovery) -> Self {
        Self {
            discovery,
            has_looked_up: false,
        }
    }

    /// Looks for the nodes nearest to this one. In a large network samples hardly ever find them,
    /// and no other node needs to know them. To be called from time to time. A node that knows less
    /// than 20 others knows all of them, or will soon have more to ask.
    pub fn look_up(&mut self, swarm: &mut Swarm<Node>) {
        let me = *swarm.local_peer_id();
        let node = swarm.behaviour_mut();
        if self.discovery == Discovery::Lookup && node.known() >= kad::K_VALUE.get() {
            self.has_looked_up = true;
            node.kad.get_closest_peers(me);
        }
    }

    pub fn on_event(&mut self, swarm: &mut Swarm<Node>, event: &NodeEvent) {
        let node = swarm.behaviour_mut();
        match event {
            // The one line. What an exchange has found goes into the routing table.
            NodeEvent::Sampling(Event::Contacted { peer, addresses }) => {
                for address in addresses {
                    node.kad.add_address(peer, address.clone());
                }
            }
            // As usual with identify: servers come into the routing table, others leave it.
            NodeEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                if info.protocols.contains(&KAD) {
                    for address in &info.listen_addrs {
                        node.kad.add_address(peer_id, address.clone());
                    }
                } else {
                    node.kad.remove_peer(peer_id);
                }
            }
            NodeEvent::Kad(kad::Event::RoutingUpdated {
                is_new_peer: true, ..
            }) if self.discovery.puts_off() => {
                put_off_bootstrap(&mut node.kad);
                if !self.has_looked_up {
                    self.look_up(swarm);
                }
            }
            NodeEvent::Kad(kad::Event::OutboundQueryProgressed {
                id,
                result: kad::QueryResult::Bootstrap(_),
                ..
            }) if self.discovery.puts_off() => finish(&mut node.kad, *id),
            _ => {}
        }
    }
}

/// Half a second after a peer has come into a routing table of less than 20, kad bootstraps. No
/// setting prevents that, but a bootstrap that has already begun puts it off. The one begun here
/// ends before it asks any peer.
fn put_off_bootstrap(kad: &mut kad::Behaviour<MemoryStore>) {
    if let Ok(id) = kad.bootstrap() {
        finish(kad, id);
    }
}

fn finish(kad: &mut kad::Behaviour<MemoryStore>, id: kad::QueryId) {
    if let Some(mut query) = kad.query_mut(&id) {
        query.finish();
    }
}
