//! What tables and figures have to know of a simulation: the same for any overlay.

use libp2p_peer_sampling::simulator::{config::Config, faults::Crash, report::Paths};

/// After how many rounds there is a report, unless the experiment says so.
const EVERY: u64 = 10;
/// For how many rounds after a crash there is one after each. By then all dead links are gone.
const AFTER_CRASH: u64 = 12;

/// What is simulated, and what is measured of it.
pub struct Experiment {
    /// What it is, in a line.
    pub description: String,
    /// What to simulate.
    pub config: Config,
    /// Along which links paths are followed.
    pub paths: Paths,
    /// After how many rounds there is a report; at least 1. `None`: as often as is of interest.
    pub every: Option<u64>,
    /// Whether there are links that nodes are to find.
    pub is_topology: bool,
}

impl Experiment {
    /// After how many rounds there is a report, if nothing happens.
    pub fn every(&self) -> u64 {
        self.every.unwrap_or(EVERY)
    }

    /// Whether there is a report after this round.
    pub fn reports_after(&self, round: u64) -> bool {
        let after_crash = |crash: &Crash| {
            (crash.round..=crash.round.saturating_add(AFTER_CRASH)).contains(&round)
        };
        let mut crashes = self.config.faults().crashes().iter();
        round.is_multiple_of(self.every())
            || round == self.config.rounds()
            || (self.every.is_none() && crashes.any(after_crash))
    }
}
