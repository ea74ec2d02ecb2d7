//! The exchanges that a protocol has started and not finished: [`InFlight`].

use std::slice;

use smallvec::SmallVec;

use crate::{gossip::ExchangeId, time::Time};

/// How many exchanges one protocol of a node may have started and not finished: 64. A guess, far
/// above what a protocol starts per round in practice.
pub const MAX_IN_FLIGHT: usize = 64;

/// The exchanges that a protocol has started and not finished. Each has its partner, its deadline
/// and a `T`: what the protocol has to know again when the answer comes.
///
/// A component that a [`Protocol`](crate::gossip::Protocol) owns. It gives each exchange its
/// [`ExchangeId`], and holds at most [`MAX_IN_FLIGHT`] of them. There may be several with the same
/// partner; a protocol that wants one at a time asks [`is_with`](Self::is_with) first.
///
/// One exchange is the rule, and it is stored inline, without an allocation: a simulator reads it
/// from memory for every exchange.
#[derive(Debug, Clone)]
pub struct InFlight<I, T> {
    exchanges: SmallVec<[Pending<I, T>; 1]>,
    next_id: u64,
}

/// An exchange that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending<I, T> {
    /// Which exchange it is.
    pub id: ExchangeId,
    /// The peer at the other end.
    pub partner: I,
    /// From when on nobody waits for the answer any more.
    pub deadline: Time,
    /// What the protocol noted when it started the exchange.
    pub note: T,
}

impl<I, T> Default for InFlight<I, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<I, T> InFlight<I, T> {
    /// None yet.
    pub fn new() -> Self {
        Self {
            exchanges: SmallVec::new(),
            next_id: 0,
        }
    }

    /// How many are in flight.
    pub fn len(&self) -> usize {
        self.exchanges.len()
    }

    /// Whether none is in flight.
    pub fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
    }

    /// Whether [`MAX_IN_FLIGHT`] are in flight: then none can be started.
    pub fn is_full(&self) -> bool {
        self.exchanges.len() >= MAX_IN_FLIGHT
    }

    /// Those in flight, in the order in which they were started.
    pub fn iter(&self) -> slice::Iter<'_, Pending<I, T>> {
        self.exchanges.iter()
    }

    /// Whether one with this partner is in flight.
    pub fn is_with(&self, partner: &I) -> bool
    where
        I: PartialEq,
    {
        self.iter().any(|pending| pending.partner == *partner)
    }

    /// The exchange with this id; `None` if it is not in flight.
    pub fn get(&self, id: ExchangeId) -> Option<&Pending<I, T>> {
        self.iter().find(|pending| pending.id == id)
    }

    /// What the protocol noted for this exchange, to change it; `None` if it is not in flight.
    pub fn note_mut(&mut self, id: ExchangeId) -> Option<&mut T> {
        let mut exchanges = self.exchanges.iter_mut();
        let pending = exchanges.find(|pending| pending.id == id)?;
        Some(&mut pending.note)
    }

    /// The earliest deadline.
    pub fn deadline(&self) -> Option<Time> {
        self.iter().map(|pending| pending.deadline).min()
    }

    /// An exchange whose deadline has come: the one of them that was started first.
    pub fn overdue(&self, now: Time) -> Option<ExchangeId> {
        let overdue = self.iter().find(|pending| pending.deadline <= now);
        overdue.map(|pending| pending.id)
    }

    /// Notes an exchange that is being started, under an id that no other has had. `None`, and
    /// nothing has changed, when [`MAX_IN_FLIGHT`] are in flight.
    pub fn start(&mut self, partner: I, note: T, deadline: Time) -> Option<ExchangeId> {
        if self.is_full() {
            return None;
        }
        let id = ExchangeId::new(self.next_id);
        self.next_id += 1;
        self.exchanges.push(Pending {
            id,
            partner,
            deadline,
            note,
        });
        Some(id)
    }

    /// Takes an exchange out, since its outcome is known. `None` if it is not in flight: it was
    /// never started, has been given up, or its outcome is known already.
    pub fn finish(&mut self, id: ExchangeId) -> Option<Pending<I, T>> {
        let at = self.iter().position(|pending| pending.id == id)?;
        Some(self.exchanges.remove(at))
    }

    /// Takes out an exchange whose deadline has come. To be called until `None`.
    pub fn take_overdue(&mut self, now: Time) -> Option<Pending<I, T>> {
        self.finish(self.overdue(now)?)
    }

    /// Reads how many there are and the next id, and changes nothing.
    #[cfg(any(feature = "simulator", feature = "fuzzing"))]
    pub(crate) fn touch(&self) {
        std::hint::black_box((self.exchanges.len(), self.next_id));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Time {
        Time::new(Duration::from_secs(seconds))
    }

    #[test]
    fn a_finished_exchange_gives_its_note_back_once() {
        let mut in_flight = InFlight::new();
        let first = in_flight.start('a', 1, at(9)).expect("room");
        let second = in_flight.start('a', 2, at(5)).expect("room");
        assert_ne!(first, second);
        assert!(in_flight.is_with(&'a') && !in_flight.is_with(&'b'));
        if let Some(note) = in_flight.note_mut(first) {
            *note += 10;
        }
        assert_eq!(in_flight.get(first).map(|pending| pending.note), Some(11));
        assert_eq!(
            in_flight.finish(first).map(|pending| pending.note),
            Some(11)
        );
        assert_eq!(in_flight.finish(first), None);
        assert_eq!(in_flight.len(), 1);
        let third = in_flight.start('b', 3, at(5)).expect("room");
        assert_ne!(third, first, "an id is never used twice");
    }

    #[test]
    fn overdue_exchanges_are_taken_out_one_by_one() {
        let mut in_flight = InFlight::new();
        for deadline in [9, 5, 7] {
            in_flight.start(deadline, (), at(deadline));
        }
        assert_eq!(in_flight.deadline(), Some(at(5)));
        assert_eq!(in_flight.take_overdue(at(4)), None);
        let mut taken = Vec::new();
        while let Some(pending) = in_flight.take_overdue(at(7)) {
            taken.push(pending.partner);
        }
        assert_eq!(taken, [5, 7]);
        assert_eq!(in_flight.deadline(), Some(at(9)));
    }

    #[test]
    fn no_exchange_is_started_beyond_the_bound() {
        let mut in_flight = InFlight::new();
        let ids = (0..MAX_IN_FLIGHT).map(|partner| in_flight.start(partner, (), at(1)));
        let ids: Vec<_> = ids.collect::<Option<_>>().expect("room");
        assert!(in_flight.is_full());
        assert_eq!(in_flight.start(99, (), at(1)), None);
        assert!(in_flight.finish(ids[3]).is_some());
        assert!(in_flight.start(99, (), at(1)).is_some());
    }
}
