//! The sampling service: hands out peers from whatever view an overlay keeps.
//!
//! The paper's `getPeer` is a queue of view entries not handed out yet, and a random entry of the
//! view when the queue is empty. This module keeps that contract on top of any
//! [`View`], and lets each overlay add modes of its own.

pub(crate) mod handed_out;
pub(crate) mod mode;
pub(crate) mod overlay;
pub(crate) mod sampler;
pub(crate) mod static_peers;
pub(crate) mod view;

use std::ops::Deref;

use crate::{peer::Peer, sampling::view::View};

/// A sampling service: hands out peers, over any overlay, at once or after a lookup.
///
/// | who offers it | modes | a peer comes |
/// |---|---|---|
/// | [`Sampler`](crate::sampler::Sampler) | those of its overlay | at once |
/// | [`Behaviour`](crate::Behaviour) | those of its overlay | at once |
/// | [`Handle`](crate::Handle) | [`Selection`](crate::Selection) | at once |
/// | [`Handle::local`](crate::Handle::local) | any | at once |
/// | [`Handle::waiting`](crate::Handle::waiting) | any | when the view is not empty |
/// | [`StaticPeers`](crate::StaticPeers) | [`Selection`](crate::Selection) | at once |
///
/// All but `Handle::local` and `Handle::waiting` have a method `select_peer` of their own, too. It
/// takes any [`Mode`](crate::Mode), and returns the peer without a future.
/// `examples/studies/walk.rs` offers the service over Kademlia: there a peer comes at the end of a
/// lookup.
///
/// Code over any of them awaits each peer. Over a local view that costs nothing: the future is
/// [`Ready`](std::future::Ready).
///
/// ```
/// use libp2p_peer_sampling::{PeerSampling, Selection, StaticPeers, peer::Peer};
/// use rand::{SeedableRng, rngs::StdRng};
///
/// /// The identities of `count` peers.
/// async fn draw<S: PeerSampling>(
///     service: &mut S,
///     mode: &S::Mode,
///     count: usize,
/// ) -> Vec<<S::Peer as Peer>::Id> {
///     let mut drawn = Vec::new();
///     while drawn.len() < count
///         && let Some(peer) = service.select_peer(mode).await
///     {
///         drawn.push(peer.id().clone());
///     }
///     drawn
/// }
///
/// let mut peers = StaticPeers::new([1_u32, 2, 3], StdRng::seed_from_u64(1));
/// let drawn = futures::executor::block_on(draw(&mut peers, &Selection::Uniform, 3));
/// assert_eq!(drawn.len(), 3);
///
/// // Without a runtime, where the future is ready:
/// let peer = PeerSampling::select_peer(&mut peers, &Selection::Uniform).into_inner();
/// assert!(peer.is_some_and(|peer| drawn.contains(&peer)));
/// ```
pub trait PeerSampling {
    /// What is handed out.
    type Peer: Peer;

    /// How a peer may be chosen. Each overlay [names its own](crate::overlay::Overlay::Mode).
    type Mode;

    /// The view, without a copy of it: a borrow, or a snapshot that others keep changing.
    type Snapshot<'a>: Deref<Target = View<Self::Peer>>
    where
        Self: 'a;

    /// The peer, now or later: [`Ready`](std::future::Ready) over a local view.
    type Selecting: Future<Output = Option<Self::Peer>>;

    /// The view.
    fn view(&self) -> Self::Snapshot<'_>;

    /// How many peers the view holds.
    fn view_len(&self) -> usize;

    /// Hands out one peer: the paper's `getPeer`. `None` when there is nobody, now and later: the
    /// view is empty, a lookup found nobody, or the service is gone. In every mode, the peer
    /// returned counts as handed out.
    fn select_peer(&mut self, mode: &Self::Mode) -> Self::Selecting;

    /// Calls `send` with every peer of the view once, in the view's order, and returns how many
    /// there were. Each counts as handed out.
    fn broadcast(&mut self, send: impl FnMut(Self::Peer)) -> usize;
}
