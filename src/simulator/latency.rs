//! How long messages take.

use std::time::Duration;

use rand::{Rng, RngExt};
use rand_distr::{Distribution, LogNormal};

/// The time from sending a message to its arrival, drawn anew for each message, so messages
/// overtake each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Latency {
    /// Always the same.
    Constant(Duration),
    /// Uniform from `min` to `max`, both included.
    Uniform {
        /// The shortest.
        min: Duration,
        /// The longest; not less than `min`.
        max: Duration,
    },
    /// Log-normal: most are near the median, and a few take many times as long, as on the internet.
    LogNormal {
        /// Half of the messages take longer.
        median: Duration,
        /// The standard deviation of the logarithm, 0 to 5. With 0.5, one message of 40 takes
        /// longer than 2.7 medians.
        sigma: f64,
    },
}

impl Latency {
    /// The longest that can be set, and that is ever drawn.
    pub const MAX: Duration = Duration::from_secs(60 * 60);
    /// The smallest and the largest `sigma`.
    pub const SIGMA: (f64, f64) = (0.0, 5.0);

    /// Whether all of it is within its bounds.
    pub(crate) fn is_valid(self) -> bool {
        match self {
            Self::Constant(latency) => latency <= Self::MAX,
            Self::Uniform { min, max } => min <= max && max <= Self::MAX,
            Self::LogNormal { median, sigma } => {
                let (smallest, largest) = Self::SIGMA;
                median <= Self::MAX && (smallest..=largest).contains(&sigma)
            }
        }
    }

    pub(crate) fn sample<R: Rng + ?Sized>(self, rng: &mut R) -> Duration {
        match self {
            Self::Constant(latency) => latency,
            Self::Uniform { min, max } => rng.random_range(min..=max),
            Self::LogNormal { median, sigma } => {
                // Refused only for a sigma that is not a finite number above 0.
                let factor = LogNormal::new(0.0, sigma).map_or(1.0, |factors| factors.sample(rng));
                let longest = Self::MAX.as_secs_f64();
                Duration::from_secs_f64((median.as_secs_f64() * factor).min(longest))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn samples(latency: Latency) -> Vec<Duration> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut samples: Vec<_> = (0..2_000).map(|_| latency.sample(&mut rng)).collect();
        samples.sort_unstable();
        samples
    }

    #[test]
    fn samples_are_distributed_as_named() {
        assert!(
            samples(Latency::Constant(SECOND))
                .iter()
                .all(|s| *s == SECOND)
        );

        let uniform = samples(Latency::Uniform {
            min: SECOND,
            max: 3 * SECOND,
        });
        assert!(uniform[0] >= SECOND && uniform[1_999] <= 3 * SECOND);
        assert!((1.9..2.1).contains(&uniform[1_000].as_secs_f64()));

        let sigma = 0.5;
        let median = SECOND;
        let log_normal = samples(Latency::LogNormal { median, sigma });
        assert!((0.95..1.05).contains(&log_normal[1_000].as_secs_f64()));
        // The 97.5th percentile: e^(1.96 sigma) medians.
        assert!((2.4..3.0).contains(&log_normal[1_950].as_secs_f64()));
    }

    #[test]
    fn only_sound_distributions_are_valid() {
        let log_normal = |sigma| Latency::LogNormal {
            median: SECOND,
            sigma,
        };
        assert!(log_normal(0.0).is_valid() && log_normal(5.0).is_valid());
        assert!(!log_normal(f64::NAN).is_valid() && !log_normal(-0.1).is_valid());
        assert!(!Latency::Constant(Latency::MAX + SECOND).is_valid());
        let (min, max) = (2 * SECOND, SECOND);
        assert!(!Latency::Uniform { min, max }.is_valid());
        // The longest is kept to, whatever is drawn.
        let longest = samples(Latency::LogNormal {
            median: Latency::MAX,
            sigma: 5.0,
        });
        assert_eq!(longest[1_999], Latency::MAX);
    }
}
