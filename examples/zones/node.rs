//! One node: its zone is its profile.

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder,
    identity::Keypair,
    noise,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use libp2p_peer_sampling::{
    Behaviour, Config, Direction, Event, Handle, RankedSelection, Record, Selection, ZoneAware,
    overlay::Ranked, ranking::Zones,
};
use tokio::task::JoinHandle;

use super::traffic::{Kind, Traffic};

pub type Failure = Box<dyn Error + Send + Sync>;

/// What ranks: peers that say that they are in the same zone come first.
type Near = Ranked<Zones<fn(&Record) -> Option<String>>, Record>;

#[derive(NetworkBehaviour)]
struct Peer {
    everybody: Behaviour,
    near: Behaviour<Near>,
}

/// A running node.
pub struct Node {
    pub id: PeerId,
    pub zone: &'static str,
    pub address: Multiaddr,
    everybody: Handle,
    near: Handle,
    /// The partners of its exchanges.
    partners: Arc<Mutex<Vec<(Kind, PeerId)>>>,
    task: JoinHandle<()>,
}

/// Where a peer says that it is.
pub fn zone_of(record: &Record) -> Option<String> {
    record.profile_as::<String>()
}

impl Node {
    /// Starts a node that knows one other, and waits until it listens.
    pub async fn start(
        zone: &'static str,
        seed: Option<Multiaddr>,
        period: Duration,
    ) -> Result<Self, Failure> {
        let keypair = Keypair::generate_ed25519();
        let config = Config::local()
            .with_period(period)
            .with_profile(&zone.to_owned());
        let everybody = config
            .clone()
            .with_network("example")
            .with_neighbours(4)
            .with_seeds(seed);
        let everybody = Behaviour::new(&keypair, everybody)?;
        let by_zone: fn(&Record) -> Option<String> = zone_of;
        let near = config
            .with_network("example-near")
            .with_view_size(30)
            .with_neighbours(8)
            .with_overlay(Ranked::new(Zones::new(by_zone), 4).with_message(10));
        let near = Behaviour::beside(&everybody.handle(), &keypair, near)?;
        let handles = [everybody.handle(), near.handle()];
        let mut swarm = SwarmBuilder::with_existing_identity(keypair)
            .with_tokio()
            .with_tcp(
                tcp::Config::default().nodelay(true),
                noise::Config::new,
                yamux::Config::default,
            )?
            .with_behaviour(|_| Peer { everybody, near })?
            .build();
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        let partners = Arc::default();
        let [everybody, near] = handles;
        Ok(Self {
            id: *swarm.local_peer_id(),
            zone,
            address,
            everybody,
            near,
            task: tokio::spawn(run(swarm, Arc::clone(&partners))),
            partners,
        })
    }

    /// The random view.
    pub fn everybody(&self) -> Vec<Record> {
        self.everybody.view().peers().cloned().collect()
    }

    /// The ranked view.
    pub fn near(&self) -> Vec<Record> {
        self.near.view().peers().cloned().collect()
    }

    /// The partners of all its exchanges, each with the sampler that made it.
    pub fn partners(&self) -> Vec<(Kind, PeerId)> {
        let partners = self.partners.lock();
        partners.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Chooses the peer that an application would send a message to, in each of three ways.
    pub fn send(&mut self, share: f64, sent: &mut Traffic) -> Result<(), Failure> {
        let aware = ZoneAware::new(self.zone.to_owned(), share, zone_of)?;
        let chosen = [
            (
                Kind::Uniform,
                self.everybody.select_peer(Selection::Uniform),
            ),
            (Kind::ZoneAware, self.everybody.select_peer(aware)),
            (Kind::Ranked, self.near.select_peer(RankedSelection::Random)),
        ];
        for (kind, peer) in chosen {
            if let Some(peer) = peer {
                sent.add(kind, zone_of(&peer).as_deref() == Some(self.zone));
            }
        }
        Ok(())
    }

    /// Ends the node.
    pub async fn stop(self) {
        self.task.abort();
        // It ends with an error, since it was aborted.
        let _ = self.task.await;
    }
}

async fn run(mut swarm: Swarm<Peer>, partners: Arc<Mutex<Vec<(Kind, PeerId)>>>) {
    loop {
        let SwarmEvent::Behaviour(event) = swarm.select_next_some().await else {
            continue;
        };
        let (kind, event) = match event {
            PeerEvent::Everybody(event) => (Kind::Exchanges, event),
            PeerEvent::Near(event) => (Kind::RankedExchanges, event),
        };
        if let Event::Exchanged {
            peer,
            direction: Direction::Outbound,
            ..
        } = event
        {
            let mut partners = partners.lock().unwrap_or_else(PoisonError::into_inner);
            partners.push((kind, peer));
        }
    }
}
