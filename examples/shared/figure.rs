//! What figures have in common: type, colours, and labels that cover nothing.

use std::error::Error;

use plotters::{
    chart::ChartContext,
    coord::{
        Shift,
        ranged1d::{Ranged, ValueFormatter},
    },
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub type Drawn = Result<(), Box<dyn Error>>;
pub type Pixel = (i32, i32);

const FONT: &str = "sans-serif";
pub const LARGE: f64 = 24.0;
pub const MEDIUM: f64 = 19.0;
pub const SMALL: f64 = 16.0;
/// How much of the backend's measure of a font size makes a pixel.
const PER_PIXEL: f64 = 1.24;

// The colours of Okabe and Ito stay apart for the colour-blind; these go with them.
pub const INK: RGBColor = RGBColor(40, 40, 40);
pub const GREY: RGBColor = RGBColor(120, 120, 120);
pub const GRID: RGBColor = RGBColor(228, 228, 228);

pub fn style(size: f64, color: RGBColor, h_pos: HPos) -> TextStyle<'static> {
    let anchored = (FONT, size).into_font().color(&color);
    anchored.pos(Pos::new(h_pos, VPos::Center))
}

pub trait Bold {
    fn bold(self) -> Self;
}

impl Bold for TextStyle<'_> {
    fn bold(mut self) -> Self {
        self.font = self.font.style(FontStyle::Bold);
        self
    }
}

/// Grid, axes and titles, with ticks where the ranges have them.
pub fn draw_mesh<X, Y>(
    chart: &mut ChartContext<'_, SVGBackend<'_>, Cartesian2d<X, Y>>,
    [below, beside]: [&str; 2],
) -> Drawn
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .label_style(style(SMALL, INK, HPos::Left))
        .axis_desc_style(style(SMALL, INK, HPos::Center))
        .x_desc(below)
        .y_desc(beside)
        .x_labels(12)
        .x_label_formatter(&|x| x.to_string())
        .y_label_formatter(&|y| y.to_string())
        .draw()?;
    Ok(())
}

pub fn title(area: &Area<'_>, text: &str) -> Drawn {
    area.draw_text(text, &style(MEDIUM, INK, HPos::Left), (20, 20))?;
    Ok(())
}

/// About the size of a text in pixels.
pub fn extent(text: &str, size: f64) -> Pixel {
    let width = 0.62 * size / PER_PIXEL * text.chars().count() as f64;
    (width.ceil() as i32, (size / PER_PIXEL).ceil() as i32)
}

/// From the upper left to the lower right corner.
#[derive(Clone, Copy)]
pub struct Rect {
    from: Pixel,
    to: Pixel,
}

impl Rect {
    pub fn new(from: Pixel, to: Pixel) -> Self {
        Self { from, to }
    }

    fn around((x, y): Pixel, (width, height): Pixel) -> Self {
        let (half, third) = (width / 2, height * 2 / 5);
        Self::new((x - half, y - third), (x + half, y + third))
    }

    fn meets(&self, other: &Self) -> bool {
        self.from.0 < other.to.0
            && other.from.0 < self.to.0
            && self.from.1 < other.to.1
            && other.from.1 < self.to.1
    }

    fn holds(&self, other: &Self) -> bool {
        self.from.0 <= other.from.0
            && self.from.1 <= other.from.1
            && other.to.0 <= self.to.0
            && other.to.1 <= self.to.1
    }
}

/// Where something stands already.
pub struct Labels {
    bounds: Rect,
    taken: Vec<Rect>,
}

impl Labels {
    pub fn within(bounds: Rect) -> Self {
        let taken = Vec::new();
        Self { bounds, taken }
    }

    pub fn avoid(&mut self, taken: Rect) {
        self.taken.push(taken);
    }

    pub fn avoid_point(&mut self, point: Pixel) {
        self.avoid(Rect::around(point, (10, 12)));
    }

    pub fn avoid_line(&mut self, from: Pixel, to: Pixel) {
        let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()) / 3;
        for step in 0..=steps {
            let along = |from: i32, to: i32| from + (to - from) * step / steps.max(1);
            self.avoid(Rect::around(
                (along(from.0, to.0), along(from.1, to.1)),
                (4, 6),
            ));
        }
    }

    /// The centre of a text as near to the point as there is room; where there is none, the text is
    /// left out.
    pub fn place(&mut self, point: Pixel, radius: i32, size: Pixel) -> Option<Pixel> {
        let around = [
            (1, 0),
            (1, -1),
            (0, -1),
            (-1, -1),
            (-1, 0),
            (-1, 1),
            (0, 1),
            (1, 1),
        ];
        let places = [3, 6, 10].iter().flat_map(|gap| {
            around.map(|(x, y)| {
                let x = point.0 + x * (size.0 / 2 + radius + gap);
                (x, point.1 + y * (size.1 / 2 + radius + gap))
            })
        });
        for center in places {
            let label = Rect::around(center, size);
            if self.bounds.holds(&label) && !self.taken.iter().any(|taken| taken.meets(&label)) {
                self.avoid(label);
                return Some(center);
            }
        }
        None
    }
}
