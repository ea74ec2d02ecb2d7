//! A real node under floods: of requests, of streams, of records. It spends what its limits say,
//! goes on with others, and sends no more bytes than it gets.

mod common;

use std::{env, fs, time::Duration};

use common::{
    raw::{Raw, RawStream, framed, memory, pb, peer_record, signed, within},
    swarms::{Node, Sampling, config, eventually_async, ip_swarm},
};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{Multiaddr, Swarm, identity::Keypair, multiaddr::Protocol};
use libp2p_peer_sampling::{
    Behaviour, Config, Counters, Direction, Event, ExchangeError, InboundError, Limits,
    OutboundError, Reason,
};
use prost::Message;
use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A node that starts nothing by itself.
fn still(limits: Limits) -> Config {
    config()
        .with_period(HOUR)
        .with_eager_delay(HOUR)
        .with_exchange_timeout(HOUR)
        .with_neighbours(0)
        .with_limits(limits)
}

fn start(config: Config) -> Sampling {
    Sampling::with_idle_timeout(HOUR, config)
}

async fn counters(node: &Sampling) -> Counters {
    let counters = |swarm: &mut Swarm<Behaviour>| swarm.behaviour().counters();
    node.node.ask(counters).await
}

/// Waits until so many were refused for that reason.
async fn refused(node: &Sampling, reason: Reason, count: u64) {
    let condition = async || counters(node).await.refused(reason) == count;
    eventually_async(&format!("{count} of {}", reason.name()), condition).await;
}

/// What has happened and nobody has asked for yet.
fn events(node: &mut Sampling) -> Vec<Event> {
    std::iter::from_fn(|| node.node.events.try_recv().ok()).collect()
}

fn failures(events: &[Event]) -> Vec<&InboundError> {
    let failures = events.iter().filter_map(|event| match event {
        Event::InboundFailed { error, .. } => Some(error),
        _ => None,
    });
    failures.collect()
}

/// A flawless descriptor of somebody new.
fn stranger() -> pb::Descriptor {
    let keypair = Keypair::generate_ed25519();
    let home = Multiaddr::from(Protocol::Memory(u64::MAX - 1));
    pb::Descriptor {
        signed_peer_record: signed(&keypair, &peer_record(&keypair, &[&home])),
        age: 0,
        ..Default::default()
    }
}

/// Sends `bytes`, and returns what comes until the node lets go of the stream.
async fn answer(stream: &mut RawStream, bytes: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    let exchange = async {
        // The node may let go of it before it has read anything.
        let _ = stream.write_all(bytes).await;
        let _ = stream.close().await;
        let _ = stream.read_to_end(&mut answer).await;
    };
    within("an end of the stream", exchange).await;
    answer
}

#[tokio::test]
async fn requests_beyond_the_rate_are_dropped_unread() {
    const BURST: u64 = 30;
    const MORE: u64 = 200;

    let mut node = start(still(Limits::default()));
    // Another one is read in each second.
    let begun = Instant::now();
    let most = || BURST + begun.elapsed().as_secs() + 1;
    let keypair = Keypair::generate_ed25519();
    let dial = || Raw::dial_on(keypair.clone(), memory(&keypair), &node.node.address);
    let request = framed(&pb::Request {
        descriptors: vec![stranger()],
        ..Default::default()
    });

    let raw = dial().await;
    let mut served = 0;
    for sent in 0..BURST + MORE {
        let answer = answer(&mut raw.open().await, &request).await;
        served += u64::from(!answer.is_empty());
        assert!(sent >= BURST || served == sent + 1, "request {sent}");
        assert!(served <= most(), "request {sent}: {served} were served");
    }
    raw.stop().await;
    // To connect anew is no way around it.
    let raw = dial().await;
    for _ in 0..BURST {
        let answer = answer(&mut raw.open().await, &request).await;
        served += u64::from(!answer.is_empty());
    }
    assert!(served <= most(), "{served} were served");
    refused(&node, Reason::TooManyRequests, 2 * BURST + MORE - served).await;
    let counted = counters(&node).await;
    assert_eq!(counted.requests_received, served);
    assert_eq!(counted.bytes_received, served * request.len() as u64);
    let events = events(&mut node);
    assert!(
        matches!(failures(&events)[..], [InboundError::TooManyRequests]),
        "told once: {events:?}"
    );

    // Nobody else is held up.
    let other = Raw::dial(&node.node.address).await;
    assert!(!answer(&mut other.open().await, &request).await.is_empty());
    other.stop().await;
    raw.stop().await;
    node.node.stop().await;
}

/// A node that is dialled over TCP or QUIC.
async fn start_on(address: &str, config: Config) -> Sampling {
    let mut swarm = ip_swarm(Keypair::generate_ed25519(), HOUR, |keypair| {
        Behaviour::new(keypair, config).expect("valid settings")
    });
    let address = address.parse().expect("a multiaddr");
    swarm.listen_on(address).expect("a free port");
    let handle = swarm.behaviour().handle();
    let mut node = Node::spawn(swarm, Multiaddr::empty());
    let mut listener = None;
    let listens = async || {
        listener = node.ask(|swarm| swarm.listeners().next().cloned()).await;
        listener.is_some()
    };
    eventually_async("a listener", listens).await;
    node.address = listener.expect("it listens");
    Sampling { node, handle }
}

fn with_period(milliseconds: u64) -> Config {
    config().with_period(Duration::from_millis(milliseconds))
}

#[tokio::test]
async fn peer_with_a_short_period_is_not_dropped_over_memory() {
    let slow = Sampling::with_idle_timeout(HOUR, with_period(1_000));
    let seed = slow.node.address.clone();
    let fast = Sampling::with_idle_timeout(HOUR, with_period(50).with_seeds([seed]));
    nobody_is_dropped(fast, slow).await;
}

#[tokio::test]
async fn peer_with_a_short_period_is_not_dropped_over_tcp() {
    let any = "/ip4/127.0.0.1/tcp/0";
    let slow = start_on(any, with_period(1_000)).await;
    let seed = slow.node.address.clone();
    let fast = start_on(any, with_period(50).with_seeds([seed])).await;
    nobody_is_dropped(fast, slow).await;
}

#[tokio::test]
async fn peer_with_a_short_period_is_not_dropped_over_quic() {
    let any = "/ip4/127.0.0.1/udp/0/quic-v1";
    let slow = start_on(any, with_period(1_000)).await;
    let seed = slow.node.address.clone();
    let fast = start_on(any, with_period(50).with_seeds([seed])).await;
    nobody_is_dropped(fast, slow).await;
}

/// Two nodes, of which one makes twenty rounds in one of the other's: over a hundred of its rounds
/// the other does not serve all of its requests, and neither takes that for a failure of the other.
async fn nobody_is_dropped(mut fast: Sampling, mut slow: Sampling) {
    const ROUNDS: usize = 100;

    let ids = [fast.node.peer_id, slow.node.peer_id];
    let know_each_other = async || fast.view() == [ids[1]] && slow.view() == [ids[0]];
    eventually_async("both know each other", know_each_other).await;
    let (mut served, mut not_served) = (0, 0);
    while served + not_served < ROUNDS {
        let outcome = |event| match event {
            Event::Exchanged {
                direction: Direction::Outbound,
                ..
            } => Some(None),
            Event::ExchangeFailed { error, removed, .. } => Some(Some((error, removed))),
            _ => None,
        };
        match fast.event("an outcome", outcome).await {
            None => served += 1,
            Some((error, removed)) => {
                let is_reset = matches!(
                    error,
                    ExchangeError::Outbound(OutboundError::NotServed { .. })
                );
                assert!(is_reset && !removed, "{error:?}, removed: {removed}");
                not_served += 1;
            }
        }
        assert_eq!(fast.view(), [ids[1]], "{served} served, {not_served} not");
        assert_eq!(slow.view(), [ids[0]], "{served} served, {not_served} not");
    }
    println!("{served} served, {not_served} not");
    assert!(
        served > 30 && not_served > 0,
        "{served} served, {not_served} not"
    );
    let failed = events(&mut slow).into_iter();
    let failed: Vec<_> = failed
        .filter(|event| matches!(event, Event::ExchangeFailed { .. }))
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
    for node in [fast, slow] {
        node.node.stop().await;
    }
}

/// Streams that are held open, by many peers, keep nobody else out.
#[tokio::test]
async fn streams_of_all_connections_together_are_bounded() {
    const BOUND: usize = 6;

    let mut limits = Limits::default();
    limits.inbound_streams_overall = BOUND;
    let mut node = start(still(limits));
    let mut peers = Vec::new();
    let mut streams = Vec::new();
    for _ in 0..3 {
        let raw = Raw::dial(&node.node.address).await;
        for _ in 0..4 {
            streams.push(raw.open().await);
        }
        peers.push(raw);
    }
    refused(&node, Reason::Overloaded, 12 - BOUND as u64).await;
    // The first to come are the first to go.
    for stream in &mut streams[..12 - BOUND] {
        assert_eq!(answer(stream, &[]).await, []);
    }
    let honest = Raw::dial(&node.node.address).await;
    let request = pb::Request {
        descriptors: vec![honest.descriptor()],
        ..Default::default()
    };
    for _ in 0..20 {
        // One of the others gives way to the first. A stream that ends makes room for the next.
        honest.exchange(&request).await;
    }
    refused(&node, Reason::Overloaded, 12 - BOUND as u64 + 1).await;
    let events = events(&mut node);
    let told = failures(&events);
    assert!(
        told.iter().all(|e| matches!(e, InboundError::Overloaded)) && told.len() <= 3,
        "once for each peer: {told:?}"
    );
    for raw in peers.into_iter().chain([honest]) {
        raw.stop().await;
    }
    node.node.stop().await;
}

/// Fills the view of a node with peers that are nowhere.
async fn fill(node: &Sampling) {
    while node.handle.view_len() < 30 {
        let raw = Raw::dial(&node.node.address).await;
        let request = pb::Request {
            descriptors: (0..60).map(|_| stranger()).collect(),
            ..Default::default()
        };
        raw.exchange(&request).await;
        raw.stop().await;
    }
}

#[tokio::test]
async fn an_answer_takes_no_more_bytes_than_its_request() {
    let mut limits = Limits::default();
    limits.request_burst = 1_000;
    let node = start(still(limits));
    fill(&node).await;
    let raw = Raw::dial(&node.node.address).await;
    let mut most = 0;
    for padding in (0..5_000).step_by(97) {
        let before = counters(&node).await;
        let request = framed(&pb::Request {
            pull: true,
            neighbour: pb::Neighbour::Needed.into(),
            padding: vec![0; padding],
            ..Default::default()
        });
        let answer = answer(&mut raw.open().await, &request).await;
        assert!(answer.len() <= request.len(), "{padding}: {}", answer.len());
        let after = counters(&node).await;
        assert_eq!(
            after.bytes_received - before.bytes_received,
            request.len() as u64
        );
        assert_eq!(after.bytes_sent - before.bytes_sent, answer.len() as u64);
        let answer = pb::Response::decode_length_delimited(&answer[..]).expect("protobuf");
        most = most.max(answer.descriptors.len());
    }
    assert_eq!(most, 15, "with enough room, half of the view");
    raw.stop().await;
    node.node.stop().await;
}

#[tokio::test]
async fn a_newcomer_is_told_of_half_a_view_at_once() {
    let node = start(still(Limits::default()));
    fill(&node).await;
    let seed = node.node.address.clone();
    let mut newcomer = start(still(Limits::default()).with_seeds([seed]));
    let exchanged = |event| match event {
        Event::Exchanged {
            direction: Direction::Outbound,
            received,
            ..
        } => Some(received),
        _ => None,
    };
    let received = newcomer.event("the first exchange", exchanged).await;
    assert_eq!(received, 15);
    newcomer.node.stop().await;
    node.node.stop().await;
}

/// How many records a flood has: `FLOOD_RECORDS=1000000` for a real one.
fn flood_records() -> usize {
    let set = env::var("FLOOD_RECORDS").ok();
    set.map_or(10_000, |records| records.parse().expect("a number"))
}

/// The memory that this process holds, and the most that it ever held, in bytes; nothing where
/// nobody says. A counting allocator would do for one thread, and timers are dropped in another.
fn resident() -> (u64, u64) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bytes = |name| {
        let mut lines = status.lines();
        let kib = lines.find_map(|line| line.strip_prefix(name)?.strip_suffix("kB"));
        kib.map_or(0, |kib| kib.trim().parse::<u64>().expect("a number") * 1024)
    };
    (bytes("VmRSS:"), bytes("VmHWM:"))
}

/// The outcomes of the exchanges that honest nodes have started with honest nodes since they were
/// last asked: how many, and how many of them failed. Others must not have failed for a fault of
/// anybody's.
fn honest_exchanges(nodes: &mut [Sampling]) -> (usize, usize) {
    let honest: Vec<_> = nodes.iter().map(|node| node.node.peer_id).collect();
    let (mut all, mut failed) = (0, 0);
    for event in nodes.iter_mut().flat_map(events) {
        match event {
            Event::Exchanged {
                peer,
                direction: Direction::Outbound,
                ..
            } if honest.contains(&peer) => all += 1,
            Event::ExchangeFailed { peer, .. } if honest.contains(&peer) => {
                all += 1;
                failed += 1;
            }
            Event::InboundFailed { .. } => panic!("nobody is to blame: {event:?}"),
            _ => {}
        }
    }
    (all, failed)
}

/// From ten peers that may send as many requests as they can: what holds is the bounds on records,
/// and nothing else.
#[test]
fn a_flood_of_records_takes_bounded_memory_and_holds_up_nobody() {
    const PEERS: usize = 10;
    const HONEST: usize = 5;

    let records = flood_records();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut limits = Limits::default();
    limits.request_burst = 1_000_000;
    limits.requests_per_second = 1_000_000;
    let mut nodes = vec![runtime.block_on(async { start(config().with_limits(limits)) })];
    let seed = nodes[0].node.address.clone();
    runtime.block_on(async {
        for _ in 0..HONEST {
            nodes.push(start(config().with_seeds([seed.clone()])));
        }
        let known = async || nodes.iter().all(|node| node.handle.view_len() == HONEST);
        eventually_async("all know each other", known).await;
    });
    honest_exchanges(&mut nodes);

    let (mut all, mut failed) = (0, 0);
    let flood = async {
        let mut peers = Vec::new();
        for _ in 0..PEERS {
            peers.push(Raw::dial(&seed).await);
        }
        let (mut sent, mut received) = (0, 0);
        for turn in 0..records.div_ceil(64) {
            let request = framed(&pb::Request {
                descriptors: (0..64).map(|_| stranger()).collect(),
                pull: true,
                ..Default::default()
            });
            let mut stream = peers[turn % PEERS].open().await;
            sent += request.len();
            received += answer(&mut stream, &request).await.len();
            // Events that nobody takes are memory, too.
            let (more, more_failed) = honest_exchanges(&mut nodes);
            all += more;
            failed += more_failed;
        }
        for raw in peers {
            raw.stop().await;
        }
        (sent, received)
    };
    let before = resident();
    let bytes = runtime.block_on(flood);
    // That of the attackers and the other nodes is in it, too.
    let grown = resident().1.saturating_sub(before.0);

    runtime.block_on(async {
        let counted = counters(&nodes[0]).await;
        println!(
            "{records} records, {} bytes, {} bytes in return, {grown} bytes of memory; of {all} honest \
             exchanges {failed} failed; {counted:?}",
            bytes.0, bytes.1,
        );
        assert!(grown <= 16 << 20, "{grown} bytes");
        assert!(bytes.1 <= bytes.0);
        assert!(all > 0 && failed * 20 <= all, "{failed} of {all}");
        let checked =
            counted.records_verified + counted.records_known + counted.records_passed_over;
        assert!(checked >= records as u64, "all of them were looked at");
        for node in nodes {
            node.node.stop().await;
        }
    });
}
