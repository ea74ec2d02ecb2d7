//! Shared by the integration tests.
// Each test binary uses its part, and none of it is public anywhere.
#![allow(dead_code, unreachable_pub)]

pub mod example;
#[cfg(feature = "swarm")]
pub mod observer;
#[cfg(feature = "swarm")]
pub mod raw;
#[cfg(feature = "swarm")]
pub mod swarms;
