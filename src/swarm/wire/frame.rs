//! Frames: the bytes of a message behind their length, held to their bound by that length.

use std::io;

use asynchronous_codec::{Decoder, Encoder};
use bytes::{Buf, BytesMut};
use prost::{
    encoding::{decode_varint, encode_varint},
    length_delimiter_len,
};

use crate::swarm::wire::MessageError;

/// The longest varint of 64 bits, in bytes.
const LONGEST_VARINT: usize = 10;

/// Turns the bytes of messages into frames and back. The bounds are of what comes in.
#[derive(Debug)]
pub(crate) struct Frames {
    most: usize,
    request: Option<usize>,
}

impl Frames {
    /// `most`: the most bytes of a message, without its length. `request`: what the messages answer
    /// took so many bytes, with its length, and no answer may take more.
    pub(crate) fn new(most: usize, request: Option<usize>) -> Self {
        Self { most, request }
    }

    /// `length` is announced, in so many bytes.
    fn check(&self, length: u64, prefix: usize) -> Result<(), MessageError> {
        if length > self.most as u64 {
            return Err(MessageError::TooLong { bytes: length });
        }
        let bytes = length + prefix as u64;
        match self.request {
            Some(request) if bytes > request as u64 => {
                Err(MessageError::ResponseTooLong { bytes, request })
            }
            _ => Ok(()),
        }
    }
}

impl Encoder for Frames {
    type Item<'a> = Vec<u8>;
    type Error = MessageError;

    fn encode(&mut self, message: Vec<u8>, dst: &mut BytesMut) -> Result<(), MessageError> {
        dst.reserve(framed_len(message.len()));
        encode_varint(message.len() as u64, dst);
        dst.extend_from_slice(&message);
        Ok(())
    }
}

impl Decoder for Frames {
    /// The bytes of a message, without their length.
    type Item = BytesMut;
    type Error = MessageError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<BytesMut>, MessageError> {
        let Some((length, prefix)) = announced(src)? else {
            return Ok(None);
        };
        self.check(length, prefix)?;
        // Within the bound now, so it fits.
        let length = length as usize;
        if prefix > length_delimiter_len(length) {
            return Err(not_a_length("a length in more bytes than it takes"));
        }
        if src.len() < prefix + length {
            return Ok(None);
        }
        src.advance(prefix);
        Ok(Some(src.split_to(length)))
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<BytesMut>, MessageError> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(MessageError::CutOff),
            decoded => Ok(decoded),
        }
    }
}

/// What a message of so many bytes takes with its length.
pub(crate) fn framed_len(bytes: usize) -> usize {
    length_delimiter_len(bytes) + bytes
}

/// The length at the start of `src` and how many bytes it takes; `None` when it is not all there.
fn announced(src: &[u8]) -> Result<Option<(u64, usize)>, MessageError> {
    // The last byte of a varint is the first below 0x80.
    let ends = src.iter().take(LONGEST_VARINT).any(|byte| *byte < 0x80);
    if !ends && src.len() < LONGEST_VARINT {
        return Ok(None);
    }
    let mut rest = src;
    let length = decode_varint(&mut rest).map_err(not_a_length)?;
    Ok(Some((length, src.len() - rest.len())))
}

fn not_a_length(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> MessageError {
    MessageError::NotProtobuf(io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// The specification of unsigned varints allows one way to write a length.
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
}
