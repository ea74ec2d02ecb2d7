//! What is under way: which exchange waits for which dial, and which answer belongs to which.

use std::collections::{BTreeMap, BTreeSet};

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;

use crate::{
    gossip::{Exchange, ExchangeId},
    sampling::sampler::message::Request,
    swarm::{handler::OutboundId, record::Record},
};

/// How often an exchange may need another connection. A guess: who has dialled twice at once, by two instances
/// or as both ends dialled, may close both when they are done, under two requests of ours.
const REDIALS: u8 = 2;

/// An exchange between its start and its outcome.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) partner: PeerId,
    /// The seed it goes to, if it does.
    pub(crate) seed: Option<Multiaddr>,
    /// The connection it runs on, once it does.
    pub(crate) connection: Option<ConnectionId>,
    request: Request<Record>,
    /// How often it may still wait for a dial of somebody else's in vain, or lose its connection.
    redials: u8,
    /// The relay that has to be connected before the partner is dialled again.
    relay: Option<PeerId>,
}

/// What a dial of ours is for.
#[derive(Debug)]
pub(crate) enum Dial {
    Exchange(ExchangeId),
    Seed(Multiaddr),
}

/// What a request on a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Exchange(ExchangeId),
    /// To tell the peer that it is no neighbour, or goodbye.
    Notice,
    /// To ask a neighbour whether it sees it that way.
    Confirm,
}

#[derive(Debug)]
struct Sent {
    connection: ConnectionId,
    purpose: Purpose,
}

#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    running: BTreeMap<ExchangeId, Running>,
    sent: BTreeMap<OutboundId, Sent>,
    dials: BTreeMap<ConnectionId, Dial>,
    next: u64,
}

impl Exchanges {
    pub(crate) fn start(
        &mut self,
        exchange: Exchange<PeerId, Request<Record>>,
        seed: Option<Multiaddr>,
    ) {
        let running = Running {
            partner: exchange.partner,
            seed,
            connection: None,
            request: exchange.request,
            redials: REDIALS,
            relay: None,
        };
        self.running.insert(exchange.id, running);
    }

    /// Ends an exchange; what is still to come of it is nobody's any more.
    pub(crate) fn finish(&mut self, id: ExchangeId) -> Option<Running> {
        self.sent
            .retain(|_, sent| sent.purpose != Purpose::Exchange(id));
        self.running.remove(&id)
    }

    pub(crate) fn partner(&self, id: ExchangeId) -> Option<PeerId> {
        self.running.get(&id).map(|running| running.partner)
    }

    /// The exchanges with `peer` that wait for a connection.
    pub(crate) fn waiting_for(&self, peer: PeerId) -> Vec<ExchangeId> {
        let waiting = self
            .running
            .iter()
            .filter(|(_, r)| r.partner == peer && r.connection.is_none());
        waiting.map(|(id, _)| *id).collect()
    }

    /// How many exchanges wait for a connection.
    pub(crate) fn waiting(&self) -> usize {
        let running = self.running.values();
        running
            .filter(|running| running.connection.is_none())
            .count()
    }

    /// Whether the exchange waits for a connection.
    pub(crate) fn is_waiting(&self, id: ExchangeId) -> bool {
        let running = self.running.get(&id);
        running.is_some_and(|running| running.connection.is_none())
    }

    /// Whether to dial for an exchange that has waited for somebody else's dial in vain, or whose
    /// connection is gone: a few times. Then it waits for a connection again.
    pub(crate) fn redial(&mut self, id: ExchangeId) -> bool {
        let running = self.running.get_mut(&id);
        let running = running.filter(|running| running.redials > 0);
        running.is_some_and(|running| {
            running.redials -= 1;
            running.connection = None;
            true
        })
    }

    /// Whether the exchange has not needed another connection yet.
    pub(crate) fn is_first_try(&self, id: ExchangeId) -> bool {
        let running = self.running.get(&id);
        running.is_some_and(|running| running.redials == REDIALS)
    }

    /// With whom exchanges are under way.
    pub(crate) fn partners(&self) -> BTreeSet<PeerId> {
        let running = self.running.values();
        running.map(|running| running.partner).collect()
    }

    /// Leaves an exchange waiting until somebody else's dial of a relay has ended.
    pub(crate) fn wait_for_relay(&mut self, id: ExchangeId, relay: PeerId) {
        if let Some(running) = self.running.get_mut(&id) {
            running.relay = Some(relay);
        }
    }

    /// Whether it waits so.
    pub(crate) fn waits_for_relay(&self, id: ExchangeId) -> bool {
        let running = self.running.get(&id);
        running.is_some_and(|running| running.relay.is_some())
    }

    /// The exchanges that have waited for a dial of `relay`, which has ended, and their partners.
    pub(crate) fn relay_ready(&mut self, relay: &PeerId) -> Vec<(ExchangeId, PeerId)> {
        let running = self.running.iter_mut();
        let waiting = running.filter(|(_, r)| r.relay.as_ref() == Some(relay));
        let mut ready = Vec::new();
        for (id, running) in waiting {
            running.relay = None;
            if running.connection.is_none() {
                ready.push((*id, running.partner));
            }
        }
        ready
    }

    /// Whether nothing at all is under way.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty() && self.sent.is_empty() && self.dials.is_empty()
    }

    /// All exchanges.
    pub(crate) fn all(&self) -> Vec<ExchangeId> {
        self.running.keys().copied().collect()
    }

    /// Whether a dial of ours is under way for this exchange.
    pub(crate) fn is_dialling(&self, id: ExchangeId) -> bool {
        let mut dials = self.dials.values();
        dials.any(|dial| matches!(dial, Dial::Exchange(other) if *other == id))
    }

    /// The exchanges that run on a connection.
    pub(crate) fn running_on(&self, connection: ConnectionId) -> Vec<ExchangeId> {
        let running = self.running.iter();
        let on = running.filter(|(_, r)| r.connection == Some(connection));
        on.map(|(id, _)| *id).collect()
    }

    /// Whether a request of ours on the connection is still unanswered.
    pub(crate) fn is_busy(&self, connection: ConnectionId) -> bool {
        let mut sent = self.sent.values();
        sent.any(|sent| sent.connection == connection)
    }

    /// What to send in exchange `id`, on `connection`; `None` when it is sent already, or over.
    pub(crate) fn send(
        &mut self,
        id: ExchangeId,
        connection: ConnectionId,
    ) -> Option<(OutboundId, Request<Record>)> {
        let running = self.running.get_mut(&id);
        let running = running.filter(|running| running.connection.is_none())?;
        let request = running.request.clone();
        running.connection = Some(connection);
        Some((self.note(connection, Purpose::Exchange(id)), request))
    }

    /// A request that is not an exchange.
    pub(crate) fn send_other(&mut self, connection: ConnectionId, purpose: Purpose) -> OutboundId {
        self.note(connection, purpose)
    }

    /// Whose answer this is; `None` when it comes too late.
    pub(crate) fn answered(&mut self, id: OutboundId) -> Option<Purpose> {
        self.sent.remove(&id).map(|sent| sent.purpose)
    }

    /// Forgets what was sent on a connection that is gone. Exchanges on it have to be finished by
    /// the caller; returns whether a question about neighbours is among what is left unanswered.
    pub(crate) fn connection_closed(&mut self, connection: ConnectionId) -> bool {
        let mut confirms = false;
        self.sent.retain(|_, sent| {
            let gone = sent.connection == connection;
            confirms |= gone && sent.purpose == Purpose::Confirm;
            !gone
        });
        confirms
    }

    /// Whether any notice is unanswered.
    pub(crate) fn has_notices(&self) -> bool {
        let mut sent = self.sent.values();
        sent.any(|sent| sent.purpose == Purpose::Notice)
    }

    pub(crate) fn dialled(&mut self, connection: ConnectionId, dial: Dial) {
        self.dials.insert(connection, dial);
    }

    /// The seed that a dial under way goes to, if it does.
    #[cfg(test)]
    pub(crate) fn seed_dialled(&self, connection: ConnectionId) -> Option<&Multiaddr> {
        match self.dials.get(&connection)? {
            Dial::Seed(address) => Some(address),
            Dial::Exchange(_) => None,
        }
    }

    pub(crate) fn is_dial(&self, connection: ConnectionId) -> bool {
        self.dials.contains_key(&connection)
    }

    /// A dial has ended, well or badly.
    pub(crate) fn dial_ended(&mut self, connection: ConnectionId) -> Option<Dial> {
        self.dials.remove(&connection)
    }

    fn note(&mut self, connection: ConnectionId, purpose: Purpose) -> OutboundId {
        let id = OutboundId(self.next);
        self.next += 1;
        let sent = Sent {
            connection,
            purpose,
        };
        self.sent.insert(id, sent);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(id: u64, partner: PeerId) -> Exchange<PeerId, Request<Record>> {
        Exchange {
            id: ExchangeId(id),
            partner,
            request: Request {
                descriptors: Vec::new(),
                pull: true,
                room: usize::MAX,
            },
        }
    }

    #[test]
    fn an_exchange_is_sent_once_and_its_answer_known_once() {
        let mut exchanges = Exchanges::default();
        let peer = PeerId::random();
        let connection = ConnectionId::new_unchecked(1);
        exchanges.start(exchange(7, peer), None);
        assert_eq!(exchanges.waiting_for(peer), [ExchangeId(7)]);
        let (outbound, _) = exchanges.send(ExchangeId(7), connection).expect("new");
        assert!(exchanges.send(ExchangeId(7), connection).is_none());
        assert!(exchanges.waiting_for(peer).is_empty());
        assert!(exchanges.is_busy(connection));
        assert_eq!(
            exchanges.answered(outbound),
            Some(Purpose::Exchange(ExchangeId(7)))
        );
        assert_eq!(exchanges.answered(outbound), None);
        assert!(!exchanges.is_busy(connection));
        assert_eq!(exchanges.running_on(connection), [ExchangeId(7)]);
        assert!(exchanges.finish(ExchangeId(7)).is_some());
        assert!(exchanges.finish(ExchangeId(7)).is_none());
    }

    #[test]
    fn a_finished_exchange_makes_its_answer_late() {
        let mut exchanges = Exchanges::default();
        let connection = ConnectionId::new_unchecked(1);
        exchanges.start(exchange(7, PeerId::random()), None);
        let (outbound, _) = exchanges.send(ExchangeId(7), connection).expect("new");
        let notice = exchanges.send_other(connection, Purpose::Notice);
        exchanges.finish(ExchangeId(7));
        assert_eq!(exchanges.answered(outbound), None);
        assert!(exchanges.has_notices());
        assert_eq!(exchanges.answered(notice), Some(Purpose::Notice));
        assert!(!exchanges.has_notices());
    }
}
