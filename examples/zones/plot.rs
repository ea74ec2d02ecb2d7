//! The traffic of each kind as a bar.

use std::path::Path;

use plotters::{prelude::*, style::text_anchor::HPos};

use super::{node::Failure, traffic::Row};
use crate::figure::{GREY, INK, MEDIUM, SMALL, style};

/// The size of the figure and of a bar, in pixels.
const WIDTH: i32 = 900;
const ROW: i32 = 46;
const BAR: i32 = 26;
/// Where bars begin and how long the longest is, in pixels.
const LEFT: i32 = 300;
const LENGTH: f64 = 520.0;
const WITHIN: RGBColor = RGBColor(0, 114, 178);
const BETWEEN: RGBColor = RGBColor(213, 94, 0);

/// Draws one bar for each row, in two parts.
pub fn draw(path: &Path, rows: &[Row]) -> Result<(), Failure> {
    let height = 70 + ROW * rows.len() as i32;
    let area = SVGBackend::new(path, (WIDTH as u32, height as u32)).into_drawing_area();
    area.fill(&WHITE).map_err(told)?;
    for (text, color, x) in [
        ("within a zone", WITHIN, LEFT),
        ("between zones", BETWEEN, LEFT + 200),
    ] {
        let mark = [(x, 22), (x + 16, 38)];
        area.draw(&Rectangle::new(mark, color.filled()))
            .map_err(told)?;
        let beside = style(MEDIUM, GREY, HPos::Left);
        area.draw_text(text, &beside, (x + 24, 30)).map_err(told)?;
    }
    for (row, top) in rows.iter().zip((56..).step_by(ROW as usize)) {
        let border = LEFT + (row.share() * LENGTH).round() as i32;
        let end = LEFT + LENGTH as i32;
        for (from, to, color) in [(LEFT, border, WITHIN), (border, end, BETWEEN)] {
            let bar = Rectangle::new([(from, top), (to, top + BAR)], color.filled());
            area.draw(&bar).map_err(told)?;
        }
        let middle = top + BAR / 2;
        let name = style(MEDIUM, INK, HPos::Right);
        area.draw_text(row.name, &name, (LEFT - 14, middle))
            .map_err(told)?;
        let share = format!("{:.0} %", 100.0 * row.share());
        let text = style(SMALL, INK, HPos::Left);
        area.draw_text(&share, &text, (end + 10, middle))
            .map_err(told)?;
    }
    area.present().map_err(told)
}

fn told(error: impl std::error::Error) -> Failure {
    error.to_string().into()
}
