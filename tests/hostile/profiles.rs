//! Profiles that cannot be used: each costs only itself.

use std::collections::BTreeMap;

use libp2p::{PeerId, Swarm, identity::Keypair};
use libp2p_peer_sampling::{Behaviour, Direction, Reason, Record};
use prost::Message;

use crate::{
    common::raw::{PROTOCOL, Raw, pb, peer_record, profile, signed},
    victim::{Victim, asking, bare, home, still},
};

/// A flawless record of this peer, with this profile beside it.
fn descriptor(keypair: &Keypair, profile: Vec<u8>) -> pb::Descriptor {
    let record = signed(keypair, &peer_record(keypair, &[&home()]));
    pb::Descriptor {
        profile,
        ..bare(record)
    }
}

fn edited(keypair: &Keypair, edit: fn(&mut pb::Profile)) -> Vec<u8> {
    let good = profile(keypair, PROTOCOL, 7, b"mine");
    let mut message = pb::Profile::decode(&good[..]).expect("just made");
    edit(&mut message);
    message.encode_to_vec()
}

/// Profiles that are no good beside a record of this key.
fn unusable(keypair: &Keypair) -> Vec<(&'static str, Vec<u8>, Reason)> {
    let other = Keypair::generate_ed25519();
    vec![
        ("longer than any", vec![0; 353], Reason::ProfileTooLarge),
        (
            "more data than allowed",
            profile(keypair, PROTOCOL, 7, &[0; 257]),
            Reason::ProfileTooLarge,
        ),
        ("no protobuf", vec![0xff; 9], Reason::ProfileNotProtobuf),
        (
            "unsigned",
            edited(keypair, |profile| profile.signature.clear()),
            Reason::ProfileSignature,
        ),
        (
            "forged",
            edited(keypair, |profile| profile.data[0] ^= 1),
            Reason::ProfileSignature,
        ),
        (
            "another peer's",
            profile(&other, PROTOCOL, 7, b"mine"),
            Reason::ProfileSignature,
        ),
        (
            "another network's",
            profile(keypair, "/other/peer-sampling/1.0.0", 7, b"mine"),
            Reason::ProfileSignature,
        ),
    ]
}

/// What the peers of the view say of themselves.
fn said(victim: &Victim) -> BTreeMap<PeerId, Option<String>> {
    let view = victim.sampling.handle.view();
    let said = |record: &Record| (record.peer_id(), record.profile_as::<String>());
    view.peers().map(said).collect()
}

#[tokio::test]
async fn profile_that_cannot_be_used_is_left_out_and_its_record_taken() {
    let mut victim = Victim::start(still()).await;
    let raw = Raw::dial(victim.address()).await;
    let keypair = Keypair::generate_ed25519();
    for (what, poison, reason) in unusable(&keypair) {
        let neighbour = Keypair::generate_ed25519();
        let before = victim.counters().await;
        let good = profile(&neighbour, PROTOCOL, 1, b"good");
        let mut request = asking(vec![
            descriptor(&neighbour, good),
            descriptor(&keypair, poison.clone()),
        ]);
        request.padding = vec![0; 4_096];
        raw.exchange(&request).await;
        let received = victim
            .exchanged(raw.peer_id, Direction::Inbound, what)
            .await;
        assert_eq!(received, 2, "{what}");
        let [spoilt, other] = [&keypair, &neighbour].map(|key| key.public().to_peer_id());
        let said = said(&victim);
        assert_eq!(said.get(&spoilt), Some(&None), "{what}");
        assert_eq!(said.get(&other), Some(&Some("good".into())), "{what}");
        assert_eq!(
            victim.counted_since(&before).await,
            [(reason.name(), 1)],
            "{what}"
        );

        // The record is passed on without it.
        let passed_on = raw.exchange(&request).await.descriptors;
        victim
            .exchanged(raw.peer_id, Direction::Inbound, what)
            .await;
        assert!(!passed_on.iter().any(|d| d.profile == poison), "{what}");
        for peer in [spoilt, other] {
            let remove = move |swarm: &mut Swarm<Behaviour>| swarm.behaviour_mut().remove(&peer);
            assert!(victim.sampling.node.ask(remove).await, "{what}");
        }
        victim.assert_view([], what);
    }
    raw.stop().await;
    victim.stop().await;
}

#[tokio::test]
async fn message_full_of_bad_profiles_makes_bounded_work_and_brings_its_records() {
    let mut victim = Victim::start(still().with_view_size(100)).await;
    let raw = Raw::dial(victim.address()).await;
    let keys: Vec<_> = (0..64).map(|_| Keypair::generate_ed25519()).collect();
    let before = victim.counters().await;
    let forged = |key| descriptor(key, edited(key, |profile| profile.seq += 1));
    raw.exchange(&asking(keys.iter().map(forged).collect()))
        .await;
    let received = victim
        .exchanged(raw.peer_id, Direction::Inbound, "64 of them")
        .await;
    assert_eq!(received, 64);
    let peers = keys.iter().map(|key| key.public().to_peer_id());
    victim.assert_view(peers, "64 good records");
    assert!(said(&victim).values().all(Option::is_none));
    let after = victim.counters().await;
    assert_eq!(after.profiles_verified - before.profiles_verified, 64);
    assert_eq!(after.profiles_passed_over - before.profiles_passed_over, 64);
    assert_eq!(after.records_passed_over, before.records_passed_over);
    raw.stop().await;
    victim.stop().await;
}

#[tokio::test]
async fn stale_profile_does_not_bring_the_old_one_back() {
    let mut victim = Victim::start(still()).await;
    let raw = Raw::dial(victim.address()).await;
    let keypair = Keypair::generate_ed25519();
    let peer = keypair.public().to_peer_id();
    for (seq, text, kept, stale) in [
        (5, "first", "first", 0),
        (6, "second", "second", 0),
        (5, "first", "second", 1),
    ] {
        let before = victim.counters().await;
        let profile = profile(&keypair, PROTOCOL, seq, text.as_bytes());
        raw.exchange(&asking(vec![descriptor(&keypair, profile)]))
            .await;
        victim
            .exchanged(raw.peer_id, Direction::Inbound, text)
            .await;
        assert_eq!(said(&victim).get(&peer), Some(&Some(kept.into())));
        let after = victim.counters().await;
        let reason = Reason::ProfileStale;
        assert_eq!(after.refused(reason) - before.refused(reason), stale);
    }
    raw.stop().await;
    victim.stop().await;
}
