//! Similarity: peers with like interests.

use crate::sampling::overlay::ranked::distance::{Distance, UNKNOWN, between};

/// Peers whose embeddings point in like directions: the distance is 1 less the cosine of the angle,
/// 0 to 2.
///
/// The embeddings come from what is known of a peer, by a closure `Fn(&P) -> Option<C>`; `C` is an
/// array, a `Vec<f32>` or an `Arc<[f32]>`. Peers without one, with another number of dimensions,
/// with one of length 0, or with numbers that are none, are farther than all others.
///
/// What a peer says of itself may be a lie.
#[derive(Debug, Clone, Copy)]
pub struct Similarity<F> {
    embedding: F,
}

impl<F> Similarity<F> {
    /// The distance of these embeddings.
    pub fn new(embedding: F) -> Self {
        Self { embedding }
    }
}

impl<P, C: AsRef<[f32]>, F: Fn(&P) -> Option<C>> Distance<P> for Similarity<F> {
    fn distance(&self, _side: usize, from: &P, to: &P) -> f64 {
        let embedding = &self.embedding;
        between(embedding(from), embedding(to), |from, to| {
            let (from, to) = (from.as_ref(), to.as_ref());
            let cosine = product(from, to) / (product(from, from) * product(to, to)).sqrt();
            match from.len() == to.len() && cosine.is_finite() {
                true => 1.0 - cosine.clamp(-1.0, 1.0),
                false => UNKNOWN,
            }
        })
    }
}

fn product(one: &[f32], other: &[f32]) -> f64 {
    let pairs = one.iter().zip(other);
    pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_angle_counts_and_what_cannot_be_compared_is_farthest() {
        let similarity = Similarity::new(|peer: &Vec<f32>| Some(peer.clone()));
        let distance =
            |from: &[f32], to: &[f32]| similarity.distance(0, &from.to_vec(), &to.to_vec());
        assert_eq!(distance(&[1.0, 0.0], &[7.0, 0.0]), 0.0);
        assert_eq!(distance(&[1.0, 0.0], &[0.0, 2.0]), 1.0);
        assert_eq!(distance(&[1.0, 0.0], &[-2.0, 0.0]), 2.0);
        for (from, to) in [
            (&[1.0, 0.0][..], &[1.0][..]),
            (&[1.0], &[]),
            (&[], &[]),
            (&[0.0, 0.0], &[1.0, 0.0]),
            (&[f32::NAN], &[1.0]),
            (&[f32::INFINITY], &[1.0]),
        ] {
            assert_eq!(distance(from, to), UNKNOWN, "{from:?} {to:?}");
        }
        // The largest numbers have products that are numbers.
        assert_eq!(distance(&[f32::MAX], &[f32::MAX]), 0.0);
    }
}
