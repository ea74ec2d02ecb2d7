//! Which of two signed statements of one peer counts.

/// The number of a statement, and who has told of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Version {
    seq: u64,
    /// If the peer has sent the statement itself, over its own connection: the largest number of
    /// its statements that this node had known. Only a larger one counts for more. `None`: others
    /// have told of it.
    first_hand: Option<u64>,
}

impl Version {
    /// Of a statement that others have told of.
    pub(super) fn told(seq: u64) -> Self {
        Self {
            seq,
            first_hand: None,
        }
    }

    /// Of a statement that the peer has sent itself.
    pub(super) fn first_hand(self) -> Self {
        Self {
            first_hand: Some(self.seq),
            ..self
        }
    }

    pub(super) fn seq(self) -> u64 {
        self.seq
    }

    /// Whether it counts for more than `known`: it has a larger number, or the peer itself has just
    /// sent it. A clock may be set back, and a copy of the peer may have had a later one. A peer
    /// that speaks on its own connection knows what holds.
    pub(super) fn supersedes(self, known: Self) -> bool {
        self.first_hand.is_some() || self.seq > known.largest()
    }

    /// This one, which supersedes `known`.
    pub(super) fn after(self, known: Self) -> Self {
        Self {
            first_hand: self.first_hand.map(|own| own.max(known.largest())),
            ..self
        }
    }

    fn largest(self) -> u64 {
        self.first_hand
            .map_or(self.seq, |known| known.max(self.seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_word_counts_until_a_larger_number_than_any_known_comes() {
        let copy = Version::told(100);
        let own = Version::told(7).first_hand();
        assert!(own.supersedes(copy));
        let kept = own.after(copy);
        assert_eq!(kept.seq(), 7);
        assert!(!copy.supersedes(kept), "others still have the old one");
        assert!(!Version::told(8).supersedes(kept));
        assert!(Version::told(101).supersedes(kept));
        let kept = Version::told(8).first_hand().after(kept);
        assert!(!copy.supersedes(kept), "it is not forgotten");
    }
}
