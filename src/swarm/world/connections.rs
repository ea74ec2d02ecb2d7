//! The connections of a world, each with its two ends.

use std::collections::{BTreeMap, BTreeSet};

use libp2p_swarm::ConnectionId;

/// One end of a connection: a node, or one of the drivers that share it there.
pub(crate) type End = (usize, ConnectionId);

/// The open connections.
#[derive(Debug)]
pub(crate) struct Connections {
    /// Both ends of each, by their numbers.
    open: BTreeMap<(usize, usize), (End, End)>,
    /// The number of each end.
    numbers: BTreeMap<ConnectionId, usize>,
    /// The first numbers of those with a relay in between.
    relayed: BTreeSet<usize>,
    next: usize,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            numbers: BTreeMap::new(),
            relayed: BTreeSet::new(),
            // Drivers count from 1 themselves.
            next: 1 << 40,
        }
    }
}

impl Connections {
    /// An id for a dial that no driver makes.
    pub(crate) fn dial(&mut self) -> ConnectionId {
        self.next += 1;
        ConnectionId::new_unchecked(self.next - 1)
    }

    /// Opens a connection that `from` has dialled; returns its id at the other end.
    pub(crate) fn open(&mut self, from: End, to: usize, is_relayed: bool) -> ConnectionId {
        let accepted = ConnectionId::new_unchecked(self.next);
        self.next = (self.next + 3) & !1;
        self.open
            .insert((self.next, self.next + 1), (from, (to, accepted)));
        if is_relayed {
            self.relayed.insert(self.next);
        }
        self.numbers.insert(from.1, self.next);
        self.numbers.insert(accepted, self.next + 1);
        accepted
    }

    /// Closes the connection that this end is one of; returns its ends.
    pub(crate) fn close(&mut self, connection: ConnectionId) -> Option<(End, End)> {
        let ends = self.open.remove(&self.key(connection)?)?;
        for (_, id) in [ends.0, ends.1] {
            self.numbers.remove(&id);
        }
        Some(ends)
    }

    pub(crate) fn is_open(&self, connection: ConnectionId) -> bool {
        self.numbers.contains_key(&connection)
    }

    /// Whether there is a relay in between.
    ///
    /// # Panics
    ///
    /// When the connection is not open.
    pub(crate) fn is_relayed(&self, connection: ConnectionId) -> bool {
        self.relayed.contains(&(self.numbers[&connection] & !1))
    }

    /// The end at the other node.
    ///
    /// # Panics
    ///
    /// When the connection is not open.
    pub(crate) fn other_end(&self, connection: ConnectionId) -> End {
        let key = self.key(connection).expect("it is open");
        let (a, b) = self.open[&key];
        if a.1 == connection { b } else { a }
    }

    /// Both ends of each, the dialler's first.
    pub(crate) fn all(&self) -> impl Iterator<Item = (End, End)> {
        self.open.values().copied()
    }

    /// How many connections a node has.
    pub(crate) fn count(&self, node: usize) -> usize {
        let ends = self.open.values().flat_map(|(a, b)| [a.0, b.0]);
        ends.filter(|end| *end == node).count()
    }

    fn key(&self, connection: ConnectionId) -> Option<(usize, usize)> {
        let number = *self.numbers.get(&connection)?;
        Some((number & !1, number | 1))
    }
}
