//! What the driver does, one input after the other.

mod budget;
mod candidates;
mod connections;
mod dialling;
mod exchanges;
mod guards;
mod leaving;
mod neighbours;
mod outages;
mod records;
mod relays;
mod seeds;
