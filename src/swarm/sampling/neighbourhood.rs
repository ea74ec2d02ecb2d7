//! The neighbourhood: which peers both ends keep connected, and what is said about it.

use std::time::Duration;

use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;
use rand::Rng;

use crate::{
    swarm::{
        exchanger::{Exchanger, under_way::RequestPurpose},
        sampling::{
            confirmations::{Confirmations, Due},
            event::{Event, NeighbourDownReason},
            neighbours::{Answer, Displaced, Neighbours, ProposalOutcome},
        },
        wire::sampling::{Proposal, Request, Sampling},
    },
    time::{Time, Wake},
};

/// For how many rounds a node starts its rounds early after it has lost a neighbour. A guess: of
/// the others, one in five or so has a place to give.
const EAGER_ROUNDS: u32 = 8;
/// How many peers a node stays in touch with on purpose: while it has fewer neighbours, it keeps
/// the connections of its latest exchanges instead of closing them. A guess: one may be about to
/// fail.
const LIFELINES: usize = 2;

/// The neighbours, and what was asked and answered about them.
#[derive(Debug)]
pub(crate) struct Neighbourhood {
    neighbours: Neighbours,
    confirmations: Confirmations,
    /// Whether neighbours came or went since [`Self::take_eager`] was last asked.
    changed: bool,
    /// For how many more rounds to be eager for a neighbour that was lost.
    eager_rounds: u32,
}

impl Neighbourhood {
    /// `period`: of the node's rounds.
    pub(crate) fn new(neighbours: Neighbours, period: Duration) -> Self {
        Self {
            neighbours,
            confirmations: Confirmations::new(period),
            changed: false,
            eager_rounds: 0,
        }
    }

    /// The peers that the overlay ranks first: these are to be the neighbours, if it ranks.
    pub(crate) fn set_targets(&mut self, targets: &[PeerId]) {
        self.neighbours.set_targets(targets);
    }

    pub(crate) fn members(&self) -> &[PeerId] {
        self.neighbours.members()
    }

    pub(crate) fn contains(&self, peer: &PeerId) -> bool {
        self.neighbours.contains(peer)
    }

    /// Whether this node has fewer than half of the neighbours that it wants.
    pub(crate) fn is_short(&self) -> bool {
        self.neighbours.is_short()
    }

    /// Whether every peer that was asked to be a neighbour has answered.
    #[cfg(test)]
    pub(crate) fn is_settled(&self) -> bool {
        self.neighbours.is_settled()
    }

    /// Whether the next chance to find a neighbour should not wait a whole period, asked after a
    /// round and after everything else. When there are too few: each change answers yes once. When
    /// one was lost: a few times, until another has taken its place. So eager rounds come to rest
    /// by themselves.
    pub(crate) fn take_eager(&mut self, after_round: bool) -> bool {
        let changed = std::mem::take(&mut self.changed);
        if !self.neighbours.has_room() {
            self.eager_rounds = 0;
        }
        let lost = self.eager_rounds > 0 && (changed || after_round);
        if lost && after_round {
            self.eager_rounds -= 1;
        }
        lost || (changed && self.neighbours.is_short())
    }

    // ---- What this node says ----

    /// What to propose to the partner of an exchange.
    pub(crate) fn propose(
        &mut self,
        partner: PeerId,
        exchanger: &Exchanger<Sampling, Event>,
    ) -> Proposal {
        let proposal = match exchanger.keeper.connections.is_direct(&partner) {
            true => self.neighbours.propose(partner),
            false => Proposal::None,
        };
        if proposal == Proposal::None {
            self.neighbours.says_no(partner);
        }
        proposal
    }

    /// There is a direct connection to a peer that exchanges were made with through a relay: what
    /// that was good for is over, and the peer may be a neighbour.
    pub(crate) fn on_upgrade(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        exchanger: &mut Exchanger<Sampling, Event>,
    ) {
        exchanger.keeper.end_upgrade(peer);
        let proposal = self.neighbours.propose(peer);
        if proposal != Proposal::None {
            let request = Request::notice(proposal);
            exchanger.notify((peer, connection), request, RequestPurpose::Confirm);
        }
    }

    /// A round has begun: asks the neighbour that was heard longest ago whether it sees it that
    /// way. Messages overtake each other and get lost, so two ends may come to disagree; this ends
    /// it, whatever the reason was.
    pub(crate) fn begin_round(&mut self, exchanger: &mut Exchanger<Sampling, Event>, now: Time) {
        self.neighbours.begin_round();
        while let Some(peer) = self.neighbours.outranked() {
            self.dismiss(peer, NeighbourDownReason::Outranked, exchanger);
        }
        if let Some(peer) = self.confirmations.next() {
            self.ask_to_confirm(peer, exchanger, now);
        }
    }

    fn ask_to_confirm(
        &mut self,
        peer: PeerId,
        exchanger: &mut Exchanger<Sampling, Event>,
        now: Time,
    ) {
        self.confirmations.asked(&peer, now);
        if let Some(connection) = exchanger.keeper.usable(&peer) {
            let request = Request::notice(self.neighbours.confirmation(&peer));
            exchanger.notify((peer, connection), request, RequestPurpose::Confirm);
        }
    }

    /// Says goodbye to every connected peer that speaks the protocol.
    pub(crate) fn say_goodbye(&mut self, exchanger: &mut Exchanger<Sampling, Event>) {
        let speaking: Vec<_> = exchanger.keeper.connections.speaking().collect();
        for (peer, connection) in speaking {
            exchanger.notify((peer, connection), Request::Goodbye, RequestPurpose::Notice);
        }
        for peer in self.neighbours.members().to_vec() {
            self.remove(peer, NeighbourDownReason::Leaving, exchanger);
        }
        self.neighbours.forget_asked();
        exchanger.keeper.leave();
    }

    // ---- What others say ----

    /// The peer has sent something, or has refused to.
    pub(crate) fn heard(&mut self, peer: &PeerId, now: Time) {
        self.confirmations.heard(peer, now);
    }

    /// Asks again those neighbours that have not answered, and gives up those that were asked
    /// twice; nobody while this node is in trouble.
    pub(crate) fn end_silence(&mut self, exchanger: &mut Exchanger<Sampling, Event>, now: Time) {
        let in_trouble = exchanger.trouble.is_in(now);
        while let Some(due) = self.confirmations.poll(now, in_trouble) {
            match due {
                Due::Again(peer) => self.ask_to_confirm(peer, exchanger, now),
                Due::Silent(peer) => self.give_up(peer, exchanger),
            }
        }
    }

    /// When [`Self::end_silence`] has something to do.
    pub(crate) fn next_wake(&self) -> Option<Wake> {
        let at = self.confirmations.next_wake()?;
        Some(Wake::new(at, "a neighbour has not answered"))
    }

    /// Answers what `peer` proposed in a request.
    pub(crate) fn answer<R: Rng + ?Sized>(
        &mut self,
        peer: PeerId,
        proposal: Proposal,
        exchanger: &mut Exchanger<Sampling, Event>,
        (now, rng): (Time, &mut R),
    ) -> bool {
        let connections = &exchanger.keeper.connections;
        let proposal = match connections.is_direct(&peer) {
            true => proposal,
            false => Proposal::None,
        };
        let network = |peer: &PeerId| connections.network(peer);
        match self.neighbours.answer(peer, proposal, network, rng) {
            Answer::Kept => true,
            Answer::Declined => false,
            Answer::Accepted(displaced) => {
                self.up((peer, displaced), exchanger, now);
                true
            }
            Answer::Dissolved => {
                self.down(peer, NeighbourDownReason::Dissolved, exchanger);
                false
            }
        }
    }

    /// The end of a proposal of ours: what `peer` answered, or `None` when no answer came.
    pub(crate) fn end_proposal<R: Rng + ?Sized>(
        &mut self,
        peer: PeerId,
        answer: Option<bool>,
        exchanger: &mut Exchanger<Sampling, Event>,
        (now, rng): (Time, &mut R),
    ) {
        // The direct connection may have closed meanwhile.
        let direct = exchanger.keeper.connections.is_direct(&peer);
        if answer == Some(true) && !direct {
            dissolve(peer, exchanger);
        }
        let answer = answer.map(|yes| yes && direct);
        let network = |peer: &PeerId| exchanger.keeper.connections.network(peer);
        match self.neighbours.end_proposal(peer, answer, network, rng) {
            // It has no place: a node that has too few neighbours goes on looking.
            ProposalOutcome::Unchanged => self.changed |= answer == Some(false),
            ProposalOutcome::Up(displaced) => self.up((peer, displaced), exchanger, now),
            // It said no, and may have proposed it itself since: then it has our yes.
            ProposalOutcome::Down => {
                dissolve(peer, exchanger);
                self.down(peer, NeighbourDownReason::Dissolved, exchanger);
            }
            ProposalOutcome::TooLate | ProposalOutcome::Unanswered => dissolve(peer, exchanger),
        }
    }

    /// An answer says that the peer is a neighbour, and the question was given up: the place that
    /// was held for it is gone.
    pub(crate) fn answered_too_late(
        &self,
        peer: PeerId,
        exchanger: &mut Exchanger<Sampling, Event>,
    ) {
        // A target that thinks so asks again by itself, and has its place then.
        if !self.contains(&peer) && !self.neighbours.wants(&peer) {
            dissolve(peer, exchanger);
        }
    }

    // ---- Up and down ----

    /// Removes a neighbour, if it is one.
    pub(crate) fn remove(
        &mut self,
        peer: PeerId,
        reason: NeighbourDownReason,
        exchanger: &mut Exchanger<Sampling, Event>,
    ) {
        if self.neighbours.remove(&peer) {
            self.down(peer, reason, exchanger);
        }
    }

    /// Removes a neighbour, if it is one, and tells it so.
    pub(crate) fn dismiss(
        &mut self,
        peer: PeerId,
        reason: NeighbourDownReason,
        exchanger: &mut Exchanger<Sampling, Event>,
    ) {
        if self.neighbours.remove(&peer) {
            dissolve(peer, exchanger);
            self.down(peer, reason, exchanger);
        }
    }

    /// Gives up a neighbour that does not answer, if it is one. Its connections are dead.
    pub(crate) fn give_up(&mut self, peer: PeerId, exchanger: &mut Exchanger<Sampling, Event>) {
        if self.contains(&peer) {
            self.remove(peer, NeighbourDownReason::Unresponsive, exchanger);
            exchanger.keeper.give_up(peer);
        }
    }

    /// `peer` has become a neighbour, and another perhaps had to give way.
    fn up(
        &mut self,
        (peer, displaced): (PeerId, Option<Displaced>),
        exchanger: &mut Exchanger<Sampling, Event>,
        now: Time,
    ) {
        if let Some(Displaced { peer, reason }) = displaced {
            dissolve(peer, exchanger);
            self.down(peer, reason, exchanger);
        }
        self.confirmations.add(peer, now);
        exchanger.keeper.keep(peer, now);
        self.tell_keeper(exchanger);
        exchanger.keeper.actions.emit(Event::NeighbourUp { peer });
        self.changed = true;
    }

    fn down(
        &mut self,
        peer: PeerId,
        reason: NeighbourDownReason,
        exchanger: &mut Exchanger<Sampling, Event>,
    ) {
        use NeighbourDownReason::{ConnectionClosed, Goodbye, Unresponsive};
        if matches!(reason, ConnectionClosed | Goodbye | Unresponsive) {
            self.eager_rounds = EAGER_ROUNDS;
        }
        self.confirmations.remove(&peer);
        exchanger
            .keeper
            .actions
            .emit(Event::NeighbourDown { peer, reason });
        self.tell_keeper(exchanger);
        exchanger.keeper.let_go(peer);
        self.changed = true;
    }

    /// What the keeper has to know of how many neighbours there are. To be called once at the
    /// start.
    pub(crate) fn tell_keeper(&self, exchanger: &mut Exchanger<Sampling, Event>) {
        let enough = LIFELINES.min(self.neighbours.bound());
        let lifelines = enough.saturating_sub(self.neighbours.members().len());
        let has_room = self.neighbours.has_room();
        exchanger.keeper.set_wanted(lifelines, has_room);
    }
}

/// Tells `peer` that it is no neighbour, if it is connected.
fn dissolve(peer: PeerId, exchanger: &mut Exchanger<Sampling, Event>) {
    if let Some(connection) = exchanger.keeper.usable(&peer) {
        let request = Request::notice(Proposal::None);
        exchanger.notify((peer, connection), request, RequestPurpose::Notice);
    }
}
