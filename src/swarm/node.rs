//! TEMP

pub(crate) mod budget;
pub(crate) mod contacts;
pub(crate) mod gate;
pub(crate) mod leases;
