//! The neighbours: a bounded number of exchange partners that stay connected on purpose.
//!
//! HyParView's lesson (DSN 2007): a small set of symmetric, kept-open connections, on top of a
//! large shuffled view. Both ends agree inside an exchange: the request proposes, the response
//! says yes or no. As in HyParView, a proposal has two priorities: a peer that is short of
//! neighbours is taken in even if a present one has to give way, so newcomers find a place in a
//! network where all places are taken.
//!
//! Identities cost nothing, so whoever has many could take all places in that way. So it is the network with
//! the most neighbours that gives way, and nobody in another's favour who is in as crowded a one.

use libp2p_identity::PeerId;
use rand::{Rng, seq::IndexedRandom};

use crate::swarm::wire::Proposal;

/// Who is a neighbour, and who was asked to be.
#[derive(Debug)]
pub(super) struct Neighbours {
    bound: usize,
    members: Vec<PeerId>,
    /// Peers that were asked and have not answered: places held free for them.
    asked: Vec<PeerId>,
}

/// The answer to a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is a neighbour already.
    Kept,
    /// It is a neighbour now; if there is another peer in it, that one had to give way.
    Accepted(Option<PeerId>),
    /// It is no neighbour, and was none.
    Declined,
    /// It was a neighbour and is none any more, because it proposed nothing.
    Dissolved,
}

/// What came of a proposal of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// Nothing changed.
    Unchanged,
    /// It was asked, is none, and its answer did not come: it may have said yes.
    Unanswered,
    /// It is a neighbour now.
    Up,
    /// It was a neighbour and keeps the connection no longer.
    Down,
    /// It said yes, and meanwhile all places are taken: it has to be told.
    TooLate,
}

impl Neighbours {
    pub(super) fn new(bound: usize) -> Self {
        Self {
            bound,
            members: Vec::new(),
            asked: Vec::new(),
        }
    }

    pub(super) fn contains(&self, peer: &PeerId) -> bool {
        self.members.contains(peer)
    }

    pub(super) fn members(&self) -> &[PeerId] {
        &self.members
    }

    /// Whether this node has fewer than half of the neighbours that it wants.
    pub(super) fn is_short(&self) -> bool {
        self.members.len() < self.bound.div_ceil(2)
    }

    /// What to propose to `peer` in a request. A place is held for it until [`Self::settle`].
    pub(super) fn propose(&mut self, peer: PeerId) -> Proposal {
        let priority = match self.is_short() {
            true => Proposal::Needed,
            false => Proposal::Welcome,
        };
        if self.contains(&peer) {
            return priority;
        }
        if !self.has_room_beside(&peer) {
            return Proposal::None;
        }
        if !self.asked.contains(&peer) {
            self.asked.push(peer);
        }
        priority
    }

    /// The end of a proposal of ours: what `peer` answered, or `None` when no answer came.
    pub(super) fn settle(&mut self, peer: PeerId, answer: Option<bool>) -> Settled {
        let asked = self.asked.contains(&peer);
        self.asked.retain(|other| *other != peer);
        match (answer, self.contains(&peer)) {
            (None, false) if asked => Settled::Unanswered,
            (None, _) | (Some(true), true) | (Some(false), false) => Settled::Unchanged,
            (Some(false), true) => {
                self.remove(&peer);
                Settled::Down
            }
            (Some(true), false) if asked && self.members.len() < self.bound => {
                self.members.push(peer);
                Settled::Up
            }
            (Some(true), false) => Settled::TooLate,
        }
    }

    /// Answers what `peer` proposed in a request. `network`: where a connected peer's address lies.
    pub(super) fn answer<R: Rng + ?Sized>(
        &mut self,
        peer: PeerId,
        proposal: Proposal,
        network: impl Fn(&PeerId) -> Option<u64>,
        rng: &mut R,
    ) -> Answer {
        match (proposal, self.contains(&peer)) {
            // Messages overtake each other: a yes to what we asked before is not worth more than this.
            (Proposal::None, _) => match self.remove(&peer) {
                true => Answer::Dissolved,
                false => Answer::Declined,
            },
            (_, true) => Answer::Kept,
            (_, false) if self.has_room_beside(&peer) => {
                self.members.push(peer);
                Answer::Accepted(None)
            }
            // Of one place there is nothing to give.
            (Proposal::Needed, false) if self.members.len() > 1 => {
                let crowd = self.crowd(network(&peer), network);
                let Some(replaced) = crowd.choose(rng).copied() else {
                    return Answer::Declined;
                };
                self.remove(&replaced);
                self.members.push(peer);
                Answer::Accepted(Some(replaced))
            }
            (_, false) => Answer::Declined,
        }
    }

    /// Those of whom one may give way to somebody in the network `newcomers`: all in the most crowded
    /// networks, or, if it is one of these itself, all in it.
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
    pub(super) fn remove(&mut self, peer: &PeerId) -> bool {
        self.asked.retain(|asked| asked != peer);
        let before = self.members.len();
        self.members.retain(|member| member != peer);
        self.members.len() < before
    }

    /// Whether there is a place that is neither taken nor held for another than `peer`.
    fn has_room_beside(&self, peer: &PeerId) -> bool {
        let waits = |asked: &&PeerId| *asked != peer && !self.members.contains(asked);
        let held = self.asked.iter().filter(waits).count();
        self.members.len() + held < self.bound
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn peers(count: usize) -> Vec<PeerId> {
        (0..count).map(|_| PeerId::random()).collect()
    }

    fn rng() -> StdRng {
        StdRng::seed_from_u64(1)
    }

    fn anywhere(_: &PeerId) -> Option<u64> {
        None
    }

    #[test]
    fn places_are_held_for_those_who_were_asked() {
        let mut neighbours = Neighbours::new(2);
        let p = peers(4);
        assert_eq!(neighbours.propose(p[0]), Proposal::Needed);
        assert_eq!(neighbours.propose(p[1]), Proposal::Needed);
        assert_eq!(neighbours.propose(p[2]), Proposal::None);
        assert_eq!(
            neighbours.answer(p[3], Proposal::Welcome, anywhere, &mut rng()),
            Answer::Declined
        );
        assert_eq!(neighbours.settle(p[0], Some(true)), Settled::Up);
        assert_eq!(neighbours.settle(p[1], None), Settled::Unanswered);
        assert_eq!(neighbours.settle(p[1], None), Settled::Unchanged);
        assert_eq!(
            neighbours.answer(p[3], Proposal::Welcome, anywhere, &mut rng()),
            Answer::Accepted(None)
        );
        assert_eq!(neighbours.members(), [p[0], p[3]]);
    }

    #[test]
    fn those_who_ask_each_other_at_once_agree() {
        let mut neighbours = Neighbours::new(1);
        let p = peers(1);
        assert_eq!(neighbours.propose(p[0]), Proposal::Needed);
        assert_eq!(
            neighbours.answer(p[0], Proposal::Needed, anywhere, &mut rng()),
            Answer::Accepted(None)
        );
        assert_eq!(neighbours.settle(p[0], Some(true)), Settled::Unchanged);
        assert_eq!(neighbours.members(), p);
    }

    #[test]
    fn a_peer_that_is_short_of_neighbours_is_taken_in() {
        let mut neighbours = Neighbours::new(3);
        let p = peers(5);
        for peer in &p[..3] {
            neighbours.answer(*peer, Proposal::Welcome, anywhere, &mut rng());
        }
        assert_eq!(
            neighbours.answer(p[3], Proposal::Welcome, anywhere, &mut rng()),
            Answer::Declined
        );
        let Answer::Accepted(Some(replaced)) =
            neighbours.answer(p[4], Proposal::Needed, anywhere, &mut rng())
        else {
            panic!("declined");
        };
        assert!(p[..3].contains(&replaced) && !neighbours.contains(&replaced));
        assert!(neighbours.contains(&p[4]));
        assert_eq!(neighbours.members().len(), 3);
    }

    /// A thousand identities in one network, and neighbours in as many networks as there are places.
    #[test]
    fn one_network_gets_one_place() {
        let mut neighbours = Neighbours::new(8);
        let (honest, sybils) = (peers(8), peers(1_000));
        let at = |peer: &PeerId| honest.iter().position(|p| p == peer).map(|at| at as u64);
        for peer in &honest {
            neighbours.answer(*peer, Proposal::Welcome, at, &mut rng());
        }
        let mut rng = rng();
        for sybil in &sybils {
            let answer = neighbours.answer(*sybil, Proposal::Needed, at, &mut rng);
            assert!(matches!(answer, Answer::Accepted(Some(_))), "{answer:?}");
        }
        let kept = honest.iter().filter(|peer| neighbours.contains(peer));
        assert_eq!(kept.count(), 7);
        // Who was there first gives way to those in other networks.
        let mut neighbours = Neighbours::new(8);
        for sybil in &sybils[..8] {
            neighbours.answer(*sybil, Proposal::Welcome, at, &mut rng);
        }
        for peer in &honest {
            neighbours.answer(*peer, Proposal::Needed, at, &mut rng);
        }
        let here = honest.iter().filter(|peer| neighbours.contains(peer));
        assert!(here.count() >= 7);
    }

    #[test]
    fn the_next_exchange_settles_a_disagreement() {
        let p = peers(1);
        let mut neighbours = Neighbours::new(2);
        neighbours.answer(p[0], Proposal::Welcome, anywhere, &mut rng());
        assert_eq!(
            neighbours.answer(p[0], Proposal::None, anywhere, &mut rng()),
            Answer::Dissolved
        );
        neighbours.answer(p[0], Proposal::Welcome, anywhere, &mut rng());
        assert_ne!(neighbours.propose(p[0]), Proposal::None);
        assert_eq!(neighbours.settle(p[0], Some(false)), Settled::Down);
        assert!(neighbours.members().is_empty());
    }

    /// The peer says yes, thinks better of it, and its second word overtakes the first.
    #[test]
    fn a_yes_that_was_overtaken_by_a_no_is_too_late() {
        let p = peers(1);
        let mut neighbours = Neighbours::new(2);
        neighbours.propose(p[0]);
        assert_eq!(
            neighbours.answer(p[0], Proposal::None, anywhere, &mut rng()),
            Answer::Declined
        );
        assert_eq!(neighbours.settle(p[0], Some(true)), Settled::TooLate);
    }

    /// We ask, accept what the peer proposed meanwhile, and give its place to another.
    #[test]
    fn a_yes_that_comes_after_its_place_was_given_away_is_too_late() {
        let p = peers(40);
        let mut rng = rng();
        let mut neighbours = Neighbours::new(2);
        neighbours.propose(p[0]);
        neighbours.answer(p[0], Proposal::Welcome, anywhere, &mut rng);
        let mut newcomers = p[1..].iter();
        while neighbours.contains(&p[0]) {
            let newcomer = newcomers.next().expect("one of 39 gets its place");
            neighbours.answer(*newcomer, Proposal::Needed, anywhere, &mut rng);
        }
        neighbours.remove(&neighbours.members()[0].clone());
        assert_eq!(neighbours.settle(p[0], Some(true)), Settled::TooLate);
    }

    #[test]
    fn a_yes_without_a_place_or_a_question_is_too_late() {
        let p = peers(3);
        let mut neighbours = Neighbours::new(1);
        assert_eq!(neighbours.settle(p[0], Some(true)), Settled::TooLate);
        neighbours.propose(p[0]);
        neighbours.members.push(p[1]);
        assert_eq!(neighbours.settle(p[0], Some(true)), Settled::TooLate);
        assert_eq!(neighbours.members(), [p[1]]);
    }

    #[test]
    fn a_bound_of_zero_switches_them_off() {
        let p = peers(1);
        let mut neighbours = Neighbours::new(0);
        assert!(!neighbours.is_short());
        assert_eq!(neighbours.propose(p[0]), Proposal::None);
        assert_eq!(
            neighbours.answer(p[0], Proposal::Needed, anywhere, &mut rng()),
            Answer::Declined
        );
    }
}
