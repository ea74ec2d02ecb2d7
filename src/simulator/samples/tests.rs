//! Tests of how samples are judged.

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use super::*;

fn counted(peers: u32, stream: impl IntoIterator<Item = u32>) -> Samples {
    let mut samples = Samples::new(0..peers);
    stream.into_iter().for_each(|id| samples.add(id));
    samples
}

fn uniform<R: Rng + ?Sized>(peers: u32, draws: usize, rng: &mut R) -> Samples {
    counted(peers, (0..draws).map(|_| rng.random_range(0..peers)))
}

/// By its definition, for counts that are few and small.
fn poisson_distance(counts: &[u64]) -> f64 {
    let n = counts.len() as f64;
    let mean = counts.iter().sum::<u64>() as f64 / n;
    let at_most = |k: u64| counts.iter().filter(|&&count| count <= k).count() as f64 / n;
    let factorial = |k: u64| (1..=k).map(|i| i as f64).product::<f64>();
    let probability = |k: u64| mean.powi(k as i32) * (-mean).exp() / factorial(k);
    let sum = |k: u64| (0..=k).map(probability).sum::<f64>();
    let distances = (0..60).map(|k| (at_most(k) - sum(k)).abs());
    distances.fold(0.0, f64::max)
}

#[test]
fn draws_are_counted() {
    let mut samples = Samples::new([3, 9, 4, 3]);
    assert_eq!((samples.peers(), samples.all_seen_after()), (3, None));
    for id in [3, 4, 1, 3, 70, 9, 9] {
        samples.add(id);
    }
    assert_eq!((samples.draws(), samples.strangers()), (5, 2));
    assert_eq!(samples.all_seen_after(), Some(4));
    let found = samples.chi_square();
    let statistic = (1.0 / 9.0 + 4.0 / 9.0 + 1.0 / 9.0) / (5.0 / 3.0);
    assert!((found.statistic - statistic).abs() < 1e-12);
    assert_eq!(found.degrees_of_freedom, 2);
    let entropy = -(0.8 * 0.4f64.ln() + 0.2 * 0.2f64.ln());
    assert!((samples.entropy() - entropy).abs() < 1e-12);
    assert!((samples.uniform_entropy() - 3f64.ln()).abs() < 1e-12);
}

#[test]
fn without_peers_or_draws_all_is_defined() {
    for samples in [
        counted(0, []),
        counted(0, [7]),
        counted(1, []),
        counted(5, []),
        counted(1, [0, 0, 0]),
    ] {
        let chi_square = samples.chi_square();
        assert_eq!((chi_square.statistic, chi_square.p), (0.0, 1.0));
        assert_eq!(samples.entropy(), 0.0);
        assert!(samples.uniform_entropy().is_finite());
        assert!((0.0..=1.0).contains(&samples.poisson_distance()));
    }
    assert_eq!(counted(0, []).all_seen_after(), Some(0));
    assert_eq!(counted(0, []).poisson_distance(), 0.0);
    assert_eq!(counted(5, []).poisson_distance(), 0.0);
    assert_eq!(draws_to_see_all(0), 0.0);
}

/// From the tables.
#[test]
fn p_values() {
    for (z, tail) in [
        (0.0, 0.5),
        (1.0, 0.158_655_25),
        (1.959_963_98, 0.025),
        (-1.959_963_98, 0.975),
        (2.575_829_3, 0.005),
        (4.0, 3.167_12e-5),
    ] {
        assert!((normal_tail(z) - tail).abs() < 1e-7, "{z}");
    }
    assert_eq!((normal_tail(1e9), normal_tail(-1e9)), (0.0, 1.0));
    // One peer in front of the others by as much as gives the statistic of the tables.
    for (df, statistic, p, off) in [
        (1, 3.841, 0.05, 0.01),
        (10, 18.307, 0.05, 0.001),
        (10, 3.940, 0.95, 0.001),
        (100, 135.807, 0.01, 0.001),
        (1_000, 1_074.679, 0.05, 0.001),
    ] {
        let n = f64::from(df + 1);
        // With expected counts e, it is Δ²(1 + 1/df)/e.
        let expected = 1e9f64;
        let ahead = (statistic * expected / (1.0 + 1.0 / (n - 1.0))).sqrt();
        let behind = ahead / (n - 1.0);
        let mut samples = Samples::new(0..=df);
        samples.counts.fill((expected - behind).round() as u64);
        samples.counts[0] = (expected + ahead).round() as u64;
        samples.draws = samples.counts.iter().sum();
        let found = samples.chi_square();
        assert!(
            (found.statistic / statistic - 1.0).abs() < 1e-3,
            "{found:?}"
        );
        assert!((found.p - p).abs() < off, "{found:?} for {p}");
    }
}

#[test]
fn uniform_draws_pass() {
    let (peers, seeds) = (100, 200);
    let (mut small, mut entropy, mut far) = (0, 0.0, 0);
    for seed in 0..seeds {
        let samples = uniform(peers, 1_000, &mut StdRng::seed_from_u64(seed));
        small += u32::from(samples.chi_square().p < 0.1);
        entropy += samples.entropy() / seeds as f64;
        far += u32::from(samples.poisson_distance() > 1.36 / 10.0);
    }
    // Binomial(200, 0.1): mean 20, SD 4.2.
    assert!((6..36).contains(&small), "seeds 0..{seeds}: {small}");
    assert!(far < 10, "seeds 0..{seeds}: {far}");
    // ln n less 99/2000.
    assert!(
        (entropy - 4.5557).abs() < 0.002,
        "seeds 0..{seeds}: {entropy}"
    );
}

#[test]
fn biased_draws_and_all_too_even_ones_do_not() {
    let mut rng = StdRng::seed_from_u64(1);
    // The first tenth comes twice as often.
    let ids = (0..5_000).map(|_| rng.random_range(0..110) % 100);
    let biased = counted(100, ids.collect::<Vec<_>>());
    assert!(biased.chi_square().p < 1e-3, "seed 1: {biased:?}");
    let even = counted(1_000, (0..10_000).map(|draw| draw % 1_000));
    assert_eq!(even.chi_square().statistic, 0.0);
    assert!(even.chi_square().p > 1.0 - 1e-6);
    assert!(even.poisson_distance() > 0.4);
    assert_eq!(even.all_seen_after(), Some(1_000));
    assert!((even.entropy() - even.uniform_entropy()).abs() < 1e-12);
}

#[test]
fn brute_force_agrees() {
    for seed in 0..100 {
        let mut rng = StdRng::seed_from_u64(seed);
        let peers = rng.random_range(1..40);
        let draws = rng.random_range(1..5 * peers as usize);
        // As often as not, only some are ever drawn.
        let among = rng.random_range(1..=peers);
        let ids = (0..draws).map(|_| rng.random_range(0..among));
        let samples = counted(peers, ids.collect::<Vec<_>>());
        let found = samples.poisson_distance();
        let expected = poisson_distance(&samples.counts);
        assert!(
            (found - expected).abs() < 1e-9,
            "seed {seed}: {found} {expected}"
        );
    }
    // Furthest apart where Poisson has little left.
    let mut late = counted(3, []);
    late.counts = vec![0, 60, 60];
    late.draws = 120;
    let expected = poisson_distance(&late.counts);
    assert!((late.poisson_distance() - expected).abs() < 1e-9);
    // One of 1,000 has it all: 0.999 of the peers against e^-5.
    let one = counted(1_000, vec![7; 5_000]);
    assert!((one.poisson_distance() - (0.999 - (-5f64).exp())).abs() < 1e-9);
    // Means for which e^-mean is no float.
    let mut many = counted(2, [0, 1]);
    many.counts = vec![2_000, 2_000];
    many.draws = 4_000;
    // At most 2,000 of Poisson(2,000): just above a half.
    let half = many.poisson_distance();
    assert!((half - 0.5).abs() < 0.01, "{half}");
}

#[test]
fn everybody_is_seen_as_soon_as_coupons_are_collected() {
    for (peers, exact) in [(1, 1.0), (2, 3.0), (10, 29.2897), (100, 518.7378)] {
        assert!((draws_to_see_all(peers) - exact).abs() < 0.1, "{peers}");
    }
    let (peers, seeds) = (100, 400);
    let mut mean = 0.0;
    for seed in 0..seeds {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut samples = Samples::new(0..peers);
        while samples.all_seen_after().is_none() {
            samples.add(rng.random_range(0..peers));
        }
        assert_eq!(samples.all_seen_after(), Some(samples.draws()));
        mean += samples.draws() as f64 / seeds as f64;
    }
    // The SD of the mean of 400 is 128/20.
    assert!((mean - 518.7).abs() < 26.0, "seeds 0..{seeds}: {mean}");
}
