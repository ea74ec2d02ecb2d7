//! The passive thread: what other peers ask, and what this node answers.

use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;

use crate::{
    sampling::overlay::Overlay,
    swarm::{
        handler::InboundId,
        record::Record,
        sampling::{
            command::Command,
            driver::Driver,
            event::{Direction, Event, NeighbourDownReason},
        },
        wire::sampling::{Proposal, Request, Response},
    },
    time::Time,
};

impl<O: Overlay<Record>> Driver<O> {
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
        // Only a peer that there was an exchange with becomes a neighbour.
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
}
