//! Signatures over what peers say: verified one by one, or those of a message together.

use ed25519_dalek::VerifyingKey;
use libp2p_identity::{self as identity, KeyType, PeerId, ed25519};
use prost::{Message, encoding::encode_varint, length_delimiter_len};

use crate::swarm::{generated as pb, record::error::RecordError};

/// From how many on it costs less to verify signatures together. Measured, in microseconds for
/// each: alone 31, together 29 of two, 23 of three, 18 of eight, 16 of thirty.
const FEWEST_TOGETHER: usize = 3;

/// A signature that may be valid or not, what it is said to be over, and who is said to have made
/// it.
#[derive(Debug)]
pub(super) struct Signature {
    key: Key,
    signer: PeerId,
    message: Vec<u8>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
enum Key {
    /// Decompressed: that is a tenth of the work.
    Ed25519(VerifyingKey),
    Other(identity::PublicKey),
}

impl Signature {
    /// One by this key, over this message.
    pub(super) fn of(
        key_type: KeyType,
        key: pb::PublicKey,
        message: Vec<u8>,
        signature: Vec<u8>,
    ) -> Result<Self, RecordError> {
        let (key, signer) = match key_type {
            KeyType::Ed25519 => of_ed25519(&key.data)?,
            _ => of_other(key_type, &key)?,
        };
        Ok(Self {
            key,
            signer,
            message,
            bytes: signature,
        })
    }

    /// Who has signed, if the signature is valid.
    pub(super) fn signer(&self) -> PeerId {
        self.signer
    }

    /// Whether it is valid.
    pub(super) fn is_valid(&self) -> bool {
        match &self.key {
            Key::Ed25519(key) => self.ed25519().is_some_and(|signature| {
                ed25519_dalek::Verifier::verify(key, &self.message, &signature).is_ok()
            }),
            Key::Other(key) => key.verify(&self.message, &self.bytes),
        }
    }

    /// Whether all of them are valid, as far as that can be said at less than the price of asking
    /// each.
    ///
    /// One answer may differ from [`Self::is_valid`]: the owner of a key can make a signature that
    /// passes together with others and not alone, or the other way round. Implementations differ in
    /// those anyway.
    pub(super) fn are_valid(signatures: &[&Self]) -> bool {
        if signatures.len() < FEWEST_TOGETHER {
            return false;
        }
        let mut messages = Vec::with_capacity(signatures.len());
        let mut made = Vec::with_capacity(signatures.len());
        let mut keys = Vec::with_capacity(signatures.len());
        for signature in signatures {
            match (&signature.key, signature.ed25519()) {
                (Key::Ed25519(key), Some(bytes)) => {
                    messages.push(&signature.message[..]);
                    made.push(bytes);
                    keys.push(*key);
                }
                (Key::Ed25519(_), None) => return false,
                (Key::Other(_), _) if !signature.is_valid() => return false,
                (Key::Other(_), _) => {}
            }
        }
        ed25519_dalek::verify_batch(&messages, &made, &keys).is_ok()
    }

    fn ed25519(&self) -> Option<ed25519_dalek::Signature> {
        ed25519_dalek::Signature::from_slice(&self.bytes).ok()
    }
}

/// What is known of the signatures of a message.
#[derive(Debug)]
pub(super) enum Verdict {
    AllValid,
    /// No wrong one yet.
    OneByOne,
    OneWrong,
}

impl Verdict {
    /// On these, which are then asked about in their order.
    pub(super) fn on(signatures: &[&Signature]) -> Self {
        match Signature::are_valid(signatures) {
            true => Self::AllValid,
            false => Self::OneByOne,
        }
    }

    /// Whether the next one is valid; `None`: it is not looked at, since one before it is wrong.
    pub(super) fn is_valid(&mut self, signature: &Signature) -> Option<bool> {
        match self {
            Self::AllValid => Some(true),
            Self::OneByOne if signature.is_valid() => Some(true),
            Self::OneByOne => {
                *self = Self::OneWrong;
                Some(false)
            }
            Self::OneWrong => None,
        }
    }
}

/// The type of a key, before anything is computed with it.
pub(super) fn key_type(key: &pb::PublicKey) -> Result<KeyType, RecordError> {
    match pb::KeyType::try_from(key.r#type) {
        Ok(pb::KeyType::Ed25519) => Ok(KeyType::Ed25519),
        Ok(pb::KeyType::Secp256k1) => Ok(KeyType::Secp256k1),
        Ok(pb::KeyType::Ecdsa) => Ok(KeyType::Ecdsa),
        Ok(pb::KeyType::Rsa) | Err(_) => Err(RecordError::KeyType(key.r#type)),
    }
}

/// What stands before the 32 bytes of an Ed25519 key in the id of its peer: the identity multihash
/// of 36 bytes, and the head of the key's protobuf (libp2p's specification of peer ids).
const ED25519_PEER: [u8; 6] = [0x00, 36, 0x08, 0x01, 0x12, 32];

/// The key is decompressed once, and not by libp2p-identity: its key verifies alone.
fn of_ed25519(data: &[u8]) -> Result<(Key, PeerId), RecordError> {
    let Some(key) = data
        .try_into()
        .ok()
        .and_then(|data| VerifyingKey::from_bytes(data).ok())
    else {
        let error = ed25519::PublicKey::try_from_bytes(data).err();
        return Err(error.map_or(RecordError::Signature, RecordError::Key));
    };
    let signer =
        PeerId::from_bytes(&[&ED25519_PEER, data].concat()).map_err(RecordError::PeerId)?;
    Ok((Key::Ed25519(key), signer))
}

fn of_other(key_type: KeyType, key: &pb::PublicKey) -> Result<(Key, PeerId), RecordError> {
    let key = identity::PublicKey::try_decode_protobuf(&key.encode_to_vec())
        .map_err(|error| unreadable(error, key_type))?;
    let signer = key.to_peer_id();
    Ok((Key::Other(key), signer))
}

fn unreadable(error: identity::DecodingError, key_type: KeyType) -> RecordError {
    // The error has no kind to match on; a test holds the wording.
    match error.to_string().contains("is not enabled") {
        true => RecordError::KeyUnsupported(key_type),
        false => RecordError::Key(error),
    }
}

/// What is signed (RFC 0002): the domain, the type of the payload, and the payload, each behind its
/// length.
pub(super) fn form(domain: &str, payload_type: &[u8], payload: &[u8]) -> Vec<u8> {
    let parts = [domain.as_bytes(), payload_type, payload];
    let lengths = parts.map(|part| length_delimiter_len(part.len()) + part.len());
    let mut message = Vec::with_capacity(lengths.iter().sum());
    for part in parts {
        encode_varint(part.len() as u64, &mut message);
        message.extend_from_slice(part);
    }
    message
}

#[cfg(test)]
mod tests {
    use libp2p_identity::Keypair;

    use super::*;

    fn signed(keypair: &Keypair, payload: &[u8]) -> Signature {
        let key = pb::PublicKey::decode(&keypair.public().encode_protobuf()[..]).expect("a key");
        let message = form("domain", &[3, 1], payload);
        let bytes = keypair.sign(&message).expect("signing works");
        let signature = Signature::of(KeyType::Ed25519, key, message, bytes);
        let signature = signature.expect("a good key");
        assert_eq!(signature.signer(), keypair.public().to_peer_id());
        signature
    }

    #[test]
    fn one_wrong_signature_among_many_is_noticed() {
        for wrong in [None, Some(0), Some(9)] {
            let mut signatures: Vec<_> = (0..10)
                .map(|at| signed(&Keypair::generate_ed25519(), &[at; 20]))
                .collect();
            if let Some(wrong) = wrong {
                signatures[wrong].message[20] ^= 1;
            }
            let valid: Vec<_> = signatures.iter().map(Signature::is_valid).collect();
            for (at, is_valid) in valid.into_iter().enumerate() {
                assert_eq!(is_valid, Some(at) != wrong);
            }
            let all: Vec<_> = signatures.iter().collect();
            assert_eq!(Signature::are_valid(&all), wrong.is_none());
        }
    }

    #[test]
    fn what_is_no_signature_at_all_is_not_valid() {
        let mut signatures: Vec<_> = (0..4)
            .map(|at| signed(&Keypair::generate_ed25519(), &[at; 20]))
            .collect();
        signatures[2].bytes.pop();
        assert!(!signatures[2].is_valid());
        assert!(!Signature::are_valid(
            &signatures.iter().collect::<Vec<_>>()
        ));
    }

    #[test]
    fn few_signatures_are_verified_one_by_one() {
        let signatures = [0, 1].map(|at| signed(&Keypair::generate_ed25519(), &[at; 20]));
        assert!(signatures.iter().all(Signature::is_valid));
        assert!(!Signature::are_valid(&signatures.each_ref()));
    }

    /// Holds the wording of libp2p-identity's error, which has no kind to match on. Of all key
    /// types only RSA's feature is off here, and records of such keys are refused before.
    #[test]
    fn key_whose_feature_is_off_is_named() {
        let key = pb::PublicKey {
            r#type: pb::KeyType::Rsa.into(),
            data: vec![2; 33],
        };
        let error = of_other(KeyType::RSA, &key).expect_err("its feature is off");
        assert!(
            matches!(error, RecordError::KeyUnsupported(KeyType::RSA)),
            "{error:?}"
        );
    }
}
