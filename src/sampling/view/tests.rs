//! Tests of the view.

use rand::{SeedableRng, rngs::StdRng};

use super::*;

fn view(entries: &[(u32, u32)]) -> View<u32> {
    entries
        .iter()
        .map(|&(peer, age)| Descriptor { peer, age })
        .collect()
}

fn peers(view: &View<u32>) -> Vec<u32> {
    view.iter().map(|d| d.peer).collect()
}

fn ages(view: &View<u32>) -> Vec<u32> {
    view.iter().map(|d| d.age).collect()
}

#[test]
fn permute_keeps_the_set_and_changes_the_order() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut shuffled = view(&(0..30).map(|i| (i, i)).collect::<Vec<_>>());
    shuffled.permute_head(30, 30, &mut rng);
    assert_ne!(peers(&shuffled), (0..30).collect::<Vec<_>>());
    let mut sorted = peers(&shuffled);
    sorted.sort_unstable();
    assert_eq!(sorted, (0..30).collect::<Vec<_>>());
}

#[test]
fn every_order_of_the_head_is_as_likely() {
    let mut rng = StdRng::seed_from_u64(2);
    let mut counts = [[0u32; 4]; 4];
    for _ in 0..12_000 {
        let mut v = view(&[(0, 0), (1, 0), (2, 0), (3, 0), (9, 0)]);
        v.permute_head(2, 4, &mut rng);
        assert_eq!(v.as_slice()[4].peer, 9);
        let head = peers(&v);
        counts[head[0] as usize][head[1] as usize] += 1;
    }
    // Twelve ordered pairs, 1,000 expected of each, standard deviation 30.
    for (a, row) in counts.iter().enumerate() {
        for (b, n) in row.iter().enumerate() {
            let expected = if a == b { 0..1 } else { 850..1_150 };
            assert!(expected.contains(n), "{counts:?}");
        }
    }
}

#[test]
fn permuting_more_than_there_is_does_no_harm() {
    let mut rng = StdRng::seed_from_u64(3);
    View::<u32>::default().permute_head(5, 5, &mut rng);
    let mut one = view(&[(1, 0)]);
    one.permute_head(5, 0, &mut rng);
    one.permute_head(5, 9, &mut rng);
    assert_eq!(peers(&one), [1]);
}

#[test]
fn the_oldest_move_to_the_end_oldest_last() {
    let mut v = view(&[(1, 5), (2, 9), (3, 0), (4, 7)]);
    v.move_oldest_to_end(2);
    assert_eq!(peers(&v)[2..], [4, 2]);
    v.move_oldest_to_end(100);
    assert_eq!(peers(&v), [3, 1, 4, 2]);
}

#[test]
fn move_to_head_keeps_both_orders_and_passes_over_the_missing() {
    let mut v = view(&[(1, 0), (2, 0), (3, 0), (4, 0), (5, 0)]);
    v.move_to_head(&[4, 9, 2]);
    assert_eq!(peers(&v), [4, 2, 1, 3, 5]);
}

#[test]
fn append_refreshes_duplicates_in_place() {
    let mut v = view(&[(1, 5), (2, 1)]);
    let mut received = vec![
        Descriptor { peer: 3, age: 4 },
        Descriptor { peer: 1, age: 2 },
        Descriptor { peer: 2, age: 8 },
        Descriptor { peer: 3, age: 1 },
    ];
    v.append(&mut received);
    assert!(received.is_empty());
    assert_eq!(peers(&v), [1, 2, 3]);
    assert_eq!(ages(&v), [2, 1, 1]);
}

#[test]
fn old_items_go_from_the_head_first_among_equals() {
    let mut v = view(&[(1, 3), (2, 7), (3, 7), (4, 0)]);
    v.remove_old_items(1);
    assert_eq!(peers(&v), [1, 3, 4]);
    v.remove_old_items(2);
    assert_eq!(peers(&v), [4]);
    v.remove_old_items(9);
    assert!(v.is_empty());
}

#[test]
fn head_is_read_and_removed_in_order() {
    let mut v = view(&[(1, 0), (2, 0), (3, 0)]);
    assert_eq!(v.head(2).iter().map(|d| d.peer).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(v.head(9).len(), 3);
    v.remove_head(2);
    assert_eq!(peers(&v), [3]);
    v.remove_head(9);
    assert!(v.is_empty());
}

#[test]
fn remove_at_random_removes_each_entry_equally_often() {
    let mut rng = StdRng::seed_from_u64(7);
    let mut removed = [0u32; 5];
    for _ in 0..5_000 {
        let mut v = view(&[(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)]);
        v.remove_at_random(2, &mut rng);
        assert_eq!(v.len(), 3);
        for peer in 0..5 {
            removed[peer as usize] += u32::from(!v.contains(&peer));
        }
    }
    // 2,000 expected, standard deviation 35.
    assert!(
        removed.iter().all(|n| (1_825..2_175).contains(n)),
        "{removed:?}"
    );
}

#[test]
fn ages_grow_and_stop_at_the_top() {
    let mut v = view(&[(1, 0), (2, u32::MAX)]);
    v.increase_age();
    assert_eq!(ages(&v), [1, u32::MAX]);
}

#[test]
fn youngest_oldest_remove() {
    let mut v = view(&[(1, 3), (2, 7), (3, 0)]);
    assert_eq!(v.youngest().map(|d| d.peer), Some(3));
    assert_eq!(v.oldest().map(|d| d.peer), Some(2));
    assert_eq!(v.remove(&2).map(|d| d.age), Some(7));
    assert_eq!(v.remove(&2), None);
    assert_eq!(peers(&v), [1, 3]);
}

fn position_of_oldest(entries: &[Descriptor<u32>]) -> usize {
    // The last of equals, from the end: the first.
    let backwards = entries.iter().enumerate().rev();
    let oldest = backwards.max_by_key(|(_, d)| d.age);
    oldest.map_or(0, |(at, _)| at)
}

/// The shortcuts of long views, and of many of the same age, against the paper's words.
#[test]
fn views_of_any_length_and_any_ages_follow_the_paper() {
    for seed in 0..500 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut random = |count: u32, peers: u32, ages: u32| -> Vec<Descriptor<u32>> {
            let descriptor = |_| Descriptor {
                peer: rng.random_range(0..peers),
                age: rng.random_range(0..ages),
            };
            (0..count).map(descriptor).collect()
        };
        let ages = 1 + seed as u32 % 9;
        let length = seed as u32 % 61;
        let v: View<u32> = random(length, 3_000, ages).into_iter().collect();
        let received = random(15, 3_000, ages);
        let known = v.iter().step_by(3).map(|d| Descriptor { age: 2, ..*d });
        let received: Vec<_> = received.into_iter().chain(known).collect();
        let count = seed as usize % 17;

        let mut expected = v.as_slice().to_vec();
        for descriptor in &received {
            match expected.iter_mut().find(|d| d.peer == descriptor.peer) {
                Some(known) => known.age = known.age.min(descriptor.age),
                None => expected.push(*descriptor),
            }
        }
        let mut appended = v.clone();
        appended.append(&mut received.clone());
        assert_eq!(appended.as_slice(), expected, "append, seed {seed}");

        let mut expected = v.as_slice().to_vec();
        for end in (0..expected.len()).rev().take(count) {
            let oldest = position_of_oldest(&expected[..=end]);
            expected.swap(oldest, end);
        }
        let mut moved = v.clone();
        moved.move_oldest_to_end(count);
        assert_eq!(moved.as_slice(), expected, "move, seed {seed}");

        let mut expected = v.as_slice().to_vec();
        for _ in 0..count.min(expected.len()) {
            expected.remove(position_of_oldest(&expected));
        }
        let mut removed = v.clone();
        removed.remove_old_items(count);
        assert_eq!(removed.as_slice(), expected, "remove, seed {seed}");
    }
}
