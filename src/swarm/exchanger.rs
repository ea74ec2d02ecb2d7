//! Exchanges over connections: TEMP.

pub(crate) mod actions;
pub(crate) mod attempts;
pub(crate) mod connections;
pub(crate) mod error;
pub(crate) mod exchanges;
pub(crate) mod relays;
