//! The peers that this node uses as relays, as far as that can be seen from here.
//!
//! libp2p's relay client opens circuits, and reserves places, on whichever connection to the relay
//! it finds. It may find one that this behaviour has opened for an exchange and would close
//! afterwards, and all that it carries with it. And it gives up when another behaviour is just
//! dialling the relay.

use std::{collections::BTreeSet, time::Duration};

use libp2p_identity::PeerId;

use crate::time::Time;

/// How long seeds wait for a listener that is being set up: a relay that is a seed, too, has to be
/// dialled for the listener first. A guess: two round trips, and a dial.
const SEEDS_WAIT: Duration = Duration::from_secs(1);
/// How long connections are kept for a listener that is being set up. A guess: libp2p's relay
/// client gives a reservation 60 s, and the relay may have to be dialled before.
const KEPT_FOR: Duration = Duration::from_secs(75);

#[derive(Debug, Default)]
pub(crate) struct Relays {
    /// Those through which this node can be reached.
    own: BTreeSet<PeerId>,
    /// Since when a listener is being set up: perhaps at a relay, nobody says which.
    setting_up: Option<Time>,
    /// How many are.
    count: usize,
    /// Whether connections are kept for that.
    keeps: bool,
}

impl Relays {
    /// Whether this node can be reached through `peer`.
    pub(crate) fn contains(&self, peer: &PeerId) -> bool {
        self.own.contains(peer)
    }

    /// Whether any peer may be about to become one through which this node can be reached, and its
    /// connection is kept for that.
    pub(crate) fn is_setting_up(&self) -> bool {
        self.keeps
    }

    /// When [`Self::gives_up`] has something to do.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        let since = self.setting_up.filter(|_| self.keeps);
        since.map(|since| since.saturating_add(KEPT_FOR))
    }

    /// Whether what was kept for a listener has been kept for long enough; once for each time.
    pub(crate) fn gives_up(&mut self, now: Time) -> bool {
        let gives_up = self.next_wake().is_some_and(|at| at <= now);
        self.keeps &= !gives_up;
        gives_up
    }

    /// Until when no seed is to be dialled.
    pub(crate) fn seeds_wait_until(&self) -> Option<Time> {
        Some(self.setting_up?.saturating_add(SEEDS_WAIT))
    }

    /// Through which relays this node can be reached, and how many listeners are being set up.
    /// Returns whether some that were kept for these are needed no longer.
    pub(crate) fn set_listening(
        &mut self,
        own: BTreeSet<PeerId>,
        setting_up: usize,
        now: Time,
    ) -> bool {
        let lost = self.own.difference(&own).next().is_some();
        self.own = own;
        let kept = self.keeps;
        match setting_up {
            0 => (self.setting_up, self.keeps) = (None, false),
            // One more.
            _ if setting_up > self.count => (self.setting_up, self.keeps) = (Some(now), true),
            _ => {}
        }
        self.count = setting_up;
        lost || (kept && !self.keeps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_for_a_listener_is_let_go_once() {
        let relay = BTreeSet::from([PeerId::random()]);
        let none = BTreeSet::new();
        let mut relays = Relays::default();
        let now = Time::new(Duration::from_secs(7));
        assert!(!relays.set_listening(none.clone(), 1, now));
        assert!(!relays.set_listening(none.clone(), 1, now + now.since_zero()));
        assert!(relays.is_setting_up());
        assert_eq!(relays.seeds_wait_until(), Some(now + SEEDS_WAIT));
        assert!(relays.set_listening(relay.clone(), 0, now));
        assert!(!relays.is_setting_up() && relay.iter().all(|relay| relays.contains(relay)));
        assert_eq!(relays.seeds_wait_until(), None);
        assert!(!relays.set_listening(relay.clone(), 0, now));
        assert!(relays.set_listening(none, 0, now));
        assert!(!relay.iter().any(|relay| relays.contains(relay)));
    }

    #[test]
    fn a_listener_that_is_never_set_up_is_given_up_until_there_is_another() {
        let none = BTreeSet::new;
        let mut relays = Relays::default();
        let start = Time::new(Duration::from_secs(7));
        relays.set_listening(none(), 1, start);
        let end = start + KEPT_FOR;
        assert_eq!(relays.next_wake(), Some(end));
        assert!(
            !relays.gives_up(end.saturating_sub(Duration::from_nanos(1))) && relays.is_setting_up()
        );
        assert!(relays.gives_up(end) && !relays.is_setting_up());
        assert!(!relays.gives_up(end) && relays.next_wake().is_none());
        assert!(!relays.set_listening(none(), 1, end) && !relays.is_setting_up());
        let later = end + KEPT_FOR;
        relays.set_listening(none(), 2, later);
        assert_eq!(relays.next_wake(), Some(later + KEPT_FOR));
        assert!(!relays.set_listening(none(), 1, later) && relays.is_setting_up());
        assert!(relays.set_listening(none(), 0, later));
    }
}
