//! What must hold of samplers in a world, whatever happens in it.

mod cuts;
mod invariants;
mod losses;
mod neighbours;
mod outages;
mod riders;
mod siblings;

use crate::{
    sampling::overlay::{any::OverlayKind, basalt::Ranking},
    swarm::sampling::config::Config,
};

/// How many seeds to try: `few`, or as many as `WORLD_SEEDS` says.
fn seeds(few: u64) -> u64 {
    let many = std::env::var("WORLD_SEEDS").ok();
    many.and_then(|many| many.parse().ok()).unwrap_or(few)
}

fn config() -> Config {
    Config::local().with_view_size(10).with_neighbours(4)
}

/// The random overlay, and Basalt.
fn overlays() -> [(&'static str, Config); 2] {
    let basalt = OverlayKind::Basalt(Ranking::default());
    let basalt = config().with_view_size(20).with_overlay(basalt);
    [("random", config()), ("basalt", basalt)]
}
