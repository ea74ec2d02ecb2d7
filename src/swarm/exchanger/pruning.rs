//! When a node closes connections that it has not opened.

use std::time::Duration;

use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;

use crate::time::Time;

/// Minimum pause between two pruning passes. A guess: a peer that opens very many connections is
/// not to have all of them looked at for each.
const PAUSE: Duration = Duration::from_secs(1);

/// When connections are closed although other behaviours of the swarm may use them. In a swarm with
/// gossipsub no connection ever idles out, so what Kademlia dials for a query, or a peer for an
/// exchange, stays for good, unless somebody prunes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruning {
    /// How many connections there may be, opened by either side, in connections; at least as many
    /// as [neighbours](crate::Config::with_neighbours). Of those beyond, the oldest are closed
    /// whose peer is no neighbour, and no exchange is under way with it.
    pub max_connections: usize,
    /// How old a connection is before it is closed for that; up to 24 h. What siblings dial is
    /// theirs for so long, and for so long there may be more connections.
    pub grace: Duration,
}

/// Closes what is too much, when it is time to.
#[derive(Debug, Default)]
pub(crate) struct Pruner {
    pruning: Option<Pruning>,
    /// When to look whether there is something to prune.
    at: Option<Time>,
}

/// A connection that nobody needs, and since when it has been there.
pub(crate) type Spare = (Time, PeerId, ConnectionId);

impl Pruner {
    pub(crate) fn new(pruning: Option<Pruning>) -> Self {
        Self { pruning, at: None }
    }

    /// Connections are needed no longer: looks at the next occasion what is to be pruned.
    pub(crate) fn consider(&mut self) {
        self.at = self.pruning.map(|_| Time::ZERO);
    }

    /// A connection came: looks what is to be pruned, unless the first of those that were there
    /// before is to be pruned at some time anyway. The new one is none of them.
    pub(crate) fn consider_others(&mut self) {
        if self.at.is_none() {
            self.consider();
        }
    }

    /// When [`Self::is_due`].
    pub(crate) fn next_wake(&self) -> Option<Time> {
        self.at
    }

    /// Whether it is time to look; once for each time.
    pub(crate) fn is_due(&mut self, now: Time) -> bool {
        self.at.take_if(|at| *at <= now).is_some()
    }

    /// Of `open` connections, which are too many: the oldest of the `spare` ones. `busy`: whether
    /// there are others that will be spare soon.
    pub(crate) fn excess(
        &mut self,
        (open, busy): (usize, bool),
        mut spare: Vec<Spare>,
        now: Time,
    ) -> Vec<Spare> {
        let Some(pruning) = self.pruning else {
            return Vec::new();
        };
        let excess = open.saturating_sub(pruning.max_connections);
        let again = now + PAUSE;
        if spare.len() < excess && busy {
            self.at = Some(again);
        }
        spare.sort_by_key(|(since, ..)| *since);
        spare.truncate(excess);
        let is_young = |(since, ..): &Spare| now < *since + pruning.grace;
        if let Some(first) = spare.iter().position(is_young) {
            self.at = Some((spare[first].0 + pruning.grace).max(again));
            spare.truncate(first);
        }
        spare
    }
}
