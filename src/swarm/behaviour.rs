//! The network behaviour: turns swarm events into inputs of the state machine, and what that asks
//! for into dials and substreams. The only place with a clock and a timer.

pub(crate) mod event;

mod actions;
mod candidates;
mod connections;
mod dials;
mod driver;
mod exchanges;
mod links;
mod local;
mod neighbours;
mod relays;
mod seeds;
#[cfg(test)]
mod world;

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::FutureExt;
use futures_timer::Delay;
use libp2p_core::{Endpoint, Multiaddr, transport::PortUse};
use libp2p_identity::{KeyType, Keypair, PeerId};
use libp2p_swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NewExternalAddrOfPeer,
    StreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use rand::{SeedableRng, rngs::StdRng};
use web_time::Instant;

use crate::{
    overlay::{Overlay, any::AnyOverlay},
    sampling::{PeerSampling, Selection},
    swarm::{
        address::{is_relayed, relay_of},
        behaviour::{
            driver::Driver,
            event::{Event, SeedError},
            local::LocalRecord,
        },
        config::{Config, ConfigError},
        counters::Counters,
        fellows::Fellow,
        handle::Handle,
        handler::{Handler, ToBehaviour},
        record::{Effort, Record, RecordError},
        shared::Shared,
    },
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
/// Several instances may share a swarm, each with a network's name of its own
/// ([`Config::with_network`]): they share connections too, and who needs one last closes it. They know each
/// other by the node's `PeerId`.
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
    shared: Arc<Shared>,
    local: LocalRecord,
    driver: Driver<O>,
    start: Instant,
    timer: Delay,
    timer_at: Option<Duration>,
}

impl Behaviour {
    /// A behaviour with the overlay that `config` names, see [`Config::with_overlay`].
    ///
    /// `keypair` is the swarm's own: it signs this node's record.
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
}

impl<O: Overlay<Record>> Behaviour<O> {
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
        let mut driver = Driver::new(local.peer_id(), &config, overlay, rng)?;
        driver.links.fellow = Fellow::of(local.peer_id());
        #[expect(
            clippy::disallowed_methods,
            reason = "the behaviour is where the clock is"
        )]
        let start = Instant::now();
        let period = config.gossip().period();
        let shared = Shared::new(config.addresses().clone(), *config.limits(), period, start);
        let mut behaviour = Self {
            protocol: config.protocol()?,
            shared: Arc::new(shared),
            local,
            driver,
            start,
            timer: Delay::new(Duration::ZERO),
            timer_at: None,
            config,
        };
        for address in behaviour.config.seeds().to_vec() {
            if let Err(error) = behaviour.add_seed(address.clone()) {
                behaviour
                    .driver
                    .links
                    .actions
                    .emit(Event::SeedFailed { address, error });
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

    /// This node's own record as others get it; `None` while it does not advertise itself.
    pub fn local_record(&self) -> Option<&Record> {
        self.driver.gossip.local()
    }

    /// The neighbours: peers that both ends keep connected.
    pub fn neighbours(&self) -> &[PeerId] {
        self.driver.links.neighbours()
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
    /// when the view is empty. A seed that is known already changes nothing.
    ///
    /// # Errors
    ///
    /// A [`SeedError`] when the address is this node's own or cannot be dialled, or there are too
    /// many: 256, of which none was tried yet. Nothing was changed.
    pub fn add_seed(&mut self, address: Multiaddr) -> Result<(), SeedError> {
        self.driver.seeds.add(address, self.local.peer_id())
    }

    /// Forgets a seed, as it was given; returns whether it was one. Peers learnt through it stay.
    pub fn remove_seed(&mut self, address: &Multiaddr) -> bool {
        self.driver.seeds.remove(address)
    }

    /// The seeds, as they were given.
    pub fn seeds(&self) -> impl Iterator<Item = &Multiaddr> {
        self.driver.seeds.addresses()
    }

    /// The paper's `init`: puts peers into the view whose records were saved, as
    /// [`Record::envelope`]s, as far as there is room; returns how many came in. Records without an
    /// address that is admitted, or beyond this node's limits, or of a key type whose crate feature
    /// is off, are passed over, and so are this node itself and peers already known.
    ///
    /// With this a node that restarts finds its way back without its seeds. What to save:
    /// [`Handle::contacted`].
    ///
    /// # Errors
    ///
    /// The [`RecordError`] of the first envelope that is not a valid record. All others are in the
    /// view all the same: one that a later version cannot read costs a node none of its other
    /// peers.
    pub fn init(
        &mut self,
        envelopes: impl IntoIterator<Item = Vec<u8>>,
    ) -> Result<usize, RecordError> {
        let mut records = Vec::new();
        let mut checked = Ok(());
        for envelope in envelopes {
            match self.shared.verifier.check(envelope, Effort::Asked) {
                Ok(record) => records.push(record),
                Err(
                    RecordError::NotAdmitted
                    | RecordError::BeyondLimits
                    | RecordError::KeyUnsupported(_),
                ) => {}
                Err(error) => checked = checked.and(Err(error)),
            }
        }
        let count = self.driver.init(records);
        checked.map(|()| count)
    }

    /// Removes a peer from the view, and from the neighbours; returns whether it was in the view.
    /// Other nodes may bring it back.
    pub fn remove(&mut self, peer: &PeerId) -> bool {
        self.driver.remove(peer)
    }

    /// Says goodbye to every connected peer that speaks the protocol, so that they forget this node
    /// at once instead of finding out; ends with [`Event::Left`] within a second or so. Nothing
    /// depends on it. From now on this behaviour takes no part any more.
    pub fn leave(&mut self) {
        let now = self.now();
        self.shared.leave();
        self.driver.leave(now);
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// `wanted`: opened for an exchange. A neighbour is wanted too, but not through a relay.
    fn new_handler(&self, peer: &PeerId, wanted: bool, relayed: bool) -> Handler {
        Handler::new(
            self.protocol.clone(),
            self.shared.clone(),
            *peer,
            self.config.gossip().exchange_timeout(),
            wanted || (!relayed && self.driver.links.is_neighbour(peer)),
        )
    }
}

impl<O: Overlay<Record> + 'static> NetworkBehaviour for Behaviour<O> {
    type ConnectionHandler = Handler;
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
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let now = self.now();
        let addresses = self.driver.addresses_to_dial(connection, peer, now);
        self.shared.tally.addresses_dialled.add(addresses.len());
        Ok(addresses)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let for_exchange = self.driver.links.exchanges.is_dial(connection);
        Ok(self.new_handler(&peer, for_exchange, is_relayed(address)))
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        let now = self.now();
        if self.local.on_swarm_event(&event) {
            self.driver.dials.set_own(self.local.addresses());
            if let Some(record) = self.local.renew(now) {
                self.driver.gossip.set_local(record);
            }
        }
        if self.local.take_changed() {
            let relays = self.local.addresses().filter_map(relay_of).collect();
            let listening = self.local.setting_up();
            self.driver.links.set_listening(relays, listening, now);
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
                    .links
                    .fellow
                    .is_told_by_one_of_us(&peer_id, addr) =>
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
        event: THandlerOutEvent<Self>,
    ) {
        let now = self.now();
        let (driver, connection) = (&mut self.driver, connection_id);
        match event {
            ToBehaviour::Request(id, request) => {
                driver.on_request(peer, connection, id, request, now)
            }
            ToBehaviour::Outcome(id, result) => {
                driver.on_outcome(peer, connection, id, result, now);
            }
            ToBehaviour::InboundFailed(error) => driver.links.actions.emit(Event::InboundFailed {
                peer,
                connection_id,
                error,
            }),
            ToBehaviour::Supported => driver
                .links
                .connections
                .mark_support(&peer, connection, true),
            ToBehaviour::Idle => driver.links.on_idle(peer, connection),
        }
    }

    #[tracing::instrument(level = "trace", name = "NetworkBehaviour::poll", skip(self, cx))]
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            if let Some(action) = self.driver.links.actions.pop() {
                match &action {
                    ToSwarm::Dial { .. } => self.shared.tally.dials.add(1),
                    ToSwarm::NewExternalAddrOfPeer { peer_id, address } => {
                        self.driver.links.fellow.tells(*peer_id, address.clone());
                    }
                    _ => {}
                }
                return Poll::Ready(action);
            }
            let now = self.now();
            if self.timer_at.is_some_and(|at| now > at + LATE) {
                self.driver.note_overload(now);
            }
            self.driver.advance(now);
            if let Some(event) = self.local.poll(now) {
                self.driver.links.actions.emit(event);
            }
            if !self.driver.links.actions.is_empty() {
                continue;
            }
            let wakes = [self.driver.next_wake(), self.local.next_wake()];
            let wake = wakes.into_iter().flatten().min();
            if self.timer_at != wake {
                self.timer_at = wake;
                if let Some(at) = wake {
                    self.timer.reset(at.saturating_sub(now).min(LONGEST_SLEEP));
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
        self.driver.gossip.view().len()
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
            .field("links", &self.driver.links)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::task::noop_waker;

    use super::*;

    /// The swarm tells what one behaviour says to all of them, to that one too.
    #[test]
    fn our_own_announcements_are_no_candidates() {
        let keypair = Keypair::generate_ed25519();
        let mut behaviour = Behaviour::new(&keypair, Config::local()).expect("valid settings");
        let [found, told] = [1, 2].map(|_| PeerId::random());
        let address: Multiaddr = "/memory/1".parse().expect("a multiaddr");
        let actions = &mut behaviour.driver.links.actions;
        actions.tell_contacted(found, vec![address.clone()]);
        let waker = noop_waker();
        let action = behaviour.poll(&mut Context::from_waker(&waker));
        let Poll::Ready(ToSwarm::NewExternalAddrOfPeer {
            peer_id,
            address: addr,
        }) = action
        else {
            panic!("not announced: {action:?}");
        };
        let tell = |behaviour: &mut Behaviour, peer_id, addr: &Multiaddr| {
            let event = NewExternalAddrOfPeer { peer_id, addr };
            behaviour.on_swarm_event(FromSwarm::NewExternalAddrOfPeer(event));
            behaviour.driver.candidates.is_waiting(behaviour.now())
        };
        assert!(!tell(&mut behaviour, peer_id, &addr));
        // mDNS, or whoever it is, says the same.
        assert!(tell(&mut behaviour, peer_id, &addr));
        assert!(tell(&mut behaviour, told, &address));
    }
}
