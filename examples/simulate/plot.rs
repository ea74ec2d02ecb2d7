//! Reports as a figure: curves over the rounds, and the in-degrees at the end.

use std::{error::Error, ops::Range};

use libp2p_peer_sampling::simulator::{clustering, in_degrees, report::Report};
use plotters::{
    coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter},
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::simulate::arguments::Settings;

type Area<'a, 'b> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = Result<(), Box<dyn Error>>;

/// In pixels, at which it is to be read.
const SIZE: (u32, u32) = (1_000, 1_040);
const FONT: &str = "sans-serif";

// The colours of Okabe and Ito, which stay apart for the colour-blind.
const MEASURED: RGBColor = RGBColor(0, 114, 178);
const RANDOM: RGBColor = RGBColor(213, 94, 0);
const FAULT: RGBColor = RGBColor(204, 121, 167);
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);

/// The figure, as SVG.
pub fn figure(settings: &Settings, reports: &[Report]) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        root.present()?;
    }
    Ok(svg)
}
