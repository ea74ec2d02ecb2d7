//! Reports as text: the rows of a table, or lines of JSON.

use std::time::Duration;

use libp2p_peer_sampling::simulator::{
    adversary::{attack::Attack, exposure::Exposure},
    clustering, in_degrees,
    report::Report,
};
use serde::Serialize;

use crate::simulate::settings::Settings;

/// The columns: what stands above them and how wide they are at least.
const COLUMNS: [(&str, usize); 12] = [
    ("round", 6),
    ("nodes", 6),
    ("in-degree", 9),
    ("sd", 6),
    ("max", 4),
    ("clustering", 10),
    ("path", 6),
    ("dead %", 6),
    ("pieces", 6),
    ("largest", 7),
    ("bytes/node", 10),
    ("exchanges", 9),
];

/// The columns that come with attackers: their share of views and samples, how many nodes are cut
/// off, and what has become of the victim.
const EXPOSURE: [(&str, usize); 3] = [("attackers %", 11), ("samples %", 9), ("isolated", 8)];
const VICTIM: (&str, usize) = ("victim %", 8);
const DIALS: (&str, usize) = ("victim dials", 12);

/// All columns of this table.
fn columns(settings: &Settings) -> Vec<(&'static str, usize)> {
    let mut columns = COLUMNS.to_vec();
    let adversaries = settings.config.adversaries();
    if let Some(attack) = adversaries.map(|adversaries| adversaries.attack()) {
        columns.extend(EXPOSURE);
        match attack {
            Attack::Eclipse => columns.push(VICTIM),
            Attack::Spray => columns.push(DIALS),
            _ => {}
        }
    }
    columns
}

/// What stands above the table; nothing above JSON.
pub fn header(settings: &Settings) -> String {
    if settings.json {
        return String::new();
    }
    let columns = columns(settings);
    let names: Vec<_> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
    format!("{}\n{}", settings.description(), aligned(settings, &names))
}

/// What stands below the table: what it would be in the uniform random graph of as many nodes.
pub fn footer(settings: &Settings, last: &Report) -> String {
    if settings.json || last.nodes == 0 {
        return String::new();
    }
    let nodes = last.nodes;
    let view_size = settings.config.gossip().view_size() as f64;
    let mut cells = vec![String::new(); COLUMNS.len()];
    cells[0] = "random".to_owned();
    cells[1] = nodes.to_string();
    cells[2] = format!("{:.2}", view_size.min((nodes - 1) as f64));
    cells[3] = format!("{:.2}", in_degrees::random_sd(nodes, view_size));
    let clustering = clustering::random_coefficient(nodes, view_size);
    cells[5] = format!("{clustering:.5}");
    aligned(settings, &cells)
}

/// A row of the table.
pub fn row(settings: &Settings, report: &Report) -> String {
    let mut cells = vec![
        report.round.to_string(),
        report.nodes.to_string(),
        format!("{:.2}", report.in_degrees.mean),
        format!("{:.2}", report.in_degrees.sd),
        report.in_degrees.max.to_string(),
        format!("{:.5}", report.clustering.coefficient),
        format!("{:.3}", report.path_lengths.mean),
        format!("{:.2}", report.dead_links * 100.0),
        report.components.count.to_string(),
        report.components.largest.to_string(),
        format!("{:.0}", report.bytes_per_node),
        report.exchanges.to_string(),
    ];
    if let Some(exposure) = &report.exposure {
        for (name, _) in columns(settings).split_off(COLUMNS.len()) {
            cells.push(match name {
                "attackers %" => format!("{:.2}", exposure.attacker_share * 100.0),
                "samples %" => format!("{:.2}", exposure.attacker_samples * 100.0),
                "isolated" => exposure.isolated.to_string(),
                "victim %" => {
                    let share = exposure.victim_share.map(|share| share * 100.0);
                    share.map_or_else(|| "gone".to_owned(), |share| format!("{share:.2}"))
                }
                _ => exposure.victim_dials.to_string(),
            });
        }
    }
    aligned(settings, &cells)
}

fn aligned(settings: &Settings, cells: &[String]) -> String {
    // In a star the largest in-degree is nearly as long as the number of nodes, and so on.
    let digits = |number: usize| number.to_string().len();
    let nodes = settings.config.nodes();
    let rounds = usize::try_from(settings.config.rounds().min(settings.every));
    let exchanges = nodes.saturating_mul(rounds.unwrap_or(usize::MAX));
    let at_least = |name| match name {
        "nodes" | "largest" | "max" | "pieces" | "isolated" => digits(nodes),
        "exchanges" => digits(exchanges.saturating_mul(settings.config.gossip().fanout())),
        _ => 0,
    };
    let columns = columns(settings);
    let cells = columns.iter().zip(cells).map(|(&(name, width), cell)| {
        let width = width.max(at_least(name));
        format!("{cell:>width$}")
    });
    let line = cells.collect::<Vec<_>>().join(" ");
    format!("{}\n", line.trim_end())
}

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
    /// `took`: how long the rounds took, unless that is nobody's business.
    pub fn new(report: &Report, took: Option<Duration>) -> Self {
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
        }
    }

    /// One line.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string(self).expect("a flat object of numbers");
        format!("{json}\n")
    }
}
