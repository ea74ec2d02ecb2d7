//! How much work records may make: the budget for those that nobody has asked for, and the limits.

use super::*;

/// What came of many records, each of another peer: taken in and passed over.
fn flood(
    verifier: &Verifier,
    count: usize,
    check: impl Fn(Vec<u8>) -> Result<Record, RecordError>,
) -> (usize, u64) {
    let before = verifier.tally.snapshot().records_passed_over;
    let taken = (0..count).filter(|_| {
        let keypair = Keypair::generate_ed25519();
        let record = Record::sign(&keypair, 1, &home()).expect("signing works");
        check(record.envelope().to_vec()).is_ok()
    });
    let taken = taken.count();
    (
        taken,
        verifier.tally.snapshot().records_passed_over - before,
    )
}

#[test]
fn unasked_records_are_verified_within_a_budget() {
    let limits = Limits {
        verifications_per_second: 10,
        ..Default::default()
    };
    let verifier = verifier_within(Scope::Loopback, limits);
    let verifier = &verifier;
    let unasked = |now| move |envelope| verifier.check(envelope, Effort::Unasked(now));
    const SECOND: Duration = Duration::from_secs(1);
    let second = Time::new(SECOND);
    let known = Record::sign(&Keypair::generate_ed25519(), 1, &home()).expect("signing works");
    let known = || known.envelope().to_vec();
    assert!(verifier.check(known(), Effort::Asked).is_ok());

    assert_eq!(flood(verifier, 30, unasked(second)), (10, 20));
    assert_eq!(flood(verifier, 30, unasked(second + SECOND)), (10, 20));
    // What was asked for, and what is known, is taken in all the same.
    assert_eq!(
        flood(verifier, 30, |envelope| verifier
            .check(envelope, Effort::Asked)),
        (30, 0)
    );
    let now = second + SECOND;
    assert!(unasked(now)(known()).is_ok());
    // What shows without a key is named.
    let mut forged = pb::Envelope::decode(&known()[..]).expect("just made");
    forged.signature[5] ^= 1;
    let forged = forged.encode_to_vec();
    assert!(matches!(
        unasked(now)(forged.clone()),
        Err(RecordError::NotVerified)
    ));
    assert!(matches!(
        unasked(now)(vec![0xff; 9]),
        Err(RecordError::NotProtobuf(_))
    ));
    // A forgery takes from the budget as well.
    for _ in 0..10 {
        let checked = unasked(second + 2 * SECOND)(forged.clone());
        assert!(matches!(checked, Err(RecordError::Signature)));
    }
    assert!(matches!(
        unasked(second + 2 * SECOND)(forged),
        Err(RecordError::NotVerified)
    ));

    let counters = verifier.tally.snapshot();
    assert_eq!(counters.records_verified, 1 + 10 + 10 + 30 + 10);
    assert_eq!(counters.records_known, 1);
    assert_eq!(counters.refused(Reason::RecordNotVerified), 20 + 20 + 2);
    assert_eq!(counters.refused(Reason::RecordSignature), 10);
    assert_eq!(counters.refused(Reason::RecordNotProtobuf), 1);
    assert_eq!(counters.records_passed_over, 42 + 10 + 1);
}

#[test]
fn record_beyond_own_limits_is_passed_over_without_blame() {
    let keypair = Keypair::generate_ed25519();
    let record = Record::sign(&keypair, 1, &vec![home()[0].clone(); 2]).expect("signing works");
    let checked = |edit: fn(&mut Limits)| {
        let mut limits = Limits::default();
        edit(&mut limits);
        let verifier = verifier_within(Scope::Loopback, limits);
        let checked = verifier.check(record.envelope().to_vec(), Effort::Asked);
        let counters = verifier.tally.snapshot();
        assert_eq!(counters.records_passed_over, u64::from(checked.is_err()));
        assert_eq!(counters.records_verified, u64::from(checked.is_ok()));
        match checked {
            Ok(_) => true,
            Err(RecordError::BeyondLimits) => false,
            Err(error) => panic!("{error:?}"),
        }
    };
    assert!(checked(|_| {}));
    assert!(!checked(|limits| limits.record_bytes = 150));
    assert!(!checked(|limits| limits.addresses_per_record = 1));
    assert!(!checked(|limits| limits.key_types = &[KeyType::Secp256k1]));
}
