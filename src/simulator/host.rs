//! A simulated peer, in four bytes: its number, from which its address follows.

use crate::peer::{Peer, Prefixes};

/// A peer of the simulator: the number of a node, or of an attacker.
///
/// Numbers below 2^31 are honest nodes, in the order in which they join. Above come attackers:
/// those with addresses like everybody else's, those that share one /16, and identities behind
/// which there is nobody, all at one address.
///
/// How hosts crowd in networks is a guess: of 4,096 wide prefixes (as of a /16) the one of rank k
/// has about 1/k of the hosts of the first. So the first twelfth of the hosts are in one, the next
/// in two, then in four, and so on; the last in 2,048. Each has 256 narrow ones (as of a /24), all
/// as likely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(pub u32);

impl Host {
    /// The first number that no honest node has.
    pub const ATTACKERS: u32 = 1 << 31;
    /// Wide prefixes by their rank, from 1; 0 is the attackers', and the last the victim's.
    const WIDE: u64 = 4_096;
    /// The first number of an attacker in the one /16.
    const CROWDED: u32 = 0b110 << 29;
    /// The first number of nobody.
    const FAKES: u32 = 0b111 << 29;

    /// An attacker, of 2^30, somewhere.
    pub(crate) fn attacker(number: u32) -> Self {
        Self(Self::ATTACKERS | number & ((1 << 30) - 1))
    }

    /// An attacker, of 2^29, in the one /16.
    pub(crate) fn crowded(number: u32) -> Self {
        Self(Self::CROWDED | number & ((1 << 29) - 1))
    }

    /// An identity, of 2^29, behind which there is nobody: its address is the victim's.
    pub(crate) fn fake(number: u32) -> Self {
        Self(Self::FAKES | number & ((1 << 29) - 1))
    }

    /// Whether it is an attacker, or an identity that one has made up.
    pub fn is_hostile(self) -> bool {
        self.0 >= Self::ATTACKERS
    }

    /// Whether there is nobody behind it, but the address of a victim.
    pub fn is_fake(self) -> bool {
        self.0 >= Self::FAKES
    }
}

impl Peer for Host {
    type Id = u32;

    #[inline]
    fn id(&self) -> &u32 {
        &self.0
    }

    fn prefixes(&self) -> Option<Prefixes> {
        let hash = mixed(self.0);
        let narrow = hash & 0xff;
        let (wide, narrow) = match self.0 {
            Self::FAKES.. => (Self::WIDE, 0),
            Self::CROWDED.. => (0, narrow),
            _ => (rank(hash), narrow),
        };
        Some(Prefixes::new(wide, wide << 8 | narrow))
    }
}

/// The rank of a wide prefix: which octave, all as likely, and where within it.
fn rank(hash: u64) -> u64 {
    let octave = ((hash >> 32) * u64::from(Host::WIDE.ilog2())) >> 32;
    1 << octave | hash >> 8 & ((1 << octave) - 1)
}

/// All bits depend on all bits: the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
fn mixed(number: u32) -> u64 {
    let mut hash = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ hash >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn prefixes(host: Host) -> Prefixes {
        host.prefixes().expect("every host has an address")
    }

    #[test]
    fn hosts_take_four_bytes() {
        assert_eq!(size_of::<Host>(), 4);
        assert_eq!(
            size_of::<Option<crate::sampling::view::Descriptor<Host>>>(),
            12
        );
    }

    #[test]
    fn hosts_crowd_in_few_networks() {
        let mut sizes = vec![0_u32; 4_097];
        let mut narrow = BTreeSet::new();
        for number in 0..120_000 {
            let prefixes = prefixes(Host(number));
            sizes[prefixes.wide() as usize] += 1;
            narrow.insert(prefixes.narrow());
            assert_eq!(prefixes.narrow() >> 8, prefixes.wide());
        }
        assert_eq!((sizes[0], sizes[4_096]), (0, 0));
        // A twelfth each.
        for octave in 0..12 {
            let hosts: u32 = sizes[1 << octave..2 << octave].iter().sum();
            assert!((9_700..10_300).contains(&hosts), "{octave}: {hosts}");
        }
        // Within an octave all are alike: 78 or more expected, and at the end 4.9.
        assert!(sizes[1..128].iter().all(|hosts| *hosts > 30));
        assert!(sizes[2_048..].iter().all(|hosts| *hosts < 20));
        assert_eq!(narrow.range(256..512).count(), 256);
    }

    #[test]
    fn attackers_are_where_their_attack_needs_them() {
        for number in [0, 7, 12_345, 1 << 28] {
            let attacker = Host::attacker(number);
            assert!(attacker.is_hostile() && !attacker.is_fake());
            assert!((1..4_096).contains(&prefixes(attacker).wide()));
            let crowded = Host::crowded(number);
            assert!(crowded.is_hostile() && !crowded.is_fake());
            assert_eq!(prefixes(crowded).wide(), 0);
            let fake = Host::fake(number);
            assert!(fake.is_hostile() && fake.is_fake());
            assert_eq!(prefixes(fake), prefixes(Host::fake(3)));
        }
        let narrow: BTreeSet<_> = (0..5_000)
            .map(|number| prefixes(Host::crowded(number)).narrow())
            .collect();
        assert_eq!(narrow.len(), 256);
        assert!(!Host(Host::ATTACKERS - 1).is_hostile());
    }
}
