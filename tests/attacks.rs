//! The study behind the default of the open internet, run as a user runs it, on a small scale. The
//! whole study is in `docs/attacks.md`.

mod common;

use std::{
    path::PathBuf,
    process::{Command, Output},
    sync::OnceLock,
};

use common::example::built;

fn attacks(args: &str) -> Output {
    static ATTACKS: OnceLock<PathBuf> = OnceLock::new();
    let mut attacks = Command::new(ATTACKS.get_or_init(|| built("attacks")));
    attacks.args(args.split_whitespace());
    attacks.output().expect("the example runs")
}

/// The parts that are asked for, as text.
fn measured(args: &str) -> String {
    let output = attacks(&format!("--quick --rounds 40 {args}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args}: {errors}");
    assert_eq!(errors, "", "{args}");
    String::from_utf8(output.stdout).expect("text")
}

/// The cells of the row that begins with these.
fn row<'a>(text: &'a str, first: &[&str]) -> Vec<&'a str> {
    let cells = |line: &'a str| -> Vec<&'a str> {
        let cells = line.split("  ").map(str::trim);
        cells.filter(|cell| !cell.is_empty()).collect()
    };
    let mut rows = text.lines().map(cells);
    let row = rows.find(|row| row.starts_with(first));
    row.unwrap_or_else(|| panic!("no row {first:?} in {text}"))
}

/// The first number of a cell.
fn number(cell: &str) -> f64 {
    let number = cell.split_whitespace().next().expect("not empty");
    number.parse().unwrap_or_else(|_| panic!("{cell}"))
}

/// Even here, where views are a fifth of the default's and nobody has time.
#[test]
fn the_default_resists_what_takes_over_the_others() {
    let text = measured("--nodes 100 --view 20 --only curves");
    for (attackers, at_most) in [("10.0 %", 18.0), ("30.0 %", 45.0)] {
        let row = row(&text, &[attackers]);
        let shares: Vec<f64> = row[1..].iter().map(|cell| number(cell)).collect();
        let [shipped, paper, others @ ..] = &shares[..] else {
            panic!("{text}");
        };
        assert_eq!(others.len(), 3, "{text}");
        assert!(*shipped < at_most && *paper < at_most, "{text}");
        assert!(others.iter().all(|share| *share > 2.0 * shipped), "{text}");
    }
}

/// Attackers in one /16 gain no more than one /16 can have, no matter how many they are.
#[test]
fn one_prefix_gains_little_and_sprayed_addresses_are_seldom_dialled() {
    let text = measured("--nodes 200 --view 20 --only attacks");
    let of = |attack, attackers, overlay| row(&text, &[attack, attackers, overlay]);
    let prefix = "prefix, 10 identities";
    for attackers in ["10.0 %", "30.0 %"] {
        let shipped = of(prefix, attackers, "Basalt, as shipped");
        assert!(number(shipped[3]) < 30.0, "{text}");
        assert!(number(shipped[5]) < 25.0, "{text}");
        assert!(number(of(prefix, attackers, "Random")[5]) > 90.0, "{text}");
        // Isolated. With views of 20, a flood by 30 % does cut single nodes off.
        assert_eq!(shipped[6], "0", "{text}");
        let dials = |overlay| number(of("spray", attackers, overlay)[7]);
        assert!(dials("Basalt, as shipped") > 0.0, "{text}");
        assert!(
            dials("Random") > 10.0 * dials("Basalt, as shipped"),
            "{text}"
        );
    }
}

#[test]
fn threads_make_no_difference_and_seeds_do() {
    let text = |args| measured(&format!("--nodes 60 --view 10 --only shuffle {args}"));
    let alone = text("--threads 1");
    assert_eq!(text("--threads 3"), alone);
    assert_ne!(text("--seed 2"), alone);
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    for (args, reason) in [
        (
            "--only shuffle --plot curves.svg",
            "attacks: --plot: only with the part curves\n",
        ),
        (
            "--nodes 20 --view 20",
            "attacks: view size is 20, must be smaller than the network of 20 nodes\n",
        ),
    ] {
        let output = attacks(&format!("--quick {args}"));
        assert_eq!(String::from_utf8_lossy(&output.stderr), reason);
        assert_eq!(output.status.code(), Some(2));
    }
}
