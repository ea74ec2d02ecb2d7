//! Which keys may sign a record, and which signatures are taken.

use super::*;

#[cfg(feature = "secp256k1")]
#[test]
fn record_of_a_secp256k1_key_is_verified() {
    assert_verified(&Keypair::generate_secp256k1());
}

#[cfg(feature = "ecdsa")]
#[test]
fn record_of_an_ecdsa_key_is_verified() {
    assert_verified(&Keypair::generate_ecdsa());
}

#[cfg(any(feature = "ecdsa", feature = "secp256k1"))]
fn assert_verified(keypair: &Keypair) {
    let record = Record::sign(keypair, 1, &home()).expect("signing works");
    let verifier = verifier(Scope::Loopback);
    let taken = verifier.check(record.envelope().to_vec(), Effort::Asked);
    assert_eq!(taken.expect("a good record"), record);
    assert_eq!(verifier.tally.snapshot().records_verified, 1);
    // And nobody else's.
    let mut forged = pb::Envelope::decode(record.envelope()).expect("just made");
    forged.payload = unsigned(keypair, &[address("/ip4/127.0.0.1/tcp/1")]).encode_to_vec();
    assert!(matches!(
        verifier.check(forged.encode_to_vec(), Effort::Asked),
        Err(RecordError::Signature)
    ));
}

/// Why nobody is blamed for a signature: anybody can turn this one into another that some
/// implementations accept, and others, this one among them, do not.
#[cfg(feature = "secp256k1")]
#[test]
fn signature_that_some_accept_and_others_do_not_can_be_made_without_the_key() {
    // The order of the curve's group.
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36,
        0x41, 0x41,
    ];
    let keypair = Keypair::generate_secp256k1();
    let record = Record::sign(&keypair, 1, &home()).expect("signing works");
    let mut envelope = pb::Envelope::decode(record.envelope()).expect("just made");
    // DER: a sequence of two numbers, each behind its length. The second, s, becomes order - s.
    let r_end = 4 + usize::from(envelope.signature[3]);
    let s = &envelope.signature[r_end + 2..];
    let mut low = [0; 32];
    low[32 - s.len()..].copy_from_slice(s);
    let mut high = [0; 32];
    let mut borrow = 0;
    for at in (0..32).rev() {
        let difference = i16::from(ORDER[at]) - i16::from(low[at]) - borrow;
        borrow = i16::from(difference < 0);
        high[at] = difference.rem_euclid(256) as u8;
    }
    let r = envelope.signature[2..r_end].to_vec();
    let numbers = [&r[..], &[0x02, 33, 0], &high].concat();
    envelope.signature = [&[0x30, numbers.len() as u8], &numbers[..]].concat();
    assert!(matches!(
        check(envelope.encode_to_vec()),
        Err(RecordError::Signature)
    ));
}

/// Nothing but the bound on bytes and the type keeps a key of 16,384 bits from being computed with.
#[test]
fn an_rsa_key_is_refused_before_anything_is_computed() {
    let verifier = verifier(Scope::Loopback);
    let envelope = |size| {
        let key = pb::PublicKey {
            r#type: pb::KeyType::Rsa.into(),
            data: vec![0x30; size],
        };
        let envelope = pb::Envelope {
            public_key: Some(key),
            payload_type: PAYLOAD_TYPE.into(),
            ..Default::default()
        };
        envelope.encode_to_vec()
    };
    let checked = verifier.check(envelope(2_072), Effort::Asked);
    assert!(matches!(checked, Err(RecordError::TooLarge { .. })));
    let checked = verifier.check(envelope(300), Effort::Asked);
    assert!(matches!(checked, Err(RecordError::KeyType(0))));
    assert_eq!(verifier.tally.snapshot().records_verified, 0);
}
