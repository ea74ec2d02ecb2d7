//! When a node's rounds start, and which exchanges each may make.

use std::{hint::black_box, num::NonZeroU64};

use smallvec::SmallVec;

use crate::sampling::sampler::config::Config;
use crate::time::Time;

/// When the next round starts, and what the current one may still do.
#[derive(Debug)]
pub(super) struct Schedule<I> {
    next_round: Time,
    /// The current round's number, and when it started. None before the first.
    round: Option<NonZeroU64>,
    round_started: Option<Time>,
    /// Exchanges that the current round may still start.
    budget: u32,
    /// Failures of the current round that may still be made up for.
    retries: u32,
    /// The partners of the current round: none is tried twice. One is the rule, and stands in the
    /// node itself.
    tried: SmallVec<[I; 1]>,
    /// Exchanges in a row that brought nobody new to a view with room.
    fruitless: u32,
    /// Hastened rounds in a row.
    hastes: u32,
}

impl<I: Eq> Schedule<I> {
    /// The first round is due at once.
    pub(super) fn new() -> Self {
        Self {
            next_round: Time::ZERO,
            round: None,
            round_started: None,
            budget: 0,
            retries: 0,
            tried: SmallVec::new(),
            fruitless: 0,
            hastes: 0,
        }
    }

    /// When the next round starts.
    pub(super) fn next_round(&self) -> Time {
        self.next_round
    }

    /// The current round's number; none before the first.
    pub(super) fn round(&self) -> Option<NonZeroU64> {
        self.round
    }

    /// Exchanges in a row that brought nobody new to a view with room.
    pub(super) fn fruitless(&self) -> u32 {
        self.fruitless
    }

    /// The partners of the current round.
    pub(super) fn tried(&self) -> &[I] {
        &self.tried
    }

    /// Reads everything, and changes nothing.
    pub(super) fn touch(&self) {
        black_box((
            (self.next_round, self.round, self.round_started),
            (self.budget, self.retries, self.tried.len()),
            (self.fruitless, self.hastes),
        ));
    }

    /// Starts the next round when its time has come, and returns whether it has.
    pub(super) fn begin_if_due(&mut self, now: Time, config: &Config) -> bool {
        if now < self.next_round {
            return false;
        }
        let unhurried = |started: Time| now >= started + config.period();
        if self.round_started.is_none_or(unhurried) {
            self.hastes = 0;
        }
        self.round_started = Some(now);
        self.round = NonZeroU64::MIN.checked_add(self.round.map_or(0, NonZeroU64::get));
        self.next_round = now.saturating_add(config.period());
        // Both are at most the view size.
        self.budget = config.fanout() as u32;
        self.retries = config.retries() as u32;
        self.tried.clear();
        true
    }

    /// Lets the current round start more exchanges; at most the view size.
    pub(super) fn add_turns(&mut self, turns: usize) {
        self.budget = self.budget.saturating_add(turns as u32);
    }

    /// Takes one exchange out of the round's budget; false when there is none left.
    pub(super) fn take_turn(&mut self) -> bool {
        let left = self.budget.checked_sub(1);
        self.budget = left.unwrap_or(0);
        left.is_some()
    }

    /// The round has tried this partner, and does not try it again.
    pub(super) fn note_tried(&mut self, partner: I) {
        self.tried.push(partner);
    }

    /// An exchange that `round` had started came to nothing: another may take its place, as long as
    /// that round goes on and has retries left.
    pub(super) fn make_up_for_failure(&mut self, round: Option<NonZeroU64>) {
        if round.is_some() && round == self.round && self.retries > 0 {
            self.retries -= 1;
            self.budget += 1;
        }
    }

    /// An exchange has ended: while there is room, the next round starts after the eager delay, doubled
    /// for each exchange in a row that brought nobody new.
    pub(super) fn hurry_to_fill(&mut self, grown: bool, room: bool, now: Time, config: &Config) {
        self.fruitless = match room && !grown {
            true => self.fruitless.saturating_add(1),
            false => 0,
        };
        if room {
            self.next_round_within(now, self.fruitless, config);
        }
    }

    /// Lets the next round start after the eager delay, doubled each time, until a whole period has
    /// passed without haste.
    pub(super) fn hasten(&mut self, now: Time, config: &Config) {
        self.next_round_within(now, self.hastes, config);
        self.hastes = self.hastes.saturating_add(1);
    }

    /// Brings the next round forward: to the eager delay from now, doubled `doublings` times.
    fn next_round_within(&mut self, now: Time, doublings: u32, config: &Config) {
        let pause = config.eager_delay().saturating_mul(1 << doublings.min(20));
        self.next_round = self.next_round.min(now.saturating_add(pause));
    }
}
