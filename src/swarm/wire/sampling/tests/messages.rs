//! What is sent arrives, in so many bytes.

use super::*;
use crate::swarm::{limits::MAX_MESSAGE_BYTES, sampling::config::PROTOCOL_NAME};

#[test]
fn messages_survive_the_wire() {
    let descriptors: Vec<_> = (0..15).map(descriptor).collect();
    for proposal in [Proposal::None, Proposal::Welcome, Proposal::Needed] {
        let request = Request::Exchange {
            gossip: SamplerRequest {
                descriptors: descriptors.clone(),
                pull: true,
                room: usize::MAX,
            },
            neighbour: proposal,
        };
        let received = receive(framed(&request.into_protobuf())).expect("valid");
        let Request::Exchange { gossip, neighbour } = received else {
            panic!("an exchange became {received:?}");
        };
        assert_eq!(gossip.descriptors, descriptors);
        assert!(gossip.pull);
        assert_eq!(neighbour, proposal);
    }
    let goodbye = receive(framed(&Request::Goodbye.into_protobuf())).expect("valid");
    assert!(matches!(goodbye, Request::Goodbye));

    let sent = Response {
        gossip: SamplerResponse {
            descriptors: descriptors.clone(),
        },
        neighbour: true,
    };
    let received = response_to(&asking(4_000), &framed(&sent.into_protobuf())).expect("valid");
    assert_eq!(received.gossip.descriptors, descriptors);
    assert!(received.neighbour);
}

/// As `proto/peer_sampling.proto` says.
#[test]
fn the_largest_message_has_the_size_that_the_schema_names() {
    assert_eq!(MAX_MESSAGE_BYTES, 66_624);
}

/// What each of the two messages of an exchange costs, c=30: 15 descriptors with one QUIC address.
#[test]
fn a_message_of_the_default_view_takes_some_two_and_a_half_kilobytes() {
    let request = Request::Exchange {
        gossip: SamplerRequest {
            descriptors: (0..15).map(descriptor).collect(),
            pull: true,
            room: usize::MAX,
        },
        neighbour: Proposal::Welcome,
    };
    let bytes = framed(&request.into_protobuf()).len();
    assert!((2_300..2_800).contains(&bytes), "{bytes}");
}

/// The simulator knows nothing of this file, and counts bytes by numbers of its own.
#[cfg(feature = "simulator")]
#[test]
fn the_simulator_counts_the_bytes_that_are_sent() {
    use crate::{simulator::traffic::Traffic, swarm::record::next_seq};

    let record = || {
        let keypair = Keypair::generate_ed25519();
        let address = "/ip4/203.0.113.7/udp/4001/quic-v1";
        let address = address.parse().expect("a multiaddr");
        Record::sign(&keypair, next_seq(0), &[address]).expect("signing works")
    };
    for (count, age) in [(1, 1), (15, 1), (15, 127), (64, 127)] {
        let descriptors: Vec<_> = (0..count)
            .map(|_| Descriptor {
                peer: record(),
                age,
            })
            .collect();
        let request = Request::Exchange {
            gossip: SamplerRequest {
                descriptors: descriptors.clone(),
                pull: true,
                room: usize::MAX,
            },
            neighbour: Proposal::Welcome,
        };
        let response = Response {
            gossip: SamplerResponse { descriptors },
            neighbour: true,
        };
        let request_sent = Traffic {
            requests: 1,
            descriptors: count,
            ..Default::default()
        };
        let response_sent = Traffic {
            responses: 1,
            descriptors: count,
            ..Default::default()
        };
        let bytes = framed(&request.into_protobuf()).len() as u64;
        assert_eq!(bytes, request_sent.bytes(), "{count} of age {age}");
        let bytes = framed(&response.into_protobuf()).len() as u64;
        assert_eq!(bytes, response_sent.bytes(), "{count} of age {age}");
    }
}

#[test]
fn what_is_in_the_padding_is_nobodys_business() {
    let request = pb::Request {
        padding: vec![0xff; 100],
        ..Default::default()
    };
    let received = receive(framed(&request)).expect("valid");
    assert!(matches!(
        received,
        Request::Exchange { gossip, .. } if gossip.descriptors.is_empty() && gossip.room == 102
    ));
}

#[test]
fn what_a_later_version_proposes_is_no_fault() {
    let request = pb::Request {
        neighbour: 77,
        ..Default::default()
    };
    assert!(matches!(
        receive(framed(&request)),
        Ok(Request::Exchange {
            neighbour: Proposal::None,
            ..
        })
    ));
}

#[test]
fn the_wires_name_is_the_protocols() {
    assert_eq!(format!("/{}", Sampling::NAME), PROTOCOL_NAME.as_ref());
}

#[test]
fn a_refusal_says_when_to_come_back_and_nothing_else_is_taken_for_one() {
    let wire = &shared().wire;
    for (wait, heard) in [
        (0, 1),
        (1_000, 1),
        (1_001, 2),
        (u64::from(u32::MAX) * 1_000, u32::MAX),
    ] {
        let word = wire
            .encode_refusal(Duration::from_millis(wait))
            .expect("it has one");
        let heard = Duration::from_secs(heard.into());
        assert_eq!(wire.decode_refusal(&word), Some(heard));
    }
    let yes = pb::Response {
        neighbour: true,
        ..Default::default()
    };
    for answer in [pb::Response::default(), yes] {
        assert_eq!(wire.decode_refusal(&answer.encode_to_vec()), None);
    }
    assert_eq!(wire.decode_refusal(&[0xff; 5]), None);
}
