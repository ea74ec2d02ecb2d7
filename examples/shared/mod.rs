//! What several examples need.

pub mod figure;
pub mod runs;
