//! What an address says about where it leads: how far away it works from, and which host a dial
//! to it burdens.

pub(crate) mod advertised;
pub(crate) mod policy;
pub(crate) mod registry;

use std::{
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use libp2p_core::{Multiaddr, multiaddr::Protocol};
use libp2p_identity::PeerId;
use rustc_hash::FxHasher;

use crate::{
    peer::{Prefixes, unmapped},
    swarm::address::registry::is_global,
};

/// From how far away an address can be reached, and, as a setting, which addresses a node sends,
/// keeps and dials: those of its scope and of all wider ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Scope {
    /// From anywhere: IP addresses that IANA's registries call globally reachable, DNS names.
    ///
    /// As a setting: the open internet. A node advertises only the external addresses that the
    /// swarm has confirmed (by AutoNAT, UPnP, or `Swarm::add_external_address`).
    #[default]
    Global,
    /// From the same network: private, carrier-grade NAT and IPv4 link-local addresses, and names
    /// that only the network itself resolves (`.local`, `.internal`, `.home.arpa`, without a dot).
    ///
    /// As a setting: a LAN or a VPN. Listen addresses are advertised as well.
    Private,
    /// From the same machine, or from the same process: loopback, `/memory`.
    ///
    /// As a setting: tests and demonstrations. Listen addresses are advertised as well.
    Loopback,
}

impl Scope {
    /// The scope of `address`, with or without `/p2p/<peer>` at its end, or `None` when it is
    /// nothing that a peer could be told to dial: reserved, for documentation, multicast, without a
    /// port, relayed, with a second host behind the first, or of a kind unknown here. An IPv6
    /// address that stands for an IPv4 address (mapped, NAT64, 6to4) has the scope of that.
    pub fn of(address: &Multiaddr) -> Option<Self> {
        Self::of_bare(&split_peer(address).0)
    }

    /// The scope of `address`, that has no peer at its end.
    pub(crate) fn of_bare(address: &Multiaddr) -> Option<Self> {
        let mut protocols = address.iter();
        let scope = match protocols.next()? {
            Protocol::Ip4(ip) => ip4_scope(ip)?,
            Protocol::Ip6(ip) => ip6_scope(ip)?,
            Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) => name_scope(&name)?,
            Protocol::Dnsaddr(name) => {
                let scope = name_scope(&name)?;
                return protocols.next().is_none().then_some(scope);
            }
            Protocol::Memory(port) => {
                let whole = port != 0 && protocols.next().is_none();
                return whole.then_some(Self::Loopback);
            }
            _ => return None,
        };
        match protocols.next()? {
            Protocol::Tcp(port) | Protocol::Udp(port) if port != 0 => {}
            _ => return None,
        }
        // Transports look for the host at the end, so nothing that might name another may follow.
        let known = protocols.all(|protocol| {
            matches!(
                protocol,
                Protocol::Quic
                    | Protocol::QuicV1
                    | Protocol::Tls
                    | Protocol::Sni(_)
                    | Protocol::Ws(_)
                    | Protocol::Wss(_)
                    | Protocol::WebTransport
                    | Protocol::WebRTCDirect
                    | Protocol::Certhash(_)
            )
        });
        known.then_some(scope)
    }
}

fn name_scope(name: &str) -> Option<Scope> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    // Resolvers take a number for what it is.
    if let Ok(ip) = name.parse() {
        return ip_scope(ip);
    }
    let mut labels = name.rsplit('.');
    let (last, before) = (labels.next()?, labels.next());
    match (last, before) {
        ("localhost", _) => Some(Scope::Loopback),
        // IANA's Special-Use Domain Names: no server answers for them, or not in the same way.
        ("", _) | ("alt" | "example" | "invalid" | "onion" | "test", _) => None,
        ("local" | "internal", _) | ("arpa", Some("home")) => Some(Scope::Private),
        // Some resolvers take `127.1`, `0x7f000001` and `2130706433` for addresses; nobody has
        // such a domain.
        _ if last.starts_with(|c: char| c.is_ascii_digit()) => None,
        // Only the search list of a network makes a name of it.
        (_, None) => Some(Scope::Private),
        _ => Some(Scope::Global),
    }
}

fn ip_scope(ip: IpAddr) -> Option<Scope> {
    match ip {
        IpAddr::V4(ip) => ip4_scope(ip),
        IpAddr::V6(ip) => ip6_scope(ip),
    }
}

fn ip4_scope(ip: Ipv4Addr) -> Option<Scope> {
    let [a, b, ..] = ip.octets();
    let carrier = a == 100 && (64..128).contains(&b);
    if ip.is_loopback() {
        Some(Scope::Loopback)
    } else if ip.is_private() || ip.is_link_local() || carrier {
        Some(Scope::Private)
    } else {
        is_global(ip.into()).then_some(Scope::Global)
    }
}

fn ip6_scope(ip: Ipv6Addr) -> Option<Scope> {
    // Mapped, NAT64 and 6to4 work from as far away as the IPv4 address does.
    let judged_as_ip4 = matches!(
        ip.segments(),
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x2002, ..]
    );
    if judged_as_ip4 && let IpAddr::V4(ip) = unmapped(ip.into()) {
        return ip4_scope(ip);
    }
    if ip.is_loopback() {
        Some(Scope::Loopback)
    } else if ip.is_unique_local() {
        Some(Scope::Private)
    } else {
        // Link-local addresses are not: they mean nothing without their zone.
        is_global(ip.into()).then_some(Scope::Global)
    }
}

/// Where a dial knocks: at which host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    /// An IP address; IPv4 where an IPv6 address only stands for one, see [`unmapped`].
    Ip(IpAddr),
    /// A DNS name, as hashes. To make two names collide gains nothing: one name does the same.
    Name {
        /// Of the whole name.
        name: u64,
        /// Of its last two labels: below them one owner can make as many names as they like.
        domain: u64,
    },
    /// A port of libp2p's memory transport.
    Memory(u64),
}

/// Where a dial knocks: at which port of which host. However many peers, and kinds of transport,
/// are said to be behind it, it is the same door; but to ask a relay for somebody behind it is
/// something else than to knock at its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    host: Host,
    port: Port,
    relayed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Port {
    None,
    Tcp(u16),
    Udp(u16),
}

impl Target {
    /// The target of `address`, with or without `/p2p/<peer>` at its end. For a relayed address it
    /// is the relay, on behalf of the peer behind it. `None`: nothing that can be dialled.
    pub(crate) fn of(address: &Multiaddr) -> Option<Self> {
        let mut protocols = address.iter();
        let host = match protocols.next()? {
            Protocol::Ip4(ip) => Host::Ip(ip.into()),
            Protocol::Ip6(ip) => Host::Ip(unmapped(ip.into())),
            Protocol::Dns(name)
            | Protocol::Dns4(name)
            | Protocol::Dns6(name)
            | Protocol::Dnsaddr(name) => name_host(&name),
            Protocol::Memory(port) => Host::Memory(port),
            _ => return None,
        };
        let port = match protocols.next() {
            Some(Protocol::Tcp(port)) => Port::Tcp(port),
            Some(Protocol::Udp(port)) => Port::Udp(port),
            _ => Port::None,
        };
        let relayed = protocols.any(|protocol| protocol == Protocol::P2pCircuit);
        Some(Self {
            host,
            port,
            relayed,
        })
    }

    /// Of a relayed address: the relay's own door.
    pub(crate) fn relay(self) -> Option<Self> {
        self.relayed.then_some(Self {
            relayed: false,
            ..self
        })
    }

    /// The host.
    pub(crate) fn host(&self) -> Host {
        self.host
    }

    /// The networks that the host lies in; `None` within one process.
    pub(crate) fn prefixes(&self) -> Option<Prefixes> {
        match self.host {
            Host::Ip(ip) => Some(Prefixes::of(ip)),
            Host::Name { domain, .. } => Some(Prefixes::named(&domain.to_le_bytes())),
            Host::Memory(_) => None,
        }
    }
}

fn name_host(name: &str) -> Host {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if let Ok(ip) = name.parse() {
        return Host::Ip(unmapped(ip));
    }
    let hash = |labels: usize| {
        let mut hasher = FxHasher::default();
        let labels = name.rsplit('.').take(labels);
        labels.for_each(|label| label.hash(&mut hasher));
        hasher.finish()
    };
    Host::Name {
        name: hash(usize::MAX),
        domain: hash(2),
    }
}

/// `address` without the `/p2p/<peer>` at its end, and that peer.
pub(crate) fn split_peer(address: &Multiaddr) -> (Multiaddr, Option<PeerId>) {
    let mut bare = address.clone();
    match bare.iter().last() {
        Some(Protocol::P2p(peer)) => {
            bare.pop();
            (bare, Some(peer))
        }
        _ => (bare, None),
    }
}

/// `address`, which has no peer at its end, without the `/p2p/<relay>/p2p-circuit` at its end, and
/// that relay. `None` when it is relayed and no relay is named.
pub(crate) fn split_relay(address: &Multiaddr) -> Option<(Multiaddr, Option<PeerId>)> {
    let mut first = address.clone();
    if !matches!(first.iter().last(), Some(Protocol::P2pCircuit)) {
        return Some((first, None));
    }
    first.pop();
    let (first, relay) = split_peer(&first);
    Some((first, Some(relay?)))
}

/// Whether `address` leads through a relay.
pub(crate) fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|p| p == Protocol::P2pCircuit)
}

/// The relay that `address` leads through, if it is named.
pub(crate) fn relay_of(address: &Multiaddr) -> Option<PeerId> {
    let mut protocols = address.iter();
    let mut relay = None;
    loop {
        match protocols.next()? {
            Protocol::P2p(peer) => relay = Some(peer),
            Protocol::P2pCircuit => return relay,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
