//! The two ways to read TOCS 2007.

use std::fmt;

use libp2p_peer_sampling::{
    Selection,
    overlay::{Merge, Outgoing, Overlay, OverlayError, Random},
    simulator::host::Host,
    view::View,
};
use rand::Rng;

/// The shipping overlay with H and S, read in one of two ways.
///
/// The paper's pseudo-code sends "(me,0)" and "view.head(c/2-1)", c/2 descriptors in all. Some of
/// its figures come out only if a node sends c/2 descriptors of its view beside its own.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    overlay: Random,
    /// How many more of the view are sent than in the pseudo-code.
    more: usize,
}

impl Reading {
    /// A: as printed, and as shipped.
    pub fn printed(healer: usize, swapper: usize) -> Self {
        Self {
            overlay: Random::new(healer, swapper),
            more: 0,
        }
    }

    /// B: one more.
    pub fn one_more(healer: usize, swapper: usize) -> Self {
        Self {
            more: 1,
            ..Self::printed(healer, swapper)
        }
    }

    pub fn is_printed(self) -> bool {
        self.more == 0
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.is_printed() {
            true => "A",
            false => "B",
        })
    }
}

impl Overlay<Host> for Reading {
    type Mode = Selection;

    fn check(&self, view_size: usize) -> Result<(), OverlayError> {
        <Random as Overlay<Host>>::check(&self.overlay, view_size)
    }

    fn compose<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<Host>,
        outgoing: &mut Outgoing<'_, Host>,
        rng: &mut R,
    ) {
        self.overlay.compose(view, outgoing, rng);
        // The shipping overlay draws one more for the head of the view than it sends.
        let sent = outgoing.len();
        let more = view.as_slice().iter().skip(sent).take(self.more);
        more.for_each(|descriptor| {
            outgoing.push(descriptor);
        });
    }

    fn merge<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<Host>,
        merge: Merge<'_, Host>,
        rng: &mut R,
    ) {
        self.overlay.merge(view, merge, rng);
    }
}
