//! How far a peer is from another: what a ranking is made of.

/// How far a peer is from another, for [`Ranked`](crate::sampling::overlay::ranked::Ranked).
///
/// T-Man 2005: "One way of obtaining ranking functions is through a distance function that defines
/// a metric space over the set of nodes." It need be no metric here: any function of two peers is a
/// distance, and any closure `Fn(&P, &P) -> f64` is one with one side.
///
/// All nodes of a network use the same distance: what a node sends is what is best for the
/// receiver, by the sender's reckoning.
///
/// # What may go wrong
///
/// Peers are sorted by numbers, of which each is asked for once per merge. So a distance that is
/// NaN, infinite or negative, or that differs from call to call, gives another order, and no broken
/// view. NaN is farther than all else. A distance that panics is the caller's error, and the panic
/// is passed on. Those of this crate never panic.
pub trait Distance<P> {
    /// In how many directions peers are ranked, each by itself; 1 to
    /// [`MAX_SIDES`](crate::sampling::overlay::ranked::MAX_SIDES). They are then taken in turn: the
    /// first of each side, the second of each, and so on. Every peer counts on all sides, and is
    /// taken once. The default: 1.
    ///
    /// T-Man 2009, direction-dependent ranking: a sorted ring has two sides, the successors and the
    /// predecessors.
    fn sides(&self) -> usize {
        1
    }

    /// How far `to` is from `from`, on this side, counted from 0. In any unit: only the order of
    /// distances from one peer matters.
    fn distance(&self, side: usize, from: &P, to: &P) -> f64;
}

impl<P, F: Fn(&P, &P) -> f64> Distance<P> for F {
    fn distance(&self, _side: usize, from: &P, to: &P) -> f64 {
        self(from, to)
    }
}

/// What a peer about which nothing is known has for a distance: all such peers are equal, and
/// farther than all others.
pub(super) const UNKNOWN: f64 = f64::MAX;

/// The distance of two things, [`UNKNOWN`] unless both are known.
pub(super) fn between<T>(from: Option<T>, to: Option<T>, distance: impl Fn(T, T) -> f64) -> f64 {
    match (from, to) {
        (Some(from), Some(to)) => distance(from, to),
        _ => UNKNOWN,
    }
}
