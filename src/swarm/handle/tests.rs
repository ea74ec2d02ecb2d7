//! What a handle's samples and waits return.

use std::time::Duration;

use futures::{FutureExt, StreamExt};
use libp2p_identity::Keypair;
use rand::SeedableRng;
use web_time::Instant;

use super::*;
use crate::{
    sampling::{
        mode::{ranked::RankedSelection, recency::Recency},
        view::Descriptor,
    },
    swarm::{
        clock::Clock,
        handle::{publisher::Publisher, state::WAITING, streams::BehaviourGone},
        limits::Limits,
        node::contacts::Place,
    },
};

fn records(count: usize) -> Vec<Record> {
    (0..count)
        .map(|_| {
            let address = "/memory/1".parse().expect("a multiaddr");
            Record::sign(&Keypair::generate_ed25519(), 1, &[address]).expect("signing works")
        })
        .collect()
}

fn view(records: &[Record]) -> View<Record> {
    records.iter().cloned().map(Descriptor::fresh).collect()
}

fn node() -> Arc<Node> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a node has a clock, which handles do not read"
    )]
    let clock = Clock::new(Instant::now());
    let pace = (Duration::from_secs(1), None);
    Node::new(PeerId::random(), Limits::default(), pace, clock)
}

fn publisher() -> Publisher {
    Publisher::new(node(), None, StdRng::seed_from_u64(1), false)
}

#[test]
fn clones_share_one_service() {
    let publisher = publisher();
    let records = records(10);
    publisher.publish(&view(&records));
    let (a, b) = (publisher.handle().clone(), publisher.handle().clone());
    let mut drawn: Vec<PeerId> = (0..5)
        .filter_map(|_| a.select_peer(Selection::Uniform))
        .chain(b.sample(5))
        .map(|record| record.peer_id())
        .collect();
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn.len(), 10);
    assert_eq!(a.sample(99).len(), 10);
    assert!(a.view().peers().eq(&records));
    assert_eq!(b.view_len(), 10);
}

#[test]
fn broadcast_reaches_the_view_once_and_may_use_the_handle() {
    let publisher = publisher();
    publisher.publish(&view(&records(3)));
    let mut handle = publisher.handle().clone();
    let other = handle.clone();
    let mut lens = Vec::new();
    assert_eq!(handle.broadcast(|_| lens.push(other.view_len())), 3);
    assert_eq!(lens, [3, 3, 3]);
}

#[test]
fn a_snapshot_is_no_copy_and_later_changes_do_not_show() {
    let publisher = publisher();
    let records = records(3);
    publisher.publish(&view(&records[..2]));
    let handle = publisher.handle().clone();
    let (one, other) = (handle.view(), handle.view());
    assert!(Arc::ptr_eq(&one, &other));
    publisher.publish(&view(&records));
    assert_eq!((one.len(), handle.view_len()), (2, 3));
}

/// The modes of a ranked overlay, and any others, by the method or through the interface.
#[test]
fn any_mode_will_do() {
    let publisher = publisher();
    let records = records(3);
    publisher.publish(&view(&records));
    let mut handle = publisher.handle().clone();
    let nearest = handle.select_peer(RankedSelection::Nearest);
    assert_eq!(nearest, Some(records[0].clone()));
    let mut ranked = handle.local();
    let farthest = ranked.select_peer(&RankedSelection::Farthest).into_inner();
    assert_eq!(farthest, Some(records[2].clone()));
    // What one of them was handed, the others do not get before all else.
    let uniform = PeerSampling::select_peer(&mut handle, &Selection::Uniform);
    assert_eq!(uniform.into_inner(), Some(records[1].clone()));
    assert_eq!(ranked.broadcast(drop), 3);
    assert!(ranked.view().peers().eq(&records));
}

#[test]
fn recency_counts_the_exchanges_of_the_node() {
    let node = node();
    let publisher = Publisher::new(node.clone(), None, StdRng::seed_from_u64(1), false);
    let records = records(3);
    publisher.publish(&view(&records));
    let handle = publisher.handle().clone();
    let met = |record: &Record| {
        let (peer, now) = (record.peer_id(), node.now());
        publisher.contacts(|contacts| {
            contacts.met(peer, Some(record), Place::default(), now, |_| false);
        });
    };
    met(&records[2]);
    node.pass(Duration::from_secs(1));
    met(&records[0]);
    let least_recent = || handle.select_peer(Recency::LeastRecent);
    assert_eq!(least_recent(), Some(records[1].clone()), "no contact");
    met(&records[1]);
    assert_eq!(least_recent(), Some(records[2].clone()));
    node.pass(Duration::from_secs(1));
    met(&records[2]);
    assert_eq!(least_recent(), Some(records[0].clone()));
}

#[test]
fn waiting_takes_a_peer_that_is_there_at_once() {
    let publisher = publisher();
    publisher.publish(&view(&records(2)));
    let mut waiting = publisher.handle().waiting();
    let mut select = || waiting.select_peer(&Selection::Uniform).now_or_never();
    let (one, other) = (select().flatten(), select().flatten());
    assert!(one.is_some() && one != other);
}

#[test]
fn waiting_is_woken_by_the_first_peer_and_ends_with_the_behaviour() {
    let publisher = publisher();
    let mut waiting = publisher.handle().waiting();
    let mut select = || waiting.select_peer(&Selection::Uniform);
    let mut dropped = select();
    assert_eq!((&mut dropped).now_or_never(), None);
    drop(dropped);
    let wait = |next| std::thread::spawn(|| futures::executor::block_on(next));
    let first = wait(select());
    let records = records(1);
    publisher.publish(&view(&records));
    assert_eq!(first.join().expect("no panic"), Some(records[0].clone()));
    publisher.publish(&view(&[]));
    let gone = wait(select());
    drop(publisher);
    assert_eq!(gone.join().expect("no panic"), None);
    assert_eq!(select().now_or_never(), Some(None));
}

#[test]
fn fresh_samples_are_each_peer_once_and_newcomers_until_the_end() {
    let publisher = publisher();
    let records = records(4);
    let mut samples = publisher.handle().fresh_samples();
    assert!(samples.next().now_or_never().is_none(), "nobody yet");

    publisher.publish(&view(&records[..3]));
    let mut seen: Vec<PeerId> = (0..3)
        .filter_map(|_| samples.next().now_or_never().flatten())
        .map(|record| record.peer_id())
        .collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 3);
    assert!(samples.next().now_or_never().is_none(), "all seen");

    publisher.publish(&view(&records[1..]));
    let newcomer = samples.next().now_or_never().flatten();
    assert_eq!(newcomer, Some(records[3].clone()));

    drop(publisher);
    assert_eq!(samples.next().now_or_never(), Some(None));
}

/// It used to dry up when everybody had been handed out once.
#[test]
fn samples_go_on_at_the_readers_pace_fresh_ones_first() {
    for given in [false, true] {
        let publisher = Publisher::new(node(), None, StdRng::seed_from_u64(1), given);
        let records = records(3);
        let mut samples = publisher.handle().samples();
        let mut next = || samples.next().now_or_never().flatten();
        assert_eq!(next(), None, "nobody yet");
        publisher.publish(&view(&records[..2]));
        let seen: Vec<Record> = (0..100).filter_map(|_| next()).collect();
        assert_eq!(seen.len(), 100, "it dries up");
        assert!(seen[0] != seen[1], "fresh ones come first");
        for record in &records[..2] {
            let times = seen.iter().filter(|seen| *seen == record).count();
            assert!((25..75).contains(&times), "{times}");
        }
        match given {
            true => publisher.give(&records[2]),
            false => publisher.publish(&view(&records)),
        }
        assert_eq!(next(), Some(records[2].clone()), "the fresh one");
        publisher.publish(&view(&[]));
        assert_eq!(next(), None, "nobody any more");
        drop(publisher);
        assert_eq!(samples.next().now_or_never(), Some(None));
    }
}

#[test]
fn samples_are_woken_by_the_first_peer() {
    let publisher = publisher();
    let samples = publisher.handle().samples();
    let waiting = std::thread::spawn(move || {
        futures::executor::block_on(samples.take(3).collect::<Vec<_>>())
    });
    publisher.publish(&view(&records(1)));
    assert_eq!(waiting.join().expect("no panic").len(), 3);
}

#[test]
fn joined_waits_for_a_neighbour_or_an_exchange_with_somebody_known() {
    let publisher = publisher();
    let handle = publisher.handle().clone();
    let mut joined = handle.joined();
    assert_eq!((&mut joined).now_or_never(), None);
    // By hearsay alone nobody has joined, and an exchange that told of nobody is none.
    publisher.note_exchange();
    publisher.publish(&view(&records(2)));
    assert_eq!((&mut joined).now_or_never(), None);
    publisher.note_exchange();
    assert_eq!(joined.now_or_never(), Some(Ok(())));
    assert_eq!(handle.joined().now_or_never(), Some(Ok(())), "at once");

    publisher.publish(&view(&[]));
    assert!(!handle.is_joined(), "everybody is gone");
    let neighbour = PeerId::random();
    publisher.set_neighbours(&[neighbour]);
    assert!(handle.is_joined());
    assert_eq!(handle.neighbours(), [neighbour]);

    drop(publisher);
    assert!(handle.neighbours().is_empty());
    assert_eq!(handle.joined().now_or_never(), Some(Err(BehaviourGone)));
}

#[test]
fn joined_is_woken() {
    let publisher = publisher();
    let (joined, gone) = (publisher.handle().joined(), publisher.handle().joined());
    let wait = |joined: Joined| std::thread::spawn(|| futures::executor::block_on(joined));
    let joined = wait(joined);
    publisher.set_neighbours(&[PeerId::random()]);
    assert_eq!(joined.join().expect("no panic"), Ok(()));
    publisher.set_neighbours(&[]);
    let gone = wait(gone);
    drop(publisher);
    assert_eq!(gone.join().expect("no panic"), Err(BehaviourGone));
}

#[test]
fn a_waiting_stream_is_woken() {
    let publisher = publisher();
    let samples = publisher.handle().fresh_samples();
    let waiting = std::thread::spawn(move || {
        futures::executor::block_on(samples.take(2).collect::<Vec<_>>())
    });
    let records = records(2);
    publisher.publish(&view(&records[..1]));
    publisher.publish(&view(&records));
    let seen = waiting.join().expect("no panic");
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_dropped_stream_leaves_nothing_behind() {
    let publisher = publisher();
    let mut samples = publisher.handle().fresh_samples();
    assert!(samples.next().now_or_never().is_none());
    drop(samples);
    let state = publisher.handle().lock();
    assert!(state.streams.is_empty() && state.waiting.is_empty());
}

/// With an overlay that gives out samples itself.
#[test]
fn samples_of_the_overlay_come_first_and_are_the_only_fresh_ones() {
    let publisher = Publisher::new(node(), None, StdRng::seed_from_u64(1), true);
    let handle = publisher.handle().clone();
    let peers = records(5);
    publisher.publish(&view(&peers[..3]));
    let mut stream = handle.fresh_samples();
    assert_eq!(stream.next().now_or_never(), None, "nothing was given out");
    publisher.give(&peers[3]);
    publisher.give(&peers[4]);
    assert_eq!(stream.next().now_or_never(), Some(Some(peers[3].clone())));
    assert_eq!(
        handle.select_peer(Selection::Uniform),
        Some(peers[3].clone())
    );
    let mut sampled = handle.sample(3);
    assert_eq!(sampled.remove(0), peers[4]);
    assert!(sampled.iter().all(|peer| peers[..3].contains(peer)));
    // From here on what is in the view.
    assert!(handle.view().contains(&handle.sample(1)[0].peer_id()));
    assert_eq!(stream.next().now_or_never(), Some(Some(peers[4].clone())));
}

#[test]
fn dead_peers_are_not_handed_out_and_waiting_samples_are_bounded() {
    let publisher = Publisher::new(node(), None, StdRng::seed_from_u64(1), true);
    let handle = publisher.handle().clone();
    let mut stream = handle.fresh_samples();
    let peers = records(2);
    publisher.give(&peers[0]);
    publisher.give(&peers[1]);
    publisher.withdraw(&peers[0].peer_id());
    assert_eq!(stream.next().now_or_never(), Some(Some(peers[1].clone())));
    assert_eq!(
        handle.select_peer(Selection::Uniform),
        Some(peers[1].clone())
    );
    assert_eq!(handle.select_peer(Selection::Uniform), None);
    (0..=WAITING).for_each(|_| publisher.give(&peers[0]));
    let waiting = std::iter::from_fn(|| stream.next().now_or_never().flatten());
    assert_eq!(waiting.count(), WAITING);
}

#[test]
fn a_stream_is_woken_by_what_is_given_out() {
    let publisher = Publisher::new(node(), None, StdRng::seed_from_u64(1), true);
    let samples = publisher.handle().fresh_samples();
    let waiting = std::thread::spawn(move || {
        futures::executor::block_on(samples.take(2).collect::<Vec<_>>())
    });
    let records = records(2);
    records.iter().for_each(|record| publisher.give(record));
    assert_eq!(waiting.join().expect("no panic"), records);
}
