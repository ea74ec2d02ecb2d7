//! Is adaptive healing, the default, worth having? The whole comparison is
//! `examples/studies/healing.rs`.

use libp2p_peer_sampling::{
    overlay::Random,
    simulator::{
        config::Config,
        driver::Driver,
        faults::{Crash, Faults},
        in_degrees::InDegrees,
        rounds::Rounds,
    },
};

const C: usize = 30;
const SEED: u64 = 1;

/// The SD of in-degrees at rest, and the share of dead links 6 rounds after half of the nodes have
/// crashed.
fn judged(overlay: Random) -> (f64, f64) {
    let crash = Crash {
        fraction: 0.5,
        round: 40,
    };
    let config = Config::new(2_000)
        .with_faults(Faults::none().with_crash(crash))
        .with_seed(SEED);
    assert_eq!(config.gossip().view_size(), C);
    let mut rounds = Rounds::new(config, overlay).expect("valid settings");
    // The crash is at the end of its round.
    (1..crash.round).for_each(|_| rounds.next_round());
    let sd = InDegrees::of(&rounds.network().graph()).sd;
    (0..=6).for_each(|_| rounds.next_round());
    (sd, rounds.network().graph().dead_share())
}

/// Fixed H trade one for the other: H=2 is already wider than a random graph, and at N=10^4 has
/// 24 % of its links dead where adaptive has half a per cent.
#[test]
fn adaptive_healing_is_more_random_than_a_fixed_one_and_yet_forgets_a_crash_sooner() {
    let (adaptive_sd, adaptive_dead) = judged(Random::adaptive(C));
    let (fixed_sd, fixed_dead) = judged(Random::new(2, C / 2 - 2));
    let said = format!(
        "seed {SEED}: adaptive SD {adaptive_sd}, dead {adaptive_dead}; \
         H=2 SD {fixed_sd}, dead {fixed_dead}"
    );
    assert!(adaptive_sd < 0.8 * fixed_sd, "{said}");
    assert!(adaptive_dead < 0.1 * fixed_dead, "{said}");
    assert!(fixed_dead > 0.1, "{said}");
}
