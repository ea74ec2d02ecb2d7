//! The curves of a study: what succeeds, over what is asked for.

use std::error::Error;

use plotters::{prelude::*, style::text_anchor::HPos};

use crate::shared::figure::{Bold, GREY, INK, LARGE, SMALL, draw_mesh, style};

/// In pixels.
const SIZE: (u32, u32) = (900, 500);
const HEAD: i32 = 34;

// Of the colours of Okabe and Ito, which stay apart for the colour-blind.
const COLORS: [RGBColor; 2] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0)];

/// A line of the figure.
pub struct Curve {
    pub name: &'static str,
    /// What was asked for per second, and what has succeeded.
    pub points: Vec<(f64, f64)>,
}

/// The figure, as SVG.
///
/// # Errors
///
/// When the backend has any, which writes to a string.
pub fn draw(curves: &[Curve]) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (head, body) = root.split_vertically(HEAD);
        let text = "What succeeds per second, of what is asked for";
        head.draw_text(text, &style(LARGE, INK, HPos::Left).bold(), (20, 24))?;
        let points = || curves.iter().flat_map(|curve| &curve.points);
        let right = points().map(|(asked, _)| *asked).fold(1.0, f64::max);
        let top = points().map(|(_, good)| *good).fold(1.0, f64::max) * 1.1;
        let mut chart = ChartBuilder::on(&body)
            .margin(10)
            .margin_right(110)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..right, 0.0..top)?;
        draw_mesh(&mut chart, ["asked for per second", "succeeded per second"])?;
        let all = [(0.0, 0.0), (top.min(right), top.min(right))];
        chart.draw_series(DashedLineSeries::new(all, 5, 4, GREY.stroke_width(1)))?;
        for (curve, color) in curves.iter().zip(COLORS) {
            let line = curve.points.iter().copied();
            chart.draw_series(LineSeries::new(line.clone(), color.stroke_width(2)))?;
            chart.draw_series(line.map(|point| Circle::new(point, 3, color.filled())))?;
            if let Some(&last) = curve.points.last() {
                let (x, y) = chart.backend_coord(&last);
                // The body begins below the head.
                let at = (x + 8, y - HEAD);
                body.draw_text(curve.name, &style(SMALL, color, HPos::Left), at)?;
            }
        }
        root.present()?;
    }
    Ok(svg)
}
