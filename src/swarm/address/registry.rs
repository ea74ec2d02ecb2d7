//! Which IP addresses can be reached from anywhere, by IANA's registries.
//!
//! The sources are the IPv4 and IPv6 Special-Purpose Address Registries of 2025-10-09, column
//! "Globally Reachable", and the IPv6 Address Space registry, by which 2000::/3 is all of the
//! global unicast space. Where the column says "N/A", nothing is promised, so it counts as no.
//! Multicast is not in these registries, and is not global here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of IPv4 addresses: its first address, and how many bits all of them share.
type Ip4Block = (Ipv4Addr, u32);
/// A block of IPv6 addresses.
type Ip6Block = (Ipv6Addr, u32);

const fn ip4([a, b, c, d]: [u8; 4], bits: u32) -> Ip4Block {
    (Ipv4Addr::new(a, b, c, d), bits)
}

const fn ip6([a, b, c, d, e, f, g, h]: [u16; 8], bits: u32) -> Ip6Block {
    (Ipv6Addr::new(a, b, c, d, e, f, g, h), bits)
}

/// IPv4 blocks that are not globally reachable.
const LOCAL_IP4: &[Ip4Block] = &[
    ip4([0, 0, 0, 0], 8),       // "This network".
    ip4([10, 0, 0, 0], 8),      // Private use.
    ip4([100, 64, 0, 0], 10),   // Shared address space: carrier-grade NAT.
    ip4([127, 0, 0, 0], 8),     // Loopback.
    ip4([169, 254, 0, 0], 16),  // Link-local.
    ip4([172, 16, 0, 0], 12),   // Private use.
    ip4([192, 0, 0, 0], 24),    // IETF protocol assignments, but for two below.
    ip4([192, 0, 2, 0], 24),    // Documentation.
    ip4([192, 88, 99, 0], 24),  // 6to4 relay anycast, deprecated.
    ip4([192, 168, 0, 0], 16),  // Private use.
    ip4([198, 18, 0, 0], 15),   // Benchmarks.
    ip4([198, 51, 100, 0], 24), // Documentation.
    ip4([203, 0, 113, 0], 24),  // Documentation.
    ip4([224, 0, 0, 0], 4),     // Multicast.
    ip4([240, 0, 0, 0], 4),     // Reserved, and broadcast.
];

/// Within those, the globally reachable ones.
const GLOBAL_IP4: &[Ip4Block] = &[
    ip4([192, 0, 0, 9], 32),  // Port Control Protocol anycast.
    ip4([192, 0, 0, 10], 32), // TURN anycast.
];

/// Global unicast: what is outside of it is reserved, deprecated or local.
const UNICAST_IP6: Ip6Block = ip6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// IPv6 blocks within global unicast that are not globally reachable.
const LOCAL_IP6: &[Ip6Block] = &[
    // IETF protocol assignments, but for some below: with Teredo (2001::/32), benchmarks
    // (2001:2::/48), and the first ORCHIDs (2001:10::/28).
    ip6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    ip6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), // Documentation.
    ip6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),     // 6to4.
    ip6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),     // Documentation.
];

/// Within those, the globally reachable ones.
const GLOBAL_IP6: &[Ip6Block] = &[
    ip6([0x2001, 1, 0, 0, 0, 0, 0, 1], 128), // Port Control Protocol anycast.
    ip6([0x2001, 1, 0, 0, 0, 0, 0, 2], 128), // TURN anycast.
    ip6([0x2001, 1, 0, 0, 0, 0, 0, 3], 128), // DNS-SD Service Registration Protocol anycast.
    ip6([0x2001, 3, 0, 0, 0, 0, 0, 0], 32),  // AMT.
    ip6([0x2001, 4, 0x112, 0, 0, 0, 0, 0], 48), // AS112-v6.
    ip6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28), // ORCHIDv2.
    ip6([0x2001, 0x30, 0, 0, 0, 0, 0, 0], 28), // Drone Remote ID.
];

/// Whether the registries say that `ip` is globally reachable. What IPv4 address an IPv6 address
/// may stand for is not looked at.
pub(crate) fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !within_ip4(ip, LOCAL_IP4) || within_ip4(ip, GLOBAL_IP4),
        IpAddr::V6(ip) => {
            let unicast = within_ip6(ip, &[UNICAST_IP6]);
            unicast && (!within_ip6(ip, LOCAL_IP6) || within_ip6(ip, GLOBAL_IP6))
        }
    }
}

fn within_ip4(ip: Ipv4Addr, blocks: &[Ip4Block]) -> bool {
    let mut blocks = blocks.iter();
    blocks.any(|(first, bits)| (ip.to_bits() ^ first.to_bits()) >> (u32::BITS - bits) == 0)
}

fn within_ip6(ip: Ipv6Addr, blocks: &[Ip6Block]) -> bool {
    let mut blocks = blocks.iter();
    blocks.any(|(first, bits)| (ip.to_bits() ^ first.to_bits()) >> (u128::BITS - bits) == 0)
}
