//! Records that are restored, passed over, advertised.

use std::time::Duration;

use libp2p_core::{
    ConnectedPoint, Endpoint,
    transport::{ListenerId, PortUse},
};
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{
    ConnectionId, DialError, FromSwarm, NetworkBehaviour,
    behaviour::{ConnectionEstablished, DialFailure, NewListenAddr},
};

use crate::{
    sampling::view::Descriptor,
    swarm::{
        handler::InboundId,
        logged::logged,
        record::error::RecordError,
        sampling::{
            behaviour::{
                Behaviour,
                tests::{behaviour, events, record},
            },
            command::ToBehaviour,
            event::Event,
        },
        wire::sampling::{Proposal, Request},
    },
};

#[test]
fn bad_saved_record_is_refused_and_the_others_come_in() {
    let mut behaviour = behaviour(&Keypair::generate_ed25519());
    let mut saved: Vec<_> = (0..12)
        .map(|port| {
            record(
                &Keypair::generate_ed25519(),
                &format!("/memory/{}", port + 1),
            )
        })
        .map(|record| record.envelope().to_vec())
        .collect();
    *saved[0].last_mut().expect("a signature") ^= 1;
    saved[7].clear();
    let restored = behaviour.init(saved);
    assert_eq!((restored.entered, behaviour.view_len()), (10, 10));
    assert!(
        matches!(
            &restored.refused[..],
            [
                (0, RecordError::Signature),
                (7, RecordError::NotProtobuf(_) | RecordError::PayloadType)
            ]
        ),
        "{restored:?}"
    );
}

/// Built with another keypair than its swarm's, a peer comes as one and signs as another.
#[test]
fn record_of_a_peer_that_signs_as_another_is_passed_over_with_a_warning() {
    let [keypair, other] = [1, 2].map(|_| Keypair::generate_ed25519());
    let signer = keypair.public().to_peer_id();
    for (sender, right) in [(PeerId::random(), false), (signer, true)] {
        let mut behaviour = behaviour(&Keypair::generate_ed25519());
        let connection_id = ConnectionId::new_unchecked(1);
        let [local_addr, send_back_addr] = ["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/50000"]
            .map(|address| address.parse().expect("a multiaddr"));
        behaviour.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
            peer_id: sender,
            connection_id,
            endpoint: &ConnectedPoint::Listener {
                local_addr,
                send_back_addr,
            },
            failed_addresses: &[],
            other_established: 0,
        }));
        let mut request = Request::notice(Proposal::None);
        let Request::Exchange { gossip, .. } = &mut request else {
            panic!("a notice is an exchange of nothing");
        };
        gossip.descriptors = vec![
            Descriptor::fresh(record(&keypair, "/ip4/127.0.0.1/tcp/4001")),
            Descriptor {
                peer: record(&other, "/ip4/127.0.0.1/tcp/4002"),
                age: 3,
            },
        ];
        let event = ToBehaviour::Request(InboundId(1), request);
        let lines = logged(|| {
            behaviour.on_connection_handler_event(sender, connection_id, event);
        });
        let warned = |line: &String| line.starts_with("WARN") && line.contains("keypair");
        assert_eq!(lines.iter().any(warned), !right, "{lines:?}");
        let view = behaviour.handle();
        assert_eq!(view.contains(&signer), right);
        assert!(view.contains(&other.public().to_peer_id()));
    }
}

/// Cyclon's answers do not have the sender's own record: the first may be young, and a
/// neighbour's on the same host.
#[test]
fn answer_that_begins_with_a_neighbour_on_the_same_host_is_taken() {
    let mut behaviour = behaviour(&Keypair::generate_ed25519());
    let (peer, connection_id) = (PeerId::random(), ConnectionId::new_unchecked(1));
    let dialled = |address: &str| ConnectedPoint::Dialer {
        address: address.parse().expect("a multiaddr"),
        role_override: Endpoint::Dialer,
        port_use: PortUse::New,
    };
    behaviour.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
        peer_id: peer,
        connection_id,
        endpoint: &dialled("/ip4/127.0.0.1/tcp/1"),
        failed_addresses: &[],
        other_established: 0,
    }));
    let left = |behaviour: &mut Behaviour, address, request| {
        let neighbour = Keypair::generate_ed25519();
        let mut descriptors = vec![Descriptor::fresh(record(&neighbour, address))];
        behaviour.pass_over_misnamed(peer, connection_id, &mut descriptors, request);
        descriptors.len()
    };
    assert_eq!(left(&mut behaviour, "/ip4/127.0.0.1/tcp/2", false), 1);
    assert_eq!(left(&mut behaviour, "/ip4/127.0.0.1/tcp/2", true), 0);
    assert_eq!(left(&mut behaviour, "/ip4/127.0.0.1/tcp/1", false), 0);
}

#[test]
fn nothing_is_advertised_with_another_keypair_than_the_swarms() {
    let mut behaviour = behaviour(&Keypair::generate_ed25519());
    let listens = |behaviour: &mut Behaviour, addr: &str| {
        let addr = addr.parse().expect("a multiaddr");
        let listener_id = ListenerId::next();
        let event = NewListenAddr {
            listener_id,
            addr: &addr,
        };
        behaviour.on_swarm_event(FromSwarm::NewListenAddr(event));
    };
    listens(&mut behaviour, "/memory/1");
    assert!(behaviour.local_record().is_some());
    let (swarm, itself) = (PeerId::random(), "/memory/9".parse());
    behaviour.on_swarm_event(FromSwarm::DialFailure(DialFailure {
        peer_id: Some(swarm),
        error: &DialError::LocalPeerId {
            address: itself.expect("a multiaddr"),
        },
        connection_id: ConnectionId::new_unchecked(1),
    }));
    listens(&mut behaviour, "/memory/2");
    assert!(behaviour.local_record().is_none());
    let events = events(&mut behaviour, Duration::ZERO);
    let wrong =
        |event: &Event| matches!(event, Event::WrongKeypair { swarm: s, .. } if *s == swarm);
    assert!(events.iter().any(wrong), "{events:?}");
}
