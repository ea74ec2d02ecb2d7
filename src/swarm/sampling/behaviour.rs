//! The network behaviour: turns swarm events into inputs of the state machine, and what that asks
//! for into dials and substreams. The only place with a clock and a timer.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::FutureExt;
use futures_timer::Delay;
use libp2p_core::{Endpoint, Multiaddr, multiaddr::Protocol, transport::PortUse};
use libp2p_identity::{KeyType, Keypair, PeerId};
use libp2p_swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NewExternalAddrOfPeer,
    StreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use rand::{SeedableRng, rngs::StdRng};
use web_time::Instant;

use crate::{
    sampling::{
        PeerSampling, Selection,
        overlay::{Overlay, any::AnyOverlay},
        view::Descriptor,
    },
    swarm::{
        address::{is_relayed, relay_of, split_peer},
        clock::Clock,
        counters::Counters,
        handle::Handle,
        handler::connection::Handler,
        node::{Node, holder::Holder},
        record::{
            Record,
            error::RecordError,
            verifier::{Effort, Verifier},
        },
        sampling::{
            config::{Config, ConfigError},
            driver::Driver,
            event::{Event, SeedError},
            identity::{Identity, misnamed},
            isolation::Isolation,
            local::LocalRecord,
            log::log,
            warnings::Warnings,
        },
        shared::Shared,
        wire::sampling::{Request, Sampling, ToBehaviour},
    },
    time::Time,
};

/// Timers are not made for eternity; waking up for nothing once a day costs nothing.
const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 60 * 60);
/// A node that is woken so much too late has too much to do, or was asleep: it cannot tell whether
/// others answer in time. A guess: far more than any scheduler takes that has time.
const LATE: Duration = Duration::from_secs(1);

/// Gossip peer sampling as a [`NetworkBehaviour`].
///
/// # Contract
///
/// Compose it into a swarm and poll the swarm; there is nothing else that must be called. The
/// behaviour joins through its [seeds](Config::with_seeds), or through any peer that speaks the
/// protocol and that somebody else connects, or knows the address of; it keeps a view of random peers from then on, and keeps a
/// few of them connected as neighbours.
///
/// - *Reading*: [`handle`](Self::handle) for other tasks; here, the [`PeerSampling`] methods,
///   [`neighbours`](Self::neighbours), [`contacted`](Self::contacted),
///   [`local_record`](Self::local_record).
/// - *Steering*: [`add_seed`](Self::add_seed), [`remove`](Self::remove), [`leave`](Self::leave).
/// - *Other behaviours of the same swarm* can dial any peer of the view, and any contact, by its
///   `PeerId` alone; within the budget of [`Limits`](crate::Limits), which counts addresses. They are told where contacts
///   were found (`FromSwarm::NewExternalAddrOfPeer`, see [`Event::Contacted`]). And where they say by the
///   same event that a peer is (mDNS, rendezvous, identify and Kademlia do, `Swarm::add_peer_address` does it for
///   the application), this one looks for somebody to make an exchange with, while the view has room: within
///   the same budget, one attempt for each address, and more while the view is empty.
///
/// Connections that it dials for an exchange are closed by it afterwards, unless the peer has become
/// a neighbour; connections that existed before stay. A behaviour that wants such a connection for
/// itself dials the peer, as usual, by its `PeerId`: it is told that the peer is connected already,
/// and the connection stays. One that uses it in silence may lose it.
///
/// Several samplers may share a swarm, each with a network's name of its own
/// ([`Config::with_network`]): see [`beside`](Self::beside). They share connections too, and the one
/// that needs a connection last closes it. Two that know nothing of each other are to each other as any
/// other behaviour.
///
/// Behaviours that deny connections are respected. What connection-limits or memory-connection-limits deny
/// blames nobody, and the round makes its exchange with a connected peer instead; leave room for a few
/// connections beside the neighbours, or newcomers find no way in. Whom allow-block-list does not want leaves
/// the view as soon as either end dials.
///
/// `O` is the overlay: which peers stay in the view.
pub struct Behaviour<O = AnyOverlay> {
    config: Config,
    protocol: StreamProtocol,
    shared: Arc<Shared<Sampling>>,
    local: LocalRecord,
    driver: Driver<O>,
    warnings: Warnings,
    isolation: Isolation,
    identity: Identity,
    /// Whether it has taken leave, and takes no part any more.
    leaving: bool,
    node: Arc<Node>,
    timer: Delay,
    timer_at: Option<Time>,
}

impl Behaviour {
    /// A behaviour with the overlay that `config` names, see [`Config::with_overlay`].
    ///
    /// `keypair` is the swarm's own: it signs this node's record. With another nobody can dial this
    /// node; see [`local_peer_id`](Self::local_peer_id).
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when a setting is outside its bounds, or the key is RSA.
    ///
    /// # Panics
    ///
    /// When the operating system has no random numbers.
    pub fn new(keypair: &Keypair, config: Config) -> Result<Self, ConfigError> {
        let overlay = AnyOverlay::new(config.overlay(), config.gossip().view_size());
        Self::with_overlay(keypair, config, overlay)
    }

    /// A second sampler of the same node, with the overlay that `config` names: see
    /// [`beside_with_overlay`](Self::beside_with_overlay).
    ///
    /// # Errors
    ///
    /// As [`beside_with_overlay`](Self::beside_with_overlay).
    ///
    /// # Panics
    ///
    /// When the operating system has no random numbers.
    pub fn beside(first: &Handle, keypair: &Keypair, config: Config) -> Result<Self, ConfigError> {
        let overlay = AnyOverlay::new(config.overlay(), config.gossip().view_size());
        Self::beside_with_overlay(first, keypair, config, overlay)
    }
}

impl<O: Overlay<Record>> Behaviour<O> {
    /// A second sampler of the same node, for another network, or with another overlay: a behaviour to
    /// compose into the same swarm. The two share connections, the one dial budget, and the counters;
    /// [`Limits`](crate::Limits) on dials, and on the requests of all peers together, are those of the
    /// first.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when a setting, of the overlay or another, is outside its bounds, the key is
    /// RSA, or it is not the key of the first.
    ///
    /// # Panics
    ///
    /// When the operating system has no random numbers.
    pub fn beside_with_overlay(
        first: &Handle,
        keypair: &Keypair,
        config: Config,
        overlay: O,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let node = first.node();
        match node.local == keypair.public().to_peer_id() {
            true => Self::at_node(node, keypair, config, overlay),
            false => Err(ConfigError::OtherKeypair),
        }
    }

    /// A behaviour with an overlay of one's own choice, whatever `config` says.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when a setting, of the overlay or another, is outside its bounds, or the
    /// key is RSA.
    ///
    /// # Panics
    ///
    /// When the operating system has no random numbers.
    pub fn with_overlay(
        keypair: &Keypair,
        config: Config,
        overlay: O,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let gossip = config.gossip();
        let pace = (gossip.period(), gossip.quarantine());
        #[expect(
            clippy::disallowed_methods,
            reason = "the behaviour is where the clock is"
        )]
        let clock = Clock::new(Instant::now());
        let local = keypair.public().to_peer_id();
        let node = Node::new(local, *config.limits(), pace, clock);
        Self::at_node(node, keypair, config, overlay)
    }

    fn at_node(
        node: Arc<Node>,
        keypair: &Keypair,
        config: Config,
        overlay: O,
    ) -> Result<Self, ConfigError> {
        let key_type = keypair.key_type();
        if key_type == KeyType::RSA {
            return Err(ConfigError::RsaKey);
        }
        if !config.limits().key_types.contains(&key_type) {
            return Err(ConfigError::KeyType);
        }
        let rng = match config.rng_seed() {
            Some(seed) => StdRng::seed_from_u64(seed),
            None => rand::make_rng(),
        };
        let local = LocalRecord::new(
            keypair.clone(),
            config.addresses().clone(),
            config.advertises_listen_addresses(),
        );
        let protocol = config.protocol()?;
        let holder = Holder::join(&node, protocol.clone());
        let caller = holder.id();
        let driver = Driver::new(holder, &config, overlay, rng)?;
        let (limits, clock) = (*config.limits(), node.clock());
        let (gate, tally) = (node.gate.clone(), node.tally.clone());
        let verifier = Verifier::new(config.addresses().clone(), limits, tally.clone());
        let wire = Sampling::new(verifier, limits, tally.clone(), clock);
        let shared = Shared::new(wire, limits, (gate, caller), tally, clock);
        let mut behaviour = Self {
            protocol,
            shared: Arc::new(shared),
            identity: Identity::new(local.peer_id()),
            local,
            driver,
            warnings: Warnings::default(),
            isolation: Isolation::default(),
            leaving: false,
            node,
            timer: Delay::new(Duration::ZERO),
            timer_at: None,
            config,
        };
        for address in behaviour.config.seeds().to_vec() {
            if let Err(error) = behaviour.add_seed(address.clone()) {
                behaviour.driver.emit(Event::SeedFailed { address, error });
            }
        }
        Ok(behaviour)
    }

    /// A handle for other tasks: reads the view, samples from it, streams samples.
    pub fn handle(&self) -> Handle {
        self.driver.publisher.handle().clone()
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The id of the keypair that this behaviour was built with. The swarm must have the same
    /// keypair, and it tells no behaviour its own. `SwarmBuilder::with_behaviour` hands in the
    /// right one; a program that builds the two apart can compare:
    ///
    /// ```
    /// use libp2p::{SwarmBuilder, identity::Keypair, noise, tcp, yamux};
    /// use libp2p_peer_sampling::{Behaviour, Config};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let swarm = SwarmBuilder::with_existing_identity(Keypair::generate_ed25519())
    ///     .with_tokio()
    ///     .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)?
    ///     .with_behaviour(|keypair| Ok(Behaviour::new(keypair, Config::local())?))?
    ///     .build();
    /// assert_eq!(swarm.behaviour().local_peer_id(), *swarm.local_peer_id());
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_peer_id(&self) -> PeerId {
        self.local.peer_id()
    }

    /// This node's own record as others get it; `None` while it does not advertise itself.
    pub fn local_record(&self) -> Option<&Record> {
        self.driver.sampler.local()
    }

    /// The neighbours: peers that both ends keep connected. For other tasks:
    /// [`Handle::neighbours`].
    pub fn neighbours(&self) -> &[PeerId] {
        self.driver.neighbourhood.members()
    }

    /// What to save for the next start: see [`Handle::contacted`].
    pub fn contacted(&self) -> Vec<Record> {
        self.driver.publisher.handle().contacted()
    }

    /// Whether the peer is a contact: see [`Handle::is_contacted`].
    pub fn is_contacted(&self, peer: &PeerId) -> bool {
        self.driver.publisher.handle().is_contacted(peer)
    }

    /// What was sent, received, checked and refused since this behaviour was made.
    pub fn counters(&self) -> Counters {
        self.shared.tally.snapshot()
    }

    /// Adds a seed, with or without `/p2p/<peer>` at the end, and contacts it soon. It is kept for
    /// when the view is empty. A seed that is known already, in either spelling, changes nothing.
    ///
    /// # Errors
    ///
    /// A [`SeedError`] when the address is this node's own or cannot be dialled, or there are too
    /// many: 256, of which none was tried yet. Nothing was changed.
    pub fn add_seed(&mut self, address: Multiaddr) -> Result<(), SeedError> {
        self.driver
            .discovery
            .seeds
            .add(address, self.local.peer_id())
    }

    /// Forgets a seed, with or without `/p2p/<peer>` at the end; returns whether it was one. Peers
    /// learnt through it stay.
    pub fn remove_seed(&mut self, address: &Multiaddr) -> bool {
        self.driver.discovery.seeds.remove(address)
    }

    /// The seeds, as they were given.
    pub fn seeds(&self) -> impl Iterator<Item = &Multiaddr> {
        self.driver.discovery.seeds.addresses()
    }

    /// The paper's `init`: puts peers into the view whose records were saved, as
    /// [`Record::envelope`]s, as far as there is room. An envelope that is not a valid record is
    /// refused, and the others come in all the same. Records without an address that is admitted,
    /// or beyond this node's limits, or of a key type whose crate feature is off, are passed over,
    /// and so are this node itself and peers already known.
    ///
    /// With this a node that restarts finds its way back without its seeds. What to save:
    /// [`Handle::contacted`].
    pub fn init(&mut self, envelopes: impl IntoIterator<Item = Vec<u8>>) -> Restored {
        let (mut records, mut refused) = (Vec::new(), Vec::new());
        for (index, envelope) in envelopes.into_iter().enumerate() {
            match self.shared.wire.verifier().check(envelope, Effort::Asked) {
                Ok(record) => records.push(record),
                Err(
                    RecordError::NotAdmitted
                    | RecordError::BeyondLimits
                    | RecordError::KeyUnsupported(_),
                ) => {}
                Err(error) => {
                    tracing::debug!(index, %error, "A saved record is refused");
                    refused.push((index, error));
                }
            }
        }
        let entered = self.driver.init(records);
        Restored { entered, refused }
    }

    /// Removes a peer from the view, and from the neighbours; returns whether it was in the view.
    /// Other nodes may bring it back.
    pub fn remove(&mut self, peer: &PeerId) -> bool {
        let removed = self.driver.remove(peer);
        tracing::debug!(%peer, removed, "The application does not want the peer");
        removed
    }

    /// Says goodbye to every connected peer that speaks the protocol, so that they forget this node
    /// at once instead of finding out; ends with [`Event::Left`] within a second or so. Nothing
    /// depends on it. From now on this behaviour takes no part any more.
    pub fn leave(&mut self) {
        let now = self.now();
        self.leaving = true;
        self.shared.leave();
        self.driver.leave(now);
    }

    fn now(&self) -> Time {
        self.node.now()
    }

    /// Takes out a record that the peer sends as its own, and another key has signed: a dial to the
    /// signer there finds the wrong peer. `request`: every request has its sender's own record, if
    /// it has one. Not every answer has: there the record must name the address that was dialled.
    fn pass_over_misnamed(
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

/// What came of the records that were given to [`Behaviour::init`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Restored {
    /// How many peers came into the view.
    pub entered: usize,
    /// The envelopes that are not valid records: which of those given, from 0, and why.
    pub refused: Vec<(usize, RecordError)>,
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
        Ok(self.new_handler(&peer, false, is_relayed(local)))
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
            if self.timer_at.is_some_and(|at| now > at + LATE) {
                self.driver.exchanger.trouble.note(now);
            }
            self.driver.advance(now);
            if let Some(seq) = self.driver.take_outbid() {
                tracing::debug!(seq, "Others have a later record of this node");
                if let Some(record) = self.local.outbid(seq) {
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
            if self.timer_at != wake {
                self.timer_at = wake;
                if let Some(at) = wake {
                    self.timer.reset((at - now).min(LONGEST_SLEEP));
                }
            }
            if self.timer_at.is_none() || self.timer.poll_unpin(cx).is_pending() {
                return Poll::Pending;
            }
            self.timer_at = None;
        }
    }
}

impl<O: Overlay<Record>> PeerSampling for Behaviour<O> {
    type Peer = Record;

    fn view(&self) -> Vec<Record> {
        self.driver.publisher.handle().view()
    }

    fn view_len(&self) -> usize {
        self.driver.sampler.view().len()
    }

    fn select_peer(&mut self, selection: Selection) -> Option<Record> {
        self.driver.publisher.handle().select_peer(selection)
    }

    fn broadcast(&mut self, send: impl FnMut(Record)) -> usize {
        self.handle().broadcast(send)
    }
}

impl<O> fmt::Debug for Behaviour<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour")
            .field("local_peer_id", &self.local.peer_id())
            .field("protocol", &self.protocol)
            .field("exchanger", &self.driver.exchanger)
            .finish_non_exhaustive()
    }
}

/// `addresses` of `peer`, with `/p2p/<peer>` at their end, and without those that the dial has
/// been `given`. The swarm compares texts, so it would dial an address in two spellings twice. Of
/// the other behaviours, identify, Kademlia, mDNS and request-response return this spelling, and
/// rendezvous returns its peers' own.
fn spelt_as_siblings(
    peer: PeerId,
    addresses: Vec<Multiaddr>,
    given: &[Multiaddr],
) -> Vec<Multiaddr> {
    let given: Vec<_> = given.iter().map(|address| split_peer(address).0).collect();
    let others = addresses.into_iter().filter(|a| !given.contains(a));
    others.map(|a| a.with(Protocol::P2p(peer))).collect()
}

#[cfg(test)]
mod tests;
