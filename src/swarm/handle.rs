//! A handle for other tasks: reads the view and samples from it while the swarm runs elsewhere.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures::Stream;
use libp2p_identity::PeerId;
use rand::rngs::StdRng;

use crate::{
    sampling::{PeerSampling, Sampler, Selection},
    swarm::{contacts::Contacts, record::Record},
    view::View,
};

/// How many samples that the overlay has given out wait to be handed on, here and in each stream. A
/// guess: the overlay gives out one every few rounds.
const WAITING: usize = 128;

/// Reads the view of a [`Behaviour`](crate::Behaviour) and samples from it, from any task or thread.
///
/// Cheap to clone. All clones, and the behaviour itself, share one sampling service: a peer that
/// one of them was handed is not handed to another while there are peers left that nobody was
/// handed. No call waits for the swarm. When the behaviour is gone, its last view stays.
///
/// What is handed out is what the overlay says: a peer whose record is signed, and whom this node
/// need not have talked to yet; see [`is_contacted`](Self::is_contacted). An overlay that gives out samples
/// itself, as [`Basalt`](crate::Basalt) does, has these handed out before anything else.
#[derive(Clone)]
pub struct Handle(Arc<Mutex<State>>);

struct State {
    view: View<Record>,
    contacts: Contacts,
    sampler: Sampler<PeerId>,
    /// What the overlay has given out, and nobody was handed yet; `None` if it gives out nothing.
    given: Option<VecDeque<Record>>,
    rng: StdRng,
    streams: BTreeMap<u64, StreamState>,
    next_stream: u64,
    closed: bool,
}

#[derive(Default)]
struct StreamState {
    sampler: Sampler<PeerId>,
    given: VecDeque<Record>,
    waker: Option<Waker>,
}

impl Handle {
    /// All peers of the view, in the view's order.
    pub fn view(&self) -> Vec<Record> {
        let state = self.lock();
        state.view.iter().map(|d| d.peer.clone()).collect()
    }

    /// How many peers the view holds.
    pub fn view_len(&self) -> usize {
        self.lock().view.len()
    }

    /// Whether the peer is in the view.
    pub fn contains(&self, peer: &PeerId) -> bool {
        self.lock().view.contains(peer)
    }

    /// Whether the peer is a *contact*: this node has made an exchange with it, over a connection
    /// whose other end libp2p has authenticated, and it has not failed since. Of all other peers of
    /// the view only hearsay is known. Some 500 contacts are remembered.
    pub fn is_contacted(&self, peer: &PeerId) -> bool {
        self.lock().contacts.contains(peer)
    }

    /// What to save for the next start (see [`Behaviour::init`](crate::Behaviour::init)): the
    /// records of the contacts that this node has itself dialled, and found, at one of the addresses
    /// of their records, and that have not failed since; those met most recently first, at most 256. A
    /// view, in contrast, may hold peers that never were.
    ///
    /// A node that has found fewer than 16 adds some, up to 16 in all, of those that have dialled it, without a relay, from the host that
    /// their record names: a seed that everybody else dials would save nobody.
    ///
    /// When all of them have failed they are returned all the same: it may be this node that has no
    /// network, and what was saved should not be wiped for that.
    pub fn contacted(&self) -> Vec<Record> {
        self.lock().contacts.found()
    }

    /// Hands out one peer; `None` only when the view is empty. See [`Selection`].
    pub fn select_peer(&self, selection: Selection) -> Option<Record> {
        let state = &mut *self.lock();
        if selection == Selection::Uniform
            && let Some(given) = state.next_given()
        {
            return Some(given);
        }
        state.sampler.select(&state.view, selection, &mut state.rng)
    }

    /// Hands out `count` different peers, or the whole view when it has fewer: those not handed
    /// out yet first, in random order.
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
        let mut others = state.view.clone();
        others.retain(|other| !peers.iter().any(|peer| peer.peer_id() == other.peer_id()));
        let left = count - peers.len();
        peers.extend(state.sampler.select_many(&others, left, &mut state.rng));
        peers
    }

    /// An endless stream of peers. Waits while there is none, and ends when the behaviour is gone. Every
    /// stream sees all of them; what others were handed does not matter.
    ///
    /// Each peer of the view once, in random order, and from then on each peer once whenever it enters
    /// the view; but with an overlay that gives out samples itself, only these: with Basalt, one every
    /// other round, of which the latest 128 are kept for a stream that nobody reads.
    pub fn samples(&self) -> Samples {
        let mut state = self.lock();
        let id = state.next_stream;
        state.next_stream += 1;
        state.streams.insert(id, StreamState::default());
        Samples {
            handle: self.clone(),
            id,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_given(&mut self) -> Option<Record> {
        self.given.as_mut()?.pop_front()
    }
}

impl PeerSampling for Handle {
    type Peer = Record;

    fn view(&self) -> Vec<Record> {
        Handle::view(self)
    }

    fn view_len(&self) -> usize {
        Handle::view_len(self)
    }

    fn select_peer(&mut self, selection: Selection) -> Option<Record> {
        Handle::select_peer(self, selection)
    }

    fn broadcast(&mut self, send: impl FnMut(Record)) -> usize {
        // Not under the lock: `send` may use the handle.
        let peers: Vec<Record> = {
            let state = &mut *self.lock();
            state.sampler.mark_all(&state.view);
            state.view.iter().map(|d| d.peer.clone()).collect()
        };
        let count = peers.len();
        peers.into_iter().for_each(send);
        count
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Handle")
            .field("view", &state.view)
            .field("closed", &state.closed)
            .finish_non_exhaustive()
    }
}

/// The stream of [`Handle::samples`].
#[must_use = "streams do nothing unless polled"]
pub struct Samples {
    handle: Handle,
    id: u64,
}

impl Stream for Samples {
    type Item = Record;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Record>> {
        let state = &mut *self.handle.lock();
        let Some(stream) = state.streams.get_mut(&self.id) else {
            return Poll::Ready(None);
        };
        let next = match state.given {
            Some(_) => stream.given.pop_front(),
            None => stream.sampler.select_new(&state.view, &mut state.rng),
        };
        match next {
            Some(peer) if !state.closed => Poll::Ready(Some(peer)),
            _ if state.closed => Poll::Ready(None),
            _ => {
                stream.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Samples {
    fn drop(&mut self) {
        self.handle.lock().streams.remove(&self.id);
    }
}

impl fmt::Debug for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Samples").finish_non_exhaustive()
    }
}

/// The behaviour's end: makes handles and tells them of the view.
#[derive(Debug)]
pub(crate) struct Publisher(Handle);

impl Publisher {
    /// `given`: whether the overlay gives out samples itself.
    pub(crate) fn new(rng: StdRng, given: bool) -> Self {
        Self(Handle(Arc::new(Mutex::new(State {
            view: View::default(),
            contacts: Contacts::default(),
            sampler: Sampler::default(),
            given: given.then(VecDeque::new),
            rng,
            streams: BTreeMap::new(),
            next_stream: 0,
            closed: false,
        }))))
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.0
    }

    /// Reads or changes the contacts.
    pub(crate) fn contacts<T>(&self, with: impl FnOnce(&mut Contacts) -> T) -> T {
        with(&mut self.0.lock().contacts)
    }

    /// The overlay gives out a sample.
    pub(crate) fn give(&self, sample: &Record) {
        let state = &mut *self.0.lock();
        for stream in state.streams.values_mut() {
            push(&mut stream.given, sample);
            if let Some(waker) = stream.waker.take() {
                waker.wake();
            }
        }
        if let Some(given) = &mut state.given {
            push(given, sample);
        }
    }

    /// The peer is dead, gone or not wanted: it is not handed out any more.
    pub(crate) fn withdraw(&self, peer: &PeerId) {
        let state = &mut *self.0.lock();
        let streams = state.streams.values_mut();
        let queues = streams.map(|stream| &mut stream.given);
        for queue in queues.chain(&mut state.given) {
            queue.retain(|sample| sample.peer_id() != *peer);
        }
    }

    /// Makes `view` the one that handles see.
    pub(crate) fn publish(&self, view: &View<Record>) {
        let state = &mut *self.0.lock();
        state.view.clone_from(view);
        state.sampler.retain(view);
        for stream in state.streams.values_mut() {
            stream.sampler.retain(view);
            if let Some(waker) = stream.waker.take() {
                waker.wake();
            }
        }
    }
}

/// The latest samples wait, in the order in which they were given.
fn push(given: &mut VecDeque<Record>, sample: &Record) {
    if given.len() >= WAITING {
        given.pop_front();
    }
    given.push_back(sample.clone());
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let state = &mut *self.0.lock();
        state.closed = true;
        for stream in state.streams.values_mut() {
            if let Some(waker) = stream.waker.take() {
                waker.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};
    use libp2p_identity::Keypair;
    use rand::SeedableRng;

    use super::*;
    use crate::view::Descriptor;

    fn records(count: usize) -> Vec<Record> {
        (0..count)
            .map(|_| {
                let address = "/memory/1".parse().expect("a multiaddr");
                Record::sign(&Keypair::generate_ed25519(), 1, &[address]).expect("signing works")
            })
            .collect()
    }

    fn view(records: &[Record]) -> View<Record> {
        records.iter().cloned().map(Descriptor::fresh).collect()
    }

    fn publisher() -> Publisher {
        Publisher::new(StdRng::seed_from_u64(1), false)
    }

    #[test]
    fn clones_share_one_service() {
        let publisher = publisher();
        let records = records(10);
        publisher.publish(&view(&records));
        let (a, b) = (publisher.handle().clone(), publisher.handle().clone());
        let mut drawn: Vec<PeerId> = (0..5)
            .filter_map(|_| a.select_peer(Selection::Uniform))
            .chain(b.sample(5))
            .map(|record| record.peer_id())
            .collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 10);
        assert_eq!(a.sample(99).len(), 10);
        assert_eq!(a.view(), records);
        assert_eq!(b.view_len(), 10);
    }

    #[test]
    fn broadcast_reaches_the_view_once_and_may_use_the_handle() {
        let publisher = publisher();
        publisher.publish(&view(&records(3)));
        let mut handle = publisher.handle().clone();
        let other = handle.clone();
        let mut lens = Vec::new();
        assert_eq!(handle.broadcast(|_| lens.push(other.view_len())), 3);
        assert_eq!(lens, [3, 3, 3]);
    }

    #[test]
    fn a_stream_yields_each_peer_once_waits_for_newcomers_and_ends() {
        let publisher = publisher();
        let records = records(4);
        let mut samples = publisher.handle().samples();
        assert!(samples.next().now_or_never().is_none(), "nobody yet");

        publisher.publish(&view(&records[..3]));
        let mut seen: Vec<PeerId> = (0..3)
            .filter_map(|_| samples.next().now_or_never().flatten())
            .map(|record| record.peer_id())
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 3);
        assert!(samples.next().now_or_never().is_none(), "all seen");

        publisher.publish(&view(&records[1..]));
        let newcomer = samples.next().now_or_never().flatten();
        assert_eq!(newcomer, Some(records[3].clone()));

        drop(publisher);
        assert_eq!(samples.next().now_or_never(), Some(None));
    }

    #[test]
    fn a_waiting_stream_is_woken() {
        let publisher = publisher();
        let samples = publisher.handle().samples();
        let waiting = std::thread::spawn(move || {
            futures::executor::block_on(samples.take(2).collect::<Vec<_>>())
        });
        let records = records(2);
        publisher.publish(&view(&records[..1]));
        publisher.publish(&view(&records));
        let seen = waiting.join().expect("no panic");
        assert_eq!(seen.len(), 2);
    }

    #[test]
    fn a_dropped_stream_leaves_nothing_behind() {
        let publisher = publisher();
        drop(publisher.handle().samples());
        assert!(publisher.handle().lock().streams.is_empty());
    }

    /// With an overlay that gives out samples itself.
    #[test]
    fn what_the_overlay_gives_out_is_handed_out_first_and_streams_have_nothing_else() {
        let publisher = Publisher::new(StdRng::seed_from_u64(1), true);
        let handle = publisher.handle().clone();
        let peers = records(5);
        publisher.publish(&view(&peers[..3]));
        let mut stream = handle.samples();
        assert_eq!(stream.next().now_or_never(), None, "nothing was given out");
        publisher.give(&peers[3]);
        publisher.give(&peers[4]);
        assert_eq!(stream.next().now_or_never(), Some(Some(peers[3].clone())));
        assert_eq!(
            handle.select_peer(Selection::Uniform),
            Some(peers[3].clone())
        );
        let mut sampled = handle.sample(3);
        assert_eq!(sampled.remove(0), peers[4]);
        assert!(sampled.iter().all(|peer| peers[..3].contains(peer)));
        // From here on what is in the view.
        assert!(handle.view().contains(&handle.sample(1)[0]));
        assert_eq!(stream.next().now_or_never(), Some(Some(peers[4].clone())));
    }

    #[test]
    fn the_dead_are_not_handed_out_and_what_nobody_takes_is_bounded() {
        let publisher = Publisher::new(StdRng::seed_from_u64(1), true);
        let handle = publisher.handle().clone();
        let mut stream = handle.samples();
        let peers = records(2);
        publisher.give(&peers[0]);
        publisher.give(&peers[1]);
        publisher.withdraw(&peers[0].peer_id());
        assert_eq!(stream.next().now_or_never(), Some(Some(peers[1].clone())));
        assert_eq!(
            handle.select_peer(Selection::Uniform),
            Some(peers[1].clone())
        );
        assert_eq!(handle.select_peer(Selection::Uniform), None);
        (0..=WAITING).for_each(|_| publisher.give(&peers[0]));
        let waiting = std::iter::from_fn(|| stream.next().now_or_never().flatten());
        assert_eq!(waiting.count(), WAITING);
    }

    #[test]
    fn a_stream_is_woken_by_what_is_given_out() {
        let publisher = Publisher::new(StdRng::seed_from_u64(1), true);
        let samples = publisher.handle().samples();
        let waiting = std::thread::spawn(move || {
            futures::executor::block_on(samples.take(2).collect::<Vec<_>>())
        });
        let records = records(2);
        records.iter().for_each(|record| publisher.give(record));
        assert_eq!(waiting.join().expect("no panic"), records);
    }
}
