//! The presets: for the open internet, for a private network, for one machine.

use std::time::Duration;

use crate::{
    sampling::{
        overlay::{any::OverlayKind, basalt::Ranking},
        sampler::{self, config::Diversity},
    },
    swarm::{
        address::{Scope, policy::AddressPolicy},
        limits::{Limits, MAX_ADDRESSES},
        sampling::config::Config,
    },
    time::Backoff,
};

impl Default for Config {
    /// [`Config::open_internet`].
    fn default() -> Self {
        Self::open_internet()
    }
}

impl Config {
    /// For the open internet: only global IP addresses are sent, kept and dialled, and a node
    /// advertises only the external addresses that the swarm has confirmed.
    ///
    /// [`Basalt`](crate::overlay::Basalt) with a view of 100 peers: at most 25 were learnt from one
    /// partner, and at most 12 lie in one /24 or /48. The quarantine for peers that failed is a
    /// minute to an hour. `docs/threat-model.md` measures it against the random overlay, with these
    /// caps and without.
    ///
    /// No DNS names: their owner can have them lead into a private network, or to a victim, under
    /// any number of names. No relayed addresses: they cost the bandwidth of the relay, not of the
    /// peer that gives them away.
    pub fn open_internet() -> Self {
        Self {
            gossip: sampler::config::Config::default()
                .with_view_size(100)
                .with_quarantine(Some(Backoff::new(
                    Duration::from_secs(60),
                    Duration::from_secs(60 * 60),
                )))
                .with_diversity(Some(Diversity {
                    per_source: 25,
                    per_prefix: 12,
                    per_round: 100,
                })),
            overlay: OverlayKind::Basalt(Ranking::default()),
            network: None,
            addresses: AddressPolicy::new(Scope::Global),
            listen_addresses: None,
            seeds: Vec::new(),
            seed_backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(5 * 60)),
            probe_interval: Some(30),
            neighbours: 8,
            neighbour_rotation: Some(30),
            pruning: None,
            limits: Limits::default(),
            profile: Vec::new(),
            rng_seed: None,
        }
    }

    /// For a LAN or a VPN: private addresses and DNS names as well, listen addresses among them.
    ///
    /// [`Random`](crate::overlay::Random) with a view of 30 peers and without caps: it is fresher
    /// and heals sooner than what resists attackers. Peers on the network are less of a danger, and
    /// all are on the same few subnets. So the dial budget is tenfold, with no limit by prefix. One
    /// dial tries all addresses of a peer (a machine may have many that only it can reach).
    pub fn private_network() -> Self {
        let limits = Limits {
            dials_per_minute: 600,
            dials_per_prefix: 1_000_000,
            dials_per_address: 30,
            addresses_per_dial: MAX_ADDRESSES,
            ..Limits::default()
        };
        Self::open_internet()
            .with_overlay(OverlayKind::Random)
            .with_view_size(sampler::config::Config::default().view_size())
            .with_diversity(None)
            .with_scope(Scope::Private)
            .with_dns(true)
            .with_limits(limits)
    }

    /// For one machine, or one process: loopback and `/memory` addresses and DNS names as well,
    /// listen addresses among them.
    ///
    /// What fails here is being worked on. So dials have no limits, and a peer that failed is tried
    /// again after a second, at most a minute.
    pub fn local() -> Self {
        let config = Self::private_network().with_scope(Scope::Loopback);
        let limits = Limits {
            dials_per_minute: 1_000_000,
            dials_per_address: 1_000_000,
            ..config.limits
        };
        config
            .with_quarantine(Some(Backoff::new(
                Duration::from_secs(1),
                Duration::from_secs(60),
            )))
            .with_limits(limits)
    }
}
