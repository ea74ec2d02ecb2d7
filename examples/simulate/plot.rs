//! Reports as a figure: curves over the rounds, and the in-degrees at the end.

use std::error::Error;

use libp2p_peer_sampling::simulator::{
    adversary::{attack::Attack, exposure::Exposure},
    clustering, in_degrees,
    report::Report,
};
use plotters::{
    chart::ChartContext,
    coord::{
        Shift,
        ranged1d::{AsRangedCoord, Ranged, ValueFormatter},
    },
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::simulate::experiment::Experiment;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

/// In pixels.
const WIDTH: u32 = 1_000;
/// Of the title and what stands below it.
const HEAD: i32 = 104;
/// Of each row of curves.
const ROW: i32 = 300;
/// Of the in-degrees.
const BOTTOM: i32 = 356;

// Of the names that every viewer has a font for. Sizes are by the backend's measure: 1.24 pixels.
const FONT: &str = "sans-serif";
const LARGE: f64 = 26.0;
const MEDIUM: f64 = 19.0;
const SMALL: f64 = 16.0;

// The colours of Okabe and Ito, which stay apart for the colour-blind.
const MEASURED: RGBColor = RGBColor(0, 114, 178);
const RANDOM: RGBColor = RGBColor(213, 94, 0);
const FAULT: RGBColor = RGBColor(204, 121, 167);
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(228, 228, 228);

/// The figure, as SVG.
///
/// # Errors
///
/// When the backend has any, which writes to a string.
pub fn figure(experiment: &Experiment, reports: &[Report]) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    let curves = curves_of(experiment);
    let rows = curves.len() / 2;
    let height = HEAD + rows as i32 * ROW + BOTTOM;
    {
        let size = (WIDTH, height.unsigned_abs());
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let (head, body) = root.split_vertically(HEAD);
        draw_head(&head, experiment)?;
        let (top, bottom) = body.split_vertically(rows as i32 * ROW);
        for (area, curve) in top.split_evenly((rows, 2)).iter().zip(curves) {
            curve.draw(area, experiment, reports)?;
        }
        if let Some(last) = reports.last() {
            draw_in_degrees(&bottom, experiment, last)?;
        }
        root.present()?;
    }
    Ok(svg)
}

fn text(size: f64, color: RGBColor, h_pos: HPos) -> TextStyle<'static> {
    let anchored = (FONT, size).into_font().color(&color);
    anchored.pos(Pos::new(h_pos, VPos::Center))
}

/// What was simulated, and what the colours mean.
fn draw_head(area: &Area<'_>, experiment: &Experiment) -> Drawn {
    let bold = (FONT, LARGE, FontStyle::Bold).into_font().color(&INK);
    let bold = bold.pos(Pos::new(HPos::Left, VPos::Center));
    area.draw_text("Gossip-based peer sampling, simulated", &bold, (20, 24))?;
    for (line, y) in wrapped(&experiment.description, 130).iter().zip([50, 70]) {
        area.draw_text(line, &text(SMALL, INK, HPos::Left), (20, y))?;
    }
    let faults = experiment.config.faults();
    let mut keys = vec![("this network", MEASURED), ("uniform random graph", RANDOM)];
    if !faults.crashes().is_empty() {
        keys.push(("crash", FAULT));
    }
    if faults.partition().is_some() {
        keys.push(("partition", FAULT));
    }
    let mut x = 20;
    for (name, color) in keys {
        let y = 94;
        match name {
            "partition" => area.draw(&Rectangle::new(
                [(x, y - 6), (x + 26, y + 6)],
                color.mix(0.2).filled(),
            ))?,
            "this network" => area.draw(&path(vec![(x, y), (x + 26, y)], color))?,
            _ => area.draw_dashes((x, y), color)?,
        }
        area.draw_text(name, &text(SMALL, INK, HPos::Left), (x + 34, y))?;
        x += 70 + 8 * name.len() as i32;
    }
    Ok(())
}

/// In lines of at most `width` characters, broken after commas.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for part in text.split_inclusive(", ") {
        match lines.last_mut() {
            Some(line) if line.len() + part.len() <= width => line.push_str(part),
            _ => lines.push(part.to_owned()),
        }
    }
    lines
}

fn path(points: Vec<(i32, i32)>, color: RGBColor) -> PathElement<(i32, i32)> {
    PathElement::new(points, color.stroke_width(2))
}

trait Dashes {
    fn draw_dashes(&self, from: (i32, i32), color: RGBColor) -> Drawn;
}

impl Dashes for Area<'_> {
    /// As in the curves.
    fn draw_dashes(&self, (x, y): (i32, i32), color: RGBColor) -> Drawn {
        for dash in 0..3 {
            let from = x + dash * 10;
            self.draw(&path(vec![(from, y), (from + 6, y)], color))?;
        }
        Ok(())
    }
}

/// One measure over the rounds.
struct Curve {
    title: &'static str,
    measure: fn(&Report) -> f64,
    /// What it is held against.
    against: Against,
    /// What the axis reaches to in any case.
    at_least: f64,
    /// Whether the axis may be logarithmic.
    logarithmic: bool,
}

#[derive(Clone, Copy)]
enum Against {
    Nothing,
    /// The same in the uniform random graph of so many nodes and that view size.
    Random(fn(usize, f64) -> f64),
    /// Always the same.
    Constant(f64),
}

/// An even number of them.
fn curves_of(experiment: &Experiment) -> Vec<Curve> {
    use libp2p_peer_sampling::simulator::report::Paths;
    let mut curves = vec![
        Curve {
            title: "In-degree: standard deviation, in links",
            measure: |report| report.in_degrees.sd,
            against: Against::Random(in_degrees::random_sd),
            at_least: 0.0,
            logarithmic: true,
        },
        Curve {
            title: "Dead links, in % of all links",
            measure: |report| report.dead_links * 100.0,
            against: Against::Nothing,
            at_least: 1.0,
            logarithmic: false,
        },
        Curve {
            title: "Clustering coefficient",
            measure: |report| report.clustering.coefficient,
            against: Against::Random(clustering::random_coefficient),
            at_least: 0.0,
            logarithmic: true,
        },
        Curve {
            title: match experiment.paths {
                Paths::Directed => "Mean path length, in links",
                Paths::Undirected => "Mean path length both ways, in links",
            },
            measure: |report| report.path_lengths.mean,
            against: Against::Nothing,
            at_least: 0.0,
            logarithmic: true,
        },
    ];
    if let Some(adversaries) = experiment.config.adversaries() {
        curves.extend(curves_of_attack(
            adversaries.attack(),
            adversaries.fraction(),
        ));
    }
    curves
}

/// How far attackers get, and beside it what their attack is about.
fn curves_of_attack(attack: Attack, fraction: f64) -> [Curve; 2] {
    let share = |title, measure| Curve {
        title,
        measure,
        against: Against::Constant(fraction * 100.0),
        at_least: 100.0,
        logarithmic: false,
    };
    [
        share(
            "Attackers in honest views, in % (dashed: of all nodes)",
            |report| percent(report, |exposure| exposure.attacker_share),
        ),
        match attack {
            Attack::Eclipse => share(
                "Attackers in the victim's view, in % (dashed: of all nodes)",
                |report| percent(report, |e| e.victim_share.unwrap_or_default()),
            ),
            Attack::Spray => Curve {
                title: "Dials at the victim since the report before",
                measure: |report| report.exposure.map_or(0.0, |e| e.victim_dials as f64),
                against: Against::Nothing,
                at_least: 1.0,
                logarithmic: false,
            },
            _ => share(
                "Attackers in samples, in % (dashed: of all nodes)",
                |report| percent(report, |exposure| exposure.attacker_samples),
            ),
        },
    ]
}

fn percent(report: &Report, share: impl Fn(&Exposure) -> f64) -> f64 {
    report.exposure.as_ref().map_or(0.0, share) * 100.0
}

impl Curve {
    fn draw(&self, area: &Area<'_>, experiment: &Experiment, reports: &[Report]) -> Drawn {
        // Where nobody is left, there is nothing to compare.
        let reports = reports.iter().filter(|report| report.nodes > 0);
        let measured = reports
            .clone()
            .map(|report| (report.round, (self.measure)(report)));
        let mut measured: Vec<(u64, f64)> = measured.collect();
        let view_size = experiment.config.gossip().view_size() as f64;
        let against = |report: &Report| {
            let value = match self.against {
                Against::Nothing => return None,
                Against::Random(random) => random(report.nodes, view_size),
                Against::Constant(value) => value,
            };
            Some((report.round, value))
        };
        let random: Vec<(u64, f64)> = reports.filter_map(against).collect();
        let value = |&(_, value): &(u64, f64)| value;
        let all = || measured.iter().chain(&random).map(value);
        let max = all().fold(0.0, f64::max);
        let settled = measured.last().map_or(0.0, value);
        // What ends so much lower than it was would lie on the ground. Nothing of interest is ten
        // times lower still.
        if self.logarithmic && settled > 0.0 && max / settled > 10.0 {
            let least = all().filter(|value| *value >= settled / 10.0);
            let bottom = least.fold(settled, f64::min) / 1.5;
            measured.retain(|point| value(point) >= bottom);
            let range = (bottom..max * 1.5).log_scale();
            let title = format!("{}, log scale", self.title);
            return draw_curves(area, experiment, &title, range, [&measured, &random]);
        }
        let top = match max.max(self.at_least) {
            0.0 => 1.0,
            max => max * 1.12,
        };
        draw_curves(area, experiment, self.title, 0.0..top, [&measured, &random])
    }
}

/// What was measured, and the same in the random graph.
fn draw_curves<Y>(
    area: &Area<'_>,
    experiment: &Experiment,
    title: &str,
    range: Y,
    [measured, random]: [&[(u64, f64)]; 2],
) -> Drawn
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let rounds = experiment.config.rounds();
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .margin_top(44)
        .margin_right(28)
        .x_label_area_size(44)
        .y_label_area_size(58)
        .build_cartesian_2d(0..rounds, range)?;
    area.draw_text(title, &text(MEDIUM, INK, HPos::Left), (22, 26))?;
    draw_mesh(&mut chart, "round", 6)?;
    let faults = experiment.config.faults();
    let (bottom, top) = {
        let range = chart.y_range();
        (range.start, range.end)
    };
    if let Some(cut) = faults.partition() {
        let corners = [(cut.start, bottom), (cut.end.min(rounds), top)];
        let shade = Rectangle::new(corners, FAULT.mix(0.2).filled());
        chart.draw_series([shade])?;
    }
    for crash in faults.crashes() {
        let ends = [(crash.round, bottom), (crash.round, top)];
        let line = DashedLineSeries::new(ends, 6, 4, FAULT.stroke_width(2));
        chart.draw_series(line)?;
    }
    if !random.is_empty() {
        let line = random.iter().copied();
        let line = DashedLineSeries::new(line, 6, 4, RANDOM.stroke_width(2));
        chart.draw_series(line)?;
    }
    let line = LineSeries::new(measured.iter().copied(), MEASURED.stroke_width(2));
    chart.draw_series(line)?;
    // Where points are few, they show where it was measured.
    if measured.len() <= 25 {
        let point = |&at| Circle::new(at, 3, MEASURED.filled());
        chart.draw_series(measured.iter().map(point))?;
    }
    Ok(())
}

fn draw_mesh<X, Y>(
    chart: &mut ChartContext<'_, SVGBackend<'_>, Cartesian2d<X, Y>>,
    below: &str,
    labels: usize,
) -> Drawn
where
    X: Ranged + ValueFormatter<X::ValueType>,
    X::ValueType: Into<Number> + Copy,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let small = text(SMALL, INK, HPos::Center);
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .label_style(text(SMALL, INK, HPos::Left))
        .axis_desc_style(small)
        .x_desc(below)
        .y_labels(labels)
        .x_label_formatter(&|&x| x.into().written())
        .y_label_formatter(&|&y| Number(y).written())
        .draw()?;
    Ok(())
}

/// A number as it stands beside an axis.
struct Number(f64);

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self(number as f64)
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self(number)
    }
}

impl Number {
    /// Without more digits than it needs, and with thousands apart.
    fn written(&self) -> String {
        if self.0.abs() < 1_000.0 {
            // Of the two zeros, the one without a sign.
            let fixed = format!("{:.5}", self.0 + 0.0);
            return fixed.trim_end_matches('0').trim_end_matches('.').to_owned();
        }
        let digits = format!("{:.0}", self.0);
        let mut parted = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at) % 3 == 0 {
                parted.push(',');
            }
            parted.push(digit);
        }
        parted
    }
}

/// The in-degrees of the last report, beside those of the uniform random graph.
fn draw_in_degrees(area: &Area<'_>, experiment: &Experiment, report: &Report) -> Drawn {
    let round = report.round;
    if report.nodes == 0 {
        let nobody = format!("In-degrees: nobody is left after round {round}");
        area.draw_text(&nobody, &text(MEDIUM, INK, HPos::Left), (22, 26))?;
        return Ok(());
    }
    let view_size = experiment.config.gossip().view_size() as f64;
    let random = in_degrees::random_distribution(report.nodes, view_size);
    let histogram = &report.in_degrees.histogram;
    let nodes = report.nodes as f64;
    let measured: Vec<f64> = histogram.iter().map(|&n| n as f64 / nodes).collect();
    let start = quantile(&measured, 0.0).min(quantile(&random, 1e-4));
    let start = start.saturating_sub(1);
    let most = quantile(&measured, 0.99).max(quantile(&random, 1.0 - 1e-4));
    // A star's hub would leave no room for all others.
    let end = match report.in_degrees.max {
        max if max - start.min(max) < 2 * (most - start) => max.max(most) + 1,
        _ => most + 1,
    };
    let width = (end - start).div_ceil(120).max(1);
    let bins: Vec<usize> = (start..=end).step_by(width).collect();
    let in_percent = |distribution: &[f64]| -> Vec<f64> {
        let of = |&bin: &usize| distribution.iter().skip(bin).take(width).sum::<f64>() * 100.0;
        bins.iter().map(of).collect()
    };
    let (measured, random) = (in_percent(&measured), in_percent(&random));
    let top = measured.iter().chain(&random).copied().fold(0.0, f64::max);
    let half = width as f64 / 2.0;
    let center = |bin: usize| bin as f64 + half - 0.5;
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .margin_top(44)
        .margin_right(28)
        .x_label_area_size(44)
        .y_label_area_size(58)
        .build_cartesian_2d(
            start as f64 - 0.5..(end + width) as f64 - 0.5,
            0.0..top.max(1e-9) * 1.12,
        )?;
    let mut title = format!("In-degrees after round {round}, in % of the nodes");
    if width > 1 {
        title += &format!(", {width} in-degrees to a bar");
    }
    let beyond: usize = histogram.iter().skip(end + width).sum();
    if beyond > 0 {
        let max = report.in_degrees.max;
        title += &format!(" ({beyond} beyond this axis, up to {max})");
    }
    area.draw_text(&title, &text(MEDIUM, INK, HPos::Left), (22, 26))?;
    draw_mesh(&mut chart, "in-degree", 6)?;
    let bars = bins.iter().zip(&measured).map(|(&bin, &share)| {
        let (left, right) = (center(bin) - 0.8 * half, center(bin) + 0.8 * half);
        Rectangle::new([(left, 0.0), (right, share)], MEASURED.mix(0.75).filled())
    });
    chart.draw_series(bars)?;
    let points = bins.iter().zip(&random).map(|(&bin, &p)| (center(bin), p));
    let line = DashedLineSeries::new(points, 6, 4, RANDOM.stroke_width(2));
    chart.draw_series(line)?;
    Ok(())
}

/// The smallest in-degree up to which more than that share of the distribution lies.
fn quantile(distribution: &[f64], share: f64) -> usize {
    let mut sum = 0.0;
    let reached = distribution.iter().position(|p| {
        sum += p;
        sum > share
    });
    reached.unwrap_or(distribution.len().saturating_sub(1))
}
