//! Thousands to millions of the shipping state machine in one process, in virtual time.

pub mod bootstrap;
pub mod config;
pub mod driver;
pub mod faults;
pub mod network;
pub mod rounds;
pub mod traffic;
