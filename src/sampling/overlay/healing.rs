//! How much healing a node needs, by the outcomes of its own latest exchanges.

use crate::sampling::overlay::Outcome;

/// The outcomes of a node's latest exchanges, and the healer parameter that follows from them.
///
/// H grows with the *square* of the failures, so that a burst of them weighs more than as many that
/// come one by one. For c=30, with 0, 1, 2, 3, 4 failures in the window, H is 0, 0, 3, 8, 15.
///
/// `WINDOW`, at most 32: how many of its own exchanges a node remembers (10, measured). Fewer
/// forget a crash before its last traces are gone; more remember losses that mean nothing. `FULL`:
/// how many failures among these exchanges ask for all the healing there is (4, measured).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Healing<const WINDOW: u32 = 10, const FULL: usize = 4> {
    /// One bit per exchange, the latest lowest; set when there was no answer.
    failures: u32,
}

impl<const WINDOW: u32, const FULL: usize> Healing<WINDOW, FULL> {
    /// Of a node that has not seen any exchange fail.
    pub(super) const fn new() -> Self {
        Self { failures: 0 }
    }

    /// An exchange that this node started has ended. A refusal says nothing.
    pub(super) fn note(&mut self, outcome: Outcome) {
        if outcome != Outcome::Refused {
            self.exchange_ended(!outcome.is_failure());
        }
    }

    /// An exchange has ended: with an answer or without.
    fn exchange_ended(&mut self, answered: bool) {
        let remembered = u32::MAX >> (u32::BITS - WINDOW);
        self.failures = ((self.failures << 1) | u32::from(!answered)) & remembered;
    }

    /// The healer parameter H, in descriptors per merge, for views of which `half` is half.
    pub(super) fn healer(self, half: usize) -> usize {
        let failures = (self.failures.count_ones() as usize).min(FULL);
        half.saturating_mul(failures * failures) / (FULL * FULL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: u32 = 10;

    fn after(outcomes: impl IntoIterator<Item = bool>) -> Healing {
        let mut healing: Healing = Healing::new();
        for answered in outcomes {
            healing.exchange_ended(answered);
        }
        healing
    }

    #[test]
    fn a_burst_of_failures_asks_for_all_healing_and_isolated_ones_for_none() {
        let of_burst = |failures| after(vec![false; failures]).healer(15);
        assert_eq!(
            [0, 1, 2, 3, 4, 5, 20].map(of_burst),
            [0, 0, 3, 8, 15, 15, 15]
        );
        let mut healing: Healing = Healing::new();
        for number in 0..1_000 {
            healing.exchange_ended(number % WINDOW != 0);
            assert_eq!(healing.healer(15), 0, "after {number}");
        }
    }

    #[test]
    fn it_does_not_matter_where_in_the_window_the_failures_are() {
        let together = after([false, false, false, true, true, true, true, true]);
        let apart = after([false, true, true, true, false, true, true, false]);
        assert_eq!(together.healer(15), apart.healer(15));
    }

    #[test]
    fn rest_returns_with_a_window_of_answers() {
        let mut healing = after([false; 30]);
        let mut before = healing.healer(15);
        for _ in 0..WINDOW {
            healing.exchange_ended(true);
            assert!(healing.healer(15) <= before);
            before = healing.healer(15);
        }
        assert_eq!(healing, Healing::new());
    }

    #[test]
    fn healing_takes_at_most_half_of_the_view() {
        for half in (1..=100).chain([usize::MAX / 2, usize::MAX]) {
            let mut before = 0;
            let mut healing: Healing = Healing::new();
            for failures in 0..WINDOW {
                let healer = healing.healer(half);
                assert!((before..=half).contains(&healer), "{failures}, c/2={half}");
                before = healer;
                healing.exchange_ended(false);
            }
        }
        for half in 1..=5_000 {
            assert_eq!(after([false; 4]).healer(half), half);
        }
    }
}
