//! Virtual time without rounds: messages take their time, cross, and get lost.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

use crate::{
    gossip::{Exchange, ExchangeId, Failure},
    sampling::{
        Selection,
        overlay::Overlay,
        sampler::message::{Request, Response},
    },
    simulator::{
        config::{Config, ConfigError},
        driver::Driver,
        host::Host,
        network::{Network, Node},
        traffic::Traffic,
    },
    time::Time,
};

/// The event-based driver.
///
/// Every node has its own clock: its rounds begin at a random moment of the first period, and it
/// hurries while its view has room, as nodes do in a swarm. A message arrives after a
/// [latency](Config::with_latency), so exchanges overlap. That nobody is there is known after one
/// round trip, as when a host refuses the connection; that a message was lost only from the time-out
/// of the exchange. Runs on one thread.
///
/// A round is a period of virtual time here. Newcomers of a round join at its beginning, and start
/// at a random moment of it.
#[derive(Debug)]
pub struct Events<O> {
    network: Network<O>,
    round: u64,
    now: Time,
    queue: BinaryHeap<Reverse<Event>>,
    /// How many events there have been: of two at the same moment the earlier made comes first.
    made: u64,
    /// By number of the node.
    alarms: Vec<Alarm>,
    rng: Xoshiro256PlusPlus,
    traffic: Traffic,
}

/// When a node is to be woken.
#[derive(Debug, Clone, Copy)]
struct Alarm {
    /// The moment of the one event that counts; others were made before it and are stale.
    at: Option<Time>,
    /// Whether the node has been woken for the first time.
    started: bool,
}

#[derive(Debug)]
struct Event {
    at: Time,
    number: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Wake(u32),
    Request {
        from: u32,
        to: u32,
        id: ExchangeId,
        request: Request<Host>,
    },
    Response {
        to: u32,
        id: ExchangeId,
        response: Response<Host>,
    },
    /// There is nobody to answer.
    Unreachable {
        to: u32,
        id: ExchangeId,
    },
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<O: Overlay<Host> + Clone> Events<O> {
    /// A network at its start.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when the settings do not go together, or name attackers.
    pub fn new(config: Config, overlay: O) -> Result<Self, ConfigError> {
        if config.adversaries().is_some() {
            return Err(ConfigError::OnlyInRounds);
        }
        // Other numbers than those of the network, which is made from the seed itself.
        let rng = Xoshiro256PlusPlus::seed_from_u64(!config.seed());
        Ok(Self {
            network: Network::new(config, overlay)?,
            round: 0,
            now: Time::ZERO,
            queue: BinaryHeap::new(),
            made: 0,
            alarms: Vec::new(),
            rng,
            traffic: Traffic::default(),
        })
    }

    fn period(&self) -> Duration {
        self.network.config().gossip().period()
    }

    fn make(&mut self, after: Duration, what: What) {
        self.made += 1;
        self.queue.push(Reverse(Event {
            at: self.now.saturating_add(after),
            number: self.made,
            what,
        }));
    }

    /// Wakes those who have joined at a moment of their own within the next period.
    fn start_newcomers(&mut self) {
        let period = self.period();
        for id in self.alarms.len()..self.network.ids() {
            let after = self.rng.random_range(Duration::ZERO..period);
            self.alarms.push(Alarm {
                at: Some(self.now + after),
                started: false,
            });
            self.make(after, What::Wake(id as u32));
        }
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Wake(id) => {
                let alarm = &mut self.alarms[id as usize];
                if alarm.at == Some(self.now) {
                    alarm.at = None;
                    alarm.started = true;
                    self.advance(id);
                }
            }
            What::Request {
                from,
                to,
                id,
                request,
            } => self.request_arrives(from, to, id, request),
            What::Response { to, id, response } => {
                let now = self.now;
                let merged = self.network.node_mut(to).map(|node| {
                    // It may have given the exchange up.
                    node.handle_response(id, response, now).is_ok()
                });
                if merged == Some(true) {
                    self.traffic.exchanges += 1;
                }
                self.advance(to);
            }
            What::Unreachable { to, id } => {
                let failure = match self.network.config().faults().unreachable_stay() {
                    true => Failure::Refused,
                    false => Failure::Unreachable,
                };
                let now = self.now;
                let known = self
                    .network
                    .node_mut(to)
                    .map(|node| node.handle_failure(id, failure, now).is_ok());
                if known == Some(true) {
                    self.traffic.failures += 1;
                }
                self.advance(to);
            }
        }
    }

    fn request_arrives(&mut self, from: u32, to: u32, id: ExchangeId, request: Request<Host>) {
        let parted = self.network.parts(from, to, self.round);
        let Some(node) = self.network.node_mut(to).filter(|_| !parted) else {
            let after = self.latency();
            self.make(after, What::Unreachable { to: from, id });
            return;
        };
        self.traffic.overlapped += u64::from(node.in_flight() > 0);
        let response = node.handle_request(&from, request, self.now);
        self.traffic.responses += 1;
        self.traffic.descriptors += response.descriptors.len() as u64;
        if !self.is_lost() {
            let after = self.latency();
            self.make(
                after,
                What::Response {
                    to: from,
                    id,
                    response,
                },
            );
        }
        self.advance(to);
    }

    /// Lets a node do what it has to do now, and has it woken when it has to do more.
    fn advance(&mut self, id: u32) {
        if !self.alarms[id as usize].started {
            return;
        }
        let now = self.now;
        let gave_up = |node: &mut Node<O>| node.poll_expired(now).is_some();
        while self.network.node_mut(id).is_some_and(gave_up) {
            self.traffic.failures += 1;
        }
        let start = |node: &mut Node<O>| node.poll_round(now);
        while let Some(exchange) = self.network.node_mut(id).and_then(start) {
            self.send(id, exchange);
        }
        let Some(wake) = self.network.node(id).and_then(Node::next_wake) else {
            return;
        };
        let alarm = &mut self.alarms[id as usize];
        if alarm.at.is_none_or(|at| at > wake.at) {
            // Whatever was due now has been done, so it is later; time must go on in any case.
            let after = (wake.at - now).max(Duration::from_nanos(1));
            alarm.at = Some(now.saturating_add(after));
            self.make(after, What::Wake(id));
        }
    }

    fn send(&mut self, from: u32, exchange: Exchange<u32, Request<Host>>) {
        let Exchange {
            id,
            partner,
            request,
        } = exchange;
        let after = self.latency();
        if self.network.node(partner).is_none() || self.network.parts(from, partner, self.round) {
            self.make(2 * after, What::Unreachable { to: from, id });
            return;
        }
        self.traffic.requests += 1;
        self.traffic.descriptors += request.descriptors.len() as u64;
        if !self.is_lost() {
            self.make(
                after,
                What::Request {
                    from,
                    to: partner,
                    id,
                    request,
                },
            );
        }
    }

    fn latency(&mut self) -> Duration {
        self.network.config().latency().sample(&mut self.rng)
    }

    fn is_lost(&mut self) -> bool {
        self.rng.random_bool(self.network.config().faults().loss())
    }
}

impl<O: Overlay<Host> + Clone> Driver for Events<O> {
    type Overlay = O;

    fn next_round(&mut self) {
        self.round += 1;
        self.network.begin_round(self.round);
        self.start_newcomers();
        let end = self.now + self.period();
        while let Some(event) = self.queue.peek().map(|Reverse(event)| event.at) {
            if event >= end {
                break;
            }
            if let Some(Reverse(event)) = self.queue.pop() {
                self.now = event.at;
                self.happen(event.what);
            }
        }
        self.now = end;
        self.network.end_round(self.round);
    }

    fn round(&self) -> u64 {
        self.round
    }

    fn network(&self) -> &Network<O> {
        &self.network
    }

    fn select_peer(&mut self, id: u32, selection: Selection) -> Option<u32> {
        self.network.select_peer(id, selection)
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        sampling::overlay::random::Random,
        simulator::{
            bootstrap::Bootstrap,
            faults::{Crash, Faults},
            in_degrees::InDegrees,
            latency::Latency,
            rounds::Rounds,
        },
    };

    const SWAPPER: Random = Random::swapper(30);

    fn config() -> Config {
        Config::new(600).with_seed(7)
    }

    fn with_latency(latency: Duration) -> Config {
        config().with_latency(Latency::Constant(latency))
    }

    fn events(config: Config, overlay: Random, rounds: u64) -> Events<Random> {
        let mut simulation = Events::new(config, overlay).expect("valid settings");
        (0..rounds).for_each(|_| simulation.next_round());
        simulation
    }

    /// The mean over some rounds.
    fn in_degree_sd(driver: &mut impl Driver) -> f64 {
        let sds = (0..30).map(|_| {
            driver.next_round();
            InDegrees::of(&driver.network().graph()).sd
        });
        sds.sum::<f64>() / 30.0
    }

    #[test]
    fn where_messages_take_no_time_it_is_as_in_rounds() {
        let in_time = in_degree_sd(&mut events(with_latency(Duration::ZERO), SWAPPER, 40));
        let mut rounds = Rounds::new(config(), SWAPPER).expect("valid settings");
        (0..40).for_each(|_| rounds.next_round());
        let in_rounds = in_degree_sd(&mut rounds);
        assert!(
            (in_time / in_rounds - 1.0).abs() < 0.05,
            "{in_time} {in_rounds}"
        );
    }

    /// The swapper drops what it has sent, and another exchange may have dropped it already.
    #[test]
    fn exchanges_that_overlap_spread_the_swappers_in_degrees() {
        let mut quick = events(with_latency(Duration::ZERO), SWAPPER, 40);
        let mut slow = events(with_latency(Duration::from_secs(1)), SWAPPER, 40);
        assert_eq!(quick.traffic().overlapped, 0);
        // An exchange takes 2 of 10 seconds.
        let share = slow.traffic().overlapped as f64 / slow.traffic().responses as f64;
        assert!((0.15..0.25).contains(&share), "{share}");
        let (quick, slow) = (in_degree_sd(&mut quick), in_degree_sd(&mut slow));
        assert!(slow > 1.2 * quick, "{slow} {quick}");
    }

    #[test]
    fn a_network_goes_through_everything_at_once() {
        let faults = Faults::none()
            .with_churn(0.002)
            .with_loss(0.02)
            .with_crash(Crash {
                fraction: 0.5,
                round: 30,
            });
        let config = config()
            .with_bootstrap(Bootstrap::Star)
            .with_faults(faults)
            .with_latency(Latency::LogNormal {
                median: Duration::from_millis(100),
                sigma: 1.0,
            });
        let mut simulation = events(config.clone(), Random::new(3, 12), 30);
        assert!((0.4..0.6).contains(&simulation.network().graph().dead_share()));
        (0..30).for_each(|_| simulation.next_round());
        let after = simulation.network().graph();
        assert_eq!(after.len(), 300);
        assert!(after.dead_share() < 0.02, "{}", after.dead_share());
        assert!(InDegrees::of(&after).mean > 28.0);
        let traffic = simulation.traffic();
        assert!(
            traffic.failures > 0 && traffic.overlapped > 0,
            "{traffic:?}"
        );
        // Whatever was asked was answered, got lost, or is on its way; some of the rest is late.
        assert!(traffic.exchanges <= traffic.responses && traffic.responses <= traffic.requests);

        let again = events(config, Random::new(3, 12), 60);
        assert_eq!(again.traffic(), traffic);
        assert_eq!(again.network().graph(), after);
    }

    /// The swapper forgets the dead by hardly anything else.
    #[test]
    fn the_unreachable_may_stay_in_the_views() {
        let dead_links = |stay| {
            let crash = Crash {
                fraction: 0.5,
                round: 10,
            };
            let faults = Faults::none()
                .with_crash(crash)
                .with_unreachable_staying(stay);
            let config = config().with_faults(faults);
            let events = events(config.clone(), SWAPPER, 20);
            let mut rounds = Rounds::new(config, SWAPPER).expect("valid settings");
            (0..20).for_each(|_| rounds.next_round());
            let share = |network: &Network<Random>| network.graph().dead_share();
            [share(events.network()), share(rounds.network())]
        };
        let (stay, leave) = (dead_links(true), dead_links(false));
        let found = format!("seed 7: {stay:?}, {leave:?}");
        assert!(stay.iter().all(|share| *share > 0.4), "{found}");
        assert!(leave.iter().all(|share| *share < 0.33), "{found}");
    }

    #[test]
    fn what_is_lost_is_given_up_when_its_time_is_over() {
        let lossy = config().with_faults(Faults::none().with_loss(1.0));
        let traffic = events(lossy, SWAPPER, 10).traffic();
        assert_eq!((traffic.exchanges, traffic.responses), (0, 0));
        // The time-out is as long as the period: those of the last rounds are not over.
        assert!(traffic.failures > 600 * 8, "{traffic:?}");
        assert!(traffic.failures < traffic.requests, "{traffic:?}");
    }
}
