//! The connections of one behaviour, and what it keeps each for: a neighbour, an exchange under
//! way, a lifeline, a relay. What it has opened and keeps for nothing, it lets go of.

use std::{collections::BTreeSet, time::Duration};

use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;

use crate::{
    swarm::{
        exchanger::{
            actions::Actions,
            connections::Connections,
            pruning::{Pruner, Pruning},
            relays::Relays,
            under_way::UnderWay,
        },
        handler::Command,
        node::{holder::Holder, leases::LeasePurpose},
        wire::Wire,
    },
    time::{Time, Wake},
};

/// How long after a second connection to a neighbour was made one of them is closed. A guess: until
/// then both ends know of both.
const SURPLUS_DELAY: Duration = Duration::from_secs(2);

/// What one behaviour keeps connections for.
#[derive(Debug)]
pub(crate) struct Keeper<W: Wire, E> {
    pub(crate) actions: Actions<W, E>,
    pub(crate) connections: Connections,
    pub(crate) holder: Holder,
    pub(crate) relays: Relays,
    /// The peers that are kept connected: the neighbours, in any order.
    neighbours: BTreeSet<PeerId>,
    /// Connections that are kept although they were opened for an exchange that is over, the oldest
    /// first.
    lifelines: Vec<(PeerId, ConnectionId)>,
    /// How many of these there are to be.
    wanted_lifelines: usize,
    /// Whether there is room for one more neighbour, so that a relayed connection is left open for
    /// a while: a direct one may come of it.
    has_room: bool,
    /// When to look for neighbours with more than one connection.
    surplus_at: Option<Time>,
    /// Whether this node takes no part any more.
    leaving: bool,
    pub(crate) pruner: Pruner,
    /// Connections of which the node is to be told anew what they are kept for.
    changed: BTreeSet<(PeerId, ConnectionId)>,
}

impl<W: Wire, E> Keeper<W, E> {
    pub(crate) fn new(holder: Holder, pruning: Option<Pruning>) -> Self {
        Self {
            actions: Actions::default(),
            connections: Connections::default(),
            holder,
            relays: Relays::default(),
            neighbours: BTreeSet::new(),
            lifelines: Vec::new(),
            wanted_lifelines: 0,
            has_room: false,
            surplus_at: None,
            leaving: false,
            pruner: Pruner::new(pruning),
            changed: BTreeSet::new(),
        }
    }

    // ---- What there is ----

    /// The connection to make an exchange with `peer` on, if there is any that might do.
    pub(crate) fn usable(&self, peer: &PeerId) -> Option<ConnectionId> {
        let mut usable = self.connections.usable(peer);
        usable.find(|connection| !self.holder.is_closing(*connection))
    }

    /// Whether a connection to `peer` is being closed: until it is, the swarm does not dial.
    pub(crate) fn is_closing(&self, peer: &PeerId) -> bool {
        let mut connections = self.connections.of(peer);
        self.connections.is_pruned(peer) || connections.any(|c| self.holder.is_closing(c))
    }

    pub(crate) fn is_lifeline(&self, connection: ConnectionId) -> bool {
        self.lifelines.iter().any(|(_, other)| *other == connection)
    }

    /// Whether the peer relays something, or is about to: siblings use for that what is there, and
    /// would lose it.
    pub(crate) fn is_relay(&self, peer: &PeerId) -> bool {
        self.relays.contains(peer)
            || self.holder.is_dialled_through(peer)
            || self.connections.is_through(peer)
    }

    /// Whether the connection is kept for a neighbour: not through a relay, and one of several.
    fn is_for_neighbour(&self, peer: &PeerId, connection: ConnectionId) -> bool {
        let mut kept = self.connections.kept(peer);
        self.neighbours.contains(peer) && kept.any(|id| id == connection)
    }

    /// Whether a new connection of this kind is kept alive from its beginning. `mine`: this
    /// behaviour has dialled it.
    pub(crate) fn keeps_new(&self, peer: &PeerId, mine: bool, relayed: bool) -> bool {
        mine || (!relayed && self.neighbours.contains(peer))
    }

    // ---- Neighbours ----

    /// Keeps `peer` connected from now on, by one direct connection.
    pub(crate) fn keep(&mut self, peer: PeerId, now: Time) {
        self.neighbours.insert(peer);
        self.lifelines.retain(|(other, _)| *other != peer);
        self.look_for_surplus(&peer, now);
        self.holder.set_neighbour(peer, true);
        self.keep_alive(peer, true);
        // Those with a relay in between are needed no longer.
        self.release_all(peer);
    }

    /// Keeps `peer` connected no longer.
    pub(crate) fn let_go(&mut self, peer: PeerId) {
        self.neighbours.remove(&peer);
        self.holder.set_neighbour(peer, false);
        self.connections.unmark_surplus(&peer);
        self.keep_alive(peer, false);
        self.release_all(peer);
        self.pruner.consider();
    }

    /// How many lifelines this behaviour wants, and whether it has room for one more neighbour.
    pub(crate) fn set_wanted(&mut self, lifelines: usize, has_room: bool) {
        self.wanted_lifelines = lifelines;
        self.has_room = has_room && !self.leaving;
        self.let_go_of_lifelines();
    }

    /// Closes the connections to a peer that does not answer, and is no behaviour's neighbour.
    /// What siblings send over them is lost. The connections that siblings have opened stay theirs.
    pub(crate) fn give_up(&mut self, peer: PeerId) {
        if self.holder.is_neighbour(&peer) {
            return;
        }
        let connections: Vec<_> = self.connections.of(&peer).collect();
        for connection in connections {
            if !self.connections.is_siblings(&peer, connection) {
                self.actions.close(peer, connection);
            }
        }
    }

    /// From now on nobody is kept connected, and nothing left open.
    pub(crate) fn leave(&mut self) {
        self.leaving = true;
        self.has_room = false;
        self.wanted_lifelines = 0;
        self.lifelines.clear();
        self.release_everybody();
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving
    }

    // ---- Letting go ----

    /// Lets go of a connection that a behaviour of this node has opened, once nothing is under way
    /// on it; unless it is kept for something, or may be over a direct connection soon.
    pub(crate) fn release(&mut self, peer: PeerId, connection: ConnectionId) {
        self.changed.insert((peer, connection));
        let ours = self.connections.is_ours(&peer, connection);
        let upgrading = self.connections.is_upgrading(&peer, connection);
        let waits = upgrading && self.has_room && !self.connections.is_direct(&peer);
        let kept = self.is_lifeline(connection) || self.is_for_neighbour(&peer, connection);
        if ours && !waits && !kept {
            let actions = &mut self.actions;
            actions.command(peer, connection, Command::KeepAlive(false));
            actions.command(peer, connection, Command::NotifyIdle);
        }
    }

    /// Lets go of all that was opened for exchanges with `peer`.
    pub(crate) fn release_all(&mut self, peer: PeerId) {
        let connections: Vec<_> = self.connections.of(&peer).collect();
        for connection in connections {
            self.release(peer, connection);
        }
    }

    fn release_everybody(&mut self) {
        for (peer, connection) in self.connections.all_ours() {
            self.release(peer, connection);
        }
    }

    /// Another behaviour wants the peer as well: its connections are no longer ours to close, and,
    /// unless it is a neighbour, not ours to keep.
    pub(crate) fn share(&mut self, peer: PeerId) {
        self.connections.share(&peer);
        self.keep_alive(peer, self.neighbours.contains(&peer));
    }

    /// Nothing is under way on a connection that was released. The last to let go closes it.
    pub(crate) fn on_idle(&mut self, (peer, connection): (PeerId, ConnectionId), busy: bool) {
        // Much may have happened since.
        let ours = self.connections.is_ours(&peer, connection);
        let kept = busy || self.keeps(&peer, connection);
        if ours && !kept && self.holder.lets_go(connection) {
            self.actions.close(peer, connection);
        }
    }

    /// Answers the other behaviours of this node, which let go of connections: the ones in use here
    /// stay open. Then tells the node what this behaviour keeps each connection for.
    pub(crate) fn answer_others(&mut self, under_way: &UnderWay) {
        for (peer, connection) in self.holder.asked() {
            let busy = under_way.is_busy(connection);
            match busy || self.keeps(&peer, connection) {
                true => _ = self.holder.uses(connection),
                false => self.release(peer, connection),
            }
        }
        for (peer, connection) in std::mem::take(&mut self.changed) {
            if self.connections.of(&peer).any(|id| id == connection) {
                let busy = under_way.is_busy(connection);
                let purpose = self.purpose(&peer, connection, busy);
                self.holder.set_purpose(peer, connection, purpose);
            }
        }
    }

    /// Something is sent on the connection.
    pub(crate) fn note_use(&mut self, peer: PeerId, connection: ConnectionId) {
        self.holder.uses(connection);
        self.changed.insert((peer, connection));
    }

    fn keeps(&self, peer: &PeerId, connection: ConnectionId) -> bool {
        self.is_for_neighbour(peer, connection)
            || self.is_lifeline(connection)
            || self.relays.is_setting_up()
            || self.is_relay(peer)
    }

    fn purpose(&self, peer: &PeerId, connection: ConnectionId, busy: bool) -> Option<LeasePurpose> {
        let ours = self.connections.is_ours(peer, connection);
        let reasons = [
            (
                self.is_for_neighbour(peer, connection),
                LeasePurpose::Neighbour,
            ),
            (self.is_lifeline(connection), LeasePurpose::Lifeline),
            (busy, LeasePurpose::Exchange),
            (ours && self.is_relay(peer), LeasePurpose::Relay),
            (
                ours && self.has_room && self.connections.is_upgrading(peer, connection),
                LeasePurpose::Upgrade,
            ),
        ];
        let mut reasons = reasons.into_iter();
        reasons
            .find(|(holds, _)| *holds)
            .map(|(_, purpose)| purpose)
    }

    fn keep_alive(&mut self, peer: PeerId, keep_alive: bool) {
        let kept: Vec<_> = self.connections.kept(&peer).collect();
        for connection in self.connections.of(&peer) {
            let command = Command::KeepAlive(keep_alive && kept.contains(&connection));
            self.actions.command(peer, connection, command);
            self.changed.insert((peer, connection));
        }
    }

    // ---- Lifelines ----

    /// An exchange on a connection has ended well. While this node has hardly a neighbour it keeps
    /// the connection, or it would be cut off whenever those it asks are full or dead.
    pub(crate) fn hold(&mut self, peer: PeerId, connection: ConnectionId) {
        let ours = self.connections.is_ours(&peer, connection);
        let is_direct = self.connections.direct(&peer).any(|id| id == connection);
        let is_known = self.is_lifeline(connection) || self.neighbours.contains(&peer);
        if self.leaving || !ours || !is_direct || is_known || self.wanted_lifelines == 0 {
            return;
        }
        self.lifelines.push((peer, connection));
        self.let_go_of_lifelines();
    }

    fn let_go_of_lifelines(&mut self) {
        let excess = self.lifelines.len().saturating_sub(self.wanted_lifelines);
        let let_go: Vec<_> = self.lifelines.drain(..excess).collect();
        for (peer, connection) in let_go {
            self.release(peer, connection);
        }
    }

    // ---- One connection to each neighbour ----

    /// A connection was made, or a peer has become a neighbour: if there is more than one
    /// connection to it, looks after a while which are surplus.
    pub(crate) fn look_for_surplus(&mut self, peer: &PeerId, now: Time) {
        let is_neighbour = self.neighbours.contains(peer);
        if is_neighbour && self.connections.kept(peer).nth(1).is_some() {
            // A third connection does not put it off, or a peer that opens one after the other
            // would keep all.
            self.surplus_at.get_or_insert(now + SURPLUS_DELAY);
        }
    }

    /// Lets go of what is surplus: nothing may be under way on it when it is closed.
    fn let_go_of_surplus(&mut self) {
        let local = self.holder.node().local;
        for peer in self.neighbours.clone() {
            if self.connections.kept(&peer).nth(1).is_none() {
                continue;
            }
            for connection in self.connections.mark_surplus(&local, &peer) {
                self.release(peer, connection);
            }
        }
    }

    /// A connection is gone.
    pub(crate) fn disconnected(&mut self, peer: PeerId, connection: ConnectionId) {
        self.holder.closed(connection);
        self.lifelines.retain(|(_, other)| *other != connection);
        let is_neighbour = self.neighbours.contains(&peer);
        if is_neighbour && self.connections.kept(&peer).next().is_none() {
            self.connections.unmark_surplus(&peer);
            self.keep_alive(peer, true);
        }
    }

    /// Closes the oldest of the connections that are too many, if it is time to.
    pub(crate) fn prune(&mut self, under_way: &UnderWay, now: Time) {
        if !self.pruner.is_due(now) {
            return;
        }
        let all: Vec<_> = self.connections.all().collect();
        let open = all.len();
        let relays = self.connections.relays();
        let is_spare = |peer: &PeerId| {
            let is_relay = self.relays.contains(peer)
                || self.holder.is_dialled_through(peer)
                || relays.contains(peer);
            !is_relay && !self.holder.is_neighbour(peer)
        };
        let spare = all.into_iter().filter(|(_, peer, _)| is_spare(peer));
        let (busy, spare): (Vec<_>, Vec<_>) = spare.partition(|(.., id)| under_way.is_busy(*id));
        let excess = self.pruner.excess((open, !busy.is_empty()), spare, now);
        for (_, peer, connection) in excess {
            tracing::debug!(%peer, "Too many connections");
            self.connections.mark_pruned(&peer, connection);
            self.actions.close(peer, connection);
        }
    }

    // ---- Relays ----

    /// The relays that this node can be reached through, and how many listeners are being set up.
    pub(crate) fn set_listening(&mut self, own: BTreeSet<PeerId>, setting_up: usize, now: Time) {
        if self.relays.set_listening(own, setting_up, now) {
            self.release_everybody();
        }
    }

    /// Lets go of the relayed connections to a peer that there is a direct one to.
    pub(crate) fn end_upgrade(&mut self, peer: PeerId) {
        for connection in self.connections.end_upgrades(&peer) {
            self.release(peer, connection);
        }
    }

    /// Lets go of what was kept for something that has not come in time: a direct connection, a
    /// listener.
    pub(crate) fn end_waits(&mut self, now: Time) {
        if self.relays.gives_up(now) {
            self.release_everybody();
        }
        while let Some(peer) = self.connections.upgrade_overdue(now) {
            self.end_upgrade(peer);
        }
        if self.surplus_at.take_if(|at| *at <= now).is_some() {
            self.let_go_of_surplus();
        }
    }

    /// When [`Self::end_waits`] has something to do.
    pub(crate) fn next_wake(&self) -> Option<Wake> {
        let wake = |at: Option<Time>, why| at.map(|at| Wake::new(at, why));
        Wake::first([
            wake(
                self.connections.next_upgrade(),
                "a direct connection did not come",
            ),
            wake(self.relays.next_wake(), "a listener is not set up"),
            wake(self.surplus_at, "second connections to neighbours"),
            wake(self.pruner.next_wake(), "too many connections"),
        ])
    }
}
