//! What is to happen in a world, by its time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use crate::time::Time;

/// What is to happen, in the order of its time; at the same time, in the order of planning.
#[derive(Debug)]
pub(crate) struct Agenda<H> {
    by_time: BinaryHeap<Reverse<(Time, u64)>>,
    happenings: BTreeMap<u64, H>,
    next: u64,
}

impl<H> Default for Agenda<H> {
    fn default() -> Self {
        Self {
            by_time: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<H> Agenda<H> {
    pub(crate) fn plan(&mut self, at: Time, happening: H) {
        let number = self.number();
        self.by_time.push(Reverse((at, number)));
        self.happenings.insert(number, happening);
    }

    /// What happens next, if that is not after `end`.
    pub(crate) fn pop_until(&mut self, end: Time) -> Option<(Time, H)> {
        let Reverse((at, number)) = self.by_time.peek().copied()?;
        if at > end {
            return None;
        }
        self.by_time.pop();
        let happening = self.happenings.remove(&number).expect("planned");
        Some((at, happening))
    }

    /// A number that nothing else has.
    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// How many numbers were given.
    pub(crate) fn numbers(&self) -> u64 {
        self.next
    }

    /// All that is still to happen, in the order of planning.
    pub(crate) fn pending(&self) -> impl Iterator<Item = &H> {
        self.happenings.values()
    }
}
