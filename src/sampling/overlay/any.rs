//! One type for several overlays, of which one is chosen when a node is made.

use rand::Rng;

use crate::{
    peer::Peer,
    sampling::{
        mode::selection::Selection,
        overlay::{
            Choice, Outcome, Overlay, OverlayError,
            basalt::{Basalt, Ranking},
            cyclon::Cyclon,
            exchange::{Merge, Outgoing},
            random::Random,
        },
        view::View,
    },
};

/// Which overlay, with settings that follow from the view size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverlayKind {
    /// [`Random::for_view_size`]: the most even and the quickest to heal, and without defence
    /// against peers that lie.
    Random,
    /// [`Basalt::for_view_size`]: resists attackers.
    Basalt(Ranking),
}

/// One of the overlays of this crate: the type that a behaviour has by default.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AnyOverlay {
    /// The peer sampling paper's.
    Random(Random),
    /// Cyclon.
    Cyclon(Cyclon),
    /// Basalt.
    Basalt(Basalt),
}

impl AnyOverlay {
    /// The overlay of a kind, with settings for views of `view_size` peers.
    pub fn new(kind: OverlayKind, view_size: usize) -> Self {
        match kind {
            OverlayKind::Random => Random::for_view_size(view_size).into(),
            OverlayKind::Basalt(ranking) => Basalt::for_view_size(view_size)
                .with_ranking(ranking)
                .into(),
        }
    }
}

impl From<Random> for AnyOverlay {
    fn from(overlay: Random) -> Self {
        Self::Random(overlay)
    }
}

impl From<Cyclon> for AnyOverlay {
    fn from(overlay: Cyclon) -> Self {
        Self::Cyclon(overlay)
    }
}

impl From<Basalt> for AnyOverlay {
    fn from(overlay: Basalt) -> Self {
        Self::Basalt(overlay)
    }
}

/// `work` with whichever overlay it is.
macro_rules! either {
    ($overlay:expr, $name:ident => $work:expr) => {
        match $overlay {
            AnyOverlay::Random($name) => $work,
            AnyOverlay::Cyclon($name) => $work,
            AnyOverlay::Basalt($name) => $work,
        }
    };
}

impl<P: Peer> Overlay<P> for AnyOverlay {
    type Mode = Selection;

    fn check(&self, view_size: usize) -> Result<(), OverlayError> {
        either!(self, overlay => Overlay::<P>::check(overlay, view_size))
    }

    fn compose<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<P>,
        outgoing: &mut Outgoing<'_, P>,
        rng: &mut R,
    ) {
        either!(self, overlay => overlay.compose(view, outgoing, rng));
    }

    fn merge<R: Rng + ?Sized>(&mut self, view: &mut View<P>, merge: Merge<'_, P>, rng: &mut R) {
        either!(self, overlay => overlay.merge(view, merge, rng));
    }

    fn set_id(&mut self, id: &P::Id) {
        either!(self, overlay => Overlay::<P>::set_id(overlay, id));
    }

    fn local_changed<R: Rng + ?Sized>(
        &mut self,
        local: Option<&P>,
        view: &mut View<P>,
        rng: &mut R,
    ) {
        either!(self, overlay => overlay.local_changed(local, view, rng));
    }

    fn targets(&self, view: &View<P>) -> usize {
        either!(self, overlay => overlay.targets(view))
    }

    fn exchange_ended(&mut self, partner: &P::Id, outcome: Outcome) {
        either!(self, overlay => Overlay::<P>::exchange_ended(overlay, partner, outcome));
    }

    fn begin_round<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<P>,
        view_size: usize,
        samples: &mut Vec<P>,
        rng: &mut R,
    ) {
        either!(self, overlay => overlay.begin_round(view, view_size, samples, rng));
    }

    fn gives_samples(&self) -> bool {
        either!(self, overlay => Overlay::<P>::gives_samples(overlay))
    }

    fn extra_exchanges(&self, view_size: usize) -> usize {
        either!(self, overlay => Overlay::<P>::extra_exchanges(overlay, view_size))
    }

    fn select_partner<R: Rng + ?Sized>(
        &mut self,
        view: &View<P>,
        eligible: impl Fn(&P::Id) -> bool,
        rng: &mut R,
    ) -> Choice<P::Id> {
        either!(self, overlay => overlay.select_partner(view, eligible, rng))
    }

    fn view_changed<R: Rng + ?Sized>(&mut self, view: &mut View<P>, view_size: usize, rng: &mut R) {
        either!(self, overlay => overlay.view_changed(view, view_size, rng));
    }

    fn has_room(&self, view: &View<P>, view_size: usize) -> bool {
        either!(self, overlay => overlay.has_room(view, view_size))
    }

    fn knows_nobody(&self, view: &View<P>) -> bool {
        either!(self, overlay => overlay.knows_nobody(view))
    }

    fn hopes_for(&self, view_size: usize) -> usize {
        either!(self, overlay => Overlay::<P>::hopes_for(overlay, view_size))
    }

    fn record(&self, id: &P::Id) -> Option<&P> {
        either!(self, overlay => overlay.record(id))
    }
}

#[cfg(test)]
mod tests {
    use crate::time::Time;

    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::{
        gossip::Failure,
        sampling::sampler::{Sampler, config::Config, message::Response},
    };

    /// The views and samples of a node that goes through everything that an overlay is asked.
    fn story<O: Overlay<u32>>(overlay: O) -> (Vec<Vec<u32>>, Vec<u32>, bool) {
        let config = Config::default().with_view_size(20);
        let period = config.period();
        let rng = StdRng::seed_from_u64(1);
        let gives = overlay.gives_samples();
        let mut node = Sampler::new(0, config, overlay, rng).expect("valid settings");
        node.set_local(Some(0));
        node.init(1..=20);
        let (mut views, mut samples) = (Vec::new(), Vec::new());
        for round in 1..=30_u32 {
            let now: Time = Time::new(round * period);
            let mut number = 0;
            while let Some(exchange) = node.poll_round(now) {
                number += 1;
                if (round + number).is_multiple_of(3) {
                    node.handle_failure(exchange.id, Failure::Unreachable, now)
                        .expect("in flight");
                } else {
                    let others = node.handle_request(&exchange.partner, exchange.request, now);
                    let mut descriptors = others.descriptors;
                    descriptors.truncate(5);
                    for descriptor in &mut descriptors {
                        descriptor.peer += 7 * round;
                    }
                    node.handle_response(exchange.id, Response { descriptors }, now)
                        .expect("in flight");
                }
            }
            samples.extend(std::iter::from_fn(|| node.next_sample()));
            views.push(node.view().iter().map(|d| d.peer).collect());
            assert_eq!(node.has_room(), node.overlay().has_room(node.view(), 20));
        }
        (views, samples, gives)
    }

    #[test]
    fn it_is_what_it_was_made_of() {
        let random = Random::for_view_size(20);
        let basalt = Basalt::for_view_size(20).with_ranking(Ranking::Identity);
        assert_eq!(
            story(random),
            story(AnyOverlay::new(OverlayKind::Random, 20))
        );
        assert_eq!(
            story(Cyclon::new(5)),
            story(AnyOverlay::from(Cyclon::new(5)))
        );
        let any = AnyOverlay::new(OverlayKind::Basalt(Ranking::Identity), 20);
        let (views, samples, gives) = story(any);
        assert!(gives && !samples.is_empty());
        assert_eq!(story(basalt), (views, samples, gives));
    }

    #[test]
    fn bounds_are_those_of_what_it_was_made_of() {
        let any = AnyOverlay::from(Cyclon::new(21));
        assert!(Overlay::<u32>::check(&any, 20).is_err());
        assert!(Overlay::<u32>::check(&any, 21).is_ok());
    }
}
