//! Reports as the rows of a table.

use libp2p_peer_sampling::simulator::{
    adversary::attack::Attack, clustering, in_degrees, report::Report,
};

use crate::simulate::experiment::Experiment;

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

/// The column that comes with a topology.
const MISSING: (&str, usize) = ("missing %", 9);

/// All columns of this table.
fn columns(experiment: &Experiment) -> Vec<(&'static str, usize)> {
    let mut columns = COLUMNS.to_vec();
    let adversaries = experiment.config.adversaries();
    if let Some(attack) = adversaries.map(|adversaries| adversaries.attack()) {
        columns.extend(EXPOSURE);
        match attack {
            Attack::Eclipse => columns.push(VICTIM),
            Attack::Spray => columns.push(DIALS),
            _ => {}
        }
    }
    if experiment.is_topology {
        columns.push(MISSING);
    }
    columns
}

/// What stands above the table.
pub fn header(experiment: &Experiment) -> String {
    let columns = columns(experiment);
    let names: Vec<_> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
    format!(
        "{}\n{}",
        experiment.description,
        aligned(experiment, &names)
    )
}

/// What stands below the table: what it would be in the uniform random graph of as many nodes.
pub fn footer(experiment: &Experiment, last: &Report) -> String {
    if last.nodes == 0 {
        return String::new();
    }
    let nodes = last.nodes;
    let view_size = experiment.config.gossip().view_size() as f64;
    let mut cells = vec![String::new(); COLUMNS.len()];
    cells[0] = "random".to_owned();
    cells[1] = nodes.to_string();
    cells[2] = format!("{:.2}", view_size.min((nodes - 1) as f64));
    cells[3] = format!("{:.2}", in_degrees::random_sd(nodes, view_size));
    let clustering = clustering::random_coefficient(nodes, view_size);
    cells[5] = format!("{clustering:.5}");
    aligned(experiment, &cells)
}

/// A row of the table. `missing`: the share of links that are missing, in a topology.
pub fn row(experiment: &Experiment, report: &Report, missing: Option<f64>) -> String {
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
        for (name, _) in columns(experiment).split_off(COLUMNS.len()) {
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
    cells.extend(missing.map(|share| format!("{:.3}", share * 100.0)));
    aligned(experiment, &cells)
}

fn aligned(experiment: &Experiment, cells: &[String]) -> String {
    // In a star the largest in-degree is nearly as long as the number of nodes, and so on.
    let digits = |number: usize| number.to_string().len();
    let nodes = experiment.config.nodes();
    let rounds = usize::try_from(experiment.config.rounds().min(experiment.every()));
    let exchanges = nodes.saturating_mul(rounds.unwrap_or(usize::MAX));
    let at_least = |name| match name {
        "nodes" | "largest" | "max" | "pieces" | "isolated" => digits(nodes),
        "exchanges" => digits(exchanges.saturating_mul(experiment.config.gossip().fanout())),
        _ => 0,
    };
    let columns = columns(experiment);
    let cells = columns.iter().zip(cells).map(|(&(name, width), cell)| {
        let width = width.max(at_least(name));
        format!("{cell:>width$}")
    });
    let line = cells.collect::<Vec<_>>().join(" ");
    format!("{}\n", line.trim_end())
}
