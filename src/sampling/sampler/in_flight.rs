//! The exchanges that a node has started and not finished.

use std::{hint::black_box, num::NonZeroU64};

use smallvec::SmallVec;

use crate::gossip::ExchangeId;
use crate::time::Time;

/// How many exchanges one node may have started and not finished. A guess, far above what
/// [`Config::fanout`](crate::sampling::sampler::config::Config::fanout) asks for in practice.
pub(super) const MAX_IN_FLIGHT: usize = 64;

/// The exchanges that a node has started and not finished.
///
/// One is the rule, and stands in the node itself: a simulator reads it from memory for every
/// exchange.
#[derive(Debug)]
pub(super) struct InFlight<I> {
    exchanges: SmallVec<[Started<I>; 1]>,
    next_id: u64,
}

/// An exchange that this node has started.
#[derive(Debug, Clone)]
pub(super) struct Started<I> {
    id: ExchangeId,
    pub(super) partner: I,
    /// What the swapper will remove. Per exchange: others may run in between.
    pub(super) sent: Vec<I>,
    /// The round that started it, and may make up for it.
    pub(super) round: Option<NonZeroU64>,
    deadline: Time,
}

impl<I: Eq> InFlight<I> {
    pub(super) fn new() -> Self {
        Self {
            exchanges: SmallVec::new(),
            next_id: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.exchanges.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
    }

    /// Reads how many there are and the next id, and changes nothing.
    pub(super) fn touch(&self) {
        black_box((self.exchanges.len(), self.next_id));
    }

    /// Whether so many are in flight that no more are started.
    pub(super) fn is_full(&self) -> bool {
        self.exchanges.len() >= MAX_IN_FLIGHT
    }

    /// Whether there is one with this partner.
    pub(super) fn is_with(&self, partner: &I) -> bool {
        self.exchanges.iter().any(|e| e.partner == *partner)
    }

    /// Whether it is in flight, and a round has started it.
    pub(super) fn is_of_a_round(&self, id: ExchangeId) -> bool {
        let mut exchanges = self.exchanges.iter();
        exchanges.any(|e| e.id == id && e.round.is_some())
    }

    /// When the time of the first of them is over.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.exchanges.iter().map(|e| e.deadline).min()
    }

    /// One whose time is over.
    pub(super) fn overdue(&self, now: Time) -> Option<ExchangeId> {
        let overdue = self.exchanges.iter().find(|e| e.deadline <= now);
        overdue.map(|e| e.id)
    }

    /// Notes a new one, under an id that no other has had.
    pub(super) fn start(
        &mut self,
        partner: I,
        sent: Vec<I>,
        round: Option<NonZeroU64>,
        deadline: Time,
    ) -> ExchangeId {
        let id = ExchangeId(self.next_id);
        self.next_id += 1;
        self.exchanges.push(Started {
            id,
            partner,
            sent,
            round,
            deadline,
        });
        id
    }

    /// Takes one out: its outcome is known.
    pub(super) fn finish(&mut self, id: ExchangeId) -> Option<Started<I>> {
        let at = self.exchanges.iter().position(|e| e.id == id)?;
        Some(self.exchanges.remove(at))
    }
}
