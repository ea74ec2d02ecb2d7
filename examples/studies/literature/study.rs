//! Experiments of the papers: each is one set-up, which gives some figures.

use crate::literature::check::Line;

/// The paper that an experiment is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paper {
    pub name: &'static str,
    pub title: &'static str,
    /// What is the same in all of its experiments.
    pub settings: &'static [&'static str],
}

impl Paper {
    /// One of its experiments.
    pub fn study(
        self,
        place: &'static str,
        set_up: impl Into<String>,
        quick: bool,
        run: impl Fn(u64) -> Vec<Line> + Send + Sync + 'static,
    ) -> Study {
        Study {
            paper: self,
            place,
            set_up: set_up.into(),
            quick,
            run: Box::new(run),
        }
    }
}

/// One set-up. What comes of it depends on nothing but the seed.
pub struct Study {
    pub paper: Paper,
    /// Where in the paper, in words.
    pub place: &'static str,
    /// The set-up in short.
    pub set_up: String,
    /// Whether it is among those that take little time.
    pub quick: bool,
    pub run: Box<dyn Fn(u64) -> Vec<Line> + Send + Sync>,
}
