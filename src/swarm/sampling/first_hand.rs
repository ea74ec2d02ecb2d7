//! What a peer says of itself, among what it has sent: it counts for more than what others say.

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;

use crate::{
    sampling::view::{Descriptor, View},
    swarm::record::{Record, profile::Profile},
};

/// What has to be said after a peer's word was heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// A copy of the peer's record, or of its profile, with a larger number than its own: the peer
    /// is to be told of it, and then outbids it.
    pub(crate) rival: Option<Descriptor<Record>>,
    /// What others say of this node, if its numbers are larger than its own.
    pub(crate) outbid_by: Outbid,
    /// How many of the others have an older profile here than the one that is known.
    pub(crate) stale: usize,
}

/// The numbers that the next record and the next profile of this node have to exceed: others have
/// copies with them, from before its clock was set back, or before it was restarted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outbid {
    pub(crate) record: Option<u64>,
    pub(crate) profile: Option<u64>,
}

impl Outbid {
    /// Both, with the larger of the numbers.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            record: self.record.max(other.record),
            profile: self.profile.max(other.profile),
        }
    }

    /// By a copy of what this node says of itself, `own`.
    fn by(copy: &Record, own: Option<&Record>) -> Self {
        let differs = |own: &Record| own.envelope() != copy.envelope() && own.seq() <= copy.seq();
        let profile = copy.signed_profile();
        let profile = profile.filter(|copy| match own.and_then(Record::signed_profile) {
            Some(own) => own != *copy && own.seq() <= copy.seq(),
            None => !copy.is_empty(),
        });
        Self {
            record: own.is_none_or(differs).then(|| copy.seq()),
            profile: profile.map(Profile::seq),
        }
    }
}

/// Whether the copy of a peer's record that is `known` is later than what the peer itself says.
fn is_rival(known: &Record, own: &Record) -> bool {
    let said = |record: &Record| record.signed_profile().map(Profile::seq);
    // One that was taken back is as good as none.
    let some = known.profile().is_some() || own.signed_profile().is_some();
    known.seq() > own.seq() || (some && said(known) > said(own))
}

/// Whether the profile of a copy is older than the one that is known.
fn is_stale(copy: &Record, view: &View<Record>) -> bool {
    let Some(profile) = copy.signed_profile() else {
        return false;
    };
    let known = view.get(&copy.peer_id());
    let known = known.and_then(|known| known.peer.signed_profile());
    known.is_some_and(|known| known.seq() > profile.seq())
}

/// Hears what `peer` has sent: what it says of itself counts, whatever number others' copies have.
/// `own`: this node, and its record.
pub(crate) fn hear(
    peer: &PeerId,
    descriptors: &mut [Descriptor<Record>],
    view: &View<Record>,
    own: (PeerId, Option<&Record>),
) -> Heard {
    let (local, own) = own;
    let known = view.get(peer);
    let mut heard = Heard::default();
    for descriptor in descriptors {
        let record = &mut descriptor.peer;
        if record.peer_id() == *peer {
            *record = record.first_hand();
            let rival = known.filter(|known| is_rival(&known.peer, record));
            heard.rival = rival.cloned();
        } else if record.peer_id() == local {
            heard.outbid_by = heard.outbid_by.and(Outbid::by(record, own));
        } else if is_stale(record, view) {
            heard.stale += 1;
        }
    }
    heard
}

/// The networks of a peer are where it was found, at `address`, whatever its record says first; and
/// it does not help to leave that record out.
pub(crate) fn locate(
    peer: &PeerId,
    address: &Multiaddr,
    descriptors: &mut Vec<Descriptor<Record>>,
    view: &View<Record>,
) {
    let is_its_own = |d: &Descriptor<Record>| d.peer.peer_id() == *peer;
    if !descriptors.iter().any(is_its_own)
        && let Some(known) = view.get(peer)
    {
        descriptors.insert(0, known.clone());
    }
    for descriptor in descriptors.iter_mut().filter(|d| is_its_own(d)) {
        descriptor.peer = descriptor.peer.found_at(address);
    }
}
