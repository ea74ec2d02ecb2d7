//! The random overlay of the peer sampling paper, with healer H and swapper S.

use rand::Rng;

use crate::{
    peer::Peer,
    sampling::{
        overlay::{
            Merge, Outcome, Overlay, OverlayError, Side, healing::Healing, outgoing::Outgoing,
        },
        view::View,
    },
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
///
/// The papers fix H and S. [`adaptive`](Self::adaptive), the default, lets H follow what the node
/// itself sees: it has the in-degrees of the swapper, and after a large crash it heals nearly as
/// fast as the healer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Random {
    mode: Mode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// As in the paper.
    Fixed { healer: u32, swapper: u32 },
    /// H from the node's own failures, S = `half` − H.
    Adaptive { half: u32, healing: Healing },
}

impl Random {
    /// A random overlay with healer H and swapper S, in descriptors per merge.
    ///
    /// The bound H + S ≤ c/2 is checked when the overlay meets its view size, in
    /// [`Sampler::new`](crate::sampling::sampler::Sampler::new).
    pub const fn new(healer: usize, swapper: usize) -> Self {
        let mode = Mode::Fixed {
            healer: saturating(healer),
            swapper: saturating(swapper),
        };
        Self { mode }
    }

    /// The default for views of `view_size` peers: [`adaptive`](Self::adaptive).
    pub const fn for_view_size(view_size: usize) -> Self {
        Self::adaptive(view_size)
    }

    /// A swapper that turns into a healer when its own exchanges fail. Not from the papers.
    ///
    /// Let f be how many of the latest 10 exchanges that this node started got no answer, at most
    /// 4: then H = ⌊c/2 · (f/4)²⌋, but at least 1 where the node is asked, and S = c/2 − H. At rest,
    /// H = 0 in the active and 1 in the passive thread: the asked node has to drop one descriptor
    /// more than it has sent, and when that is the oldest, it forgets the dead nearly as fast as
    /// with H = 1 at both ends (16 and 24 rounds in the table below, without what f adds) at the
    /// in-degrees of the swapper.
    ///
    /// What a node sees is enough, nothing more is sent, and no clock is read. Exchanges that are
    /// lost count like those with the dead. Whoever refuses exchanges can turn the nodes that ask it
    /// into healers, whose in-degrees spread wider, and which prefer young descriptors; each refusal
    /// costs the refuser its place in that view, the second time at the latest.
    ///
    /// Measured, N=10^4, c=30, push-pull, tail, 3 retries, synchronous rounds, several seeds (`docs/healing.md`).
    /// SD of in-degrees (of a random graph: 5.47) at rest, and among the live while in each round
    /// 0.1 % of the nodes die and as many join by way of one other; rounds after half of the nodes
    /// have crashed at once until less than 1 %, and none, of the links lead to dead nodes:
    ///
    /// | | SD at rest | SD with churn | below 1 % | none |
    /// |---|---|---|---|---|
    /// | adaptive | 3.6 | 5.0 | 6 | 9–11 |
    /// | H=0, the swapper | 3.6 | 5.0 | 21–22 | 32–35 |
    /// | H=1 | 4.8 | 5.8 | 15 | 22–24 |
    /// | H=2 | 6.7 | 7.3 | 12 | 17–19 |
    /// | H=3 | 8.1 | 8.5 | 11 | 15–17 |
    /// | H=9 | 11.4 | 11.5 | 6 | 9–10 |
    /// | H=15, the healer | 11.0 | 11.1 | 5 | 7–8 |
    ///
    /// What it does not do, one seed each: in-degrees change as slowly as the swapper's
    /// (autocorrelation at lag 20: 0.39; H=1 0.35, healer 0.01), after 10 % crash it takes 11 and 18
    /// rounds, and when 5 % of exchanges are lost the SD at rest is 5.8 (H=0 4.7, H=1 5.6).
    pub const fn adaptive(view_size: usize) -> Self {
        let mode = Mode::Adaptive {
            half: saturating(view_size / 2),
            healing: Healing::new(),
        };
        Self { mode }
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

impl Random {
    /// H and S as they are now, for a merge at this end of an exchange.
    fn for_merge(&self, side: Side) -> (usize, usize) {
        match self.mode {
            Mode::Fixed { healer, swapper } => (healer as usize, swapper as usize),
            Mode::Adaptive { half, healing } => {
                let half = half as usize;
                // The asked node receives c/2 descriptors and has sent one less: itself was the
                // first. So one more than was sent has to go, and the oldest costs nothing. The
                // asking node knew its partner already, and would keep what it has sent.
                let spare = match side {
                    Side::Active => 0,
                    Side::Passive => 1,
                };
                let healer = healing.healer(half).max(spare.min(half));
                (healer, half - healer)
            }
        }
    }

    /// H as it is now, for the choice of what to send: the oldest are kept back at both ends.
    fn kept_back(&self) -> usize {
        self.for_merge(Side::Passive).0
    }
}

/// Small, since a million nodes have one each; what it cuts off is refused by any view size.
const fn saturating(descriptors: usize) -> u32 {
    if descriptors > u32::MAX as usize {
        u32::MAX
    } else {
        descriptors as u32
    }
}

impl<P: Peer> Overlay<P> for Random {
    fn check(&self, view_size: usize) -> Result<(), OverlayError> {
        let (healer, swapper) = self.for_merge(Side::Active);
        if healer.saturating_add(swapper) > view_size / 2 {
            return Err(OverlayError::new(format!(
                "healer {healer} + swapper {swapper} must be at most half of the view size \
                 {view_size}, that is {}",
                view_size / 2
            )));
        }
        Ok(())
    }

    /// TOCS: "buffer ← ((me,0)); view.permute(); move oldest H items to end of view;
    /// buffer.append(view.head(c/2-1))".
    ///
    /// The other way round, which comes to the same: what is not among the oldest is permuted. One
    /// more than is sent, since S may exceed that by one and then takes from the head.
    fn compose<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<P>,
        outgoing: &mut Outgoing<'_, P>,
        rng: &mut R,
    ) {
        let entries = (outgoing.view_size / 2).saturating_sub(1);
        let kept_back = self.kept_back();
        view.move_oldest_to_end(kept_back);
        let young = view.len().saturating_sub(kept_back);
        view.permute_head(entries + 1, young, rng);
        outgoing.push_local();
        outgoing.extend(view.head(entries));
    }

    /// TOCS: "append(buf); removeDuplicates (keep the freshest); removeOldItems(min(H,size-c));
    /// removeHead(min(S,size-c)); removeAtRandom(size-c)", and after it, in both threads:
    /// "view.increaseAge()".
    fn merge<R: Rng + ?Sized>(&mut self, view: &mut View<P>, merge: Merge<'_, P>, rng: &mut R) {
        let (healer, swapper) = self.for_merge(merge.side);
        let surplus = |view: &View<P>| view.len().saturating_sub(merge.view_size);
        view.move_to_head(merge.sent);
        view.append(merge.received);
        view.remove_old_items(healer.min(surplus(view)));
        view.remove_head(swapper.min(surplus(view)));
        view.remove_at_random(surplus(view), rng);
        view.increase_age();
    }

    fn exchange_ended(&mut self, _partner: &P::Id, outcome: Outcome) {
        if let Mode::Adaptive { healing, .. } = &mut self.mode {
            healing.note(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::sampling::{overlay::outgoing, view::Descriptor};

    fn view(peers: impl IntoIterator<Item = u32>) -> View<u32> {
        peers
            .into_iter()
            .map(|peer| Descriptor { peer, age: 1 })
            .collect()
    }

    fn merge(overlay: &mut Random, view: &mut View<u32>, sent: &[u32], received: &[(u32, u32)]) {
        merge_at(Side::Active, overlay, view, sent, received);
    }

    fn merge_at(
        side: Side,
        overlay: &mut Random,
        view: &mut View<u32>,
        sent: &[u32],
        received: &[(u32, u32)],
    ) {
        let mut received = received
            .iter()
            .map(|&(peer, age)| Descriptor { peer, age })
            .collect();
        let merge = Merge {
            view_size: 10,
            partner: &99,
            side,
            sent,
            received: &mut received,
            candidates: &[],
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
    }

    fn failing(mut overlay: Random, failures: usize) -> Random {
        (0..failures)
            .for_each(|_| Overlay::<u32>::exchange_ended(&mut overlay, &1, Outcome::Broken));
        overlay
    }

    #[test]
    fn adaptive_drops_the_oldest_at_rest_only_where_it_is_asked() {
        let sent = [0, 1, 2, 3];
        let received = [(20, 1), (21, 1), (22, 1), (23, 1), (24, 1)];
        for (side, oldest_stays) in [(Side::Active, true), (Side::Passive, false)] {
            // 8 is the oldest.
            let age = |peer| if peer == 8 { 7 } else { 1 };
            let mut view: View<u32> = (0..10)
                .map(|peer| Descriptor {
                    peer,
                    age: age(peer),
                })
                .collect();
            // The asking side knew its partner: nothing new at the front.
            let received = match side {
                Side::Active => &received[1..],
                Side::Passive => &received[..],
            };
            merge_at(side, &mut Random::adaptive(10), &mut view, &sent, received);
            assert_eq!(view.len(), 10);
            assert_eq!(view.contains(&8), oldest_stays, "{side:?}");
            assert!(sent.iter().all(|gone| !view.contains(gone)), "{side:?}");
            assert!([4, 5, 6, 7, 9].iter().all(|kept| view.contains(kept)));
        }
    }

    #[test]
    fn adaptive_turns_into_the_healer_in_a_burst_and_back_after_it() {
        let at = |overlay: &Random, side| overlay.for_merge(side);
        let rest = Random::adaptive(30);
        assert_eq!(at(&rest, Side::Active), (0, 15));
        assert_eq!(at(&rest, Side::Passive), (1, 14));
        let isolated = failing(rest, 1);
        assert_eq!(at(&isolated, Side::Active), (0, 15));
        let mut burst = failing(rest, 4);
        assert_eq!(at(&burst, Side::Active), (15, 0));
        assert_eq!(at(&burst, Side::Passive), (15, 0));
        (0..10).for_each(|_| Overlay::<u32>::exchange_ended(&mut burst, &1, Outcome::Answered));
        assert_eq!(burst, rest);
    }

    #[test]
    fn adaptive_stays_within_half_of_the_view() {
        for c in 2..=200 {
            for failures in 0..=20 {
                let overlay = failing(Random::for_view_size(c), failures);
                assert_eq!(Overlay::<u32>::check(&overlay, c), Ok(()), "c={c}");
                for side in [Side::Active, Side::Passive] {
                    let (healer, swapper) = overlay.for_merge(side);
                    assert_eq!(healer + swapper, c / 2, "c={c}, {failures} failures");
                }
            }
        }
        let of_another = Overlay::<u32>::check(&Random::adaptive(30), 20);
        assert!(of_another.is_err(), "made for larger views");
    }

    #[test]
    fn a_fixed_healer_is_not_moved_by_failures() {
        let fixed = Random::new(3, 12);
        assert_eq!(failing(fixed, 10), fixed);
    }

    #[test]
    fn the_oldest_are_kept_back_from_what_is_sent() {
        for (overlay, kept_back) in [
            (Random::swapper(10), 0),
            (Random::adaptive(10), 1),
            (failing(Random::adaptive(10), 4), 5),
        ] {
            let mut view: View<u32> = (0..10).map(|peer| Descriptor { peer, age: peer }).collect();
            let mut outgoing = outgoing::to(&9, Side::Active, 10);
            let mut rng = StdRng::seed_from_u64(5);
            { overlay }.compose(&mut view, &mut outgoing, &mut rng);
            assert_eq!(outgoing.len(), 4);
            let tail = view.iter().rev().take(kept_back).map(|d| d.peer);
            assert!(tail.eq((0..10).rev().take(kept_back)), "{view:?}");
        }
    }
}
