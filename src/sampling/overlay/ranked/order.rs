//! Which peers are the best of many, and in which order.

use rand::{Rng, RngExt};

use crate::sampling::overlay::ranked::distance::Distance;

/// The most sides that a ranking may have. A guess: six are the faces of a cube.
pub const MAX_SIDES: usize = 16;

/// A peer on one side: its distance as a number that sorts, then chance, then its place.
type Key = (u64, u32, usize);

/// The places of the `count` best of `peers` as seen from `from`, the best first.
///
/// T-Man 2005: "the ranking function orders a list of nodes according to preference from a given
/// node". Equals come in random order, the first `kept` of the peers before the others.
pub(super) fn best<P, D: Distance<P> + ?Sized, R: Rng + ?Sized>(
    distance: &D,
    from: &P,
    (peers, kept): (&[&P], usize),
    count: usize,
    rng: &mut R,
) -> Vec<usize> {
    let count = count.min(peers.len());
    let salt: u64 = rng.random();
    let sides = distance.sides().clamp(1, MAX_SIDES);
    let side = |side| {
        let key = |(at, to): (usize, &&P)| -> Key {
            let distance = distance.distance(side, from, to);
            let lot = match at < kept {
                true => 0,
                false => chance(salt, at),
            };
            (sortable(distance), lot, at)
        };
        let mut keys: Vec<Key> = peers.iter().enumerate().map(key).collect();
        // Of each side, no more can be taken than in all.
        if count < keys.len() {
            keys.select_nth_unstable(count);
            keys.truncate(count);
        }
        keys.sort_unstable();
        keys.into_iter().map(|(.., at)| at).collect()
    };
    match sides {
        1 => side(0),
        _ => in_turn((0..sides).map(side).collect(), peers.len(), count),
    }
}

/// The first of each list, the second of each, and so on; each of the `peers` once.
fn in_turn(sides: Vec<Vec<usize>>, peers: usize, count: usize) -> Vec<usize> {
    let mut taken = vec![false; peers];
    let mut order = Vec::with_capacity(count);
    let mut sides: Vec<_> = sides.into_iter().map(Vec::into_iter).collect();
    while order.len() < count {
        let before = order.len();
        for side in &mut sides {
            if order.len() < count
                && let Some(at) = side.find(|at| !taken[*at])
            {
                taken[at] = true;
                order.push(at);
            }
        }
        if order.len() == before {
            break;
        }
    }
    order
}

/// The distance as a number of the same order; NaN is the largest.
fn sortable(distance: f64) -> u64 {
    const SIGN: u64 = 1 << 63;
    // 0 has two signs, which are equal.
    let bits = (distance + 0.0).to_bits();
    match distance.is_nan() {
        true => u64::MAX,
        // Of negative numbers the larger bits are the smaller number.
        false if bits & SIGN != 0 => !bits,
        false => bits | SIGN,
    }
}

/// A random number for each place, from one that was drawn: the finaliser of SplitMix64 (Steele,
/// Lea, Flood 2014).
fn chance(salt: u64, at: usize) -> u32 {
    let mut hash = salt.wrapping_add((at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn order<D: Distance<i32>>(distance: &D, peers: &[i32], count: usize) -> Vec<i32> {
        let peers: Vec<&i32> = peers.iter().collect();
        let order = best(
            distance,
            &0,
            (&peers, 0),
            count,
            &mut StdRng::seed_from_u64(1),
        );
        order.into_iter().map(|at| *peers[at]).collect()
    }

    /// Right of 0 first, then left of it.
    struct Line;

    impl Distance<i32> for Line {
        fn sides(&self) -> usize {
            2
        }

        fn distance(&self, side: usize, from: &i32, to: &i32) -> f64 {
            let right = f64::from(to - from).rem_euclid(100.0);
            match side {
                0 => right,
                _ => (100.0 - right).rem_euclid(100.0),
            }
        }
    }

    #[test]
    fn the_nearest_come_first() {
        let plain = |from: &i32, to: &i32| f64::from(from.abs_diff(*to));
        assert_eq!(order(&plain, &[7, -3, 9, 1, -20], 3), [1, -3, 7]);
        assert_eq!(order(&plain, &[7, -3], 5), [-3, 7]);
        assert!(order(&plain, &[], 5).is_empty());
    }

    #[test]
    fn sides_take_turns_and_each_peer_is_taken_once() {
        assert_eq!(order(&Line, &[5, 2, 99, 98, 1, 97], 4), [1, 99, 2, 98]);
        // The second nearest on the right is the first on the left.
        assert_eq!(order(&Line, &[1, 2], 2), [1, 2]);
        assert_eq!(order(&Line, &[1, 2, 3], 9), [1, 3, 2]);
    }

    #[test]
    fn numbers_that_are_none_are_the_farthest() {
        let values = [
            f64::NAN,
            f64::INFINITY,
            1.0,
            -0.0,
            0.0,
            -1.0,
            -f64::INFINITY,
        ];
        let by = |_: &i32, to: &i32| values[*to as usize];
        let order = order(&by, &[0, 1, 2, 3, 4, 5, 6], 7);
        assert_eq!((order[0], order[1]), (6, 5));
        assert_eq!(order[4..], [2, 1, 0]);
    }

    #[test]
    fn of_equals_those_that_are_kept_come_first() {
        let peers = [5, 6, 7, 8, 2];
        let peers: Vec<&i32> = peers.iter().collect();
        let far = |_: &i32, to: &i32| if *to > 4 { 1.0 } else { 0.0 };
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..20 {
            let order = best(&far, &0, (&peers, 2), 3, &mut rng);
            assert_eq!(order, [4, 0, 1], "seed 1");
        }
    }

    #[test]
    fn equals_come_in_random_order() {
        let peers: Vec<i32> = (0..10).collect();
        let peers: Vec<&i32> = peers.iter().collect();
        let mut first = [0_u32; 10];
        let mut rng = StdRng::seed_from_u64(2);
        for _ in 0..10_000 {
            let order = best(&|_: &i32, _: &i32| 1.0, &0, (&peers, 0), 3, &mut rng);
            first[order[0]] += 1;
        }
        let even = first.iter().all(|times| (850..1_150).contains(times));
        assert!(even, "seed 2: {first:?}");
    }
}
