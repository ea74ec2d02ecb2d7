//! The random overlay of the peer sampling paper, with healer H and swapper S.

#[cfg(test)]
mod tests;

use rand::Rng;

use crate::{
    peer::Peer,
    sampling::{
        mode::selection::Selection,
        overlay::{
            Outcome, Overlay, OverlayError,
            exchange::{Merge, Outgoing, Side},
            healing::Healing,
        },
        view::View,
    },
};

/// Views converge to a uniformly random set of peers (TOCS 2007, Figure 1).
///
/// After every merge the view is cut back to its size in three steps. Up to H of the *oldest*
/// descriptors go, then up to S of those that were just *sent*, then random ones. H and S trade two
/// good things for each other:
///
/// - **healer H** forgets dead peers fast, and spreads in-degrees wider than a random graph;
/// - **swapper S** keeps in-degrees narrower than a random graph, since a descriptor that is sent
///   away is not kept too. It forgets the dead slowly.
///
/// H + S is at most half of the view size c: c/2 descriptors arrive, so no more need to go.
///
/// The papers fix H and S. [`adaptive`](Self::adaptive), the default, lets H follow what the node
/// itself sees. It has the in-degrees of the swapper, and after a large crash it heals nearly as
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
    /// Let f be how many of the latest 10 exchanges that this node started got no answer, and at
    /// most 4. Then H = ⌊c/2 · (f/4)²⌋, but at least 1 in the passive thread, and S = c/2 − H. At
    /// rest, H = 0 in the active and 1 in the passive thread. The asked node has to drop one
    /// descriptor more than it has sent. It drops the oldest, and so forgets the dead nearly as
    /// fast as with H = 1 at both ends, at the in-degrees of the swapper. Without what f adds, that
    /// is 16 and 24 rounds in the table below.
    ///
    /// What a node sees is enough, nothing more is sent, and no clock is read. Exchanges that are
    /// lost count like those with the dead. A peer that refuses exchanges can turn the nodes that
    /// ask it into healers. Their in-degrees spread wider, and they prefer young descriptors. Each
    /// refusal costs the refuser its place in that view, the second time at the latest.
    ///
    /// Measured, N=10^4, c=30, push-pull, tail, 3 retries, synchronous rounds, several seeds
    /// (`docs/healing.md`). The first two columns are the SD of in-degrees (of a random graph:
    /// 5.47). With churn: among the live, while in each round 0.1 % of the nodes die and as many
    /// join by way of one other. The last two are rounds after half of the nodes have crashed at
    /// once, until less than 1 %, and none, of the links lead to dead nodes:
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
    /// What it does not do, one seed each. In-degrees change as slowly as the swapper's
    /// (autocorrelation at lag 20: 0.39; H=1 0.35, healer 0.01). After 10 % crash it takes 11 and
    /// 18 rounds. When 5 % of exchanges are lost the SD at rest is 5.8 (H=0 4.7, H=1 5.6).
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
    type Mode = Selection;

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
    /// Here in the other order, to the same effect: what is not among the oldest is permuted. One
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
