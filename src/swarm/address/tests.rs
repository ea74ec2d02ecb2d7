//! Scopes, relays and targets of addresses.

use super::*;

fn scope(address: &str) -> Option<Scope> {
    Scope::of(&address.parse().expect("a multiaddr"))
}

#[test]
fn each_address_has_the_scope_of_its_host() {
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
fn reserved_names_and_numbers_are_not_dialled() {
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
fn peer_behind_a_relay_is_another_target_than_the_relay() {
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
