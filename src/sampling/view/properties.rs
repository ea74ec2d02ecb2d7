//! What holds of every operation of a view, whatever is in it.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use rand::{SeedableRng, rngs::SmallRng};

use crate::{
    peer::Peer,
    sampling::view::{Descriptor, View},
};

/// A peer, and which version of its record this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Host {
    id: u8,
    version: u8,
}

impl Peer for Host {
    type Id = u8;

    fn id(&self) -> &u8 {
        &self.id
    }

    fn refresh(&mut self, other: Self) {
        self.version = self.version.max(other.version);
    }
}

type Entry = Descriptor<Host>;

/// Few identities and few ages, so that there are many equals.
fn descriptor() -> impl Strategy<Value = Entry> {
    let age = prop_oneof![4 => 0..6u32, 1 => u32::MAX - 2..=u32::MAX];
    (0..60u8, 0..4u8, age).prop_map(|(id, version, age)| Descriptor {
        peer: Host { id, version },
        age,
    })
}

fn descriptors() -> impl Strategy<Value = Vec<Entry>> {
    vec(descriptor(), 0..40)
}

/// Shorter and longer than what decides between two ways of searching.
fn view() -> impl Strategy<Value = View<Host>> {
    descriptors().prop_map(View::from_iter)
}

fn ids() -> impl Strategy<Value = Vec<u8>> {
    vec(0..70u8, 0..20)
}

/// More than a view has, too.
fn count() -> impl Strategy<Value = usize> {
    prop_oneof![9 => 0..50usize, 1 => Just(usize::MAX)]
}

fn list(view: &View<Host>) -> Vec<Entry> {
    view.as_slice().to_vec()
}

fn sorted(entries: &[Entry]) -> Vec<(Host, u32)> {
    let mut all: Vec<_> = entries.iter().map(|d| (d.peer, d.age)).collect();
    all.sort_unstable();
    all
}

fn find(entries: &[Entry], id: u8) -> Option<usize> {
    entries.iter().position(|d| d.peer.id == id)
}

/// The paper's append and removeDuplicates, entry by entry.
fn merged(mut entries: Vec<Entry>, received: &[Entry]) -> Vec<Entry> {
    for descriptor in received {
        match find(&entries, descriptor.peer.id) {
            Some(at) => {
                let known = &mut entries[at];
                known.age = known.age.min(descriptor.age);
                known.peer.version = known.peer.version.max(descriptor.peer.version);
            }
            None => entries.push(*descriptor),
        }
    }
    entries
}

/// By what each peer has, wherever it stands.
fn by_peer(view: &View<Host>) -> BTreeMap<u8, Entry> {
    view.iter().map(|d| (d.peer.id, *d)).collect()
}

/// Whether `part` is left of `whole` when some are taken out.
fn is_what_is_left(part: &[Entry], whole: &[Entry]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|entry| whole.any(|other| other == entry))
}

proptest! {
    #[test]
    fn append_merges_and_empties_the_buffer(view in view(), received in descriptors()) {
        let mut appended = view.clone();
        let mut buffer = received.clone();
        let storage = buffer.capacity();
        appended.append(&mut buffer);
        prop_assert_eq!(appended.as_slice(), merged(list(&view), &received));
        prop_assert!(buffer.is_empty());
        prop_assert_eq!(buffer.capacity(), storage);
    }

    #[test]
    fn it_does_not_matter_which_buffer_is_appended_first(
        view in view(), one in descriptors(), other in descriptors(),
    ) {
        let mut appended = [view.clone(), view];
        for (view, order) in appended.iter_mut().zip([[&one, &other], [&other, &one]]) {
            for buffer in order {
                view.append(&mut buffer.clone());
            }
        }
        prop_assert_eq!(by_peer(&appended[0]), by_peer(&appended[1]));
    }

    #[test]
    fn what_is_appended_twice_changes_nothing(view in view(), received in descriptors()) {
        let mut once = view;
        once.append(&mut received.clone());
        let mut twice = once.clone();
        twice.append(&mut received.clone());
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn insert_appends_one(view in view(), descriptor in descriptor()) {
        let mut inserted = view.clone();
        inserted.insert(descriptor);
        let mut appended = view;
        appended.append(&mut vec![descriptor]);
        prop_assert_eq!(inserted, appended);
    }

    #[test]
    fn collected_is_appended_to_nothing(descriptors in descriptors()) {
        let collected: View<Host> = descriptors.iter().copied().collect();
        prop_assert_eq!(collected.as_slice(), merged(Vec::new(), &descriptors));
        prop_assert_eq!(by_peer(&collected).len(), collected.len());
    }

    #[test]
    fn the_getters_agree(view in view(), id in 0..70u8) {
        let entries = list(&view);
        prop_assert_eq!(view.len(), entries.len());
        prop_assert_eq!(view.is_empty(), entries.is_empty());
        prop_assert!(view.iter().eq(&entries));
        prop_assert!(view.into_iter().eq(&entries));
        let found = find(&entries, id).map(|at| &entries[at]);
        prop_assert_eq!(view.get(&id), found);
        prop_assert_eq!(view.contains(&id), found.is_some());
    }

    #[test]
    fn remove_takes_out_one(view in view(), id in 0..70u8) {
        let mut removed = view.clone();
        let taken = removed.remove(&id);
        prop_assert_eq!(taken.as_ref(), view.get(&id));
        let mut entries = list(&view);
        entries.retain(|d| d.peer.id != id);
        prop_assert_eq!(removed.as_slice(), entries);
    }

    #[test]
    fn retain_keeps_in_order(view in view(), ids in ids()) {
        let mut left = view.clone();
        left.retain(|host| ids.contains(&host.id));
        let mut entries = list(&view);
        entries.retain(|d| ids.contains(&d.peer.id));
        prop_assert_eq!(left.as_slice(), entries);
    }

    #[test]
    fn youngest_and_oldest_are_the_first_of_their_age(view in view()) {
        let is_youngest = |d: &&Entry| view.iter().all(|other| other.age >= d.age);
        let is_oldest = |d: &&Entry| view.iter().all(|other| other.age <= d.age);
        prop_assert_eq!(view.youngest(), view.iter().find(is_youngest));
        prop_assert_eq!(view.oldest(), view.iter().find(is_oldest));
    }

    #[test]
    fn permute_head_leaves_the_rest_where_it_is(
        view in view(), count in count(), among in count(), seed: u64,
    ) {
        let mut permuted = view.clone();
        permuted.permute_head(count, among, &mut SmallRng::seed_from_u64(seed));
        let (now, before) = (permuted.as_slice(), view.as_slice());
        prop_assert_eq!(sorted(now), sorted(before));
        let among = among.min(before.len());
        prop_assert_eq!(&now[among..], &before[among..]);
        if count == 0 {
            prop_assert_eq!(now, before);
        }
    }

    #[test]
    fn the_oldest_end_at_the_end_oldest_last(view in view(), count in count()) {
        let mut moved = view.clone();
        moved.move_oldest_to_end(count);
        let now = moved.as_slice();
        prop_assert_eq!(sorted(now), sorted(view.as_slice()));
        let (others, oldest) = now.split_at(now.len() - count.min(now.len()));
        prop_assert!(oldest.is_sorted_by_key(|d| d.age));
        let least = oldest.first().map_or(u32::MAX, |d| d.age);
        prop_assert!(others.iter().all(|d| d.age <= least));
    }

    #[test]
    fn head_is_the_beginning(view in view(), count in count()) {
        let entries = list(&view);
        prop_assert_eq!(view.head(count), &entries[..count.min(entries.len())]);
    }

    #[test]
    fn move_to_head_keeps_both_orders(view in view(), sent in ids()) {
        let mut moved = view.clone();
        moved.move_to_head(&sent);
        let mut others = list(&view);
        let mut expected: Vec<Entry> = Vec::new();
        for id in sent {
            expected.extend(find(&others, id).map(|at| others.remove(at)));
        }
        expected.append(&mut others);
        prop_assert_eq!(moved.as_slice(), expected);
    }

    #[test]
    fn move_to_end_parts_the_named_from_the_others(view in view(), named in ids()) {
        let mut moved = view.clone();
        let others = moved.move_to_end(&named);
        let now = moved.as_slice();
        prop_assert_eq!(sorted(now), sorted(view.as_slice()));
        prop_assert!(now[..others].iter().all(|d| !named.contains(&d.peer.id)));
        prop_assert!(now[others..].iter().all(|d| named.contains(&d.peer.id)));
    }

    #[test]
    fn old_items_go_by_age_and_then_from_the_head(view in view(), count in count()) {
        let mut left = view.clone();
        left.remove_old_items(count);
        // Stable: among equals the first is still the first.
        let mut by_age = list(&view);
        by_age.sort_by_key(|d| std::cmp::Reverse(d.age));
        let gone = &by_age[..count.min(by_age.len())];
        let mut expected = list(&view);
        expected.retain(|d| !gone.contains(d));
        prop_assert_eq!(left.as_slice(), expected);
    }

    #[test]
    fn remove_head_leaves_the_rest(view in view(), count in count()) {
        let mut left = view.clone();
        left.remove_head(count);
        prop_assert_eq!(left.as_slice(), &view.as_slice()[count.min(view.len())..]);
    }

    #[test]
    fn remove_at_random_takes_as_many_as_it_says(view in view(), count in count(), seed: u64) {
        let mut left = view.clone();
        left.remove_at_random(count, &mut SmallRng::seed_from_u64(seed));
        prop_assert_eq!(left.len(), view.len().saturating_sub(count));
        let (before, now) = (by_peer(&view), by_peer(&left));
        prop_assert_eq!(now.len(), left.len());
        prop_assert!(now.iter().all(|(id, d)| before.get(id) == Some(d)));
    }

    #[test]
    fn everybody_ages_by_one(view in view()) {
        let mut older = view.clone();
        older.increase_age();
        prop_assert_eq!(older.len(), view.len());
        for (now, before) in older.iter().zip(&view) {
            prop_assert_eq!(now.peer, before.peer);
            prop_assert_eq!(u64::from(now.age), (u64::from(before.age) + 1).min(u32::MAX.into()));
        }
    }

    #[test]
    fn removals_keep_the_order(view in view(), count in count(), id in 0..70u8) {
        let mut left = [(); 4].map(|()| view.clone());
        left[0].remove(&id);
        left[1].remove_head(count);
        left[2].remove_old_items(count);
        left[3].retain(|host| host.id != id);
        for left in left {
            prop_assert!(is_what_is_left(left.as_slice(), view.as_slice()));
        }
    }

    #[test]
    fn in_a_workspace_all_is_as_without_one(
        view in view(), received in descriptors(), count in count(), rubbish in descriptors(),
    ) {
        let work = |view: &mut View<Host>| {
            view.append(&mut received.clone());
            view.remove_head(count);
            view.len()
        };
        let mut plain = view.clone();
        let done = work(&mut plain);
        let mut worked = View::with_capacity(100);
        worked.entries.extend_from_slice(view.as_slice());
        let storage = worked.entries.capacity();
        // What earlier work left behind, had it panicked.
        let mut workspace = rubbish;
        prop_assert_eq!(worked.with_workspace(&mut workspace, work), done);
        prop_assert!(workspace.is_empty());
        prop_assert_eq!(worked.entries.capacity(), storage);
        prop_assert_eq!(worked, plain);
    }
}
