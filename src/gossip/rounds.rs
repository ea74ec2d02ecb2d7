//! The clock of the active thread: [`Rounds`], at a [`Pace`].

use std::{num::NonZeroU64, time::Duration};

use rand::{Rng, RngExt};
use smallvec::SmallVec;

use crate::time::Time;

/// How fast rounds follow each other, and how much each may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The time from the start of a round to the start of the next one.
    pub period: Duration,
    /// By how much that may be longer or shorter, at random; at most the period. Zero draws nothing
    /// from the random numbers. Nodes that were started together drift apart by it.
    pub jitter: Duration,
    /// The pause before a round that starts early; it doubles while early rounds follow each other.
    pub eager_delay: Duration,
    /// How many exchanges a round may start.
    pub fanout: u32,
    /// How many further partners a round may try when exchanges fail.
    pub retries: u32,
}

impl Pace {
    /// One exchange per period; no jitter, no retries, and an early round after a hundredth of the
    /// period. Change what should differ.
    pub const fn every(period: Duration) -> Self {
        Self {
            period,
            jitter: Duration::ZERO,
            eager_delay: Duration::from_nanos((period.as_nanos() / 100) as u64),
            fanout: 1,
            retries: 0,
        }
    }

    /// The time until the next round.
    fn next_period<R: Rng + ?Sized>(&self, rng: &mut R) -> Duration {
        let jitter = self.jitter.min(self.period);
        if jitter.is_zero() {
            return self.period;
        }
        let shortest = self.period.saturating_sub(jitter);
        shortest.saturating_add(rng.random_range(Duration::ZERO..=jitter.saturating_mul(2)))
    }
}

/// When a node's next round starts, what the current one may still do, and the partners that it has
/// tried.
///
/// A component that a [`Protocol`](crate::gossip::Protocol) owns. In
/// [`poll_exchange`](crate::gossip::Protocol::poll_exchange) it calls
/// [`begin_if_due`](Self::begin_if_due), then starts one exchange for each
/// [`take_turn`](Self::take_turn); [`next_round`](Self::next_round) is when it wants to be woken.
///
/// Rounds can start *early*, by [`hasten`](Self::hasten) or [`hasten_while`](Self::hasten_while):
/// after [`Pace::eager_delay`]. While that does not help, the delay doubles, up to the period, so
/// that a node comes to rest by itself.
#[derive(Debug, Clone)]
pub struct Rounds<I> {
    next_round: Time,
    /// The current round's number, and when it started. None before the first.
    round: Option<NonZeroU64>,
    round_started: Option<Time>,
    /// Exchanges that the current round may still start.
    turns: u32,
    /// Failures of the current round that may still be made up for.
    retries: u32,
    /// The partners of the current round. One is the rule, and stands in the node itself.
    tried: SmallVec<[I; 1]>,
    /// Exchanges in a row that ended without gain while more was wanted.
    fruitless: u32,
    /// Hastened rounds in a row.
    hastes: u32,
    /// How many times longer rounds are than at their pace, while nothing more is done.
    restraint: Option<f64>,
}

impl<I> Default for Rounds<I> {
    fn default() -> Self {
        Self::new()
    }
}

impl<I> Rounds<I> {
    /// The first round is due at once.
    pub fn new() -> Self {
        Self::starting_at(Time::ZERO)
    }

    /// The first round is due at this moment: with a random one, nodes that were started together
    /// do not all begin together.
    pub fn starting_at(first: Time) -> Self {
        Self {
            next_round: first,
            round: None,
            round_started: None,
            turns: 0,
            retries: 0,
            tried: SmallVec::new(),
            fruitless: 0,
            hastes: 0,
            restraint: None,
        }
    }

    /// When the next round starts.
    pub fn next_round(&self) -> Time {
        self.next_round
    }

    /// The current round's number, from 1 on; `None` before the first.
    pub fn round(&self) -> Option<NonZeroU64> {
        self.round
    }

    /// How many exchanges in a row have ended without gain while more was wanted, as told to
    /// [`hasten_while`](Self::hasten_while).
    pub fn fruitless(&self) -> u32 {
        self.fruitless
    }

    /// The partners that the current round has tried, as told to [`note_tried`](Self::note_tried).
    pub fn tried(&self) -> &[I] {
        &self.tried
    }

    /// Starts the next round when its time has come, and returns whether it has. Only a
    /// [`Pace::jitter`] draws from `rng`.
    pub fn begin_if_due<R: Rng + ?Sized>(&mut self, now: Time, pace: &Pace, rng: &mut R) -> bool {
        if now < self.next_round {
            return false;
        }
        let pace = &self.restrained(*pace);
        let unhurried = |started: Time| now >= started + pace.period;
        if self.round_started.is_none_or(unhurried) {
            self.hastes = 0;
        }
        self.round_started = Some(now);
        self.round = NonZeroU64::MIN.checked_add(self.round.map_or(0, NonZeroU64::get));
        self.next_round = now.saturating_add(pace.next_period(rng));
        self.turns = pace.fanout;
        self.retries = pace.retries;
        self.tried.clear();
        true
    }

    /// Lets the current round start so many more exchanges.
    pub fn add_turns(&mut self, turns: u32) {
        self.turns = self.turns.saturating_add(turns);
    }

    /// Takes one of the exchanges that the current round may still start; false when none is left.
    pub fn take_turn(&mut self) -> bool {
        let left = self.turns.checked_sub(1);
        self.turns = left.unwrap_or(0);
        left.is_some()
    }

    /// The current round has tried this partner.
    pub fn note_tried(&mut self, partner: I) {
        self.tried.push(partner);
    }

    /// An exchange that was started in `round` came to nothing; `None`: in no round. Another may
    /// take its place, if that round still goes on and has retries left.
    pub fn make_up_for_failure(&mut self, round: Option<NonZeroU64>) {
        if round.is_some() && round == self.round && self.retries > 0 {
            self.retries -= 1;
            self.turns += 1;
        }
    }

    /// An exchange has ended. While the node wants more, the next round starts after the eager
    /// delay, doubled for each exchange in a row that brought no gain.
    pub fn hasten_while(&mut self, wants_more: bool, gained: bool, now: Time, pace: &Pace) {
        self.fruitless = match wants_more && !gained {
            true => self.fruitless.saturating_add(1),
            false => 0,
        };
        if wants_more && !self.is_restrained() {
            self.next_round_within(now, self.fruitless, pace);
        }
    }

    /// Does less from now on, or as much as its pace says: for a node that has too much to do.
    /// `Some(times)`: rounds are `times` as long, but never shorter than at their pace; none starts
    /// early, and failures are not made up for. `None`: as before.
    pub fn restrain(&mut self, restraint: Option<f64>, now: Time, pace: &Pace) {
        if self.restraint != restraint {
            self.restraint = restraint;
            let period = self.restrained(*pace).period;
            self.next_round = self.next_round.min(now.saturating_add(period));
        }
    }

    /// Whether it does less than its pace says.
    pub fn is_restrained(&self) -> bool {
        self.restraint.is_some()
    }

    fn restrained(&self, pace: Pace) -> Pace {
        let Some(times) = self.restraint else {
            return pace;
        };
        let longer = |time: Duration| {
            let longer = Duration::try_from_secs_f64(time.as_secs_f64() * times.max(1.0));
            longer.unwrap_or(Duration::MAX)
        };
        Pace {
            period: longer(pace.period),
            jitter: longer(pace.jitter),
            retries: 0,
            ..pace
        }
    }

    /// Lets the next round start after the eager delay, doubled each time, until a whole period has
    /// passed without an early round.
    pub fn hasten(&mut self, now: Time, pace: &Pace) {
        if !self.is_restrained() {
            self.next_round_within(now, self.hastes, pace);
            self.hastes = self.hastes.saturating_add(1);
        }
    }

    /// Brings the next round forward: to the eager delay from now, doubled `doublings` times.
    fn next_round_within(&mut self, now: Time, doublings: u32, pace: &Pace) {
        let pause = pace.eager_delay.saturating_mul(1 << doublings.min(20));
        self.next_round = self.next_round.min(now.saturating_add(pause));
    }

    /// Reads everything, and changes nothing.
    #[cfg(any(feature = "simulator", feature = "fuzzing"))]
    pub(crate) fn touch(&self) {
        std::hint::black_box((
            (self.next_round, self.round, self.round_started),
            (self.turns, self.retries, self.tried.len()),
            (self.fruitless, self.hastes, self.restraint),
        ));
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    const PERIOD: Duration = Duration::from_secs(10);

    fn at(millis: u64) -> Time {
        Time::new(Duration::from_millis(millis))
    }

    fn rng() -> StdRng {
        StdRng::seed_from_u64(1)
    }

    #[test]
    fn a_round_has_fanout_turns_and_starts_once_per_period() {
        let (mut rounds, mut rng) = (Rounds::<u32>::new(), rng());
        let pace = Pace {
            fanout: 2,
            ..Pace::every(PERIOD)
        };
        assert!(!rounds.take_turn(), "before the first round");
        assert!(rounds.begin_if_due(at(500), &pace, &mut rng));
        assert!(rounds.take_turn() && rounds.take_turn() && !rounds.take_turn());
        assert!(!rounds.begin_if_due(at(10_499), &pace, &mut rng));
        assert_eq!(rounds.next_round(), at(10_500));
        assert!(rounds.begin_if_due(at(10_500), &pace, &mut rng));
        assert_eq!(rounds.round(), NonZeroU64::new(2));
    }

    #[test]
    fn a_failure_is_made_up_for_only_in_its_own_round() {
        let (mut rounds, mut rng) = (Rounds::new(), rng());
        let pace = Pace {
            retries: 1,
            ..Pace::every(PERIOD)
        };
        assert!(rounds.begin_if_due(at(0), &pace, &mut rng) && rounds.take_turn());
        rounds.note_tried(7);
        let first = rounds.round();
        rounds.make_up_for_failure(None);
        assert!(!rounds.take_turn(), "an exchange of no round");
        rounds.make_up_for_failure(first);
        assert!(rounds.take_turn());
        rounds.make_up_for_failure(first);
        assert!(!rounds.take_turn(), "one retry per round");
        assert_eq!(rounds.tried(), [7]);
        assert!(rounds.begin_if_due(at(10_000), &pace, &mut rng) && rounds.take_turn());
        rounds.make_up_for_failure(first);
        assert!(!rounds.take_turn() && rounds.tried().is_empty());
    }

    #[test]
    fn early_rounds_come_to_rest_where_nothing_is_gained() {
        let (mut rounds, mut rng) = (Rounds::<u32>::new(), rng());
        let pace = Pace::every(PERIOD);
        let mut now = at(0);
        let mut pauses = Vec::new();
        for gained in [true, false, false, true, false] {
            assert!(rounds.begin_if_due(now, &pace, &mut rng));
            rounds.hasten_while(true, gained, now, &pace);
            pauses.push((rounds.next_round() - now).as_millis());
            now = rounds.next_round();
        }
        assert_eq!(pauses, [100, 200, 400, 100, 200]);
        assert!(rounds.begin_if_due(now, &pace, &mut rng));
        rounds.hasten_while(false, false, now, &pace);
        assert_eq!(rounds.next_round() - now, PERIOD);
    }

    #[test]
    fn a_node_under_restraint_makes_longer_rounds_and_nothing_else() {
        let (mut rounds, mut rng) = (Rounds::new(), rng());
        let pace = Pace {
            retries: 1,
            ..Pace::every(PERIOD)
        };
        rounds.restrain(Some(3.0), at(0), &pace);
        assert!(rounds.begin_if_due(at(0), &pace, &mut rng) && rounds.take_turn());
        rounds.note_tried(7);
        rounds.make_up_for_failure(rounds.round());
        rounds.hasten(at(1), &pace);
        rounds.hasten_while(true, true, at(1), &pace);
        assert!(!rounds.take_turn());
        assert_eq!(rounds.next_round(), at(30_000));
        rounds.restrain(None, at(5_000), &pace);
        assert_eq!(rounds.next_round(), at(15_000), "not after the long round");
        rounds.hasten(at(5_000), &pace);
        assert_eq!(rounds.next_round(), at(5_100));
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_zero_jitter_draws_nothing() {
        let mut rng = rng();
        let pace = Pace {
            jitter: Duration::from_secs(2),
            ..Pace::every(PERIOD)
        };
        let periods: Vec<_> = (0..200).map(|_| pace.next_period(&mut rng)).collect();
        let (shortest, longest) = (periods.iter().min(), periods.iter().max());
        let within = |from, to| Duration::from_millis(from)..=Duration::from_millis(to);
        assert!(shortest.is_some_and(|period| within(8_000, 8_200).contains(period)));
        assert!(longest.is_some_and(|period| within(11_800, 12_000).contains(period)));

        let (mut drawing, mut untouched) = (self::rng(), self::rng());
        assert_eq!(Pace::every(PERIOD).next_period(&mut drawing), PERIOD);
        assert_eq!(drawing.random::<u64>(), untouched.random::<u64>());
    }
}
