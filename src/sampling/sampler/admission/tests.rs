//! Tests of which peers a node takes in: who failed, and what comes from one hand.

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

/// The peers that a node takes in of those that `partner` tells of in a request; all of them stay.
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
fn a_teller_does_not_count_as_one_it_has_told_of() {
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
    // Candidates come beside those: known ones pass, and one more of network 9 than has room.
    let mut admits = admission.admits_candidate(&view, &received, settings);
    let candidates = [(1, 7), (4, 8), (10, 7), (11, 9), (12, 9), (13, 9), (14, 0)];
    let taken = candidates.map(|(id, at)| admits(&Host(id, at)));
    assert_eq!(taken, [true, true, false, true, true, false, true]);
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
