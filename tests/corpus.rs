//! Every input that the fuzzers have found worth keeping, through what the fuzzers run.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;
