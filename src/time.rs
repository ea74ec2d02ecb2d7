//! A moment, when a part of a node wants to be woken, and pauses that grow: the parts of this crate
//! that do no I/O read no clock, and are told what time it is.

use std::{
    fmt,
    ops::{Add, AddAssign, Sub},
    time::Duration,
};

use thiserror::Error;

/// A moment: how long after an instant that the caller has chosen once, before anything else.
///
/// Sums and differences stop at the ends of the range, as no program runs for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(Duration);

impl Time {
    /// The instant that the caller has chosen.
    pub const ZERO: Self = Self(Duration::ZERO);
    /// The end of all time.
    pub const MAX: Self = Self(Duration::MAX);

    /// The moment so long after [`Self::ZERO`].
    pub const fn new(since_zero: Duration) -> Self {
        Self(since_zero)
    }

    /// How long after [`Self::ZERO`] this is.
    pub const fn since_zero(self) -> Duration {
        self.0
    }

    /// The moment so much later, or [`Self::MAX`].
    pub const fn saturating_add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }

    /// The moment so much earlier, or [`Self::ZERO`].
    pub const fn saturating_sub(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(earlier))
    }

    /// How long after `earlier` this is; zero if it is before it.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        self.saturating_add(later)
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, later: Duration) {
        *self = *self + later;
    }
}

impl Sub for Time {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_since(earlier)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// When something is to be woken, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wake {
    /// When. May be in the past.
    pub at: Time,
    /// What is due then, to find out why a node does not rest.
    pub why: &'static str,
}

impl Wake {
    /// To be woken at this moment, for this reason.
    pub const fn new(at: Time, why: &'static str) -> Self {
        Self { at, why }
    }

    /// The earliest of them.
    pub fn first(wakes: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        let wakes = wakes.into_iter().flatten();
        wakes.min_by_key(|wake| wake.at)
    }
}

/// Pauses that double with each failure, up to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Backoff {
    /// The first pause; 1 ms to 24 h.
    pub first: Duration,
    /// The longest pause; `first` to 24 h.
    pub longest: Duration,
}

/// Pauses that fall, or are outside their bounds. Caused by the caller; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is {:?} to {:?}, must be 1ms to 24h and not fall", .0.first, .0.longest)]
pub struct BackoffError(pub Backoff);

impl Backoff {
    /// The shortest pause that can be set.
    pub const SHORTEST: Duration = Duration::from_millis(1);
    /// The longest pause that can be set.
    pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

    /// From the first pause to the longest.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The first pause, doubled so many times, but not beyond the longest.
    pub fn pause(self, doublings: u32) -> Duration {
        let pause = self.first.saturating_mul(1 << doublings.min(30));
        pause.min(self.longest)
    }

    /// Whether the pauses are within their bounds.
    ///
    /// # Errors
    ///
    /// A [`BackoffError`] when they are not.
    pub fn check(self) -> Result<(), BackoffError> {
        let rises = Self::SHORTEST <= self.first && self.first <= self.longest;
        match rises && self.longest <= Self::LONGEST {
            true => Ok(()),
            false => Err(BackoffError(self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stops_at_its_ends() {
        let second = Duration::from_secs(1);
        assert_eq!(Time::MAX + second, Time::MAX);
        assert_eq!(Time::ZERO - (Time::ZERO + second), Duration::ZERO);
        assert_eq!((Time::ZERO + second) - Time::ZERO, second);
    }

    #[test]
    fn the_first_wake_comes_first() {
        let wake = |seconds, why| Wake::new(Time::new(Duration::from_secs(seconds)), why);
        let wakes = [Some(wake(3, "c")), None, Some(wake(1, "a"))];
        assert_eq!(Wake::first(wakes), Some(wake(1, "a")));
        assert_eq!(Wake::first([None, None]), None);
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let second = Duration::from_secs(1);
        let backoff = Backoff::new(second, 5 * second);
        let pauses = [0, 1, 2, 3, 40].map(|doublings| backoff.pause(doublings).as_secs());
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
        assert_eq!(
            Backoff::new(second, Duration::MAX).pause(31),
            second * (1 << 30)
        );
    }

    #[test]
    fn pauses_that_fall_or_are_too_long_are_refused() {
        let (second, day) = (Duration::from_secs(1), Backoff::LONGEST);
        for (first, longest, good) in [
            (second, second, true),
            (Backoff::SHORTEST, day, true),
            (Duration::ZERO, second, false),
            (2 * second, second, false),
            (second, day + second, false),
        ] {
            let backoff = Backoff::new(first, longest);
            assert_eq!(backoff.check().is_ok(), good, "{backoff:?}");
        }
        assert_eq!(
            Backoff::new(2 * second, second)
                .check()
                .unwrap_err()
                .to_string(),
            "is 2s to 1s, must be 1ms to 24h and not fall"
        );
    }
}
