//! The peers that this node uses as relays, as far as that can be seen from here.
//!
//! libp2p's relay client opens circuits, and reserves places, on whichever connection to the relay it finds.
//! It may find one that this behaviour has opened for an exchange and would close afterwards, and all that it
//! carries with it.

use std::collections::{BTreeMap, BTreeSet};

use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;

#[derive(Debug, Default)]
pub(super) struct Relays {
    /// Those through which this node can be reached.
    own: BTreeSet<PeerId>,
    /// Those that dials under way lead through.
    dials: BTreeMap<ConnectionId, Vec<PeerId>>,
    /// Whether a listener is being set up: perhaps at a relay, nobody says which.
    setting_up: bool,
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
        self.setting_up
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
    pub(super) fn set_listening(&mut self, own: BTreeSet<PeerId>, setting_up: bool) -> bool {
        let lost = self.own.difference(&own).next().is_some();
        self.own = own;
        lost | (std::mem::replace(&mut self.setting_up, setting_up) && !setting_up)
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
        let relay = PeerId::random();
        let mut relays = Relays::default();
        assert!(!relays.set_listening(BTreeSet::new(), true));
        assert!(relays.is_setting_up() && !relays.contains(&relay));
        assert!(relays.set_listening(BTreeSet::from([relay]), false));
        assert!(!relays.is_setting_up() && relays.contains(&relay));
        assert!(!relays.set_listening(BTreeSet::from([relay]), false));
        assert!(relays.set_listening(BTreeSet::new(), false));
        assert!(!relays.contains(&relay));
    }
}
