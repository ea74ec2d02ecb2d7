//! For how long each link of a topology has not answered.

use crate::{peer::Peer, sampling::view::Descriptor};

/// In which round each link of the topology has answered this node last.
#[derive(Debug, Clone)]
pub(super) struct Silence<I> {
    heard: Vec<(I, u64)>,
}

impl<I: Clone + Eq> Silence<I> {
    /// Nobody has answered yet.
    pub(super) const fn new() -> Self {
        Self { heard: Vec::new() }
    }

    /// The peer's turn to be asked is over, in this round.
    pub(super) fn heard(&mut self, id: &I, round: u64) {
        match self.heard.iter_mut().find(|(known, _)| known == id) {
            Some((_, last)) => *last = round,
            None => self.heard.push((id.clone(), round)),
        }
    }

    /// Whether the link has had a turn since it became one.
    pub(super) fn knows(&self, id: &I) -> bool {
        self.heard.iter().any(|(known, _)| known == id)
    }

    /// Forgets all peers but these.
    pub(super) fn retain<P: Peer<Id = I>>(&mut self, links: &[Descriptor<P>]) {
        let is_link = |id: &I| links.iter().any(|d| d.peer.id() == id);
        self.heard.retain(|(id, _)| is_link(id));
    }

    /// The link that has been silent longest: one that has never answered before all others, and
    /// among equals the first.
    pub(super) fn longest<'a, P: Peer<Id = I> + 'a>(
        &self,
        links: impl Iterator<Item = &'a Descriptor<P>>,
    ) -> Option<&'a I> {
        let last = |id: &I| {
            let mut heard = self.heard.iter();
            heard
                .find(|(known, _)| known == id)
                .map(|(_, round)| *round)
        };
        let ids = links.map(|descriptor| descriptor.peer.id());
        ids.min_by_key(|id| last(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_was_silent_longest_is_found_and_others_are_forgotten() {
        let links = [1_u32, 2, 3].map(Descriptor::fresh);
        let mut silence = Silence::new();
        assert_eq!(silence.longest(links.iter()), Some(&1));
        silence.heard(&1, 1);
        silence.heard(&2, 3);
        assert_eq!(silence.longest(links.iter()), Some(&3), "it never answered");
        silence.heard(&3, 2);
        assert_eq!(silence.longest(links.iter()), Some(&1));
        silence.heard(&1, 4);
        assert_eq!(silence.longest(links.iter()), Some(&3));
        silence.retain(&links[..2]);
        assert_eq!(silence.heard.len(), 2);
        assert_eq!(
            silence.longest(std::iter::empty::<&Descriptor<u32>>()),
            None
        );
    }
}
