//! The libp2p part: the only place that knows libp2p, sockets and clocks.

pub(crate) mod address;
pub(crate) mod alarm;
pub(crate) mod clock;
pub(crate) mod counters;
#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod generated;
pub(crate) mod exchanger;
pub(crate) mod handle;
pub(crate) mod handler;
pub(crate) mod limits;
#[cfg(test)]
pub(crate) mod logged;
pub(crate) mod metered;
pub(crate) mod node;
pub(crate) mod rate;
pub(crate) mod record;
pub(crate) mod rider;
pub(crate) mod sampling;
pub(crate) mod shared;
pub(crate) mod wire;
#[cfg(test)]
pub(crate) mod world;
