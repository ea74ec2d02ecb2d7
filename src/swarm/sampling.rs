//! The sampler in a swarm: its `NetworkBehaviour`, and what that consists of.

pub(crate) mod behaviour;
pub(crate) mod candidates;
pub(crate) mod config;
pub(crate) mod confirmations;
pub(crate) mod driver;
pub(crate) mod event;
pub(crate) mod identity;
pub(crate) mod isolation;
pub(crate) mod links;
pub(crate) mod local;
pub(crate) mod neighbours;
pub(crate) mod probes;
pub(crate) mod pruning;
pub(crate) mod seeds;
pub(crate) mod warnings;
#[cfg(test)]
pub(crate) mod world;
