//! What all handles of a behaviour see, behind one lock.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use libp2p_identity::PeerId;
use rand::rngs::StdRng;

use crate::{
    sampling::{
        handed_out::HandedOut,
        mode::{self, Mode},
        view::View,
    },
    swarm::{
        node::{Node, contacts::Contacts},
        record::Record,
    },
};

/// How many samples that the overlay has given out wait to be handed on, here and in each stream. A
/// guess: the overlay gives out one every few rounds.
pub(super) const WAITING: usize = 128;

/// What all handles of a behaviour see, and what their readers were handed.
pub(crate) struct State {
    /// Readers may hold it.
    pub(super) view: Arc<View<Record>>,
    pub(super) contacts: Contacts,
    pub(super) sampler: HandedOut<PeerId>,
    /// What the overlay has given out, and nobody was handed yet; `None` if it gives out nothing.
    pub(super) given: Option<VecDeque<Record>>,
    pub(super) rng: StdRng,
    pub(super) neighbours: Vec<PeerId>,
    /// Whether an exchange has succeeded since the view was last empty.
    pub(super) exchanged: bool,
    pub(super) node: Arc<Node>,
    /// The sampler's network, if it has a name.
    pub(super) network: Option<String>,
    /// How many exchanges of the sampler's own have succeeded, and the partner of the last.
    pub(super) exchanges: u64,
    pub(super) partner: Option<PeerId>,
    /// Whether the sampler has left.
    pub(super) left: bool,
    /// The streams of fresh samples, by their ids.
    pub(super) streams: BTreeMap<u64, StreamState>,
    /// The streams and futures that wait for a change, by their ids.
    pub(super) waiting: BTreeMap<u64, Waker>,
    pub(super) next_id: u64,
    pub(super) closed: bool,
}

#[derive(Default)]
pub(super) struct StreamState {
    pub(super) sampler: HandedOut<PeerId>,
    pub(super) given: VecDeque<Record>,
}

impl State {
    pub(super) fn lock(state: &Mutex<Self>) -> MutexGuard<'_, Self> {
        // Nothing in here panics half-way through a change.
        state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_joined(&self) -> bool {
        !self.neighbours.is_empty() || self.exchanged
    }

    /// Hands out one peer. If any uniform sample will do, those that the overlay gives out come
    /// first.
    pub(super) fn select_peer(&mut self, mode: &impl Mode<Record>) -> Option<Record> {
        if mode.is_uniform()
            && let Some(given) = self.next_given()
        {
            return Some(given);
        }
        let (contacts, node) = (&self.contacts, &self.node);
        let now = OnceCell::new();
        let idle = |peer: &PeerId| contacts.idle(peer, || *now.get_or_init(|| node.now()));
        mode::hand_out(mode, &self.view, &mut self.sampler, &idle, &mut self.rng)
    }

    /// All peers of the view, which count as handed out.
    pub(super) fn hand_out_all(&mut self) -> Arc<View<Record>> {
        self.sampler.mark_all(&self.view);
        self.view.clone()
    }

    pub(super) fn next_given(&mut self) -> Option<Record> {
        self.given.as_mut()?.pop_front()
    }
}

/// The latest samples wait, in the order in which they were given.
pub(super) fn push(given: &mut VecDeque<Record>, sample: &Record) {
    if given.len() >= WAITING {
        given.pop_front();
    }
    given.push_back(sample.clone());
}
