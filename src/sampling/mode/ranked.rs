//! The modes of a view in rank order, best first: nearest, farthest, random.

use rand::Rng;

use crate::{
    peer::Peer,
    sampling::mode::{Known, Mode},
};

/// The modes of a ranked view, which stands in rank order, the nearest peer first (T-Man). In a
/// view without that order, `Nearest` and `Farthest` mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RankedSelection {
    /// The peer that ranks first: T-Man's neighbour. Until another ranks before it, it is the same
    /// one again.
    #[default]
    Nearest,
    /// The peer that ranks last of those in the view.
    Farthest,
    /// Any peer of the view, as by
    /// [`Selection::Uniform`](crate::sampling::mode::selection::Selection::Uniform).
    Random,
}

impl<P: Peer> Mode<P> for RankedSelection {
    fn choose<'a, R: Rng + ?Sized>(&self, known: &Known<'a, P>, rng: &mut R) -> Option<&'a P> {
        let ranked = known.view().as_slice();
        match self {
            Self::Nearest => ranked.first().map(|d| &d.peer),
            Self::Farthest => ranked.last().map(|d| &d.peer),
            Self::Random => known.uniform(rng),
        }
    }

    fn is_uniform(&self) -> bool {
        *self == Self::Random
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

    #[test]
    fn nearest_is_the_head_of_the_view_and_farthest_its_end_whatever_the_ages() {
        let mut rng = StdRng::seed_from_u64(5);
        let mut handed_out = HandedOut::default();
        let mut select = |mode, view: &View<u32>| {
            handed_out.retain(view);
            hand_out(&mode, view, &mut handed_out, &|_| None, &mut rng)
        };
        let ranked = view([3, 9, 1, 4]);
        assert_eq!(select(RankedSelection::Nearest, &ranked), Some(3));
        assert_eq!(select(RankedSelection::Nearest, &ranked), Some(3), "again");
        assert_eq!(select(RankedSelection::Farthest, &ranked), Some(4));
        let mut rest = [0, 0].map(|_| select(RankedSelection::Random, &ranked));
        rest.sort_unstable();
        assert_eq!(rest, [Some(1), Some(9)], "not handed out yet");
        let empty = View::<u32>::default();
        assert_eq!(select(RankedSelection::Nearest, &empty), None);
        assert_eq!(select(RankedSelection::Farthest, &empty), None);
        assert_eq!(select(RankedSelection::Random, &empty), None);
    }

    /// With 9 degrees of freedom below 27.9 with probability 0.999.
    #[test]
    fn random_is_uniform_by_chi_square() {
        let seed = 7;
        let counts = counts::<10>(&RankedSelection::Random, |_| None, seed);
        let chi_square = chi_square(&counts, &[1.0; 10]);
        assert!(chi_square < 27.9, "seed {seed}: {chi_square}");
    }
}
