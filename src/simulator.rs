//! Thousands to millions of the shipping state machine in one process, in virtual time.

pub mod components;
pub mod graph;
pub mod in_degrees;
