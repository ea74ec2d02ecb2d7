//! Exchanges over connections: TEMP.

pub(crate) mod actions;
pub(crate) mod connections;
pub(crate) mod exchanges;
pub(crate) mod relays;
