//! What a peer says of itself beside its record, in its own words.

use std::sync::Arc;

use libp2p_identity::{Keypair, SigningError};
use prost::{Message, encoding::encoded_len_varint, length_delimiter_len};
use thiserror::Error;

use crate::swarm::{generated as pb, limits::MAX_PROFILE_BYTES, record::signature};

/// The domain that profiles are signed in, so that no other signature of a peer passes for one.
const DOMAIN: &str = "libp2p-peer-sampling-profile";

/// What a profile takes in a descriptor beside its own message, in bytes: a tag and a length.
const FIELD_BYTES: usize = 3;

/// What a peer says of itself: up to [`MAX_PROFILE_BYTES`] bytes that its owner has chosen, for
/// example its zone, its version, or that it keeps archives. It travels with the peer's
/// [`Record`](crate::Record). Cheap to clone.
///
/// **Its owner may lie.** The signature proves who says it, not that it is true.
///
/// A profile comes from [`Record::profile`](crate::Record::profile). A node sets its own by
/// [`Config::with_profile`](crate::Config::with_profile) and
/// [`Behaviour::set_profile`](crate::Behaviour::set_profile).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile(Arc<Said>);

#[derive(Debug, PartialEq, Eq)]
struct Said {
    seq: u64,
    bytes: Vec<u8>,
    signature: Vec<u8>,
}

impl Profile {
    /// The profile in a message. Whether its signature is right is another question.
    pub(super) fn of(message: pb::Profile) -> Self {
        Self(Arc::new(Said {
            seq: message.seq,
            bytes: message.data,
            signature: message.signature,
        }))
    }

    /// Signs a profile for the network of this protocol.
    pub(crate) fn sign(
        keypair: &Keypair,
        protocol: &str,
        seq: u64,
        bytes: Vec<u8>,
    ) -> Result<Self, SigningError> {
        let signature = keypair.sign(&signed_form(protocol, seq, &bytes))?;
        Ok(Self(Arc::new(Said {
            seq,
            bytes,
            signature,
        })))
    }

    /// What the owner has put into it. Never more than [`MAX_PROFILE_BYTES`].
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The profile's sequence number: of two profiles of one peer, the one with the higher number
    /// is newer. Not a clock, and apart from the number of the record.
    pub fn seq(&self) -> u64 {
        self.0.seq
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.0.signature
    }

    /// Whether it says nothing: its owner has taken back what it said before.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.bytes.is_empty()
    }

    /// As it travels. Whatever came beside what the owner has signed is left out.
    pub(crate) fn to_protobuf(&self) -> Vec<u8> {
        let message = pb::Profile {
            seq: self.0.seq,
            data: self.0.bytes.clone(),
            signature: self.0.signature.clone(),
        };
        message.encode_to_vec()
    }

    /// What it takes in a descriptor, in bytes, or a few more: no field is left out.
    pub(crate) fn size(&self) -> usize {
        let seq = 1 + encoded_len_varint(self.0.seq);
        let bytes = |bytes: &[u8]| 1 + length_delimiter_len(bytes.len()) + bytes.len();
        FIELD_BYTES + seq + bytes(&self.0.bytes) + bytes(&self.0.signature)
    }
}

/// What is signed: RFC 0002's form, in a domain of its own. The name of the protocol is in the
/// place of the payload's type, so a profile of one network is worth nothing in another. The
/// payload is the number, as 8 bytes with the highest first, and the bytes.
pub(super) fn signed_form(protocol: &str, seq: u64, bytes: &[u8]) -> Vec<u8> {
    let payload = [&seq.to_be_bytes(), bytes].concat();
    signature::form(DOMAIN, protocol.as_bytes(), &payload)
}

/// A type that goes into a profile, and is read from one: bytes, text, or a type of yours.
///
/// ```
/// use libp2p_peer_sampling::{Config, ProfileCodec, Record};
/// use prost::Message;
///
/// /// As a `.proto` file would say it: `message Role { string zone = 1; bool archive = 2; }`
/// #[derive(Clone, PartialEq, prost::Message)]
/// struct Role {
///     #[prost(string, tag = "1")]
///     zone: String,
///     #[prost(bool, tag = "2")]
///     archive: bool,
/// }
///
/// impl ProfileCodec for Role {
///     fn to_profile(&self) -> Vec<u8> {
///         self.encode_to_vec()
///     }
///
///     fn from_profile(bytes: &[u8]) -> Option<Self> {
///         Self::decode(bytes).ok()
///     }
/// }
///
/// fn keeps_archives(record: &Record) -> bool {
///     record.profile_as::<Role>().is_some_and(|role| role.archive)
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let role = Role { zone: "eu-west".into(), archive: true };
/// let config = Config::private_network().with_profile(&role);
/// config.check()?;
/// # Ok(())
/// # }
/// ```
pub trait ProfileCodec: Sized {
    /// The bytes of a profile: at most [`MAX_PROFILE_BYTES`]. None at all is no profile.
    fn to_profile(&self) -> Vec<u8>;

    /// What the bytes of another peer's profile say; `None` if this type cannot read them. Any peer
    /// can send any bytes, so this must not panic.
    fn from_profile(bytes: &[u8]) -> Option<Self>;
}

/// The bytes themselves.
impl ProfileCodec for Vec<u8> {
    fn to_profile(&self) -> Vec<u8> {
        self.clone()
    }

    fn from_profile(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

/// Text, as UTF-8.
impl ProfileCodec for String {
    fn to_profile(&self) -> Vec<u8> {
        self.clone().into_bytes()
    }

    fn from_profile(bytes: &[u8]) -> Option<Self> {
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

/// Why a node cannot have a profile. Caused by the caller; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// It is too large: others would refuse it.
    #[error("profile of {bytes} bytes, at most {MAX_PROFILE_BYTES} are allowed")]
    TooLarge {
        /// Its size, in bytes.
        bytes: usize,
    },
    /// The key of this node did not sign it. A log line says why.
    #[error("profile cannot be signed with this node's key")]
    Signing,
}

/// Whether a profile of so many bytes is allowed.
pub(crate) fn check_size(bytes: usize) -> Result<(), ProfileError> {
    match bytes <= MAX_PROFILE_BYTES {
        true => Ok(()),
        false => Err(ProfileError::TooLarge { bytes }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::limits::MAX_SIGNED_PROFILE_BYTES;

    #[test]
    fn types_are_read_as_they_were_written() {
        let text = "zone:eu".to_owned();
        assert_eq!(String::from_profile(&text.to_profile()), Some(text));
        assert_eq!(Vec::from_profile(&[1, 2]), Some(vec![1, 2]));
        assert_eq!(String::from_profile(&[0xff]), None);
    }

    /// What the schema says is signed, written out.
    #[test]
    fn signature_is_over_the_domain_the_network_the_number_and_the_bytes() {
        let protocol = "/net/peer-sampling/1.0.0";
        let expected = [
            &[28],
            &b"libp2p-peer-sampling-profile"[..],
            &[24],
            protocol.as_bytes(),
            &[8 + 2, 0, 0, 0, 0, 0, 0, 1, 2],
            b"hi",
        ];
        assert_eq!(signed_form(protocol, 258, b"hi"), expected.concat());
    }

    #[test]
    fn largest_profile_fits_and_takes_no_more_than_its_size() {
        let keypair = Keypair::generate_ed25519();
        for bytes in [0, 1, 32, 127, 128, MAX_PROFILE_BYTES] {
            let profile = Profile::sign(&keypair, "/p", u64::MAX, vec![7; bytes]);
            let profile = profile.expect("signing works");
            let travels = profile.to_protobuf();
            assert!(travels.len() <= MAX_SIGNED_PROFILE_BYTES);
            let descriptor = pb::Descriptor {
                profile: travels,
                ..Default::default()
            };
            let takes = descriptor.encoded_len();
            assert!((takes..=takes + 3).contains(&profile.size()), "{bytes}");
        }
    }
}
