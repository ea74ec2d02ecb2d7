//! Records that cannot be used are passed over, and spoil no others.

use libp2p_core::SignedEnvelope;

use super::*;

/// A good record between two that are not taken, each for a reason of its own.
#[test]
fn record_that_cannot_be_used_spoils_no_other() {
    let keypair = Keypair::generate_ed25519();
    let poison = |edit: fn(&mut pb::Envelope)| {
        let good = descriptor(1);
        let mut envelope = pb::Envelope::decode(good.peer.envelope()).expect("just made");
        edit(&mut envelope);
        envelope.encode_to_vec()
    };
    let of_type = |key_type| {
        poison(match key_type {
            0 => |envelope| envelope.public_key.as_mut().expect("there").r#type = 0,
            _ => |envelope| envelope.public_key.as_mut().expect("there").r#type = 4,
        })
    };
    let unreadable = pb::PeerRecord {
        peer_id: keypair.public().to_peer_id().to_bytes(),
        seq: 1,
        addresses: vec![pb::AddressInfo {
            multiaddr: vec![4, 127, 0],
        }],
    };
    let unreadable = SignedEnvelope::new(
        &keypair,
        "libp2p-peer-record".into(),
        vec![3, 1],
        unreadable.encode_to_vec(),
    )
    .expect("signing works")
    .into_protobuf_encoding();
    let cases = [
        (vec![0xff; 9], Reason::RecordNotProtobuf),
        (vec![], Reason::RecordPayloadType),
        (of_type(0), Reason::RecordKeyType),
        (of_type(4), Reason::RecordKeyType),
        (unreadable, Reason::RecordAddress),
        (
            poison(|envelope| {
                envelope
                    .public_key
                    .as_mut()
                    .expect("there")
                    .data
                    .truncate(3)
            }),
            Reason::RecordKey,
        ),
    ];
    for (poison, reason) in cases {
        let good = descriptor(3);
        let bad = || pb::Descriptor {
            signed_peer_record: poison.clone(),
            age: 1,
            ..Default::default()
        };
        let [first] = <[_; 1]>::try_from(descriptors_to_protobuf(vec![good.clone()]))
            .expect("one descriptor");
        let request = pb::Request {
            descriptors: vec![bad(), first, bad()],
            pull: true,
            ..Default::default()
        };
        let shared = shared();
        let received = receive_by(&shared, framed(&request));
        let received = received.expect("its bounds are kept");
        let Request::Exchange { gossip, .. } = received else {
            panic!("an exchange became {received:?}");
        };
        assert_eq!(gossip.descriptors, [good], "{reason:?}");
        let counters = shared.tally.snapshot();
        assert_eq!(counters.refused(reason), 2);
        assert_eq!(counters.records_passed_over, 2);
        let response = pb::Response {
            descriptors: request.descriptors.clone(),
            neighbour: false,
            retry_after: 0,
        };
        let received = shared.wire.response(response).expect("its bounds are kept");
        assert_eq!(received.gossip.descriptors.len(), 1, "{reason:?}");
    }
}

/// Known records are taken even then: they cost nothing.
#[test]
fn wrong_signature_ends_verification_in_its_message() {
    let good: Vec<_> = (0..62).map(descriptor).collect();
    let mut descriptors = descriptors_to_protobuf(good.clone());
    for at in [10, 20] {
        let mut forged = descriptors_to_protobuf(vec![descriptor(7)]);
        let signature = forged[0].signed_peer_record.last_mut();
        *signature.expect("a signature") ^= 1;
        descriptors.splice(at..at, forged);
    }
    let shared = shared();
    let receive = |descriptors: Vec<_>| {
        let response = pb::Response {
            descriptors,
            neighbour: false,
            retry_after: 0,
        };
        let received = shared.wire.response(response).expect("its bounds are kept");
        received.gossip.descriptors
    };
    let last = descriptors.split_off(63);
    assert_eq!(receive(last), good[61..]);
    let all = [descriptors, descriptors_to_protobuf(good[61..].to_vec())].concat();
    assert_eq!(all.len(), 64);
    assert_eq!(receive(all), [&good[..10], &good[61..]].concat());
    let counters = shared.tally.snapshot();
    // All were verified together first.
    assert_eq!(counters.records_verified, 1 + 63);
    assert_eq!(counters.records_known, 1);
    assert_eq!(counters.refused(Reason::RecordSignature), 1);
    assert_eq!(counters.refused(Reason::RecordNotVerified), 52);
    assert_eq!(counters.records_passed_over, 53);
}

/// Others know nothing of that limit, and are not to blame.
#[test]
fn descriptors_beyond_this_nodes_own_limit_are_passed_over() {
    let limits = Limits {
        descriptors_per_message: 2,
        ..Default::default()
    };
    let shared = shared_within(limits);
    let sent: Vec<_> = (0..5).map(descriptor).collect();
    let response = pb::Response {
        descriptors: descriptors_to_protobuf(sent.clone()),
        neighbour: false,
        retry_after: 0,
    };
    let mut frames = Frames::new(limits.message_bytes, None);
    let mut src = BytesMut::from(&framed(&response)[..]);
    let bytes = frames.decode_eof(&mut src).expect("the protocol allows it");
    let received = shared.wire.decode_response(
        PeerId::random(),
        &bytes.expect("a message"),
        Expected { pull: true },
    );
    let received = received.expect("its bounds are kept");
    assert_eq!(received.gossip.descriptors, sent[..2]);
    let counters = shared.tally.snapshot();
    assert_eq!(counters.records_verified, 2);
    assert_eq!(counters.refused(Reason::RecordBeyondLimits), 3);
    assert_eq!(counters.records_passed_over, 3);
}
