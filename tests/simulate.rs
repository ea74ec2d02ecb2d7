//! The simulation example as people run it: arguments in, text out.

mod common;

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

/// Auvolat et al. 2021: where the views of the peer sampling paper fall to a flood, those of Basalt do
/// not, and do not fall to many identities in one network either.
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

#[test]
fn a_wrong_argument_prints_one_line_and_ends_with_2() {
    for (args, line) in [
        (
            "--nodes 40 --view 50",
            "--view 50: must be smaller than the network of 40 nodes",
        ),
        ("--nodes 1", "--nodes 1: must be 2 to 100000000"),
        ("--nodes -5", "--nodes -5: invalid digit found in string"),
        (
            "--nodes many",
            "--nodes many: invalid digit found in string",
        ),
        ("--view 1", "--view 1: must be 2 to 10000"),
        (
            "--healer 8 --swapper 8",
            "--healer 8 --swapper 8: must together be at most half of --view 30, 15",
        ),
        (
            "--healer 16",
            "--healer 16: must be at most half of --view 30, 15",
        ),
        (
            "--swapper 16",
            "--swapper 16: must be at most half of --view 30, 15",
        ),
        (
            "--select oldest",
            "--select oldest: must be one of head, tail, rand",
        ),
        (
            "--propagation flood",
            "--propagation flood: must be one of push, pull, push-pull",
        ),
        ("--fanout 0", "--fanout 0: must be 1 to 30"),
        ("--retries 31", "--retries 31: must be 0 to 30"),
        (
            "--bootstrap ring",
            "--bootstrap ring: must be one of growing, lattice, star, chain, random",
        ),
        (
            "--bootstrap growing --rounds 19",
            "--bootstrap growing: takes 20 rounds, must be at most --rounds 19",
        ),
        ("--rounds 0", "--rounds 0: must be 1 to 1000000000"),
        ("--every 0", "--every 0: must be at least 1"),
        ("--threads 0", "--threads 0: must be 1 to 256"),
        (
            "--crash 0.5",
            "--crash 0.5: must be a fraction and a round, as in 0.5@50",
        ),
        (
            "--crash half@50",
            "--crash half@50: must be a fraction and a round, as in 0.5@50",
        ),
        (
            "--crash 0.5@soon",
            "--crash 0.5@soon: must be a fraction and a round, as in 0.5@50",
        ),
        (
            "--crash 1.5@50",
            "--crash 1.5@50: the fraction must be from 0 to 1",
        ),
        (
            "--crash -0.5@50",
            "--crash -0.5@50: the fraction must be from 0 to 1",
        ),
        (
            "--crash NaN@50",
            "--crash NaN@50: the fraction must be from 0 to 1",
        ),
        ("--crash 0.5@0", "--crash 0.5@0: rounds are counted from 1"),
        (
            "--crash 0.5@101",
            "--crash: round 101 comes after the last round, 100",
        ),
        ("--latency 5", "--latency 5: only with --driver events"),
        ("--jitter 1", "--jitter 1: only with --driver events"),
        ("--driver events --jitter 6", "--jitter 6: must be 0 to 5"),
        (
            "--driver events --latency 3600001",
            "--latency 3600001: must be at most an hour",
        ),
        ("--churn 2", "--churn 2: must be a fraction from 0 to 1"),
        (
            "--churn -0.1",
            "--churn -0.1: must be a fraction from 0 to 1",
        ),
        ("--loss NaN", "--loss NaN: must be a fraction from 0 to 1"),
        ("--loss much", "--loss much: invalid float literal"),
        (
            "--partition 20",
            "--partition 20: must be two rounds, as in 20..40",
        ),
        (
            "--partition 20..",
            "--partition 20..: must be two rounds, as in 20..40",
        ),
        (
            "--partition 0..9",
            "--partition 0..9: rounds are counted from 1",
        ),
        (
            "--partition 20..20",
            "--partition 20..20: must end after it begins",
        ),
        (
            "--partition 101..120",
            "--partition: round 101 comes after the last round, 100",
        ),
        (
            "--overlay ring",
            "--overlay ring: must be one of random, cyclon, basalt",
        ),
        (
            "--overlay cyclon --healer 3",
            "--healer 3: only the overlay random has one",
        ),
        (
            "--shuffle-length 8",
            "--shuffle-length 8: only the overlays cyclon and basalt have one",
        ),
        (
            "--overlay basalt --shuffle-length 31",
            "--shuffle-length 31: must be 1 to --view 30",
        ),
        (
            "--overlay basalt --renewal 31/2",
            "--renewal 31/2: must be at most as many slots as --view 30",
        ),
        (
            "--overlay basalt --renewal 31",
            "--renewal 31: must be two numbers from 1 on, as in 16/4",
        ),
        (
            "--overlay basalt --ranking identity --tickets 2/2",
            "--tickets 2/2: only with --ranking prefixes",
        ),
        ("--memory 9", "--memory 9: only the overlay basalt has one"),
        (
            "--tickets 2/2",
            "--tickets 2/2: only the overlay basalt has one",
        ),
        (
            "--overlay cyclon --ranking identity",
            "--ranking identity: only the overlay basalt has one",
        ),
        (
            "--quarantine 5..4",
            "--quarantine 5..4: must not go down, nor beyond 8640",
        ),
        (
            "--quarantine 5..8641",
            "--quarantine 5..8641: must not go down, nor beyond 8640",
        ),
        (
            "--diversity 3/2",
            "--diversity 3/2: must be three numbers from 1 on, as in 8/4/30",
        ),
        (
            "--diversity 3/0/1",
            "--diversity 3/0/1: must be three numbers from 1 on, as in 8/4/30",
        ),
        (
            "--attackers many",
            "--attackers many: invalid float literal",
        ),
        (
            "--attackers 1.1",
            "--attackers 1.1: must be a fraction from 0 to 1",
        ),
        (
            "--nodes 100 --attackers 0",
            "--attackers 0: must be at least one of 100 nodes, and leave two of them honest",
        ),
        (
            "--nodes 100 --attackers 1",
            "--attackers 1: must be at least one of 100 nodes, and leave two of them honest",
        ),
        (
            "--attackers 0.1 --driver events",
            "--attackers 0.1: only with --driver rounds",
        ),
        ("--attack hub", "--attack hub: only with --attackers"),
        ("--force 3", "--force 3: only with --attackers"),
        ("--identities 3", "--identities 3: only with --attackers"),
        ("--message 3", "--message 3: only with --attackers"),
        ("--kept nothing", "--kept nothing: only with --attackers"),
        (
            "--attackers 0.1 --kept nothing",
            "--kept nothing: only with --attack restart",
        ),
        (
            "--attackers 0.1 --attack storm",
            "--attack storm: must be one of flood, hub, eclipse, restart, spray, prefix",
        ),
        (
            "--attackers 0.1 --force 1001",
            "--force 1001: must be 0 to 1000",
        ),
        (
            "--nodes 100 --attackers 0.1 --identities 9",
            "--identities 9: must be 10 to 100000000",
        ),
        (
            "--attackers 0.1 --message 0",
            "--message 0: must be 1 to 10000",
        ),
        (
            "--overlay cyclon --shuffle-length 31",
            "--shuffle-length 31: must be 1 to --view 30",
        ),
        (
            "--paths long",
            "--paths long: must be one of directed, undirected",
        ),
        ("--seed x", "--seed x: invalid digit found in string"),
        ("--no-speed", "--no-speed: only with --json"),
        ("--wrong", "--wrong: there is no such argument"),
        ("wrong", "wrong: there is no such argument"),
        ("--nodes", "--nodes: needs a value"),
        ("--plot", "--plot: needs a value"),
        ("--seed 1 --seed 2", "--seed: given twice"),
    ] {
        let output = run(args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args}: {errors}");
        assert_eq!(errors, format!("simulate: {line}\n"), "{args}");
        assert!(output.stdout.is_empty(), "{args}");
    }
}

#[test]
fn a_plot_that_cannot_be_written_is_found_out_before_the_first_round() {
    let path = file("nowhere").join("plot.svg");
    let path = path.to_str().expect("a plain path");
    let output = run(&format!("{SMALL} --plot {path}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(
        errors.starts_with(&format!("simulate: --plot {path}: ")),
        "{errors}"
    );
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(output.stdout.is_empty());
}

/// Arguments that cannot be are no reason to overwrite the figure of those that could.
#[test]
fn a_plot_is_left_alone_when_something_else_is_wrong() {
    let path = file("kept.svg");
    fs::write(&path, "kept").expect("it can be written");
    let args = format!("--view 0 --plot {}", path.display());
    assert_eq!(run(&args).status.code(), Some(2));
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "kept");
    fs::remove_file(path).expect("it can be removed");
}

#[test]
fn a_plot_is_well_formed_and_the_same_for_the_same_seed() {
    let draw = |name: &str, args: &str| {
        let path = file(name);
        printed(&format!("{args} --plot {}", path.display()));
        let svg = fs::read_to_string(&path).expect("it was written");
        fs::remove_file(path).expect("it can be removed");
        svg
    };
    for (name, args) in [
        ("plain", SMALL),
        (
            "faults",
            "--nodes 200 --rounds 20 --crash 0.5@10 --churn 0.01 --partition 5..8",
        ),
        // Curves over several orders of magnitude.
        ("chain", "--nodes 300 --bootstrap chain --rounds 30"),
        ("nobody", "--nodes 50 --rounds 2 --crash 1@2"),
        ("flood", "--nodes 200 --rounds 20 --attackers 0.1"),
        (
            "eclipse",
            "--nodes 200 --rounds 20 --attackers 0.1 --attack eclipse",
        ),
        (
            "spray",
            "--nodes 200 --rounds 20 --attackers 0.1 --attack spray",
        ),
        // More than one in-degree to a bar.
        (
            "star",
            "--nodes 150 --view 140 --bootstrap star --rounds 2 --propagation push",
        ),
    ] {
        let draw = |name: &str| draw(name, args);
        let svg = draw(&format!("{name}.svg"));
        assert_eq!(draw(&format!("{name}-again.svg")), svg);
        well_formed(&svg);
        for title in [
            "In-degree",
            "Dead links",
            "Clustering",
            "path length",
            "In-degrees",
        ] {
            assert!(svg.contains(title), "{name}: {title}");
        }
        let attackers = args.contains("--attackers");
        assert_eq!(svg.contains("Attackers in honest views"), attackers);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}");
    }
}

/// Every element that is opened is closed, and nothing else is in angle brackets.
fn well_formed(svg: &str) {
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    let mut open = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("a tag ends");
        assert!(!text.contains('>'), "{part}");
        let name = |tag: &str| tag.split_whitespace().next().map(str::to_owned);
        match tag.strip_prefix('/') {
            Some(tag) => assert_eq!(open.pop(), name(tag), "{part}"),
            None if tag.ends_with('/') => {}
            None => open.extend(name(tag)),
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{part}");
    }
    assert!(open.is_empty(), "{open:?}");
}
