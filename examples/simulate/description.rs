//! Says what is simulated, in a line.

use clap::ValueEnum;
use libp2p_peer_sampling::simulator::{config::Config, faults::Crash, latency::Latency};

use crate::simulate::{
    arguments::Arguments,
    values::{AttackName, Between, CrashAt, DriverName, OverlayName, PathsName},
};

/// All that makes the simulation what it is, in a line: what makes it different from others of its
/// kind is left out where it is as always.
pub fn description(arguments: &Arguments, config: &Config) -> String {
    let Arguments {
        nodes, view, seed, ..
    } = arguments;
    let gossip = config.gossip();
    let name = |value: Option<clap::builder::PossibleValue>| {
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    };
    let mut parts = vec![format!("{nodes} nodes"), format!("view {view}")];
    let overlay = name(arguments.overlay.to_possible_value());
    parts.push(format!("overlay {overlay}"));
    for (name, parameter) in [
        ("H=", arguments.healer),
        ("S=", arguments.swapper),
        ("L=", arguments.shuffle_length),
        ("memory ", arguments.memory),
        ("target ", arguments.target),
        ("sent ", arguments.sent),
        ("psi ", arguments.psi),
        ("cap ", arguments.cap),
        ("life ", arguments.life.map(|rounds| rounds as usize)),
        ("candidates ", arguments.random_candidates),
    ] {
        parts.extend(parameter.map(|value| format!("{name}{value}")));
    }
    let ranking = arguments.ranking.and_then(|r| r.to_possible_value());
    parts.extend(ranking.map(|ranking| format!("ranking {}", ranking.get_name())));
    for (what, pair) in [
        ("tickets", arguments.tickets),
        ("renewal", arguments.renewal),
    ] {
        parts.extend(pair.map(|pair| format!("{what} {pair}")));
    }
    if let Some(Between(rounds)) = &arguments.quarantine {
        parts.push(format!("quarantine {}..{}", rounds.start, rounds.end));
    }
    parts.extend(arguments.diversity.map(|caps| format!("diversity {caps}")));
    // Basalt chooses its partners by itself.
    if arguments.overlay != OverlayName::Basalt {
        parts.push(name(arguments.select.to_possible_value()));
    }
    parts.push(name(arguments.propagation.to_possible_value()));
    if gossip.fanout() != 1 {
        parts.push(format!("fanout {}", gossip.fanout()));
    }
    parts.push(format!("{} retries", gossip.retries()));
    if let Latency::LogNormal { median, sigma } = config.latency()
        && arguments.driver == DriverName::Events
    {
        parts.push(format!("latency {} ms, sigma {sigma}", median.as_millis()));
    }
    let bootstrap = name(arguments.bootstrap.to_possible_value());
    parts.push(format!("bootstrap {bootstrap}"));
    for CrashAt(Crash { fraction, round }) in &arguments.crash {
        parts.push(format!("crash {fraction}@{round}"));
    }
    if arguments.churn > 0.0 {
        parts.push(format!("churn {}", arguments.churn));
    }
    if arguments.loss > 0.0 {
        parts.push(format!("loss {}", arguments.loss));
    }
    if let Some(adversaries) = config.adversaries() {
        let attack = name(
            arguments
                .attack
                .unwrap_or(AttackName::Flood)
                .to_possible_value(),
        );
        parts.push(format!("attackers {}", adversaries.fraction()));
        parts.push(format!("{attack} with force {}", adversaries.force()));
        for (what, number) in [
            ("identities", adversaries.identities()),
            ("descriptors each", adversaries.message()),
        ] {
            parts.extend(number.map(|number| format!("{number} {what}")));
        }
        let kept = arguments.kept.and_then(|kept| kept.to_possible_value());
        parts.extend(kept.map(|kept| format!("kept {}", kept.get_name())));
    }
    if arguments.paths == PathsName::Undirected {
        parts.push("undirected paths".to_owned());
    }
    if let Some(Between(rounds)) = &arguments.partition {
        parts.push(format!("partition {}..{}", rounds.start, rounds.end));
    }
    parts.push(format!("seed {seed}"));
    parts.join(", ")
}
