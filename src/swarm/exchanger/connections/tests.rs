//! Which connections speak the protocol, and which of them is used.

use super::*;
use crate::swarm::address::Target;

const PATIENCE: Duration = Duration::from_secs(1);

fn connection(id: usize) -> ConnectionId {
    ConnectionId::new_unchecked(id)
}

#[test]
fn peers_that_others_connected_are_found_once() {
    let mut connections = Connections::default();
    let (sibling, inbound) = (PeerId::random(), PeerId::random());
    connections.add(
        sibling,
        connection(1),
        (Origin::Sibling, Remote::default()),
        Time::ZERO,
    );
    connections.add(
        inbound,
        connection(2),
        (Origin::Inbound, Remote::default()),
        Time::ZERO,
    );
    assert_eq!(
        connections.untried(Time::ZERO, Some(PATIENCE)),
        Some(sibling)
    );
    connections.mark_used(&sibling, connection(1));
    assert_eq!(connections.untried(Time::ZERO, Some(PATIENCE)), None);
    assert_eq!(
        connections.next_untried(Some(PATIENCE)),
        Some(Time::new(PATIENCE))
    );
    assert_eq!(
        connections.untried(Time::new(PATIENCE), Some(PATIENCE)),
        Some(inbound)
    );
    connections.mark_support(&inbound, connection(2), true, Time::ZERO);
    assert_eq!(
        connections.untried(Time::ZERO, Some(PATIENCE)),
        Some(inbound)
    );
    connections.mark_support(&inbound, connection(2), false, Time::ZERO);
    assert_eq!(
        connections.untried(Time::new(PATIENCE), Some(PATIENCE)),
        None
    );
    assert_eq!(connections.next_untried(Some(PATIENCE)), None);
}

#[test]
fn a_peer_that_does_not_speak_the_protocol_is_not_asked_at_each_connection() {
    let mut connections = Connections::default();
    let peer = PeerId::random();
    let mut is_untried = |id, speaks: Option<bool>, now| {
        let sibling = (Origin::Sibling, Remote::default());
        connections.add(peer, connection(id), sibling, now);
        if let Some(speaks) = speaks {
            connections.mark_support(&peer, connection(id), speaks, now);
        }
        let untried = connections.untried(now, None).is_some();
        connections.remove(&peer, connection(id));
        untried
    };
    let start = Time::ZERO;
    assert!(is_untried(1, None, start));
    assert!(!is_untried(2, Some(false), start));
    assert!(!is_untried(3, None, start));
    is_untried(4, Some(true), start);
    assert!(is_untried(5, None, start), "it has learnt to");
    is_untried(6, Some(false), start);
    assert!(!is_untried(7, None, Time::new(UNSUPPORTED_FOR / 2)));
    assert!(
        is_untried(8, None, Time::new(UNSUPPORTED_FOR)),
        "it may have learnt to"
    );
}

#[test]
fn connections_come_and_go() {
    let mut connections = Connections::default();
    let peer = PeerId::random();
    assert!(!connections.is_connected(&peer));
    connections.add(
        peer,
        connection(1),
        (Origin::Ours, Remote::default()),
        Time::ZERO,
    );
    connections.add(
        peer,
        connection(2),
        (Origin::Inbound, Remote::default()),
        Time::ZERO,
    );
    assert_eq!(connections.of(&peer).count(), 2);
    assert!(connections.is_ours(&peer, connection(1)));
    assert!(!connections.is_ours(&peer, connection(2)));
    connections.mark_support(&peer, connection(1), false, Time::ZERO);
    assert!(connections.usable(&peer).eq([connection(2)]));
    connections.remove(&peer, connection(1));
    connections.remove(&peer, connection(2));
    assert!(!connections.is_connected(&peer));
    assert_eq!(connections.usable(&peer).count(), 0);
}

fn through(relay: PeerId) -> Remote {
    let home = "/ip4/1.2.3.4/tcp/1"
        .parse::<Multiaddr>()
        .expect("a multiaddr");
    Remote {
        remote: Target::of(&home),
        relayed: true,
        relay: Some(relay),
        ..Remote::default()
    }
}

#[test]
fn direct_connections_come_first() {
    let mut connections = Connections::default();
    let (peer, relay) = (PeerId::random(), PeerId::random());
    let way = (Origin::Ours, through(relay));
    connections.add(peer, connection(1), way, Time::ZERO);
    assert!(!connections.is_direct(&peer));
    assert!(connections.network(&peer).is_some(), "the relay's");
    assert!(connections.usable(&peer).eq([connection(1)]));
    let way = (Origin::Inbound, Remote::default());
    connections.add(peer, connection(2), way, Time::ZERO);
    assert!(connections.usable(&peer).eq([connection(2), connection(1)]));
    assert!(connections.direct(&peer).eq([connection(2)]));
    assert_eq!(
        connections.network(&peer),
        None,
        "the relay's is not its own"
    );
    assert!(connections.is_through(&relay) && !connections.is_through(&peer));
    connections.remove(&peer, connection(2));
    assert!(!connections.is_direct(&peer));
}

#[test]
fn a_relayed_connection_may_be_upgraded_for_a_while() {
    let mut connections = Connections::default();
    let peer = PeerId::random();
    for (number, origin) in [(1, Origin::Ours), (2, Origin::Sibling)] {
        let way = (origin, through(PeerId::random()));
        connections.add(peer, connection(number), way, Time::ZERO);
    }
    assert!(connections.is_upgrading(&peer, connection(1)));
    assert!(!connections.is_upgrading(&peer, connection(2)));
    assert_eq!(connections.next_upgrade(), Some(Time::new(UPGRADE_TIMEOUT)));
    assert_eq!(connections.upgrade_overdue(Time::ZERO), None);
    assert_eq!(
        connections.upgrade_overdue(Time::new(UPGRADE_TIMEOUT)),
        Some(peer)
    );
    assert_eq!(connections.end_upgrades(&peer), [connection(1)]);
    assert_eq!(connections.end_upgrades(&peer), []);
    assert_eq!(connections.next_upgrade(), None);
}

#[test]
fn a_relay_is_where_it_is_connected() {
    let mut connections = Connections::default();
    let relay = PeerId::random();
    let target = |text: &str| {
        let address = text.parse::<Multiaddr>().expect("a multiaddr");
        Target::of(&address).expect("a target")
    };
    let home = target("/ip4/1.2.3.4/tcp/1");
    assert!(!connections.is_relay_at(&relay, home.host()));
    let remote_end = Remote {
        remote: Some(home),
        ..Remote::default()
    };
    let way = (Origin::Inbound, remote_end);
    connections.add(relay, connection(1), way, Time::ZERO);
    assert!(connections.is_relay_at(&relay, home.host()));
    let other = target("/ip4/1.2.3.5/tcp/1");
    assert!(!connections.is_relay_at(&relay, other.host()));
    let name = target("/dns4/example.org/tcp/1");
    assert!(
        connections.is_relay_at(&relay, name.host()),
        "nobody can tell"
    );
}
