//! How long a node remembers how popular it was.

use crate::simulator::{graph::Graph, in_degrees};

/// The autocorrelation of a time series d of K values at a lag of k rounds (TOCS 2007, of one
/// node's in-degree):
///
/// r_k = Σ_{j=1}^{K−k} (d_j − d̄)(d_{j+k} − d̄) / Σ_{j=1}^{K} (d_j − d̄)²
///
/// It is 1 at lag 0, and 0 where it is not defined or there is nothing to see: for a series that
/// never changes, and from lag K on. Short series seem less correlated than they are, by some 1/K
/// even at random.
pub fn autocorrelation(series: &[f64], lag: usize) -> f64 {
    let mean = series.iter().sum::<f64>() / series.len().max(1) as f64;
    let squares: f64 = series.iter().map(|d| (d - mean).powi(2)).sum();
    let Some(later) = series.get(lag..) else {
        return 0.0;
    };
    // A mean that is rounded makes a constant series look as if it moved a little.
    if series.iter().all(|d| *d == series[0]) {
        return 0.0;
    }
    let pairs = series.iter().zip(later);
    let products: f64 = pairs.map(|(d, later)| (d - mean) * (later - mean)).sum();
    products / squares
}

/// The band that the autocorrelation of white noise stays in for 99 % of lags, as TOCS 2007 draws
/// it: ± 2.576/√K for a series of K values. The mean of M series, if they are independent, stays
/// within a √M-th of it. 1 without values.
pub fn white_noise_band(values: usize) -> f64 {
    (2.576 / (values as f64).sqrt()).min(1.0)
}

/// The in-degrees of a fixed set of nodes, round after round.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The nodes' ids, and the in-degrees of each.
    nodes: Vec<(u32, Vec<f64>)>,
    rounds: usize,
}

impl Series {
    /// Nothing recorded yet of the nodes with these ids.
    pub fn new(ids: impl IntoIterator<Item = u32>) -> Self {
        let nodes = ids.into_iter().map(|id| (id, Vec::new()));
        Self {
            nodes: nodes.collect(),
            rounds: 0,
        }
    }

    /// Records one round: how many live nodes have each of the nodes in their views. A node that
    /// is not alive is left out from now on, with all that was recorded of it.
    pub fn record(&mut self, graph: &Graph) {
        let degrees = in_degrees::per_node(graph);
        self.rounds += 1;
        self.nodes.retain_mut(|(id, series)| {
            let node = graph.node(*id);
            if let Some(node) = node {
                series.push(f64::from(degrees[node as usize]));
            }
            node.is_some()
        });
    }

    /// How many rounds were recorded.
    pub fn rounds(&self) -> usize {
        self.rounds
    }

    /// The in-degrees of each node that was alive in all rounds, with its id.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (u32, &[f64])> {
        self.nodes.iter().map(|(id, series)| (*id, &series[..]))
    }

    /// The mean of all nodes' [`autocorrelation`]s at a lag of so many rounds; 0 without nodes.
    pub fn autocorrelation(&self, lag: usize) -> f64 {
        let all = self.nodes().map(|(_, series)| autocorrelation(series, lag));
        all.sum::<f64>() / self.nodes.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
    }

    #[test]
    fn known_series() {
        // Mean 2.5; squares 2.25 + 0.25 + 0.25 + 2.25 = 5.
        let line = [1.0, 2.0, 3.0, 4.0];
        close(autocorrelation(&line, 0), 1.0);
        close(autocorrelation(&line, 1), (0.75 - 0.25 + 0.75) / 5.0);
        close(autocorrelation(&line, 2), (-0.75 - 0.75) / 5.0);
        close(autocorrelation(&line, 3), -2.25 / 5.0);
        let alternating: Vec<f64> = (0..100).map(|j| f64::from(j % 2)).collect();
        close(autocorrelation(&alternating, 1), -0.99);
        close(autocorrelation(&alternating, 10), 0.90);
    }

    #[test]
    fn what_is_not_defined_is_zero() {
        for lag in 0..3 {
            assert_eq!(autocorrelation(&[], lag), 0.0);
            assert_eq!(autocorrelation(&[3.0], lag), 0.0);
            // A tenth, summed up, is not quite the mean.
            assert_eq!(autocorrelation(&[0.1; 10], lag), 0.0);
        }
        assert_eq!(autocorrelation(&[1.0, 2.0], 2), 0.0);
        assert_eq!(autocorrelation(&[1.0, 2.0], 9), 0.0);
        assert_eq!(Series::new([]).autocorrelation(1), 0.0);
        assert_eq!(white_noise_band(0), 1.0);
    }

    #[test]
    fn white_noise_stays_in_its_band() {
        let (values, lags, seeds) = (300, 50, 40);
        let mut outside = 0;
        for seed in 0..seeds {
            let mut rng = StdRng::seed_from_u64(seed);
            let noise: Vec<f64> = (0..values).map(|_| rng.random()).collect();
            let band = white_noise_band(values);
            let rs = (1..=lags).map(|lag| autocorrelation(&noise, lag));
            outside += rs.filter(|r| r.abs() > band).count();
        }
        // 1 % of 2,000 lags is 20; a little less, since later lags have fewer terms.
        assert!((white_noise_band(400) - 0.1288).abs() < 1e-9);
        assert!((4..40).contains(&outside), "seeds 0..{seeds}: {outside}");
    }

    /// Where each value is 0.9 of the one before, and noise, r_k is 0.9^k.
    #[test]
    fn memory_fades() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut value = 0.0;
        let series: Vec<f64> = (0..20_000)
            .map(|_| {
                value = 0.9 * value + rng.random_range(-1.0..1.0);
                value
            })
            .collect();
        for lag in [0, 1, 5, 10] {
            let r = autocorrelation(&series, lag);
            let expected = 0.9f64.powi(lag as i32);
            assert!((r - expected).abs() < 0.05, "seed 1: r_{lag} = {r}");
        }
    }

    #[test]
    fn series_of_nodes_that_live_throughout() {
        let mut series = Series::new([1, 2, 4]);
        // Node 3 turns to node 1 every other round; node 4 dies in round 6.
        for round in 0..10u32 {
            let live = (0..5).filter(|&id| id != 4 || round < 6);
            let views = live.map(|id| (id, if id == 3 { vec![round % 2] } else { vec![2] }));
            series.record(&Graph::new(5, views));
        }
        assert_eq!((series.rounds(), series.nodes().len()), (10, 2));
        let alternating: Vec<f64> = (0..10).map(|round| f64::from(round % 2)).collect();
        let turning = [3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 2.0, 2.0, 2.0, 2.0];
        let found: Vec<_> = series.nodes().collect();
        assert_eq!(found, [(1, &alternating[..]), (2, &turning[..])]);
        let expected = (autocorrelation(&alternating, 3) + autocorrelation(&turning, 3)) / 2.0;
        close(series.autocorrelation(3), expected);
    }
}
