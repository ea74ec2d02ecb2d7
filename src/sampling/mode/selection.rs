//! The modes of a view without an order of its own: head, tail, uniform.

use rand::Rng;

use crate::{
    peer::Peer,
    sampling::mode::{Known, Mode},
};

/// The modes of a random view: by age, or uniform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Selection {
    /// The youngest entry of the view: the peer most recently heard of.
    Head,
    /// The oldest entry of the view: the peer that has been in circulation longest.
    Tail,
    /// Uniform, without replacement as long as possible. Entries of the view that were not handed
    /// out yet come first, in random order, including those that have entered it meanwhile. When
    /// all have been handed out, uniform over the whole view. A peer that leaves the view and
    /// returns counts as new.
    #[default]
    Uniform,
}

impl<P: Peer> Mode<P> for Selection {
    fn choose<'a, R: Rng + ?Sized>(&self, known: &Known<'a, P>, rng: &mut R) -> Option<&'a P> {
        match self {
            Self::Head => known.view().youngest().map(|d| &d.peer),
            Self::Tail => known.view().oldest().map(|d| &d.peer),
            Self::Uniform => known.uniform(rng),
        }
    }

    fn is_uniform(&self) -> bool {
        *self == Self::Uniform
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::sampling::{
        handed_out::HandedOut,
        mode::{
            hand_out,
            testing::{chi_square, counts, view},
        },
        view::View,
    };

    fn select(
        selection: Selection,
        view: &View<u32>,
        handed_out: &mut HandedOut<u32>,
        rng: &mut StdRng,
    ) -> Option<u32> {
        hand_out(&selection, view, handed_out, &|_| None, rng)
    }

    #[test]
    fn everyone_once_before_anyone_twice() {
        let view = view(0..30);
        for seed in 0..20 {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut handed_out = HandedOut::default();
            let mut next = || select(Selection::Uniform, &view, &mut handed_out, &mut rng);
            let mut drawn: Vec<u32> = (0..30).filter_map(|_| next()).collect();
            drawn.sort_unstable();
            assert_eq!(drawn, (0..30).collect::<Vec<_>>(), "seed {seed}");
            assert!(next().is_some());
            assert!(handed_out.select_new(&view, &mut rng).is_none());
        }
    }

    /// Over a fixed view, 30 entries and 60,000 draws: chi-square with 29 degrees of freedom stays
    /// below 58.3 with probability 0.999. The first pass over the view, without replacement, and
    /// the order of that pass are tested apart.
    #[test]
    fn uniform_over_a_fixed_view_by_chi_square() {
        let seed = 42;
        let after = counts::<30>(&Selection::Uniform, |_| None, seed);
        let after = chi_square(&after, &[1.0; 30]);

        let view = view(0..30);
        let mut rng = StdRng::seed_from_u64(seed);
        let mut first = [0; 30];
        for _ in 0..60_000 {
            let mut handed_out = HandedOut::default();
            let peer = select(Selection::Uniform, &view, &mut handed_out, &mut rng);
            first[peer.expect("the view is not empty") as usize] += 1;
        }
        let order = chi_square(&first, &[1.0; 30]);

        assert!(after < 58.3, "seed {seed}: {after}");
        assert!(order < 58.3, "seed {seed}: {order}");
    }

    #[test]
    fn newcomers_come_before_repeats_and_so_do_those_who_return() {
        let mut rng = StdRng::seed_from_u64(5);
        let mut handed_out = HandedOut::default();
        let mut uniform = |view, handed_out: &mut _| {
            let peer = select(Selection::Uniform, view, handed_out, &mut rng);
            peer.expect("the view is not empty")
        };
        let old = view(0..5);
        for _ in 0..5 {
            uniform(&old, &mut handed_out);
        }

        let grown = view(0..6);
        handed_out.retain(&grown);
        assert_eq!(uniform(&grown, &mut handed_out), 5);

        handed_out.retain(&view(1..6));
        handed_out.retain(&grown);
        assert_eq!(uniform(&grown, &mut handed_out), 0);
    }

    #[test]
    fn head_is_the_youngest_and_tail_the_oldest() {
        let mut rng = StdRng::seed_from_u64(5);
        let mut handed_out = HandedOut::default();
        let view = view([3, 9, 1, 4]);
        let head = select(Selection::Head, &view, &mut handed_out, &mut rng);
        let tail = select(Selection::Tail, &view, &mut handed_out, &mut rng);
        assert_eq!((head, tail), (Some(1), Some(9)));
        let rest: Vec<u32> = (0..2)
            .filter_map(|_| handed_out.select_new(&view, &mut rng))
            .collect();
        assert!(rest.contains(&3) && rest.contains(&4), "{rest:?}");
    }

    #[test]
    fn an_empty_view_hands_out_nobody() {
        let mut rng = StdRng::seed_from_u64(5);
        let empty = View::<u32>::default();
        for selection in [Selection::Head, Selection::Tail, Selection::Uniform] {
            let mut handed_out = HandedOut::default();
            assert_eq!(select(selection, &empty, &mut handed_out, &mut rng), None);
        }
    }
}
