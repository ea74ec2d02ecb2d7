//! What goes wrong, and when.

use std::ops::Range;

/// Faults to be injected into a simulation. None by default.
///
/// Rounds are counted from 1; round 0 is the start.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Faults {
    crashes: Vec<Crash>,
    churn: f64,
    loss: f64,
    partition: Option<Range<u64>>,
    unreachable_stay: bool,
}

/// A share of the nodes that vanish at the same moment, without a word.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crash {
    /// The share of the nodes that are live then; 0 to 1, of which neither all nor none are left to
    /// chance: the nearest whole number of nodes, chosen at random, vanishes.
    pub fraction: f64,
    /// The round at whose end they vanish: k rounds later, the others have had k rounds to notice.
    pub round: u64,
}

impl Faults {
    /// No faults.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a crash.
    pub fn with_crash(mut self, crash: Crash) -> Self {
        self.crashes.push(crash);
        self
    }

    /// The share of the nodes that are replaced at the beginning of each round, 0 to 1: so many
    /// vanish, and as many new ones join, each of which knows one live node at random. Where that
    /// is not a whole number of nodes, the remainder is carried over to the next round. Every node
    /// that ever was goes on to take some 270 bytes.
    pub fn with_churn(mut self, fraction: f64) -> Self {
        self.churn = fraction;
        self
    }

    /// The probability that a message is lost, 0 to 1: for each request and for each response.
    pub fn with_loss(mut self, probability: f64) -> Self {
        self.loss = probability;
        self
    }

    /// Cuts the network into two halves, by chance, of which neither can reach the other, from the
    /// beginning of round `rounds.start` to that of `rounds.end`, where it heals.
    pub fn with_partition(mut self, rounds: Range<u64>) -> Self {
        self.partition = Some(rounds);
        self
    }

    /// Whether a peer that cannot be reached stays in the view of the node that has tried it, and
    /// is only passed over from then on; otherwise it leaves the view, as in the swarm.
    ///
    /// In TOCS 2007 `selectPeer` returns a live entry, and the dead go only when the view is cut
    /// back: its figures on churn come out with this and [`retries`] as many as the view size.
    ///
    /// [`retries`]: crate::sampling::sampler::config::Config::with_retries
    pub fn with_unreachable_staying(mut self, stay: bool) -> Self {
        self.unreachable_stay = stay;
        self
    }

    /// The same without crashes and churn, for a network to which others say who is there.
    pub(crate) fn without_departures(mut self) -> Self {
        self.crashes.clear();
        self.churn = 0.0;
        self
    }

    /// The crashes.
    pub fn crashes(&self) -> &[Crash] {
        &self.crashes
    }

    /// The share of the nodes that are replaced per round.
    pub fn churn(&self) -> f64 {
        self.churn
    }

    /// The probability that a message is lost.
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// The rounds in which the network is cut in two.
    pub fn partition(&self) -> Option<&Range<u64>> {
        self.partition.as_ref()
    }

    /// Whether a peer that cannot be reached stays in the view.
    pub fn unreachable_stay(&self) -> bool {
        self.unreachable_stay
    }

    /// Whether the network is cut in two in this round.
    pub(crate) fn partitioned(&self, round: u64) -> bool {
        self.partition
            .as_ref()
            .is_some_and(|rounds| rounds.contains(&round))
    }
}
