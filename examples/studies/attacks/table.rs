//! The results as text.

use libp2p_peer_sampling::simulator::in_degrees;

use crate::{
    attacks::{
        measure::{Attacked, CRASH, Candidate, Crashed, Network, PATIENCE, Scenario, What},
        study::{
            ATTACKED, CURVES, FEW_AND_MANY, Part, Study, attacks, candidates, fractions, lengths,
            sizes,
        },
    },
    columns::aligned,
};

/// Asked of the default: at most these shares of honest views, with 10 % and with 30 % attackers.
const AT_MOST: [f64; 2] = [0.12, 0.36];
/// Asked of the default: at most this share of samples, with all attackers in one prefix.
const PREFIX_AT_MOST: f64 = 0.25;

/// What all simulations have in common.
pub fn head(network: Network) -> String {
    let Network {
        nodes,
        view_size,
        rounds,
        seed,
    } = network;
    format!(
        "{nodes} nodes, view {view_size}, {rounds} rounds, each attacker starts 10 exchanges per round, \
         seed {seed}\n"
    )
}

/// One part of the study, as a table.
pub fn written(study: &Study, part: Part) -> String {
    let (title, rows) = match part {
        Part::Curves => curves(study),
        Part::Overlays => overlays(study),
        Part::Attacks => all_attacks(study),
        Part::Scale => scale(study),
        Part::Shuffle => shuffle(study),
    };
    let asked = match part {
        Part::Overlays => overlays_asked(),
        Part::Attacks => prefixes_asked(study),
        _ => String::new(),
    };
    format!("\n{title}\n\n{}{asked}", aligned(&rows))
}

type Rows = Vec<Vec<String>>;

fn names<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

fn percent(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

fn hit(met: bool) -> String {
    if met { "met" } else { "missed" }.to_owned()
}

fn curves(study: &Study) -> (String, Rows) {
    let title = "Attackers' share in %, flood: of honest views at the end, and (in brackets) of samples in the \
                 second half of the rounds";
    let mut head = names(["attackers"]);
    head.extend(CURVES.map(Candidate::name));
    let mut rows = vec![head];
    for &fraction in fractions(study.quick) {
        let mut row = vec![format!("{} %", percent(fraction))];
        row.extend(CURVES.map(|candidate| {
            let Attacked { share, samples, .. } = study.attacked(candidate, What::FLOOD, fraction);
            format!("{} ({})", percent(share[1]), percent(samples[1]))
        }));
        rows.push(row);
    }
    (title.to_owned(), rows)
}

fn overlays(study: &Study) -> (String, Rows) {
    let title = format!(
        "Which overlay: flood by 10 % and by 30 %; a crash of {} %; at rest",
        CRASH * 100.0
    );
    let mut rows = vec![names([
        "",
        "views 10 %",
        "views 30 %",
        "samples 10 %",
        "samples 30 %",
        "isolated",
        "dead < 1 %",
        "dead after 10",
        "bytes",
        "SD",
        "random SD",
        "asked",
    ])];
    for candidate in candidates(study.network) {
        let all = FEW_AND_MANY.map(|f| study.attacked(candidate, What::FLOOD, f));
        let crashed = study.crashed(candidate);
        let isolated = all.map(|attacked| attacked.isolated);
        let below = all.iter().zip(AT_MOST);
        let met = below.clone().all(|(a, at_most)| a.share[1] <= at_most)
            && isolated.iter().all(|n| *n == 0);
        let mut row = vec![candidate.name()];
        row.extend(all.map(|a| percent(a.share[1])));
        row.extend(all.map(|a| percent(a.samples[1])));
        row.push(isolated.map(|n| n.to_string()).join(", "));
        row.extend(crash_cells(&crashed));
        row.push(format!("{:.1}", crashed.sd));
        let view_size = candidate.view_size(study.network) as f64;
        let random = in_degrees::random_sd(study.network.nodes, view_size);
        row.push(format!("{random:.1}"));
        row.push(hit(met));
        rows.push(row);
    }
    (title, rows)
}

/// Rounds until dead links are below 1 %, dead links in %, bytes.
fn crash_cells(crashed: &Crashed) -> [String; 3] {
    let below = crashed.below_one_percent;
    [
        below.map_or_else(|| format!("over {PATIENCE}"), |rounds| rounds.to_string()),
        percent(crashed.dead),
        format!("{:.0}", crashed.bytes),
    ]
}

fn all_attacks(study: &Study) -> (String, Rows) {
    let title = "All attacks, by 10 % and by 30 %: samples in the first half of the rounds, and in the second";
    let mut rows = vec![names([
        "",
        "attackers",
        "overlay",
        "views",
        "samples 1st",
        "samples 2nd",
        "isolated",
        "victim's view",
        "dials per hour",
    ])];
    for &what in attacks(study.quick) {
        for fraction in FEW_AND_MANY {
            for candidate in ATTACKED {
                let attacked = study.attacked(candidate, what, fraction);
                let victim = attacked.victim_share.map(percent);
                let dials = match attacked.victim_dials > 0.0 {
                    true => format!("{:.0}", attacked.victim_dials),
                    false => String::new(),
                };
                rows.push(vec![
                    what.name(),
                    format!("{} %", percent(fraction)),
                    candidate.name(),
                    percent(attacked.share[1]),
                    percent(attacked.samples[0]),
                    percent(attacked.samples[1]),
                    attacked.isolated.to_string(),
                    victim.unwrap_or_default(),
                    dials,
                ]);
            }
        }
    }
    (title.to_owned(), rows)
}

fn overlays_asked() -> String {
    let [few, many] = AT_MOST.map(|share| share * 100.0);
    format!(
        "\nAsked: at most {few:.0} % and {many:.0} % attackers in honest views, nobody isolated\n"
    )
}

fn prefixes_asked(study: &Study) -> String {
    let prefixes = attacks(study.quick)
        .iter()
        .filter(|what| matches!(what, What::Prefix(_)));
    let samples = prefixes.flat_map(|&what| {
        FEW_AND_MANY.map(|f| study.attacked(Candidate::Shipped, what, f).samples[1])
    });
    let worst = samples.fold(0.0, f64::max);
    format!(
        "\nAsked of the default, all in one prefix: at most {:.0} % of samples. In the second half at most \
         {} %: {}\n",
        PREFIX_AT_MOST * 100.0,
        percent(worst),
        hit(worst <= PREFIX_AT_MOST)
    )
}

fn scale(study: &Study) -> (String, Rows) {
    let title = "The default at other sizes, flood by 10 %";
    let mut rows = vec![names([
        "nodes",
        "rounds",
        "views at half-time",
        "views",
        "samples",
        "isolated",
    ])];
    for network in sizes(study) {
        let scenario = Scenario::Attack {
            what: What::FLOOD,
            fraction: FEW_AND_MANY[0],
        };
        let attacked = study.attacked_in(network, Candidate::Shipped, scenario);
        rows.push(vec![
            network.nodes.to_string(),
            network.rounds.to_string(),
            percent(attacked.share[0]),
            percent(attacked.share[1]),
            percent(attacked.samples[1]),
            attacked.isolated.to_string(),
        ]);
    }
    (title.to_owned(), rows)
}

fn shuffle(study: &Study) -> (String, Rows) {
    let title = "How much of the view travels: the default with other shuffle lengths L";
    let mut rows = vec![names([
        "L",
        "views 10 %",
        "views 30 %",
        "star: rounds",
        "dead < 1 %",
        "dead after 10",
        "bytes",
    ])];
    for (length, candidate) in lengths(study) {
        let all = FEW_AND_MANY.map(|f| study.attacked(candidate, What::FLOOD, f));
        let mut row = vec![length.to_string()];
        row.extend(all.map(|a| percent(a.share[1])));
        let converged = study.started(candidate).converged;
        row.push(converged.map_or_else(|| "never".to_owned(), |rounds| rounds.to_string()));
        row.extend(crash_cells(&study.crashed(candidate)));
        rows.push(row);
    }
    (title.to_owned(), rows)
}
