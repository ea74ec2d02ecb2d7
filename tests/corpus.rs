//! Every input that the fuzzers have found worth keeping, through what the fuzzers run: on any
//! toolchain, and in no time.
//!
//! `fuzz/corpus/` holds inputs by target: seeds, made here, and what was found from there.
//! `fuzz/regressions/` holds those that once failed.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::{
    collections::BTreeSet,
    env, fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
};

use fuzz::{
    TARGETS,
    signed::{self, ADDRESSES, KEYS},
};
use libp2p_peer_sampling::{MAX_DESCRIPTORS, MAX_MESSAGE_BYTES, MAX_RECORD_BYTES, Reason, pb};
use prost::Message;

#[test]
fn gossip() {
    replay("gossip");
}

#[test]
fn record() {
    replay("record");
}

#[test]
fn view() {
    replay("view");
}

#[test]
fn wire() {
    replay("wire");
}

/// Runs all inputs of a target, and names those that fail.
fn replay(target: &str) {
    let (_, run) = TARGETS
        .into_iter()
        .find(|(name, _)| *name == target)
        .expect("a target");
    let corpus = files(&folder("corpus").join(target));
    assert!(!corpus.is_empty(), "no corpus of {target}");
    let failed: Vec<PathBuf> = corpus
        .into_iter()
        .chain(files(&folder("regressions").join(target)))
        .filter(|file| {
            let input = fs::read(file).expect("a file that can be read");
            catch_unwind(|| run(&input)).is_err()
        })
        .collect();
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(name)
}

/// The files in a folder, sorted; none where there is no such folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a folder that can be read").path())
        .collect();
    files.sort();
    files
}

/// An input made by hand, and what becomes of it.
#[derive(Clone)]
struct Seed {
    target: &'static str,
    name: &'static str,
    input: Vec<u8>,
    outcome: &'static str,
}

/// The classes of bad messages and records that `tests/hostile.rs` sends to a node, and good ones.
#[test]
fn seeds_are_what_they_are_called() {
    let seeds = all_seeds();
    for seed in &seeds {
        let outcome = match seed.target {
            "wire" => fuzz::wire::outcome(&seed.input),
            "gossip" => {
                fuzz::gossip::run(&seed.input);
                "lived"
            }
            _ => fuzz::record::outcome(&seed.input),
        };
        assert_eq!(outcome, seed.outcome, "{}", seed.name);
        if seed.target == "wire" && seed.input[0] & !0x7 == 0 && seed.input[0] != MESSAGE {
            // A fault of a request is one of a response.
            let mut response = seed.input.clone();
            response[0] |= RESPONSE;
            assert_eq!(
                fuzz::wire::outcome(&response),
                seed.outcome,
                "{}",
                seed.name
            );
        }
    }
    let names: BTreeSet<_> = seeds.iter().map(|seed| (seed.target, seed.name)).collect();
    assert_eq!(names.len(), seeds.len(), "a name twice");
    for reason in Reason::ALL.iter().map(|reason| reason.name()) {
        let is_of_bytes = [
            "message_",
            "record_",
            "response_too_long",
            "too_many_descriptors",
            "unasked_descriptors",
        ]
        .iter()
        .any(|beginning| reason.starts_with(beginning));
        // Those of a node's own limits.
        let is_of_bytes =
            is_of_bytes && !["record_beyond_limits", "record_not_verified"].contains(&reason);
        // One seed has a key of a type whose feature is off where the tests run as they are.
        let is_of_bytes =
            is_of_bytes && !(cfg!(feature = "ecdsa") && reason == "record_key_unsupported");
        let has_seed = seeds.iter().any(|seed| seed.outcome == reason);
        assert_eq!(has_seed, is_of_bytes, "{reason}");
    }
}

#[test]
fn seeds_are_in_the_corpus() {
    let update = env::var_os("UPDATE_SEEDS").is_some();
    for seed in all_seeds() {
        let folder = folder("corpus").join(seed.target);
        let file = folder.join(format!("seed-{}", seed.name.replace(' ', "-")));
        if update {
            fs::create_dir_all(&folder).expect("a folder that can be made");
            fs::write(&file, &seed.input).expect("a file that can be written");
        }
        assert!(
            fs::read(&file).is_ok_and(|input| input == seed.input),
            "{} is missing or old: run this test with UPDATE_SEEDS=1",
            file.display()
        );
    }
}

fn all_seeds() -> Vec<Seed> {
    let mut seeds = [messages(), records()].concat();
    // What coverage alone does not ask for: one refused, answered, and then the oldest of two.
    let settings = [0, 4, 0, 0xa0, 0, 0];
    let inputs = [
        [12, 1, 1, 0].as_slice(), // the application names 1,
        &[3, 10, 0, 3],           // a round asks it, and this node refuses to,
        &[5, 1, 8, 0, 0],         // it is asked by hand, and answers,
        &[12, 1, 2, 0],           // the application names 2,
        &[0, 0x80, 3],            // and the next round is due.
    ];
    seeds.push(Seed {
        target: "gossip",
        name: "refused and accepted again",
        input: [&settings, &inputs.concat()[..]].concat(),
        outcome: "lived",
    });
    seeds
}

// How an input of the target `wire` begins.
const AS_IT_IS: u8 = 0;
const PREFIXED: u8 = 1;
const REPEATED: u8 = 3;
const MESSAGE: u8 = 4;
const RESPONSE: u8 = 8;
/// Held to a request: of how many bytes follows.
const ANSWER: u8 = 0x18;
const PULLED: u8 = 0x20;
/// As often as fits into a message.
const AS_FITS: u8 = 0xa6;
/// Once more.
const TOO_OFTEN: u8 = 0xa5;

fn varint(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(value, &mut bytes);
    bytes
}

fn messages() -> Vec<Seed> {
    let seed = |name, form, bytes: &[u8], outcome| Seed {
        target: "wire",
        name,
        input: [&[form, 0], bytes].concat(),
        outcome,
    };
    let most = MAX_DESCRIPTORS as u8;
    vec![
        seed(
            "one byte too long",
            AS_IT_IS,
            &varint(MAX_MESSAGE_BYTES as u64 + 1),
            "message_too_long",
        ),
        seed(
            "as long as can be",
            AS_IT_IS,
            &varint(u64::MAX),
            "message_too_long",
        ),
        seed(
            "a length without end",
            AS_IT_IS,
            &[0xff; 11],
            "message_not_protobuf",
        ),
        seed("nothing", AS_IT_IS, &[], "message_cut_off"),
        seed("half a length", AS_IT_IS, &[0x80], "message_cut_off"),
        seed(
            "half a message",
            AS_IT_IS,
            &[10, 0x0a, 8, 1],
            "message_cut_off",
        ),
        seed("no field", PREFIXED, &[0xff; 3], "message_not_protobuf"),
        seed(
            "a number for descriptors",
            PREFIXED,
            &[0x08, 1],
            "message_not_protobuf",
        ),
        seed(
            "a descriptor longer than the message",
            PREFIXED,
            &[0x0a, 0x7f],
            "message_not_protobuf",
        ),
        seed(
            "a descriptor that is none",
            PREFIXED,
            &[0x0a, 1, 0xff],
            "message_not_protobuf",
        ),
        seed(
            "groups without end",
            REPEATED,
            &[AS_FITS, 0x2b],
            "message_not_protobuf",
        ),
        seed(
            "one descriptor too many",
            REPEATED,
            &[most + 1, 0x0a, 0],
            "too_many_descriptors",
        ),
        seed(
            "as many descriptors as fit",
            REPEATED,
            &[AS_FITS, 0x0a, 0],
            "too_many_descriptors",
        ),
        seed(
            "more descriptors than fit",
            REPEATED,
            &[TOO_OFTEN, 0x0a, 0],
            "message_too_long",
        ),
        seed(
            "as many empty records as allowed",
            REPEATED,
            &[most, 0x0a, 0],
            "passed in part",
        ),
        seed(
            "an answer as long as its request",
            ANSWER | PULLED | PREFIXED,
            &[5, 0, 0x0a, 2, 0x10, 1],
            "passed in part",
        ),
        seed(
            "an answer longer than its request",
            ANSWER | PULLED | PREFIXED,
            &[4, 0, 0x0a, 2, 0x10, 1],
            "response_too_long",
        ),
        seed(
            "an answer that was not asked for",
            ANSWER | PREFIXED,
            &[5, 0, 0x0a, 2, 0x10, 1],
            "unasked_descriptors",
        ),
        seed(
            "unknown fields",
            PREFIXED,
            &[0x78, 1, 0x7a, 2, 3, 4],
            "passed",
        ),
        seed("no descriptors", PREFIXED, &[], "passed"),
        // Descriptors, flags, what is proposed; then a kind of record and an age for each.
        seed(
            "a request",
            MESSAGE,
            &[3, 1, 2, 0, 0, 1, 7, 2, 24],
            "passed",
        ),
        seed(
            "a proposal that nobody knows",
            MESSAGE,
            &[1, 1, 255, 0, 9],
            "passed",
        ),
        // A form and a place for each profile.
        seed(
            "profiles beside records",
            MESSAGE,
            &[2, 0x21, 0, 0, 0, 0, 0, 1, 2, 0, 0],
            "passed",
        ),
        seed(
            "the profile of another peer",
            MESSAGE,
            &[1, 0x21, 0, 0, 0, 2, 1],
            "passed in part",
        ),
        seed(
            "the profile of another network",
            MESSAGE,
            &[1, 0x21, 0, 0, 0, 3, 9],
            "passed in part",
        ),
        seed(
            "a profile with a wrong bit",
            MESSAGE,
            &[1, 0x21, 0, 0, 0, 4, 20],
            "passed in part",
        ),
        seed(
            "a profile that is too long",
            MESSAGE,
            &[&[1, 0x21, 0, 1, 0, 6, 255], &[0; 255][..]].concat(),
            "passed in part",
        ),
        seed(
            "a profile that is no protobuf",
            MESSAGE,
            &[1, 0x21, 0, 0, 0, 7, 3, 0xff, 0xff, 0xff],
            "passed in part",
        ),
        seed("a goodbye", MESSAGE, &[0, 0x1e, 0], "passed"),
        seed(
            "a record that is too large",
            MESSAGE,
            &[2, 1, 0, 0, 0, 0xff, 0],
            "record_too_large",
        ),
        seed(
            "an empty record",
            MESSAGE,
            &[2, 1, 0, 0, 0, 0xe0, 0],
            "passed in part",
        ),
        seed(
            "a record that is no protobuf",
            MESSAGE,
            &[2, 1, 0, 0, 0, 0xe3, 0, 0xff, 0xff, 0xff],
            "passed in part",
        ),
    ]
}

fn records() -> Vec<Seed> {
    // By a key that signs nothing for the pool of good records.
    let (keypair, other) = (&KEYS[4], &KEYS[5]);
    let peer = keypair.public().to_peer_id();
    let home = || ADDRESSES[0].clone();
    let good = signed::record(peer, 1, [home()]);
    let sign = |record: &pb::PeerRecord| signed::sign(keypair, &record.encode_to_vec());
    let edited = |edit: fn(&mut pb::Envelope)| {
        let mut envelope = pb::Envelope::decode(&sign(&good)[..]).expect("just made");
        edit(&mut envelope);
        envelope.encode_to_vec()
    };
    let with_addresses = |addresses: Vec<Vec<u8>>| sign(&signed::record(peer, 1, addresses));
    let mut nobody = good.clone();
    nobody.peer_id = vec![1, 2, 3];
    // By their places in the list.
    let (loopback, of_another) = (ADDRESSES[3].clone(), ADDRESSES[13].clone());
    let envelopes = [
        ("a record", sign(&good), "passed"),
        (
            "a wrong signature",
            edited(|envelope| envelope.signature[5] ^= 1),
            "record_signature",
        ),
        (
            "no signature",
            edited(|envelope| envelope.signature.clear()),
            "record_signature",
        ),
        (
            "a signature for something else",
            signed::sign_for("another-domain", keypair, &good.encode_to_vec()),
            "record_signature",
        ),
        (
            "an RSA key",
            edited(|envelope| {
                envelope.public_key.as_mut().expect("there").r#type = pb::KeyType::Rsa.into();
            }),
            "record_key_type",
        ),
        (
            "no key",
            edited(|envelope| envelope.public_key = None),
            "record_key_type",
        ),
        (
            "a broken key",
            edited(|envelope| {
                envelope
                    .public_key
                    .as_mut()
                    .expect("there")
                    .data
                    .truncate(3);
            }),
            "record_key",
        ),
        (
            "another type",
            edited(|envelope| envelope.payload_type = vec![0x03, 0x02]),
            "record_payload_type",
        ),
        ("no protobuf", vec![0xff; 9], "record_not_protobuf"),
        ("nothing", vec![], "record_payload_type"),
        ("about nobody", sign(&nobody), "record_peer_id"),
        (
            "about another",
            signed::sign(other, &good.encode_to_vec()),
            "record_signer",
        ),
        (
            "too large",
            vec![0; MAX_RECORD_BYTES + 1],
            "record_too_large",
        ),
        (
            "too many addresses",
            with_addresses(vec![home(); 9]),
            "record_too_many_addresses",
        ),
        (
            "as many addresses as allowed",
            with_addresses(vec![home(); 8]),
            "passed",
        ),
        (
            "an address that is none",
            with_addresses(vec![vec![0xff; 3]]),
            "record_address",
        ),
        (
            "an address of another",
            with_addresses(vec![of_another]),
            "record_address_of_another",
        ),
        (
            "addresses out of reach",
            with_addresses(vec![loopback]),
            "record_not_admitted",
        ),
        (
            "no addresses",
            with_addresses(vec![]),
            "record_not_admitted",
        ),
        (
            "an address that is none beside a good one",
            with_addresses(vec![vec![0x8f, 0x4e], home()]),
            "passed",
        ),
        (
            "a key that this build cannot read",
            edited(|envelope| {
                envelope.public_key.as_mut().expect("there").r#type = pb::KeyType::Ecdsa.into();
            }),
            match cfg!(feature = "ecdsa") {
                true => "record_key",
                false => "record_key_unsupported",
            },
        ),
    ];
    envelopes
        .into_iter()
        .map(|(name, envelope, outcome)| Seed {
            target: "record",
            name,
            // As it is, at a node on the open internet.
            input: [&[0, 0], &envelope[..]].concat(),
            outcome,
        })
        .collect()
}
