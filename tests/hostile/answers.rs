//! Answers that break the rules.

use libp2p_peer_sampling::{ExchangeError, MessageError, OutboundError, sampler::Propagation};

use crate::{
    common::raw::{Listener, framed, pb},
    faults::{faults_of_answers, send},
    victim::{Victim, put, still, stranger},
};

#[tokio::test]
async fn bad_answers_are_named_and_spoil_nothing() {
    let mut victim = Victim::start(still()).await;
    for number in 0.. {
        let before = victim.counters().await;
        let mut listener = Listener::memory().await;
        let mut raw = victim.connect(&mut listener).await;
        let (request, mut stream) = raw.request().await;
        let mut faults = faults_of_answers(&request).into_iter();
        let Some(fault) = faults.nth(number) else {
            break;
        };
        let what = &fault.name;
        assert_eq!(request.descriptors.len(), 2, "{what}: itself, the other");
        send(&mut stream, &fault).await;
        let (error, removed) = victim.exchange_failed(raw.peer_id, what).await;
        let ExchangeError::Outbound(OutboundError::Message(error)) = error else {
            panic!("{what}: {error:?}");
        };
        fault.assert(&error, victim.counted_since(&before).await);
        assert!(!removed, "{what}");
        victim.assert_view([], what);
        victim.makes_up_with(&raw, what).await;
        raw.stop().await;
    }
    victim.stop().await;
}

#[tokio::test]
async fn descriptors_that_nobody_has_asked_for_are_refused() {
    let mut victim = Victim::start(still().with_propagation(Propagation::Push)).await;
    let mut listener = Listener::memory().await;
    let mut raw = victim.connect(&mut listener).await;
    let (request, mut stream) = raw.request().await;
    assert!(!request.pull);
    let answer = pb::Response {
        descriptors: vec![raw.descriptor()],
        neighbour: false,
        retry_after: 0,
    };
    let before = victim.counters().await;
    put(&mut stream, &framed(&answer)).await;
    let what = "an answer that is too much";
    let (error, removed) = victim.exchange_failed(raw.peer_id, what).await;
    assert!(
        matches!(
            error,
            ExchangeError::Outbound(OutboundError::Message(MessageError::UnaskedDescriptors {
                count: 1
            }))
        ),
        "{error:?}"
    );
    assert!(!removed);
    let counted = victim.counted_since(&before).await;
    assert_eq!(counted, [("unasked_descriptors", 1)]);
    victim.assert_view([], what);
    victim.makes_up_with(&raw, what).await;
    raw.stop().await;
    victim.stop().await;
}

/// Far more than the request took: none of it is read but its length.
#[tokio::test]
async fn answer_longer_than_its_request_is_refused_unread() {
    let mut victim = Victim::start(still()).await;
    let mut listener = Listener::memory().await;
    let mut raw = victim.connect(&mut listener).await;
    let (request, mut stream) = raw.request().await;
    let asked = framed(&request).len();
    let answer = pb::Response {
        descriptors: (0..60).map(|_| stranger()).collect(),
        neighbour: false,
        retry_after: 0,
    };
    let answer = framed(&answer);
    let before = victim.counters().await;
    // The length alone: nothing that follows is waited for.
    put(&mut stream, &answer[..2]).await;
    let what = "an answer that is too long";
    let (error, removed) = victim.exchange_failed(raw.peer_id, what).await;
    assert!(
        matches!(
            error,
            ExchangeError::Outbound(OutboundError::Message(
                MessageError::ResponseTooLong { bytes, request }
            )) if bytes == answer.len() as u64 && request == asked
        ),
        "{error:?}"
    );
    assert!(!removed);
    let counted = victim.counted_since(&before).await;
    assert_eq!(counted, [("response_too_long", 1)]);
    assert_eq!(
        victim.counters().await.bytes_received - before.bytes_received,
        2
    );
    victim.assert_view([], what);
    victim.makes_up_with(&raw, what).await;
    raw.stop().await;
    victim.stop().await;
}
