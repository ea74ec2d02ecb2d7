//! What the sampler's behaviour and its connections say to each other.

use crate::swarm::{handler, wire::sampling::Sampling};

/// What the behaviour tells a connection.
pub(crate) type Command = handler::Command<Sampling>;
/// What a connection tells the behaviour.
pub(crate) type ToBehaviour = handler::ToBehaviour<Sampling>;
