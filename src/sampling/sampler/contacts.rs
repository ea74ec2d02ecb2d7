//! When a node was last in contact with other peers.

use std::time::Duration;

use crate::time::Time;

/// With which peers a node has made exchanges last, and when. Bounded: those longest ago are
/// forgotten.
#[derive(Debug)]
pub(super) struct Contacts<I> {
    /// The one longest ago first.
    last: Vec<(I, Time)>,
    now: Time,
}

impl<I> Default for Contacts<I> {
    fn default() -> Self {
        Self {
            last: Vec::new(),
            now: Time::ZERO,
        }
    }
}

impl<I: Clone + Eq> Contacts<I> {
    /// It is `now` that late.
    pub(super) fn advance(&mut self, now: Time) {
        self.now = now;
    }

    /// An exchange with the peer has succeeded. At most `most` contacts are remembered.
    pub(super) fn met(&mut self, id: &I, now: Time, most: usize) {
        self.now = now;
        match self.last.iter().position(|(known, _)| known == id) {
            Some(at) => {
                self.last.remove(at);
            }
            None if self.last.len() >= most => {
                self.last.remove(0);
            }
            None => {}
        }
        self.last.push((id.clone(), now));
    }

    /// How long ago the last contact with the peer was.
    pub(super) fn idle(&self, id: &I) -> Option<Duration> {
        let (_, at) = self.last.iter().find(|(known, _)| known == id)?;
        Some(self.now.saturating_since(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_contact_counts_and_those_longest_ago_are_forgotten() {
        let at = |seconds| Time::new(Duration::from_secs(seconds));
        let mut contacts = Contacts::default();
        contacts.met(&1, at(1), 2);
        contacts.met(&2, at(2), 2);
        contacts.met(&1, at(3), 2);
        contacts.met(&3, at(4), 2);
        contacts.advance(at(10));
        assert_eq!(contacts.idle(&1), Some(Duration::from_secs(7)));
        assert_eq!(contacts.idle(&2), None, "longest ago");
        assert_eq!(contacts.idle(&3), Some(Duration::from_secs(6)));
    }
}
