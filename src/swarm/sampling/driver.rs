//! Drives the state machine by what happens in the swarm: every input comes with the time, every
//! output is an [`Actions`] entry. No clock, no timer.

mod dialling;
mod finding;
mod outcomes;
#[cfg(test)]
mod testing;

use std::{collections::BTreeSet, time::Duration};

use hashlink::LruCache;
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::{ConnectionId, StreamProtocol};
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    gossip::{Exchange, ExchangeId, Failure},
    sampling::{
        overlay::Overlay,
        sampler::{Sampler, message::Request as SamplerRequest},
    },
    swarm::{
        address::policy::AddressPolicy,
        handle::Publisher,
        handler::{Command, InboundId, OutboundError},
        limits::PADDED_DESCRIPTOR_BYTES,
        node::budget::Dials,
        rate::{Bucket, Rate},
        record::Record,
        sampling::{
            candidates::Candidates,
            config::{Config, ConfigError},
            event::{Direction, Event, NeighbourDownReason, SeedError},
            links::Links,
            neighbours::Neighbours,
            probes::Probes,
            seeds::Seeds,
        },
        wire::{Proposal, Request, Response},
    },
    time::Time,
};

/// After how many rounds somebody who was refused has another chance. A guess: one dial in four rounds may be
/// denied.
const RECONSIDER: u32 = 4;
/// After how many exchanges in a row that brought nobody new a node with room in its view stops to
/// pad its requests: until somebody new comes. A guess: an answer as long as a request that is not
/// padded has news, too, where there are any.
const HOPELESS: u32 = 3;
/// How long a blocked peer is not taken in at least: a denied dial costs next to nothing, so this is about its
/// place in the view. A guess.
const BLOCKED: Duration = Duration::from_secs(60);
/// How many blocked peers are remembered. A guess, some 100 kB.
const MOST_BLOCKED: usize = 1_024;
/// How many of the peers that the application has given to begin with are remembered. A guess: as
/// many as [`Handle::contacted`](crate::Handle::contacted) gives at most.
const MOST_GIVEN: usize = 256;
/// How long goodbyes may take. A guess: a round trip, and nothing depends on them.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// One node in a swarm: the state machine, its connections, its seeds.
#[derive(Debug)]
pub(super) struct Driver<O> {
    pub(super) gossip: Sampler<Record, O, StdRng>,
    pub(super) publisher: Publisher,
    pub(super) links: Links,
    pub(super) seeds: Seeds,
    pub(super) dials: Dials,
    pub(super) candidates: Candidates,
    probes: Probes,
    /// What the application has given to begin with, the latest last: where a node that knows
    /// nobody goes back to.
    given: Vec<Record>,
    /// Exchanges with peers that are in the view no more, if they ever were: see [`Self::recall`].
    recalled: BTreeSet<ExchangeId>,
    /// When the budget has room for candidates again that wait for it.
    candidates_at: Option<Time>,
    /// When to start another attempt beside those that are under way: see [`Self::press_on`].
    press_at: Option<Time>,
    /// Until when seeds wait for a listener that is being set up.
    seeds_at: Option<Time>,
    local: PeerId,
    protocol: StreamProtocol,
    policy: AddressPolicy,
    exchange_timeout: Duration,
    /// Peers that another behaviour of this swarm does not want, and until when they are not taken in.
    blocked: LruCache<PeerId, Time>,
    blocked_for: Duration,
    /// Rounds since somebody who was refused had another chance.
    unreconsidered: u32,
    /// How often an exchange is started with a peer that has connected to us: as often as dials may be
    /// made. Who connects again and again would be sent more than it sends.
    visitors_rate: Rate,
    visitors: Bucket,
    /// When anybody was heard last.
    heard_at: Time,
    /// Whether there was ever a connection over IPv4, and over IPv6.
    reached: [bool; 2],
    /// Until when this node cannot tell whether others answer: it is too busy, or has no network.
    in_trouble_until: Time,
    leaving: Option<Leaving>,
    /// The largest number that others' copies of this node's own record have, if it is larger than
    /// its own.
    outbid_by: Option<u64>,
    rng: StdRng,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// Goodbyes are on their way, at most until this time.
    Until(Time),
    Left,
}

impl<O: Overlay<Record>> Driver<O> {
    pub(super) fn new(
        local: PeerId,
        config: &Config,
        overlay: O,
        mut rng: StdRng,
    ) -> Result<Self, ConfigError> {
        let gossip_rng = StdRng::from_rng(&mut rng);
        let gives_samples = overlay.gives_samples();
        let quarantine = config.gossip().quarantine().map(|b| (b.first, b.longest));
        Ok(Self {
            gossip: Sampler::new(local, config.gossip().clone(), overlay, gossip_rng)?,
            publisher: Publisher::new(StdRng::from_rng(&mut rng), gives_samples),
            links: Links::new(
                (local, config.gossip().period()),
                Neighbours::new(config.neighbours(), config.neighbour_rotation()),
                config.pruning(),
            ),
            seeds: Seeds::new((config.seed_backoff().first, config.seed_backoff().longest)),
            dials: Dials::new(config.limits(), quarantine),
            candidates: Candidates::new(quarantine),
            probes: Probes::new(
                config
                    .probe_interval()
                    .map(|rounds| config.gossip().period() * rounds),
                &mut rng,
            ),
            given: Vec::new(),
            recalled: BTreeSet::new(),
            candidates_at: None,
            press_at: None,
            seeds_at: None,
            local,
            protocol: config.protocol()?,
            policy: config.addresses().clone(),
            visitors_rate: Rate::per(config.limits().dials_per_minute, Duration::from_secs(60)),
            visitors: Bucket::default(),
            heard_at: Time::ZERO,
            reached: [false; 2],
            in_trouble_until: Time::ZERO,
            exchange_timeout: config.gossip().exchange_timeout(),
            blocked: LruCache::new(MOST_BLOCKED),
            blocked_for: quarantine.map_or(BLOCKED, |(first, _)| first.max(BLOCKED)),
            unreconsidered: 0,
            leaving: None,
            outbid_by: None,
            rng,
        })
    }

    /// Puts peers into the view, and returns how many came in. All of them are where to go back to.
    pub(super) fn init(&mut self, records: impl IntoIterator<Item = Record>) -> usize {
        let records: Vec<Record> = records.into_iter().collect();
        for record in &records {
            self.given
                .retain(|given| given.peer_id() != record.peer_id());
        }
        self.given.extend_from_slice(&records);
        let excess = self.given.len().saturating_sub(MOST_GIVEN);
        self.given.drain(..excess);
        let count = self.gossip.init(records);
        self.publish();
        count
    }

    /// Removes a peer from the view and from the neighbours; returns whether it was in the view.
    pub(super) fn remove(&mut self, peer: &PeerId) -> bool {
        self.links
            .dismiss_neighbour(*peer, NeighbourDownReason::Removed);
        self.forget(peer)
    }

    /// Forgets a peer that is gone, or not wanted; returns whether it was in the view.
    fn forget(&mut self, peer: &PeerId) -> bool {
        self.publisher.contacts(|contacts| contacts.forget(peer));
        self.given.retain(|given| given.peer_id() != *peer);
        let removed = self.gossip.remove(peer).is_some();
        self.publisher.withdraw(peer);
        self.publish();
        removed
    }

    /// Says goodbye, and takes no part any more.
    pub(super) fn leave(&mut self, now: Time) {
        if self.leaving.is_some() {
            return;
        }
        for id in self.links.exchanges.all() {
            // Blames nobody.
            let _ = self.gossip.handle_failure(id, Failure::Refused, now);
            let running = self.links.exchanges.finish(id);
            let on = running.and_then(|running| Some((running.partner, running.connection?)));
            if let Some((partner, connection)) = on {
                self.links.release(partner, connection);
            }
        }
        self.links.say_goodbye();
        self.leaving = Some(Leaving::Until(now.saturating_add(LEAVE_TIMEOUT)));
    }

    /// This node has too much to do, or no network, and nothing that fails for as long as an
    /// exchange takes is held against anybody.
    pub(super) fn note_trouble(&mut self, now: Time) {
        self.in_trouble_until = now.saturating_add(self.exchange_timeout);
    }

    /// The peer has sent something, or has refused to.
    fn hear(&mut self, peer: &PeerId, now: Time) {
        self.heard_at = now;
        self.links.heard(peer, now);
    }

    fn publish(&self) {
        self.publisher.publish(self.gossip.view());
    }

    /// The number that this node's next record has to exceed: others have one of it with that
    /// number, from before its clock was set back, or before it was restarted. Once for each.
    pub(super) fn take_outbid(&mut self) -> Option<u64> {
        self.outbid_by.take()
    }

    // ---- What is due ----

    /// Does what the time asks for.
    pub(super) fn advance(&mut self, now: Time) {
        self.links.answer_fellows();
        match self.leaving {
            Some(Leaving::Left) => return,
            Some(Leaving::Until(end)) => {
                if now >= end || !self.links.exchanges.has_notices() {
                    self.leaving = Some(Leaving::Left);
                    self.links.actions.emit(Event::Left);
                }
                return;
            }
            None => {}
        }
        if self.gossip.is_saturated() {
            self.note_trouble(now);
        }
        while let Some(id) = self.gossip.overdue(now) {
            self.exchange_timed_out(id, now);
        }
        let mut round = false;
        while let Some(exchange) = self.gossip.poll_round(now) {
            round = true;
            self.carry_out(exchange, None, now);
        }
        while let Some(sample) = self.gossip.next_sample() {
            self.publisher.give(&sample);
        }
        if round {
            self.links.begin_round(now);
            self.unreconsidered += 1;
            if self.unreconsidered >= RECONSIDER {
                self.unreconsidered = 0;
                self.gossip.reconsider();
            }
        }
        while let Some(address) = self.seeds.poll_timeout(now) {
            let error = SeedError::Timeout;
            self.links
                .actions
                .emit(Event::SeedFailed { address, error });
        }
        self.links.end_silence(now, now < self.in_trouble_until);
        self.links.end_waits(now);
        self.press_on(now);
        self.contact_more(now);
        self.probe(now);
        self.start_over(now);
        self.links.prune(now);
        if self.links.is_in_a_hurry(round) {
            self.gossip.hasten(now);
        }
    }

    pub(super) fn next_wake(&self) -> Option<Time> {
        match self.leaving {
            Some(Leaving::Left) => None,
            Some(Leaving::Until(end)) => Some(end),
            None => {
                let untried = self
                    .wants_more_peers()
                    .then(|| self.links.connections.next_untried(self.patience()));
                let view_len = self.gossip.view().len();
                let probe = self.probes.next_wake(view_len).filter(|_| view_len > 0);
                [
                    self.gossip.next_wake().map(|wake| wake.at),
                    probe,
                    self.seeds.next_wake(),
                    self.seeds_at,
                    self.links.next_end(),
                    self.links.next_pruning(),
                    self.candidates_at,
                    self.press_at,
                    untried.flatten(),
                ]
                .into_iter()
                .flatten()
                .min()
            }
        }
    }

    // ---- Exchanges that this node starts ----

    /// An answer takes no more bytes than its request: who hopes for more than it sends has to ask.
    fn begin(
        &mut self,
        mut exchange: Exchange<PeerId, SamplerRequest<Record>>,
        seed: Option<Multiaddr>,
    ) {
        let request = &mut exchange.request;
        // Where nobody new was found for a while there is probably nobody: padding would be for
        // nothing.
        let hopes = self.gossip.has_room() && self.gossip.fruitless() < HOPELESS;
        if request.pull && (hopes || seed.is_some() || request.descriptors.is_empty()) {
            request.room = self.gossip.hopes_for() * PADDED_DESCRIPTOR_BYTES;
        }
        self.links.exchanges.start(exchange, seed);
    }

    fn carry_out(
        &mut self,
        exchange: Exchange<PeerId, SamplerRequest<Record>>,
        seed: Option<Multiaddr>,
        now: Time,
    ) {
        let (id, partner) = (exchange.id, exchange.partner);
        self.begin(exchange, seed);
        self.bring(id, partner, now);
    }

    /// Brings the request of exchange `id` to its partner, or has it dialled.
    fn bring(&mut self, id: ExchangeId, partner: PeerId, now: Time) {
        match self.links.usable(&partner) {
            Some(connection) => self.links.send_exchange(id, partner, connection),
            None if self.links.is_closing(&partner) => {} // Then it is dialled.
            None if self.links.connections.is_connected(&partner) => {
                let error = OutboundError::Unsupported(self.protocol.clone());
                self.exchange_failed(id, error.into(), now);
            }
            None => self.dial_partner(id, partner, now),
        }
    }

    // ---- Exchanges that others start ----

    pub(super) fn on_request(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        id: InboundId,
        request: Request,
        now: Time,
    ) {
        self.links.connections.mark_used(&peer, connection);
        self.links
            .connections
            .mark_support(&peer, connection, true, now);
        self.hear(&peer, now);
        let was_let_go = self.links.fellow.uses(connection);
        if self.leaving.is_some() {
            // An answer would keep this node in the other's view.
            let refuse = Command::Refuse(id);
            self.links.actions.command(peer, connection, refuse);
            if was_let_go {
                self.links.release(peer, connection);
            }
            return;
        }
        let response = match request {
            Request::Goodbye => {
                self.forget(&peer);
                self.links
                    .remove_neighbour(peer, NeighbourDownReason::Goodbye);
                Response::empty()
            }
            Request::Exchange {
                mut gossip,
                neighbour,
            } => {
                let received = gossip.descriptors.len();
                self.leave_out_the_blocked(&mut gossip.descriptors, now);
                // A notice is not an exchange, and ages nothing.
                let notice = received == 0 && !gossip.pull;
                let gossip = if notice {
                    Response::empty().gossip
                } else {
                    let rival = self.hear_first_hand(&peer, &mut gossip.descriptors);
                    let rival = rival.filter(|_| gossip.pull);
                    self.note_contact(peer, connection, &gossip.descriptors, now);
                    let mut response = self.gossip.handle_request(&peer, gossip, now);
                    // Before all others, which have to make room for it.
                    response.descriptors.splice(0..0, rival);
                    self.publish();
                    self.links.actions.emit(Event::Exchanged {
                        peer,
                        direction: Direction::Inbound,
                        received,
                        view_len: self.gossip.view().len(),
                    });
                    response
                };
                // A neighbour is somebody with whom there was an exchange.
                let met = self.publisher.contacts(|contacts| contacts.contains(&peer));
                let proposal = match met || self.links.is_neighbour(&peer) {
                    true => neighbour,
                    false => Proposal::None,
                };
                let neighbour = self.links.answer(peer, proposal, (now, &mut self.rng));
                Response { gossip, neighbour }
            }
        };
        self.links
            .actions
            .command(peer, connection, Command::Respond(id, response));
        if was_let_go {
            self.links.release(peer, connection);
        }
    }
}

#[cfg(test)]
mod tests {
    mod recovery;

    use libp2p_core::{ConnectedPoint, multiaddr::Protocol};
    use libp2p_identity::Keypair;
    use libp2p_swarm::{
        DialError, ListenError, NetworkBehaviour, ToSwarm,
        behaviour::{ConnectionEstablished, DialFailure, ListenFailure},
        dial_opts::PeerCondition,
    };

    use super::*;
    use crate::{
        sampling::{
            Selection,
            overlay::{basalt::Basalt, random::Random},
            view::Descriptor,
        },
        swarm::{
            handler::OutboundId,
            sampling::{
                driver::testing::{SECOND, came, closed, dialled, drain, driver},
                event::ExchangeError,
            },
        },
    };

    fn address() -> Multiaddr {
        Multiaddr::empty().with(Protocol::Memory(1))
    }

    fn established(driver: &mut Driver<Random>, peer: PeerId, id: ConnectionId, now: Time) {
        dialled(driver, peer, id, address(), now);
    }

    fn dial_of(actions: Vec<ToSwarm<Event, Command>>) -> Option<ConnectionId> {
        actions.into_iter().find_map(|action| match action {
            ToSwarm::Dial { opts } => Some(opts.connection_id()),
            _ => None,
        })
    }

    /// Gives the driver a seed, and returns the dial to it.
    fn dial_seed(driver: &mut Driver<Random>, address: Multiaddr) -> ConnectionId {
        let added = driver.seeds.add(address, PeerId::random());
        added.expect("an address");
        driver.advance(Time::ZERO);
        dial_of(drain(driver)).expect("the seed is dialled")
    }

    fn request_of(actions: Vec<ToSwarm<Event, Command>>) -> Option<(OutboundId, Request)> {
        actions.into_iter().find_map(|action| match action {
            ToSwarm::NotifyHandler {
                event: Command::Request(id, request),
                ..
            } => Some((id, request)),
            _ => None,
        })
    }

    /// A seed's dial that takes longer than the seed's time, and finds an exchange with the same
    /// peer under way: nobody closes the connection, and its handler keeps it alive for ever.
    #[test]
    fn a_late_seed_connection_is_released() {
        let mut driver = driver(Config::local().with_neighbours(0));
        let dial = dial_seed(&mut driver, address());
        driver.advance(Time::new(25 * SECOND)); // Its time, 20 s, is over.
        // Somebody else connects the peer, and an exchange is under way there.
        let (peer, other) = (PeerId::random(), ConnectionId::new_unchecked(1 << 40));
        established(&mut driver, peer, other, Time::new(25 * SECOND));
        driver.advance(Time::new(25 * SECOND));
        drain(&mut driver);
        assert_eq!(driver.gossip.in_flight(), 1);
        established(&mut driver, peer, dial, Time::new(26 * SECOND));
        let released = drain(&mut driver).iter().any(|action| {
            matches!(
                action,
                ToSwarm::NotifyHandler {
                    event: Command::KeepAlive(false),
                    ..
                }
            )
        });
        assert!(released, "nobody will ever close the seed's connection");
    }

    /// More connected peers than exchanges may be in flight: those that had no turn have theirs
    /// before anybody is asked again.
    #[test]
    fn every_connected_peer_has_its_turn() {
        let mut driver = driver(Config::local().with_view_size(100));
        for id in 0..70 {
            let id = ConnectionId::new_unchecked((1 << 40) + id);
            established(&mut driver, PeerId::random(), id, Time::ZERO);
        }
        let mut asked = BTreeSet::new();
        // All of the first 64 time out.
        for now in [Duration::ZERO, 11 * SECOND, 11 * SECOND] {
            driver.advance(Time::new(now));
            asked.extend(drain(&mut driver).iter().filter_map(|action| match action {
                ToSwarm::NotifyHandler {
                    peer_id,
                    event: Command::Request(_, Request::Exchange { gossip, .. }),
                    ..
                } if gossip.pull => Some(*peer_id),
                _ => None,
            }));
        }
        assert_eq!(asked.len(), 70, "the six others have their turn");
    }

    /// The exchange waits for the dial of a seed at a stale address; when that fails, the peer's
    /// own addresses are never tried, and it leaves the view as unreachable.
    #[test]
    fn a_peer_is_not_unreachable_because_somebody_elses_dial_failed() {
        let mut driver = driver(Config::local().with_neighbours(0));
        let keypair = Keypair::generate_ed25519();
        let peer = keypair.public().to_peer_id();
        let stale = address().with(Protocol::P2p(peer));
        let seed = dial_seed(&mut driver, stale);
        // Somebody else tells of the peer, at its true address.
        let home = Multiaddr::empty().with(Protocol::Memory(7));
        driver
            .gossip
            .init([Record::sign(&keypair, 1, &[home]).expect("signing works")]);
        driver.advance(Time::new(SECOND));
        let own = dial_of(drain(&mut driver)).expect("the round's partner is dialled");
        let condition = PeerCondition::DisconnectedAndNotDialing;
        driver.on_dial_failure(
            DialFailure {
                peer_id: Some(peer),
                error: &DialError::DialPeerConditionFalse(condition),
                connection_id: own,
            },
            Time::new(SECOND),
        );
        driver.on_dial_failure(
            DialFailure {
                peer_id: Some(peer),
                error: &DialError::Transport(Vec::new()),
                connection_id: seed,
            },
            Time::new(SECOND),
        );
        driver.advance(Time::new(2 * SECOND));
        let redialled = dial_of(drain(&mut driver)).is_some();
        driver.advance(Time::new(12 * SECOND));
        assert!(
            redialled || driver.gossip.view().contains(&peer),
            "dropped, and never dialled"
        );
    }

    /// The answer to a proposal is lost on a connection that stays. The peer may have said yes,
    /// and nobody tells it that nothing came of it.
    #[test]
    fn a_peer_whose_answer_was_lost_is_told_that_it_is_no_neighbour() {
        let mut driver = driver(Config::local());
        let (peer, connection) = (PeerId::random(), ConnectionId::new_unchecked(1 << 40));
        established(&mut driver, peer, connection, Time::ZERO);
        driver.advance(Time::ZERO);
        let sent = request_of(drain(&mut driver));
        let (id, request) = sent.expect("a sibling's connection is used");
        assert!(matches!(
            request,
            Request::Exchange {
                neighbour: Proposal::Needed,
                ..
            }
        ));
        driver.on_outcome(
            peer,
            connection,
            id,
            Err(OutboundError::Timeout),
            Time::new(SECOND),
        );
        let told = drain(&mut driver).into_iter().any(|action| {
            matches!(
                action,
                ToSwarm::NotifyHandler {
                    event: Command::Request(
                        _,
                        Request::Exchange {
                            neighbour: Proposal::None,
                            ..
                        }
                    ),
                    ..
                }
            )
        });
        assert!(told, "it keeps a place for a neighbour that is none");
    }

    /// A dial that was under way when the node left ends in nothing.
    #[test]
    fn after_leaving_no_exchange_is_started() {
        let mut driver = driver(Config::local());
        let dial = dial_seed(&mut driver, address());
        driver.leave(Time::new(SECOND));
        established(&mut driver, PeerId::random(), dial, Time::new(SECOND));
        let actions = drain(&mut driver);
        assert!(
            actions.iter().all(|action| matches!(
                action,
                ToSwarm::NotifyHandler {
                    event: Command::KeepAlive(false) | Command::NotifyIdle,
                    ..
                }
            )),
            "{actions:?}"
        );
        driver.advance(Time::new(SECOND));
        assert!(matches!(
            drain(&mut driver)[..],
            [ToSwarm::GenerateEvent(Event::Left)]
        ));
        assert_eq!(driver.next_wake(), None);
    }

    /// An exchange under way when the node leaves is given up, and its answer changes nothing.
    #[test]
    fn after_leaving_answers_come_too_late() {
        let mut driver = driver(Config::local());
        let (peer, connection) = (PeerId::random(), ConnectionId::new_unchecked(1 << 40));
        established(&mut driver, peer, connection, Time::ZERO);
        driver.advance(Time::ZERO);
        let (id, _) = request_of(drain(&mut driver)).expect("a sibling's connection is used");
        driver.leave(Time::new(SECOND));
        assert_eq!(driver.gossip.in_flight(), 0);
        drain(&mut driver);
        let yes = Response {
            neighbour: true,
            ..Response::empty()
        };
        driver.on_outcome(peer, connection, id, Ok(yes), Time::new(SECOND));
        assert!(driver.links.neighbours().is_empty());
        let (_, told) = request_of(drain(&mut driver)).expect("it is told that it is no neighbour");
        assert!(matches!(
            told,
            Request::Exchange {
                neighbour: Proposal::None,
                ..
            }
        ));
    }

    /// The application dials a peer while an exchange has it connected, and is told so: then it may
    /// count on the connection.
    #[test]
    fn a_connection_that_somebody_else_wants_stays() {
        for wanted in [false, true] {
            let mut driver = driver(Config::local().with_neighbours(0));
            let peer = PeerId::random();
            let connection = dial_seed(&mut driver, address());
            established(&mut driver, peer, connection, Time::ZERO);
            let (id, _) = request_of(drain(&mut driver)).expect("an exchange");
            driver.on_outcome(
                peer,
                connection,
                id,
                Ok(Response::empty()),
                Time::new(SECOND),
            );
            if wanted {
                let condition = PeerCondition::DisconnectedAndNotDialing;
                driver.on_dial_failure(
                    DialFailure {
                        peer_id: Some(peer),
                        error: &DialError::DialPeerConditionFalse(condition),
                        connection_id: ConnectionId::new_unchecked(1 << 41),
                    },
                    Time::new(SECOND),
                );
            }
            driver.links.on_idle(peer, connection);
            let closes = drain(&mut driver)
                .iter()
                .any(|action| matches!(action, ToSwarm::CloseConnection { .. }));
            assert_eq!(closes, !wanted);
        }
    }

    /// Puts `count` made-up peers into the view, all said to be at `address`.
    fn fakes(driver: &mut Driver<Random>, count: usize, address: &Multiaddr) {
        let records = (0..count).map(|_| {
            let keypair = Keypair::generate_ed25519();
            Record::sign(&keypair, 1, std::slice::from_ref(address)).expect("signing works")
        });
        assert_eq!(driver.gossip.init(records.collect::<Vec<_>>()), count);
    }

    /// Lets every dial of ours end in `error`; returns who was dialled, at one address or more.
    fn fail_dials(
        driver: &mut Driver<Random>,
        error: impl Fn(&PeerId) -> DialError,
        now: Time,
    ) -> Vec<PeerId> {
        let mut dialled = Vec::new();
        loop {
            driver.advance(now);
            let actions = drain(driver);
            if actions.is_empty() {
                return dialled;
            }
            for action in actions {
                let ToSwarm::Dial { opts } = action else {
                    continue;
                };
                let (id, peer) = (opts.connection_id(), opts.get_peer_id());
                let peer = peer.expect("no seeds here");
                if !driver.addresses_to_dial(id, Some(peer), now).is_empty() {
                    dialled.push(peer);
                }
                let failure = DialFailure {
                    peer_id: Some(peer),
                    error: &error(&peer),
                    connection_id: id,
                };
                driver.on_dial_failure(failure, now);
            }
        }
    }

    fn nobody_there(_: &PeerId) -> DialError {
        DialError::Transport(Vec::new())
    }

    fn denied(_: &PeerId) -> DialError {
        DialError::Denied {
            cause: libp2p_swarm::ConnectionDenied::new("too many connections"),
        }
    }

    /// Somebody goes on and on about the dead, each time at another address. They are left alone for
    /// ever longer, up to the longest pause.
    #[test]
    fn nobody_is_redialled_before_its_backoff_ends() {
        let config = Config::open_internet()
            .with_quarantine(Some(crate::time::Backoff::new(20 * SECOND, 80 * SECOND)));
        let mut driver = driver(config.with_neighbours(0).with_period(SECOND));
        // Who is left with nobody forgives all.
        fakes(&mut driver, 1, &address());
        let dead = Keypair::generate_ed25519();
        let peer = dead.public().to_peer_id();
        let error = |dialled: &PeerId| match *dialled == peer {
            true => nobody_there(dialled),
            false => denied(dialled),
        };
        let mut times = Vec::new();
        for second in 1..2_000 {
            let home = Multiaddr::empty().with(Protocol::Memory(1_000 + second));
            let record = Record::sign(&dead, second, &[home]).expect("signing works");
            let gossip = crate::sampling::sampler::message::Request {
                descriptors: vec![Descriptor::fresh(record)],
                pull: false,
                room: usize::MAX,
            };
            let now = Time::new(Duration::from_secs(second));
            driver.gossip.handle_request(&PeerId::random(), gossip, now);
            let dialled = fail_dials(&mut driver, error, now);
            times.extend(dialled.contains(&peer).then_some(second));
        }
        let pauses: Vec<_> = times.windows(2).map(|times| times[1] - times[0]).collect();
        assert!((24..=26).contains(&pauses.len()), "{times:?}");
        let least = [20, 40].into_iter().chain(std::iter::repeat(80));
        for (pause, least) in pauses.iter().zip(least) {
            assert!((least..least + 5).contains(pause), "{times:?}");
        }
    }

    /// A full view of fakes clears without their victim's being dialled for each of them.
    #[test]
    fn fakes_at_one_address_leave_the_view_undialled() {
        let mut config = Config::open_internet().with_quarantine(None);
        config = config.with_view_size(100).with_neighbours(0);
        let mut driver = driver(config);
        fakes(&mut driver, 100, &address());
        let mut dials = 0;
        for second in 0..300 {
            dials += fail_dials(&mut driver, nobody_there, Time::new(second * SECOND)).len();
        }
        assert_eq!(dials, 3);
        assert!(driver.gossip.view().is_empty());
    }

    /// Our own connection limits: nobody is blamed, and nothing counted.
    #[test]
    fn what_we_refuse_ourselves_empties_neither_view_nor_budget() {
        let config = Config::open_internet().with_view_size(10);
        let mut driver = driver(config.with_neighbours(0));
        for port in 1..=10 {
            let address = Multiaddr::empty().with(Protocol::Memory(port));
            fakes(&mut driver, 1, &address);
        }
        let mut dials = 0;
        for second in 0..100 {
            dials += fail_dials(&mut driver, denied, Time::new(second * SECOND)).len();
        }
        assert!(dials > 30, "{dials}");
        assert_eq!(driver.gossip.view().len(), 10);
    }

    /// A node whose connections are all used up: each round makes its exchange with somebody who is connected.
    #[test]
    fn who_may_not_dial_goes_on_with_its_neighbours() {
        let limits = crate::swarm::limits::Limits {
            dials_per_minute: 3,
            ..Default::default()
        };
        let config = Config::local().with_period(SECOND).with_limits(limits);
        let mut driver = driver(config.with_view_size(10));
        let (peer, connection) = (PeerId::random(), ConnectionId::new_unchecked(1 << 40));
        established(&mut driver, peer, connection, Time::ZERO);
        driver.advance(Time::ZERO);
        let (id, _) = request_of(drain(&mut driver)).expect("it is asked");
        let yes = || Response {
            neighbour: true,
            ..Response::empty()
        };
        driver.on_outcome(peer, connection, id, Ok(yes()), Time::ZERO);
        assert_eq!(driver.links.neighbours(), [peer]);
        for port in 1..=10 {
            let address = Multiaddr::empty().with(Protocol::Memory(port));
            fakes(&mut driver, 1, &address);
        }
        drain(&mut driver);
        // Ten a second, and the minute's three are never used up.
        let mut exchanges = 0;
        for second in 1..=30 {
            let now = Time::new(second * SECOND);
            driver.advance(now);
            let dial = dial_of(drain(&mut driver)).expect("within the budget");
            let partner = driver.links.exchanges.partners().first().copied();
            let error = denied(&peer);
            let failure = DialFailure {
                peer_id: partner,
                error: &error,
                connection_id: dial,
            };
            driver.on_dial_failure(failure, now);
            driver.advance(now);
            let actions = drain(&mut driver);
            let refused = actions.iter().filter(|action| {
                let ToSwarm::GenerateEvent(Event::ExchangeFailed { error, removed, .. }) = action
                else {
                    return false;
                };
                matches!(error, ExchangeError::Refused(_)) && !removed
            });
            assert_eq!(refused.count(), 1, "{actions:?}");
            let requests = actions.into_iter().filter_map(|action| match action {
                ToSwarm::NotifyHandler {
                    event: Command::Request(id, Request::Exchange { gossip, .. }),
                    peer_id,
                    ..
                } if gossip.pull => Some((id, peer_id)),
                _ => None,
            });
            for (id, partner) in requests.collect::<Vec<_>>() {
                assert_eq!(partner, peer);
                driver.on_outcome(peer, connection, id, Ok(yes()), now);
                exchanges += 1;
            }
        }
        assert_eq!(exchanges, 30);
        assert_eq!(driver.gossip.view().len(), 10);
    }

    /// A peer at its own limit closes what it has just accepted. It is there, and stays in the view.
    #[test]
    fn who_turns_us_away_is_not_blamed() {
        let mut driver = driver(Config::local().with_period(SECOND));
        fakes(&mut driver, 1, &address());
        let peer = driver.gossip.view().as_slice()[0].peer.peer_id();
        let mut turned_away = 0;
        for second in 1..=10 {
            let now = Time::new(second * SECOND);
            driver.advance(now);
            let Some(dial) = dial_of(drain(&mut driver)) else {
                continue;
            };
            established(&mut driver, peer, dial, now);
            assert!(request_of(drain(&mut driver)).is_some());
            closed(&mut driver, peer, dial, now);
            turned_away += drain(&mut driver)
                .into_iter()
                .filter(|action| {
                    matches!(
                        action,
                        ToSwarm::GenerateEvent(Event::ExchangeFailed {
                            error: ExchangeError::TurnedAway,
                            removed: false,
                            ..
                        })
                    )
                })
                .count();
        }
        assert!(turned_away > 2);
        assert!(driver.gossip.view().contains(&peer));
    }

    /// The peer had dialled for an exchange of its own, and was done with it when ours came.
    #[test]
    fn an_exchange_whose_connection_is_closed_under_it_is_made_on_another() {
        let mut driver = driver(Config::local().with_neighbours(0));
        fakes(&mut driver, 1, &address());
        let peer = driver.gossip.view().as_slice()[0].peer.peer_id();
        let connection = ConnectionId::new_unchecked(1 << 40);
        established(&mut driver, peer, connection, Time::ZERO);
        let connections = &mut driver.links.connections;
        connections.mark_support(&peer, connection, true, Time::new(SECOND));
        driver.advance(Time::new(SECOND));
        assert!(request_of(drain(&mut driver)).is_some());
        closed(&mut driver, peer, connection, Time::new(SECOND));
        // A few times.
        for _ in 0..2 {
            let dial = dial_of(drain(&mut driver)).expect("it is dialled");
            established(&mut driver, peer, dial, Time::new(SECOND));
            let again = request_of(drain(&mut driver));
            assert!(again.is_some(), "and asked again");
            driver
                .links
                .connections
                .mark_support(&peer, dial, true, Time::new(SECOND));
            closed(&mut driver, peer, dial, Time::new(SECOND));
        }
        let actions = drain(&mut driver);
        assert!(dial_of(actions).is_none());
        assert_eq!(driver.gossip.in_flight(), 0);
        assert!(driver.gossip.view().contains(&peer), "it is suspected");
    }

    #[test]
    fn the_blocked_leave_and_gossip_does_not_bring_them_back() {
        let mut driver = driver(Config::local().with_neighbours(0));
        fakes(&mut driver, 2, &address());
        let blocked = driver.gossip.view().as_slice()[0].clone();
        let peer = blocked.peer.peer_id();
        let mut list = libp2p_allow_block_list::Behaviour::default();
        list.block_peer(peer);
        let mut deny = || {
            let address = Multiaddr::empty();
            let id = ConnectionId::new_unchecked(1 << 40);
            let denied = list.handle_established_inbound_connection(id, peer, &address, &address);
            denied.err().expect("blocked")
        };
        let error = ListenError::Denied { cause: deny() };
        let nowhere = Multiaddr::empty();
        let came_by = |peer_id| ListenFailure {
            local_addr: &nowhere,
            send_back_addr: &nowhere,
            error: &error,
            connection_id: ConnectionId::new_unchecked(1 << 40),
            peer_id,
        };
        driver.on_listen_failure(came_by(None), Time::new(SECOND));
        assert_eq!(driver.gossip.view().len(), 2, "nobody knows who that was");
        driver.on_listen_failure(came_by(Some(peer)), Time::new(SECOND));
        assert!(!driver.gossip.view().contains(&peer));
        // A sibling's dial says so, too.
        let error = DialError::Denied { cause: deny() };
        let failure = DialFailure {
            peer_id: Some(peer),
            error: &error,
            connection_id: ConnectionId::new_unchecked(1 << 41),
        };
        driver.on_dial_failure(failure, Time::new(2 * SECOND));
        let tell = |driver: &mut Driver<Random>, now| {
            let gossip = crate::sampling::sampler::message::Request {
                descriptors: vec![blocked.clone()],
                pull: false,
                room: usize::MAX,
            };
            let request = Request::Exchange {
                gossip,
                neighbour: Proposal::None,
            };
            let connection = ConnectionId::new_unchecked(1 << 42);
            driver.on_request(PeerId::random(), connection, InboundId(1), request, now);
            driver.gossip.view().contains(&peer)
        };
        assert!(!tell(&mut driver, Time::new(61 * SECOND)));
        assert!(
            tell(&mut driver, Time::new(62 * SECOND)),
            "who knows: it has its chance"
        );
        driver.on_dial_failure(failure, Time::new(63 * SECOND));
        assert!(!tell(&mut driver, Time::new(64 * SECOND)));
        // It is connected: so it is blocked no longer.
        established(
            &mut driver,
            peer,
            ConnectionId::new_unchecked(1 << 43),
            Time::new(64 * SECOND),
        );
        assert!(tell(&mut driver, Time::new(64 * SECOND)));
    }

    /// As many dials as a minute may have: the others have to wait, and stay.
    #[test]
    fn a_spent_budget_blames_nobody_and_does_not_keep_a_node_from_its_seeds() {
        let limits = crate::swarm::limits::Limits {
            dials_per_minute: 1,
            ..Default::default()
        };
        let config = Config::open_internet().with_limits(limits);
        let mut driver = driver(config.with_neighbours(0));
        for port in 1..=10 {
            fakes(
                &mut driver,
                1,
                &Multiaddr::empty().with(Protocol::Memory(port)),
            );
        }
        let dials: usize = (0..5)
            .map(|second| fail_dials(&mut driver, nobody_there, Time::new(second * SECOND)).len())
            .sum();
        assert_eq!(dials, 1);
        assert_eq!(driver.gossip.view().len(), 9);
        let seed = Multiaddr::empty().with(Protocol::Memory(99));
        driver
            .seeds
            .add(seed, PeerId::random())
            .expect("an address");
        driver.advance(Time::new(5 * SECOND));
        assert!(dial_of(drain(&mut driver)).is_some(), "the seed is dialled");
    }

    /// Nobody answers in time to a node that has no time itself.
    #[test]
    fn overload_blames_nobody() {
        for overloaded in [false, true] {
            let mut driver = driver(Config::local().with_neighbours(0));
            fakes(&mut driver, 1, &address());
            driver.advance(Time::new(SECOND));
            assert!(dial_of(drain(&mut driver)).is_some(), "a round");
            let peer = driver.gossip.view().as_slice()[0].peer.peer_id();
            if overloaded {
                driver.note_trouble(Time::new(11 * SECOND));
            }
            // The dial does not end in time.
            driver.advance(Time::new(11 * SECOND));
            assert_eq!(driver.gossip.view().contains(&peer), overloaded);
        }
    }

    /// Exchanges break all the time while this node has too much to do.
    #[test]
    fn what_breaks_under_load_blames_nobody() {
        for overloaded in [false, true] {
            let mut driver = driver(Config::local().with_neighbours(0));
            fakes(&mut driver, 1, &address());
            let peer = driver.gossip.view().as_slice()[0].peer.peer_id();
            let connection = ConnectionId::new_unchecked(1 << 40);
            established(&mut driver, peer, connection, Time::ZERO);
            for time in [20, 40] {
                let now = Time::new(time * SECOND);
                driver.advance(now);
                let (id, _) = request_of(drain(&mut driver)).expect("a round");
                if overloaded {
                    driver.note_trouble(now);
                }
                let late = Err(OutboundError::Timeout);
                driver.on_outcome(peer, connection, id, late, now + SECOND);
                drain(&mut driver);
            }
            assert_eq!(driver.gossip.view().contains(&peer), overloaded);
        }
    }

    fn come_by(driver: &mut Driver<Random>, visitors: usize, now: Time) {
        let endpoint = ConnectedPoint::Listener {
            local_addr: Multiaddr::empty(),
            send_back_addr: Multiaddr::empty(),
        };
        for visitor in 0..visitors {
            let event = ConnectionEstablished {
                peer_id: PeerId::random(),
                connection_id: ConnectionId::new_unchecked((1 << 40) + visitor),
                endpoint: &endpoint,
                failed_addresses: &[],
                other_established: 0,
            };
            driver.on_connection_established(event, now);
        }
    }

    /// They connect, never answer, and never ask.
    #[test]
    fn visitors_who_say_nothing_leave_room_for_the_seeds() {
        let mut driver = driver(Config::local());
        come_by(&mut driver, 200, Time::ZERO);
        driver.advance(Time::new(2 * SECOND));
        assert_eq!(driver.gossip.in_flight(), finding::MOST_BESIDE);
        drain(&mut driver);
        driver
            .seeds
            .add(address(), PeerId::random())
            .expect("a good seed");
        driver.advance(Time::new(3 * SECOND));
        assert!(dial_of(drain(&mut driver)).is_some());
    }

    #[test]
    fn whoever_connects_again_and_again_is_not_asked_each_time() {
        let limits = crate::swarm::limits::Limits {
            dials_per_minute: 3,
            ..Default::default()
        };
        let mut driver = driver(Config::local().with_limits(limits));
        let mut asked = Vec::new();
        for minute in 1..=3 {
            let now = Time::new(minute * 60 * SECOND);
            come_by(&mut driver, 20, now);
            driver.advance(now + 2 * SECOND);
            asked.push(driver.gossip.in_flight());
            driver.advance(now + 30 * SECOND);
        }
        assert!(asked.iter().all(|asked| *asked <= 3), "{asked:?}");
        let next = driver.next_wake();
        assert!(
            next.is_none_or(|at| at > Time::new(210 * SECOND)),
            "spins: {next:?}"
        );
    }

    /// Nobody who has said goodbye, or whom the application does not want, is handed out.
    #[test]
    fn who_is_gone_is_no_sample() {
        let config = Config::open_internet();
        let overlay = Basalt::for_view_size(config.gossip().view_size());
        let rng = StdRng::seed_from_u64(1);
        let local = PeerId::random();
        let mut driver = Driver::new(local, &config, overlay, rng).expect("valid settings");
        let record = |port| {
            let home = Multiaddr::empty().with(Protocol::Memory(port));
            Record::sign(&Keypair::generate_ed25519(), 1, &[home]).expect("signing works")
        };
        let [polite, unwanted] = [record(1), record(2)];
        driver.publisher.give(&polite);
        driver.publisher.give(&unwanted);
        let connection = ConnectionId::new_unchecked(1 << 40);
        let (id, goodbye) = (InboundId(1), Request::Goodbye);
        driver.on_request(polite.peer_id(), connection, id, goodbye, Time::new(SECOND));
        driver.remove(&unwanted.peer_id());
        let handle = driver.publisher.handle();
        assert_eq!(handle.select_peer(Selection::Uniform), None);
    }

    /// Neighbours are peers with whom there was an exchange, not whoever asks to be one.
    #[test]
    fn a_stranger_that_only_proposes_is_no_neighbour() {
        let mut driver = driver(Config::local());
        let (peer, connection) = (PeerId::random(), ConnectionId::new_unchecked(1 << 40));
        let nowhere = (Multiaddr::empty(), Multiaddr::empty());
        came(&mut driver, peer, connection, nowhere, Time::ZERO);
        let mut answer = |request: Request, now: Time| {
            driver.on_request(peer, connection, InboundId(1), request, now);
            let answered = drain(&mut driver)
                .into_iter()
                .find_map(|action| match action {
                    ToSwarm::NotifyHandler {
                        event: Command::Respond(_, response),
                        ..
                    } => Some(response.neighbour),
                    _ => None,
                });
            (answered, driver.publisher.handle().is_contacted(&peer))
        };
        let notice = || Request::notice(Proposal::Needed);
        assert_eq!(answer(notice(), Time::ZERO), (Some(false), false));
        let Request::Exchange { mut gossip, .. } = notice() else {
            panic!("a notice is an exchange of nothing");
        };
        gossip.pull = true;
        let neighbour = Proposal::Needed;
        let exchange = Request::Exchange { gossip, neighbour };
        assert_eq!(answer(exchange, Time::ZERO), (Some(true), true));
        let goodbye = answer(Request::Goodbye, Time::ZERO);
        assert_eq!(goodbye, (Some(false), false));
    }

    fn tell(driver: &mut Driver<Random>, peer: PeerId, port: u64, now: Time) -> Multiaddr {
        let home = Multiaddr::empty().with(Protocol::Memory(port));
        driver.on_address_told(peer, &home, now);
        home
    }

    /// What the driver dials: whom, and where.
    fn dials(driver: &mut Driver<Random>, now: Time) -> Vec<(PeerId, Vec<Multiaddr>)> {
        driver.advance(now);
        let dials = drain(driver).into_iter().filter_map(|action| match action {
            ToSwarm::Dial { opts } => {
                let peer = opts.get_peer_id().expect("no seeds here");
                Some((
                    peer,
                    driver.addresses_to_dial(opts.connection_id(), Some(peer), now),
                ))
            }
            _ => None,
        });
        dials.collect()
    }

    /// And nowhere else, whatever the sibling that told of it says when it is asked.
    #[test]
    fn a_candidate_is_dialled_where_the_policy_admits_while_the_view_has_room() {
        for room in [true, false] {
            let mut driver = driver(Config::open_internet().with_view_size(10));
            let public: Multiaddr = "/ip4/1.2.3.4/tcp/1".parse().expect("a multiaddr");
            let private = "/ip4/10.0.0.1/tcp/1".parse().expect("a multiaddr");
            fakes(&mut driver, 10 - usize::from(room), &address());
            // The round's own dials come first.
            driver.advance(Time::new(SECOND));
            drain(&mut driver);
            let (peer, hidden) = (PeerId::random(), PeerId::random());
            driver.on_address_told(
                peer,
                &public.clone().with(Protocol::P2p(peer)),
                Time::new(SECOND),
            );
            driver.on_address_told(peer, &private, Time::new(SECOND));
            driver.on_address_told(hidden, &private, Time::new(SECOND));
            driver.on_address_told(driver.local, &public, Time::new(SECOND));
            driver.advance(Time::new(SECOND));
            let opts = drain(&mut driver)
                .into_iter()
                .find_map(|action| match action {
                    ToSwarm::Dial { opts } => Some(opts),
                    _ => None,
                });
            assert_eq!(opts.is_some(), room);
            if let Some(opts) = opts {
                assert_eq!(opts.get_peer_id(), Some(peer));
                let handed =
                    driver.addresses_to_dial(opts.connection_id(), Some(peer), Time::new(SECOND));
                assert_eq!(handed, [public]);
                let text = format!("{opts:?}");
                assert!(
                    text.contains("extend_addresses_through_behaviour: false"),
                    "{text}"
                );
            }
        }
    }

    /// Whoever makes up addresses for honest peers would have them shut out.
    #[test]
    fn a_candidate_that_is_not_there_is_not_blamed() {
        let quarantine = Some(crate::time::Backoff::new(60 * SECOND, 3_600 * SECOND));
        let config = Config::local().with_quarantine(quarantine);
        let mut driver = driver(config.with_neighbours(0));
        // Who is left with nobody forgives all.
        fakes(&mut driver, 1, &address());
        let keypair = Keypair::generate_ed25519();
        let peer = keypair.public().to_peer_id();
        let home = tell(&mut driver, peer, 2, Time::ZERO);
        let error = |dialled: &PeerId| match *dialled == peer {
            true => nobody_there(dialled),
            false => denied(dialled),
        };
        let dialled = fail_dials(&mut driver, error, Time::ZERO);
        assert!(dialled.contains(&peer));
        assert_eq!(driver.gossip.view().len(), 1);
        let record = Record::sign(&keypair, 1, &[home]).expect("signing works");
        let gossip = crate::sampling::sampler::message::Request {
            descriptors: vec![Descriptor::fresh(record)],
            pull: false,
            room: usize::MAX,
        };
        let teller = PeerId::random();
        driver
            .gossip
            .handle_request(&teller, gossip, Time::new(SECOND));
        assert!(driver.gossip.view().contains(&peer), "shut out");
    }

    /// As with seeds, since mDNS tells of each once; but within the budget.
    #[test]
    fn a_lonely_node_tries_its_candidates_again() {
        let config = Config::local().with_quarantine(None);
        let mut driver = driver(config.with_neighbours(0));
        let peer = PeerId::random();
        tell(&mut driver, peer, 1, Time::ZERO);
        let mut times = Vec::new();
        for second in 0..300 {
            let now = Time::new(second * SECOND);
            if !fail_dials(&mut driver, nobody_there, now).is_empty() {
                times.push(second);
            }
            assert!(driver.next_wake().is_some_and(|at| at > now), "it gives up");
        }
        assert!((5..12).contains(&times.len()), "{times:?}");
    }

    /// By our own connection limits: nobody else is asked for each of many candidates.
    #[test]
    fn a_candidate_that_is_denied_has_another_chance_and_is_made_up_for_by_nobody() {
        let mut driver = driver(Config::local().with_neighbours(0));
        let (friend, connection) = (PeerId::random(), ConnectionId::new_unchecked(1 << 40));
        established(&mut driver, friend, connection, Time::ZERO);
        driver.advance(Time::ZERO);
        let (id, _) = request_of(drain(&mut driver)).expect("a sibling's connection is used");
        driver
            .links
            .connections
            .mark_support(&friend, connection, true, Time::new(SECOND));
        driver.on_outcome(friend, connection, id, Ok(Response::empty()), Time::ZERO);
        let peer = PeerId::random();
        tell(&mut driver, peer, 1, Time::ZERO);
        assert_eq!(fail_dials(&mut driver, denied, Time::ZERO), [peer]);
        assert_eq!(driver.gossip.in_flight(), 0, "somebody else is asked");
        assert!(!driver.candidates.is_trying(&peer));
        tell(&mut driver, peer, 1, Time::new(2 * SECOND));
        assert_eq!(
            fail_dials(&mut driver, denied, Time::new(2 * SECOND)),
            [peer]
        );
    }

    /// They are said to be wherever the teller likes.
    #[test]
    fn candidates_leave_half_of_the_budget_to_rounds_and_a_victim_alone() {
        let limits = crate::swarm::limits::Limits {
            dials_per_minute: 10,
            ..*Config::local().limits()
        };
        let config = Config::local().with_limits(limits).with_quarantine(None);
        let mut driver = driver(config.with_neighbours(0));
        for port in 1..=50 {
            tell(&mut driver, PeerId::random(), port, Time::ZERO);
        }
        let dialled = fail_dials(&mut driver, nobody_there, Time::ZERO);
        assert_eq!(dialled.len(), 5);
        let next = driver.next_wake().expect("the others wait");
        assert!(
            next > Time::ZERO && next <= Time::new(6 * SECOND),
            "{next:?}"
        );
        let dialled = fail_dials(&mut driver, nobody_there, Time::new(6 * SECOND));
        assert_eq!(dialled.len(), 1);

        let mut driver = self::driver(Config::open_internet().with_quarantine(None));
        let victim: Multiaddr = "/ip4/1.2.3.4/tcp/1".parse().expect("a multiaddr");
        let mut dialled = 0;
        for minute in 0..50 {
            let now = Time::new(minute * 60 * SECOND);
            driver.on_address_told(PeerId::random(), &victim, now);
            dialled += fail_dials(&mut driver, nobody_there, now).len();
        }
        assert_eq!(dialled, 3);
    }

    /// A few at once, and those who hear of them by gossip meanwhile need no telling.
    #[test]
    fn candidates_that_are_met_fill_the_view_and_are_not_tried_again() {
        let mut driver = driver(Config::local().with_neighbours(0));
        let keypairs = [1, 2].map(|_| Keypair::generate_ed25519());
        let [peer, other] = keypairs.each_ref().map(|k| k.public().to_peer_id());
        tell(&mut driver, peer, 1, Time::ZERO);
        assert_eq!(dials(&mut driver, Time::ZERO).len(), 1);
        let connection = ConnectionId::new_unchecked(1 << 40);
        established(&mut driver, peer, connection, Time::ZERO);
        let (id, _) = request_of(drain(&mut driver)).expect("an exchange");
        let mut answer = Response::empty();
        let records = keypairs.iter().zip(1..).map(|(keypair, port)| {
            let home = Multiaddr::empty().with(Protocol::Memory(port));
            Descriptor::fresh(Record::sign(keypair, 1, &[home]).expect("signing works"))
        });
        answer.gossip.descriptors = records.collect();
        driver.on_outcome(peer, connection, id, Ok(answer), Time::new(SECOND));
        assert_eq!(driver.gossip.view().len(), 2);
        assert!(!driver.candidates.is_trying(&peer));
        drain(&mut driver);
        // Both are told of again: one that is a contact, one of whom gossip tells.
        tell(&mut driver, peer, 1, Time::new(SECOND));
        tell(&mut driver, other, 9, Time::new(SECOND));
        let now = SECOND + SECOND / 100; // Before the next round.
        assert!(dials(&mut driver, Time::new(now)).is_empty());
        assert!(
            !driver.candidates.is_waiting(Time::new(now)),
            "nobody is looked at again"
        );
    }

    /// Others are told first, so that the application can have them dial it as soon as it knows.
    #[test]
    fn who_has_dialled_us_is_announced_on_its_own_host_unless_it_came_by_a_relay() {
        let relay = format!("/ip4/1.2.3.4/tcp/1/p2p/{}/p2p-circuit", PeerId::random());
        for (local, announced) in [("/ip4/10.0.0.1/tcp/1", true), (&relay, false)] {
            let mut driver = driver(Config::local());
            let keypair = Keypair::generate_ed25519();
            let (peer, connection) = (
                keypair.public().to_peer_id(),
                ConnectionId::new_unchecked(1),
            );
            let home: Multiaddr = "/ip4/1.2.3.4/tcp/4001".parse().expect("a multiaddr");
            let victim = "/ip4/5.6.7.8/tcp/4001".parse().expect("a multiaddr");
            let local = local.parse().expect("a multiaddr");
            let remote = "/ip4/1.2.3.4/tcp/50000".parse().expect("a multiaddr");
            came(
                &mut driver,
                peer,
                connection,
                (local, remote),
                Time::new(SECOND),
            );
            let record = Record::sign(&keypair, 1, &[victim, home.clone()]);
            let mut request = Request::notice(Proposal::None);
            let Request::Exchange { gossip, .. } = &mut request else {
                panic!("a notice is an exchange of nothing");
            };
            gossip.descriptors = vec![Descriptor::fresh(record.expect("signing works"))];
            driver.on_request(peer, connection, InboundId(1), request, Time::new(SECOND));
            let mut told = drain(&mut driver)
                .into_iter()
                .filter_map(|action| match action {
                    ToSwarm::NewExternalAddrOfPeer { peer_id, address } => {
                        Some(("siblings", peer_id, vec![address]))
                    }
                    ToSwarm::GenerateEvent(Event::Contacted { peer, addresses }) => {
                        Some(("contacted", peer, addresses))
                    }
                    ToSwarm::GenerateEvent(Event::Exchanged { peer, .. }) => {
                        Some(("exchanged", peer, Vec::new()))
                    }
                    _ => None,
                });
            if announced {
                let full = vec![home.with(Protocol::P2p(peer))];
                assert_eq!(told.next(), Some(("siblings", peer, full.clone())));
                assert_eq!(told.next(), Some(("contacted", peer, full)));
            }
            assert_eq!(told.next(), Some(("exchanged", peer, Vec::new())));
        }
    }

    /// Siblings dial by what gossip says, too, and are held to the same.
    #[test]
    fn siblings_get_addresses_within_the_budget() {
        let mut driver = driver(Config::open_internet().with_quarantine(None));
        fakes(&mut driver, 10, &address());
        let peers: Vec<_> = driver
            .gossip
            .view()
            .iter()
            .map(|d| d.peer.peer_id())
            .collect();
        let mut dials = 0;
        for (peer, id) in peers.into_iter().zip(1 << 41..) {
            let id = ConnectionId::new_unchecked(id);
            dials += driver
                .addresses_to_dial(id, Some(peer), Time::new(SECOND))
                .len();
            let failure = DialFailure {
                peer_id: Some(peer),
                error: &DialError::Transport(Vec::new()),
                connection_id: id,
            };
            driver.on_dial_failure(failure, Time::new(SECOND));
        }
        assert_eq!(dials, 3);
        assert!(driver.dials.is_empty());
    }
}
