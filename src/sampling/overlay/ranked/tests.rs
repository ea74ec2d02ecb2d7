//! Tests of ranked views: what is sent, what is kept, who is asked.

use std::time::Duration;

use rand::{SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    gossip::{Exchange, Failure},
    sampling::{
        overlay::exchange::Side,
        sampler::{
            Sampler,
            config::Config,
            message::{Request, Response},
        },
    },
    time::{Backoff, Time},
};

type Plain = fn(&u32, &u32) -> f64;
type Node = Sampler<u32, Ranked<Plain, u32>, StdRng>;

const PERIOD: Duration = Duration::from_secs(10);

fn apart(from: &u32, to: &u32) -> f64 {
    f64::from(from.abs_diff(*to))
}

fn ranked(target: usize) -> Ranked<Plain, u32> {
    Ranked::new(apart, target)
}

fn node_with(id: u32, overlay: Ranked<Plain, u32>, config: Config) -> Node {
    let rng = StdRng::seed_from_u64(u64::from(id));
    let mut node = Sampler::new(id, config, overlay, rng).expect("valid settings");
    node.set_local(Some(id));
    node
}

/// A node that knows `peers`.
fn node(id: u32, overlay: Ranked<Plain, u32>, peers: impl IntoIterator<Item = u32>) -> Node {
    let mut node = node_with(id, overlay, Config::default().with_retries(0));
    node.init(peers);
    node
}

fn peers<'a>(descriptors: impl IntoIterator<Item = &'a Descriptor<u32>>) -> Vec<u32> {
    descriptors.into_iter().map(|d| d.peer).collect()
}

fn request(descriptors: impl IntoIterator<Item = u32>) -> Request<u32> {
    Request {
        descriptors: descriptors.into_iter().map(Descriptor::fresh).collect(),
        pull: true,
        room: usize::MAX,
    }
}

fn at(round: u32) -> Time {
    Time::new(round * PERIOD)
}

/// All exchanges of a round, none of which is answered yet.
fn round(node: &mut Node, number: u32) -> Vec<Exchange<u32, Request<u32>>> {
    std::iter::from_fn(|| node.poll_round(at(number))).collect()
}

fn answered(node: &mut Node, exchange: &Exchange<u32, Request<u32>>, now: Time) {
    let descriptors = Vec::new();
    node.handle_response(exchange.id, Response { descriptors }, now)
        .expect("in flight");
}

#[test]
fn the_view_is_in_the_order_of_the_ranking() {
    let mut node = node(50, ranked(2), [90, 10, 55, 49, 51]);
    let view = peers(node.view());
    assert_eq!(view[2], 55);
    assert!(view[..2] == [49, 51] || view[..2] == [51, 49], "{view:?}");
    assert_eq!(node.overlay().target(node.view()).len(), 2);
    assert_eq!(node.overlay().targets(node.view()), 2);
    node.set_local(Some(88));
    assert_eq!(peers(node.view()), [90, 55, 51, 49, 10]);
    node.set_local(None);
    node.init([87]);
    assert_eq!(peers(node.view())[0], 87, "from where it was");
}

#[test]
fn the_partner_is_told_of_what_is_nearest_to_the_partner() {
    let overlay = ranked(2).with_message(4).with_psi(1).with_probes(false);
    let mut node = node(50, overlay, [52, 53, 10, 11, 9, 90]);
    node.set_candidates(vec![54, 51, 50, 51, 53]);
    let exchange = node.poll_round(Time::ZERO).expect("due");
    assert_eq!(exchange.partner, 52);
    let sent = exchange.request.descriptors;
    assert_eq!(sent[0], Descriptor::fresh(50));
    let mut others: Vec<_> = sent[1..].iter().map(|d| (d.peer, d.age)).collect();
    others.sort_unstable();
    // 51, 53 and 54 are nearest to 52; what is in the view already is as old as there.
    assert_eq!(others, [(51, 10), (53, 1), (54, 10)]);

    // The answer leaves out what was told, and the one that is told.
    let response = node.handle_request(&10, request([10, 11, 9]), Time::ZERO);
    let told = peers(&response.descriptors);
    assert_eq!(told[0], 50);
    assert_eq!(told[1..], [51, 52, 53]);
}

#[test]
fn of_a_partner_that_is_unknown_a_node_guesses_that_it_is_near() {
    let overlay = ranked(2).with_message(3);
    let mut node = node(50, overlay, [10, 51, 90, 52]);
    let response = node.handle_request(&12, request([]), Time::ZERO);
    assert_eq!(peers(&response.descriptors), [50, 51, 52]);
}

#[test]
fn the_best_of_what_is_known_are_kept_and_this_node_is_not_among_them() {
    let overlay = ranked(2).with_message(4).with_psi(4).with_probes(false);
    let config = Config::default().with_view_size(4).with_fanout(1);
    let mut node = node_with(50, overlay, config.with_retries(0));
    node.init([10, 20, 30, 40]);
    node.set_candidates(vec![50, 45, 90]);
    node.handle_request(&44, request([44, 46, 40, 50]), Time::ZERO);
    assert_eq!(peers(node.view()), [46, 45, 44, 40]);
    let ages: Vec<u32> = node.view().iter().map(|d| d.age).collect();
    assert_eq!(ages, [1, 10, 1, 0]);
}

#[test]
fn a_node_that_has_not_said_where_it_is_keeps_what_it_is_told() {
    let config = Config::default().with_view_size(20);
    let rng = StdRng::seed_from_u64(1);
    let mut node = Sampler::new(50, config, ranked(2), rng).expect("valid settings");
    node.init(0..20);
    let response = node.handle_request(&60, request(60..90), Time::ZERO);
    assert_eq!(node.view().len(), 20);
    assert!(!response.descriptors.is_empty());
    node.set_local(Some(50));
    assert_eq!(node.view().len(), 20);
    let distances = node.view().iter().map(|d| d.peer.abs_diff(50));
    assert!(distances.is_sorted());
}

#[test]
fn descriptors_die_of_age_wherever_they_are() {
    let overlay = ranked(2).with_life(3).with_probes(false);
    let mut node = node(50, overlay, [49]);
    for number in 0..3 {
        for exchange in round(&mut node, number) {
            answered(&mut node, &exchange, at(number));
        }
        assert!(node.view().contains(&49), "{number}");
    }
    let mut told = request([51, 52]);
    told.descriptors[0].age = 3;
    told.descriptors[1].age = 2;
    node.handle_request(&60, told, at(2));
    assert_eq!(peers(node.view()), [49, 52], "51 is too old");
    assert!(round(&mut node, 3).is_empty(), "nobody is left");
    assert!(node.view().is_empty());
    // A life without an end.
    let overlay = ranked(2).with_life(u32::MAX);
    let mut node = self::node(50, overlay, []);
    let mut told = request([51]);
    told.descriptors[0].age = u32::MAX;
    node.handle_request(&60, told, at(0));
    round(&mut node, 0);
    assert!(node.view().contains(&51));
}

#[test]
fn partners_are_the_nearest_ones_all_as_often() {
    let overlay = ranked(2).with_psi(4).with_probes(false);
    let mut node = node(50, overlay.with_life(u32::MAX), 51..=70);
    let mut times = [0_u32; 80];
    for number in 0..4_000 {
        for exchange in round(&mut node, number) {
            times[exchange.partner as usize] += 1;
            answered(&mut node, &exchange, at(number));
        }
    }
    assert_eq!(times.iter().sum::<u32>(), 4_000);
    let nearest = &times[51..=54];
    assert!(
        nearest.iter().all(|times| (850..1_150).contains(times)),
        "{nearest:?}"
    );
}

#[test]
fn each_round_the_link_that_was_silent_longest_is_probed() {
    let overlay = ranked(4).with_psi(1);
    let mut node = node(50, overlay.with_life(u32::MAX), 51..=70);
    let mut probed = Vec::new();
    for number in 0..7 {
        let exchanges = round(&mut node, number);
        let [exchange, probe] = &exchanges[..] else {
            panic!("{exchanges:?}");
        };
        assert_eq!(exchange.partner, 51, "psi is 1");
        // With a link that has never answered it makes an exchange instead.
        let is_probe = probe.request.descriptors.is_empty() && !probe.request.pull;
        assert_eq!(is_probe, number >= 3);
        probed.push(probe.partner);
        answered(&mut node, exchange, at(number));
        answered(&mut node, probe, at(number));
    }
    assert_eq!(probed, [52, 53, 54, 52, 53, 54, 52]);
}

/// Nobody else tells of the dead one, and psi is so large that partners hardly ever hit on it.
#[test]
fn a_dead_link_is_found_within_as_many_rounds_as_there_are_links() {
    for dead in 51..=54 {
        let overlay = ranked(4).with_psi(20).with_life(u32::MAX);
        let mut node = node(50, overlay, 51..=70);
        for number in 0..4 {
            for exchange in round(&mut node, number) {
                match exchange.partner == dead {
                    true => {
                        node.handle_failure(exchange.id, Failure::Unreachable, at(number))
                            .expect("in flight");
                    }
                    false => answered(&mut node, &exchange, at(number)),
                }
            }
        }
        assert!(!node.view().contains(&dead), "{dead}");
    }
}

#[test]
fn a_dead_peer_is_no_candidate_and_comes_back_by_its_own_word() {
    let quarantine = Backoff::new(6 * PERIOD, 6 * PERIOD);
    let config = Config::default()
        .with_quarantine(Some(quarantine))
        .with_retries(0);
    let mut node = node_with(50, ranked(2).with_psi(1).with_probes(false), config);
    // A node that is left with nobody forgives all.
    node.init([51, 90]);
    let exchange = node.poll_round(at(0)).expect("due");
    node.set_candidates(vec![51]);
    node.handle_failure(exchange.id, Failure::Unreachable, at(0))
        .expect("in flight");
    node.handle_request(&60, request([60]), at(0));
    assert!(!node.view().contains(&51), "it is no candidate any more");
    node.set_candidates(vec![51]);
    node.handle_request(&60, request([60]), at(5));
    assert!(!node.view().contains(&51));
    // The quarantine is over, and it is still not known when others heard of it.
    node.set_candidates(vec![51]);
    node.handle_request(&60, request([60]), at(6));
    assert!(!node.view().contains(&51));
    node.handle_request(&51, request([51]), at(6));
    assert!(node.view().contains(&51));
}

#[test]
fn each_bound_is_named() {
    let check = |overlay: &Ranked<Plain, u32>| match overlay.check(30) {
        Ok(()) => "fine".to_owned(),
        Err(error) => error.to_string(),
    };
    assert_eq!(check(&ranked(30).with_message(2).with_psi(30)), "fine");
    assert_eq!(
        check(&ranked(0)),
        "target is 0, must be 1 to the view size 30"
    );
    assert_eq!(
        check(&ranked(31)),
        "target is 31, must be 1 to the view size 30"
    );
    let message = ranked(2).with_message(1);
    assert_eq!(
        check(&message),
        "message is 1, must be 2 to the view size 30"
    );
    let psi = ranked(2).with_psi(0);
    assert_eq!(check(&psi), "psi is 0, must be 1 to the view size 30");
    let life = ranked(2).with_life(1);
    assert_eq!(check(&life), "life is 1 rounds, must be 2 or more");

    struct Round;
    impl Distance<u32> for Round {
        fn sides(&self) -> usize {
            0
        }

        fn distance(&self, _side: usize, _from: &u32, _to: &u32) -> f64 {
            0.0
        }
    }
    let error = Ranked::new(Round, 2).check(30).expect_err("no sides");
    assert_eq!(
        error.to_string(),
        "the ranking has 0 sides, must be 1 to 16"
    );
    let mut view = View::from_iter([1_u32, 2].map(Descriptor::fresh));
    let mut overlay = Ranked::new(Round, 2);
    let mut outgoing = crate::sampling::overlay::exchange::to(&1, Side::Active, 30);
    overlay.compose(&mut view, &mut outgoing, &mut StdRng::seed_from_u64(1));
    assert_eq!(outgoing.len(), 1);
}
