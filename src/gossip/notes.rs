//! What a node notes about peers of its view.

use crate::{
    sampling::Sampler,
    view::{Peer, View},
};

/// What a node notes about peers of its view: whom it handed out, whom it suspects, whom it refuses.
///
/// Apart, since most nodes of a simulation never need it.
#[derive(Debug)]
pub(super) struct Notes<I>(Option<Box<Noted<I>>>);

#[derive(Debug)]
struct Noted<I> {
    sampler: Sampler<I>,
    /// Peers whose last exchange broke.
    suspects: Vec<I>,
    /// Peers that this node itself refused to make an exchange with.
    refused: Vec<I>,
}

impl<I> Default for Noted<I> {
    fn default() -> Self {
        Self {
            sampler: Sampler::default(),
            suspects: Vec::new(),
            refused: Vec::new(),
        }
    }
}

impl<I: Clone + Eq> Notes<I> {
    /// None yet; takes no memory before there are some.
    pub(super) fn new() -> Self {
        Self(None)
    }

    /// Whether nothing was ever noted.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Who was handed out.
    pub(super) fn sampler(&mut self) -> &mut Sampler<I> {
        &mut self.noted().sampler
    }

    /// Whether the last exchange with this peer broke.
    pub(super) fn is_suspect(&self, id: &I) -> bool {
        let noted = self.0.as_ref();
        noted.is_some_and(|noted| noted.suspects.contains(id))
    }

    /// The peers that this node itself refused to make an exchange with.
    pub(super) fn refused(&self) -> &[I] {
        self.0.as_ref().map_or(&[], |noted| &noted.refused)
    }

    /// An exchange with the peer broke.
    pub(super) fn suspect(&mut self, id: I) {
        self.noted().suspects.push(id);
    }

    /// The peer has just shown that it lives.
    pub(super) fn shows_life(&mut self, id: &I) {
        if let Some(noted) = &mut self.0 {
            noted.suspects.retain(|suspect| suspect != id);
        }
    }

    /// This node itself refused to make an exchange with the peer.
    pub(super) fn refuse(&mut self, id: I) {
        if !self.refused().contains(&id) {
            self.noted().refused.push(id);
        }
    }

    /// An exchange with the peer succeeded, so it is no longer refused.
    pub(super) fn accept(&mut self, id: &I) {
        if let Some(noted) = &mut self.0 {
            noted.refused.retain(|refused| refused != id);
        }
    }

    /// Forgets the peers that are no longer in `view`. To be called whenever the view has changed.
    pub(super) fn retain<P: Peer<Id = I>>(&mut self, view: &View<P>) {
        if let Some(noted) = &mut self.0 {
            noted.sampler.retain(view);
            noted.suspects.retain(|id| view.contains(id));
            noted.refused.retain(|id| view.contains(id));
        }
    }

    fn noted(&mut self) -> &mut Noted<I> {
        self.0.get_or_insert_default()
    }
}
