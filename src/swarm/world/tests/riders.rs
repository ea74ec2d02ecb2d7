//! Any protocol runs in a world: one that rides on samplers.

use crate::{
    swarm::world::{SECOND, World, faults::Faults, tests::seeds},
    time::Time,
};

#[test]
fn riders_learn_the_extremes_and_keep_nothing_whatever_is_lost() {
    let faults = Faults {
        dial: 0.1,
        request: 0.1,
        response: 0.1,
        connection: 0.1,
        ..Faults::default()
    };
    for seed in 0..seeds(10) {
        let what = format!("seed {seed}");
        let mut world = World::of_riders(seed, 20, faults);
        // Within the first epoch: a round takes 10 s, and 20 nodes need some five.
        world.run_until(Time::new(250 * SECOND));
        for (node, rider) in world.nodes.live() {
            let extremes = rider.driver.protocol().estimate();
            assert_eq!((extremes.min, extremes.max), (0.0, 19.0), "{what}: {node}");
        }
        world.come_to_rest(&what);
        for node in 0..20 {
            assert_eq!(
                world.medium.connections.count(node),
                0,
                "{what}: {node} keeps something"
            );
        }
    }
}
