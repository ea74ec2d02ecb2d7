//! The clock of a node.

use web_time::Instant;

use crate::time::Time;

/// Tells how late it is. A copy tells the same time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    zero: Instant,
}

impl Clock {
    /// Time begins at `zero`.
    pub(crate) fn new(zero: Instant) -> Self {
        Self { zero }
    }

    /// How late it is.
    pub(crate) fn now(self) -> Time {
        Time::new(self.zero.elapsed())
    }
}
