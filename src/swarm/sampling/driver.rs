//! The sampler in a swarm: what is due goes to the exchanger, what comes of it to the sampler, and
//! the view to the handles. Every input comes with the time. No clock, no timer.

pub(crate) mod connecting;
pub(crate) mod contacting;
pub(crate) mod meeting;
pub(crate) mod outcomes;
pub(crate) mod requests;
pub(crate) mod serving;
#[cfg(test)]
pub(crate) mod testing;

use std::{mem::discriminant, time::Duration};

use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    gossip::Failure,
    sampling::{overlay::Overlay, sampler::Sampler},
    swarm::{
        address::policy::AddressPolicy,
        exchanger::{
            Exchanger,
            outcome::{Outcome, is_sign_of_life},
        },
        handle::{Handle, publisher::Publisher},
        handler::{OutboundError, OutboundId},
        node::{
            holder::Holder,
            strain::{Health, Strain},
        },
        record::Record,
        sampling::{
            blocked::Blocked,
            config::{Config, check::ConfigError},
            discovery::{Beside, Discovery, Situation},
            driver::{
                contacting::Contacting,
                requests::{Requests, Started, padded},
            },
            event::{Event, NeighbourDownReason, SeedError},
            first_hand::Outbid,
            neighbourhood::Neighbourhood,
            neighbours::Neighbours,
            topology::Topology,
        },
        wire::sampling::{Response, Sampling},
    },
    time::{Time, Wake},
};

/// After how many rounds a peer that was refused has another chance. A guess: one dial in four
/// rounds may be denied.
const RECONSIDER: u32 = 4;
/// How long goodbyes may take. A guess: a round trip, and nothing depends on them.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// One node in a swarm: the sampler, its exchanges, its neighbours, and how it finds others.
#[derive(Debug)]
pub(crate) struct Driver<O> {
    pub(crate) sampler: Sampler<Record, O, StdRng>,
    pub(crate) publisher: Publisher,
    pub(crate) exchanger: Exchanger<Sampling, Event>,
    pub(crate) neighbourhood: Neighbourhood,
    pub(crate) discovery: Discovery,
    pub(crate) strain: Strain,
    topology: Topology,
    health: Health,
    blocked: Blocked,
    requests: Requests,
    local: PeerId,
    policy: AddressPolicy,
    exchange_timeout: Duration,
    /// Rounds since a peer that was refused had another chance.
    unreconsidered: u32,
    leaving: Option<Leaving>,
    /// The largest numbers that others' copies of this node's own record and profile have, if they
    /// are larger than its own.
    outbid_by: Outbid,
    rng: StdRng,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// Goodbyes are on their way, at most until this time.
    Until(Time),
    Left,
}

impl<O: Overlay<Record>> Driver<O> {
    pub(crate) fn new<K>(
        holder: Holder,
        config: &Config<K>,
        overlay: O,
        beside: Option<Handle>,
        mut rng: StdRng,
    ) -> Result<Self, ConfigError> {
        let sampler_rng = StdRng::from_rng(&mut rng);
        let gives_samples = overlay.gives_samples();
        let (local, node) = (holder.node().local, holder.node().clone());
        let network = config.network().map(str::to_owned);
        let gossip = config.gossip();
        let timeout = gossip.exchange_timeout();
        let is_ranked = overlay.is_ranked();
        let neighbours = match is_ranked {
            true => Neighbours::ranked(config.neighbours()),
            false => Neighbours::new(config.neighbours(), config.neighbour_rotation()),
        };
        let neighbourhood = Neighbourhood::new(neighbours, gossip.period());
        let sampler = Sampler::new(local, gossip.clone(), overlay, sampler_rng)?;
        let publisher_rng = StdRng::from_rng(&mut rng);
        let mut exchanger = Exchanger::new(holder, config.protocol()?, timeout, config.pruning());
        neighbourhood.tell_keeper(&mut exchanger);
        Ok(Self {
            sampler,
            publisher: Publisher::new(node, network, publisher_rng, gives_samples),
            exchanger,
            neighbourhood,
            discovery: Discovery::new(config, config.limits(), &mut rng),
            health: Health::Well,
            strain: Strain::new(gossip.period(), timeout),
            topology: Topology::new(beside.filter(|_| is_ranked), gossip.period()),
            blocked: Blocked::new(gossip.quarantine().map(|backoff| backoff.first)),
            requests: Requests::default(),
            local,
            policy: config.addresses().clone(),
            exchange_timeout: timeout,
            unreconsidered: 0,
            leaving: None,
            outbid_by: Outbid::default(),
            rng,
        })
    }

    /// Puts peers into the view, and returns how many came in. All of them are remembered: a node
    /// that knows no other peer goes back to them.
    pub(crate) fn init(&mut self, records: impl IntoIterator<Item = Record>) -> usize {
        let records: Vec<Record> = records.into_iter().collect();
        self.discovery.give(&records);
        let count = self.sampler.init(records);
        self.publish();
        count
    }

    /// Removes a peer from the view and from the neighbours; returns whether it was in the view.
    pub(crate) fn remove(&mut self, peer: &PeerId) -> bool {
        let reason = NeighbourDownReason::Removed;
        self.neighbourhood
            .dismiss(*peer, reason, &mut self.exchanger);
        self.forget(peer)
    }

    /// Forgets a peer that is gone, or not wanted; returns whether it was in the view.
    fn forget(&mut self, peer: &PeerId) -> bool {
        self.publisher.contacts(|contacts| contacts.forget(peer));
        self.discovery.forget(peer);
        let removed = self.sampler.remove(peer).is_some();
        self.publisher.withdraw(peer);
        self.publish();
        removed
    }

    /// Says goodbye, and takes no part any more.
    pub(crate) fn leave(&mut self, now: Time) {
        if self.leaving.is_some() {
            return;
        }
        for id in self.exchanger.under_way().all() {
            // Blames nobody.
            let _ = self.sampler.handle_failure(id, Failure::Refused, now);
            self.end(id);
        }
        self.neighbourhood.say_goodbye(&mut self.exchanger);
        self.publisher.leave();
        self.leaving = Some(Leaving::Until(now + LEAVE_TIMEOUT));
    }

    /// The numbers that this node's next record and profile have to exceed. Once for each.
    pub(crate) fn take_outbid(&mut self) -> Outbid {
        std::mem::take(&mut self.outbid_by)
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.exchanger.keeper.actions.emit(event);
    }

    fn publish(&self) {
        self.publisher.publish(self.sampler.view());
    }

    // ---- What is due ----

    /// Does what the time asks for.
    pub(crate) fn advance(&mut self, now: Time) {
        self.exchanger.answer_others();
        match self.leaving {
            Some(Leaving::Left) => return,
            Some(Leaving::Until(end)) => {
                if now >= end || !self.exchanger.under_way().has_notices() {
                    self.leaving = Some(Leaving::Left);
                    self.emit(Event::Left);
                }
                return;
            }
            None => {}
        }
        if self.sampler.is_saturated() {
            self.exchanger.trouble.note(now);
        }
        self.bear(now);
        self.exchanger.advance(now);
        self.carry_on(now);
        self.topology.feed(&mut self.sampler, now);
        let round = self.start_rounds(now);
        while let Some(sample) = self.sampler.next_sample() {
            self.publisher.give(&sample);
        }
        if round {
            self.neighbourhood.begin_round(&mut self.exchanger, now);
            self.unreconsidered += 1;
            if self.unreconsidered >= RECONSIDER {
                self.unreconsidered = 0;
                self.sampler.reconsider();
            }
        }
        while let Some(address) = self.discovery.seeds.poll_expired(now) {
            let error = SeedError::Timeout;
            self.emit(Event::SeedFailed { address, error });
        }
        self.neighbourhood.end_silence(&mut self.exchanger, now);
        self.look_for_peers(now);
        self.exchanger.prune(now);
        let neighbourhood = (&mut self.neighbourhood, &mut self.exchanger);
        self.topology
            .settle(&self.sampler, &self.publisher, neighbourhood);
        if self.neighbourhood.take_eager(round) {
            self.sampler.hasten(now);
        }
    }

    /// Does less while there is too much to do.
    fn bear(&mut self, now: Time) {
        self.strain.advance(now);
        let health = self.strain.health();
        self.sampler.restrain(health.restraint(), now);
        let before = std::mem::replace(&mut self.health, health);
        if health != before {
            let holder = &self.exchanger.keeper.holder;
            holder.node().set_health(holder.id(), health);
        }
        if discriminant(&health) != discriminant(&before) {
            self.emit(Event::Health(health));
        }
    }

    pub(crate) fn next_wake(&self) -> Option<Wake> {
        match self.leaving {
            Some(Leaving::Left) => None,
            Some(Leaving::Until(end)) => Some(Wake::new(end, "goodbyes")),
            None => {
                let known = (&self.publisher, &self.blocked);
                let situation = Situation::of(&self.sampler, &self.exchanger, known, Time::ZERO);
                Wake::first([
                    self.sampler.next_wake(),
                    self.exchanger.next_wake(),
                    self.neighbourhood.next_wake(),
                    self.strain.next_wake(),
                    self.topology.next_wake(),
                    self.discovery.next_wake(&situation),
                ])
            }
        }
    }

    /// Starts the exchanges of rounds that are due; returns whether there were any.
    fn start_rounds(&mut self, now: Time) -> bool {
        let mut any = false;
        while let Some(exchange) = self.sampler.poll_round(now) {
            any = true;
            self.start(exchange, None, now);
        }
        any
    }

    /// Contacts others outside the rounds, as far as it is time to.
    fn look_for_peers(&mut self, now: Time) {
        let is_short = self.neighbourhood.is_short();
        let known = (&self.publisher, &self.blocked);
        let situation = Situation::of(&self.sampler, &self.exchanger, known, now);
        if self.discovery.adds_attempt(&situation, is_short) {
            self.sampler.add_turn();
            self.start_rounds(now);
        }
        self.contact_more(now);
        let known = (&self.publisher, &self.blocked);
        let situation = Situation::of(&self.sampler, &self.exchanger, known, now);
        if let Some(past) = self.discovery.probe(&situation, &mut self.rng) {
            self.contact_past(past, now);
            self.contact_more(now);
        }
        let known = (&self.publisher, &self.blocked);
        let situation = Situation::of(&self.sampler, &self.exchanger, known, now);
        if self.discovery.starts_over(&situation, &mut self.rng) {
            let past = self.discovery.all_past(&situation, &mut self.rng);
            self.exchanger.keeper.connections.forget_used();
            self.contact_past(past, now);
            self.contact_more(now);
        }
    }

    fn contact_more(&mut self, now: Time) {
        loop {
            let known = (&self.publisher, &self.blocked);
            let situation = Situation::of(&self.sampler, &self.exchanger, known, now);
            let Some(contact) = self.discovery.next(&situation, &mut self.rng) else {
                return;
            };
            let mut contacting = Contacting {
                sampler: &mut self.sampler,
                exchanger: &mut self.exchanger,
                discovery: &mut self.discovery,
                now,
            };
            if let Some((exchange, beside)) = contacting.contact(contact) {
                self.begin(exchange, beside, now);
            }
        }
    }

    fn contact_past(&mut self, peers: impl IntoIterator<Item = PeerId>, now: Time) {
        for peer in peers {
            if let Some(exchange) = self.sampler.exchange_with(peer, now) {
                self.start(exchange, Some(Beside::Past), now);
            }
        }
    }

    // ---- Exchanges that this node starts ----

    /// Starts an exchange, with room for an answer.
    fn start(&mut self, exchange: Started, beside: Option<Beside>, now: Time) {
        let exchange = padded(exchange, false, &self.sampler);
        self.begin(exchange, beside, now);
    }

    /// Starts an exchange as it is.
    fn begin(&mut self, exchange: Started, beside: Option<Beside>, now: Time) {
        let (id, partner) = (exchange.id, exchange.partner);
        self.requests.add(id, exchange.request);
        if let Some(beside) = beside {
            self.discovery.note(id, beside);
        }
        let deadline = now + self.exchange_timeout;
        self.exchanger.start(id, partner, deadline, now);
        self.carry_on(now);
    }

    /// Handles what comes of exchanges. To be called after every input of the exchanger.
    fn carry_on(&mut self, now: Time) {
        while let Some(outcome) = self.exchanger.poll_outcome() {
            match outcome {
                Outcome::Connected {
                    id,
                    partner,
                    connection,
                } => self.send(id, partner, connection),
                Outcome::Unconnected {
                    id,
                    partner,
                    before,
                    anew,
                } => self.dial((id, partner), (before, anew), now),
                Outcome::Answered {
                    id,
                    partner,
                    connection,
                    response,
                } => self.on_answer(id, (partner, connection), response, now),
                Outcome::Denied { id, partner, error } => {
                    if let Some(instead) = self.on_denied(id, partner, error, now) {
                        self.start(instead, None, now);
                    }
                }
                Outcome::Failed {
                    id,
                    partner,
                    connection,
                    error,
                    failure,
                } => self.on_failure(id, (partner, connection), (error, failure), now),
                Outcome::Notified {
                    peer,
                    connection,
                    purpose,
                    result,
                } => self.on_notified((peer, connection), purpose, result, now),
                Outcome::TooLate { peer, result } => {
                    if result.is_ok_and(|response| response.neighbour) {
                        self.neighbourhood
                            .answered_too_late(peer, &mut self.exchanger);
                    }
                }
            }
        }
    }

    // ---- What others say ----

    /// The outcome of a request of ours.
    pub(crate) fn on_result(
        &mut self,
        (peer, connection): (PeerId, ConnectionId),
        outbound: OutboundId,
        result: Result<Response, OutboundError>,
        now: Time,
    ) {
        if is_sign_of_life(&result) {
            self.neighbourhood.heard(&peer, now);
        }
        let at = (peer, connection);
        self.exchanger.on_result(at, outbound, result, now);
        self.carry_on(now);
    }
}

#[cfg(test)]
mod tests;
