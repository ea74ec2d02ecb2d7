//! Round-trip times, as this node has measured them itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    peer::Peer,
    sampling::overlay::ranked::{
        distance::{Distance, UNKNOWN},
        hashed::place,
    },
};

/// The peers that answer this node soonest, by round-trip times that the application measures and
/// notes here: by [`round_trip`](crate::protocols::round_trip::RoundTrip), for example. Nobody else
/// has a say.
///
/// A clone shares the times: one goes into the overlay, one stays with the application. The overlay
/// sees a new time at its next merge.
///
/// Of two others this node knows no time. It takes the way by itself: the sum of their times to
/// this node. So it tells every partner of the peers nearest to itself, which are near the partner
/// if the partner is near. Peers without a time are farther than all others.
#[derive(Debug, Clone)]
pub struct RoundTripTimes<I> {
    me: I,
    most: usize,
    times: Arc<Mutex<Times<I>>>,
}

/// By the hash of the identity, the identity and its time in seconds. Two identities with one hash
/// take the place from each other.
type Times<I> = BTreeMap<u64, (I, f64)>;

impl<I: Clone + Eq + std::hash::Hash> RoundTripTimes<I> {
    /// No times yet, of the node called `me`. It keeps the times of at most `most` peers: when
    /// there are more, the slowest one goes.
    pub fn new(me: I, most: usize) -> Self {
        Self {
            me,
            most,
            times: Arc::default(),
        }
    }

    /// The round-trip time to a peer is this, from now on.
    pub fn note(&self, id: I, time: Duration) {
        let mut times = self.times();
        times.insert(place(&id), (id, time.as_secs_f64()));
        if times.len() > self.most {
            let slowest = times
                .iter()
                .max_by(|(_, (_, a)), (_, (_, b))| a.total_cmp(b));
            if let Some((&slowest, _)) = slowest {
                times.remove(&slowest);
            }
        }
    }

    /// The round-trip time to a peer is unknown, from now on.
    pub fn forget(&self, id: &I) {
        let mut times = self.times();
        if times.get(&place(id)).is_some_and(|(known, _)| known == id) {
            times.remove(&place(id));
        }
    }

    /// How many peers it has times of.
    pub fn len(&self) -> usize {
        self.times().len()
    }

    /// Whether it has no times.
    pub fn is_empty(&self) -> bool {
        self.times().is_empty()
    }

    /// The seconds to a peer and back; 0 to this node itself.
    fn seconds(&self, id: &I) -> Option<f64> {
        if *id == self.me {
            return Some(0.0);
        }
        let times = self.times();
        let (_, time) = times.get(&place(id)).filter(|(known, _)| known == id)?;
        Some(*time)
    }

    /// No step between two changes can panic, so what is there is whole.
    fn times(&self) -> MutexGuard<'_, Times<I>> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Peer> Distance<P> for RoundTripTimes<P::Id> {
    fn distance(&self, _side: usize, from: &P, to: &P) -> f64 {
        let both = self.seconds(from.id()).zip(self.seconds(to.id()));
        both.map_or(UNKNOWN, |(from, to)| from + to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn only_measured_peers_are_near_and_the_slowest_give_way() {
        let times = RoundTripTimes::new(0_u32, 2);
        let overlay = times.clone();
        let distance = |from: u32, to: u32| overlay.distance(0, &from, &to);
        assert_eq!(distance(0, 1), UNKNOWN);
        times.note(1, ms(20));
        times.note(2, ms(500));
        assert_eq!(distance(0, 1), 0.02);
        assert!((distance(1, 2) - 0.52).abs() < 1e-9);
        times.note(3, ms(30));
        assert_eq!(distance(0, 2), UNKNOWN);
        assert_eq!(distance(0, 3), 0.03);
        times.note(3, ms(10));
        assert_eq!((distance(0, 3), overlay.len()), (0.01, 2));
        times.forget(&3);
        times.forget(&4);
        assert_eq!((times.len(), times.is_empty()), (1, false));
        assert_eq!(distance(0, 3), UNKNOWN);
    }
}
