//! The policy of a view: the overlay decides what the network of views looks like.
//!
//! The mechanism ([`Sampler`](crate::sampling::sampler::Sampler)) sends and receives messages and
//! knows nothing of topology. The overlay decides what goes into a message, and which peers stay in
//! the view after a merge. It may also decide with which peer the next exchange is made.
//! [`Random`](random::Random) is the overlay of the peer sampling paper; ranked (T-Man) and
//! attack-resistant (Basalt) overlays implement the same trait.

pub(crate) mod any;
pub(crate) mod basalt;
pub(crate) mod cyclon;
pub(crate) mod exchange;
mod healing;
pub(crate) mod random;
pub(crate) mod ranked;

use std::borrow::Cow;

use rand::Rng;
use thiserror::Error;

use crate::{
    peer::Peer,
    sampling::{
        mode::Mode,
        overlay::exchange::{Merge, Outgoing},
        view::View,
    },
};

/// The policy of a view: what a node tells of it, which peers stay in it, and which peer is asked
/// next.
///
/// Every method is given the view, which [`Sampler`](crate::sampling::sampler::Sampler) owns, and
/// the node's RNG; an implementation that draws from anything else loses determinism.
///
/// A whole overlay, which keeps the peers it has heard of last. `examples/own_overlay.rs` runs it
/// in the simulator, prints the simulator's reports beside those of [`Random`](random::Random), and
/// runs it in a swarm.
///
/// ```
/// use libp2p_peer_sampling::{
///     Selection,
///     overlay::{Merge, Outgoing, Overlay, OverlayError},
///     peer::Peer,
///     rand::Rng,
///     view::View,
/// };
///
/// struct Youngest;
///
/// impl<P: Peer> Overlay<P> for Youngest {
///     type Mode = Selection;
///
///     fn check(&self, _view_size: usize) -> Result<(), OverlayError> {
///         Ok(())
///     }
///
///     fn compose<R: Rng + ?Sized>(
///         &mut self,
///         view: &mut View<P>,
///         outgoing: &mut Outgoing<'_, P>,
///         rng: &mut R,
///     ) {
///         let half = outgoing.view_size / 2;
///         view.permute_head(half, view.len(), rng);
///         outgoing.push_local();
///         outgoing.extend(view.head(half));
///     }
///
///     fn merge<R: Rng + ?Sized>(
///         &mut self,
///         view: &mut View<P>,
///         merge: Merge<'_, P>,
///         _rng: &mut R,
///     ) {
///         view.append(merge.received);
///         view.remove_old_items(view.len().saturating_sub(merge.view_size));
///         view.increase_age();
///     }
/// }
/// ```
///
/// One type and three methods are required; the others are for overlays that know more than a list
/// of peers. In an exchange the order is: both ends [`compose`](Self::compose) what they send,
/// before either end [merges](Self::merge) what it has received.
///
/// The view size bounds how many peers an overlay may keep in the view. The links that it is there
/// for may be fewer: the first few in its own order. T-Man keeps several times as many peers as its
/// target degree.
pub trait Overlay<P: Peer> {
    /// How the sampling service may choose among the peers of the view. For views without an order
    /// of their own it is [`Selection`](crate::Selection), for views in rank order
    /// [`RankedSelection`](crate::RankedSelection), or it is a type of one's own.
    type Mode: Mode<P>;

    /// Whether these settings can work with views of `view_size` peers. Called once, before
    /// anything else.
    ///
    /// # Errors
    ///
    /// An [`OverlayError`] that names the bound that is broken.
    fn check(&self, view_size: usize) -> Result<(), OverlayError>;

    /// Composes what is sent in one exchange: which descriptors go, and whether this node's own
    /// goes with them. The view may be permuted for it.
    fn compose<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<P>,
        outgoing: &mut Outgoing<'_, P>,
        rng: &mut R,
    );

    /// Merges what an exchange brought into the view, cuts it back to the view size, and lets its
    /// descriptors age if this overlay does so here. The implementation must leave at most
    /// `merge.view_size` descriptors, at most one per peer, none of this node itself.
    fn merge<R: Rng + ?Sized>(&mut self, view: &mut View<P>, merge: Merge<'_, P>, rng: &mut R);

    /// Told the node's own id, once, after [`check`](Self::check). For overlays that rank peers by
    /// their distance from this node.
    fn set_id(&mut self, id: &P::Id) {
        let _ = id;
    }

    /// Told that this node advertises itself in another way, or not at all any more. For overlays
    /// that rank peers by what is known of them: they may put the view into another order.
    fn local_changed<R: Rng + ?Sized>(
        &mut self,
        local: Option<&P>,
        view: &mut View<P>,
        rng: &mut R,
    ) {
        let _ = (local, view, rng);
    }

    /// How many peers at the head of the view are links of a topology: those that are to stay
    /// connected, 0 to the length of the view. The default, of overlays without a topology: none.
    fn targets(&self, view: &View<P>) -> usize {
        let _ = view;
        0
    }

    /// Told how each exchange that this node started has ended, whether the partner is in the view
    /// or not. For overlays that adapt to it. Before the answer is merged.
    fn exchange_ended(&mut self, partner: &P::Id, outcome: Outcome) {
        let _ = (partner, outcome);
    }

    /// Told that a peer is no longer wanted in the view, whether it was there or not: it cannot be
    /// reached, it has said goodbye, or the application has removed it. For overlays to which
    /// others would tell of it again.
    fn removed(&mut self, id: &P::Id) {
        let _ = id;
    }

    /// Told that a round begins. For overlays in which something happens with time: descriptors
    /// whose life is over may leave the view. The sampling service hands out what is put into
    /// `samples` before anything else.
    fn begin_round<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<P>,
        view_size: usize,
        samples: &mut Vec<P>,
        rng: &mut R,
    ) {
        let _ = (view, view_size, samples, rng);
    }

    /// Whether the overlay gives out samples itself, in [`begin_round`](Self::begin_round). Then
    /// streams of samples have these alone. The default: no.
    fn gives_samples(&self) -> bool {
        false
    }

    /// How many exchanges a round is to start beside those of
    /// [`Config::fanout`](crate::sampling::sampler::config::Config::with_fanout). For overlays that
    /// look for dead peers when there seem to be many. The default: none.
    fn extra_exchanges(&self, view_size: usize) -> usize {
        let _ = view_size;
        0
    }

    /// With which peer the next exchange is made. The default leaves it to
    /// [`PartnerSelection`](crate::sampling::sampler::config::PartnerSelection).
    ///
    /// `eligible`: not this round's partner already, not in an exchange now, not refused by this
    /// node. It may be outside the view.
    fn select_partner<R: Rng + ?Sized>(
        &mut self,
        view: &View<P>,
        eligible: impl Fn(&P::Id) -> bool,
        rng: &mut R,
    ) -> Choice<P::Id> {
        let _ = (view, eligible, rng);
        Choice::ByConfiguration
    }

    /// Told that the view was changed by others: known peers were put in at its end, dead ones
    /// taken out. For overlays that keep something beside the view; they may drop peers from it.
    fn view_changed<R: Rng + ?Sized>(&mut self, view: &mut View<P>, view_size: usize, rng: &mut R) {
        let _ = (view, view_size, rng);
    }

    /// Whether the overlay ranks: then the first peers of its view are its targets, and it wants
    /// candidates. Said once, when the node is made. The default: no.
    fn is_ranked(&self) -> bool {
        false
    }

    /// Whether the node knows so few peers that it should look for more eagerly. The default: as
    /// long as the view is not full.
    fn has_room(&self, view: &View<P>, view_size: usize) -> bool {
        view.len() < view_size
    }

    /// Whether the node knows nobody that it could start an exchange with: then it starts no
    /// rounds. The default: when the view is empty. For overlays that choose partners outside the
    /// view.
    fn knows_nobody(&self, view: &View<P>) -> bool {
        view.is_empty()
    }

    /// How many records the node hopes for in an answer, when it wants more than it sends. The
    /// default: half of the view.
    fn hopes_for(&self, view_size: usize) -> usize {
        view_size / 2
    }

    /// What the overlay keeps of a peer that is not in the view, for a caller that has to reach it:
    /// a partner outside the view. The default keeps nothing.
    fn record(&self, id: &P::Id) -> Option<&P> {
        let _ = id;
        None
    }
}

/// With which peer a node makes its next exchange, by [`Overlay::select_partner`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice<I> {
    /// With this one, in the view or not.
    Exchange(I),
    /// With this one, but only to see whether it answers: nothing is told, asked for or merged.
    Probe(I),
    /// With nobody now: this turn of the round passes.
    Nobody,
    /// The configuration decides: youngest, oldest or random of the view.
    ByConfiguration,
}

/// How an exchange that a node started has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The partner has answered.
    Answered,
    /// This node or the partner would not make the exchange. That says nothing about whether the
    /// partner lives.
    Refused,
    /// The exchange broke, for the first time in a row. It happens to live peers.
    Broken,
    /// The partner cannot be reached, does not speak the protocol, or broke an exchange for the
    /// second time in a row. It leaves the view, if it is there.
    Dead,
}

impl Outcome {
    /// Whether the partner was asked and has not answered.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Broken | Self::Dead)
    }
}

/// Settings of an overlay that cannot work. Caused by the caller; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct OverlayError(Cow<'static, str>);

impl OverlayError {
    /// Which setting cannot work, and which values would, in words.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }
}
