//! Code that several examples share.

pub mod figure;
pub mod output;
pub mod runs;
