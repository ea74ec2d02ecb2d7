//! One node, in a task of its own: Kademlia, and peer sampling, which fills its routing table.

use std::{
    collections::HashMap,
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder,
    kad::{self, store::MemoryStore},
    multiaddr::Protocol,
    noise,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use libp2p_peer_sampling::{Behaviour, Config, Event, Handle};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::service::{Found, Walk};

const KAD: StreamProtocol = StreamProtocol::new("/walk-study/kad/1.0.0");

/// Smaller than the network: or there is nothing to sample.
pub const VIEW_SIZE: usize = 15;

pub type Failure = Box<dyn Error + Send + Sync>;

#[derive(NetworkBehaviour)]
struct Node {
    kad: kad::Behaviour<MemoryStore>,
    sampling: Behaviour,
}

/// A running node, and its two ways to a peer.
#[derive(Debug)]
pub struct Member {
    pub peer_id: PeerId,
    /// With `/p2p`.
    pub address: Multiaddr,
    pub handle: Handle,
    pub walk: Walk,
    known: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// What the task has.
struct Running {
    swarm: Swarm<Node>,
    walks: HashMap<kad::QueryId, oneshot::Sender<Found>>,
    requests: Arc<AtomicU64>,
    known: Arc<AtomicUsize>,
}

impl Member {
    /// Starts a node that knows `seed`, and waits until it listens.
    pub async fn start(seed: Option<Multiaddr>, period: Duration) -> Result<Self, Failure> {
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(
                tcp::Config::default().nodelay(true),
                noise::Config::new,
                yamux::Config::default,
            )?
            .with_behaviour(|keypair| {
                let peer_id = keypair.public().to_peer_id();
                let mut config = kad::Config::new(KAD);
                config.set_periodic_bootstrap_interval(None);
                let store = MemoryStore::new(peer_id);
                let mut kad = kad::Behaviour::with_config(peer_id, store, config);
                kad.set_mode(Some(kad::Mode::Server));
                let config = Config::local()
                    .with_network("walk-study")
                    .with_view_size(VIEW_SIZE)
                    .with_seeds(seed)
                    .with_period(period)
                    .with_neighbours(0);
                Ok(Node {
                    kad,
                    sampling: Behaviour::new(keypair, config)?,
                })
            })?
            .with_swarm_config(|config| config.with_idle_connection_timeout(10 * period))
            .build();
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        let peer_id = *swarm.local_peer_id();
        let (lookups, lookups_rx) = mpsc::unbounded_channel();
        let (requests, known) = (Arc::default(), Arc::default());
        let handle = swarm.behaviour().sampling.handle();
        let running = Running {
            swarm,
            walks: HashMap::new(),
            requests: Arc::clone(&requests),
            known: Arc::clone(&known),
        };
        Ok(Self {
            peer_id,
            address: address.with(Protocol::P2p(peer_id)),
            handle,
            walk: Walk::new(lookups, requests),
            known,
            task: tokio::spawn(running.run(lookups_rx)),
        })
    }

    /// How many peers have come into its routing table.
    pub fn known(&self) -> usize {
        self.known.load(Relaxed)
    }

    /// Stops the node as a crash would. What is left offers nobody any more.
    pub async fn stop(self) -> (Handle, Walk) {
        self.task.abort();
        // It was aborted: there is nothing to be told.
        let _ = self.task.await;
        (self.handle, self.walk)
    }
}

impl Running {
    async fn run(mut self, mut lookups: mpsc::UnboundedReceiver<oneshot::Sender<Found>>) {
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                found = lookups.recv() => match found {
                    Some(found) => {
                        let kad = &mut self.swarm.behaviour_mut().kad;
                        self.walks.insert(kad.get_closest_peers(PeerId::random()), found);
                    }
                    None => return,
                },
            }
        }
    }

    fn on_event(&mut self, event: SwarmEvent<NodeEvent>) {
        match event {
            // What an exchange has found goes into the routing table.
            SwarmEvent::Behaviour(NodeEvent::Sampling(Event::Contacted { peer, addresses })) => {
                let kad = &mut self.swarm.behaviour_mut().kad;
                for address in addresses {
                    kad.add_address(&peer, address);
                }
            }
            SwarmEvent::Behaviour(NodeEvent::Kad(kad::Event::RoutingUpdated {
                is_new_peer,
                ..
            })) => {
                self.known.fetch_add(usize::from(is_new_peer), Relaxed);
            }
            SwarmEvent::Behaviour(NodeEvent::Kad(kad::Event::OutboundQueryProgressed {
                id,
                result: kad::QueryResult::GetClosestPeers(result),
                stats,
                step,
            })) if step.last => self.on_end(id, result, stats.num_requests()),
            _ => {}
        }
    }

    /// A lookup is over; kad makes some of its own.
    fn on_end(&mut self, id: kad::QueryId, result: kad::GetClosestPeersResult, requests: u32) {
        let Some(found) = self.walks.remove(&id) else {
            return;
        };
        self.requests.fetch_add(requests.into(), Relaxed);
        let peers = match result {
            Ok(kad::GetClosestPeersOk { peers, .. }) => peers,
            Err(kad::GetClosestPeersError::Timeout { peers, .. }) => peers,
        };
        // The nearest comes first.
        if let Some(nearest) = peers.into_iter().next() {
            // The caller may have gone.
            let _ = found.send(Found {
                peer_id: nearest.peer_id,
                addresses: nearest.addrs,
            });
        }
    }
}
