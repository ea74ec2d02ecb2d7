//! The libp2p part: the only place that knows libp2p, sockets and clocks.

pub(crate) mod address;
pub(crate) mod advertised;
pub(crate) mod behaviour;
pub(crate) mod config;
pub(crate) mod contacts;
pub(crate) mod counters;
pub(crate) mod fellows;
pub(crate) mod gate;
#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod generated;
pub(crate) mod handle;
pub(crate) mod handler;
pub(crate) mod limits;
#[cfg(test)]
pub(crate) mod logged;
pub(crate) mod metered;
pub(crate) mod policy;
pub(crate) mod pruning;
pub(crate) mod rate;
pub(crate) mod record;
pub(crate) mod registry;
pub(crate) mod shared;
pub(crate) mod wire;
