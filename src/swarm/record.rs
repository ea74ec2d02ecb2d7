//! Signed peer records: a peer's identity and addresses, in its own words, and its profile.
//!
//! The form is the one of go-libp2p and js-libp2p (RFC 0002, RFC 0003). A signature proves who
//! made a record, not that its addresses are theirs: only a connection proves that.

use std::{fmt, sync::Arc};

use libp2p_core::{Multiaddr, SignedEnvelope};
use libp2p_identity::{Keypair, PeerId, SigningError};
use prost::Message;
use web_time::SystemTime;

use crate::{
    peer::{Peer, Prefixes},
    swarm::{
        address::Target,
        generated as pb,
        limits::{MAX_ADDRESSES, MAX_RECORD_BYTES},
        record::{
            profile::{Profile, ProfileCodec},
            version::Version,
        },
    },
};

pub(crate) mod error;
mod passed;
pub(crate) mod profile;
mod profiles;
mod signature;
pub(crate) mod verifier;
mod version;

/// "libp2p-peer-record" and 0x0301, from RFC 0003 and the multicodec table.
const DOMAIN: &str = "libp2p-peer-record";
const PAYLOAD_TYPE: &[u8] = &[0x03, 0x01];

/// What a descriptor takes on the wire beside the record in it, in bytes: tags and lengths of both,
/// and an age of 1 to 127.
const DESCRIPTOR_BYTES: usize = 8;

/// A peer's signed record: its identity, its addresses, and the signature over both, to be passed
/// on as it is. What the peer says of itself, its [`profile`](Self::profile), comes with it. Cheap
/// to clone.
///
/// A record comes from a sampler, which has verified it. Its envelope can be kept, and given to
/// [`Behaviour::init`](crate::Behaviour::init) later: `examples/contacts.rs`.
///
/// ```
/// use libp2p::Multiaddr;
/// use libp2p_peer_sampling::Record;
///
/// /// Where to dial the peer.
/// fn targets(record: &Record) -> Vec<Multiaddr> {
///     let addresses = record.addresses().iter().cloned();
///     addresses.filter_map(|address| address.with_p2p(record.peer_id()).ok()).collect()
/// }
///
/// fn to_be_saved(records: &[Record]) -> Vec<Vec<u8>> {
///     records.iter().map(|record| record.envelope().to_vec()).collect()
/// }
/// ```
#[derive(Clone)]
pub struct Record {
    said: Arc<Inner>,
    version: Version,
    /// Where this node has found the peer, and the networks of that.
    found: Option<(Multiaddr, Prefixes)>,
    /// The newest that is known, whichever of the peer's records it came with.
    profile: Option<(Profile, Version)>,
}

/// Two records are equal when they and their profiles say the same, wherever the peer was found.
impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.said == other.said && self.signed_profile() == other.signed_profile()
    }
}

impl Eq for Record {}

#[derive(PartialEq, Eq)]
struct Inner {
    peer_id: PeerId,
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
            prefixes: target.and_then(|target| target.prefixes()),
            addresses,
            envelope,
        });
        Self {
            said,
            version: Version::told(seq),
            found: None,
            profile: None,
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

    /// The record of a peer that has sent it itself, with its profile.
    pub(crate) fn first_hand(&self) -> Self {
        let profile = self.profile.clone();
        Self {
            version: self.version.first_hand(),
            profile: profile.map(|(profile, version)| (profile, version.first_hand())),
            ..self.clone()
        }
    }

    /// Whether this record counts for more than `known`, another one of the same peer: it has a
    /// larger number, or the peer itself has just sent it.
    pub(crate) fn supersedes(&self, known: &Self) -> bool {
        self.version.supersedes(known.version)
    }

    /// Whose record it is: the signer.
    pub fn peer_id(&self) -> PeerId {
        self.said.peer_id
    }

    /// The record's sequence number: of two records of one peer, the one with the higher number is
    /// newer. Not a clock.
    pub fn seq(&self) -> u64 {
        self.version.seq()
    }

    /// The addresses that this node can read and its [policy](crate::AddressPolicy) admits, without
    /// `/p2p` at their end; the [envelope](Self::envelope) may hold more. Never empty in a view.
    pub fn addresses(&self) -> &[Multiaddr] {
        &self.said.addresses
    }

    /// The signed envelope, as it travels: RFC 0002 protobuf. The profile is not in it.
    pub fn envelope(&self) -> &[u8] {
        &self.said.envelope
    }

    /// What the peer says of itself; `None` if it says nothing, or if nothing has come here yet:
    /// older versions pass records on without it.
    ///
    /// **The peer may lie**: nobody has looked at what it says.
    pub fn profile(&self) -> Option<&Profile> {
        self.signed_profile().filter(|profile| !profile.is_empty())
    }

    /// What the peer says of itself, as a value of this type; `None` as well if the type cannot
    /// read it. See [`ProfileCodec`].
    ///
    /// ```
    /// use libp2p_peer_sampling::Record;
    ///
    /// /// The peers that say that they are in this zone.
    /// fn in_zone<'a>(view: &'a [Record], zone: &str) -> Vec<&'a Record> {
    ///     let says = |record: &&Record| record.profile_as::<String>().as_deref() == Some(zone);
    ///     view.iter().filter(says).collect()
    /// }
    /// ```
    pub fn profile_as<T: ProfileCodec>(&self) -> Option<T> {
        self.profile()
            .and_then(|profile| T::from_profile(profile.bytes()))
    }

    /// The profile as it travels, an empty one too.
    pub(crate) fn signed_profile(&self) -> Option<&Profile> {
        self.profile.as_ref().map(|(profile, _)| profile)
    }

    /// Puts a profile of the same peer in place of the one that there is.
    pub(crate) fn set_profile(&mut self, profile: Option<Profile>) {
        self.profile = profile.map(|profile| {
            let version = Version::told(profile.seq());
            (profile, version)
        });
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
            .field("seq", &self.seq())
            .field("addresses", &self.said.addresses)
            .field("profile", &self.profile().map(Profile::bytes))
            .finish_non_exhaustive()
    }
}

impl Peer for Record {
    type Id = PeerId;

    fn id(&self) -> &PeerId {
        &self.said.peer_id
    }

    /// Those of the address where this node has found the peer. Before that, those of the first
    /// address that it would dial: what peers say of where they are counts only until they are met.
    fn prefixes(&self) -> Option<Prefixes> {
        let found = self.found.as_ref().map(|(_, prefixes)| *prefixes);
        found.or(self.said.prefixes)
    }

    fn has_moved(&self, before: &Self) -> bool {
        let is_new = |address| !before.addresses().contains(address);
        self.seq() > before.seq() && self.addresses().iter().any(is_new)
    }

    /// With its profile and its descriptor, for an age of 1 to 127.
    fn size(&self) -> usize {
        let profile = self.signed_profile().map_or(0, Profile::size);
        self.said.envelope.len() + DESCRIPTOR_BYTES + profile
    }

    /// A record that the peer has sent itself counts, and of those that others tell the one with
    /// the largest number. The same holds for the profile, whichever record it came with. The
    /// address where the peer was found stays as long as its records have it.
    fn refresh(&mut self, mut other: Self) {
        let profile = newest(self.profile.take(), other.profile.take());
        if other.supersedes(self) {
            let found = self.found.take();
            let found = found.filter(|(address, _)| other.addresses().contains(address));
            other.found = other.found.take().or(found);
            other.version = other.version.after(self.version);
            *self = other;
        } else if other.said == self.said {
            self.found = other.found.or(self.found.take());
        }
        self.profile = profile;
    }
}

/// Of two profiles of one peer, the one that counts.
fn newest(
    known: Option<(Profile, Version)>,
    other: Option<(Profile, Version)>,
) -> Option<(Profile, Version)> {
    match (known, other) {
        (Some((_, known)), Some((profile, version))) if version.supersedes(known) => {
            Some((profile, version.after(known)))
        }
        (None, other) => other,
        (known, _) => known,
    }
}

/// A sequence number for a new record or profile: nanoseconds since 1970, as go-libp2p counts, and
/// more than `last` in any case.
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

#[cfg(test)]
mod tests;
