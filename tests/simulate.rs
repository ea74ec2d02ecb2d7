//! The simulation example as people run it: arguments in, text out.

#[path = "simulate/arguments.rs"]
mod arguments;
mod common;
#[path = "simulate/plots.rs"]
mod plots;

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Output},
    sync::OnceLock,
};

use common::example::built;
use serde_json::Value;

fn simulate() -> &'static PathBuf {
    static SIMULATE: OnceLock<PathBuf> = OnceLock::new();
    SIMULATE.get_or_init(|| built("simulate"))
}

fn run(args: &str) -> Output {
    let mut simulate = Command::new(simulate());
    simulate.args(args.split_whitespace());
    simulate.output().expect("the example runs")
}

/// What it prints when all is well.
fn printed(args: &str) -> String {
    let output = run(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args}: {errors}");
    assert_eq!(errors, "", "{args}");
    String::from_utf8(output.stdout).expect("text")
}

fn lines(args: &str) -> Vec<Value> {
    let text = printed(args);
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// A file of this test's own, which is not there yet.
fn file(name: &str) -> PathBuf {
    let file = env::temp_dir().join(format!("simulate-{}-{name}", std::process::id()));
    let _ = fs::remove_file(&file);
    file
}

const SMALL: &str = "--nodes 200 --view 10 --rounds 20 --every 5";

#[test]
fn the_same_seed_prints_the_same_bytes_and_another_others() {
    for format in ["", "--json --no-speed"] {
        for overlay in [
            "random",
            "cyclon",
            "random --driver events --latency 300",
            "random --attackers 0.1 --attack hub",
            "basalt --attackers 0.1 --attack eclipse",
            "cyclon --attackers 0.1 --attack spray --quarantine 1..8 --diversity 3/2/9",
        ] {
            let faults = "--crash 0.2@10 --churn 0.01 --loss 0.05 --partition 12..14";
            let args = format!("{SMALL} {format} --overlay {overlay} {faults}");
            let once = printed(&args);
            assert_eq!(printed(&args), once);
            assert_eq!(printed(&format!("{args} --threads 3")), once);
            let header = once.lines().count() - 5;
            let reports = |text: &str| text.lines().skip(header).map(str::to_owned).collect();
            let (one, other): (Vec<_>, Vec<_>) = (
                reports(&once),
                reports(&printed(&format!("{args} --seed 1"))),
            );
            assert_ne!(one, other, "{args}");
        }
    }
}

/// The rounds of these reports.
fn rounds(reports: &[Value]) -> Vec<u64> {
    let rounds = reports.iter().map(|report| report["round"].as_u64());
    rounds.map(|round| round.expect("a number")).collect()
}

/// In a network that is as large as a test has time for.
#[test]
fn readme_command_reports_each_round_after_the_crash() {
    let readme = include_str!("../README.md");
    let (_, command) = readme
        .split_once("--example simulate -- \\\n")
        .expect("it is there");
    let (command, _) = command
        .split_once(" --plot crash.svg\n")
        .expect("it is there");
    assert!(command.contains("--nodes 10000"), "{command}");
    let command = command.replace("10000", "200");
    let reports = rounds(&lines(&format!("{command} --json")));
    // It grows from nothing, so there is no report before the first round.
    let expected = [10, 20, 30].into_iter().chain(40..=52);
    let expected: Vec<u64> = expected.chain([60, 70, 80]).collect();
    assert_eq!(reports, expected);
    // Who wants fewer gets what they ask for.
    let reports = rounds(&lines(&format!("{command} --json --every 20")));
    assert_eq!(reports, [20, 40, 60, 80]);
}

#[test]
fn a_report_has_its_keys_and_its_values_are_plausible() {
    let reports = lines(&format!("{SMALL} --json --crash 0.5@10"));
    let keys = [
        "bytes_per_node",
        "clustering",
        "components",
        "dead_links",
        "exchanges",
        "exchanges_per_second",
        "in_degree_max",
        "in_degree_mean",
        "in_degree_sd",
        "largest_component",
        "nodes",
        "path_length",
        "round",
    ];
    for report in &reports {
        let object = report.as_object().expect("an object");
        let mut found: Vec<_> = object.keys().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found, keys);
        assert!(object.values().all(Value::is_number), "{report}");
    }
    let all = |key: &str| -> Vec<f64> {
        let values = reports.iter().map(|report| report[key].as_f64());
        values.map(|value| value.expect("a number")).collect()
    };
    assert_eq!(all("round"), [0.0, 5.0, 10.0, 15.0, 20.0]);
    assert_eq!(all("nodes"), [200.0, 200.0, 100.0, 100.0, 100.0]);
    assert_eq!(all("exchanges")[..3], [0.0, 1_000.0, 1_000.0]);
    assert!(
        all("exchanges_per_second")[1..]
            .iter()
            .all(|speed| *speed > 0.0)
    );
    // Five descriptors each way, in a message each.
    assert_eq!(all("bytes_per_node")[..3], [0.0, 1_840.0, 1_840.0]);
    let dead = all("dead_links");
    assert_eq!(dead[..2], [0.0, 0.0]);
    assert!((0.4..0.6).contains(&dead[2]), "{dead:?}");
    assert!(dead[4] < 0.1, "{dead:?}");
    assert_eq!(all("in_degree_mean")[..2], [10.0, 10.0]);
    assert!(all("in_degree_sd").iter().all(|sd| (1.0..5.0).contains(sd)));
    assert!(
        all("in_degree_max")
            .iter()
            .all(|max| (6.0..50.0).contains(max))
    );
    assert!(
        all("path_length")
            .iter()
            .all(|mean| (1.5..4.0).contains(mean))
    );
    assert!(
        all("clustering")
            .iter()
            .all(|mean| (0.02..0.4).contains(mean))
    );
    assert_eq!(all("components"), [1.0; 5]);
    assert_eq!(all("largest_component"), all("nodes"));
    let paths = |kind| lines(&format!("{SMALL} --json --paths {kind}"))[1]["path_length"].as_f64();
    assert!(paths("undirected") < paths("directed"));
}

#[test]
fn every_shape_and_way_can_be_asked_for() {
    for args in [
        "--bootstrap growing --select head --propagation push",
        "--bootstrap lattice --select rand --propagation pull --fanout 2",
        "--bootstrap chain --healer 5 --retries 0",
        "--bootstrap star --swapper 3",
        "--overlay cyclon --shuffle-length 3",
        "--crash 0.1@3 --crash 1@20",
    ] {
        let reports = lines(&format!("{SMALL} --json --no-speed {args}"));
        let last = reports.last().expect("there is one");
        assert_eq!(last["round"], 20, "{args}");
        assert_eq!(last["exchanges_per_second"], Value::Null);
    }
}

const ATTACKS: [&str; 6] = ["flood", "hub", "eclipse", "restart", "spray", "prefix"];

#[test]
fn a_report_on_an_attack_says_how_far_it_got() {
    for attack in ATTACKS {
        let args = format!("{SMALL} --json --attackers 0.1 --attack {attack} --force 5");
        let reports = lines(&args);
        for report in &reports {
            let object = report.as_object().expect("an object");
            assert!(object.values().all(Value::is_number), "{report}");
            assert_eq!(report["nodes"], 180, "{attack}");
            let victim = object.contains_key("victim_share");
            assert_eq!(victim, attack == "eclipse", "{report}");
            for share in ["attacker_share", "attacker_samples"] {
                let share = report[share].as_f64().expect("a number");
                assert!((0.0..=1.0).contains(&share), "{report}");
            }
        }
        // At the start they have their share, and nobody was asked for a sample.
        let (first, last) = (&reports[0], &reports[4]);
        let share = first["attacker_share"].as_f64().expect("a number");
        assert!((0.08..0.12).contains(&share), "{first}");
        assert_eq!(first["attacker_samples"], 0.0);
        assert_eq!(first["isolated"], 0);
        let dials = last["victim_dials"].as_u64().expect("a number");
        assert_eq!(dials > 0, attack == "spray", "{last}");
        if attack == "eclipse" {
            assert_eq!(last["victim_share"], 1.0);
            assert!(last["isolated"].as_u64() >= Some(1), "{last}");
        }
        let more = lines(&format!("{args} --identities 2000 --message 4"));
        let shares = |reports: &[Value]| -> Vec<Value> {
            let shares = reports
                .iter()
                .map(|report| report["attacker_share"].clone());
            shares.collect()
        };
        assert_ne!(shares(&more), shares(&reports), "{attack}");
    }
    let kept = lines(
        "--nodes 200 --view 10 --rounds 60 --every 60 --json --attackers 0.1 --attack restart --kept contacted",
    );
    assert_eq!(kept.last().expect("there is one")["round"], 60);
}

/// Auvolat et al. 2021: a flood takes over the views of the peer sampling paper, but not those of
/// Basalt. Neither do many identities in one network.
#[test]
fn basalt_resists_where_the_healer_falls() {
    let share = |args: &str| {
        let common = "--nodes 200 --view 40 --rounds 30 --every 30 --json --attackers 0.1";
        let reports = lines(&format!("{common} {args}"));
        reports[1]["attacker_share"].as_f64().expect("a number")
    };
    let healer = share("--overlay random --healer 20 --identities 400");
    let basalt = share("--overlay basalt");
    let prefix = share("--overlay basalt --attack prefix --identities 5000");
    let flat = share("--overlay basalt --attack prefix --identities 5000 --ranking identity");
    let found = format!("{healer} {basalt} {prefix} {flat}");
    assert!(healer > 0.99, "{found}");
    assert!((0.08..0.2).contains(&basalt), "{found}");
    assert!(prefix < 0.4 && flat > 0.8, "{found}");
}

/// All columns end where their headings end.
#[test]
fn the_table_is_aligned_and_ends_with_the_last_round() {
    let attacks = ATTACKS.map(|attack| format!("--attackers 0.1 --attack {attack}"));
    for attack in ["".to_owned()].iter().chain(&attacks) {
        let table = printed(&format!(
            "--nodes 200 --view 10 --rounds 7 --every 3 {attack}"
        ));
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[0].starts_with("200 nodes, view 10, "), "{table}");
        assert!(
            lines[1..6].iter().all(|line| line.len() == lines[1].len()),
            "{table}"
        );
        let first = |line: &&str| line.split_whitespace().next().map(str::to_owned);
        let firsts: Vec<_> = lines[1..].iter().filter_map(first).collect();
        assert_eq!(firsts, ["round", "0", "3", "6", "7", "random"]);
    }
}
