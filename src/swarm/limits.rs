//! Every bound on what others can make this node spend, in one place.

use std::{ops::RangeInclusive, time::Duration};

use libp2p_identity::KeyType;
use thiserror::Error;

/// The most descriptors in a message, by the protocol: half of the largest view.
pub const MAX_DESCRIPTORS: usize = 64;
/// The largest record, in bytes with its envelope, by the protocol. With eight QUIC addresses a
/// record of an Ed25519 key takes 277 bytes (measured); DNS names take more.
pub const MAX_RECORD_BYTES: usize = 1024;
/// The most addresses in a record, by the protocol.
pub const MAX_ADDRESSES: usize = 8;
/// The largest [profile](crate::Profile), in bytes as its owner has chosen them, by the protocol.
/// Its number and signature take some 80 more on the wire.
pub const MAX_PROFILE_BYTES: usize = 256;
/// The largest profile with its number and its signature, in bytes, by the protocol. An ECDSA
/// signature takes 72, the number 11, tags and lengths 5.
pub(crate) const MAX_SIGNED_PROFILE_BYTES: usize = MAX_PROFILE_BYTES + 96;
/// The largest message, in bytes without its length, by the protocol: as many of the largest
/// records as are allowed, with 16 bytes around each. Profiles have what room records leave.
pub const MAX_MESSAGE_BYTES: usize = MAX_DESCRIPTORS * (MAX_RECORD_BYTES + 16) + 64;

/// How many requests of a peer every node reads at once, by the protocol.
pub(crate) const MIN_REQUEST_BURST: u32 = 30;
/// After how long every node reads another request of a peer that has sent those, by the protocol.
pub(crate) const MAX_REQUEST_INTERVAL: Duration = Duration::from_secs(1);
/// How many substreams of a peer every node serves at a time on one connection, by the protocol,
/// and so the most that it makes sense to open.
pub(crate) const MIN_INBOUND_STREAMS: usize = 4;
/// How long every node waits for a peer's request, and then for the peer to read the answer, by the
/// protocol.
pub(crate) const MIN_INBOUND_TIMEOUT: Duration = Duration::from_secs(10);
/// The fewest requests of all peers together: a stranger may use half of them, and that is one
/// burst.
const MIN_REQUESTS_PER_SECOND: u32 = 2 * MIN_REQUEST_BURST;

/// The room that a requester makes by its padding, in bytes for each descriptor that it hopes for.
/// A record with four QUIC addresses takes 216 bytes (measured), and 8 more around it.
pub(crate) const PADDED_DESCRIPTOR_BYTES: usize = 256;

/// Every bound on what other nodes can make this one spend. Each is checked before anything is
/// spent on what it bounds. What goes beyond it has a name in an event and in the
/// [counters](crate::Behaviour::counters).
///
/// The defaults are meant for everybody. To change one:
///
/// ```
/// use libp2p_peer_sampling::{Config, Limits};
///
/// let mut limits = Limits::default();
/// limits.dials_per_minute = 10;
/// let config = Config::open_internet().with_limits(limits);
/// assert!(config.check().is_ok());
/// ```
///
/// The first four and the key types cannot be wider than the protocol has them: other nodes would
/// refuse what came of it. Narrower ones are this node's own choice, and others do not know of it.
/// The node then leaves requests unserved, and passes over records, that others take for good.
/// Limits on requests and substreams of a peer cannot be narrower than the protocol has them: peers
/// with a shorter period count on that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest message that is read, in bytes without its length. Up to [`MAX_MESSAGE_BYTES`],
    /// and at least 256 for each of the c/2 descriptors that a request asks for. The length comes
    /// first, so that nothing of a longer message is read. An answer may also be no longer than its
    /// request. Default: 66,624, from the protocol.
    pub message_bytes: usize,
    /// The most descriptors of a message that are looked at, in descriptors; c/2 to
    /// [`MAX_DESCRIPTORS`]. Those beyond are passed over. A message with more than the protocol
    /// allows is refused before any is looked at. Default: 64, from the protocol.
    pub descriptors_per_message: usize,
    /// The largest record, in bytes with its envelope; 128 to [`MAX_RECORD_BYTES`]. Records are
    /// what fills a node's memory. Default: 1,024, from the protocol.
    pub record_bytes: usize,
    /// The most addresses in a record, in addresses; 1 to [`MAX_ADDRESSES`]. A node that dials the
    /// peer may try all of them. Default: 8, from the protocol.
    pub addresses_per_record: usize,
    /// Which types of keys may sign records, and be this node's own. Default: all that the protocol
    /// allows, which are Ed25519, Secp256k1 and ECDSA.
    ///
    /// Each needs code that a crate feature switches on:
    ///
    /// | type | crate feature | libp2p's peer-id specification |
    /// |---|---|---|
    /// | Ed25519 | on with `swarm` | every implementation has it |
    /// | Secp256k1 | `secp256k1` | an implementation may have it |
    /// | ECDSA (P-256) | `ecdsa` | an implementation may have it |
    ///
    /// A record is passed over if its type is not in here, is not allowed, or has its feature off.
    /// Its peer still takes part, but this node neither learns of it nor tells of it. Such records
    /// are counted as [`Reason::RecordBeyondLimits`](crate::Reason::RecordBeyondLimits),
    /// [`RecordKeyType`](crate::Reason::RecordKeyType) and
    /// [`RecordKeyUnsupported`](crate::Reason::RecordKeyUnsupported), and named at the level
    /// `debug` of `tracing`. In a network with peers of other implementations, look at these
    /// counters, and switch on what they miss.
    ///
    /// RSA is never allowed: its keys take 300 bytes and more. To verify with one of 16,384 bits
    /// (as RFC-conforming libraries accept) takes a thousand times as long as with an Ed25519 key.
    pub key_types: &'static [KeyType],

    /// The most substreams that one peer may have open towards this node on one connection; 4 to
    /// 1,000, from the protocol. One is enough for a peer that starts one exchange at a time; the
    /// others are for notices, and for its timeouts. Default: 4 (a guess).
    pub inbound_streams: usize,
    /// The most substreams that this node opens on one connection; 1 to 4, from the protocol: other
    /// nodes need not serve more. They carry an exchange, and notices beside it. Default: 4 (a
    /// guess).
    pub outbound_streams: usize,
    /// The most substreams that all peers together may have open towards this node; 4 to 100,000.
    /// When a further one comes, the one that has been open for longest gives way. An honest peer's
    /// is used at once, so one that is held open to keep others out goes first. Each takes as much
    /// memory as its message: with the default, 128, some 8 MiB at worst. With a round trip of 200
    /// ms that is room for 640 exchanges per second.
    pub inbound_streams_overall: usize,

    /// How many requests a peer may send at once; 30 to 1,000,000, from the protocol. Default: 30
    /// (a guess): a peer that knows nobody else makes some ten in quick succession, while it
    /// hurries to fill its view.
    pub request_burst: u32,
    /// How long a peer has to wait for each further request after such a burst; 1 ms to 1 s, from
    /// the protocol. Never longer than a tenth of the period, whatever is set here. An honest peer
    /// of the same period sends at most some three in each period, and in a large network one in a
    /// thousand of them. If a peer of a much shorter period sends more, the excess is reset, which
    /// blames neither end ([`OutboundError::NotServed`](crate::OutboundError::NotServed)). Default:
    /// 1 s (a guess).
    pub request_interval: Duration,
    /// The most requests of all peers together, per second, and as many at once; 60 to 1,000,000.
    /// The last half of such a burst is kept for neighbours and for peers that this node has
    /// dialled, so that strangers cannot use up all of it. Never less than 20 per period, whatever
    /// is set here: on average a node gets two. Default: 1,000 (a guess). One takes 0.3 ms at worst
    /// (measured), so all of them take a third of a core.
    pub requests_per_second: u32,
    /// How many records and profiles in *requests* are verified per second, and as many at once; 1
    /// to 1,000,000. Those beyond are passed over, and nobody is blamed: they will come again. What
    /// is in answers is always verified: this node has asked for it, and its own rate bounds it.
    /// Default: 1,000 (a guess). One takes 0.11 ms (measured), so all of them take a ninth of a
    /// core. An honest peer's request has 15 records.
    pub verifications_per_second: u32,
    /// How many verified records are remembered, so as not to verify them again, in records, and as
    /// many profiles; 1 to 1,000,000. Default: 8,192, some 500 kB where the network has as many
    /// nodes, and as much again if all have profiles. In a network of 1,000, a node that remembers
    /// 512 verifies half of what it receives, which doubles what an exchange costs (measured,
    /// `benches/swarm.rs`).
    pub records_remembered: usize,
    /// For how many peers this node remembers how many requests they have sent lately, in peers; 1
    /// to 1,000,000. A peer that connects anew goes on where it was. Default: 4,096, some 700 kB (a
    /// guess): several times the connections that a node has.
    pub peers_remembered: usize,

    /// The most dials that this node makes for exchanges, per minute; 1 to 1,000,000. Seeds are not
    /// counted: they have their own pace. Default: 60 (a guess): a node at rest makes 6, and one
    /// that joins some 30.
    pub dials_per_minute: u32,
    /// The most dials in vain per hour into one address prefix, /24 or /48, or below one DNS name
    /// of two labels; 1 to 1,000,000. Peers that answer are not counted. Default: 12 (a guess). An
    /// attacker may spread a victim's network under many identities. This node then dials it no
    /// more often than a small network of peers that are down.
    pub dials_per_prefix: u32,
    /// The most dials in vain per hour of one address, whichever peer is said to be there; 1 to
    /// 1,000,000. An address is a host, TCP or UDP, and a port. Default: 3 (a guess): a dial that
    /// fails and two more.
    pub dials_per_address: u32,
    /// How many addresses of a peer are tried in one dial, of different hosts as far as possible; 1
    /// to [`MAX_ADDRESSES`]. Default: 4 (a guess): TCP and QUIC on each IP version; a node need not
    /// have both versions.
    pub addresses_per_dial: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: MAX_MESSAGE_BYTES,
            descriptors_per_message: MAX_DESCRIPTORS,
            record_bytes: MAX_RECORD_BYTES,
            addresses_per_record: MAX_ADDRESSES,
            key_types: &[KeyType::Ed25519, KeyType::Secp256k1, KeyType::Ecdsa],
            inbound_streams: 4,
            outbound_streams: 4,
            inbound_streams_overall: 128,
            request_burst: 30,
            request_interval: Duration::from_secs(1),
            requests_per_second: 1_000,
            verifications_per_second: 1_000,
            records_remembered: 8_192,
            peers_remembered: 4_096,
            dials_per_minute: 60,
            dials_per_prefix: 12,
            dials_per_address: 3,
            addresses_per_dial: 4,
        }
    }
}

/// The shortest and the longest [`Limits::request_interval`].
const REQUEST_INTERVAL: RangeInclusive<Duration> = Duration::from_millis(1)..=MAX_REQUEST_INTERVAL;
const MILLION: usize = 1_000_000;

impl Limits {
    /// Whether these limits are within their bounds, for a view of `view_size` peers.
    ///
    /// # Errors
    ///
    /// A [`LimitsError`] that names the first bound that is broken.
    pub fn check(&self, view_size: usize) -> Result<(), LimitsError> {
        let asked_for = view_size / 2;
        let padded = asked_for * PADDED_DESCRIPTOR_BYTES + 64;
        let rates = [
            ("request burst", self.request_burst, MIN_REQUEST_BURST),
            (
                "requests per second",
                self.requests_per_second,
                MIN_REQUESTS_PER_SECOND,
            ),
            ("verifications per second", self.verifications_per_second, 1),
            ("dials per minute", self.dials_per_minute, 1),
            ("dials per prefix", self.dials_per_prefix, 1),
            ("dials per address", self.dials_per_address, 1),
        ];
        let rates = rates.map(|(limit, rate, min)| (limit, rate as usize, min as usize..=MILLION));
        let numbers = [
            (
                "message bytes",
                self.message_bytes,
                padded..=MAX_MESSAGE_BYTES,
            ),
            (
                "descriptors per message",
                self.descriptors_per_message,
                asked_for..=MAX_DESCRIPTORS,
            ),
            ("record bytes", self.record_bytes, 128..=MAX_RECORD_BYTES),
            (
                "addresses per record",
                self.addresses_per_record,
                1..=MAX_ADDRESSES,
            ),
            (
                "inbound streams",
                self.inbound_streams,
                MIN_INBOUND_STREAMS..=1_000,
            ),
            (
                "outbound streams",
                self.outbound_streams,
                1..=MIN_INBOUND_STREAMS,
            ),
            (
                "inbound streams overall",
                self.inbound_streams_overall,
                MIN_INBOUND_STREAMS..=100_000,
            ),
            ("records remembered", self.records_remembered, 1..=MILLION),
            ("peers remembered", self.peers_remembered, 1..=MILLION),
            (
                "addresses per dial",
                self.addresses_per_dial,
                1..=MAX_ADDRESSES,
            ),
        ];
        for (limit, value, bounds) in numbers.into_iter().chain(rates) {
            if !bounds.contains(&value) {
                let (min, max) = bounds.into_inner();
                return Err(LimitsError::OutOfBounds {
                    limit,
                    value,
                    min,
                    max,
                });
            }
        }
        if !REQUEST_INTERVAL.contains(&self.request_interval) {
            return Err(LimitsError::RequestInterval(self.request_interval));
        }
        if self.key_types.is_empty() || self.key_types.contains(&KeyType::RSA) {
            return Err(LimitsError::KeyTypes);
        }
        Ok(())
    }
}

/// Limits that cannot work. Caused by the caller; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LimitsError {
    /// A number is outside its bounds.
    #[error("{limit} is {value}, must be {min} to {max}")]
    OutOfBounds {
        /// Which limit, in words.
        limit: &'static str,
        /// What it was set to.
        value: usize,
        /// The smallest value that would do.
        min: usize,
        /// The largest value that would do.
        max: usize,
    },
    /// The interval between requests will not do.
    #[error("request interval is {0:?}, must be 1ms to 1s")]
    RequestInterval(Duration),
    /// No key type is allowed, or RSA is.
    #[error("key types must be some of Ed25519, Secp256k1 and ECDSA, and not RSA")]
    KeyTypes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_within_its_bounds_for_every_view() {
        for view_size in 2..=2 * MAX_DESCRIPTORS {
            assert_eq!(Limits::default().check(view_size), Ok(()), "{view_size}");
        }
    }

    #[test]
    fn each_bound_is_named() {
        type Edit = fn(&mut Limits);
        let cases: [(Edit, &str); 19] = [
            (
                |l| l.message_bytes = 66_625,
                "message bytes is 66625, must be 3904 to 66624",
            ),
            (
                |l| l.message_bytes = 3_903,
                "message bytes is 3903, must be 3904 to 66624",
            ),
            (
                |l| l.descriptors_per_message = 14,
                "descriptors per message is 14, must be 15 to 64",
            ),
            (
                |l| l.record_bytes = 1_025,
                "record bytes is 1025, must be 128 to 1024",
            ),
            (
                |l| l.addresses_per_record = 9,
                "addresses per record is 9, must be 1 to 8",
            ),
            (
                |l| l.inbound_streams = 3,
                "inbound streams is 3, must be 4 to 1000",
            ),
            (
                |l| l.outbound_streams = 5,
                "outbound streams is 5, must be 1 to 4",
            ),
            (
                |l| l.inbound_streams_overall = 3,
                "inbound streams overall is 3, must be 4 to 100000",
            ),
            (
                |l| l.records_remembered = 0,
                "records remembered is 0, must be 1 to 1000000",
            ),
            (
                |l| l.peers_remembered = 0,
                "peers remembered is 0, must be 1 to 1000000",
            ),
            (
                |l| l.addresses_per_dial = 0,
                "addresses per dial is 0, must be 1 to 8",
            ),
            (
                |l| l.request_burst = 29,
                "request burst is 29, must be 30 to 1000000",
            ),
            (
                |l| l.requests_per_second = 59,
                "requests per second is 59, must be 60 to 1000000",
            ),
            (
                |l| l.verifications_per_second = u32::MAX,
                "verifications per second is 4294967295, must be 1 to 1000000",
            ),
            (
                |l| l.dials_per_minute = 0,
                "dials per minute is 0, must be 1 to 1000000",
            ),
            (
                |l| l.dials_per_prefix = 0,
                "dials per prefix is 0, must be 1 to 1000000",
            ),
            (
                |l| l.dials_per_address = 0,
                "dials per address is 0, must be 1 to 1000000",
            ),
            (
                |l| l.request_interval = Duration::from_millis(1_001),
                "request interval is 1.001s, must be 1ms to 1s",
            ),
            (
                |l| l.key_types = &[KeyType::Ed25519, KeyType::RSA],
                "key types must be some of Ed25519, Secp256k1 and ECDSA, and not RSA",
            ),
        ];
        for (edit, message) in cases {
            let mut limits = Limits::default();
            edit(&mut limits);
            assert_eq!(limits.check(30).unwrap_err().to_string(), message);
        }
    }
}
