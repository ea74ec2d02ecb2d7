//! What the swarm asks of the sampler's behaviour, and what the behaviour asks of the swarm.

use std::{
    task::{Context, Poll, ready},
    time::Duration,
};

use libp2p_core::{Endpoint, Multiaddr, multiaddr::Protocol, transport::PortUse};
use libp2p_identity::PeerId;
use libp2p_swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NewExternalAddrOfPeer, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};

use crate::{
    sampling::{overlay::Overlay, view::Descriptor},
    swarm::{
        address::{is_relayed, relay_of, split_peer},
        handler::connection::Handler,
        record::Record,
        sampling::{
            behaviour::Behaviour, command::ToBehaviour, event::Event, first_hand::Outbid,
            identity::misnamed, log::log,
        },
        wire::sampling::{Request, Sampling},
    },
};

/// A node that is woken so much too late has too much to do, or was asleep: it cannot tell whether
/// others answer in time. A guess: far more than any scheduler takes that has time.
const LATE: Duration = Duration::from_secs(1);

impl<O: Overlay<Record>> Behaviour<O> {
    /// Takes out a record that the peer sends as its own, and another key has signed: a dial to the
    /// signer there finds the wrong peer. `request`: every request has its sender's own record, if
    /// it has one. Not every answer has: there the record must name the address that was dialled.
    pub(crate) fn pass_over_misnamed(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        descriptors: &mut Vec<Descriptor<Record>>,
        request: bool,
    ) {
        let mut place = self
            .driver
            .exchanger
            .keeper
            .connections
            .place(&peer, connection);
        place.host = place.host.filter(|_| request);
        if let Some(signer) = misnamed(peer, place, descriptors)
            && signer != self.local.peer_id()
        {
            descriptors.remove(0);
            let now = self.now();
            self.warnings.misnamed(peer, signer, now);
        }
    }

    fn is_isolated(&self) -> bool {
        let knows_nobody = self.driver.sampler.view().is_empty();
        knows_nobody && self.driver.neighbourhood.members().is_empty() && !self.leaving
    }

    /// The application is about to be told of `event`.
    fn on_event(&mut self, event: &Event) {
        log(event);
        let now = self.now();
        let publisher = &self.driver.publisher;
        match event {
            Event::Exchanged { .. } => publisher.note_exchange(),
            Event::NeighbourUp { .. } | Event::NeighbourDown { .. } => {
                publisher.set_neighbours(self.driver.neighbourhood.members());
            }
            Event::SeedFailed { address, error } => {
                self.isolation.seed_failed(format!("{address}: {error}"));
            }
            _ => {}
        }
        let tally = &self.shared.tally;
        self.warnings.on_event(event, &self.protocol, tally, now);
    }

    /// `mine`: this behaviour has dialled. A neighbour is kept too, but not through a relay.
    fn new_handler(&self, peer: &PeerId, mine: bool, relayed: bool) -> Handler<Sampling> {
        Handler::new(
            self.protocol.clone(),
            self.shared.clone(),
            *peer,
            self.config.gossip().exchange_timeout(),
            self.driver.exchanger.keeper.keeps_new(peer, mine, relayed),
        )
    }
}

impl<O: Overlay<Record> + 'static> NetworkBehaviour for Behaviour<O> {
    type ConnectionHandler = Handler<Sampling>;
    type ToSwarm = Event;

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
        given: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let now = self.now();
        let addresses = self.driver.addresses_to_dial(connection, peer, now);
        self.shared.tally.addresses_dialled.add(addresses.len());
        Ok(peer.map_or_else(Vec::new, |peer| spelt_as_siblings(peer, addresses, given)))
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
        if let Some(wrong) = self.identity.on_swarm_event(&event) {
            self.driver.sampler.set_local(None);
            self.driver.emit(wrong);
        }
        if self.local.on_swarm_event(&event) {
            self.driver
                .exchanger
                .keeper
                .holder
                .set_own(self.local.addresses());
            if let Some(record) = self.local.renew(now)
                && !self.identity.is_wrong()
            {
                self.driver.sampler.set_local(record);
            }
        }
        if self.local.take_changed() {
            let relays = self.local.addresses().filter_map(relay_of).collect();
            let listening = self.local.setting_up();
            self.driver
                .exchanger
                .keeper
                .set_listening(relays, listening, now);
        }
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                self.driver.on_connection_established(event, now);
            }
            FromSwarm::ConnectionClosed(event) => self.driver.on_connection_closed(event, now),
            FromSwarm::DialFailure(event) => self.driver.on_dial_failure(event, now),
            FromSwarm::ListenFailure(event) => self.driver.on_listen_failure(event, now),
            // Who tells is told as well.
            FromSwarm::NewExternalAddrOfPeer(NewExternalAddrOfPeer { peer_id, addr })
                if !self
                    .driver
                    .exchanger
                    .keeper
                    .holder
                    .is_announced_by_us(&peer_id, addr) =>
            {
                self.driver.on_address_told(peer_id, addr, now);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection_id: ConnectionId,
        mut event: THandlerOutEvent<Self>,
    ) {
        let now = self.now();
        match &mut event {
            ToBehaviour::Request(_, Request::Exchange { gossip, .. }) => {
                self.pass_over_misnamed(peer, connection_id, &mut gossip.descriptors, true);
            }
            ToBehaviour::Request(_, Request::Goodbye) => {
                tracing::debug!(%peer, "The peer said goodbye, and leaves the view");
            }
            ToBehaviour::Outcome(_, Ok(response)) => {
                let descriptors = &mut response.gossip.descriptors;
                self.pass_over_misnamed(peer, connection_id, descriptors, false);
            }
            _ => {}
        }
        let (driver, connection) = (&mut self.driver, connection_id);
        match event {
            ToBehaviour::Request(id, request) => {
                driver.on_request((peer, connection), id, request, now)
            }
            ToBehaviour::Outcome(id, result) => {
                driver.on_result((peer, connection), id, result, now);
            }
            ToBehaviour::InboundFailed(error) => driver.emit(Event::InboundFailed {
                peer,
                connection_id,
                error,
            }),
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
                match &action {
                    ToSwarm::GenerateEvent(event) => self.on_event(event),
                    ToSwarm::Dial { .. } => self.shared.tally.dials.add(1),
                    ToSwarm::NewExternalAddrOfPeer { peer_id, address } => {
                        self.driver
                            .exchanger
                            .keeper
                            .holder
                            .announce(*peer_id, address.clone());
                    }
                    _ => {}
                }
                return Poll::Ready(action);
            }
            let now = self.now();
            let late = self.alarm.late(now);
            self.driver.strain.note_turn(late);
            if late > LATE {
                self.driver.exchanger.trouble.note(now);
            }
            self.driver.advance(now);
            let outbid = self.driver.take_outbid();
            if outbid != Outbid::default() {
                tracing::debug!(
                    ?outbid,
                    "Others have a later record or profile of this node"
                );
                if let Some(record) = self.local.outbid(outbid)
                    && !self.identity.is_wrong()
                {
                    self.driver.sampler.set_local(Some(record));
                }
            }
            if let Some(event) = self.local.poll(now) {
                self.driver.emit(event);
            }
            let isolated = self.is_isolated();
            let seeds = self.driver.discovery.seeds.addresses().count();
            if let Some(event) = self.isolation.poll(isolated, seeds, now) {
                self.driver.emit(event);
            }
            if !self.driver.exchanger.keeper.actions.is_empty() {
                continue;
            }
            let wakes = [
                self.driver.next_wake().map(|wake| wake.at),
                self.local.next_wake(),
                self.isolation.next_wake(),
            ];
            let wake = wakes.into_iter().flatten().min();
            ready!(self.alarm.poll(wake, now, cx));
        }
    }
}

/// `addresses` of `peer`, with `/p2p/<peer>` at their end, and without those that the dial has
/// been `given`. The swarm compares texts, so it would dial an address in two spellings twice. Of
/// the other behaviours, identify, Kademlia, mDNS and request-response return this spelling, and
/// rendezvous returns its peers' own.
pub(crate) fn spelt_as_siblings(
    peer: PeerId,
    addresses: Vec<Multiaddr>,
    given: &[Multiaddr],
) -> Vec<Multiaddr> {
    let given: Vec<_> = given.iter().map(|address| split_peer(address).0).collect();
    let others = addresses.into_iter().filter(|a| !given.contains(a));
    others.map(|a| a.with(Protocol::P2p(peer))).collect()
}
