//! Which of two profiles of one peer counts, whichever records they came with.

use super::*;

/// Record number `record` of the peer, with its profile number `profile`, which says so.
fn with(keypair: &Keypair, record: u64, profile: u64) -> Record {
    saying(keypair, record, profile, vec![profile as u8])
}

fn saying(keypair: &Keypair, record: u64, profile: u64, bytes: Vec<u8>) -> Record {
    let mut record = without(keypair, record);
    let profile = Profile::sign(keypair, NET, profile, bytes).expect("signing works");
    record.set_profile(Some(profile));
    record
}

fn without(keypair: &Keypair, seq: u64) -> Record {
    Record::sign(keypair, seq, &home()).expect("signing works")
}

/// The numbers of the record and of its profile.
fn seqs(record: &Record) -> (u64, Option<u64>) {
    (record.seq(), record.profile().map(Profile::seq))
}

#[test]
fn newest_record_and_newest_profile_are_kept_independently() {
    let keypair = Keypair::generate_ed25519();
    let mut kept = with(&keypair, 5, 50);
    for (other, expected) in [
        (with(&keypair, 4, 51), (5, Some(51))),
        (with(&keypair, 6, 49), (6, Some(51))),
        (without(&keypair, 7), (7, Some(51))),
        (with(&keypair, 7, 52), (7, Some(52))),
        (with(&keypair, 3, 9), (7, Some(52))),
    ] {
        kept.refresh(other);
        assert_eq!(seqs(&kept), expected);
    }
    assert_eq!(kept.profile_as::<Vec<u8>>(), Some(vec![52]));
    let mut bare = without(&keypair, 8);
    bare.refresh(kept);
    assert_eq!(seqs(&bare), (8, Some(52)));
}

#[test]
fn empty_profile_takes_back_what_was_said() {
    let keypair = Keypair::generate_ed25519();
    let mut kept = with(&keypair, 5, 50);
    let full = kept.size();
    kept.refresh(saying(&keypair, 5, 51, Vec::new()));
    assert_eq!(seqs(&kept), (5, None));
    assert_eq!(kept.profile_as::<Vec<u8>>(), None);
    // It travels all the same, or the old one would come back.
    assert!((without(&keypair, 5).size()..full).contains(&kept.size()));
    kept.refresh(with(&keypair, 5, 50));
    assert_eq!(seqs(&kept), (5, None));
}

#[test]
fn own_word_about_the_profile_counts_despite_a_lower_number() {
    let keypair = Keypair::generate_ed25519();
    let mut kept = with(&keypair, 5, 100);
    kept.refresh(with(&keypair, 5, 7).first_hand());
    assert_eq!(seqs(&kept), (5, Some(7)));
    // Others still have the old one, which is no news.
    kept.refresh(with(&keypair, 6, 100));
    assert_eq!(seqs(&kept), (6, Some(7)));
    kept.refresh(with(&keypair, 6, 101));
    assert_eq!(seqs(&kept), (6, Some(101)));
    // It need not have been verified, for want of time: it does not take anything back.
    kept.refresh(without(&keypair, 6).first_hand());
    assert_eq!(seqs(&kept), (6, Some(101)));
}
