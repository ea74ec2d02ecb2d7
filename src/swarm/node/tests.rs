//! What the behaviours of one node share: connections, dials, what they announce.

use web_time::Instant;

use libp2p_swarm::{ConnectionId, StreamProtocol};

use super::*;
use crate::swarm::node::{budget::DialOutcome, dials::DialPurpose, holder::Holder};

/// The only behaviour of its node.
fn alone() -> Holder {
    #[expect(clippy::disallowed_methods, reason = "any time will do")]
    let clock = Clock::new(Instant::now());
    let pace = (Duration::from_secs(1), None);
    let node = Node::new(PeerId::random(), Limits::default(), pace, clock);
    Holder::join(&node, StreamProtocol::new("/test/1"))
}

/// Another behaviour of the same node.
fn another(holder: &Holder) -> Holder {
    Holder::join(holder.node(), StreamProtocol::new("/test/2"))
}

fn dials(holder: &Holder, connection: ConnectionId) {
    let purpose = (None, DialPurpose::Relay);
    holder.begin_dial(connection, purpose, None, Time::ZERO);
}

#[test]
fn a_neighbour_of_one_is_known_to_all() {
    let (one, peer) = (alone(), PeerId::random());
    let two = another(&one);
    two.set_neighbour(peer, true);
    assert!(one.is_neighbour(&peer) && two.is_neighbour(&peer));
    one.set_neighbour(peer, true);
    two.set_neighbour(peer, false);
    assert!(two.is_neighbour(&peer));
    drop(one);
    assert!(!two.is_neighbour(&peer));
}

#[test]
fn who_goes_before_it_has_voted_keeps_nothing_open() {
    let (one, peer) = (alone(), PeerId::random());
    let (two, connection) = (another(&one), ConnectionId::new_unchecked(1));
    dials(&one, connection);
    assert!(one.established(peer, connection) && two.established(peer, connection));
    assert!(!one.lets_go(connection) && one.asked().is_empty());
    drop(two);
    assert_eq!(one.asked(), [(peer, connection)]);
    assert!(one.lets_go(connection), "nobody closes it");
    one.closed(connection);
    assert!(one.is_empty());
}

#[test]
fn what_one_tells_is_known_to_be_its_word_once() {
    let (one, peer) = (alone(), PeerId::random());
    let (two, address) = (another(&one), Multiaddr::empty());
    assert!(!two.is_announced_by_us(&peer, &address));
    one.announce(peer, address.clone());
    assert!(!two.is_announced_by_us(&PeerId::random(), &address));
    for fellow in [&one, &two] {
        assert!(fellow.is_announced_by_us(&peer, &address));
        assert!(
            !fellow.is_announced_by_us(&peer, &address),
            "a sibling says it, too"
        );
    }
}

const CONNECTION: usize = 7;

fn connection() -> ConnectionId {
    ConnectionId::new_unchecked(CONNECTION)
}

/// Two instances, and a connection that the first has dialled.
fn connected() -> (Holder, Holder, PeerId) {
    let (a, peer) = (alone(), PeerId::random());
    let b = another(&a);
    dials(&a, connection());
    // In either order: the swarm tells one after the other.
    assert!(b.established(peer, connection()));
    assert!(a.established(peer, connection()));
    assert!(a.asked().is_empty() && b.asked().is_empty());
    assert!(!a.is_ours(connection()), "it is a dial no more");
    (a, b, peer)
}

#[test]
fn who_lets_go_last_closes() {
    let (a, b, peer) = connected();
    assert!(!a.lets_go(connection()));
    assert!(!a.lets_go(connection()), "twice is once");
    assert_eq!(b.asked(), [(peer, connection())]);
    assert!(b.asked().is_empty(), "asked once");
    assert!(!a.is_closing(connection()));
    assert!(b.lets_go(connection()));
    assert!(a.is_closing(connection()));
    assert!(!b.lets_go(connection()), "closed once");
    assert!(!a.uses(connection()), "too late");
    a.closed(connection());
    b.closed(connection());
    assert!(a.is_empty());
    assert!(!b.lets_go(connection()), "there is nothing to close");
}

#[test]
fn who_uses_it_ends_the_vote_and_begins_the_next() {
    let (a, b, peer) = connected();
    assert!(!b.uses(connection()), "there is no vote to end");
    assert!(!a.lets_go(connection()));
    assert!(b.uses(connection()));
    assert!(b.asked().is_empty());
    assert!(!b.lets_go(connection()), "what the other said is stale");
    assert_eq!(a.asked(), [(peer, connection())]);
    assert!(a.lets_go(connection()));
}

#[test]
fn alone_one_closes_at_once() {
    let (a, peer) = (alone(), PeerId::random());
    dials(&a, connection());
    a.established(peer, connection());
    assert!(a.lets_go(connection()));
    let other = ConnectionId::new_unchecked(8);
    assert!(!a.established(peer, other), "somebody else's");
    assert!(!a.lets_go(other));
}

#[test]
fn who_is_gone_has_no_say() {
    let (a, b, _) = connected();
    let failed = ConnectionId::new_unchecked(8);
    dials(&b, failed);
    drop(b);
    assert!(!a.is_ours(failed));
    assert!(a.lets_go(connection()));
    a.closed(connection());
    assert!(a.is_empty());
}

#[test]
fn a_failed_dial_is_known_until_all_have_heard_of_it() {
    let a = alone();
    let b = another(&a);
    dials(&a, connection());
    a.dial_failed(connection(), |_| DialOutcome::InVain);
    assert!(b.is_ours(connection()));
    b.dial_failed(connection(), |_| DialOutcome::InVain);
    assert!(b.is_ours(connection()), "nobody was polled yet");
    a.asked();
    assert!(!b.is_ours(connection()));
    assert!(a.is_empty());
}
