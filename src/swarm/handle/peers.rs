//! The partners of a protocol that rides on a sampler: its samples, its neighbours, and the
//! partners of its own exchanges.

use std::sync::{Arc, Mutex};

use libp2p_identity::PeerId;
use rand::rngs::StdRng;

use crate::{
    gossip::Peers,
    sampling::{
        handed_out::HandedOut,
        mode::{hand_out, selection::Selection},
    },
    swarm::handle::state::State,
};

/// What one protocol has been handed of a sampler.
pub(crate) struct HandlePeers {
    state: Arc<Mutex<State>>,
    /// Each protocol draws for itself: what it was handed is not kept from others.
    handed_out: HandedOut<PeerId>,
    rng: StdRng,
    neighbours: Vec<PeerId>,
    /// How many of the sampler's exchanges it knows of.
    exchanges: u64,
}

impl HandlePeers {
    pub(crate) fn new(state: Arc<Mutex<State>>, rng: StdRng) -> Self {
        Self {
            state,
            handed_out: HandedOut::default(),
            rng,
            neighbours: Vec::new(),
            exchanges: 0,
        }
    }

    /// Which peers have become neighbours since, or are none any more. To be called at every poll.
    pub(crate) fn sync(&mut self) -> Vec<(PeerId, bool)> {
        let state = State::lock(&self.state);
        if state.neighbours == self.neighbours {
            return Vec::new();
        }
        let now = state.neighbours.clone();
        drop(state);
        let before = std::mem::replace(&mut self.neighbours, now);
        let gone = before.iter().filter(|peer| !self.neighbours.contains(peer));
        let came = self.neighbours.iter().filter(|peer| !before.contains(peer));
        let gone = gone.map(|peer| (*peer, false));
        gone.chain(came.map(|peer| (*peer, true))).collect()
    }
}

impl Peers<PeerId> for HandlePeers {
    fn select_peer(&mut self) -> Option<PeerId> {
        let state = State::lock(&self.state);
        self.handed_out.retain(&state.view);
        let handed_out = &mut self.handed_out;
        let mode = Selection::Uniform;
        let record = hand_out(&mode, &state.view, handed_out, &|_| None, &mut self.rng);
        Some(record?.peer_id())
    }

    fn neighbours(&self) -> &[PeerId] {
        &self.neighbours
    }

    fn next_exchanged(&mut self) -> Option<PeerId> {
        let state = State::lock(&self.state);
        let is_new = state.exchanges > self.exchanges;
        self.exchanges = state.exchanges;
        state.partner.filter(|_| is_new)
    }
}
