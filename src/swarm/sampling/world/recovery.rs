//! What a network comes back from by itself: cuts, outages, restarts, ports that are closed for a
//! while, nodes that are stopped.

use std::collections::{BTreeMap, BTreeSet};

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;

use crate::time::Time;
use crate::{
    sampling::overlay::{
        any::{AnyOverlay, OverlayKind},
        basalt::Ranking,
    },
    swarm::{
        record::Record,
        sampling::{
            config::Config,
            driver::{Driver, testing::holder},
            world::{Faults, SECOND, World, address, config, new_driver, seeds},
        },
    },
};

impl World {
    /// Starts a crashed node again, as on a machine where nothing was saved: with the same key, at
    /// `home`, and with `seq` for the number of its first record.
    fn restart(&mut self, node: usize, seq: u64, home: Multiaddr, seeds: &[Multiaddr]) {
        let keypair = self.keypairs[node].clone();
        self.homes[node] = home.clone();
        let holder = holder(keypair.public().to_peer_id(), &self.config);
        let record = (seq, &home);
        let mut driver = new_driver(&keypair, holder, record, &self.config, &mut self.rng);
        for seed in seeds {
            let added = driver.discovery.seeds.add(seed.clone(), self.peers[node]);
            added.expect("an address");
        }
        self.drivers[node] = Some(driver);
        self.wakes[node] = None;
        self.settle(node);
    }

    /// From now on these nodes reach nobody but each other.
    fn cut_off(&mut self, island: impl IntoIterator<Item = usize>) {
        self.island = island.into_iter().collect();
        let island = self.island.clone();
        self.disconnect(|a, b| island.contains(&a) != island.contains(&b));
    }

    /// Those who were stopped go on.
    fn thaw(&mut self) {
        let frozen = std::mem::take(&mut self.frozen);
        let now = self.now;
        for node in frozen {
            // Its timer is late, and the behaviour says so.
            if let Some(driver) = &mut self.drivers[node] {
                driver.exchanger.trouble.note(now);
            }
            self.settle(node);
        }
    }

    fn view_len(&self, node: usize) -> usize {
        let driver = self.drivers[node].as_ref();
        driver.map_or(0, |driver| driver.sampler.view().len())
    }

    fn neighbours_of(&self, node: usize) -> usize {
        let driver = self.drivers[node].as_ref();
        driver.map_or(0, |driver| driver.neighbourhood.members().len())
    }

    fn knows(&self, node: usize, other: usize) -> bool {
        let driver = self.drivers[node].as_ref();
        driver.is_some_and(|d| d.sampler.view().contains(&self.peers[other]))
    }

    /// In how many views a node is.
    fn in_degree(&self, node: usize) -> usize {
        let nodes = 0..self.nodes;
        nodes.filter(|other| self.knows(*other, node)).count()
    }

    /// Into how many parts the views of those who live fall.
    fn parts(&self) -> usize {
        let live: Vec<_> = self.live().map(|(node, _)| node).collect();
        let mut part: BTreeMap<usize, usize> = live.iter().map(|node| (*node, *node)).collect();
        for a in &live {
            for b in live.iter().filter(|b| self.knows(*a, **b)) {
                let (one, other) = (part[a], part[b]);
                let others = part.values_mut().filter(|part| **part == other);
                others.for_each(|part| *part = one);
            }
        }
        part.into_values().collect::<BTreeSet<_>>().len()
    }

    /// Goes on until `condition` holds, and returns after how many rounds; panics when it takes
    /// more than `most`.
    fn rounds_until(&mut self, what: &str, most: u32, condition: impl Fn(&Self) -> bool) -> u32 {
        for round in 0..=most {
            if condition(self) {
                return round;
            }
            self.rounds(1);
        }
        panic!("{what}: not within {most} rounds");
    }

    fn rounds(&mut self, count: u32) {
        let period = self.config.gossip().period();
        self.run_until(self.now + count * period);
    }
}

/// The random overlay, and Basalt.
fn overlays() -> [(&'static str, Config); 2] {
    let basalt = OverlayKind::Basalt(Ranking::default());
    let basalt = config().with_view_size(20).with_overlay(basalt);
    [("random", config()), ("basalt", basalt)]
}

/// Nodes 0 to 6 are the old network and its seed, the others come when the seed is back.
#[test]
fn a_seed_that_the_network_has_forgotten_joins_it_when_it_is_back() {
    for (name, config) in overlays() {
        for seed in 0..seeds(2) {
            let what = format!("{name}, seed {seed}");
            let mut world = World::new(seed, 13, &config, Faults::default());
            (7..13).for_each(|node| world.crash(node));
            world.rounds(20);
            world.crash(0);
            let forgotten = |world: &World| world.in_degree(0) == 0 && world.parts() == 1;
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
        let tell = |driver: &mut Driver<AnyOverlay>, before: &[PeerId], _| {
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

#[test]
fn an_outage_of_its_own_empties_no_view() {
    for (name, config) in overlays() {
        for seed in 0..seeds(2) {
            let what = format!("{name}, seed {seed}");
            let mut world = World::new(seed, 12, &config, Faults::default());
            world.rounds(30);
            let before = world.view_len(5);
            // Basalt renews its slots, and then has one or two peers less for a while.
            let least = before - 2;
            world.offline.insert(5);
            world.disconnect(|a, b| a == 5 || b == 5);
            world.rounds(30);
            let left = world.view_len(5);
            assert!(
                left >= least,
                "{what}: {left} of {before}, it blames others"
            );
            world.offline.clear();
            world.rounds_until(&what, 10, |world| world.in_degree(5) > 0);
        }
    }
}

/// Its dials go out, and nothing comes back: QUIC behind a router that has lost its line. Its seed
/// is gone when the line is back.
#[test]
fn a_node_that_has_lost_everybody_goes_back_to_those_it_has_met() {
    for (name, config) in overlays() {
        for seed in 0..seeds(2) {
            let what = format!("{name}, seed {seed}");
            let mut world = World::new(seed, 12, &config, Faults::default());
            world.rounds(30);
            world.silence = Some(5 * SECOND);
            world.cut_off([5]);
            let is_alone = |world: &World| world.view_len(5) == 0;
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
fn a_node_that_restarts_elsewhere_with_its_clock_behind_is_known_there() {
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
            let at_home = |world: &World| {
                let views = world.live().map(|(_, driver)| driver.sampler.view());
                let entries = views.filter_map(|view| view.get(&world.peers[5]));
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
fn a_node_whose_port_was_closed_for_a_while_is_taken_in_again() {
    for (name, config) in overlays() {
        for seed in 0..seeds(2) {
            let what = format!("{name}, seed {seed}");
            let mut world = World::new(seed, 9, &config, Faults::default());
            world.rounds(30);
            world.closed.insert(5);
            world.disconnect(|a, b| a == 5 || b == 5);
            world.rounds(200);
            world.closed.clear();
            let rounds = world.rounds_until(&what, 60, |world| world.in_degree(5) >= 6);
            println!("{what}: in six views after {rounds} rounds");
        }
    }
}

#[test]
fn a_neighbour_that_says_nothing_is_given_up() {
    let settings = Config::local().with_neighbours(8);
    for seed in 0..seeds(2) {
        let what = format!("seed {seed}");
        let mut world = World::new(seed, 13, &settings, Faults::default());
        world.rounds(50);
        world.frozen.extend([3, 7]);
        let kept = |world: &World| {
            let awake = world
                .live()
                .filter(|(node, _)| !world.frozen.contains(node));
            let held = awake.flat_map(|(_, driver)| driver.neighbourhood.members());
            let frozen = [world.peers[3], world.peers[7]];
            held.filter(|peer| frozen.contains(peer)).count()
        };
        assert!(kept(&world) > 0, "{what}: nothing to see");
        let rounds = world.rounds_until(&what, 12, |world| kept(world) == 0);
        println!("{what}: given up after {rounds} rounds");
        world.rounds(10);
        assert_eq!(kept(&world), 0, "{what}: taken in again");
        world.thaw();
        let back = |world: &World| [3, 7].iter().all(|node| world.neighbours_of(*node) > 3);
        world.rounds_until(&format!("{what}: back"), 60, back);
        world.come_to_rest(&what);
        world.check(&what, 8);
    }
}

#[test]
fn a_pair_of_neighbours_keeps_one_connection() {
    for seed in 0..seeds(10) {
        let what = format!("seed {seed}");
        // Both ends of a pair know each other, and start at the same moment.
        let mut world = World::with_way_in(seed, 20, &config(), Faults::default(), |_, _, _| {});
        for node in 0..20 {
            let other = node ^ 1;
            let record = Record::sign(&world.keypairs[other], 1, &[address(other)]);
            let driver = world.drivers[node].as_mut().expect("it lives");
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
            assert_eq!(world.connections_of(node), 1, "{what}: {node}");
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
            let before = (world.dials.len(), world.dials_of_seeds);
            world.rounds(360);
            let after = (world.dials.len(), world.dials_of_seeds);
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
