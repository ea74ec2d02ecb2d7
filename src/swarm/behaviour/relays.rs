//! The peers that this node uses as relays, as far as that can be seen from here.
//!
//! libp2p's relay client opens circuits, and reserves places, on whichever connection to the relay it finds.
//! It may find one that this behaviour has opened for an exchange and would close afterwards, and all that it
//! carries with it. And it gives up when somebody else is just dialling the relay.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;

/// How long seeds wait for a listener that is being set up: a relay that is a seed, too, has to be dialled for the
/// listener first. A guess: two round trips, and a dial.
const SEEDS_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Relays {
    /// Those through which this node can be reached.
    own: BTreeSet<PeerId>,
    /// Those that dials under way lead through.
    dials: BTreeMap<ConnectionId, Vec<PeerId>>,
    /// Since when a listener is being set up: perhaps at a relay, nobody says which.
    setting_up: Option<Duration>,
}

impl Relays {
    /// Whether this node can be reached through `peer`, or dials somebody through it.
    pub(super) fn contains(&self, peer: &PeerId) -> bool {
        self.own.contains(peer) || self.is_dialled_through(peer)
    }

    /// Whether a dial under way leads through `peer`.
    pub(super) fn is_dialled_through(&self, peer: &PeerId) -> bool {
        self.dials.values().flatten().any(|relay| relay == peer)
    }

    /// Whether any peer may be about to become one through which this node can be reached.
    pub(super) fn is_setting_up(&self) -> bool {
        self.setting_up.is_some()
    }

    /// Until when no seed is to be dialled.
    pub(super) fn seeds_wait_until(&self) -> Option<Duration> {
        Some(self.setting_up?.saturating_add(SEEDS_WAIT))
    }

    /// A dial leads through these relays, until it has ended.
    pub(super) fn dialled_through(&mut self, dial: ConnectionId, relays: Vec<PeerId>) {
        if !relays.is_empty() {
            self.dials.insert(dial, relays);
        }
    }

    /// A dial has ended, well or badly; returns the relays that it led through.
    pub(super) fn dial_ended(&mut self, dial: ConnectionId) -> Vec<PeerId> {
        self.dials.remove(&dial).unwrap_or_default()
    }

    /// Through which relays this node can be reached, and whether a listener is being set up. Returns
    /// whether some that were kept for these are needed no longer.
    pub(super) fn set_listening(
        &mut self,
        own: BTreeSet<PeerId>,
        setting_up: bool,
        now: Duration,
    ) -> bool {
        let lost = self.own.difference(&own).next().is_some();
        self.own = own;
        let before = self.setting_up.take();
        self.setting_up = setting_up.then(|| before.unwrap_or(now));
        lost || (before.is_some() && !setting_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_one_while_something_leads_through_it() {
        let (one, other) = (PeerId::random(), PeerId::random());
        let dial = ConnectionId::new_unchecked;
        let mut relays = Relays::default();
        relays.dialled_through(dial(1), vec![one]);
        relays.dialled_through(dial(2), vec![one, other]);
        relays.dialled_through(dial(3), Vec::new());
        assert!(relays.contains(&one) && relays.contains(&other));
        assert_eq!(relays.dial_ended(dial(2)), [one, other]);
        assert!(relays.contains(&one) && !relays.contains(&other));
        assert_eq!(relays.dial_ended(dial(1)), [one]);
        assert_eq!(relays.dial_ended(dial(3)), []);
        assert!(!relays.contains(&one));
    }

    #[test]
    fn what_was_kept_for_a_listener_is_let_go_once() {
        let relay = BTreeSet::from([PeerId::random()]);
        let none = BTreeSet::new();
        let mut relays = Relays::default();
        let now = Duration::from_secs(7);
        assert!(!relays.set_listening(none.clone(), true, now));
        assert!(!relays.set_listening(none.clone(), true, 2 * now));
        assert!(relays.is_setting_up());
        assert_eq!(relays.seeds_wait_until(), Some(now + SEEDS_WAIT));
        assert!(relays.set_listening(relay.clone(), false, now));
        assert!(!relays.is_setting_up() && relay.iter().all(|relay| relays.contains(relay)));
        assert_eq!(relays.seeds_wait_until(), None);
        assert!(!relays.set_listening(relay.clone(), false, now));
        assert!(relays.set_listening(none, false, now));
        assert!(!relay.iter().any(|relay| relays.contains(relay)));
    }
}
