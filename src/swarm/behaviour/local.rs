//! This node's own record: signed anew whenever its addresses change.

use std::time::Duration;

use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::FromSwarm;

use crate::swarm::{
    address::{LocalAddresses, Scope},
    behaviour::event::Event,
    limits::MAX_ADDRESSES,
    record::{Record, next_seq},
};

/// How long addresses may take to come in before this node says that it has none to advertise. A
/// guess: listeners report theirs one by one.
const ADDRESSES_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct LocalRecord {
    keypair: Keypair,
    scope: Scope,
    addresses: LocalAddresses,
    record: Option<Record>,
    last_seq: u64,
    /// When to say that there is nothing to advertise, if there still is not.
    not_advertising_at: Option<Duration>,
    /// Whether that was said, and has been so since.
    said: bool,
}

impl LocalRecord {
    pub(super) fn new(keypair: Keypair, scope: Scope) -> Self {
        Self {
            keypair,
            scope,
            addresses: LocalAddresses::default(),
            record: None,
            last_seq: 0,
            not_advertising_at: None,
            said: false,
        }
    }

    pub(super) fn peer_id(&self) -> PeerId {
        self.keypair.public().to_peer_id()
    }

    /// Returns the new record when the event has changed it; `Some(None)`: there is none any more.
    pub(super) fn on_swarm_event(
        &mut self,
        event: &FromSwarm,
        now: Duration,
    ) -> Option<Option<Record>> {
        if !self.addresses.on_swarm_event(event) {
            return None;
        }
        let addresses = self.addresses.advertised(self.scope, MAX_ADDRESSES);
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

    /// Says once that there is nothing to advertise, when that is so.
    pub(super) fn poll(&mut self, now: Duration) -> Option<Event> {
        self.not_advertising_at.take_if(|at| *at <= now)?;
        self.said = true;
        Some(Event::NotAdvertising {
            scope: self.scope,
            addresses: self.addresses.all(),
        })
    }

    /// When [`Self::poll`] has something to say.
    pub(super) fn next_wake(&self) -> Option<Duration> {
        self.not_advertising_at
    }
}

#[cfg(test)]
mod tests {
    use libp2p_core::{Multiaddr, transport::ListenerId};
    use libp2p_swarm::{ExpiredListenAddr, NewListenAddr};

    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("a multiaddr")
    }

    fn local(scope: Scope) -> LocalRecord {
        LocalRecord::new(Keypair::generate_ed25519(), scope)
    }

    fn listen(local: &mut LocalRecord, addr: &str) -> Option<Option<Record>> {
        let event = FromSwarm::NewListenAddr(NewListenAddr {
            listener_id: ListenerId::next(),
            addr: &address(addr),
        });
        local.on_swarm_event(&event, Duration::ZERO)
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
            let record = local.on_swarm_event(&event, Duration::ZERO);
            let record = record.expect("a change");
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
        assert!(matches!(
            local.poll(ADDRESSES_TIMEOUT),
            Some(Event::NotAdvertising { scope: Scope::Global, addresses }) if addresses.len() == 1
        ));
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
}
