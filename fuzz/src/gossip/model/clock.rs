//! When rounds start and what each may do, as the documents describe it.

use std::collections::BTreeSet;

use libp2p_peer_sampling::time::Time;

use super::super::settings::{EAGER_DELAY, PERIOD, Settings};

/// When rounds start, and what the current one may still do.
#[derive(Debug, Default)]
pub struct Clock {
    pub rounds: u64,
    pub(super) next_round: Time,
    round_started: Option<Time>,
    pub(super) turns: usize,
    retries: usize,
    pub(super) tried: BTreeSet<u8>,
    fruitless: u32,
    hastes: u32,
}

impl Clock {
    pub(super) fn begin_if_due(&mut self, now: Time, settings: &Settings) -> bool {
        if now < self.next_round {
            return false;
        }
        let unhurried = |started: Time| now >= started + PERIOD;
        if self.round_started.is_none_or(unhurried) {
            self.hastes = 0;
        }
        self.round_started = Some(now);
        self.rounds += 1;
        self.next_round = now.saturating_add(PERIOD);
        self.turns = settings.fanout;
        self.retries = settings.retries;
        self.tried.clear();
        true
    }

    pub fn hastened(&mut self, now: Time) {
        self.next_round_within(now, self.hastes);
        self.hastes = self.hastes.saturating_add(1);
    }

    pub(super) fn hurry_to_fill(&mut self, room: bool, changed: bool, now: Time) {
        self.fruitless = match room && !changed {
            true => self.fruitless.saturating_add(1),
            false => 0,
        };
        if room {
            self.next_round_within(now, self.fruitless);
        }
    }

    /// An exchange of this round came to nothing.
    pub(super) fn make_up_for(&mut self, round: Option<u64>) {
        if round.is_some_and(|round| round == self.rounds) && self.retries > 0 {
            self.retries -= 1;
            self.turns += 1;
        }
    }

    fn next_round_within(&mut self, now: Time, doublings: u32) {
        let pause = EAGER_DELAY * 2u32.pow(doublings.min(20));
        self.next_round = self.next_round.min(now.saturating_add(pause));
    }
}
