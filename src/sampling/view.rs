//! The partial view: an ordered list of peer descriptors, and the list operations of the paper.
//!
//! The order carries information. What was sent in an exchange stands at the head, what was
//! received is appended at the end, and the swapper removes from the head: a view that is rebuilt
//! from a set at any point loses the published figures (see `ARCHITECTURE.md`).
//!
//! Names and line quotes are those of Jelasity, Voulgaris, Guerraoui, Kermarrec, van Steen,
//! *Gossip-based peer sampling*, ACM TOCS 25(3), 2007, Figure 1 ("TOCS" below).

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::{
    hash::{Hash, Hasher},
    mem, slice,
};

use rand::{Rng, RngExt};
use rustc_hash::FxHasher;

use crate::peer::Peer;

/// One entry of a view: a peer and its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor<P> {
    /// The peer.
    pub peer: P,
    /// How old the entry is, in hops and rounds: 0 when the peer itself sends it, one more at both
    /// ends of every exchange that it lives through. Not a time. Stops at `u32::MAX`.
    pub age: u32,
}

impl<P> Descriptor<P> {
    /// A descriptor of `peer` as `peer` itself would send it: age 0.
    pub fn fresh(peer: P) -> Self {
        Self { peer, age: 0 }
    }
}

/// An ordered list of descriptors, at most one per peer.
///
/// The view itself has no capacity: an [`Overlay`](crate::sampling::overlay::Overlay) grows it by
/// [`append`](View::append) and cuts it back to the view size c within one merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View<P> {
    entries: Vec<Descriptor<P>>,
}

impl<P> Default for View<P> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
        }
    }
}

impl<P: Peer> View<P> {
    /// An empty view with room for `capacity` descriptors before it allocates again.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            entries: Vec::with_capacity(capacity),
        }
    }

    /// How many peers the view holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the view holds nobody.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The descriptors, in the view's order.
    pub fn iter(&self) -> slice::Iter<'_, Descriptor<P>> {
        self.entries.iter()
    }

    /// The peers, in the view's order.
    pub fn peers(&self) -> impl DoubleEndedIterator<Item = &P> + ExactSizeIterator + Clone {
        self.entries.iter().map(|d| &d.peer)
    }

    /// The descriptors as a slice, in the view's order.
    pub fn as_slice(&self) -> &[Descriptor<P>] {
        &self.entries
    }

    /// The descriptor of the peer with this identity, if it is in the view.
    pub fn get(&self, id: &P::Id) -> Option<&Descriptor<P>> {
        position(&self.entries, id).map(|at| &self.entries[at])
    }

    /// Whether the peer with this identity is in the view.
    pub fn contains(&self, id: &P::Id) -> bool {
        self.get(id).is_some()
    }

    /// The youngest descriptor; among equals the first.
    pub fn youngest(&self) -> Option<&Descriptor<P>> {
        self.entries.iter().min_by_key(|d| d.age)
    }

    /// The oldest descriptor; among equals the first.
    pub fn oldest(&self) -> Option<&Descriptor<P>> {
        let at = OldestFirst::default().next(&self.entries)?;
        Some(&self.entries[at])
    }

    /// Removes the peer with this identity and returns its descriptor. The order of the others
    /// stays.
    pub fn remove(&mut self, id: &P::Id) -> Option<Descriptor<P>> {
        let at = position(&self.entries, id)?;
        Some(self.entries.remove(at))
    }

    /// Puts `count` descriptors, drawn at random from the first `among`, to the head of the view in
    /// random order. With `count` and `among` both at least the length: a random order of the view.
    ///
    /// TOCS: "view.permute()". Only the order of the head is ever looked at, so only the head need
    /// be drawn; `among` leaves out the old items that the paper moves to the end afterwards.
    pub fn permute_head<R: Rng + ?Sized>(&mut self, count: usize, among: usize, rng: &mut R) {
        let among = among.min(self.entries.len());
        for at in 0..count.min(among.saturating_sub(1)) {
            let drawn = rng.random_range(at as u32..among as u32) as usize;
            self.entries.swap(at, drawn);
        }
    }

    /// Moves the `count` oldest descriptors to the end of the view, the oldest last.
    ///
    /// TOCS: "move oldest H items to the end of view"
    pub fn move_oldest_to_end(&mut self, count: usize) {
        let len = self.entries.len();
        let mut oldest = OldestFirst::default();
        for end in (len - count.min(len) + 1..=len).rev() {
            if let Some(at) = oldest.next(&self.entries[..end]) {
                self.entries.swap(at, end - 1);
            }
        }
    }

    /// The first `count` descriptors, or all of them when there are fewer.
    ///
    /// TOCS: "view.head(c/2-1)"
    pub fn head(&self, count: usize) -> &[Descriptor<P>] {
        &self.entries[..count.min(self.entries.len())]
    }

    /// Brings the peers named in `sent` to the head of the view, in that order; the others follow
    /// in theirs. Those no longer in the view are passed over.
    ///
    /// In the paper nothing happens between sending and receiving, so what was sent *is* the head.
    /// Here inbound exchanges may come in between. When none did, this only compares.
    pub fn move_to_head(&mut self, sent: &[P::Id]) {
        let mut head = 0;
        for id in sent {
            if self.entries.get(head).is_some_and(|d| d.peer.id() == id) {
                head += 1;
            } else if let Some(offset) = position(&self.entries[head..], id) {
                self.entries[head..=head + offset].rotate_right(1);
                head += 1;
            }
        }
    }

    /// Moves the peers with these identities to the end of the view, as far as they are in it, and
    /// returns how many others there are. The order is not kept: who sends at random permutes
    /// first.
    pub fn move_to_end<'a>(&mut self, ids: impl IntoIterator<Item = &'a P::Id>) -> usize
    where
        P::Id: 'a,
    {
        let mut others = self.entries.len();
        for id in ids {
            if let Some(at) = position(&self.entries[..others], id) {
                others -= 1;
                self.entries.swap(at, others);
            }
        }
        others
    }

    /// Keeps the peers that `keep` says, in their order.
    pub fn retain(&mut self, mut keep: impl FnMut(&P) -> bool) {
        self.entries.retain(|d| keep(&d.peer));
    }

    /// Keeps the descriptors that stand at these places, in this order. Each place is one of the
    /// view, and named once.
    pub(crate) fn arrange(&mut self, order: &[usize]) {
        for (to, &place) in order.iter().enumerate() {
            // What stood at a place before `to` has been swapped away, to where its successor was.
            let mut from = place;
            while from < to {
                from = order[from];
            }
            self.entries.swap(to, from);
        }
        self.entries.truncate(order.len());
    }

    /// Appends what was received to the end of the view, emptying `received` and keeping its
    /// storage. A peer that is already there is refreshed **in place**: it keeps its position, and
    /// the younger of the two ages.
    ///
    /// TOCS: "view.append(buffer_p)", "view.removeDuplicates()", which keeps the freshest.
    pub fn append(&mut self, received: &mut Vec<Descriptor<P>>) {
        if self.entries.len() < FILTER_FROM {
            received.drain(..).for_each(|d| self.insert(d));
            return;
        }
        let mut filter = Filter::default();
        for known in &self.entries {
            filter.insert(known.peer.id());
        }
        for descriptor in received.drain(..) {
            if filter.insert(descriptor.peer.id()) {
                self.insert(descriptor);
            } else {
                self.entries.push(descriptor);
            }
        }
    }

    /// Appends one descriptor, as [`append`](Self::append) does.
    pub fn insert(&mut self, descriptor: Descriptor<P>) {
        match position(&self.entries, descriptor.peer.id()) {
            Some(at) => {
                let known = &mut self.entries[at];
                known.age = known.age.min(descriptor.age);
                known.peer.refresh(descriptor.peer);
            }
            None => self.entries.push(descriptor),
        }
    }

    /// Removes the `count` oldest descriptors; among equals those nearer to the head go first.
    ///
    /// TOCS: "view.removeOldItems(min(H, view.size-c))"
    pub fn remove_old_items(&mut self, count: usize) {
        let mut oldest = OldestFirst::default();
        for _ in 0..count {
            match oldest.next(&self.entries) {
                Some(at) => self.entries.remove(at),
                None => return,
            };
        }
    }

    /// Does `work` with the descriptors in `workspace`, which is empty: there they may become more,
    /// and nothing but what is left of them comes back. So the view's own storage need not be
    /// larger than the view at rest, which in a large simulation is most of the memory.
    pub(crate) fn with_workspace<T>(
        &mut self,
        workspace: &mut Vec<Descriptor<P>>,
        work: impl FnOnce(&mut Self) -> T,
    ) -> T {
        // Only if earlier work has panicked is there anything in it.
        workspace.clear();
        workspace.append(&mut self.entries);
        mem::swap(workspace, &mut self.entries);
        let done = work(self);
        mem::swap(workspace, &mut self.entries);
        self.entries.append(workspace);
        done
    }

    /// Removes the first `count` descriptors, or all of them when there are fewer.
    ///
    /// TOCS: "view.removeHead(min(S, view.size-c))"
    pub fn remove_head(&mut self, count: usize) {
        self.entries.drain(..count.min(self.entries.len()));
    }

    /// Removes `count` descriptors at random. The order of the others is not kept: the next
    /// exchange permutes the view before it reads it.
    ///
    /// TOCS: "view.removeAtRandom(view.size-c)"
    pub fn remove_at_random<R: Rng + ?Sized>(&mut self, count: usize, rng: &mut R) {
        for _ in 0..count.min(self.entries.len()) {
            let at = rng.random_range(0..self.entries.len());
            self.entries.swap_remove(at);
        }
    }

    /// Makes every descriptor older by one.
    ///
    /// TOCS: "view.increaseAge()"
    pub fn increase_age(&mut self) {
        for descriptor in &mut self.entries {
            descriptor.age = descriptor.age.saturating_add(1);
        }
    }
}

impl<'a, P: Peer> IntoIterator for &'a View<P> {
    type Item = &'a Descriptor<P>;
    type IntoIter = slice::Iter<'a, Descriptor<P>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<P: Peer> FromIterator<Descriptor<P>> for View<P> {
    /// A peer that comes twice is kept once, as [`View::append`] does.
    fn from_iter<I: IntoIterator<Item = Descriptor<P>>>(descriptors: I) -> Self {
        let mut view = Self::default();
        view.append(&mut descriptors.into_iter().collect());
        view
    }
}

/// Where the peer stands.
#[inline]
fn position<P: Peer>(entries: &[Descriptor<P>], id: &P::Id) -> Option<usize> {
    position_of(entries, |d| d.peer.id() == id)
}

/// Where the first descriptor of a kind stands. Most searches go through the whole view: a few
/// entries at a time are compared without a branch, which the compiler can vectorise.
#[inline]
fn position_of<P>(entries: &[Descriptor<P>], is: impl Fn(&Descriptor<P>) -> bool) -> Option<usize> {
    let (chunks, rest) = entries.as_chunks::<8>();
    for (number, chunk) in chunks.iter().enumerate() {
        if chunk.iter().fold(false, |found, d| found | is(d)) {
            return chunk.iter().position(is).map(|at| 8 * number + at);
        }
    }
    let at = rest.iter().position(is)?;
    Some(entries.len() - rest.len() + at)
}

/// The oldest descriptors, one after the other. Among equals the first: the paper removes old items
/// before what was just received, and that stands at the end.
#[derive(Default)]
struct OldestFirst {
    /// The age of the last one, and where it stood. Nobody else of that age stands before it.
    last: Option<(u32, usize)>,
}

impl OldestFirst {
    /// Where the next one stands. The last one must have been removed from `entries` since, or
    /// another of the entries been put in its place.
    #[inline]
    fn next<P>(&mut self, entries: &[Descriptor<P>]) -> Option<usize> {
        let as_old = self.last.and_then(|(age, from)| {
            let offset = position_of(&entries[from..], |d| d.age == age)?;
            Some((age, from + offset))
        });
        self.last = as_old.or_else(|| {
            let age = entries.iter().fold(0, |greatest, d| greatest.max(d.age));
            Some((age, position_of(entries, |d| d.age == age)?))
        });
        self.last.map(|(_, at)| at)
    }
}

/// From this length of a view on there is a [`Filter`]. A guess; at 30 it pays (measured).
const FILTER_FROM: usize = 12;

/// Which peers may be in a view: a Bloom filter with one hash, and a byte for each bit, which is
/// quicker to set. Most peers that arrive are new, and with this most of the new need not be
/// compared with all that are there.
struct Filter([bool; FILTER]);

/// With 30 peers in the view, one in 30 is taken for another. Measured: 512 are worse, and so are
/// bits.
const FILTER: usize = 1024;

impl Default for Filter {
    fn default() -> Self {
        Self([false; FILTER])
    }
}

impl Filter {
    /// Returns whether the peer may have been inserted before.
    #[inline]
    fn insert(&mut self, id: &impl Hash) -> bool {
        let mut hasher = FxHasher::default();
        id.hash(&mut hasher);
        mem::replace(&mut self.0[hasher.finish() as usize % FILTER], true)
    }
}
