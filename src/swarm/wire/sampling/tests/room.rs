//! How much room a request leaves for its answer, and that the answer keeps to it.

use super::*;

/// A request as it comes in, with the bytes that it took.
fn request_of(count: usize, room: usize, neighbour: Proposal) -> (SamplerRequest<Record>, usize) {
    let gossip = SamplerRequest {
        descriptors: (0..count).map(|_| descriptor(1)).collect(),
        pull: true,
        room,
    };
    let bytes = framed(&Request::Exchange { gossip, neighbour }.into_protobuf());
    let len = bytes.len();
    match receive(bytes).expect("valid") {
        Request::Exchange { gossip, .. } => (gossip, len),
        Request::Goodbye => panic!("an exchange became a goodbye"),
    }
}

#[test]
fn an_answer_of_as_many_fits() {
    for neighbour in [Proposal::None, Proposal::Needed] {
        for count in [0, 1, 15, 64] {
            let (request, _) = request_of(count, usize::MAX, neighbour);
            let takes: usize = request.descriptors.iter().map(|d| d.peer.size()).sum();
            assert!(request.room >= takes, "{count}: {} < {takes}", request.room);
            // And not another one.
            assert!(request.room < takes + 100, "{count}: {}", request.room);
        }
    }
}

#[test]
fn who_has_little_to_send_asks_for_more() {
    let asked = 15 * 256;
    for count in [0, 1, 15, 64] {
        let (request, bytes) = request_of(count, asked, Proposal::Needed);
        assert!(request.room >= asked, "{count}: {}", request.room);
        assert!(bytes < asked + 16 || count == 64, "{count}: {bytes}");
    }
}

/// What is sent in return for `bytes`, a request behind its length.
fn answer(bytes: Vec<u8>, response: Response) -> Vec<u8> {
    let len = bytes.len();
    let shared = shared();
    let stream = Scripted::new(bytes);
    let output = stream.output();
    let (_, reply) =
        block_on(receive_request(stream, PeerId::random(), &shared)).expect("a valid request");
    block_on(reply.send(response)).expect("the stream takes everything");
    let answered = output.lock().expect("no panic").clone();
    let counters = shared.tally.snapshot();
    assert_eq!(counters.bytes_received, len as u64);
    assert_eq!(counters.bytes_sent, answered.len() as u64);
    assert_eq!(
        (counters.requests_received, counters.responses_sent),
        (1, 1)
    );
    answered
}

#[test]
fn an_answer_never_has_more_bytes_than_its_request() {
    let response = |count, age| Response {
        gossip: SamplerResponse {
            descriptors: (0..count).map(|_| descriptor(age)).collect(),
        },
        neighbour: true,
    };
    let pull = |padding| {
        framed(&pb::Request {
            pull: true,
            neighbour: pb::Neighbour::Needed.into(),
            padding: vec![0; padding],
            ..Default::default()
        })
    };
    for padding in (0..2_000).step_by(37) {
        for age in [0, 1, u32::MAX] {
            let request = pull(padding);
            let bytes = request.len();
            let answered = answer(request, response(15, age));
            assert!(
                answered.len() <= bytes,
                "{padding}, {age}: {}",
                answered.len()
            );
            let read = pb::Response::decode_length_delimited(&answered[..]).expect("protobuf");
            assert!(read.neighbour);
            // Nor much fewer than it may have.
            assert!(
                answered.len() + 200 > bytes,
                "{padding}: {}",
                answered.len()
            );
        }
    }
    // The shortest requests there are.
    assert_eq!(answer(vec![0], Response::empty()), [0]);
    let notice = framed(&Request::notice(Proposal::Welcome).into_protobuf());
    assert_eq!(answer(notice.clone(), response(0, 0)).len(), notice.len());
    let goodbye = framed(&Request::Goodbye.into_protobuf());
    assert_eq!(answer(goodbye, Response::empty()), [0]);
}
