//! Behaviours that share the connections of a node.

use libp2p_identity::PeerId;

use crate::{
    swarm::{
        exchanger::pruning::Pruning,
        world::{
            SECOND, World,
            faults::Faults,
            network::address,
            sampler::{Sampler, with_seed},
            tests::{config, seeds},
        },
    },
    time::Time,
};

/// As mDNS does: every node is told of all that are there already, and half of all dials fail.
#[test]
fn nodes_that_siblings_tell_of_each_other_need_no_seeds() {
    let faults = Faults {
        dial: 0.5,
        ..Faults::default()
    };
    for seed in 0..seeds(10) {
        let what = format!("seed {seed}");
        let tell = |driver: &mut Sampler, before: &[PeerId], _| {
            for (node, peer) in before.iter().enumerate() {
                driver.on_address_told(*peer, &address(node), Time::ZERO);
            }
        };
        let mut world = World::with_way_in(seed, 20, &config(), faults, tell);
        world.run_until(Time::new(300 * SECOND));
        world.medium.faults = Faults::default();
        world.run_until(Time::new(900 * SECOND));
        world.come_to_rest(&what);
        world.check(&what, 4);
        for (node, driver) in world.nodes.live() {
            assert_eq!(driver.sampler.view().len(), 10, "{what}: {node}");
        }
        assert!(
            world.medium.lost.dials > 20,
            "{what}: {}",
            world.medium.lost.dials
        );
    }
}

/// What one driver is done with, another may need; and what nobody needs is closed.
#[test]
fn drivers_that_share_connections_do_not_disturb_each_other() {
    let faults = Faults {
        dial: 0.05,
        request: 0.05,
        response: 0.05,
        connection: 0.05,
        sibling: 0.3,
        sibling_clings: false,
        relayed: 0.1,
    };
    for seed in 0..seeds(8) {
        let what = format!("seed {seed}");
        let mut world = World::with_instances(2, (seed, 15), &config(), faults, with_seed);
        world.run_until(Time::new(200 * SECOND));
        world.medium.faults = Faults::default();
        // The first driver of one node leaves, and the second goes on.
        let now = world.now();
        let driver = world.driver_mut(7);
        driver.leave(now);
        world.settle(7);
        world.run_until(Time::new(600 * SECOND));
        world.come_to_rest(&what);
        world.check(&what, 4);
        for (at, driver) in world.nodes.live().filter(|(at, _)| *at != 7) {
            assert_eq!(driver.sampler.view().len(), 10, "{what}: {at}");
            let neighbours = driver.neighbourhood.members().len();
            assert!(neighbours >= 2, "{what}: {at} has {neighbours} neighbours");
        }
        assert!(
            world
                .driver(7)
                .is_some_and(|driver| driver.next_wake().is_none())
        );
    }
}

/// As where gossipsub holds open what Kademlia has dialled.
#[test]
fn connections_that_siblings_never_close_are_pruned() {
    let faults = Faults {
        sibling: 1.0,
        sibling_clings: true,
        ..Faults::default()
    };
    let pruning = Pruning {
        max_connections: 9,
        grace: 30 * SECOND,
    };
    for seed in 0..seeds(10) {
        let what = format!("seed {seed}");
        for pruning in [None, Some(pruning)] {
            let config = config().with_pruning(pruning);
            let mut world = World::new(seed, 20, &config, faults);
            world.run_until(Time::new(600 * SECOND));
            world.medium.faults = Faults::default();
            world.run_until(Time::new(700 * SECOND));
            world.come_to_rest(&what);
            world.check(&what, 4);
            let open = (0..20).map(|node| world.medium.connections.count(node));
            match pruning {
                Some(pruning) => {
                    assert!(open.max() <= Some(pruning.max_connections), "{what}");
                    // In 30 s a node gets 3 from siblings, as a rule.
                    let most = world.most_connections;
                    assert!(most <= pruning.max_connections + 10, "{what}: {most}");
                }
                // Of 19 that there could be.
                None => assert!(open.sum::<usize>() > 15 * 20, "{what}: siblings let go"),
            }
            let mut drivers = world.nodes.live();
            assert!(
                drivers.all(|(_, d)| d.neighbourhood.members().len() >= 2),
                "{what}"
            );
        }
    }
}
