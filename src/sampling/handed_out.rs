//! Who was handed out: the memory of a sampling service.

use rand::{Rng, RngExt};

use crate::{peer::Peer, sampling::view::View};

/// The memory of a sampling service: who was handed out already.
///
/// Bounded by the view: a peer that leaves it is forgotten at the next [`retain`](Self::retain).
#[derive(Debug, Clone)]
pub(crate) struct HandedOut<I> {
    handed_out: Vec<I>,
}

impl<I> Default for HandedOut<I> {
    fn default() -> Self {
        Self {
            handed_out: Vec::new(),
        }
    }
}

impl<I: Clone + Eq> HandedOut<I> {
    /// Forgets the peers that are no longer in `view`. To be called whenever the view has changed,
    /// so that a peer that leaves and returns is new.
    pub(crate) fn retain<P: Peer<Id = I>>(&mut self, view: &View<P>) {
        self.handed_out.retain(|id| view.contains(id));
    }

    /// Hands out one peer of `view` that was not handed out before, at random; `None` when there is
    /// none left.
    #[cfg(any(feature = "swarm", test))]
    pub(crate) fn select_new<P: Peer<Id = I>, R: Rng + ?Sized>(
        &mut self,
        view: &View<P>,
        rng: &mut R,
    ) -> Option<P> {
        let peer = self.fresh(view, rng)?.clone();
        self.mark(view, peer.id());
        Some(peer)
    }

    /// Hands out `count` different peers of `view`, or all of them when there are fewer: those not
    /// handed out before first, in random order, then others, in random order.
    #[cfg(feature = "swarm")]
    pub(crate) fn select_many<P: Peer<Id = I>, R: Rng + ?Sized>(
        &mut self,
        view: &View<P>,
        count: usize,
        rng: &mut R,
    ) -> Vec<P> {
        let mut entries: Vec<_> = view.iter().collect();
        rand::seq::SliceRandom::shuffle(entries.as_mut_slice(), rng);
        entries.sort_by_key(|d| self.contains(d.peer.id()));
        entries.truncate(count);
        let peers: Vec<P> = entries.into_iter().map(|d| d.peer.clone()).collect();
        peers.iter().for_each(|peer| self.mark(view, peer.id()));
        peers
    }

    /// Marks every peer of `view` as handed out.
    pub(crate) fn mark_all<P: Peer<Id = I>>(&mut self, view: &View<P>) {
        self.handed_out.clear();
        self.handed_out
            .extend(view.iter().map(|d| d.peer.id().clone()));
    }

    /// A random peer of `view`. Those that were not handed out yet come first.
    pub(crate) fn uniform<'a, P: Peer<Id = I>, R: Rng + ?Sized>(
        &self,
        view: &'a View<P>,
        rng: &mut R,
    ) -> Option<&'a P> {
        if let Some(peer) = self.fresh(view, rng) {
            return Some(peer);
        }
        if view.is_empty() {
            return None;
        }
        let at = rng.random_range(0..view.len());
        Some(&view.as_slice()[at].peer)
    }

    /// A random one of the peers of `view` that `is_among` names. Those that were not handed out
    /// yet come first.
    pub(crate) fn uniform_among<'a, P: Peer<Id = I>, R: Rng + ?Sized>(
        &self,
        view: &'a View<P>,
        is_among: impl Fn(&P) -> bool,
        rng: &mut R,
    ) -> Option<&'a P> {
        let among = view.peers().filter(|peer| is_among(peer));
        let new = among.clone().filter(|peer| !self.contains(peer.id()));
        draw(new, rng).or_else(|| draw(among, rng))
    }

    /// Whether the peer was handed out.
    pub(crate) fn contains(&self, id: &I) -> bool {
        self.handed_out.contains(id)
    }

    /// A peer of `view` is handed out.
    pub(crate) fn mark<P: Peer<Id = I>>(&mut self, view: &View<P>, id: &I) {
        if self.handed_out.len() < view.len() && !self.contains(id) {
            self.handed_out.push(id.clone());
        }
    }

    /// A random one of those that were not handed out yet. They need not be counted: all that were
    /// handed out are in the view.
    fn fresh<'a, P: Peer<Id = I>, R: Rng + ?Sized>(
        &self,
        view: &'a View<P>,
        rng: &mut R,
    ) -> Option<&'a P> {
        let left = view.len().saturating_sub(self.handed_out.len());
        if left == 0 {
            return None;
        }
        let at = rng.random_range(0..left);
        view.peers()
            .filter(|peer| !self.contains(peer.id()))
            .nth(at)
    }
}

/// One of them, at random.
fn draw<'a, P, R: Rng + ?Sized>(
    mut among: impl Iterator<Item = &'a P> + Clone,
    rng: &mut R,
) -> Option<&'a P> {
    let count = among.clone().count();
    match count {
        0 => None,
        _ => among.nth(rng.random_range(0..count)),
    }
}

#[cfg(all(test, feature = "swarm"))]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::sampling::view::Descriptor;

    #[test]
    fn many_are_different_and_new_ones_come_first() {
        let mut rng = StdRng::seed_from_u64(6);
        let mut sampler = HandedOut::default();
        let view: View<u32> = (0..10).map(Descriptor::fresh).collect();
        let first = sampler.select_many(&view, 7, &mut rng);
        let second = sampler.select_many(&view, 7, &mut rng);
        assert_eq!((first.len(), second.len()), (7, 7));
        assert!(second[..3].iter().all(|peer| !first.contains(peer)));
        let mut different = second.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), 7);
        assert_eq!(sampler.select_many(&view, 99, &mut rng).len(), 10);
    }
}
