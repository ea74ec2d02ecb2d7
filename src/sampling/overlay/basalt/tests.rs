//! Tests of Basalt: its slots, its partners, its samples.

use std::time::Duration;

use rand::{SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    gossip::Failure,
    peer::Prefixes,
    sampling::{
        overlay::basalt::slot::NOBODY,
        sampler::{
            Sampler,
            config::Config,
            message::{Request, Response},
        },
        view::Descriptor,
    },
    time::Time,
};

const V: usize = 50;
const ROUND: Duration = Duration::from_secs(10);

/// A peer and its /16; the /24 is one of 256 in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Host {
    id: u32,
    network: u64,
}

impl Peer for Host {
    type Id = u32;

    fn id(&self) -> &u32 {
        &self.id
    }

    fn prefixes(&self) -> Option<Prefixes> {
        let narrow = self.network * 256 + u64::from(self.id % 256);
        Some(Prefixes::new(self.network, narrow))
    }

    fn refresh(&mut self, other: Self) {
        *self = other;
    }
}

/// Each in a network of its own.
fn host(id: u32) -> Host {
    Host {
        id,
        network: u64::from(id),
    }
}

type Node = Sampler<Host, Basalt, StdRng>;

fn node(overlay: Basalt, seed: u64) -> Node {
    let config = Config::default().with_view_size(V).with_eager_delay(ROUND);
    let rng = StdRng::seed_from_u64(seed);
    let mut node = Sampler::new(0, config, overlay, rng).expect("valid settings");
    node.set_local(Some(host(0)));
    node
}

/// Others push these to the node, a message each.
fn push(node: &mut Node, hosts: impl IntoIterator<Item = Host>) {
    let hosts: Vec<Host> = hosts.into_iter().collect();
    for told in hosts.chunks(16) {
        let request = Request {
            descriptors: told.iter().cloned().map(Descriptor::fresh).collect(),
            pull: false,
            room: usize::MAX,
        };
        node.handle_request(&9_999_999, request, Time::new(ROUND));
    }
}

fn share(node: &Node, is: impl Fn(&Host) -> bool) -> f64 {
    let count = node.view().iter().filter(|d| is(&d.peer)).count();
    count as f64 / node.view().len() as f64
}

fn ids(node: &Node) -> Vec<u32> {
    let mut ids: Vec<u32> = node.view().iter().map(|d| d.peer.id).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn how_often_a_peer_is_mentioned_makes_no_difference() {
    let overlay = || Basalt::for_view_size(V);
    let (mut once, mut often) = (node(overlay(), 1), node(overlay(), 1));
    push(&mut once, (1..=400).map(host));
    for _ in 0..20 {
        push(&mut often, (1..=40).map(host));
    }
    push(&mut often, (1..=400).map(host));
    assert_eq!(ids(&once), ids(&often));
    // The order makes none either.
    let mut backwards = node(overlay(), 1);
    push(&mut backwards, (1..=400).rev().map(host));
    assert_eq!(ids(&once), ids(&backwards));
}

#[test]
fn two_nodes_keep_different_peers() {
    let overlay = || Basalt::for_view_size(V);
    let (mut one, mut other) = (node(overlay(), 1), node(overlay(), 2));
    push(&mut one, (1..=5_000).map(host));
    push(&mut other, (1..=5_000).map(host));
    let both = ids(&one)
        .iter()
        .filter(|id| other.view().contains(id))
        .count();
    assert!(both < 5, "{both} of {V}");
}

/// 200 honest hosts in as many networks, and one network with 5,000 identities.
#[test]
fn a_network_has_no_more_than_its_tickets() {
    let of_one_network = |ranking| {
        let mut node = node(Basalt::new(17).with_ranking(ranking), 3);
        push(&mut node, (1..=200).map(host));
        let crowd = |id| Host { id, network: 7_777 };
        push(&mut node, (10_000..15_000).map(crowd));
        share(&node, |host| host.network == 7_777)
    };
    let by_identity = of_one_network(Ranking::Identity);
    assert!(by_identity > 0.85, "{by_identity}");
    let shared = of_one_network(Ranking::default());
    assert!((0.0..0.25).contains(&shared), "16 of 216: {shared}");
    let papers = of_one_network(Ranking::Prefixes { wide: 1, narrow: 1 });
    assert!(papers <= 2.0 / V as f64 + 0.05, "1 of 201: {papers}");
}

/// They claim one network after the other until they are in, and then say where they are.
#[test]
fn a_peer_that_moves_competes_anew() {
    let mut node = node(Basalt::for_view_size(V), 3);
    push(&mut node, (1..=200).map(host));
    let crowd = 10_000..10_400_u32;
    for attempt in 0..10 {
        let elsewhere = |id| Host {
            id,
            network: u64::from(id) * 10 + attempt,
        };
        push(&mut node, crowd.clone().map(elsewhere));
    }
    assert!(share(&node, |host| host.id >= 10_000) > 0.5);
    push(&mut node, crowd.map(|id| Host { id, network: 7_777 }));
    push(&mut node, (1..=200).map(host));
    let left = share(&node, |host| host.network == 7_777);
    assert!(left < 0.25, "16 of 216: {left}");
}

/// Peers without a known network compete by identity, whatever the ranking.
#[test]
fn peers_without_networks_are_networks_of_their_own() {
    let config = Config::default().with_view_size(V);
    let rng = StdRng::seed_from_u64(4);
    let overlay = Basalt::for_view_size(V);
    let mut node: Sampler<u32, _, _> = Sampler::new(0, config, overlay, rng).expect("valid");
    node.init(1..=40);
    assert!(node.view().len() > 20, "{}", node.view().len());
}

#[test]
fn others_are_told_only_of_those_that_have_answered() {
    let mut node = node(Basalt::for_view_size(V), 5);
    node.init((1..=40).map(host));
    let told = |node: &mut Node| {
        let pull = Request {
            descriptors: Vec::new(),
            pull: true,
            room: usize::MAX,
        };
        let response = node.handle_request(&77, pull, Time::new(ROUND));
        let told = response.descriptors.into_iter().map(|d| d.peer.id);
        told.collect::<Vec<u32>>()
    };
    assert_eq!(told(&mut node), [0], "nobody has answered yet");
    let mut answered = Vec::new();
    for round in 1..=5 {
        let exchange = node.poll_round(Time::new(round * ROUND)).expect("due");
        let nothing = Response {
            descriptors: Vec::new(),
        };
        node.handle_response(exchange.id, nothing, Time::new(round * ROUND))
            .expect("in flight");
        answered.push(exchange.partner);
    }
    let mut now = told(&mut node);
    now.sort_unstable();
    answered.push(0);
    answered.retain(|id| *id == 0 || node.view().contains(id));
    answered.sort_unstable();
    answered.dedup();
    assert_eq!(now, answered);
}

/// Of two who know only a third one, each hears of the other, however small the views are.
#[test]
fn the_smallest_views_spread_news() {
    for view_size in [2, 3, 4] {
        let node = |id: u32| {
            let config = Config::default().with_view_size(view_size).with_retries(1);
            let overlay = Basalt::for_view_size(view_size);
            let rng = StdRng::seed_from_u64(u64::from(id));
            let mut node = Sampler::new(id, config, overlay, rng).expect("valid settings");
            node.set_local(Some(id));
            node
        };
        let mut nodes = [node(0), node(1), node(2)];
        nodes[1].init([0]);
        nodes[2].init([0]);
        let mut heard = [false; 2];
        for round in 1..=200_u32 {
            let now = round * ROUND;
            for from in 0..3 {
                while let Some(exchange) = nodes[from].poll_round(Time::new(now)) {
                    let to = exchange.partner as usize;
                    let answer =
                        nodes[to].handle_request(&(from as u32), exchange.request, Time::new(now));
                    nodes[from]
                        .handle_response(exchange.id, answer, Time::new(now))
                        .expect("in flight");
                }
            }
            heard[0] |= nodes[1].view().contains(&2);
            heard[1] |= nodes[2].view().contains(&1);
        }
        assert_eq!(heard, [true; 2], "views of {view_size}");
    }
}

#[test]
fn what_was_told_is_not_told_back() {
    let mut node = node(Basalt::for_view_size(V).with_memory(usize::MAX), 6);
    node.init((1..=10).map(host));
    let known: Vec<u32> = ids(&node).into_iter().take(5).collect();
    let request = Request {
        descriptors: known
            .iter()
            .map(|id| Descriptor::fresh(host(*id)))
            .collect(),
        pull: true,
        room: usize::MAX,
    };
    let response = node.handle_request(&known[0], request, Time::new(ROUND));
    assert!(response.descriptors.len() > 1);
    for descriptor in response.descriptors {
        assert!(!known.contains(&descriptor.peer.id));
    }
}

#[test]
fn slots_that_are_renewed_give_out_their_peers() {
    let overlay = Basalt::for_view_size(V).with_renewal(2, 3);
    let mut node = node(overlay, 7);
    node.init((1..=40).map(host));
    let mut samples = 0;
    for round in 1..=30 {
        let before = ids(&node);
        let _ = node.poll_round(Time::new(round * ROUND));
        while let Some(sample) = node.next_sample() {
            assert!(before.contains(&sample.id));
            samples += 1;
        }
    }
    assert_eq!(samples, 2 * 30 / 3);
}

/// In a small network a view holds the same two thirds for a long time. What is given out is
/// even all the same: chi-square with 29 degrees of freedom is below 58.3 with a probability
/// of 0.999.
#[test]
fn samples_are_even_where_the_view_holds_two_thirds_of_the_network() {
    const N: u32 = 30;
    let node = |id: u32| {
        let overlay = Basalt::for_view_size(N as usize).with_ranking(Ranking::Identity);
        let config = Config::default().with_view_size(N as usize);
        let rng = StdRng::seed_from_u64(u64::from(id));
        let mut node = Sampler::new(id, config, overlay, rng).expect("valid settings");
        node.set_local(Some(id));
        node
    };
    let mut nodes: Vec<Sampler<u32, _, _>> = (0..N).map(node).collect();
    nodes[1..].iter_mut().for_each(|node| _ = node.init([0]));
    let mut counts = [0u32; N as usize];
    for round in 1..=500_u32 {
        let now = round * ROUND;
        for from in 0..N {
            while let Some(exchange) = nodes[from as usize].poll_round(Time::new(now)) {
                let to = exchange.partner as usize;
                let answer = nodes[to].handle_request(&from, exchange.request, Time::new(now));
                nodes[from as usize]
                    .handle_response(exchange.id, answer, Time::new(now))
                    .expect("in flight");
            }
            while let Some(sample) = nodes[from as usize].next_sample() {
                // The first hundred rounds are the joining's.
                counts[sample as usize] += u32::from(round > 100);
            }
        }
    }
    let expected = f64::from(counts.iter().sum::<u32>()) / f64::from(N);
    let squares = counts
        .iter()
        .map(|&n| (f64::from(n) - expected).powi(2) / expected);
    let chi_square: f64 = squares.sum();
    assert!(chi_square < 58.3, "{chi_square}: {counts:?}");
    let held: usize = nodes.iter().map(|node| node.view().len()).sum();
    let mean = held as f64 / f64::from(N);
    assert!((17.0..21.0).contains(&mean), "{mean}");
}

#[test]
fn the_next_best_takes_the_place_of_the_dead() {
    let mut node = node(Basalt::for_view_size(V), 8);
    push(&mut node, (1..=200).map(host));
    let gone = node.view().as_slice()[0].peer.id;
    let before = node.view().len();
    node.remove(&gone);
    assert!(!node.view().contains(&gone));
    assert!(node.view().len() >= before - 1);
    // A peer that is told of again competes for the slot anew.
    push(&mut node, (1..=200).map(host));
    assert!(node.view().contains(&gone), "it ranks best as before");
}

#[test]
fn every_member_has_a_slot_and_the_other_way_round() {
    let mut node = node(Basalt::for_view_size(V), 9);
    for round in 1..=200_u32 {
        push(&mut node, (round * 10..round * 10 + 40).map(host));
        while let Some(exchange) = node.poll_round(Time::new(round * ROUND)) {
            let failure = Failure::Unreachable;
            if round.is_multiple_of(3) {
                node.handle_failure(exchange.id, failure, Time::new(round * ROUND))
                    .expect("in flight");
            }
        }
        let view = node.view().clone();
        let basalt = node.overlay();
        assert_eq!(basalt.members.len(), view.len());
        for descriptor in &view {
            let fingerprint = basalt.hash(&descriptor.peer.id);
            assert!(basalt.member(fingerprint).is_some());
            assert!(basalt.slots.iter().any(|slot| slot.holder == fingerprint));
        }
        let held = basalt.slots.iter().filter(|slot| slot.rank != NOBODY);
        for slot in held {
            assert!(basalt.member(slot.holder).is_some());
        }
    }
}

#[test]
fn failures_bring_more_exchanges_and_answers_end_them() {
    let mut node = node(Basalt::for_view_size(V), 10);
    node.init((1..=50).map(host));
    let mut started = Vec::new();
    for round in 1..=40_u32 {
        let mut count = 0;
        while let Some(exchange) = node.poll_round(Time::new(round * ROUND)) {
            count += 1;
            let now = round * ROUND;
            if round <= 2 {
                node.handle_failure(exchange.id, Failure::Unreachable, Time::new(now))
                    .expect("in flight");
            } else {
                let descriptors = (1..=60).map(host).map(Descriptor::fresh).collect();
                node.handle_response(exchange.id, Response { descriptors }, Time::new(now))
                    .expect("in flight");
            }
        }
        started.push(count);
    }
    assert!(started[1] > 4, "more than the retries: {started:?}");
    assert_eq!(started[39], 1, "{started:?}");
}

#[test]
fn settings_are_checked() {
    let check = |overlay: Basalt| Overlay::<u32>::check(&overlay, V);
    assert_eq!(check(Basalt::new(1)), Ok(()));
    assert_eq!(check(Basalt::for_view_size(V)), Ok(()));
    for length in [0, V + 1] {
        let error = check(Basalt::new(length)).expect_err("out of bounds");
        assert!(error.to_string().starts_with("shuffle length"), "{error}");
    }
    for (slots, rounds) in [(0, 1), (1, 0), (V + 1, 1)] {
        let overlay = Basalt::new(1).with_renewal(slots, rounds);
        let error = check(overlay).expect_err("out of bounds");
        assert!(error.to_string().starts_with("renewing"), "{error}");
    }
}
