//! What several examples need.

pub mod figure;
pub mod output;
pub mod runs;
