//! The results as text.

use std::time::Duration;

use super::{
    member::Tally,
    node::{Discovery, Timing},
    study::{Found, LOOKS, Measured, Study},
};

const FIRST: usize = 46;
const COLUMN: usize = 14;

pub fn head(study: &Study) -> String {
    let Study { nodes, rounds, .. } = study;
    let Timing {
        period,
        idle,
        refresh,
    } = study.timing;
    let identify = if study.identify { "with" } else { "without" };
    format!(
        "{nodes} nodes on loopback join through one seed, one every {:?}; {rounds} rounds of {period:?} after \
         the last.\nIdle connections close after {idle:?}, kad refreshes itself every {refresh:?}; {identify} \
         identify.\n",
        study.every
    )
}

fn name(discovery: Discovery) -> &'static str {
    match discovery {
        Discovery::Bootstrap => "bootstrap",
        Discovery::Contacts => "contacts",
        Discovery::Quiet => "quiet",
        Discovery::Lookup => "lookup",
    }
}

/// All networks beside each other; and the seed's burden in percent of its burden in the usual
/// network, if that is among them.
pub fn written(all: &[Measured]) -> String {
    let row = |title: &str, cell: &dyn Fn(&Measured) -> String| line(title, all.iter().map(cell));
    let mut text = row("", &|measured| name(measured.discovery).to_owned());

    text += "\npeers in the routing tables: least, median, most\n";
    for (look, part) in LOOKS.into_iter().enumerate() {
        let title = format!("  after {part} % of the rounds");
        text += &row(&title, &|measured| spread(&measured.tables[look]));
    }
    let usual = all.iter().find(|m| m.discovery == Discovery::Bootstrap);
    if let Some(usual) = usual {
        text += &row("  nodes that know fewer than with bootstrap", &|measured| {
            let fewer = last(measured).iter().zip(last(usual));
            fewer
                .filter(|(ours, usual)| ours < usual)
                .count()
                .to_string()
        });
    }
    text += &row("of its 20 nearest a node knows, %", &|measured| {
        short(100.0 * measured.nearest)
    });
    text += "seconds until: half of the nodes, all nodes\n";
    text += &row("  had 20 peers in their routing table", &|measured| {
        times(measured, |tally| tally.known_k)
    });
    text += &row(
        "  had contacted 20 peers",
        &|measured| match measured.discovery.samples() {
            true => times(measured, |tally| tally.contacted_k),
            false => String::new(),
        },
    );
    for (title, burden) in burdens() {
        text += &format!("{title}\n");
        text += &row("  the seed", &|measured| {
            short(burden(&measured.tallies[0], measured.lasted))
        });
        text += &row("  another node, on average", &|measured| {
            short(mean(measured, burden))
        });
    }
    text += &row("the seed's share of all queries, %", &|measured| {
        let requests = measured.tallies.iter().map(|tally| tally.requests);
        match requests.sum::<u32>() {
            0 => "none".to_owned(),
            all => short(100.0 * f64::from(measured.tallies[0].requests) / f64::from(all)),
        }
    });
    text += "records found, of those asked for\n";
    text += &row("  with the seed", &|measured| of(measured.before));
    text += &row("  when it is gone", &|measured| of(measured.after));

    let Some(usual) = usual.filter(|_| all.len() > 1) else {
        return text;
    };
    text += "\nof what the seed has to do with bootstrap, %; asked: at most 33\n";
    for (title, burden) in burdens() {
        let of_seed = |measured: &Measured| burden(&measured.tallies[0], measured.lasted);
        text += &row(&format!("  {title}"), &|measured| {
            let share = of_seed(measured) / of_seed(usual);
            let met = match share {
                _ if measured.discovery == Discovery::Bootstrap => "",
                share if share <= 1.0 / 3.0 => ", met",
                _ => ", not met",
            };
            format!("{}{met}", short(100.0 * share))
        });
    }
    text
}

type Burden = fn(&Tally, Duration) -> f64;

fn burdens() -> [(&'static str, Burden); 4] {
    [
        ("queries handled", |tally, _| f64::from(tally.requests)),
        ("connections at the same time, at most", |tally, _| {
            f64::from(tally.connections.peak)
        }),
        (
            "connections at the same time, on average",
            |tally, lasted| tally.connections.open.as_secs_f64() / lasted.as_secs_f64(),
        ),
        ("connections ever established", |tally, _| {
            f64::from(tally.connections.ever)
        }),
    ]
}

fn mean(measured: &Measured, burden: Burden) -> f64 {
    let others = &measured.tallies[1..];
    let all = others.iter().map(|tally| burden(tally, measured.lasted));
    all.sum::<f64>() / others.len() as f64
}

fn last(measured: &Measured) -> &[usize] {
    measured.tables.last().map_or(&[], Vec::as_slice)
}

fn spread(table: &[usize]) -> String {
    let mut sorted = table.to_vec();
    sorted.sort_unstable();
    let most = sorted.len() - 1;
    format!("{} {} {}", sorted[0], sorted[most / 2], sorted[most])
}

/// A dash for what did not come to pass.
fn times(measured: &Measured, of: impl Fn(&Tally) -> Option<Duration>) -> String {
    let never = Duration::MAX;
    let times = measured
        .tallies
        .iter()
        .map(|tally| of(tally).unwrap_or(never));
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    let shown = |time: Duration| match time {
        Duration::MAX => "-".to_owned(),
        time => format!("{:.1}", time.as_secs_f64()),
    };
    let most = times.len() - 1;
    format!("{} {}", shown(times[most / 2]), shown(times[most]))
}

fn of(Found { found, asked }: Found) -> String {
    format!("{found} of {asked}")
}

fn short(number: f64) -> String {
    match number {
        number if number < 10.0 && number.fract() > 0.0 => format!("{number:.1}"),
        number => format!("{number:.0}"),
    }
}

fn line(title: &str, cells: impl Iterator<Item = String>) -> String {
    let mut line = format!("{title:FIRST$}");
    for cell in cells {
        line += &format!("{cell:>COLUMN$}");
    }
    format!("{}\n", line.trim_end())
}
