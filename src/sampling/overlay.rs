//! Which peers survive a merge: the overlay decides what the network of views looks like.
//!
//! The mechanism ([`Sampler`](crate::sampling::sampler::Sampler)) sends and receives buffers and knows nothing
//! of topology; the overlay arranges the view before a buffer is taken from it and cuts it back
//! after one was merged into it. [`Random`](crate::Random) is the overlay of the peer sampling
//! paper; ranked (T-Man) and attack-resistant (Basalt) overlays implement the same trait.

pub(crate) mod any;
pub(crate) mod basalt;
pub(crate) mod cyclon;
mod healing;
pub(crate) mod random;

use std::{borrow::Cow, fmt};

use rand::Rng;

use crate::{
    peer::Peer,
    sampling::view::{Descriptor, View},
};

/// What an overlay decides. Every method is given the view, which
/// [`Sampler`](crate::sampling::sampler::Sampler) owns, and the node's RNG; an implementation that draws from
/// anything else loses determinism.
///
/// Three methods there must be; the others are for overlays that know more than a list of peers.
pub trait Overlay<P: Peer> {
    /// Whether these settings can work with views of `view_size` peers. Called once, before
    /// anything else.
    ///
    /// # Errors
    ///
    /// An [`OverlayError`] that names the bound that is broken.
    fn check(&self, view_size: usize) -> Result<(), OverlayError>;

    /// Arranges the view so that what is to be sent stands at its head, and says how much of it
    /// goes, and whether this node's own descriptor goes with it.
    fn arrange<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<P>,
        arrange: Arrange<'_, P>,
        rng: &mut R,
    ) -> Outgoing;

    /// Merges what an exchange brought into the view, cuts it back to the view size, and lets its
    /// descriptors age if this is where they do. The implementation must leave at most
    /// `merge.view_size` descriptors, at most one per peer.
    fn merge<R: Rng + ?Sized>(&mut self, view: &mut View<P>, merge: Merge<'_, P>, rng: &mut R);

    /// Told how each exchange that this node started has ended: with an answer or without. For
    /// overlays that adapt to it.
    fn exchange_ended(&mut self, answered: bool) {
        let _ = answered;
    }

    /// Told that a round begins. For overlays in which something happens with time; what they put into
    /// `samples` is handed out by the sampling service before anything else is.
    fn begin_round<R: Rng + ?Sized>(
        &mut self,
        view: &mut View<P>,
        view_size: usize,
        samples: &mut Vec<P>,
        rng: &mut R,
    ) {
        let _ = (view, view_size, samples, rng);
    }

    /// Whether the overlay gives out samples itself, in [`begin_round`](Self::begin_round): then streams of
    /// samples are made of these alone. The default: no.
    fn gives_samples(&self) -> bool {
        false
    }

    /// How many exchanges a round is to start beside those of
    /// [`Config::fanout`](crate::sampling::sampler::config::Config::with_fanout). For overlays that look for the dead
    /// when there seem to be many. The default: none.
    fn extra_exchanges(&self, view_size: usize) -> usize {
        let _ = view_size;
        0
    }

    /// With whom the next exchange is to be: one of those of the view who are `eligible`. `None`, the
    /// default, leaves it to [`PartnerSelection`](crate::sampling::sampler::config::PartnerSelection).
    fn select_partner<R: Rng + ?Sized>(
        &mut self,
        view: &View<P>,
        eligible: impl Fn(&P::Id) -> bool,
        rng: &mut R,
    ) -> Option<P::Id> {
        let _ = (view, eligible, rng);
        None
    }

    /// Told that the view was changed by others: known peers were put in at its end, dead ones taken
    /// out. For overlays that keep something beside the view; they may drop peers from it.
    fn view_changed<R: Rng + ?Sized>(&mut self, view: &mut View<P>, view_size: usize, rng: &mut R) {
        let _ = (view, view_size, rng);
    }

    /// Whether the node knows so few peers that it should look for more in haste. The default: as long
    /// as the view is not full.
    fn has_room(&self, view: &View<P>, view_size: usize) -> bool {
        view.len() < view_size
    }
}

/// Which end of an exchange a node is: the paper's two threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The node that started the exchange.
    Active,
    /// The node that was asked.
    Passive,
}

/// For whom [`Overlay::arrange`] arranges the view.
#[derive(Debug)]
pub struct Arrange<'a, P: Peer> {
    /// The view size c.
    pub view_size: usize,
    /// Who is going to receive it.
    pub partner: &'a P::Id,
    /// Which end of the exchange this node is.
    pub side: Side,
    /// What the partner has just sent, and need not be told: at the passive end. Empty at the active
    /// one.
    pub known: &'a [Descriptor<P>],
}

/// What goes into a buffer, by [`Overlay::arrange`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    /// Whether this node's own descriptor goes first, if it advertises itself.
    pub local: bool,
    /// How many descriptors of the head of the view go; more than there are means all.
    pub entries: usize,
}

/// What an exchange brings to [`Overlay::merge`].
#[derive(Debug)]
pub struct Merge<'a, P: Peer> {
    /// The view size c: how many descriptors may stay.
    pub view_size: usize,
    /// Who is at the other end.
    pub partner: &'a P::Id,
    /// Which end of the exchange this node is.
    pub side: Side,
    /// The peers that were sent to the other side in this exchange, in the order in which they
    /// were sent, without the sender itself.
    pub sent: &'a [P::Id],
    /// What was received, without descriptors of this node itself. To be emptied; its storage is
    /// used again.
    pub received: &'a mut Vec<Descriptor<P>>,
}

/// Settings of an overlay that cannot work. Caused by the caller; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverlayError {
    /// Healer and swapper together exceed half of the view.
    HealerSwapper {
        /// The healer parameter H given.
        healer: usize,
        /// The swapper parameter S given.
        swapper: usize,
        /// The view size c given.
        view_size: usize,
    },
    /// The shuffle length is zero, or exceeds the view.
    ShuffleLength {
        /// The shuffle length l given.
        shuffle_length: usize,
        /// The view size c given.
        view_size: usize,
    },
    /// Basalt would renew no slot, or more than it has.
    Renewal {
        /// How many slots were to be renewed at a time.
        slots: usize,
        /// Every how many rounds.
        rounds: usize,
        /// The view size given: how many slots there are.
        view_size: usize,
    },
    /// Any other reason, for overlays outside this crate.
    Other(Cow<'static, str>),
}

impl fmt::Display for OverlayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HealerSwapper {
                healer,
                swapper,
                view_size,
            } => write!(
                f,
                "healer {healer} + swapper {swapper} must be at most half of the view size \
                 {view_size}, that is {}",
                view_size / 2
            ),
            Self::ShuffleLength {
                shuffle_length,
                view_size,
            } => write!(
                f,
                "shuffle length {shuffle_length} must be 1 to the view size {view_size}"
            ),
            Self::Renewal {
                slots,
                rounds,
                view_size,
            } => write!(
                f,
                "renewing {slots} slots every {rounds} rounds: must be 1 to the view size {view_size}, \
                 every 1 round or more"
            ),
            Self::Other(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for OverlayError {}
