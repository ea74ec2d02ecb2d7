//! This node's own record, signed anew whenever its addresses change, with its profile.

mod profile;

use std::{collections::HashSet, time::Duration};

use libp2p_core::{ConnectedPoint, Multiaddr, transport::ListenerId};
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{ExternalAddresses, FromSwarm, ListenAddresses};

use crate::swarm::{
    address::{
        Target,
        advertised::{Own, choose},
        is_relayed,
        policy::{AddressPolicy, NotAdmitted},
        split_peer,
    },
    limits::MAX_ADDRESSES,
    record::{Record, next_seq, profile::ProfileError},
    sampling::{
        event::{Event, NotAdvertising},
        first_hand::Outbid,
        local::profile::LocalProfile,
    },
};
use crate::time::Time;

/// How long addresses may take to come in before this node says that it has none to advertise, or
/// has left some out. A guess: listeners report theirs one by one.
const ADDRESSES_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a node that has never listened may take to begin before it says that others never hear
/// of it. A guess: as long as for a node that knows nobody.
const LISTENING_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct LocalRecord {
    keypair: Keypair,
    policy: AddressPolicy,
    /// Whether listen addresses are advertised although nobody has confirmed them.
    unconfirmed: bool,
    listen: ListenAddresses,
    /// The listeners that have no address yet.
    setting_up: HashSet<ListenerId>,
    changed: bool,
    external: ExternalAddresses,
    /// At which of the listen addresses peers have come in, in the order in which the first one
    /// did.
    reached: Vec<Multiaddr>,
    record: Option<Record>,
    profile: LocalProfile,
    /// What the record was to hold.
    chosen: Vec<Multiaddr>,
    last_seq: u64,
    /// What the record has no room for, in the order of its bytes.
    left_out: Vec<Multiaddr>,
    /// What of that was said last.
    left_out_said: Vec<Multiaddr>,
    /// When to say what is left out, if it still is.
    left_out_at: Option<Time>,
    /// When to say that there is nothing to advertise, if there still is not.
    not_advertising_at: Option<Time>,
    /// Whether that was said, and has been so since.
    said: bool,
}

impl LocalRecord {
    /// `protocol`: its name, with that of the network that the profile is for.
    pub(crate) fn new(
        keypair: Keypair,
        policy: AddressPolicy,
        unconfirmed: bool,
        protocol: &str,
    ) -> Self {
        Self {
            profile: LocalProfile::new(protocol.to_owned()),
            keypair,
            policy,
            unconfirmed,
            setting_up: HashSet::new(),
            changed: false,
            listen: ListenAddresses::default(),
            external: ExternalAddresses::default(),
            reached: Vec::new(),
            record: None,
            chosen: Vec::new(),
            last_seq: 0,
            left_out: Vec::new(),
            left_out_said: Vec::new(),
            left_out_at: None,
            not_advertising_at: None,
            said: false,
        }
    }

    pub(crate) fn peer_id(&self) -> PeerId {
        self.keypair.public().to_peer_id()
    }

    /// Returns whether the addresses have changed, or what is known of them: then [`Self::renew`]
    /// is to be called.
    pub(crate) fn on_swarm_event(&mut self, event: &FromSwarm) -> bool {
        let set_up = match event {
            FromSwarm::NewListener(event) => self.setting_up.insert(event.listener_id),
            FromSwarm::NewListenAddr(event) => self.setting_up.remove(&event.listener_id),
            FromSwarm::ListenerClosed(event) => self.setting_up.remove(&event.listener_id),
            _ => false,
        };
        // Both must see the event.
        let changed = self.listen.on_swarm_event(event) | self.external.on_swarm_event(event);
        self.changed |= changed | set_up;
        if changed {
            let listen = &self.listen;
            self.reached.retain(|at| listen.iter().any(|a| a == at));
        }
        changed | self.has_come_in(event)
    }

    /// Notes where a peer has come in. Returns whether that is the first one there.
    ///
    /// Nothing follows from a connection within this machine. libp2p's QUIC says of a connection to
    /// a listener at all interfaces not at which it came in, so nothing follows from that either.
    fn has_come_in(&mut self, event: &FromSwarm) -> bool {
        let FromSwarm::ConnectionEstablished(event) = event else {
            return false;
        };
        let ConnectedPoint::Listener {
            local_addr,
            send_back_addr,
        } = event.endpoint
        else {
            return false;
        };
        if is_relayed(local_addr) || self.reached.contains(local_addr) {
            return false;
        }
        let (local, remote) = (Target::of(local_addr), Target::of(send_back_addr));
        let remote = remote.map(|remote| remote.host());
        let mut there = Vec::new();
        for address in self.listen.iter() {
            let target = Target::of(address);
            if target.is_some() && target.map(|target| target.host()) == remote {
                return false;
            }
            if target.is_some() && target == local && !self.reached.contains(address) {
                there.push(address.clone());
            }
        }
        // The set that they come from has no order.
        there.sort_by_cached_key(Multiaddr::to_vec);
        let news = !there.is_empty();
        self.reached.extend(there);
        news
    }

    /// Whether addresses or listeners have changed since this was last asked.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// How many listeners have no address yet: at a relay that takes a round trip or two.
    pub(crate) fn setting_up(&self) -> usize {
        self.setting_up.len()
    }

    /// Every address of this node, as the swarm says; some may come twice.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &Multiaddr> {
        self.listen.iter().chain(self.external.iter())
    }

    /// Returns the new record when the addresses ask for one; `Some(None)`: there is none any more.
    pub(crate) fn renew(&mut self, now: Time) -> Option<Option<Record>> {
        let (chosen, left_out) = choose(self.admitted(), MAX_ADDRESSES);
        let new = if chosen.is_empty() {
            let soon = now.saturating_add(ADDRESSES_TIMEOUT);
            if !self.said && self.not_advertising_at.is_none_or(|at| soon < at) {
                self.not_advertising_at = Some(soon);
            }
            self.chosen = chosen;
            self.record.take().map(|_| None)
        } else {
            self.not_advertising_at = None;
            self.said = false;
            self.sign(chosen).map(Some)
        };
        self.note_left_out(left_out, now);
        new
    }

    /// Signs a record of `chosen`, if it says anything else than the one that there is. Others rank
    /// this node by its first address, and pay no heed to the order of those after it.
    fn sign(&mut self, chosen: Vec<Multiaddr>) -> Option<Record> {
        let same = self.chosen.len() == chosen.len() && self.chosen.first() == chosen.first();
        if same && chosen.iter().all(|address| self.chosen.contains(address)) {
            return None;
        }
        self.last_seq = next_seq(self.last_seq);
        match Record::sign(&self.keypair, self.last_seq, &chosen) {
            Ok(mut record) => {
                record.set_profile(self.profile.signed().cloned());
                self.chosen = chosen;
                self.record = Some(record.clone());
                Some(record)
            }
            Err(error) => {
                tracing::warn!(%error, "Cannot sign the local record");
                None
            }
        }
    }

    /// What this node says of itself from now on: nothing, if there are no bytes. The record keeps
    /// its signature. Returns it with the new profile, if there is one and anything has changed.
    pub(crate) fn set_profile(&mut self, bytes: Vec<u8>) -> Result<Option<Record>, ProfileError> {
        let changed = self.profile.set(&self.keypair, bytes)?;
        Ok(self.with_profile().filter(|_| changed))
    }

    /// Others have a record or a profile of this node with these numbers, that it has not signed
    /// since it was made: the next have larger ones. Returns the record, signed anew, with the
    /// profile, signed anew, if there is a record.
    pub(crate) fn outbid(&mut self, by: Outbid) -> Option<Record> {
        if let Some(seq) = by.profile {
            self.profile.outbid(&self.keypair, seq);
        }
        if let Some(seq) = by.record {
            self.last_seq = self.last_seq.max(seq);
            let addresses = self.record.as_ref()?.addresses();
            self.last_seq = next_seq(self.last_seq);
            let signed = Record::sign(&self.keypair, self.last_seq, addresses);
            self.record = Some(signed.ok()?);
        }
        self.with_profile()
    }

    /// The record, with the profile as it is now.
    fn with_profile(&mut self) -> Option<Record> {
        let record = self.record.as_mut()?;
        record.set_profile(self.profile.signed().cloned());
        Some(record.clone())
    }

    /// Notes what of the addresses is not in the record: `beyond` what was chosen, or too long.
    fn note_left_out(&mut self, beyond: Vec<Multiaddr>, now: Time) {
        let record = self.record.as_ref().map_or(&[][..], Record::addresses);
        let too_long = self.chosen.iter().filter(|a| !record.contains(a));
        self.left_out = too_long.cloned().chain(beyond).collect();
        self.left_out.sort_by_cached_key(Multiaddr::to_vec);
        if self.left_out.is_empty() {
            self.left_out_said.clear();
        }
        let news = self.left_out != self.left_out_said;
        let at = self.left_out_at.take();
        self.left_out_at = news.then(|| at.unwrap_or(now.saturating_add(ADDRESSES_TIMEOUT)));
    }

    /// Says once that there is nothing to advertise, when that is so, and each time that others are
    /// left out, which.
    pub(crate) fn poll(&mut self, now: Time) -> Option<Event> {
        if self.left_out_at.take_if(|at| *at <= now).is_some() {
            return Some(self.say_left_out());
        }
        if self.not_advertising_at.is_none() && self.record.is_none() && !self.said {
            self.not_advertising_at = Some(now.saturating_add(LISTENING_TIMEOUT));
        }
        self.not_advertising_at.take_if(|at| *at <= now)?;
        self.said = true;
        let mut addresses: Vec<_> = self
            .judged()
            .filter_map(|(own, judgement)| Some((own.address, judgement.err()?)))
            .collect();
        addresses.sort_by_cached_key(|(address, _)| address.to_vec());
        addresses.dedup_by(|(a, _), (b, _)| a == b);
        let silence = NotAdvertising {
            scope: self.policy.scope(),
            addresses,
        };
        tracing::warn!("{silence}");
        Some(Event::NotAdvertising(silence))
    }

    fn say_left_out(&mut self) -> Event {
        self.left_out_said = self.left_out.clone();
        let advertised = self.record.as_ref().map_or(&[][..], Record::addresses);
        tracing::warn!(
            ?advertised,
            left_out = ?self.left_out,
            "This node has more addresses than a record has room for"
        );
        Event::AddressesLeftOut {
            advertised: advertised.to_vec(),
            left_out: self.left_out.clone(),
        }
    }

    /// When [`Self::poll`] has something to say.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        let wakes = [self.not_advertising_at, self.left_out_at];
        wakes.into_iter().flatten().min()
    }

    /// What this node may advertise: confirmed external addresses, and, where these need no
    /// confirmation, listen addresses.
    fn admitted(&self) -> Vec<Own> {
        let mut admitted: Vec<Own> = Vec::new();
        for (own, judgement) in self.judged() {
            let known = |other: &Own| other.address == own.address;
            if judgement.is_ok() && !admitted.iter().any(known) {
                admitted.push(own);
            }
        }
        admitted
    }

    /// All addresses, confirmed ones first, and whether they may be advertised.
    fn judged(&self) -> impl Iterator<Item = (Own, Result<(), NotAdmitted>)> {
        let id = self.peer_id();
        let external = self.external.iter().map(|address| (address, true));
        let listen = self.listen.iter().map(|address| (address, false));
        external.chain(listen).map(move |(address, confirmed)| {
            let judgement = self.policy.check(&id, address);
            let judgement = judgement.and(match confirmed || self.unconfirmed {
                true => Ok(()),
                false => Err(NotAdmitted::Unconfirmed),
            });
            let own = Own {
                address: split_peer(address).0,
                confirmed,
                reached: self.reached.iter().position(|at| at == address),
            };
            (own, judgement)
        })
    }
}

#[cfg(test)]
mod tests;
