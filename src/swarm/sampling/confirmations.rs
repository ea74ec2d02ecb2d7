//! Which neighbours still answer: each is asked in turn, and one that says nothing is given up.
//!
//! The connection alone does not tell. A process that is stopped, or that waits for ever, keeps its
//! connections open, and what is sent over them is lost.

use std::{collections::BTreeMap, time::Duration};

use libp2p_identity::PeerId;

use crate::time::Time;

/// How long an answer may take before the question is asked again, and then before the neighbour is
/// given up, in periods: both together less than three rounds.
const PATIENCE: f64 = 1.25;
/// The least time for an answer. A guess: several round trips around the world.
const LEAST_PATIENCE: Duration = Duration::from_millis(250);

/// When each neighbour was heard last, and which questions are unanswered.
#[derive(Debug)]
pub(crate) struct Confirmations {
    patience: Duration,
    neighbours: BTreeMap<PeerId, Neighbour>,
}

#[derive(Debug)]
struct Neighbour {
    /// When it last sent anything.
    heard: Time,
    /// When it was last asked without an answer since, and for which time.
    asked: Option<(Time, u32)>,
}

/// What is due for a neighbour that has not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// To be asked again.
    Again(PeerId),
    /// To be given up.
    Silent(PeerId),
}

impl Confirmations {
    /// For nodes that make their rounds in each `period`.
    pub(crate) fn new(period: Duration) -> Self {
        Self {
            patience: period.mul_f64(PATIENCE).max(LEAST_PATIENCE),
            neighbours: BTreeMap::new(),
        }
    }

    /// The peer is a neighbour from now on: it has just said so.
    pub(crate) fn add(&mut self, peer: PeerId, now: Time) {
        let heard = Neighbour {
            heard: now,
            asked: None,
        };
        self.neighbours.insert(peer, heard);
    }

    /// The peer is a neighbour no more.
    pub(crate) fn remove(&mut self, peer: &PeerId) {
        self.neighbours.remove(peer);
    }

    /// The peer has sent something, or has refused to.
    pub(crate) fn heard(&mut self, peer: &PeerId, now: Time) {
        if let Some(neighbour) = self.neighbours.get_mut(peer) {
            neighbour.heard = now;
            neighbour.asked = None;
        }
    }

    /// The neighbour to ask in this round: of those with no question open, the one that was heard
    /// longest ago.
    pub(crate) fn next(&self) -> Option<PeerId> {
        let unasked = self.neighbours.iter().filter(|(_, n)| n.asked.is_none());
        let silent = unasked.min_by_key(|(_, neighbour)| neighbour.heard);
        silent.map(|(peer, _)| *peer)
    }

    /// The neighbour was asked.
    pub(crate) fn asked(&mut self, peer: &PeerId, now: Time) {
        if let Some(neighbour) = self.neighbours.get_mut(peer) {
            let times = neighbour.asked.map_or(0, |(_, times)| times);
            neighbour.asked = Some((now, times + 1));
        }
    }

    /// The next neighbour whose time to answer is over. To be called until `None`, and what it says
    /// is to be done. If this node itself comes too late, or is in trouble, nobody is given up for
    /// it.
    pub(crate) fn poll(&self, now: Time, in_trouble: bool) -> Option<Due> {
        let due = self.neighbours.iter().find_map(|(peer, neighbour)| {
            let (since, times) = neighbour.asked?;
            let at = since.saturating_add(self.patience);
            (at <= now).then_some((peer, at, times))
        });
        let (peer, at, times) = due?;
        let late = now > at.saturating_add(self.patience / 2);
        match times < 2 || late || in_trouble {
            true => Some(Due::Again(*peer)),
            false => Some(Due::Silent(*peer)),
        }
    }

    /// When [`Self::poll`] has something next.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        let asked = self.neighbours.values().filter_map(|n| n.asked);
        let since = asked.map(|(since, _)| since).min()?;
        Some(since.saturating_add(self.patience))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(10);
    const PATIENCE: Duration = Duration::from_millis(12_500);

    fn neighbours(count: u32) -> (Confirmations, Vec<PeerId>) {
        let mut confirmations = Confirmations::new(PERIOD);
        let peers: Vec<_> = (0..count).map(|_| PeerId::random()).collect();
        for (second, peer) in peers.iter().enumerate() {
            confirmations.add(*peer, Time::new(Duration::from_secs(second as u64)));
        }
        (confirmations, peers)
    }

    #[test]
    fn the_neighbour_heard_longest_ago_is_asked_first() {
        let (mut confirmations, peers) = neighbours(3);
        assert_eq!(confirmations.next(), Some(peers[0]));
        confirmations.asked(&peers[0], Time::new(PERIOD));
        assert_eq!(confirmations.next(), Some(peers[1]));
        confirmations.heard(&peers[1], Time::new(PERIOD));
        assert_eq!(confirmations.next(), Some(peers[2]));
        confirmations.remove(&peers[2]);
        assert_eq!(confirmations.next(), Some(peers[1]));
    }

    #[test]
    fn a_neighbour_that_does_not_answer_twice_is_given_up_within_three_rounds() {
        let (mut confirmations, peers) = neighbours(1);
        let peer = peers[0];
        confirmations.asked(&peer, Time::new(PERIOD));
        let first = PERIOD + PATIENCE;
        assert_eq!(confirmations.next_wake(), Some(Time::new(first)));
        assert_eq!(confirmations.poll(Time::new(first - PERIOD), false), None);
        assert_eq!(
            confirmations.poll(Time::new(first), false),
            Some(Due::Again(peer))
        );
        confirmations.asked(&peer, Time::new(first));
        let second = first + PATIENCE;
        assert!(second - PERIOD < 3 * PERIOD);
        assert_eq!(
            confirmations.poll(Time::new(second), false),
            Some(Due::Silent(peer))
        );
        confirmations.remove(&peer);
        assert_eq!(confirmations.poll(Time::new(second), false), None);
        assert_eq!(confirmations.next_wake(), None);
    }

    #[test]
    fn a_word_from_the_neighbour_ends_the_question() {
        let (mut confirmations, peers) = neighbours(1);
        confirmations.asked(&peers[0], Time::new(PERIOD));
        confirmations.asked(&peers[0], Time::new(2 * PERIOD));
        confirmations.heard(&peers[0], Time::new(3 * PERIOD));
        assert_eq!(confirmations.poll(Time::new(9 * PERIOD), false), None);
        confirmations.asked(&peers[0], Time::new(9 * PERIOD));
        let due = confirmations.poll(Time::new(9 * PERIOD + PATIENCE), false);
        assert_eq!(due, Some(Due::Again(peers[0])), "it starts anew");
    }

    #[test]
    fn a_node_that_is_late_or_in_trouble_gives_up_nobody() {
        let (mut confirmations, peers) = neighbours(1);
        let again = Some(Due::Again(peers[0]));
        confirmations.asked(&peers[0], Time::ZERO);
        confirmations.asked(&peers[0], Time::ZERO);
        assert_eq!(confirmations.poll(Time::new(PATIENCE), true), again);
        assert_eq!(confirmations.poll(Time::new(2 * PATIENCE), false), again);
        let silent = Some(Due::Silent(peers[0]));
        assert_eq!(confirmations.poll(Time::new(PATIENCE), false), silent);
    }
}
