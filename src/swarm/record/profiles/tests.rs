//! Which profiles are taken, and that a bad one costs only itself.

use std::time::Duration;

use libp2p_identity::Keypair;

use super::*;
use crate::{
    swarm::{
        address::{Scope, policy::AddressPolicy},
        limits::Limits,
        record::{
            tests::{NET, home},
            verifier::{Effort, Verifier},
        },
    },
    time::Time,
};

fn verifier() -> (Verifier, Arc<Tally>) {
    verifier_of(NET, Limits::default())
}

fn verifier_of(protocol: &str, limits: Limits) -> (Verifier, Arc<Tally>) {
    let (policy, tally) = (AddressPolicy::new(Scope::Loopback), Arc::default());
    let verifier = Verifier::new(policy, limits, protocol, Arc::clone(&tally));
    (verifier, tally)
}

fn envelope(keypair: &Keypair, seq: u64) -> Vec<u8> {
    let record = Record::sign(keypair, seq, &home()).expect("signing works");
    record.envelope().to_vec()
}

fn signed(keypair: &Keypair, protocol: &str, bytes: &[u8]) -> Vec<u8> {
    let profile = Profile::sign(keypair, protocol, 7, bytes.to_vec());
    profile.expect("signing works").to_protobuf()
}

fn edited(keypair: &Keypair, edit: impl Fn(&mut pb::Profile)) -> Vec<u8> {
    let mut profile = pb::Profile::decode(&signed(keypair, NET, b"hi")[..]).expect("just made");
    edit(&mut profile);
    profile.encode_to_vec()
}

fn check(verifier: &Verifier, said: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<Record> {
    let checked = verifier.check_described(said, Effort::Asked);
    let taken = checked.into_iter().map(|record| record.expect("taken"));
    taken.collect()
}

#[test]
fn profile_comes_with_its_record_and_is_verified_once() {
    let (verifier, tally) = verifier();
    let keypair = Keypair::generate_ed25519();
    let profile = signed(&keypair, NET, b"hi");
    // A newer record of the same peer has the same profile.
    for (seq, verified) in [(1, 1), (1, 1), (2, 1)] {
        let taken = check(&verifier, vec![(envelope(&keypair, seq), profile.clone())]);
        assert_eq!(taken[0].profile_as::<String>().as_deref(), Some("hi"));
        assert_eq!(taken[0].profile().map(Profile::seq), Some(7));
        assert_eq!(tally.snapshot().profiles_verified, verified);
    }
    let bare = check(&verifier, vec![(envelope(&keypair, 1), Vec::new())]);
    assert_eq!(bare[0].profile(), None, "it is not the record's own");
    assert_eq!(tally.snapshot().profiles_passed_over, 0);
}

#[test]
fn bad_profile_costs_only_itself_and_has_its_reason() {
    let keypair = Keypair::generate_ed25519();
    let other = Keypair::generate_ed25519();
    let cases = [
        (vec![0; 353], Reason::ProfileTooLarge),
        (
            signed(&keypair, NET, &[0; MAX_PROFILE_BYTES + 1]),
            Reason::ProfileTooLarge,
        ),
        (vec![0xff; 9], Reason::ProfileNotProtobuf),
        (
            edited(&keypair, |p| p.signature.clear()),
            Reason::ProfileSignature,
        ),
        (
            edited(&keypair, |p| p.signature[5] ^= 1),
            Reason::ProfileSignature,
        ),
        (edited(&keypair, |p| p.seq += 1), Reason::ProfileSignature),
        (
            edited(&keypair, |p| p.data.push(0)),
            Reason::ProfileSignature,
        ),
        // By another key: forged, or another peer's.
        (signed(&other, NET, b"hi"), Reason::ProfileSignature),
        // Of another network.
        (
            signed(&keypair, "/peer-sampling/1.0.0", b"hi"),
            Reason::ProfileSignature,
        ),
        // The signature of a record.
        (
            edited(&keypair, |p| {
                let record = pb::Envelope::decode(&envelope(&keypair, 1)[..]);
                p.signature = record.expect("just made").signature;
            }),
            Reason::ProfileSignature,
        ),
    ];
    for (bad, reason) in cases {
        let (verifier, tally) = verifier();
        let taken = check(&verifier, vec![(envelope(&keypair, 1), bad.clone())]);
        assert_eq!(taken[0].profile(), None, "{reason:?}");
        let counters = tally.snapshot();
        assert_eq!(counters.refused(reason), 1);
        assert_eq!(counters.profiles_passed_over, 1);
        assert_eq!(counters.records_passed_over, 0);
        // Whatever was wrong before, the good one is taken.
        let good = signed(&keypair, NET, b"hi");
        let taken = check(&verifier, vec![(envelope(&keypair, 1), good)]);
        assert!(taken[0].profile().is_some(), "{reason:?}");
    }
}

/// What has passed beside one record is known, but not beside another's.
#[test]
fn profile_that_has_passed_is_not_taken_beside_another_peers_record() {
    let (verifier, tally) = verifier();
    let [owner, thief] = [1, 2].map(|_| Keypair::generate_ed25519());
    let profile = signed(&owner, NET, b"hi");
    check(&verifier, vec![(envelope(&owner, 1), profile.clone())]);
    let taken = check(&verifier, vec![(envelope(&thief, 1), profile)]);
    assert_eq!(taken[0].profile(), None);
    assert_eq!(tally.snapshot().refused(Reason::ProfileSignature), 1);
}

#[test]
fn what_the_owner_has_not_signed_does_not_travel() {
    let (verifier, _) = verifier();
    let keypair = Keypair::generate_ed25519();
    let clean = signed(&keypair, NET, b"hi");
    // An unknown field behind it.
    let padded = [&clean[..], &[0x7a, 2, 3, 4]].concat();
    let taken = check(&verifier, vec![(envelope(&keypair, 1), padded)]);
    let profile = taken[0].signed_profile().expect("the signature is right");
    assert_eq!(profile.to_protobuf(), clean);
}

#[test]
fn many_bad_profiles_make_no_more_work_than_good_ones_and_cost_no_record() {
    let (verifier, tally) = verifier();
    let keys: Vec<_> = (0..64).map(|_| Keypair::generate_ed25519()).collect();
    let said = |edit: fn(&mut pb::Profile)| {
        let said = keys.iter();
        said.map(|key| (envelope(key, 1), edited(key, edit)))
            .collect::<Vec<_>>()
    };
    let taken = check(&verifier, said(|p| p.signature[5] ^= 1));
    assert!(taken.iter().all(|record| record.profile().is_none()));
    let counters = tally.snapshot();
    assert_eq!(counters.records_verified, 64);
    assert_eq!(counters.profiles_verified, 64, "once, together");
    assert_eq!(counters.refused(Reason::ProfileSignature), 1);
    assert_eq!(counters.refused(Reason::ProfileNotVerified), 63);
    let taken = check(&verifier, said(|_| {}));
    assert!(taken.iter().all(|record| record.profile().is_some()));
}

#[test]
fn unasked_profiles_draw_on_the_budget_of_records() {
    let limits = Limits {
        verifications_per_second: 5,
        ..Default::default()
    };
    let (verifier, tally) = verifier_of(NET, limits);
    let keys: Vec<_> = (0..3).map(|_| Keypair::generate_ed25519()).collect();
    let now = Time::new(Duration::from_secs(1));
    let said = keys
        .iter()
        .map(|key| (envelope(key, 1), signed(key, NET, b"hi")));
    let said: Vec<_> = said.collect();
    let profiles = |effort| {
        let checked = verifier.check_described(said.clone(), effort);
        let taken = checked.into_iter().map(|record| record.expect("taken"));
        taken.filter(|record| record.profile().is_some()).count()
    };
    assert_eq!(profiles(Effort::Unasked(now)), 2, "after three records");
    assert_eq!(tally.snapshot().refused(Reason::ProfileNotVerified), 1);
    assert_eq!(profiles(Effort::Asked), 3);
    assert_eq!(profiles(Effort::Unasked(now)), 3, "they are known");
}

#[cfg(all(feature = "ecdsa", feature = "secp256k1"))]
#[test]
fn profiles_of_all_types_of_keys_are_verified() {
    let (verifier, _) = verifier();
    for keypair in [Keypair::generate_secp256k1(), Keypair::generate_ecdsa()] {
        let largest = signed(&keypair, NET, &[7; MAX_PROFILE_BYTES]);
        let taken = check(&verifier, vec![(envelope(&keypair, 1), largest)]);
        assert!(taken[0].profile().is_some(), "{:?}", keypair.key_type());
    }
}
