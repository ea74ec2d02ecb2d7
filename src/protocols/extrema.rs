//! The smallest and the largest value in the network, as every node knows them: [`Extrema`].
//!
//! Aggregation by push-pull: Jelasity, Montresor, Babaoglu, *Gossip-based aggregation in large
//! dynamic networks* (ACM TOCS 23(3), 2005), with minimum and maximum as the function. Both are
//! idempotent, so that lost, late and overlapping exchanges do no harm.

pub(crate) mod config;
#[cfg(test)]
mod tests;

use std::{fmt, hash::Hash};

use rand::Rng;

use crate::{
    gossip::{
        Exchange, ExchangeId, Failure, Peers, Protocol,
        in_flight::InFlight,
        rounds::{Pace, Rounds},
    },
    protocols::extrema::config::{Config, ConfigError, NotANumber},
    time::{Time, Wake},
};

/// By how much a node's number of the epoch may grow at once: 65,536. So a peer that lies cannot
/// use the numbers up.
pub const MAX_JUMP: u64 = 1 << 16;

/// A smallest and a largest value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extremes {
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Extremes {
    /// Of one value.
    fn of(value: f64) -> Self {
        Self {
            min: value,
            max: value,
        }
    }

    /// Of all values that either is about.
    fn join(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    fn has_nan(self) -> bool {
        self.min.is_nan() || self.max.is_nan()
    }
}

/// Both the request and the answer: what the sender knows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Message {
    /// The number of the sender's epoch.
    pub epoch: u64,
    /// The extremes that the sender has heard of in this epoch.
    pub extremes: Extremes,
}

/// What the application is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// [`Extrema::estimate`] has changed, to this.
    Changed(Extremes),
}

/// One node's part in finding the smallest and the largest value in the network.
///
/// Once per period the node sends the extremes that it knows to a partner, the partner answers with
/// those that it knows, and both keep the smaller minimum and the larger maximum. After some `ln n`
/// rounds all of `n` nodes know both.
///
/// # Epochs
///
/// An extreme whose node is gone, or has another value now, would stay for ever. So nodes start
/// anew from their own values, in *epochs*, which have numbers. A node begins the next epoch after
/// [`Config::with_epoch`] rounds, or when it hears of a later one: whose clock is fastest leads.
/// What is heard of other epochs than the own one does not count. [`estimate`](Self::estimate) is
/// about the last two epochs, so it does not forget when an epoch begins, and a value that is gone
/// is forgotten after two.
///
/// # What a liar can do
///
/// - Set an extreme to the end of the declared [range](Config::new), as anybody can claim to have
///   that value, for as long as it takes part and two epochs more. No more than that: values are
///   clamped to the range when they come in.
/// - Let epochs end early. A node follows to a later epoch only when half of its own is over, so
///   epochs last half as long at worst: make them twice as long as values take to spread.
/// - Use up the numbers, or lead away from the others by a number that is far off: no. Numbers that
///   differ by more than [`MAX_JUMP`] do not count. A newcomer takes the first number that it
///   hears; if most answers of an epoch are far off from it, it is a newcomer again.
#[derive(Debug, Clone)]
pub struct Extrema<I, R> {
    config: Config,
    value: f64,
    epoch: u64,
    /// How many rounds have begun in this epoch.
    age: u32,
    /// What was heard in this epoch, the own values included.
    current: Extremes,
    /// The same of the epoch before.
    finished: Option<Extremes>,
    /// Has not heard of anybody's epoch.
    newcomer: bool,
    /// In this epoch, how many answers were of an epoch nearby, less those of one that is far off.
    in_touch: i64,
    told: Extremes,
    rounds: Rounds<I>,
    /// The last round has ended without an exchange.
    is_late: bool,
    in_flight: InFlight<I, ()>,
    rng: R,
}

impl<I, R> Extrema<I, R> {
    /// A node with this value, which is clamped to the range. `rng` chooses among neighbours, and
    /// the length of each round.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when a setting is outside its bounds, or the value is not a number.
    pub fn new(config: Config, value: f64, rng: R) -> Result<Self, ConfigError> {
        config.check()?;
        if value.is_nan() {
            return Err(ConfigError::Value(NotANumber));
        }
        let value = config.clamp(value);
        Ok(Self {
            config,
            value,
            epoch: 0,
            age: 0,
            current: Extremes::of(value),
            finished: None,
            newcomer: true,
            in_touch: 0,
            told: Extremes::of(value),
            rounds: Rounds::new(),
            is_late: false,
            in_flight: InFlight::new(),
            rng,
        })
    }

    /// Gives this node another value, which is clamped to the range. The one before is forgotten
    /// after two epochs.
    ///
    /// # Errors
    ///
    /// [`NotANumber`] when it is none. Then nothing has changed.
    pub fn set(&mut self, value: f64) -> Result<(), NotANumber> {
        if value.is_nan() {
            return Err(NotANumber);
        }
        self.value = self.config.clamp(value);
        self.current = self.current.join(Extremes::of(self.value));
        Ok(())
    }

    /// The value of this node.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The extremes of the network as far as this node knows, over the current epoch and the one
    /// before. At first those of the own value.
    pub fn estimate(&self) -> Extremes {
        self.finished
            .map_or(self.current, |finished| self.current.join(finished))
    }

    /// The number of the current epoch.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    fn message(&self) -> Message {
        Message {
            epoch: self.epoch,
            extremes: self.current,
        }
    }

    fn begin_epoch(&mut self, epoch: u64) {
        self.finished = Some(self.current);
        self.current = Extremes::of(self.value);
        self.epoch = epoch;
        self.age = 0;
        self.in_touch = 0;
    }

    /// A round begins, and with it an epoch if the current one has had all its rounds.
    fn begin_round(&mut self) {
        if self.age >= self.config.epoch() {
            self.newcomer |= self.in_touch < 0;
            self.begin_epoch(self.epoch.saturating_add(1));
        }
        self.age += 1;
    }

    fn is_near(&self, epoch: u64) -> bool {
        epoch.abs_diff(self.epoch) <= MAX_JUMP
    }

    fn learn(&mut self, Message { epoch, extremes }: Message) {
        if extremes.has_nan() {
            return;
        }
        if self.newcomer && epoch != self.epoch {
            self.begin_epoch(epoch);
        }
        if !self.is_near(epoch) {
            return;
        }
        if epoch > self.epoch && self.age >= self.config.epoch() / 2 {
            self.begin_epoch(epoch);
        }
        self.newcomer = false;
        if epoch == self.epoch {
            let clamped = Extremes {
                min: self.config.clamp(extremes.min),
                max: self.config.clamp(extremes.max),
            };
            self.current = self.current.join(clamped);
        }
    }

    fn pace(&self) -> Pace {
        let period = self.config.period();
        Pace {
            jitter: period / 10,
            ..Pace::every(period)
        }
    }
}

impl<I: Clone + Eq + Hash + fmt::Debug, R: Rng> Protocol for Extrema<I, R> {
    type Id = I;
    type Request = Message;
    type Response = Message;
    type Event = Event;

    fn poll_exchange(
        &mut self,
        peers: &mut impl Peers<I>,
        now: Time,
    ) -> Option<Exchange<I, Message>> {
        let pace = self.pace();
        if now >= self.rounds.next_round() {
            // Not taken in a whole round: the sampler has made no exchange. It is made up for.
            self.is_late = self.rounds.take_turn();
            self.rounds.begin_if_due(now, &pace, &mut self.rng);
            self.rounds.add_turns(self.is_late.into());
            self.begin_round();
        }
        if self.in_flight.is_full() || !self.rounds.take_turn() {
            return None;
        }
        let partners = self.config.partners();
        let partner = partners.select_when_ready(self.is_late, peers, &mut self.rng);
        let Some(partner) = partner else {
            // There may be one later in the round.
            self.rounds.add_turns(1);
            return None;
        };
        self.is_late = false;
        let deadline = now + self.config.period();
        let id = self.in_flight.start(partner.clone(), (), deadline)?;
        Some(Exchange {
            id,
            partner,
            request: self.message(),
        })
    }

    fn handle_request(&mut self, _from: &I, request: Message, _now: Time) -> Option<Message> {
        self.learn(request);
        Some(self.message())
    }

    fn handle_outcome(&mut self, id: ExchangeId, outcome: Result<Message, Failure>, _now: Time) {
        if self.in_flight.finish(id).is_some()
            && let Ok(message) = outcome
        {
            self.in_touch += if self.is_near(message.epoch) { 1 } else { -1 };
            self.learn(message);
        }
    }

    fn poll_expired(&mut self, now: Time) -> Option<ExchangeId> {
        let expired = self.in_flight.take_overdue(now)?;
        Some(expired.id)
    }

    fn poll_event(&mut self) -> Option<Event> {
        let estimate = self.estimate();
        if estimate == self.told {
            return None;
        }
        self.told = estimate;
        Some(Event::Changed(estimate))
    }

    fn restrain(&mut self, restraint: Option<f64>, now: Time) {
        let pace = self.pace();
        self.rounds.restrain(restraint, now, &pace);
    }

    fn next_wake(&self) -> Option<Wake> {
        let round = Wake::new(self.rounds.next_round(), "a round");
        let expires = self.in_flight.deadline();
        Wake::first([Some(round), expires.map(|at| Wake::new(at, "a time-out"))])
    }
}
