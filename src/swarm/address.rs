//! Which addresses may be sent, kept and dialled.

use std::net::{Ipv4Addr, Ipv6Addr};

use libp2p_core::{Multiaddr, multiaddr::Protocol};
use libp2p_identity::PeerId;
use libp2p_swarm::{ExternalAddresses, FromSwarm, ListenAddresses};

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
        let (address, _) = split_peer(address);
        let mut protocols = address.iter();
        let scope = match protocols.next()? {
            Protocol::Ip4(ip) => ip4_scope(ip)?,
            Protocol::Ip6(ip) => ip6_scope(ip)?,
            Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) => name_scope(&name),
            Protocol::Dnsaddr(name) => {
                let scope = name_scope(&name);
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

    /// Whether a node with this setting sends, keeps and dials `address`.
    pub fn admits(self, address: &Multiaddr) -> bool {
        Self::of(address).is_some_and(|scope| scope <= self)
    }
}

fn name_scope(name: &str) -> Scope {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    match name.rsplit('.').next() {
        Some("localhost") => Scope::Loopback,
        Some("local") => Scope::Private,
        _ => Scope::Global,
    }
}

fn ip4_scope(ip: Ipv4Addr) -> Option<Scope> {
    let [a, b, ..] = ip.octets();
    if ip.is_loopback() {
        Some(Scope::Loopback)
    } else if ip.is_private() || ip.is_link_local() || (a == 100 && (64..128).contains(&b)) {
        Some(Scope::Private)
    } else if a == 0 || a >= 224 || ip.is_documentation() {
        // "This network", multicast, reserved, broadcast, documentation.
        None
    } else {
        Some(Scope::Global)
    }
}

fn ip6_scope(ip: Ipv6Addr) -> Option<Scope> {
    if let Some(ip) = ip.to_ipv4_mapped() {
        return ip4_scope(ip);
    }
    let segments = ip.segments();
    let [.., a, b] = segments;
    let embedded = Ipv4Addr::from_bits(u32::from(a) << 16 | u32::from(b));
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return ip4_scope(embedded); // NAT64
    }
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

/// The addresses under which this node can be reached, as far as the swarm says.
#[derive(Debug, Default)]
pub(crate) struct LocalAddresses {
    listen: ListenAddresses,
    external: ExternalAddresses,
}

impl LocalAddresses {
    /// Returns whether anything changed.
    pub(crate) fn on_swarm_event(&mut self, event: &FromSwarm) -> bool {
        // Both must see the event.
        self.listen.on_swarm_event(event) | self.external.on_swarm_event(event)
    }

    /// What this node may advertise, at most `count`: confirmed external addresses first; then, in
    /// a scope narrower than global, listen addresses, those that reach furthest first.
    pub(crate) fn advertised(&self, scope: Scope, count: usize) -> Vec<Multiaddr> {
        let mut listen: Vec<Multiaddr> = match scope {
            Scope::Global => Vec::new(),
            Scope::Private | Scope::Loopback => self.listen.iter().cloned().collect(),
        };
        listen.sort_by_cached_key(|address| (Scope::of(address), address.to_vec()));
        let mut advertised: Vec<Multiaddr> = Vec::new();
        for address in self.external.iter().chain(&listen) {
            let (bare, _) = split_peer(address);
            if scope.admits(&bare) && !advertised.contains(&bare) {
                advertised.push(bare);
            }
        }
        advertised.truncate(count);
        advertised
    }

    /// Every listen and external address, sorted.
    pub(crate) fn all(&self) -> Vec<Multiaddr> {
        let mut all: Vec<Multiaddr> = self.listen.iter().cloned().collect();
        all.extend(self.external.iter().cloned());
        all.sort_by_cached_key(Multiaddr::to_vec);
        all.dedup();
        all
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
    fn a_setting_admits_its_own_and_wider_scopes() {
        let private = "/ip4/10.0.0.1/tcp/1".parse().expect("a multiaddr");
        assert!(!Scope::Global.admits(&private));
        assert!(Scope::Private.admits(&private));
        assert!(Scope::Loopback.admits(&private));
    }

    #[test]
    fn the_peer_is_split_off_the_end() {
        let peer = PeerId::random();
        let bare: Multiaddr = "/ip4/1.2.3.4/tcp/1".parse().expect("a multiaddr");
        let full = bare.clone().with(Protocol::P2p(peer));
        assert_eq!(split_peer(&full), (bare.clone(), Some(peer)));
        assert_eq!(split_peer(&bare), (bare, None));
    }
}
