//! Shared by the integration tests.
#![allow(dead_code)] // Each test binary uses its part.

pub mod rounds;
