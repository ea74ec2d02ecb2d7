//! What comes of the exchanges that this node starts, step by step.

use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;
use rand::seq::IteratorRandom;

use crate::{
    gossip::{ExchangeId, Failure},
    sampling::{overlay::Overlay, view::Descriptor},
    swarm::{
        counters::Reason,
        exchanger::{error::ExchangeError, under_way::RequestPurpose},
        handler::OutboundError,
        record::Record,
        sampling::{
            candidates::Outcome as Tried,
            discovery::Beside,
            driver::{Driver, meeting::Meeting, requests::Started},
            event::{Direction, Event, NeighbourDownReason, SeedError},
            first_hand,
            whereabouts::Whereabouts,
        },
        wire::sampling::{Request, Response},
    },
    time::Time,
};

impl<O: Overlay<Record>> Driver<O> {
    pub(crate) fn send(&mut self, id: ExchangeId, partner: PeerId, connection: ConnectionId) {
        let request = self.requests.get(id).cloned();
        let is_waiting = self.exchanger.under_way().is_waiting(id);
        if let Some(gossip) = request.filter(|_| is_waiting) {
            let neighbour = self.neighbourhood.propose(partner, &self.exchanger);
            let request = Request::Exchange { gossip, neighbour };
            self.exchanger.send(id, (partner, connection), request);
        }
    }

    pub(crate) fn dial(
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
    pub(crate) fn end(&mut self, id: ExchangeId) {
        self.requests.remove(id);
        self.discovery.ended(id);
        if let Some((partner, Some(connection))) = self.exchanger.finish(id) {
            self.exchanger.keeper.release(partner, connection);
        }
    }

    pub(crate) fn on_answer(
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
        self.strain.note_answer();
        self.end(id);
        if self.sampler.handle_response(id, gossip, now).is_ok() {
            self.publisher.note_partner(peer);
            self.exchanger.keeper.actions.emit(Event::Exchanged {
                peer,
                direction: Direction::Outbound,
                received,
                view_len: self.sampler.view().len(),
            });
        }
        let answer = Some(neighbour);
        self.end_proposal(peer, answer, now);
        self.exchanger.keeper.hold(peer, connection);
        self.exchanger.keeper.release(peer, connection);
        self.publisher.publish(self.sampler.view());
    }

    pub(crate) fn on_failure(
        &mut self,
        id: ExchangeId,
        (peer, connection): (PeerId, Option<ConnectionId>),
        (error, failure): (ExchangeError, Failure),
        now: Time,
    ) {
        self.requests.remove(id);
        let beside = self.discovery.ended(id);
        let retry_after = match &error {
            ExchangeError::Outbound(OutboundError::NotServed { retry_after }) => *retry_after,
            _ => None,
        };
        if let (Some(Beside::Seed(address)), Some(after)) = (&beside, retry_after) {
            self.discovery.seeds.come_back(address, after, now);
        }
        let failure = match failure {
            // Nobody has signed that it is there: or a liar could have it shut out.
            Failure::Unreachable if self.is_candidate(&peer) => Failure::Refused,
            failure => failure,
        };
        let dead = matches!(failure, Failure::Unreachable | Failure::Unsupported);
        if error.may_be_overload() {
            self.strain.note_silence();
        }
        let silent = dead || (failure == Failure::Broken && error.is_silence());
        // Nobody has told of a former contact, so nobody is to be kept from telling of it.
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
        // Nothing is known about it, but to keep it would be to keep a view full of fakes, or of
        // those that are not wanted.
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
        self.exchanger.keeper.actions.emit(match beside {
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
        self.end_proposal(peer, None, now);
        if let Some(connection) = connection {
            self.exchanger.keeper.release(peer, connection);
        }
        self.publisher.publish(self.sampler.view());
        // A neighbour that fails as a partner is none.
        if silent {
            self.neighbourhood.give_up(peer, &mut self.exchanger);
        }
    }

    /// A guard of this swarm has denied the dial for an exchange; returns the exchange to start
    /// instead: with a peer that is connected already, so that a node at its limits goes on.
    pub(crate) fn on_denied(
        &mut self,
        id: ExchangeId,
        partner: PeerId,
        error: ExchangeError,
        now: Time,
    ) -> Option<Started> {
        // A candidate is no round's partner, and no other peer is asked in its place.
        let instead = match self.is_candidate(&partner) {
            true => None,
            false => self.connected_partner(),
        };
        let exchange = instead.and_then(|peer| self.sampler.exchange_instead(id, peer, now));
        let Some(exchange) = exchange else {
            self.exchanger.fail(id, error, now);
            return None;
        };
        self.end(id);
        let candidates = &mut self.discovery.candidates;
        candidates.ended(&partner, Tried::Failed, now);
        // Perhaps it was asked on a connection that is gone.
        self.end_proposal(partner, None, now);
        let event = Event::ExchangeFailed {
            peer: partner,
            error,
            removed: false,
        };
        self.exchanger.keeper.actions.emit(event);
        Some(exchange)
    }

    /// A peer to make an exchange with that needs no dial: a neighbour rather than another.
    fn connected_partner(&mut self) -> Option<PeerId> {
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

    pub(crate) fn on_notified(
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
                self.end_proposal(peer, answer, now);
            }
            RequestPurpose::Notice | RequestPurpose::Exchange(_) => {}
        }
        self.exchanger.keeper.release(peer, connection);
    }

    pub(crate) fn end_proposal(&mut self, peer: PeerId, answer: Option<bool>, now: Time) {
        let time = (now, &mut self.rng);
        self.neighbourhood
            .end_proposal(peer, answer, &mut self.exchanger, time);
    }

    /// Hears what a peer says of itself among what it has sent; returns a later record or profile
    /// that others have of it.
    pub(crate) fn hear_first_hand(
        &mut self,
        peer: &PeerId,
        descriptors: &mut [Descriptor<Record>],
    ) -> Option<Descriptor<Record>> {
        let own = (self.local, self.sampler.local());
        let heard = first_hand::hear(peer, descriptors, self.sampler.view(), own);
        self.outbid_by = self.outbid_by.and(heard.outbid_by);
        let tally = &self.exchanger.keeper.holder.node().tally;
        for _ in 0..heard.stale {
            tally.pass_over_profile(Reason::ProfileStale);
        }
        heard.rival
    }

    /// An exchange with `peer` has succeeded, in which it sent `descriptors`.
    pub(crate) fn note_contact(
        &mut self,
        peer: (PeerId, ConnectionId),
        descriptors: &[Descriptor<Record>],
        now: Time,
    ) {
        let mut meeting = Meeting {
            view: self.sampler.view(),
            publisher: &self.publisher,
            neighbourhood: &self.neighbourhood,
            exchanger: &mut self.exchanger,
            now,
        };
        meeting.note(peer, descriptors);
    }
}
