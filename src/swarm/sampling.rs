//! The sampler in a swarm: its `NetworkBehaviour`, and what that consists of.

pub(crate) mod behaviour;
pub(crate) mod blocked;
pub(crate) mod candidates;
pub(crate) mod command;
pub(crate) mod config;
pub(crate) mod confirmations;
pub(crate) mod discovery;
pub(crate) mod driver;
pub(crate) mod event;
pub(crate) mod first_hand;
pub(crate) mod identity;
pub(crate) mod isolation;
pub(crate) mod local;
pub(crate) mod log;
pub(crate) mod neighbourhood;
pub(crate) mod neighbours;
pub(crate) mod probes;
pub(crate) mod seeds;
pub(crate) mod targets;
pub(crate) mod topology;
pub(crate) mod warnings;
pub(crate) mod whereabouts;
