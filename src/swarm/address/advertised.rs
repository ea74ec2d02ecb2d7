//! Which of its own addresses a node advertises, when a record has no room for all of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p_core::{Multiaddr, multiaddr::Protocol};

use crate::swarm::address::{Host, Scope, Target};

/// An address of this node that it may advertise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Own {
    /// Without the node's id at its end.
    pub(crate) address: Multiaddr,
    /// Whether the swarm has confirmed it as an external address.
    pub(crate) confirmed: bool,
    /// The place of this address in the order in which peers first came in at one. `None`: nobody
    /// has come in there.
    pub(crate) reached: Option<usize>,
}

/// What is known of how an address is reached. The earlier is advertised first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Confirmed,
    Ordinary,
    /// It looks like that of a bridge to this machine's own containers, or like one that does not
    /// last. A peer that comes in there shows only that the bridge works.
    Makeshift,
    Loopback,
}

/// An address, and what it is compared by.
#[derive(Debug)]
struct Ranked {
    own: Own,
    standing: Standing,
    /// Whether peers have come in at this host, by whichever transport.
    host_reached: bool,
    host: Option<Host>,
    /// What stands for the interface, of which the swarm says nothing: the IPv4 address, or the /64
    /// of an IPv6 address.
    network: Option<Host>,
    /// The address without its host and its port.
    transport: Multiaddr,
    scope: Option<Scope>,
}

/// The best `count` of `all`, the best first, and those left out.
///
/// Confirmed ones come first, then those on hosts where peers have come in, then the others, and at
/// the end what looks makeshift, and loopback. Among equals there is one of each network and
/// transport before a second of any, and what works from furthest away comes first. Depends on
/// nothing but `all`, in whichever order it comes.
pub(crate) fn choose(all: Vec<Own>, count: usize) -> (Vec<Multiaddr>, Vec<Multiaddr>) {
    let mut rest = ranked(all);
    let mut chosen: Vec<Ranked> = Vec::new();
    while chosen.len() < count {
        let next = (0..rest.len()).min_by_key(|index| {
            let one = &rest[*index];
            let like = |same: &dyn Fn(&Ranked) -> bool| chosen.iter().filter(|o| same(o)).count();
            let same_network = |other: &Ranked| other.network == one.network;
            let same_transport = |other: &Ranked| other.transport == one.transport;
            let seen = (
                like(&|other| same_network(other) && same_transport(other)),
                like(&same_network),
                like(&same_transport),
                like(&|other| other.host == one.host),
            );
            let address = one.own.address.to_vec();
            let reached = one.own.reached.unwrap_or(usize::MAX);
            let group = (one.standing, !one.host_reached);
            (group, seen, one.scope, reached, address)
        });
        let Some(next) = next else {
            break;
        };
        chosen.push(rest.swap_remove(next));
    }
    let addresses = |ranked: Vec<Ranked>| ranked.into_iter().map(|one| one.own.address);
    let mut left_out: Vec<_> = addresses(rest).collect();
    left_out.sort_by_cached_key(Multiaddr::to_vec);
    (addresses(chosen).collect(), left_out)
}

fn ranked(all: Vec<Own>) -> Vec<Ranked> {
    let host = |address: &Multiaddr| Target::of(address).map(|target| target.host());
    let hosts: Vec<_> = all.iter().filter_map(|own| host(&own.address)).collect();
    let reached = all.iter().filter(|own| own.reached.is_some());
    let reached: Vec<_> = reached.map(|own| host(&own.address)).collect();
    let rank = |own: Own| {
        let host = host(&own.address);
        let scope = Scope::of(&own.address);
        let standing = match host {
            _ if own.confirmed => Standing::Confirmed,
            _ if scope == Some(Scope::Loopback) => Standing::Loopback,
            Some(host) if is_makeshift(host, &hosts) => Standing::Makeshift,
            _ => Standing::Ordinary,
        };
        Ranked {
            standing,
            host_reached: reached.contains(&host),
            host,
            network: host.map(network),
            transport: transport(&own.address),
            scope,
            own,
        }
    };
    all.into_iter().map(rank).collect()
}

fn network(host: Host) -> Host {
    match host {
        Host::Ip(IpAddr::V6(ip)) => Host::Ip(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into()),
        _ => host,
    }
}

fn transport(address: &Multiaddr) -> Multiaddr {
    let without_names = address
        .iter()
        .skip(1)
        .filter_map(|protocol| match protocol {
            Protocol::Tcp(_) => Some(Protocol::Tcp(0)),
            Protocol::Udp(_) => Some(Protocol::Udp(0)),
            Protocol::P2p(_) | Protocol::Certhash(_) | Protocol::Sni(_) => None,
            other => Some(other),
        });
    without_names.collect()
}

/// Whether a host of this node, one of `hosts`, looks like that of a bridge to containers or
/// virtual machines, or as if it did not last. A guess: the swarm does not name interfaces.
fn is_makeshift(host: Host, hosts: &[Host]) -> bool {
    match host {
        Host::Ip(IpAddr::V4(ip)) => ip.is_link_local() || is_bridge(ip),
        Host::Ip(IpAddr::V6(ip)) => {
            let lasting = |other: &Host| {
                let Host::Ip(IpAddr::V6(other)) = *other else {
                    return false;
                };
                other.segments()[..4] == ip.segments()[..4] && is_lasting(other)
            };
            !is_lasting(ip) && hosts.iter().any(lasting)
        }
        _ => false,
    }
}

/// Whether `ip` is where a widespread program puts this machine's end of a bridge, unless it is
/// told otherwise. A guess, by those programs' defaults.
fn is_bridge(ip: Ipv4Addr) -> bool {
    match ip.octets() {
        // Docker's pools: 172.17.0.0/16 and those after it, then 192.168.0.0/16 in /20s, the first
        // of which is left out here, since many home networks use it.
        [172, 17..=31, 0, 1] => true,
        [192, 168, third, 1] if third != 0 && third % 16 == 0 => true,
        // libvirt, VirtualBox.
        [192, 168, 122 | 56, 1] => true,
        // LXC, podman, flannel, k3s.
        [10, 0, 3, 1] | [10, 88 | 89, _, 1] | [10, 42 | 244, _, 0 | 1] => true,
        _ => false,
    }
}

/// Whether the interface's part of an address was given to it: made from its hardware address
/// (EUI-64), or a small number, by hand or by DHCPv6. Temporary addresses (RFC 8981) are neither.
fn is_lasting(ip: Ipv6Addr) -> bool {
    let [.., e, f, g, _] = ip.segments();
    let eui64 = f & 0xff == 0xff && g >> 8 == 0xfe;
    eui64 || (e, f, g) == (0, 0, 0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ROOM: usize = 8;

    fn own(text: &str) -> Own {
        Own {
            address: text.parse().expect("a multiaddr"),
            confirmed: false,
            reached: None,
        }
    }

    /// TCP and QUIC on each of `hosts`.
    fn both(hosts: &[&str]) -> Vec<Own> {
        let of = |host: &&str| {
            let kind = if host.contains(':') { "ip6" } else { "ip4" };
            let transports = ["tcp/4001", "udp/4001/quic-v1"];
            transports.map(|transport| own(&format!("/{kind}/{host}/{transport}")))
        };
        hosts.iter().flat_map(of).collect()
    }

    /// The hosts among the best, in order, and how many transports there are.
    fn best(all: &[Own]) -> (Vec<String>, usize) {
        let (chosen, left_out) = choose(all.to_vec(), ROOM);
        assert_eq!(chosen.len(), all.len().min(ROOM));
        assert_eq!(chosen.len() + left_out.len(), all.len());
        let mut backwards = all.to_vec();
        backwards.reverse();
        let same = (chosen.clone(), left_out);
        assert_eq!(choose(backwards, ROOM), same, "it depends on the order");
        let transports: BTreeSet<_> = chosen.iter().map(transport).collect();
        let mut hosts = Vec::new();
        for address in &chosen {
            let text = address.to_string();
            let host = text.split('/').nth(2).unwrap_or_default().to_owned();
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        (hosts, transports.len())
    }

    const BRIDGES: [&str; 4] = ["172.17.0.1", "172.18.0.1", "172.19.0.1", "172.20.0.1"];

    /// In the order of their bytes the bridges' eight come first.
    #[test]
    fn lan_address_stays_among_container_bridges() {
        let hosts = [&BRIDGES[..], &["192.168.1.5"]].concat();
        let mut all = both(&hosts);
        let (chosen, left_out) = choose(all.clone(), ROOM);
        let lan: Vec<_> = both(&["192.168.1.5"])
            .into_iter()
            .map(|o| o.address)
            .collect();
        assert_eq!(chosen[..2], lan);
        assert_eq!(left_out.len(), 2);
        assert_eq!(best(&all).0.len(), 5, "one of each bridge");
        // Containers come in at every bridge, and nobody yet from the LAN.
        for (index, own) in all.iter_mut().enumerate().take(ROOM) {
            own.reached = Some(index);
        }
        assert_eq!(choose(all, ROOM).0[..2], lan);
    }

    #[test]
    fn each_network_and_transport_is_there_before_a_second_of_any() {
        for count in 1..=12 {
            let hosts: Vec<_> = (1..=count).map(|n| format!("10.{n}.0.7")).collect();
            let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
            let (chosen, transports) = best(&both(&hosts));
            assert_eq!(chosen.len(), count.min(ROOM), "{chosen:?}");
            assert_eq!(transports, 2);
        }
        // Many ports of one transport do not crowd out another.
        let mut all: Vec<_> = (1..=10)
            .map(|port| own(&format!("/ip4/10.1.0.7/tcp/{port}")))
            .collect();
        all.push(own("/ip4/10.1.0.7/udp/1/quic-v1"));
        all.push(own("/ip4/192.168.1.5/tcp/1"));
        let (chosen, transports) = best(&all);
        assert_eq!((chosen.len(), transports), (2, 2));
    }

    #[test]
    fn one_ip6_network_does_not_crowd_out_a_lan() {
        let hosts = [
            "2003:1:2:3::1",
            "2003:1:2:3::2",
            "2003:1:2:3::3",
            "2003:1:2:3::4",
        ];
        let hosts = [&hosts[..], &["192.168.1.5"]].concat();
        let (chosen, _) = best(&both(&hosts));
        assert_eq!(chosen.len(), 5);
        assert_eq!(chosen[1], "192.168.1.5");
    }

    #[test]
    fn confirmed_and_reached_addresses_come_first() {
        let hosts: Vec<_> = (1..=12).map(|n| format!("10.{n}.0.7")).collect();
        let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
        let mut all = both(&hosts);
        // In the order of their bytes both are among the last.
        all[23].confirmed = true;
        all[20].reached = Some(0);
        let (confirmed, reached) = (all[23].address.clone(), all[20].address.clone());
        let beside = all[21].address.clone();
        let (chosen, _) = choose(all.clone(), ROOM);
        assert_eq!(chosen[0], confirmed);
        // The other transport of a host where peers come in is as good as reached.
        assert!(chosen[1..3].contains(&reached) && chosen[1..3].contains(&beside));
        // Who came first stays first.
        all[2].reached = Some(1);
        let again = choose(all, ROOM).0;
        assert!(again[1..5].contains(&reached) && again[1..5].contains(&beside));
        let loopback = [own("/ip4/127.0.0.1/tcp/1"), own("/ip4/10.0.0.7/tcp/1")];
        let [mut near, far] = loopback;
        near.reached = Some(0);
        assert_eq!(choose(vec![near, far.clone()], 1).0, [far.address]);
    }

    #[test]
    fn temporary_addresses_come_last() {
        let lasting = "2003:1:2:3:5054:ff:fe92:8bc9";
        let temporary = [
            "2003:1:2:3:9c1a:2b3c:4d5e:6f70",
            "2003:1:2:3:1c1a:2b3c:4d5e:6f70",
        ];
        let hosts = [&temporary[..], &["169.254.7.7", lasting, "192.168.1.5"]].concat();
        let (chosen, _) = best(&both(&hosts));
        assert_eq!(chosen[..2], [lasting, "192.168.1.5"]);
        // Where none looks lasting, all are as good.
        let random = ["2003:1:2:4:9c1a:2b3c:4d5e:6f70", "172.17.0.1"];
        assert_eq!(best(&both(&random)).0, random);
    }

    #[test]
    fn only_the_usual_places_of_bridges_are_taken_for_bridges() {
        for (ip, expected) in [
            ("172.17.0.1", true),
            ("172.31.0.1", true),
            ("192.168.16.1", true),
            ("192.168.240.1", true),
            ("192.168.122.1", true),
            ("192.168.56.1", true),
            ("10.0.3.1", true),
            ("10.88.0.1", true),
            ("10.89.7.1", true),
            ("10.42.0.0", true),
            ("10.244.3.1", true),
            ("172.16.0.1", false),
            ("172.17.0.2", false),
            ("172.17.1.1", false),
            ("192.168.0.1", false),
            ("192.168.1.1", false),
            ("10.0.0.1", false),
            ("100.64.0.1", false),
        ] {
            assert_eq!(is_bridge(ip.parse().expect("an address")), expected, "{ip}");
        }
    }
}
