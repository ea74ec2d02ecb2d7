//! The sampling service: hands out peers from whatever view an overlay keeps.
//!
//! The paper's `getPeer` is a queue of view entries not handed out yet, and a random entry of the
//! view when the queue is empty. This module keeps that contract on top of any
//! [`View`], and adds the two ends of the view.

pub(crate) mod handed_out;
pub(crate) mod overlay;
pub(crate) mod sampler;
pub(crate) mod view;

/// How [`PeerSampling::select_peer`] chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Selection {
    /// The youngest entry of the view: the peer most recently heard of.
    Head,
    /// The oldest entry of the view: the peer that has been in circulation longest.
    Tail,
    /// Uniform, without replacement as long as possible. Entries of the view that were not handed
    /// out yet come first, in random order, including those that have entered it meanwhile. When
    /// all have been handed out, uniform over the whole view. A peer that leaves the view and
    /// returns counts as new.
    #[default]
    Uniform,
}

/// The sampling service, over any overlay. A [`Sampler`](crate::sampling::sampler::Sampler) offers
/// it, and in the libp2p part the behaviour and its handles do.
pub trait PeerSampling {
    /// What is handed out.
    type Peer;

    /// All peers of the view, in the view's order.
    fn view(&self) -> Vec<Self::Peer>;

    /// How many peers the view holds.
    fn view_len(&self) -> usize;

    /// Hands out one peer: the paper's `getPeer`. `None` only when the view is empty. In every
    /// mode, the peer returned counts as handed out.
    fn select_peer(&mut self, selection: Selection) -> Option<Self::Peer>;

    /// Calls `send` with every peer of the view once, in the view's order, and returns how many
    /// there were. Each counts as handed out.
    fn broadcast(&mut self, send: impl FnMut(Self::Peer)) -> usize;
}
