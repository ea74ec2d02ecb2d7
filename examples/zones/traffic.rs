//! What stays within a zone, and what goes from one to another.

use std::collections::BTreeMap;

use libp2p::PeerId;
use libp2p_peer_sampling::Record;

use super::node::{Node, zone_of};

/// What is sent, and how its receiver is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The exchanges of the random sampler.
    Exchanges,
    /// The exchanges of the ranked sampler.
    RankedExchanges,
    /// Messages to uniform peers.
    Uniform,
    /// Messages to random peers, most of them of the own zone.
    ZoneAware,
    /// Messages to peers of the ranked view.
    Ranked,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Exchanges => "exchanges, random view",
            Self::RankedExchanges => "exchanges, ranked view",
            Self::Uniform => "messages, uniform peers",
            Self::ZoneAware => "messages, zone-aware choice",
            Self::Ranked => "messages, ranked view",
        }
    }
}

/// How much of a kind stays within a zone.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub name: &'static str,
    pub within: u64,
    pub between: u64,
}

impl Row {
    /// The share that stays within.
    pub fn share(&self) -> f64 {
        self.within as f64 / (self.within + self.between).max(1) as f64
    }
}

/// How many messages of each kind were sent within a zone, and between two.
#[derive(Debug, Clone, Default)]
pub struct Traffic(BTreeMap<Kind, [u64; 2]>);

impl Traffic {
    /// The exchanges of all nodes so far.
    pub fn of(nodes: &[Node]) -> Self {
        let zones: BTreeMap<PeerId, &str> = nodes.iter().map(|node| (node.id, node.zone)).collect();
        let mut traffic = Self::default();
        for node in nodes {
            for (kind, peer) in node.partners() {
                traffic.add(kind, zones.get(&peer) == Some(&node.zone));
            }
        }
        traffic
    }

    /// One more.
    pub fn add(&mut self, kind: Kind, within: bool) {
        self.0.entry(kind).or_default()[usize::from(!within)] += 1;
    }

    /// What has come since.
    pub fn since(mut self, before: &Self) -> Self {
        for (kind, counts) in &before.0 {
            let now = self.0.entry(*kind).or_default();
            *now = [now[0] - counts[0], now[1] - counts[1]];
        }
        self
    }

    pub fn rows(&self) -> Vec<Row> {
        let row = |(kind, [within, between]): (&Kind, &[u64; 2])| Row {
            name: kind.name(),
            within: *within,
            between: *between,
        };
        self.0.iter().map(row).collect()
    }
}

/// The share of the views of all nodes that is of the node's own zone.
pub fn of_own_zone(nodes: &[Node], view: impl Fn(&Node) -> Vec<Record>) -> f64 {
    let (mut own, mut all) = (0, 0);
    for node in nodes {
        for record in view(node) {
            all += 1;
            own += usize::from(zone_of(&record).as_deref() == Some(node.zone));
        }
    }
    own as f64 / all.max(1) as f64
}

/// How even the zones are in the random views: the chi-square of how many entries each of the three
/// zones has, and its degrees of freedom. A node is not in its own view, so of its own zone there
/// is one fewer to choose from.
pub fn evenness(nodes: &[Node]) -> (f64, usize) {
    let mut counts: BTreeMap<(&str, String), (f64, f64)> = BTreeMap::new();
    for node in nodes {
        let view = node.everybody();
        let others = (nodes.len() - 1) as f64;
        for zone in nodes.iter().map(|node| node.zone) {
            let of_zone = nodes.iter().filter(|node| node.zone == zone).count();
            let choice = of_zone - usize::from(zone == node.zone);
            let count = counts.entry((node.zone, zone.to_owned())).or_default();
            // Once for each node of the zone, so a share of it each time.
            count.1 += view.len() as f64 * choice as f64 / others / of_zone as f64;
        }
        for zone in view.iter().filter_map(zone_of) {
            counts.entry((node.zone, zone)).or_default().0 += 1.0;
        }
    }
    let terms = counts
        .values()
        .map(|(seen, expected)| (seen - expected).powi(2) / expected);
    // In the views of each zone the last count follows from the others.
    (terms.sum(), counts.len() - 3)
}
