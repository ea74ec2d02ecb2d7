//! A random walk over Kademlia as a sampling service: each peer is the end of a lookup.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use libp2p::{Multiaddr, PeerId};
use libp2p_peer_sampling::{PeerSampling, peer::Peer, view::View};
use tokio::sync::{mpsc, oneshot};

/// A peer at the end of a walk.
#[derive(Debug, Clone)]
pub struct Found {
    pub peer_id: PeerId,
    pub addresses: Vec<Multiaddr>,
}

impl Peer for Found {
    type Id = PeerId;

    fn id(&self) -> &PeerId {
        &self.peer_id
    }
}

/// The one mode of a walk: to the peer nearest to a random key. Peers with much of the key space
/// before them come more often than others.
#[derive(Debug, Clone, Copy)]
pub struct RandomKey;

/// The sampling service. It asks the task that runs the node, which looks up the key.
#[derive(Debug)]
pub struct Walk {
    /// A walk keeps no view.
    nobody: View<Found>,
    lookups: mpsc::UnboundedSender<oneshot::Sender<Found>>,
    requests: Arc<AtomicU64>,
}

impl Walk {
    /// `requests`: where the task counts the requests of all lookups.
    pub fn new(
        lookups: mpsc::UnboundedSender<oneshot::Sender<Found>>,
        requests: Arc<AtomicU64>,
    ) -> Self {
        Self {
            nobody: View::default(),
            lookups,
            requests,
        }
    }

    /// How many requests the lookups have taken so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }
}

impl PeerSampling for Walk {
    type Peer = Found;
    type Mode = RandomKey;
    type Snapshot<'a> = &'a View<Found>;
    type Selecting = Lookup;

    fn view(&self) -> &View<Found> {
        &self.nobody
    }

    fn view_len(&self) -> usize {
        0
    }

    fn select_peer(&mut self, RandomKey: &RandomKey) -> Lookup {
        let (found_tx, found) = oneshot::channel();
        // If the node has stopped, nobody is found.
        let _ = self.lookups.send(found_tx);
        Lookup(found)
    }

    fn broadcast(&mut self, _send: impl FnMut(Found)) -> usize {
        0
    }
}

/// A walk under way. It ends with nobody when the lookup finds none, or the node has stopped.
#[derive(Debug)]
pub struct Lookup(oneshot::Receiver<Found>);

impl Future for Lookup {
    type Output = Option<Found>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Found>> {
        Pin::new(&mut self.0).poll(cx).map(Result::ok)
    }
}
