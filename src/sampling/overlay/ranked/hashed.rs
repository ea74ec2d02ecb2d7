//! Where an identity lies: a hash that is the same on all nodes and in all versions.

use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use crate::peer::Peer;

/// The key of the hash: 16 letters, and no secret. With another one, nodes would disagree about who
/// is near.
const KEY: [u8; 16] = *b"libp2p-peer-samp";

/// Where an identity lies in the space of 2^64 places: SipHash-1-3 of what the identity gives its
/// [`Hash`], under the key `libp2p-peer-samp`. The same on machines of any word size and byte
/// order: each number goes in with its low byte first, and `usize` as eight bytes.
///
/// It is no secret. Who makes many identities finds one near any place: some n of them for the
/// nearest of n peers.
pub fn place<I: Hash + ?Sized>(id: &I) -> u64 {
    let mut hasher = Portable(SipHasher13::new_with_key(&KEY));
    id.hash(&mut hasher);
    hasher.finish()
}

/// Where the identity of a peer lies: see [`place`].
pub fn place_of<P: Peer>(peer: &P) -> Option<u64> {
    Some(place(peer.id()))
}

/// Feeds numbers as the same bytes on every machine.
struct Portable(SipHasher13);

/// The methods that write a number, for types whose bytes are few.
macro_rules! little_endian {
    ($($write:ident($number:ty)),*) => {$(
        fn $write(&mut self, number: $number) {
            self.0.write(&number.to_le_bytes());
        }
    )*};
}

impl Hasher for Portable {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    little_endian!(
        write_u8(u8),
        write_u16(u16),
        write_u32(u32),
        write_u64(u64),
        write_u128(u128),
        write_i8(i8),
        write_i16(i16),
        write_i32(i32),
        write_i64(i64),
        write_i128(i128)
    );

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_i64(number as i64);
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who changes one of these parts a network in two, old nodes and new ones.
    #[test]
    fn places_never_change() {
        let reference = |bytes: &[u8]| {
            let mut hasher = SipHasher13::new_with_key(b"libp2p-peer-samp");
            hasher.write(bytes);
            hasher.finish()
        };
        assert_eq!(place(&7_u32), reference(&[7, 0, 0, 0]));
        assert_eq!(place(&7_usize), reference(&[7, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(place("ab"), reference(&[b'a', b'b', 0xff]));
        let bytes: &[u8] = &[1, 2, 3];
        assert_eq!(place(bytes), reference(&[3, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]));
        assert_eq!(place_of(&7_u32), Some(place(&7_u32)));
    }
}
