//! The swarm's connections, as far as exchanges care.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use hashlink::LruCache;
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;

use crate::{
    swarm::{
        address::Host,
        exchanger::remote::{Origin, Remote},
        node::contacts::Place,
    },
    time::Time,
};

/// How long a relayed connection is left open after an exchange when there is room for one more
/// neighbour: dcutr takes two round trips through the relay, and a dial. A guess.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether the peer at the other end speaks the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Support {
    Unknown,
    Yes,
    No,
}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    origin: Origin,
    /// Where the peer was dialled, without its id; `None` when it has dialled.
    dialled: Option<Multiaddr>,
    /// Where the same dial has not found it.
    missed: Vec<Multiaddr>,
    /// The host at the other end, when it is known and there is no relay in between.
    host: Option<Host>,
    /// The wide network at the other end, if it is known; behind a relay, the relay's.
    network: Option<u64>,
    /// Whether there is a relay in between. Relays close what lasts for long, two minutes mostly,
    /// so it is good for an exchange, and not for a neighbour.
    relayed: bool,
    /// That relay, if it is known.
    relay: Option<PeerId>,
    /// Until when it is left open after an exchange, for the two ends may connect directly with its
    /// help.
    upgrades_until: Option<Time>,
    support: Support,
    /// In which pass an exchange was made or tried on it last.
    used: Option<u64>,
    /// When it was established.
    since: Time,
    /// Whether it was pruned, and is about to close.
    pruned: bool,
    /// Whether there is another one to the same neighbour, which both ends keep instead.
    surplus: bool,
}

/// How many peers are remembered that do not speak the protocol. A guess, some 100 kB.
const MOST_UNSUPPORTED: usize = 1_024;
/// For how long they are. A guess: they may be updated.
const UNSUPPORTED_FOR: Duration = Duration::from_secs(60 * 60);

/// All established connections.
#[derive(Debug)]
pub(crate) struct Connections {
    // Ordered, so that what is picked does not depend on a hasher's seed.
    peers: BTreeMap<PeerId, Vec<Connection>>,
    /// Until when relayed ones are left open, by time. There may be very many connections, and this
    /// is asked whenever the swarm does anything.
    upgrades: BTreeSet<(Time, PeerId, ConnectionId)>,
    /// Peers that did not speak the protocol, and since when. For a while they are not asked again
    /// whenever a sibling connects them: another instance of this behaviour may do so in every
    /// round.
    unsupported: LruCache<PeerId, Time>,
    /// How often all connected peers were given another chance.
    pass: u64,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            peers: BTreeMap::new(),
            upgrades: BTreeSet::new(),
            unsupported: LruCache::new(MOST_UNSUPPORTED),
            pass: 0,
        }
    }
}

impl Connections {
    pub(crate) fn add(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        (origin, remote_end): (Origin, Remote),
        now: Time,
    ) {
        let prefixes = remote_end.remote.and_then(|target| target.prefixes());
        let host = remote_end.remote.map(|target| target.host());
        // A name may lead elsewhere the next time.
        let host = host.filter(|host| !remote_end.relayed && matches!(host, Host::Ip(_)));
        let upgrades = remote_end.relayed && origin == Origin::Ours;
        let upgrades_until = upgrades.then(|| now.saturating_add(UPGRADE_TIMEOUT));
        self.upgrades
            .extend(upgrades_until.map(|until| (until, peer, id)));
        let used = self.is_mute(&peer, now).then_some(self.pass);
        self.peers.entry(peer).or_default().push(Connection {
            id,
            origin,
            relayed: remote_end.relayed,
            relay: remote_end.relay,
            upgrades_until,
            dialled: remote_end.dialled,
            missed: remote_end.missed,
            host,
            network: prefixes.map(|prefixes| prefixes.wide()),
            support: Support::Unknown,
            used,
            since: now,
            pruned: false,
            surplus: false,
        });
    }

    pub(crate) fn remove(&mut self, peer: &PeerId, id: ConnectionId) {
        if let Some(until) = self.find(peer, id).and_then(|c| c.upgrades_until) {
            self.upgrades.remove(&(until, *peer, id));
        }
        if let Some(connections) = self.peers.get_mut(peer) {
            connections.retain(|connection| connection.id != id);
            if connections.is_empty() {
                self.peers.remove(peer);
            }
        }
    }

    pub(crate) fn is_connected(&self, peer: &PeerId) -> bool {
        self.peers.contains_key(peer)
    }

    /// The connections to `peer`.
    pub(crate) fn of(&self, peer: &PeerId) -> impl Iterator<Item = ConnectionId> {
        let connections = self.peers.get(peer).map_or(&[][..], |c| c);
        connections.iter().map(|connection| connection.id)
    }

    /// The connections to `peer` without a relay in between.
    pub(crate) fn direct(&self, peer: &PeerId) -> impl Iterator<Item = ConnectionId> {
        let connections = self.peers.get(peer).into_iter().flatten();
        connections.filter(|c| !c.relayed).map(|c| c.id)
    }

    /// Those of them that are not surplus: what there is to keep for a neighbour.
    pub(crate) fn kept(&self, peer: &PeerId) -> impl Iterator<Item = ConnectionId> {
        let connections = self.peers.get(peer).into_iter().flatten();
        let kept = connections.filter(|c| !c.relayed && !c.surplus);
        kept.map(|connection| connection.id)
    }

    /// Marks this node's own connections to a neighbour that are surplus, and returns them. Both
    /// ends keep the same one: the oldest that the end with the smaller `PeerId` has dialled for an
    /// exchange; if it has dialled none, the oldest of the other end's.
    pub(crate) fn mark_surplus(&mut self, local: &PeerId, peer: &PeerId) -> Vec<ConnectionId> {
        let connections = self.peers.get_mut(peer).into_iter().flatten();
        let mut direct: Vec<_> = connections.filter(|c| !c.relayed && !c.surplus).collect();
        let is_theirs = |c: &&mut Connection| c.origin == Origin::Inbound;
        let keeps_own = local < peer || !direct.iter().any(is_theirs);
        direct.retain(|c| c.origin == Origin::Ours);
        direct.sort_by_key(|c| c.since);
        let surplus = direct.into_iter().skip(usize::from(keeps_own));
        let marked = surplus.map(|connection| {
            connection.surplus = true;
            connection.id
        });
        marked.collect()
    }

    /// The last connection that was kept is gone: those that were surplus are not.
    pub(crate) fn unmark_surplus(&mut self, peer: &PeerId) {
        let connections = self.peers.get_mut(peer).into_iter().flatten();
        connections.for_each(|connection| connection.surplus = false);
    }

    /// Whether there is a connection to `peer` without a relay in between.
    pub(crate) fn is_direct(&self, peer: &PeerId) -> bool {
        self.direct(peer).next().is_some()
    }

    /// The connections to make an exchange with `peer` on, if there are any that might do; direct
    /// ones first, and surplus ones last.
    pub(crate) fn usable(&self, peer: &PeerId) -> impl Iterator<Item = ConnectionId> {
        let connections = self.peers.get(peer).map_or(&[][..], |c| c);
        let which = |surplus, relayed| {
            let usable = |c: &&Connection| c.support != Support::No && !c.pruned;
            let usable = connections.iter().filter(usable);
            usable.filter(move |c| (c.surplus, c.relayed) == (surplus, relayed))
        };
        let kept = which(false, false).chain(which(false, true));
        let usable = kept.chain(which(true, false));
        usable.map(|connection| connection.id)
    }

    /// Whether `relay` is connected, and as far as is known at this host.
    pub(crate) fn is_relay_at(&self, relay: &PeerId, host: Host) -> bool {
        let connections = self.peers.get(relay).into_iter().flatten();
        let mut hosts = connections.filter(|c| !c.relayed).map(|c| c.host);
        let ip = matches!(host, Host::Ip(_));
        hosts.any(|at| !ip || at.is_none_or(|at| at == host))
    }

    /// The relays that connections run through.
    pub(crate) fn relays(&self) -> BTreeSet<PeerId> {
        let connections = self.peers.values().flatten();
        connections.filter_map(|c| c.relay).collect()
    }

    /// Whether a connection runs through `relay`.
    pub(crate) fn is_through(&self, relay: &PeerId) -> bool {
        let mut connections = self.peers.values().flatten();
        connections.any(|connection| connection.relay.as_ref() == Some(relay))
    }

    /// The relay that a connection runs through, if it does and that is known.
    pub(crate) fn relay(&self, peer: &PeerId, id: ConnectionId) -> Option<PeerId> {
        self.find(peer, id)?.relay
    }

    /// Whether a relayed connection is to be left open for a while, for a direct one may come of
    /// it.
    pub(crate) fn is_upgrading(&self, peer: &PeerId, id: ConnectionId) -> bool {
        let connection = self.find(peer, id);
        connection.is_some_and(|connection| connection.upgrades_until.is_some())
    }

    /// Ends the while that the relayed connections of `peer` are left open for; returns these.
    pub(crate) fn end_upgrades(&mut self, peer: &PeerId) -> Vec<ConnectionId> {
        let connections = self.peers.get_mut(peer).into_iter().flatten();
        let upgrading = connections.filter_map(|c| Some((c.upgrades_until.take()?, c.id)));
        let ended =
            upgrading.inspect(|(until, id)| _ = self.upgrades.remove(&(*until, *peer, *id)));
        ended.map(|(_, id)| id).collect()
    }

    /// The next peer whose relayed connections have been left open for long enough.
    pub(crate) fn upgrade_overdue(&self, now: Time) -> Option<PeerId> {
        let first = self.upgrades.first();
        let overdue = first.filter(|(until, ..)| *until <= now);
        overdue.map(|(_, peer, _)| *peer)
    }

    /// When [`Self::upgrade_overdue`] has somebody next.
    pub(crate) fn next_upgrade(&self) -> Option<Time> {
        self.upgrades.first().map(|(until, ..)| *until)
    }

    /// All connections that this behaviour has opened.
    pub(crate) fn all_ours(&self) -> Vec<(PeerId, ConnectionId)> {
        let all = self.peers.iter().flat_map(|(peer, connections)| {
            connections.iter().map(|connection| (*peer, connection))
        });
        let ours = all.filter(|(_, c)| c.origin == Origin::Ours);
        ours.map(|(peer, c)| (peer, c.id)).collect()
    }

    /// All peers with a connection on which an exchange was made or that is known to do.
    pub(crate) fn speaking(&self) -> impl Iterator<Item = (PeerId, ConnectionId)> {
        self.peers.iter().filter_map(|(peer, connections)| {
            let speaks = |c: &&Connection| c.support == Support::Yes;
            connections.iter().find(speaks).map(|c| (*peer, c.id))
        })
    }

    /// Whether an instance of this behaviour opened the connection, and so they have to close it.
    pub(crate) fn is_ours(&self, peer: &PeerId, id: ConnectionId) -> bool {
        self.find(peer, id)
            .is_some_and(|connection| connection.origin == Origin::Ours)
    }

    /// Whether the peer has made itself heard on the connection, in this protocol.
    pub(crate) fn has_served(&self, peer: &PeerId, id: ConnectionId) -> bool {
        let connection = self.find(peer, id);
        connection.is_some_and(|connection| connection.support == Support::Yes)
    }

    /// Whether the peer has dialled, and so is likely to close the connection when it is done.
    pub(crate) fn is_inbound(&self, peer: &PeerId, id: ConnectionId) -> bool {
        let connection = self.find(peer, id);
        connection.is_some_and(|connection| connection.origin == Origin::Inbound)
    }

    /// Whether another behaviour of this swarm has opened the connection, or wants it as well.
    pub(crate) fn is_siblings(&self, peer: &PeerId, id: ConnectionId) -> bool {
        let connection = self.find(peer, id);
        connection.is_some_and(|connection| connection.origin == Origin::Sibling)
    }

    /// Where the peer was dialled, without its id, if it was not the peer that dialled.
    pub(crate) fn dialled(&self, peer: &PeerId, id: ConnectionId) -> Option<&Multiaddr> {
        self.find(peer, id)?.dialled.as_ref()
    }

    /// Where the other end of a connection is.
    pub(crate) fn place(&self, peer: &PeerId, id: ConnectionId) -> Place<'_> {
        let connection = self.find(peer, id);
        connection.map_or_else(Place::default, |connection| Place {
            dialled: connection.dialled.as_ref(),
            host: connection.host,
            missed: &connection.missed,
        })
    }

    /// The wide network, /16 or /32, that a connected peer is in, as its oldest direct connection
    /// shows.
    pub(crate) fn network(&self, peer: &PeerId) -> Option<u64> {
        let connections = self.peers.get(peer)?.iter();
        connections
            .min_by_key(|connection| connection.relayed)?
            .network
    }

    /// All connections that are not about to close because they were pruned: since when, to which
    /// peer, which.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Time, PeerId, ConnectionId)> {
        self.peers.iter().flat_map(|(peer, connections)| {
            let open = connections.iter().filter(|c| !c.pruned);
            open.map(|c| (c.since, *peer, c.id))
        })
    }

    /// Whether a connection to `peer` is about to close because it was pruned.
    pub(crate) fn is_pruned(&self, peer: &PeerId) -> bool {
        let mut connections = self.peers.get(peer).into_iter().flatten();
        connections.any(|connection| connection.pruned)
    }

    /// Notes that the connection is about to close because it was pruned.
    pub(crate) fn mark_pruned(&mut self, peer: &PeerId, id: ConnectionId) {
        if let Some(connection) = self.find_mut(peer, id) {
            connection.pruned = true;
        }
    }

    /// Notes that an exchange is made or tried on the connection.
    pub(crate) fn mark_used(&mut self, peer: &PeerId, id: ConnectionId) {
        let pass = self.pass;
        if let Some(connection) = self.find_mut(peer, id) {
            connection.used = Some(pass);
        }
    }

    /// Begins another pass: all connected peers have another chance, those that had none first.
    pub(crate) fn forget_used(&mut self) {
        self.unsupported.clear();
        self.pass += 1;
    }

    /// Another behaviour wants the peer as well: from now on its connections are not ours to close.
    pub(crate) fn share(&mut self, peer: &PeerId) {
        for connection in self.peers.get_mut(peer).into_iter().flatten() {
            if connection.origin == Origin::Ours {
                connection.origin = Origin::Sibling;
            }
        }
    }

    /// Notes whether the peer speaks the protocol.
    pub(crate) fn mark_support(
        &mut self,
        peer: &PeerId,
        id: ConnectionId,
        speaks: bool,
        now: Time,
    ) {
        match speaks {
            true => _ = self.unsupported.remove(peer),
            false => _ = self.unsupported.insert(*peer, now),
        }
        if let Some(connection) = self.find_mut(peer, id) {
            connection.support = match speaks {
                true => Support::Yes,
                false => Support::No,
            };
        }
    }

    fn is_mute(&self, peer: &PeerId, now: Time) -> bool {
        let since = self.unsupported.peek(peer);
        since.is_some_and(|since| now < since.saturating_add(UNSUPPORTED_FOR))
    }

    /// A connected peer that no exchange was tried with: another behaviour has connected it.
    ///
    /// A peer that has connected to us is passed over for `patience`, since it is likely to have
    /// done so to make an exchange itself; unless it is known to speak the protocol. `None`: for
    /// ever.
    pub(crate) fn untried(&self, now: Time, patience: Option<Duration>) -> Option<PeerId> {
        let is_ready = |connections| ready_at(connections, patience).is_some_and(|at| at <= now);
        let ready = self.all_untried().filter(|(_, c)| is_ready(c));
        // The peer that was never asked, or was asked longest ago.
        let last = |(_, connections): &(PeerId, &[Connection])| {
            connections.iter().filter_map(|c| c.used).max()
        };
        ready.min_by_key(last).map(|(peer, _)| peer)
    }

    /// When [`Self::untried`] has somebody next.
    pub(crate) fn next_untried(&self, patience: Option<Duration>) -> Option<Time> {
        let untried = self.all_untried();
        untried.filter_map(|(_, c)| ready_at(c, patience)).min()
    }

    /// Whether the peer is connected, and nobody here has asked for it.
    pub(crate) fn has_come_by_itself(&self, peer: &PeerId) -> bool {
        let connections = self.peers.get(peer);
        connections.is_some_and(|c| c.iter().all(|c| c.origin == Origin::Inbound))
    }

    fn all_untried(&self) -> impl Iterator<Item = (PeerId, &[Connection])> {
        let untried = |c: &Connection| c.used != Some(self.pass) && c.support != Support::No;
        let peers = self.peers.iter().map(|(peer, c)| (*peer, &c[..]));
        peers.filter(move |(_, connections)| connections.iter().all(untried))
    }

    fn find(&self, peer: &PeerId, id: ConnectionId) -> Option<&Connection> {
        self.peers.get(peer)?.iter().find(|c| c.id == id)
    }

    fn find_mut(&mut self, peer: &PeerId, id: ConnectionId) -> Option<&mut Connection> {
        self.peers.get_mut(peer)?.iter_mut().find(|c| c.id == id)
    }
}

fn ready_at(connections: &[Connection], patience: Option<Duration>) -> Option<Time> {
    let ready_at = connections.iter().map(|c| match (c.origin, c.support) {
        (Origin::Inbound, Support::Unknown) => Some(c.since.saturating_add(patience?)),
        (Origin::Inbound, _) => patience.map(|_| c.since),
        _ => Some(c.since),
    });
    ready_at.flatten().min()
}

#[cfg(test)]
mod tests;
