//! What an address says about where it leads: how far away it works from, and which host a dial
//! to it burdens.

use std::{
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use libp2p_core::{Multiaddr, multiaddr::Protocol};
use libp2p_identity::PeerId;
use rustc_hash::FxHasher;

use crate::prefixes::Prefixes;

/// From how far away an address can be reached, and, as a setting, which addresses a node sends,
/// keeps and dials: those of its scope and of all wider ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Scope {
    /// From anywhere: public IP addresses, DNS names.
    ///
    /// As a setting: the open internet. A node advertises only the external addresses that the
    /// swarm has confirmed (by AutoNAT, UPnP, or `Swarm::add_external_address`).
    #[default]
    Global,
    /// From the same network: private, carrier-grade NAT and link-local addresses.
    ///
    /// As a setting: a LAN or a VPN. Listen addresses are advertised as well.
    Private,
    /// From the same machine, or from the same process: loopback, `/memory`.
    ///
    /// As a setting: tests and demonstrations. Listen addresses are advertised as well.
    Loopback,
}

impl Scope {
    /// The scope of `address`, with or without `/p2p/<peer>` at its end, or `None` when it is nothing
    /// that a peer could be told to dial: unspecified, multicast, without a port, relayed, with a
    /// second host behind the first, or of a kind unknown here.
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
    match name.rsplit('.').next() {
        Some("") | None => None,
        Some("localhost") => Some(Scope::Loopback),
        Some("local" | "internal") => Some(Scope::Private),
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
    let [a, b, c, _] = ip.octets();
    if ip.is_loopback() {
        Some(Scope::Loopback)
    } else if ip.is_private() || ip.is_link_local() || (a == 100 && (64..128).contains(&b)) {
        Some(Scope::Private)
    } else if a == 0
        || a >= 224
        || ip.is_documentation()
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (b & 0xfe) == 18)
    {
        // "This network", multicast, reserved, broadcast, documentation, protocol assignments,
        // benchmarks.
        None
    } else {
        Some(Scope::Global)
    }
}

fn ip6_scope(ip: Ipv6Addr) -> Option<Scope> {
    if let IpAddr::V4(ip) = unmapped(ip.into()) {
        return ip4_scope(ip);
    }
    let segments = ip.segments();
    let documentation = segments[..2] == [0x2001, 0xdb8];
    let compatible = segments[..6] == [0; 6]; // IPv4-compatible, deprecated
    if ip.is_loopback() {
        Some(Scope::Loopback)
    } else if ip.is_unique_local() {
        Some(Scope::Private)
    } else if ip.is_unspecified()
        || ip.is_multicast()
        || ip.is_unicast_link_local() // Means nothing without its zone.
        || documentation
        || compatible
    {
        None
    } else {
        Some(Scope::Global)
    }
}

/// The IPv4 address that an IPv6 address stands for, if it does: mapped, NAT64 or 6to4.
fn unmapped(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else {
        return ip;
    };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return v4.into();
    }
    let embedded = |a: u16, b: u16| Ipv4Addr::from_bits(u32::from(a) << 16 | u32::from(b)).into();
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, a, b] | [0x2002, a, b, ..] => embedded(a, b),
        _ => ip,
    }
}

/// Where a dial knocks: at which host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    /// An IP address; IPv4 where an IPv6 address only stands for one.
    Ip(IpAddr),
    /// A DNS name, as hashes: whoever makes two names collide could as well have used one.
    Name {
        /// Of the whole name.
        name: u64,
        /// Of its last two labels: below them one owner can make as many names as they like.
        domain: u64,
    },
    /// A port of libp2p's memory transport.
    Memory(u64),
}

/// Where a dial knocks: at which port of which host. However many peers, and kinds of transport, are
/// said to be behind it, it is the same door; but to ask a relay for somebody behind it is something
/// else than to knock at its own.
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
    /// The target of `address`, with or without `/p2p/<peer>` at its end; of a relayed address the
    /// relay, on behalf of whoever is behind it. `None`: nothing that can be dialled.
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
mod tests {
    use super::*;

    fn scope(address: &str) -> Option<Scope> {
        Scope::of(&address.parse().expect("a multiaddr"))
    }

    #[test]
    fn scopes() {
        for (address, expected) in [
            ("/ip4/1.2.3.4/tcp/1", Some(Scope::Global)),
            ("/ip4/1.2.3.4/udp/1/quic-v1", Some(Scope::Global)),
            ("/ip6/2606:4700::1111/tcp/1", Some(Scope::Global)),
            ("/dns4/example.org/tcp/1", Some(Scope::Global)),
            ("/dnsaddr/example.org", Some(Scope::Global)),
            ("/ip4/10.0.0.1/tcp/1", Some(Scope::Private)),
            ("/ip4/192.168.1.1/udp/1/quic-v1", Some(Scope::Private)),
            ("/ip4/100.64.0.1/tcp/1", Some(Scope::Private)),
            ("/ip4/169.254.0.1/tcp/1", Some(Scope::Private)),
            ("/ip6/fd00::1/tcp/1", Some(Scope::Private)),
            ("/ip6/::ffff:10.0.0.1/tcp/1", Some(Scope::Private)),
            ("/ip4/127.0.0.1/tcp/1", Some(Scope::Loopback)),
            ("/ip6/::1/tcp/1", Some(Scope::Loopback)),
            ("/dns/localhost/tcp/1", Some(Scope::Loopback)),
            ("/memory/1", Some(Scope::Loopback)),
            ("/dns/a.localhost./tcp/1", Some(Scope::Loopback)),
            ("/dns4/printer.local/tcp/1", Some(Scope::Private)),
            ("/ip4/1.2.3.4/tcp/1/tls/ws", Some(Scope::Global)),
            (
                "/ip4/1.2.3.4/tcp/1/p2p/12D3KooWJmMwNnhtMHYCEYWUjUzYDFhYgqJBnvPHPbHiYQRSnLBF",
                Some(Scope::Global),
            ),
            ("/ip6/64:ff9b::a00:1/tcp/1", Some(Scope::Private)),
            ("/ip6/64:ff9b::102:304/tcp/1", Some(Scope::Global)),
            ("/ip6/2002:a00:1::1/tcp/1", Some(Scope::Private)),
            ("/ip6/2002:102:304::1/tcp/1", Some(Scope::Global)),
            ("/dns4/10.0.0.1/tcp/1", Some(Scope::Private)),
            ("/dns4/127.0.0.1/tcp/1", Some(Scope::Loopback)),
            ("/dns4/0.0.0.0/tcp/1", None),
            ("/dns4/./tcp/1", None),
            ("/ip4/198.19.0.1/tcp/1", None),
            ("/ip4/192.0.0.8/tcp/1", None),
            ("/ip6/::a00:1/tcp/1", None),
            ("/ip4/1.2.3.4/tcp/1/ip4/127.0.0.1/tcp/22", None),
            ("/ip4/1.2.3.4/tcp/1/ip4/10.0.0.1/tcp/22", None),
            ("/dns4/example.org/tcp/1/ip6/::1/tcp/22", None),
            ("/ip4/1.2.3.4/tcp/1/dns4/localhost/tcp/22", None),
            ("/memory/1/ip4/10.0.0.1/tcp/22", None),
            ("/memory/0", None),
            ("/ip4/0.0.0.0/tcp/1", None),
            ("/ip4/224.0.0.1/udp/1", None),
            ("/ip4/255.255.255.255/tcp/1", None),
            ("/ip4/192.0.2.1/tcp/1", None),
            ("/ip6/fe80::1/tcp/1", None),
            ("/ip6/ff02::1/udp/1", None),
            ("/ip4/1.2.3.4/tcp/0", None),
            ("/ip4/1.2.3.4", None),
            ("/dns4/example.org", None),
            (
                "/ip4/1.2.3.4/tcp/1/p2p/12D3KooWJmMwNnhtMHYCEYWUjUzYDFhYgqJBnvPHPbHiYQRSnLBF/p2p-circuit",
                None,
            ),
            ("/unix/tmp", None),
        ] {
            assert_eq!(scope(address), expected, "{address}");
        }
    }

    #[test]
    fn the_peer_is_split_off_the_end() {
        let peer = PeerId::random();
        let bare: Multiaddr = "/ip4/1.2.3.4/tcp/1".parse().expect("a multiaddr");
        let full = bare.clone().with(Protocol::P2p(peer));
        assert_eq!(split_peer(&full), (bare.clone(), Some(peer)));
        assert_eq!(split_peer(&bare), (bare, None));
    }

    #[test]
    fn the_relay_is_split_off_the_end() {
        let relay = PeerId::random();
        let first: Multiaddr = "/ip4/1.2.3.4/tcp/1".parse().expect("a multiaddr");
        let unnamed = first.clone().with(Protocol::P2pCircuit);
        let named = first.clone().with(Protocol::P2p(relay));
        let named = named.with(Protocol::P2pCircuit);
        assert_eq!(split_relay(&first), Some((first.clone(), None)));
        assert_eq!(split_relay(&named), Some((first, Some(relay))));
        assert_eq!(split_relay(&unnamed), None);
    }

    #[test]
    fn behind_a_relay_is_not_at_its_door() {
        let (relay, peer) = (PeerId::random(), PeerId::random());
        let first: Multiaddr = "/ip4/1.2.3.4/tcp/443".parse().expect("a multiaddr");
        let behind = format!("{first}/p2p/{relay}/p2p-circuit/p2p/{peer}");
        let behind: Multiaddr = behind.parse().expect("a multiaddr");
        assert_eq!(relay_of(&behind), Some(relay));
        let at_home = first.clone().with(Protocol::P2p(relay));
        assert_eq!(relay_of(&at_home), None);
        let unnamed = first.clone().with(Protocol::P2pCircuit);
        assert_eq!(relay_of(&unnamed), None);
        let door = Target::of(&first).expect("a target");
        let target = Target::of(&behind).expect("a target");
        assert_ne!(target, door);
        assert_eq!((target.relay(), door.relay()), (Some(door), None));
        assert_eq!(target.host(), door.host());
    }

    #[test]
    fn a_target_is_the_same_however_it_is_written() {
        let target = |address: &str| Target::of(&address.parse().expect("a multiaddr"));
        let one = target("/ip4/1.2.3.4/tcp/443");
        assert!(one.is_some());
        for other in [
            "/ip4/1.2.3.4/tcp/443/tls/ws",
            "/ip6/::ffff:1.2.3.4/tcp/443",
            "/ip6/64:ff9b::102:304/tcp/443",
            "/ip6/2002:102:304::77/tcp/443",
            "/dns4/1.2.3.4/tcp/443",
        ] {
            assert_eq!(target(other), one, "{other}");
        }
        for other in [
            "/ip4/1.2.3.4/tcp/444",
            "/ip4/1.2.3.4/udp/443/quic-v1",
            "/ip4/1.2.3.5/tcp/443",
            "/memory/1",
        ] {
            assert_ne!(target(other), one, "{other}");
        }
        let prefixes = |address: &str| target(address).and_then(|target| target.prefixes());
        assert_eq!(
            prefixes("/ip6/::ffff:1.2.3.4/tcp/1"),
            prefixes("/ip4/1.2.3.9/tcp/2")
        );
        assert_eq!(
            prefixes("/dns4/a.example.org/tcp/1"),
            prefixes("/dns6/b.Example.org/tcp/2")
        );
        assert_eq!(prefixes("/memory/1"), None);
        let name = target("/dns4/a.example.org/tcp/1");
        assert_eq!(target("/dns6/A.Example.org./tcp/1"), name);
        assert_ne!(target("/dns4/b.example.org/tcp/1"), name);
        assert_eq!(target("/unix/tmp"), None);
    }
}
