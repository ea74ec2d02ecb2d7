//! A timer whose moment changes more often than it fires.

use std::{
    fmt,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::FutureExt;
use futures_timer::Delay;

use crate::time::Time;

/// Timers are not made for eternity; waking up for nothing once a day costs nothing.
const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// Wakes a task at a moment that often changes. To arm a timer wakes the thread that runs all
/// timers, and that was a twentieth of the work of an exchange (measured). So where the moment
/// becomes later the timer stays as it is: it fires too early, and is armed again then.
#[derive(Default)]
pub(crate) struct Alarm {
    timer: Option<Delay>,
    /// When the timer fires; `None`: it has fired.
    armed: Option<Time>,
    /// When its task wanted to be woken.
    wake: Option<Time>,
}

impl Alarm {
    /// Wakes its task now, if that has polled the alarm before.
    pub(crate) fn ring(&mut self, now: Time) {
        self.arm(now, now);
        self.wake = Some(now);
    }

    /// How late the task is, if the moment that it has waited for is over.
    pub(crate) fn late(&self, now: Time) -> Duration {
        self.wake.map_or(Duration::ZERO, |at| now - at)
    }

    /// Ready at `wake`, or never. Each call names the moment anew.
    pub(crate) fn poll(&mut self, wake: Option<Time>, now: Time, cx: &mut Context<'_>) -> Poll<()> {
        self.wake = wake;
        let Some(at) = wake else {
            return Poll::Pending;
        };
        loop {
            if self.armed.is_none_or(|armed| at < armed) {
                self.arm(at, now);
            }
            if let Some(timer) = &mut self.timer {
                ready!(timer.poll_unpin(cx));
            }
            if self.armed.take() == Some(at) {
                self.wake = None;
                return Poll::Ready(());
            }
        }
    }

    /// Whether its task wants to be woken.
    #[cfg(test)]
    pub(crate) fn is_set(&self) -> bool {
        self.wake.is_some()
    }

    fn arm(&mut self, at: Time, now: Time) {
        let pause = (at - now).min(LONGEST_SLEEP);
        self.armed = Some(at);
        match &mut self.timer {
            Some(timer) => timer.reset(pause),
            None => self.timer = Some(Delay::new(pause)),
        }
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm")
            .field("armed", &self.armed)
            .field("wake", &self.wake)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures::future::poll_fn;
    use tokio::time::{Instant, timeout};

    use super::*;

    fn at(millis: u64) -> Time {
        Time::new(Duration::from_millis(millis))
    }

    #[tokio::test]
    async fn moment_that_becomes_later_arms_no_timer_anew() {
        let mut alarm = Alarm::default();
        let mut polls = 0;
        let begin = Instant::now();
        let fired = poll_fn(|cx| {
            let now = Time::new(begin.elapsed());
            polls += 1;
            if polls == 1 {
                assert!(alarm.poll(Some(at(20)), now, cx).is_pending());
                assert!(alarm.poll(Some(at(60)), now, cx).is_pending());
                assert_eq!(alarm.armed, Some(at(20)));
                return Poll::Pending;
            }
            alarm.poll(Some(at(60)), now, cx)
        });
        timeout(Duration::from_secs(60), fired)
            .await
            .expect("it fires");
        assert!(begin.elapsed() >= Duration::from_millis(60));
        assert_eq!(polls, 3, "it fires too early once");
    }

    #[tokio::test]
    async fn moment_that_becomes_earlier_counts_at_once() {
        let mut alarm = Alarm::default();
        let never = at(1_000_000);
        let mut is_first = true;
        let fired = poll_fn(|cx| {
            if std::mem::take(&mut is_first) {
                assert!(alarm.poll(Some(never), Time::ZERO, cx).is_pending());
                assert_eq!(alarm.late(at(1_000_100)), Duration::from_millis(100));
            }
            alarm.poll(Some(at(5)), Time::ZERO, cx)
        });
        timeout(Duration::from_secs(60), fired)
            .await
            .expect("it fires");
        assert_eq!(alarm.late(never), Duration::ZERO, "nothing is waited for");
    }

    #[tokio::test]
    async fn without_a_moment_it_rests() {
        let mut alarm = Alarm::default();
        poll_fn(|cx| {
            assert!(alarm.poll(None, Time::ZERO, cx).is_pending());
            Poll::Ready(())
        })
        .await;
        assert!(alarm.timer.is_none());
    }
}
