//! The results as a figure: the trade between randomness and healing, and the healing itself.

use std::error::Error;

use libp2p_peer_sampling::simulator::in_degrees;
use plotters::{
    coord::combinators::{BindKeyPoints, IntoLogRange},
    prelude::*,
    style::text_anchor::HPos,
};

use crate::{
    healing::measure::{CRASH, Judged, Network, PATIENCE, Policy},
    shared::figure::{
        Area, Bold, Drawn, GREY, INK, LARGE, Labels, MEDIUM, Rect, SMALL, draw_mesh, extent, style,
        title,
    },
};

/// In pixels.
const SIZE: (u32, u32) = (1_080, 500);
const HEAD: i32 = 34;

// The colours of Okabe and Ito, which stay apart for the colour-blind.
const ADAPTIVE: RGBColor = RGBColor(0, 114, 178);
const RANDOM: RGBColor = RGBColor(213, 94, 0);
/// The least share of dead links that is shown, in %.
const LEAST: f64 = 0.01;

/// The figure, as SVG.
///
/// # Errors
///
/// When the backend has any, which writes to a string.
pub fn figure(network: Network, all: &[Judged]) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (head, body) = root.split_vertically(HEAD);
        let Network { nodes, view_size } = network;
        let text = format!("Adaptive healing and fixed H: {nodes} nodes, view {view_size}");
        head.draw_text(&text, &style(LARGE, INK, HPos::Left).bold(), (20, 24))?;
        let (left, right) = body.split_horizontally(SIZE.0 / 2);
        draw_trade(&left, network, all)?;
        draw_forgetting(&right, network, all)?;
        root.present()?;
    }
    Ok(svg)
}

fn color(policy: Policy) -> RGBColor {
    match policy {
        Policy::Adaptive => ADAPTIVE,
        Policy::Fixed(_) => INK,
    }
}

/// Of its point, in pixels.
fn radius(policy: Policy) -> i32 {
    match policy {
        Policy::Adaptive => 7,
        Policy::Fixed(_) => 4,
    }
}

/// What stands beside a policy's point or curve.
fn name(policy: Policy, network: Network) -> String {
    match policy {
        Policy::Adaptive => "adaptive".to_owned(),
        Policy::Fixed(0) => "H=0, swapper".to_owned(),
        Policy::Fixed(healer) if healer == network.view_size / 2 => format!("H={healer}, healer"),
        Policy::Fixed(healer) => format!("H={healer}"),
    }
}

/// Those of these numbers that lie in the range.
fn ticks(candidates: &[f64], range: &std::ops::Range<f64>) -> Vec<f64> {
    let within = candidates.iter().filter(|tick| range.contains(tick));
    within.copied().collect()
}

/// Left: each policy a point, the SD at rest over the rounds until no link is dead.
fn draw_trade(area: &Area<'_>, network: Network, all: &[Judged]) -> Drawn {
    let points = all.iter().filter_map(|judged| {
        let rounds = judged.none?.mean.max(1.0);
        Some((judged.policy, (rounds, judged.rest_sd.mean)))
    });
    let points: Vec<(Policy, (f64, f64))> = points.collect();
    if points.is_empty() {
        return Ok(());
    }
    let random = in_degrees::random_sd(network.nodes, network.view_size as f64);
    let rounds = || points.iter().map(|(_, (rounds, _))| *rounds);
    let sds = || points.iter().map(|(_, (_, sd))| *sd).chain([random]);
    let x = rounds().fold(f64::INFINITY, f64::min) / 1.4..rounds().fold(0.0, f64::max) * 1.2;
    let y = (sds().fold(f64::INFINITY, f64::min) * 0.6).floor()..sds().fold(0.0, f64::max) * 1.12;
    let decades = [1.0, 10.0, 100.0].iter();
    let numbers = decades.flat_map(|decade| [1.0, 1.5, 2.0, 3.0, 5.0, 7.0].map(|n| n * decade));
    let x_ticks = ticks(&numbers.collect::<Vec<_>>(), &x);
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .margin_top(36)
        .margin_right(16)
        .x_label_area_size(44)
        .y_label_area_size(50)
        .build_cartesian_2d(x.clone().log_scale().with_key_points(x_ticks), y)?;
    title(
        area,
        "In-degrees at rest against healing: lower left is better",
    )?;
    draw_mesh(
        &mut chart,
        [
            &format!(
                "rounds until no link is dead, after {} % crash (log scale)",
                CRASH * 100.0
            ),
            "SD of in-degrees at rest",
        ],
    )?;
    let line = [(x.start, random), (x.end, random)];
    chart.draw_series(DashedLineSeries::new(line, 6, 4, RANDOM.stroke_width(2)))?;
    let fixed = points.iter().filter(|(of, _)| *of != Policy::Adaptive);
    let joined = fixed.map(|(_, point)| *point);
    chart.draw_series(LineSeries::new(joined, GREY))?;
    for &(policy, point) in &points {
        let point = Circle::new(point, radius(policy), color(policy).filled());
        chart.draw_series([point])?;
    }

    // Labels are placed in pixels, where they cover nothing.
    let (width, height) = chart.plotting_area().dim_in_pixel();
    let (left, top) = chart.plotting_area().get_base_pixel();
    let bounds = Rect::new((left, top), (left + width as i32, top + height as i32));
    let at = |point: (f64, f64)| chart.backend_coord(&point);
    let mut labels = Labels::within(bounds);
    for pair in points.windows(2) {
        // The adaptive one is not joined to the others.
        if pair.iter().all(|(policy, _)| *policy != Policy::Adaptive) {
            labels.avoid_line(at(pair[0].1), at(pair[1].1));
        }
    }
    labels.avoid_line(at(line[0]), at(line[1]));
    points
        .iter()
        .for_each(|(_, point)| labels.avoid_point(at(*point)));
    let base = area.get_base_pixel();
    let below = (left + 8, at(line[0]).1 + 11);
    let random_graph = format!("random graph, {random:.2}");
    let words = style(SMALL, RANDOM, HPos::Left);
    area.draw_text(&random_graph, &words, (below.0 - base.0, below.1 - base.1))?;
    let room = extent(&random_graph, SMALL);
    labels.avoid(Rect::new(
        (below.0, below.1 - 8),
        (below.0 + room.0, below.1 + 8),
    ));
    let half = network.view_size / 2;
    let rank = |policy: &Policy| match *policy {
        Policy::Adaptive => 0,
        Policy::Fixed(healer) if healer == 0 || healer == half => 1,
        Policy::Fixed(healer) => healer + 2,
    };
    let mut ranked: Vec<_> = points.iter().collect();
    ranked.sort_by_key(|(policy, _)| rank(policy));
    for &&(policy, point) in &ranked {
        // In a crowd, the number has to do.
        let name = match policy {
            Policy::Fixed(healer) if rank(&policy) > 5 => healer.to_string(),
            _ => name(policy, network),
        };
        let (size, words) = match policy {
            Policy::Adaptive => (MEDIUM, style(MEDIUM, ADAPTIVE, HPos::Center).bold()),
            Policy::Fixed(_) => (SMALL, style(SMALL, INK, HPos::Center)),
        };
        let room = extent(&name, size);
        if let Some(center) = labels.place(at(point), radius(policy), room) {
            area.draw_text(&name, &words, (center.0 - base.0, center.1 - base.1))?;
        }
    }
    Ok(())
}

/// Right: dead links over the rounds after the crash.
fn draw_forgetting(area: &Area<'_>, network: Network, all: &[Judged]) -> Drawn {
    let shown = [1, 3, network.view_size / 2, 0];
    let curves = shown
        .map(Policy::Fixed)
        .into_iter()
        .chain([Policy::Adaptive]);
    let curves = curves.filter_map(|policy| all.iter().find(|judged| judged.policy == policy));
    let curves: Vec<Curve> = curves.map(Curve::of).collect();
    // The swapper's would leave no room for the others.
    let ends = curves
        .iter()
        .filter(|curve| curve.policy != Policy::Fixed(0));
    let ends = ends.filter_map(|curve| curve.falls_below(LEAST));
    let x = 0.0..(ends.fold(12.0, f64::max) + 2.5).ceil();
    let y = LEAST..80.0;
    let y_ticks = vec![0.01, 0.1, 1.0, 10.0, 50.0];
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .margin_top(36)
        .margin_right(16)
        .x_label_area_size(44)
        .y_label_area_size(54)
        .build_cartesian_2d(x.clone(), y.log_scale().with_key_points(y_ticks))?;
    title(area, "Dead links after the crash")?;
    draw_mesh(
        &mut chart,
        [
            &format!("rounds after {} % crash", CRASH * 100.0),
            "dead links in % (log scale)",
        ],
    )?;
    let one_percent = [(x.start, 1.0), (x.end, 1.0)];
    chart.draw_series(DashedLineSeries::new(
        one_percent,
        6,
        4,
        GREY.stroke_width(1),
    ))?;
    let base = area.get_base_pixel();
    for curve in &curves {
        let (width, size, bold) = match curve.policy {
            Policy::Adaptive => (3, MEDIUM, true),
            Policy::Fixed(_) => (1, SMALL, false),
        };
        let color = color(curve.policy);
        let seen = curve.within(x.end);
        let line = LineSeries::new(seen.iter().copied(), color.stroke_width(width));
        chart.draw_series(line)?;
        // Beside the curve near the ground; the healer's has its room on the left.
        let level = LEAST * 3.0;
        let (point, h_pos, offset) = match curve.falls_below(level) {
            Some(round) if round < x.end && curve.policy == Policy::Fixed(shown[2]) => {
                ((round, level), HPos::Right, (-14, 0))
            }
            Some(round) if round < x.end => ((round, level), HPos::Left, (8, 0)),
            // It falls away from what stands above it.
            _ => match seen.get(seen.len() * 3 / 5) {
                Some(&point) => (point, HPos::Left, (4, -10)),
                None => continue,
            },
        };
        let words = style(size, color, h_pos);
        let words = if bold { words.bold() } else { words };
        let (left, top) = chart.backend_coord(&point);
        let at = (left - base.0 + offset.0, top - base.1 + offset.1);
        area.draw_text(&name(curve.policy, network), &words, at)?;
    }
    Ok(())
}

/// Dead links in %, so many rounds after the crash.
struct Curve {
    policy: Policy,
    percent: Vec<f64>,
}

impl Curve {
    fn of(judged: &Judged) -> Self {
        let means = (0..).map(|rounds| judged.dead_percent(rounds).mean);
        Self {
            policy: judged.policy,
            percent: means
                .take(PATIENCE)
                .take_while(|percent| *percent > 0.0)
                .collect(),
        }
    }

    /// When, between the rounds, as a straight line on a log scale has it.
    fn falls_below(&self, level: f64) -> Option<f64> {
        let round = self.percent.iter().position(|percent| *percent < level);
        let Some(round) = round else {
            // From above to none at all.
            return (self.percent.len() < PATIENCE).then_some(self.percent.len() as f64);
        };
        let before = self.percent[round.checked_sub(1)?];
        let part = (before / level).ln() / (before / self.percent[round]).ln();
        Some(round as f64 - 1.0 + part)
    }

    /// What there is to be seen of it in so many rounds.
    fn within(&self, rounds: f64) -> Vec<(f64, f64)> {
        let seen = self.percent.iter().take_while(|percent| **percent >= LEAST);
        let seen = seen
            .enumerate()
            .map(|(round, percent)| (round as f64, *percent));
        let ground = self.falls_below(LEAST).map(|round| (round, LEAST));
        let points = seen.chain(ground);
        points.take_while(|(round, _)| *round <= rounds).collect()
    }
}
