//! Requests that break the rules.

use std::collections::BTreeSet;

use futures::AsyncWriteExt;
use libp2p::{Swarm, identity::Keypair};
use libp2p_peer_sampling::{Behaviour, Direction, Event, InboundError, MessageError, Reason};
use prost::Message;

use crate::{
    common::{
        raw::{Listener, Raw, framed, pb, peer_record, signed, varint, within},
        swarms::eventually_async,
    },
    faults::{faults, send},
    victim::{Victim, asking, end, home, put, rest, still},
};

#[tokio::test]
async fn bad_requests_are_named_and_spoil_nothing() {
    let mut victim = Victim::start(still()).await;
    let raw = Raw::dial(victim.address()).await;
    let (mut connections, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for fault in faults() {
        let before = victim.counters().await;
        let mut stream = raw.open().await;
        send(&mut stream, &fault).await;
        let (error, connection) = victim.inbound_failed(raw.peer_id, &fault.name).await;
        let InboundError::Request(error) = error else {
            panic!("{}: {error:?}", fault.name);
        };
        fault.assert(&error, victim.counted_since(&before).await);
        assert_eq!(rest(&mut stream, &fault.name).await, [], "{}", fault.name);
        victim.assert_view([], &fault.name);
        victim.makes_up_with(&raw, &fault.name).await;
        connections.insert(connection);
        seen.insert(fault.reason);
    }
    assert_eq!(connections.len(), 1, "all on the same connection");
    // Every kind of fault that a request can have, but streams that break.
    let of_messages = |name: &&str| name.starts_with("message");
    let all: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    let mut all: BTreeSet<_> = all.into_iter().filter(of_messages).collect();
    all.extend(["too_many_descriptors", "record_too_large"]);
    assert_eq!(seen, all);
    raw.stop().await;
    victim.stop().await;
}

/// What the node reads on after it has refused a message would be read for nothing.
#[tokio::test]
async fn request_that_is_too_long_is_not_read() {
    let mut victim = Victim::start(still()).await;
    let raw = Raw::dial(victim.address()).await;
    let mut stream = raw.open().await;
    // Far more than yamux lets through without a reader.
    let bytes = [varint(16 << 20), vec![0; 16 << 20]].concat();
    let written = within("an end to the writing", stream.write_all(&bytes)).await;
    assert!(written.is_err(), "the node has read all of it");
    let (error, _) = victim.inbound_failed(raw.peer_id, "too long").await;
    assert!(
        matches!(
            error,
            InboundError::Request(MessageError::TooLong { bytes: 0x100_0000 })
        ),
        "{error:?}"
    );
    victim.assert_view([], "after a message too long");
    victim.makes_up_with(&raw, "too long").await;
    raw.stop().await;
    victim.stop().await;
}

/// An exchange is one request and one answer. There is nobody to read more.
#[tokio::test]
async fn bytes_after_a_message_change_nothing() {
    let mut victim = Victim::start(still()).await;
    let stranger = Keypair::generate_ed25519();
    let more = pb::Descriptor {
        signed_peer_record: signed(&stranger, &peer_record(&stranger, &[&home()])),
        age: 0,
        ..Default::default()
    };

    let mut listener = Listener::memory().await;
    let mut raw = victim.connect(&mut listener).await;
    let (_, mut stream) = raw.request().await;
    let answer = |descriptor| {
        framed(&pb::Response {
            descriptors: vec![descriptor],
            neighbour: false,
            retry_after: 0,
        })
    };
    let bytes = [
        answer(raw.descriptor()),
        answer(more.clone()),
        vec![0xff; 100],
    ]
    .concat();
    put(&mut stream, &bytes).await;
    end(&mut stream).await;
    let received = victim
        .exchanged(raw.peer_id, Direction::Outbound, "two answers")
        .await;
    assert_eq!(received, 1);
    victim.assert_view([raw.peer_id], "after two answers");
    victim.remove(raw.peer_id).await;
    victim.makes_up_with(&raw, "two answers").await;

    let mut stream = raw.open().await;
    let pull = asking(vec![]);
    let push = pb::Request {
        descriptors: vec![more],
        ..Default::default()
    };
    let bytes = [framed(&pull), framed(&push)].concat();
    put(&mut stream, &bytes).await;
    let answer = rest(&mut stream, "one answer").await;
    let answer = pb::Response::decode_length_delimited(&answer[..]).expect("protobuf");
    assert_eq!(answer.descriptors.len(), 2);
    victim.assert_view([], "after two requests");
    victim.makes_up_with(&raw, "two requests").await;

    let events = victim.other_events();
    let exchanges = events
        .iter()
        .filter(|event| matches!(event, Event::Exchanged { peer, direction: Direction::Inbound, .. } if *peer == raw.peer_id));
    // The first of the two requests, and the good one after each fault.
    assert_eq!(exchanges.count(), 3, "{events:?}");
    assert!(
        events.iter().all(|event| matches!(
            event,
            Event::Exchanged {
                direction: Direction::Inbound,
                ..
            } | Event::Contacted { .. }
        )),
        "{events:?}"
    );
    raw.stop().await;
    victim.stop().await;
}

#[tokio::test]
async fn a_neighbour_that_nobody_has_asked_is_told_so() {
    let mut victim = Victim::start(still()).await;
    let mut listener = Listener::memory().await;
    let mut raw = victim.connect(&mut listener).await;
    let yes = framed(&pb::Response {
        neighbour: true,
        retry_after: 0,
        ..Default::default()
    });
    let (request, mut stream) = raw.request().await;
    assert_eq!(request.neighbour(), pb::Neighbour::None);
    put(&mut stream, &yes).await;
    end(&mut stream).await;
    victim
        .exchanged(raw.peer_id, Direction::Outbound, "the exchange")
        .await;
    // The notice, and a peer that does not listen to it.
    let (notice, mut stream) = raw.request().await;
    assert_eq!(notice, pb::Request::default());
    put(&mut stream, &yes).await;
    end(&mut stream).await;
    victim.makes_up_with(&raw, "an answer to nothing").await;
    assert!(!raw.has_stream(), "it is told once");
    let neighbours = |swarm: &mut Swarm<Behaviour>| swarm.behaviour().neighbours().len();
    assert_eq!(victim.sampling.node.ask(neighbours).await, 0);
    raw.stop().await;
    victim.stop().await;
}

#[tokio::test]
async fn streams_beyond_the_bound_are_refused() {
    const BOUND: usize = 4;
    const MORE: u64 = 40;

    let mut victim = Victim::start(still()).await;
    let raw = Raw::dial(victim.address()).await;
    let mut streams = Vec::new();
    for _ in 0..BOUND as u64 + MORE {
        streams.push(raw.open().await);
    }
    let (error, _) = victim
        .inbound_failed(raw.peer_id, "a stream too many")
        .await;
    assert!(matches!(error, InboundError::TooManyStreams), "{error:?}");
    // Told once, and counted each time.
    let counted = async || victim.counters().await.refused(Reason::TooManyStreams) == MORE;
    eventually_async("all that were too many are counted", counted).await;
    // The bound is one connection's, and holds up nobody else.
    let other = Raw::dial(victim.address()).await;
    victim.makes_up_with(&other, "meanwhile").await;
    other.stop().await;

    for stream in &mut streams {
        let _ = within("the end of a stream", stream.close()).await;
    }
    for _ in 0..BOUND {
        let (error, _) = victim.inbound_failed(raw.peer_id, "an end").await;
        assert!(
            matches!(error, InboundError::Request(MessageError::CutOff)),
            "{error:?}"
        );
    }
    victim.assert_view([], "after streams beyond the bound");
    victim.makes_up_with(&raw, "streams beyond the bound").await;
    raw.stop().await;
    victim.stop().await;
}
