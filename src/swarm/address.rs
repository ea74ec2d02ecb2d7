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

    /// IANA's Special-Purpose Address Registries of 2025-10-09, row by row.
    #[test]
    fn special_blocks_are_as_global_as_the_registries_say() {
        const NO: Option<Scope> = None;
        const YES: Option<Scope> = Some(Scope::Global);
        const NEAR: Option<Scope> = Some(Scope::Private);
        const SELF: Option<Scope> = Some(Scope::Loopback);
        for (block, expected) in [
            ("0.0.0.0/8", NO),
            ("0.0.0.0/32", NO),
            ("10.0.0.0/8", NEAR),
            ("100.64.0.0/10", NEAR),
            ("127.0.0.0/8", SELF),
            ("169.254.0.0/16", NEAR),
            ("172.16.0.0/12", NEAR),
            ("192.0.0.0/29", NO),
            ("192.0.0.8/32", NO),
            ("192.0.0.9/32", YES),
            ("192.0.0.10/32", YES),
            ("192.0.0.11/32", NO),
            ("192.0.0.170/32", NO),
            ("192.0.0.171/32", NO),
            ("192.0.0.255/32", NO),
            ("192.0.2.0/24", NO),
            ("192.31.196.0/24", YES),
            ("192.52.193.0/24", YES),
            ("192.88.99.0/24", NO),
            ("192.168.0.0/16", NEAR),
            ("192.175.48.0/24", YES),
            ("198.18.0.0/15", NO),
            ("198.51.100.0/24", NO),
            ("203.0.113.0/24", NO),
            ("224.0.0.0/4", NO),
            ("240.0.0.0/4", NO),
            ("255.255.255.255/32", NO),
            ("::1/128", SELF),
            ("::/128", NO),
            ("::ffff:0:0/104", NO), // Mapped, of 0.0.0.0/8.
            ("::ffff:10.0.0.0/104", NEAR),
            ("::ffff:8.0.0.0/104", YES),
            ("64:ff9b::/104", NO),
            ("64:ff9b::7f00:0/104", SELF),
            ("64:ff9b::800:0/104", YES),
            ("64:ff9b:1::/48", NO),
            ("100::/64", NO),
            ("100:0:0:1::/64", NO),
            ("2001::/32", NO),
            ("2001:1::/128", NO),
            ("2001:1::1/128", YES),
            ("2001:1::2/128", YES),
            ("2001:1::3/128", YES),
            ("2001:1::4/128", NO),
            ("2001:2::/48", NO),
            ("2001:3::/32", YES),
            ("2001:4::/48", NO),
            ("2001:4:112::/48", YES),
            ("2001:10::/28", NO),
            ("2001:20::/28", YES),
            ("2001:30::/28", YES),
            ("2001:40::/26", NO),
            ("2001:1ff::/32", NO),
            ("2001:200::/32", YES),
            ("2001:db8::/32", NO),
            ("2002:800::/24", YES), // 6to4, of 8.0.0.0/8.
            ("2002:a00::/24", NEAR),
            ("2002:e000::/20", NO),
            ("2620:4f:8000::/48", YES),
            ("3fff::/20", NO),
            ("5f00::/16", NO),
            ("fc00::/7", NEAR),
            ("fe80::/10", NO),
            // Not in the registries of special purposes: the rest of the address space.
            ("::2/128", NO),
            ("::5054:ff:fe92:8bc9/128", NO), // An interface without its network.
            ("::8.0.0.0/104", NO),           // Compatible.
            ("::ffff:0:8.0.0.0/104", NO),    // Translated.
            ("200::/7", NO),
            ("400::/6", NO),
            ("1000::/4", NO),
            ("2003::/16", YES),
            ("2400::/6", YES),
            ("3000::/5", YES),
            ("3fff:1000::/20", YES),
            ("4000::/3", NO),
            ("6000::/3", NO),
            ("8000::/1", NO),
            ("fec0::/10", NO),
            ("ff00::/8", NO),
            ("1.0.0.0/8", YES),
            ("223.0.0.0/8", YES),
            ("192.0.1.0/24", YES),
            ("100.128.0.0/9", YES),
        ] {
            let (first, bits) = block.split_once('/').expect("a block");
            let bits: u32 = bits.parse().expect("a number");
            let ends: [IpAddr; 2] = match first.parse().expect("an address") {
                IpAddr::V4(ip) => {
                    let host = u32::MAX.checked_shr(bits).unwrap_or(0);
                    [ip, Ipv4Addr::from_bits(ip.to_bits() | host)].map(IpAddr::V4)
                }
                IpAddr::V6(ip) => {
                    let host = u128::MAX.checked_shr(bits).unwrap_or(0);
                    [ip, Ipv6Addr::from_bits(ip.to_bits() | host)].map(IpAddr::V6)
                }
            };
            for ip in ends {
                assert_eq!(ip_scope(ip), expected, "{ip} of {block}");
                let transport = Multiaddr::from(ip).with(Protocol::Tcp(1));
                assert_eq!(Scope::of(&transport), expected, "{transport}");
            }
        }
    }

    #[test]
    fn names_that_nobody_answers_for_are_nothing_to_dial() {
        for (name, expected) in [
            ("example.org", Some(Scope::Global)),
            ("4chan.example.org", Some(Scope::Global)),
            ("xn--p1ai", Some(Scope::Private)),
            ("database", Some(Scope::Private)),
            ("printer.home.arpa", Some(Scope::Private)),
            ("1.0.0.10.in-addr.arpa", Some(Scope::Global)),
            ("a.b.internal", Some(Scope::Private)),
            ("node.test", None),
            ("node.example", None),
            ("node.invalid", None),
            ("node.alt", None),
            ("duskgytldkxiuqc6.onion", None),
            ("127.1", None),
            ("0x7f000001", None),
            ("2130706433", None),
            ("10.0.0.0x1", None),
        ] {
            assert_eq!(scope(&format!("/dns4/{name}/tcp/1")), expected, "{name}");
            assert_eq!(scope(&format!("/dnsaddr/{name}.")), expected, "{name}.");
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
            "/ip6/64:ff9b:1::102:304/tcp/443",
            "/ip6/64:ff9b:1:2:3::102:304/tcp/443",
            "/ip6/::ffff:0:102:304/tcp/443",
            "/ip6/::102:304/tcp/443",
            "/dns4/1.2.3.4/tcp/443",
            "/dns6/64:ff9b:1::102:304/tcp/443",
        ] {
            assert_eq!(target(other), one, "{other}");
        }
        for other in [
            "/ip4/1.2.3.4/tcp/444",
            "/ip4/1.2.3.4/udp/443/quic-v1",
            "/ip4/1.2.3.5/tcp/443",
            // Teredo and ISATAP: somebody else's network.
            "/ip6/2001:0:102:304::fefd:fcfb/tcp/443",
            "/ip6/2a00:1:2:3:0:5efe:102:304/tcp/443",
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
