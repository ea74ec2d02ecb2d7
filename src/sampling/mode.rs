//! How one peer of a view is chosen: what every mode of selection is, and what it may look at.
//!
//! Each overlay names the [`Mode`]s that its view has a meaning for. In a view without an order
//! they are [`Selection`](crate::sampling::mode::selection::Selection), in one in rank order
//! [`RankedSelection`](crate::sampling::mode::ranked::RankedSelection).

pub(crate) mod ranked;
pub(crate) mod recency;
pub(crate) mod selection;
pub(crate) mod zone;

use std::{fmt, time::Duration};

use rand::Rng;

use crate::{
    peer::Peer,
    sampling::{handed_out::HandedOut, view::View},
};

/// A mode of selection: how one peer of a view is chosen.
///
/// A mode of one's own, which prefers the peers with which the node is in touch:
///
/// ```
/// use libp2p_peer_sampling::{Known, Mode, peer::Peer, rand::Rng};
///
/// struct InTouch;
///
/// impl<P: Peer> Mode<P> for InTouch {
///     fn choose<'a, R: Rng + ?Sized>(&self, known: &Known<'a, P>, rng: &mut R) -> Option<&'a P> {
///         let contacts = known.uniform_among(|peer| known.idle(peer.id()).is_some(), rng);
///         contacts.or_else(|| known.uniform(rng))
///     }
/// }
/// ```
///
/// A [`Handle`](crate::Handle) asks a mode under its own lock. A mode must not use the handle, or
/// it waits for itself.
pub trait Mode<P: Peer> {
    /// The peer that is handed out; `None` if there is nobody to choose. It draws from `rng` and
    /// nothing else, so that the same seed gives the same peers.
    fn choose<'a, R: Rng + ?Sized>(&self, known: &Known<'a, P>, rng: &mut R) -> Option<&'a P>;

    /// Whether any uniform sample will do. Then the samples that an overlay itself gives out come
    /// first, as Basalt's do. The default: no.
    fn is_uniform(&self) -> bool {
        false
    }
}

impl<P: Peer, M: Mode<P>> Mode<P> for &M {
    fn choose<'a, R: Rng + ?Sized>(&self, known: &Known<'a, P>, rng: &mut R) -> Option<&'a P> {
        M::choose(self, known, rng)
    }

    fn is_uniform(&self) -> bool {
        M::is_uniform(self)
    }
}

/// What a [`Mode`] may look at.
pub struct Known<'a, P: Peer> {
    view: &'a View<P>,
    handed_out: &'a HandedOut<P::Id>,
    idle: &'a Idle<'a, P::Id>,
}

/// How long ago the last contact with a peer was, if there was one.
pub(crate) type Idle<'a, I> = dyn Fn(&I) -> Option<Duration> + 'a;

impl<'a, P: Peer> Known<'a, P> {
    /// The peers to choose from, in the view's order.
    pub fn view(&self) -> &'a View<P> {
        self.view
    }

    /// Whether the peer was handed out since it entered the view.
    pub fn was_handed_out(&self, id: &P::Id) -> bool {
        self.handed_out.contains(id)
    }

    /// How long ago the last contact with the peer was; `None` if there was none, or none is
    /// remembered. A contact is an exchange of the sampler, started by either side. A
    /// [`Sampler`](crate::sampling::sampler::Sampler) remembers contacts only if its
    /// [configuration](crate::sampling::sampler::config::Config::with_contact_times) says so.
    pub fn idle(&self, id: &P::Id) -> Option<Duration> {
        (self.idle)(id)
    }

    /// A random peer of the view. Those that were not handed out yet come first.
    pub fn uniform<R: Rng + ?Sized>(&self, rng: &mut R) -> Option<&'a P> {
        self.handed_out.uniform(self.view, rng)
    }

    /// A random one of the peers that `is_among` names. Those that were not handed out yet come
    /// first.
    pub fn uniform_among<R: Rng + ?Sized>(
        &self,
        is_among: impl Fn(&P) -> bool,
        rng: &mut R,
    ) -> Option<&'a P> {
        self.handed_out.uniform_among(self.view, is_among, rng)
    }
}

impl<P: Peer> fmt::Debug for Known<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known")
            .field("peers", &self.view.len())
            .finish_non_exhaustive()
    }
}

/// Hands out the peer of `view` that `mode` chooses.
pub(crate) fn hand_out<P: Peer, R: Rng + ?Sized>(
    mode: &impl Mode<P>,
    view: &View<P>,
    handed_out: &mut HandedOut<P::Id>,
    idle: &Idle<'_, P::Id>,
    rng: &mut R,
) -> Option<P> {
    let known = Known {
        view,
        handed_out,
        idle,
    };
    let peer = mode.choose(&known, rng)?.clone();
    handed_out.mark(view, peer.id());
    Some(peer)
}

/// The mode of these tests, and the counts of what it hands out.
#[cfg(test)]
pub(crate) mod testing {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::sampling::view::Descriptor;

    /// Peers of these numbers, in this order; each is as old as its number.
    pub(crate) fn view(peers: impl IntoIterator<Item = u32>) -> View<u32> {
        peers
            .into_iter()
            .map(|peer| Descriptor { peer, age: peer })
            .collect()
    }

    /// How often each of the peers 0 to `PEERS` comes in 60,000 draws. All of them were handed out
    /// before.
    pub(crate) fn counts<const PEERS: usize>(
        mode: &impl Mode<u32>,
        idle: impl Fn(&u32) -> Option<Duration>,
        seed: u64,
    ) -> [u32; PEERS] {
        let view = view(0..PEERS as u32);
        let mut handed_out = HandedOut::default();
        handed_out.mark_all(&view);
        let mut rng = StdRng::seed_from_u64(seed);
        let mut counts = [0; PEERS];
        for _ in 0..60_000 {
            let peer = hand_out(mode, &view, &mut handed_out, &idle, &mut rng);
            counts[peer.expect("the view is not empty") as usize] += 1;
        }
        counts
    }

    /// How far the counts are from what the weights say. With `n` weights other than 0 it has n - 1
    /// degrees of freedom. Infinite if a peer of weight 0 has come.
    pub(crate) fn chi_square(counts: &[u32], weights: &[f64]) -> f64 {
        let drawn = f64::from(counts.iter().sum::<u32>());
        let all: f64 = weights.iter().sum();
        let mut sum = 0.0;
        for (&count, &weight) in counts.iter().zip(weights) {
            let expected = drawn * weight / all;
            match weight > 0.0 {
                true => sum += (f64::from(count) - expected).powi(2) / expected,
                false if count > 0 => return f64::INFINITY,
                false => {}
            }
        }
        sum
    }
}
