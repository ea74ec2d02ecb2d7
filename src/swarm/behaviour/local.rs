//! This node's own record: signed anew whenever its addresses change.

use std::{collections::HashSet, time::Duration};

use libp2p_core::{Multiaddr, transport::ListenerId};
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{ExternalAddresses, FromSwarm, ListenAddresses};

use crate::swarm::{
    address::{Scope, split_peer},
    behaviour::event::{Event, NotAdvertising},
    limits::MAX_ADDRESSES,
    policy::{AddressPolicy, NotAdmitted},
    record::{Record, next_seq},
};

/// How long addresses may take to come in before this node says that it has none to advertise. A
/// guess: listeners report theirs one by one.
const ADDRESSES_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct LocalRecord {
    keypair: Keypair,
    policy: AddressPolicy,
    /// Whether listen addresses are advertised although nobody has confirmed them.
    unconfirmed: bool,
    listen: ListenAddresses,
    /// The listeners that have no address yet.
    setting_up: HashSet<ListenerId>,
    changed: bool,
    external: ExternalAddresses,
    record: Option<Record>,
    last_seq: u64,
    /// When to say that there is nothing to advertise, if there still is not.
    not_advertising_at: Option<Duration>,
    /// Whether that was said, and has been so since.
    said: bool,
}

impl LocalRecord {
    pub(super) fn new(keypair: Keypair, policy: AddressPolicy, unconfirmed: bool) -> Self {
        Self {
            keypair,
            policy,
            unconfirmed,
            setting_up: HashSet::new(),
            changed: false,
            listen: ListenAddresses::default(),
            external: ExternalAddresses::default(),
            record: None,
            last_seq: 0,
            not_advertising_at: None,
            said: false,
        }
    }

    pub(super) fn peer_id(&self) -> PeerId {
        self.keypair.public().to_peer_id()
    }

    /// Returns whether the addresses have changed: then [`Self::renew`] is to be called.
    pub(super) fn on_swarm_event(&mut self, event: &FromSwarm) -> bool {
        let set_up = match event {
            FromSwarm::NewListener(event) => self.setting_up.insert(event.listener_id),
            FromSwarm::NewListenAddr(event) => self.setting_up.remove(&event.listener_id),
            FromSwarm::ListenerClosed(event) => self.setting_up.remove(&event.listener_id),
            _ => false,
        };
        // Both must see the event.
        let changed = self.listen.on_swarm_event(event) | self.external.on_swarm_event(event);
        self.changed |= changed | set_up;
        changed
    }

    /// Whether addresses or listeners have changed since this was last asked.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// How many listeners have no address yet: at a relay that takes a round trip or two.
    pub(super) fn setting_up(&self) -> usize {
        self.setting_up.len()
    }

    /// Every address of this node, as the swarm says; some may come twice.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &Multiaddr> {
        self.listen.iter().chain(self.external.iter())
    }

    /// Returns the new record when the addresses ask for one; `Some(None)`: there is none any more.
    pub(super) fn renew(&mut self, now: Duration) -> Option<Option<Record>> {
        let addresses = self.advertised(MAX_ADDRESSES);
        if addresses.is_empty() {
            if !self.said && self.not_advertising_at.is_none() {
                self.not_advertising_at = Some(now.saturating_add(ADDRESSES_TIMEOUT));
            }
            return self.record.take().map(|_| None);
        }
        self.not_advertising_at = None;
        self.said = false;
        if self
            .record
            .as_ref()
            .is_some_and(|record| record.addresses() == addresses)
        {
            return None;
        }
        self.last_seq = next_seq(self.last_seq);
        match Record::sign(&self.keypair, self.last_seq, &addresses) {
            Ok(record) => {
                self.record = Some(record.clone());
                Some(Some(record))
            }
            Err(error) => {
                tracing::warn!(%error, "Cannot sign the local record");
                None
            }
        }
    }

    /// Others have a record of this node with this number, that it has not signed since it was made: the
    /// next has a larger one. Returns the record signed anew, if there is one.
    pub(super) fn outbid(&mut self, seq: u64) -> Option<Record> {
        self.last_seq = self.last_seq.max(seq);
        let addresses = self.record.as_ref()?.addresses();
        self.last_seq = next_seq(self.last_seq);
        let signed = Record::sign(&self.keypair, self.last_seq, addresses);
        self.record = Some(signed.ok()?);
        self.record.clone()
    }

    /// Says once that there is nothing to advertise, when that is so.
    pub(super) fn poll(&mut self, now: Duration) -> Option<Event> {
        self.not_advertising_at.take_if(|at| *at <= now)?;
        self.said = true;
        let mut addresses: Vec<_> = self
            .judged()
            .filter_map(|(address, judgement)| Some((address, judgement.err()?)))
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

    /// When [`Self::poll`] has something to say.
    pub(super) fn next_wake(&self) -> Option<Duration> {
        self.not_advertising_at
    }

    /// What this node may advertise, at most `count`: confirmed external addresses first; then, where these
    /// need no confirmation, listen addresses; each those that reach furthest first.
    fn advertised(&self, count: usize) -> Vec<Multiaddr> {
        let mut advertised: Vec<Multiaddr> = Vec::new();
        for (address, judgement) in self.judged() {
            if judgement.is_ok() && !advertised.contains(&address) {
                advertised.push(address);
            }
        }
        advertised.truncate(count);
        advertised
    }

    /// All addresses, without this node's id at their end, and whether they may be advertised.
    fn judged(&self) -> impl Iterator<Item = (Multiaddr, Result<(), NotAdmitted>)> {
        let id = self.peer_id();
        let mut listen: Vec<&Multiaddr> = self.listen.iter().collect();
        listen.sort_by_cached_key(|address| (Scope::of(address), address.to_vec()));
        let external = self.external.iter().map(|address| (address, true));
        let unconfirmed = self.unconfirmed;
        let listen = listen
            .into_iter()
            .map(move |address| (address, unconfirmed));
        external.chain(listen).map(move |(address, reachable)| {
            let judgement = self.policy.check(&id, address);
            let judgement = judgement.and(match reachable {
                true => Ok(()),
                false => Err(NotAdmitted::Unconfirmed),
            });
            (split_peer(address).0, judgement)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use libp2p_core::{Multiaddr, transport::ListenerId};
    use libp2p_swarm::{
        ExpiredListenAddr, ExternalAddrExpired, ListenerClosed, NewListenAddr,
        behaviour::{ExternalAddrConfirmed, NewListener},
    };

    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("a multiaddr")
    }

    fn local(scope: Scope) -> LocalRecord {
        let unconfirmed = scope != Scope::Global;
        let keypair = Keypair::generate_ed25519();
        LocalRecord::new(keypair, AddressPolicy::new(scope), unconfirmed)
    }

    fn listen(local: &mut LocalRecord, addr: &str) -> Option<Option<Record>> {
        let event = FromSwarm::NewListenAddr(NewListenAddr {
            listener_id: ListenerId::next(),
            addr: &address(addr),
        });
        change(local, &event)
    }

    fn change(local: &mut LocalRecord, event: &FromSwarm) -> Option<Option<Record>> {
        assert!(local.on_swarm_event(event));
        local.renew(Duration::ZERO)
    }

    #[test]
    fn the_record_follows_the_addresses_and_its_number_grows() {
        let mut local = local(Scope::Private);
        let first = listen(&mut local, "/ip4/10.0.0.1/tcp/1");
        let first = first.flatten().expect("a record");
        assert!(listen(&mut local, "/ip4/127.0.0.1/tcp/1").is_none());
        let second = listen(&mut local, "/ip4/10.0.0.2/tcp/1");
        let second = second.flatten().expect("a record");
        assert_eq!(second.addresses().len(), 2);
        assert!(second.seq() > first.seq());

        for (addr, left) in [("/ip4/10.0.0.1/tcp/1", 1), ("/ip4/10.0.0.2/tcp/1", 0)] {
            let event = FromSwarm::ExpiredListenAddr(ExpiredListenAddr {
                listener_id: ListenerId::next(),
                addr: &address(addr),
            });
            let record = change(&mut local, &event).expect("a change");
            assert_eq!(record.map_or(0, |record| record.addresses().len()), left);
        }
    }

    #[test]
    fn silence_is_said_once_and_after_a_while() {
        let mut local = local(Scope::Global);
        assert!(local.poll(ADDRESSES_TIMEOUT).is_none());
        assert!(listen(&mut local, "/ip4/1.2.3.4/tcp/1").is_none());
        assert_eq!(local.next_wake(), Some(ADDRESSES_TIMEOUT));
        assert!(local.poll(Duration::ZERO).is_none());
        let Some(Event::NotAdvertising(silence)) = local.poll(ADDRESSES_TIMEOUT) else {
            panic!("nothing is said");
        };
        let listening = address("/ip4/1.2.3.4/tcp/1");
        assert_eq!(silence.addresses, [(listening, NotAdmitted::Unconfirmed)]);
        assert!(local.poll(2 * ADDRESSES_TIMEOUT).is_none());
    }

    #[test]
    fn silence_is_said_once_however_many_addresses_come() {
        let mut local = local(Scope::Global);
        assert!(listen(&mut local, "/ip4/10.0.0.1/tcp/1").is_none());
        assert!(local.poll(ADDRESSES_TIMEOUT).is_some());
        assert!(listen(&mut local, "/ip4/10.0.0.2/tcp/1").is_none());
        assert!(local.poll(9 * ADDRESSES_TIMEOUT).is_none(), "said twice");
    }

    #[test]
    fn listen_addresses_are_advertised_where_they_need_no_confirmation() {
        let confirm = |addr| FromSwarm::ExternalAddrConfirmed(ExternalAddrConfirmed { addr });
        let (near, far) = (
            address("/ip4/10.0.0.1/tcp/1"),
            address("/ip4/10.0.0.2/tcp/1"),
        );
        for unconfirmed in [false, true] {
            let mut local = local(Scope::Private);
            local.unconfirmed = unconfirmed;
            let record = listen(&mut local, "/ip4/10.0.0.1/tcp/1").flatten();
            assert_eq!(record.is_some(), unconfirmed);
            let record = change(&mut local, &confirm(&far)).flatten();
            let advertised = record.expect("a record").addresses().to_vec();
            match unconfirmed {
                true => assert_eq!(advertised, [far.clone(), near.clone()]),
                false => assert_eq!(advertised, slice::from_ref(&far)),
            }
            let expired = FromSwarm::ExternalAddrExpired(ExternalAddrExpired { addr: &far });
            let record = change(&mut local, &expired).expect("a change");
            assert_eq!(record.is_some(), unconfirmed);
        }
    }

    #[test]
    fn a_listener_is_set_up_until_it_has_an_address_or_is_closed() {
        let mut local = local(Scope::Loopback);
        let ids = [ListenerId::next(), ListenerId::next()];
        for listener_id in ids {
            local.on_swarm_event(&FromSwarm::NewListener(NewListener { listener_id }));
        }
        assert!(local.take_changed() && !local.take_changed());
        let addr = address("/memory/1");
        local.on_swarm_event(&FromSwarm::NewListenAddr(NewListenAddr {
            listener_id: ids[0],
            addr: &addr,
        }));
        assert!(local.take_changed() && local.setting_up() == 1);
        local.on_swarm_event(&FromSwarm::ListenerClosed(ListenerClosed {
            listener_id: ids[1],
            reason: Ok(()),
        }));
        assert!(local.take_changed() && local.setting_up() == 0);
    }

    /// Somebody who tries the crate for the first time listens on loopback, with the default preset.
    #[test]
    fn a_newcomer_is_told_what_to_do() {
        let mut local = local(Scope::Global);
        listen(&mut local, "/ip4/127.0.0.1/tcp/1");
        listen(&mut local, "/ip4/192.168.1.2/tcp/1");
        let Some(Event::NotAdvertising(silence)) = local.poll(ADDRESSES_TIMEOUT) else {
            panic!("nothing is said");
        };
        assert_eq!(
            silence.to_string(),
            "no other node will hear of this one, since none of its addresses may be advertised: \
             /ip4/127.0.0.1/tcp/1 works from the same machine only; for tests, use \
             Config::local(); /ip4/192.168.1.2/tcp/1 works from the same network only; for a LAN \
             or a VPN, use Config::private_network()"
        );
    }
}
