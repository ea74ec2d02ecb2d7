//! How often something may happen: token buckets, told the time.

use std::time::Duration;

use crate::time::Time;

/// How many tokens a bucket holds, and how long it waits for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    burst: u32,
    interval: Duration,
}

impl Rate {
    /// `burst` at once, and one more in each `interval`.
    pub(crate) const fn new(burst: u32, interval: Duration) -> Self {
        Self { burst, interval }
    }

    /// `count` at once, and as many more, evenly, in each `time`.
    pub(crate) fn per(count: u32, time: Duration) -> Self {
        // None at all: a bucket without room needs no interval.
        let interval = time.checked_div(count).unwrap_or_default();
        Self::new(count, interval)
    }

    /// The wider of the two, in each respect.
    pub(crate) fn at_least(self, other: Self) -> Self {
        let burst = self.burst.max(other.burst);
        Self::new(burst, self.interval.min(other.interval))
    }

    /// So many times narrower, at least once, with one token at least.
    pub(crate) fn slowed(self, times: f64) -> Self {
        if times <= 1.0 {
            return self;
        }
        let burst = (f64::from(self.burst) / times) as u32;
        let interval = Duration::try_from_secs_f64(self.interval.as_secs_f64() * times);
        Self::new(burst.max(1), interval.unwrap_or(Duration::MAX))
    }

    /// How many at once.
    pub(crate) fn burst(self) -> u32 {
        self.burst
    }
}

/// A token bucket, full at first. It keeps no more than the time at which it will be full again (as
/// in the ATM Forum's virtual scheduling algorithm, GCRA), so time may not go backwards, and a
/// bucket that is full again is as good as a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bucket {
    full_at: Time,
}

impl Bucket {
    /// Takes a token, if there is one.
    pub(crate) fn take(&mut self, rate: Rate, now: Time) -> bool {
        self.take_above(0, rate, now)
    }

    /// Gives a token back.
    pub(crate) fn give_back(&mut self, rate: Rate) {
        self.full_at = self.full_at.saturating_sub(rate.interval);
    }

    /// Takes a token, if there are more than `reserve`.
    pub(crate) fn take_above(&mut self, reserve: u32, rate: Rate, now: Time) -> bool {
        let there_is = self.next_above(reserve, rate).is_some_and(|at| at <= now);
        if there_is {
            self.full_at = self.full_at.max(now).saturating_add(rate.interval);
        }
        there_is
    }

    /// Takes a token that may not be there yet, and returns how long it is until it is there:
    /// `longest` at most, so that the queue does not grow for ever.
    pub(crate) fn queue(&mut self, rate: Rate, longest: Duration, now: Time) -> Duration {
        let next = self.full_at.max(now).saturating_add(rate.interval);
        self.full_at = next.min(now.saturating_add(longest));
        self.full_at - now
    }

    /// From when on there are more tokens than `reserve`, if none is taken; `None`: never.
    pub(crate) fn next_above(&self, reserve: u32, rate: Rate) -> Option<Time> {
        let room = rate.burst.saturating_sub(reserve).checked_sub(1)?;
        Some(
            self.full_at
                .saturating_sub(rate.interval.saturating_mul(room)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many tokens there are.
    fn drain(bucket: &mut Bucket, rate: Rate, now: Time) -> usize {
        (0..1000).take_while(|_| bucket.take(rate, now)).count()
    }

    #[test]
    fn a_burst_and_then_one_per_interval() {
        let rate = Rate::new(3, SECOND);
        let mut bucket = Bucket::default();
        assert_eq!(drain(&mut bucket, rate, Time::new(5 * SECOND)), 3);
        assert_eq!(
            drain(&mut bucket, rate, Time::new(6 * SECOND - SECOND / 1000)),
            0
        );
        assert_eq!(drain(&mut bucket, rate, Time::new(6 * SECOND)), 1);
        assert_eq!(drain(&mut bucket, rate, Time::new(8 * SECOND)), 2);
        // Never more than the burst, however long nothing was taken.
        assert_eq!(drain(&mut bucket, rate, Time::new(3_600 * SECOND)), 3);
    }

    #[test]
    fn a_reserve_is_left_for_others() {
        let rate = Rate::new(4, SECOND);
        let mut bucket = Bucket::default();
        let strangers = |bucket: &mut Bucket, now| {
            (0..10)
                .take_while(|_| bucket.take_above(2, rate, now))
                .count()
        };
        assert_eq!(strangers(&mut bucket, Time::new(SECOND)), 2);
        assert_eq!(drain(&mut bucket, rate, Time::new(SECOND)), 2);
        // What comes in goes to the reserve first.
        assert_eq!(strangers(&mut bucket, Time::new(3 * SECOND)), 0);
        assert_eq!(strangers(&mut bucket, Time::new(4 * SECOND)), 1);
        assert_eq!(drain(&mut bucket, rate, Time::new(4 * SECOND)), 2);
        assert!(!bucket.take_above(4, rate, Time::new(100 * SECOND)));
        assert!(!bucket.take_above(5, rate, Time::new(100 * SECOND)));
    }

    #[test]
    fn a_rate_of_none_lets_nothing_through() {
        let mut bucket = Bucket::default();
        let none = Rate::per(0, SECOND);
        assert!(!bucket.take(none, Time::new(SECOND)));
        assert!(!bucket.take(none, Time::new(1_000 * SECOND)));
        let most = Rate::per(1_000_000, SECOND);
        assert!(bucket.take(most, Time::MAX));
    }
}
