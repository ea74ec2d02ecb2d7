//! Contact, as against hearsay: peers that this node has made an exchange with.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use libp2p_core::{Multiaddr, multiaddr::Protocol};
use libp2p_identity::PeerId;

use crate::swarm::{
    address::{Host, Target},
    record::Record,
};
use crate::{peer::Peer, time::Time};

/// How many contacts are remembered whose address was verified, and how many others. A guess: twice
/// the largest view.
const MAX_CONTACTS: usize = 256;
/// A node that has found fewer peers itself than this also saves some that connected to it. A
/// guess: enough to find the way back, and too few to make up a view.
const FEW: usize = 16;

/// Where the other end of a connection is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place<'a> {
    /// Where this node has dialled the peer, without its id; `None`: the peer has dialled.
    pub(crate) dialled: Option<&'a Multiaddr>,
    /// The host at the other end, when the connection is direct.
    pub(crate) host: Option<Host>,
    /// Where the same dial has not found the peer, without its id.
    pub(crate) missed: &'a [Multiaddr],
}

impl Place<'_> {
    /// Whether a peer that is here is found at `address`, one of its own record: it was dialled
    /// there, or it is on that host. At worst it names a door of its host's that is not its own.
    pub(crate) fn is_at(&self, address: &Multiaddr) -> bool {
        let missed = self.missed.contains(address);
        self.dialled == Some(address) || (!missed && is_on(self.host, address))
    }
}

/// Whether `address` leads to `host` itself.
fn is_on(host: Option<Host>, address: &Multiaddr) -> bool {
    let relayed = address.iter().any(|p| p == Protocol::P2pCircuit);
    let target = Target::of(address).filter(|_| !relayed);
    host.is_some() && target.map(|target| target.host()) == host
}

/// The peers that this node has made an exchange with, over a connection whose other end libp2p has
/// authenticated. Bounded: those longest ago give way. Those whose address was verified and the
/// others each have their own room, so that no peer that only connects to this node can displace
/// the former.
#[derive(Debug, Default)]
pub(crate) struct Contacts(BTreeMap<PeerId, Contact>);

#[derive(Debug, Default)]
struct Contact {
    /// `None`: it does not advertise itself.
    record: Option<Record>,
    /// The one of the record's addresses where this node has found it. `None`: it came by itself.
    verified: Option<Multiaddr>,
    /// The host that it was last seen at.
    host: Option<Host>,
    /// Those of the record's addresses where it was found, and which the application was told.
    told: Vec<Multiaddr>,
    /// Whether it has failed since: then it is no contact, and only remembered for the case that it
    /// was this node that failed.
    failed: bool,
    last: Time,
}

impl Contacts {
    /// An exchange with `peer` has succeeded, on a connection to `place`. Returns those of its
    /// record's addresses where it was found and that were not told before; a peer that has failed,
    /// or was forgotten, is told of anew. `kept` are never displaced.
    pub(crate) fn met(
        &mut self,
        peer: PeerId,
        record: Option<&Record>,
        place: Place<'_>,
        now: Time,
        kept: impl Fn(&PeerId) -> bool,
    ) -> Vec<Multiaddr> {
        let before = self.0.remove(&peer).unwrap_or_default();
        let record = match (before.record, record.cloned()) {
            (Some(mut known), Some(other)) => {
                known.refresh(other);
                Some(known)
            }
            (known, other) => known.or(other),
        };
        let listed = |address: &&Multiaddr| {
            let record = record.as_ref();
            record.is_some_and(|record| record.addresses().contains(address))
        };
        let dialled = place.dialled.filter(listed).cloned();
        let verified = dialled.or(before.verified.filter(|address| listed(&address)));
        let mut told = before.told;
        told.retain(|address| !before.failed && listed(&address));
        let addresses = record.as_ref().map_or(&[][..], Record::addresses);
        let found = addresses.iter().filter(|address| place.is_at(address));
        let news: Vec<_> = found.filter(|a| !told.contains(a)).cloned().collect();
        told.extend_from_slice(&news);
        let class = verified.is_some();
        let contact = Contact {
            record,
            verified,
            host: place.host.or(before.host),
            told,
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
        news
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
            contact.told.retain(|told| told != address);
        }
    }

    /// Whether the peer is a contact.
    pub(crate) fn contains(&self, peer: &PeerId) -> bool {
        self.get(peer).is_some()
    }

    /// How long ago the last exchange with the peer was, whether or not it has failed since. `now`
    /// is asked only if there was one.
    pub(crate) fn idle(&self, peer: &PeerId, now: impl FnOnce() -> Time) -> Option<Duration> {
        let contact = self.0.get(peer)?;
        Some(now().saturating_since(contact.last))
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

    /// The records of those that were dialled and found at one of their addresses, the latest
    /// first; and, when these are few, of some that came by from the host that their record names.
    /// When all of those have failed, all the same: with no peer left that answers, it may be this
    /// node that has no network.
    pub(crate) fn found(&self) -> Vec<Record> {
        let is_found = |c: &&Contact| c.verified.is_some() || c.is_where_it_says();
        let mut found: Vec<_> = self.0.values().filter(is_found).collect();
        if found.iter().any(|contact| !contact.failed) {
            found.retain(|contact| !contact.failed);
        }
        found.sort_by_key(|c| (c.verified.is_none(), Reverse(c.last)));
        let verified = found.iter().filter(|c| c.verified.is_some()).count();
        found.truncate(verified.max(FEW));
        let records = found.into_iter();
        records
            .filter_map(|contact| contact.record.clone())
            .collect()
    }

    /// Every peer whose record is known and that was found where it says, those that have failed
    /// since among them.
    pub(crate) fn past(&self) -> impl Iterator<Item = PeerId> {
        let found = self
            .0
            .iter()
            .filter(|(_, c)| c.verified.is_some() || c.is_where_it_says());
        found.map(|(peer, _)| *peer)
    }

    /// What was known last of where a peer is, whether or not it has failed since: its record, and
    /// the one of its addresses where this node has found it.
    pub(crate) fn last_seen(&self, peer: &PeerId) -> Option<(&Record, Option<&Multiaddr>)> {
        let contact = self.0.get(peer)?;
        Some((contact.record.as_ref()?, contact.verified.as_ref()))
    }

    fn get(&self, peer: &PeerId) -> Option<&Contact> {
        self.0.get(peer).filter(|contact| !contact.failed)
    }
}

impl Contact {
    /// Whether it was last seen on the host of one of its addresses.
    fn is_where_it_says(&self) -> bool {
        let addresses = self.record.as_ref().map_or(&[][..], Record::addresses);
        addresses.iter().any(|address| is_on(self.host, address))
    }
}

fn newer<'a>(one: Option<&'a Record>, other: Option<&'a Record>) -> Option<&'a Record> {
    match (one, other) {
        (Some(one), Some(other)) if other.supersedes(one) => Some(other),
        (Some(one), _) => Some(one),
        (None, other) => other,
    }
}

#[cfg(test)]
mod tests;
