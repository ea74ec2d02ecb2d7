//! Whether records are signed with the key of the swarm that sends them: at this node, and at
//! others.
//!
//! A behaviour is given a keypair, and is never told the swarm's. If the two differ, its record
//! leads to a peer with another id: every dial by that record finds the wrong peer.

use libp2p_identity::PeerId;
use libp2p_swarm::{
    DialError, FromSwarm,
    behaviour::{DialFailure, NewListenAddr},
};

use crate::{
    sampling::view::Descriptor,
    swarm::{address::split_peer, node::contacts::Place, record::Record, sampling::event::Event},
};

/// This node's identity, as its behaviour has it and as the swarm shows it.
#[derive(Debug)]
pub(crate) struct Identity {
    signer: PeerId,
    wrong: bool,
}

impl Identity {
    pub(crate) fn new(signer: PeerId) -> Self {
        let wrong = false;
        Self { signer, wrong }
    }

    /// Whether the swarm has shown that it is somebody else.
    pub(crate) fn is_wrong(&self) -> bool {
        self.wrong
    }

    /// The swarm names itself in two events: when it has dialled itself, and when it listens at a
    /// relay. Says once that it is somebody else.
    pub(crate) fn on_swarm_event(&mut self, event: &FromSwarm) -> Option<Event> {
        let swarm = match event {
            FromSwarm::DialFailure(DialFailure {
                peer_id,
                error: DialError::LocalPeerId { .. },
                ..
            }) => *peer_id,
            FromSwarm::NewListenAddr(NewListenAddr { addr, .. }) => split_peer(addr).1,
            _ => None,
        }?;
        let signer = self.signer;
        if swarm == signer || self.wrong {
            return None;
        }
        self.wrong = true;
        tracing::error!(
            %signer, %swarm,
            "This behaviour was built with another keypair than its swarm's: nobody can dial this \
             node by its record, which is advertised no longer"
        );
        Some(Event::WrongKeypair { signer, swarm })
    }
}

/// The signer of the first of `descriptors`, if `sender` sends it as its own although another key
/// has signed it: it is the only one of age 0, and it names `place`, where the sender is. An honest
/// sender that does not advertise itself may send another peer at age 0 first, but rarely one of
/// its own host.
pub(crate) fn misnamed(
    sender: PeerId,
    place: Place<'_>,
    descriptors: &[Descriptor<Record>],
) -> Option<PeerId> {
    let (first, others) = descriptors.split_first()?;
    let signer = first.peer.peer_id();
    let of_sender = |d: &Descriptor<Record>| d.peer.peer_id() == sender;
    let is_own = first.age == 0 && !others.iter().any(|d| d.age == 0);
    let is_there = first.peer.addresses().iter().any(|a| place.is_at(a));
    let misnamed = is_own && is_there && !descriptors.iter().any(of_sender);
    misnamed.then_some(signer)
}

#[cfg(test)]
mod tests {
    use libp2p_core::{Multiaddr, transport::ListenerId};
    use libp2p_identity::Keypair;
    use libp2p_swarm::ConnectionId;

    use super::*;
    use crate::swarm::logged::logged;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("a multiaddr")
    }

    #[test]
    fn a_swarm_that_names_itself_shows_another_keypair_once() {
        let [signer, swarm, relay] = [1, 2, 3].map(|_| PeerId::random());
        let own = address("/ip4/1.2.3.4/tcp/1");
        let dialled_itself = |peer| {
            let error = DialError::LocalPeerId {
                address: own.clone(),
            };
            (peer, error)
        };
        let listening = |peer| {
            address(&format!(
                "/ip4/1.2.3.4/tcp/1/p2p/{relay}/p2p-circuit/p2p/{peer}"
            ))
        };
        for peer in [swarm, signer] {
            let mut by_dial = Identity::new(signer);
            let (peer, error) = dialled_itself(peer);
            let failure = FromSwarm::DialFailure(DialFailure {
                peer_id: Some(peer),
                error: &error,
                connection_id: ConnectionId::new_unchecked(1),
            });
            let lines = logged(|| {
                let event = by_dial.on_swarm_event(&failure);
                let said = matches!(event, Some(Event::WrongKeypair { signer: s, swarm: w })
                    if (s, w) == (signer, swarm));
                assert_eq!(said, peer == swarm);
                assert!(by_dial.on_swarm_event(&failure).is_none(), "said twice");
            });
            let errors = usize::from(peer == swarm);
            assert_eq!((lines.len(), by_dial.is_wrong()), (errors, peer == swarm));

            let mut by_relay = Identity::new(signer);
            let circuit = listening(peer);
            for (addr, told) in [(&own, false), (&circuit, peer == swarm)] {
                let event = by_relay.on_swarm_event(&FromSwarm::NewListenAddr(NewListenAddr {
                    listener_id: ListenerId::next(),
                    addr,
                }));
                assert_eq!(event.is_some(), told, "{addr}");
            }
        }
    }

    #[test]
    fn a_record_of_another_key_at_the_senders_place_is_misnamed() {
        let record = |keypair: &Keypair, home: &Multiaddr| {
            Record::sign(keypair, 1, std::slice::from_ref(home)).expect("signing works")
        };
        let [key, other] = [1, 2].map(|_| Keypair::generate_ed25519());
        let (home, elsewhere) = (address("/ip4/1.2.3.4/tcp/1"), address("/ip4/5.6.7.8/tcp/1"));
        let at_home = Place {
            dialled: Some(&home),
            ..Place::default()
        };
        let sender = PeerId::random();
        let own = || Descriptor::fresh(record(&key, &home));
        let of_another = |age| Descriptor {
            peer: record(&other, &elsewhere),
            age,
        };
        let found = |sender, place, descriptors: &[Descriptor<Record>]| {
            misnamed(sender, place, descriptors).is_some()
        };
        assert!(found(sender, at_home, &[own(), of_another(3)]));
        let sent_by_itself = key.public().to_peer_id();
        assert!(!found(sent_by_itself, at_home, &[own(), of_another(3)]));
        // Others' records, as hidden nodes send them.
        assert!(!found(sender, at_home, &[of_another(0)]), "from elsewhere");
        assert!(!found(sender, at_home, &[own(), of_another(0)]), "as young");
        assert!(!found(sender, at_home, &[of_another(3), own()]), "later");
        assert!(
            !found(sender, Place::default(), &[own()]),
            "through a relay"
        );
        assert!(!found(sender, at_home, &[]));
    }
}
