//! A peer with a small name, so that few bytes make many collisions.

use arbitrary::{Result, Unstructured};
use libp2p_peer_sampling::{
    peer::{Peer, Prefixes},
    view::Descriptor,
};

/// How many peers there are: more than fit into any view of these targets.
pub const PEERS: u8 = 48;

/// A peer, and which version of its record this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host {
    pub id: u8,
    pub version: u8,
}

impl Peer for Host {
    type Id = u8;

    fn id(&self) -> &u8 {
        &self.id
    }

    fn refresh(&mut self, other: Self) {
        self.version = self.version.max(other.version);
    }

    fn has_moved(&self, before: &Self) -> bool {
        self.version > before.version
    }

    /// Four peers to a narrow network, sixteen to a wide one, and some whose networks are unknown.
    fn prefixes(&self) -> Option<Prefixes> {
        let known = self.id < PEERS - 8;
        known.then(|| Prefixes::new(u64::from(self.id / 16), u64::from(self.id / 4)))
    }

    fn size(&self) -> usize {
        1 + usize::from(self.id % 3)
    }
}

/// The name of a peer.
pub fn id(input: &mut Unstructured<'_>) -> Result<u8> {
    Ok(input.arbitrary::<u8>()? % PEERS)
}

/// A peer in one of a few versions.
pub fn host(input: &mut Unstructured<'_>) -> Result<Host> {
    let [id, version]: [u8; 2] = input.arbitrary()?;
    Ok(Host {
        id: id % PEERS,
        version: version % 4,
    })
}

/// A descriptor of any age; mostly of one of few, so that there are equals.
pub fn descriptor(input: &mut Unstructured<'_>) -> Result<Descriptor<Host>> {
    let [id, other]: [u8; 2] = input.arbitrary()?;
    let peer = Host {
        id: id % PEERS,
        version: other % 4,
    };
    let age = match other / 4 {
        few @ 0..48 => u32::from(few % 12),
        many => u32::MAX - u32::from(63 - many),
    };
    Ok(Descriptor { peer, age })
}

/// Fewer than `most` descriptors, as many as the input has.
pub fn descriptors(input: &mut Unstructured<'_>, most: u8) -> Result<Vec<Descriptor<Host>>> {
    let count = input.arbitrary::<u8>()? % most;
    let enough = usize::from(count).min(input.len() / 2);
    (0..enough).map(|_| descriptor(input)).collect()
}
