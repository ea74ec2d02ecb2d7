//! Code that several studies share.

pub mod figure;
pub mod output;
pub mod runs;
