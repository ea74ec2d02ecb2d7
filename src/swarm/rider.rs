//! The network behaviour of every gossip protocol that rides on the sampler.

pub(crate) mod config;
pub(crate) mod driver;

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, ready},
};

use libp2p_core::{Endpoint, Multiaddr, transport::PortUse};
use libp2p_identity::PeerId;
use libp2p_swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};

use crate::{
    gossip::Protocol,
    swarm::{
        address::is_relayed,
        alarm::Alarm,
        handle::Handle,
        handler::{ToBehaviour, connection::Handler},
        node::holder::Holder,
        rider::{config::Config, driver::Driver},
        shared::Shared,
        wire::Wire,
    },
    time::Time,
};

/// A gossip protocol in a swarm: any [`Protocol`], with any [`Wire`].
///
/// It rides on the sampler of the same swarm, by its [`Handle`]. Partners are neighbours, samples,
/// or the partner of the sampler's exchange of the round, on its connection. It dials by `PeerId`
/// alone, and the sampler says where, within the one dial budget of the node. Connections that it
/// has dialled are closed when no behaviour of the node needs them any more.
///
/// `P::Event` is what the application is told.
///
/// # Contract
///
/// Compose it into the swarm that the sampler is in, and poll the swarm: nothing else must be
/// called. When the sampler has left, or is gone, it takes no part any more.
pub struct Behaviour<P: Protocol<Id = PeerId>, W: Wire> {
    shared: Arc<Shared<W>>,
    handle: Handle,
    driver: Driver<P, W>,
    alarm: Alarm,
}

impl<P, W> Behaviour<P, W>
where
    P: Protocol<Id = PeerId, Request = W::Request, Response = W::Response>,
    W: Wire<Request: Clone>,
{
    /// A behaviour for `protocol`, whose messages travel as `wire` says. `sampling`: the sampler
    /// that it rides on. Its protocol is called `/<W::NAME>`, or `/<network>/<W::NAME>` where the
    /// sampler's network has a name.
    pub fn new(protocol: P, wire: W, sampling: Handle, config: Config) -> Self {
        let node = sampling.node();
        let name = sampling.protocol_of(W::NAME);
        let holder = Holder::join(&node, name.clone());
        let (gate, tally) = (node.gate.clone(), node.tally.clone());
        let caller = holder.id();
        let shared = Shared::new(wire, node.limits, (gate, caller), tally, node.clock());
        Self {
            shared: Arc::new(shared),
            driver: Driver::new(protocol, holder, name, sampling.peers(), config),
            handle: sampling,
            alarm: Alarm::default(),
        }
    }

    /// The protocol's state.
    pub fn protocol(&self) -> &P {
        self.driver.protocol()
    }

    /// Does `work` with the protocol's state and the time. What comes of it happens when the swarm
    /// is polled next.
    pub fn with_protocol<T>(&mut self, work: impl FnOnce(&mut P, Time) -> T) -> T {
        let now = self.now();
        // The protocol may want to be woken earlier now.
        self.alarm.ring(now);
        work(self.driver.protocol_mut(), now)
    }

    fn now(&self) -> Time {
        self.handle.node().now()
    }

    fn new_handler(&self, peer: &PeerId, mine: bool, relayed: bool) -> Handler<W> {
        Handler::new(
            self.driver.name().clone(),
            self.shared.clone(),
            *peer,
            self.driver.timeout(),
            self.driver.exchanger.keeper.keeps_new(peer, mine, relayed),
        )
    }
}

impl<P, W> NetworkBehaviour for Behaviour<P, W>
where
    P: Protocol<Id = PeerId, Request = W::Request, Response = W::Response> + 'static,
    P::Event: Send + 'static,
    W: Wire<Request: Clone>,
{
    type ConnectionHandler = Handler<W>;
    type ToSwarm = P::Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let handler = self.new_handler(&peer, false, is_relayed(local));
        Ok(handler.expecting_request())
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        // The sampler says where; this only notes who dials.
        let _ = self.driver.exchanger.keeper.holder.handed(connection, peer);
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let mine = self.driver.exchanger.keeper.holder.is_mine(connection);
        Ok(self.new_handler(&peer, mine, is_relayed(address)))
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        let now = self.now();
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                self.driver.on_connection_established(event, now);
            }
            FromSwarm::ConnectionClosed(event) => self.driver.on_connection_closed(event, now),
            FromSwarm::DialFailure(event) => self.driver.on_dial_failure(event, now),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        let now = self.now();
        let (driver, at) = (&mut self.driver, (peer, connection));
        match event {
            ToBehaviour::Request(id, request) => driver.on_request(at, id, request, now),
            ToBehaviour::Outcome(id, result) => driver.on_result(at, id, result, now),
            // Counted, and said in the log.
            ToBehaviour::InboundFailed(error) => {
                tracing::debug!(%peer, %connection, %error, "Inbound exchange failed");
            }
            ToBehaviour::Supported => driver
                .exchanger
                .keeper
                .connections
                .mark_support(&peer, connection, true, now),
            ToBehaviour::Idle => driver.exchanger.on_idle(peer, connection),
        }
    }

    #[tracing::instrument(level = "trace", name = "NetworkBehaviour::poll", skip(self, cx))]
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            if let Some(action) = self.driver.exchanger.keeper.actions.pop() {
                if let ToSwarm::Dial { .. } = &action {
                    self.shared.tally.dials.add(1);
                }
                return Poll::Ready(action);
            }
            let now = self.now();
            if self.handle.has_left() && !self.shared.has_left() {
                self.shared.leave();
                self.driver.leave();
            }
            self.driver.advance(now);
            if !self.driver.exchanger.keeper.actions.is_empty() {
                continue;
            }
            let wake = self.driver.next_wake().map(|wake| wake.at);
            ready!(self.alarm.poll(wake, now, cx));
        }
    }
}

impl<P: Protocol<Id = PeerId>, W: Wire> fmt::Debug for Behaviour<P, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour")
            .field("protocol", &self.driver.name())
            .finish_non_exhaustive()
    }
}
