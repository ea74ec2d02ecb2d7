//! Selection by the time since the last contact.

use std::time::Duration;

use rand::{Rng, RngExt};

use crate::{
    peer::Peer,
    sampling::mode::{Known, Mode},
};

/// Modes that prefer peers without a recent contact, for views of any overlay. What counts as a
/// contact: [`Known::idle`].
///
/// They spread work that is done beside exchanges, and find out early which peers are gone, as
/// Kademlia does when it pings the least recently seen node of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recency {
    /// The peer with the longest time since the last contact. Peers without a contact come before
    /// all others. Among equals it is uniform, those first that were not handed out yet.
    #[default]
    LeastRecent,
    /// At random, in proportion to the time since the last contact. With the times t in whole
    /// milliseconds, at most 34 years, the probability of a peer is its t + 1, divided by the sum
    /// of t + 1 over the view. For a peer without a contact t is the longest of the view. So if
    /// nobody has had a contact, it is uniform over the view.
    Proportional,
}

/// The longest time, in milliseconds. So the sum over the largest view is within 64 bits.
const LONGEST: u64 = 1 << 40;

/// A time since the last contact as a weight.
fn weight(idle: Duration) -> u64 {
    let millis = u64::try_from(idle.as_millis()).unwrap_or(LONGEST);
    millis.min(LONGEST) + 1
}

impl Recency {
    fn least_recent<'a, P: Peer, R: Rng + ?Sized>(
        known: &Known<'a, P>,
        rng: &mut R,
    ) -> Option<&'a P> {
        let idle = |peer: &P| known.idle(peer.id()).unwrap_or(Duration::MAX);
        let longest = known.view().peers().map(idle).max()?;
        known.uniform_among(|peer| idle(peer) == longest, rng)
    }

    fn proportional<'a, P: Peer, R: Rng + ?Sized>(
        known: &Known<'a, P>,
        rng: &mut R,
    ) -> Option<&'a P> {
        let contact = |peer: &P| known.idle(peer.id()).map(weight);
        let longest = known.view().peers().filter_map(contact).max().unwrap_or(1);
        let weight = |peer: &P| contact(peer).unwrap_or(longest);
        let all: u64 = known.view().peers().map(weight).sum();
        if all == 0 {
            return None;
        }
        let mut left = rng.random_range(0..all);
        known.view().peers().find(|peer| {
            let weight = weight(peer);
            let is_here = left < weight;
            left = left.saturating_sub(weight);
            is_here
        })
    }
}

impl<P: Peer> Mode<P> for Recency {
    fn choose<'a, R: Rng + ?Sized>(&self, known: &Known<'a, P>, rng: &mut R) -> Option<&'a P> {
        match self {
            Self::LeastRecent => Self::least_recent(known, rng),
            Self::Proportional => Self::proportional(known, rng),
        }
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
            testing::{chi_square, counts},
        },
        view::View,
    };

    /// Contacts 0 to 7 were so many seconds ago; 8 and 9 are no contacts.
    fn idle(peer: &u32) -> Option<Duration> {
        (*peer < 8).then(|| Duration::from_secs((*peer).into()))
    }

    /// With 9 degrees of freedom below 27.9 with probability 0.999, and with one below 10.8.
    #[test]
    fn least_recent_is_uniform_over_those_without_a_contact_by_chi_square() {
        let seed = 1;
        let counts: [u32; 10] = counts(&Recency::LeastRecent, idle, seed);
        let mut weights = [0.0; 10];
        weights[8..].fill(1.0);
        let chi_square = chi_square(&counts, &weights);
        assert!(chi_square < 10.8, "seed {seed}: {chi_square}");
    }

    #[test]
    fn least_recent_is_the_contact_longest_ago_if_all_are_contacts() {
        let counts: [u32; 8] = counts(&Recency::LeastRecent, idle, 1);
        assert_eq!(counts[7], 60_000);
    }

    #[test]
    fn proportional_to_the_time_by_chi_square() {
        let seed = 2;
        let counts: [u32; 10] = counts(&Recency::Proportional, idle, seed);
        // Those without a contact weigh as much as the one longest ago.
        let seconds = [0, 1, 2, 3, 4, 5, 6, 7, 7, 7];
        let weights = seconds.map(|seconds| f64::from(1_000 * seconds + 1));
        let chi_square = chi_square(&counts, &weights);
        assert!(chi_square < 27.9, "seed {seed}: {chi_square}");
    }

    #[test]
    fn proportional_is_uniform_without_contacts_and_if_all_were_just_now_by_chi_square() {
        for idle in [None, Some(Duration::ZERO), Some(Duration::MAX)] {
            let seed = 3;
            let counts: [u32; 10] = counts(&Recency::Proportional, |_| idle, seed);
            let chi_square = chi_square(&counts, &[1.0; 10]);
            assert!(chi_square < 27.9, "seed {seed}, {idle:?}: {chi_square}");
        }
    }

    #[test]
    fn an_empty_view_hands_out_nobody() {
        let mut rng = StdRng::seed_from_u64(5);
        let empty = View::<u32>::default();
        for mode in [Recency::LeastRecent, Recency::Proportional] {
            let mut handed_out = HandedOut::default();
            let peer = hand_out(&mode, &empty, &mut handed_out, &idle, &mut rng);
            assert_eq!(peer, None);
        }
    }
}
