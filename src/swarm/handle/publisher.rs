//! The behaviour's end of a handle: tells all handles of the view.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    task::Waker,
};

use libp2p_identity::PeerId;
use rand::rngs::StdRng;

use crate::{
    sampling::{handed_out::HandedOut, view::View},
    swarm::{
        handle::{
            Handle,
            state::{State, push},
        },
        node::{Node, contacts::Contacts},
        record::Record,
    },
};

/// The behaviour's end: makes handles and tells them of the view.
#[derive(Debug)]
pub(crate) struct Publisher(Handle);

impl Publisher {
    /// `given`: whether the overlay gives out samples itself.
    pub(crate) fn new(node: Arc<Node>, network: Option<String>, rng: StdRng, given: bool) -> Self {
        Self(Handle(Arc::new(Mutex::new(State {
            view: Arc::default(),
            contacts: Contacts::default(),
            sampler: HandedOut::default(),
            given: given.then(VecDeque::new),
            rng,
            neighbours: Vec::new(),
            exchanged: false,
            node,
            network,
            exchanges: 0,
            partner: None,
            left: false,
            streams: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next_id: 0,
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

    /// Makes `neighbours` those that handles see.
    pub(crate) fn set_neighbours(&self, neighbours: &[PeerId]) {
        self.change(|state| state.neighbours = neighbours.to_vec());
    }

    /// An exchange has succeeded.
    pub(crate) fn note_exchange(&self) {
        self.change(|state| state.exchanged = !state.view.is_empty());
    }

    /// An exchange of the sampler's own has succeeded with `peer`, whose connection is still open.
    pub(crate) fn note_partner(&self, peer: PeerId) {
        let state = &mut *self.0.lock();
        state.exchanges += 1;
        state.partner = Some(peer);
    }

    /// The sampler takes leave, and protocols that ride on it take no part any more.
    pub(crate) fn leave(&self) {
        self.change(|state| state.left = true);
    }

    /// Changes what handles see, and wakes all streams and futures that wait for that. Not under
    /// the lock: a waker may use the handle.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.lock();
        change(&mut state);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_values().for_each(Waker::wake);
    }

    /// The overlay gives out a sample.
    pub(crate) fn give(&self, sample: &Record) {
        self.change(|state| {
            let streams = state.streams.values_mut();
            let queues = streams.map(|stream| &mut stream.given);
            for queue in queues.chain(&mut state.given) {
                push(queue, sample);
            }
        });
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
        self.change(|state| {
            match Arc::get_mut(&mut state.view) {
                Some(current) => current.clone_from(view),
                // A reader holds it.
                None => state.view = Arc::new(view.clone()),
            }
            state.exchanged &= !view.is_empty();
            state.sampler.retain(view);
            for stream in state.streams.values_mut() {
                stream.sampler.retain(view);
            }
        });
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.change(|state| {
            state.closed = true;
            state.neighbours.clear();
            state.exchanged = false;
        });
    }
}
