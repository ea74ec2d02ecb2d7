//! Leases: which behaviour keeps which connection open, and what for.
//!
//! Several behaviours of one peer dial: samplers, and the protocols that ride on them. One may use
//! a connection that another has dialled, so the last to let go of it closes it. To let go is a
//! vote, not a count of the holders: none of them knows what the others' handlers have just begun
//! to receive. A behaviour that has nothing under way asks the others. They answer when they have
//! nothing under way either. A behaviour that uses the connection meanwhile ends the vote, and
//! begins the next one when it is done. No waker is needed: a swarm that has told one of its
//! behaviours something polls them all.

use std::collections::{BTreeMap, BTreeSet};

use libp2p_identity::PeerId;
use libp2p_swarm::{ConnectionId, StreamProtocol};

/// Names a behaviour among those of its node.
pub(crate) type HolderId = u64;

/// One reason why a connection stays open: see [`Handle::leases`](crate::Handle::leases).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The peer at the other end.
    pub peer: PeerId,
    /// The connection.
    pub connection: ConnectionId,
    /// Which behaviour keeps it: the name of its protocol.
    pub holder: StreamProtocol,
    /// What for.
    pub purpose: LeasePurpose,
}

/// What a behaviour keeps a connection for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeasePurpose {
    /// A request of this node's is under way on it.
    Exchange,
    /// The peer is a neighbour.
    Neighbour,
    /// This node has hardly a neighbour, and stays in touch with its latest partners.
    Lifeline,
    /// The peer relays something, or may be about to: siblings use that connection without saying
    /// so.
    Relay,
    /// It leads through a relay, and a direct one may come of it.
    Upgrade,
}

/// The connections that behaviours of this node have dialled, and what they keep. Bounded by the
/// open connections.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    last: HolderId,
    names: BTreeMap<HolderId, StreamProtocol>,
    owned: BTreeMap<ConnectionId, Owned>,
    /// The neighbours of each behaviour, for the sake of connections that none of them has dialled.
    neighbours: BTreeSet<(PeerId, HolderId)>,
    /// Which behaviours are still to be told that a vote is under way.
    asked: Vec<(HolderId, PeerId, ConnectionId)>,
    purposes: BTreeMap<(ConnectionId, HolderId), (PeerId, LeasePurpose)>,
}

/// A connection that one of the behaviours has dialled.
#[derive(Debug)]
struct Owned {
    peer: PeerId,
    /// Those that know of it.
    votes: BTreeMap<HolderId, Vote>,
    /// All have let go, and it is being closed.
    closing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vote {
    /// Uses it, may want to, or has not been asked.
    Holds,
    /// Is asked whether anything is under way.
    Asked,
    /// Has nothing under way.
    LetsGo,
}

impl Owned {
    fn is_voted_on(&self) -> bool {
        self.votes.values().any(|vote| *vote != Vote::Holds)
    }
}

impl Leases {
    /// One more behaviour.
    pub(crate) fn join(&mut self, name: StreamProtocol) -> HolderId {
        self.last += 1;
        self.names.insert(self.last, name);
        self.last
    }

    /// A behaviour is gone, and its votes do not count. Returns the peers that are no neighbours
    /// any more.
    pub(crate) fn leave(&mut self, holder: HolderId) -> Vec<PeerId> {
        self.names.remove(&holder);
        self.asked.retain(|(who, ..)| *who != holder);
        let mut gone = Vec::new();
        self.neighbours.retain(|(peer, whose)| {
            let is_mine = *whose == holder;
            gone.extend(is_mine.then_some(*peer));
            !is_mine
        });
        gone.retain(|peer| !self.is_neighbour(peer));
        self.purposes.retain(|(_, whose), _| *whose != holder);
        let Self { owned, asked, .. } = self;
        owned.retain(|connection, owned| {
            owned.votes.remove(&holder);
            // All others wait for the one that is gone: they are asked again, and the last closes.
            if owned.votes.values().all(|vote| *vote == Vote::LetsGo) {
                owned.closing = false;
                for (member, vote) in &mut owned.votes {
                    *vote = Vote::Asked;
                    asked.push((*member, owned.peer, *connection));
                }
            }
            !owned.votes.is_empty()
        });
        gone
    }

    /// A connection that one of them has dialled is established, and `holder` is told so.
    pub(crate) fn established(&mut self, holder: HolderId, peer: PeerId, connection: ConnectionId) {
        let owned = self.owned.entry(connection).or_insert_with(|| Owned {
            peer,
            votes: BTreeMap::new(),
            closing: false,
        });
        owned.votes.insert(holder, Vote::Holds);
    }

    /// A connection is closed.
    pub(crate) fn closed(&mut self, connection: ConnectionId) {
        self.owned.remove(&connection);
        self.asked.retain(|(_, _, other)| *other != connection);
        let of_it = (connection, HolderId::MIN)..=(connection, HolderId::MAX);
        let gone: Vec<_> = self.purposes.range(of_it).map(|(key, _)| *key).collect();
        for key in gone {
            self.purposes.remove(&key);
        }
    }

    /// Whether the connection is being closed, and of no use any more.
    pub(crate) fn is_closing(&self, connection: ConnectionId) -> bool {
        self.owned.get(&connection).is_some_and(|o| o.closing)
    }

    /// `holder` uses the connection. Returns whether that ended a vote: then it has to begin
    /// another, by [`Self::lets_go`], when it is done.
    pub(crate) fn uses(&mut self, connection: ConnectionId) -> bool {
        let Some(owned) = self.owned.get_mut(&connection) else {
            return false;
        };
        if owned.closing || !owned.is_voted_on() {
            return false;
        }
        for vote in owned.votes.values_mut() {
            *vote = Vote::Holds;
        }
        self.asked.retain(|(_, _, other)| *other != connection);
        true
    }

    /// `holder` has nothing under way on the connection. Returns whether it is the last to let go,
    /// and is to close it; if not, the others are asked.
    pub(crate) fn lets_go(&mut self, holder: HolderId, connection: ConnectionId) -> bool {
        let Some(owned) = self.owned.get_mut(&connection) else {
            return false;
        };
        owned.votes.insert(holder, Vote::LetsGo);
        for (member, vote) in &mut owned.votes {
            if *vote == Vote::Holds {
                *vote = Vote::Asked;
                self.asked.push((*member, owned.peer, connection));
            }
        }
        let is_last = owned.votes.values().all(|vote| *vote == Vote::LetsGo);
        let closes = is_last && !owned.closing;
        owned.closing |= is_last;
        closes
    }

    /// The connections that others let go of, for each once. `holder` is to say [`Self::uses`], or,
    /// when nothing is under way there, [`Self::lets_go`]. To be called whenever it is polled.
    pub(crate) fn asked(&mut self, holder: HolderId) -> Vec<(PeerId, ConnectionId)> {
        let mine = self.asked.extract_if(.., |(who, ..)| *who == holder);
        mine.map(|(_, peer, connection)| (peer, connection))
            .collect()
    }

    /// The peer is a neighbour of `holder`'s from now on, or no longer.
    pub(crate) fn set_neighbour(&mut self, holder: HolderId, peer: PeerId, is_neighbour: bool) {
        match is_neighbour {
            true => self.neighbours.insert((peer, holder)),
            false => self.neighbours.remove(&(peer, holder)),
        };
    }

    /// Whether the peer is a neighbour of any behaviour.
    pub(crate) fn is_neighbour(&self, peer: &PeerId) -> bool {
        let of_all = (*peer, HolderId::MIN)..=(*peer, HolderId::MAX);
        self.neighbours.range(of_all).next().is_some()
    }

    /// What `holder` keeps the connection for from now on, if it does.
    pub(crate) fn set_purpose(
        &mut self,
        holder: HolderId,
        (peer, connection): (PeerId, ConnectionId),
        purpose: Option<LeasePurpose>,
    ) {
        match purpose {
            Some(purpose) => self.purposes.insert((connection, holder), (peer, purpose)),
            None => self.purposes.remove(&(connection, holder)),
        };
    }

    /// Which behaviour keeps which connection open, and what for.
    pub(crate) fn all(&self) -> Vec<Lease> {
        let all = self.purposes.iter();
        let named = all.filter_map(|((connection, holder), (peer, purpose))| {
            Some(Lease {
                peer: *peer,
                connection: *connection,
                holder: self.names.get(holder)?.clone(),
                purpose: *purpose,
            })
        });
        named.collect()
    }

    /// Whether nothing is remembered.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.owned.is_empty() && self.asked.is_empty()
    }
}
