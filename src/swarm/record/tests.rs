//! Which of two records of one peer counts, and where the peer is.

use super::*;

mod profiles;

/// The protocol of a network of that name.
pub(super) const NET: &str = "/net/peer-sampling/1.0.0";

pub(super) fn address(text: &str) -> Multiaddr {
    text.parse().expect("a multiaddr")
}

pub(super) fn home() -> Vec<Multiaddr> {
    vec![address("/ip4/127.0.0.1/tcp/1337")]
}

#[test]
fn first_hand_record_counts_despite_a_lower_number() {
    let keypair = Keypair::generate_ed25519();
    let (old, new) = (
        address("/ip4/127.0.0.1/tcp/1"),
        address("/ip4/127.0.0.1/tcp/2"),
    );
    let record = |seq, address: &Multiaddr| {
        Record::sign(&keypair, seq, std::slice::from_ref(address)).expect("signing works")
    };
    let mut kept = record(100, &old);
    kept.refresh(record(7, &new).first_hand());
    assert_eq!((kept.seq(), kept.addresses()), (7, &[new.clone()][..]));
    // Others still have the old one, which is no news.
    kept.refresh(record(100, &old));
    assert_eq!(kept.seq(), 7);
    kept.refresh(record(8, &new).first_hand());
    kept.refresh(record(100, &old));
    assert_eq!(kept.seq(), 8);
    // The peer has outbid it.
    kept.refresh(record(101, &new));
    assert_eq!(kept.seq(), 101);
    kept.refresh(record(100, &old));
    assert_eq!(kept.seq(), 101);
}

#[test]
fn a_record_with_a_new_address_and_a_larger_number_has_moved() {
    let keypair = Keypair::generate_ed25519();
    let [one, two] = ["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2"].map(address);
    let record = |seq, addresses: &[Multiaddr]| {
        Record::sign(&keypair, seq, addresses).expect("signing works")
    };
    let before = record(5, std::slice::from_ref(&one));
    assert!(record(6, &[one.clone(), two.clone()]).has_moved(&before));
    assert!(!record(6, std::slice::from_ref(&one)).has_moved(&before));
    assert!(!record(4, std::slice::from_ref(&two)).has_moved(&before));
    let both = record(5, &[one.clone(), two]);
    assert!(!record(6, &[one]).has_moved(&both), "it has only left one");
}

#[test]
fn newer_records_replace_older_ones_and_never_the_reverse() {
    let keypair = Keypair::generate_ed25519();
    let record = |seq| Record::sign(&keypair, seq, &home()).expect("signing works");
    let mut kept = record(5);
    kept.refresh(record(4));
    assert_eq!(kept.seq(), 5);
    kept.refresh(record(6));
    assert_eq!(kept.seq(), 6);
    assert!(next_seq(0) > 1_700_000_000_000_000_000);
    assert_eq!(next_seq(u64::MAX - 1), u64::MAX);
}

#[test]
fn addresses_that_do_not_fit_are_left_out() {
    let keypair = Keypair::generate_ed25519();
    let long = format!("/dns4/{}/tcp/1", "a".repeat(250));
    let record = Record::sign(&keypair, 1, &vec![address(&long); 12]).expect("signing works");
    assert_eq!(record.addresses().len(), 3);
    assert!(record.envelope().len() <= MAX_RECORD_BYTES);
}

#[test]
fn a_peer_is_where_it_was_found_and_not_where_it_says() {
    let keypair = Keypair::generate_ed25519();
    let address = |text: &str| -> Multiaddr { text.parse().expect("a multiaddr") };
    let (claimed, true_one) = (address("/ip4/9.9.9.9/tcp/1"), address("/ip4/8.8.8.8/tcp/1"));
    let sign = |seq, addresses: &[Multiaddr]| {
        Record::sign(&keypair, seq, addresses).expect("signing works")
    };
    let networks = |text: &str| Some(Prefixes::of(text.parse().expect("an address")));
    let mut record = sign(1, &[claimed.clone(), true_one.clone()]);
    assert_eq!(record.prefixes(), networks("9.9.9.9"));
    record.refresh(record.clone().found_at(&true_one));
    assert_eq!(record.prefixes(), networks("8.8.8.8"));
    // What others tell again, and what it signs anew, changes nothing.
    record.refresh(sign(1, &[claimed.clone(), true_one.clone()]));
    record.refresh(sign(2, &[claimed.clone(), true_one.clone()]));
    assert_eq!((record.seq(), record.prefixes()), (2, networks("8.8.8.8")));
    // It has moved, or says so.
    record.refresh(sign(3, &[claimed]));
    assert_eq!(record.prefixes(), networks("9.9.9.9"));
    // Older records say nothing any more.
    record.refresh(sign(1, std::slice::from_ref(&true_one)).found_at(&true_one));
    assert_eq!((record.seq(), record.prefixes()), (3, networks("9.9.9.9")));
}
