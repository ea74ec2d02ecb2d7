//! The settings of the behaviour.

use std::time::Duration;

use libp2p_core::Multiaddr;
use libp2p_swarm::StreamProtocol;

use crate::{
    sampling::{
        overlay::{
            Overlay,
            any::{AnyOverlay, OverlayKind},
        },
        sampler::{
            self,
            config::{Diversity, PartnerSelection, Propagation},
        },
    },
    swarm::{
        address::{Scope, policy::AddressPolicy},
        exchanger::pruning::Pruning,
        limits::{Limits, MAX_DESCRIPTORS},
        record::{Record, profile::ProfileCodec},
    },
    time::Backoff,
};

pub(crate) mod check;
mod presets;
mod values;

/// The protocol's name, for networks without a name of their own.
pub const PROTOCOL_NAME: StreamProtocol = StreamProtocol::new("/peer-sampling/1.0.0");

/// What [`Config::with_overlay`] takes: an overlay, or the kind of one.
pub trait IntoOverlay {
    /// The overlay.
    type Overlay: Overlay<Record>;

    /// The overlay for views of so many peers.
    fn into_overlay(self, view_size: usize) -> Self::Overlay;
}

impl<O: Overlay<Record>> IntoOverlay for O {
    type Overlay = O;

    fn into_overlay(self, _: usize) -> O {
        self
    }
}

impl IntoOverlay for OverlayKind {
    type Overlay = AnyOverlay;

    fn into_overlay(self, view_size: usize) -> AnyOverlay {
        AnyOverlay::new(self, view_size)
    }
}

/// Settings of the [`Behaviour`](crate::Behaviour). Checked as a whole when it is made.
///
/// `K` is the overlay, or names one of this crate: see [`with_overlay`](Config::with_overlay).
///
/// ```
/// use std::time::Duration;
///
/// use libp2p_peer_sampling::{Config, overlay::Cyclon};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::private_network()
///     .with_network("example")
///     .with_seeds(["/ip4/192.168.1.7/tcp/4001".parse()?])
///     .with_period(Duration::from_secs(5))
///     .with_neighbours(6)
///     .with_view_size(20)
///     .with_overlay(Cyclon::new(8));
/// config.check()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Config<K = OverlayKind> {
    gossip: sampler::config::Config,
    network: Option<String>,
    addresses: AddressPolicy,
    listen_addresses: Option<bool>,
    seeds: Vec<Multiaddr>,
    seed_backoff: Backoff,
    probe_interval: Option<u32>,
    neighbours: usize,
    neighbour_rotation: Option<u32>,
    pruning: Option<Pruning>,
    limits: Limits,
    profile: Vec<u8>,
    overlay: K,
    rng_seed: Option<u64>,
}

impl Config {
    /// The largest view size c of the behaviour, in peers: half of it must fit into a message.
    pub const MAX_VIEW_SIZE: usize = 2 * MAX_DESCRIPTORS;
    /// The largest number of neighbours, in peers.
    pub const MAX_NEIGHBOURS: usize = 128;
    /// The longest time between rotations of neighbours, in rounds.
    pub const MAX_NEIGHBOUR_ROTATION: u32 = 1_000_000;
    /// The longest time between two probes, in rounds.
    pub const MAX_PROBE_INTERVAL: u32 = 1_000_000;
    /// The longest name of a network, in bytes.
    pub const MAX_NETWORK_NAME: usize = 64;
}

impl<K> Config<K> {
    /// The name of the network: 1 to 64 bytes without white space or control characters. It
    /// becomes part of the protocol's name (`/<network>/peer-sampling/1.0.0`), so that networks
    /// with different names never exchange peers. Default: none.
    pub fn with_network(mut self, name: impl Into<String>) -> Self {
        self.network = Some(name.into());
        self
    }

    /// From how far away an address must work to be sent, kept and dialled. Default:
    /// [`Scope::Global`].
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.addresses = self.addresses.with_scope(scope);
        self
    }

    /// Whether DNS names are sent, kept and dialled. Default: no; in the presets
    /// [`private_network`](Self::private_network) and [`local`](Self::local) yes.
    ///
    /// A name may lead anywhere, into a private network too, whatever the scope says.
    pub fn with_dns(mut self, dns: bool) -> Self {
        self.addresses = self.addresses.with_dns(dns);
        self
    }

    /// Whether this node advertises the addresses that it listens on even if nobody has confirmed
    /// that it can be reached there. Default: no in [`Scope::Global`], yes in narrower ones.
    ///
    /// `false` is for a private network with address translators inside, and for tests of AutoNAT
    /// on one machine. Then only *external* addresses are advertised: those that AutoNAT, UPnP, a
    /// relay or `Swarm::add_external_address` have confirmed, as long as they are confirmed. `true`
    /// is for machines that are known to have public addresses of their own. Either way an address
    /// must be in scope.
    pub fn with_listen_addresses(mut self, advertised: bool) -> Self {
        self.listen_addresses = Some(advertised);
        self
    }

    /// Whether relayed addresses (`/p2p-circuit`) are sent, kept and dialled. The relay's own
    /// address must be admitted too. Default: no.
    ///
    /// A node that cannot be reached directly takes part either way: it starts exchanges, keeps a
    /// view, and may have neighbours that it has dialled. Without a relayed address only the peers
    /// that it has dialled know it, as a contact. They reach it as long as that connection lasts,
    /// and cannot pass it on, to other nodes or to other behaviours of theirs. Set it on nodes
    /// behind a translator, and on nodes that should hear of them.
    ///
    /// Relays limit what they carry. libp2p's own limit by default: two minutes and 128 KiB per
    /// circuit, 4 circuits per peer and 16 in all. Each peer that asks gets up to 30 new an hour.
    /// So:
    ///
    /// - A relayed connection serves for exchanges, not for neighbours: peers become and stay
    ///   neighbours only over direct connections. Exchanges prefer these, too. With records of
    ///   usual size and without profiles an exchange takes some 12 kB both ways, and at most 33 kB
    ///   (a view of 128 that has room). So a circuit's 128 KiB hold several.
    /// - If there is room for one more neighbour, the relayed connection stays open for 5 s after
    ///   an exchange (a guess). dcutr may make a direct one of it, and then the two agree at once.
    ///   If there is no room, it is closed at once.
    /// - A full relay says so ([`ExchangeError::RelayFull`](crate::ExchangeError::RelayFull)); the
    ///   peer leaves the view, without blame. Where many nodes are behind few relays, raise the
    ///   relays' limits.
    /// - Peers behind one relay are in that relay's network: caps and rankings by network count
    ///   them as one crowd, since identities behind a relay cost nothing.
    /// - If a relay does not answer, the dial in vain counts against it as against any address. If
    ///   it answers but does not reach the peer, it may be asked four times as often within an hour
    ///   ([`Limits::dials_per_address`]). A peer that is reached through it clears that count.
    pub fn with_relayed(mut self, relayed: bool) -> Self {
        self.addresses = self.addresses.with_relayed(relayed);
        self
    }

    /// A filter of your own: an address is sent, kept and dialled only when `filter` says yes as
    /// well. It gets the address without `/p2p/<peer>` at its end, and is called often, on any
    /// thread. Default: none.
    pub fn with_address_filter(
        mut self,
        filter: impl Fn(&Multiaddr) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.addresses = self.addresses.with_filter(filter);
        self
    }

    /// The peers to start from, with or without `/p2p/<peer>` at the end. Default: none; more can
    /// be added while the swarm runs, by [`Behaviour::add_seed`](crate::Behaviour::add_seed).
    /// [`Event::SeedFailed`](crate::Event::SeedFailed) says what is wrong with one of them.
    pub fn with_seeds(mut self, seeds: impl IntoIterator<Item = Multiaddr>) -> Self {
        self.seeds.extend(seeds);
        self
    }

    /// The first and the longest pause between two attempts at the seeds, and at former contacts,
    /// while the view is empty. The pause doubles in between; each is stretched or shortened at
    /// random by up to half. 1 ms to 24 h; the first is not longer than the longest. Default: 1 s,
    /// 5 min (guesses).
    pub fn with_seed_backoff(mut self, backoff: Backoff) -> Self {
        self.seed_backoff = backoff;
        self
    }

    /// How often a node looks outside its view, in rounds. It makes an exchange with a seed, or
    /// with a former contact that is no longer in the view. That joins networks which have lost
    /// sight of each other. 1 to 1,000,000 rounds, stretched or shortened at random by up to half;
    /// `None`: never. Default: 30 rounds (measured, see `docs/recovery.md`).
    ///
    /// A node with more than three peers in its view waits longer: a third of this for each of
    /// them. So a network of any size probes every ten rounds or oftener. With the default period a
    /// node makes at most 12 probes an hour, 1.2 with a view of 30, and 0.36 with a view of 100.
    /// Half of them go to seeds: the only seed of 100,000 nodes with views of 100 answers 5 a
    /// second.
    pub fn with_probe_interval(mut self, rounds: Option<u32>) -> Self {
        self.probe_interval = rounds;
        self
    }

    /// How many exchange partners stay connected on purpose; 0 to 128, 0 for none. Gossipsub meshes
    /// over them. A node has at most this many neighbours, whichever end proposed it. With 1 they
    /// are pairs, with 2 chains and rings: a mesh wants at least 4 or so.
    ///
    /// Beside the neighbours' a node has the connections of exchanges under way, its own and
    /// others'. With 8 neighbours these were at most 3 at any moment (measured: 60 nodes with
    /// gossipsub, 300 rounds). At worst count on n inbound ones and 4 more, as long as an exchange
    /// takes less than a period. What siblings dial comes on top; see
    /// [`with_pruning`](Self::with_pruning).
    ///
    /// Default: 8, from HyParView's active view of 5 and gossipsub's mesh of 6, with
    /// some to spare (a guess).
    pub fn with_neighbours(mut self, neighbours: usize) -> Self {
        self.neighbours = neighbours;
        self
    }

    /// After how many rounds without a fresh neighbour the longest-standing one gives way to a
    /// fresh one, even if all places are taken. The fresh one has agreed before. 1 to 1,000,000
    /// rounds, stretched or shortened at random by up to half; `None`: neighbours stay until one of
    /// them fails. Default: 30 (a guess). A node then gets a fresh neighbour every 19 rounds
    /// (measured), by its own rotation and by that of others.
    pub fn with_neighbour_rotation(mut self, rounds: Option<u32>) -> Self {
        self.neighbour_rotation = rounds;
        self
    }

    /// When this node closes connections that siblings or other nodes have opened. Default: `None`,
    /// never. The behaviour closes those that it has opened itself in any case.
    pub fn with_pruning(mut self, pruning: Option<Pruning>) -> Self {
        self.pruning = pruning;
        self
    }

    /// The overlay: which peers stay in the view. An [`Overlay`](crate::overlay::Overlay), or an
    /// [`OverlayKind`], which has the settings that fit the view size. Default: Basalt on the open
    /// internet, and elsewhere the random one.
    pub fn with_overlay<L: IntoOverlay>(self, overlay: L) -> Config<L> {
        self.with_kind(overlay)
    }

    fn with_kind<L>(self, overlay: L) -> Config<L> {
        let Self {
            gossip,
            network,
            addresses,
            listen_addresses,
            seeds,
            seed_backoff,
            probe_interval,
            neighbours,
            neighbour_rotation,
            pruning,
            limits,
            profile,
            overlay: _,
            rng_seed,
        } = self;
        Config {
            gossip,
            network,
            addresses,
            listen_addresses,
            seeds,
            seed_backoff,
            probe_interval,
            neighbours,
            neighbour_rotation,
            pruning,
            limits,
            profile,
            overlay,
            rng_seed,
        }
    }

    /// How many peers of the view may come from one hand: see
    /// [`sampler::Config::with_diversity`](crate::sampler::Config::with_diversity). Default: on
    /// the open internet 25 from one partner, 12 in one /24 or /48, 100 in one round; elsewhere
    /// none.
    pub fn with_diversity(mut self, diversity: Option<Diversity>) -> Self {
        self.gossip = self.gossip.with_diversity(diversity);
        self
    }

    /// The view size c, in peers: see
    /// [`sampler::Config::with_view_size`](crate::sampler::Config::with_view_size), and no more
    /// than [`MAX_VIEW_SIZE`](Config::MAX_VIEW_SIZE), so that half a view fits into a message.
    /// Default: 100 on the open internet (Basalt, 2021, where 30 are too few), elsewhere 30 (TOCS
    /// 2007).
    pub fn with_view_size(mut self, view_size: usize) -> Self {
        self.gossip = self.gossip.with_view_size(view_size);
        self
    }

    /// The period T of the rounds: see
    /// [`sampler::Config::with_period`](crate::sampler::Config::with_period). Default: 10 s (a
    /// guess).
    pub fn with_period(mut self, period: Duration) -> Self {
        self.gossip = self.gossip.with_period(period);
        self
    }

    /// After how long an exchange without an answer has failed, dialling included: see
    /// [`sampler::Config::with_exchange_timeout`](crate::sampler::Config::with_exchange_timeout).
    /// Substreams that a peer opens have the same timeout, and never less than 10 s, from the
    /// protocol. Default: 10 s (a guess).
    pub fn with_exchange_timeout(mut self, timeout: Duration) -> Self {
        self.gossip = self.gossip.with_exchange_timeout(timeout);
        self
    }

    /// How many exchanges a node starts in each round: see
    /// [`sampler::Config::with_fanout`](crate::sampler::Config::with_fanout). Default: 1.
    pub fn with_fanout(mut self, fanout: usize) -> Self {
        self.gossip = self.gossip.with_fanout(fanout);
        self
    }

    /// How many further partners are tried in a round when exchanges fail: see
    /// [`sampler::Config::with_retries`](crate::sampler::Config::with_retries). Default: 3.
    pub fn with_retries(mut self, retries: usize) -> Self {
        self.gossip = self.gossip.with_retries(retries);
        self
    }

    /// The pause between rounds while the view is not full: see
    /// [`sampler::Config::with_eager_delay`](crate::sampler::Config::with_eager_delay). Default:
    /// 100 ms.
    pub fn with_eager_delay(mut self, delay: Duration) -> Self {
        self.gossip = self.gossip.with_eager_delay(delay);
        self
    }

    /// For how long a peer that failed stays out of the view, no matter who tells of it. For as
    /// long an address that was dialled in vain is not dialled again. See
    /// [`sampler::Config::with_quarantine`](crate::sampler::Config::with_quarantine). `None`: at
    /// once. Default: 1 min to 1 h; in the preset [`local`](Self::local) 1 s to 1 min (guesses).
    pub fn with_quarantine(mut self, quarantine: Option<Backoff>) -> Self {
        self.gossip = self.gossip.with_quarantine(quarantine);
        self
    }

    /// Push, pull or push-pull: see
    /// [`sampler::Config::with_propagation`](crate::sampler::Config::with_propagation). Default:
    /// push-pull.
    pub fn with_propagation(mut self, propagation: Propagation) -> Self {
        self.gossip = self.gossip.with_propagation(propagation);
        self
    }

    /// How partners are chosen: see
    /// [`sampler::Config::with_selection`](crate::sampler::Config::with_selection); Basalt chooses
    /// by itself. Default: tail.
    pub fn with_selection(mut self, selection: PartnerSelection) -> Self {
        self.gossip = self.gossip.with_selection(selection);
        self
    }

    /// What other nodes can make this one spend. Default: [`Limits::default`].
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What this node says of itself: at most [`MAX_PROFILE_BYTES`](crate::MAX_PROFILE_BYTES)
    /// bytes, for example its zone, its version or its role. It travels with the node's record, as
    /// soon as the node advertises itself, and every peer that has the record can read it by
    /// [`Record::profile_as`]. It takes some 80 bytes more than its own in each message that has
    /// the record. See [`ProfileCodec`] for types of your own, and
    /// [`Behaviour::set_profile`](crate::Behaviour::set_profile) to change it at run time. Default:
    /// none.
    ///
    /// ```
    /// use libp2p_peer_sampling::Config;
    ///
    /// let config = Config::private_network().with_profile(&"zone:eu-west".to_owned());
    /// assert!(config.check().is_ok());
    /// assert!(config.with_profile(&vec![0; 257]).check().is_err());
    /// ```
    pub fn with_profile(mut self, profile: &impl ProfileCodec) -> Self {
        self.profile = profile.to_profile();
        self
    }

    /// Seeds the node's random numbers, for tests that are to be repeated. Default: from the
    /// operating system. A node whose numbers can be foreseen is easy to attack.
    pub fn with_rng_seed(mut self, seed: u64) -> Self {
        self.rng_seed = Some(seed);
        self
    }

    /// The overlay, for views of this size, and the other settings.
    pub(crate) fn split(self) -> (K::Overlay, Config<()>)
    where
        K: IntoOverlay + Clone,
    {
        let overlay = self.overlay.clone().into_overlay(self.gossip.view_size());
        (overlay, self.with_kind(()))
    }
}

#[cfg(test)]
mod tests;
