//! How many connections each node has, at every moment.

use std::time::Duration;

/// The established connections of one node at one moment, by what they are for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// To neighbours, no matter which side dialled.
    pub neighbours: usize,
    /// Dialled by this node, and not to a neighbour.
    pub own: usize,
    /// Dialled by others who are no neighbours.
    pub inbound: usize,
    /// Of these, how many are to a peer that is connected otherwise too: both ends have dialled.
    pub second: usize,
}

impl Count {
    pub fn total(self) -> usize {
        self.neighbours + self.own + self.inbound
    }

    fn at_least(self, other: Self) -> Self {
        Self {
            neighbours: self.neighbours.max(other.neighbours),
            own: self.own.max(other.own),
            inbound: self.inbound.max(other.inbound),
            second: self.second.max(other.second),
        }
    }
}

/// The parts of a run, told apart in what is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Joining,
    Running,
    /// The first rounds after a crash.
    Healing,
    Healed,
}

/// The moment at which a node had more connections than any node before.
#[derive(Debug, Clone, Copy)]
pub struct Peak {
    pub count: Count,
    pub node: usize,
    /// Since the first node started.
    pub at: Duration,
}

/// What was most in one phase.
#[derive(Debug, Clone, Copy, Default)]
pub struct Most {
    pub peak: Option<Peak>,
    /// Each kind by itself, in whichever node it was most.
    pub each: Count,
}

impl Most {
    pub fn total(&self) -> usize {
        self.peak.map_or(0, |peak| peak.count.total())
    }
}

/// Connections per node during one round's time.
#[derive(Debug, Clone, Copy)]
pub struct Bin {
    /// Of the node with the most, at the moment when it had the most.
    pub most: usize,
    /// Of all nodes, at the round's end.
    pub mean: f64,
    /// By how much a timer was late: how busy the machine was.
    pub late: Duration,
}

#[derive(Debug)]
pub struct Gauge {
    period: Duration,
    phase: Phase,
    /// None: not there, or no more.
    current: Vec<Option<Count>>,
    most: [Most; 4],
    bins: Vec<Bin>,
}

impl Gauge {
    /// For so many nodes, none of which is there yet.
    pub fn new(nodes: usize, period: Duration) -> Self {
        Self {
            period,
            phase: Phase::Joining,
            current: vec![None; nodes],
            most: Default::default(),
            bins: Vec::new(),
        }
    }

    /// From now on, what there is counts for this phase.
    pub fn enter(&mut self, phase: Phase, at: Duration) {
        self.phase = phase;
        for (node, count) in self.current.clone().into_iter().enumerate() {
            if let Some(count) = count {
                self.set(node, count, at);
            }
        }
    }

    /// A node's connections have changed.
    pub fn set(&mut self, node: usize, count: Count, at: Duration) {
        self.advance(at);
        self.current[node] = Some(count);
        let most = &mut self.most[self.phase as usize];
        most.each = most.each.at_least(count);
        if most.total() < count.total() {
            most.peak = Some(Peak { count, node, at });
        }
        if let Some(bin) = self.bins.last_mut() {
            bin.most = bin.most.max(count.total());
        }
    }

    /// A timer has gone off so late.
    pub fn timer(&mut self, late: Duration, at: Duration) {
        self.advance(at);
        if let Some(bin) = self.bins.last_mut() {
            bin.late = bin.late.max(late);
        }
    }

    /// A node has stopped.
    pub fn gone(&mut self, node: usize) {
        self.current[node] = None;
    }

    pub fn most(&self, phase: Phase) -> Most {
        self.most[phase as usize]
    }

    /// One for each round's time since the first node started.
    pub fn bins(&mut self, at: Duration) -> Vec<Bin> {
        self.advance(at);
        self.bins.clone()
    }

    /// Ends the bins of rounds that are over.
    fn advance(&mut self, at: Duration) {
        let number = (at.as_secs_f64() / self.period.as_secs_f64()) as usize;
        while self.bins.len() <= number {
            let totals = self.current.iter().flatten().map(|count| count.total());
            let (nodes, sum) = (totals.clone().count(), totals.clone().sum::<usize>());
            let mean = sum as f64 / nodes.max(1) as f64;
            let most = totals.max().unwrap_or_default();
            if let Some(last) = self.bins.last_mut() {
                last.mean = mean;
            }
            let late = Duration::ZERO;
            self.bins.push(Bin { most, mean, late });
        }
    }
}
