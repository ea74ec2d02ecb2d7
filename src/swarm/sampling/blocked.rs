//! Peers that another behaviour of this swarm does not want.

use std::time::Duration;

use hashlink::LruCache;
use libp2p_identity::PeerId;

use crate::{sampling::view::Descriptor, swarm::record::Record, time::Time};

/// How long a blocked peer is not taken in at least: a denied dial costs next to nothing, so this
/// is about its place in the view. A guess.
const SHORTEST: Duration = Duration::from_secs(60);
/// How many blocked peers are remembered. A guess, some 100 kB.
const MOST: usize = 1_024;

/// Peers that another behaviour of this swarm does not want, and until when they are not taken in.
#[derive(Debug)]
pub(crate) struct Blocked {
    until: LruCache<PeerId, Time>,
    pause: Duration,
}

impl Blocked {
    /// `pause`: how long each is left out; a minute at least.
    pub(crate) fn new(pause: Option<Duration>) -> Self {
        Self {
            until: LruCache::new(MOST),
            pause: pause.map_or(SHORTEST, |pause| pause.max(SHORTEST)),
        }
    }

    /// A guard of this swarm does not want the peer. Others that tell of it bring it back no sooner
    /// than the pause is over.
    pub(crate) fn block(&mut self, peer: PeerId, now: Time) {
        self.until.insert(peer, now + self.pause);
    }

    /// The peer is connected: nobody objects any more.
    pub(crate) fn unblock(&mut self, peer: &PeerId) {
        self.until.remove(peer);
    }

    pub(crate) fn contains(&self, peer: &PeerId, now: Time) -> bool {
        self.until.peek(peer).is_some_and(|until| *until > now)
    }

    /// Takes the descriptors of blocked peers out.
    pub(crate) fn leave_out(&self, descriptors: &mut Vec<Descriptor<Record>>, now: Time) {
        if !self.until.is_empty() {
            descriptors.retain(|descriptor| !self.contains(&descriptor.peer.peer_id(), now));
        }
    }
}
