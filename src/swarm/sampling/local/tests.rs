//! Which record a node makes of the addresses that it hears about.

use std::slice;

use libp2p_core::{ConnectedPoint, Multiaddr, transport::ListenerId};
use libp2p_swarm::{
    ConnectionId, ExpiredListenAddr, ExternalAddrExpired, ListenerClosed, NewListenAddr,
    behaviour::{ConnectionEstablished, ExternalAddrConfirmed, NewListener},
};

use super::*;
use crate::swarm::{address::Scope, record::profile::Profile};

fn address(text: &str) -> Multiaddr {
    text.parse().expect("a multiaddr")
}

fn local(scope: Scope) -> LocalRecord {
    let unconfirmed = scope != Scope::Global;
    let keypair = Keypair::generate_ed25519();
    let policy = AddressPolicy::new(scope);
    LocalRecord::new(keypair, policy, unconfirmed, "/net/peer-sampling/1.0.0")
}

fn listen(local: &mut LocalRecord, addr: &str) -> Option<Option<Record>> {
    let event = FromSwarm::NewListenAddr(NewListenAddr {
        listener_id: ListenerId::next(),
        addr: &address(addr),
    });
    change(local, &event)
}

fn change(local: &mut LocalRecord, event: &FromSwarm) -> Option<Option<Record>> {
    assert!(local.on_swarm_event(event));
    local.renew(Time::ZERO)
}

fn expire(local: &mut LocalRecord, addr: &str) -> Option<Option<Record>> {
    let event = FromSwarm::ExpiredListenAddr(ExpiredListenAddr {
        listener_id: ListenerId::next(),
        addr: &address(addr),
    });
    change(local, &event)
}

/// A peer at `from` connects to `to`. Returns whether anything is new.
fn come_in(local: &mut LocalRecord, from: &str, to: &str) -> bool {
    let endpoint = ConnectedPoint::Listener {
        local_addr: address(to),
        send_back_addr: address(from),
    };
    local.on_swarm_event(&FromSwarm::ConnectionEstablished(ConnectionEstablished {
        peer_id: PeerId::random(),
        connection_id: ConnectionId::new_unchecked(1),
        endpoint: &endpoint,
        failed_addresses: &[],
        other_established: 0,
    }))
}

fn advertised(local: &LocalRecord) -> Vec<String> {
    let record = local.record.as_ref().map_or(&[][..], Record::addresses);
    record.iter().map(Multiaddr::to_string).collect()
}

/// What is said to be left out, and that it is not what is advertised.
fn left_out(local: &mut LocalRecord, now: Time) -> Option<Vec<String>> {
    let Event::AddressesLeftOut {
        advertised,
        left_out,
    } = local.poll(now)?
    else {
        panic!("something else is said");
    };
    assert_eq!(advertised, local.record.as_ref().expect("one").addresses());
    assert!(!left_out.iter().any(|address| advertised.contains(address)));
    Some(left_out.iter().map(Multiaddr::to_string).collect())
}

const TRANSPORTS: [&str; 2] = ["tcp/4001", "udp/4001/quic-v1"];

fn listen_by_both(local: &mut LocalRecord, hosts: &[&str]) {
    for host in hosts {
        for transport in TRANSPORTS {
            listen(local, &format!("/ip4/{host}/{transport}"));
        }
    }
}

#[test]
fn lan_address_is_advertised_beside_container_bridges() {
    let mut local = local(Scope::Private);
    let bridges = ["172.17.0.1", "172.18.0.1", "172.19.0.1", "172.20.0.1"];
    listen_by_both(&mut local, &bridges);
    listen_by_both(&mut local, &["192.168.1.5"]);
    let advertised = advertised(&local);
    assert_eq!(advertised.len(), MAX_ADDRESSES);
    for transport in TRANSPORTS {
        let lan = format!("/ip4/192.168.1.5/{transport}");
        assert!(
            advertised.contains(&lan),
            "{lan} is not among {advertised:?}"
        );
    }
    for bridge in bridges {
        assert!(advertised.iter().any(|a| a.contains(bridge)), "{bridge}");
    }
}

#[test]
fn addresses_left_out_are_told_once_per_change() {
    let mut local = local(Scope::Private);
    let hosts: Vec<_> = (1..=4).map(|n| format!("10.{n}.0.7")).collect();
    let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
    listen_by_both(&mut local, &hosts);
    assert_eq!(local.next_wake(), None, "there is room for all");
    let late = ["/ip4/10.5.0.7/tcp/4001", "/ip4/10.6.0.7/tcp/4001"];
    listen(&mut local, late[0]);
    listen(&mut local, late[1]);
    assert_eq!(local.next_wake(), Some(Time::new(ADDRESSES_TIMEOUT)));
    assert!(left_out(&mut local, Time::ZERO).is_none(), "too early");
    let first = left_out(&mut local, Time::new(ADDRESSES_TIMEOUT)).expect("two are left out");
    assert_eq!(first.len(), 2);
    assert!(left_out(&mut local, Time::new(9 * ADDRESSES_TIMEOUT)).is_none());
    // What comes and goes in the meantime changes nothing.
    listen(&mut local, "/ip4/172.17.0.1/tcp/4001");
    expire(&mut local, "/ip4/172.17.0.1/tcp/4001");
    assert_eq!(local.next_wake(), None);
    listen(&mut local, "/ip4/172.17.0.1/tcp/4001");
    let second = left_out(&mut local, Time::new(ADDRESSES_TIMEOUT)).expect("one more");
    assert_eq!(second.len(), 3);
    // Room for all, and then not any more.
    for gone in ["/ip4/172.17.0.1/tcp/4001", late[0], late[1]] {
        expire(&mut local, gone);
    }
    assert_eq!((local.next_wake(), advertised(&local).len()), (None, 8));
    listen(&mut local, late[0]);
    assert!(left_out(&mut local, Time::new(ADDRESSES_TIMEOUT)).is_some());
}

#[test]
fn address_too_long_for_the_record_is_said_to_be_left_out() {
    let mut local = local(Scope::Loopback);
    local.policy = AddressPolicy::new(Scope::Loopback).with_dns(true);
    for number in 1..=5 {
        let name = format!("{number}.{}", "very-long-name.".repeat(16));
        listen(&mut local, &format!("/dns4/{name}org/tcp/1"));
    }
    let signed = local.last_seq;
    let fitting = advertised(&local).len();
    assert!((1..5).contains(&fitting));
    let said = left_out(&mut local, Time::new(ADDRESSES_TIMEOUT)).expect("some are left out");
    assert_eq!(said.len(), 5 - fitting);
    local.renew(Time::ZERO);
    assert_eq!(local.last_seq, signed, "the same record is signed again");
}

#[test]
fn address_where_a_peer_came_in_is_advertised_before_others() {
    let mut local = local(Scope::Private);
    let hosts: Vec<_> = (1..=12).map(|n| format!("10.{n}.0.7")).collect();
    let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
    listen_by_both(&mut local, &hosts);
    listen(&mut local, "/ip4/127.0.0.1/tcp/4001");
    let (near, far) = ("/ip4/10.10.0.7/tcp/4001", "/ip4/10.11.0.7/tcp/4001");
    assert!(!advertised(&local).iter().any(|a| a == near || a == far));

    let peer = "/ip4/10.77.0.9/tcp/50000";
    let relayed = format!("/ip4/1.2.3.4/tcp/1/p2p/{}/p2p-circuit", PeerId::random());
    for (from, to) in [
        ("/ip4/127.0.0.1/tcp/50000", "/ip4/127.0.0.1/tcp/4001"),
        ("/ip4/10.3.0.7/tcp/50000", near), // From this machine.
        (peer, "/ip4/0.0.0.0/udp/4001/quic-v1"), // Anywhere.
        (peer, "/ip4/10.99.0.7/tcp/4001"), // Where this node does not listen.
        (peer, &relayed),
    ] {
        assert!(!come_in(&mut local, from, to), "{from} came in at {to}");
    }
    assert!(come_in(&mut local, peer, near));
    let record = local.renew(Time::ZERO).flatten().expect("a new record");
    assert_eq!(advertised(&local)[0], near);
    // It stays when others come in, and nothing is signed anew for it.
    assert!(!come_in(&mut local, peer, near));
    assert!(local.renew(Time::ZERO).is_none());
    assert!(come_in(&mut local, peer, far));
    let next = local.renew(Time::ZERO).flatten().expect("a new record");
    assert!(next.seq() > record.seq());
    let now = advertised(&local);
    assert!(now[0] == near && now.iter().any(|a| a == far));
    // No more is remembered than there are addresses.
    expire(&mut local, near);
    assert_eq!(local.reached, [address(far)]);
    assert_eq!(advertised(&local)[0], far);
}

#[test]
fn record_stays_while_its_set_and_its_first_address_do() {
    let mut local = local(Scope::Private);
    let hosts = ["10.1.0.7", "10.2.0.7", "10.3.0.7"];
    listen_by_both(&mut local, &hosts);
    let before = advertised(&local);
    let first = before[0].clone();
    let others = before.iter().filter(|a| **a != first).cloned();
    let peer = "/ip4/10.77.0.9/tcp/50000";
    assert!(come_in(&mut local, peer, &first));
    assert!(local.renew(Time::ZERO).is_none());
    for other in others {
        assert!(come_in(&mut local, peer, &other));
        assert!(local.renew(Time::ZERO).is_none(), "only the order");
    }
    let confirmed = address("/ip4/10.3.0.7/tcp/4001");
    let event = ExternalAddrConfirmed { addr: &confirmed };
    let event = FromSwarm::ExternalAddrConfirmed(event);
    let record = change(&mut local, &event).flatten();
    assert_eq!(record.expect("a new record").addresses()[0], confirmed);
    assert!(!local.on_swarm_event(&event), "confirmed again");
}

#[test]
fn the_record_follows_the_addresses_and_its_number_grows() {
    let mut local = local(Scope::Private);
    let first = listen(&mut local, "/ip4/10.0.0.1/tcp/1");
    let first = first.flatten().expect("a record");
    assert!(listen(&mut local, "/ip4/127.0.0.1/tcp/1").is_none());
    let second = listen(&mut local, "/ip4/10.0.0.2/tcp/1");
    let second = second.flatten().expect("a record");
    assert_eq!(second.addresses().len(), 2);
    assert!(second.seq() > first.seq());

    for (addr, left) in [("/ip4/10.0.0.1/tcp/1", 1), ("/ip4/10.0.0.2/tcp/1", 0)] {
        let record = expire(&mut local, addr).expect("a change");
        assert_eq!(record.map_or(0, |record| record.addresses().len()), left);
    }
}

#[test]
fn not_advertising_is_told_once_and_after_a_while() {
    let mut local = local(Scope::Global);
    assert!(local.poll(Time::new(ADDRESSES_TIMEOUT)).is_none());
    assert!(listen(&mut local, "/ip4/1.2.3.4/tcp/1").is_none());
    assert_eq!(local.next_wake(), Some(Time::new(ADDRESSES_TIMEOUT)));
    assert!(local.poll(Time::ZERO).is_none());
    let Some(Event::NotAdvertising(silence)) = local.poll(Time::new(ADDRESSES_TIMEOUT)) else {
        panic!("nothing is said");
    };
    let listening = address("/ip4/1.2.3.4/tcp/1");
    assert_eq!(silence.addresses, [(listening, NotAdmitted::Unconfirmed)]);
    assert!(local.poll(Time::new(2 * ADDRESSES_TIMEOUT)).is_none());
}

#[test]
fn a_node_that_never_listens_is_told_once() {
    let mut local = local(Scope::Global);
    assert!(local.poll(Time::ZERO).is_none());
    assert_eq!(local.next_wake(), Some(Time::new(LISTENING_TIMEOUT)));
    let Some(Event::NotAdvertising(silence)) = local.poll(Time::new(LISTENING_TIMEOUT)) else {
        panic!("nothing is said");
    };
    assert_eq!(silence.addresses, []);
    assert!(local.poll(Time::new(9 * LISTENING_TIMEOUT)).is_none());
    assert_eq!(local.next_wake(), None);
}

#[test]
fn not_advertising_is_told_once_for_many_addresses() {
    let mut local = local(Scope::Global);
    assert!(listen(&mut local, "/ip4/10.0.0.1/tcp/1").is_none());
    assert!(local.poll(Time::new(ADDRESSES_TIMEOUT)).is_some());
    assert!(listen(&mut local, "/ip4/10.0.0.2/tcp/1").is_none());
    assert!(
        local.poll(Time::new(9 * ADDRESSES_TIMEOUT)).is_none(),
        "said twice"
    );
}

#[test]
fn listen_addresses_are_advertised_where_they_need_no_confirmation() {
    let confirm = |addr| FromSwarm::ExternalAddrConfirmed(ExternalAddrConfirmed { addr });
    let (near, far) = (
        address("/ip4/10.0.0.1/tcp/1"),
        address("/ip4/10.0.0.2/tcp/1"),
    );
    for unconfirmed in [false, true] {
        let mut local = local(Scope::Private);
        local.unconfirmed = unconfirmed;
        let record = listen(&mut local, "/ip4/10.0.0.1/tcp/1").flatten();
        assert_eq!(record.is_some(), unconfirmed);
        let record = change(&mut local, &confirm(&far)).flatten();
        let advertised = record.expect("a record").addresses().to_vec();
        match unconfirmed {
            true => assert_eq!(advertised, [far.clone(), near.clone()]),
            false => assert_eq!(advertised, slice::from_ref(&far)),
        }
        let expired = FromSwarm::ExternalAddrExpired(ExternalAddrExpired { addr: &far });
        let record = change(&mut local, &expired).expect("a change");
        assert_eq!(record.is_some(), unconfirmed);
    }
}

#[test]
fn a_listener_is_set_up_until_it_has_an_address_or_is_closed() {
    let mut local = local(Scope::Loopback);
    let ids = [ListenerId::next(), ListenerId::next()];
    for listener_id in ids {
        local.on_swarm_event(&FromSwarm::NewListener(NewListener { listener_id }));
    }
    assert!(local.take_changed() && !local.take_changed());
    let addr = address("/memory/1");
    local.on_swarm_event(&FromSwarm::NewListenAddr(NewListenAddr {
        listener_id: ids[0],
        addr: &addr,
    }));
    assert!(local.take_changed() && local.setting_up() == 1);
    local.on_swarm_event(&FromSwarm::ListenerClosed(ListenerClosed {
        listener_id: ids[1],
        reason: Ok(()),
    }));
    assert!(local.take_changed() && local.setting_up() == 0);
}

/// Somebody who tries the crate for the first time listens on loopback, with the default preset.
#[test]
fn not_advertising_says_what_to_do() {
    let mut local = local(Scope::Global);
    listen(&mut local, "/ip4/127.0.0.1/tcp/1");
    listen(&mut local, "/ip4/192.168.1.2/tcp/1");
    let Some(Event::NotAdvertising(silence)) = local.poll(Time::new(ADDRESSES_TIMEOUT)) else {
        panic!("nothing is said");
    };
    assert_eq!(
        silence.to_string(),
        "no other node will hear of this one, since none of its addresses may be advertised: \
         /ip4/127.0.0.1/tcp/1 works from the same machine only; for tests, use \
         Config::local(); /ip4/192.168.1.2/tcp/1 works from the same network only; for a LAN \
         or a VPN, use Config::private_network()"
    );
}

/// The record travels, and is verified, as it is: to sign it anew would cost every peer.
#[test]
fn new_profile_leaves_the_records_signature_as_it_is() {
    let mut local = local(Scope::Private);
    assert_eq!(
        local.set_profile(vec![1]),
        Ok(None),
        "nothing is advertised"
    );
    let first = listen(&mut local, "/ip4/10.0.0.1/tcp/1").flatten();
    let first = first.expect("a record");
    let said = |record: &Record| record.profile_as::<Vec<u8>>();
    assert_eq!(said(&first), Some(vec![1]));
    let second = local.set_profile(vec![2]).expect("it is small");
    let second = second.expect("something else");
    assert_eq!(said(&second), Some(vec![2]));
    assert_eq!(second.envelope(), first.envelope());
    let seq = |record: &Record| record.signed_profile().map(Profile::seq);
    assert!(seq(&second) > seq(&first));
    assert_eq!(local.set_profile(vec![2]), Ok(None), "nothing new");
    let too_large = Err(ProfileError::TooLarge { bytes: 257 });
    assert_eq!(local.set_profile(vec![0; 257]), too_large);
    // A new record keeps the profile, and its number.
    let third = listen(&mut local, "/ip4/10.0.0.2/tcp/1").flatten();
    let third = third.expect("a record");
    assert_eq!(seq(&third), seq(&second));
    let outbid = Outbid {
        record: None,
        profile: Some(u64::MAX - 1),
    };
    let fourth = local.outbid(outbid).expect("a record");
    assert_eq!(fourth.envelope(), third.envelope());
    assert_eq!(
        (seq(&fourth), said(&fourth)),
        (Some(u64::MAX), Some(vec![2]))
    );
}
