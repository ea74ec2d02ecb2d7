//! Virtual time without rounds: messages take their time, cross, and get lost.

mod clock;
mod lane;
pub mod riders;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};

use crate::{
    gossip::{Failure, Nobody, Protocol},
    sampling::{
        mode::Mode,
        overlay::Overlay,
        sampler::message::{Request, Response},
    },
    simulator::{
        chance::fork,
        config::{Config, ConfigError},
        driver::Driver,
        events::{
            clock::Clock,
            lane::{Lane, Seats, Weather, What},
            riders::{Beside, NoRider, Riders},
        },
        host::Host,
        network::{Network, Node},
        traffic::Traffic,
    },
    time::Time,
};

/// The event-based driver: the sampler on each node, and beside it, if there is to be one, a
/// *rider*: any other protocol.
///
/// Every node has its own clock: its rounds begin at a random moment of the first period, and it
/// hurries while its view has room, as nodes do in a swarm. A message arrives after a
/// [latency](Config::with_latency), so exchanges overlap. That nobody is there is known after one
/// round trip, as when a host refuses the connection; that a message was lost only from the
/// time-out of the exchange. Runs on one thread.
///
/// A round is a period of virtual time here. Newcomers of a round join at its beginning, and start
/// at a random moment of it.
///
/// # Riders
///
/// Each node has one rider, made when the node joins and started at a moment of its own. It takes
/// its partners from the sampler of its node:
///
/// - [`select_peer`](crate::gossip::Peers::select_peer): its sampling service;
/// - [`next_exchanged`](crate::gossip::Peers::next_exchanged): the partners of the sampler's latest
///   exchanges that have succeeded, the latest first, at most four;
/// - [`neighbours`](crate::gossip::Peers::neighbours): at most [`NEIGHBOURS`](riders::NEIGHBOURS)
///   nodes. Two nodes become neighbours when an exchange of their samplers succeeds and both have
///   room, and stay it until one of them vanishes, of which the other learns at the beginning of
///   the next round. So they are a random graph, the same in both directions.
///
/// The messages of riders have the latencies and losses of all messages.
pub struct Events<O, P: Protocol<Id = u32> = NoRider> {
    network: Network<O>,
    round: u64,
    clock: Clock<Due<P>>,
    samplers: Lane<Request<Host>, Response<Host>, Due<P>>,
    beside: Lane<P::Request, P::Response, Due<P>>,
    riders: Riders<P>,
}

/// What happens to one of the protocols of a node.
enum Due<P: Protocol<Id = u32>> {
    Sampler(What<Request<Host>, Response<Host>>),
    Rider(What<P::Request, P::Response>),
}

/// The samplers of all nodes.
struct Samplers<'a, O> {
    network: &'a mut Network<O>,
    round: u64,
}

impl<O: Overlay<Host> + Clone> Seats<Node<O>> for Samplers<'_, O> {
    type Peers<'a>
        = Nobody
    where
        Self: 'a;

    fn seat(&mut self, id: u32) -> Option<(&mut Node<O>, Nobody)> {
        Some((self.network.node_mut(id)?, Nobody))
    }

    fn reaches(&self, from: u32, to: u32) -> bool {
        self.network.node(to).is_some() && !self.network.parts(from, to, self.round)
    }

    /// Its samples stay with it, for those who ask the sampling service.
    fn rests(&mut self, _id: u32) {}

    fn in_request(&self, request: &Request<Host>) -> usize {
        request.descriptors.len()
    }

    fn in_response(&self, response: &Response<Host>) -> usize {
        response.descriptors.len()
    }
}

impl<O: Overlay<Host> + Clone> Events<O> {
    /// A network of samplers alone, at its start.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when the settings do not go together, or name attackers.
    pub fn new(config: Config, overlay: O) -> Result<Self, ConfigError> {
        Self::of(config, overlay, Riders::none())
    }
}

impl<O: Overlay<Host> + Clone, P: Protocol<Id = u32>> Events<O, P> {
    /// A network at its start, in which each node has a rider, too: what `make` returns for the
    /// node's number.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when the settings do not go together, or name attackers.
    pub fn with_riders(
        config: Config,
        overlay: O,
        make: impl FnMut(u32) -> P + Send + 'static,
    ) -> Result<Self, ConfigError> {
        Self::of(config, overlay, Riders::made_by(make))
    }

    fn of(config: Config, overlay: O, riders: Riders<P>) -> Result<Self, ConfigError> {
        if config.adversaries().is_some() {
            return Err(ConfigError::OnlyInRounds);
        }
        // Other numbers than those of the network, which is made from the seed itself.
        let rng = Xoshiro256PlusPlus::seed_from_u64(!config.seed());
        let of_riders = fork(!config.seed(), (u32::MAX, 0, 0));
        let weather = Weather::of(&config);
        let of_samplers = Weather {
            unreachable: match config.faults().unreachable_stay() {
                true => Failure::Refused,
                false => Failure::Unreachable,
            },
            ..weather
        };
        Ok(Self {
            network: Network::new(config, overlay)?,
            round: 0,
            clock: Clock::new(),
            samplers: Lane::new(Due::Sampler, of_samplers, rng),
            beside: Lane::new(Due::Rider, weather, of_riders),
            riders,
        })
    }

    /// The virtual time.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// The rider of a node; `None` when the node is not there, or has not joined a round yet.
    pub fn rider(&self, id: u32) -> Option<&P> {
        self.riders.get(id)
    }

    /// The riders of all nodes, with the numbers of the nodes, by number.
    pub fn riders(&self) -> impl Iterator<Item = (u32, &P)> + Clone {
        self.riders.iter()
    }

    /// The neighbours of a node, as its rider sees them.
    pub fn neighbours(&self, id: u32) -> &[u32] {
        self.riders.neighbours(id)
    }

    /// Lets the application of a node do something with its rider; the rider then does what follows
    /// from it. `None` when the node has no rider.
    pub fn with_rider<T>(&mut self, id: u32, work: impl FnOnce(&mut P, Time) -> T) -> Option<T> {
        let now = self.now();
        let done = work(self.riders.get_mut(id)?, now);
        self.advance_rider(id);
        Some(done)
    }

    /// What the riders have told their applications since the last call, each with the number of
    /// its node, in the order in which it was told. Kept until it is taken.
    pub fn take_events(&mut self) -> Vec<(u32, P::Event)> {
        self.riders.take_events()
    }

    /// What the riders have sent since the start: their messages have no descriptors.
    pub fn rider_traffic(&self) -> Traffic {
        self.beside.traffic()
    }

    fn period(&self) -> Duration {
        self.network.config().gossip().period()
    }

    fn happen(&mut self, due: Due<P>) {
        match due {
            Due::Sampler(what) => {
                let mut samplers = Samplers {
                    network: &mut self.network,
                    round: self.round,
                };
                let succeeded = self.samplers.happen(what, &mut samplers, &mut self.clock);
                if let Some((from, with)) = succeeded {
                    self.exchanged(from, with);
                }
            }
            Due::Rider(what) => {
                let mut beside = Beside {
                    network: &mut self.network,
                    riders: &mut self.riders,
                    round: self.round,
                };
                self.beside.happen(what, &mut beside, &mut self.clock);
            }
        }
    }

    /// The samplers of two nodes have made an exchange.
    fn exchanged(&mut self, from: u32, with: u32) {
        if self.riders.get(from).is_none() {
            return;
        }
        let neighbours = self.riders.exchanged(from, with, self.clock.now());
        self.advance_rider(from);
        if neighbours {
            self.advance_rider(with);
        }
    }

    fn advance_rider(&mut self, id: u32) {
        let mut beside = Beside {
            network: &mut self.network,
            riders: &mut self.riders,
            round: self.round,
        };
        self.beside.advance(id, &mut beside, &mut self.clock);
    }

    /// The riders of those that joined, and of those that vanished.
    fn follow(&mut self) {
        let told = self.riders.follow(&self.network, self.clock.now());
        let (ids, period) = (self.riders.ids(), self.period());
        self.beside.start_newcomers(ids, period, &mut self.clock);
        told.into_iter().for_each(|id| self.advance_rider(id));
    }
}

impl<O: Overlay<Host> + Clone, P: Protocol<Id = u32>> Driver for Events<O, P> {
    type Overlay = O;

    fn next_round(&mut self) {
        self.round += 1;
        self.network.begin_round(self.round);
        let (ids, period) = (self.network.ids(), self.period());
        self.samplers.start_newcomers(ids, period, &mut self.clock);
        self.follow();
        let end = self.clock.now() + period;
        while let Some(due) = self.clock.next_before(end) {
            self.happen(due);
        }
        self.network.end_round(self.round);
    }

    fn round(&self) -> u64 {
        self.round
    }

    fn network(&self) -> &Network<O> {
        &self.network
    }

    fn select_peer(&mut self, id: u32, mode: impl Mode<Host>) -> Option<u32> {
        self.network.select_peer(id, mode)
    }

    fn traffic(&self) -> Traffic {
        self.samplers.traffic()
    }
}

impl<O, P: Protocol<Id = u32>> fmt::Debug for Events<O, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("round", &self.round)
            .field("now", &self.clock.now())
            .finish_non_exhaustive()
    }
}
