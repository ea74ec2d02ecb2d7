//! Several instances of the behaviour in one swarm, each for a network or an overlay of its own, and the
//! connections that they share.
//!
//! To each of them the others are siblings, and yet not: a sibling that uses a connection in silence may
//! lose it, and one that dials a connected peer says by this that it wants to keep it. So instances tell
//! each other which dials are theirs, and who lets go of such a connection last closes it. They find each
//! other by the node's `PeerId`, so that nobody has to introduce them; `ConnectionId`s are never used
//! twice in a process.
//!
//! To let go is a vote, and not a count of who holds, since none of them knows what the others' handlers
//! have just begun to receive: whoever has nothing under way asks the others, who answer when they have
//! nothing under way either, and whoever uses the connection meanwhile ends the vote, and begins the
//! next one when it is done. No waker is needed: a swarm that has told one of its behaviours something
//! polls them all.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;

/// The circles of this process. Touched when an instance is made.
static CIRCLES: Mutex<BTreeMap<PeerId, Weak<Mutex<Circle>>>> = Mutex::new(BTreeMap::new());

type Member = u64;

/// One instance's place among the instances of its node. When it is dropped, its votes do not count.
#[derive(Debug)]
pub(crate) struct Fellow {
    circle: Arc<Mutex<Circle>>,
    me: Member,
}

/// All instances of one node. What it holds is bounded by the dials under way and the open connections.
#[derive(Debug, Default)]
struct Circle {
    next: Member,
    dials: BTreeMap<ConnectionId, Dial>,
    joint: BTreeMap<ConnectionId, Joint>,
    /// Whose neighbours are who, for the sake of connections that none of them has dialled.
    neighbours: BTreeSet<(PeerId, Member)>,
    /// Who is still to be told that a vote is under way.
    asked: Vec<(Member, PeerId, ConnectionId)>,
    /// What one of them tells all behaviours of the swarm.
    telling: Option<Telling>,
}

/// Where a peer was found, and who of the instances has heard that one of them says so.
#[derive(Debug)]
struct Telling {
    peer: PeerId,
    address: Multiaddr,
    heard: BTreeSet<Member>,
}

#[derive(Debug)]
struct Dial {
    by: Member,
    /// What came of it is being told to one instance after the other; when they are polled again,
    /// all have heard of it.
    ended: bool,
}

/// A connection that one of the instances has dialled.
#[derive(Debug)]
struct Joint {
    peer: PeerId,
    /// Those that know of it.
    votes: BTreeMap<Member, Vote>,
    /// All have let go, and it is being closed.
    closing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vote {
    /// Uses it, may want to, or has not been asked.
    Holds,
    /// Is asked whether anything is under way.
    Asked,
    /// Has nothing under way.
    LetsGo,
}

impl Joint {
    fn is_voted_on(&self) -> bool {
        self.votes.values().any(|vote| *vote != Vote::Holds)
    }
}

impl Fellow {
    /// A new instance of the node called `local`.
    pub(crate) fn of(local: PeerId) -> Self {
        let mut circles = CIRCLES.lock().unwrap_or_else(PoisonError::into_inner);
        circles.retain(|_, circle| circle.strong_count() > 0);
        let circle = circles.get(&local).and_then(Weak::upgrade);
        let circle = circle.unwrap_or_else(|| {
            let circle = Arc::default();
            circles.insert(local, Arc::downgrade(&circle));
            circle
        });
        Self::joining(circle)
    }

    /// The only instance of its node.
    pub(crate) fn alone() -> Self {
        Self::joining(Arc::default())
    }

    /// Another instance of the same node.
    #[cfg(test)]
    pub(crate) fn another(&self) -> Self {
        Self::joining(self.circle.clone())
    }

    fn joining(circle: Arc<Mutex<Circle>>) -> Self {
        let me = {
            let mut circle = lock(&circle);
            circle.next += 1;
            circle.next
        };
        Self { circle, me }
    }

    fn lock(&self) -> MutexGuard<'_, Circle> {
        lock(&self.circle)
    }

    // ---- Dials ----

    /// This instance dials.
    pub(crate) fn dials(&self, connection: ConnectionId) {
        let dial = Dial {
            by: self.me,
            ended: false,
        };
        self.lock().dials.insert(connection, dial);
    }

    /// Whether a dial that is under way, or whose end is just being told, is one of the instances'.
    pub(crate) fn is_ours(&self, connection: ConnectionId) -> bool {
        self.lock().dials.contains_key(&connection)
    }

    /// A dial has failed; whoever's it was.
    pub(crate) fn dial_failed(&self, connection: ConnectionId) {
        self.lock().dial_ended(connection);
    }

    // ---- Connections ----

    /// A connection is established. Returns whether one of the instances has dialled it, so that it is
    /// theirs to close.
    pub(crate) fn established(&self, peer: PeerId, connection: ConnectionId) -> bool {
        let mut circle = self.lock();
        if !circle.dials.contains_key(&connection) {
            return false;
        }
        circle.dial_ended(connection);
        let joint = circle.joint.entry(connection).or_insert_with(|| Joint {
            peer,
            votes: BTreeMap::new(),
            closing: false,
        });
        joint.votes.insert(self.me, Vote::Holds);
        true
    }

    /// A connection is closed.
    pub(crate) fn closed(&self, connection: ConnectionId) {
        let mut circle = self.lock();
        circle.joint.remove(&connection);
        circle.asked.retain(|(_, _, other)| *other != connection);
    }

    /// Whether the connection is being closed, and of no use any more.
    pub(crate) fn is_closing(&self, connection: ConnectionId) -> bool {
        let circle = self.lock();
        circle.joint.get(&connection).is_some_and(|j| j.closing)
    }

    /// This instance uses the connection. Returns whether that ended a vote: then it has to begin
    /// another, by [`Self::lets_go`], when it is done.
    pub(crate) fn uses(&self, connection: ConnectionId) -> bool {
        let mut circle = self.lock();
        let Some(joint) = circle.joint.get_mut(&connection) else {
            return false;
        };
        if joint.closing || !joint.is_voted_on() {
            return false;
        }
        for vote in joint.votes.values_mut() {
            *vote = Vote::Holds;
        }
        circle.asked.retain(|(_, _, other)| *other != connection);
        true
    }

    /// This instance has nothing under way on the connection. Returns whether it is the last to let go,
    /// and is to close it; if not, the others are asked.
    pub(crate) fn lets_go(&self, connection: ConnectionId) -> bool {
        let circle = &mut *self.lock();
        let Some(joint) = circle.joint.get_mut(&connection) else {
            return false;
        };
        joint.votes.insert(self.me, Vote::LetsGo);
        for (member, vote) in &mut joint.votes {
            if *vote == Vote::Holds {
                *vote = Vote::Asked;
                circle.asked.push((*member, joint.peer, connection));
            }
        }
        let is_last = joint.votes.values().all(|vote| *vote == Vote::LetsGo);
        let closes = is_last && !joint.closing;
        joint.closing |= is_last;
        closes
    }

    /// The connections that others let go of, for each once. This instance is to say
    /// [`Self::uses`], or, when nothing is under way there, [`Self::lets_go`]. To be called whenever
    /// the behaviour is polled.
    pub(crate) fn asked(&self) -> Vec<(PeerId, ConnectionId)> {
        let circle = &mut *self.lock();
        circle.dials.retain(|_, d| d.by != self.me || !d.ended);
        let mine = circle.asked.extract_if(.., |(who, _, _)| *who == self.me);
        mine.map(|(_, peer, connection)| (peer, connection))
            .collect()
    }

    // ---- Neighbours ----

    /// The peer is a neighbour of this instance's from now on, or no longer.
    pub(crate) fn has_neighbour(&self, peer: PeerId, is_neighbour: bool) {
        let mut circle = self.lock();
        match is_neighbour {
            true => circle.neighbours.insert((peer, self.me)),
            false => circle.neighbours.remove(&(peer, self.me)),
        };
    }

    /// Whether the peer is a neighbour of any instance.
    pub(crate) fn is_neighbour(&self, peer: &PeerId) -> bool {
        let circle = self.lock();
        let of_all = (*peer, Member::MIN)..=(*peer, Member::MAX);
        circle.neighbours.range(of_all).next().is_some()
    }

    // ---- Announcements ----

    /// This instance tells all behaviours of the swarm that `peer` is at `address`.
    pub(crate) fn tells(&self, peer: PeerId, address: Multiaddr) {
        let heard = BTreeSet::new();
        self.lock().telling = Some(Telling {
            peer,
            address,
            heard,
        });
    }

    /// Whether it is one of the instances that says so, and not another behaviour: to a fellow of another
    /// network that is nobody to contact. Each may ask once, since the swarm tells all of them before anybody
    /// says anything else; whoever says it again is another.
    pub(crate) fn is_told_by_one_of_us(&self, peer: &PeerId, address: &Multiaddr) -> bool {
        let circle = &mut *self.lock();
        let telling = circle.telling.as_mut();
        let telling = telling.filter(|t| t.peer == *peer && t.address == *address);
        telling.is_some_and(|telling| telling.heard.insert(self.me))
    }

    /// How much is remembered.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        let circle = self.lock();
        circle.dials.is_empty() && circle.joint.is_empty() && circle.asked.is_empty()
    }
}

impl Circle {
    fn dial_ended(&mut self, connection: ConnectionId) {
        if let Some(dial) = self.dials.get_mut(&connection) {
            dial.ended = true;
        }
    }
}

impl Drop for Fellow {
    fn drop(&mut self) {
        let mut circle = self.lock();
        circle.dials.retain(|_, dial| dial.by != self.me);
        circle.asked.retain(|(who, _, _)| *who != self.me);
        circle.neighbours.retain(|(_, whose)| *whose != self.me);
        let Circle { joint, asked, .. } = &mut *circle;
        joint.retain(|connection, joint| {
            joint.votes.remove(&self.me);
            // All others wait for the one who is gone: they are asked again, and the last closes.
            if joint.votes.values().all(|vote| *vote == Vote::LetsGo) {
                joint.closing = false;
                for (member, vote) in &mut joint.votes {
                    *vote = Vote::Asked;
                    asked.push((*member, joint.peer, *connection));
                }
            }
            !joint.votes.is_empty()
        });
    }
}

fn lock(circle: &Mutex<Circle>) -> MutexGuard<'_, Circle> {
    circle.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_of_one_is_known_to_all() {
        let (one, peer) = (Fellow::alone(), PeerId::random());
        let two = one.another();
        two.has_neighbour(peer, true);
        assert!(one.is_neighbour(&peer) && two.is_neighbour(&peer));
        one.has_neighbour(peer, true);
        two.has_neighbour(peer, false);
        assert!(two.is_neighbour(&peer));
        drop(one);
        assert!(!two.is_neighbour(&peer));
    }

    #[test]
    fn who_goes_before_it_has_voted_keeps_nothing_open() {
        let (one, peer) = (Fellow::alone(), PeerId::random());
        let (two, connection) = (one.another(), ConnectionId::new_unchecked(1));
        one.dials(connection);
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
        let (one, peer) = (Fellow::alone(), PeerId::random());
        let (two, address) = (one.another(), Multiaddr::empty());
        assert!(!two.is_told_by_one_of_us(&peer, &address));
        one.tells(peer, address.clone());
        assert!(!two.is_told_by_one_of_us(&PeerId::random(), &address));
        for fellow in [&one, &two] {
            assert!(fellow.is_told_by_one_of_us(&peer, &address));
            assert!(
                !fellow.is_told_by_one_of_us(&peer, &address),
                "a sibling says it, too"
            );
        }
    }

    const CONNECTION: usize = 7;

    fn connection() -> ConnectionId {
        ConnectionId::new_unchecked(CONNECTION)
    }

    /// Two instances, and a connection that the first has dialled.
    fn connected() -> (Fellow, Fellow, PeerId) {
        let (a, peer) = (Fellow::alone(), PeerId::random());
        let b = a.another();
        a.dials(connection());
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
        let (a, peer) = (Fellow::alone(), PeerId::random());
        a.dials(connection());
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
        b.dials(failed);
        drop(b);
        assert!(!a.is_ours(failed));
        assert!(a.lets_go(connection()));
        a.closed(connection());
        assert!(a.is_empty());
    }

    #[test]
    fn a_failed_dial_is_known_until_all_have_heard_of_it() {
        let a = Fellow::alone();
        let b = a.another();
        a.dials(connection());
        a.dial_failed(connection());
        assert!(b.is_ours(connection()));
        b.dial_failed(connection());
        b.asked();
        a.asked();
        assert!(!b.is_ours(connection()));
        assert!(a.is_empty());
    }

    #[test]
    fn instances_of_one_node_find_each_other_and_nobody_else() {
        let (one, other) = (PeerId::random(), PeerId::random());
        let [a, b, c] = [one, one, other].map(Fellow::of);
        a.dials(connection());
        assert!(b.is_ours(connection()));
        assert!(!c.is_ours(connection()));
        drop((a, b));
        assert!(!Fellow::of(one).is_ours(connection()));
    }
}
