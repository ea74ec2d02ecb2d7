//! The state machine by itself, in the papers' model: does it converge to what they publish?
//!
//! Small and with wide bounds; the figures themselves: `cargo run --release --example literature`.

use libp2p_peer_sampling::{
    overlay::{Cyclon, Random},
    sampler::{Config as Sampler, PartnerSelection, Propagation},
    simulator::{
        bootstrap::Bootstrap,
        clustering::{self, Clustering},
        components::Components,
        config::Config,
        driver::Driver,
        faults::{Crash, Faults},
        in_degrees::InDegrees,
        rounds::Rounds,
    },
};
use rand::{SeedableRng, rngs::StdRng};

const C: usize = 30;

fn rand() -> Sampler {
    Sampler::default()
        .with_view_size(C)
        .with_selection(PartnerSelection::Rand)
}

fn in_degree_sd(network: &Rounds<Random>) -> f64 {
    InDegrees::of(&network.network().graph()).sd
}

/// The mean in-degree SD of rounds 60 to 100, of 1,000 nodes from random views.
fn converged_sd(gossip: Sampler, overlay: Random, seed: u64) -> f64 {
    let config = Config::new(1_000).with_gossip(gossip).with_seed(seed);
    let mut rounds = Rounds::new(config, overlay).expect("valid settings");
    (0..60).for_each(|_| rounds.next_round());
    let sds = (0..8).map(|_| {
        (0..5).for_each(|_| rounds.next_round());
        in_degree_sd(&rounds)
    });
    sds.sum::<f64>() / 8.0
}

/// TOCS 2007 at N=10^4: swapper 4.15, healer 9.95, blind 23.1, the random graph 5.47. The order
/// holds at N=10^3 as well, where we see 4.9, 10.6, 18.2 and 5.4.
#[test]
fn in_degrees_are_narrow_for_the_swapper_and_wide_for_the_healer() {
    let random_graph = (C as f64 * (1.0 - C as f64 / 999.0)).sqrt();
    let swapper = converged_sd(rand(), Random::swapper(C), 1);
    let healer = converged_sd(rand(), Random::healer(C), 1);
    let blind = converged_sd(rand(), Random::blind(), 1);
    let sds = format!("seed 1: swapper {swapper}, healer {healer}, blind {blind}");
    assert!(swapper < random_graph, "{sds}");
    assert!(
        healer > 1.5 * random_graph && healer < 2.2 * random_graph,
        "{sds}"
    );
    assert!(blind > 1.5 * healer, "{sds}");
}

/// TOCS 2007, N=10^4, push only: the largest in-degree stays near N for 300 rounds. At N=500 push
/// needs some 100 rounds for what push-pull does in 30.
#[test]
fn push_pull_undoes_a_star_long_before_push_does() {
    let sd = |propagation, from_star: bool| {
        let bootstrap = match from_star {
            true => Bootstrap::Star,
            false => Bootstrap::Random,
        };
        let config = Config::new(500)
            .with_gossip(rand().with_propagation(propagation))
            .with_bootstrap(bootstrap)
            .with_seed(2);
        let mut rounds = Rounds::new(config, Random::healer(C)).expect("valid settings");
        (0..30).for_each(|_| rounds.next_round());
        in_degree_sd(&rounds)
    };
    let converged = sd(Propagation::PushPull, false);
    let push_pull = sd(Propagation::PushPull, true);
    let push = sd(Propagation::Push, true);
    let sds = format!("seed 2: converged {converged}, push-pull {push_pull}, push {push}");
    assert!(push_pull < 1.25 * converged, "{sds}");
    assert!(push > 1.5 * converged, "{sds}");
}

#[test]
fn after_half_of_the_nodes_crash_the_rest_forget_them_and_stay_connected() {
    let crash = Crash {
        fraction: 0.5,
        round: 40,
    };
    let config = Config::new(600)
        .with_bootstrap(Bootstrap::Star)
        .with_faults(Faults::none().with_crash(crash))
        .with_seed(3);
    let mut rounds = Rounds::new(config, Random::for_view_size(C)).expect("valid settings");
    (0..40).for_each(|_| rounds.next_round());
    let dead_links = |rounds: &Rounds<_>| rounds.network().graph().dead_share();
    assert!((0.4..0.6).contains(&dead_links(&rounds)));
    let mut needed = 0;
    while dead_links(&rounds) > 0.0 {
        rounds.next_round();
        needed += 1;
        assert!(needed <= 30, "seed 3: {} dead", dead_links(&rounds));
    }
    assert_eq!(Components::of(&rounds.network().graph()).count, 1, "seed 3");
}

/// TOCS 2007 at N=10^4: healer .1498, blind .0252, swapper .0059, the random graph .0058. Where
/// that has .0583, at N=10^3, we see .18, .082 and .058.
#[test]
fn neighbours_know_each_other_with_the_healer_and_hardly_with_the_swapper() {
    let converged = |overlay| {
        let config = Config::new(1_000).with_gossip(rand()).with_seed(4);
        let mut rounds = Rounds::new(config, overlay).expect("valid settings");
        (0..40).for_each(|_| rounds.next_round());
        let graph = rounds.network().graph().undirected();
        let mut rng = StdRng::seed_from_u64(4);
        Clustering::of(&graph, 1_000, &mut rng).coefficient
    };
    let random_graph = clustering::random_coefficient(1_000, C as f64);
    let (healer, blind) = (converged(Random::healer(C)), converged(Random::blind()));
    let swapper = converged(Random::swapper(C));
    let found = format!("seed 4: {healer}, {blind}, {swapper}, random {random_graph}");
    assert!((0.15..0.21).contains(&healer), "{found}");
    assert!(
        blind > 1.25 * random_graph && blind < healer / 1.5,
        "{found}"
    );
    assert!((swapper / random_graph - 1.0).abs() < 0.08, "{found}");
}

/// Cyclon 2005, N=10^5: 1.19, where the random graph has 4.47; from a star after 32 rounds. The
/// smaller the network, the wider: at N=2,000 we see 2.1, and 4.45.
#[test]
fn cyclons_in_degrees_are_nearly_all_the_same() {
    let gossip = Sampler::default().with_view_size(20).with_retries(0);
    let config = Config::new(2_000)
        .with_gossip(gossip)
        .with_bootstrap(Bootstrap::Star)
        .with_seed(5);
    let mut rounds = Rounds::new(config, Cyclon::new(8)).expect("valid settings");
    (0..40).for_each(|_| rounds.next_round());
    let in_degrees = InDegrees::of(&rounds.network().graph());
    assert!(in_degrees.sd < 2.5, "seed 5: {}", in_degrees.sd);
    assert!(in_degrees.mean > 19.9, "seed 5: {}", in_degrees.mean);
}

/// TOCS 2007, *growing*, N=10^4, push only: the largest in-degree stays near N, and the healer's
/// network falls to pieces. With push-pull it never does.
#[test]
fn push_only_keeps_a_hub() {
    let grown = |propagation| {
        let gossip = rand().with_propagation(propagation).with_retries(C);
        let config = Config::new(1_000)
            .with_gossip(gossip)
            .with_bootstrap(Bootstrap::GROWING)
            .with_seed(6);
        let mut rounds = Rounds::new(config, Random::healer(C)).expect("valid settings");
        (0..50).for_each(|_| rounds.next_round());
        let graph = rounds.network().graph();
        (InDegrees::of(&graph).max, Components::of(&graph).count)
    };
    let (push, push_pull) = (grown(Propagation::Push), grown(Propagation::PushPull));
    let found = format!("seed 6: push {push:?}, push-pull {push_pull:?}");
    assert!(push.0 > 500 && push.1 > 1, "{found}");
    assert!(push_pull.0 < 200 && push_pull.1 == 1, "{found}");
}

/// TOCS 2007, N=10^4, rand healer: 46.0, 30.9, 12.4, 2.5, 0.2 and 0 % dead links after 1 to 6
/// rounds.
#[test]
fn the_healer_forgets_half_of_the_network_in_six_rounds() {
    let crash = Crash {
        fraction: 0.5,
        round: 30,
    };
    let config = Config::new(1_000)
        .with_gossip(rand().with_retries(C))
        .with_faults(Faults::none().with_crash(crash))
        .with_seed(7);
    let mut rounds = Rounds::new(config, Random::healer(C)).expect("valid settings");
    (0..30).for_each(|_| rounds.next_round());
    for (round, published) in (1..).zip([46.0, 30.9, 12.4, 2.5, 0.2, 0.0]) {
        rounds.next_round();
        let dead = 100.0 * rounds.network().graph().dead_share();
        let found = format!("seed 7, round {round}: {dead}, published {published}");
        assert!((dead - published).abs() < 4.0, "{found}");
    }
}

/// TOCS 2007, N=10^4, 1 % replaced in each round: with H=0 more than 11 dead links per view, with
/// H=1 3.3. The paper's nodes pass over the dead, and forget them when the view is cut back. Ours,
/// in the simulator and in the swarm, forget a peer that they cannot reach, which leaves 5.2 and
/// 2.5.
#[test]
fn under_churn_there_are_fewer_dead_links_where_the_unreachable_leave_the_view() {
    let dead = |stay, overlay| {
        let faults = Faults::none()
            .with_churn(0.01)
            .with_unreachable_staying(stay);
        let config = Config::new(1_000)
            .with_gossip(rand().with_retries(C))
            .with_faults(faults)
            .with_seed(8);
        let mut rounds = Rounds::new(config, overlay).expect("valid settings");
        (0..80).for_each(|_| rounds.next_round());
        let graph = rounds.network().graph();
        graph.dead_links() as f64 / graph.len() as f64
    };
    let (blind_stay, blind_leave) = (dead(true, Random::blind()), dead(false, Random::blind()));
    let (h1_stay, h1_leave) = (
        dead(true, Random::new(1, 0)),
        dead(false, Random::new(1, 0)),
    );
    let found = format!("seed 8: {blind_stay}, {blind_leave}, {h1_stay}, {h1_leave}");
    assert!(blind_stay > 8.0 && blind_leave < 6.5, "{found}");
    assert!((2.8..3.8).contains(&h1_stay) && h1_leave < 2.8, "{found}");
}
