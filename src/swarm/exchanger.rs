//! The exchanges of one behaviour: it connects, sends, retries, closes.
//!
//! It knows connections and nothing of what is exchanged. What comes of each step is not called
//! back but returned, by [`Exchanger::poll_outcome`]: a connection is there, or is needed; an
//! answer came, or failed. The caller, which has started the exchange, answers each.

pub(crate) mod actions;
pub(crate) mod attempts;
pub(crate) mod connecting;
pub(crate) mod connections;
pub(crate) mod error;
pub(crate) mod keeper;
pub(crate) mod outcome;
pub(crate) mod pruning;
pub(crate) mod relays;
pub(crate) mod remote;
pub(crate) mod trouble;
pub(crate) mod under_way;
pub(crate) mod verdict;

use std::{collections::VecDeque, time::Duration};

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::{ConnectionId, StreamProtocol};

use crate::{
    gossip::{ExchangeId, Failure},
    swarm::{
        address::split_peer,
        exchanger::{
            actions::Way,
            error::ExchangeError,
            keeper::Keeper,
            outcome::{Outcome, is_sign_of_life},
            pruning::Pruning,
            trouble::Trouble,
            under_way::{RequestPurpose, UnderWay},
        },
        handler::{Command, OutboundError, OutboundId},
        node::{budget::Choice, dials::DialPurpose, holder::Holder},
        wire::Wire,
    },
    time::{Time, Wake},
};

/// The exchanges of one behaviour, from their start to their outcome. `W`: how they
/// travel; `E`: what that behaviour tells the application.
#[derive(Debug)]
pub(crate) struct Exchanger<W: Wire, E> {
    pub(crate) keeper: Keeper<W, E>,
    pub(crate) trouble: Trouble,
    under_way: UnderWay,
    outcomes: VecDeque<Outcome<W::Response>>,
    protocol: StreamProtocol,
}

impl<W: Wire, E> Exchanger<W, E> {
    /// For the behaviour that `holder` stands for, which speaks `protocol`. An exchange may take
    /// `timeout`, dialling included.
    pub(crate) fn new(
        holder: Holder,
        protocol: StreamProtocol,
        timeout: Duration,
        pruning: Option<Pruning>,
    ) -> Self {
        Self {
            keeper: Keeper::new(holder, pruning),
            trouble: Trouble::new(timeout),
            under_way: UnderWay::default(),
            outcomes: VecDeque::new(),
            protocol,
        }
    }

    /// The next outcome. To be called until `None` after every other input.
    pub(crate) fn poll_outcome(&mut self) -> Option<Outcome<W::Response>> {
        self.outcomes.pop_front()
    }

    pub(crate) fn under_way(&self) -> &UnderWay {
        &self.under_way
    }

    // ---- Exchanges ----

    /// Starts an exchange, which is given up at `deadline`.
    pub(crate) fn start(&mut self, id: ExchangeId, partner: PeerId, deadline: Time, now: Time) {
        self.under_way.start(id, partner, deadline);
        self.find_connection((id, partner), None, now);
    }

    /// Starts an exchange on a connection that was made for it.
    pub(crate) fn start_on(
        &mut self,
        (id, partner): (ExchangeId, PeerId),
        connection: ConnectionId,
        deadline: Time,
    ) {
        self.under_way.start(id, partner, deadline);
        self.connected(id, partner, connection);
    }

    /// Dials the partner of an exchange. `choice`: what was taken from the budget; `None`: by the
    /// partner's id alone, and the sampler says where.
    pub(crate) fn dial(&mut self, id: ExchangeId, (way, choice): (Way, Option<Choice>), now: Time) {
        let Some(partner) = self.under_way.partner(id) else {
            return;
        };
        let connection = self.keeper.actions.dial_peer(partner, way);
        let purpose = (Some(partner), DialPurpose::Exchange(id));
        let holder = &self.keeper.holder;
        holder.begin_dial(connection, purpose, choice, now);
    }

    /// Dials a seed.
    pub(crate) fn dial_seed(&mut self, address: Multiaddr, now: Time) {
        let (_, peer) = split_peer(&address);
        let connection = self.keeper.actions.dial_address(&address);
        let purpose = (peer, DialPurpose::Seed(address));
        let choice = Some(Choice::default());
        let holder = &self.keeper.holder;
        holder.begin_dial(connection, purpose, choice, now);
    }

    /// Sends the request of an exchange, unless it was sent already.
    pub(crate) fn send(
        &mut self,
        id: ExchangeId,
        (partner, connection): (PeerId, ConnectionId),
        request: W::Request,
    ) {
        if let Some(outbound) = self.under_way.send(id, connection) {
            self.keeper.note_use(partner, connection);
            self.keeper.connections.mark_used(&partner, connection);
            let command = Command::Request(outbound, request);
            self.keeper.actions.command(partner, connection, command);
        }
    }

    /// Sends a request that is no exchange, on a connection that is there.
    pub(crate) fn notify(
        &mut self,
        (peer, connection): (PeerId, ConnectionId),
        request: W::Request,
        purpose: RequestPurpose,
    ) {
        let outbound = self.under_way.send_other(connection, purpose);
        self.keeper.note_use(peer, connection);
        let command = Command::Request(outbound, request);
        self.keeper.actions.command(peer, connection, command);
    }

    /// Ends an exchange without an outcome; returns the connection it ran on, to be released.
    pub(crate) fn finish(&mut self, id: ExchangeId) -> Option<(PeerId, Option<ConnectionId>)> {
        let running = self.under_way.finish(id)?;
        Some((running.partner, running.connection))
    }

    /// Gives an exchange up.
    pub(crate) fn fail(&mut self, id: ExchangeId, error: ExchangeError, now: Time) {
        let failure = error.failure();
        self.fail_as(id, (error, failure), now);
    }

    fn fail_as(&mut self, id: ExchangeId, (error, failure): (ExchangeError, Failure), now: Time) {
        let Some(running) = self.under_way.finish(id) else {
            return tracing::debug!(%error, "A failure that comes too late");
        };
        let failure = match failure {
            Failure::Broken if self.trouble.is_in(now) => Failure::Refused,
            failure => failure,
        };
        self.outcomes.push_back(Outcome::Failed {
            id,
            partner: running.partner,
            connection: running.connection,
            error,
            failure,
        });
    }

    /// Does what the time asks for.
    pub(crate) fn advance(&mut self, now: Time) {
        while let Some(id) = self.under_way.overdue(now) {
            self.time_out(id, now);
        }
        self.keeper.end_waits(now);
    }

    /// Closes the oldest of the connections that are too many, if it is time to.
    pub(crate) fn prune(&mut self, now: Time) {
        self.keeper.prune(&self.under_way, now);
    }

    /// Answers the other behaviours of this node that ask which connections are in use here. To be
    /// called at every poll.
    pub(crate) fn answer_others(&mut self) {
        self.keeper.answer_others(&self.under_way);
    }

    /// When [`Self::advance`] has something to do.
    pub(crate) fn next_wake(&self) -> Option<Wake> {
        let deadline = self.under_way.next_deadline();
        Wake::first([
            deadline.map(|at| Wake::new(at, "an exchange times out")),
            self.keeper.next_wake(),
        ])
    }

    fn time_out(&mut self, id: ExchangeId, now: Time) {
        // It waits for something of this node's own: for a connection that is being closed, or for
        // another behaviour's dial.
        let is_dialling = self.keeper.holder.is_dialling_for(id);
        let partner = self.under_way.partner(id);
        let is_connected = partner.is_some_and(|p| self.keeper.connections.is_connected(&p));
        let held_up = !is_dialling || is_connected;
        let failure = match self.under_way.is_waiting(id) {
            true if held_up || self.trouble.is_in(now) => Failure::Refused,
            // The dial has not ended in all that time: no exchange has begun that could break.
            true => Failure::Unreachable,
            false => Failure::Broken,
        };
        self.fail_as(id, (ExchangeError::Timeout, failure), now);
    }

    /// Finds a connection for an exchange, or says that it needs one.
    fn find_connection(
        &mut self,
        (id, partner): (ExchangeId, PeerId),
        before: Option<ExchangeError>,
        now: Time,
    ) {
        match self.keeper.usable(&partner) {
            Some(connection) => self.connected(id, partner, connection),
            None if self.keeper.is_closing(&partner) => {} // Then it is dialled.
            None if self.keeper.connections.is_connected(&partner) => {
                let error = OutboundError::Unsupported(self.protocol.clone());
                self.fail(id, error.into(), now);
            }
            None => self.unconnected(id, partner, before),
        }
    }

    fn connected(&mut self, id: ExchangeId, partner: PeerId, connection: ConnectionId) {
        self.outcomes.push_back(Outcome::Connected {
            id,
            partner,
            connection,
        });
    }

    /// There is no connection: unless the partner is being dialled already, which is waited for, it
    /// has to be dialled.
    fn unconnected(&mut self, id: ExchangeId, partner: PeerId, before: Option<ExchangeError>) {
        if self.keeper.holder.is_dialling(&partner) {
            return;
        }
        self.outcomes.push_back(Outcome::Unconnected {
            id,
            partner,
            before,
            anew: false,
        });
    }

    // ---- What the handlers say ----

    /// The outcome of a request.
    pub(crate) fn on_result(
        &mut self,
        (peer, connection): (PeerId, ConnectionId),
        outbound: OutboundId,
        result: Result<W::Response, OutboundError>,
        now: Time,
    ) {
        let connections = &mut self.keeper.connections;
        if let Err(OutboundError::Unsupported(_)) = result {
            connections.mark_support(&peer, connection, false, now);
        }
        if is_sign_of_life(&result) {
            self.trouble.heard(now);
        }
        match (self.under_way.answered(outbound), result) {
            (Some(RequestPurpose::Exchange(id)), Ok(response)) => {
                connections.mark_support(&peer, connection, true, now);
                if self.under_way.finish(id).is_some() {
                    self.outcomes.push_back(Outcome::Answered {
                        id,
                        partner: peer,
                        connection,
                        response,
                    });
                }
            }
            (Some(RequestPurpose::Exchange(id)), Err(error)) => self.fail(id, error.into(), now),
            (Some(purpose), result) => self.outcomes.push_back(Outcome::Notified {
                peer,
                connection,
                purpose,
                result,
            }),
            (None, result) => {
                tracing::debug!(%peer, ?result, "An answer to an exchange that was given up");
                self.outcomes.push_back(Outcome::TooLate { peer, result });
            }
        }
    }

    /// The peer has sent a request. Returns whether the connection was about to be let go of: then
    /// it is to be released once the request is answered.
    pub(crate) fn on_request(&mut self, peer: PeerId, connection: ConnectionId, now: Time) -> bool {
        let connections = &mut self.keeper.connections;
        connections.mark_used(&peer, connection);
        connections.mark_support(&peer, connection, true, now);
        self.trouble.heard(now);
        self.keeper.holder.uses(connection)
    }

    /// Nothing is under way on a connection that was released.
    pub(crate) fn on_idle(&mut self, peer: PeerId, connection: ConnectionId) {
        let busy = self.under_way.is_busy(connection);
        self.keeper.on_idle((peer, connection), busy);
    }
}
