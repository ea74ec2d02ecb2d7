//! Which records are taken, and why others are not.

use libp2p_core::{PeerRecord, SignedEnvelope, multiaddr};
use libp2p_identity::{KeyType, Keypair};

use super::*;
use crate::swarm::{
    address::Scope,
    counters::Reason,
    record::tests::{NET, address, home},
};

mod budget;
mod keys;

fn signed(keypair: &Keypair, record: &pb::PeerRecord) -> Vec<u8> {
    SignedEnvelope::new(
        keypair,
        DOMAIN.into(),
        PAYLOAD_TYPE.into(),
        record.encode_to_vec(),
    )
    .expect("signing works")
    .into_protobuf_encoding()
}

fn unsigned(keypair: &Keypair, addresses: &[Multiaddr]) -> pb::PeerRecord {
    pb::PeerRecord {
        peer_id: keypair.public().to_peer_id().to_bytes(),
        seq: 1,
        addresses: addresses
            .iter()
            .map(|a| pb::AddressInfo {
                multiaddr: a.to_vec(),
            })
            .collect(),
    }
}

fn verifier(scope: Scope) -> Verifier {
    verifier_within(scope, Limits::default())
}

fn verifier_within(scope: Scope, limits: Limits) -> Verifier {
    Verifier::new(AddressPolicy::new(scope), limits, NET, Arc::default())
}

fn check(envelope: Vec<u8>) -> Result<Record, RecordError> {
    verifier(Scope::Loopback).check(envelope, Effort::Asked)
}

/// With a protocol numbered 9,999, which nobody has defined: so an address of a later version
/// looks to this one.
fn of_tomorrow() -> Vec<u8> {
    [home()[0].to_vec(), vec![0x8f, 0x4e]].concat()
}

#[test]
fn records_are_those_of_the_other_implementations() {
    let keypair = Keypair::generate_ed25519();
    let record = Record::sign(&keypair, 7, &home()).expect("signing works");
    let envelope = SignedEnvelope::from_protobuf_encoding(record.envelope())
        .expect("an envelope as libp2p-core reads it");
    let theirs =
        PeerRecord::from_signed_envelope_interop(envelope).expect("a record as go and js read it");
    assert_eq!(theirs.peer_id(), record.peer_id());
    assert_eq!(theirs.seq(), 7);
    assert_eq!(theirs.addresses(), record.addresses());

    let theirs = PeerRecord::new_interop(&keypair, home()).expect("signing works");
    let envelope = theirs.to_signed_envelope().into_protobuf_encoding();
    let ours = check(envelope).expect("a good record");
    assert_eq!(ours.peer_id(), theirs.peer_id());
    assert_eq!(ours.seq(), theirs.seq());
    assert_eq!(ours.addresses(), theirs.addresses());
}

#[test]
fn each_fault_has_its_name() {
    let keypair = Keypair::generate_ed25519();
    let good = Record::sign(&keypair, 1, &home()).expect("signing works");
    let edit = |edit: &dyn Fn(&mut pb::Envelope)| {
        let mut envelope = pb::Envelope::decode(good.envelope()).expect("just made");
        edit(&mut envelope);
        check(envelope.encode_to_vec())
    };

    assert!(matches!(
        check(vec![0; MAX_RECORD_BYTES + 1]),
        Err(RecordError::TooLarge { bytes: 1025 })
    ));
    assert!(matches!(
        check(vec![0xff; 9]),
        Err(RecordError::NotProtobuf(_))
    ));
    assert!(matches!(
        edit(&|e| e.payload_type.push(0)),
        Err(RecordError::PayloadType)
    ));
    assert!(matches!(
        edit(&|e| e.public_key.as_mut().expect("there").r#type = 0),
        Err(RecordError::KeyType(0))
    ));
    assert!(matches!(
        edit(&|e| e.public_key.as_mut().expect("there").r#type = 99),
        Err(RecordError::KeyType(99))
    ));
    assert!(matches!(
        edit(&|e| e.public_key = None),
        Err(RecordError::KeyType(0))
    ));
    assert!(matches!(
        edit(&|e| e.public_key.as_mut().expect("there").data.truncate(3)),
        Err(RecordError::Key(_))
    ));
    assert!(matches!(
        edit(&|e| e.signature[5] ^= 1),
        Err(RecordError::Signature)
    ));
    assert!(matches!(
        edit(&|e| e.payload.truncate(20)),
        Err(RecordError::NotProtobuf(_))
    ));

    let mut no_peer = unsigned(&keypair, &home());
    no_peer.peer_id = vec![1, 2, 3];
    assert!(matches!(
        check(signed(&keypair, &no_peer)),
        Err(RecordError::PeerId(_))
    ));
    let other = Keypair::generate_ed25519();
    assert!(matches!(
        check(signed(&keypair, &unsigned(&other, &home()))),
        Err(RecordError::Signer { subject, .. }) if subject == other.public().to_peer_id()
    ));
    assert!(matches!(
        check(signed(
            &keypair,
            &unsigned(&keypair, &vec![home()[0].clone(); 9])
        )),
        Err(RecordError::TooManyAddresses { count: 9 })
    ));
    let mut no_address = unsigned(&keypair, &home());
    no_address.addresses[0].multiaddr = vec![0xff, 0xff, 0xff];
    assert!(matches!(
        check(signed(&keypair, &no_address)),
        Err(RecordError::Address(_))
    ));
    let theirs = home()[0]
        .clone()
        .with(multiaddr::Protocol::P2p(PeerId::random()));
    assert!(matches!(
        check(signed(&keypair, &unsigned(&keypair, &[theirs]))),
        Err(RecordError::AddressOfAnother(_))
    ));
}

#[test]
fn address_out_of_scope_is_left_out_without_blame() {
    let keypair = Keypair::generate_ed25519();
    let addresses = [
        address("/ip4/127.0.0.1/tcp/1"),
        address("/ip4/10.0.0.1/tcp/1"),
        address("/ip4/1.2.3.4/tcp/1"),
    ];
    let envelope = signed(&keypair, &unsigned(&keypair, &addresses));
    let kept = |scope| {
        let record = verifier(scope).check(envelope.clone(), Effort::Asked);
        record.expect("a good record").addresses().to_vec()
    };
    assert_eq!(kept(Scope::Global), addresses[2..]);
    assert_eq!(kept(Scope::Private), addresses[1..]);
    assert_eq!(kept(Scope::Loopback), addresses);

    let envelope = signed(&keypair, &unsigned(&keypair, &addresses[..1]));
    let verifier = verifier(Scope::Global);
    let checked = verifier.check(envelope, Effort::Asked);
    assert!(matches!(checked, Err(RecordError::NotAdmitted)));
    let counters = verifier.tally.snapshot();
    assert_eq!(counters.refused(Reason::RecordNotAdmitted), 1);
    assert_eq!(counters.records_passed_over, 1);
}

/// A peer of a later version may have an address of a kind that this one does not know.
#[test]
fn an_address_that_cannot_be_read_costs_no_other() {
    let keypair = Keypair::generate_ed25519();
    let theirs = home()[0]
        .clone()
        .with(multiaddr::Protocol::P2p(PeerId::random()));
    for (bad, reason) in [
        (of_tomorrow(), Reason::RecordAddress),
        (home()[0].to_vec()[..6].to_vec(), Reason::RecordAddress),
        (vec![0xff; 3], Reason::RecordAddress),
        (theirs.to_vec(), Reason::RecordAddressOfAnother),
    ] {
        let mut record = unsigned(&keypair, &home());
        record
            .addresses
            .insert(0, pb::AddressInfo { multiaddr: bad });
        let envelope = signed(&keypair, &record);
        let verifier = verifier(Scope::Loopback);
        let taken = verifier.check(envelope.clone(), Effort::Asked);
        let taken = taken.expect("it has a good address");
        assert_eq!(taken.addresses(), home());
        assert_eq!(taken.envelope(), envelope, "it is passed on whole");
        let counters = verifier.tally.snapshot();
        assert_eq!(counters.refused(reason), 1);
        assert_eq!(counters.records_passed_over, 0);

        record.addresses.pop();
        let checked = verifier.check(signed(&keypair, &record), Effort::Asked);
        assert_eq!(checked.expect_err("no good address").reason(), reason);
    }
}

#[test]
fn peer_at_the_end_of_an_address_is_cut_off() {
    let keypair = Keypair::generate_ed25519();
    let peer = multiaddr::Protocol::P2p(keypair.public().to_peer_id());
    let once = home()[0].clone().with(peer.clone());
    let twice = once.clone().with(peer);
    let envelope = signed(&keypair, &unsigned(&keypair, &[twice, once]));
    let record = check(envelope).expect("a good record");
    assert_eq!(record.addresses(), home());
}

#[test]
fn a_record_is_verified_once() {
    let verifier = verifier(Scope::Loopback);
    let keypair = Keypair::generate_ed25519();
    let record = Record::sign(&keypair, 1, &home()).expect("signing works");
    let check = |envelope| verifier.check(envelope, Effort::Asked);
    let first = check(record.envelope().to_vec()).expect("a good record");
    let second = check(record.envelope().to_vec()).expect("a good record");
    assert!(Arc::ptr_eq(&first.said, &second.said));

    // The same peer and number, other bytes: no way around the signature.
    let mut forged = pb::Envelope::decode(record.envelope()).expect("just made");
    forged.signature[0] ^= 1;
    assert!(matches!(
        check(forged.encode_to_vec()),
        Err(RecordError::Signature)
    ));
}
