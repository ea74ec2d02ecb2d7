//! The sampler as a sampling service.

use std::future::{Ready, ready};

use rand::Rng;

use crate::{
    peer::Peer,
    sampling::{PeerSampling, mode::Mode, overlay::Overlay, sampler::Sampler, view::View},
};

impl<P: Peer, O: Overlay<P>, R: Rng> Sampler<P, O, R> {
    /// Hands out one peer of the view, in any mode; `None` only when the view is empty. If any
    /// uniform sample will do, those that the overlay gives out come first.
    pub fn select_peer(&mut self, mode: impl Mode<P>) -> Option<P> {
        if mode.is_uniform()
            && let Some(sample) = self.members.next_sample()
        {
            return Some(sample);
        }
        self.members.select_peer(&mode)
    }
}

impl<P: Peer, O: Overlay<P>, R: Rng> PeerSampling for Sampler<P, O, R> {
    type Peer = P;
    type Mode = O::Mode;
    type Snapshot<'a>
        = &'a View<P>
    where
        Self: 'a;
    type Selecting = Ready<Option<P>>;

    fn view(&self) -> &View<P> {
        &self.members.view
    }

    fn view_len(&self) -> usize {
        self.members.view.len()
    }

    fn select_peer(&mut self, mode: &O::Mode) -> Ready<Option<P>> {
        ready(Self::select_peer(self, mode))
    }

    fn broadcast(&mut self, send: impl FnMut(P)) -> usize {
        self.members.hand_out_all();
        self.members.view.peers().cloned().for_each(send);
        self.members.view.len()
    }
}
