//! The example of an overlay of one's own: it is short, and gets the reports of any overlay.
#![cfg(feature = "swarm")]

mod common;

use std::{env, fs, process::Command};

use common::example::built;

fn printed(example: &str, args: &[&str]) -> String {
    let run = Command::new(built(example)).args(args).output();
    let run = run.expect("it runs");
    assert!(run.status.success(), "{run:?}");
    String::from_utf8(run.stdout).expect("text")
}

#[test]
fn an_overlay_of_ones_own_takes_less_than_150_lines() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/own_overlay.rs");
    let code = fs::read_to_string(path).expect("the example");
    let lines = code.lines().count();
    assert!(lines < 150, "{lines} lines");
}

#[test]
fn an_overlay_of_ones_own_gets_the_table_and_the_figure_of_any_other() {
    let figure = env::temp_dir().join(format!("own-overlay-{}.svg", std::process::id()));
    let said = printed("own_overlay", &[figure.to_str().expect("a plain path")]);
    let svg = fs::read_to_string(&figure).expect("it was written");
    fs::remove_file(figure).expect("it can be removed");
    let tables: Vec<Vec<&str>> = said.split("\n\n").map(|t| t.lines().collect()).collect();
    let [random, youngest, _] = &tables[..] else {
        panic!("{said}");
    };

    // Of an overlay of the crate, the table is that of the simulation example.
    let args = "--nodes 1000 --view 20 --crash 0.5@20 --rounds 30";
    let args: Vec<&str> = args.split(' ').collect();
    let simulated = printed("simulate", &args);
    let simulated: Vec<&str> = simulated.lines().collect();
    assert_eq!(random[1..], simulated[1..]);

    // The other has the same columns and rounds, and its own figures.
    let description = "1000 nodes, view 20, overlay youngest, crash 0.5@20";
    assert_eq!(youngest[0], description);
    assert_eq!(youngest[1], random[1]);
    let rows = |table: &[&str]| -> Vec<Vec<String>> {
        let cells = |row: &&str| row.split_whitespace().map(str::to_owned).collect();
        table[2..].iter().map(cells).collect()
    };
    let rounds =
        |rows: &[Vec<String>]| -> Vec<String> { rows.iter().map(|row| row[0].clone()).collect() };
    let (random, youngest) = (rows(random), rows(youngest));
    assert_eq!(rounds(&youngest), rounds(&random));
    // At the start both have the same views, at the end not.
    assert_eq!(youngest[0], random[0]);
    // Below the last round stands the random graph.
    let last = youngest.len() - 2;
    assert_ne!(youngest[last], random[last]);
    // Views are full again, and remember nobody who has crashed.
    let [nodes, in_degree, dead] = [1, 2, 7].map(|column| youngest[last][column].as_str());
    assert_eq!([nodes, in_degree, dead], ["500", "20.00", "0.00"]);

    assert!(svg.starts_with("<svg ") && svg.contains(description));
    assert!(svg.contains("Dead links"));
}
