//! Connections and what they are kept for: the exchanges under way on them, the neighbours, and other
//! connections, for which they are relayed.

use std::{collections::BTreeSet, time::Duration};

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;
use rand::Rng;

use crate::{
    gossip::ExchangeId,
    swarm::{
        exchanger::{
            actions::Actions,
            connections::Connections,
            exchanges::{Dial, Exchanges, Purpose},
            relays::Relays,
        },
        node::leases::Fellow,
        sampling::{
            confirmations::{Confirmations, Due},
            event::{Event, NeighbourDownReason},
            neighbours::{Answer, GaveWay, Neighbours, Settled},
            pruning::Pruning,
        },
        wire::sampling::{Command, Proposal, Request},
    },
    time::Time,
};

/// In how many rounds a node hurries for the place of a neighbour that it has lost. A guess: of the others, one
/// in five or so has a place to give.
const ATTEMPTS: u32 = 8;
/// How many peers a node stays in touch with on purpose: while it has fewer neighbours, it keeps
/// the connections of its latest exchanges instead of closing them. A guess: one may be about to
/// fail.
const LIFELINES: usize = 2;
/// How long after a second connection to a neighbour was made one of them is closed. A guess: until
/// then both ends know of both.
const SURPLUS_DELAY: Duration = Duration::from_secs(2);
/// How long after it was looked what is to be pruned it is looked again. A guess: whoever opens very many connections
/// is not to have all of them looked at for each.
const PRUNE_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Links {
    pub(super) actions: Actions,
    pub(super) connections: Connections,
    pub(super) exchanges: Exchanges,
    /// The other instances of this behaviour in the same swarm.
    pub(super) fellow: Fellow,
    local: PeerId,
    neighbours: Neighbours,
    confirmations: Confirmations,
    /// Connections that are kept although they were opened for an exchange that is over, the oldest
    /// first: see [`LIFELINES`].
    lifelines: Vec<(PeerId, ConnectionId)>,
    /// When to look for neighbours with more than one connection.
    surplus_at: Option<Time>,
    /// Whether neighbours came or went since [`Self::is_in_a_hurry`] was last asked.
    neighbours_changed: bool,
    /// In how many more rounds to hurry for a neighbour that was lost.
    attempts: u32,
    pub(super) relays: Relays,
    /// Whether this node takes no part any more: then nobody becomes a neighbour.
    leaving: bool,
    pruning: Option<Pruning>,
    /// When to look whether there is something to prune.
    prune_at: Option<Time>,
}

impl Links {
    /// `period`: in which `local` makes its rounds.
    pub(super) fn new(
        (local, period): (PeerId, Duration),
        neighbours: Neighbours,
        pruning: Option<Pruning>,
    ) -> Self {
        Self {
            local,
            confirmations: Confirmations::new(period),
            lifelines: Vec::new(),
            surplus_at: None,
            actions: Actions::default(),
            connections: Connections::default(),
            exchanges: Exchanges::default(),
            fellow: Fellow::alone(),
            neighbours,
            neighbours_changed: false,
            attempts: 0,
            relays: Relays::default(),
            leaving: false,
            pruning,
            prune_at: None,
        }
    }

    pub(super) fn neighbours(&self) -> &[PeerId] {
        self.neighbours.members()
    }

    /// Whether everybody who was asked to be a neighbour has answered.
    #[cfg(test)]
    pub(super) fn is_settled(&self) -> bool {
        self.neighbours.is_settled()
    }

    /// Whether this node has fewer than half of the neighbours that it wants.
    pub(super) fn is_short(&self) -> bool {
        self.neighbours.is_short()
    }

    pub(super) fn is_neighbour(&self, peer: &PeerId) -> bool {
        self.neighbours.contains(peer)
    }

    /// Whether the next chance to find a neighbour should not wait a whole period, asked after a
    /// round and after everything else. When there are too few: each change answers yes once. When one was
    /// lost: a few times, until another has taken its place. So haste comes to rest by itself.
    pub(super) fn is_in_a_hurry(&mut self, after_round: bool) -> bool {
        let changed = std::mem::take(&mut self.neighbours_changed);
        if !self.neighbours.has_room() {
            self.attempts = 0;
        }
        let lost = self.attempts > 0 && (changed || after_round);
        if lost && after_round {
            self.attempts -= 1;
        }
        lost || (changed && self.neighbours.is_short())
    }

    /// Dials the partner of exchange `id`.
    pub(super) fn dial_partner(&mut self, id: ExchangeId, partner: PeerId) -> ConnectionId {
        let connection = self.actions.dial_peer(partner);
        self.dialled(connection, Dial::Exchange(id))
    }

    /// Dials the partner of exchange `id` at `addresses` and at no others.
    pub(super) fn dial_partner_at(
        &mut self,
        id: ExchangeId,
        partner: PeerId,
        addresses: Vec<Multiaddr>,
    ) -> ConnectionId {
        let connection = self.actions.dial_peer_at(partner, addresses);
        self.dialled(connection, Dial::Exchange(id))
    }

    /// Dials the partner of exchange `id` at `addresses` and at no others, from a port on which
    /// this node does not listen.
    pub(super) fn dial_partner_anew(
        &mut self,
        id: ExchangeId,
        partner: PeerId,
        addresses: Vec<Multiaddr>,
    ) -> ConnectionId {
        let connection = self.actions.dial_peer_anew(partner, addresses);
        self.dialled(connection, Dial::Exchange(id))
    }

    /// Dials a seed.
    pub(super) fn dial_seed(&mut self, address: Multiaddr) {
        let connection = self.actions.dial_address(&address);
        self.dialled(connection, Dial::Seed(address));
    }

    fn dialled(&mut self, connection: ConnectionId, dial: Dial) -> ConnectionId {
        self.fellow.dials(connection);
        self.exchanges.dialled(connection, dial);
        connection
    }

    /// Sends the request of exchange `id`, unless it was sent already.
    pub(super) fn send_exchange(
        &mut self,
        id: ExchangeId,
        partner: PeerId,
        connection: ConnectionId,
    ) {
        let Some((outbound, gossip)) = self.exchanges.send(id, connection) else {
            return;
        };
        self.fellow.uses(connection);
        let neighbour = match self.connections.is_direct(&partner) {
            true => self.neighbours.propose(partner),
            false => Proposal::None,
        };
        if neighbour == Proposal::None {
            self.neighbours.says_no(partner);
        }
        self.connections.mark_used(&partner, connection);
        let request = Request::Exchange { gossip, neighbour };
        self.actions
            .command(partner, connection, Command::Request(outbound, request));
    }

    /// The connection to make an exchange with `peer` on, if there is any that might do.
    pub(super) fn usable(&self, peer: &PeerId) -> Option<ConnectionId> {
        let mut usable = self.connections.usable(peer);
        usable.find(|connection| !self.fellow.is_closing(*connection))
    }

    /// Whether a connection to `peer` is being closed: until it is, the swarm does not dial.
    pub(super) fn is_closing(&self, peer: &PeerId) -> bool {
        let mut connections = self.connections.of(peer);
        self.connections.is_pruned(peer) || connections.any(|c| self.fellow.is_closing(c))
    }

    /// Tells `peer` that it is no neighbour, if it is connected.
    pub(super) fn dissolve(&mut self, peer: PeerId) {
        if let Some(connection) = self.usable(&peer) {
            let request = Request::notice(Proposal::None);
            self.notify(peer, connection, request, Purpose::Notice);
        }
    }

    /// A round has begun: asks the neighbour that was heard longest ago whether it sees it that
    /// way. Messages overtake each other and get lost, so two ends may come to disagree; this ends
    /// it, whatever the reason was.
    pub(super) fn begin_round(&mut self, now: Time) {
        self.neighbours.begin_round();
        if let Some(peer) = self.confirmations.next() {
            self.ask_to_confirm(peer, now);
        }
    }

    fn ask_to_confirm(&mut self, peer: PeerId, now: Time) {
        self.confirmations.asked(&peer, now);
        if let Some(connection) = self.usable(&peer) {
            let request = Request::notice(Proposal::Welcome);
            self.notify(peer, connection, request, Purpose::Confirm);
        }
    }

    /// The peer has sent something, or has refused to.
    pub(super) fn heard(&mut self, peer: &PeerId, now: Time) {
        self.confirmations.heard(peer, now);
    }

    /// Asks again those neighbours that have not answered, and gives up those that were asked
    /// twice; nobody while this node is `in_trouble`.
    pub(super) fn end_silence(&mut self, now: Time, in_trouble: bool) {
        while let Some(due) = self.confirmations.poll(now, in_trouble) {
            match due {
                Due::Again(peer) => self.ask_to_confirm(peer, now),
                Due::Silent(peer) => self.give_up(peer),
            }
        }
    }

    /// Gives up a neighbour that does not answer, if it is one. Its connections are dead: what
    /// siblings send over them is lost. The connections that siblings have opened stay theirs.
    pub(super) fn give_up(&mut self, peer: PeerId) {
        if !self.is_neighbour(&peer) {
            return;
        }
        self.remove_neighbour(peer, NeighbourDownReason::Unresponsive);
        if self.fellow.is_neighbour(&peer) {
            return;
        }
        let connections: Vec<_> = self.connections.of(&peer).collect();
        for connection in connections {
            if !self.connections.is_siblings(&peer, connection) {
                self.actions.close(peer, connection);
            }
        }
    }

    /// Says goodbye to every connected peer that speaks the protocol.
    pub(super) fn say_goodbye(&mut self) {
        let speaking: Vec<_> = self.connections.speaking().collect();
        for (peer, connection) in speaking {
            self.notify(peer, connection, Request::Goodbye, Purpose::Notice);
        }
        for peer in self.neighbours.members().to_vec() {
            self.remove_neighbour(peer, NeighbourDownReason::Leaving);
        }
        self.leaving = true;
        self.lifelines.clear();
        self.neighbours.forget_asked();
        self.release_everybody();
    }

    /// Answers what `peer` proposed in a request.
    pub(super) fn answer<R: Rng + ?Sized>(
        &mut self,
        peer: PeerId,
        proposal: Proposal,
        (now, rng): (Time, &mut R),
    ) -> bool {
        let proposal = match self.connections.is_direct(&peer) {
            true => proposal,
            false => Proposal::None,
        };
        let network = |peer: &PeerId| self.connections.network(peer);
        match self.neighbours.answer(peer, proposal, network, rng) {
            Answer::Kept => true,
            Answer::Declined => false,
            Answer::Accepted(gave_way) => {
                self.take_turns(gave_way, peer, now);
                true
            }
            Answer::Dissolved => {
                self.neighbour_down(peer, NeighbourDownReason::Dissolved);
                false
            }
        }
    }

    /// The end of a proposal of ours: what `peer` answered, or `None` when no answer came.
    pub(super) fn settle<R: Rng + ?Sized>(
        &mut self,
        peer: PeerId,
        answer: Option<bool>,
        (now, rng): (Time, &mut R),
    ) {
        // The direct connection may have closed meanwhile.
        let direct = self.connections.is_direct(&peer);
        if answer == Some(true) && !direct {
            self.dissolve(peer);
        }
        let answer = answer.map(|yes| yes && direct);
        let network = |peer: &PeerId| self.connections.network(peer);
        match self.neighbours.settle(peer, answer, network, rng) {
            // It has no place: a node that is short looks on.
            Settled::Unchanged => self.neighbours_changed |= answer == Some(false),
            Settled::Up(gave_way) => self.take_turns(gave_way, peer, now),
            // It said no, and may have proposed it itself since: then it has our yes.
            Settled::Down => self.dismissed(peer, NeighbourDownReason::Dissolved),
            Settled::TooLate | Settled::Unanswered => self.dissolve(peer),
        }
    }

    /// Removes a neighbour, if it is one.
    pub(super) fn remove_neighbour(&mut self, peer: PeerId, reason: NeighbourDownReason) {
        if self.neighbours.remove(&peer) {
            self.neighbour_down(peer, reason);
        }
    }

    /// Removes a neighbour, if it is one, and tells it so.
    pub(super) fn dismiss_neighbour(&mut self, peer: PeerId, reason: NeighbourDownReason) {
        if self.neighbours.remove(&peer) {
            self.dismissed(peer, reason);
        }
    }

    /// Lets go of a connection that this behaviour, or a fellow, has opened for an exchange, once nothing
    /// is under way on it; unless the peer is a neighbour, or may become one over a direct connection.
    pub(super) fn release(&mut self, peer: PeerId, connection: ConnectionId) {
        let ours = self.connections.is_for_exchange(&peer, connection);
        let upgrading = self.connections.is_upgrading(&peer, connection);
        if self.is_lifeline(connection) {
            return;
        }
        let wanted = !self.leaving && self.neighbours.has_room();
        let waits = upgrading && wanted && !self.connections.is_direct(&peer);
        if ours && !waits && !self.is_for_neighbour(&peer, connection) {
            self.actions
                .command(peer, connection, Command::KeepAlive(false));
            self.actions.command(peer, connection, Command::NotifyIdle);
        }
    }

    /// Somebody else wants the peer as well: its connections are no longer ours to close, and, unless
    /// it is a neighbour, not ours to keep.
    pub(super) fn share(&mut self, peer: PeerId) {
        self.connections.share(&peer);
        self.keep_alive(peer, self.neighbours.contains(&peer));
    }

    /// Connections are needed no longer: looks at the next occasion what is to be pruned.
    pub(super) fn consider_pruning(&mut self) {
        self.prune_at = self.pruning.map(|_| Time::ZERO);
    }

    /// A connection came: looks what is to be pruned, unless the first of those that were there before is to be
    /// pruned at some time anyway. The new one is none of them.
    pub(super) fn consider_pruning_others(&mut self) {
        if self.prune_at.is_none() {
            self.consider_pruning();
        }
    }

    /// When [`Self::prune`] has something to do.
    pub(super) fn next_pruning(&self) -> Option<Time> {
        self.prune_at
    }

    /// Closes the oldest of the connections that are too many, whoever has opened them.
    pub(super) fn prune(&mut self, now: Time) {
        let due = self.prune_at.take_if(|at| *at <= now);
        let Some(pruning) = self.pruning.filter(|_| due.is_some()) else {
            return;
        };
        let all: Vec<_> = self.connections.all().collect();
        let excess = all.len().saturating_sub(pruning.max_connections);
        if excess == 0 {
            return;
        }
        let relays = self.connections.relays();
        let is_spare = |(_, peer, _): &(Time, PeerId, ConnectionId)| {
            !self.fellow.is_neighbour(peer) && !self.relays.contains(peer) && !relays.contains(peer)
        };
        let spare = all.into_iter().filter(is_spare);
        let (busy, mut spare): (Vec<_>, Vec<_>) =
            spare.partition(|(.., id)| self.exchanges.is_busy(*id));
        spare.sort_by_key(|(since, ..)| *since);
        let again = now.saturating_add(PRUNE_PAUSE);
        if spare.len() < excess && !busy.is_empty() {
            self.prune_at = Some(again);
        }
        for (since, peer, connection) in spare.into_iter().take(excess) {
            let old_enough = since.saturating_add(pruning.grace);
            if now < old_enough {
                self.prune_at = Some(old_enough.max(again));
                return;
            }
            tracing::debug!(%peer, "Too many connections");
            self.connections.mark_pruned(&peer, connection);
            self.actions.close(peer, connection);
        }
    }

    /// Nothing is under way on a connection that was released. The last to let go closes it.
    pub(super) fn on_idle(&mut self, peer: PeerId, connection: ConnectionId) {
        // Much may have happened since.
        let ours = self.connections.is_for_exchange(&peer, connection);
        if ours && !self.keeps(&peer, connection) && self.fellow.lets_go(connection) {
            self.actions.close(peer, connection);
        }
    }

    /// Tells the fellows which of the connections that they let go of are used here.
    pub(super) fn answer_fellows(&mut self) {
        for (peer, connection) in self.fellow.asked() {
            match self.keeps(&peer, connection) {
                true => _ = self.fellow.uses(connection),
                false => self.release(peer, connection),
            }
        }
    }

    /// There is a direct connection to a peer whom exchanges were made with through a relay: what that
    /// was good for is over, and the peer may be a neighbour.
    pub(super) fn upgraded(&mut self, peer: PeerId, connection: ConnectionId) {
        self.end_upgrade(peer);
        let proposal = self.neighbours.propose(peer);
        if proposal != Proposal::None {
            let request = Request::notice(proposal);
            self.notify(peer, connection, request, Purpose::Confirm);
        }
    }

    /// When [`Self::end_waits`] has something to do.
    pub(super) fn next_end(&self) -> Option<Time> {
        let upgrade = self.connections.next_upgrade();
        let others = [
            self.relays.next_wake(),
            self.confirmations.next_wake(),
            self.surplus_at,
        ];
        others.into_iter().flatten().chain(upgrade).min()
    }

    /// Lets go of what was kept for something that has not come in time: a direct connection, a listener.
    pub(super) fn end_waits(&mut self, now: Time) {
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

    fn end_upgrade(&mut self, peer: PeerId) {
        for connection in self.connections.end_upgrades(&peer) {
            self.release(peer, connection);
        }
    }

    /// A dial has ended: the relays that it led through may be needed no longer.
    pub(super) fn dial_through_ended(&mut self, dial: ConnectionId) {
        for relay in self.relays.dial_ended(dial) {
            self.release_all(relay);
        }
    }

    /// The relays that this node can be reached through, and how many listeners are being set up.
    pub(super) fn set_listening(&mut self, own: BTreeSet<PeerId>, setting_up: usize, now: Time) {
        if self.relays.set_listening(own, setting_up, now) {
            self.release_everybody();
        }
    }

    fn release_everybody(&mut self) {
        for (peer, connection) in self.connections.all_for_exchange() {
            self.release(peer, connection);
        }
    }

    /// Lets go of all that was opened for exchanges with `peer`.
    pub(super) fn release_all(&mut self, peer: PeerId) {
        let connections: Vec<_> = self.connections.of(&peer).collect();
        for connection in connections {
            self.release(peer, connection);
        }
    }

    /// Whether the peer relays something, or is about to: siblings use for that what is there, and would lose it.
    fn is_relay(&self, peer: &PeerId) -> bool {
        self.relays.contains(peer) || self.connections.is_through(peer)
    }

    /// Whether the connection is kept for a neighbour: not through a relay, and one of several.
    fn is_for_neighbour(&self, peer: &PeerId, connection: ConnectionId) -> bool {
        let mut kept = self.connections.kept(peer);
        self.neighbours.contains(peer) && kept.any(|id| id == connection)
    }

    // ---- Lifelines ----

    pub(super) fn is_lifeline(&self, connection: ConnectionId) -> bool {
        self.lifelines.iter().any(|(_, other)| *other == connection)
    }

    /// An exchange on a connection has ended well. While this node has hardly a neighbour it keeps
    /// the connection, or it would be cut off whenever those it asks are full or dead.
    pub(super) fn hold(&mut self, peer: PeerId, connection: ConnectionId) {
        let ours = self.connections.is_for_exchange(&peer, connection);
        let is_direct = self.connections.direct(&peer).any(|id| id == connection);
        let is_known = self.is_lifeline(connection) || self.is_neighbour(&peer);
        let wanted = self.wanted_lifelines();
        if self.leaving || !ours || !is_direct || is_known || wanted == 0 {
            return;
        }
        self.lifelines.push((peer, connection));
        self.let_go_of_lifelines(wanted);
    }

    /// The connection is gone, or this node has as many neighbours as it needs.
    fn let_go_of_lifelines(&mut self, wanted: usize) {
        let excess = self.lifelines.len().saturating_sub(wanted);
        let let_go: Vec<_> = self.lifelines.drain(..excess).collect();
        for (peer, connection) in let_go {
            self.release(peer, connection);
        }
    }

    fn wanted_lifelines(&self) -> usize {
        let enough = LIFELINES.min(self.neighbours.bound());
        enough.saturating_sub(self.neighbours.members().len())
    }

    // ---- One connection to each neighbour ----

    /// A connection was made, or a peer has become a neighbour: if there is more than one connection to
    /// it, looks after a while which are surplus.
    pub(super) fn look_for_surplus(&mut self, peer: &PeerId, now: Time) {
        if self.is_neighbour(peer) && self.connections.kept(peer).nth(1).is_some() {
            // A third connection does not put it off, or a peer that opens one after the other
            // would keep all.
            let at = now.saturating_add(SURPLUS_DELAY);
            self.surplus_at.get_or_insert(at);
        }
    }

    /// Lets go of what is surplus: nothing may be under way on it when it is closed.
    fn let_go_of_surplus(&mut self) {
        for peer in self.neighbours.members().to_vec() {
            if self.connections.kept(&peer).nth(1).is_none() {
                continue;
            }
            for connection in self.connections.mark_surplus(&self.local, &peer) {
                self.release(peer, connection);
            }
        }
    }

    /// A connection is gone.
    pub(super) fn disconnected(&mut self, peer: PeerId, connection: ConnectionId) {
        self.lifelines.retain(|(_, other)| *other != connection);
        if self.is_neighbour(&peer) && self.connections.kept(&peer).next().is_none() {
            self.connections.unmark_surplus(&peer);
            self.keep_alive(peer, true);
        }
    }

    fn keeps(&self, peer: &PeerId, connection: ConnectionId) -> bool {
        self.is_for_neighbour(peer, connection)
            || self.is_lifeline(connection)
            || self.exchanges.is_busy(connection)
            || self.relays.is_setting_up()
            || self.is_relay(peer)
    }

    fn dismissed(&mut self, peer: PeerId, reason: NeighbourDownReason) {
        self.dissolve(peer);
        self.neighbour_down(peer, reason);
    }

    /// `peer` has become a neighbour, and another perhaps had to give way.
    fn take_turns(&mut self, gave_way: Option<GaveWay>, peer: PeerId, now: Time) {
        if let Some(GaveWay { peer, reason }) = gave_way {
            self.dismissed(peer, reason);
        }
        self.confirmations.add(peer, now);
        self.lifelines.retain(|(other, _)| *other != peer);
        self.let_go_of_lifelines(self.wanted_lifelines());
        self.look_for_surplus(&peer, now);
        self.fellow.has_neighbour(peer, true);
        self.keep_alive(peer, true);
        // Those with a relay in between are needed no longer.
        self.release_all(peer);
        self.actions.emit(Event::NeighbourUp { peer });
        self.neighbours_changed = true;
    }

    fn neighbour_down(&mut self, peer: PeerId, reason: NeighbourDownReason) {
        use NeighbourDownReason::{ConnectionClosed, Goodbye, Unresponsive};
        if matches!(reason, ConnectionClosed | Goodbye | Unresponsive) {
            self.attempts = ATTEMPTS;
        }
        self.fellow.has_neighbour(peer, false);
        self.confirmations.remove(&peer);
        self.connections.unmark_surplus(&peer);
        self.keep_alive(peer, false);
        self.actions.emit(Event::NeighbourDown { peer, reason });
        self.release_all(peer);
        self.neighbours_changed = true;
        self.consider_pruning();
    }

    fn keep_alive(&mut self, peer: PeerId, keep_alive: bool) {
        let kept: Vec<_> = self.connections.kept(&peer).collect();
        for connection in self.connections.of(&peer) {
            let command = Command::KeepAlive(keep_alive && kept.contains(&connection));
            self.actions.command(peer, connection, command);
        }
    }

    fn notify(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        request: Request,
        purpose: Purpose,
    ) {
        self.fellow.uses(connection);
        let outbound = self.exchanges.send_other(connection, purpose);
        self.actions
            .command(peer, connection, Command::Request(outbound, request));
    }
}
