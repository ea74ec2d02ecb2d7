//! The results as text.

use libp2p_peer_sampling::simulator::in_degrees;

use crate::healing::measure::{CHURN, CRASH, Judged, Network, PATIENCE, Policy, Spread};

/// Rounds after the crash at which dead links are shown.
const SHOWN: [usize; 5] = [2, 4, 6, 8, 12];

/// The first column, the randomness, the dead links, the rounds.
const WIDTHS: [usize; 11] = [12, 8, 8, 10, 8, 7, 7, 7, 7, 14, 14];

/// The table, and how the policies meet what was asked of the adaptive one.
pub fn written(network: Network, seeds: &[u64], all: &[Judged]) -> String {
    let Network { nodes, view_size } = network;
    let (first, last) = (seeds[0], seeds[seeds.len() - 1]);
    let seeds = match seeds.len() {
        1 => format!("seed {first}"),
        _ => format!("means of the seeds {first} to {last}, with their range where rounds differ"),
    };
    let mut text = format!(
        "{nodes} nodes, view {view_size}, H + S = {half}; {seeds}\n\n",
        half = view_size / 2
    );
    let churn = format!("{} % churn", CHURN * 100.0);
    let crash = format!("dead links in %, rounds after {} % crash", CRASH * 100.0);
    text += &format!(
        "{:>21} {churn:>19} {crash:>40} {:>29}\n",
        "at rest", "rounds until"
    );
    let mut names = ["H", "SD", "SD", "dead/view"].map(str::to_owned).to_vec();
    names.extend(SHOWN.map(|rounds| rounds.to_string()));
    names.extend(["below 1 %", "none"].map(str::to_owned));
    text += &aligned(&names);
    for judged in all {
        text += &aligned(&row(judged));
    }
    let random = in_degrees::random_sd(nodes, view_size as f64);
    text += &aligned(&["random graph".to_owned(), format!("{random:.2}")]);
    text.push('\n');
    text += &criteria(network, all);
    text
}

fn aligned(cells: &[String]) -> String {
    let cells = WIDTHS.iter().zip(cells);
    let cells = cells.map(|(&width, cell)| format!("{cell:>width$}"));
    format!("{}\n", cells.collect::<Vec<_>>().join(" "))
}

fn row(judged: &Judged) -> Vec<String> {
    let mut cells = vec![name(judged.policy)];
    for spread in [judged.rest_sd, judged.churn_sd] {
        cells.push(format!("{:.2}", spread.mean));
    }
    cells.push(format!("{:.3}", judged.churn_dead.mean));
    let percent = |rounds| format!("{:.2}", judged.dead_percent(rounds).mean);
    cells.extend(SHOWN.map(percent));
    cells.extend([judged.below_one_percent, judged.none].map(rounds));
    cells
}

fn name(policy: Policy) -> String {
    match policy {
        Policy::Adaptive => "adaptive".to_owned(),
        Policy::Fixed(healer) => healer.to_string(),
    }
}

fn rounds(spread: Option<Spread>) -> String {
    match spread {
        None => format!("over {PATIENCE}"),
        Some(Spread { mean, min, max }) if min == max => mean.to_string(),
        Some(Spread { mean, min, max }) => format!("{mean:.1} ({min}–{max})"),
    }
}

/// One thing asked of the adaptive policy.
struct Criterion {
    what: &'static str,
    /// Of all seeds, the worst.
    worst: fn(&Judged) -> Option<f64>,
    at_most: f64,
    digits: usize,
}

const CRITERIA: [Criterion; 4] = [
    Criterion {
        what: "SD at rest",
        worst: |judged| Some(judged.rest_sd.max),
        at_most: 5.5,
        digits: 2,
    },
    Criterion {
        what: "SD under churn",
        worst: |judged| Some(judged.churn_sd.max),
        at_most: 5.5,
        digits: 2,
    },
    Criterion {
        what: "rounds until below 1 %",
        worst: |judged| Some(judged.below_one_percent?.max),
        at_most: 6.0,
        digits: 0,
    },
    Criterion {
        what: "rounds until none",
        worst: |judged| Some(judged.none?.max),
        at_most: 12.0,
        digits: 0,
    },
];

impl Criterion {
    fn met(&self, judged: &Judged) -> bool {
        (self.worst)(judged).is_some_and(|worst| worst <= self.at_most)
    }

    fn line(&self, judged: &Judged) -> String {
        let digits = self.digits;
        let worst = match (self.worst)(judged) {
            Some(worst) => format!("{worst:.digits$}"),
            None => format!("over {PATIENCE}"),
        };
        let met = match self.met(judged) {
            true => "met",
            false => "missed",
        };
        let Self { what, at_most, .. } = self;
        format!("  {what:<22} {worst:>8}, at most {at_most:<3}: {met}\n")
    }
}

fn criteria(network: Network, all: &[Judged]) -> String {
    let mut text = "Asked of adaptive healing, in the worst of the seeds".to_owned();
    if (network.nodes, network.view_size) != (10_000, 30) {
        text += " (for 10000 nodes, view 30)";
    }
    text += ":\n";
    let adaptive = all
        .iter()
        .filter(|judged| judged.policy == Policy::Adaptive);
    for judged in adaptive {
        CRITERIA
            .iter()
            .for_each(|criterion| text += &criterion.line(judged));
    }
    let fixed = all.iter().filter_map(|judged| match judged.policy {
        Policy::Fixed(healer) if CRITERIA.iter().all(|asked| asked.met(judged)) => {
            Some(healer.to_string())
        }
        _ => None,
    });
    let fixed: Vec<String> = fixed.collect();
    let fixed = match fixed.is_empty() {
        true => "none".to_owned(),
        false => fixed.join(", "),
    };
    text += &format!("  Fixed H that meet all of it: {fixed}\n");
    text
}
