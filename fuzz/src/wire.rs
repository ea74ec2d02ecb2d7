//! The decoder of messages: whole, in pieces, and what it makes of them encoded again.

use std::{fmt::Debug, sync::LazyLock};

use arbitrary::{Result, Unstructured};
use asynchronous_codec::{Decoder, Encoder};
use bytes::BytesMut;
use libp2p_peer_sampling::{
    Config, Limits, MAX_DESCRIPTORS, MAX_MESSAGE_BYTES, MAX_RECORD_BYTES, MessageError, fuzzing,
    fuzzing::Checks, pb,
};
use prost::Message;

use super::signed::{self, KEYS, POOL, PROFILES};

/// As long as a node lives, as its checks do. No message is passed over for want of time.
static NODE: LazyLock<Checks> = LazyLock::new(|| {
    let mut limits = Limits::default();
    limits.verifications_per_second = 1_000_000;
    Checks::new(&Config::local().with_limits(limits))
});

/// The flag of messages with profiles.
const PROFILED: u8 = 0x20;

/// Reads the stream that the input describes.
pub fn run(data: &[u8]) {
    outcome(data);
}

/// What becomes of it: the name of what is wrong with it, "decoded" where its records were not
/// checked, "passed", or "passed in part" where some of its records, or of the profiles beside
/// them, were passed over.
pub fn outcome(data: &[u8]) -> &'static str {
    let mut input = Unstructured::new(data);
    // Behind its end an input has zeros.
    let Ok([form, pieces]) = input.arbitrary::<[u8; 2]>() else {
        return "nothing to read";
    };
    // A response is held to its request: to how long that was, and to whether it pulls.
    let asked = match form & 0x18 {
        0x18 => Some((
            input.arbitrary::<u16>().map_or(0, usize::from),
            form & 0x20 != 0,
        )),
        _ => None,
    };
    let stream = stream(&mut input, form & 7).unwrap_or_default();
    match form & 8 {
        0 => read::<pb::Request>(&stream, pieces, None),
        _ => read::<pb::Response>(&stream, pieces, asked),
    }
}

fn stream(input: &mut Unstructured<'_>, form: u8) -> Result<Vec<u8>> {
    Ok(match form {
        // As it is.
        0 => input.bytes(input.len())?.to_vec(),
        // Behind its length.
        1 | 2 | 5.. => prefixed(input.bytes(input.len())?),
        // The same again and again, up to the largest message and one beyond.
        3 => {
            let count = input.arbitrary::<u8>()?;
            let pattern = input.bytes(input.len())?;
            let fits = MAX_MESSAGE_BYTES / pattern.len().max(1);
            prefixed(&pattern.repeat(match count {
                0xa5 => fits + 1,
                0xa6 => fits,
                few => usize::from(few).min(fits),
            }))
        }
        // A message, part by part, and bytes behind it.
        4 => {
            let message = message(input)?;
            prefixed(&[&message.encode_to_vec(), input.bytes(input.len())?].concat())
        }
    })
}

/// A request. As a response, it is one with an unknown field or two.
fn message(input: &mut Unstructured<'_>) -> Result<pb::Request> {
    let [count, flags, neighbour]: [u8; 3] = input.arbitrary()?;
    let mut descriptors = Vec::new();
    for _ in 0..count % (MAX_DESCRIPTORS as u8 + 2) {
        if input.is_empty() {
            break;
        }
        let [kind, age]: [u8; 2] = input.arbitrary()?;
        descriptors.push(pb::Descriptor {
            signed_peer_record: envelope(kind, input)?,
            age: u32::from(age) << (age % 25),
            profile: match flags & PROFILED {
                0 => Vec::new(),
                _ => profile(usize::from(kind), input)?,
            },
        });
    }
    Ok(pb::Request {
        descriptors,
        pull: flags & 1 != 0,
        neighbour: match neighbour {
            few @ 0..200 => i32::from(few % 4),
            many => i32::MIN + i32::from(many),
        },
        goodbye: flags & 0x1e == 0x1e,
        ..Default::default()
    })
}

fn envelope(kind: u8, input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut envelope = POOL[usize::from(kind) % POOL.len()].clone();
    match kind {
        // What is good in them stays so: records have a target of their own.
        0..0xe0 => {}
        0xe0..0xff => {
            let many = usize::from(kind - 0xe0).min(input.len());
            envelope = input.bytes(many)?.to_vec();
        }
        0xff => envelope.resize(MAX_RECORD_BYTES + 1, 0),
    }
    Ok(envelope)
}

/// What comes beside the record of this kind.
fn profile(kind: usize, input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let [form, at]: [u8; 2] = input.arbitrary()?;
    let mut profile = PROFILES[kind % PROFILES.len()].clone();
    let at = usize::from(at);
    match form % 8 {
        0 | 1 => {}
        // Another's.
        2 => profile = PROFILES[at % PROFILES.len()].clone(),
        // Another network's.
        3 => profile = signed::profile(&KEYS[kind % POOL.len()], "/other", 1, vec![7; at]),
        // One bit is wrong, or the end is missing.
        4 => profile[at % PROFILES[kind % PROFILES.len()].len()] ^= 1 << (form / 8 % 8),
        5 => profile.truncate(at),
        // Something behind it, which nobody has signed.
        6 => profile.extend_from_slice(input.bytes(at.min(input.len()))?),
        _ => profile = input.bytes(at.min(input.len()))?.to_vec(),
    }
    Ok(profile)
}

fn prefixed(message: &[u8]) -> Vec<u8> {
    let mut stream = Vec::with_capacity(message.len() + 4);
    prost::encoding::encode_varint(message.len() as u64, &mut stream);
    stream.extend_from_slice(message);
    stream
}

/// What both messages can do.
trait AnyMessage: Message + Debug + Default + PartialEq + Clone + 'static {
    fn descriptors(&self) -> &[pb::Descriptor];

    /// As it would be passed on, when it took so many bytes.
    fn checked(self, bytes: usize) -> Checked<Self>;
}

impl AnyMessage for pb::Request {
    fn descriptors(&self) -> &[pb::Descriptor] {
        &self.descriptors
    }

    fn checked(self, bytes: usize) -> Checked<Self> {
        let mut passed = NODE.request(self, bytes)?;
        // As much as the request asked for, and says nothing.
        assert!(passed.padding.len() <= bytes);
        passed.padding.clear();
        Ok(passed)
    }
}

impl AnyMessage for pb::Response {
    fn descriptors(&self) -> &[pb::Descriptor] {
        &self.descriptors
    }

    fn checked(self, _: usize) -> Checked<Self> {
        NODE.response(self)
    }
}

type Checked<M> = std::result::Result<M, MessageError>;
/// How many bytes a request took, and whether it pulls.
type Asked = Option<(usize, bool)>;

fn read<M: AnyMessage>(stream: &[u8], pieces: u8, asked: Asked) -> &'static str {
    let (decoded, left) = decode::<M>(stream, None, asked);
    assert!(left <= stream.len());
    assert_same(&decode(stream, Some(pieces), asked).0, &decoded);
    let (message, bytes) = match decoded {
        Ok(decoded) => decoded,
        Err(error) => return error.reason().name(),
    };
    assert_eq!(bytes + left, stream.len());
    assert!(message.descriptors().len() <= MAX_DESCRIPTORS);
    if let Some((request, pull)) = asked {
        assert!(bytes <= request, "{bytes} bytes in answer to {request}");
        assert!(pull || message.descriptors().is_empty());
    }
    assert_survives(&message);
    // Most of the time goes into keys and signatures, which are another target's.
    if !pieces.is_multiple_of(16) {
        return "decoded";
    }
    match message.clone().checked(bytes) {
        Err(error) => {
            let too_large = matches!(error, MessageError::RecordTooLarge { .. });
            assert!(too_large, "{error:?}");
            error.reason().name()
        }
        Ok(passed) => {
            assert!(passed.descriptors().len() <= message.descriptors().len());
            for descriptor in passed.descriptors() {
                assert!(descriptor.signed_peer_record.len() <= MAX_RECORD_BYTES);
                assert_came(descriptor, message.descriptors());
            }
            assert_survives(&passed);
            let again = passed.clone().checked(bytes).expect("it has passed before");
            assert_eq!(again, passed);
            let profiles = |descriptors: &[pb::Descriptor]| {
                let profiles = descriptors.iter().filter(|d| !d.profile.is_empty());
                profiles.count()
            };
            let (before, after) = (message.descriptors(), passed.descriptors());
            match after.len() < before.len() || profiles(after) < profiles(before) {
                true => "passed in part",
                false => "passed",
            }
        }
    }
}

/// What passes has come, and its profile is what a key of the pool has signed, and nothing else.
fn assert_came(descriptor: &pb::Descriptor, all: &[pb::Descriptor]) {
    let fields = |d: &pb::Descriptor| (d.signed_peer_record.clone(), d.age);
    assert!(all.iter().any(|d| fields(d) == fields(descriptor)));
    if !descriptor.profile.is_empty() {
        let envelope = pb::Envelope::decode(&descriptor.signed_peer_record[..]);
        let key = envelope.expect("it has passed").public_key;
        let key = key.expect("it has passed").encode_to_vec();
        let at = KEYS
            .iter()
            .position(|k| k.public().encode_protobuf() == key);
        let signed = at.and_then(|at| PROFILES.get(at));
        assert_eq!(signed, Some(&descriptor.profile), "forged");
    }
}

/// The first message of a stream, or why there is none; and how much of the stream is left behind
/// it.
fn decode<M: AnyMessage>(
    stream: &[u8],
    pieces: Option<u8>,
    asked: Asked,
) -> (Checked<(M, usize)>, usize) {
    let mut codec = fuzzing::codec::<M>(Limits::default(), asked);
    let mut arrived = BytesMut::new();
    let mut rest = stream;
    while let Some(seed) = pieces
        && !rest.is_empty()
    {
        // Few bytes of short streams, more of long ones, never always as many.
        let most = 1 + rest.len() / 16 + usize::from(seed % 8);
        let many = 1 + (rest.len() ^ usize::from(seed)) % most;
        let (piece, later) = rest.split_at(many.min(rest.len()));
        arrived.extend_from_slice(piece);
        rest = later;
        match codec.decode(&mut arrived) {
            Ok(None) => {}
            Ok(Some(message)) => return (Ok(message), arrived.len() + rest.len()),
            Err(error) => return (Err(error), arrived.len() + rest.len()),
        }
    }
    arrived.extend_from_slice(rest);
    let decoded = codec.decode_eof(&mut arrived);
    let decoded = decoded.and_then(|message| message.ok_or(MessageError::CutOff));
    (decoded, arrived.len())
}

/// It makes no difference in which pieces a stream arrives.
fn assert_same<M: AnyMessage>(pieces: &Checked<(M, usize)>, whole: &Checked<(M, usize)>) {
    match (pieces, whole) {
        (Ok(pieces), Ok(whole)) => assert_eq!(pieces, whole),
        (
            Err(MessageError::TooLong { bytes: pieces }),
            Err(MessageError::TooLong { bytes: whole }),
        ) => assert_eq!(pieces, whole),
        (
            Err(MessageError::TooManyDescriptors { count: pieces }),
            Err(MessageError::TooManyDescriptors { count: whole }),
        ) => assert_eq!(pieces, whole),
        (Err(pieces), Err(whole)) => assert_eq!(pieces.reason(), whole.reason()),
        (pieces, whole) => panic!("in pieces {pieces:?}, as a whole {whole:?}"),
    }
}

/// What is sent arrives.
fn assert_survives<M: AnyMessage>(message: &M) {
    // What came in more than one way may need more bytes in the one way that we write it.
    if message.encoded_len() > MAX_MESSAGE_BYTES {
        return;
    }
    let mut stream = BytesMut::new();
    let encoded = fuzzing::codec::<M>(Limits::default(), None).encode(message.clone(), &mut stream);
    encoded.expect("it fits");
    let (arrived, left) = decode::<M>(&stream, None, None);
    let (arrived, bytes) = arrived.expect("what was sent");
    assert_eq!((arrived, bytes), (message.clone(), stream.len()));
    assert_eq!(left, 0);
}
