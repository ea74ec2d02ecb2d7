//! Tests of topologies: they are found, and found again after a crash.

use super::*;
use crate::{
    simulator::{
        faults::{Crash, Faults},
        topology::shape::Kind,
    },
    time::Backoff,
};

fn topology(kind: Kind, degree: usize, faults: Faults) -> Topology {
    let gossip = gossip::Config::default().with_view_size(60);
    let life = 20 * gossip.period();
    let gossip = gossip.with_quarantine(Some(Backoff::new(life, life)));
    let config = Config::new(200)
        .with_gossip(gossip)
        .with_faults(faults)
        .with_seed(4);
    let overlay = Ranked::new(Shape::new(kind, 200, 4), degree);
    Topology::new(config, gossip::Config::default(), overlay, 10).expect("valid settings")
}

#[test]
fn every_shape_is_found_within_20_rounds() {
    for (kind, degree) in [
        (Kind::Ring, 2),
        (Kind::EvenRing, 2),
        (Kind::Torus, 4),
        (Kind::Tree, 3),
        (Kind::Xor, 8),
        (Kind::Proximity, 8),
        (Kind::Zones, 8),
    ] {
        let mut topology = topology(kind, degree, Faults::none());
        assert!(topology.missing_links() > 0.3, "{kind:?}");
        (0..20).for_each(|_| topology.next_round());
        assert_eq!(topology.missing_links(), 0.0, "{kind:?}");
    }
}

#[test]
fn a_crash_hits_the_same_nodes_in_both_networks_and_the_ring_closes() {
    let crash = Crash {
        fraction: 0.5,
        round: 20,
    };
    let faults = Faults::none().with_crash(crash);
    let mut topology = topology(Kind::Ring, 2, faults);
    (0..20).for_each(|_| topology.next_round());
    let random: Vec<u32> = topology.random().nodes().map(|(id, _)| id).collect();
    let ranked: Vec<u32> = topology.network().nodes().map(|(id, _)| id).collect();
    assert_eq!((random.len(), random), (100, ranked));
    assert!(topology.missing_links() > 0.3);
    (0..10).for_each(|_| topology.next_round());
    assert_eq!(topology.missing_links(), 0.0);
}

/// A tenth of the nodes, each where another victim is: they are its nearest, and pass for it among
/// its neighbours, as any node would that is really there.
#[test]
fn liars_with_a_victim_each_get_about_their_share_of_links() {
    let shape = Shape::new(Kind::Proximity, 200, 4).with_liars(20);
    let config = Config::new(200).with_seed(4);
    let gossip = config.gossip().clone();
    let overlay = Ranked::new(shape, 8);
    let mut topology = Topology::new(config, gossip, overlay, 10).expect("valid settings");
    (0..15).for_each(|_| topology.next_round());
    let share = topology.liars_share();
    assert!((0.05..0.2).contains(&share), "{share}");
}

#[test]
fn newcomers_find_their_places() {
    let mut topology = topology(Kind::Ring, 2, Faults::none().with_churn(0.01));
    (0..60).for_each(|_| topology.next_round());
    let ids = topology.random().ids();
    assert!(ids > 300 && topology.network().ids() == ids);
    let missing = topology.missing_links();
    assert!(missing < 0.1, "{missing}");
}
