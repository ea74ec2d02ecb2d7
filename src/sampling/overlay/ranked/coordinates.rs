//! Coordinates: peers that are near in space.

use crate::sampling::overlay::ranked::distance::{Distance, UNKNOWN, between};

/// The Euclidean distance of coordinates, in any number of dimensions and any unit: network
/// coordinates (Vivaldi), or places on a map.
///
/// The coordinates come from what is known of a peer, by a closure `Fn(&P) -> Option<C>`; `C` is an
/// array, a `Vec<f64>` or an `Arc<[f64]>`. Peers without coordinates, with another number of them,
/// or with numbers that are none, are farther than all others.
///
/// What a peer says of itself may be a lie.
#[derive(Debug, Clone, Copy)]
pub struct Proximity<F> {
    coordinates: F,
}

impl<F> Proximity<F> {
    /// The distance of these coordinates.
    pub fn new(coordinates: F) -> Self {
        Self { coordinates }
    }
}

impl<P, C: AsRef<[f64]>, F: Fn(&P) -> Option<C>> Distance<P> for Proximity<F> {
    fn distance(&self, _side: usize, from: &P, to: &P) -> f64 {
        let coordinates = &self.coordinates;
        between(coordinates(from), coordinates(to), |from, to| {
            let (from, to) = (from.as_ref(), to.as_ref());
            let squares = from.iter().zip(to).map(|(from, to)| (from - to).powi(2));
            let distance = squares.sum::<f64>().sqrt();
            match from.len() == to.len() && distance.is_finite() {
                true => distance,
                false => UNKNOWN,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_compared_is_farthest() {
        let proximity = Proximity::new(|peer: &Vec<f64>| (!peer.is_empty()).then(|| peer.clone()));
        let distance =
            |from: &[f64], to: &[f64]| proximity.distance(0, &from.to_vec(), &to.to_vec());
        assert_eq!(distance(&[0.0, 0.0], &[3.0, 4.0]), 5.0);
        assert_eq!(distance(&[7.0], &[7.0]), 0.0);
        for (from, to) in [
            (&[1.0, 2.0][..], &[1.0][..]),
            (&[1.0], &[]),
            (&[f64::NAN], &[1.0]),
            (&[f64::INFINITY], &[f64::INFINITY]),
            (&[f64::MAX], &[-f64::MAX]),
        ] {
            assert_eq!(distance(from, to), UNKNOWN, "{from:?} {to:?}");
        }
        let plane = Proximity::new(|peer: &u32| Some([f64::from(*peer), 0.0]));
        assert_eq!(plane.distance(0, &1, &4), 3.0);
    }
}
