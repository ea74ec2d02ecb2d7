//! Brings requests to their partners: connects, sends, tries again, closes.
//!
//! It knows connections and nothing of what is exchanged. What comes of each step is not called back
//! but returned, by [`Exchanger::poll_outcome`]: a connection is there, or is needed; an answer came,
//! or failed. Whoever has started the exchange answers each.

pub(crate) mod actions;
pub(crate) mod attempts;
pub(crate) mod connections;
pub(crate) mod error;
pub(crate) mod keeper;
pub(crate) mod pruning;
pub(crate) mod relays;
pub(crate) mod trouble;
pub(crate) mod under_way;

use std::{collections::VecDeque, io, time::Duration};

use libp2p_core::{ConnectedPoint, Multiaddr, transport::TransportError};
use libp2p_identity::PeerId;
use libp2p_swarm::{
    ConnectionId, DialError, StreamProtocol,
    behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure},
};

use crate::{
    gossip::{ExchangeId, Failure},
    swarm::{
        address::{Target, relay_of, split_peer},
        exchanger::{
            actions::Way,
            attempts::{Attempt, attempts, is_blocked, is_relay_full, never_left, one_line},
            connections::{Origin, Remote},
            error::ExchangeError,
            keeper::Keeper,
            pruning::Pruning,
            trouble::Trouble,
            under_way::{RequestPurpose, UnderWay},
        },
        handler::{Command, OutboundError, OutboundId},
        limits::MAX_ADDRESSES,
        node::{
            Holder,
            budget::{Choice, DialOutcome, NotDialled},
            dials::DialPurpose,
        },
        wire::Wire,
    },
    time::{Time, Wake},
};

/// What has come of an exchange so far, or of another request.
#[derive(Debug)]
pub(crate) enum Outcome<A> {
    /// There is a connection: the request is to be sent on it, by [`Exchanger::send`].
    Connected {
        id: ExchangeId,
        partner: PeerId,
        connection: ConnectionId,
    },
    /// There is none: the partner is to be dialled, by [`Exchanger::dial`], or given up, by
    /// [`Exchanger::fail`].
    Unconnected {
        id: ExchangeId,
        partner: PeerId,
        /// Why what was tried before has failed; for when nobody knows where else to dial.
        before: Option<ExchangeError>,
        /// Whether the handshake has failed, so that it may help to dial from another port.
        anew: bool,
    },
    /// The answer. The exchange is over, and its connection to be released.
    Answered {
        id: ExchangeId,
        partner: PeerId,
        connection: ConnectionId,
        response: A,
    },
    /// A guard of this swarm has denied the dial. The exchange is still under way: the caller ends
    /// it, by [`Exchanger::fail`] or [`Exchanger::finish`].
    Denied {
        id: ExchangeId,
        partner: PeerId,
        error: ExchangeError,
    },
    /// It came to nothing. The exchange is over.
    Failed {
        id: ExchangeId,
        partner: PeerId,
        /// The connection it ran on, to be released.
        connection: Option<ConnectionId>,
        error: ExchangeError,
        failure: Failure,
    },
    /// What came of a request that is no exchange.
    Notified {
        peer: PeerId,
        connection: ConnectionId,
        purpose: RequestPurpose,
        result: Result<A, OutboundError>,
    },
    /// An answer to a request that was given up.
    TooLate {
        peer: PeerId,
        result: Result<A, OutboundError>,
    },
}

/// What a new connection is good for, beside the exchanges that waited for one.
#[derive(Debug, Default)]
pub(crate) struct Established {
    /// The seed that it was dialled for.
    pub(crate) seed: Option<Multiaddr>,
    /// Whether it is the first direct one to a peer that was connected through a relay.
    pub(crate) is_upgrade: bool,
}

/// What has ended with a connection.
#[derive(Debug)]
pub(crate) struct Closed {
    /// Whether a question to a neighbour was under way on it.
    pub(crate) confirms: bool,
    /// Whether there is still a direct connection to the peer.
    pub(crate) is_direct: bool,
}

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

    /// What has come of something. To be called until `None` after every other input.
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

    /// Tells the other behaviours of this node what is used here. To be called at every poll.
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
        // somebody else's dial.
        let is_dialling = self.keeper.holder.is_dialling_for(id);
        let partner = self.under_way.partner(id);
        let is_connected = partner.is_some_and(|p| self.keeper.connections.is_connected(&p));
        let held_up = !is_dialling || is_connected;
        let failure = match self.under_way.is_waiting(id) {
            true if held_up || self.trouble.is_in(now) => Failure::Refused,
            // Nobody has opened the door in all that time: that is no exchange that broke.
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

    /// There is no connection: unless somebody dials the partner already, which is waited for, it has
    /// to be dialled.
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

    /// The peer has sent a request. Returns whether the connection was about to be let go of: then it
    /// is to be released once the request is answered.
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

    // ---- What the swarm says of connections ----

    pub(crate) fn on_connection_established(
        &mut self,
        event: ConnectionEstablished,
        now: Time,
    ) -> Established {
        let (peer, connection) = (event.peer_id, event.connection_id);
        let holder = &self.keeper.holder;
        let purpose = holder.take_purpose(connection);
        let is_dialler = event.endpoint.is_dialer();
        if is_dialler && purpose.is_none() && holder.is_dialled_through(&peer) {
            // A sibling has dialled it, for the sake of a dial of ours.
            holder.adopt(connection, peer);
        }
        let origin = match (holder.established(peer, connection), is_dialler) {
            (true, _) => Origin::Ours,
            (false, true) => Origin::Sibling,
            (false, false) => Origin::Inbound,
        };
        let (mut dialled, remote, relay) = match event.endpoint {
            ConnectedPoint::Dialer { address, .. } => {
                (Some(split_peer(address).0), address, relay_of(address))
            }
            ConnectedPoint::Listener {
                local_addr,
                send_back_addr,
            } => (None, send_back_addr, relay_of(local_addr)),
        };
        if let Some(address) = dialled.take_if(|a| !self.is_relay_there(a)) {
            tracing::debug!(%peer, %address, "Relayed, and not by who is at that address");
        }
        if is_dialler {
            self.keeper
                .holder
                .dial_answered(connection, dialled.as_ref());
        }
        self.end_way_through(connection);
        let missed = event.failed_addresses.iter().take(MAX_ADDRESSES);
        let target = Target::of(remote);
        let remote = Remote {
            dialled,
            missed: missed.map(|address| split_peer(address).0).collect(),
            remote: target,
            relayed: event.endpoint.is_relayed(),
            relay,
        };
        let connections = &mut self.keeper.connections;
        let is_upgrade =
            !remote.relayed && connections.is_connected(&peer) && !connections.is_direct(&peer);
        connections.add(peer, connection, (origin, remote), now);
        self.trouble.connected(target);
        self.keeper.pruner.consider_others();
        self.keeper.look_for_surplus(&peer, now);
        if self.keeper.is_leaving() {
            self.keeper.release(peer, connection);
            return Established::default();
        }
        let waiting = self.under_way.waiting_for(peer);
        let is_unused = waiting.is_empty() && !self.under_way.is_busy(connection);
        for id in waiting {
            self.connected(id, peer, connection);
        }
        self.end_waits_for_relay(&peer);
        let seed = match purpose {
            Some(DialPurpose::Exchange(_)) if is_unused => {
                self.keeper.release(peer, connection);
                None
            }
            Some(DialPurpose::Seed(address)) => Some(address),
            _ => None,
        };
        Established { seed, is_upgrade }
    }

    pub(crate) fn on_connection_closed(&mut self, event: ConnectionClosed, now: Time) -> Closed {
        let (peer, connection) = (event.peer_id, event.connection_id);
        let connections = &mut self.keeper.connections;
        let has_served = connections.has_served(&peer, connection);
        let is_theirs = connections.is_inbound(&peer, connection);
        let relay = connections.relay(&peer, connection);
        connections.remove(&peer, connection);
        self.keeper.disconnected(peer, connection);
        let confirms = self.under_way.connection_closed(connection);
        if let Some(relay) = relay {
            self.keeper.release_all(relay);
        }
        for id in self.under_way.running_on(connection) {
            self.lost_its_connection((id, peer), (has_served, is_theirs), now);
        }
        // They have waited for the end of the connection.
        for id in self.under_way.waiting_for(peer) {
            let is_settled = self.outcomes.iter().any(|outcome| outcome.is_of(id));
            if !is_settled && !self.keeper.holder.is_dialling_for(id) {
                self.find_connection((id, peer), None, now);
            }
        }
        Closed {
            confirms,
            is_direct: self.keeper.connections.is_direct(&peer),
        }
    }

    /// A dial has failed; returns the seed that it was for.
    pub(crate) fn on_dial_failure(&mut self, event: DialFailure, now: Time) -> Option<Multiaddr> {
        let (connection, error) = (event.connection_id, event.error);
        let holder = &self.keeper.holder;
        let refused = matches!(error, DialError::DialPeerConditionFalse(_));
        let is_ours = holder.is_ours(connection);
        let is_denied = matches!(error, DialError::Denied { .. } | DialError::NoAddresses);
        holder.dial_failed(connection, |address| match refused || is_denied {
            true => DialOutcome::Unmade,
            false => self.outcome_at(error, address),
        });
        self.end_way_through(connection);
        let mut seed = None;
        match self.keeper.holder.take_purpose(connection) {
            Some(DialPurpose::Exchange(id)) => self.dial_failed((id, connection), error, now),
            Some(DialPurpose::Seed(address)) => seed = Some(address),
            Some(DialPurpose::Relay) => {}
            // A sibling wants the peer, and is told that it is connected already.
            None if refused && !is_ours => {
                if let Some(peer) = event.peer_id {
                    self.keeper.share(peer);
                }
            }
            None => {}
        }
        if let Some(peer) = event.peer_id.filter(|_| !refused) {
            self.end_waits_for_relay(&peer);
            for id in self.under_way.waiting_for(peer) {
                self.waited_in_vain((id, peer, connection), error, now);
            }
        }
        seed
    }

    /// A dial has ended: the relays that it led through may be needed no longer.
    fn end_way_through(&mut self, dial: ConnectionId) {
        for relay in self.keeper.holder.relays_of(dial) {
            self.keeper.release_all(relay);
        }
    }

    /// The relay is connected, or its dial has failed: those who have waited for that go on.
    fn end_waits_for_relay(&mut self, relay: &PeerId) {
        for id in self.under_way.relay_ready(relay) {
            if let Some(partner) = self.under_way.partner(id) {
                self.unconnected(id, partner, None);
            }
        }
    }

    /// The connection closed before the answer came.
    fn lost_its_connection(
        &mut self,
        (id, partner): (ExchangeId, PeerId),
        (has_served, is_theirs): (bool, bool),
        now: Time,
    ) {
        let error = match has_served {
            true => ExchangeError::ConnectionClosed,
            // A guard of its has denied the connection, or it was done: it is there, and that is all
            // there is to be said.
            false => ExchangeError::TurnedAway,
        };
        // Whoever had dialled was done with it when the request came.
        if (has_served || is_theirs) && self.under_way.try_again(id) {
            self.find_connection((id, partner), Some(error), now);
        } else {
            self.fail(id, error, now);
        }
    }

    /// An exchange has waited for a dial of somebody else's, perhaps at an address that was stale:
    /// that says nothing about those that we know.
    fn waited_in_vain(
        &mut self,
        (id, partner, dial): (ExchangeId, PeerId, ConnectionId),
        error: &DialError,
        now: Time,
    ) {
        let is_settled = self.outcomes.iter().any(|outcome| outcome.is_of(id));
        let waits_on = self.keeper.holder.is_dialling_for(id) || self.under_way.waits_for_relay(id);
        if is_settled || waits_on {
            return;
        }
        match self.under_way.try_again(id) {
            true => self.unconnected(id, partner, None),
            false => self.dial_failed((id, dial), error, now),
        }
    }

    fn dial_failed(
        &mut self,
        (id, dial): (ExchangeId, ConnectionId),
        error: &DialError,
        now: Time,
    ) {
        let partner = self.under_way.partner(id);
        let Some(partner) = partner.filter(|_| self.under_way.is_waiting(id)) else {
            return; // It found another connection.
        };
        match error {
            DialError::Transport(tried) => {
                let relay = tried.iter().find_map(|(a, _)| self.busy_relay(a));
                match relay {
                    Some(relay) => self.under_way.wait_for_relay(id, relay),
                    None => self.transport_failed((id, partner, dial), tried, error, now),
                }
            }
            // Somebody else dials the peer or has just connected it.
            DialError::DialPeerConditionFalse(_) => {
                if let Some(connection) = self.keeper.usable(&partner) {
                    self.connected(id, partner, connection);
                }
            }
            DialError::Denied { cause } => {
                self.keeper.holder.give_back(dial);
                match is_blocked(cause) {
                    true => self.fail(id, ExchangeError::Blocked, now),
                    false => self.outcomes.push_back(Outcome::Denied {
                        id,
                        partner,
                        error: ExchangeError::Refused(one_line(error)),
                    }),
                }
            }
            DialError::Aborted => self.fail(id, ExchangeError::Refused(one_line(error)), now),
            DialError::NoAddresses => self.fail(id, NotDialled::NoAddress.into(), now),
            DialError::LocalPeerId { .. } | DialError::WrongPeerId { .. } => {
                self.fail(id, ExchangeError::Unreachable(one_line(error)), now);
            }
        }
    }

    /// A dial has failed at every address. What is this machine's fault blames nobody.
    fn transport_failed(
        &mut self,
        (id, partner, dial): (ExchangeId, PeerId, ConnectionId),
        tried: &[(Multiaddr, TransportError<io::Error>)],
        error: &DialError,
        now: Time,
    ) {
        if is_relay_full(tried) {
            return self.fail(id, ExchangeError::RelayFull(one_line(error)), now);
        }
        let attempts = attempts(tried);
        if attempts.contains(&Attempt::Handshake) {
            let before = ExchangeError::Handshake(one_line(error));
            // Perhaps both ends have dialled at the same moment.
            if !self.under_way.is_first_try(id) || !self.under_way.try_again(id) {
                return self.fail(id, before, now);
            }
            return self.outcomes.push_back(Outcome::Unconnected {
                id,
                partner,
                before: Some(before),
                anew: true,
            });
        }
        if attempts.is_empty() || attempts.contains(&Attempt::InVain) {
            return self.fail(id, ExchangeError::Unreachable(one_line(error)), now);
        }
        self.keeper.holder.give_back(dial);
        let offline = tried.iter().zip(&attempts);
        let mut offline = offline.filter(|(_, attempt)| **attempt == Attempt::Offline);
        if !offline.any(|((address, _), _)| self.trouble.has_reached(address)) {
            return self.fail(id, NotDialled::NoTransport.into(), now);
        }
        self.trouble.met_no_network(now);
        self.fail(id, ExchangeError::Offline(one_line(error)), now);
    }

    /// Whether the relay that an address leads through is the one that is connected, and at that host:
    /// it need not have been dialled there. True also where there is no relay.
    fn is_relay_there(&self, address: &Multiaddr) -> bool {
        let relay = relay_of(address).zip(Target::of(address));
        relay.is_none_or(|(relay, target)| {
            let connections = &self.keeper.connections;
            connections.is_relay_at(&relay, target.host())
        })
    }

    /// What became of a failed dial at `address`.
    fn outcome_at(&self, error: &DialError, address: &Multiaddr) -> DialOutcome {
        match relay_of(address) {
            _ if never_left(error, address) => DialOutcome::Unmade,
            Some(_) if self.busy_relay(address).is_some() => DialOutcome::Unmade,
            Some(_) if self.is_relay_there(address) => DialOutcome::RelayAnswered,
            _ => DialOutcome::InVain,
        }
    }

    /// The relay of a relayed address, when it is only just being dialled by somebody else. libp2p's
    /// relay client does not wait for that dial, but gives up.
    fn busy_relay(&self, address: &Multiaddr) -> Option<PeerId> {
        let Keeper {
            connections,
            holder,
            ..
        } = &self.keeper;
        relay_of(address).filter(|relay| holder.is_dialling(relay) && !connections.is_direct(relay))
    }
}

impl<A> Outcome<A> {
    /// Whether it waits for the caller's word about this exchange.
    fn is_of(&self, exchange: ExchangeId) -> bool {
        match self {
            Self::Connected { id, .. }
            | Self::Unconnected { id, .. }
            | Self::Denied { id, .. }
            | Self::Answered { id, .. }
            | Self::Failed { id, .. } => *id == exchange,
            Self::Notified { .. } | Self::TooLate { .. } => false,
        }
    }
}

/// Whether the peer has said anything: a refusal is a sign of life, too.
pub(crate) fn is_sign_of_life<A>(result: &Result<A, OutboundError>) -> bool {
    match result {
        Ok(_) => true,
        Err(error) => matches!(error, OutboundError::Message(_) | OutboundError::NotServed),
    }
}
