//! Whom a node takes in: not those that have just failed, and not too many from one hand.

use crate::{
    peer::Peer,
    sampling::{
        overlay::Side,
        sampler::config::{Config, Diversity},
        view::{Descriptor, View},
    },
    time::{Backoff, Time},
};

/// How many failed peers are remembered, for each peer that the view may hold. A guess: more than a
/// crash of half of all nodes leaves behind in what a node is told.
const REMEMBERED_PER_PEER: usize = 16;

/// What a node keeps to decide whom it takes in. Takes no memory while nothing is decided.
#[derive(Debug)]
pub(super) struct Admission<P: Peer>(Option<Box<State<P>>>);

#[derive(Debug)]
struct State<P: Peer> {
    /// Those that failed, the one whose last failure is longest ago first.
    failed: Vec<FailedPeer<P>>,
    /// Who brought whom: peers of the view, and who told of them first.
    sources: Vec<(P::Id, P::Id)>,
    /// How many have entered the view in this round by way of requests of others.
    entered: usize,
}

#[derive(Debug)]
struct FailedPeer<P: Peer> {
    id: P::Id,
    /// What the view held of it when it failed.
    known: Option<P>,
    failures: u32,
    /// How many of these failures came after it had moved.
    moves: u32,
    /// When it failed last.
    since: Time,
    /// Until when it is not taken in.
    until: Time,
}

impl<P: Peer> FailedPeer<P> {
    /// Whether `peer`, another copy of it, is kept out. If the peer has moved, that it failed where
    /// it was says nothing about where it is: its pause is as long as if it had only failed after
    /// moves.
    fn keeps_out(&self, peer: &P, quarantine: Backoff, now: Time) -> bool {
        let known = self.known.as_ref();
        let until = match known.is_some_and(|known| peer.has_moved(known)) {
            true => self.since.saturating_add(quarantine.pause(self.moves)),
            false => self.until,
        };
        self.id == *peer.id() && now < until.min(self.until)
    }
}

impl<P: Peer> Default for State<P> {
    fn default() -> Self {
        Self {
            failed: Vec::new(),
            sources: Vec::new(),
            entered: 0,
        }
    }
}

impl<P: Peer> Admission<P> {
    pub(super) fn new() -> Self {
        Self(None)
    }

    /// A peer could not be reached, or not be talked to, and leaves the view, which holds `known`
    /// of it. It stays out for a pause that doubles with each failure, up to the longest: no
    /// verdict is for ever.
    pub(super) fn failed(&mut self, id: &P::Id, known: Option<&P>, (now, config): (Time, &Config)) {
        let Some(quarantine) = config.quarantine() else {
            return;
        };
        let failed = &mut self.state().failed;
        let at = failed.iter().position(|failed| failed.id == *id);
        let before = at.map(|at| failed.remove(at));
        let (failures, moves) = before.as_ref().map_or((0, 0), |b| (b.failures, b.moves));
        let before = before.and_then(|before| before.known);
        let moved = known.zip(before.as_ref());
        let moved = moved.is_some_and(|(known, before)| known.has_moved(before));
        let known = known.cloned().or(before);
        let pause = quarantine.pause(failures);
        if failed.len() >= REMEMBERED_PER_PEER * config.view_size() {
            failed.remove(0);
        }
        failed.push(FailedPeer {
            id: id.clone(),
            known,
            failures: failures.saturating_add(1),
            moves: moves.saturating_add(u32::from(moved)),
            since: now,
            until: now.saturating_add(pause),
        });
    }

    /// A peer has answered: what it failed before is forgotten.
    pub(super) fn answered(&mut self, id: &P::Id) {
        if let Some(state) = &mut self.0 {
            state.failed.retain(|failed| failed.id != *id);
        }
    }

    /// A peer has started an exchange itself: so it lives, and may be taken in again. Whether this
    /// node reaches it is to be seen, so the next failure counts on from those before. Not within
    /// the first pause after a failure: a peer behind a firewall would be dialled in vain whenever
    /// it calls.
    pub(super) fn called(&mut self, id: &P::Id, now: Time, config: &Config) {
        let (Some(state), Some(quarantine)) = (&mut self.0, config.quarantine()) else {
            return;
        };
        let mut failed = state.failed.iter_mut();
        if let Some(failed) = failed.find(|failed| failed.id == *id)
            && failed.since.saturating_add(quarantine.first) <= now
        {
            failed.until = now;
        }
    }

    /// Forgets who brought the peers that are no longer in `view`.
    pub(super) fn retain(&mut self, view: &View<P>) {
        if let Some(state) = &mut self.0 {
            state.sources.retain(|(peer, _)| view.contains(peer));
        }
    }

    /// Nobody is left: it may have been our own connection that failed. And without anybody there is no
    /// next round that would let others in again.
    pub(super) fn forgive(&mut self) {
        if let Some(state) = &mut self.0 {
            state.failed.clear();
            state.entered = 0;
        }
    }

    /// Whether the peer failed so shortly ago that it is not taken in.
    fn in_quarantine(&self, peer: &P, now: Time, config: &Config) -> bool {
        let failed = self.0.as_ref().map_or(&[][..], |state| &state.failed);
        let pauses = config.quarantine().filter(|_| !failed.is_empty());
        pauses.is_some_and(|pauses| {
            let mut failed = failed.iter();
            failed.any(|failed| failed.keeps_out(peer, pauses, now))
        })
    }

    pub(super) fn begin_round(&mut self) {
        if let Some(state) = &mut self.0 {
            state.entered = 0;
        }
    }

    /// Leaves out of `received` whom this node is not to take in now. Whoever is in the view already
    /// may be refreshed in any case.
    pub(super) fn filter(
        &self,
        view: &View<P>,
        (partner, side): (&P::Id, Side),
        received: &mut Vec<Descriptor<P>>,
        (now, config): (Time, &Config),
    ) {
        received.retain(|d| !self.in_quarantine(&d.peer, now, config));
        let Some(Diversity {
            per_source,
            per_prefix,
            per_round,
        }) = config.diversity()
        else {
            return;
        };
        let state = self.0.as_ref();
        let brought = state.map_or(0, |state| {
            let sources = state.sources.iter();
            let others = sources.filter(|(peer, _)| peer != partner);
            others.filter(|(_, source)| source == partner).count()
        });
        let mut of_source = per_source.saturating_sub(brought);
        let mut of_round = match side {
            // As many as this node has asked for itself.
            Side::Active => usize::MAX,
            Side::Passive => per_round.saturating_sub(state.map_or(0, |state| state.entered)),
        };
        let prefix = |peer: &P| peer.prefixes().map(|prefixes| prefixes.narrow());
        let mut prefixes: Vec<u64> = view.iter().filter_map(|d| prefix(&d.peer)).collect();
        let mut newcomers: Vec<P::Id> = Vec::new();
        received.retain(|d| {
            if view.contains(d.peer.id()) || newcomers.contains(d.peer.id()) {
                return true;
            }
            let narrow = prefix(&d.peer);
            let crowded = narrow.is_some_and(|narrow| {
                prefixes.iter().filter(|other| **other == narrow).count() >= per_prefix
            });
            // A peer speaks for itself without a source's help.
            let own = d.peer.id() == partner;
            if crowded || of_round == 0 || (!own && of_source == 0) {
                return false;
            }
            of_round -= 1;
            of_source -= usize::from(!own);
            prefixes.extend(narrow);
            newcomers.push(d.peer.id().clone());
            true
        });
    }

    /// Notes who came into the view by a merge: those of `received` that `view` did not hold `before`
    /// and that the overlay has kept.
    pub(super) fn note(
        &mut self,
        view: &View<P>,
        (partner, side): (&P::Id, Side),
        newcomers: Vec<P::Id>,
    ) {
        let state = self.state();
        state.sources.retain(|(peer, _)| view.contains(peer));
        let before = state.sources.len();
        for peer in newcomers {
            let noted = state.sources[before..]
                .iter()
                .any(|(other, _)| *other == peer);
            if view.contains(&peer) && !noted {
                state.sources.push((peer, partner.clone()));
            }
        }
        if side == Side::Passive {
            state.entered += state.sources.len() - before;
        }
    }

    fn state(&mut self) -> &mut State<P> {
        self.0.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::peer::Prefixes;

    const NOW: Time = Time::ZERO;

    fn config() -> Config {
        Config::default().with_diversity(Some(Diversity {
            per_source: 3,
            per_prefix: 30,
            per_round: 5,
        }))
    }

    fn fresh(peers: &[u32]) -> Vec<Descriptor<u32>> {
        peers.iter().copied().map(Descriptor::fresh).collect()
    }

    /// Whom a node takes in of those that `partner` tells of in a request; all of them stay.
    fn told(
        admission: &mut Admission<u32>,
        view: &mut View<u32>,
        partner: u32,
        peers: &[u32],
    ) -> Vec<u32> {
        let mut received = fresh(peers);
        let partner = (&partner, Side::Passive);
        admission.filter(view, partner, &mut received, (NOW, &config()));
        let taken: Vec<u32> = received.iter().map(|d| d.peer).collect();
        let newcomers = taken.iter().copied().filter(|peer| !view.contains(peer));
        let newcomers = newcomers.collect();
        view.append(&mut received);
        admission.note(view, partner, newcomers);
        taken
    }

    #[test]
    fn a_peer_told_of_twice_counts_once() {
        let (mut admission, mut view) = (Admission::new(), View::default());
        let taken = told(&mut admission, &mut view, 9, &[1, 1, 2, 1, 3, 4, 1]);
        assert_eq!(taken, [1, 1, 2, 1, 3, 1]);
        // Three have entered in this round, not six.
        assert_eq!(told(&mut admission, &mut view, 8, &[5, 6, 7]), [5, 6]);
    }

    #[test]
    fn who_speaks_does_not_count_as_one_it_has_told_of() {
        let (mut admission, mut view) = (Admission::new(), View::default());
        assert_eq!(told(&mut admission, &mut view, 9, &[9, 1]), [9, 1]);
        assert_eq!(told(&mut admission, &mut view, 9, &[2, 3, 4]), [2, 3]);
    }

    #[test]
    fn of_who_comes_back_the_new_source_counts_and_no_other() {
        let (mut admission, mut view) = (Admission::new(), View::default());
        told(&mut admission, &mut view, 9, &[1, 2, 3]);
        for source in [7, 8] {
            view.remove(&1);
            admission.retain(&view);
            admission.begin_round();
            assert_eq!(told(&mut admission, &mut view, source, &[1]), [1]);
        }
        let sources = admission.0.map(|state| state.sources);
        assert_eq!(sources, Some(vec![(2, 9), (3, 9), (1, 8)]));
    }

    #[test]
    fn a_narrow_network_has_no_more_places_than_its_cap() {
        #[derive(Clone)]
        struct Host(u32, u64);
        impl Peer for Host {
            type Id = u32;

            fn id(&self) -> &u32 {
                &self.0
            }

            fn prefixes(&self) -> Option<Prefixes> {
                (self.1 > 0).then(|| Prefixes::new(1, self.1))
            }
        }
        let config = Config::default().with_diversity(Some(Diversity {
            per_source: 30,
            per_prefix: 2,
            per_round: 30,
        }));
        let admission = Admission::new();
        let view = View::from_iter([Descriptor::fresh(Host(1, 7))]);
        let hosts = [
            (2, 7),
            (3, 7),
            (1, 7),
            (4, 8),
            (5, 8),
            (6, 8),
            (7, 0),
            (8, 0),
            (9, 0),
        ];
        let mut received: Vec<_> = hosts.map(|(id, at)| Descriptor::fresh(Host(id, at))).into();
        let settings = (NOW, &config);
        admission.filter(&view, (&99, Side::Active), &mut received, settings);
        let taken: Vec<u32> = received.iter().map(|d| d.peer.0).collect();
        assert_eq!(
            taken,
            [2, 1, 4, 5, 7, 8, 9],
            "without a network nobody is counted"
        );
    }

    const MINUTE: Duration = Duration::from_secs(60);

    /// A peer and a version of where it is: the higher, the later it has moved there.
    #[derive(Debug, Clone, Copy, PartialEq)]
    struct At(u32, u32);

    impl Peer for At {
        type Id = u32;

        fn id(&self) -> &u32 {
            &self.0
        }

        fn has_moved(&self, before: &Self) -> bool {
            self.1 > before.1
        }
    }

    fn failed(admission: &mut Admission<At>, peer: At, now: Time, config: &Config) {
        admission.failed(&peer.0, Some(&peer), (now, config));
    }

    const PEER: At = At(1, 1);

    #[test]
    fn a_failed_peer_stays_out_twice_as_long_each_time_and_never_for_good() {
        let config = Config::default().with_quarantine(Some(Backoff::new(MINUTE, 10 * MINUTE)));
        let mut admission = Admission::new();
        let mut now = Time::ZERO;
        for minutes in [1, 2, 4, 8, 10, 10, 10, 10] {
            failed(&mut admission, PEER, now, &config);
            now += minutes * MINUTE;
            assert!(admission.in_quarantine(
                &PEER,
                now.saturating_sub(Duration::from_nanos(1)),
                &config
            ));
            assert!(
                !admission.in_quarantine(&PEER, now, &config),
                "after {minutes} minutes"
            );
        }
        for failures in 8..100 {
            failed(&mut admission, PEER, now, &config);
            now += 10 * MINUTE;
            assert!(
                !admission.in_quarantine(&PEER, now, &config),
                "{failures} failures"
            );
        }
        failed(&mut admission, PEER, now, &config);
        // Told of by others, it is passed over; as a partner it may make good for it.
        let mut received = vec![Descriptor::fresh(PEER), Descriptor::fresh(At(2, 1))];
        let settings = (now, &config);
        admission.filter(
            &View::default(),
            (&2, Side::Passive),
            &mut received,
            settings,
        );
        assert_eq!(received, [Descriptor::fresh(At(2, 1))]);
        admission.answered(&1);
        assert!(!admission.in_quarantine(&PEER, now, &config));
    }

    #[test]
    fn a_failed_peer_that_calls_is_taken_in_again_and_its_next_failure_counts_on() {
        let config = Config::default().with_quarantine(Some(Backoff::new(MINUTE, 60 * MINUTE)));
        let mut admission = Admission::new();
        for _ in 0..4 {
            failed(&mut admission, PEER, NOW, &config);
        }
        admission.called(&1, NOW + MINUTE / 2, &config);
        assert!(
            admission.in_quarantine(&PEER, NOW + MINUTE / 2, &config),
            "too early"
        );
        let now = NOW + MINUTE;
        admission.called(&2, now, &config);
        assert!(
            admission.in_quarantine(&PEER, now, &config),
            "another has called"
        );
        admission.called(&1, now, &config);
        assert!(!admission.in_quarantine(&PEER, now, &config));
        failed(&mut admission, PEER, now, &config);
        assert!(admission.in_quarantine(&PEER, now + 15 * MINUTE, &config));
        assert!(!admission.in_quarantine(&PEER, now + 16 * MINUTE, &config));
    }

    #[test]
    fn a_failed_peer_that_has_moved_waits_for_the_first_pause_only() {
        let config = Config::default().with_quarantine(Some(Backoff::new(MINUTE, 60 * MINUTE)));
        let mut admission = Admission::new();
        for _ in 0..6 {
            failed(&mut admission, PEER, NOW, &config);
        }
        let now = NOW + MINUTE;
        assert!(admission.in_quarantine(&At(1, 2), NOW, &config));
        assert!(!admission.in_quarantine(&At(1, 2), now, &config));
        assert!(
            admission.in_quarantine(&PEER, now, &config),
            "where it failed"
        );
        // Of a peer that nothing was known of, nothing can be new.
        admission.failed(&9, None, (NOW, &config));
        admission.failed(&9, None, (NOW, &config));
        assert!(admission.in_quarantine(&At(9, 9), now, &config));
    }

    #[test]
    fn a_peer_that_moves_and_fails_waits_twice_as_long_each_time() {
        let config = Config::default().with_quarantine(Some(Backoff::new(MINUTE, 10 * MINUTE)));
        let (mut admission, mut now) = (Admission::new(), NOW);
        for (version, minutes) in [1, 2, 4, 8, 10, 10].into_iter().enumerate() {
            let version = version as u32;
            failed(&mut admission, At(1, version), now, &config);
            now += minutes * MINUTE;
            let moved = At(1, version + 1);
            let early = now.saturating_sub(Duration::from_nanos(1));
            assert!(admission.in_quarantine(&moved, early, &config));
            assert!(!admission.in_quarantine(&moved, now, &config));
        }
    }

    #[test]
    fn of_very_many_who_failed_the_first_are_forgotten() {
        let config = Config::default()
            .with_view_size(2)
            .with_quarantine(Some(Backoff::new(MINUTE, MINUTE)));
        let most = 2 * REMEMBERED_PER_PEER as u32;
        let mut admission = Admission::new();
        for peer in 0..=most {
            failed(&mut admission, At(peer, 1), NOW, &config);
        }
        let held = (0..=most).filter(|peer| admission.in_quarantine(&At(*peer, 1), NOW, &config));
        assert_eq!(held.count() as u32, most);
        assert!(!admission.in_quarantine(&At(0, 1), NOW, &config));
    }

    #[test]
    fn without_settings_nobody_is_kept_out() {
        let mut admission = Admission::new();
        failed(&mut admission, PEER, NOW, &Config::default());
        assert!(!admission.in_quarantine(&PEER, NOW, &Config::default()));
        assert!(admission.0.is_none(), "no memory either");
    }
}
