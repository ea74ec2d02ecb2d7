//! The smallest and the largest value in the network, as every node knows them: [`Extrema`].
//!
//! Aggregation by push-pull: Jelasity, Montresor, Babaoglu, *Gossip-based aggregation in large
//! dynamic networks* (ACM TOCS 23(3), 2005), with minimum and maximum as the function. Both are
//! idempotent, so that lost, late and overlapping exchanges do no harm.

pub(crate) mod config;

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

/// By how much a node's number of the epoch may grow at once: 65,536. Whoever lies can then not use
/// the numbers up.
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

    fn next_wake(&self) -> Option<Wake> {
        let round = Wake::new(self.rounds.next_round(), "a round");
        let expires = self.in_flight.deadline();
        Wake::first([Some(round), expires.map(|at| Wake::new(at, "a time-out"))])
    }
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "simulator")]
    mod network;

    use std::time::Duration;

    use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

    use super::*;
    use crate::gossip::Nobody;

    type Node = Extrema<u32, Xoshiro256PlusPlus>;

    const EPOCH: u32 = 10;

    /// One neighbour.
    struct One;

    impl Peers<u32> for One {
        fn select_peer(&mut self) -> Option<u32> {
            None
        }

        fn neighbours(&self) -> &[u32] {
            &[9]
        }

        fn next_exchanged(&mut self) -> Option<u32> {
            None
        }
    }

    fn node(value: f64) -> Node {
        let config = Config::new(0.0..=100.0).with_epoch(EPOCH);
        let rng = Xoshiro256PlusPlus::seed_from_u64(1);
        Extrema::new(config, value, rng).expect("valid settings")
    }

    fn extremes(min: f64, max: f64) -> Extremes {
        Extremes { min, max }
    }

    fn message(epoch: u64, min: f64, max: f64) -> Message {
        let extremes = extremes(min, max);
        Message { epoch, extremes }
    }

    /// Lets so many rounds begin, without a partner.
    fn pass(node: &mut Node, rounds: u32) {
        for _ in 0..rounds {
            let due = node.rounds.next_round();
            assert!(node.poll_exchange(&mut Nobody, due).is_none());
        }
    }

    /// One exchange, which is answered by this.
    fn ask(node: &mut Node, answer: Message) {
        let now = node.rounds.next_round();
        let exchange = node.poll_exchange(&mut One, now).expect("a round is due");
        node.handle_outcome(exchange.id, Ok(answer), now);
    }

    fn hear(node: &mut Node, heard: Message) -> Option<Message> {
        node.handle_request(&7, heard, Time::ZERO)
    }

    #[test]
    fn what_comes_in_is_clamped_and_told_once() {
        let mut node = node(50.0);
        assert_eq!(node.poll_event(), None, "the own value is no news");
        let answer = hear(&mut node, message(0, -5.0, f64::INFINITY));
        assert_eq!(answer, Some(message(0, 0.0, 100.0)));
        let changed = Event::Changed(extremes(0.0, 100.0));
        assert_eq!(node.poll_event(), Some(changed));
        hear(&mut node, message(0, 1.0, 99.0));
        assert_eq!(node.poll_event(), None);
    }

    #[test]
    fn what_is_not_a_number_changes_nothing() {
        let mut node = node(50.0);
        assert_eq!(node.set(f64::NAN), Err(NotANumber));
        hear(&mut node, message(0, f64::NAN, 60.0));
        assert_eq!(node.estimate(), extremes(50.0, 50.0));
        assert_eq!(node.set(1_000.0), Ok(()));
        assert_eq!(node.estimate(), extremes(50.0, 100.0));
        let rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let refused = Node::new(Config::new(0.0..=1.0), f64::NAN, rng).err();
        assert_eq!(refused, Some(ConfigError::Value(NotANumber)));
    }

    #[test]
    fn a_value_that_is_gone_is_forgotten_after_two_epochs() {
        let mut node = node(50.0);
        hear(&mut node, message(0, 50.0, 90.0));
        pass(&mut node, EPOCH + 1);
        assert_eq!((node.epoch(), node.estimate().max), (1, 90.0));
        pass(&mut node, EPOCH);
        assert_eq!((node.epoch(), node.estimate().max), (2, 50.0));
    }

    #[test]
    fn a_later_epoch_is_followed_when_half_of_the_own_one_is_over() {
        let mut node = node(50.0);
        hear(&mut node, message(0, 50.0, 50.0));
        pass(&mut node, EPOCH / 2 - 1);
        hear(&mut node, message(1, 50.0, 90.0));
        assert_eq!((node.epoch(), node.estimate().max), (0, 50.0));
        pass(&mut node, 1);
        hear(&mut node, message(1, 50.0, 90.0));
        assert_eq!((node.epoch(), node.estimate().max), (1, 90.0));
        hear(&mut node, message(0, 50.0, 95.0));
        assert_eq!(node.estimate().max, 90.0, "an earlier epoch");
    }

    #[test]
    fn a_newcomer_takes_the_first_number_and_leaves_it_when_most_are_far_off() {
        let mut node = node(50.0);
        let lie = message(u64::MAX, 50.0, 50.0);
        let truth = message(7, 50.0, 90.0);
        hear(&mut node, lie);
        assert_eq!(node.epoch(), u64::MAX);
        ask(&mut node, lie);
        for _ in 1..EPOCH {
            for _ in 0..9 {
                hear(&mut node, lie);
            }
            ask(&mut node, truth);
            assert_eq!(node.epoch(), u64::MAX, "too far off to count");
        }
        ask(&mut node, truth);
        assert_eq!((node.epoch(), node.estimate().max), (7, 90.0));
    }

    #[test]
    fn who_is_in_touch_is_not_led_away() {
        let mut node = node(50.0);
        hear(&mut node, message(3, 50.0, 50.0));
        pass(&mut node, EPOCH - 1);
        hear(&mut node, message(3 + MAX_JUMP + 1, 50.0, 90.0));
        assert_eq!((node.epoch(), node.estimate().max), (3, 50.0));
        hear(&mut node, message(3, 50.0, 60.0));
        pass(&mut node, 2);
        hear(&mut node, message(u64::MAX, 50.0, 90.0));
        assert_eq!((node.epoch(), node.estimate().max), (4, 60.0));
    }

    #[test]
    fn an_exchange_without_an_answer_is_given_up_after_a_period() {
        let mut node = node(50.0);
        assert!(node.poll_exchange(&mut Nobody, Time::ZERO).is_none());
        let exchange = node.poll_exchange(&mut One, Time::ZERO);
        let id = exchange
            .map(|exchange| exchange.id)
            .expect("the turn is kept");
        let over = Time::ZERO + Duration::from_secs(10);
        assert_eq!(node.next_wake().map(|wake| wake.at <= over), Some(true));
        assert_eq!(node.poll_expired(over), Some(id));
        node.handle_outcome(id, Ok(message(0, 50.0, 90.0)), over);
        assert_eq!(node.estimate().max, 50.0, "it came too late");
    }
}
