//! The example of a protocol of one's own: it is short, and does what it says.
#![cfg(feature = "swarm")]

mod common;

use std::{fs, process::Command};

use common::example;

#[test]
fn a_protocol_of_ones_own_takes_less_than_150_lines() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/own_protocol.rs");
    let code = fs::read_to_string(path).expect("the example");
    let lines = code.lines().count();
    assert!(lines < 150, "{lines} lines");
}

#[test]
fn all_nodes_hear_the_news_in_the_simulator_and_in_swarms() {
    let run = Command::new(example::built("own_protocol")).output();
    let run = run.expect("it runs");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}{run:?}");
    let mut simulated = said.lines().filter(|line| line.starts_with("Simulated"));
    let last = simulated.next_back();
    assert!(
        last.is_some_and(|line| line.contains(" 1000 of 1000 ")),
        "{said}"
    );
    assert!(said.contains(" 5 of 5 real nodes "), "{said}");
}
