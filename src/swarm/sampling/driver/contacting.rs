//! How a peer is contacted outside the rounds: by which exchange, or by which dial.

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use rand::rngs::StdRng;

use crate::{
    sampling::{overlay::Overlay, sampler::Sampler},
    swarm::{
        address::split_peer,
        exchanger::Exchanger,
        record::Record,
        sampling::{
            candidates::Outcome,
            discovery::{Beside, Contact, Discovery},
            driver::requests::{Started, padded},
            event::Event,
        },
        wire::sampling::Sampling,
    },
    time::Time,
};

/// What it takes to contact a peer outside the rounds.
pub(crate) struct Contacting<'a, O> {
    pub(crate) sampler: &'a mut Sampler<Record, O, StdRng>,
    pub(crate) exchanger: &'a mut Exchanger<Sampling, Event>,
    pub(crate) discovery: &'a mut Discovery,
    pub(crate) now: Time,
}

impl<O: Overlay<Record>> Contacting<'_, O> {
    /// Contacts a peer; returns the exchange to start, if the peer is not dialled first.
    pub(crate) fn contact(&mut self, contact: Contact) -> Option<(Started, Option<Beside>)> {
        match contact {
            Contact::Seed(address) => self.seed(address),
            Contact::Connected(peer) => Some((self.connected(peer)?, None)),
            Contact::Candidate(peer) => Some((self.candidate(peer)?, None)),
        }
    }

    fn seed(&mut self, address: Multiaddr) -> Option<(Started, Option<Beside>)> {
        let (_, peer) = split_peer(&address);
        let connected = peer.filter(|peer| self.exchanger.keeper.usable(peer).is_some());
        let Some(peer) = connected else {
            self.exchanger.dial_seed(address, self.now);
            return None;
        };
        let Some(exchange) = self.sampler.exchange_with(peer, self.now) else {
            // An exchange with the same peer is under way: as good.
            self.discovery.seeds.tried(&address);
            return None;
        };
        let exchange = padded(exchange, true, self.sampler);
        Some((exchange, Some(Beside::Seed(address))))
    }

    /// Another behaviour has connected the peer: perhaps it speaks the protocol.
    fn connected(&mut self, peer: PeerId) -> Option<Started> {
        let keeper = &self.exchanger.keeper;
        let is_inbound = keeper.connections.has_come_by_itself(&peer);
        let exchange = match self.sampler.view().contains(&peer) {
            true => None, // Its turn will come.
            false if keeper.usable(&peer).is_none() => None,
            false if is_inbound && !self.discovery.admits_inbound(self.now) => None,
            false => self.sampler.exchange_with(peer, self.now),
        };
        match exchange {
            // Not padded: an inbound peer would get more bytes than it has sent.
            Some(exchange) if is_inbound => Some(exchange),
            Some(exchange) => Some(padded(exchange, false, self.sampler)),
            None => {
                let connections = &mut self.exchanger.keeper.connections;
                for connection in connections.of(&peer).collect::<Vec<_>>() {
                    connections.mark_used(&peer, connection);
                }
                None
            }
        }
    }

    fn candidate(&mut self, peer: PeerId) -> Option<Started> {
        let exchange = self.sampler.exchange_with(peer, self.now);
        if exchange.is_none() {
            // An exchange with the same peer is under way: as good.
            let candidates = &mut self.discovery.candidates;
            candidates.not_dialled(&peer);
            candidates.ended(&peer, Outcome::Failed, self.now);
        }
        Some(padded(exchange?, false, self.sampler))
    }
}
