//! Whether this node knows anybody at all, and when to say that it does not.

use std::time::Duration;

use crate::swarm::sampling::event::{Event, Isolated};
use crate::time::Time;

/// How long a node knows nobody before it says so. A guess: a seed that is there answers within a
/// second or two, and siblings such as mDNS take a few.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause before the node says it again, while it stays so or comes back. A guess: often enough
/// to be seen in a log, and seldom enough for the first node of a network.
const QUIET: Duration = Duration::from_secs(5 * 60);

/// Notes since when this node has known nobody.
#[derive(Debug, Default)]
pub(crate) struct Isolation {
    since: Option<Time>,
    /// Not to be said again before this time.
    quiet_until: Time,
    /// Why the latest seed failed, since somebody was known.
    last_failure: Option<String>,
}

impl Isolation {
    /// A seed has failed.
    pub(crate) fn seed_failed(&mut self, failure: String) {
        self.last_failure = Some(failure);
    }

    /// `isolated`: the node has no view and no neighbours, and it has not left. Says so when it is
    /// time. To be called whenever that may have changed, and at [`Self::next_wake`].
    pub(crate) fn poll(&mut self, isolated: bool, seeds: usize, now: Time) -> Option<Event> {
        if !isolated {
            self.since = None;
            self.last_failure = None;
            return None;
        }
        let since = *self.since.get_or_insert(now);
        if self.next_wake().is_none_or(|at| now < at) {
            return None;
        }
        self.quiet_until = now.saturating_add(QUIET);
        let isolated = Isolated {
            lasting: now - since,
            seeds,
            last_failure: self.last_failure.clone(),
        };
        tracing::warn!("{isolated}");
        Some(Event::Isolated(isolated))
    }

    /// When [`Self::poll`] has something to say, if nothing changes.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        let patient_until = self.since?.saturating_add(PATIENCE);
        Some(patient_until.max(self.quiet_until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::logged::logged;

    const SECOND: Duration = Duration::from_secs(1);

    /// The seconds, of so many, in which it was said.
    fn said(isolation: &mut Isolation, isolated: impl Fn(u32) -> bool, seconds: u32) -> Vec<u32> {
        let says = |second: &u32| {
            let event = isolation.poll(isolated(*second), 0, Time::new(*second * SECOND));
            assert!(
                isolation
                    .next_wake()
                    .is_none_or(|at| at > Time::new(*second * SECOND))
            );
            event.is_some()
        };
        (0..seconds).filter(says).collect()
    }

    #[test]
    fn a_node_that_knows_nobody_says_so_after_ten_seconds_and_every_five_minutes() {
        let said = said(&mut Isolation::default(), |_| true, 700);
        assert_eq!(said, [10, 310, 610]);
    }

    #[test]
    fn who_knows_somebody_says_nothing_and_who_loses_all_says_it_anew() {
        let mut isolation = Isolation::default();
        assert_eq!(said(&mut isolation, |second| second < 10, 1_000), []);
        assert_eq!(isolation.next_wake(), None);
        let lost = |second| second >= 400;
        assert_eq!(said(&mut Isolation::default(), lost, 500), [410]);
        // However often it loses all.
        let flaps = |second| second % 20 != 0;
        assert_eq!(said(&mut Isolation::default(), flaps, 400), [11, 311]);
    }

    #[test]
    fn what_to_do_is_said_by_whether_there_are_seeds() {
        let mut isolation = Isolation::default();
        let text = |isolation: &mut Isolation, seeds, now| {
            let mut event = None;
            let lines = logged(|| event = isolation.poll(true, seeds, now));
            let Some(Event::Isolated(isolated)) = event else {
                panic!("nothing is said");
            };
            let text = isolated.to_string();
            assert_eq!(lines, [format!("WARN {text}")]);
            text
        };
        isolation.poll(true, 0, Time::ZERO);
        let without = text(&mut isolation, 0, Time::new(10 * SECOND));
        assert_eq!(
            without,
            "this node has known no other for 10s, and it has no seeds: it only joins when others \
             connect to it. See Config::with_seeds and Behaviour::init; on a LAN, add mDNS"
        );
        isolation.seed_failed("/memory/1: unreachable".to_owned());
        let with = text(&mut isolation, 2, Time::new(400 * SECOND));
        assert_eq!(
            with,
            "this node has known no other for 400s: none of its 2 seeds has let it join. The \
             latest failure: /memory/1: unreachable"
        );
    }
}
