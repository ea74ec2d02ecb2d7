//! Keys that are always the same, and records that they have signed: a signature is nothing that a
//! fuzzer could find.

use std::sync::LazyLock;

use libp2p_core::{Multiaddr, SignedEnvelope, multiaddr::Protocol};
use libp2p_identity::{Keypair, PeerId};
use libp2p_peer_sampling::{PROTOCOL_NAME, pb};
use prost::{Message, encoding::encode_varint};

/// What a record's signature is over, besides the record: RFC 0003.
pub const DOMAIN: &str = "libp2p-peer-record";
pub const PAYLOAD_TYPE: &[u8] = &[0x03, 0x01];

/// The keys that have signed [`POOL`] and nothing else, and then those that sign anything.
pub static KEYS: LazyLock<Vec<Keypair>> = LazyLock::new(|| {
    let key = |number| Keypair::ed25519_from_bytes([number; 32]).expect("32 bytes are a key");
    (1..=8).map(key).collect()
});

/// How many of the keys are those of the pool.
pub const POOL_KEYS: usize = 4;

/// Records that pass.
pub static POOL: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let local = ADDRESSES.iter().take(3).map(Vec::clone);
    let of = |key: usize, seq: u64, count: usize| {
        let keypair = &KEYS[key];
        let record = record(
            keypair.public().to_peer_id(),
            seq,
            local.clone().take(count),
        );
        sign(keypair, &record.encode_to_vec())
    };
    // One of each key: a verifier remembers no more.
    vec![of(0, 1, 1), of(1, 1, 3), of(2, u64::MAX, 1), of(3, 0, 2)]
});

/// Profiles that pass beside the record of the same place in [`POOL`]: of usual size, the largest,
/// and one that takes back what was said.
pub static PROFILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let sizes = [12, 256, 0, 1];
    let pool = KEYS.iter().zip(sizes);
    pool.map(|(keypair, size)| profile(keypair, PROTOCOL_NAME.as_ref(), 1, vec![7; size]))
        .collect()
});

/// Addresses of every kind that is treated apart; the first three are within every reach.
pub static ADDRESSES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let own = KEYS[POOL_KEYS].public().to_peer_id();
    let other = KEYS[0].public().to_peer_id();
    let long = format!("/dns4/{}/tcp/1", "a".repeat(250));
    let parse = |text: &str| -> Multiaddr { text.parse().expect("a multiaddr") };
    let far = parse("/ip4/1.2.3.4/tcp/4001");
    [
        far.clone(),
        parse("/ip4/8.8.8.8/udp/4001/quic-v1"),
        parse("/ip6/2606:4700::1111/udp/4001/quic-v1"),
        parse("/ip4/127.0.0.1/tcp/1"),
        parse("/ip4/10.0.0.1/udp/1/quic-v1"),
        parse("/ip6/::ffff:10.0.0.1/tcp/1"),
        parse("/memory/7"),
        parse("/dns4/example.org/tcp/443/tls/ws"),
        parse("/dns/printer.local/tcp/1"),
        parse(&long),
        parse("/ip4/1.2.3.4/tcp/0"),
        parse("/ip4/1.2.3.4/tcp/1/ip4/127.0.0.1/tcp/22"),
        far.clone().with(Protocol::P2p(own)),
        far.clone().with(Protocol::P2p(other)),
        far.clone()
            .with(Protocol::P2p(other))
            .with(Protocol::P2pCircuit),
        far.clone()
            .with(Protocol::P2p(own))
            .with(Protocol::P2pCircuit),
        [own; 2]
            .into_iter()
            .map(Protocol::P2p)
            .fold(far, Multiaddr::with),
        Multiaddr::empty(),
    ]
    .iter()
    .map(Multiaddr::to_vec)
    .collect()
});

/// A record without its envelope.
pub fn record(
    peer: PeerId,
    seq: u64,
    addresses: impl IntoIterator<Item = Vec<u8>>,
) -> pb::PeerRecord {
    let info = |multiaddr| pb::AddressInfo { multiaddr };
    pb::PeerRecord {
        peer_id: peer.to_bytes(),
        seq,
        addresses: addresses.into_iter().map(info).collect(),
    }
}

/// An envelope with everything in it but a signature.
pub fn unsigned(keypair: &Keypair, payload: &[u8]) -> pb::Envelope {
    let key = keypair.public().encode_protobuf();
    pb::Envelope {
        public_key: Some(pb::PublicKey::decode(&key[..]).expect("just encoded")),
        payload_type: PAYLOAD_TYPE.to_vec(),
        payload: payload.to_vec(),
        signature: Vec::new(),
    }
}

/// An envelope around this payload.
pub fn sign(keypair: &Keypair, payload: &[u8]) -> Vec<u8> {
    sign_for(DOMAIN, keypair, payload)
}

/// An envelope whose signature is good in this domain.
pub fn sign_for(domain: &str, keypair: &Keypair, payload: &[u8]) -> Vec<u8> {
    SignedEnvelope::new(keypair, domain.into(), PAYLOAD_TYPE.into(), payload.into())
        .expect("Ed25519 signs anything")
        .into_protobuf_encoding()
}

/// A profile whose signature is good in the network of this protocol.
pub fn profile(keypair: &Keypair, protocol: &str, seq: u64, data: Vec<u8>) -> Vec<u8> {
    let payload = [&seq.to_be_bytes(), &data[..]].concat();
    let domain: &[u8] = b"libp2p-peer-sampling-profile";
    let mut signed = Vec::new();
    for part in [domain, protocol.as_bytes(), &payload] {
        encode_varint(part.len() as u64, &mut signed);
        signed.extend_from_slice(part);
    }
    pb::Profile {
        seq,
        data,
        signature: keypair.sign(&signed).expect("Ed25519 signs anything"),
    }
    .encode_to_vec()
}
