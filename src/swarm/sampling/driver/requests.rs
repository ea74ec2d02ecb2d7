//! The requests of the exchanges under way, and how many bytes of answer they make room for.

use std::collections::BTreeMap;

use libp2p_identity::PeerId;
use rand::rngs::StdRng;

use crate::{
    gossip::{Exchange, ExchangeId},
    sampling::{
        overlay::Overlay,
        sampler::{Sampler, message::Request},
    },
    swarm::{
        limits::PADDED_DESCRIPTOR_BYTES,
        record::{Record, profile::Profile},
    },
};

/// After how many exchanges in a row that brought nobody new a node with room in its view stops to
/// pad its requests: until somebody new comes. A guess: an answer as long as a request that is not
/// padded has news, too, where there are any.
const HOPELESS: u32 = 3;

/// An exchange that the sampler starts.
pub(crate) type Started = Exchange<PeerId, Request<Record>>;

/// The requests of the exchanges under way. An exchange whose connection closes sends its request
/// again on the next one.
#[derive(Debug, Default)]
pub(crate) struct Requests(BTreeMap<ExchangeId, Request<Record>>);

impl Requests {
    /// An exchange has started.
    pub(crate) fn add(&mut self, id: ExchangeId, request: Request<Record>) {
        self.0.insert(id, request);
    }

    /// What to send in an exchange; `None` when it is over.
    pub(crate) fn get(&self, id: ExchangeId) -> Option<&Request<Record>> {
        self.0.get(&id)
    }

    /// An exchange is over.
    pub(crate) fn remove(&mut self, id: ExchangeId) {
        self.0.remove(&id);
    }
}

/// An exchange whose request makes room for as much as the node hopes for: an answer takes no more
/// bytes than its request.
pub(crate) fn padded<O: Overlay<Record>>(
    mut exchange: Started,
    is_seed: bool,
    sampler: &Sampler<Record, O, StdRng>,
) -> Started {
    let request = &mut exchange.request;
    // If nobody new was found for a while, there is probably nobody.
    let hopes = sampler.has_room() && sampler.fruitless() < HOPELESS;
    if request.pull && (hopes || is_seed || request.descriptors.is_empty()) {
        // In a network with profiles, others' take as much as this node's own: a guess.
        let profile = sampler.local().and_then(Record::signed_profile);
        let each = PADDED_DESCRIPTOR_BYTES + profile.map_or(0, Profile::size);
        request.room = sampler.hopes_for() * each;
    }
    exchange
}
