//! Lost dials, messages, connections and nodes.

use libp2p_identity::PeerId;

use crate::{
    swarm::world::{
        SECOND, World,
        faults::Faults,
        tests::{config, seeds},
    },
    time::Time,
};

#[test]
fn without_faults_every_view_is_full_and_nothing_is_left_over() {
    for seed in 0..seeds(20) {
        let what = format!("seed {seed}");
        let mut world = World::new(seed, 25, &config(), Faults::default());
        world.run_until(Time::new(300 * SECOND));
        world.come_to_rest(&what);
        world.check(&what, 4);
        for (node, driver) in world.nodes.live() {
            assert_eq!(driver.sampler.view().len(), 10, "{what}: {node}");
            assert!(driver.neighbourhood.members().len() >= 2, "{what}: {node}");
        }
    }
}

#[test]
fn after_losses_both_ends_agree() {
    let faults = Faults {
        dial: 0.05,
        request: 0.05,
        response: 0.05,
        connection: 0.05,
        sibling: 0.5,
        sibling_clings: false,
        relayed: 0.2,
    };
    let mut happened = (0, 0, 0);
    for seed in 0..seeds(40) {
        let what = format!("seed {seed}");
        let mut world = World::new(seed, 20, &config(), faults);
        world.run_until(Time::new(300 * SECOND));
        // From now on nothing is lost any more.
        world.medium.faults = Faults::default();
        world.run_until(Time::new(600 * SECOND));
        world.come_to_rest(&what);
        world.check(&what, 4);
        for (node, driver) in world.nodes.live() {
            assert_eq!(driver.sampler.view().len(), 10, "{what}: {node}");
        }
        happened.0 += world.medium.lost.dials;
        happened.1 += world.medium.lost.messages;
        happened.2 += world.medium.lost.connections;
    }
    assert!(
        happened.0 > 100 && happened.1 > 100 && happened.2 > 100,
        "faults that were to happen, and did not: {happened:?}"
    );
}

#[test]
fn after_a_crash_of_half_the_dead_are_forgotten_and_their_places_taken() {
    for seed in 0..seeds(20) {
        let what = format!("seed {seed}");
        let mut world = World::new(seed, 30, &config(), Faults::default());
        world.run_until(Time::new(300 * SECOND));
        // The seed among them.
        (0..15).for_each(|node| world.crash(node));
        world.run_until(Time::new(900 * SECOND));
        world.come_to_rest(&what);
        world.check(&what, 4);
        for (node, driver) in world.nodes.live() {
            let view = driver.sampler.view();
            assert_eq!(view.len(), 10, "{what}: {node}");
            let dead = |peer: &PeerId| world.nodes.peers[..15].contains(peer);
            let dead = view.iter().filter(|d| dead(&d.peer.peer_id())).count();
            assert_eq!(dead, 0, "{what}: {node}");
            assert!(!driver.neighbourhood.members().is_empty(), "{what}: {node}");
        }
    }
}

#[test]
fn node_that_leaves_is_forgotten_and_takes_no_part() {
    for seed in 0..seeds(20) {
        let what = format!("seed {seed}");
        let mut world = World::new(seed, 15, &config(), Faults::default());
        world.run_until(Time::new(300 * SECOND));
        for node in [0, 3, 7] {
            let now = world.now();
            let driver = world.driver_mut(node);
            driver.leave(now);
            world.settle(node);
        }
        world.run_until(Time::new(900 * SECOND));
        world.come_to_rest(&what);
        world.check(&what, 4);
        for (node, driver) in world.nodes.live() {
            for left in [0, 3, 7] {
                let known = driver.sampler.view().contains(&world.nodes.peers[left]);
                assert!(
                    !known || [0, 3, 7].contains(&node),
                    "{what}: {node} knows {left}"
                );
            }
        }
    }
}

#[test]
fn same_seed_gives_the_same_world() {
    let run = |seed| {
        let mut world = World::new(seed, 15, &config(), Faults::default());
        world.run_until(Time::new(100 * SECOND));
        let views = world.nodes.live().map(|(_, d)| d.sampler.view().clone());
        (world.medium.agenda.numbers(), views.collect::<Vec<_>>())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
