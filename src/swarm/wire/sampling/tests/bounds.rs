//! What breaks a bound of the protocol is refused, under its own name.

use super::*;
use crate::swarm::limits::MAX_MESSAGE_BYTES;

#[test]
fn each_malformed_message_has_its_name() {
    let mut too_long = Vec::new();
    prost::encoding::encode_varint(MAX_MESSAGE_BYTES as u64 + 1, &mut too_long);
    assert!(matches!(
        receive(too_long),
        Err(MessageError::TooLong { bytes }) if bytes == MAX_MESSAGE_BYTES as u64 + 1
    ));
    let endless = vec![0xff; 30];
    assert!(matches!(
        receive(endless),
        Err(MessageError::NotProtobuf(_))
    ));

    let whole = framed(&Request::notice(Proposal::None).into_protobuf());
    assert!(receive(whole).is_ok());
    let whole = framed(&pb::Request {
        descriptors: vec![pb::Descriptor::default()],
        ..Default::default()
    });
    for length in 0..whole.len() {
        assert!(
            matches!(receive(whole[..length].to_vec()), Err(MessageError::CutOff)),
            "{length}"
        );
    }

    let mut not_protobuf = vec![5];
    not_protobuf.extend([0xff; 5]);
    assert!(matches!(
        receive(not_protobuf),
        Err(MessageError::NotProtobuf(_))
    ));

    let many = pb::Request {
        descriptors: vec![pb::Descriptor::default(); MAX_DESCRIPTORS + 1],
        ..Default::default()
    };
    assert!(matches!(
        receive(framed(&many)),
        Err(MessageError::TooManyDescriptors { count: 65 })
    ));

    let mut large = descriptors_to_protobuf(vec![descriptor(0), descriptor(1)]);
    large[1].signed_peer_record = vec![0; MAX_RECORD_BYTES + 1];
    let large = pb::Request {
        descriptors: large,
        ..Default::default()
    };
    let shared = shared();
    let received = receive_by(&shared, framed(&large));
    assert!(matches!(
        received.map(|_| ()),
        Err(MessageError::RecordTooLarge {
            index: 1,
            bytes: 1_025
        })
    ));
    assert_eq!(
        shared.tally.snapshot().records_verified,
        0,
        "none is looked at"
    );
}

#[test]
fn answer_longer_than_its_request_is_refused() {
    let request = asking(1_000);
    let bytes = framed_len(request.encoded_len());
    let answer = |padding| {
        // A field that nobody knows, as long as is left.
        let mut message = vec![0x7a];
        prost::encoding::encode_varint(padding, &mut message);
        message.resize(message.len() + padding as usize, 0);
        let mut framed = Vec::new();
        prost::encoding::encode_varint(message.len() as u64, &mut framed);
        [framed, message].concat()
    };
    let fits = answer(bytes as u64 - 5);
    assert_eq!(fits.len(), bytes);
    assert!(response_to(&request, &fits).is_ok());
    let longer = answer(bytes as u64 - 4);
    let refused = |answer: &[u8], taken| {
        let refused = response_to(&request, answer);
        assert!(
            matches!(
                refused,
                Err(MessageError::ResponseTooLong { bytes: came, request })
                    if came == taken && request == bytes
            ),
            "{refused:?}"
        );
    };
    refused(&longer, bytes as u64 + 1);
    // By its length alone.
    refused(&longer[..2], bytes as u64 + 1);
    // The length counts as it is written, not as it could be.
    let wordy = [&[0x80 | fits[0], fits[1] | 0x80, 0x00], &fits[2..]].concat();
    refused(&wordy, bytes as u64 + 1);
    assert!(matches!(
        response_to(&request, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        Err(MessageError::TooLong { .. })
    ));
}

#[test]
fn descriptors_that_nobody_asked_for_are_refused() {
    let answer = |count| {
        framed(&pb::Response {
            descriptors: vec![pb::Descriptor::default(); count],
            neighbour: true,
            retry_after: 0,
        })
    };
    let push = pb::Request {
        pull: false,
        ..asking(1_000)
    };
    assert!(response_to(&push, &answer(0)).is_ok());
    assert!(matches!(
        response_to(&push, &answer(2)),
        Err(MessageError::UnaskedDescriptors { count: 2 })
    ));
    assert!(response_to(&asking(1_000), &answer(2)).is_ok());
    // Neither has room for any; if it had, it would not have asked.
    let notice = Request::notice(Proposal::Needed).into_protobuf();
    assert!(response_to(&notice, &answer(0)).is_ok());
    for request in [notice, Request::Goodbye.into_protobuf()] {
        assert!(matches!(
            response_to(&request, &answer(1)),
            Err(MessageError::ResponseTooLong { .. })
        ));
    }
}

#[test]
fn the_largest_message_allowed_can_be_received() {
    let descriptors = vec![
        pb::Descriptor {
            signed_peer_record: vec![0; MAX_RECORD_BYTES],
            age: u32::MAX,
            ..Default::default()
        };
        MAX_DESCRIPTORS
    ];
    let message = pb::Request {
        descriptors,
        pull: true,
        neighbour: pb::Neighbour::Needed.into(),
        ..Default::default()
    };
    assert!(message.encoded_len() <= MAX_MESSAGE_BYTES);
    // No record among them, and nothing that it could be refused for.
    assert!(receive(framed(&message)).is_ok());
}

#[test]
fn narrower_limits_are_kept() {
    let receive = |edit: fn(&mut Limits), bytes: Vec<u8>| {
        let mut limits = Limits::default();
        edit(&mut limits);
        let shared = shared_within(limits);
        let received = receive_by(&shared, bytes);
        received.map(|_| ())
    };
    let padded = framed(&pb::Request {
        padding: vec![0; 4_000],
        ..Default::default()
    });
    assert!(receive(|limits| limits.message_bytes = 4_003, padded.clone()).is_ok());
    assert!(matches!(
        receive(|limits| limits.message_bytes = 4_002, padded),
        Err(MessageError::TooLong { bytes: 4_003 })
    ));
}
