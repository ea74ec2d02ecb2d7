//! A handle for other tasks: reads the view and samples from it while the swarm runs elsewhere.

use std::{
    fmt,
    future::{Ready, ready},
    sync::{Arc, Mutex, MutexGuard},
};

use libp2p_identity::PeerId;
use libp2p_swarm::StreamProtocol;
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    sampling::{
        PeerSampling,
        mode::{Mode, selection::Selection},
        view::View,
    },
    swarm::{
        counters::Counters,
        handle::{
            peers::HandlePeers,
            services::{LocalSampling, WaitingSampling},
            state::{State, StreamState},
            streams::{FreshSamples, Joined, Samples, Waiting},
        },
        node::{Node, leases::Lease, strain::Health},
        record::Record,
    },
};

pub(crate) mod peers;
pub(crate) mod publisher;
pub(crate) mod services;
mod state;
pub(crate) mod streams;

/// Reads the view of a [`Behaviour`](crate::Behaviour) and samples from it, from any task or
/// thread.
///
/// Cheap to clone. All clones, and the behaviour itself, share one sampling service. A peer that
/// one of them got is not handed to another while there are peers left that nobody got. No call
/// waits for the swarm. When the behaviour is gone, its last view stays.
///
/// The overlay says which peers are handed out. Their records are signed, but this node need not
/// have talked to them yet; see [`is_contacted`](Self::is_contacted). If an overlay gives out
/// samples itself, as [`Basalt`](crate::overlay::Basalt) does, these are handed out first.
///
/// ```no_run
/// use libp2p_peer_sampling::{Handle, Selection};
///
/// async fn poll_some_peers(handle: Handle) {
///     if handle.joined().await.is_err() {
///         return; // The behaviour is gone.
///     }
///     if let Some(peer) = handle.select_peer(Selection::Uniform) {
///         println!("a random peer: {} at {:?}", peer.peer_id(), peer.addresses());
///     }
///     for peer in handle.sample(5) {
///         println!("one of five different ones: {}", peer.peer_id());
///     }
/// }
/// ```
///
/// # When draws repeat
///
/// Fresh peers come first: peers that no reader was handed since they entered the view, and the
/// samples that the overlay gives out. When these are used up, draws are uniform over the view, and
/// repeat until an exchange brings others. Fresh peers in a round, for all readers together,
/// measured:
///
/// | overlay | network | fresh per round | at a period of 10 s |
/// |---|---|---|---|
/// | `Random`, c=30 | 1,000 nodes | 19.5 | 117 in a minute |
/// | `Random`, c=30 | 30 nodes | 0: the view holds everybody | draws are uniform over all |
/// | `Basalt` | any | 1/2 | 3 in a minute |
///
/// With `Basalt` a view of v peers holds about two thirds of a network of v peers, and changes
/// slowly. A reader that draws much more often misses the others: see
/// [`Basalt`](crate::overlay::Basalt).
#[derive(Clone)]
pub struct Handle(Arc<Mutex<State>>);

impl Handle {
    /// The view as it is now, without a copy of it: later changes do not show.
    pub fn view(&self) -> Arc<View<Record>> {
        self.lock().view.clone()
    }

    /// How many peers the view holds.
    pub fn view_len(&self) -> usize {
        self.lock().view.len()
    }

    /// Whether the peer is in the view.
    pub fn contains(&self, peer: &PeerId) -> bool {
        self.lock().view.contains(peer)
    }

    /// Whether the peer is a *contact*: this node has made an exchange with it, and it has not
    /// failed since. libp2p has authenticated it on that connection. All other peers of the view
    /// are known by hearsay only. Some 500 contacts are remembered.
    pub fn is_contacted(&self, peer: &PeerId) -> bool {
        self.lock().contacts.contains(peer)
    }

    /// What to save for the next start (see [`Behaviour::init`](crate::Behaviour::init)): the
    /// records of at most 256 contacts, those met most recently first. This node has itself dialled
    /// each of them, and found it at one of the addresses of its record, and it has not failed
    /// since. A view, in contrast, may hold peers that never existed.
    ///
    /// If a node has found fewer than 16, it adds others, up to 16 in all. These have dialled it,
    /// without a relay, from the host that their record names. Otherwise a seed that everybody else
    /// dials would save nobody.
    ///
    /// If all of them have failed, they are returned all the same. It may be this node that has no
    /// network, and what was saved should not be wiped for that.
    pub fn contacted(&self) -> Vec<Record> {
        self.lock().contacts.found()
    }

    /// The neighbours: peers that both ends keep connected. Empty when the behaviour is gone.
    pub fn neighbours(&self) -> Vec<PeerId> {
        self.lock().neighbours.clone()
    }

    /// What was sent, received, checked and refused since the behaviour was made.
    pub fn counters(&self) -> Counters {
        self.lock().node.tally.snapshot()
    }

    /// Which behaviour of this node keeps which connection open, and what for. Behaviours go by the
    /// names of their protocols. What siblings and peers keep open is not listed.
    pub fn leases(&self) -> Vec<Lease> {
        self.lock().node.leases()
    }

    /// Whether the node can do what it has to do. [`Event::Health`](crate::Event::Health) says when
    /// that changes.
    pub fn health(&self) -> Health {
        self.lock().node.health()
    }

    /// Whether this node has joined: it has a neighbour, or it knows others and an exchange has
    /// succeeded, started by either side. With an empty view and no neighbour it is no longer
    /// joined.
    pub fn is_joined(&self) -> bool {
        self.lock().is_joined()
    }

    /// Waits until this node [has joined](Self::is_joined); ready at once if it has already.
    /// [`Event::Isolated`](crate::Event::Isolated) and
    /// [`Event::SeedFailed`](crate::Event::SeedFailed) say why it takes long.
    ///
    /// # Errors
    ///
    /// [`BehaviourGone`](crate::BehaviourGone) when the behaviour was dropped.
    pub fn joined(&self) -> Joined {
        Joined(Waiting::new(&self.0))
    }

    /// Hands out one peer; `None` only when the view is empty. Any mode will do: [`Selection`],
    /// [`RankedSelection`](crate::RankedSelection) over a ranked overlay,
    /// [`Recency`](crate::Recency), [`ZoneAware`](crate::ZoneAware), or one's own. See [when draws
    /// repeat](Self#when-draws-repeat).
    pub fn select_peer(&self, mode: impl Mode<Record>) -> Option<Record> {
        self.lock().select_peer(&mode)
    }

    /// The sampling service in the modes `M`, for code over any [`PeerSampling`]. The handle itself
    /// is that service in the modes of [`Selection`].
    pub fn local<M: Mode<Record>>(&self) -> LocalSampling<M> {
        LocalSampling::new(&self.0)
    }

    /// A sampling service that waits: as long as the view is empty, for the first peer that enters
    /// it. It hands out nobody any more when the behaviour is gone.
    ///
    /// ```no_run
    /// use libp2p_peer_sampling::{Handle, PeerSampling, Selection};
    ///
    /// async fn first_peer(handle: Handle) {
    ///     match handle.waiting().select_peer(&Selection::Uniform).await {
    ///         Some(peer) => println!("a random peer: {}", peer.peer_id()),
    ///         None => println!("the behaviour is gone"),
    ///     }
    /// }
    /// ```
    pub fn waiting<M: Mode<Record> + Clone>(&self) -> WaitingSampling<M> {
        WaitingSampling::new(&self.0)
    }

    /// Hands out `count` different peers, or the whole view when it has fewer. Those not handed out
    /// yet come first, in random order. See [when draws repeat](Self#when-draws-repeat).
    pub fn sample(&self, count: usize) -> Vec<Record> {
        let state = &mut *self.lock();
        let mut peers: Vec<Record> = Vec::new();
        while peers.len() < count
            && let Some(given) = state.next_given()
        {
            if !peers.contains(&given) {
                peers.push(given);
            }
        }
        let mut others = View::clone(&state.view);
        others.retain(|other| !peers.iter().any(|peer| peer.peer_id() == other.peer_id()));
        let left = count - peers.len();
        peers.extend(state.sampler.select_many(&others, left, &mut state.rng));
        peers
    }

    /// An endless stream of peers, each as by [`select_peer`](Self::select_peer) with
    /// [`Selection::Uniform`]: fresh ones first, and then [repeats](Self#when-draws-repeat). It
    /// ends when the behaviour is gone.
    ///
    /// It waits only while the view is empty, so the reader sets the pace: a loop that reads it
    /// needs a pause of its own, or a `take`. [`fresh_samples`](Self::fresh_samples) gives each
    /// peer once, as it comes.
    pub fn samples(&self) -> Samples {
        Samples(Waiting::new(&self.0))
    }

    /// A stream of peers at the overlay's pace, without repeats. It waits while there is no fresh
    /// peer, perhaps for ever if the view holds the whole network. It ends when the behaviour is
    /// gone. Every stream gets all of them, whatever others were handed.
    ///
    /// It gives each peer of the view once, in random order, and from then on each peer once
    /// whenever it enters the view. If the overlay gives out samples itself, the stream has only
    /// these: with Basalt, one every other round. The latest 128 are kept for a stream that nobody
    /// reads.
    pub fn fresh_samples(&self) -> FreshSamples {
        let waiting = Waiting::new(&self.0);
        let mut state = self.lock();
        state.streams.insert(waiting.id, StreamState::default());
        drop(state);
        FreshSamples(waiting)
    }

    // ---- For protocols that ride on the sampler ----

    /// The partners for one more protocol.
    pub(crate) fn peers(&self) -> HandlePeers {
        let rng = StdRng::from_rng(&mut self.lock().rng);
        HandlePeers::new(self.0.clone(), rng)
    }

    /// The node that the sampler belongs to.
    pub(crate) fn node(&self) -> Arc<Node> {
        self.lock().node.clone()
    }

    /// The name of a protocol in the sampler's network.
    pub(crate) fn protocol_of(&self, name: &str) -> StreamProtocol {
        let name = match &self.lock().network {
            Some(network) => format!("/{network}/{name}"),
            None => format!("/{name}"),
        };
        // It begins with a slash.
        StreamProtocol::try_from_owned(name).unwrap_or(StreamProtocol::new("/"))
    }

    /// Whether the sampler has left, or is gone.
    pub(crate) fn has_left(&self) -> bool {
        let state = self.lock();
        state.left || state.closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        State::lock(&self.0)
    }
}

impl PeerSampling for Handle {
    type Peer = Record;
    type Mode = Selection;
    type Snapshot<'a> = Arc<View<Record>>;
    type Selecting = Ready<Option<Record>>;

    fn view(&self) -> Arc<View<Record>> {
        Handle::view(self)
    }

    fn view_len(&self) -> usize {
        Handle::view_len(self)
    }

    // A call of it would copy the record once more.
    #[inline]
    fn select_peer(&mut self, mode: &Selection) -> Ready<Option<Record>> {
        ready(Handle::select_peer(self, mode))
    }

    fn broadcast(&mut self, send: impl FnMut(Record)) -> usize {
        // Not under the lock: `send` may use the handle.
        let view = self.lock().hand_out_all();
        view.peers().cloned().for_each(send);
        view.len()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Handle")
            .field("view", &state.view)
            .field("neighbours", &state.neighbours)
            .field("closed", &state.closed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
