//! One behaviour's place at its node: what it dials, keeps and announces.

use std::{collections::BTreeSet, sync::Arc};

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::{ConnectionId, StreamProtocol};
use rand::Rng;

use crate::{
    gossip::ExchangeId,
    swarm::node::{
        Announcement, Node,
        budget::{Addresses, Choice, DialOutcome, NotDialled},
        dials::{Dial, DialPurpose},
        leases::{HolderId, LeasePurpose},
        strain::Health,
    },
    time::Time,
};

/// One behaviour's place at its node. When it is dropped, what it keeps is let go of.
#[derive(Debug)]
pub(crate) struct Holder {
    node: Arc<Node>,
    id: HolderId,
}

impl Drop for Holder {
    fn drop(&mut self) {
        let mut state = self.node.lock();
        state.dials.leave(self.id);
        let gone = state.leases.leave(self.id);
        drop(state);
        self.node.set_health(self.id, Health::Well);
        for peer in gone {
            self.node.gate.set_wanted(peer, false);
        }
    }
}

impl Holder {
    /// Takes one more behaviour in, with the name of its protocol.
    pub(crate) fn join(node: &Arc<Node>, name: StreamProtocol) -> Self {
        let id = node.lock().leases.join(name);
        Self {
            node: node.clone(),
            id,
        }
    }

    pub(crate) fn id(&self) -> HolderId {
        self.id
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    // ---- The dial budget ----

    /// Where this node can be reached, so that it does not dial itself.
    pub(crate) fn set_own<'a>(&self, addresses: impl Iterator<Item = &'a Multiaddr>) {
        self.node.lock().budget.set_own(addresses);
    }

    /// See [`Budget::choose`].
    pub(crate) fn choose<R: Rng + ?Sized>(
        &self,
        addresses: Addresses<'_>,
        now: Time,
        rng: &mut R,
    ) -> Result<Choice, NotDialled> {
        self.node.lock().budget.choose(addresses, now, rng)
    }

    /// See [`Budget::choose_known`].
    pub(crate) fn choose_known<R: Rng + ?Sized>(
        &self,
        addresses: &[Multiaddr],
        rng: &mut R,
    ) -> Result<Choice, NotDialled> {
        self.node.lock().budget.choose_known(addresses, rng)
    }

    /// See [`Budget::choose_anew`].
    pub(crate) fn choose_anew<R: Rng + ?Sized>(
        &self,
        addresses: Addresses<'_>,
        now: Time,
        rng: &mut R,
    ) -> Result<Choice, NotDialled> {
        self.node.lock().budget.choose_anew(addresses, now, rng)
    }

    /// See [`Budget::next_spare`].
    pub(crate) fn next_spare(&self) -> Option<Time> {
        self.node.lock().budget.next_spare()
    }

    /// See [`Budget::called`].
    pub(crate) fn called(&self, address: &Multiaddr, now: Time) {
        self.node.lock().budget.called(address, now);
    }

    // ---- Dials ----

    /// This behaviour dials, at the addresses of `choice`; `None`: the sampler says where.
    pub(crate) fn begin_dial(
        &self,
        connection: ConnectionId,
        (peer, purpose): (Option<PeerId>, DialPurpose),
        choice: Option<Choice>,
        now: Time,
    ) {
        let state = &mut *self.node.lock();
        let mut dial = Dial {
            peer,
            by: Some(self.id),
            purpose: Some(purpose),
            ..Dial::default()
        };
        if let Some(choice) = choice {
            let drawn = choice.is_drawn();
            dial.hand_over(self.id, state.budget.hand_over(choice, now), drawn);
        }
        state.dials.begin(connection, dial);
    }

    /// The swarm asks this behaviour where to dial `peer`. `Ok`: what was handed over already, by
    /// this behaviour; nothing where another has chosen. `Err`: nobody has said where; whether
    /// another behaviour of this node dials, so that the dial has to be drawn from the budget.
    pub(crate) fn handed(
        &self,
        connection: ConnectionId,
        peer: Option<PeerId>,
    ) -> Result<Vec<Multiaddr>, bool> {
        let mut state = self.node.lock();
        let dial = state.dials.pending(connection, peer);
        match &dial.handed {
            Some((by, handed)) if *by == self.id => {
                Ok(handed.iter().map(|h| h.address().clone()).collect())
            }
            Some(_) => Ok(Vec::new()),
            None => Err(dial.by.is_some()),
        }
    }

    /// Hands over where to dial somebody on behalf of another behaviour: of this node, which draws
    /// on its budget, or a sibling, which has counted its dials itself.
    pub(crate) fn hand_over<R: Rng + ?Sized>(
        &self,
        connection: ConnectionId,
        addresses: Addresses<'_>,
        (is_drawn, now): (bool, Time),
        rng: &mut R,
    ) -> Result<Vec<Multiaddr>, NotDialled> {
        let state = &mut *self.node.lock();
        let choice = match is_drawn {
            true => state.budget.choose(addresses, now, rng),
            false => state.budget.choose_for_sibling(addresses, now, rng),
        }?;
        let handed = state.budget.hand_over(choice, now);
        let addresses = handed.iter().map(|h| h.address().clone()).collect();
        if let Some(dial) = state.dials.get_mut(connection) {
            dial.hand_over(self.id, handed, is_drawn);
        }
        Ok(addresses)
    }

    /// Whether this behaviour dials.
    pub(crate) fn is_mine(&self, connection: ConnectionId) -> bool {
        let state = self.node.lock();
        let dial = state.dials.get(connection);
        dial.is_some_and(|dial| dial.by == Some(self.id))
    }

    /// Whether a dial that is under way, or whose end is just being told, is one of this node's
    /// behaviours'.
    pub(crate) fn is_ours(&self, connection: ConnectionId) -> bool {
        let state = self.node.lock();
        let dial = state.dials.get(connection);
        dial.is_some_and(|dial| dial.by.is_some())
    }

    /// What this behaviour dials for, once, when it is told of the end.
    pub(crate) fn take_purpose(&self, connection: ConnectionId) -> Option<DialPurpose> {
        let mut state = self.node.lock();
        let dial = state.dials.get_mut(connection);
        dial.filter(|dial| dial.by == Some(self.id))?.purpose.take()
    }

    /// Whether this behaviour dials for that exchange.
    pub(crate) fn is_dialling_for(&self, exchange: ExchangeId) -> bool {
        self.node.lock().dials.is_for(self.id, exchange)
    }

    /// Whether anybody dials `peer`.
    pub(crate) fn is_dialling(&self, peer: &PeerId) -> bool {
        self.node.lock().dials.is_dialling(peer)
    }

    /// Whether a dial of anybody's leads through `relay`.
    pub(crate) fn is_dialled_through(&self, relay: &PeerId) -> bool {
        self.node.lock().dials.is_through(relay)
    }

    /// The relays that a dial leads or has led through.
    pub(crate) fn relays_of(&self, connection: ConnectionId) -> Vec<PeerId> {
        let state = self.node.lock();
        let dial = state.dials.get(connection);
        dial.map_or_else(Vec::new, |dial| dial.relays.clone())
    }

    /// A sibling has dialled `peer` for the sake of a dial of ours, which leads through it: the
    /// connection is this behaviour's.
    pub(crate) fn adopt(&self, connection: ConnectionId, peer: PeerId) {
        let mut state = self.node.lock();
        let dial = state.dials.pending(connection, Some(peer));
        if dial.by.is_none() {
            dial.by = Some(self.id);
            dial.purpose = Some(DialPurpose::Relay);
        }
    }

    /// A dial has found the peer at `address`; or, where there is none, at a relay's that is not
    /// the one that it was dialled through.
    pub(crate) fn dial_answered(&self, connection: ConnectionId, address: Option<&Multiaddr>) {
        let state = &mut *self.node.lock();
        let Some(dial) = state.dials.get_mut(connection) else {
            return;
        };
        dial.ended = true;
        let handed = dial
            .handed
            .as_mut()
            .map(|(_, handed)| std::mem::take(handed));
        match (handed, address) {
            (Some(handed), Some(address)) => state.budget.answered(handed, address),
            (Some(handed), None) => state.budget.failed(handed, |_| DialOutcome::InVain),
            (None, _) => {}
        }
    }

    /// A dial has failed, at each address in its way.
    pub(crate) fn dial_failed(
        &self,
        connection: ConnectionId,
        outcome: impl Fn(&Multiaddr) -> DialOutcome,
    ) {
        // `outcome` may ask about other dials.
        let handed = {
            let mut state = self.node.lock();
            let Some(dial) = state.dials.get_mut(connection) else {
                return;
            };
            dial.ended = true;
            dial.handed
                .as_mut()
                .map(|(_, handed)| std::mem::take(handed))
        };
        let judged: Vec<_> = handed
            .into_iter()
            .flatten()
            .map(|handed| (outcome(handed.address()), handed))
            .collect();
        let mut state = self.node.lock();
        for (outcome, handed) in judged {
            state.budget.failed(vec![handed], |_| outcome);
        }
    }

    /// The dial came to nothing by this node's own fault: it is not drawn from the minute's budget.
    pub(crate) fn give_back(&self, connection: ConnectionId) {
        let state = &mut *self.node.lock();
        let dial = state.dials.get_mut(connection);
        if dial.is_some_and(|dial| std::mem::take(&mut dial.drawn)) {
            state.budget.give_back();
        }
    }

    // ---- Connections ----

    /// A connection is established. Returns whether a behaviour of this node has dialled it, so
    /// that it is theirs to close.
    pub(crate) fn established(&self, peer: PeerId, connection: ConnectionId) -> bool {
        let state = &mut *self.node.lock();
        let Some(dial) = state.dials.get_mut(connection) else {
            return false;
        };
        dial.ended = true;
        let is_ours = dial.by.is_some();
        if is_ours {
            state.leases.established(self.id, peer, connection);
        }
        is_ours
    }

    /// A connection is closed.
    pub(crate) fn closed(&self, connection: ConnectionId) {
        self.node.lock().leases.closed(connection);
    }

    /// See [`Leases::is_closing`].
    pub(crate) fn is_closing(&self, connection: ConnectionId) -> bool {
        self.node.lock().leases.is_closing(connection)
    }

    /// See [`Leases::uses`].
    pub(crate) fn uses(&self, connection: ConnectionId) -> bool {
        self.node.lock().leases.uses(connection)
    }

    /// See [`Leases::lets_go`].
    pub(crate) fn lets_go(&self, connection: ConnectionId) -> bool {
        self.node.lock().leases.lets_go(self.id, connection)
    }

    /// See [`Leases::asked`]. To be called whenever the behaviour is polled.
    pub(crate) fn asked(&self) -> Vec<(PeerId, ConnectionId)> {
        let mut state = self.node.lock();
        state.dials.forget_ended();
        state.leases.asked(self.id)
    }

    /// The peer is a neighbour of this behaviour's from now on, or no longer.
    pub(crate) fn set_neighbour(&self, peer: PeerId, is_neighbour: bool) {
        let mut state = self.node.lock();
        state.leases.set_neighbour(self.id, peer, is_neighbour);
        let wanted = state.leases.is_neighbour(&peer);
        drop(state);
        self.node.gate.set_wanted(peer, wanted);
    }

    /// Whether the peer is a neighbour of any behaviour of this node.
    pub(crate) fn is_neighbour(&self, peer: &PeerId) -> bool {
        self.node.lock().leases.is_neighbour(peer)
    }

    /// What this behaviour keeps a connection for from now on.
    pub(crate) fn set_purpose(
        &self,
        peer: PeerId,
        connection: ConnectionId,
        purpose: Option<LeasePurpose>,
    ) {
        let mut state = self.node.lock();
        state
            .leases
            .set_purpose(self.id, (peer, connection), purpose);
    }

    // ---- Announcements ----

    /// This behaviour tells all behaviours of the swarm that `peer` is at `address`.
    pub(crate) fn announce(&self, peer: PeerId, address: Multiaddr) {
        self.node.lock().announcement = Some(Announcement {
            peer,
            address,
            heard: BTreeSet::new(),
        });
    }

    /// Whether it is a behaviour of this node that says so, and not another: to one of another
    /// network that is nobody to contact. Each may ask once, since the swarm tells all of them
    /// before anybody says anything else; who says it again is another.
    pub(crate) fn is_announced_by_us(&self, peer: &PeerId, address: &Multiaddr) -> bool {
        let mut state = self.node.lock();
        let said = state.announcement.as_mut();
        let said = said.filter(|said| said.peer == *peer && said.address == *address);
        said.is_some_and(|said| said.heard.insert(self.id))
    }

    /// How much is remembered.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.node.lock();
        state.dials.is_empty() && state.leases.is_empty()
    }

    /// Whether no dial is under way.
    #[cfg(test)]
    pub(crate) fn dials_nobody(&self) -> bool {
        self.node.lock().dials.is_empty()
    }

    /// The seed that a dial under way goes to, if it does.
    #[cfg(test)]
    pub(crate) fn seed_dialled(&self, connection: ConnectionId) -> Option<Multiaddr> {
        let state = self.node.lock();
        match state.dials.get(connection)?.purpose.as_ref()? {
            DialPurpose::Seed(address) => Some(address.clone()),
            DialPurpose::Exchange(_) | DialPurpose::Relay => None,
        }
    }
}
