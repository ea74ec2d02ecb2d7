//! Which envelopes have passed a check, so that none is verified twice.

use std::hash::{BuildHasher, RandomState};

use hashlink::LruCache;

use crate::swarm::record::Record;

/// Of how many envelopes the whole record is kept, so that copies of it share their memory. A
/// guess: several views' worth, some 300 kB.
const MOST_RECORDS: usize = 512;

/// Stands for the bytes of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tag([u64; 2]);

/// Makes tags, by two hashes. Their keys are secret and differ from node to node, so nobody can
/// make an envelope with the tag of another: 2^-128 for each try.
#[derive(Debug, Default)]
pub(crate) struct Tagger([RandomState; 2]);

impl Tagger {
    /// What stands for an envelope with these bytes.
    pub(crate) fn tag(&self, envelope: &[u8]) -> Tag {
        Tag(self.0.each_ref().map(|key| key.hash_one(envelope)))
    }
}

/// The envelopes that have passed. The least recently seen go first.
#[derive(Debug)]
pub(crate) struct Passed {
    records: LruCache<Tag, Record>,
    /// Those of `records` too.
    tags: LruCache<Tag, ()>,
}

impl Passed {
    /// None yet, and at most so many, in envelopes.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            records: LruCache::new(most.min(MOST_RECORDS)),
            tags: LruCache::new(most),
        }
    }

    /// The record in the envelope, if it has passed lately.
    pub(crate) fn record(&mut self, tag: Tag) -> Option<Record> {
        self.records.get(&tag).cloned()
    }

    /// Whether the envelope has passed.
    pub(crate) fn contains(&mut self, tag: Tag) -> bool {
        self.tags.get(&tag).is_some()
    }

    /// The envelope has passed, and this is the record in it.
    pub(crate) fn note(&mut self, tag: Tag, record: &Record) {
        self.records.insert(tag, record.clone());
        self.tags.insert(tag, ());
    }
}

#[cfg(test)]
mod tests {
    use libp2p_identity::Keypair;

    use super::*;

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
        assert_eq!(passed.record(tags[2]).as_ref(), Some(&records[2]));
    }
}
