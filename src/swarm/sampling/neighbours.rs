//! The neighbours: a bounded number of exchange partners that stay connected on purpose.
//!
//! HyParView's lesson (DSN 2007): a small set of symmetric, kept-open connections, on top of a
//! large shuffled view. Both ends agree inside an exchange: the request proposes, the response
//! says yes or no. As in HyParView, a proposal has two priorities: a peer that is short of
//! neighbours is taken in even if a present one has to give way, so newcomers find a place in a
//! network where all places are taken.
//!
//! Identities cost nothing, so an attacker with many could take all places in that way. So it is
//! the network with the most neighbours that gives way, and nobody in another's favour who is in as
//! crowded a one. A quarter of the places is for peers that this node has proposed it to, as
//! gossipsub keeps some of its mesh for connections of its own (D_out, gossipsub v1.1). And of
//! those that have proposed it themselves the younger half gives way, as Bitcoin spares inbound
//! connections that have lasted: newcomers displace each other.
//!
//! Unlike HyParView's active view, which changes only when somebody fails, this one is *rotated*: a
//! node that no neighbour has come to for a number of rounds takes a fresh one in, although its
//! places are taken, and the one that was there for longest gives way. The new one has agreed
//! before the old one goes, so rotation costs this node no neighbour; the displaced peer finds
//! another in the same manner.
//!
//! Where the overlay ranks, the neighbours are the peers that it ranks first, and nothing is
//! rotated: see [`Neighbours::ranked`].

mod wishes;

use libp2p_identity::PeerId;
use rand::{Rng, RngExt, seq::IndexedRandom};

use crate::swarm::{
    sampling::{event::NeighbourDownReason, neighbours::wishes::Wishes},
    wire::sampling::Proposal,
};

/// Which peers are neighbours, and which were asked to be.
#[derive(Debug)]
pub(crate) struct Neighbours {
    bound: usize,
    rotation: Option<u32>,
    /// Those that are neighbours for longest first.
    members: Vec<PeerId>,
    /// Those of the members that this node has proposed it to.
    chosen: Vec<PeerId>,
    /// Peers that were asked and have not answered: places held free for them.
    asked: Vec<PeerId>,
    /// Peers that were asked for an exchange and not for this, and have not answered. The no
    /// overtakes nothing: were one of them taken in meanwhile, it would hear the no after the yes,
    /// and part again.
    unasked: Vec<PeerId>,
    /// In how many rounds a fresh neighbour is due, if none comes before. Drawn anew for each that
    /// comes: or a network that has started as one would rotate as one; and while others press in,
    /// nobody is rotated out in their favour.
    due_in: u32,
    /// If the overlay ranks: which peers are wanted by name.
    wishes: Option<Wishes>,
}

/// The answer to a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is a neighbour already.
    Kept,
    /// It is a neighbour now.
    Accepted(Option<Displaced>),
    /// It is no neighbour, and was none.
    Declined,
    /// It was a neighbour and is none any more, because it proposed nothing.
    Dissolved,
}

/// A neighbour that had to give way to a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Displaced {
    pub(crate) peer: PeerId,
    pub(crate) reason: NeighbourDownReason,
}

/// What came of a proposal of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProposalOutcome {
    /// Nothing changed.
    Unchanged,
    /// It was asked, is none, and its answer did not come: it may have said yes.
    Unanswered,
    /// It is a neighbour now.
    Up(Option<Displaced>),
    /// It was a neighbour and keeps the connection no longer.
    Down,
    /// It said yes, and meanwhile all places are taken: it has to be told.
    TooLate,
}

impl Neighbours {
    /// At most `bound`, of which one gives way when there was no fresh one for `rotation` rounds.
    pub(crate) fn new(bound: usize, rotation: Option<u32>) -> Self {
        Self {
            bound,
            rotation,
            members: Vec::new(),
            chosen: Vec::new(),
            asked: Vec::new(),
            unasked: Vec::new(),
            due_in: u32::MAX,
            wishes: None,
        }
    }

    /// At most `bound`, and only such as one of the two ends ranks among its first ones. A target
    /// of this node always has a place, and another gives way to it. What is left is for peers that
    /// have this node among their targets, those that come first.
    pub(crate) fn ranked(bound: usize) -> Self {
        Self {
            wishes: Some(Wishes::default()),
            ..Self::new(bound, None)
        }
    }

    /// The peers that this node ranks first, the best first. Without meaning where the overlay does
    /// not rank.
    pub(crate) fn set_targets(&mut self, targets: &[PeerId]) {
        let most = targets.len().min(self.bound);
        if let Some(wishes) = &mut self.wishes {
            wishes.set_targets(&targets[..most]);
        }
    }

    /// Whether the peer is a target of this node.
    pub(crate) fn wants(&self, peer: &PeerId) -> bool {
        let wishes = self.wishes.as_ref();
        wishes.is_some_and(|wishes| wishes.wants(peer))
    }

    /// A neighbour that neither end ranks among its first ones any more.
    pub(crate) fn outranked(&self) -> Option<PeerId> {
        let wishes = self.wishes.as_ref()?;
        self.members
            .iter()
            .find(|peer| wishes.is_idle(peer))
            .copied()
    }

    pub(crate) fn contains(&self, peer: &PeerId) -> bool {
        self.members.contains(peer)
    }

    pub(crate) fn members(&self) -> &[PeerId] {
        &self.members
    }

    /// How many there may be.
    pub(crate) fn bound(&self) -> usize {
        self.bound
    }

    /// Whether this node has fewer than half of the neighbours that it wants.
    pub(crate) fn is_short(&self) -> bool {
        // A ranked one looks for certain peers, and haste does not bring these.
        self.wishes.is_none() && self.members.len() < self.bound.div_ceil(2)
    }

    /// Whether this node has fewer neighbours than it wants.
    pub(crate) fn has_room(&self) -> bool {
        self.members.len() < self.bound
    }

    /// Whether everybody has answered.
    #[cfg(test)]
    pub(crate) fn is_settled(&self) -> bool {
        self.asked.is_empty() && self.unasked.is_empty()
    }

    /// A round begins.
    pub(crate) fn begin_round(&mut self) {
        self.due_in = self.due_in.saturating_sub(1);
    }

    /// What to propose to `peer` in a request. A place is held for it until [`Self::settle`].
    pub(crate) fn propose(&mut self, peer: PeerId) -> Proposal {
        let is_target = self.wishes.as_ref().map(|wishes| wishes.wants(&peer));
        let priority = match is_target.unwrap_or(self.is_short()) {
            true => Proposal::Needed,
            false => Proposal::Welcome,
        };
        if self.contains(&peer) {
            return priority;
        }
        if let Some(is_target) = is_target {
            if !is_target {
                return Proposal::None;
            }
            if !self.asked.contains(&peer) {
                self.asked.push(peer);
            }
            return priority;
        }
        // Of one at a time, or one wave of answers would replace all.
        let instead = self.is_due() && self.asked.is_empty();
        if !self.has_room_beside(&peer) && !instead {
            return Proposal::None;
        }
        if !self.asked.contains(&peer) {
            self.asked.push(peer);
        }
        priority
    }

    /// What to say to a neighbour that is asked whether it sees it that way.
    pub(crate) fn confirmation(&self, peer: &PeerId) -> Proposal {
        match &self.wishes {
            Some(wishes) if wishes.wants(peer) => Proposal::Needed,
            _ => Proposal::Welcome,
        }
    }

    /// All proposals are given up.
    pub(crate) fn forget_asked(&mut self) {
        self.asked.clear();
        self.unasked.clear();
    }

    /// A request without a proposal is on its way to `peer`, until [`Self::settle`].
    pub(crate) fn says_no(&mut self, peer: PeerId) {
        if !self.unasked.contains(&peer) {
            self.unasked.push(peer);
        }
    }

    /// The end of a proposal of ours: what `peer` answered, or `None` when no answer came.
    /// `network`: where a connected peer's address lies.
    pub(crate) fn end_proposal<R: Rng + ?Sized>(
        &mut self,
        peer: PeerId,
        answer: Option<bool>,
        network: impl Fn(&PeerId) -> Option<u64>,
        rng: &mut R,
    ) -> ProposalOutcome {
        let asked = self.asked.contains(&peer);
        self.asked.retain(|other| *other != peer);
        self.unasked.retain(|other| *other != peer);
        // A target has a place whenever it says yes, and if its answer is late it asks itself.
        let is_target = self.wants(&peer);
        match (answer, self.contains(&peer)) {
            (None, false) if is_target => ProposalOutcome::Unchanged,
            (None, false) if asked => ProposalOutcome::Unanswered,
            (None, _) | (Some(true), true) | (Some(false), false) => ProposalOutcome::Unchanged,
            (Some(false), true) => {
                self.remove(&peer);
                ProposalOutcome::Down
            }
            (Some(true), false) if (asked || is_target) && self.has_room() => {
                self.add(peer, true, rng);
                ProposalOutcome::Up(None)
            }
            (Some(true), false) if is_target => match self.give_way() {
                Some(displaced) => {
                    self.add(peer, true, rng);
                    ProposalOutcome::Up(Some(displaced))
                }
                None => ProposalOutcome::TooLate,
            },
            (Some(true), false) if asked && self.is_due() => {
                let crowd = self.crowd(network(&peer), network);
                match crowd.first().copied() {
                    Some(longest) => {
                        self.remove(&longest);
                        self.add(peer, true, rng);
                        ProposalOutcome::Up(Some(Displaced {
                            peer: longest,
                            reason: NeighbourDownReason::Rotated,
                        }))
                    }
                    None => ProposalOutcome::TooLate,
                }
            }
            (Some(true), false) => ProposalOutcome::TooLate,
        }
    }

    /// Answers what `peer` proposed in a request. `network`: where a connected peer's address lies.
    pub(crate) fn answer<R: Rng + ?Sized>(
        &mut self,
        peer: PeerId,
        proposal: Proposal,
        network: impl Fn(&PeerId) -> Option<u64>,
        rng: &mut R,
    ) -> Answer {
        let answer = self.decide(peer, proposal, network, rng);
        let is_member = self.contains(&peer);
        if let Some(wishes) = self.wishes.as_mut().filter(|_| is_member) {
            wishes.note(peer, proposal);
        }
        answer
    }

    fn decide<R: Rng + ?Sized>(
        &mut self,
        peer: PeerId,
        proposal: Proposal,
        network: impl Fn(&PeerId) -> Option<u64>,
        rng: &mut R,
    ) -> Answer {
        let is_target = self.wishes.as_ref().map(|wishes| wishes.wants(&peer));
        match (proposal, self.contains(&peer)) {
            // Messages overtake each other: a yes to what we asked before is not worth more than
            // this.
            (Proposal::None, _) => match self.remove(&peer) {
                true => Answer::Dissolved,
                false => Answer::Declined,
            },
            // Neither end ranks the other among its first ones.
            (Proposal::Welcome, true) if is_target == Some(false) => {
                self.remove(&peer);
                Answer::Dissolved
            }
            (_, true) => Answer::Kept,
            (_, false) if self.unasked.contains(&peer) => Answer::Declined,
            (_, false) if is_target.is_some() => {
                self.answer_ranked(peer, is_target == Some(true), rng)
            }
            (_, false) if self.has_room_beside(&peer) && self.has_room_for_others() => {
                self.add(peer, false, rng);
                Answer::Accepted(None)
            }
            (Proposal::Needed | Proposal::Welcome, false) => {
                let mut crowd = self.crowd(network(&peer), network);
                // Or, where all were chosen, newcomers would find no place.
                if self.chosen.len() <= self.bound.saturating_sub((self.bound / 4).max(1)) {
                    crowd.retain(|member| !self.chosen.contains(member));
                }
                // Of one place there is nothing to give.
                let younger = &crowd[crowd.len() / 2..];
                let replaced = match proposal {
                    Proposal::Needed if self.members.len() > 1 => younger.choose(rng).copied(),
                    _ => None,
                };
                let replaced = replaced.map(|peer| (peer, NeighbourDownReason::Replaced));
                let rotated = match self.is_due() {
                    true => crowd.first().copied(),
                    false => None,
                };
                let rotated = rotated.map(|peer| (peer, NeighbourDownReason::Rotated));
                let Some((gives_way, reason)) = replaced.or(rotated) else {
                    return Answer::Declined;
                };
                self.remove(&gives_way);
                self.add(peer, false, rng);
                Answer::Accepted(Some(Displaced {
                    peer: gives_way,
                    reason,
                }))
            }
        }
    }

    /// Answers a peer that has this node among its targets, or is among this node's own.
    fn answer_ranked<R: Rng + ?Sized>(
        &mut self,
        peer: PeerId,
        is_target: bool,
        rng: &mut R,
    ) -> Answer {
        let displaced = match (self.has_room(), is_target) {
            (true, true) => None,
            (false, true) => match self.give_way() {
                Some(displaced) => Some(displaced),
                None => return Answer::Declined,
            },
            (_, false) if self.has_room_for_strangers() => None,
            (_, false) => return Answer::Declined,
        };
        self.add(peer, is_target, rng);
        Answer::Accepted(displaced)
    }

    /// Removes the neighbour that gives way to a target: the latest one that is no target itself.
    fn give_way(&mut self) -> Option<Displaced> {
        let wishes = self.wishes.as_ref()?;
        let mut members = self.members.iter().rev();
        let peer = *members.find(|member| !wishes.wants(member))?;
        self.remove(&peer);
        Some(Displaced {
            peer,
            reason: NeighbourDownReason::Outranked,
        })
    }

    /// Whether there is a place that no target of this node may come to need.
    fn has_room_for_strangers(&self) -> bool {
        let Some(wishes) = &self.wishes else {
            return false;
        };
        let strangers = self.members.iter().filter(|peer| !wishes.wants(peer));
        strangers.count() + wishes.count() < self.bound
    }

    /// The neighbours of which one may give way to a peer in the network `newcomers`: all in the
    /// most crowded networks, or, if it is one of these itself, all in it. Neighbours for longest
    /// first.
    fn crowd(
        &self,
        newcomers: Option<u64>,
        network: impl Fn(&PeerId) -> Option<u64>,
    ) -> Vec<PeerId> {
        let networks: Vec<_> = self.members.iter().map(network).collect();
        let count = |of: &Option<u64>| networks.iter().filter(|other| *other == of).count();
        let most = networks.iter().map(count).max().unwrap_or_default();
        let is_crowded = count(&newcomers) >= most;
        let gives_way = |of: &Option<u64>| match is_crowded {
            true => *of == newcomers,
            false => count(of) == most,
        };
        let members = self.members.iter().zip(&networks);
        let crowd = members.filter(|(_, network)| gives_way(network));
        crowd.map(|(member, _)| *member).collect()
    }

    /// Removes a neighbour; returns whether it was one. A yes of its that is still on the way comes
    /// too late.
    pub(crate) fn remove(&mut self, peer: &PeerId) -> bool {
        self.asked.retain(|asked| asked != peer);
        self.chosen.retain(|chosen| chosen != peer);
        if let Some(wishes) = &mut self.wishes {
            wishes.forget(peer);
        }
        let before = self.members.len();
        self.members.retain(|member| member != peer);
        self.members.len() < before
    }

    fn add<R: Rng + ?Sized>(&mut self, peer: PeerId, chosen: bool, rng: &mut R) {
        self.members.push(peer);
        if chosen {
            self.chosen.push(peer);
        }
        if let Some(rounds) = self.rotation {
            let half = rounds.div_ceil(2);
            self.due_in = rng.random_range(half..=rounds.saturating_add(rounds / 2));
        }
    }

    /// Whether it is time for a fresh neighbour, although all places are taken. Of one place there
    /// is nothing to give.
    fn is_due(&self) -> bool {
        self.due_in == 0 && self.bound > 1 && !self.has_room()
    }

    /// Whether there is a place that is neither taken nor held for another than `peer`.
    fn has_room_beside(&self, peer: &PeerId) -> bool {
        let waits = |asked: &&PeerId| *asked != peer && !self.members.contains(asked);
        let held = self.asked.iter().filter(waits).count();
        self.members.len() + held < self.bound
    }

    /// Whether others may still have a place by their own proposal: a quarter is for the peers that
    /// this node proposes it to.
    fn has_room_for_others(&self) -> bool {
        self.members.len() - self.chosen.len() < self.bound - self.bound / 4
    }
}

#[cfg(test)]
mod tests;
