//! Connections and what they are kept for: the exchanges under way on them, the neighbours, and other
//! connections, for which they are relayed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;
use rand::{Rng, seq::IndexedRandom};

use crate::{
    gossip::message::ExchangeId,
    swarm::{
        behaviour::{
            actions::Actions,
            connections::Connections,
            event::{Event, NeighbourDownReason},
            exchanges::{Dial, Exchanges, Purpose},
            neighbours::{Answer, GaveWay, Neighbours, Settled},
        },
        handler::Command,
        wire::{Proposal, Request},
    },
};

/// In how many rounds a node hurries for the place of a neighbour that it has lost. A guess: of the others, one
/// in five or so has a place to give.
const ATTEMPTS: u32 = 8;

#[derive(Debug)]
pub(super) struct Links {
    pub(super) actions: Actions,
    pub(super) connections: Connections,
    pub(super) exchanges: Exchanges,
    neighbours: Neighbours,
    /// Whether neighbours came or went since [`Self::is_in_a_hurry`] was last asked.
    neighbours_changed: bool,
    /// In how many more rounds to hurry for a neighbour that was lost.
    attempts: u32,
    /// The relays that this node can be reached through, and those that its dials under way lead
    /// through: what was opened to them for an exchange carries more now.
    own_relays: BTreeSet<PeerId>,
    dialled_through: BTreeMap<ConnectionId, Vec<PeerId>>,
    /// Whether a listener is being set up: perhaps at a relay.
    listening: bool,
}

impl Links {
    pub(super) fn new(neighbours: Neighbours) -> Self {
        Self {
            actions: Actions::default(),
            connections: Connections::default(),
            exchanges: Exchanges::default(),
            neighbours,
            neighbours_changed: false,
            attempts: 0,
            own_relays: BTreeSet::new(),
            dialled_through: BTreeMap::new(),
            listening: false,
        }
    }

    pub(super) fn neighbours(&self) -> &[PeerId] {
        self.neighbours.members()
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
        self.exchanges.dialled(connection, Dial::Exchange(id));
        connection
    }

    /// Dials a seed.
    pub(super) fn dial_seed(&mut self, address: Multiaddr) {
        let connection = self.actions.dial_address(&address);
        self.exchanges.dialled(connection, Dial::Seed(address));
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
        let neighbour = match self.connections.is_direct(&partner) {
            true => self.neighbours.propose(partner),
            false => Proposal::None,
        };
        self.connections.mark_used(&partner, connection);
        let request = Request::Exchange { gossip, neighbour };
        self.actions
            .command(partner, connection, Command::Request(outbound, request));
    }

    /// Tells `peer` that it is no neighbour, if it is connected.
    pub(super) fn dissolve(&mut self, peer: PeerId) {
        if let Some(connection) = self.connections.usable(&peer) {
            let request = Request::notice(Proposal::None);
            self.notify(peer, connection, request, Purpose::Notice);
        }
    }

    /// A round has begun: asks a random neighbour whether it sees it that way. Messages overtake each other
    /// and get lost, so two ends may come to disagree; this ends it, whatever the reason was.
    pub(super) fn begin_round<R: Rng + ?Sized>(&mut self, rng: &mut R) {
        self.neighbours.begin_round();
        let Some(peer) = self.neighbours.members().choose(rng).copied() else {
            return;
        };
        if let Some(connection) = self.connections.usable(&peer) {
            let request = Request::notice(Proposal::Welcome);
            self.notify(peer, connection, request, Purpose::Confirm);
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
    }

    /// Answers what `peer` proposed in a request.
    pub(super) fn answer<R: Rng + ?Sized>(
        &mut self,
        peer: PeerId,
        proposal: Proposal,
        rng: &mut R,
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
                self.take_turns(gave_way, peer);
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
        rng: &mut R,
    ) {
        let network = |peer: &PeerId| self.connections.network(peer);
        match self.neighbours.settle(peer, answer, network, rng) {
            Settled::Unchanged => {}
            // The direct connection has closed meanwhile.
            Settled::Up(_) if !self.connections.is_direct(&peer) => {
                self.neighbours.remove(&peer);
                self.dissolve(peer);
            }
            Settled::Up(gave_way) => self.take_turns(gave_way, peer),
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

    /// Closes a connection that this behaviour has opened for an exchange, once nothing is under
    /// way on it; unless the peer is a neighbour, or may become one when there is a direct connection.
    pub(super) fn release(&mut self, peer: PeerId, connection: ConnectionId) {
        let ours = self.connections.is_for_exchange(&peer, connection);
        let upgrading = self.connections.is_upgrading(&peer, connection);
        let waits = upgrading && self.neighbours.has_room();
        if ours && !waits && !self.neighbours.contains(&peer) {
            self.actions
                .command(peer, connection, Command::KeepAlive(false));
            self.actions.command(peer, connection, Command::NotifyIdle);
        }
    }

    /// Somebody else wants the peer as well: its connections are no longer ours to close, and, unless
    /// it is a neighbour, not ours to keep.
    pub(super) fn share(&mut self, peer: PeerId) {
        self.connections.share(&peer);
        if !self.neighbours.contains(&peer) {
            self.keep_alive(peer, false);
        }
    }

    /// Nothing is under way on a connection that was released.
    pub(super) fn on_idle(&mut self, peer: PeerId, connection: ConnectionId) {
        // Much may have happened since.
        let ours = self.connections.is_for_exchange(&peer, connection);
        let kept = self.neighbours.contains(&peer) || self.exchanges.is_busy(connection);
        if ours && !kept && !self.is_in_use(&peer) {
            self.actions.close(peer, connection);
        }
    }

    /// There is a direct connection to a peer whom exchanges were made with through a relay: what that
    /// was good for is over, and the peer may be a neighbour.
    pub(super) fn upgraded(&mut self, peer: PeerId, connection: ConnectionId) {
        for relayed in self.connections.end_upgrades(&peer) {
            self.release(peer, relayed);
        }
        let proposal = self.neighbours.propose(peer);
        if proposal != Proposal::None {
            let request = Request::notice(proposal);
            self.notify(peer, connection, request, Purpose::Confirm);
        }
    }

    /// Closes the relayed connections of which nothing has come in time.
    pub(super) fn end_upgrades(&mut self, now: Duration) {
        while let Some(peer) = self.connections.upgrade_overdue(now) {
            for connection in self.connections.end_upgrades(&peer) {
                self.release(peer, connection);
            }
        }
    }

    /// A dial leads through these relays, until it has ended.
    pub(super) fn dialled_through(&mut self, dial: ConnectionId, relays: Vec<PeerId>) {
        if !relays.is_empty() {
            self.dialled_through.insert(dial, relays);
        }
    }

    /// A dial has ended, well or badly.
    pub(super) fn dial_through_ended(&mut self, dial: ConnectionId) {
        for relay in self.dialled_through.remove(&dial).unwrap_or_default() {
            self.release_all(relay);
        }
    }

    /// Whether a dial under way leads through `peer`.
    pub(super) fn is_dialled_through(&self, peer: &PeerId) -> bool {
        let mut relays = self.dialled_through.values().flatten();
        relays.any(|relay| relay == peer)
    }

    /// The relays that this node can be reached through, and whether a listener is being set up.
    pub(super) fn set_listening(&mut self, own_relays: BTreeSet<PeerId>, listening: bool) {
        for relay in own_relays.difference(&self.own_relays) {
            // Whoever has reserved a place there needs the connection from now on.
            self.connections.share(relay);
        }
        self.own_relays = own_relays;
        if std::mem::replace(&mut self.listening, listening) && !listening {
            for (peer, connection) in self.connections.all_for_exchange() {
                self.release(peer, connection);
            }
        }
    }

    /// Closes what was opened for exchanges with `peer`, once nothing is under way.
    pub(super) fn release_all(&mut self, peer: PeerId) {
        let connections: Vec<_> = self.connections.of(&peer).collect();
        for connection in connections {
            self.release(peer, connection);
        }
    }

    /// Whether other connections are relayed by `peer`, or it may just be asked for that: siblings use what
    /// is there for it, and would lose it.
    fn is_in_use(&self, peer: &PeerId) -> bool {
        self.listening || self.is_dialled_through(peer) || self.connections.is_through(peer)
    }

    fn dismissed(&mut self, peer: PeerId, reason: NeighbourDownReason) {
        self.dissolve(peer);
        self.neighbour_down(peer, reason);
    }

    /// `peer` has become a neighbour, and another perhaps had to give way.
    fn take_turns(&mut self, gave_way: Option<GaveWay>, peer: PeerId) {
        if let Some(GaveWay { peer, reason }) = gave_way {
            self.dismissed(peer, reason);
        }
        self.keep_alive(peer, true);
        self.actions.emit(Event::NeighbourUp { peer });
        self.neighbours_changed = true;
    }

    fn neighbour_down(&mut self, peer: PeerId, reason: NeighbourDownReason) {
        use NeighbourDownReason::{ConnectionClosed, Goodbye};
        if matches!(reason, ConnectionClosed | Goodbye) {
            self.attempts = ATTEMPTS;
        }
        self.keep_alive(peer, false);
        self.actions.emit(Event::NeighbourDown { peer, reason });
        self.release_all(peer);
        self.neighbours_changed = true;
    }

    fn keep_alive(&mut self, peer: PeerId, keep_alive: bool) {
        let wanted: Vec<_> = match keep_alive {
            true => self.connections.direct(&peer).collect(),
            false => self.connections.of(&peer).collect(),
        };
        for connection in wanted {
            let command = Command::KeepAlive(keep_alive);
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
        let outbound = self.exchanges.send_other(connection, purpose);
        self.actions
            .command(peer, connection, Command::Request(outbound, request));
    }
}
