//! What comes of the exchanges that the driver starts, and who is a contact for it.

use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;

use crate::{
    gossip::{ExchangeId, Failure},
    sampling::{overlay::Overlay, sampler::exchange::Failed, view::Descriptor},
    swarm::{
        exchanger::exchanges::Purpose,
        handler::{OutboundError, OutboundId},
        record::Record,
        sampling::{
            candidates::Outcome,
            driver::Driver,
            event::{Direction, Event, ExchangeError, NeighbourDownReason, NotDialled, SeedError},
        },
        wire::Response,
    },
    time::Time,
};

impl<O: Overlay<Record>> Driver<O> {
    pub(in crate::swarm) fn on_outcome(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        outbound: OutboundId,
        result: Result<Response, OutboundError>,
        now: Time,
    ) {
        if let Err(OutboundError::Unsupported(_)) = result {
            self.links
                .connections
                .mark_support(&peer, connection, false, now);
        }
        // A refusal is a sign of life, too.
        let refused = matches!(
            result,
            Err(OutboundError::Message(_) | OutboundError::NotServed)
        );
        if result.is_ok() || refused {
            self.hear(&peer, now);
        }
        match (self.links.exchanges.answered(outbound), result) {
            (Some(Purpose::Exchange(id)), Ok(response)) => {
                self.exchange_succeeded(id, peer, connection, response, now);
            }
            (Some(Purpose::Exchange(id)), Err(error)) => {
                self.exchange_failed(id, error.into(), now)
            }
            (Some(Purpose::Notice), result) => {
                // The peer was told that it is no neighbour, and has become one since: now the two
                // disagree, whichever message was first.
                if result.is_ok() {
                    self.links
                        .dismiss_neighbour(peer, NeighbourDownReason::Dissolved);
                }
                self.links.release(peer, connection);
            }
            (Some(Purpose::Confirm), result) => {
                let answer = result.ok().map(|response| response.neighbour);
                self.links.settle(peer, answer, (now, &mut self.rng));
                self.links.release(peer, connection);
            }
            (None, result) => {
                tracing::debug!(%peer, ?result, "An answer to an exchange that was given up");
                // It believes to be a neighbour, and is none: the place held for it is gone.
                if result.is_ok_and(|response| response.neighbour)
                    && !self.links.is_neighbour(&peer)
                {
                    self.links.dissolve(peer);
                }
            }
        }
    }

    fn exchange_succeeded(
        &mut self,
        id: ExchangeId,
        peer: PeerId,
        connection: ConnectionId,
        response: Response,
        now: Time,
    ) {
        let Response {
            mut gossip,
            neighbour,
        } = response;
        let received = gossip.descriptors.len();
        self.links
            .connections
            .mark_support(&peer, connection, true, now);
        self.leave_out_the_blocked(&mut gossip.descriptors, now);
        self.hear_first_hand(&peer, &mut gossip.descriptors);
        self.locate(peer, connection, &mut gossip.descriptors);
        self.note_contact(peer, connection, &gossip.descriptors, now);
        self.candidates.ended(&peer, Outcome::Met, now);
        self.recalled.remove(&id);
        if let Some(seed) = self
            .links
            .exchanges
            .finish(id)
            .and_then(|running| running.seed)
        {
            self.seeds.tried(&seed);
        }
        // Known, or `answered` would not have known it.
        if self.gossip.handle_response(id, gossip, now).is_ok() {
            self.links.actions.emit(Event::Exchanged {
                peer,
                direction: Direction::Outbound,
                received,
                view_len: self.gossip.view().len(),
            });
        }
        self.links
            .settle(peer, Some(neighbour), (now, &mut self.rng));
        self.links.hold(peer, connection);
        self.links.release(peer, connection);
        self.publish();
    }

    pub(super) fn leave_out_the_blocked(
        &mut self,
        descriptors: &mut Vec<Descriptor<Record>>,
        now: Time,
    ) {
        if self.blocked.is_empty() {
            return;
        }
        descriptors.retain(|descriptor| {
            let until = self.blocked.peek(&descriptor.peer.peer_id());
            until.is_none_or(|until| *until <= now)
        });
    }

    /// What `peer` has sent: what it says of itself counts, whatever number others' copies have.
    /// Returns the one that this node holds, if its number is larger: the peer is to be told, and
    /// then outbids it. So does this node, when the peer has a copy of its own record with a larger
    /// number.
    pub(super) fn hear_first_hand(
        &mut self,
        peer: &PeerId,
        descriptors: &mut [Descriptor<Record>],
    ) -> Option<Descriptor<Record>> {
        let known = self.gossip.view().get(peer);
        let mut rival = None;
        for descriptor in descriptors {
            let record = &mut descriptor.peer;
            if record.peer_id() == *peer {
                *record = record.first_hand();
                rival = known.filter(|known| known.peer.seq() > record.seq());
            } else if record.peer_id() == self.local {
                let own = self.gossip.local();
                let is_rival = own.is_none_or(|own| *own != *record && own.seq() <= record.seq());
                if is_rival {
                    self.outbid_by = self.outbid_by.max(Some(record.seq()));
                }
            }
        }
        rival.cloned()
    }

    /// The networks of a peer are where it was found, whatever its record says first; and it does not help
    /// to leave that record out.
    fn locate(
        &self,
        peer: PeerId,
        connection: ConnectionId,
        descriptors: &mut Vec<Descriptor<Record>>,
    ) {
        let Some(address) = self.links.connections.dialled(&peer, connection) else {
            return;
        };
        let is_its_own = |d: &Descriptor<Record>| d.peer.peer_id() == peer;
        if !descriptors.iter().any(is_its_own)
            && let Some(known) = self.gossip.view().get(&peer)
        {
            descriptors.insert(0, known.clone());
        }
        for descriptor in descriptors.iter_mut().filter(|d| is_its_own(d)) {
            descriptor.peer = descriptor.peer.found_at(address);
        }
    }

    /// An exchange with `peer` has succeeded, in which it sent `descriptors`: its own among them, if
    /// it advertises itself. Whoever cares is told where it was found.
    pub(super) fn note_contact(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        descriptors: &[Descriptor<Record>],
        now: Time,
    ) {
        let own = descriptors.iter().map(|d| &d.peer);
        let own = own.filter(|record| record.peer_id() == peer).last();
        let record = own.or_else(|| self.gossip.view().get(&peer).map(|d| &d.peer));
        let place = self.links.connections.place(&peer, connection);
        if place.dialled.is_none() {
            let addresses = record.map_or(&[][..], Record::addresses).iter();
            for address in addresses.filter(|address| place.is_at(address)) {
                self.dials.called(address, now);
            }
        }
        let kept = |peer: &PeerId| self.links.is_neighbour(peer);
        let found = self
            .publisher
            .contacts(|contacts| contacts.met(peer, record, place, now, kept));
        if !found.is_empty() {
            self.links.actions.tell_contacted(peer, found);
        }
    }

    pub(super) fn exchange_failed(&mut self, id: ExchangeId, error: ExchangeError, now: Time) {
        let failure = error.failure();
        self.fail(id, (error, failure), now);
    }

    pub(super) fn exchange_timed_out(&mut self, id: ExchangeId, now: Time) {
        let exchanges = &self.links.exchanges;
        // It waits for something of this node's own: for a connection that is being closed, or for
        // somebody else's dial.
        let held_up = exchanges.partner(id).is_some_and(|partner| {
            !exchanges.is_dialling(id) || self.links.connections.is_connected(&partner)
        });
        let failure = match exchanges.is_waiting(id) {
            true if held_up || now < self.in_trouble_until => Failure::Refused,
            // Nobody has opened the door in all that time: that is no exchange that broke.
            true => Failure::Unreachable,
            false => Failure::Broken,
        };
        self.fail(id, (ExchangeError::Timeout, failure), now);
    }

    fn fail(&mut self, id: ExchangeId, (error, failure): (ExchangeError, Failure), now: Time) {
        let failure = match failure {
            Failure::Broken if now < self.in_trouble_until => Failure::Refused,
            // Nobody has signed that it is there: or whoever made that up would have it shut out.
            Failure::Unreachable if self.is_candidate(id) => Failure::Refused,
            failure => failure,
        };
        let dead = matches!(failure, Failure::Unreachable | Failure::Unsupported);
        let silent = dead
            || (failure == Failure::Broken
                && matches!(
                    error,
                    ExchangeError::Timeout | ExchangeError::Outbound(OutboundError::Timeout)
                ));
        // Nobody has told of a peer that is recalled, so nobody is to be kept from telling of it.
        let failure = match self.recalled.remove(&id) {
            true => Failure::Refused,
            false => failure,
        };
        match self.gossip.handle_failure(id, failure, now) {
            Ok(mut failed) => {
                // Nothing is known about it, but to keep it would be to keep a view full of fakes, or of those
                // that are not wanted.
                let in_vain = matches!(
                    error,
                    ExchangeError::NotDialled(
                        NotDialled::InVain | NotDialled::NoTransport | NotDialled::NoAddress
                    ) | ExchangeError::Handshake(_)
                        | ExchangeError::RelayFull(_)
                        | ExchangeError::Blocked
                );
                if in_vain && self.gossip.remove(&failed.partner).is_some() {
                    failed.removed = true;
                }
                if dead || (failed.removed && !in_vain) {
                    self.publisher
                        .contacts(|contacts| contacts.failed(&failed.partner));
                }
                let partner = failed.partner;
                self.after_failure(failed, error, now);
                // A neighbour that fails as a partner is none.
                if silent {
                    self.links.give_up(partner);
                }
            }
            Err(unknown) => tracing::debug!(%unknown, %error, "A failure that comes too late"),
        }
    }

    fn after_failure(&mut self, failed: Failed<PeerId>, error: ExchangeError, now: Time) {
        let running = self.links.exchanges.finish(failed.id);
        let (peer, removed) = (failed.partner, failed.removed);
        let outcome = match error {
            ExchangeError::Outbound(OutboundError::Unsupported(_)) => Outcome::Mute,
            _ => Outcome::Failed,
        };
        self.candidates.ended(&peer, outcome, now);
        if removed {
            self.publisher.withdraw(&peer);
        }
        match running.as_ref().and_then(|running| running.seed.clone()) {
            Some(address) => {
                self.seeds.tried(&address);
                let error = SeedError::Exchange(error);
                self.links
                    .actions
                    .emit(Event::SeedFailed { address, error });
            }
            None => self.links.actions.emit(Event::ExchangeFailed {
                peer,
                error,
                removed,
            }),
        }
        // Perhaps it was proposed on a connection that is gone.
        self.links.settle(peer, None, (now, &mut self.rng));
        if let Some(connection) = running.and_then(|running| running.connection) {
            self.links.release(peer, connection);
        }
        self.publish();
    }
}
