//! The checks of records: of any bytes, of good records spoilt, and of bad records with good
//! signatures.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use libp2p_core::{Multiaddr, SignedEnvelope, multiaddr::Protocol};
use libp2p_peer_sampling::{
    AddressPolicy, Config, MAX_ADDRESSES, MAX_RECORD_BYTES, Record, RecordError, fuzzing::Checks,
    pb,
};
use prost::Message;

use super::signed::{self, ADDRESSES, KEYS, POOL, POOL_KEYS};

/// A node of each preset. As long as a node lives, as its checks do.
static NODES: LazyLock<[(AddressPolicy, Checks); 3]> = LazyLock::new(|| {
    [
        Config::open_internet(),
        Config::private_network(),
        Config::local().with_relayed(true),
    ]
    .map(|config| (config.addresses().clone(), Checks::new(&config)))
});

type Node = (AddressPolicy, Checks);

/// Checks the record that the input describes.
pub fn run(data: &[u8]) {
    outcome(data);
}

/// What becomes of it: "passed", or the name of why it is passed over.
pub fn outcome(data: &[u8]) -> &'static str {
    let mut input = Unstructured::new(data);
    // Behind its end an input has zeros; the only error is the end of what cannot do with them.
    describe(&mut input).unwrap_or("nothing to check")
}

fn describe(input: &mut Unstructured<'_>) -> Result<&'static str> {
    let [form, node]: [u8; 2] = input.arbitrary()?;
    let node = &NODES[usize::from(node % 3)];
    match form % 4 {
        0 => Ok(any_bytes(input.bytes(input.len())?, node)),
        1 | 2 => spoilt(input, node),
        _ => well_signed(input, node),
    }
}

/// Form 0: the input is the envelope.
fn any_bytes(envelope: &[u8], node: &Node) -> &'static str {
    let checked = node.1.record(envelope.to_vec());
    if let Ok(record) = &checked {
        assert_bounds(record, envelope, node);
        let opened = SignedEnvelope::from_protobuf_encoding(envelope).expect("an envelope");
        let (payload, signer) = opened
            .payload_and_signing_key(signed::DOMAIN.into(), signed::PAYLOAD_TYPE)
            .expect("a signature");
        assert_eq!(signer.to_peer_id(), record.peer_id());
        assert_says(record, payload);
    }
    name(&checked)
}

/// Forms 1 and 2: a good record, edited. Whatever passes says what its signer has signed.
fn spoilt(input: &mut Unstructured<'_>, node: &Node) -> Result<&'static str> {
    let good = &POOL[usize::from(input.arbitrary::<u8>()?) % POOL.len()];
    let mut envelope = good.clone();
    while !input.is_empty() {
        edit(&mut envelope, input)?;
    }
    let checked = node.1.record(envelope.clone());
    if let Ok(record) = &checked {
        assert_bounds(record, &envelope, node);
        let opened = pb::Envelope::decode(&envelope[..]).expect("it has passed");
        let signed = |good: &Vec<u8>| {
            let good = pb::Envelope::decode(&good[..]).expect("a good record");
            (&good.payload, &good.public_key) == (&opened.payload, &opened.public_key)
        };
        assert!(POOL.iter().any(signed), "forged: {record:?}");
        assert_says(record, &opened.payload);
    } else {
        assert_ne!(envelope, *good, "{checked:?}");
    }
    Ok(name(&checked))
}

fn edit(envelope: &mut Vec<u8>, input: &mut Unstructured<'_>) -> Result<()> {
    let [operation, at, value]: [u8; 3] = input.arbitrary()?;
    // The high bits of the operation reach what lies behind the first 256 bytes.
    let at = usize::from(at) + 256 * usize::from(operation / 64);
    let at = at % envelope.len().max(1);
    let (head, rest) = envelope.split_at(at.min(envelope.len()));
    let value_many = usize::from(value) + 1;
    *envelope = match operation % 8 {
        0 | 1 => {
            let flipped = rest.first().map(|byte| byte ^ value);
            [head, flipped.as_slice(), rest.get(1..).unwrap_or_default()].concat()
        }
        2 => [head, &[value], rest.get(1..).unwrap_or_default()].concat(),
        3 => [head, &[value], rest].concat(),
        4 => [head, &rest[value_many.min(rest.len())..]].concat(),
        5 => head.to_vec(),
        // A field once more, perhaps.
        6 => [head, &rest[..value_many.min(rest.len())], rest].concat(),
        // Bytes of the input behind, in front or in between.
        _ => {
            let many = value_many.min(input.len());
            [head, input.bytes(many)?, rest].concat()
        }
    };
    // No more than twice what is allowed.
    envelope.truncate(2 * MAX_RECORD_BYTES);
    Ok(())
}

/// Form 3: the fields come from the input, and the signature is good, once all else is.
fn well_signed(input: &mut Unstructured<'_>, node: &Node) -> Result<&'static str> {
    let [flags, count, extra]: [u8; 3] = input.arbitrary()?;
    let keypair = &KEYS[POOL_KEYS + usize::from(flags & 3)];
    let mut addresses = Vec::new();
    for _ in 0..count % 12 {
        if input.is_empty() {
            break;
        }
        addresses.push(address(input)?);
    }
    let seq = input.arbitrary::<u64>().unwrap_or(1);
    let mut record = signed::record(keypair.public().to_peer_id(), seq, addresses);
    match (flags >> 2) & 7 {
        0 => record.peer_id = KEYS[0].public().to_peer_id().to_bytes(),
        1 => record.peer_id = input.bytes(usize::from(extra).min(input.len()))?.to_vec(),
        _ => {}
    }
    let mut payload = record.encode_to_vec();
    if flags & 0x20 != 0 {
        // Unknown fields, fields once more, and what is no field.
        payload.extend_from_slice(input.bytes(usize::from(extra).min(input.len()))?);
    }
    let mut envelope = signed::unsigned(keypair, &payload);
    if let Some(key) = envelope.public_key.as_mut().filter(|_| flags & 0x40 != 0) {
        key.r#type = i32::from(extra % 6);
        key.data.truncate(usize::from(extra / 6));
    }
    let unsigned = envelope.encode_to_vec();
    let size = unsigned.len();
    let without = node.1.record(unsigned);
    let good_until_there = matches!(without, Err(RecordError::Signature));
    assert!(without.is_err(), "nobody has signed it");
    if !good_until_there || flags & 0x40 != 0 {
        return Ok(name(&without));
    }
    if flags & 0x80 != 0 {
        let envelope = signed::sign_for("another-domain", keypair, &payload);
        let checked = node.1.record(envelope);
        assert!(checked.is_err(), "signed for something else");
        return Ok(name(&checked));
    }
    let envelope = signed::sign(keypair, &payload);
    let checked = node.1.record(envelope.clone());
    match &checked {
        Ok(record) => {
            assert_bounds(record, &envelope, node);
            assert_says(record, &payload);
            let again = node.1.record(envelope).expect("it has passed before");
            assert_eq!(again, *record);
        }
        // Who has signed it is known once the signature is right.
        Err(RecordError::Signer { subject, signer }) => assert_ne!(subject, signer),
        // A signature has 64 bytes.
        Err(RecordError::TooLarge { .. }) => assert!(size > MAX_RECORD_BYTES - 70),
        other => panic!("good but for a signature, and then {other:?}"),
    }
    Ok(name(&checked))
}

fn address(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let kind = usize::from(input.arbitrary::<u8>()?);
    match ADDRESSES.get(kind % 32) {
        Some(known) => Ok(known.clone()),
        // One of them with something behind, or in place of it.
        None => {
            let many = usize::from(input.arbitrary::<u8>()? % 64).min(input.len());
            let behind = input.bytes(many)?;
            let known: &[u8] = match kind / 32 {
                0 | 1 => &[],
                other => &ADDRESSES[other % ADDRESSES.len()],
            };
            Ok([known, behind].concat())
        }
    }
}

/// Every record that passes is within these bounds, no matter which peer made it.
fn assert_bounds(record: &Record, envelope: &[u8], (policy, _): &Node) {
    assert_eq!(record.envelope(), envelope, "it is passed on as it is");
    assert!(envelope.len() <= MAX_RECORD_BYTES);
    assert!((1..=MAX_ADDRESSES).contains(&record.addresses().len()));
    for address in record.addresses() {
        let admitted = policy.check(&record.peer_id(), address);
        assert_eq!(admitted, Ok(()), "{address}");
        let last = address.iter().last();
        assert!(!matches!(last, Some(Protocol::P2p(_))), "{address}");
    }
}

/// The record says what is in its payload, and leaves out addresses at most.
fn assert_says(record: &Record, payload: &[u8]) {
    let payload = pb::PeerRecord::decode(payload).expect("it has passed");
    assert_eq!(record.peer_id().to_bytes(), payload.peer_id);
    assert_eq!(record.seq(), payload.seq);
    assert!(payload.addresses.len() <= MAX_ADDRESSES);
    // Those that cannot be read, or are another's, are left out.
    let mut all = payload.addresses.into_iter().filter_map(|info| {
        let mut address = Multiaddr::try_from(info.multiaddr).ok()?;
        if let Some(Protocol::P2p(peer)) = address.iter().last() {
            if peer != record.peer_id() {
                return None;
            }
            address.pop();
        }
        Some(address)
    });
    for kept in record.addresses() {
        assert!(all.any(|address| address == *kept), "in order: {record:?}");
    }
}

/// Of an outcome.
pub fn name(checked: &std::result::Result<Record, RecordError>) -> &'static str {
    match checked {
        Ok(_) => "passed",
        Err(error) => error.reason().name(),
    }
}
