//! What a peer says of itself, among what it has sent: it counts for more than what others say.

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;

use crate::{
    sampling::view::{Descriptor, View},
    swarm::record::Record,
};

/// What has to be said after a peer's word was heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// A copy of the peer's record with a larger number than its own: the peer is to be told of it,
    /// and then outbids it.
    pub(crate) rival: Option<Descriptor<Record>>,
    /// The number of a copy of this node's own record, if it is larger than its own: this node has
    /// to outbid it.
    pub(crate) outbid_by: Option<u64>,
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
            let rival = known.filter(|known| known.peer.seq() > record.seq());
            heard.rival = rival.cloned();
        } else if record.peer_id() == local {
            let is_rival = own.is_none_or(|own| *own != *record && own.seq() <= record.seq());
            if is_rival {
                heard.outbid_by = heard.outbid_by.max(Some(record.seq()));
            }
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
