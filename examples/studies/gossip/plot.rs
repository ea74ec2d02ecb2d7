//! The results as a figure: connections per node over the rounds.

use std::error::Error;

use plotters::{
    chart::ChartContext, coord::types::RangedCoordf64, prelude::*, style::text_anchor::HPos,
};

use crate::{
    gossip::{gauge::Bin, study::Measured},
    shared::figure::{
        Area, Bold, Drawn, INK, LARGE, Labels, Rect, SMALL, draw_mesh, extent, style,
    },
};

/// In pixels.
const SIZE: (u32, u32) = (1_080, 500);
const HEAD: i32 = 34;

// Of the colours of Okabe and Ito, which stay apart for the colour-blind.
const WITH: RGBColor = RGBColor(0, 114, 178);
const NAIVE: RGBColor = RGBColor(213, 94, 0);

/// The figure, as SVG.
///
/// # Errors
///
/// When the backend has any, which writes to a string.
pub fn figure(with: &Measured, naive: Option<&Measured>) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (head, body) = root.split_vertically(HEAD);
        let text = format!(
            "Connections per node: {} nodes with gossipsub on real sockets",
            with.plan.nodes
        );
        head.draw_text(&text, &style(LARGE, INK, HPos::Left).bold(), (20, 24))?;
        let curves = [
            Some((with, WITH, "neighbours")),
            naive.map(|naive| (naive, NAIVE, "every exchange kept")),
        ];
        let curves: Vec<_> = curves.into_iter().flatten().collect();
        let rounds = curves
            .iter()
            .map(|(of, ..)| of.bins.len())
            .max()
            .unwrap_or(1);
        let top = with.plan.nodes as f64;
        let mut chart = ChartBuilder::on(&body)
            .margin(10)
            .margin_right(16)
            .x_label_area_size(44)
            .y_label_area_size(54)
            .build_cartesian_2d(0.0..rounds as f64, 0.0..top * 1.04)?;
        draw_mesh(
            &mut chart,
            [
                "rounds since the first node has started",
                "established connections",
            ],
        )?;
        let mut written = Vec::new();
        for (of, color, name) in &curves {
            let line = |value: fn(&Bin) -> f64| {
                let values = of.bins.iter().enumerate();
                values
                    .map(move |(round, bin)| (round as f64, value(bin)))
                    .collect::<Vec<_>>()
            };
            let (most, mean) = (line(|bin| bin.most as f64), line(|bin| bin.mean));
            chart.draw_series(LineSeries::new(most.iter().copied(), color.stroke_width(2)))?;
            chart.draw_series(DashedLineSeries::new(
                mean.iter().copied(),
                5,
                4,
                color.stroke_width(2),
            ))?;
            written.extend([
                (
                    format!("{name}: the node with the most, at its worst moment"),
                    most,
                    *color,
                ),
                (format!("{name}: the mean of all nodes"), mean, *color),
            ]);
        }
        label(&body, &chart, &written)?;
        root.present()?;
    }
    Ok(svg)
}

/// What it is, its points, its colour.
type Curve = (String, Vec<(f64, f64)>, RGBColor);
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Writes beside each curve what it is, where that covers nothing.
fn label(area: &Area<'_>, chart: &Chart<'_, '_>, curves: &[Curve]) -> Drawn {
    let (width, height) = chart.plotting_area().dim_in_pixel();
    let (left, upper) = chart.plotting_area().get_base_pixel();
    let bounds = Rect::new((left, upper), (left + width as i32, upper + height as i32));
    let base = area.get_base_pixel();
    let mut labels = Labels::within(bounds);
    let at = |point: (f64, f64)| chart.backend_coord(&point);
    for pair in curves.iter().flat_map(|(_, points, _)| points.windows(2)) {
        labels.avoid_line(at(pair[0]), at(pair[1]));
    }
    for (text, points, color) in curves {
        let room = extent(text, SMALL);
        let mut along = points.iter().rev().map(|point| at(*point));
        if let Some(center) = along.find_map(|point| labels.place(point, 2, room)) {
            let words = style(SMALL, *color, HPos::Center);
            area.draw_text(text, &words, (center.0 - base.0, center.1 - base.1))?;
        }
    }
    Ok(())
}
