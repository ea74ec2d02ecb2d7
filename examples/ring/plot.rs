//! The ring, as it was after some rounds.

use std::path::Path;

use plotters::prelude::*;

use super::node::Failure;
use crate::figure::{GREY, INK, MEDIUM, Pixel, style};
use plotters::style::text_anchor::HPos;

/// The ring at one moment.
pub struct Frame {
    pub title: String,
    /// Where the nodes stand, in radians.
    pub nodes: Vec<f64>,
    /// From where to where their links lead.
    pub links: Vec<(f64, f64)>,
}

/// The width and height of a frame, and the radius of the ring, in pixels.
const FRAME: i32 = 320;
const RADIUS: f64 = 125.0;
/// How many frames stand side by side.
const COLUMNS: usize = 4;
const LINK: RGBColor = RGBColor(0, 114, 178);

/// Draws the frames, one beside the other.
pub fn draw(path: &Path, frames: &[Frame]) -> Result<(), Failure> {
    let columns = frames.len().clamp(1, COLUMNS);
    let rows = frames.len().div_ceil(columns).max(1);
    let size = [columns, rows].map(|frames| frames as u32 * FRAME as u32);
    let area = SVGBackend::new(path, (size[0], size[1])).into_drawing_area();
    area.fill(&WHITE).map_err(told)?;
    for (number, frame) in frames.iter().enumerate() {
        let corner = [number % columns, number / columns].map(|at| at as i32 * FRAME);
        let center = (corner[0] + FRAME / 2, corner[1] + FRAME / 2 + 12);
        let at = |angle: &f64| place(center, *angle);
        for (from, to) in &frame.links {
            let line = PathElement::new([at(from), at(to)], LINK.mix(0.6));
            area.draw(&line).map_err(told)?;
        }
        for node in &frame.nodes {
            area.draw(&Circle::new(at(node), 3, INK.filled()))
                .map_err(told)?;
        }
        let above = (center.0, corner[1] + 20);
        let text = style(MEDIUM, GREY, HPos::Center);
        area.draw_text(&frame.title, &text, above).map_err(told)?;
    }
    area.present().map_err(told)
}

fn place(center: Pixel, angle: f64) -> Pixel {
    let along = |part: f64| (part * RADIUS).round() as i32;
    (center.0 + along(angle.sin()), center.1 - along(angle.cos()))
}

fn told(error: impl std::error::Error) -> Failure {
    error.to_string().into()
}
