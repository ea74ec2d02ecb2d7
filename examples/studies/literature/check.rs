//! What was published, what we measured, and whether they agree.

use serde::Serialize;

/// How well a published figure is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// Read off a plot.
    #[serde(rename = "D")]
    Plot,
    /// Printed in the text or a table.
    #[serde(rename = "T")]
    Printed,
    /// Not published: of an independent simulation of the same protocol, in synchronous cycles.
    #[serde(rename = "S")]
    Simulated,
    /// Recollected: shown, and never counted.
    #[serde(rename = "R")]
    Recollected,
    /// Not published: a setting of the same experiment, shown for itself.
    #[serde(rename = "-")]
    Unlisted,
}

impl Kind {
    pub fn letter(self) -> &'static str {
        match self {
            Self::Plot => "D",
            Self::Printed => "T",
            Self::Simulated => "S",
            Self::Recollected => "R",
            Self::Unlisted => "-",
        }
    }
}

/// How far ours may be from what was published.
#[derive(Debug, Clone, Copy)]
pub enum Tolerance {
    /// In percent of the published figure.
    Percent(f64),
    /// In its own unit.
    Absolute(f64),
    /// Up to so many times the published figure, or the other way round.
    Factor(f64),
    /// In percent of the published figure, but no less than so much in its own unit: where a plot
    /// comes near to 0, one can read no more off it.
    PercentOrAbsolute(f64, f64),
}

/// Read off a plot: TOCS's and Cyclon's figures are known to some 5 %.
pub const PLOT: Tolerance = Tolerance::Percent(5.0);

impl Tolerance {
    /// The same in the unit of `published`, on the side where ours lies.
    fn of(self, published: f64, ours: f64) -> f64 {
        match self {
            Self::Factor(factor) if ours < published => (1.0 - 1.0 / factor) * published.abs(),
            Self::Factor(factor) => (factor - 1.0) * published.abs(),
            Self::Percent(percent) => percent / 100.0 * published.abs(),
            Self::Absolute(absolute) => absolute,
            Self::PercentOrAbsolute(percent, absolute) => {
                (percent / 100.0 * published.abs()).max(absolute)
            }
        }
    }
}

/// One figure of a paper, and ours.
#[derive(Debug, Clone)]
pub struct Line {
    /// What was measured.
    pub what: String,
    pub kind: Kind,
    /// From where to where, both the same if the paper names one figure; one of them infinite if it
    /// names a bound. `None` if it names nothing.
    pub published: Option<(f64, f64)>,
    pub ours: f64,
    pub tolerance: Tolerance,
    /// How many decimals figures are shown with.
    pub decimals: usize,
    /// Why ours is outside, as far as known; shown only when it is.
    pub reason: String,
}

impl Line {
    fn new(what: impl Into<String>, kind: Kind, published: Option<(f64, f64)>, ours: f64) -> Self {
        Self {
            what: what.into(),
            kind,
            published,
            ours,
            tolerance: PLOT,
            decimals: 2,
            reason: String::new(),
        }
    }

    /// A figure that was read off a plot.
    pub fn plot(what: impl Into<String>, published: f64, ours: f64) -> Self {
        Self::new(what, Kind::Plot, Some((published, published)), ours)
    }

    /// A figure that was read off a plot as a range.
    pub fn plot_range(what: impl Into<String>, from: f64, to: f64, ours: f64) -> Self {
        Self::new(what, Kind::Plot, Some((from, to)), ours)
    }

    /// A figure that is printed.
    pub fn printed(what: impl Into<String>, published: f64, ours: f64) -> Self {
        Self::new(what, Kind::Printed, Some((published, published)), ours)
            .allowing(Tolerance::Absolute(0.0))
    }

    /// A figure of another simulation.
    pub fn simulated(what: impl Into<String>, figure: f64, ours: f64) -> Self {
        Self::new(what, Kind::Simulated, Some((figure, figure)), ours)
    }

    /// A lower bound that is printed.
    pub fn at_least(what: impl Into<String>, bound: f64, ours: f64) -> Self {
        Self::new(what, Kind::Printed, Some((bound, f64::INFINITY)), ours)
            .allowing(Tolerance::Absolute(0.0))
    }

    /// A figure that is only recollected.
    pub fn recollected(what: impl Into<String>, published: f64, ours: f64) -> Self {
        Self::new(what, Kind::Recollected, Some((published, published)), ours)
    }

    /// A figure that was not published.
    pub fn unlisted(what: impl Into<String>, ours: f64) -> Self {
        Self::new(what, Kind::Unlisted, None, ours)
    }

    pub fn allowing(mut self, tolerance: Tolerance) -> Self {
        self.tolerance = tolerance;
        self
    }

    pub fn decimals(mut self, decimals: usize) -> Self {
        self.decimals = decimals;
        self
    }

    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// By how much ours lies beyond what was published; 0 within a published range.
    pub fn deviation(&self) -> Option<f64> {
        let (from, to) = self.published?;
        Some(self.ours - self.ours.clamp(from, to))
    }

    /// The published figure that is nearest to ours.
    fn nearest(&self) -> Option<f64> {
        let (from, to) = self.published?;
        Some(self.ours.clamp(from, to))
    }

    /// Whether ours is as near to the published figure as it has to be; `None` if nothing is
    /// required of it.
    pub fn within(&self) -> Option<bool> {
        if matches!(self.kind, Kind::Recollected | Kind::Unlisted) {
            return None;
        }
        Some(self.deviation()?.abs() <= self.allowed()?)
    }

    /// The tolerance, in the unit of the figure.
    pub fn allowed(&self) -> Option<f64> {
        Some(self.tolerance.of(self.nearest()?, self.ours))
    }

    pub fn published_text(&self) -> String {
        let number = |value: f64| self.number(value);
        match self.published {
            None => "-".to_owned(),
            Some((from, to)) if from == to => number(from),
            Some((from, to)) if to.is_infinite() => format!(">= {}", number(from)),
            Some((from, to)) if from.is_infinite() => format!("<= {}", number(to)),
            Some((from, to)) => format!("{}-{}", number(from), number(to)),
        }
    }

    /// The deviation, in percent where the tolerance is.
    pub fn deviation_text(&self) -> String {
        let (Some(deviation), Some(nearest)) = (self.deviation(), self.nearest()) else {
            return "-".to_owned();
        };
        match self.in_percent() {
            true => format!("{:+.1} %", 100.0 * deviation / nearest.abs()),
            false => format!("{:+.*}", self.decimals, deviation),
        }
    }

    pub fn tolerance_text(&self) -> String {
        let Some(nearest) = self.nearest().filter(|_| self.within().is_some()) else {
            return "-".to_owned();
        };
        let allowed = self.tolerance.of(nearest, self.ours);
        match self.in_percent() {
            true => format!("{:.0} %", 100.0 * allowed / nearest.abs()),
            false => self.number(allowed),
        }
    }

    fn in_percent(&self) -> bool {
        match (self.tolerance, self.nearest()) {
            (Tolerance::Absolute(_), _) | (_, None) => false,
            (Tolerance::Percent(_) | Tolerance::Factor(_), _) => true,
            (Tolerance::PercentOrAbsolute(percent, absolute), Some(nearest)) => {
                percent / 100.0 * nearest.abs() >= absolute
            }
        }
    }

    pub fn number(&self, value: f64) -> String {
        format!("{value:.*}", self.decimals)
    }

    /// Yes, no, or nothing to compare with.
    pub fn verdict(&self) -> &'static str {
        match self.within() {
            Some(true) => "within",
            Some(false) => "OUTSIDE",
            None => "-",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_within() {
        let within = |line: Line| (line.within(), line.deviation_text(), line.verdict());
        let plot = |ours| within(Line::plot("", 20.0, ours));
        assert_eq!(plot(20.9), (Some(true), "+4.5 %".to_owned(), "within"));
        assert_eq!(plot(18.9), (Some(false), "-5.5 %".to_owned(), "OUTSIDE"));
        let range = |ours| {
            let line = Line::plot_range("", 30.0, 32.0, ours).decimals(0);
            within(line.allowing(Tolerance::Absolute(2.0)))
        };
        assert_eq!(range(31.0), (Some(true), "+0".to_owned(), "within"));
        assert_eq!(range(28.0), (Some(true), "-2".to_owned(), "within"));
        assert_eq!(range(35.0), (Some(false), "+3".to_owned(), "OUTSIDE"));
        let bound = |ours| Line::at_least("", 11.0, ours).within();
        assert_eq!((bound(11.0), bound(10.9)), (Some(true), Some(false)));
        let factor = |ours| {
            let line = Line::simulated("", 3.0, ours);
            line.allowing(Tolerance::Factor(1.5)).within()
        };
        assert_eq!((factor(4.4), factor(4.6)), (Some(true), Some(false)));
        assert_eq!((factor(2.1), factor(1.9)), (Some(true), Some(false)));
        let small = |published, ours| {
            let line = Line::plot("", published, ours);
            line.allowing(Tolerance::PercentOrAbsolute(5.0, 1.0))
                .within()
        };
        assert_eq!(
            (small(2.0, 2.9), small(2.0, 3.1)),
            (Some(true), Some(false))
        );
        assert_eq!(
            (small(40.0, 41.9), small(40.0, 42.1)),
            (Some(true), Some(false))
        );
    }

    #[test]
    fn what_is_recollected_or_unlisted_is_never_counted() {
        let recollected = Line::recollected("", 1.0, 9.0);
        let unlisted = Line::unlisted("", 9.0);
        assert_eq!((recollected.within(), unlisted.within()), (None, None));
        assert_eq!(recollected.deviation_text(), "+800.0 %");
        assert_eq!(unlisted.deviation_text(), "-");
    }
}
