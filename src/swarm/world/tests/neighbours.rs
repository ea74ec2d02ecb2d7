//! Neighbours over time: they rotate, fall silent, keep one connection.

use crate::{
    swarm::{
        record::Record,
        sampling::config::Config,
        world::{
            World,
            faults::Faults,
            network::address,
            sampler::Sampler,
            tests::{config, seeds},
        },
    },
    time::Time,
};

/// 60 nodes whose connections no idle time-out closes, as in a gossipsub swarm: 300 rounds, then
/// half of the nodes crash.
#[test]
fn neighbours_rotate_and_their_network_stays_whole() {
    for seed in 0..seeds(2) {
        let what = format!("seed {seed}");
        let settings = Config::local().with_neighbours(8);
        let period = settings.gossip().period();
        let mut world = World::new(seed, 60, &settings, Faults::default());
        world.run_until(Time::new(20 * period));
        world.most_connections = 0;
        let mut places = Vec::new();
        for round in 20..300 {
            world.run_until(Time::new(round * period));
            assert_eq!(world.components(), 1, "{what}: round {round}");
            places.extend(
                world
                    .nodes
                    .live()
                    .map(|(_, d)| d.neighbourhood.members().len()),
            );
        }
        let mean = places.iter().sum::<usize>() as f64 / places.len() as f64;
        let least = places.iter().min().copied().unwrap_or_default();
        println!(
            "{what}: {mean:.2} neighbours, {least} at least, {} rotations, {} connections at most",
            world.notes.rotations, world.most_connections
        );
        assert!(mean > 7.5, "{what}: places stay empty");
        // One in 49 rounds and node; each makes others look for somebody fresh, too.
        assert!(world.notes.rotations > 200, "{what}: they do not rotate");
        assert!(world.most_connections <= 16, "{what}: too many connections");
        (0..30).for_each(|node| world.crash(node));
        let mut rounds = 0;
        while world.components() > 1 {
            rounds += 1;
            assert!(rounds <= 5, "{what}: still in parts after five rounds");
            world.run_until(world.now() + period);
        }
        let left: Vec<_> = world
            .nodes
            .live()
            .map(|(_, d)| d.neighbourhood.members().len())
            .collect();
        world.run_until(world.now() + period);
        let refilled: Vec<_> = world
            .nodes
            .live()
            .map(|(_, d)| d.neighbourhood.members().len())
            .collect();
        println!("{what}: whole after {rounds} rounds, with {left:?}, a round later {refilled:?}");
        world.run_until(world.now() + 40 * period);
        world.come_to_rest(&what);
        world.check(&what, 8);
    }
}

#[test]
fn silent_neighbour_is_given_up() {
    let settings = Config::local().with_neighbours(8);
    for seed in 0..seeds(2) {
        let what = format!("seed {seed}");
        let mut world = World::new(seed, 13, &settings, Faults::default());
        world.rounds(50);
        world.medium.network.frozen.extend([3, 7]);
        let kept = |world: &World<Sampler>| {
            let awake = world
                .nodes
                .live()
                .filter(|(node, _)| !world.medium.network.frozen.contains(node));
            let held = awake.flat_map(|(_, driver)| driver.neighbourhood.members());
            let frozen = [world.nodes.peers[3], world.nodes.peers[7]];
            held.filter(|peer| frozen.contains(peer)).count()
        };
        assert!(kept(&world) > 0, "{what}: nothing to see");
        let rounds = world.rounds_until(&what, 12, |world| kept(world) == 0);
        println!("{what}: given up after {rounds} rounds");
        world.rounds(10);
        assert_eq!(kept(&world), 0, "{what}: taken in again");
        world.thaw();
        let back =
            |world: &World<Sampler>| [3, 7].iter().all(|node| world.neighbours_of(*node) > 3);
        world.rounds_until(&format!("{what}: back"), 60, back);
        world.come_to_rest(&what);
        world.check(&what, 8);
    }
}

#[test]
fn pair_of_neighbours_keeps_one_connection() {
    for seed in 0..seeds(10) {
        let what = format!("seed {seed}");
        // Both ends of a pair know each other, and start at the same moment.
        let mut world = World::with_way_in(seed, 20, &config(), Faults::default(), |_, _, _| {});
        for node in 0..20 {
            let other = node ^ 1;
            let record = Record::sign(&world.setup.keypairs[other], 1, &[address(other)]);
            let driver = world.driver_mut(node);
            driver.init([record.expect("signing works")]);
        }
        (0..20).for_each(|node| world.settle(node));
        world.rounds(10);
        world.come_to_rest(&what);
        for node in 0..20 {
            assert_eq!(
                world.view_len(node),
                1,
                "{what}: {node} has dropped the other"
            );
            assert_eq!(world.neighbours_of(node), 1, "{what}: {node}");
            assert_eq!(world.medium.connections.count(node), 1, "{what}: {node}");
        }
    }
}
