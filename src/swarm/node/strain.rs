//! How far this node has more to do than it can, and how much less it starts for that.
//!
//! Retries, early rounds and further attempts make up for what has failed. Where exchanges fail
//! since there is too much to do, they multiply what made them fail, and a node, or a process with
//! many, does not come out of that by itself. So two things hold them back: a balance of answers
//! and silence, and how late this node gets its own turns. Only what this node sees of itself slows
//! its rounds down, or peers that answer late could do so.

use std::time::Duration;

use crate::time::{Time, Wake};

/// A turn is late if it comes later than this part of an exchange's timeout. An exchange with a
/// dial takes about 16 turns, one after another, so it would spend all its time waiting for them
/// (a guess that stood up in `examples/studies/overload`).
const TURNS: u32 = 16;
/// How often lateness is weighed within an exchange's timeout, at most. A change of the rounds
/// shows its effect only once exchanges have ended (a guess).
const WEIGHINGS: u32 = 4;
/// A turn that comes so many times later than that is far too late.
const FAR: u32 = 4;
/// How many times longer rounds become after an interval with a late turn, and after one with a
/// turn that came far too late: most exchanges fail then.
const SLOWER: f64 = 1.15;
const MUCH_SLOWER: f64 = 2.0;
/// How many times shorter rounds become after an interval without a late turn. The second such
/// interval in a row counts twice, the third three times, up to [`MOST_OFTEN`]. So rounds become
/// shorter slowly while there is too much to do, and quickly once there is not. Chosen with the
/// other two by `examples/studies/overload`: 1.5 and 1.1 left a third of the machine unused at 2.5
/// times what it can do.
const FASTER: f64 = 1.05;
const MOST_OFTEN: i32 = 5;
/// How many times longer rounds are at most. A guess: with less than that, a machine does no useful
/// work.
const SLOWEST: f64 = 32.0;
/// The largest balance of answers over silence. When half of it is left, failures are not made up
/// for. As in gRPC's retry throttling (proposal A6), where an answer counts for less: a gRPC client
/// asks one server, and here silence may also mean that one partner is dead.
const BALANCE: u32 = 20;

/// How a node bears what it has to do.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Health {
    /// It does what it is set to.
    #[default]
    Well,
    /// More of its exchanges come to nothing than are answered, though it can dial its partners:
    /// they, or the network between, have too much to do, or do not want this node. It makes its
    /// rounds, and starts nothing early and nothing to make up for failures.
    Unanswered,
    /// It gets its turns too late: the process or the machine has too much to do. Its rounds are
    /// longer, it starts nothing beside them, and of what other nodes ask it reads less.
    Overloaded {
        /// How many times longer its rounds are, and by what factor it reads less; up to 32.
        slowdown: f64,
    },
}

impl Health {
    /// How many times longer rounds are while nothing is done beside them; `None`: all is done.
    pub(crate) fn restraint(self) -> Option<f64> {
        match self {
            Self::Well => None,
            Self::Unanswered => Some(1.0),
            Self::Overloaded { slowdown } => Some(slowdown),
        }
    }

    /// The worse of the two.
    pub(crate) fn worse(self, other: Self) -> Self {
        match self == Self::Well || other.slowdown() > self.slowdown() {
            true => other,
            false => self,
        }
    }

    /// How many times longer rounds are; 1 at least.
    pub(crate) fn slowdown(self) -> f64 {
        self.restraint().unwrap_or(1.0)
    }
}

/// Whether this node has more to do than it can.
#[derive(Debug)]
pub(crate) struct Strain {
    /// How often `worst` is looked at: once in a period, or less often where periods are short.
    interval: Duration,
    /// How late a turn may come.
    bearable: Duration,
    /// The latest turn since `weighed`.
    worst: Duration,
    /// When `worst` was looked at last.
    weighed: Time,
    slowdown: f64,
    /// For how many intervals in a row no turn was late, up to [`MOST_OFTEN`].
    calm: i32,
    balance: u32,
}

impl Strain {
    /// For rounds in each `period`, whose exchanges may take `timeout`.
    pub(crate) fn new(period: Duration, timeout: Duration) -> Self {
        Self {
            interval: period.max(timeout / WEIGHINGS),
            bearable: timeout / TURNS,
            worst: Duration::ZERO,
            weighed: Time::ZERO,
            slowdown: 1.0,
            calm: 0,
            balance: BALANCE,
        }
    }

    /// This node has got a turn so much later than it had asked for.
    pub(crate) fn note_turn(&mut self, late: Duration) {
        self.worst = self.worst.max(late);
    }

    /// An exchange of this node's was answered.
    pub(crate) fn note_answer(&mut self) {
        self.balance = (self.balance + 1).min(BALANCE);
    }

    /// An exchange of this node's was not answered in time, or not served, or broke. Not to be told
    /// of dials that have failed: a partner that is gone is no strain.
    pub(crate) fn note_silence(&mut self) {
        self.balance = self.balance.saturating_sub(1);
    }

    /// Looks at the last interval, once in each.
    pub(crate) fn advance(&mut self, now: Time) {
        if now < self.weighed + self.interval {
            return;
        }
        self.weighed = now;
        let worst = std::mem::take(&mut self.worst);
        let slower = match worst {
            late if late > FAR * self.bearable => MUCH_SLOWER,
            late if late > self.bearable => SLOWER,
            _ => {
                self.calm = (self.calm + 1).min(MOST_OFTEN);
                self.slowdown = (self.slowdown / FASTER.powi(self.calm)).max(1.0);
                return;
            }
        };
        self.calm = 0;
        self.slowdown = (self.slowdown * slower).min(SLOWEST);
    }

    /// How this node bears what it has to do.
    pub(crate) fn health(&self) -> Health {
        let slowdown = self.slowdown;
        match self.balance <= BALANCE / 2 {
            _ if slowdown > 1.0 => Health::Overloaded { slowdown },
            true => Health::Unanswered,
            false => Health::Well,
        }
    }

    /// While rounds are slower a turn is asked for in each interval, to see how late it comes.
    pub(crate) fn next_wake(&self) -> Option<Wake> {
        let is_slow = self.slowdown > 1.0;
        is_slow.then(|| {
            Wake::new(
                self.weighed + self.interval,
                "whether turns still come late",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LATE: Duration = Duration::from_millis(640);

    /// A node whose exchanges may take 10 s, after so many intervals with such a turn in each.
    fn after(strain: &mut Strain, intervals: u32, late: Duration) {
        for _ in 0..intervals {
            let now = strain.weighed + strain.interval;
            strain.note_turn(late);
            strain.advance(now);
        }
    }

    fn strain() -> Strain {
        let mut strain = Strain::new(SECOND, 10 * SECOND);
        after(&mut strain, 1, Duration::ZERO);
        strain
    }

    #[test]
    fn rounds_become_longer_while_turns_come_late_and_short_again_afterwards() {
        let mut strain = strain();
        assert_eq!((strain.health(), strain.next_wake()), (Health::Well, None));
        after(&mut strain, 1, LATE);
        let slowdown = SLOWER;
        assert_eq!(strain.health(), Health::Overloaded { slowdown });
        assert!(strain.next_wake().is_some());
        after(&mut strain, 10, 5 * LATE);
        assert_eq!(strain.health().restraint(), Some(SLOWEST));
        after(&mut strain, 20, Duration::ZERO);
        assert_eq!(strain.health(), Health::Well);
    }

    #[test]
    fn lateness_is_weighed_once_in_an_interval() {
        let mut strain = strain();
        strain.note_turn(LATE);
        let soon = strain.weighed + strain.interval / 2;
        strain.advance(soon);
        assert_eq!(strain.health().restraint(), None);
        strain.advance(soon + strain.interval);
        strain.advance(soon + strain.interval);
        assert_eq!(strain.health().restraint(), Some(SLOWER));
    }

    #[test]
    fn nothing_is_made_up_for_when_silence_outweighs_answers() {
        let mut strain = strain();
        for _ in 0..100 {
            strain.note_silence();
            strain.note_answer();
        }
        assert_eq!(
            strain.health(),
            Health::Well,
            "half of the partners are dead"
        );
        for _ in 0..10 {
            strain.note_silence();
        }
        assert_eq!(strain.health(), Health::Unanswered);
        strain.note_answer();
        assert_eq!(strain.health(), Health::Well);
    }
}
