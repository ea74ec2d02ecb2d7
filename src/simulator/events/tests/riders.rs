//! Tests of a protocol that rides on the sampler: the smallest one, a maximum.

use std::time::Duration;

use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

use crate::{
    gossip::{
        Exchange, ExchangeId, Failure, Peers, Protocol,
        in_flight::InFlight,
        partners::Partners,
        rounds::{Pace, Rounds},
    },
    sampling::overlay::random::Random,
    simulator::{
        config::Config,
        driver::Driver,
        events::{
            Events,
            riders::{NEIGHBOURS, NoRider},
        },
        faults::{Crash, Faults},
        latency::Latency,
        traffic::Traffic,
    },
    time::{Time, Wake},
};

const PERIOD: Duration = Duration::from_secs(10);

/// Learns the largest number that any node has: both ends of an exchange keep the larger one.
struct Maximum {
    largest: u32,
    news: Option<u32>,
    partners: Partners,
    rounds: Rounds<u32>,
    in_flight: InFlight<u32, ()>,
    neighbours: Vec<u32>,
    answered: u64,
    failures: Vec<Failure>,
    rng: Xoshiro256PlusPlus,
}

impl Maximum {
    fn new(id: u32, partners: Partners) -> Self {
        Self {
            largest: id,
            news: None,
            partners,
            rounds: Rounds::new(),
            in_flight: InFlight::new(),
            neighbours: Vec::new(),
            answered: 0,
            failures: Vec::new(),
            rng: Xoshiro256PlusPlus::seed_from_u64(id.into()),
        }
    }

    fn learn(&mut self, number: u32) {
        if number > self.largest {
            self.largest = number;
            self.news = Some(number);
        }
    }
}

impl Protocol for Maximum {
    type Id = u32;
    type Request = u32;
    type Response = u32;
    type Event = u32;

    fn poll_exchange(
        &mut self,
        peers: &mut impl Peers<u32>,
        now: Time,
    ) -> Option<Exchange<u32, u32>> {
        let pace = Pace::every(PERIOD);
        self.rounds.begin_if_due(now, &pace, &mut self.rng);
        if !self.rounds.take_turn() {
            return None;
        }
        let partner = self.partners.select(peers, &mut self.rng)?;
        let id = self.in_flight.start(partner, (), now + PERIOD)?;
        Some(Exchange {
            id,
            partner,
            request: self.largest,
        })
    }

    fn handle_request(&mut self, from: &u32, request: u32, _now: Time) -> Option<u32> {
        // One in ten is refused, which nobody must be harmed by.
        if from.is_multiple_of(10) {
            return None;
        }
        let before = self.largest;
        self.learn(request);
        Some(before)
    }

    fn handle_outcome(&mut self, id: ExchangeId, outcome: Result<u32, Failure>, _now: Time) {
        if self.in_flight.finish(id).is_none() {
            return;
        }
        match outcome {
            Ok(number) => {
                self.answered += 1;
                self.learn(number);
            }
            Err(failure) => self.failures.push(failure),
        }
    }

    fn poll_expired(&mut self, now: Time) -> Option<ExchangeId> {
        let expired = self.in_flight.take_overdue(now)?;
        self.failures.push(Failure::Broken);
        Some(expired.id)
    }

    fn handle_neighbour(&mut self, peer: &u32, up: bool, _now: Time) {
        self.neighbours.retain(|neighbour| neighbour != peer);
        if up {
            self.neighbours.push(*peer);
        }
    }

    fn poll_event(&mut self) -> Option<u32> {
        self.news.take()
    }

    fn next_wake(&self) -> Option<Wake> {
        let round = Wake::new(self.rounds.next_round(), "a round");
        let expires = self.in_flight.deadline();
        Wake::first([Some(round), expires.map(|at| Wake::new(at, "a time-out"))])
    }
}

fn config() -> Config {
    Config::new(300)
        .with_seed(3)
        .with_latency(Latency::Constant(Duration::from_millis(500)))
}

fn network(config: Config, partners: Partners) -> Events<Random, Maximum> {
    let make = move |id| Maximum::new(id, partners);
    Events::with_riders(config, Random::for_view_size(30), make).expect("valid settings")
}

/// How many rounds pass until every node knows the largest number.
fn rounds_until_known(events: &mut Events<Random, Maximum>) -> u32 {
    for round in 1..100 {
        events.next_round();
        let largest = events.riders().map(|(id, _)| id).max();
        if events
            .riders()
            .all(|(_, rider)| Some(rider.largest) == largest)
        {
            return round;
        }
    }
    panic!("it never comes to all");
}

#[test]
fn a_maximum_spreads_to_all_by_all_kinds_of_partners() {
    for partners in [Partners::Exchanged, Partners::Samples, Partners::Neighbours] {
        let mut events = network(config(), partners);
        let rounds = rounds_until_known(&mut events);
        assert!((4..20).contains(&rounds), "{partners:?}: {rounds}");
        let traffic = events.rider_traffic();
        assert!(traffic.exchanges > 300, "{traffic:?}");
        assert_eq!(traffic.descriptors, 0);
    }
}

#[test]
fn a_maximum_spreads_where_messages_are_lost() {
    let faults = Faults::none().with_loss(0.3);
    let mut events = network(config().with_faults(faults), Partners::Exchanged);
    let rounds = rounds_until_known(&mut events);
    assert!((4..40).contains(&rounds), "{rounds}");
    let traffic = events.rider_traffic();
    assert!(traffic.failures > 100, "{traffic:?}");
}

#[test]
fn every_exchange_ends_with_one_outcome() {
    let faults = Faults::none().with_loss(0.1);
    let mut events = network(config().with_faults(faults), Partners::Exchanged);
    (0..20).for_each(|_| events.next_round());
    let traffic = events.rider_traffic();
    let answered: u64 = events.riders().map(|(_, rider)| rider.answered).sum();
    let failures = events.riders().flat_map(|(_, rider)| &rider.failures);
    let refused = failures.clone().filter(|f| **f == Failure::Refused).count();
    let failed = failures.count() as u64;
    let open: usize = events
        .riders()
        .map(|(_, rider)| rider.in_flight.len())
        .sum();
    assert_eq!((answered, failed), (traffic.exchanges, traffic.failures));
    assert_eq!(answered + failed + open as u64, traffic.requests);
    // One node in ten is refused by everybody.
    let share = refused as f64 / traffic.requests as f64;
    assert!((0.06..0.11).contains(&share), "{share}");
}

#[test]
fn riders_tell_their_applications_and_are_told_by_them() {
    let mut events = network(config(), Partners::Exchanged);
    rounds_until_known(&mut events);
    let told = events.take_events();
    assert!(told.contains(&(0, 299)), "{told:?}");
    assert!(events.take_events().is_empty());

    let learnt = events.with_rider(7, |rider, _| rider.learn(1_000_000));
    assert_eq!(learnt, Some(()));
    assert_eq!(events.take_events(), [(7, 1_000_000)]);
    (0..15).for_each(|_| events.next_round());
    assert!(events.riders().all(|(_, rider)| rider.largest == 1_000_000));
    assert_eq!(events.with_rider(12_345, |rider, _| rider.largest), None);
}

#[test]
fn neighbours_are_mutual_and_told_when_one_vanishes() {
    let crash = Crash {
        fraction: 0.5,
        round: 20,
    };
    let faults = Faults::none().with_crash(crash);
    let mut events = network(config().with_faults(faults), Partners::Neighbours);
    let check = |events: &Events<Random, Maximum>| {
        for (id, rider) in events.riders() {
            let neighbours = events.neighbours(id);
            assert_eq!(neighbours, rider.neighbours, "it was told of each");
            assert!((1..=NEIGHBOURS).contains(&neighbours.len()));
            let mutual = |other: &u32| events.neighbours(*other).contains(&id);
            assert!(neighbours.iter().all(mutual), "{id}: {neighbours:?}");
        }
    };
    (0..20).for_each(|_| events.next_round());
    check(&events);
    assert_eq!(events.riders().count(), 300);
    (0..5).for_each(|_| events.next_round());
    check(&events);
    assert_eq!(events.riders().count(), 150);
}

#[test]
fn the_same_seed_gives_the_same_and_a_rider_does_not_disturb_the_sampler() {
    let faults = Faults::none().with_loss(0.05).with_churn(0.01);
    let config = config().with_faults(faults);
    let run = || {
        let mut events = network(config.clone(), Partners::Exchanged);
        (0..15).for_each(|_| events.next_round());
        let known: Vec<_> = events.riders().map(|(_, rider)| rider.largest).collect();
        (known, events.rider_traffic(), events.traffic())
    };
    let with = run();
    assert_eq!(run(), with);

    let mut alone: Events<Random, NoRider> =
        Events::new(config.clone(), Random::for_view_size(30)).expect("valid settings");
    (0..15).for_each(|_| alone.next_round());
    assert_eq!(alone.traffic(), with.2);
    assert_eq!(alone.rider_traffic(), Traffic::default());
}
