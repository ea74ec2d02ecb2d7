//! A protocol in a swarm: what is due goes to the exchanger, and what comes of it to the protocol.
//! Every input comes with the time. No clock, no timer.

use std::{collections::BTreeMap, time::Duration};

use libp2p_identity::PeerId;
use libp2p_swarm::{
    ConnectionId, StreamProtocol,
    behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure},
};

use crate::{
    gossip::{Exchange, ExchangeId, Peers, Protocol},
    swarm::{
        exchanger::{Exchanger, actions::Way, keeper::Keeper, outcome::Outcome},
        handle::peers::HandlePeers,
        handler::{Command, InboundId, OutboundError, OutboundId},
        node::holder::Holder,
        rider::config::Config,
        wire::Wire,
    },
    time::{Time, Wake},
};

/// One protocol of a node in a swarm.
pub(crate) struct Driver<P: Protocol<Id = PeerId>, W: Wire> {
    pub(crate) exchanger: Exchanger<W, P::Event>,
    protocol: P,
    peers: HandlePeers,
    /// The requests of the exchanges under way: one may be sent on a second connection.
    requests: BTreeMap<ExchangeId, P::Request>,
    name: StreamProtocol,
    timeout: Duration,
    has_left: bool,
}

/// The partners, of the sampler's exchanges only those that are still connected.
struct Connected<'a, W: Wire, E> {
    peers: &'a mut HandlePeers,
    keeper: &'a Keeper<W, E>,
}

impl<W: Wire, E> Peers<PeerId> for Connected<'_, W, E> {
    fn select_peer(&mut self) -> Option<PeerId> {
        self.peers.select_peer()
    }

    fn neighbours(&self) -> &[PeerId] {
        self.peers.neighbours()
    }

    fn next_exchanged(&mut self) -> Option<PeerId> {
        let partner = self.peers.next_exchanged();
        partner.filter(|peer| self.keeper.usable(peer).is_some())
    }
}

impl<P, W> Driver<P, W>
where
    P: Protocol<Id = PeerId>,
    W: Wire,
{
    pub(crate) fn protocol(&self) -> &P {
        &self.protocol
    }

    pub(crate) fn protocol_mut(&mut self) -> &mut P {
        &mut self.protocol
    }

    pub(crate) fn name(&self) -> &StreamProtocol {
        &self.name
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }
}

impl<P, W> Driver<P, W>
where
    P: Protocol<Id = PeerId, Request = W::Request, Response = W::Response>,
    W: Wire<Request: Clone>,
{
    /// `name`: the protocol's, as it is negotiated.
    pub(crate) fn new(
        protocol: P,
        holder: Holder,
        name: StreamProtocol,
        peers: HandlePeers,
        config: Config,
    ) -> Self {
        let timeout = config.exchange_timeout();
        Self {
            exchanger: Exchanger::new(holder, name.clone(), timeout, None),
            protocol,
            peers,
            requests: BTreeMap::new(),
            name,
            timeout,
            has_left: false,
        }
    }

    /// Takes no part any more.
    pub(crate) fn leave(&mut self) {
        self.has_left = true;
        for id in self.exchanger.under_way().all() {
            self.end(id);
        }
        self.exchanger.keeper.leave();
    }

    /// Does what the time asks for.
    pub(crate) fn advance(&mut self, now: Time) {
        if !self.has_left {
            self.run(now);
        }
        // Last: on the connection of its exchange, which the sampler lets go of, this protocol may
        // just have begun one of its own.
        self.exchanger.answer_others();
    }

    fn run(&mut self, now: Time) {
        for (peer, up) in self.peers.sync() {
            self.protocol.handle_neighbour(&peer, up, now);
        }
        self.exchanger.advance(now);
        self.carry_on(now);
        while let Some(id) = self.protocol.poll_expired(now) {
            self.end(id);
        }
        let health = self.exchanger.keeper.holder.node().health();
        self.protocol.restrain(health.restraint(), now);
        loop {
            let mut peers = Connected {
                peers: &mut self.peers,
                keeper: &self.exchanger.keeper,
            };
            let Some(exchange) = self.protocol.poll_exchange(&mut peers, now) else {
                break;
            };
            let Exchange {
                id,
                partner,
                request,
            } = exchange;
            self.requests.insert(id, request);
            let deadline = now + self.timeout;
            self.exchanger.start(id, partner, deadline, now);
            self.carry_on(now);
        }
        while let Some(event) = self.protocol.poll_event() {
            self.exchanger.keeper.actions.emit(event);
        }
    }

    /// When [`Self::advance`] has something to do.
    pub(crate) fn next_wake(&self) -> Option<Wake> {
        match self.has_left {
            true => None,
            false => Wake::first([self.protocol.next_wake(), self.exchanger.next_wake()]),
        }
    }

    fn carry_on(&mut self, now: Time) {
        while let Some(outcome) = self.exchanger.poll_outcome() {
            match outcome {
                Outcome::Connected {
                    id,
                    partner,
                    connection,
                } => {
                    if let Some(request) = self.requests.get(&id).cloned() {
                        self.exchanger.send(id, (partner, connection), request);
                    }
                }
                // The sampler says where the partner is, when the swarm asks.
                Outcome::Unconnected { id, .. } => self.exchanger.dial(id, (Way::ById, None), now),
                Outcome::Answered {
                    id,
                    partner,
                    connection,
                    response,
                } => {
                    self.requests.remove(&id);
                    self.protocol.handle_outcome(id, Ok(response), now);
                    self.exchanger.keeper.release(partner, connection);
                }
                Outcome::Denied { id, error, .. } => self.exchanger.fail(id, error, now),
                Outcome::Failed {
                    id,
                    partner,
                    connection,
                    error,
                    failure,
                } => {
                    tracing::debug!(%partner, %error, protocol = %self.name, "Exchange failed");
                    self.requests.remove(&id);
                    self.protocol.handle_outcome(id, Err(failure), now);
                    if let Some(connection) = connection {
                        self.exchanger.keeper.release(partner, connection);
                    }
                }
                Outcome::Notified { .. } | Outcome::TooLate { .. } => {}
            }
        }
    }

    /// Ends an exchange that nobody waits for any more.
    fn end(&mut self, id: ExchangeId) {
        self.requests.remove(&id);
        if let Some((partner, Some(connection))) = self.exchanger.finish(id) {
            self.exchanger.keeper.release(partner, connection);
        }
    }

    /// The peer sends a request.
    pub(crate) fn on_request(
        &mut self,
        (peer, connection): (PeerId, ConnectionId),
        id: InboundId,
        request: P::Request,
        now: Time,
    ) {
        let was_let_go = self.exchanger.on_request(peer, connection, now);
        let response = match self.has_left {
            true => None,
            false => self.protocol.handle_request(&peer, request, now),
        };
        let command = match response {
            Some(response) => Command::Respond(id, response),
            None => Command::Refuse(id),
        };
        let keeper = &mut self.exchanger.keeper;
        keeper.actions.command(peer, connection, command);
        if was_let_go {
            keeper.release(peer, connection);
        }
    }

    /// The outcome of a request of ours.
    pub(crate) fn on_result(
        &mut self,
        at: (PeerId, ConnectionId),
        outbound: OutboundId,
        result: Result<P::Response, OutboundError>,
        now: Time,
    ) {
        self.exchanger.on_result(at, outbound, result, now);
        self.carry_on(now);
    }

    pub(crate) fn on_connection_established(&mut self, event: ConnectionEstablished, now: Time) {
        self.exchanger.on_connection_established(event, now);
        self.carry_on(now);
    }

    pub(crate) fn on_connection_closed(&mut self, event: ConnectionClosed, now: Time) {
        self.exchanger.on_connection_closed(event, now);
        self.carry_on(now);
    }

    pub(crate) fn on_dial_failure(&mut self, event: DialFailure, now: Time) {
        self.exchanger.on_dial_failure(event, now);
        self.carry_on(now);
    }
}
