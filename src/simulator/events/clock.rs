//! Virtual time: what is going to happen, and when.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    time::Duration,
};

use crate::time::Time;

/// Virtual time, and what is going to happen in it.
pub(super) struct Clock<W> {
    now: Time,
    queue: BinaryHeap<Reverse<Due<W>>>,
    /// How many events there have been: of two at the same moment the earlier made comes first.
    made: u64,
}

struct Due<W> {
    at: Time,
    number: u64,
    what: W,
}

impl<W> PartialEq for Due<W> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<W> Eq for Due<W> {}

impl<W> PartialOrd for Due<W> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<W> Ord for Due<W> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<W> Clock<W> {
    /// At zero; nothing is going to happen yet.
    pub(super) fn new() -> Self {
        Self {
            now: Time::ZERO,
            queue: BinaryHeap::new(),
            made: 0,
        }
    }

    /// What time it is.
    pub(super) fn now(&self) -> Time {
        self.now
    }

    /// Lets something happen after a while.
    pub(super) fn make(&mut self, after: Duration, what: W) {
        self.made += 1;
        self.queue.push(Reverse(Due {
            at: self.now.saturating_add(after),
            number: self.made,
            what,
        }));
    }

    /// What happens next before `end`, and it is then; `None`: nothing, and it is `end`.
    pub(super) fn next_before(&mut self, end: Time) -> Option<W> {
        let is_due = |Reverse(due): &Reverse<Due<W>>| due.at < end;
        if !self.queue.peek().is_some_and(is_due) {
            self.now = end;
            return None;
        }
        let Reverse(due) = self.queue.pop()?;
        self.now = due.at;
        Some(due.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_the_order_of_time_and_then_of_making() {
        let second = Duration::from_secs(1);
        let mut clock = Clock::new();
        clock.make(2 * second, "third");
        clock.make(second, "first");
        clock.make(second, "second");
        let end = Time::new(2 * second);
        assert_eq!(clock.next_before(end), Some("first"));
        assert_eq!(clock.now(), Time::new(second));
        assert_eq!(clock.next_before(end), Some("second"));
        assert_eq!(clock.next_before(end), None, "not at the end itself");
        assert_eq!(clock.now(), end);
        assert_eq!(clock.next_before(end + second), Some("third"));
    }
}
