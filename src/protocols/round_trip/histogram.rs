//! How many durations there were of which length: [`Histogram`].

use std::time::Duration;

/// The shortest duration that is told from shorter ones.
const SHORTEST: Duration = Duration::from_micros(1);
/// How many buckets there are for durations up to twice as long as another.
const PER_DOUBLING: u32 = 8;
/// 32 doublings of a microsecond are 71 minutes.
const BUCKETS: usize = 32 * PER_DOUBLING as usize;

/// How many durations there were of which length, in buckets of which each ends 9 % above the one
/// before: from a microsecond to over an hour, in 2 kB. What is shorter or longer counts as that.
///
/// No library: the ones at hand hold more digits than a round trip has, in ten times the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    buckets: Box<[u64; BUCKETS]>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: Box::new([0; BUCKETS]),
        }
    }
}

impl Histogram {
    /// One more of this length.
    pub fn add(&mut self, length: Duration) {
        let doublings = (length.as_secs_f64() / SHORTEST.as_secs_f64()).log2();
        // Also what is below the first one.
        let at = (doublings * f64::from(PER_DOUBLING)).max(0.0) as usize;
        self.buckets[at.min(BUCKETS - 1)] += 1;
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The length that this share of them did not exceed, 0 to 1: the middle of its bucket, at most
    /// 5 % off. `None` when there were none.
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = (share.clamp(0.0, 1.0) * count as f64).ceil().max(1.0) as u64;
        let mut below = 0;
        let at = self.buckets.iter().position(|bucket| {
            below += bucket;
            below >= rank
        })?;
        Some(middle(at))
    }

    /// The buckets that are not empty, from the shortest: the middle of each, and how many there
    /// were.
    pub fn iter(&self) -> impl Iterator<Item = (Duration, u64)> {
        let numbered = self.buckets.iter().copied().enumerate();
        numbered
            .filter(|(_, count)| *count > 0)
            .map(|(at, count)| (middle(at), count))
    }

    /// All that are in `other`, too.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(*other.buckets) {
            *bucket += more;
        }
    }
}

fn middle(bucket: usize) -> Duration {
    SHORTEST.mul_f64(((bucket as f64 + 0.5) / f64::from(PER_DOUBLING)).exp2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_within_five_percent() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(0.5), None);
        (1..=1_000).for_each(|millis| histogram.add(Duration::from_millis(millis)));
        for (share, millis) in [
            (0.0, 1.0),
            (0.1, 100.0),
            (0.5, 500.0),
            (0.99, 990.0),
            (1.0, 1e3),
        ] {
            let found = histogram
                .percentile(share)
                .map_or(0.0, |d| d.as_secs_f64() * 1e3);
            assert!((found / millis - 1.0).abs() < 0.05, "{share}: {found}");
        }
        assert_eq!(histogram.count(), 1_000);
        let sum: u64 = histogram.iter().map(|(_, count)| count).sum();
        assert_eq!(sum, 1_000);
    }

    #[test]
    fn what_is_out_of_bounds_counts_as_the_shortest_or_longest() {
        let mut histogram = Histogram::default();
        for length in [Duration::ZERO, Duration::from_nanos(5), Duration::MAX] {
            histogram.add(length);
        }
        let found: Vec<_> = histogram.iter().map(|(_, count)| count).collect();
        assert_eq!(found, [2, 1]);
        assert!(histogram.percentile(f64::NAN).is_some());
        let mut twice = histogram.clone();
        twice.merge(&histogram);
        assert_eq!(twice.count(), 6);
    }
}
