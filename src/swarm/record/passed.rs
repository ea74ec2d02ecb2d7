//! Which signed statements have passed a check, so that none is verified twice.

use std::hash::{BuildHasher, Hash, RandomState};

use hashlink::LruCache;

/// Of how many statements the whole is kept, so that copies of it share their memory. A guess:
/// several views' worth, some 300 kB of records.
const MOST_WHOLE: usize = 512;

/// Stands for the bytes of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tag([u64; 2]);

/// Makes tags, by two hashes. Their keys are secret and differ from node to node, so nobody can
/// make a statement with the tag of another: 2^-128 for each try.
#[derive(Debug, Default)]
pub(crate) struct Tagger([RandomState; 2]);

impl Tagger {
    /// What stands for a statement: its bytes, and what else it depends on.
    pub(crate) fn tag<S: Hash + ?Sized>(&self, statement: &S) -> Tag {
        Tag(self.0.each_ref().map(|key| key.hash_one(statement)))
    }
}

/// The statements that have passed. The least recently seen go first.
#[derive(Debug)]
pub(crate) struct Passed<T> {
    whole: LruCache<Tag, T>,
    /// Those of `whole` too.
    tags: LruCache<Tag, ()>,
}

impl<T: Clone> Passed<T> {
    /// None yet, and at most so many, in statements.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            whole: LruCache::new(most.min(MOST_WHOLE)),
            tags: LruCache::new(most),
        }
    }

    /// What was made of the statement, if it has passed lately.
    pub(crate) fn whole(&mut self, tag: Tag) -> Option<T> {
        self.whole.get(&tag).cloned()
    }

    /// Whether the statement has passed.
    pub(crate) fn contains(&mut self, tag: Tag) -> bool {
        self.tags.get(&tag).is_some()
    }

    /// The statement has passed, and this was made of it.
    pub(crate) fn note(&mut self, tag: Tag, whole: &T) {
        self.whole.insert(tag, whole.clone());
        self.tags.insert(tag, ());
    }
}

#[cfg(test)]
mod tests {
    use libp2p_identity::Keypair;

    use super::*;
    use crate::swarm::record::Record;

    #[test]
    fn envelopes_that_were_not_seen_for_longest_are_forgotten() {
        let (mut passed, tagger) = (Passed::new(2), Tagger::default());
        let records: Vec<_> = (0..3)
            .map(|_| Record::sign(&Keypair::generate_ed25519(), 1, &[]).expect("signing works"))
            .collect();
        let tags: Vec<_> = records.iter().map(|r| tagger.tag(r.envelope())).collect();
        for (seen, note) in [(0, 0), (0, 1), (0, 2)] {
            passed.note(tags[note], &records[note]);
            assert!(passed.contains(tags[seen]));
        }
        let known: Vec<_> = tags.iter().map(|tag| passed.contains(*tag)).collect();
        assert_eq!(known, [true, false, true]);
        assert_eq!(passed.whole(tags[2]).as_ref(), Some(&records[2]));
    }
}
