//! The exchanges under way, as the documents describe them.

use libp2p_peer_sampling::{gossip::ExchangeId, time::Time};

/// The most exchanges under way.
const MOST_IN_FLIGHT: usize = 64;

/// An exchange under way.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    pub(super) id: ExchangeId,
    pub partner: u8,
    pub(super) round: Option<u64>,
    pub(super) deadline: Time,
}

/// The exchanges under way.
#[derive(Debug, Default)]
pub struct InFlight(Vec<Started>);

impl InFlight {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() == MOST_IN_FLIGHT
    }

    pub(super) fn check(&self) {
        assert!(self.0.len() <= MOST_IN_FLIGHT);
    }

    pub(super) fn push(&mut self, started: Started) {
        self.0.push(started);
    }

    pub(super) fn deadlines(&self) -> impl Iterator<Item = Time> {
        self.0.iter().map(|started| started.deadline)
    }

    pub(super) fn is_of_a_round(&self, id: ExchangeId) -> bool {
        let mut of_rounds = self.0.iter().filter(|e| e.round.is_some());
        of_rounds.any(|e| e.id == id)
    }

    pub fn finish(&mut self, id: ExchangeId) -> Option<Started> {
        let at = self.0.iter().position(|started| started.id == id)?;
        Some(self.0.remove(at))
    }

    pub fn timed_out(&mut self, id: ExchangeId, now: Time) -> Started {
        let started = self.finish(id).expect("an exchange under way");
        assert!(started.deadline <= now, "too early: {started:?}");
        started
    }

    pub fn none_timed_out(&self, now: Time) {
        let mut deadlines = self.0.iter().map(|started| started.deadline);
        assert!(deadlines.all(|deadline| deadline > now));
    }

    pub fn check_overdue(&self, overdue: Option<ExchangeId>, now: Time) {
        let mut late = self.0.iter().filter(|started| started.deadline <= now);
        match overdue {
            Some(id) => assert!(late.any(|started| started.id == id)),
            None => assert!(late.next().is_none()),
        }
    }

    pub fn nth(&self, at: usize) -> ExchangeId {
        self.0[at].id
    }

    pub(super) fn is_with(&self, partner: u8) -> bool {
        self.0.iter().any(|started| started.partner == partner)
    }
}
