//! What is under way: which exchange waits for a connection, and which answer belongs to which
//! request.

use std::collections::{BTreeMap, BTreeSet};

use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;

use crate::{gossip::ExchangeId, swarm::handler::OutboundId, time::Time};

/// How often an exchange may need another connection. A guess: a peer that has dialled twice at
/// once, by two behaviours or as both ends dialled, may close both when they are done, under two
/// requests of ours.
const REDIALS: u8 = 2;

/// An exchange between its start and its outcome.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) partner: PeerId,
    /// The connection it runs on, once it does.
    pub(crate) connection: Option<ConnectionId>,
    deadline: Time,
    /// How often it may still wait for another behaviour's dial in vain, or lose its connection.
    redials: u8,
    /// The relay that has to be connected before the partner is dialled again.
    relay: Option<PeerId>,
}

/// What a request on a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestPurpose {
    Exchange(ExchangeId),
    /// To tell the peer that it is no neighbour, or goodbye.
    Notice,
    /// To ask a neighbour whether it sees it that way.
    Confirm,
}

#[derive(Debug)]
struct Sent {
    connection: ConnectionId,
    purpose: RequestPurpose,
}

/// The exchanges and requests of one behaviour that have not ended.
#[derive(Debug, Default)]
pub(crate) struct UnderWay {
    running: BTreeMap<ExchangeId, Running>,
    sent: BTreeMap<OutboundId, Sent>,
    next: u64,
}

impl UnderWay {
    pub(crate) fn start(&mut self, id: ExchangeId, partner: PeerId, deadline: Time) {
        let running = Running {
            partner,
            connection: None,
            deadline,
            redials: REDIALS,
            relay: None,
        };
        self.running.insert(id, running);
    }

    /// Ends an exchange; what still comes of it is ignored.
    pub(crate) fn finish(&mut self, id: ExchangeId) -> Option<Running> {
        let purpose = RequestPurpose::Exchange(id);
        self.sent.retain(|_, sent| sent.purpose != purpose);
        self.running.remove(&id)
    }

    /// An exchange whose time is over.
    pub(crate) fn overdue(&self, now: Time) -> Option<ExchangeId> {
        let mut running = self.running.iter();
        running.find(|(_, r)| r.deadline <= now).map(|(id, _)| *id)
    }

    /// When the time of the first of them is over.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.running.values().map(|running| running.deadline).min()
    }

    pub(crate) fn partner(&self, id: ExchangeId) -> Option<PeerId> {
        self.running.get(&id).map(|running| running.partner)
    }

    /// The exchanges with `peer` that wait for a connection.
    pub(crate) fn waiting_for(&self, peer: PeerId) -> Vec<ExchangeId> {
        let running = self.running.iter();
        let waiting = running.filter(|(_, r)| r.partner == peer && r.connection.is_none());
        waiting.map(|(id, _)| *id).collect()
    }

    /// How many exchanges wait for a connection.
    pub(crate) fn waiting(&self) -> usize {
        let running = self.running.values();
        running.filter(|r| r.connection.is_none()).count()
    }

    /// Whether the exchange waits for a connection.
    pub(crate) fn is_waiting(&self, id: ExchangeId) -> bool {
        let running = self.running.get(&id);
        running.is_some_and(|running| running.connection.is_none())
    }

    /// Whether an exchange that has waited for another behaviour's dial in vain, or whose
    /// connection is gone, gets another connection: a few times. Then it waits for one again.
    pub(crate) fn try_again(&mut self, id: ExchangeId) -> bool {
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

    /// The partners of exchanges under way.
    pub(crate) fn partners(&self) -> BTreeSet<PeerId> {
        let running = self.running.values();
        running.map(|running| running.partner).collect()
    }

    /// Leaves an exchange waiting until another behaviour's dial of a relay has ended.
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

    /// The exchanges that have waited for a dial of `relay`, which has ended.
    pub(crate) fn relay_ready(&mut self, relay: &PeerId) -> Vec<ExchangeId> {
        let running = self.running.iter_mut();
        let waiting = running.filter(|(_, r)| r.relay.as_ref() == Some(relay));
        let mut ready = Vec::new();
        for (id, running) in waiting {
            running.relay = None;
            if running.connection.is_none() {
                ready.push(*id);
            }
        }
        ready
    }

    /// All exchanges.
    pub(crate) fn all(&self) -> Vec<ExchangeId> {
        self.running.keys().copied().collect()
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

    /// The request of exchange `id` is sent on `connection`; `None` when it is sent already, or
    /// over.
    pub(crate) fn send(&mut self, id: ExchangeId, connection: ConnectionId) -> Option<OutboundId> {
        let running = self.running.get_mut(&id);
        let running = running.filter(|running| running.connection.is_none())?;
        running.connection = Some(connection);
        Some(self.note(connection, RequestPurpose::Exchange(id)))
    }

    /// A request is sent that is not an exchange's.
    pub(crate) fn send_other(
        &mut self,
        connection: ConnectionId,
        purpose: RequestPurpose,
    ) -> OutboundId {
        self.note(connection, purpose)
    }

    /// What the request was for that this answers; `None` when it comes too late.
    pub(crate) fn answered(&mut self, id: OutboundId) -> Option<RequestPurpose> {
        self.sent.remove(&id).map(|sent| sent.purpose)
    }

    /// Forgets what was sent on a connection that is gone. Exchanges on it have to be ended by the
    /// caller; returns whether a question about neighbours is among what is left unanswered.
    pub(crate) fn connection_closed(&mut self, connection: ConnectionId) -> bool {
        let mut confirms = false;
        self.sent.retain(|_, sent| {
            let gone = sent.connection == connection;
            confirms |= gone && sent.purpose == RequestPurpose::Confirm;
            !gone
        });
        confirms
    }

    /// Whether any notice is unanswered.
    pub(crate) fn has_notices(&self) -> bool {
        let mut sent = self.sent.values();
        sent.any(|sent| sent.purpose == RequestPurpose::Notice)
    }

    /// Whether nothing at all is under way.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty() && self.sent.is_empty()
    }

    fn note(&mut self, connection: ConnectionId, purpose: RequestPurpose) -> OutboundId {
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
    use std::time::Duration;

    use super::*;

    const EXCHANGE: ExchangeId = ExchangeId::new(7);
    const DEADLINE: Time = Time::new(Duration::from_secs(10));

    #[test]
    fn an_exchange_is_sent_once_and_its_answer_known_once() {
        let mut under_way = UnderWay::default();
        let peer = PeerId::random();
        let connection = ConnectionId::new_unchecked(1);
        under_way.start(EXCHANGE, peer, DEADLINE);
        assert_eq!(under_way.waiting_for(peer), [EXCHANGE]);
        let outbound = under_way.send(EXCHANGE, connection).expect("new");
        assert!(under_way.send(EXCHANGE, connection).is_none());
        assert!(under_way.waiting_for(peer).is_empty());
        assert!(under_way.is_busy(connection));
        assert_eq!(
            under_way.answered(outbound),
            Some(RequestPurpose::Exchange(EXCHANGE))
        );
        assert_eq!(under_way.answered(outbound), None);
        assert!(!under_way.is_busy(connection));
        assert_eq!(under_way.running_on(connection), [EXCHANGE]);
        assert!(under_way.finish(EXCHANGE).is_some());
        assert!(under_way.finish(EXCHANGE).is_none());
    }

    #[test]
    fn a_finished_exchange_makes_its_answer_late() {
        let mut under_way = UnderWay::default();
        let connection = ConnectionId::new_unchecked(1);
        under_way.start(EXCHANGE, PeerId::random(), DEADLINE);
        let outbound = under_way.send(EXCHANGE, connection).expect("new");
        let notice = under_way.send_other(connection, RequestPurpose::Notice);
        under_way.finish(EXCHANGE);
        assert_eq!(under_way.answered(outbound), None);
        assert!(under_way.has_notices());
        assert_eq!(under_way.answered(notice), Some(RequestPurpose::Notice));
        assert!(!under_way.has_notices());
    }

    #[test]
    fn an_exchange_is_overdue_from_its_deadline_on() {
        let mut under_way = UnderWay::default();
        under_way.start(EXCHANGE, PeerId::random(), DEADLINE);
        assert_eq!(under_way.next_deadline(), Some(DEADLINE));
        let before = DEADLINE.saturating_sub(Duration::from_nanos(1));
        assert_eq!(under_way.overdue(before), None);
        assert_eq!(under_way.overdue(DEADLINE), Some(EXCHANGE));
        under_way.finish(EXCHANGE);
        assert_eq!(under_way.overdue(DEADLINE), None);
    }
}
