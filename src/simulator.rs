//! Thousands to millions of the shipping state machine in one process, in virtual time.

pub mod autocorrelation;
pub mod clustering;
pub mod components;
pub mod graph;
pub mod in_degrees;
pub mod paths;
pub mod samples;
