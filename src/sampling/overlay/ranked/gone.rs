//! Peers that this node has found dead, and what counts as news of them.

use crate::{peer::Peer, sampling::view::Descriptor};

/// The peers that were found dead lately. Others tell of them until their descriptors have grown
/// old. Such a descriptor is no news: its peer has made it before it was found dead.
#[derive(Debug, Clone)]
pub(super) struct Gone<I>(Vec<(I, u64)>);

impl<I: Clone + Eq> Gone<I> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// The peer was found dead in this round. At most `most` are remembered, the latest.
    pub(super) fn note(&mut self, id: &I, round: u64, most: usize) {
        self.forget(id);
        let surplus = (self.0.len() + 1).saturating_sub(most);
        self.0.drain(..surplus);
        self.0.push((id.clone(), round));
    }

    /// The peer lives.
    pub(super) fn forget(&mut self, id: &I) {
        self.0.retain(|(gone, _)| gone != id);
    }

    /// Forgets those that nobody can tell of any more: what they have told of themselves has grown
    /// older than `life`, in rounds.
    pub(super) fn expire(&mut self, round: u64, life: u32) {
        self.0.retain(|(_, died)| round - died <= life.into());
    }

    /// Whether the peer was found dead lately.
    pub(super) fn contains(&self, id: &I) -> bool {
        self.0.iter().any(|(gone, _)| gone == id)
    }

    /// Whether the descriptor is news: of a peer that was not found dead, or has told of itself
    /// since.
    pub(super) fn is_news<P: Peer<Id = I>>(&self, descriptor: &Descriptor<P>, round: u64) -> bool {
        let id = descriptor.peer.id();
        let died = self.0.iter().find(|(gone, _)| gone == id);
        died.is_none_or(|(_, died)| round.saturating_sub(descriptor.age.into()) > *died)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_peer_has_told_since_it_was_found_dead_is_news() {
        let mut gone = Gone::new();
        gone.note(&7_u32, 10, 5);
        let is_news = |gone: &Gone<u32>, peer: u32, age, round| {
            gone.is_news(&Descriptor { peer, age }, round)
        };
        assert!(!is_news(&gone, 7, 0, 10));
        assert!(!is_news(&gone, 7, 3, 13));
        assert!(is_news(&gone, 7, 2, 13), "told in round 11");
        assert!(is_news(&gone, 8, 9, 10), "another peer");
        gone.expire(40, 30);
        assert!(!is_news(&gone, 7, 30, 40));
        gone.expire(41, 30);
        assert!(!gone.contains(&7), "nobody can tell of it any more");
    }

    #[test]
    fn the_latest_are_remembered() {
        let mut gone = Gone::new();
        for peer in 0..9 {
            gone.note(&peer, peer.into(), 3);
        }
        gone.note(&7_u32, 9, 3);
        let remembered: Vec<u32> = (0..9).filter(|peer| gone.contains(peer)).collect();
        assert_eq!(remembered, [6, 7, 8]);
        gone.forget(&7);
        assert!(!gone.contains(&7));
    }
}
