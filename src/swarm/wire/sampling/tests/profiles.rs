//! Profiles beside records: with nodes that know them, and with nodes that do not.

use super::*;
use crate::swarm::limits::{MAX_MESSAGE_BYTES, MAX_PROFILE_BYTES};

/// The messages before there were profiles.
mod before {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Request {
        #[prost(message, repeated, tag = "1")]
        pub(super) descriptors: Vec<Descriptor>,
        #[prost(bool, tag = "2")]
        pub(super) pull: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Descriptor {
        #[prost(bytes = "vec", tag = "1")]
        pub(super) signed_peer_record: Vec<u8>,
        #[prost(uint32, tag = "2")]
        pub(super) age: u32,
    }
}

/// With a profile of so many bytes.
fn profiled(age: u32, bytes: usize) -> Descriptor<Record> {
    let keypair = Keypair::generate_ed25519();
    let address = "/ip4/127.0.0.1/udp/1/quic-v1".parse().expect("a multiaddr");
    let mut peer = Record::sign(&keypair, 1, &[address]).expect("signing works");
    let profile = Profile::sign(&keypair, NET, 1_700_000_000_000_000_000, vec![7; bytes]);
    peer.set_profile(Some(profile.expect("signing works")));
    Descriptor { peer, age }
}

fn request(descriptors: Vec<Descriptor<Record>>) -> Request {
    Request::Exchange {
        gossip: SamplerRequest {
            descriptors,
            pull: true,
            room: usize::MAX,
        },
        neighbour: Proposal::None,
    }
}

fn descriptors(request: Request) -> Vec<Descriptor<Record>> {
    match request {
        Request::Exchange { gossip, .. } => gossip.descriptors,
        Request::Goodbye => panic!("an exchange became a goodbye"),
    }
}

#[test]
fn profiles_survive_the_wire() {
    let sent = vec![
        profiled(0, 0),
        descriptor(1),
        profiled(2, MAX_PROFILE_BYTES),
    ];
    let bytes = framed(&request(sent.clone()).into_protobuf());
    let received = receive(bytes).expect("valid");
    assert_eq!(descriptors(received), sent);
}

#[test]
fn node_that_knows_no_profiles_reads_the_rest() {
    let sent = vec![profiled(3, 100), descriptor(1), profiled(2, 0)];
    let message = request(sent.clone()).into_protobuf();
    let read: before::Request = decode(&message.encode_to_vec(), None).expect("valid");
    assert!(read.pull);
    let expected = sent.iter().map(|descriptor| before::Descriptor {
        signed_peer_record: descriptor.peer.envelope().to_vec(),
        age: descriptor.age,
    });
    assert!(read.descriptors.into_iter().eq(expected));
}

#[test]
fn message_of_a_node_that_knows_no_profiles_is_read_as_before() {
    let sent = [descriptor(3), descriptor(0)];
    let message = before::Request {
        descriptors: sent
            .iter()
            .map(|descriptor| before::Descriptor {
                signed_peer_record: descriptor.peer.envelope().to_vec(),
                age: descriptor.age,
            })
            .collect(),
        pull: true,
    };
    assert_eq!(
        framed(&message),
        framed(&request(sent.to_vec()).into_protobuf()),
        "without profiles not a byte differs"
    );
    let received = receive(framed(&message)).expect("valid");
    assert_eq!(descriptors(received), sent);
}

/// Where the number is a time, and the signature an Ed25519 key's.
#[test]
fn profile_takes_some_eighty_bytes_more_than_its_own() {
    for (bytes, takes) in [(0, 78), (1, 81), (32, 112), (64, 145), (256, 338)] {
        let with = profiled(1, bytes);
        let mut without = with.clone();
        without.peer.set_profile(None);
        let len = |descriptor: Descriptor<Record>| {
            let [message] = <[_; 1]>::try_from(descriptors_to_protobuf(vec![descriptor]))
                .expect("one descriptor");
            message.encoded_len()
        };
        assert_eq!(len(with.clone()) - len(without.clone()), takes, "{bytes}");
        let counted = with.peer.size() - without.peer.size();
        assert!((takes..=takes + 3).contains(&counted), "{bytes}: {counted}");
    }
}

#[test]
fn profile_that_cannot_be_used_spoils_neither_its_record_nor_others() {
    let good = profiled(1, 9);
    let mut bad = good.clone();
    bad.peer.set_profile(None);
    let mut message = request(vec![good.clone(), bad.clone(), good.clone()]).into_protobuf();
    for (spoilt, reason) in [
        (vec![0xff; 9], Reason::ProfileNotProtobuf),
        (vec![0; 2_000], Reason::ProfileTooLarge),
        (vec![0x08, 1], Reason::ProfileSignature),
    ] {
        message.descriptors[1].profile = spoilt;
        let shared = shared();
        let received = receive_by(&shared, framed(&message));
        let received = descriptors(received.expect("its bounds are kept"));
        assert_eq!(received[0], good, "{reason:?}");
        assert_eq!(received[1], bad, "{reason:?}");
        assert_eq!(shared.tally.snapshot().refused(reason), 1);
    }
}

#[test]
fn request_that_would_be_too_long_goes_out_with_fewer_profiles() {
    let long = format!("/dns4/{}/tcp/1", "a".repeat(250));
    let keypair = Keypair::generate_ed25519();
    let addresses = vec![long.parse().expect("a multiaddr"); 3];
    let mut peer = Record::sign(&keypair, 1, &addresses).expect("signing works");
    let profile = Profile::sign(&keypair, NET, u64::MAX, vec![7; MAX_PROFILE_BYTES]);
    peer.set_profile(Some(profile.expect("signing works")));
    assert!(MAX_DESCRIPTORS * peer.size() > MAX_MESSAGE_BYTES);
    let sent = vec![Descriptor { peer, age: 1 }; MAX_DESCRIPTORS];
    let message = request(sent).into_protobuf();
    assert!(message.encoded_len() <= MAX_MESSAGE_BYTES);
    assert!(message.encoded_len() + 400 > MAX_MESSAGE_BYTES);
    assert_eq!(message.descriptors.len(), MAX_DESCRIPTORS);
    let profiles: Vec<_> = message
        .descriptors
        .iter()
        .map(|d| d.profile.len())
        .collect();
    assert!(profiles[0] > MAX_PROFILE_BYTES);
    assert_eq!(profiles[MAX_DESCRIPTORS - 1], 0, "the last give way");
}

#[test]
fn answer_with_profiles_has_no_more_bytes_than_its_request() {
    let wire = &shared().wire;
    for request_bytes in (0..3_000).step_by(91) {
        let response = Response {
            gossip: SamplerResponse {
                descriptors: (0..6).map(|bytes| profiled(1, bytes * 50)).collect(),
            },
            neighbour: false,
        };
        let bytes = wire.encode_response(response, request_bytes);
        assert!(framed_len(bytes.len()) <= request_bytes.max(1));
    }
}

#[test]
fn request_asks_for_no_more_than_this_node_reads() {
    let limits = Limits {
        message_bytes: 4_000,
        ..Default::default()
    };
    let shared = shared_within(limits);
    let Request::Exchange { mut gossip, .. } = request(Vec::new()) else {
        panic!("an exchange became a goodbye");
    };
    gossip.room = 9_000;
    let (bytes, _) = shared.wire.encode_request(Request::Exchange {
        gossip,
        neighbour: Proposal::Needed,
    });
    assert!((3_900..=4_000).contains(&bytes.len()), "{}", bytes.len());
}
