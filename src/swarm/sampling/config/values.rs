//! The settings, one by one, as they were set.

use libp2p_core::Multiaddr;

use crate::{
    sampling::sampler,
    swarm::{
        address::{Scope, policy::AddressPolicy},
        exchanger::pruning::Pruning,
        limits::Limits,
        sampling::config::Config,
    },
    time::Backoff,
};

impl<K> Config<K> {
    /// The overlay, or which one it is.
    pub fn overlay(&self) -> &K {
        &self.overlay
    }

    /// The settings of the mechanism.
    pub fn gossip(&self) -> &sampler::config::Config {
        &self.gossip
    }

    /// Which addresses are sent, kept and dialled.
    pub fn addresses(&self) -> &AddressPolicy {
        &self.addresses
    }

    /// Whether listen addresses are advertised without confirmation; see
    /// [`with_listen_addresses`](Self::with_listen_addresses).
    pub fn advertises_listen_addresses(&self) -> bool {
        let narrow = self.addresses.scope() != Scope::Global;
        self.listen_addresses.unwrap_or(narrow)
    }

    /// How many exchange partners stay connected on purpose.
    pub fn neighbours(&self) -> usize {
        self.neighbours
    }

    /// After how many rounds without a fresh neighbour one gives way.
    pub fn neighbour_rotation(&self) -> Option<u32> {
        self.neighbour_rotation
    }

    /// When this node closes connections that siblings or other nodes have opened.
    pub fn pruning(&self) -> Option<Pruning> {
        self.pruning
    }

    /// The peers to start from.
    pub fn seeds(&self) -> &[Multiaddr] {
        &self.seeds
    }

    /// The first and the longest pause between two attempts at the seeds.
    pub fn seed_backoff(&self) -> Backoff {
        self.seed_backoff
    }

    /// After how many rounds the node looks outside its view.
    pub fn probe_interval(&self) -> Option<u32> {
        self.probe_interval
    }

    /// What other nodes can make this one spend.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What this node says of itself when it starts, in bytes; empty if nothing.
    pub fn profile(&self) -> &[u8] {
        &self.profile
    }

    /// The name of the network, if it has one.
    pub fn network(&self) -> Option<&str> {
        self.network.as_deref()
    }

    pub(crate) fn rng_seed(&self) -> Option<u64> {
        self.rng_seed
    }
}
