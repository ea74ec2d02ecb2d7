//! What a node remembers of single peers of its view.

use std::collections::VecDeque;

use rand::Rng;

use crate::{
    peer::Peer,
    sampling::{
        handed_out::HandedOut,
        mode::{self, Mode},
        sampler::contacts::Contacts,
        view::View,
    },
    time::Time,
};

/// What a node remembers of single peers of its view: which it has handed out, suspects or refuses,
/// and which samples wait to be handed out.
///
/// Apart, since most nodes of a simulation never need it.
#[derive(Debug)]
pub(super) struct Marks<P: Peer>(Option<Box<Marked<P>>>);

#[derive(Debug)]
struct Marked<P: Peer> {
    handed_out: HandedOut<P::Id>,
    /// Empty unless the configuration says otherwise.
    contacts: Contacts<P::Id>,
    /// Peers whose last exchange broke.
    suspects: Vec<P::Id>,
    /// Peers that this node itself refused to make an exchange with, the one longest ago first.
    refused: Vec<P::Id>,
    /// What the overlay has given out as samples and nobody was handed yet, in that order.
    samples: VecDeque<P>,
    /// Peers known from elsewhere.
    candidates: Vec<P>,
}

impl<P: Peer> Default for Marked<P> {
    fn default() -> Self {
        Self {
            handed_out: HandedOut::default(),
            contacts: Contacts::default(),
            suspects: Vec::new(),
            refused: Vec::new(),
            samples: VecDeque::new(),
            candidates: Vec::new(),
        }
    }
}

impl<P: Peer> Marks<P> {
    /// None yet; takes no memory before there are some.
    pub(super) fn new() -> Self {
        Self(None)
    }

    /// Whether nothing was ever noted.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Hands out the peer of `view` that `mode` chooses.
    pub(super) fn hand_out<R: Rng>(
        &mut self,
        mode: &impl Mode<P>,
        view: &View<P>,
        rng: &mut R,
    ) -> Option<P> {
        let marked = self.marked();
        let idle = |id: &P::Id| marked.contacts.idle(id);
        mode::hand_out(mode, view, &mut marked.handed_out, &idle, rng)
    }

    /// All peers of `view` count as handed out.
    pub(super) fn hand_out_all(&mut self, view: &View<P>) {
        self.marked().handed_out.mark_all(view);
    }

    /// It is so late: for the times since contacts.
    pub(super) fn advance(&mut self, now: Time) {
        self.marked().contacts.advance(now);
    }

    /// An exchange with the peer has succeeded; at most `most` contacts are remembered.
    pub(super) fn met(&mut self, id: &P::Id, now: Time, most: usize) {
        self.marked().contacts.met(id, now, most);
    }

    /// Whether the last exchange with this peer broke.
    pub(super) fn is_suspect(&self, id: &P::Id) -> bool {
        let marked = self.0.as_ref();
        marked.is_some_and(|marked| marked.suspects.contains(id))
    }

    /// The peers that this node itself refused to make an exchange with.
    pub(super) fn refused(&self) -> &[P::Id] {
        self.0.as_ref().map_or(&[], |marked| &marked.refused)
    }

    /// An exchange with the peer broke.
    pub(super) fn suspect(&mut self, id: P::Id) {
        self.marked().suspects.push(id);
    }

    /// The peer has just shown that it lives.
    pub(super) fn shows_life(&mut self, id: &P::Id) {
        if let Some(marked) = &mut self.0 {
            marked.suspects.retain(|suspect| suspect != id);
        }
    }

    /// This node itself refused to make an exchange with the peer.
    pub(super) fn refuse(&mut self, id: P::Id) {
        if !self.refused().contains(&id) {
            self.marked().refused.push(id);
        }
    }

    /// An exchange with the peer succeeded, so it is no longer refused.
    pub(super) fn accept(&mut self, id: &P::Id) {
        if let Some(marked) = &mut self.0 {
            marked.refused.retain(|refused| refused != id);
        }
    }

    /// The peer that was refused for longest is no longer refused.
    pub(super) fn reconsider(&mut self) {
        if let Some(marked) = &mut self.0
            && !marked.refused.is_empty()
        {
            marked.refused.remove(0);
        }
    }

    /// The overlay gives out samples: the latest `most` are kept until somebody is handed them.
    pub(super) fn offer(&mut self, samples: &mut Vec<P>, most: usize) {
        if samples.is_empty() {
            return;
        }
        let queue = &mut self.marked().samples;
        queue.extend(samples.drain(..));
        queue.drain(..queue.len().saturating_sub(most));
    }

    /// The sample that has waited longest.
    pub(super) fn next_sample(&mut self) -> Option<P> {
        self.0.as_mut()?.samples.pop_front()
    }

    /// Peers known from elsewhere.
    pub(super) fn candidates(&self) -> &[P] {
        self.0.as_ref().map_or(&[], |marked| &marked.candidates)
    }

    /// These peers are known from elsewhere, and no others.
    pub(super) fn set_candidates(&mut self, candidates: Vec<P>) {
        if !(candidates.is_empty() && self.is_empty()) {
            self.marked().candidates = candidates;
        }
    }

    /// Keeps the peers known from elsewhere that `keep` says.
    pub(super) fn retain_candidates(&mut self, keep: impl FnMut(&P) -> bool) {
        if let Some(marked) = &mut self.0 {
            marked.candidates.retain(keep);
        }
    }

    /// The peer is dead.
    pub(super) fn withdraw(&mut self, id: &P::Id) {
        if let Some(marked) = &mut self.0 {
            marked.samples.retain(|sample| sample.id() != id);
            marked.candidates.retain(|candidate| candidate.id() != id);
        }
    }

    /// Forgets the peers that are no longer in `view`. To be called whenever the view has changed.
    pub(super) fn retain(&mut self, view: &View<P>) {
        if let Some(marked) = &mut self.0 {
            marked.handed_out.retain(view);
            marked.suspects.retain(|id| view.contains(id));
            marked.refused.retain(|id| view.contains(id));
        }
    }

    fn marked(&mut self) -> &mut Marked<P> {
        self.0.get_or_insert_default()
    }
}
