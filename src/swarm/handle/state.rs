//! What all handles of a behaviour see, behind one lock.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use libp2p_identity::PeerId;
use rand::rngs::StdRng;

use crate::{
    sampling::{Selection, handed_out::HandedOut, view::View},
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
    pub(super) view: View<Record>,
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

    pub(super) fn select_peer(&mut self, selection: Selection) -> Option<Record> {
        if selection == Selection::Uniform
            && let Some(given) = self.next_given()
        {
            return Some(given);
        }
        self.sampler.select(&self.view, selection, &mut self.rng)
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
