//! What was sent, received, checked and refused, counted.

use std::{
    array, fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident = $name:literal,)*) => {
        /// Why something was refused, passed over, or came to nothing: one for each kind of
        /// [`MessageError`](crate::MessageError), [`RecordError`](crate::RecordError),
        /// [`InboundError`](crate::InboundError) and [`OutboundError`](crate::OutboundError),
        /// without the details of the single case; and those of profiles.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $reason,)*
        }

        impl Reason {
            /// All of them. Their number may grow.
            pub const ALL: &'static [Self] = &[$(Self::$reason),*];

            /// A name for logs and labels of metrics: lower case, with underscores. It will not
            /// change.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$reason => $name,)*
                }
            }
        }
    };
}

reasons! {
    /// A message announced more bytes than are allowed.
    MessageTooLong = "message_too_long",
    /// A stream ended before its message did.
    MessageCutOff = "message_cut_off",
    /// A message was no protobuf.
    MessageNotProtobuf = "message_not_protobuf",
    /// A message had more descriptors than are allowed.
    TooManyDescriptors = "too_many_descriptors",
    /// An answer was longer than its request.
    ResponseTooLong = "response_too_long",
    /// An answer had descriptors, and its request had not asked for any.
    UnaskedDescriptors = "unasked_descriptors",
    /// A message broke another rule of its protocol, which the wire of that protocol knows.
    RefusedByProtocol = "refused_by_protocol",
    /// A stream broke.
    StreamBroken = "stream_broken",
    /// A record was too large, and its message was refused. For all other reasons of records only
    /// the record was passed over.
    RecordTooLarge = "record_too_large",
    /// A record was no protobuf.
    RecordNotProtobuf = "record_not_protobuf",
    /// An envelope held something else than a peer record.
    RecordPayloadType = "record_payload_type",
    /// A record's key was of a type that is not allowed.
    RecordKeyType = "record_key_type",
    /// A record's key was of a type that is allowed, and whose crate feature is off in this build:
    /// see [`Limits::key_types`](crate::Limits::key_types).
    RecordKeyUnsupported = "record_key_unsupported",
    /// A record's key could not be read.
    RecordKey = "record_key",
    /// A record's peer id was not one.
    RecordPeerId = "record_peer_id",
    /// A record was about another peer than its signer.
    RecordSigner = "record_signer",
    /// A record's signature was wrong.
    RecordSignature = "record_signature",
    /// A record had too many addresses.
    RecordTooManyAddresses = "record_too_many_addresses",
    /// A record's address could not be read. If the record had another that is admitted, only the
    /// address was passed over.
    RecordAddress = "record_address",
    /// A record's address was another peer's; treated in the same way.
    RecordAddressOfAnother = "record_address_of_another",
    /// None of a record's addresses was admitted.
    RecordNotAdmitted = "record_not_admitted",
    /// A record, or its place in the message, was beyond this node's own limits, though not beyond
    /// the protocol's.
    RecordBeyondLimits = "record_beyond_limits",
    /// A record was not verified: the budget was used up, or a signature before it in the message
    /// was wrong.
    RecordNotVerified = "record_not_verified",
    /// A profile was too large. For all reasons of profiles, the record is taken without it.
    ProfileTooLarge = "profile_too_large",
    /// A profile was no protobuf.
    ProfileNotProtobuf = "profile_not_protobuf",
    /// A profile's signature was wrong: missing, made by another key than the record's, or made for
    /// another network.
    ProfileSignature = "profile_signature",
    /// A profile was not verified: the budget was used up, or the signature of a profile before it
    /// in the message was wrong.
    ProfileNotVerified = "profile_not_verified",
    /// A profile was older than the one that is known. For a while after every change, such copies
    /// are still on their way.
    ProfileStale = "profile_stale",
    /// A peer opened a stream, and sent no request in time.
    RequestTimeout = "request_timeout",
    /// A peer did not read an answer in time.
    ResponseTimeout = "response_timeout",
    /// A peer had too many streams open on one connection.
    TooManyStreams = "too_many_streams",
    /// A peer sent too many requests.
    TooManyRequests = "too_many_requests",
    /// All peers together had too many streams open, or sent too many requests.
    Overloaded = "overloaded",
    /// A peer ended or reset a stream before it answered.
    NotServed = "not_served",
    /// A peer does not speak the protocol.
    Unsupported = "unsupported",
    /// A peer did not answer in time.
    NoAnswer = "no_answer",
    /// This node had too many exchanges under way on one connection.
    Busy = "busy",
}

const REASONS: usize = Reason::ALL.len();

macro_rules! counters {
    ($($(#[$doc:meta])* $counter:ident,)*) => {
        /// What a behaviour has sent, received, checked and refused since it was made: see
        /// [`Behaviour::counters`](crate::Behaviour::counters). They only ever grow.
        #[derive(Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $counter: u64,)*
            refused: [u64; REASONS],
        }

        impl Counters {
            /// All counters but those of [`refusals`](Self::refusals), with their names.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($counter), self.$counter)),*].into_iter()
            }
        }

        /// The counters while they count. Shared by all connections.
        pub(crate) struct Tally {
            $(pub(crate) $counter: Count,)*
            refused: [Count; REASONS],
        }

        impl Default for Tally {
            fn default() -> Self {
                Self {
                    $($counter: Count::default(),)*
                    refused: array::from_fn(|_| Count::default()),
                }
            }
        }

        impl Tally {
            /// What was counted up to now. Each is right by itself; two may be a moment apart.
            pub(crate) fn snapshot(&self) -> Counters {
                Counters {
                    $($counter: self.$counter.get(),)*
                    refused: array::from_fn(|at| self.refused[at].get()),
                }
            }
        }
    };
}

counters! {
    /// Bytes sent in messages, with the lengths in front of them, and without what the transport
    /// adds.
    bytes_sent,
    /// Bytes received in the same way, those of refused messages included as far as they were read.
    bytes_received,
    /// Requests sent, notices and goodbyes included.
    requests_sent,
    /// Requests received and understood.
    requests_received,
    /// Answers sent.
    responses_sent,
    /// Answers received and understood.
    responses_received,
    /// Records whose signature was verified, whether or not it was right.
    records_verified,
    /// Records that were known already, byte for byte, and so not verified again.
    records_known,
    /// Records that were passed over, for any [`Reason`]: each is counted under its own, too.
    /// Nobody is blamed.
    records_passed_over,
    /// Profiles whose signature was verified, whether or not it was right.
    profiles_verified,
    /// Profiles that were left out of their records, for any [`Reason`]: each is counted under its
    /// own, too. Nobody is blamed.
    profiles_passed_over,
    /// Dials of this behaviour: for exchanges, and of seeds.
    dials,
    /// Addresses of peers that were given to the swarm to dial, for this behaviour's dials and
    /// those of its siblings. Seeds bring their own.
    addresses_dialled,
}

impl Counters {
    /// How often something was refused, passed over, or came to nothing, for this reason.
    pub fn refused(&self, reason: Reason) -> u64 {
        self.refused[reason as usize]
    }

    /// All reasons, each with how often it applied.
    pub fn refusals(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.iter().copied().zip(self.refused)
    }
}

/// All counters by their names, and the reasons that came up.
impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counters = f.debug_struct("Counters");
        for (name, count) in self.iter() {
            counters.field(name, &count);
        }
        counters.field("refused", &Refusals(self)).finish()
    }
}

struct Refusals<'a>(&'a Counters);

impl fmt::Debug for Refusals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refusals = self.0.refusals().filter(|(_, count)| *count > 0);
        let named = refusals.map(|(reason, count)| (reason.name(), count));
        f.debug_map().entries(named).finish()
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

impl Tally {
    pub(crate) fn refuse(&self, reason: Reason) {
        self.refused[reason as usize].add(1);
    }

    /// A record is passed over.
    pub(crate) fn pass_over(&self, reason: Reason) {
        self.records_passed_over.add(1);
        self.refuse(reason);
    }

    /// A profile is left out of its record.
    pub(crate) fn pass_over_profile(&self, reason: Reason) {
        self.profiles_passed_over.add(1);
        self.refuse(reason);
    }
}

/// One counter.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, count: usize) {
        // Counters say nothing about other memory.
        self.0.fetch_add(count as u64, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_reason_has_a_name_and_a_counter_of_its_own() {
        let tally = Tally::default();
        for (times, reason) in Reason::ALL.iter().enumerate() {
            for _ in 0..times {
                tally.refuse(*reason);
            }
        }
        let counters = tally.snapshot();
        for (times, (reason, count)) in counters.refusals().enumerate() {
            assert_eq!(reason, Reason::ALL[times]);
            assert_eq!(count, times as u64, "{reason:?}");
            assert_eq!(counters.refused(reason), count);
        }
        let names: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        let label = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(names.iter().all(|name| name.chars().all(label)));
    }

    #[test]
    fn debug_names_each_counter_and_the_reasons_that_came_up() {
        let tally = Tally::default();
        tally.bytes_sent.add(7);
        tally.refuse(Reason::Overloaded);
        tally.refuse(Reason::Overloaded);
        for text in [format!("{:?}", tally.snapshot()), format!("{tally:?}")] {
            assert!(text.starts_with("Counters { bytes_sent: 7, "), "{text}");
            assert!(text.ends_with(r#"refused: {"overloaded": 2} }"#), "{text}");
        }
    }

    #[test]
    fn counters_are_listed_by_their_names() {
        let tally = Tally::default();
        tally.bytes_sent.add(7);
        tally.records_passed_over.add(2);
        tally.records_passed_over.add(1);
        let counters = tally.snapshot();
        assert_eq!((counters.bytes_sent, counters.records_passed_over), (7, 3));
        let listed: Vec<_> = counters.iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(listed, [("bytes_sent", 7), ("records_passed_over", 3)]);
    }
}
