//! How long exchanges with other peers take, as every node measures it for itself: [`RoundTrip`].

pub(crate) mod config;
pub(crate) mod histogram;

use std::{collections::BTreeMap, fmt, hash::Hash, time::Duration};

use rand::{Rng, RngExt};

use crate::{
    gossip::{
        Exchange, ExchangeId, Failure, Peers, Protocol,
        in_flight::InFlight,
        rounds::{Pace, Rounds},
    },
    protocols::round_trip::{
        config::{Config, ConfigError},
        histogram::Histogram,
    },
    time::{Time, Wake},
};

/// The request: a number that nobody can guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ping {
    /// Drawn at random for this exchange.
    pub number: u64,
}

/// The answer to a [`Ping`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pong {
    /// The number of the request.
    pub number: u64,
    /// How long the exchange took, where the wire has measured it, at the end that has asked; it
    /// does not travel. `None`: from the start of the exchange to its outcome.
    pub took: Option<Duration>,
}

/// What the application is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<I> {
    /// A round trip to a peer has been measured.
    Measured {
        /// The peer at the other end.
        peer: I,
        /// How long it took.
        round_trip: Duration,
    },
}

/// The round trips to one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// The shortest since the peer came into the table: the nearest to what the network takes, as
    /// everything else that happens on the way adds to it.
    pub shortest: Duration,
    /// The latest.
    pub latest: Duration,
    /// How many there were.
    pub count: u64,
    /// When the latest ended.
    pub at: Time,
}

/// One node's part in measuring round trips: once per period it sends a partner a number, and the
/// partner sends it back.
///
/// With partners from the sampler, the [histogram](Self::histogram) is a sample of the distances to
/// the whole network, and [`get`](Self::get) is what a node knows of one peer: at most
/// [`Config::with_peers`] of them, of which the one that was measured the longest ago goes first.
///
/// # What a measurement means
///
/// The partner should be connected already, or its connection would have to be made first:
/// [`Partners::Exchanged`](crate::gossip::partners::Partners::Exchanged), the default, and
/// [`Partners::Neighbours`](crate::gossip::partners::Partners::Neighbours) see to that, and
/// [`Partners::Samples`](crate::gossip::partners::Partners::Samples) is refused. In a swarm, the
/// wire measures from the request's bytes to those of the answer: neither a connection that got
/// lost and is dialled again is in it, nor the negotiation of the substream. What the two ends take
/// to come round to it is. So a busy peer looks farther away; look at the shortest of several.
///
/// # What a liar can do
///
/// Look farther away, by answering late. It cannot look nearer: it would have to answer before the
/// request has come, and does not know the number. Nobody passes on what others have measured.
#[derive(Debug, Clone)]
pub struct RoundTrip<I, R> {
    config: Config,
    rounds: Rounds<I>,
    /// The last round has ended without an exchange.
    is_late: bool,
    in_flight: InFlight<I, Sent>,
    measured: BTreeMap<I, Measured>,
    histogram: Histogram,
    /// Not told yet. At most one per answer, as the caller polls after each.
    told: Vec<Event<I>>,
    rng: R,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    number: u64,
    at: Time,
}

impl<I: Clone + Ord, R> RoundTrip<I, R> {
    /// Nothing measured yet. `rng` chooses among neighbours, the numbers, which others must not be
    /// able to guess, and the length of each round.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when a setting is outside its bounds.
    pub fn new(config: Config, rng: R) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            config,
            rounds: Rounds::new(),
            is_late: false,
            in_flight: InFlight::new(),
            measured: BTreeMap::new(),
            histogram: Histogram::default(),
            told: Vec::new(),
            rng,
        })
    }

    /// The round trips to this peer, if there were any and it is still in the table.
    pub fn get(&self, peer: &I) -> Option<&Measured> {
        self.measured.get(peer)
    }

    /// The table: all peers, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&I, &Measured)> {
        self.measured.iter()
    }

    /// All round trips that this node has ever measured.
    pub fn histogram(&self) -> &Histogram {
        &self.histogram
    }

    fn note(&mut self, peer: I, round_trip: Duration, now: Time) {
        self.histogram.add(round_trip);
        let is_new = !self.measured.contains_key(&peer);
        if is_new && self.measured.len() >= self.config.peers() {
            let oldest = self.measured.iter().min_by_key(|(_, measured)| measured.at);
            if let Some(oldest) = oldest.map(|(peer, _)| peer.clone()) {
                self.measured.remove(&oldest);
            }
        }
        let entry = self.measured.entry(peer.clone()).or_insert(Measured {
            shortest: round_trip,
            latest: round_trip,
            count: 0,
            at: now,
        });
        *entry = Measured {
            shortest: entry.shortest.min(round_trip),
            latest: round_trip,
            count: entry.count + 1,
            at: now,
        };
        self.told.push(Event::Measured { peer, round_trip });
    }

    fn pace(&self) -> Pace {
        let period = self.config.period();
        Pace {
            jitter: period / 10,
            ..Pace::every(period)
        }
    }
}

impl<I: Clone + Ord + Hash + fmt::Debug, R: Rng> Protocol for RoundTrip<I, R> {
    type Id = I;
    type Request = Ping;
    type Response = Pong;
    type Event = Event<I>;

    fn poll_exchange(&mut self, peers: &mut impl Peers<I>, now: Time) -> Option<Exchange<I, Ping>> {
        let pace = self.pace();
        if now >= self.rounds.next_round() {
            // Not taken in a whole round: the sampler has made no exchange. It is made up for.
            self.is_late = self.rounds.take_turn();
            self.rounds.begin_if_due(now, &pace, &mut self.rng);
            self.rounds.add_turns(self.is_late.into());
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
        let number = self.rng.random();
        self.is_late = false;
        let deadline = now + self.config.period();
        let sent = Sent { number, at: now };
        let id = self.in_flight.start(partner.clone(), sent, deadline)?;
        Some(Exchange {
            id,
            partner,
            request: Ping { number },
        })
    }

    fn handle_request(&mut self, _from: &I, Ping { number }: Ping, _now: Time) -> Option<Pong> {
        Some(Pong { number, took: None })
    }

    fn handle_outcome(&mut self, id: ExchangeId, outcome: Result<Pong, Failure>, now: Time) {
        let Some(pending) = self.in_flight.finish(id) else {
            return;
        };
        if let Ok(Pong { number, took }) = outcome
            && number == pending.note.number
        {
            let round_trip = took.unwrap_or(now - pending.note.at);
            self.note(pending.partner, round_trip, now);
        }
    }

    fn poll_expired(&mut self, now: Time) -> Option<ExchangeId> {
        let expired = self.in_flight.take_overdue(now)?;
        Some(expired.id)
    }

    fn poll_event(&mut self) -> Option<Event<I>> {
        self.told.pop()
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

#[cfg(test)]
mod tests {
    #[cfg(feature = "simulator")]
    mod network;

    use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

    use super::*;

    type Node = RoundTrip<u32, Xoshiro256PlusPlus>;

    struct Only([u32; 1]);

    impl Peers<u32> for Only {
        fn select_peer(&mut self) -> Option<u32> {
            None
        }

        fn neighbours(&self) -> &[u32] {
            &self.0
        }

        fn next_exchanged(&mut self) -> Option<u32> {
            Some(self.0[0])
        }
    }

    fn node(peers: usize) -> Node {
        let rng = Xoshiro256PlusPlus::seed_from_u64(1);
        RoundTrip::new(Config::default().with_peers(peers), rng).expect("valid settings")
    }

    /// Starts an exchange with this peer at the next round.
    fn ask(node: &mut Node, peer: u32) -> (Exchange<u32, Ping>, Time) {
        let now = node.rounds.next_round();
        let exchange = node.poll_exchange(&mut Only([peer]), now);
        (exchange.expect("a round is due"), now)
    }

    fn pong(number: u64, took: Option<u64>) -> Result<Pong, Failure> {
        let took = took.map(Duration::from_millis);
        Ok(Pong { number, took })
    }

    #[test]
    fn an_answer_is_measured_by_the_wire_or_else_by_the_protocol() {
        let mut node = node(9);
        for (took, millis) in [(None, 70), (Some(30), 30), (Some(40), 40)] {
            let (exchange, now) = ask(&mut node, 5);
            let later = now + Duration::from_millis(70);
            node.handle_outcome(exchange.id, pong(exchange.request.number, took), later);
            let round_trip = Duration::from_millis(millis);
            let peer = 5;
            assert_eq!(
                node.poll_event(),
                Some(Event::Measured { peer, round_trip })
            );
            assert_eq!(node.poll_event(), None);
        }
        let measured = node.get(&5).expect("measured");
        assert_eq!((measured.shortest.as_millis(), measured.count), (30, 3));
        assert_eq!(measured.latest.as_millis(), 40);
        assert_eq!(node.histogram().count(), 3);
    }

    #[test]
    fn what_is_no_answer_to_this_request_is_not_measured() {
        let mut node = node(9);
        let (exchange, now) = ask(&mut node, 5);
        let wrong = exchange.request.number.wrapping_add(1);
        node.handle_outcome(exchange.id, pong(wrong, Some(1)), now);
        let right = exchange.request.number;
        node.handle_outcome(exchange.id, pong(right, Some(1)), now);
        assert_eq!(node.get(&5), None, "the exchange is over");

        let (exchange, now) = ask(&mut node, 5);
        let late = now + Duration::from_secs(10);
        assert_eq!(node.poll_expired(late), Some(exchange.id));
        node.handle_outcome(exchange.id, pong(exchange.request.number, None), late);
        assert_eq!(node.histogram().count(), 0);
    }

    #[test]
    fn who_was_measured_the_longest_ago_goes_when_the_table_is_full() {
        let mut node = node(2);
        for peer in [1, 2, 1, 3] {
            let (exchange, now) = ask(&mut node, peer);
            node.handle_outcome(exchange.id, pong(exchange.request.number, None), now);
        }
        let left: Vec<_> = node.iter().map(|(peer, _)| *peer).collect();
        assert_eq!(left, [1, 3]);
        assert_eq!(node.histogram().count(), 4);
    }

    #[test]
    fn numbers_differ_and_come_back() {
        let mut node = node(9);
        let first = ask(&mut node, 1).0.request;
        let second = ask(&mut node, 1).0.request;
        assert_ne!(first, second);
        let answer = node.handle_request(&7, first, Time::ZERO);
        let number = first.number;
        assert_eq!(answer, Some(Pong { number, took: None }));
    }
}
