//! A peer, and the networks that its address lies in.

use std::{
    fmt,
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use rustc_hash::FxHasher;

/// A peer as the view sees it: an identity, and whatever travels with it.
///
/// The simulator uses plain integers, the libp2p part signed records; a ranking overlay may carry
/// coordinates. Two values are the same peer when their [`id`](Peer::id)s are equal.
pub trait Peer: Clone {
    /// What tells two peers apart.
    type Id: Clone + Eq + Hash + fmt::Debug;

    /// The identity of this peer.
    fn id(&self) -> &Self::Id;

    /// Takes over what `other`, another copy of the same peer, knows better: a record with a
    /// higher sequence number, for example. The default keeps what is there.
    fn refresh(&mut self, other: Self) {
        let _ = other;
    }

    /// The networks that the peer's address lies in, as far as it says: what caps and overlays
    /// against attackers count. The default knows none, and such peers are told apart by their
    /// identity alone.
    fn prefixes(&self) -> Option<Prefixes> {
        None
    }

    /// Whether this copy of the peer is newer than `before`, and says that the peer is somewhere
    /// else: a peer that failed where it was has another chance where it is. The default: peers do
    /// not move.
    fn has_moved(&self, before: &Self) -> bool {
        let _ = before;
        false
    }

    /// How many bytes the peer takes in a message, where bytes are counted. The default is 0.
    fn size(&self) -> usize {
        0
    }
}

macro_rules! plain_peer {
    ($($plain:ty),*) => {$(
        impl Peer for $plain {
            type Id = $plain;

            #[inline]
            fn id(&self) -> &$plain {
                self
            }
        }
    )*};
}
plain_peer!(u32, u64, usize, String);

/// The two networks that a peer's address lies in, one within the other.
///
/// Identities cost nothing and addresses cost little, but addresses in many networks cost an
/// attacker much: so what is to resist attackers counts networks. For IPv4 they are the /16 and the
/// /24, for IPv6 the /32, which is what a provider is given, and the /48, which is what its
/// customer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefixes {
    wide: u64,
    narrow: u64,
}

impl Prefixes {
    /// Prefixes that some other rule has found: equal numbers are equal networks. Numbers from 2^56
    /// on are those of IP addresses.
    pub const fn new(wide: u64, narrow: u64) -> Self {
        Self { wide, narrow }
    }

    /// The networks of an IP address. An IPv4 address written as IPv6 (mapped, NAT64, 6to4 and the
    /// like) is an IPv4 address.
    pub fn of(ip: IpAddr) -> Self {
        match unmapped(ip) {
            IpAddr::V4(ip) => Self::of_ip4(ip),
            IpAddr::V6(ip) => Self::of_ip6(ip),
        }
    }

    /// For a host of which only a name is known: one network per name, by a hash of it. An owner
    /// that can choose names freely has as many networks as they like, so `name` should be the part
    /// that costs something.
    pub fn named(name: &[u8]) -> Self {
        let mut hasher = FxHasher::default();
        hasher.write(name);
        let hash = hasher.finish() >> 8;
        Self::new(hash, hash)
    }

    /// The wide network: the /16 or the /32.
    pub fn wide(self) -> u64 {
        self.wide
    }

    /// The narrow network within it: the /24 or the /48.
    pub fn narrow(self) -> u64 {
        self.narrow
    }

    fn of_ip4(ip: Ipv4Addr) -> Self {
        let bits = u64::from(ip.to_bits());
        Self::new(4 << 56 | bits >> 16, 4 << 56 | bits >> 8)
    }

    fn of_ip6(ip: Ipv6Addr) -> Self {
        let bits = (ip.to_bits() >> 80) as u64;
        Self::new(6 << 56 | bits >> 16, 6 << 56 | bits)
    }
}

/// The IPv4 address that `ip` stands for, where it is an IPv6 address that does: a packet to one is
/// a packet to the other, perhaps through a translator. Otherwise `ip`.
///
/// These forms carry one: mapped `::ffff:a.b.c.d`, compatible `::a.b.c.d` (deprecated), translated
/// `::ffff:0:a.b.c.d` (RFC 2765), NAT64 `64:ff9b::a.b.c.d` and its local use within
/// `64:ff9b:1::/48` (RFC 8215; in the last 32 bits, as all translators with a /96 have it), and
/// 6to4 `2002:aabb:ccdd::/48`. Others name IPv4 addresses, too, and are left as they are. A Teredo
/// address is its client's own, behind a NAT and a relay. An ISATAP address lies in a network whose
/// owner decides what is behind it.
pub(crate) fn unmapped(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else {
        return ip;
    };
    let (high, low) = match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return ip, // Unspecified, loopback.
        [0, 0, 0, 0, 0, 0 | 0xffff, a, b]
        | [0, 0, 0, 0, 0xffff, 0, a, b]
        | [0x64, 0xff9b, 0, 0, 0, 0, a, b]
        | [0x64, 0xff9b, 1, _, _, _, a, b]
        | [0x2002, a, b, ..] => (a, b),
        _ => return ip,
    };
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ip: &str) -> Prefixes {
        Prefixes::of(ip.parse().expect("an address"))
    }

    #[test]
    fn ip4_addresses_share_a_16_and_a_24() {
        assert_eq!(of("8.8.8.8"), of("8.8.8.9"));
        assert_eq!(of("8.8.8.8").wide(), of("8.8.9.8").wide());
        assert_ne!(of("8.8.8.8").narrow(), of("8.8.9.8").narrow());
        assert_ne!(of("8.8.8.8").wide(), of("8.9.8.8").wide());
    }

    #[test]
    fn ip6_addresses_share_a_32_and_a_48() {
        assert_eq!(of("2a00:1:2:3::4"), of("2a00:1:2:9::5"));
        assert_eq!(of("2a00:1:2::1").wide(), of("2a00:1:3::1").wide());
        assert_ne!(of("2a00:1:2::1").narrow(), of("2a00:1:3::1").narrow());
        assert_ne!(of("2a00:1:2::1").wide(), of("2a00:2:2::1").wide());
    }

    #[test]
    fn ip4_in_ip6_is_ip4() {
        for ip in [
            "::ffff:8.8.8.8",
            "::8.8.8.8",
            "::ffff:0:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::8.8.8.8",
            "64:ff9b:1:77::8.8.8.8",
            "2002:808:808:1::1",
        ] {
            assert_eq!(of(ip), of("8.8.8.8"), "{ip}");
        }
        for ip in ["::", "::1", "2001:db8::808:808", "2a00::5efe:808:808"] {
            assert_ne!(of(ip), of("8.8.8.8"), "{ip}");
            let ip = ip.parse().expect("an address");
            assert_eq!(unmapped(ip), ip);
        }
    }

    #[test]
    fn names_are_networks_of_their_own() {
        assert_eq!(
            Prefixes::named(b"example.org"),
            Prefixes::named(b"example.org")
        );
        assert_ne!(
            Prefixes::named(b"example.org"),
            Prefixes::named(b"example.net")
        );
        assert!(Prefixes::named(b"example.org").wide() < 1 << 56);
    }
}
