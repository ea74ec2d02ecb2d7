//! A full list of known peers, as a sampling service: a static cluster.

use std::future::{Ready, ready};

use rand::Rng;

use crate::{
    peer::Peer,
    sampling::{
        PeerSampling,
        handed_out::HandedOut,
        mode::{Mode, hand_out, selection::Selection},
        view::{Descriptor, View},
    },
};

/// The sampling service of a cluster all of whose peers are known: it exchanges nothing.
///
/// For tests, and for programs that run in a small cluster as they do in a large network. All peers
/// are of age 0, so [`Selection::Head`] and [`Selection::Tail`] both return the first of the list.
/// A draw compares each peer with those that were handed out: in a list of thousands that takes
/// milliseconds.
///
/// ```
/// use libp2p_peer_sampling::{Selection, StaticPeers};
/// use rand::{SeedableRng, rngs::StdRng};
///
/// let cluster = ["a", "b", "c"].map(str::to_owned);
/// let mut peers = StaticPeers::new(cluster, StdRng::seed_from_u64(1));
/// let one = peers.select_peer(Selection::Uniform);
/// assert_ne!(one, peers.select_peer(Selection::Uniform));
/// ```
#[derive(Debug, Clone)]
pub struct StaticPeers<P: Peer, R> {
    view: View<P>,
    handed_out: HandedOut<P::Id>,
    rng: R,
}

impl<P: Peer, R: Rng> StaticPeers<P, R> {
    /// Of these peers, in this order. A peer that comes twice is kept once.
    pub fn new(peers: impl IntoIterator<Item = P>, rng: R) -> Self {
        Self {
            view: peers.into_iter().map(Descriptor::fresh).collect(),
            handed_out: HandedOut::default(),
            rng,
        }
    }

    /// Adds a peer to the end of the list, unless it is there.
    pub fn add(&mut self, peer: P) {
        self.view.insert(Descriptor::fresh(peer));
    }

    /// Takes a peer out of the list.
    pub fn remove(&mut self, id: &P::Id) -> Option<P> {
        let removed = self.view.remove(id)?;
        self.handed_out.retain(&self.view);
        Some(removed.peer)
    }

    /// All peers.
    pub fn view(&self) -> &View<P> {
        &self.view
    }

    /// Hands out one peer, in any mode; `None` only when the list is empty.
    pub fn select_peer(&mut self, mode: impl Mode<P>) -> Option<P> {
        let Self {
            view,
            handed_out,
            rng,
        } = self;
        hand_out(&mode, view, handed_out, &|_| None, rng)
    }
}

impl<P: Peer, R: Rng> PeerSampling for StaticPeers<P, R> {
    type Peer = P;
    type Mode = Selection;
    type Snapshot<'a>
        = &'a View<P>
    where
        Self: 'a;
    type Selecting = Ready<Option<P>>;

    fn view(&self) -> &View<P> {
        &self.view
    }

    fn view_len(&self) -> usize {
        self.view.len()
    }

    fn select_peer(&mut self, mode: &Selection) -> Ready<Option<P>> {
        ready(Self::select_peer(self, mode))
    }

    fn broadcast(&mut self, send: impl FnMut(P)) -> usize {
        self.handed_out.mark_all(&self.view);
        self.view.peers().cloned().for_each(send);
        self.view.len()
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn cluster(peers: std::ops::Range<u32>) -> StaticPeers<u32, StdRng> {
        StaticPeers::new(peers, StdRng::seed_from_u64(1))
    }

    #[test]
    fn everyone_once_before_anyone_twice_and_newcomers_first() {
        let mut peers = cluster(0..4);
        let mut drawn = [0; 4].map(|_| peers.select_peer(Selection::Uniform));
        drawn.sort_unstable();
        assert_eq!(drawn, [Some(0), Some(1), Some(2), Some(3)]);
        peers.add(4);
        peers.add(4);
        assert_eq!(peers.select_peer(Selection::Uniform), Some(4));
        assert_eq!(peers.remove(&2), Some(2));
        peers.add(2);
        assert_eq!(peers.select_peer(Selection::Uniform), Some(2), "as new");
        assert_eq!(peers.view_len(), 5);
    }

    #[test]
    fn broadcast_reaches_all_in_order_and_they_count_as_handed_out() {
        let mut peers = cluster(0..3);
        let mut sent = Vec::new();
        assert_eq!(peers.broadcast(|peer| sent.push(peer)), 3);
        assert_eq!(sent, [0, 1, 2]);
        peers.add(3);
        assert_eq!(peers.select_peer(Selection::Uniform), Some(3));
    }

    #[test]
    fn an_empty_cluster_hands_out_nobody() {
        let mut peers = cluster(0..0);
        assert_eq!(peers.select_peer(Selection::Head), None);
        let selected = PeerSampling::select_peer(&mut peers, &Selection::Uniform);
        assert_eq!(selected.into_inner(), None);
    }
}
