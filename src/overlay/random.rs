//! The random overlay of the peer sampling paper, with healer H and swapper S.

use rand::Rng;

use crate::{
    overlay::{Arrange, Merge, Outgoing, Overlay, OverlayError},
    view::{Peer, View},
};

/// Views converge to a uniformly random set of peers (TOCS 2007, Figure 1).
///
/// After every merge the view is cut back to its size in three steps: up to H of the *oldest*
/// descriptors go, then up to S of those that were just *sent*, then random ones. H and S trade
/// two good things for each other:
///
/// - **healer H** forgets dead peers fast, and spreads in-degrees wider than a random graph;
/// - **swapper S** keeps in-degrees narrower than a random graph, since a descriptor that is sent
///   away is not kept too, and forgets the dead slowly.
///
/// H + S is at most half of the view size c: c/2 descriptors arrive, so no more need to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Random {
    healer: usize,
    swapper: usize,
}

impl Random {
    /// A random overlay with healer H and swapper S, in descriptors per merge.
    ///
    /// The bound H + S ≤ c/2 is checked when the overlay meets its view size, in
    /// [`Gossip::new`](crate::gossip::Gossip::new).
    pub const fn new(healer: usize, swapper: usize) -> Self {
        Self { healer, swapper }
    }

    /// The default for views of `view_size` peers: H = 1, S = c/2 − 1.
    ///
    /// Measured, N=10^4, c=30, tail, 3 retries: in-degree SD 5.0 where a random graph has 5.5 (H=0
    /// 3.6, H=2 6.9, H=3 8.3), and after half of the nodes crash 0.25 % dead links by round 16 and
    /// less than 0.005 % by round 20 (H=0 7 % and 1.6 %, H=2 and 3 none by round 20).
    pub const fn for_view_size(view_size: usize) -> Self {
        let half = view_size / 2;
        let healer = if half > 1 { 1 } else { 0 };
        Self::new(healer, half - healer)
    }

    /// The paper's *blind*: H = S = 0.
    pub const fn blind() -> Self {
        Self::new(0, 0)
    }

    /// The paper's *healer*: H = c/2, S = 0.
    pub const fn healer(view_size: usize) -> Self {
        Self::new(view_size / 2, 0)
    }

    /// The paper's *swapper*: H = 0, S = c/2.
    pub const fn swapper(view_size: usize) -> Self {
        Self::new(0, view_size / 2)
    }
}

impl<P: Peer> Overlay<P> for Random {
    fn check(&self, view_size: usize) -> Result<(), OverlayError> {
        if self.healer.saturating_add(self.swapper) > view_size / 2 {
            return Err(OverlayError::HealerSwapper {
                healer: self.healer,
                swapper: self.swapper,
                view_size,
            });
        }
        Ok(())
    }

    /// TOCS: "buffer ← ((me,0)); view.permute(); move oldest H items to end of view;
    /// buffer.append(view.head(c/2-1))".
    ///
    /// The other way round, which comes to the same: what is not among the oldest is permuted. One
    /// more than is sent, since S may exceed that by one and then takes from the head.
    fn arrange<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<P>,
        arrange: Arrange<'_, P>,
        rng: &mut R,
    ) -> Outgoing {
        let entries = (arrange.view_size / 2).saturating_sub(1);
        view.move_oldest_to_end(self.healer);
        let young = view.len().saturating_sub(self.healer);
        view.permute_head(entries + 1, young, rng);
        Outgoing {
            local: true,
            entries,
        }
    }

    /// TOCS: "append(buf); removeDuplicates (keep the freshest); removeOldItems(min(H,size-c));
    /// removeHead(min(S,size-c)); removeAtRandom(size-c)", and after it, in both threads:
    /// "view.increaseAge()".
    fn merge<R: Rng + ?Sized>(&mut self, view: &mut View<P>, merge: Merge<'_, P>, rng: &mut R) {
        let surplus = |view: &View<P>| view.len().saturating_sub(merge.view_size);
        view.move_to_head(merge.sent);
        view.append(merge.received);
        view.remove_old_items(self.healer.min(surplus(view)));
        view.remove_head(self.swapper.min(surplus(view)));
        view.remove_at_random(surplus(view), rng);
        view.increase_age();
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::{overlay::Side, view::Descriptor};

    fn view(peers: impl IntoIterator<Item = u32>) -> View<u32> {
        peers
            .into_iter()
            .map(|peer| Descriptor { peer, age: 1 })
            .collect()
    }

    fn merge(overlay: &mut Random, view: &mut View<u32>, sent: &[u32], received: &[(u32, u32)]) {
        let mut received = received
            .iter()
            .map(|&(peer, age)| Descriptor { peer, age })
            .collect();
        let merge = Merge {
            view_size: 10,
            partner: &99,
            side: Side::Active,
            sent,
            received: &mut received,
        };
        overlay.merge(view, merge, &mut StdRng::seed_from_u64(3));
        assert!(received.is_empty());
    }

    /// The regression test of the order-preserving swapper: a view kept in a hash set, or one
    /// that an inbound exchange has reordered, would drop others than those it sent.
    #[test]
    fn the_swapper_drops_what_was_sent() {
        let mut overlay = Random::swapper(10);
        let mut view = view(0..10);
        // Sent in an order that is not the view's, as after an inbound exchange in between.
        let sent = [7, 2, 9, 4, 0];
        merge(
            &mut overlay,
            &mut view,
            &sent,
            &[(20, 1), (21, 1), (22, 1), (23, 1), (24, 1)],
        );
        assert_eq!(view.len(), 10);
        assert!(sent.iter().all(|gone| !view.contains(gone)), "{view:?}");
        assert!([1, 3, 5, 6, 8].iter().all(|kept| view.contains(kept)));
        assert!((20..25).all(|new| view.contains(&new)));
    }

    #[test]
    fn the_swapper_drops_in_the_order_sent_and_only_as_many_as_it_must() {
        let mut overlay = Random::swapper(10);
        let mut view = view(0..10);
        merge(&mut overlay, &mut view, &[7, 2, 9, 4], &[(20, 1), (7, 0)]);
        // One too many: 7, refreshed in place, is still the first that was sent.
        assert_eq!(view.len(), 10);
        assert!(!view.contains(&7));
        assert!(view.contains(&2));
    }

    #[test]
    fn the_healer_drops_the_oldest_wherever_they_come_from() {
        let mut overlay = Random::healer(10);
        let mut view = view(0..10);
        merge(
            &mut overlay,
            &mut view,
            &[0, 1],
            &[(20, 9), (21, 0), (22, 8)],
        );
        assert_eq!(view.len(), 10);
        assert!(!view.contains(&20) && !view.contains(&22) && view.contains(&21));
        // The third to go is among equals the first of the view.
        assert!(!view.contains(&0));
    }

    #[test]
    fn blind_keeps_the_size_and_no_preference() {
        let mut overlay = Random::blind();
        let mut view = view(0..10);
        merge(
            &mut overlay,
            &mut view,
            &[0, 1],
            &[(20, 9), (21, 0), (22, 8)],
        );
        assert_eq!(view.len(), 10);
    }

    #[test]
    fn a_view_with_room_loses_nobody() {
        for mut overlay in [Random::blind(), Random::healer(10), Random::swapper(10)] {
            let mut view = view(0..3);
            merge(&mut overlay, &mut view, &[0, 1, 2], &[(20, 9), (21, 0)]);
            assert_eq!(view.len(), 5);
        }
    }

    #[test]
    fn healer_and_swapper_are_bounded_by_half_of_the_view() {
        let check = |overlay: Random, c| Overlay::<u32>::check(&overlay, c);
        assert_eq!(check(Random::new(3, 12), 30), Ok(()));
        assert_eq!(
            check(Random::new(4, 12), 30).unwrap_err().to_string(),
            "healer 4 + swapper 12 must be at most half of the view size 30, that is 15"
        );
        assert!(check(Random::new(usize::MAX, 1), 30).is_err());
        for c in 2..200 {
            assert_eq!(check(Random::for_view_size(c), c), Ok(()), "c={c}");
        }
        assert_eq!(Random::for_view_size(30), Random::new(1, 14));
    }
}
