//! Labels: peers of the same rack, zone or region first.

use crate::sampling::overlay::ranked::distance::{Distance, between};

/// Peers of the same zone come first, in random order. A zone may be a rack, a data centre, a
/// country.
///
/// Labels come from what is known of a peer, by a closure `Fn(&P) -> Option<L>`, with any `L` that
/// can be compared. Peers without a label are farther than all others.
///
/// What a peer says of itself may be a lie.
#[derive(Debug, Clone, Copy)]
pub struct Zones<F> {
    label: F,
}

impl<F> Zones<F> {
    /// The distance of these labels: 0 if they are the same, otherwise 1.
    pub fn new(label: F) -> Self {
        Self { label }
    }
}

impl<P, L: PartialEq, F: Fn(&P) -> Option<L>> Distance<P> for Zones<F> {
    fn distance(&self, _side: usize, from: &P, to: &P) -> f64 {
        between((self.label)(from), (self.label)(to), |from, to| {
            f64::from(u8::from(from != to))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_zone_is_nearest_and_an_unknown_one_farthest() {
        let zones = Zones::new(|peer: &&'static str| peer.split_once('/').map(|(zone, _)| zone));
        assert_eq!(zones.distance(0, &"a/1", &"a/2"), 0.0);
        assert_eq!(zones.distance(0, &"a/1", &"b/1"), 1.0);
        assert!(zones.distance(0, &"a/1", &"3") > 1.0);
        assert_eq!(zones.distance(0, &"3", &"3"), zones.distance(0, &"3", &"4"));
    }
}
