//! What the fuzzers do with an input. Nothing in here knows libFuzzer: `tests/corpus.rs` compiles
//! the same files, and replays the corpus on any toolchain.

pub mod gossip;
pub mod host;
pub mod record;
pub mod signed;
pub mod view;
pub mod wire;

/// Runs one input; panics when something does not hold.
pub type Run = fn(&[u8]);

/// Every target, by its name.
pub const TARGETS: [(&str, Run); 4] = [
    ("gossip", gossip::run),
    ("record", record::run),
    ("view", view::run),
    ("wire", wire::run),
];
