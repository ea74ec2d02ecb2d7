//! The behaviour as a sampling service.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use crate::{
    sampling::{PeerSampling, mode::Mode, overlay::Overlay, view::View},
    swarm::{record::Record, sampling::behaviour::Behaviour},
};

impl<O: Overlay<Record>> Behaviour<O> {
    /// The view as it is now: see [`Handle::view`](crate::Handle::view).
    pub fn view(&self) -> Arc<View<Record>> {
        self.driver.publisher.handle().view()
    }

    /// How many peers the view holds.
    pub fn view_len(&self) -> usize {
        self.driver.sampler.view().len()
    }

    /// Hands out one peer, in any mode: see [`Handle::select_peer`](crate::Handle::select_peer).
    pub fn select_peer(&mut self, mode: impl Mode<Record>) -> Option<Record> {
        self.driver.publisher.handle().select_peer(mode)
    }
}

impl<O: Overlay<Record>> PeerSampling for Behaviour<O> {
    type Peer = Record;
    type Mode = O::Mode;
    type Snapshot<'a>
        = Arc<View<Record>>
    where
        Self: 'a;
    type Selecting = Ready<Option<Record>>;

    fn view(&self) -> Arc<View<Record>> {
        Self::view(self)
    }

    fn view_len(&self) -> usize {
        Self::view_len(self)
    }

    fn select_peer(&mut self, mode: &O::Mode) -> Ready<Option<Record>> {
        ready(Self::select_peer(self, mode))
    }

    fn broadcast(&mut self, send: impl FnMut(Record)) -> usize {
        self.driver.publisher.handle().clone().broadcast(send)
    }
}
