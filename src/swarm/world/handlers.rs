//! The handlers of a world's connections: what is under way on each, and what it was told.

use std::collections::{BTreeMap, BTreeSet};

use crate::swarm::world::connections::End;

/// The handlers, by the driver's end of a connection.
#[derive(Debug, Default)]
pub(crate) struct Handlers {
    /// Requests under way.
    busy: BTreeMap<End, usize>,
    /// Ends whose handler keeps the connection alive.
    kept_alive: BTreeSet<End>,
    /// Ends that want to be told when nothing is under way.
    notify_idle: BTreeSet<End>,
}

impl Handlers {
    /// A request is under way.
    pub(crate) fn begin(&mut self, end: End) {
        *self.busy.entry(end).or_default() += 1;
    }

    /// A request is over.
    pub(crate) fn finish(&mut self, end: End) {
        if let Some(busy) = self.busy.get_mut(&end) {
            *busy = busy.saturating_sub(1);
        }
    }

    pub(crate) fn is_busy(&self, end: End) -> bool {
        self.busy.get(&end).is_some_and(|busy| *busy > 0)
    }

    pub(crate) fn keep_alive(&mut self, end: End, is_kept: bool) {
        match is_kept {
            true => self.kept_alive.insert(end),
            false => self.kept_alive.remove(&end),
        };
    }

    pub(crate) fn is_kept_alive(&self, end: End) -> bool {
        self.kept_alive.contains(&end)
    }

    /// The driver wants to be told when nothing is under way.
    pub(crate) fn notify_idle(&mut self, end: End) {
        self.notify_idle.insert(end);
    }

    /// Whether the driver is to be told now that nothing is under way; once.
    pub(crate) fn take_idle(&mut self, end: End) -> bool {
        !self.is_busy(end) && self.notify_idle.remove(&end)
    }

    /// The connection is closed.
    pub(crate) fn forget(&mut self, end: End) {
        self.busy.remove(&end);
        self.notify_idle.remove(&end);
        self.kept_alive.remove(&end);
    }
}
