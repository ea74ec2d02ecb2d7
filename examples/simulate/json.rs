//! Reports as lines of JSON.

use std::time::Duration;

use libp2p_peer_sampling::simulator::{adversary::exposure::Exposure, report::Report};
use serde::Serialize;

/// A report as JSON has it.
#[derive(Serialize)]
pub struct Line {
    round: u64,
    nodes: usize,
    in_degree_mean: f64,
    in_degree_sd: f64,
    in_degree_max: usize,
    clustering: f64,
    path_length: f64,
    dead_links: f64,
    components: usize,
    largest_component: usize,
    bytes_per_node: f64,
    exchanges: u64,
    exchanges_per_second: Option<f64>,
    #[serde(flatten)]
    exposure: Option<Exposed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_links: Option<f64>,
}

/// What there is to say of attackers, if there are any.
#[derive(Serialize)]
struct Exposed {
    attacker_share: f64,
    attacker_samples: f64,
    isolated: usize,
    victim_dials: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    victim_share: Option<f64>,
}

impl From<Exposure> for Exposed {
    fn from(exposure: Exposure) -> Self {
        Self {
            attacker_share: exposure.attacker_share,
            attacker_samples: exposure.attacker_samples,
            isolated: exposure.isolated,
            victim_dials: exposure.victim_dials,
            victim_share: exposure.victim_share,
        }
    }
}

impl Line {
    /// `missing`: the share of links that are missing, in a topology. `took`: how long the rounds
    /// took, unless that is nobody's business.
    pub fn new(report: &Report, missing: Option<f64>, took: Option<Duration>) -> Self {
        // Before the first round there were none, in no time.
        let per_second = |took: Duration| report.exchanges as f64 / took.as_secs_f64().max(1e-9);
        Self {
            round: report.round,
            nodes: report.nodes,
            in_degree_mean: report.in_degrees.mean,
            in_degree_sd: report.in_degrees.sd,
            in_degree_max: report.in_degrees.max,
            clustering: report.clustering.coefficient,
            path_length: report.path_lengths.mean,
            dead_links: report.dead_links,
            components: report.components.count,
            largest_component: report.components.largest,
            bytes_per_node: report.bytes_per_node,
            exchanges: report.exchanges,
            exchanges_per_second: took.map(per_second),
            exposure: report.exposure.map(Exposed::from),
            missing_links: missing,
        }
    }

    /// One line.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string(self).expect("a flat object of numbers");
        format!("{json}\n")
    }
}
