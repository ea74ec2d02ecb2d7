//! Networks that were cut apart and come together again.

use libp2p_identity::PeerId;

use crate::{
    swarm::world::{
        World,
        faults::Faults,
        network::address,
        sampler::Sampler,
        tests::{config, overlays, seeds},
    },
    time::Time,
};

/// Nodes 0 to 6 are the old network and its seed, the others come when the seed is back.
#[test]
fn seed_that_the_network_has_forgotten_joins_it_when_it_is_back() {
    for (name, config) in overlays() {
        for seed in 0..seeds(2) {
            let what = format!("{name}, seed {seed}");
            let mut world = World::new(seed, 13, &config, Faults::default());
            (7..13).for_each(|node| world.crash(node));
            world.rounds(20);
            world.crash(0);
            let forgotten = |world: &World<Sampler>| world.in_degree(0) == 0 && world.parts() == 1;
            world.rounds_until(&format!("{what}: forgotten"), 300, forgotten);
            world.rounds(100);
            world.restart(0, 2, address(0), &[]);
            for node in 7..13 {
                world.restart(node, 2, address(node), &[address(0)]);
            }
            let rounds = world.rounds_until(&what, 60, |world| world.parts() == 1);
            println!("{what}: one after {rounds} rounds");
        }
    }
}

#[test]
fn halves_that_were_cut_apart_for_long_join_again() {
    for (name, config) in overlays() {
        for (seed, length) in (0..seeds(2)).flat_map(|seed| [(seed, 20), (seed, 300)]) {
            let what = format!("{name}, seed {seed}, cut for {length} rounds");
            let mut world = World::new(seed, 20, &config, Faults::default());
            world.rounds(30);
            world.cut_off(0..10);
            world.rounds(length);
            if length > 100 {
                assert_eq!(world.parts(), 2, "{what}");
            }
            world.cut_off([]);
            let rounds = world.rounds_until(&what, 60, |world| world.parts() == 1);
            println!("{what}: one after {rounds} rounds");
        }
    }
}

/// None of them has a seed: they go back to those that they have met.
#[test]
fn halves_without_seeds_join_again() {
    for seed in 0..seeds(2) {
        let what = format!("seed {seed}");
        let tell = |driver: &mut Sampler, before: &[PeerId], _| {
            for (node, peer) in before.iter().enumerate() {
                driver.on_address_told(*peer, &address(node), Time::ZERO);
            }
        };
        let mut world = World::with_way_in(seed, 20, &config(), Faults::default(), tell);
        world.rounds(30);
        world.cut_off(0..10);
        world.rounds(300);
        assert_eq!(world.parts(), 2, "{what}");
        world.cut_off([]);
        let rounds = world.rounds_until(&what, 120, |world| world.parts() == 1);
        println!("{what}: one after {rounds} rounds");
    }
}
