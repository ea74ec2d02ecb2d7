//! Signed peer records: who somebody is and where, in their own words.
//!
//! The form is the one of go-libp2p and js-libp2p (RFC 0002, RFC 0003). A signature proves who
//! made a record, not that its addresses are theirs: only a connection proves that.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hashlink::LruCache;
use libp2p_core::{Multiaddr, SignedEnvelope, multiaddr, signed_envelope};
use libp2p_identity::{
    DecodingError, KeyType, Keypair, ParseError, PeerId, PublicKey, SigningError,
};
use prost::Message;
use thiserror::Error;
use web_time::SystemTime;

use crate::{
    peer::{Peer, Prefixes},
    swarm::{
        address::{Target, policy::AddressPolicy, split_peer},
        counters::{Reason, Tally},
        generated as pb,
        limits::{Limits, MAX_ADDRESSES, MAX_RECORD_BYTES},
        rate::{Bucket, Rate},
    },
    time::Time,
};

/// "libp2p-peer-record" and 0x0301, from RFC 0003 and the multicodec table.
const DOMAIN: &str = "libp2p-peer-record";
const PAYLOAD_TYPE: &[u8] = &[0x03, 0x01];

/// What a descriptor takes on the wire beside the record in it, in bytes: tags and lengths of both, and
/// an age of 1 to 127.
const DESCRIPTOR_BYTES: usize = 8;

/// A peer's signed record: its identity, its addresses, and the signature over both, to be passed
/// on as it is. Cheap to clone.
#[derive(Clone)]
pub struct Record {
    said: Arc<Inner>,
    /// Where this node has found the peer, and the networks of that.
    found: Option<(Multiaddr, Prefixes)>,
    /// Of what the peer has said itself, over a connection of its own: the largest number that this
    /// node had known of it. Only a larger one counts for more. `None`: others have told of the
    /// record.
    first_hand: Option<u64>,
}

/// Two records are equal when they say the same, wherever the peer was found.
impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.said == other.said
    }
}

impl Eq for Record {}

#[derive(PartialEq, Eq)]
struct Inner {
    peer_id: PeerId,
    seq: u64,
    addresses: Vec<Multiaddr>,
    /// Of the first address.
    prefixes: Option<Prefixes>,
    envelope: Vec<u8>,
}

impl Record {
    fn new(peer_id: PeerId, seq: u64, addresses: Vec<Multiaddr>, envelope: Vec<u8>) -> Self {
        let target = addresses.first().and_then(Target::of);
        let said = Arc::new(Inner {
            peer_id,
            seq,
            prefixes: target.and_then(|target| target.prefixes()),
            addresses,
            envelope,
        });
        Self {
            said,
            found: None,
            first_hand: None,
        }
    }

    /// The record of a peer that this node has found at `address`.
    pub(crate) fn found_at(&self, address: &Multiaddr) -> Self {
        let prefixes = Target::of(address).and_then(|target| target.prefixes());
        Self {
            found: prefixes.map(|prefixes| (address.clone(), prefixes)),
            ..self.clone()
        }
    }

    /// The record of a peer that has sent it itself.
    pub(crate) fn first_hand(&self) -> Self {
        Self {
            first_hand: Some(self.seq()),
            ..self.clone()
        }
    }

    /// Whether this record counts for more than `known`, another one of the same peer: it has a
    /// larger number, or the peer itself has just sent it. A clock may be set back, and a copy of
    /// the peer may have had a later one; who speaks on its own connection knows where it is.
    pub(crate) fn supersedes(&self, known: &Self) -> bool {
        let outbid = known
            .first_hand
            .map_or(known.seq(), |largest| largest.max(known.seq()));
        self.first_hand.is_some() || self.seq() > outbid
    }

    /// Whose record it is: the signer.
    pub fn peer_id(&self) -> PeerId {
        self.said.peer_id
    }

    /// The record's sequence number: of two records of one peer, the one with the higher number is
    /// newer. Not a clock.
    pub fn seq(&self) -> u64 {
        self.said.seq
    }

    /// The addresses that this node can read and its [policy](crate::AddressPolicy) admits, without
    /// `/p2p` at their end; the [envelope](Self::envelope) may hold more. Never empty in a view.
    pub fn addresses(&self) -> &[Multiaddr] {
        &self.said.addresses
    }

    /// The signed envelope, as it travels: RFC 0002 protobuf.
    pub fn envelope(&self) -> &[u8] {
        &self.said.envelope
    }

    /// Signs a record. `addresses` beyond [`MAX_ADDRESSES`] are left out, and so is what would take
    /// the record beyond [`MAX_RECORD_BYTES`].
    pub(crate) fn sign(
        keypair: &Keypair,
        seq: u64,
        addresses: &[Multiaddr],
    ) -> Result<Self, SigningError> {
        let peer_id = keypair.public().to_peer_id();
        let mut addresses = addresses[..addresses.len().min(MAX_ADDRESSES)].to_vec();
        loop {
            let payload = pb::PeerRecord {
                peer_id: peer_id.to_bytes(),
                seq,
                addresses: addresses
                    .iter()
                    .map(|address| pb::AddressInfo {
                        multiaddr: address.to_vec(),
                    })
                    .collect(),
            };
            let envelope = SignedEnvelope::new(
                keypair,
                DOMAIN.into(),
                PAYLOAD_TYPE.into(),
                payload.encode_to_vec(),
            )?
            .into_protobuf_encoding();
            if envelope.len() > MAX_RECORD_BYTES && addresses.pop().is_some() {
                continue;
            }
            return Ok(Self::new(peer_id, seq, addresses, envelope));
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("peer_id", &self.said.peer_id)
            .field("seq", &self.said.seq)
            .field("addresses", &self.said.addresses)
            .finish_non_exhaustive()
    }
}

impl Peer for Record {
    type Id = PeerId;

    fn id(&self) -> &PeerId {
        &self.said.peer_id
    }

    /// Those of the address where this node has found the peer, and before that of the first that it would
    /// dial: what others say of where they are is only believed until they are met.
    fn prefixes(&self) -> Option<Prefixes> {
        let found = self.found.as_ref().map(|(_, prefixes)| *prefixes);
        found.or(self.said.prefixes)
    }

    fn has_moved(&self, before: &Self) -> bool {
        let is_new = |address| !before.addresses().contains(address);
        self.seq() > before.seq() && self.addresses().iter().any(is_new)
    }

    /// With its descriptor, for an age of 1 to 127.
    fn size(&self) -> usize {
        self.said.envelope.len() + DESCRIPTOR_BYTES
    }

    /// What the peer has said itself counts, and of what others tell the largest number. Where the
    /// peer was found stays, as long as its records have that address.
    fn refresh(&mut self, other: Self) {
        let supersedes = other.supersedes(self);
        if !supersedes && other.said != self.said {
            return;
        }
        let stays = |(address, _): &(Multiaddr, Prefixes)| other.addresses().contains(address);
        let found = other.found.clone().or(self.found.take().filter(stays));
        let largest = self.first_hand.max(Some(self.seq()));
        if supersedes {
            *self = other;
            self.first_hand = self.first_hand.map(|own| own.max(largest.unwrap_or(own)));
        }
        self.found = found;
    }
}

/// A sequence number for a new record: nanoseconds since 1970, as go-libp2p counts, and more than
/// `last` in any case.
pub(crate) fn next_seq(last: u64) -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "records carry the time they were made"
    )]
    let now = SystemTime::now();
    let nanos = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    u64::try_from(nanos)
        .unwrap_or(u64::MAX)
        .max(last.saturating_add(1))
}

/// Why a record was not taken. Nothing was changed, and the record is not passed on.
///
/// Nobody is blamed, for an honest peer may have passed it on: implementations differ in which
/// addresses and keys they can read, and even in which signatures they accept (both values of `s`
/// that fit an ECDSA signature, or one alone). Only [`TooLarge`](Self::TooLarge) is counted alike
/// by all of them: a message with such a record is refused as a whole, as
/// [`MessageError::RecordTooLarge`](crate::MessageError::RecordTooLarge).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The envelope is too large. Nothing of it was read.
    #[error("record of {bytes} bytes, at most {MAX_RECORD_BYTES} are allowed")]
    TooLarge {
        /// Its size, in bytes.
        bytes: usize,
    },
    /// The envelope or the record inside is not protobuf.
    #[error("record is not protobuf: {0}")]
    NotProtobuf(#[from] prost::DecodeError),
    /// The envelope holds something else than a peer record.
    #[error("envelope of another payload type than a peer record's")]
    PayloadType,
    /// The signing key is of a type that this protocol does not allow: RSA, or an unknown one.
    #[error("key type {0} is not allowed in a record")]
    KeyType(i32),
    /// The protocol allows the type of the signing key, and this build cannot verify it: the crate
    /// feature of that type is off.
    #[error(
        "this build cannot verify records of {0} keys: its crate feature is off, see \
         Limits::key_types"
    )]
    KeyUnsupported(KeyType),
    /// The signing key cannot be read.
    #[error("record's key: {0}")]
    Key(#[source] DecodingError),
    /// The peer id inside is none.
    #[error("record's peer id: {0}")]
    PeerId(#[source] ParseError),
    /// The record is about another peer than its signer.
    #[error("record about {subject}, signed by {signer}")]
    Signer {
        /// The peer that the record is about.
        subject: PeerId,
        /// The peer whose key signed it.
        signer: PeerId,
    },
    /// The signature is wrong.
    #[error("record's signature is wrong")]
    Signature,
    /// Too many addresses.
    #[error("record with {count} addresses, at most {MAX_ADDRESSES} are allowed")]
    TooManyAddresses {
        /// How many there are.
        count: usize,
    },
    /// An address is not a multiaddr, or has a part that this build does not know, and the record
    /// has no other address that is admitted.
    #[error("record's address: {0}")]
    Address(#[source] multiaddr::Error),
    /// An address ends in another peer's id, and the record has no other address that is admitted.
    #[error("record's address {0} is another peer's")]
    AddressOfAnother(Multiaddr),
    /// This node's [policy](crate::AddressPolicy) admits none of its addresses, or it has none.
    #[error("none of the record's addresses is admitted by this node")]
    NotAdmitted,
    /// The record is within the protocol's bounds and beyond this node's own
    /// [`Limits`](crate::Limits): its bytes, its addresses or the type of its key.
    #[error("record is beyond this node's own limits")]
    BeyondLimits,
    /// The signature was not looked at: as many were verified as one second may have (see
    /// [`Limits::verifications_per_second`](crate::Limits::verifications_per_second)), or the
    /// signature of a record before it in the message is wrong.
    #[error("record was not verified")]
    NotVerified,
}

impl RecordError {
    /// Which kind of error it is.
    pub fn reason(&self) -> Reason {
        match self {
            Self::TooLarge { .. } => Reason::RecordTooLarge,
            Self::NotProtobuf(_) => Reason::RecordNotProtobuf,
            Self::PayloadType => Reason::RecordPayloadType,
            Self::KeyType(_) => Reason::RecordKeyType,
            Self::KeyUnsupported(_) => Reason::RecordKeyUnsupported,
            Self::Key(_) => Reason::RecordKey,
            Self::PeerId(_) => Reason::RecordPeerId,
            Self::Signer { .. } => Reason::RecordSigner,
            Self::Signature => Reason::RecordSignature,
            Self::TooManyAddresses { .. } => Reason::RecordTooManyAddresses,
            Self::Address(_) => Reason::RecordAddress,
            Self::AddressOfAnother(_) => Reason::RecordAddressOfAnother,
            Self::NotAdmitted => Reason::RecordNotAdmitted,
            Self::BeyondLimits => Reason::RecordBeyondLimits,
            Self::NotVerified => Reason::RecordNotVerified,
        }
    }
}

/// How much work a record may make that is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// This node has asked for the record, which bounds how many come: its signature is verified.
    Asked,
    /// It came unasked at this time: its signature is verified within the budget for those.
    Unasked(Time),
    /// Its signature is not verified.
    None,
}

/// Checks records, and remembers those that passed. Shared by all connections.
#[derive(Debug)]
pub(crate) struct Verifier {
    policy: AddressPolicy,
    limits: Limits,
    /// Of records that nobody has asked for.
    unasked: Rate,
    tally: Arc<Tally>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    remembered: LruCache<PeerId, Record>,
    /// For records that nobody has asked for.
    budget: Bucket,
}

impl Verifier {
    pub(crate) fn new(policy: AddressPolicy, limits: Limits, tally: Arc<Tally>) -> Self {
        Self {
            policy,
            tally,
            state: Mutex::new(State {
                remembered: LruCache::new(limits.records_remembered),
                budget: Bucket::default(),
            }),
            unasked: Rate::per(limits.verifications_per_second, Duration::from_secs(1)),
            limits,
        }
    }

    /// The record in `envelope`. A record that is not taken is counted, with its reason.
    ///
    /// What costs anything, the key and the signature, comes last, and not for a record that has
    /// passed before.
    pub(crate) fn check(&self, envelope: Vec<u8>, effort: Effort) -> Result<Record, RecordError> {
        let checked = self.check_uncounted(envelope, effort);
        if let Err(error) = &checked {
            tracing::debug!(%error, "A record is passed over");
            self.tally.pass_over(error.reason());
        }
        checked
    }

    fn check_uncounted(&self, envelope: Vec<u8>, effort: Effort) -> Result<Record, RecordError> {
        if envelope.len() > MAX_RECORD_BYTES {
            return Err(RecordError::TooLarge {
                bytes: envelope.len(),
            });
        }
        let opened = pb::Envelope::decode(&envelope[..])?;
        if opened.payload_type != PAYLOAD_TYPE {
            return Err(RecordError::PayloadType);
        }
        let key = opened.public_key.unwrap_or_default();
        let key_type = key_type(&key)?;
        let record = pb::PeerRecord::decode(&opened.payload[..])?;
        let subject = PeerId::from_bytes(&record.peer_id).map_err(RecordError::PeerId)?;
        if record.addresses.len() > MAX_ADDRESSES {
            return Err(RecordError::TooManyAddresses {
                count: record.addresses.len(),
            });
        }
        if envelope.len() > self.limits.record_bytes
            || record.addresses.len() > self.limits.addresses_per_record
            || !self.limits.key_types.contains(&key_type)
        {
            return Err(RecordError::BeyondLimits);
        }
        if let Some(known) = self.known(&subject, &envelope) {
            self.tally.records_known.add(1);
            return Ok(known);
        }
        let addresses = self.addresses(&subject, record.addresses)?;
        let may_verify = match effort {
            Effort::Asked => true,
            Effort::Unasked(now) => self.state().budget.take(self.unasked, now),
            Effort::None => false,
        };
        if !may_verify {
            return Err(RecordError::NotVerified);
        }
        let key = public_key(&key, key_type)?;
        let signer = key.to_peer_id();
        if subject != signer {
            return Err(RecordError::Signer { subject, signer });
        }
        self.tally.records_verified.add(1);
        verify(&envelope, &key, &opened.payload)?;
        let record = Record::new(signer, record.seq, addresses, envelope);
        self.state().remembered.insert(signer, record.clone());
        Ok(record)
    }

    /// The record that has passed before, byte for byte.
    fn known(&self, subject: &PeerId, envelope: &[u8]) -> Option<Record> {
        let mut state = self.state();
        let known = state.remembered.get(subject);
        known.filter(|known| known.envelope() == envelope).cloned()
    }

    /// Those that are admitted, without the peer at their end. One that cannot be read spoils no
    /// other: a peer may have an address of a kind that only later versions know.
    fn addresses(
        &self,
        subject: &PeerId,
        infos: Vec<pb::AddressInfo>,
    ) -> Result<Vec<Multiaddr>, RecordError> {
        let mut addresses = Vec::with_capacity(infos.len());
        let mut fault = None;
        for info in infos {
            match self.address(subject, info.multiaddr) {
                Ok(address) => addresses.push(address),
                // It says less than any other error.
                Err(RecordError::NotAdmitted) => {}
                Err(error) => fault = fault.or(Some(error)),
            }
        }
        if addresses.is_empty() {
            return Err(fault.unwrap_or(RecordError::NotAdmitted));
        }
        if let Some(error) = fault {
            tracing::debug!(%subject, %error, "An address is left out of a record");
            self.tally.refuse(error.reason());
        }
        Ok(addresses)
    }

    fn address(&self, subject: &PeerId, multiaddr: Vec<u8>) -> Result<Multiaddr, RecordError> {
        let address = Multiaddr::try_from(multiaddr).map_err(RecordError::Address)?;
        let (bare, peer) = split_peer(&address);
        if peer.is_some_and(|peer| peer != *subject) {
            return Err(RecordError::AddressOfAnother(address));
        }
        // Whole: of what has the peer at its end twice, one would be left.
        match self.policy.check(subject, &address) {
            Ok(()) => Ok(bare),
            Err(_) => Err(RecordError::NotAdmitted),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A cache is as good after a panic elsewhere as before.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The type of a key, before anything is computed with it.
fn key_type(key: &pb::PublicKey) -> Result<KeyType, RecordError> {
    match pb::KeyType::try_from(key.r#type) {
        Ok(pb::KeyType::Ed25519) => Ok(KeyType::Ed25519),
        Ok(pb::KeyType::Secp256k1) => Ok(KeyType::Secp256k1),
        Ok(pb::KeyType::Ecdsa) => Ok(KeyType::Ecdsa),
        Ok(pb::KeyType::Rsa) | Err(_) => Err(RecordError::KeyType(key.r#type)),
    }
}

fn public_key(key: &pb::PublicKey, key_type: KeyType) -> Result<PublicKey, RecordError> {
    PublicKey::try_decode_protobuf(&key.encode_to_vec()).map_err(|error| {
        // The error has no kind to match on; a test below holds the wording.
        match error.to_string().contains("is not enabled") {
            true => RecordError::KeyUnsupported(key_type),
            false => RecordError::Key(error),
        }
    })
}

/// Also that what was verified is what was read: there is more than one way to read protobuf.
fn verify(envelope: &[u8], key: &PublicKey, payload: &[u8]) -> Result<(), RecordError> {
    use signed_envelope::DecodingError;

    let envelope =
        SignedEnvelope::from_protobuf_encoding(envelope).map_err(|error| match error {
            DecodingError::InvalidPublicKey(error) => RecordError::Key(error),
            // The same bytes have just been decoded.
            _ => RecordError::Signature,
        })?;
    match envelope.payload_and_signing_key(DOMAIN.into(), PAYLOAD_TYPE) {
        Ok(verified) if verified == (payload, key) => Ok(()),
        _ => Err(RecordError::Signature),
    }
}

#[cfg(test)]
mod tests {
    use libp2p_core::PeerRecord;

    use super::*;
    use crate::swarm::address::Scope;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("a multiaddr")
    }

    fn home() -> Vec<Multiaddr> {
        vec![address("/ip4/127.0.0.1/tcp/1337")]
    }

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
        Verifier::new(AddressPolicy::new(scope), limits, Arc::default())
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
        let theirs = PeerRecord::from_signed_envelope_interop(envelope)
            .expect("a record as go and js read it");
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
    fn what_is_out_of_scope_is_left_out_and_no_fault() {
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
    fn nothing_is_kept_with_a_peer_at_its_end() {
        let keypair = Keypair::generate_ed25519();
        let peer = multiaddr::Protocol::P2p(keypair.public().to_peer_id());
        let once = home()[0].clone().with(peer.clone());
        let twice = once.clone().with(peer);
        let envelope = signed(&keypair, &unsigned(&keypair, &[twice, once]));
        let record = check(envelope).expect("a good record");
        assert_eq!(record.addresses(), home());
    }

    /// Holds the wording of libp2p-identity's error, which has no kind to match on. Of all key
    /// types only RSA's feature is off here, and records of such keys are refused before.
    #[test]
    fn key_whose_feature_is_off_is_named() {
        let key = pb::PublicKey {
            r#type: pb::KeyType::Rsa.into(),
            data: vec![2; 33],
        };
        let error = public_key(&key, KeyType::RSA).expect_err("its feature is off");
        assert!(
            matches!(error, RecordError::KeyUnsupported(KeyType::RSA)),
            "{error:?}"
        );
        assert_eq!(error.reason(), Reason::RecordKeyUnsupported);
    }

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
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c,
            0xd0, 0x36, 0x41, 0x41,
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
    fn what_nobody_has_asked_for_is_verified_within_a_budget() {
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
        assert!(verifier.check(known(), Effort::None).is_ok());
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
        assert_eq!(counters.records_known, 2);
        assert_eq!(counters.refused(Reason::RecordNotVerified), 20 + 20 + 2);
        assert_eq!(counters.refused(Reason::RecordSignature), 10);
        assert_eq!(counters.refused(Reason::RecordNotProtobuf), 1);
        assert_eq!(counters.records_passed_over, 42 + 10 + 1);
    }

    #[test]
    fn what_is_beyond_our_own_limits_is_passed_over_and_no_fault() {
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

    #[test]
    fn what_a_peer_says_itself_counts_whatever_number_others_have() {
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
    fn what_does_not_fit_into_a_record_is_left_out() {
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
}
