//! What holds of ranked views whatever the distance does.

use std::{cell::Cell, collections::BTreeSet};

use proptest::{collection::vec, prelude::*};
use rand::{SeedableRng, rngs::SmallRng};

use crate::{
    gossip::Failure,
    sampling::{
        overlay::ranked::{Ranked, distance::Distance, order::MAX_SIDES},
        sampler::{
            Sampler,
            config::Config,
            message::{Request, Response},
        },
        view::Descriptor,
    },
    time::Time,
};

/// A distance that says whatever comes next, and another thing each time it is asked.
#[derive(Debug)]
struct Any {
    says: Vec<f64>,
    next: Cell<usize>,
    sides: usize,
}

impl Distance<u32> for Any {
    fn sides(&self) -> usize {
        self.sides
    }

    fn distance(&self, side: usize, from: &u32, to: &u32) -> f64 {
        let next = self.next.get().wrapping_add(1);
        self.next.set(next);
        let at = next ^ side ^ (*from as usize) << 3 ^ *to as usize;
        self.says[at % self.says.len()]
    }
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(f64::NAN),
        Just(-f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(0.0),
        Just(-0.0),
        any::<f64>(),
        -5.0..5.0,
    ]
}

fn any_distance() -> impl Strategy<Value = Any> {
    (vec(number(), 1..20), 0_usize..20).prop_map(|(says, sides)| Any {
        says,
        next: Cell::new(0),
        sides: sides.clamp(1, MAX_SIDES),
    })
}

/// What happens to a node.
#[derive(Debug, Clone)]
enum Step {
    Init(Vec<u32>),
    Local(Option<u32>),
    Candidates(Vec<u32>),
    Asked(u32, Vec<(u32, u32)>),
    Round(Vec<(u32, u32)>),
    Fails,
    Remove(u32),
}

fn descriptors() -> impl Strategy<Value = Vec<(u32, u32)>> {
    vec(
        (0..40_u32, prop_oneof![4 => 0..8_u32, 1 => any::<u32>()]),
        0..30,
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        vec(0..40_u32, 0..20).prop_map(Step::Init),
        Just(Step::Local(None)),
        // A node is always the same one, but may be elsewhere in a distance's eyes.
        Just(Step::Local(Some(0))),
        vec(0..40_u32, 0..10).prop_map(Step::Candidates),
        (1..40_u32, descriptors()).prop_map(|(from, told)| Step::Asked(from, told)),
        descriptors().prop_map(Step::Round),
        Just(Step::Fails),
        (0..40_u32).prop_map(Step::Remove),
    ]
}

fn told(descriptors: &[(u32, u32)]) -> Vec<Descriptor<u32>> {
    let descriptor = |&(peer, age): &(u32, u32)| Descriptor { peer, age };
    descriptors.iter().map(descriptor).collect()
}

proptest! {
    #[test]
    fn no_distance_breaks_a_view(
        distance in any_distance(),
        view_size in 2..12_usize,
        message in 2..12_usize,
        life in prop_oneof![2..6_u32, Just(u32::MAX)],
        steps in vec(step(), 1..60),
        seed: u64,
    ) {
        let config = Config::default().with_view_size(view_size).with_retries(1);
        let message = message.min(view_size);
        let overlay = Ranked::new(distance, 1 + view_size / 2)
            .with_message(message)
            .with_psi(1 + view_size / 3)
            .with_life(life);
        let rng = SmallRng::seed_from_u64(seed);
        let mut node = Sampler::new(0_u32, config, overlay, rng).expect("valid settings");
        for (number, step) in (1_u32..).zip(steps) {
            let now = Time::new(node.config().period() * number);
            let mut sent = Vec::new();
            match step {
                Step::Init(peers) => drop(node.init(peers)),
                Step::Local(local) => node.set_local(local),
                Step::Candidates(peers) => node.set_candidates(peers),
                Step::Asked(from, descriptors) => {
                    let request = Request {
                        descriptors: told(&descriptors),
                        pull: true,
                        room: usize::MAX,
                    };
                    sent.push((from, node.handle_request(&from, request, now).descriptors));
                }
                Step::Round(descriptors) => {
                    while let Some(exchange) = node.poll_round(now) {
                        sent.push((exchange.partner, exchange.request.descriptors));
                        let descriptors = told(&descriptors);
                        node.handle_response(exchange.id, Response { descriptors }, now)
                            .expect("in flight");
                    }
                }
                Step::Fails => {
                    while let Some(exchange) = node.poll_round(now) {
                        node.handle_failure(exchange.id, Failure::Unreachable, now)
                            .expect("in flight");
                    }
                }
                Step::Remove(peer) => drop(node.remove(&peer)),
            }
            let ids: BTreeSet<u32> = node.view().iter().map(|d| d.peer).collect();
            prop_assert_eq!(ids.len(), node.view().len(), "somebody is there twice");
            prop_assert!(ids.len() <= view_size);
            prop_assert!(!ids.contains(&0), "this node itself is there");
            prop_assert!(node.view().iter().all(|d| d.age <= life));
            for (to, descriptors) in sent {
                let ids: BTreeSet<u32> = descriptors.iter().map(|d| d.peer).collect();
                prop_assert_eq!(ids.len(), descriptors.len(), "somebody is sent twice");
                prop_assert!(ids.len() <= message);
                prop_assert!(!ids.contains(&to), "the receiver is told of itself");
            }
        }
    }
}
