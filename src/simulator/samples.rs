//! How good the samples are that the sampling service hands out.

#[cfg(test)]
mod tests;

/// A stream of sampled peers, counted, and compared with one drawn uniformly at random.
///
/// The tests are those of the literature on peer sampling: chi-square of the counts, entropy of
/// the stream, draws until everybody was seen, and the Kolmogorov-Smirnov distance of the counts
/// from Poisson's distribution. All of them look at how often each peer came, and the third at
/// when; none sees whether one draw depends on the draw before. A stream that is *more* even than
/// chance, since it hands out nobody twice before all others, shows in them too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples {
    /// Of each id, which count is its own.
    indices: Vec<Option<u32>>,
    counts: Vec<u64>,
    draws: u64,
    strangers: u64,
    unseen: usize,
    all_seen_after: Option<u64>,
}

/// How far the counts are from all being equal: Pearson's test against the uniform distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquare {
    /// Σ (count − expected)²/expected, over all peers.
    pub statistic: f64,
    /// The number of peers less one: for one node's samples of all others, N − 2.
    pub degrees_of_freedom: usize,
    /// How probable it is that uniform draws give a statistic as large or larger. Near 0, the
    /// stream is not uniform; near 1, it is more even than chance.
    ///
    /// By Wilson and Hilferty's approximation (PNAS 17, 1931): the cube root of the statistic is
    /// nearly normal. Off by less than 0.05 with one degree of freedom, 0.003 with five, 0.002 from
    /// ten on. The test itself needs some five draws per peer.
    pub p: f64,
}

impl Samples {
    /// Nothing drawn yet from the peers with these ids: all that may be drawn.
    pub fn new(peers: impl IntoIterator<Item = u32>) -> Self {
        let mut indices = Vec::new();
        let mut count = 0;
        for id in peers {
            let id = id as usize;
            if id >= indices.len() {
                indices.resize(id + 1, None);
            }
            if indices[id].is_none() {
                indices[id] = Some(count);
                count += 1;
            }
        }
        Self {
            indices,
            counts: vec![0; count as usize],
            draws: 0,
            strangers: 0,
            unseen: count as usize,
            all_seen_after: (count == 0).then_some(0),
        }
    }

    /// Counts one draw. Others than the peers, such as the dead, are only counted as strangers.
    pub fn add(&mut self, id: u32) {
        let Some(&Some(index)) = self.indices.get(id as usize) else {
            self.strangers += 1;
            return;
        };
        self.draws += 1;
        let count = &mut self.counts[index as usize];
        *count += 1;
        if *count == 1 {
            self.unseen -= 1;
            if self.unseen == 0 {
                self.all_seen_after = Some(self.draws);
            }
        }
    }

    /// The number of peers that may be drawn, n.
    pub fn peers(&self) -> usize {
        self.counts.len()
    }

    /// How many draws were counted, without those of strangers.
    pub fn draws(&self) -> u64 {
        self.draws
    }

    /// How many draws were of nobody among the peers. No other figure here takes them in.
    pub fn strangers(&self) -> u64 {
        self.strangers
    }

    /// How many draws it took until everybody was drawn at least once; `None` as long as somebody
    /// was not. To be held against [`draws_to_see_all`].
    pub fn all_seen_after(&self) -> Option<u64> {
        self.all_seen_after
    }

    /// The chi-square test of the counts against the uniform distribution. Without draws, or with
    /// fewer than two peers, there is nothing to test, and p is 1.
    pub fn chi_square(&self) -> ChiSquare {
        let degrees_of_freedom = self.peers().saturating_sub(1);
        if degrees_of_freedom == 0 || self.draws == 0 {
            return ChiSquare {
                statistic: 0.0,
                degrees_of_freedom,
                p: 1.0,
            };
        }
        let expected = self.mean_count();
        let deviations = self.counts.iter().map(|&n| (n as f64 - expected).powi(2));
        let statistic = deviations.sum::<f64>() / expected;
        let df = degrees_of_freedom as f64;
        let variance = 2.0 / (9.0 * df);
        let z = ((statistic / df).cbrt() - (1.0 - variance)) / variance.sqrt();
        ChiSquare {
            statistic,
            degrees_of_freedom,
            p: normal_tail(z),
        }
    }

    /// The entropy of the stream, −Σ f ln f over the peers' shares f of all draws, in nats: at most
    /// ln n, see [`uniform_entropy`](Self::uniform_entropy). 0 without draws.
    ///
    /// Of D uniform draws it falls short of that by some (n − 1)/(2D) (Miller, 1955), if D is
    /// several times n.
    pub fn entropy(&self) -> f64 {
        let draws = self.draws as f64;
        let drawn = self.counts.iter().filter(|&&count| count > 0);
        let term = |&count: &u64| {
            let share = count as f64 / draws;
            share * share.ln()
        };
        // Of one peer alone, this would be a negative zero.
        0.0 - drawn.map(term).sum::<f64>()
    }

    /// The entropy of the uniform distribution over the peers, ln n; 0 without peers.
    pub fn uniform_entropy(&self) -> f64 {
        (self.peers().max(1) as f64).ln()
    }

    /// The Kolmogorov-Smirnov distance between the distribution of the peers' counts and Poisson's
    /// of the same mean, which uniform draws from many peers have: the largest difference, over all
    /// k, between the share of peers drawn at most k times and its probability. From 0 to 1; 0
    /// without peers or draws.
    ///
    /// Uniform draws exceed 1.36/√n less than once in twenty times. That threshold is for
    /// continuous distributions of a known mean; for counts whose mean is their own, it is a
    /// cautious one.
    pub fn poisson_distance(&self) -> f64 {
        let mut counts = self.counts.clone();
        counts.sort_unstable();
        let peers = counts.len().max(1) as f64;
        let mean = self.mean_count();
        if mean == 0.0 {
            return 0.0;
        }
        // In logarithms, since the first ones may be too small for a float.
        let mut ln = -mean;
        let (mut probability, mut distance) = (0.0f64, 0.0f64);
        for k in 0.. {
            probability += ln.exp();
            let at_most_k = counts.partition_point(|&count| count <= k);
            distance = distance.max((at_most_k as f64 / peers - probability).abs());
            // Where Poisson has nothing left, the difference only shrinks.
            if k as f64 > mean && ln.exp() < 1e-17 {
                break;
            }
            ln += mean.ln() - (k as f64 + 1.0).ln();
        }
        distance.min(1.0)
    }

    /// The mean count per peer; 0 without peers.
    fn mean_count(&self) -> f64 {
        self.draws as f64 / self.peers().max(1) as f64
    }
}

/// How many uniform draws it takes on average until each of n peers was drawn at least once (the
/// coupon collector's problem): n(ln n + 0.5772) + 1/2, nearly; 0 for no peers. The standard
/// deviation is large, some 1.28 n.
pub fn draws_to_see_all(peers: usize) -> f64 {
    const EULER_MASCHERONI: f64 = 0.577_215_664_901_532_9;
    if peers == 0 {
        return 0.0;
    }
    let n = peers as f64;
    n * (n.ln() + EULER_MASCHERONI) + 0.5
}

/// How probable it is that a standard normal variable exceeds z, off by less than 10⁻⁷ (Abramowitz
/// and Stegun, *Handbook of Mathematical Functions*, 26.2.17).
fn normal_tail(z: f64) -> f64 {
    const FACTORS: [f64; 5] = [
        0.319_381_530,
        -0.356_563_782,
        1.781_477_937,
        -1.821_255_978,
        1.330_274_429,
    ];
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let polynomial = FACTORS.iter().rev().fold(0.0, |sum, b| (sum + b) * t);
    let density = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let tail = density * polynomial;
    if z < 0.0 { 1.0 - tail } else { tail }
}
