//! Connections and what they are kept for: the exchanges under way on them, and the neighbours.

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
            neighbours::{Answer, Neighbours, Settled},
        },
        handler::Command,
        wire::{Proposal, Request},
    },
};

#[derive(Debug)]
pub(super) struct Links {
    pub(super) actions: Actions,
    pub(super) connections: Connections,
    pub(super) exchanges: Exchanges,
    neighbours: Neighbours,
    /// Whether neighbours came or went since [`Self::is_newly_short`] was last asked.
    neighbours_changed: bool,
}

impl Links {
    pub(super) fn new(neighbours: usize) -> Self {
        Self {
            actions: Actions::default(),
            connections: Connections::default(),
            exchanges: Exchanges::default(),
            neighbours: Neighbours::new(neighbours),
            neighbours_changed: false,
        }
    }

    pub(super) fn neighbours(&self) -> &[PeerId] {
        self.neighbours.members()
    }

    pub(super) fn is_neighbour(&self, peer: &PeerId) -> bool {
        self.neighbours.contains(peer)
    }

    /// Whether neighbours came or went and there are too few of them: then the next chance should
    /// not wait a whole period. Each change answers yes once, so haste comes to rest by itself.
    pub(super) fn is_newly_short(&mut self) -> bool {
        std::mem::take(&mut self.neighbours_changed) && self.neighbours.is_short()
    }

    /// Dials the partner of exchange `id`.
    pub(super) fn dial_partner(&mut self, id: ExchangeId, partner: PeerId) -> ConnectionId {
        let connection = self.actions.dial_peer(partner);
        self.exchanges.dialled(connection, Dial::Exchange(id));
        connection
    }

    /// Dials the partner of exchange `id` at these addresses and at no others.
    pub(super) fn dial_partner_at(
        &mut self,
        id: ExchangeId,
        partner: PeerId,
        addresses: Vec<Multiaddr>,
    ) -> ConnectionId {
        let connection = self.actions.dial_peer_at(partner, addresses);
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
        let neighbour = self.neighbours.propose(partner);
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

    /// Asks a random neighbour whether it sees it that way. Messages overtake each other and get
    /// lost, so two ends may come to disagree; this ends it, whatever the reason was.
    pub(super) fn confirm_a_neighbour<R: Rng + ?Sized>(&mut self, rng: &mut R) {
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
        let network = |peer: &PeerId| self.connections.network(peer);
        match self.neighbours.answer(peer, proposal, network, rng) {
            Answer::Kept => true,
            Answer::Declined => false,
            Answer::Accepted(replaced) => {
                if let Some(replaced) = replaced {
                    self.dismissed(replaced, NeighbourDownReason::Replaced);
                }
                self.neighbour_up(peer);
                true
            }
            Answer::Dissolved => {
                self.neighbour_down(peer, NeighbourDownReason::Dissolved);
                false
            }
        }
    }

    /// The end of a proposal of ours: what `peer` answered, or `None` when no answer came.
    pub(super) fn settle(&mut self, peer: PeerId, answer: Option<bool>) {
        match self.neighbours.settle(peer, answer) {
            Settled::Unchanged => {}
            Settled::Up => self.neighbour_up(peer),
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
    /// way on it; unless the peer is a neighbour.
    pub(super) fn release(&mut self, peer: PeerId, connection: ConnectionId) {
        let ours = self.connections.is_for_exchange(&peer, connection);
        if ours && !self.neighbours.contains(&peer) {
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
        if ours && !kept {
            self.actions.close(peer, connection);
        }
    }

    fn dismissed(&mut self, peer: PeerId, reason: NeighbourDownReason) {
        self.dissolve(peer);
        self.neighbour_down(peer, reason);
    }

    fn neighbour_up(&mut self, peer: PeerId) {
        self.keep_alive(peer, true);
        self.actions.emit(Event::NeighbourUp { peer });
        self.neighbours_changed = true;
    }

    fn neighbour_down(&mut self, peer: PeerId, reason: NeighbourDownReason) {
        self.keep_alive(peer, false);
        self.actions.emit(Event::NeighbourDown { peer, reason });
        let connections: Vec<_> = self.connections.of(&peer).collect();
        for connection in connections {
            self.release(peer, connection);
        }
        self.neighbours_changed = true;
    }

    fn keep_alive(&mut self, peer: PeerId, keep_alive: bool) {
        for connection in self.connections.of(&peer) {
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
