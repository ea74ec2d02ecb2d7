//! Messages and records that break the rules, and what each is counted as.

use futures::AsyncWriteExt;
use libp2p::{identity::Keypair, multiaddr::Protocol};
use libp2p_peer_sampling::{
    MAX_DESCRIPTORS, MAX_MESSAGE_BYTES, MAX_RECORD_BYTES, MessageError, Reason,
};
use prost::Message;

use crate::{
    common::raw::{RawStream, framed, pb, peer_record, signed, varint, within},
    victim::{Counted, bare, home, stranger},
};

/// Bytes that are no message. Descriptors are field 1 of both messages, so that each fault is one
/// of a request as much as of a response.
pub struct Fault {
    pub name: String,
    pub bytes: Vec<u8>,
    /// Whether the peer closes its side behind them. If not, it keeps the node waiting for more.
    pub closes: bool,
    /// The name of what it is counted as.
    pub reason: &'static str,
    pub is: Box<dyn Fn(&MessageError) -> bool>,
}

impl Fault {
    /// It is the error that it should be, and was counted as that and as nothing else.
    pub fn assert(&self, error: &MessageError, counted: Counted) {
        let what = &self.name;
        assert!((self.is)(error), "{what}: {error:?}");
        assert_eq!(error.reason().name(), self.reason, "{what}");
        assert_eq!(counted, [(self.reason, 1)], "{what}");
    }
}

pub fn fault(
    name: impl Into<String>,
    bytes: Vec<u8>,
    reason: &'static str,
    is: impl Fn(&MessageError) -> bool + 'static,
) -> Fault {
    Fault {
        name: name.into(),
        bytes,
        closes: false,
        reason,
        is: Box::new(is),
    }
}

/// `message` behind its length.
pub fn prefixed(message: &[u8]) -> Vec<u8> {
    [&varint(message.len() as u64)[..], message].concat()
}

pub fn descriptors(count: usize) -> Vec<u8> {
    framed(&pb::Request {
        descriptors: vec![pb::Descriptor::default(); count],
        ..Default::default()
    })
}

pub fn faults() -> Vec<Fault> {
    let is_cut_off = |error: &MessageError| matches!(error, MessageError::CutOff);
    let no_protobuf = |error: &MessageError| matches!(error, MessageError::NotProtobuf(_));
    let closed = |fault| Fault {
        closes: true,
        ..fault
    };
    let (cut_off, not_protobuf) = ("message_cut_off", "message_not_protobuf");
    let too_long = MAX_MESSAGE_BYTES as u64 + 1;
    // Group in group in group, as deep as fits: what skips them must not recurse as deep.
    let groups = vec![0x2b; MAX_MESSAGE_BYTES];
    let mut faults = vec![
        fault(
            "one byte too long",
            varint(too_long),
            "message_too_long",
            move |error| matches!(error, MessageError::TooLong { bytes } if *bytes == too_long),
        ),
        fault(
            "as long as can be",
            varint(u64::MAX),
            "message_too_long",
            |error| matches!(error, MessageError::TooLong { bytes: u64::MAX }),
        ),
        fault(
            "a length without end",
            vec![0xff; 11],
            not_protobuf,
            no_protobuf,
        ),
        closed(fault("nothing", vec![], cut_off, is_cut_off)),
        closed(fault("half a length", vec![0x80], cut_off, is_cut_off)),
        closed(fault(
            "half a message",
            vec![10, 0x0a, 8, 1],
            cut_off,
            is_cut_off,
        )),
        fault("no field", prefixed(&[0xff; 3]), not_protobuf, no_protobuf),
        fault(
            "a number for descriptors",
            prefixed(&[0x08, 1]),
            not_protobuf,
            no_protobuf,
        ),
        fault(
            "a descriptor that is longer than the message",
            prefixed(&[0x0a, 0x7f]),
            not_protobuf,
            no_protobuf,
        ),
        fault(
            "a descriptor that is none",
            prefixed(&[0x0a, 1, 0xff]),
            not_protobuf,
            no_protobuf,
        ),
        fault(
            "groups without end",
            prefixed(&groups),
            not_protobuf,
            no_protobuf,
        ),
        fault(
            "one descriptor too many",
            descriptors(MAX_DESCRIPTORS + 1),
            "too_many_descriptors",
            |error| matches!(error, MessageError::TooManyDescriptors { count } if *count == MAX_DESCRIPTORS + 1),
        ),
        fault(
            "as many descriptors as fit",
            descriptors(MAX_MESSAGE_BYTES / 2),
            "too_many_descriptors",
            |error| matches!(error, MessageError::TooManyDescriptors { count } if *count == MAX_MESSAGE_BYTES / 2),
        ),
    ];
    // Behind a good one, which must not come in either.
    let message = pb::Request {
        descriptors: vec![stranger(), bare(vec![0; MAX_RECORD_BYTES + 1])],
        ..Default::default()
    };
    faults.push(fault(
        "a record that is too large",
        framed(&message),
        "record_too_large",
        |error| matches!(error, MessageError::RecordTooLarge { index: 1, bytes } if *bytes == MAX_RECORD_BYTES + 1),
    ));
    faults
}

/// Faults of answers: an end without a byte is none, and what is longer than the request is refused
/// for that.
pub fn faults_of_answers(request: &pb::Request) -> Vec<Fault> {
    let request = framed(request).len();
    let mut faults = faults();
    faults.retain(|fault| !fault.bytes.is_empty());
    for fault in &mut faults {
        let bytes = fault.bytes.len();
        if bytes > request {
            fault.reason = "response_too_long";
            fault.is = Box::new(move |error| {
                matches!(error, MessageError::ResponseTooLong { bytes: came, request: asked }
                    if *came == bytes as u64 && *asked == request)
            });
        }
    }
    faults
}

/// Records that a node cannot use, and what each is counted as.
pub fn unusable_records() -> Vec<(&'static str, Vec<u8>, Reason)> {
    let keypair = Keypair::generate_ed25519();
    let other = Keypair::generate_ed25519();
    let record = peer_record(&keypair, &[&home()]);
    let edited = |edit: fn(&mut pb::Envelope)| {
        let mut envelope = pb::Envelope::decode(&signed(&keypair, &record)[..]).expect("just made");
        edit(&mut envelope);
        envelope.encode_to_vec()
    };
    let of_type = |key_type| {
        let mut envelope = pb::Envelope::decode(&signed(&keypair, &record)[..]).expect("just made");
        envelope.public_key.as_mut().expect("there").r#type = key_type;
        envelope.encode_to_vec()
    };
    let with_address = |multiaddr: &[u8]| {
        let mut record = record.clone();
        record.addresses[0].multiaddr = multiaddr.to_vec();
        signed(&keypair, &record)
    };
    let mut no_peer = record.clone();
    no_peer.peer_id = vec![1, 2, 3];
    let of_another = home().with(Protocol::P2p(other.public().to_peer_id()));
    let mut too_many = peer_record(&keypair, &[&home(); 9]);
    too_many.seq = 2;
    vec![
        (
            "a record with a wrong signature",
            edited(|envelope| envelope.signature[5] ^= 1),
            Reason::RecordSignature,
        ),
        (
            "a record without a signature",
            edited(|envelope| envelope.signature.clear()),
            Reason::RecordSignature,
        ),
        (
            "a record with an RSA key",
            of_type(pb::KeyType::Rsa.into()),
            Reason::RecordKeyType,
        ),
        (
            "a record with a key type of a later version",
            of_type(4),
            Reason::RecordKeyType,
        ),
        (
            "a record with a key type whose feature is off",
            of_type(pb::KeyType::Ecdsa.into()),
            match cfg!(feature = "ecdsa") {
                true => Reason::RecordKey,
                false => Reason::RecordKeyUnsupported,
            },
        ),
        (
            "a record with a broken key",
            edited(|envelope| {
                envelope
                    .public_key
                    .as_mut()
                    .expect("there")
                    .data
                    .truncate(3)
            }),
            Reason::RecordKey,
        ),
        (
            "a record of another type",
            edited(|envelope| envelope.payload_type = vec![0x03, 0x02]),
            Reason::RecordPayloadType,
        ),
        (
            "a record that is no protobuf",
            vec![0xff; 9],
            Reason::RecordNotProtobuf,
        ),
        ("an empty record", vec![], Reason::RecordPayloadType),
        (
            "a record about nobody",
            signed(&keypair, &no_peer),
            Reason::RecordPeerId,
        ),
        (
            "a record about another",
            signed(&other, &record),
            Reason::RecordSigner,
        ),
        (
            "a record with too many addresses",
            signed(&keypair, &too_many),
            Reason::RecordTooManyAddresses,
        ),
        (
            "a record with an address of an unknown protocol",
            with_address(&[0x8f, 0x4e]),
            Reason::RecordAddress,
        ),
        (
            "a record with a truncated address",
            with_address(&[4, 127, 0]),
            Reason::RecordAddress,
        ),
        (
            "a record with an address of another",
            with_address(&of_another.to_vec()),
            Reason::RecordAddressOfAnother,
        ),
        (
            "a record without addresses",
            signed(&keypair, &peer_record(&keypair, &[])),
            Reason::RecordNotAdmitted,
        ),
    ]
}

/// Puts a fault on a stream. The node may have had enough before the end.
pub async fn send(stream: &mut RawStream, fault: &Fault) {
    let send = async {
        let _ = stream.write_all(&fault.bytes).await;
        let _ = stream.flush().await;
        if fault.closes {
            let _ = stream.close().await;
        }
    };
    within(&fault.name, send).await;
}
