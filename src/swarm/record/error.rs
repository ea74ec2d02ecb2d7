//! Why a record was not taken.

use libp2p_core::{Multiaddr, multiaddr};
use libp2p_identity::{DecodingError, KeyType, ParseError, PeerId};
use thiserror::Error;

use crate::swarm::{
    counters::Reason,
    limits::{MAX_ADDRESSES, MAX_RECORD_BYTES},
};

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
