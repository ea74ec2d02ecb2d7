//! Records that cannot be used, and the peers that carry them.

use std::collections::BTreeSet;

use libp2p::{Swarm, identity::Keypair};
use libp2p_peer_sampling::{Behaviour, Direction, Event, Reason, sampler::Propagation};

use crate::{
    common::raw::{Raw, framed, pb},
    faults::unusable_records,
    victim::{HOUR, SHORT, Victim, asking, bare, end, put, start, still, stranger},
};

/// A record that one implementation can read and another cannot may be an honest peer's: given to
/// those that can, it must not part the two.
#[tokio::test]
async fn record_in_a_request_that_cannot_be_used_is_passed_over_and_not_passed_on() {
    let mut victim = Victim::start(still()).await;
    let raw = Raw::dial(victim.address()).await;
    for (what, poison, reason) in unusable_records() {
        let before = victim.counters().await;
        let [first, last] = [stranger(), stranger()];
        let request = asking(vec![first.clone(), bare(poison.clone()), last.clone()]);
        raw.exchange(&request).await;
        let received = victim
            .exchanged(raw.peer_id, Direction::Inbound, what)
            .await;
        // A wrong signature ends the verification in its message.
        let expected = match reason {
            Reason::RecordSignature => vec![&first],
            _ => vec![&first, &last],
        };
        assert_eq!(received, expected.len(), "{what}");
        let after = victim.counters().await;
        assert_eq!(after.refused(reason) - before.refused(reason), 1, "{what}");
        let passed_over = after.records_passed_over - before.records_passed_over;
        assert_eq!(passed_over, 3 - expected.len() as u64, "{what}");

        let passed_on = raw.exchange(&asking(vec![])).await.descriptors;
        victim
            .exchanged(raw.peer_id, Direction::Inbound, what)
            .await;
        let passed_on: Vec<_> = passed_on.iter().map(|d| &d.signed_peer_record).collect();
        assert!(!passed_on.contains(&&poison), "{what}");
        for taken in expected {
            assert!(passed_on.contains(&&taken.signed_peer_record), "{what}");
        }
        for peer in victim.sampling.view() {
            if peer != victim.honest.node.peer_id {
                let remove =
                    move |swarm: &mut Swarm<Behaviour>| swarm.behaviour_mut().remove(&peer);
                assert!(victim.sampling.node.ask(remove).await, "{what}");
            }
        }
        victim.assert_view([], what);
    }
    raw.stop().await;
    victim.stop().await;
}

/// The second answer used to cost the honest carrier its place in the view.
#[tokio::test]
async fn carrier_of_a_record_that_cannot_be_used_is_not_blamed() {
    let config = still().with_period(SHORT / 5).with_exchange_timeout(HOUR);
    // A node that only pulls pads all its requests: there is room for any answer.
    let mut node = start(config.with_propagation(Propagation::Pull));
    let mut raw = Raw::dial(&node.node.address).await;
    let peer_id = raw.peer_id;
    let request = pb::Request {
        descriptors: vec![raw.descriptor()],
        ..Default::default()
    };
    raw.exchange(&request).await;
    let mut counted = BTreeSet::new();
    for (what, poison, reason) in unusable_records() {
        for _ in 0..2 {
            let (_, mut stream) = raw.request().await;
            let answer = pb::Response {
                descriptors: vec![raw.descriptor(), bare(poison.clone())],
                neighbour: false,
                retry_after: 0,
            };
            put(&mut stream, &framed(&answer)).await;
            end(&mut stream).await;
            let exchanged = |event| match event {
                Event::Exchanged {
                    direction: Direction::Outbound,
                    received,
                    ..
                } => Some(received),
                Event::ExchangeFailed { .. } => panic!("{what}: {event:?}"),
                _ => None,
            };
            assert_eq!(node.event(what, exchanged).await, 1, "{what}");
            assert_eq!(node.view(), [peer_id], "{what}");
        }
        counted.insert(reason.name());
    }
    let counters = node.node.ask(|swarm| swarm.behaviour().counters()).await;
    let refusals = counters.refusals().filter(|(_, count)| *count > 0);
    let refusals: BTreeSet<_> = refusals.map(|(reason, _)| reason.name()).collect();
    assert_eq!(refusals, counted);
    raw.stop().await;
    node.node.stop().await;
}

/// Or a later version that is stricter, or has fewer features, would start without anybody.
#[test]
fn saved_record_that_cannot_be_used_costs_none_of_the_others() {
    for (what, poison, reason) in unusable_records() {
        let keypair = Keypair::generate_ed25519();
        let mut behaviour = Behaviour::new(&keypair, still()).expect("valid settings");
        let [first, last] = [stranger(), stranger()].map(|d| d.signed_peer_record);
        let restored = behaviour.init([first, poison, last]);
        assert_eq!(
            (restored.entered, behaviour.handle().view_len()),
            (2, 2),
            "{what}"
        );
        let refused = restored
            .refused
            .iter()
            .map(|(at, error)| (*at, error.reason()));
        let refused: Vec<_> = refused.collect();
        match reason {
            Reason::RecordNotAdmitted | Reason::RecordKeyUnsupported => {
                assert!(refused.is_empty(), "{what}: {refused:?}");
            }
            _ => assert_eq!(refused, [(1, reason)], "{what}"),
        }
    }
}
