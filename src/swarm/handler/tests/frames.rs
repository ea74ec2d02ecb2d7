//! Frames: lengths, bounds, and pieces.

use asynchronous_codec::{Decoder, Encoder};
use bytes::BytesMut;

use crate::swarm::wire::{
    MessageError,
    frame::{Frames, framed_len},
};

fn decode(frames: &mut Frames, bytes: &[u8]) -> Result<Option<BytesMut>, MessageError> {
    frames.decode(&mut BytesMut::from(bytes))
}

#[test]
fn frame_survives_the_wire_in_pieces() {
    for length in [0, 1, 127, 128, 300] {
        let message = vec![7; length];
        let mut frames = Frames::new(300, None);
        let mut sent = BytesMut::new();
        frames
            .encode(message.clone(), &mut sent)
            .expect("infallible");
        assert_eq!(sent.len(), framed_len(length));
        let mut arrived = BytesMut::new();
        for byte in &sent[..sent.len() - 1] {
            arrived.extend_from_slice(&[*byte]);
            assert!(matches!(frames.decode(&mut arrived), Ok(None)));
        }
        arrived.extend_from_slice(&[sent[sent.len() - 1], 9, 9]);
        let frame = frames.decode(&mut arrived).expect("within its bound");
        assert_eq!(frame.expect("all of it"), message);
        assert_eq!(arrived[..], [9, 9], "what follows is left");
    }
}

#[test]
fn frame_beyond_its_bound_is_refused_by_its_length() {
    let mut frames = Frames::new(300, None);
    assert!(matches!(decode(&mut frames, &[0xac, 0x02]), Ok(None)));
    assert!(matches!(
        decode(&mut frames, &[0xad, 0x02]),
        Err(MessageError::TooLong { bytes: 301 })
    ));
    // The smaller bound counts the length, too.
    let mut frames = Frames::new(300, Some(11));
    assert!(matches!(decode(&mut frames, &[10]), Ok(None)));
    assert!(matches!(
        decode(&mut frames, &[11]),
        Err(MessageError::ResponseTooLong {
            bytes: 12,
            request: 11
        })
    ));
}

/// There is one way to write a length; the specification of unsigned varints forbids the others.
#[test]
fn length_in_more_bytes_than_it_takes_is_refused() {
    let mut frames = Frames::new(300, None);
    assert!(matches!(
        decode(&mut frames, &[0x81, 0x00]),
        Err(MessageError::NotProtobuf(_))
    ));
    assert!(matches!(
        decode(&mut frames, &[0xff; 10]),
        Err(MessageError::NotProtobuf(_))
    ));
    assert!(matches!(decode(&mut frames, &[0xff; 9]), Ok(None)));
}

#[test]
fn stream_that_ends_within_a_frame_is_cut_off() {
    let mut frames = Frames::new(300, None);
    for part in [&[0x80][..], &[2], &[2, 1]] {
        let ended = frames.decode_eof(&mut BytesMut::from(part));
        assert!(matches!(ended, Err(MessageError::CutOff)), "{part:?}");
    }
    assert!(matches!(frames.decode_eof(&mut BytesMut::new()), Ok(None)));
}
