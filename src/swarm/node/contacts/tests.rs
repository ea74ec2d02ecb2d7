//! Which peers are saved, with which addresses.

use std::time::Duration;

use std::slice;

use libp2p_identity::Keypair;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn home(port: u64) -> Multiaddr {
    format!("/memory/{port}").parse().expect("a multiaddr")
}

fn record(keypair: &Keypair, seq: u64, port: u64) -> Record {
    Record::sign(keypair, seq, &[home(port)]).expect("signing works")
}

fn meet(contacts: &mut Contacts, record: &Record, dialled: Option<&Multiaddr>, now: Time) {
    meet_at(contacts, record, at(dialled), now);
}

fn meet_at(
    contacts: &mut Contacts,
    record: &Record,
    place: Place<'_>,
    now: Time,
) -> Vec<Multiaddr> {
    contacts.met(record.peer_id(), Some(record), place, now, |_| false)
}

fn at(dialled: Option<&Multiaddr>) -> Place<'_> {
    Place {
        dialled,
        ..Place::default()
    }
}

#[test]
fn only_peers_found_at_their_own_addresses_are_saved() {
    let mut contacts = Contacts::default();
    let [a, b, c] = [1, 2, 3].map(|_| Keypair::generate_ed25519());
    let (a, b, c) = (record(&a, 1, 1), record(&b, 1, 2), record(&c, 1, 3));
    meet(&mut contacts, &a, Some(&home(1)), Time::new(SECOND));
    meet(&mut contacts, &b, None, Time::new(SECOND));
    meet(&mut contacts, &c, Some(&home(99)), Time::new(SECOND));
    let hidden = PeerId::random();
    contacts.met(hidden, None, at(Some(&home(4))), Time::new(SECOND), |_| {
        false
    });
    for peer in [a.peer_id(), b.peer_id(), c.peer_id(), hidden] {
        assert!(contacts.contains(&peer));
    }
    assert_eq!(contacts.found(), slice::from_ref(&a));
    meet(&mut contacts, &b, Some(&home(2)), Time::new(2 * SECOND));
    assert_eq!(contacts.found(), [b.clone(), a.clone()], "the latest first");
    // It came by itself since, and is where it was.
    meet(&mut contacts, &a, None, Time::new(3 * SECOND));
    assert_eq!(contacts.found(), [a.clone(), b.clone()]);
    contacts.not_found_at(&a.peer_id(), &home(9));
    contacts.not_found_at(&b.peer_id(), &home(2));
    assert_eq!(contacts.found(), slice::from_ref(&a));
    assert!(contacts.contains(&a.peer_id()) && !contacts.contains(&b.peer_id()));
    assert_eq!(contacts.whereabouts(&b.peer_id(), None), (None, None));
    contacts.forget(&a.peer_id());
    assert!(!contacts.contains(&a.peer_id()));
}

/// A laptop that wakes up without a network, and saves what it knows.
#[test]
fn node_without_a_network_forgets_nobody() {
    let mut contacts = Contacts::default();
    let [a, b] = [1, 2].map(|_| Keypair::generate_ed25519());
    let (a, b) = (record(&a, 1, 1), record(&b, 1, 2));
    meet(&mut contacts, &a, Some(&home(1)), Time::new(SECOND));
    meet(&mut contacts, &b, Some(&home(2)), Time::new(2 * SECOND));
    contacts.failed(&b.peer_id());
    assert_eq!(contacts.found(), slice::from_ref(&a));
    contacts.failed(&a.peer_id());
    assert_eq!(contacts.found(), [b.clone(), a.clone()]);
    meet(&mut contacts, &a, None, Time::new(3 * SECOND));
    assert_eq!(contacts.found(), [a]);
}

#[test]
fn moved_peer_has_to_be_found_again() {
    let mut contacts = Contacts::default();
    let keypair = Keypair::generate_ed25519();
    let (old, new) = (record(&keypair, 1, 1), record(&keypair, 2, 2));
    let peer = old.peer_id();
    meet(&mut contacts, &old, Some(&home(1)), Time::new(SECOND));
    let known = contacts.whereabouts(&peer, None);
    assert_eq!(known, (Some(old.clone()), Some(home(1))));
    // Gossip knows it already.
    let known = contacts.whereabouts(&peer, Some(&new));
    assert_eq!(known, (Some(new.clone()), None));
    meet(&mut contacts, &new, None, Time::new(SECOND));
    assert_eq!(
        contacts.whereabouts(&peer, Some(&old)),
        (Some(new.clone()), None)
    );
    meet(&mut contacts, &old, Some(&home(1)), Time::new(SECOND));
    assert!(contacts.found().is_empty(), "not where it says it is now");
    meet(&mut contacts, &new, Some(&home(2)), Time::new(SECOND));
    assert_eq!(contacts.found(), [new]);
    assert_eq!(contacts.whereabouts(&PeerId::random(), None), (None, None));
}

#[test]
fn contacts_are_bounded_and_inbound_ones_displace_nobody() {
    let mut contacts = Contacts::default();
    let keypair = Keypair::generate_ed25519();
    let found = record(&keypair, 1, 1);
    meet(&mut contacts, &found, Some(&home(1)), Time::ZERO);
    let kept = PeerId::random();
    contacts.met(kept, None, at(None), Time::ZERO, |_| true);
    for second in 1..3 * MAX_CONTACTS as u32 {
        let peer = PeerId::random();
        contacts.met(peer, None, at(None), Time::new(second * SECOND), |peer| {
            *peer == kept
        });
        assert!(contacts.contains(&peer), "the latest stays");
    }
    assert_eq!(contacts.0.len(), MAX_CONTACTS + 1);
    assert!(contacts.contains(&found.peer_id()) && contacts.contains(&kept));
}

fn text(text: &str) -> Multiaddr {
    text.parse().expect("a multiaddr")
}

fn record_of(keypair: &Keypair, seq: u64, addresses: &[Multiaddr]) -> Record {
    Record::sign(keypair, seq, addresses).expect("signing works")
}

/// The other end of a connection that the peer has opened.
fn from(host: &str) -> Place<'_> {
    let target = Target::of(&text(&format!("/ip4/{host}/tcp/50000")));
    Place {
        host: target.map(|target| target.host()),
        ..Place::default()
    }
}

#[test]
fn inbound_peer_is_believed_about_its_own_host_only() {
    let mut contacts = Contacts::default();
    let keypair = Keypair::generate_ed25519();
    let [home, quic, victim, relayed] = [
        text("/ip4/1.2.3.4/tcp/4001"),
        text("/ip6/::ffff:1.2.3.4/udp/4001/quic-v1"),
        text("/ip4/5.6.7.8/tcp/4001"),
        text(&format!(
            "/ip4/1.2.3.4/tcp/1/p2p/{}/p2p-circuit",
            PeerId::random()
        )),
    ];
    let said = [home.clone(), quic.clone(), victim.clone(), relayed.clone()];
    let record = record_of(&keypair, 1, &said);
    let told = meet_at(&mut contacts, &record, at(None), Time::new(SECOND));
    assert!(told.is_empty(), "a relayed connection shows nothing");
    let told = meet_at(&mut contacts, &record, from("1.2.3.4"), Time::new(SECOND));
    assert_eq!(told, [home.clone(), quic.clone()]);
    let told = meet_at(&mut contacts, &record, from("1.2.3.4"), Time::new(SECOND));
    assert!(told.is_empty(), "told before");
    let told = meet_at(
        &mut contacts,
        &record,
        at(Some(&relayed)),
        Time::new(SECOND),
    );
    assert_eq!(told, [relayed], "dialled exactly there");
    let (_, verified) = contacts.whereabouts(&record.peer_id(), None);
    assert_ne!(
        verified,
        Some(home),
        "it came by, and was not dialled there"
    );
}

#[test]
fn address_that_failed_in_the_same_dial_is_not_told() {
    let mut contacts = Contacts::default();
    let (tcp, quic) = (
        text("/ip4/1.2.3.4/tcp/1"),
        text("/ip4/1.2.3.4/udp/1/quic-v1"),
    );
    let keypair = Keypair::generate_ed25519();
    let record = record_of(&keypair, 1, &[quic.clone(), tcp.clone()]);
    let missed = [quic.clone()];
    let place = Place {
        dialled: Some(&tcp),
        missed: &missed,
        ..from("1.2.3.4")
    };
    let told = meet_at(&mut contacts, &record, place, Time::new(SECOND));
    assert_eq!(told, slice::from_ref(&tcp));
    // Later it is found there, too.
    let place = Place {
        dialled: Some(&quic),
        ..from("1.2.3.4")
    };
    assert_eq!(
        meet_at(&mut contacts, &record, place, Time::new(SECOND)),
        missed
    );
}

#[test]
fn each_address_is_told_once_until_it_fails() {
    let mut contacts = Contacts::default();
    let keypair = Keypair::generate_ed25519();
    let (one, two) = (text("/ip4/1.2.3.4/tcp/1"), text("/ip4/1.2.3.4/tcp/2"));
    let old = record_of(&keypair, 1, slice::from_ref(&one));
    let new = record_of(&keypair, 2, &[one.clone(), two.clone()]);
    let peer = old.peer_id();
    let meet = |contacts: &mut Contacts, record| {
        meet_at(contacts, record, from("1.2.3.4"), Time::new(SECOND))
    };
    assert_eq!(meet(&mut contacts, &old), slice::from_ref(&one));
    assert_eq!(meet(&mut contacts, &new), slice::from_ref(&two));
    assert!(meet(&mut contacts, &old).is_empty());
    contacts.not_found_at(&peer, &two);
    assert_eq!(meet(&mut contacts, &new), slice::from_ref(&two));
    contacts.failed(&peer);
    assert_eq!(meet(&mut contacts, &new), [one.clone(), two.clone()]);
    contacts.forget(&peer);
    assert_eq!(meet(&mut contacts, &new), [one, two]);
    assert!(meet(&mut contacts, &new).is_empty());
}

/// The seed of a tiny network has dialled nobody.
#[test]
fn node_with_few_contacts_saves_inbound_ones_too() {
    let mut contacts = Contacts::default();
    let came_by = |contacts: &mut Contacts, n: u32| {
        let home = text(&format!("/ip4/1.2.3.4/tcp/{}", n + 1));
        let record = record_of(&Keypair::generate_ed25519(), 1, &[home]);
        meet_at(contacts, &record, from("1.2.3.4"), Time::new(n * SECOND));
        record
    };
    let elsewhere = record(&Keypair::generate_ed25519(), 1, 1);
    meet_at(
        &mut contacts,
        &elsewhere,
        from("1.2.3.4"),
        Time::new(SECOND),
    );
    assert!(contacts.found().is_empty());
    let first = came_by(&mut contacts, 1);
    assert_eq!(contacts.found(), slice::from_ref(&first));
    contacts.failed(&first.peer_id());
    assert_eq!(contacts.found(), [first], "nobody else is left");
    let found = record(&Keypair::generate_ed25519(), 1, 7);
    meet(&mut contacts, &found, Some(&home(7)), Time::new(SECOND));
    for n in 2..100 {
        came_by(&mut contacts, n);
    }
    let saved = contacts.found();
    assert_eq!(saved.len(), FEW);
    assert_eq!(saved[0], found, "before all others");
    for port in 10..10 + FEW as u64 {
        let found = record(&Keypair::generate_ed25519(), 1, port);
        meet(&mut contacts, &found, Some(&home(port)), Time::new(SECOND));
    }
    let saved = contacts.found();
    assert_eq!(saved.len(), FEW + 1);
    let own = |record: &Record| Target::of(&record.addresses()[0]).and_then(|t| t.prefixes());
    assert!(
        saved.iter().all(|record| own(record).is_none()),
        "only those"
    );
}
