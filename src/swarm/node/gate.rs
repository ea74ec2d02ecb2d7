//! Which requests are read: the bounds that all connections share.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::stream::{AbortHandle, AbortRegistration};
use hashlink::LruCache;
use libp2p_identity::PeerId;

use crate::swarm::{
    limits::Limits,
    node::leases::HolderId,
    rate::{Bucket, Rate},
};
use crate::time::Time;

/// How long the application is not told again of the same refusal of the same peer. It may happen a
/// hundred thousand times a second, and is counted each time. A guess.
const QUIET: Duration = Duration::from_secs(60);
/// The time after which those may come back that were refused since all peers together ask for too
/// much, at least and at most. Guesses.
const SHORTEST_RETURN: Duration = Duration::from_secs(1);
const LONGEST_RETURN: Duration = Duration::from_secs(60);
/// The least number of requests of all peers together that are read in a period. On average a node
/// gets an exchange and a notice.
const REQUESTS_PER_PERIOD: u32 = 20;
/// The least number of requests of one peer that are read in a period, beyond its burst.
const PEER_REQUESTS_PER_PERIOD: u32 = 10;

/// Why a stream was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The peer has too many open on this connection.
    TooManyStreams,
    /// The peer sends too many requests.
    TooManyRequests,
    /// All peers together do.
    Overloaded,
}

/// A peer, and the behaviour that it calls: each protocol has its own rate of requests of a peer,
/// or one would use up another's.
pub(crate) type Caller = (HolderId, PeerId);

/// Admits the streams that peers open. Shared by all connections, and all behaviours of a node.
pub(crate) struct Gate {
    per_peer: Rate,
    overall: Rate,
    max_streams: usize,
    state: Mutex<State>,
}

struct State {
    overall: Bucket,
    peers: LruCache<Caller, Lately>,
    /// Peers that this node wants, whichever of its behaviours they call.
    wanted: BTreeSet<PeerId>,
    /// How many times fewer requests are read than may be.
    slowdown: f64,
    /// When those are to come back that were refused.
    returns: Bucket,
    /// By age.
    streams: BTreeMap<u64, AbortHandle>,
    next: u64,
}

/// What one peer has done lately.
#[derive(Default)]
struct Lately {
    requests: Bucket,
    /// When the application is to be told again of each [`Refusal`].
    quiet_until: [Time; 3],
}

impl Gate {
    /// For nodes that make their rounds in each `period`.
    pub(crate) fn new(limits: &Limits, period: Duration) -> Self {
        let interval = limits
            .request_interval
            .min(period / PEER_REQUESTS_PER_PERIOD);
        let second = Duration::from_secs(1);
        let overall = Rate::per(limits.requests_per_second, second)
            .at_least(Rate::per(REQUESTS_PER_PERIOD, period));
        Self {
            per_peer: Rate::new(limits.request_burst, interval),
            overall,
            max_streams: limits.inbound_streams_overall,
            state: Mutex::new(State {
                overall: Bucket::default(),
                peers: LruCache::new(limits.peers_remembered),
                wanted: BTreeSet::new(),
                slowdown: 1.0,
                returns: Bucket::default(),
                streams: BTreeMap::new(),
                next: 0,
            }),
        }
    }

    /// The peer is wanted from now on, or no longer: it is a neighbour.
    pub(crate) fn set_wanted(&self, peer: PeerId, wanted: bool) {
        let mut state = self.state();
        match wanted {
            true => state.wanted.insert(peer),
            false => state.wanted.remove(&peer),
        };
    }

    /// From now on so many times fewer requests of all peers together are read than may be; 1 at
    /// least. The node has too much to do.
    pub(crate) fn slow_down(&self, times: f64) {
        self.state().slowdown = times.max(1.0);
    }

    /// A pass for one more stream of `caller`, before anything of it is read. `wanted`: this node
    /// keeps the connection for its own purposes.
    pub(crate) fn admit(
        self: &Arc<Self>,
        caller: Caller,
        wanted: bool,
        now: Time,
    ) -> Result<Pass, Refusal> {
        let mut state = self.state();
        if !state.lately(caller).requests.take(self.per_peer, now) {
            return Err(Refusal::TooManyRequests);
        }
        let wanted = wanted || state.wanted.contains(&caller.1);
        let overall = self.overall.slowed(state.slowdown);
        let reserve = if wanted { 0 } else { overall.burst() / 2 };
        if !state.overall.take_above(reserve, overall, now) {
            return Err(Refusal::Overloaded);
        }
        // An honest peer's stream is used at once: the one that is open for longest gives way.
        while state.streams.len() >= self.max_streams
            && let Some((_, oldest)) = state.streams.pop_first()
        {
            oldest.abort();
        }
        let id = state.next;
        state.next += 1;
        let (handle, _) = AbortHandle::new_pair();
        state.streams.insert(id, handle);
        let gate = self.clone();
        Ok(Pass { gate, id })
    }

    /// When somebody who was refused may come back: each a little later than the one before, at the
    /// rate at which strangers are served, so that they do not all come at once. Between a second
    /// and [`LONGEST_RETURN`], since many will not come.
    pub(crate) fn retry_after(&self, now: Time) -> Duration {
        let mut state = self.state();
        let overall = self.overall.slowed(state.slowdown);
        let waiting = state.returns.queue(overall, LONGEST_RETURN, now);
        waiting.max(SHORTEST_RETURN)
    }

    /// Whether to tell the application that a stream of `caller` was dropped.
    pub(crate) fn is_news(&self, caller: Caller, refusal: Refusal, now: Time) -> bool {
        let mut state = self.state();
        let quiet_until = &mut state.lately(caller).quiet_until[refusal as usize];
        let news = *quiet_until <= now;
        if news {
            *quiet_until = now.saturating_add(QUIET);
        }
        news
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counts are as good after a panic elsewhere as before.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn lately(&mut self, caller: Caller) -> &mut Lately {
        self.peers.entry(caller).or_insert_with(Lately::default)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("streams", &self.state().streams.len())
            .finish_non_exhaustive()
    }
}

/// A stream that was admitted, for as long as it is open.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Arc<Gate>,
    id: u64,
}

impl Pass {
    /// For the next piece of work on the stream, which ends when the stream has to give way.
    pub(crate) fn registration(&self) -> AbortRegistration {
        let (handle, registration) = AbortHandle::new_pair();
        match self.gate.state().streams.get_mut(&self.id) {
            Some(current) => *current = handle,
            // It had to already.
            None => handle.abort(),
        }
        registration
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.state().streams.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, future::pending, stream::Abortable};

    use super::*;
    use crate::swarm::limits::{MAX_REQUEST_INTERVAL, MIN_REQUEST_BURST};

    const SECOND: Duration = Duration::from_secs(1);
    const PERIOD: Duration = Duration::from_secs(10);

    fn gate(edit: impl FnOnce(&mut Limits), period: Duration) -> Arc<Gate> {
        let mut limits = Limits::default();
        edit(&mut limits);
        Arc::new(Gate::new(&limits, period))
    }

    /// How many requests of `peer` in a row are read, of a hundred thousand.
    fn admitted(gate: &Arc<Gate>, peer: PeerId, now: Time) -> usize {
        let admit = |_: &usize| gate.admit((1, peer), false, now).is_ok();
        (0..100_000).filter(admit).count()
    }

    #[test]
    fn a_peer_gets_its_burst_and_then_its_rate() {
        let gate = gate(|_| {}, PERIOD);
        let peer = PeerId::random();
        assert_eq!(admitted(&gate, peer, Time::new(SECOND)), 30);
        assert_eq!(
            gate.admit((1, peer), true, Time::new(SECOND)).unwrap_err(),
            Refusal::TooManyRequests
        );
        assert_eq!(admitted(&gate, peer, Time::new(4 * SECOND)), 3);
        // Nobody else is held up.
        assert_eq!(admitted(&gate, PeerId::random(), Time::new(4 * SECOND)), 30);
    }

    /// A peer knows nothing of the period of another. What every node bears is what it can count
    /// on.
    #[test]
    fn peer_is_served_at_the_floor_whatever_the_period() {
        let narrowest = |limits: &mut Limits| {
            limits.request_burst = MIN_REQUEST_BURST;
            limits.request_interval = MAX_REQUEST_INTERVAL;
            limits.requests_per_second = 60;
            assert_eq!(limits.check(30), Ok(()));
        };
        for period in [1, 200, 10_000, 3_600_000, 86_400_000].map(Duration::from_millis) {
            let gate = gate(narrowest, period);
            let peer = PeerId::random();
            let burst = admitted(&gate, peer, Time::new(SECOND));
            assert!(burst >= 30, "{period:?}: {burst}");
            for seconds in 2..100 {
                let later = admitted(&gate, peer, Time::new(seconds * SECOND));
                assert!(later >= 1, "{period:?}: none in second {seconds}");
            }
        }
    }

    /// With rounds every 200 ms, three nodes send each other some three requests in each.
    #[test]
    fn short_periods_raise_the_rates() {
        let period = SECOND / 5;
        let gate = gate(|limits| limits.requests_per_second = 1, period);
        let peer = PeerId::random();
        admitted(&gate, peer, Time::new(SECOND));
        assert_eq!(admitted(&gate, peer, Time::new(SECOND + period)), 10);
    }

    #[test]
    fn strangers_leave_half_to_wanted_peers() {
        let gate = gate(|limits| limits.requests_per_second = 100, PERIOD);
        let strangers = |now| -> usize {
            let strangers = (0..10).map(|_| PeerId::random());
            strangers.map(|peer| admitted(&gate, peer, now)).sum()
        };
        assert_eq!(strangers(Time::new(SECOND)), 50);
        assert_eq!(
            gate.admit((1, PeerId::random()), false, Time::new(SECOND))
                .unwrap_err(),
            Refusal::Overloaded
        );
        for _ in 0..50 {
            let wanted = gate.admit((1, PeerId::random()), true, Time::new(SECOND));
            assert!(wanted.is_ok());
        }
        let wanted = gate.admit((1, PeerId::random()), true, Time::new(SECOND));
        assert_eq!(wanted.unwrap_err(), Refusal::Overloaded);
        assert_eq!(strangers(Time::new(2 * SECOND)), 50);
    }

    #[test]
    fn a_node_with_too_much_to_do_reads_fewer_requests() {
        let gate = gate(|limits| limits.requests_per_second = 100, PERIOD);
        let strangers = |second: u32| -> usize {
            let strangers = (0..10).map(|_| PeerId::random());
            let now = Time::new(second * SECOND);
            strangers.map(|peer| admitted(&gate, peer, now)).sum()
        };
        assert_eq!(strangers(1), 50);
        gate.slow_down(5.0);
        assert_eq!(strangers(20), 10);
        assert_eq!(
            strangers(21),
            10,
            "a second's worth, of which half is for wanted peers"
        );
        gate.slow_down(1.0);
        assert_eq!(strangers(40), 50);
    }

    #[test]
    fn those_who_are_refused_come_back_one_after_another() {
        let gate = gate(|limits| limits.requests_per_second = 2, SECOND);
        let now = Time::new(SECOND);
        let waits: Vec<_> = (0..100)
            .map(|_| gate.retry_after(now).as_millis())
            .collect();
        assert_eq!(waits[..3], [1_000, 1_000, 1_000]);
        assert!(waits.is_sorted() && waits[99] > 4_000, "{waits:?}");
        for _ in 0..10_000 {
            assert!(gate.retry_after(now) <= LONGEST_RETURN);
        }
    }

    #[test]
    fn the_oldest_stream_gives_way() {
        let gate = gate(|limits| limits.inbound_streams_overall = 3, PERIOD);
        let open = || {
            gate.admit((1, PeerId::random()), false, Time::new(SECOND))
                .expect("room")
        };
        let is_over = |pass: &Pass| {
            let work = Abortable::new(pending::<()>(), pass.registration());
            work.now_or_never().is_some()
        };
        let passes = [open(), open(), open()];
        let mut reading = Abortable::new(pending::<()>(), passes[0].registration());
        assert!((&mut reading).now_or_never().is_none());
        let fourth = open();
        assert!(
            reading.now_or_never().is_some(),
            "what is under way is given up"
        );
        assert!(is_over(&passes[0]), "and what would follow");
        assert_eq!(passes.iter().filter(|pass| is_over(pass)).count(), 1);
        // Streams that end make room.
        drop(passes);
        let more = [open(), open()];
        assert!(!is_over(&fourth) && !more.iter().any(is_over));
        assert_eq!(gate.state().streams.len(), 3);
    }

    #[test]
    fn a_peer_that_comes_back_gets_no_new_burst() {
        let gate = gate(|limits| limits.peers_remembered = 10, PERIOD);
        let peer = PeerId::random();
        admitted(&gate, peer, Time::new(SECOND));
        for _ in 0..9 {
            admitted(&gate, PeerId::random(), Time::new(SECOND));
        }
        assert_eq!(admitted(&gate, peer, Time::new(SECOND)), 0);
        // Memory is bounded, so with enough others it is forgotten.
        for _ in 0..1_000 {
            let _ = gate.admit((1, PeerId::random()), false, Time::new(SECOND));
        }
        // The cache makes room for a newcomer only when the next one comes.
        assert_eq!(gate.state().peers.len(), 11);
    }

    #[test]
    fn the_application_is_told_once_in_a_while() {
        let gate = gate(|_| {}, PERIOD);
        let peer = PeerId::random();
        let told = |refusal, now| {
            let news = |_: &usize| gate.is_news((1, peer), refusal, now);
            (0..100_000).filter(news).count()
        };
        assert_eq!(told(Refusal::TooManyRequests, Time::ZERO), 1);
        assert_eq!(told(Refusal::TooManyStreams, Time::ZERO), 1);
        assert_eq!(told(Refusal::TooManyRequests, Time::new(QUIET - SECOND)), 0);
        assert_eq!(told(Refusal::TooManyRequests, Time::new(QUIET)), 1);
        assert!(gate.is_news(
            (1, PeerId::random()),
            Refusal::TooManyRequests,
            Time::new(QUIET)
        ));
    }
}
