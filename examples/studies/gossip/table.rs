//! The results as text.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    columns::aligned,
    gossip::{
        gauge::{Count, Most},
        ledger::Delivery,
        node::{Keeps, Mesh},
        study::{Bound, Crashed, HEALED_WITHIN, Measured, Plan},
        topology::Topology,
    },
};

/// What all runs have in common.
pub fn head(plan: &Plan) -> String {
    let Plan {
        nodes,
        keeps,
        rotation,
        view_size,
        rounds,
        period,
        heartbeat,
        interval,
        messages,
        mesh,
        max_connections,
        ..
    } = plan;
    let neighbours = match keeps {
        Keeps::Neighbours(count) => *count,
        Keeps::Everybody => 0,
    };
    let mesh = match mesh {
        Mesh::Fitting => "",
        Mesh::Defaults => " and its own settings",
        Mesh::PeerExchange => " and its own peer exchange",
    };
    let pruned = max_connections.map(|most| format!("; pruned to {most} connections"));
    let pruned = pruned.unwrap_or_default();
    format!(
        "{nodes} nodes join through one seed, one every {interval:?}; {neighbours} neighbours, a new one about every \
         {rotation} rounds, view {view_size}, {rounds} rounds of {period:?};\ngossipsub with a heartbeat every {heartbeat:?}{mesh}; {messages} \
         messages per round, by all nodes in turn{pruned}\n"
    )
}

/// All tables. The runs are with neighbours; `naive` keeps every connection.
pub fn written(runs: &[Measured], naive: Option<&Measured>) -> String {
    let all = || runs.iter().chain(naive);
    let mut text = section(
        "The most established connections of any node at any moment, while joining (j) and after",
        all().flat_map(connections).collect(),
        &[
            "",
            "all",
            "node",
            "at",
            "neighbours",
            "own",
            "inbound",
            "most of each kind",
            "connected twice",
            "mean",
        ],
    );
    text += &bounds(runs);
    text += &section(
        "Messages until the crash: deliveries wanted, and deliveries heard",
        all().map(messages).collect(),
        &[
            "",
            "messages",
            "wanted",
            "heard",
            "superfluous",
            "unsent",
            "slowest",
        ],
    );
    text += &section(
        "Neighbours and mesh at the end of each round: means per node, and the most components",
        all().map(topology).collect(),
        &[
            "",
            "neighbours",
            "fewest",
            "components",
            "mesh",
            "components",
            "mesh over neighbours",
            "least",
        ],
    );
    text += &section(
        "Exchanges and neighbours until the crash, all nodes",
        all().map(tally).collect(),
        &[
            "",
            "exchanges",
            "failed",
            "neighbours up",
            "down",
            "brief connections",
            "in the mesh",
            "open for",
            "at most",
            "joined after",
            "timers late by",
        ],
    );
    for measured in all() {
        text += &reasons(measured);
    }
    if runs.iter().any(|run| run.crashed.is_some()) {
        text += &section(
            "After half of the nodes have crashed: rounds until one lasting component; messages",
            runs.iter()
                .filter_map(|run| Some(crash(run, run.crashed.as_ref()?)))
                .collect(),
            &[
                "",
                "survivors",
                "neighbours",
                "mesh",
                "refilled",
                "heard at once",
                "heard later",
                "connections",
                "required",
            ],
        );
        text += &format!(
            "\nRequired: the mesh is one component within {HEALED_WITHIN} rounds, and all \
             survivors hear every later message\n"
        );
    }
    text
}

fn name(measured: &Measured) -> String {
    match measured.plan.keeps {
        Keeps::Neighbours(count) => format!("{count} neighbours, run {}", measured.plan.seed),
        Keeps::Everybody => "every exchange kept".to_owned(),
    }
}

type Row = Vec<String>;

fn section(title: &str, rows: Vec<Row>, names: &[&str]) -> String {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    let rows: Vec<Row> = std::iter::once(names).chain(rows).collect();
    format!("\n{title}\n\n{}", aligned(&rows))
}

fn connections(measured: &Measured) -> [Row; 2] {
    let name = name(measured);
    let joined = measured.joined;
    let rounds = measured.bins.len().max(1);
    let mean = measured.bins.iter().map(|bin| bin.mean).sum::<f64>() / rounds as f64;
    let row = |name, most: &Most, joining: bool| {
        let mut row = vec![name];
        if let Some(peak) = most.peak {
            let Count {
                neighbours,
                own,
                inbound,
                ..
            } = peak.count;
            let at = match joining {
                true => format!("{:.1} s", peak.at.as_secs_f64()),
                false => {
                    let since = peak.at.saturating_sub(joined).as_secs_f64();
                    let period = measured.plan.period.as_secs_f64();
                    format!("round {:.0}", (since / period).ceil())
                }
            };
            row.extend([peak.count.total(), peak.node].map(|n| n.to_string()));
            row.push(at);
            row.extend([neighbours, own, inbound].map(|n| n.to_string()));
        }
        let Count {
            neighbours,
            own,
            inbound,
            second,
        } = most.each;
        row.push(format!("{neighbours}, {own}, {inbound}"));
        row.push(second.to_string());
        row
    };
    let joining = row(format!("{name} (j)"), &measured.joining, true);
    let mut running = row(name, &measured.running, false);
    running.push(format!("{mean:.1}"));
    [joining, running]
}

fn bounds(runs: &[Measured]) -> String {
    let mut text = String::new();
    let bounded = runs.first().and_then(|run| match run.plan.keeps {
        Keeps::Neighbours(count) => Some(count),
        Keeps::Everybody => None,
    });
    if let Some(count) = bounded {
        let phases = runs.iter().flat_map(|run| {
            let crashed = run.crashed.as_ref().map(|crashed| &crashed.most);
            [Some(&run.joining), Some(&run.running), crashed]
        });
        let most = phases.flatten().map(Most::total).max().unwrap_or_default();
        let bound = Bound::of(count);
        text = format!(
            "\nRequired with neighbours, at every moment: at most {} + {} inbound + {} = {}; most {most}: {}\n",
            bound.neighbours,
            bound.inbound,
            bound.slack,
            bound.total(),
            hit(most <= bound.total())
        );
        for run in runs {
            let (most, rounds) = run.unhurried();
            let name = name(run);
            text += &format!(
                "{name}: at most {most} in the {rounds} of {} rounds in which the machine kept up \
                 (timers late by less than a tenth of a period)\n",
                run.bins.len()
            );
        }
    }
    text
}

fn hit(met: bool) -> &'static str {
    if met { "met" } else { "missed" }
}

fn messages(measured: &Measured) -> Row {
    let Delivery {
        messages,
        wanted,
        heard,
        superfluous,
        unsent,
        slowest,
    } = measured.delivery;
    let mut row = vec![name(measured)];
    row.extend([messages, wanted, heard, superfluous, unsent].map(|n| n.to_string()));
    row.push(millis(slowest));
    row
}

fn millis(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

fn topology(measured: &Measured) -> Row {
    let all = &measured.topologies;
    let mean = |of: fn(&Topology) -> f64| all.iter().map(of).sum::<f64>() / all.len().max(1) as f64;
    let most = |of: fn(&Topology) -> usize| all.iter().map(of).max().unwrap_or_default();
    let neighbours = matches!(measured.plan.keeps, Keeps::Neighbours(_));
    let if_any = |text: String| if neighbours { text } else { String::new() };
    let share = |share: f64| if_any(format!("{:.1} %", share * 100.0));
    let fewest = all.iter().map(|t| t.fewest_neighbours).min();
    let least = all.iter().map(|t| t.mesh_over_neighbours);
    vec![
        name(measured),
        if_any(format!("{:.1}", mean(|t| t.neighbours))),
        if_any(fewest.unwrap_or_default().to_string()),
        if_any(most(|t| t.neighbour_components).to_string()),
        format!("{:.1}", mean(|t| t.mesh)),
        most(|t| t.mesh_components).to_string(),
        share(mean(|t| t.mesh_over_neighbours)),
        share(least.fold(1.0, f64::min)),
    ]
}

fn tally(measured: &Measured) -> Row {
    let tally = &measured.tally;
    let sum = |of: &BTreeMap<String, usize>| of.values().sum::<usize>();
    let mut row = vec![name(measured)];
    row.extend([tally.exchanges, sum(&tally.failed), tally.up].map(|n| n.to_string()));
    row.push(sum(&tally.down).to_string());
    row.extend([tally.brief, tally.brief_in_mesh].map(|n| n.to_string()));
    row.push(millis(tally.brief_sum / tally.brief.max(1) as u32));
    row.push(millis(tally.brief_longest));
    row.push(format!("{:.1} s", measured.joined.as_secs_f64()));
    row.push(millis(measured.latest_timer));
    row
}

/// Why exchanges failed and neighbours went, and who has missed what.
fn reasons(measured: &Measured) -> String {
    let listed = |of: &BTreeMap<String, usize>| {
        let each = of.iter().map(|(reason, count)| format!("{count} {reason}"));
        each.collect::<Vec<_>>().join(", ")
    };
    let mut text = format!("\n{}\n", name(measured));
    let tally = &measured.tally;
    for (what, of) in [
        ("neighbours down", &tally.down),
        ("exchanges failed", &tally.failed),
    ] {
        if !of.is_empty() {
            text += &format!("  {what}: {}\n", listed(of));
        }
    }
    let crashed = measured.crashed.iter().flat_map(|crashed| &crashed.missed);
    for (at, who) in measured.missed.iter().chain(crashed) {
        text += &format!(
            "  the message sent at {:.1} s was missed by the nodes {who:?}\n",
            at.as_secs_f64()
        );
    }
    text
}

fn crash(measured: &Measured, crashed: &Crashed) -> Row {
    let rounds = |rounds: Option<f64>| match rounds {
        Some(rounds) => format!("{rounds:.1}"),
        None => "never".to_owned(),
    };
    let heard = |delivery: Delivery| format!("{} of {}", delivery.heard, delivery.wanted);
    let in_time = crashed
        .mesh
        .is_some_and(|at| at <= f64::from(HEALED_WITHIN));
    vec![
        name(measured),
        crashed.survivors.to_string(),
        rounds(crashed.neighbours),
        rounds(crashed.mesh),
        rounds(crashed.refilled),
        heard(crashed.at_once),
        heard(crashed.later),
        crashed.most.total().to_string(),
        hit(in_time && crashed.later.is_complete()).to_owned(),
    ]
}
