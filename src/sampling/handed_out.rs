//! Who was handed out: the memory of a sampling service.

use rand::{Rng, RngExt};

use crate::{
    peer::Peer,
    sampling::{Selection, view::View},
};

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

    /// Hands out one peer of `view`; `None` only when the view is empty.
    pub(crate) fn select<P: Peer<Id = I>, R: Rng + ?Sized>(
        &mut self,
        view: &View<P>,
        selection: Selection,
        rng: &mut R,
    ) -> Option<P> {
        let peer = match selection {
            Selection::Head => view.youngest().map(|d| d.peer.clone()),
            Selection::Tail => view.oldest().map(|d| d.peer.clone()),
            Selection::Uniform => return self.uniform(view, rng),
        }?;
        self.mark(peer.id());
        Some(peer)
    }

    /// Hands out one peer of `view` that was not handed out before, at random; `None` when there is
    /// none left.
    pub(crate) fn select_new<P: Peer<Id = I>, R: Rng + ?Sized>(
        &mut self,
        view: &View<P>,
        rng: &mut R,
    ) -> Option<P> {
        let left = view.iter().filter(|d| !self.was_handed_out(d.peer.id()));
        let count = left.clone().count();
        if count == 0 {
            return None;
        }
        let peer = left.clone().nth(rng.random_range(0..count))?.peer.clone();
        self.mark(peer.id());
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
        entries.sort_by_key(|d| self.was_handed_out(d.peer.id()));
        entries.truncate(count);
        let peers: Vec<P> = entries.into_iter().map(|d| d.peer.clone()).collect();
        peers.iter().for_each(|peer| self.mark(peer.id()));
        peers
    }

    /// Marks every peer of `view` as handed out.
    pub(crate) fn mark_all<P: Peer<Id = I>>(&mut self, view: &View<P>) {
        self.handed_out.clear();
        self.handed_out
            .extend(view.iter().map(|d| d.peer.id().clone()));
    }

    fn uniform<P: Peer<Id = I>, R: Rng + ?Sized>(
        &mut self,
        view: &View<P>,
        rng: &mut R,
    ) -> Option<P> {
        if let Some(peer) = self.select_new(view, rng) {
            return Some(peer);
        }
        if view.is_empty() {
            return None;
        }
        let at = rng.random_range(0..view.len());
        Some(view.as_slice()[at].peer.clone())
    }

    fn was_handed_out(&self, id: &I) -> bool {
        self.handed_out.contains(id)
    }

    fn mark(&mut self, id: &I) {
        if !self.was_handed_out(id) {
            self.handed_out.push(id.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::sampling::view::Descriptor;

    fn view(peers: impl IntoIterator<Item = u32>) -> View<u32> {
        peers
            .into_iter()
            .map(|peer| Descriptor { peer, age: peer })
            .collect()
    }

    #[test]
    fn everyone_once_before_anyone_twice() {
        let view = view(0..30);
        for seed in 0..20 {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut sampler = HandedOut::default();
            let mut drawn: Vec<u32> = (0..30)
                .filter_map(|_| sampler.select(&view, Selection::Uniform, &mut rng))
                .collect();
            drawn.sort_unstable();
            assert_eq!(drawn, (0..30).collect::<Vec<_>>(), "seed {seed}");
            assert!(sampler.select_new(&view, &mut rng).is_none());
            assert!(
                sampler
                    .select(&view, Selection::Uniform, &mut rng)
                    .is_some()
            );
        }
    }

    /// Over a fixed view, 30 entries and 60,000 draws: chi-square with 29 degrees of freedom stays
    /// below 58.3 with probability 0.999. The first pass over the view, without replacement, and
    /// the order of that pass are tested apart.
    #[test]
    fn uniform_over_a_fixed_view_by_chi_square() {
        let view = view(0..30);
        let mut rng = StdRng::seed_from_u64(42);

        let mut sampler = HandedOut::default();
        sampler.mark_all(&view);
        let mut counts = [0u32; 30];
        for _ in 0..60_000 {
            let peer = sampler.select(&view, Selection::Uniform, &mut rng);
            counts[peer.expect("the view is not empty") as usize] += 1;
        }
        let after = chi_square(&counts);

        let mut first = [0u32; 30];
        for _ in 0..60_000 {
            let peer = HandedOut::default().select(&view, Selection::Uniform, &mut rng);
            first[peer.expect("the view is not empty") as usize] += 1;
        }
        let order = chi_square(&first);

        assert!(after < 58.3, "seed 42: {after}");
        assert!(order < 58.3, "seed 42: {order}");
    }

    fn chi_square(counts: &[u32]) -> f64 {
        let expected = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
        counts
            .iter()
            .map(|&n| (f64::from(n) - expected).powi(2) / expected)
            .sum()
    }

    #[test]
    fn newcomers_come_before_repeats_and_so_do_those_who_return() {
        let mut rng = StdRng::seed_from_u64(5);
        let mut sampler = HandedOut::default();
        let old = view(0..5);
        for _ in 0..5 {
            sampler.select(&old, Selection::Uniform, &mut rng);
        }

        let grown = view(0..6);
        sampler.retain(&grown);
        assert_eq!(
            sampler.select(&grown, Selection::Uniform, &mut rng),
            Some(5)
        );

        sampler.retain(&view(1..6));
        sampler.retain(&grown);
        assert_eq!(
            sampler.select(&grown, Selection::Uniform, &mut rng),
            Some(0)
        );
    }

    #[test]
    fn head_is_the_youngest_and_tail_the_oldest() {
        let mut rng = StdRng::seed_from_u64(5);
        let mut sampler = HandedOut::default();
        let view = view([3, 9, 1, 4]);
        assert_eq!(sampler.select(&view, Selection::Head, &mut rng), Some(1));
        assert_eq!(sampler.select(&view, Selection::Tail, &mut rng), Some(9));
        let rest: Vec<u32> = (0..2)
            .filter_map(|_| sampler.select_new(&view, &mut rng))
            .collect();
        assert!(rest.contains(&3) && rest.contains(&4), "{rest:?}");
    }

    #[test]
    fn many_are_different_and_new_ones_come_first() {
        let mut rng = StdRng::seed_from_u64(6);
        let mut sampler = HandedOut::default();
        let view = view(0..10);
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

    #[test]
    fn an_empty_view_hands_out_nobody() {
        let mut rng = StdRng::seed_from_u64(5);
        let empty = View::<u32>::default();
        for selection in [Selection::Head, Selection::Tail, Selection::Uniform] {
            assert_eq!(
                HandedOut::default().select(&empty, selection, &mut rng),
                None
            );
        }
    }
}
