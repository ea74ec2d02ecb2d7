//! WIP

#![warn(missing_docs, unreachable_pub)]

pub mod gossip;
pub mod overlay;
pub mod sampling;
#[cfg(feature = "swarm")]
mod swarm;
pub mod view;

pub use overlay::{Overlay, random::Random};
pub use sampling::{PeerSampling, Selection};

#[cfg(feature = "swarm")]
pub use swarm::{
    address::Scope,
    behaviour::{
        Behaviour,
        event::{Direction, Event, ExchangeError, NeighbourDownReason, SeedError},
    },
    config::{Config, ConfigError, PROTOCOL_NAME},
    handle::{Handle, Samples},
    handler::{Handler, InboundError, OutboundError},
    record::{MAX_ADDRESSES, MAX_RECORD_BYTES, Record, RecordError},
    wire::{MAX_DESCRIPTORS, MAX_MESSAGE_BYTES, MessageError},
};
