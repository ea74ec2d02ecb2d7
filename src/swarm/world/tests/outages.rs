//! Nodes that were away for a while, and come back.

use crate::swarm::world::{
    SECOND, World,
    faults::Faults,
    network::address,
    sampler::Sampler,
    tests::{config, overlays, seeds},
};

#[test]
fn outage_of_its_own_empties_no_view() {
    for (name, config) in overlays() {
        for seed in 0..seeds(2) {
            let what = format!("{name}, seed {seed}");
            let mut world = World::new(seed, 12, &config, Faults::default());
            world.rounds(30);
            let before = world.view_len(5);
            // Basalt goes on renewing its slots, and nobody tells it of others.
            let least = match name {
                "basalt" => before / 2,
                _ => before,
            };
            let removed = |world: &World<Sampler>| world.notes.removed.get(&5).copied();
            let removed_before = removed(&world);
            world.medium.network.offline.insert(5);
            world.disconnect(|a, b| a == 5 || b == 5);
            world.rounds(30);
            assert_eq!(removed(&world), removed_before, "{what}: it blames others");
            let left = world.view_len(5);
            assert!(left >= least, "{what}: {left} of {before} are left");
            world.medium.network.offline.clear();
            world.rounds_until(&what, 10, |world| world.in_degree(5) > 0);
        }
    }
}

/// Its dials go out, and nothing comes back: QUIC behind a router that has lost its line. Its seed
/// is gone when the line is back.
#[test]
fn node_that_has_lost_everybody_goes_back_to_those_it_has_met() {
    for (name, config) in overlays() {
        for seed in 0..seeds(2) {
            let what = format!("{name}, seed {seed}");
            let mut world = World::new(seed, 12, &config, Faults::default());
            world.rounds(30);
            world.medium.network.silence = Some(5 * SECOND);
            world.cut_off([5]);
            let is_alone = |world: &World<Sampler>| world.view_len(5) == 0;
            world.rounds_until(&format!("{what}: alone"), 100, is_alone);
            world.crash(0);
            world.rounds(60);
            world.cut_off([]);
            // Ten minutes: the longest pause is five.
            let rounds = world.rounds_until(&what, 60, |world| !is_alone(world));
            println!("{what}: back after {rounds} rounds");
            world.rounds_until(&what, 10, |world| world.in_degree(5) > 0);
        }
    }
}

#[test]
fn node_that_restarts_elsewhere_with_its_clock_behind_is_known_there() {
    for (name, config) in overlays() {
        for seed in 0..seeds(2) {
            let what = format!("{name}, seed {seed}");
            let mut world = World::new(seed, 12, &config, Faults::default());
            world.rounds(30);
            world.crash(5);
            world.restart(5, 1_000, address(5), &[address(0)]);
            world.rounds(30);
            world.crash(5);
            let moved = address(100);
            world.restart(5, 7, moved.clone(), &[address(0)]);
            let at_home = |world: &World<Sampler>| {
                let views = world.nodes.live().map(|(_, driver)| driver.sampler.view());
                let entries = views.filter_map(|view| view.get(&world.nodes.peers[5]));
                let (there, elsewhere): (Vec<_>, Vec<_>) =
                    entries.partition(|d| d.peer.addresses() == [moved.clone()]);
                there.len() >= 6 && elsewhere.is_empty()
            };
            let rounds = world.rounds_until(&what, 30, at_home);
            println!("{what}: known after {rounds} rounds");
        }
    }
}

#[test]
fn node_whose_port_was_closed_for_a_while_is_taken_in_again() {
    for (name, config) in overlays() {
        for seed in 0..seeds(2) {
            let what = format!("{name}, seed {seed}");
            let mut world = World::new(seed, 9, &config, Faults::default());
            world.rounds(30);
            world.medium.network.closed.insert(5);
            world.disconnect(|a, b| a == 5 || b == 5);
            world.rounds(200);
            world.medium.network.closed.clear();
            let rounds = world.rounds_until(&what, 60, |world| world.in_degree(5) >= 6);
            println!("{what}: in six views after {rounds} rounds");
        }
    }
}

/// How many dials per node and hour looking outside the view costs at rest, beside those of rounds.
#[test]
fn looking_outside_the_view_costs_few_dials() {
    for (name, nodes) in [
        ("a few", 6),
        ("as many as fit into a view", 11),
        ("many", 30),
    ] {
        let dials = |interval| {
            let config = config().with_probe_interval(interval);
            let mut world = World::new(1, nodes, &config, Faults::default());
            world.rounds(50);
            let before = (world.dials, world.dials_of_seeds);
            world.rounds(360);
            let after = (world.dials, world.dials_of_seeds);
            let per_node = |count: usize| count as f64 / nodes as f64;
            (per_node(after.0 - before.0), per_node(after.1 - before.1))
        };
        let ((without, no_seeds), (with, seeds)) = (dials(None), dials(Some(30)));
        println!(
            "{name}: {without:.1} dials per node and hour, {with:.1} with probes, {seeds:.2} of seeds"
        );
        assert!(no_seeds == 0.0 && seeds < 13.0, "{name}: {seeds}");
        assert!(with + seeds < without + 25.0, "{name}: {without}, {with}");
    }
}
