//! Contact, as against hearsay: peers that this node has made an exchange with.

use std::{collections::BTreeMap, time::Duration};

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;

use crate::swarm::record::Record;

/// How many contacts are remembered whose address was verified, and how many others. A guess: twice
/// the largest view.
const MAX_CONTACTS: usize = 256;

/// The peers that this node has made an exchange with, over a connection whose other end libp2p has
/// authenticated. Bounded: those longest ago give way. Those whose address was verified and the
/// others each have their own room, so that nobody who only comes by can displace the former.
#[derive(Debug, Default)]
pub(crate) struct Contacts(BTreeMap<PeerId, Contact>);

#[derive(Debug)]
struct Contact {
    /// `None`: it does not advertise itself.
    record: Option<Record>,
    /// The one of the record's addresses where this node has found it. `None`: it came by itself.
    verified: Option<Multiaddr>,
    /// Whether it has failed since: then it is no contact, and only remembered for the case that it
    /// was this node that failed.
    failed: bool,
    last: Duration,
}

impl Contacts {
    /// An exchange with `peer` has succeeded, on a connection that this node has dialled at
    /// `dialled`, or that the peer has opened. `kept` are never displaced.
    pub(crate) fn met(
        &mut self,
        peer: PeerId,
        record: Option<&Record>,
        dialled: Option<&Multiaddr>,
        now: Duration,
        kept: impl Fn(&PeerId) -> bool,
    ) {
        let before = self.0.remove(&peer);
        let (known, verified) = before.map_or((None, None), |c| (c.record, c.verified));
        let record = newer(known.as_ref(), record).cloned();
        let listed = |address: &&Multiaddr| {
            let record = record.as_ref();
            record.is_some_and(|record| record.addresses().contains(address))
        };
        let dialled = dialled.filter(listed).cloned();
        let verified = dialled.or(verified.filter(|address| listed(&address)));
        let class = verified.is_some();
        let contact = Contact {
            record,
            verified,
            failed: false,
            last: now,
        };
        self.0.insert(peer, contact);
        let of_class = || {
            let all = self.0.iter();
            all.filter(|(_, contact)| contact.verified.is_some() == class)
        };
        if of_class().count() > MAX_CONTACTS {
            let idle = of_class().filter(|(peer, _)| !kept(peer));
            let oldest = idle.min_by_key(|(_, contact)| (!contact.failed, contact.last));
            if let Some(oldest) = oldest.map(|(peer, _)| *peer) {
                self.0.remove(&oldest);
            }
        }
    }

    /// Forgets a peer: it said goodbye, or is not wanted.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.0.remove(peer);
    }

    /// A peer has failed.
    pub(crate) fn failed(&mut self, peer: &PeerId) {
        if let Some(contact) = self.0.get_mut(peer) {
            contact.failed = true;
        }
    }

    /// A peer was not found at `address`.
    pub(crate) fn not_found_at(&mut self, peer: &PeerId, address: &Multiaddr) {
        if let Some(contact) = self.0.get_mut(peer) {
            contact.failed |= contact.verified.as_ref() == Some(address);
        }
    }

    /// Whether the peer is a contact.
    pub(crate) fn contains(&self, peer: &PeerId) -> bool {
        self.get(peer).is_some()
    }

    /// The peer's record, the newer of the one known here and `other`, and the one of its addresses
    /// where this node has found it.
    pub(crate) fn whereabouts(
        &self,
        peer: &PeerId,
        other: Option<&Record>,
    ) -> (Option<Record>, Option<Multiaddr>) {
        let contact = self.get(peer);
        let known = contact.and_then(|contact| contact.record.as_ref());
        let record = newer(known, other);
        let verified = contact.and_then(|contact| contact.verified.as_ref());
        let listed = |address: &&Multiaddr| {
            record.is_some_and(|record| record.addresses().contains(address))
        };
        (record.cloned(), verified.filter(listed).cloned())
    }

    /// The records of those that were found at one of their addresses, the latest first. When all of
    /// those have failed, all the same: with nobody left who answers, it may be this node that has no
    /// network.
    pub(crate) fn verified(&self) -> Vec<Record> {
        let mut verified: Vec<_> = self.0.values().filter(|c| c.verified.is_some()).collect();
        if verified.iter().any(|contact| !contact.failed) {
            verified.retain(|contact| !contact.failed);
        }
        verified.sort_by_key(|contact| std::cmp::Reverse(contact.last));
        let records = verified.into_iter();
        records
            .filter_map(|contact| contact.record.clone())
            .collect()
    }

    fn get(&self, peer: &PeerId) -> Option<&Contact> {
        self.0.get(peer).filter(|contact| !contact.failed)
    }
}

fn newer<'a>(one: Option<&'a Record>, other: Option<&'a Record>) -> Option<&'a Record> {
    match (one, other) {
        (Some(one), Some(other)) if other.seq() > one.seq() => Some(other),
        (Some(one), _) => Some(one),
        (None, other) => other,
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use libp2p_identity::Keypair;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn home(port: u64) -> Multiaddr {
        format!("/memory/{port}").parse().expect("a multiaddr")
    }

    fn record(keypair: &Keypair, seq: u64, port: u64) -> Record {
        Record::sign(keypair, seq, &[home(port)]).expect("signing works")
    }

    fn meet(contacts: &mut Contacts, record: &Record, dialled: Option<&Multiaddr>, now: Duration) {
        contacts.met(record.peer_id(), Some(record), dialled, now, |_| false);
    }

    #[test]
    fn only_who_was_found_where_it_says_is_saved() {
        let mut contacts = Contacts::default();
        let [a, b, c] = [1, 2, 3].map(|_| Keypair::generate_ed25519());
        let (a, b, c) = (record(&a, 1, 1), record(&b, 1, 2), record(&c, 1, 3));
        meet(&mut contacts, &a, Some(&home(1)), SECOND);
        meet(&mut contacts, &b, None, SECOND);
        meet(&mut contacts, &c, Some(&home(99)), SECOND);
        let hidden = PeerId::random();
        contacts.met(hidden, None, Some(&home(4)), SECOND, |_| false);
        for peer in [a.peer_id(), b.peer_id(), c.peer_id(), hidden] {
            assert!(contacts.contains(&peer));
        }
        assert_eq!(contacts.verified(), slice::from_ref(&a));
        meet(&mut contacts, &b, Some(&home(2)), 2 * SECOND);
        assert_eq!(
            contacts.verified(),
            [b.clone(), a.clone()],
            "the latest first"
        );
        // It came by itself since, and is where it was.
        meet(&mut contacts, &a, None, 3 * SECOND);
        assert_eq!(contacts.verified(), [a.clone(), b.clone()]);
        contacts.not_found_at(&a.peer_id(), &home(9));
        contacts.not_found_at(&b.peer_id(), &home(2));
        assert_eq!(contacts.verified(), slice::from_ref(&a));
        assert!(contacts.contains(&a.peer_id()) && !contacts.contains(&b.peer_id()));
        assert_eq!(contacts.whereabouts(&b.peer_id(), None), (None, None));
        contacts.forget(&a.peer_id());
        assert!(!contacts.contains(&a.peer_id()));
    }

    /// A laptop that wakes up without a network, and saves what it knows.
    #[test]
    fn who_is_offline_forgets_nobody() {
        let mut contacts = Contacts::default();
        let [a, b] = [1, 2].map(|_| Keypair::generate_ed25519());
        let (a, b) = (record(&a, 1, 1), record(&b, 1, 2));
        meet(&mut contacts, &a, Some(&home(1)), SECOND);
        meet(&mut contacts, &b, Some(&home(2)), 2 * SECOND);
        contacts.failed(&b.peer_id());
        assert_eq!(contacts.verified(), slice::from_ref(&a));
        contacts.failed(&a.peer_id());
        assert_eq!(contacts.verified(), [b.clone(), a.clone()]);
        meet(&mut contacts, &a, None, 3 * SECOND);
        assert_eq!(contacts.verified(), [a]);
    }

    #[test]
    fn who_has_moved_has_to_be_found_again() {
        let mut contacts = Contacts::default();
        let keypair = Keypair::generate_ed25519();
        let (old, new) = (record(&keypair, 1, 1), record(&keypair, 2, 2));
        let peer = old.peer_id();
        meet(&mut contacts, &old, Some(&home(1)), SECOND);
        let known = contacts.whereabouts(&peer, None);
        assert_eq!(known, (Some(old.clone()), Some(home(1))));
        // Gossip knows it already.
        let known = contacts.whereabouts(&peer, Some(&new));
        assert_eq!(known, (Some(new.clone()), None));
        meet(&mut contacts, &new, None, SECOND);
        assert_eq!(
            contacts.whereabouts(&peer, Some(&old)),
            (Some(new.clone()), None)
        );
        meet(&mut contacts, &old, Some(&home(1)), SECOND);
        assert!(
            contacts.verified().is_empty(),
            "not where it says it is now"
        );
        meet(&mut contacts, &new, Some(&home(2)), SECOND);
        assert_eq!(contacts.verified(), [new]);
        assert_eq!(contacts.whereabouts(&PeerId::random(), None), (None, None));
    }

    #[test]
    fn there_is_room_for_so_many_and_passers_by_displace_nobody() {
        let mut contacts = Contacts::default();
        let keypair = Keypair::generate_ed25519();
        let found = record(&keypair, 1, 1);
        meet(&mut contacts, &found, Some(&home(1)), Duration::ZERO);
        let kept = PeerId::random();
        contacts.met(kept, None, None, Duration::ZERO, |_| true);
        for second in 1..3 * MAX_CONTACTS as u32 {
            let peer = PeerId::random();
            contacts.met(peer, None, None, second * SECOND, |peer| *peer == kept);
            assert!(contacts.contains(&peer), "the latest stays");
        }
        assert_eq!(contacts.0.len(), MAX_CONTACTS + 1);
        assert!(contacts.contains(&found.peer_id()) && contacts.contains(&kept));
    }
}
