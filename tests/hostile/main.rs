//! A real node meets peers that break the rules, and must name what they did, keep its view, and go
//! on using the connection.

#[path = "../common/mod.rs"]
mod common;

mod answers;
mod faults;
mod profiles;
mod protocols;
mod records;
mod requests;
mod seeds;
mod timeouts;
mod victim;
