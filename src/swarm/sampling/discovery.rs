//! Contacts outside the rounds, to fill the view and to find what was lost sight of: seeds, former
//! contacts, inbound peers, candidates.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use rand::{Rng, RngExt, rngs::StdRng, seq::IteratorRandom};

use crate::{
    gossip::ExchangeId,
    sampling::{overlay::Overlay, sampler::Sampler, view::View},
    swarm::{
        exchanger::Exchanger,
        handle::publisher::Publisher,
        limits::Limits,
        rate::{Bucket, Rate},
        record::Record,
        sampling::{
            blocked::Blocked,
            candidates::Candidates,
            config::Config,
            event::{Event, SeedError},
            probes::Probes,
            seeds::Seeds,
        },
        wire::sampling::Sampling,
    },
    time::{Time, Wake},
};

/// How long a peer that has connected to us is left to start an exchange itself before we do, while
/// the view has room. A guess.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many exchanges may be in flight before no more are started with peers that have connected to
/// us, or that others know. A guess, half of all: or those that never answer would leave none for
/// rounds and seeds.
pub(crate) const MOST_BESIDE: usize = 32;
/// How long an attempt may take, while this node is short of neighbours, before another one is
/// started beside it: the default of RFC 8305 (Happy Eyeballs), section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// How many attempts of rounds may wait for a connection at the same time. A guess: of so many
/// peers hardly all are dead, even when half of the network is.
const MOST_ATTEMPTS: usize = 8;
/// How many peers that are in the view no more are tried at the same time. A guess, as many as
/// seeds.
const MOST_RECALLED: usize = 4;
/// How many of the peers that the application has given to begin with are remembered. A guess: as
/// many as [`Handle::contacted`](crate::Handle::contacted) gives at most.
const MOST_GIVEN: usize = 256;

/// A peer to contact outside the rounds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Contact {
    /// A seed.
    Seed(Multiaddr),
    /// A peer that another behaviour has connected, or that has connected to us.
    Connected(PeerId),
    /// A peer that other behaviours say where it is.
    Candidate(PeerId),
}

/// What an exchange outside the rounds is with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Beside {
    Seed(Multiaddr),
    /// A peer that is in the view no more, if it ever was.
    Past,
}

/// How the node stands, when it looks for peers.
pub(crate) struct Situation<'a> {
    pub(crate) view: &'a View<Record>,
    pub(crate) view_size: usize,
    /// Whether the overlay looks for more peers.
    pub(crate) has_room: bool,
    pub(crate) in_flight: usize,
    /// Whether no more exchanges may be started.
    pub(crate) is_saturated: bool,
    /// Whether this node starts as little as it can.
    pub(crate) is_restrained: bool,
    pub(crate) exchanger: &'a Exchanger<Sampling, Event>,
    pub(crate) publisher: &'a Publisher,
    pub(crate) blocked: &'a Blocked,
    pub(crate) now: Time,
}

impl<'a> Situation<'a> {
    pub(crate) fn of<O: Overlay<Record>>(
        sampler: &'a Sampler<Record, O, StdRng>,
        exchanger: &'a Exchanger<Sampling, Event>,
        (publisher, blocked): (&'a Publisher, &'a Blocked),
        now: Time,
    ) -> Self {
        Self {
            view: sampler.view(),
            view_size: sampler.config().view_size(),
            has_room: sampler.has_room(),
            in_flight: sampler.in_flight(),
            is_saturated: sampler.is_saturated(),
            is_restrained: sampler.is_restrained(),
            exchanger,
            publisher,
            blocked,
            now,
        }
    }

    /// Whether the view has room, and another exchange may be started.
    fn wants_more(&self) -> bool {
        self.view.len() < self.view_size && !self.is_saturated
    }

    /// How long a peer that has connected to us is left to start an exchange itself. For ever, once
    /// this node knows enough others: or a peer that connects again and again would be sent a
    /// request each time.
    fn patience(&self) -> Option<Duration> {
        (self.in_flight < MOST_BESIDE && self.has_room).then_some(PATIENCE)
    }
}

/// The peers that the node may contact outside its rounds.
#[derive(Debug)]
pub(crate) struct Discovery {
    pub(crate) seeds: Seeds,
    pub(crate) candidates: Candidates,
    probes: Probes,
    /// What the application has given to begin with, the latest last: where a node that knows
    /// nobody goes back to.
    given: Vec<Record>,
    /// Exchanges under way that no round has started, and with what.
    beside: BTreeMap<ExchangeId, Beside>,
    /// When the budget has room for candidates again that wait for it.
    candidates_at: Option<Time>,
    /// When to start another attempt beside those that are under way.
    attempt_at: Option<Time>,
    /// Until when seeds wait for a listener that is being set up.
    seeds_at: Option<Time>,
    /// How long a seed may take: dialling and the exchange each have the exchange's time.
    seed_timeout: Duration,
    /// How often an exchange is started with a peer that has connected to us: as often as dials may
    /// be made. A peer that connects again and again would be sent more than it sends.
    inbound_rate: Rate,
    inbound: Bucket,
}

impl Discovery {
    pub(crate) fn new<K, R: Rng + ?Sized>(
        config: &Config<K>,
        limits: &Limits,
        rng: &mut R,
    ) -> Self {
        let pause = config.probe_interval();
        let pause = pause.map(|rounds| config.gossip().period() * rounds);
        Self {
            seeds: Seeds::new(config.seed_backoff()),
            candidates: Candidates::new(config.gossip().quarantine()),
            probes: Probes::new(pause, rng),
            given: Vec::new(),
            beside: BTreeMap::new(),
            candidates_at: None,
            attempt_at: None,
            seeds_at: None,
            seed_timeout: 2 * config.gossip().exchange_timeout(),
            inbound_rate: Rate::per(limits.dials_per_minute, Duration::from_secs(60)),
            inbound: Bucket::default(),
        }
    }

    // ---- What is known ----

    /// The application gives peers to begin with.
    pub(crate) fn give(&mut self, records: &[Record]) {
        for record in records {
            self.forget(&record.peer_id());
        }
        self.given.extend_from_slice(records);
        let excess = self.given.len().saturating_sub(MOST_GIVEN);
        self.given.drain(..excess);
    }

    /// The record that the application has given of a peer.
    pub(crate) fn given(&self, peer: &PeerId) -> Option<&Record> {
        self.given.iter().find(|given| given.peer_id() == *peer)
    }

    /// A peer is gone, or not wanted.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.given.retain(|given| given.peer_id() != *peer);
    }

    /// An exchange outside the rounds has started.
    pub(crate) fn note(&mut self, exchange: ExchangeId, with: Beside) {
        self.beside.insert(exchange, with);
    }

    /// Whether the exchange is with a peer that is in the view no more, if it ever was.
    pub(crate) fn is_past(&self, exchange: ExchangeId) -> bool {
        self.beside.get(&exchange) == Some(&Beside::Past)
    }

    /// An exchange has ended; returns what it was with, if no round has started it. A seed counts
    /// as tried then.
    pub(crate) fn ended(&mut self, exchange: ExchangeId) -> Option<Beside> {
        let beside = self.beside.remove(&exchange)?;
        if let Beside::Seed(address) = &beside {
            self.seeds.tried(address);
        }
        Some(beside)
    }

    /// The dial of a seed has failed; returns what the application is to be told.
    pub(crate) fn seed_failed(&mut self, address: Multiaddr, error: SeedError) -> Option<Event> {
        let is_news = match error {
            SeedError::Ourselves => self.seeds.is_ourselves(&address),
            _ => {
                self.seeds.tried(&address);
                true
            }
        };
        is_news.then_some(Event::SeedFailed { address, error })
    }

    // ---- The next contact ----

    /// The next peer to contact: seeds that are due, and, while the view has room, peers that
    /// another behaviour has connected, and those that it knows the address of. To be called
    /// until `None`.
    pub(crate) fn next<R: Rng + ?Sized>(
        &mut self,
        situation: &Situation<'_>,
        rng: &mut R,
    ) -> Option<Contact> {
        let now = situation.now;
        let wait = situation.exchanger.keeper.relays.seeds_wait_until();
        self.seeds_at = wait.filter(|until| *until > now && self.seeds.is_due());
        let may_seed = !situation.is_saturated && wait.is_none_or(|until| until <= now);
        if may_seed && let Some(address) = self.seeds.poll(now, self.seed_timeout, rng) {
            return Some(Contact::Seed(address));
        }
        let connections = &situation.exchanger.keeper.connections;
        if situation.wants_more()
            && let Some(peer) = connections.untried(now, situation.patience())
        {
            return Some(Contact::Connected(peer));
        }
        self.next_candidate(situation, rng).map(Contact::Candidate)
    }

    /// Candidates are contacted as long as more than half of the minute's dials are left: the rest
    /// is for rounds. Only when the view has room.
    fn next_candidate<R: Rng + ?Sized>(
        &mut self,
        situation: &Situation<'_>,
        rng: &mut R,
    ) -> Option<PeerId> {
        self.candidates_at = None;
        let now = situation.now;
        let is_busy = situation.in_flight >= MOST_BESIDE || situation.is_restrained;
        if !situation.wants_more() || is_busy || !self.candidates.is_waiting(now) {
            return None;
        }
        let keeper = &situation.exchanger.keeper;
        let spare = keeper.holder.next_spare();
        if spare.is_none_or(|at| at > now) {
            self.candidates_at = spare;
            return None;
        }
        let (view, blocked) = (situation.view, situation.blocked);
        situation.publisher.contacts(|contacts| {
            // A node that is alone asks those again, too, that are in no view.
            let met = |peer: &PeerId| !view.is_empty() && contacts.contains(peer);
            self.candidates.next(
                (now, rng),
                |peer| view.contains(peer) || met(peer),
                |peer| keeper.connections.is_connected(peer) || blocked.contains(peer, now),
            )
        })
    }

    /// Whether an exchange may be started with a peer that has connected to us.
    pub(crate) fn admits_inbound(&mut self, now: Time) -> bool {
        self.inbound.take(self.inbound_rate, now)
    }

    /// With an empty view: whether the time has come to try again whatever was tried before.
    pub(crate) fn starts_over<R: Rng + ?Sized>(
        &mut self,
        situation: &Situation<'_>,
        rng: &mut R,
    ) -> bool {
        let now = situation.now;
        let starts_over = self.seeds.start_over(now, situation.view.is_empty(), rng);
        if starts_over {
            self.candidates.start_over(now);
        }
        starts_over
    }

    /// Looks outside the view, rarely and for ever: a seed, or a former contact that the view does
    /// not hold, may be in a part of the network that this one has lost sight of. Returns whether
    /// it is time to, and the former contact; a seed is due then.
    pub(crate) fn probe<R: Rng + ?Sized>(
        &mut self,
        situation: &Situation<'_>,
        rng: &mut R,
    ) -> Option<Option<PeerId>> {
        let view_len = situation.view.len();
        if view_len == 0 || !self.probes.is_due(situation.now, view_len, rng) {
            return None;
        }
        let seed_first = rng.random_bool(0.5);
        if seed_first && self.seeds.probe(rng) {
            return Some(None);
        }
        let past = self.past(situation, 1, rng).pop();
        if past.is_none() && !seed_first {
            self.seeds.probe(rng);
        }
        Some(past)
    }

    /// Up to `count` peers that are in the view no more: former contacts, whether or not they have
    /// failed since, and those that the application has given.
    pub(crate) fn past<R: Rng + ?Sized>(
        &self,
        situation: &Situation<'_>,
        count: usize,
        rng: &mut R,
    ) -> Vec<PeerId> {
        let past = self.beside.values().filter(|b| **b == Beside::Past).count();
        let room = MOST_RECALLED.saturating_sub(past);
        let contacts = situation.publisher.contacts(|contacts| {
            let past: BTreeSet<PeerId> = contacts.past().collect();
            past
        });
        let mut known = contacts;
        known.extend(self.given.iter().map(|given| given.peer_id()));
        known.retain(|peer| {
            let is_blocked = situation.blocked.contains(peer, situation.now);
            !situation.view.contains(peer) && !is_blocked
        });
        known.into_iter().sample(rng, count.min(room))
    }

    /// As many as may be tried at the same time, when the node is alone.
    pub(crate) fn all_past<R: Rng + ?Sized>(
        &self,
        situation: &Situation<'_>,
        rng: &mut R,
    ) -> Vec<PeerId> {
        self.past(situation, MOST_RECALLED, rng)
    }

    /// A node that is short of neighbours does not wait for the dead: while a dial takes long, it
    /// starts another exchange beside it, and another. So it finds somebody in less than a second
    /// where a dead peer takes five to fail. Returns whether it is time for one.
    pub(crate) fn adds_attempt(&mut self, situation: &Situation<'_>, is_short: bool) -> bool {
        let now = situation.now;
        let attempts = situation.exchanger.under_way().waiting();
        let spare = situation.exchanger.keeper.holder.next_spare();
        let wanted = is_short && !situation.view.is_empty() && spare.is_some_and(|at| at <= now);
        let is_enough = attempts >= MOST_ATTEMPTS || situation.is_restrained;
        if !wanted || attempts == 0 || is_enough {
            self.attempt_at = None;
            return false;
        }
        let is_due = *self.attempt_at.get_or_insert(now + ATTEMPT_DELAY) <= now;
        if is_due {
            self.attempt_at = Some(now + ATTEMPT_DELAY);
        }
        is_due
    }

    /// When there is somebody to contact next, if nothing else happens before.
    pub(crate) fn next_wake(&self, situation: &Situation<'_>) -> Option<Wake> {
        let view_len = situation.view.len();
        let probe = self.probes.next_wake(view_len).filter(|_| view_len > 0);
        let connections = &situation.exchanger.keeper.connections;
        let untried = situation
            .wants_more()
            .then(|| connections.next_untried(situation.patience()));
        let wake = |at: Option<Time>, why| at.map(|at| Wake::new(at, why));
        Wake::first([
            wake(probe, "a probe"),
            wake(self.seeds.next_wake(), "a seed"),
            wake(self.seeds_at, "seeds wait for a listener"),
            wake(self.candidates_at, "candidates wait for the budget"),
            wake(
                self.attempt_at,
                "another attempt beside one that takes long",
            ),
            wake(untried.flatten(), "a connected peer that was not asked"),
        ])
    }
}
