//! Thousands to millions of the shipping state machine in one process, in virtual time.

pub mod adversary;
pub mod autocorrelation;
pub mod bootstrap;
mod chance;
pub mod clustering;
pub mod components;
pub mod config;
pub mod driver;
pub mod events;
pub mod faults;
pub mod graph;
pub mod host;
pub mod in_degrees;
pub mod latency;
pub mod network;
pub mod paths;
pub mod removal;
pub mod report;
pub mod rounds;
pub mod samples;
mod sets;
pub mod topology;
pub mod traffic;
