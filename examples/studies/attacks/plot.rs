//! The results as a figure: the attackers' share of views over their share of the network.

use std::error::Error;

use plotters::{prelude::*, style::text_anchor::HPos};

use crate::{
    attacks::{
        measure::{Candidate, Network, What},
        study::{CURVES, Study, fractions},
    },
    shared::figure::{
        Area, Bold, Drawn, GREY, INK, LARGE, Labels, MEDIUM, Rect, SMALL, draw_mesh, extent, style,
        title,
    },
};

/// In pixels.
const SIZE: (u32, u32) = (1_080, 500);
const HEAD: i32 = 34;

// Of the colours of Okabe and Ito, which stay apart for the colour-blind.
const SHIPPED: RGBColor = RGBColor(0, 114, 178);
const PAPER: RGBColor = RGBColor(0, 158, 115);
const CAPPED: RGBColor = RGBColor(204, 121, 167);
const RANDOM: RGBColor = RGBColor(213, 94, 0);
const CYCLON: RGBColor = RGBColor(230, 159, 0);

/// Of how many attackers the curves are shown from nearby, in %: there they are told apart.
const NEAR: f64 = 42.0;

fn color(candidate: Candidate) -> RGBColor {
    match candidate {
        Candidate::Shipped | Candidate::Shuffling(_) => SHIPPED,
        Candidate::Paper => PAPER,
        Candidate::Capped => CAPPED,
        Candidate::Random | Candidate::SmallRandom => RANDOM,
        Candidate::Cyclon => CYCLON,
    }
}

/// A curve and whose it is: points in %.
struct Curve {
    candidate: Candidate,
    points: Vec<(f64, f64)>,
}

/// The figure, as SVG.
///
/// # Errors
///
/// When the backend has any, which writes to a string.
pub fn figure(study: &Study) -> Result<String, Box<dyn Error>> {
    let curve = |candidate| {
        let point = |&fraction: &f64| {
            let attacked = study.attacked(candidate, What::FLOOD, fraction);
            (fraction * 100.0, attacked.share[1] * 100.0)
        };
        let points = fractions(study.quick).iter().map(point);
        let points = std::iter::once((0.0, 0.0)).chain(points).collect();
        Curve { candidate, points }
    };
    let curves = CURVES.map(curve);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (head, body) = root.split_vertically(HEAD);
        let Network {
            nodes,
            view_size,
            rounds,
            ..
        } = study.network;
        let text = format!(
            "A flood of identities: {nodes} nodes, view {view_size}, after {rounds} rounds"
        );
        head.draw_text(&text, &style(LARGE, INK, HPos::Left).bold(), (20, 24))?;
        let (left, right) = body.split_horizontally(SIZE.0 / 2);
        draw(&left, "All overlays", &curves, 100.0)?;
        draw(&right, "Near the diagonal", &curves, NEAR)?;
        root.present()?;
    }
    Ok(svg)
}

/// The curves up to so many % of attackers in views.
fn draw(area: &Area<'_>, name: &str, curves: &[Curve], top: f64) -> Drawn {
    let ends = curves.iter().filter_map(|curve| curve.points.last());
    let most = ends.map(|(x, _)| *x).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .margin_top(36)
        .margin_right(16)
        .x_label_area_size(44)
        .y_label_area_size(54)
        .build_cartesian_2d(0.0..most + 2.0, 0.0..top * 1.04)?;
    title(area, name)?;
    draw_mesh(
        &mut chart,
        [
            "attackers among all nodes in %",
            "attackers in honest views in %",
        ],
    )?;
    let (width, height) = chart.plotting_area().dim_in_pixel();
    let (left, upper) = chart.plotting_area().get_base_pixel();
    let bounds = Rect::new((left, upper), (left + width as i32, upper + height as i32));
    let base = area.get_base_pixel();
    let mut labels = Labels::within(bounds);
    let diagonal = vec![(0.0, 0.0), (most.min(top), most.min(top))];
    let line = DashedLineSeries::new(diagonal.iter().copied(), 6, 4, GREY.stroke_width(2));
    chart.draw_series(line)?;
    let seen: Vec<_> = curves
        .iter()
        .map(|curve| (curve.candidate, below(&curve.points, top)))
        .collect();
    // What is shown on the top of the others comes last.
    for (candidate, points) in seen.iter().rev() {
        let width = if *candidate == Candidate::Shipped {
            3
        } else {
            2
        };
        let line = LineSeries::new(
            points.iter().copied(),
            color(*candidate).stroke_width(width),
        );
        chart.draw_series(line)?;
        let measured = points.iter().filter(|(_, y)| *y < top);
        let dots = measured.map(|&point| Circle::new(point, 3, color(*candidate).filled()));
        chart.draw_series(dots)?;
    }

    // Labels are placed in pixels, where they cover nothing.
    let at = |point: (f64, f64)| chart.backend_coord(&point);
    let lines = seen.iter().map(|(_, points)| points).chain([&diagonal]);
    for points in lines {
        for pair in points.windows(2) {
            labels.avoid_line(at(pair[0]), at(pair[1]));
        }
        points
            .iter()
            .for_each(|point| labels.avoid_point(at(*point)));
    }
    let texts = seen.iter().map(|(candidate, points)| {
        let size = if *candidate == Candidate::Shipped {
            MEDIUM
        } else {
            SMALL
        };
        (candidate.name(), points, color(*candidate), size)
    });
    // Where all are shown there is no room beside it.
    let share = (top < 100.0).then(|| ("share = attackers".to_owned(), &diagonal, GREY, SMALL));
    for (text, points, color, size) in texts.chain(share) {
        // From the end of the curve backwards, to where there is room.
        let along = (0..points.len().saturating_sub(1)).rev().flat_map(|from| {
            let (one, other) = (points[from], points[from + 1]);
            [0.9, 0.7, 0.5, 0.3, 0.1].map(|part| {
                let between = |a: f64, b: f64| a + (b - a) * part;
                (between(one.0, other.0), between(one.1, other.1))
            })
        });
        let room = extent(&text, size);
        let center = along.map(at).find_map(|point| labels.place(point, 4, room));
        if let Some(center) = center {
            let words = style(size, color, HPos::Center);
            let words = if size == MEDIUM { words.bold() } else { words };
            area.draw_text(&text, &words, (center.0 - base.0, center.1 - base.1))?;
        }
    }
    Ok(())
}

/// The part of a curve that is not above `top`.
fn below(points: &[(f64, f64)], top: f64) -> Vec<(f64, f64)> {
    let mut seen: Vec<(f64, f64)> = Vec::new();
    for &(x, y) in points {
        if y > top {
            if let Some(&(from, low)) = seen.last() {
                seen.push((from + (x - from) * (top - low) / (y - low), top));
            }
            break;
        }
        seen.push((x, y));
    }
    seen
}
