//! One exchange on one stream.

use std::time::Duration;

use futures::executor::block_on;
use libp2p_identity::PeerId;

use super::{Echo, shared};
use crate::swarm::{
    counters::Reason,
    handler::{
        scripted::Scripted,
        streams::{Answer, receive_request, refuse, send_request},
    },
    wire::MessageError,
};

/// What the starting side makes of `answer` to "hello".
fn hello(answer: &[u8]) -> Result<Answer<Vec<u8>>, MessageError> {
    let stream = Scripted::new(answer.to_vec());
    let sent = stream.output();
    let shared = shared(Echo::default());
    let request = b"hello".to_vec();
    let result = block_on(send_request(stream, PeerId::random(), request, &shared));
    assert_eq!(*sent.lock().expect("no panic"), b"\x05hello");
    let counters = shared.tally.snapshot();
    assert_eq!((counters.requests_sent, counters.bytes_sent), (1, 6));
    let understood = matches!(result, Ok(Answer::Served(_)));
    assert_eq!(counters.responses_received, u64::from(understood));
    result
}

fn receive(bytes: &[u8]) -> Result<Vec<u8>, MessageError> {
    let stream = Scripted::new(bytes.to_vec());
    let shared = shared(Echo::default());
    let received = block_on(receive_request(stream, PeerId::random(), &shared));
    let counters = shared.tally.snapshot();
    assert_eq!(counters.requests_received, u64::from(received.is_ok()));
    received.map(|(request, _)| request)
}

#[test]
fn stream_that_ends_before_an_answer_is_no_fault() {
    assert!(matches!(hello(b""), Ok(Answer::NotServed(None))));
}

#[test]
fn stream_that_is_not_served_may_end_with_a_word_on_when_to_come_back() {
    let stream = Scripted::new(Vec::new());
    let sent = stream.output();
    block_on(refuse(
        stream,
        Duration::from_secs(7),
        shared(Echo::default()),
    ));
    let word = sent.lock().expect("no panic").clone();
    assert_eq!(word, b"\x02?\x07");
    let after = Duration::from_secs(7);
    assert!(matches!(hello(&word), Ok(Answer::NotServed(Some(heard))) if heard == after));
}

#[test]
fn request_within_its_bound_is_read_and_a_longer_one_is_not() {
    assert_eq!(
        receive(b"\x08good day").expect("within its bound"),
        b"good day"
    );
    assert!(matches!(
        receive(b"\x09"),
        Err(MessageError::TooLong { bytes: 9 })
    ));
    assert!(matches!(receive(b"\x08good"), Err(MessageError::CutOff)));
}

#[test]
fn answer_is_held_to_what_its_request_asked_for() {
    let answer = hello(b"\x05hello, and more").expect("within its bound");
    assert!(matches!(answer, Answer::Served(bytes) if bytes == b"hello"));
    assert!(matches!(
        hello(b"\x06"),
        Err(MessageError::TooLong { bytes: 6 })
    ));
    assert!(matches!(hello(b"\x05hell"), Err(MessageError::CutOff)));
    assert!(matches!(hello(b"\x04hell"), Err(MessageError::Refused(_))));
}

#[test]
fn rule_of_the_protocols_own_is_named_and_counted() {
    for refused in [receive(b"\x03hi!"), hello(b"\x05hell!").map(|_| Vec::new())] {
        let Err(error) = refused else {
            panic!("not refused: {refused:?}");
        };
        assert_eq!(error.reason(), Reason::RefusedByProtocol);
        assert_eq!(error.to_string(), "refused: no shouting");
    }
}

#[test]
fn answer_goes_out_behind_its_length() {
    let stream = Scripted::new(b"\x02ho".to_vec());
    let sent = stream.output();
    let shared = shared(Echo::default());
    let (request, reply) =
        block_on(receive_request(stream, PeerId::random(), &shared)).expect("valid");
    block_on(reply.send([request.clone(), request].concat())).expect("the stream takes it");
    assert_eq!(*sent.lock().expect("no panic"), b"\x04hoho");
    let counters = shared.tally.snapshot();
    assert_eq!((counters.responses_sent, counters.bytes_sent), (1, 5));
}
