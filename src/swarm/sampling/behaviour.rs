//! The sampler's network behaviour, as the application sees it.

mod network;
mod service;

use std::{fmt, sync::Arc};

use libp2p_core::Multiaddr;
use libp2p_identity::{KeyType, Keypair, PeerId};
use libp2p_swarm::StreamProtocol;
use rand::{SeedableRng, rngs::StdRng};
use web_time::Instant;

use crate::{
    sampling::overlay::{Overlay, any::AnyOverlay},
    swarm::{
        alarm::Alarm,
        clock::Clock,
        counters::Counters,
        handle::Handle,
        node::{Node, holder::Holder},
        record::{
            Record,
            error::RecordError,
            profile::{ProfileCodec, ProfileError},
            verifier::{Effort, Verifier},
        },
        sampling::{
            config::{Config, IntoOverlay, check::ConfigError},
            driver::Driver,
            event::{Event, SeedError},
            identity::Identity,
            isolation::Isolation,
            local::LocalRecord,
            warnings::Warnings,
        },
        shared::Shared,
        wire::sampling::Sampling,
    },
    time::Time,
};

/// Gossip peer sampling as a [`NetworkBehaviour`](libp2p_swarm::NetworkBehaviour).
///
/// Beside another behaviour in one swarm:
///
/// ```
/// use libp2p::{SwarmBuilder, noise, ping, swarm::NetworkBehaviour, tcp, yamux};
/// use libp2p_peer_sampling::{Behaviour, Config};
///
/// #[derive(NetworkBehaviour)]
/// struct Node {
///     sampling: Behaviour,
///     ping: ping::Behaviour,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let swarm = SwarmBuilder::with_new_identity()
///     .with_tokio()
///     .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)?
///     .with_behaviour(|keypair| {
///         let config = Config::private_network().with_network("example");
///         Ok(Node {
///             sampling: Behaviour::new(keypair, config)?,
///             ping: ping::Behaviour::default(),
///         })
///     })?
///     .build();
/// assert!(swarm.behaviour().sampling.neighbours().is_empty());
/// # Ok(())
/// # }
/// ```
///
/// # Contract
///
/// Compose it into a swarm and poll the swarm: nothing else must be called. The behaviour joins
/// through its [seeds](Config::with_seeds), or through any peer that speaks the protocol, if
/// somebody else connects it or knows its address. From then on it keeps a view of random peers,
/// and keeps a few of them connected as neighbours.
///
/// - *Reading*: [`handle`](Self::handle) for other tasks; here, the methods of
///   [`PeerSampling`](crate::PeerSampling),
///   [`neighbours`](Self::neighbours), [`contacted`](Self::contacted),
///   [`local_record`](Self::local_record).
/// - *Steering*: [`add_seed`](Self::add_seed), [`remove`](Self::remove), [`leave`](Self::leave),
///   [`set_profile`](Self::set_profile).
/// - *Other behaviours of the same swarm* can dial any peer of the view, and any contact, by its
///   `PeerId` alone, within the budget of [`Limits`](crate::Limits), which counts addresses. They
///   are told where contacts were found (`FromSwarm::NewExternalAddrOfPeer`, see
///   [`Event::Contacted`]). By the same event they can say where a peer is: mDNS, rendezvous,
///   identify and Kademlia do, and `Swarm::add_peer_address` does it for the application. While the
///   view has room, this behaviour tries an exchange with such a peer, within the same budget. It
///   makes one attempt for each address, and more while the view is empty.
///
/// The behaviour closes a connection that it has dialled for an exchange afterwards, unless the
/// peer has become a neighbour. Connections that existed before stay. If another behaviour wants
/// such a connection for itself, it dials the peer, as usual, by its `PeerId`. It is told that the
/// peer is connected already, and the connection stays. If it uses the connection without dialling,
/// it may lose it.
///
/// Several samplers may share a swarm, each with its own network name ([`Config::with_network`]):
/// see [`beside`](Self::beside). They share connections too: the last one that needs a connection
/// closes it. Two that are made by [`new`](Self::new) treat each other like any other behaviour.
///
/// Behaviours that deny connections are respected. If connection-limits or memory-connection-limits
/// deny a dial, nobody is blamed, and the round makes its exchange with a connected peer instead.
/// Leave room for a few connections beside the neighbours, or newcomers find no way in. A peer that
/// allow-block-list denies leaves the view as soon as either end dials.
///
/// `O` is the overlay: which peers stay in the view.
pub struct Behaviour<O = AnyOverlay> {
    config: Config<()>,
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
    alarm: Alarm,
}

impl<O: Overlay<Record>> Behaviour<O> {
    /// A behaviour with the overlay that `config` has, see [`Config::with_overlay`].
    ///
    /// `keypair` is the swarm's own: it signs this node's record. With another nobody can dial this
    /// node; see [`local_peer_id`](Self::local_peer_id).
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when a setting, of the overlay or another, is outside its bounds, or the
    /// key is RSA.
    ///
    /// # Panics
    ///
    /// When the operating system has no random numbers.
    pub fn new<K>(keypair: &Keypair, config: Config<K>) -> Result<Self, ConfigError>
    where
        K: IntoOverlay<Overlay = O> + Clone,
    {
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
        Self::at_node(node, None, keypair, config.split())
    }

    /// A second sampler of the same node, for another network, or with another overlay: a behaviour
    /// to compose into the same swarm. The two share connections, the one dial budget, and the
    /// counters. The [`Limits`](crate::Limits) on dials, and on the requests of all peers together,
    /// are those of the first.
    ///
    /// Profiles of both are signed for the network of the first, so that one can pass on what it
    /// has from the other. So the first one must be the same on all nodes. Each has the profile
    /// that its own configuration says.
    ///
    /// A ranked overlay ([`Ranked`](crate::overlay::Ranked)) takes the view of the first for its
    /// candidates, anew in each round. Peers that do not speak its protocol leave it again.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when a setting, of the overlay or another, is outside its bounds, the key
    /// is RSA, or it is not the key of the first.
    ///
    /// # Panics
    ///
    /// When the operating system has no random numbers.
    pub fn beside<K>(
        first: &Handle,
        keypair: &Keypair,
        config: Config<K>,
    ) -> Result<Self, ConfigError>
    where
        K: IntoOverlay<Overlay = O> + Clone,
    {
        config.check()?;
        let node = first.node();
        match node.local == keypair.public().to_peer_id() {
            true => Self::at_node(node, Some(first.clone()), keypair, config.split()),
            false => Err(ConfigError::OtherKeypair),
        }
    }

    fn at_node(
        node: Arc<Node>,
        beside: Option<Handle>,
        keypair: &Keypair,
        (overlay, config): (O, Config<()>),
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
        let protocol = config.protocol()?;
        let profiled = node.profiled(&protocol).to_owned();
        let mut local = LocalRecord::new(
            keypair.clone(),
            config.addresses().clone(),
            config.advertises_listen_addresses(),
            &profiled,
        );
        local.set_profile(config.profile().to_vec())?;
        let holder = Holder::join(&node, protocol.clone());
        let caller = holder.id();
        let driver = Driver::new(holder, &config, overlay, beside, rng)?;
        let (limits, clock) = (*config.limits(), node.clock());
        let (gate, tally) = (node.gate.clone(), node.tally.clone());
        let policy = config.addresses().clone();
        let verifier = Verifier::new(policy, limits, &profiled, tally.clone());
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
            alarm: Alarm::default(),
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

    /// The settings, without the overlay.
    pub fn config(&self) -> &Config<()> {
        &self.config
    }

    /// The id of the keypair that this behaviour was built with. The swarm must have the same
    /// keypair, but it tells no behaviour its own. `SwarmBuilder::with_behaviour` hands in the
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
    /// A [`SeedError`] when the address is this node's own or cannot be dialled, or there are 256
    /// others already, none of which was tried yet. Nothing was changed.
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

    /// The paper's `init`: puts peers into the view from saved records, [`Record::envelope`]s, as
    /// far as there is room. An envelope that is not a valid record is refused, and the others come
    /// in all the same. This node itself and peers already known are passed over. So are records
    /// without an admitted address, beyond this node's limits, or of a key type whose crate feature
    /// is off.
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

    /// What this node says of itself from now on, in place of [`Config::with_profile`]. Partners
    /// hear it in the next exchange, and the others from them. A profile without bytes takes back
    /// what was said. Before the node advertises itself, nobody hears of it. Peers of older
    /// versions never do. The same profile again changes nothing.
    ///
    /// # Errors
    ///
    /// A [`ProfileError`] when it has more than
    /// [`MAX_PROFILE_BYTES`](crate::MAX_PROFILE_BYTES). Nothing was changed.
    pub fn set_profile(&mut self, profile: &impl ProfileCodec) -> Result<(), ProfileError> {
        if let Some(record) = self.local.set_profile(profile.to_profile())?
            && !self.identity.is_wrong()
        {
            self.driver.sampler.set_local(Some(record));
        }
        Ok(())
    }

    /// Says goodbye to every connected peer that speaks the protocol, so that they forget this node
    /// at once. Ends with [`Event::Left`] within a second or so. Nothing depends on it: without it
    /// peers find out by themselves. From now on this behaviour takes no part any more.
    pub fn leave(&mut self) {
        let now = self.now();
        self.leaving = true;
        self.shared.leave();
        self.driver.leave(now);
    }

    fn now(&self) -> Time {
        self.node.now()
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

impl<O> fmt::Debug for Behaviour<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour")
            .field("local_peer_id", &self.local.peer_id())
            .field("protocol", &self.protocol)
            .field("exchanger", &self.driver.exchanger)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
