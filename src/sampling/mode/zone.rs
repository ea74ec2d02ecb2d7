//! Selection by zone: peers of the own zone with a given probability.

use std::fmt;

use rand::{Rng, RngExt};
use thiserror::Error;

use crate::{
    peer::Peer,
    sampling::mode::{Known, Mode},
};

/// A mode that knows zones: data centres, regions, networks. For views of any overlay.
///
/// With probability `share` the peer is one of the own zone, otherwise one of the others, to which
/// those of an unknown zone belong. Among either it is uniform, those first that were not handed
/// out yet. If the view holds nobody of the one kind, the peer is of the other kind. So after all
/// have been handed out, each of `n` peers of the own zone has the probability `share / n`, and
/// each of `m` others `(1 - share) / m`.
///
/// A share below 1 keeps zones in touch with each other. In a random view the own zone has few
/// peers if it is small: then they come again and again.
///
/// `zone_of` says in which zone a peer is, if that is known: by a table of one's own, or by what
/// the peer says of itself. It must not use a handle, see [`Mode`]. The networks of addresses are
/// zones that are always known:
///
/// ```
/// use libp2p_peer_sampling::{Handle, Record, ZoneAware, ZoneError, peer::Peer};
///
/// /// A peer of the network that this node's record is in, four times out of five.
/// fn nearby(handle: &Handle, own: &Record) -> Result<Option<Record>, ZoneError> {
///     let network = |peer: &Record| Some(peer.prefixes()?.wide());
///     let Some(own) = network(own) else {
///         return Ok(None);
///     };
///     Ok(handle.select_peer(ZoneAware::new(own, 0.8, network)?))
/// }
/// ```
#[derive(Clone, Copy)]
pub struct ZoneAware<Z, F> {
    own: Z,
    share: f64,
    zone_of: F,
}

/// A share that is not a probability. Caused by the caller; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[error("the share of the own zone is {0}: it must be from 0 to 1")]
pub struct ZoneError(f64);

impl<Z, F> ZoneAware<Z, F> {
    /// Hands out peers of the zone `own` with probability `share`, from 0 to 1.
    ///
    /// # Errors
    ///
    /// A [`ZoneError`] when `share` is not a probability.
    pub fn new(own: Z, share: f64, zone_of: F) -> Result<Self, ZoneError> {
        match (0.0..=1.0).contains(&share) {
            true => Ok(Self {
                own,
                share,
                zone_of,
            }),
            false => Err(ZoneError(share)),
        }
    }
}

impl<P: Peer, Z: PartialEq, F: Fn(&P) -> Option<Z>> Mode<P> for ZoneAware<Z, F> {
    fn choose<'a, R: Rng + ?Sized>(&self, known: &Known<'a, P>, rng: &mut R) -> Option<&'a P> {
        let is_own = |peer: &P| (self.zone_of)(peer).is_some_and(|zone| zone == self.own);
        let own = known.view().peers().any(is_own);
        let others = known.view().peers().any(|peer| !is_own(peer));
        let takes_own = match own && others {
            true => rng.random_bool(self.share),
            false => own,
        };
        known.uniform_among(|peer| is_own(peer) == takes_own, rng)
    }
}

impl<Z: fmt::Debug, F> fmt::Debug for ZoneAware<Z, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZoneAware")
            .field("own", &self.own)
            .field("share", &self.share)
            .finish_non_exhaustive()
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

    /// Three peers of zone 0, five of zone 1, two of none.
    fn zone_of(peer: &u32) -> Option<u32> {
        match peer {
            0..3 => Some(0),
            3..8 => Some(1),
            _ => None,
        }
    }

    /// With 9 degrees of freedom below 27.9 with probability 0.999.
    #[test]
    fn own_zone_has_its_share_and_each_side_is_uniform_by_chi_square() {
        for (own, size, share) in [(0, 3, 0.8), (1, 5, 0.3)] {
            let seed = 11;
            let mode = ZoneAware::new(own, share, zone_of).expect("a probability");
            let counts: [u32; 10] = counts(&mode, |_| None, seed);
            let weights: [f64; 10] =
                std::array::from_fn(|peer| match zone_of(&(peer as u32)) == Some(own) {
                    true => share / f64::from(size),
                    false => (1.0 - share) / f64::from(10 - size),
                });
            let chi_square = chi_square(&counts, &weights);
            assert!(chi_square < 27.9, "seed {seed}, zone {own}: {chi_square}");
        }
    }

    /// With 9, 6 and 2 degrees of freedom below 27.9, 22.5 and 13.8 with probability 0.999.
    #[test]
    fn a_share_of_0_or_1_is_kept_and_an_empty_side_gives_way_by_chi_square() {
        let of = |from: usize, to: usize| {
            let mut weights = [0.0; 10];
            weights[from..to].fill(1.0);
            weights
        };
        for (own, share, weights, bound) in [
            (0, 1.0, of(0, 3), 13.8),
            (0, 0.0, of(3, 10), 22.5),
            // Nobody is of zone 2.
            (2, 1.0, of(0, 10), 27.9),
        ] {
            let seed = 12;
            let mode = ZoneAware::new(own, share, zone_of).expect("a probability");
            let counts: [u32; 10] = counts(&mode, |_| None, seed);
            let chi_square = chi_square(&counts, &weights);
            assert!(chi_square < bound, "seed {seed}, zone {own}: {chi_square}");
        }
    }

    #[test]
    fn those_not_handed_out_yet_come_first_on_either_side() {
        let mut rng = StdRng::seed_from_u64(5);
        let mode = ZoneAware::new(0, 1.0, zone_of).expect("a probability");
        let mut handed_out = HandedOut::default();
        let mut next =
            |view: &View<u32>| hand_out(&mode, view, &mut handed_out, &|_| None, &mut rng);
        let full = view(0..10);
        let mut drawn = [0; 3].map(|_| next(&full));
        drawn.sort_unstable();
        assert_eq!(drawn, [Some(0), Some(1), Some(2)]);
        assert!(next(&full) < Some(3), "again");
        assert_eq!(next(&View::default()), None);
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(ZoneAware::new(0, share, zone_of).is_err(), "{share}");
        }
    }
}
