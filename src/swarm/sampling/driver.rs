//! The sampler in a swarm: what is due goes to the exchanger, what comes of it to the sampler, and
//! the view to the handles. Every input comes with the time. No clock, no timer.

#[cfg(test)]
mod testing;

use std::{collections::BTreeMap, time::Duration};

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::{
    ConnectionId, ListenError,
    behaviour::{
        ConnectionClosed, ConnectionEstablished, DialFailure, ListenFailure,
    },
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
            Exchanger, Outcome, attempts::is_blocked, error::ExchangeError, is_sign_of_life,
            under_way::RequestPurpose,
        },
        handle::Publisher,
        handler::{Command, InboundId, OutboundError, OutboundId},
        limits::PADDED_DESCRIPTOR_BYTES,
        node::{Holder, budget::NotDialled},
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
        wire::{Proposal, Request, Response},
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
    pub(crate) exchanger: Exchanger<Event>,
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
        let mut exchanger =
            Exchanger::new(holder, config.protocol()?, timeout, config.pruning());
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
        self.neighbourhood.dismiss(*peer, reason, &mut self.exchanger);
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
        situation(&self.sampler, &self.exchanger, (&self.publisher, &self.blocked), now)
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
                let round = self.sampler.next_wake();
                let situation = self.situation(Time::ZERO);
                Wake::first([
                    round.map(|at| Wake::new(at, "a round")),
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

    /// Starts an exchange. An answer takes no more bytes than its request: a node that hopes for more
    /// than it sends has to ask.
    fn start(
        &mut self,
        mut exchange: Exchange<PeerId, SamplerRequest<Record>>,
        beside: Option<Beside>,
        now: Time,
    ) {
        let request = &mut exchange.request;
        // Where nobody new was found for a while there is probably nobody: padding would be for
        // nothing.
        let hopes = self.sampler.has_room() && self.sampler.fruitless() < HOPELESS;
        let is_seed = matches!(beside, Some(Beside::Seed(_)));
        if request.pull && (hopes || is_seed || request.descriptors.is_empty()) {
            let hoped_for = self.sampler.config().view_size() / 2;
            request.room = hoped_for * PADDED_DESCRIPTOR_BYTES;
        }
        self.start_unpadded(exchange, beside, now);
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
                        self.neighbourhood.answered_too_late(peer, &mut self.exchanger);
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
        self.discovery.candidates.ended(&partner, Tried::Failed, now);
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
                self.neighbourhood.dismiss(peer, reason, &mut self.exchanger);
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
        self.neighbourhood.settle(peer, answer, &mut self.exchanger, time);
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
        let neighbour = self.neighbourhood.answer(peer, proposal, &mut self.exchanger, time);
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
            self.neighbourhood.on_upgrade(peer, connection, &mut self.exchanger);
        }
        let Some(address) = established.seed else {
            return;
        };
        match self.sampler.exchange_with(peer, now) {
            Some(exchange) => self.start(exchange, Some(Beside::Seed(address)), now),
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
    exchanger: &'a Exchanger<Event>,
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
        let config = Config::open_internet().with_quarantine(Some((20 * SECOND, 80 * SECOND)));
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
        let quarantine = Some((60 * SECOND, 3_600 * SECOND));
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
