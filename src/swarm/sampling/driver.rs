//! The sampler in a swarm: what is due goes to the exchanger, what comes of it to the sampler, and
//! the view to the handles. Every input comes with the time. No clock, no timer.

#[cfg(test)]
pub(crate) mod testing;

use std::{collections::BTreeMap, time::Duration};

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::{
    ConnectionId, ListenError,
    behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure, ListenFailure},
};
use rand::{SeedableRng, rngs::StdRng, seq::IteratorRandom};

use crate::{
    gossip::{Exchange, ExchangeId, Failure},
    sampling::{
        overlay::Overlay,
        sampler::{Sampler, message::Request as SamplerRequest},
        view::Descriptor,
    },
    swarm::{
        address::{policy::AddressPolicy, split_peer},
        exchanger::{
            Exchanger,
            attempts::is_blocked,
            error::ExchangeError,
            outcome::{Outcome, is_sign_of_life},
            under_way::RequestPurpose,
        },
        handle::Publisher,
        handler::{InboundId, OutboundError, OutboundId},
        limits::PADDED_DESCRIPTOR_BYTES,
        node::Holder,
        record::Record,
        sampling::{
            blocked::Blocked,
            candidates::Outcome as Tried,
            config::{Config, ConfigError},
            discovery::{Beside, Contact, Discovery, Situation},
            event::{Direction, Event, NeighbourDownReason, SeedError},
            first_hand,
            neighbourhood::Neighbourhood,
            neighbours::Neighbours,
            whereabouts::Whereabouts,
        },
        wire::sampling::{Command, Proposal, Request, Response, Sampling},
    },
    time::{Time, Wake},
};

/// After how many rounds a peer that was refused has another chance. A guess: one dial in four rounds
/// may be denied.
const RECONSIDER: u32 = 4;
/// After how many exchanges in a row that brought nobody new a node with room in its view stops to
/// pad its requests: until somebody new comes. A guess: an answer as long as a request that is not
/// padded has news, too, where there are any.
const HOPELESS: u32 = 3;
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
    blocked: Blocked,
    /// The requests of the exchanges under way: one may be sent on a second connection.
    requests: BTreeMap<ExchangeId, SamplerRequest<Record>>,
    local: PeerId,
    policy: AddressPolicy,
    exchange_timeout: Duration,
    /// Rounds since a peer that was refused had another chance.
    unreconsidered: u32,
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
    pub(crate) fn new(
        holder: Holder,
        config: &Config,
        overlay: O,
        mut rng: StdRng,
    ) -> Result<Self, ConfigError> {
        let sampler_rng = StdRng::from_rng(&mut rng);
        let gives_samples = overlay.gives_samples();
        let (local, node) = (holder.node().local, holder.node().clone());
        let gossip = config.gossip();
        let timeout = gossip.exchange_timeout();
        let neighbours = Neighbours::new(config.neighbours(), config.neighbour_rotation());
        let neighbourhood = Neighbourhood::new(neighbours, gossip.period());
        let sampler = Sampler::new(local, gossip.clone(), overlay, sampler_rng)?;
        let publisher_rng = StdRng::from_rng(&mut rng);
        let mut exchanger = Exchanger::new(holder, config.protocol()?, timeout, config.pruning());
        neighbourhood.tell_keeper(&mut exchanger);
        Ok(Self {
            sampler,
            publisher: Publisher::new(node, publisher_rng, gives_samples),
            exchanger,
            neighbourhood,
            discovery: Discovery::new(config, config.limits(), &mut rng),
            blocked: Blocked::new(gossip.quarantine().map(|(first, _)| first)),
            requests: BTreeMap::new(),
            local,
            policy: config.addresses().clone(),
            exchange_timeout: timeout,
            unreconsidered: 0,
            leaving: None,
            outbid_by: None,
            rng,
        })
    }

    /// Puts peers into the view, and returns how many came in. All of them are where to go back to.
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
        self.leaving = Some(Leaving::Until(now + LEAVE_TIMEOUT));
    }

    /// The number that this node's next record has to exceed: others have one of it with that
    /// number, from before its clock was set back, or before it was restarted. Once for each.
    pub(crate) fn take_outbid(&mut self) -> Option<u64> {
        self.outbid_by.take()
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.exchanger.keeper.actions.emit(event);
    }

    fn publish(&self) {
        self.publisher.publish(self.sampler.view());
    }

    fn situation(&self, now: Time) -> Situation<'_> {
        situation(
            &self.sampler,
            &self.exchanger,
            (&self.publisher, &self.blocked),
            now,
        )
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
        self.exchanger.advance(now);
        self.carry_on(now);
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
        if self.neighbourhood.take_eager(round) {
            self.sampler.hasten(now);
        }
    }

    pub(crate) fn next_wake(&self) -> Option<Wake> {
        match self.leaving {
            Some(Leaving::Left) => None,
            Some(Leaving::Until(end)) => Some(Wake::new(end, "goodbyes")),
            None => {
                let situation = self.situation(Time::ZERO);
                Wake::first([
                    self.sampler.next_wake(),
                    self.exchanger.next_wake(),
                    self.neighbourhood.next_wake(),
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
        let situation = situation(&self.sampler, &self.exchanger, known, now);
        if self.discovery.adds_attempt(&situation, is_short) {
            self.sampler.add_turn();
            self.start_rounds(now);
        }
        self.contact_more(now);
        let known = (&self.publisher, &self.blocked);
        let situation = self::situation(&self.sampler, &self.exchanger, known, now);
        if let Some(past) = self.discovery.probe(&situation, &mut self.rng) {
            self.contact_past(past, now);
            self.contact_more(now);
        }
        let known = (&self.publisher, &self.blocked);
        let situation = self::situation(&self.sampler, &self.exchanger, known, now);
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
            let situation = situation(&self.sampler, &self.exchanger, known, now);
            match self.discovery.next(&situation, &mut self.rng) {
                Some(Contact::Seed(address)) => self.contact_seed(address, now),
                Some(Contact::Connected(peer)) => self.contact_connected(peer, now),
                Some(Contact::Candidate(peer)) => self.contact_candidate(peer, now),
                None => return,
            }
        }
    }

    fn contact_seed(&mut self, address: Multiaddr, now: Time) {
        let (_, peer) = split_peer(&address);
        let connected = peer.filter(|peer| self.exchanger.keeper.usable(peer).is_some());
        let Some(peer) = connected else {
            return self.exchanger.dial_seed(address, now);
        };
        match self.sampler.exchange_with(peer, now) {
            Some(exchange) => self.start(exchange, Some(Beside::Seed(address)), now),
            // One with the same peer is under way: as good.
            None => _ = self.discovery.seeds.tried(&address),
        }
    }

    /// Somebody else has connected the peer: perhaps it speaks the protocol.
    fn contact_connected(&mut self, peer: PeerId, now: Time) {
        let keeper = &self.exchanger.keeper;
        let is_inbound = keeper.connections.has_come_by_itself(&peer);
        let exchange = match self.sampler.view().contains(&peer) {
            true => None, // Its turn will come.
            false if keeper.usable(&peer).is_none() => None,
            false if is_inbound && !self.discovery.admits_inbound(now) => None,
            false => self.sampler.exchange_with(peer, now),
        };
        match exchange {
            // Not padded: a peer that has come by itself would get more bytes than it has sent.
            Some(exchange) if is_inbound => self.start_unpadded(exchange, None, now),
            Some(exchange) => self.start(exchange, None, now),
            None => {
                let connections = &mut self.exchanger.keeper.connections;
                for connection in connections.of(&peer).collect::<Vec<_>>() {
                    connections.mark_used(&peer, connection);
                }
            }
        }
    }

    fn contact_candidate(&mut self, peer: PeerId, now: Time) {
        match self.sampler.exchange_with(peer, now) {
            Some(exchange) => self.start(exchange, None, now),
            // One with the same peer is under way: as good.
            None => {
                self.discovery.candidates.not_dialled(&peer);
                self.discovery.candidates.ended(&peer, Tried::Failed, now);
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

    /// Another behaviour, or the application, says that `peer` is at `address`.
    pub(crate) fn on_address_told(&mut self, peer: PeerId, address: &Multiaddr, now: Time) {
        let wanted = peer != self.local && self.policy.check(&peer, address).is_ok();
        if wanted && self.leaving.is_none() {
            let address = split_peer(address).0;
            self.discovery.candidates.tell(peer, address, now);
        }
    }

    // ---- Exchanges that this node starts ----

    /// An answer takes no more bytes than its request: a node that hopes for more than it sends has to
    /// ask.
    fn padded(&self, mut request: SamplerRequest<Record>, is_seed: bool) -> SamplerRequest<Record> {
        // Where nobody new was found for a while there is probably nobody: padding would be for
        // nothing.
        let hopes = self.sampler.has_room() && self.sampler.fruitless() < HOPELESS;
        if request.pull && (hopes || is_seed || request.descriptors.is_empty()) {
            request.room = self.sampler.hopes_for() * PADDED_DESCRIPTOR_BYTES;
        }
        request
    }

    /// Starts an exchange.
    fn start(
        &mut self,
        mut exchange: Exchange<PeerId, SamplerRequest<Record>>,
        beside: Option<Beside>,
        now: Time,
    ) {
        let is_seed = matches!(beside, Some(Beside::Seed(_)));
        exchange.request = self.padded(exchange.request, is_seed);
        self.start_unpadded(exchange, beside, now);
    }

    /// Starts an exchange with a seed that has just been connected.
    fn start_with_seed(
        &mut self,
        exchange: Exchange<PeerId, SamplerRequest<Record>>,
        (address, connection): (Multiaddr, ConnectionId),
        now: Time,
    ) {
        let (id, partner) = (exchange.id, exchange.partner);
        let request = self.padded(exchange.request, true);
        self.requests.insert(id, request);
        self.discovery.note(id, Beside::Seed(address));
        let deadline = now + self.exchange_timeout;
        self.exchanger.start_on((id, partner), connection, deadline);
        self.carry_on(now);
    }

    fn start_unpadded(
        &mut self,
        exchange: Exchange<PeerId, SamplerRequest<Record>>,
        beside: Option<Beside>,
        now: Time,
    ) {
        let Exchange {
            id,
            partner,
            request,
        } = exchange;
        self.requests.insert(id, request);
        if let Some(beside) = beside {
            self.discovery.note(id, beside);
        }
        let deadline = now + self.exchange_timeout;
        self.exchanger.start(id, partner, deadline, now);
        self.carry_on(now);
    }

    /// Does what comes of exchanges. To be called after every input of the exchanger.
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
                Outcome::Denied { id, partner, error } => self.on_denied(id, partner, error, now),
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

    fn send(&mut self, id: ExchangeId, partner: PeerId, connection: ConnectionId) {
        let request = self.requests.get(&id).cloned();
        let is_waiting = self.exchanger.under_way().is_waiting(id);
        if let Some(gossip) = request.filter(|_| is_waiting) {
            let neighbour = self.neighbourhood.propose(partner, &self.exchanger);
            let request = Request::Exchange { gossip, neighbour };
            self.exchanger.send(id, (partner, connection), request);
        }
    }

    fn dial(
        &mut self,
        (id, partner): (ExchangeId, PeerId),
        (before, anew): (Option<ExchangeError>, bool),
        now: Time,
    ) {
        let mut whereabouts = Whereabouts {
            view: self.sampler.view(),
            publisher: &self.publisher,
            discovery: &mut self.discovery,
            holder: &self.exchanger.keeper.holder,
            now,
        };
        let choice = match before {
            Some(before) if !anew && whereabouts.of(&partner).0.is_none() => Err(before),
            before => {
                let choice = whereabouts.choose((id, partner), anew, &mut self.rng);
                choice.map_err(|why| before.filter(|_| anew).unwrap_or_else(|| why.into()))
            }
        };
        match choice {
            Ok((way, choice)) => self.exchanger.dial(id, (way, Some(choice)), now),
            Err(error) => self.exchanger.fail(id, error, now),
        }
    }

    /// Ends an exchange, and lets go of the connection it ran on.
    fn end(&mut self, id: ExchangeId) {
        self.requests.remove(&id);
        self.discovery.ended(id);
        if let Some((partner, Some(connection))) = self.exchanger.finish(id) {
            self.exchanger.keeper.release(partner, connection);
        }
    }

    fn on_answer(
        &mut self,
        id: ExchangeId,
        (peer, connection): (PeerId, ConnectionId),
        response: Response,
        now: Time,
    ) {
        let Response {
            mut gossip,
            neighbour,
        } = response;
        let received = gossip.descriptors.len();
        self.blocked.leave_out(&mut gossip.descriptors, now);
        self.hear_first_hand(&peer, &mut gossip.descriptors);
        let connections = &self.exchanger.keeper.connections;
        if let Some(address) = connections.dialled(&peer, connection) {
            let view = self.sampler.view();
            first_hand::locate(&peer, address, &mut gossip.descriptors, view);
        }
        self.note_contact((peer, connection), &gossip.descriptors, now);
        self.discovery.candidates.ended(&peer, Tried::Met, now);
        self.end(id);
        if self.sampler.handle_response(id, gossip, now).is_ok() {
            self.publisher.note_partner(peer);
            self.emit(Event::Exchanged {
                peer,
                direction: Direction::Outbound,
                received,
                view_len: self.sampler.view().len(),
            });
        }
        let answer = Some(neighbour);
        self.settle(peer, answer, now);
        self.exchanger.keeper.hold(peer, connection);
        self.exchanger.keeper.release(peer, connection);
        self.publish();
    }

    fn on_failure(
        &mut self,
        id: ExchangeId,
        (peer, connection): (PeerId, Option<ConnectionId>),
        (error, failure): (ExchangeError, Failure),
        now: Time,
    ) {
        self.requests.remove(&id);
        let beside = self.discovery.ended(id);
        let failure = match failure {
            // Nobody has signed that it is there: or whoever made that up would have it shut out.
            Failure::Unreachable if self.is_candidate(&peer) => Failure::Refused,
            failure => failure,
        };
        let dead = matches!(failure, Failure::Unreachable | Failure::Unsupported);
        let silent = dead || (failure == Failure::Broken && error.is_silence());
        // Nobody has told of a peer of the past, so nobody is to be kept from telling of it.
        let failure = match beside {
            Some(Beside::Past) => Failure::Refused,
            _ => failure,
        };
        let removed = match self.sampler.handle_failure(id, failure, now) {
            Ok(failed) => failed.removed,
            Err(unknown) => {
                return tracing::debug!(%unknown, %error, "A failure that comes too late");
            }
        };
        // Nothing is known about it, but to keep it would be to keep a view full of fakes, or of those
        // that are not wanted.
        let in_vain = error.is_in_vain() && self.sampler.remove(&peer).is_some();
        if dead || (removed && !error.is_in_vain()) {
            self.publisher.contacts(|contacts| contacts.failed(&peer));
        }
        let tried = match error {
            ExchangeError::Outbound(OutboundError::Unsupported(_)) => Tried::Mute,
            _ => Tried::Failed,
        };
        self.discovery.candidates.ended(&peer, tried, now);
        let removed = removed || in_vain;
        if removed {
            self.publisher.withdraw(&peer);
        }
        self.emit(match beside {
            Some(Beside::Seed(address)) => Event::SeedFailed {
                address,
                error: SeedError::Exchange(error),
            },
            _ => Event::ExchangeFailed {
                peer,
                error,
                removed,
            },
        });
        // Perhaps it was proposed on a connection that is gone.
        self.settle(peer, None, now);
        if let Some(connection) = connection {
            self.exchanger.keeper.release(peer, connection);
        }
        self.publish();
        // A neighbour that fails as a partner is none.
        if silent {
            self.neighbourhood.give_up(peer, &mut self.exchanger);
        }
    }

    /// A guard of this swarm has denied the dial for an exchange: it is made with a peer that is
    /// connected already, so that a node at its limits takes part all the same.
    fn on_denied(&mut self, id: ExchangeId, partner: PeerId, error: ExchangeError, now: Time) {
        // A candidate is no round's partner, and nobody is asked in its place.
        let instead = match self.is_candidate(&partner) {
            true => None,
            false => self.somebody_connected(),
        };
        let exchange = instead.and_then(|peer| self.sampler.exchange_instead(id, peer, now));
        let Some(exchange) = exchange else {
            return self.exchanger.fail(id, error, now);
        };
        self.end(id);
        self.discovery
            .candidates
            .ended(&partner, Tried::Failed, now);
        // Perhaps it was asked on a connection that is gone.
        self.settle(partner, None, now);
        self.emit(Event::ExchangeFailed {
            peer: partner,
            error,
            removed: false,
        });
        self.start(exchange, None, now);
    }

    /// A peer to make an exchange with that needs no dial: a neighbour rather than another.
    fn somebody_connected(&mut self) -> Option<PeerId> {
        let keeper = &self.exchanger.keeper;
        let busy = self.exchanger.under_way().partners();
        let is_free = |peer: &PeerId| !busy.contains(peer) && keeper.usable(peer).is_some();
        let neighbours = self.neighbourhood.members().iter().copied();
        let neighbour = neighbours.filter(is_free).choose(&mut self.rng);
        neighbour.or_else(|| {
            let speaking = keeper.connections.speaking().map(|(peer, _)| peer);
            speaking.filter(is_free).choose(&mut self.rng)
        })
    }

    /// Whether nothing but an unsigned address is known of the peer.
    fn is_candidate(&self, peer: &PeerId) -> bool {
        let is_trying = self.discovery.candidates.is_trying(peer);
        is_trying && !self.publisher.contacts(|c| c.contains(peer))
    }

    fn on_notified(
        &mut self,
        (peer, connection): (PeerId, ConnectionId),
        purpose: RequestPurpose,
        result: Result<Response, OutboundError>,
        now: Time,
    ) {
        match purpose {
            // The peer was told that it is no neighbour, and has become one since: now the two
            // disagree, whichever message was first.
            RequestPurpose::Notice if result.is_ok() => {
                let reason = NeighbourDownReason::Dissolved;
                self.neighbourhood
                    .dismiss(peer, reason, &mut self.exchanger);
            }
            RequestPurpose::Confirm => {
                let answer = result.ok().map(|response| response.neighbour);
                self.settle(peer, answer, now);
            }
            RequestPurpose::Notice | RequestPurpose::Exchange(_) => {}
        }
        self.exchanger.keeper.release(peer, connection);
    }

    fn settle(&mut self, peer: PeerId, answer: Option<bool>, now: Time) {
        let time = (now, &mut self.rng);
        self.neighbourhood
            .settle(peer, answer, &mut self.exchanger, time);
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

    /// The peer sends a request.
    pub(crate) fn on_request(
        &mut self,
        (peer, connection): (PeerId, ConnectionId),
        id: InboundId,
        request: Request,
        now: Time,
    ) {
        self.neighbourhood.heard(&peer, now);
        let was_let_go = self.exchanger.on_request(peer, connection, now);
        let command = match self.leaving {
            // An answer would keep this node in the other's view.
            Some(_) => Command::Refuse(id),
            None => Command::Respond(id, self.answer((peer, connection), request, now)),
        };
        let keeper = &mut self.exchanger.keeper;
        keeper.actions.command(peer, connection, command);
        if was_let_go {
            keeper.release(peer, connection);
        }
    }

    fn answer(
        &mut self,
        (peer, connection): (PeerId, ConnectionId),
        request: Request,
        now: Time,
    ) -> Response {
        let Request::Exchange {
            mut gossip,
            neighbour,
        } = request
        else {
            self.forget(&peer);
            let reason = NeighbourDownReason::Goodbye;
            self.neighbourhood.remove(peer, reason, &mut self.exchanger);
            return Response::empty();
        };
        let received = gossip.descriptors.len();
        self.blocked.leave_out(&mut gossip.descriptors, now);
        // A notice is not an exchange, and ages nothing.
        let is_notice = received == 0 && !gossip.pull;
        let gossip = if is_notice {
            Response::empty().gossip
        } else {
            let rival = self.hear_first_hand(&peer, &mut gossip.descriptors);
            let rival = rival.filter(|_| gossip.pull);
            self.note_contact((peer, connection), &gossip.descriptors, now);
            let mut response = self.sampler.handle_request(&peer, gossip, now);
            // Before all others, which have to make room for it.
            response.descriptors.splice(0..0, rival);
            self.publish();
            self.emit(Event::Exchanged {
                peer,
                direction: Direction::Inbound,
                received,
                view_len: self.sampler.view().len(),
            });
            response
        };
        // A neighbour is somebody with whom there was an exchange.
        let met = self.publisher.contacts(|contacts| contacts.contains(&peer));
        let proposal = match met || self.neighbourhood.contains(&peer) {
            true => neighbour,
            false => Proposal::None,
        };
        let time = (now, &mut self.rng);
        let neighbour = self
            .neighbourhood
            .answer(peer, proposal, &mut self.exchanger, time);
        Response { gossip, neighbour }
    }

    fn hear_first_hand(
        &mut self,
        peer: &PeerId,
        descriptors: &mut [Descriptor<Record>],
    ) -> Option<Descriptor<Record>> {
        let own = (self.local, self.sampler.local());
        let heard = first_hand::hear(peer, descriptors, self.sampler.view(), own);
        self.outbid_by = self.outbid_by.max(heard.outbid_by);
        heard.rival
    }

    /// An exchange with `peer` has succeeded, in which it sent `descriptors`: its own among them, if
    /// it advertises itself. All behaviours of the swarm are told where it was found.
    fn note_contact(
        &mut self,
        (peer, connection): (PeerId, ConnectionId),
        descriptors: &[Descriptor<Record>],
        now: Time,
    ) {
        let own = descriptors.iter().map(|d| &d.peer);
        let own = own.filter(|record| record.peer_id() == peer).last();
        let record = own.or_else(|| self.sampler.view().get(&peer).map(|d| &d.peer));
        let keeper = &self.exchanger.keeper;
        let place = keeper.connections.place(&peer, connection);
        if place.dialled.is_none() {
            let addresses = record.map_or(&[][..], Record::addresses).iter();
            for address in addresses.filter(|address| place.is_at(address)) {
                keeper.holder.called(address, now);
            }
        }
        let kept = |peer: &PeerId| self.neighbourhood.contains(peer);
        let found = self
            .publisher
            .contacts(|contacts| contacts.met(peer, record, place, now, kept));
        if !found.is_empty() {
            let event = Event::contacted(peer, found);
            let actions = &mut self.exchanger.keeper.actions;
            if let Event::Contacted { addresses, .. } = &event {
                let addresses = addresses.iter().cloned();
                addresses.for_each(|address| actions.announce(peer, address));
            }
            actions.emit(event);
        }
    }

    // ---- What the swarm says ----

    /// The swarm asks where to dial `peer`, on behalf of this behaviour or another.
    pub(crate) fn addresses_to_dial(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        now: Time,
    ) -> Vec<Multiaddr> {
        let holder = &self.exchanger.keeper.holder;
        match (holder.handed(connection, peer), peer) {
            (Ok(handed), _) => handed,
            (Err(_), None) => Vec::new(),
            (Err(is_drawn), Some(peer)) => {
                let whereabouts = Whereabouts {
                    view: self.sampler.view(),
                    publisher: &self.publisher,
                    discovery: &mut self.discovery,
                    holder,
                    now,
                };
                whereabouts.for_others(connection, &peer, is_drawn, &mut self.rng)
            }
        }
    }

    pub(crate) fn on_connection_established(&mut self, event: ConnectionEstablished, now: Time) {
        let (peer, connection) = (event.peer_id, event.connection_id);
        self.blocked.unblock(&peer);
        self.not_found_at(&peer, event.failed_addresses);
        let established = self.exchanger.on_connection_established(event, now);
        self.carry_on(now);
        // Both ends have met through the relay: they need not wait for their next exchange.
        if established.is_upgrade && self.publisher.contacts(|c| c.contains(&peer)) {
            self.neighbourhood
                .on_upgrade(peer, connection, &mut self.exchanger);
        }
        let Some(address) = established.seed else {
            return;
        };
        match self.sampler.exchange_with(peer, now) {
            Some(exchange) => self.start_with_seed(exchange, (address, connection), now),
            // One with the same peer is under way: as good.
            None => {
                self.discovery.seeds.tried(&address);
                self.exchanger.keeper.release(peer, connection);
            }
        }
    }

    pub(crate) fn on_connection_closed(&mut self, event: ConnectionClosed, now: Time) {
        let peer = event.peer_id;
        let closed = self.exchanger.on_connection_closed(event, now);
        if closed.confirms {
            self.settle(peer, None, now);
        }
        self.carry_on(now);
        if !closed.is_direct {
            let reason = NeighbourDownReason::ConnectionClosed;
            self.neighbourhood.remove(peer, reason, &mut self.exchanger);
        }
    }

    pub(crate) fn on_dial_failure(&mut self, event: DialFailure, now: Time) {
        use libp2p_swarm::DialError;

        if let Some(peer) = &event.peer_id {
            match event.error {
                DialError::Transport(tried) => {
                    self.not_found_at(peer, tried.iter().map(|(address, _)| address));
                }
                DialError::WrongPeerId { address, .. } => self.not_found_at(peer, [address]),
                _ => {}
            }
        }
        if let Some(address) = self.exchanger.on_dial_failure(event, now) {
            self.on_seed_failure(address, event.error.into());
        }
        self.carry_on(now);
        if let (Some(peer), DialError::Denied { cause }) = (event.peer_id, event.error)
            && is_blocked(cause)
        {
            self.block(peer, now);
        }
    }

    pub(crate) fn on_listen_failure(&mut self, event: ListenFailure, now: Time) {
        if let (Some(peer), ListenError::Denied { cause }) = (event.peer_id, event.error)
            && is_blocked(cause)
        {
            self.block(peer, now);
        }
    }

    fn on_seed_failure(&mut self, address: Multiaddr, error: SeedError) {
        let seeds = &mut self.discovery.seeds;
        let is_news = match error {
            SeedError::Ourselves => seeds.is_ourselves(&address),
            _ => {
                seeds.tried(&address);
                true
            }
        };
        if is_news {
            self.emit(Event::SeedFailed { address, error });
        }
    }

    fn block(&mut self, peer: PeerId, now: Time) {
        self.remove(&peer);
        self.blocked.block(peer, now);
    }

    /// A dial at these addresses has not found `peer`.
    fn not_found_at<'a>(&self, peer: &PeerId, addresses: impl IntoIterator<Item = &'a Multiaddr>) {
        self.publisher.contacts(|contacts| {
            for address in addresses {
                contacts.not_found_at(peer, &split_peer(address).0);
            }
        });
    }
}

fn situation<'a, O: Overlay<Record>>(
    sampler: &'a Sampler<Record, O, StdRng>,
    exchanger: &'a Exchanger<Sampling, Event>,
    (publisher, blocked): (&'a Publisher, &'a Blocked),
    now: Time,
) -> Situation<'a> {
    Situation {
        view: sampler.view(),
        view_size: sampler.config().view_size(),
        has_room: sampler.has_room(),
        in_flight: sampler.in_flight(),
        is_saturated: sampler.is_saturated(),
        exchanger,
        publisher,
        blocked,
        now,
    }
}

#[cfg(test)]
mod tests;
