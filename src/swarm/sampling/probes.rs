//! When a node looks outside its view: for a part of the network that it has lost sight of.
//!
//! A view only ever holds peers that others of the same component know. So two components that have
//! forgotten each other stay apart, though every node of both has the same seed in its settings. A
//! node therefore tries, rarely and for ever, a seed or a former contact that its view does not
//! hold.

use std::time::Duration;

use rand::{Rng, RngExt};

use crate::time::Time;

/// By how much a pause grows with each peer of the view: a node that knows so many is one of more,
/// and they probe for each other. With the default of 30 rounds somebody probes every ten rounds or
/// oftener in a component of any size. Measured: `docs/recovery.md`.
const PER_PEER: f64 = 1.0 / 3.0;

#[derive(Debug)]
pub(crate) struct Probes {
    /// The shortest pause between two probes, on average; `None`: no probes.
    pause: Option<Duration>,
    /// When the last one was, or the node was made.
    last: Time,
    /// What stretches or shortens the present pause.
    stretch: f64,
}

impl Probes {
    /// `pause`: the shortest between two probes, on average.
    pub(crate) fn new<R: Rng + ?Sized>(pause: Option<Duration>, rng: &mut R) -> Self {
        Self {
            pause,
            last: Time::ZERO,
            stretch: stretch(rng),
        }
    }

    /// When the next probe is due, with a view of so many peers.
    pub(crate) fn next_wake(&self, view_len: usize) -> Option<Time> {
        let rarely = (view_len as f64 * PER_PEER).max(1.0);
        let pause = self.pause?.mul_f64(self.stretch * rarely);
        Some(self.last.saturating_add(pause))
    }

    /// Whether a probe is due; once for each.
    pub(crate) fn is_due<R: Rng + ?Sized>(
        &mut self,
        now: Time,
        view_len: usize,
        rng: &mut R,
    ) -> bool {
        let is_due = self.next_wake(view_len).is_some_and(|at| at <= now);
        if is_due {
            self.last = now;
            self.stretch = stretch(rng);
        }
        is_due
    }
}

/// By up to half either way: nodes that have started as one are not to probe as one.
fn stretch<R: Rng + ?Sized>(rng: &mut R) -> f64 {
    rng.random_range(0.5..1.5)
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How often a node with a view of so many peers probes within so many seconds.
    fn count(seconds: u64, view_len: usize) -> usize {
        let mut rng = StdRng::seed_from_u64(1);
        let mut probes = Probes::new(Some(30 * SECOND), &mut rng);
        let due =
            |now: &u64| probes.is_due(Time::new(Duration::from_secs(*now)), view_len, &mut rng);
        (0..seconds).filter(due).count()
    }

    #[test]
    fn a_node_probes_as_much_more_rarely_as_it_knows_more_peers() {
        assert!((95..=105).contains(&count(3_000, 0)));
        assert!((95..=105).contains(&count(3_000, 3)));
        assert!((95..=105).contains(&count(30_000, 30)));
        assert!((95..=105).contains(&count(100_000, 100)));
    }

    #[test]
    fn nodes_that_start_as_one_do_not_probe_as_one() {
        let first = |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            Probes::new(Some(30 * SECOND), &mut rng).next_wake(0)
        };
        let mut firsts: Vec<_> = (0..100).map(first).collect();
        firsts.sort();
        let [earliest, latest] = [firsts[0], firsts[99]].map(|at| at.expect("it probes"));
        assert!(earliest >= Time::new(15 * SECOND) && latest <= Time::new(45 * SECOND));
        assert!(latest - earliest > 25 * SECOND);
    }

    #[test]
    fn a_view_that_loses_peers_brings_the_next_probe_forward() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut probes = Probes::new(Some(30 * SECOND), &mut rng);
        let now = Time::new(100 * SECOND);
        assert!(!probes.is_due(now, 30, &mut rng));
        assert!(probes.is_due(now, 3, &mut rng));
        assert!(probes.next_wake(3) > Some(now));
    }

    /// A seed that everybody has in its settings, in a network of 10,000 nodes with views of 30
    /// that have all started at the same moment.
    #[test]
    fn a_seed_of_ten_thousand_nodes_is_asked_now_and_then() {
        let (nodes, hours, period) = (10_000, 5, 10 * SECOND);
        let mut rng = StdRng::seed_from_u64(1);
        let node = |_| Probes::new(Some(30 * period), &mut rng);
        let mut probes: Vec<_> = (0..nodes).map(node).collect();
        let seconds = 60 * 60 * hours;
        let mut per_second = vec![0u32; seconds];
        for probes in &mut probes {
            let mut now = Time::ZERO;
            while let Some(at) = probes.next_wake(30)
                && at.since_zero().as_secs() < seconds as u64
            {
                now = at.max(now);
                assert!(probes.is_due(now, 30, &mut rng));
                // Half of them go to former contacts.
                per_second[now.since_zero().as_secs() as usize] += u32::from(rng.random_bool(0.5));
            }
        }
        let all: u32 = per_second.iter().sum();
        let mean = f64::from(all) / seconds as f64;
        let most = per_second.iter().max().copied().unwrap_or_default();
        println!("{mean:.2} exchanges per second on average, {most} in the busiest");
        assert!((1.4..1.9).contains(&mean), "{mean}");
        assert!(most <= 15, "{most}");
    }

    #[test]
    fn without_a_pause_nobody_probes() {
        let mut rng = StdRng::seed_from_u64(1);
        assert_eq!(Probes::new(None, &mut rng).next_wake(0), None);
    }
}
