//! WIP

pub mod gossip;
pub mod overlay;
pub mod sampling;
pub mod view;

pub use overlay::{Overlay, random::Random};
