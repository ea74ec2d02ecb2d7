//! Tests of rounds, of the choice of partners and of what is handed out.

use super::*;

#[test]
fn a_round_makes_fanout_exchanges_with_different_partners() {
    let mut a = full_node(config().with_fanout(3));
    let partners: Vec<u32> = std::iter::from_fn(|| a.poll_round(Time::new(ROUND)))
        .map(|e| e.partner)
        .collect();
    assert_eq!(partners, [1, 2, 3]);
    assert!(
        a.poll_round(Time::new(2 * ROUND - Duration::from_nanos(1)))
            .is_none()
    );
    assert!(a.poll_round(Time::new(2 * ROUND)).is_some());
}

#[test]
fn a_failure_of_an_earlier_round_is_not_made_up_for_in_a_later_one() {
    let mut a = full_node(config());
    let first = a.poll_round(Time::new(ROUND)).expect("due");
    let _second = a.poll_round(Time::new(2 * ROUND)).expect("due");
    a.handle_failure(first.id, Failure::Broken, Time::new(ROUND))
        .expect("in flight");
    assert!(a.poll_round(Time::new(2 * ROUND)).is_none());
}

#[test]
fn rounds_follow_each_other_until_the_view_is_full() {
    let mut a = node(0, config());
    let eager = a.config().eager_delay();
    a.init([1]);
    let mut now = Time::ZERO;
    for newcomer in 2..=10 {
        let exchange = a.poll_round(now).expect("due");
        let response = Response {
            descriptors: vec![Descriptor::fresh(newcomer)],
        };
        a.handle_response(exchange.id, response, now)
            .expect("in flight");
        assert!(a.poll_round(now).is_none());
        now = a.next_wake().expect("a round").at;
    }
    assert_eq!(now, Time::new(8 * eager + ROUND));
}

#[test]
fn eager_rounds_fade_out_where_nobody_new_is_to_be_found() {
    let mut a = node(0, config());
    a.init([1]);
    let mut now = Time::ZERO;
    let mut rounds = 0;
    while now < Time::new(20 * ROUND) {
        let exchange = a.poll_round(now).expect("due");
        a.handle_response(exchange.id, empty(), now)
            .expect("in flight");
        now = a.next_wake().expect("a round").at;
        rounds += 1;
    }
    assert!((20..30).contains(&rounds), "{rounds}");
}

#[test]
fn haste_brings_rounds_forward_and_tires() {
    let mut a = full_node(config());
    let mut now = ROUND;
    let mut pauses = Vec::new();
    for _ in 0..10 {
        let exchange = a.poll_round(Time::new(now)).expect("due");
        a.handle_response(exchange.id, empty(), Time::new(now))
            .expect("in flight");
        a.hasten(Time::new(now));
        let next = a.next_wake().expect("a round").at;
        pauses.push((next - Time::new(now)).as_millis());
        now = next.since_zero();
    }
    // And after a whole period without, it starts anew.
    let tired = [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 100, 200];
    assert_eq!(pauses, tired);
}

#[test]
fn settings_out_of_bounds_are_refused() {
    let make = |config, overlay| {
        Sampler::<u32, _, _>::new(0, config, overlay, StdRng::seed_from_u64(0)).err()
    };
    assert!(matches!(
        make(config().with_fanout(0), Random::blind()),
        Some(ConfigError::OutOfBounds {
            setting: "fanout",
            ..
        })
    ));
    assert!(matches!(
        make(config(), Random::new(3, 3)),
        Some(ConfigError::Overlay(_))
    ));
}

#[test]
fn newcomers_are_handed_out_first() {
    let mut a = full_node(config());
    let mut all: Vec<u32> = (0..10)
        .filter_map(|_| a.select_peer(Selection::Uniform))
        .collect();
    all.sort_unstable();
    assert_eq!(all, (1..=10).collect::<Vec<_>>());
    a.remove(&4);
    a.init([44]);
    assert_eq!(a.select_peer(Selection::Uniform), Some(44));

    let mut sent = Vec::new();
    assert_eq!(a.broadcast(|peer| sent.push(peer)), 10);
    assert!(a.view().peers().eq(&sent));
    assert_eq!(a.view_len(), 10);
}

#[test]
fn a_sampler_is_a_service_in_the_modes_of_its_overlay() {
    let mut a = full_node(config());
    assert_eq!(a.select_peer(Selection::Tail), Some(1));
    let head = PeerSampling::select_peer(&mut a, &Selection::Head);
    assert_eq!(head.into_inner(), Some(10));
}

/// Contacts count only if the configuration says so.
#[test]
fn recency_counts_exchanges_of_either_side() {
    let second = |seconds| Time::new(Duration::from_secs(seconds));
    for remembers in [false, true] {
        let mut a = full_node(config().with_contact_times(remembers));
        for peer in 1..=9_u32 {
            let request = Request {
                descriptors: Vec::new(),
                pull: false,
                room: usize::MAX,
            };
            a.handle_request(&peer, request, second(peer.into()));
        }
        let exchange = a.exchange_with(10, second(20)).expect("it is free");
        a.handle_response(exchange.id, empty(), second(20))
            .expect("in flight");
        // All were handed out, or those that were not come first.
        a.broadcast(drop);
        let drawn: Vec<_> = (0..10)
            .filter_map(|_| a.select_peer(Recency::LeastRecent))
            .collect();
        assert_eq!(drawn == [1; 10], remembers, "{drawn:?}");
    }
}

#[test]
fn partners_are_chosen_by_age_or_at_random() {
    let choose = |selection| {
        let mut a = full_node(config().with_selection(selection));
        a.poll_round(Time::ZERO).map(|e| e.partner)
    };
    assert_eq!(choose(PartnerSelection::Tail), Some(1));
    assert_eq!(choose(PartnerSelection::Head), Some(10));

    let mut counts = [0u32; 10];
    for seed in 0..10_000 {
        let config = config().with_selection(PartnerSelection::Rand);
        let rng = StdRng::seed_from_u64(seed);
        let mut a = Node::new(0, config, Random::blind(), rng).expect("valid settings");
        a.init(1..=10);
        let partner = a.poll_round(Time::ZERO).expect("due").partner;
        counts[partner as usize - 1] += 1;
    }
    // 1,000 expected, standard deviation 30.
    assert!(
        counts.iter().all(|n| (850..1_150).contains(n)),
        "{counts:?}"
    );
}
