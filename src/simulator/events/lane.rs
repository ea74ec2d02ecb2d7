//! One protocol on all nodes: its messages take their time, overlap, and get lost.

use std::time::Duration;

use rand::{RngExt, rngs::Xoshiro256PlusPlus};
use smallvec::SmallVec;

use crate::{
    gossip::{Exchange, ExchangeId, Failure, Peers, Protocol},
    simulator::{config::Config, events::clock::Clock, latency::Latency, traffic::Traffic},
    time::Time,
};

/// The state machines of one protocol, by number of the node.
pub(super) trait Seats<P: Protocol<Id = u32>> {
    /// Where these take their partners from.
    type Peers<'a>: Peers<u32>
    where
        Self: 'a;

    /// The state machine of a node, and where it takes its partners from; `None` when the node is
    /// not there.
    fn seat(&mut self, id: u32) -> Option<(&mut P, Self::Peers<'_>)>;

    /// Whether a message from one node can come to another: that one is there, and nothing parts
    /// them.
    fn reaches(&self, from: u32, to: u32) -> bool;

    /// Called when a node has done what it had to do.
    fn rests(&mut self, id: u32);

    /// How many descriptors are in a request.
    fn in_request(&self, request: &P::Request) -> usize;

    /// How many descriptors are in a response.
    fn in_response(&self, response: &P::Response) -> usize;
}

/// What happens in a lane.
#[derive(Debug)]
pub(super) enum What<Q, S> {
    /// A node is woken.
    Wake(u32),
    /// A request arrives.
    Request {
        from: u32,
        to: u32,
        id: ExchangeId,
        request: Q,
    },
    /// An answer arrives.
    Response {
        to: u32,
        id: ExchangeId,
        response: S,
    },
    /// It becomes known that an exchange has failed.
    Failed {
        to: u32,
        id: ExchangeId,
        failure: Failure,
    },
}

/// How messages fare.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    pub(super) latency: Latency,
    /// Which share of messages is lost.
    pub(super) loss: f64,
    /// What a node is told of an exchange with a node that is not there.
    pub(super) unreachable: Failure,
}

impl Weather {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            latency: config.latency(),
            loss: config.faults().loss(),
            unreachable: Failure::Unreachable,
        }
    }
}

/// When a node is to be woken.
#[derive(Debug, Clone, Copy)]
struct Alarm {
    /// The moment of the one event that counts; others were made before it and are stale.
    at: Option<Time>,
    /// Whether the node has been woken for the first time.
    started: bool,
}

/// An exchange that is under way, and with which node.
type Open = (ExchangeId, u32);

/// What one protocol does on all nodes. `W` is what happens in all lanes of a simulation.
pub(super) struct Lane<Q, S, W> {
    wrap: fn(What<Q, S>) -> W,
    weather: Weather,
    rng: Xoshiro256PlusPlus,
    /// By number of the node.
    alarms: Vec<Alarm>,
    /// By number of the node.
    open: Vec<SmallVec<[Open; 1]>>,
    traffic: Traffic,
}

impl<Q, S, W> Lane<Q, S, W> {
    /// Without nodes yet. `wrap` says that something happens in this lane.
    pub(super) fn new(
        wrap: fn(What<Q, S>) -> W,
        weather: Weather,
        rng: Xoshiro256PlusPlus,
    ) -> Self {
        Self {
            wrap,
            weather,
            rng,
            alarms: Vec::new(),
            open: Vec::new(),
            traffic: Traffic::default(),
        }
    }

    /// What was sent so far.
    pub(super) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Wakes the nodes up to number `ids` that are new, at a moment of their own within the period.
    pub(super) fn start_newcomers(&mut self, ids: usize, period: Duration, clock: &mut Clock<W>) {
        for id in self.alarms.len()..ids {
            let after = self.rng.random_range(Duration::ZERO..period);
            self.alarms.push(Alarm {
                at: Some(clock.now() + after),
                started: false,
            });
            self.open.push(SmallVec::new());
            clock.make(after, (self.wrap)(What::Wake(id as u32)));
        }
    }

    /// Lets something happen. Returns the node whose exchange has succeeded by it, and the partner.
    pub(super) fn happen<P>(
        &mut self,
        what: What<Q, S>,
        seats: &mut impl Seats<P>,
        clock: &mut Clock<W>,
    ) -> Option<(u32, u32)>
    where
        P: Protocol<Id = u32, Request = Q, Response = S>,
    {
        match what {
            What::Wake(id) => {
                let alarm = &mut self.alarms[id as usize];
                if alarm.at == Some(clock.now()) {
                    alarm.at = None;
                    alarm.started = true;
                    self.advance(id, seats, clock);
                }
                None
            }
            What::Request {
                from,
                to,
                id,
                request,
            } => {
                self.request_arrives((from, to), id, request, seats, clock);
                None
            }
            What::Response { to, id, response } => {
                let partner = self.end((to, id), Ok(response), seats, clock);
                self.traffic.exchanges += u64::from(partner.is_some());
                self.advance(to, seats, clock);
                partner.map(|partner| (to, partner))
            }
            What::Failed { to, id, failure } => {
                let partner = self.end((to, id), Err(failure), seats, clock);
                self.traffic.failures += u64::from(partner.is_some());
                self.advance(to, seats, clock);
                None
            }
        }
    }

    /// Lets a node do what it has to do now, and has it woken when it has to do more.
    pub(super) fn advance<P>(&mut self, id: u32, seats: &mut impl Seats<P>, clock: &mut Clock<W>)
    where
        P: Protocol<Id = u32, Request = Q, Response = S>,
    {
        if !self.alarms[id as usize].started {
            return;
        }
        let now = clock.now();
        let Some((node, _)) = seats.seat(id) else {
            return;
        };
        while let Some(expired) = node.poll_expired(now) {
            self.close(id, expired);
            self.traffic.failures += 1;
        }
        while let Some(exchange) = seats
            .seat(id)
            .and_then(|(node, mut peers)| node.poll_exchange(&mut peers, now))
        {
            self.send(id, exchange, seats, clock);
        }
        seats.rests(id);
        let Some(wake) = seats.seat(id).and_then(|(node, _)| node.next_wake()) else {
            return;
        };
        let alarm = &mut self.alarms[id as usize];
        if alarm.at.is_none_or(|at| at > wake.at) {
            // Whatever was due now has been done, so it is later; time must go on in any case.
            let after = (wake.at - now).max(Duration::from_nanos(1));
            alarm.at = Some(now.saturating_add(after));
            clock.make(after, (self.wrap)(What::Wake(id)));
        }
    }

    fn send<P>(
        &mut self,
        from: u32,
        exchange: Exchange<u32, Q>,
        seats: &impl Seats<P>,
        clock: &mut Clock<W>,
    ) where
        P: Protocol<Id = u32, Request = Q, Response = S>,
    {
        let Exchange {
            id,
            partner,
            request,
        } = exchange;
        self.open[from as usize].push((id, partner));
        let after = self.latency();
        if !seats.reaches(from, partner) {
            // As when a host refuses the connection: known after one round trip.
            self.fail((from, id), self.weather.unreachable, 2 * after, clock);
            return;
        }
        self.traffic.requests += 1;
        self.traffic.descriptors += seats.in_request(&request) as u64;
        if !self.is_lost() {
            let arrives = What::Request {
                from,
                to: partner,
                id,
                request,
            };
            clock.make(after, (self.wrap)(arrives));
        }
    }

    fn request_arrives<P>(
        &mut self,
        (from, to): (u32, u32),
        id: ExchangeId,
        request: Q,
        seats: &mut impl Seats<P>,
        clock: &mut Clock<W>,
    ) where
        P: Protocol<Id = u32, Request = Q, Response = S>,
    {
        let reached = seats.reaches(from, to);
        let Some((node, _)) = seats.seat(to).filter(|_| reached) else {
            let after = self.latency();
            self.fail((from, id), self.weather.unreachable, after, clock);
            return;
        };
        self.traffic.overlapped += u64::from(!self.open[to as usize].is_empty());
        let response = node.handle_request(&from, request, clock.now());
        self.traffic.responses += u64::from(response.is_some());
        let sent = response.as_ref();
        self.traffic.descriptors += sent.map_or(0, |sent| seats.in_response(sent) as u64);
        if !self.is_lost() {
            let after = self.latency();
            let arrives = match response {
                Some(response) => What::Response {
                    to: from,
                    id,
                    response,
                },
                None => What::Failed {
                    to: from,
                    id,
                    failure: Failure::Refused,
                },
            };
            clock.make(after, (self.wrap)(arrives));
        }
        self.advance(to, seats, clock);
    }

    /// Tells a node how its exchange has ended; returns the partner if it was still under way.
    fn end<P>(
        &mut self,
        (of, id): (u32, ExchangeId),
        outcome: Result<S, Failure>,
        seats: &mut impl Seats<P>,
        clock: &Clock<W>,
    ) -> Option<u32>
    where
        P: Protocol<Id = u32, Request = Q, Response = S>,
    {
        // The node may have vanished, or have given the exchange up.
        let (node, _) = seats.seat(of)?;
        node.handle_outcome(id, outcome, clock.now());
        self.close(of, id)
    }

    /// An exchange is over; returns the partner if it was still under way.
    fn close(&mut self, of: u32, id: ExchangeId) -> Option<u32> {
        let open = &mut self.open[of as usize];
        let at = open.iter().position(|(open, _)| *open == id)?;
        Some(open.swap_remove(at).1)
    }

    fn fail(
        &mut self,
        (to, id): (u32, ExchangeId),
        failure: Failure,
        after: Duration,
        clock: &mut Clock<W>,
    ) {
        clock.make(after, (self.wrap)(What::Failed { to, id, failure }));
    }

    fn latency(&mut self) -> Duration {
        self.weather.latency.sample(&mut self.rng)
    }

    fn is_lost(&mut self) -> bool {
        self.rng.random_bool(self.weather.loss)
    }
}
