//! The short way to a wire: protobuf messages, and a bound on their length.

use std::fmt;

use libp2p_identity::PeerId;
use prost::Message;

use crate::swarm::wire::{MessageError, Wire, decode, encode};

/// A [`Wire`] in four lines: for a protocol whose messages are protobuf, and follow no other rule
/// than a bound on their length.
///
/// ```
/// use libp2p_peer_sampling::wire::{Protobuf, Wire};
///
/// #[derive(Debug)]
/// struct NewsWire;
///
/// impl Protobuf for NewsWire {
///     type Request = String;
///     type Response = String;
///     const NAME: &'static str = "news/1.0.0";
///     const MOST_BYTES: usize = 64;
/// }
///
/// let (bytes, ()) = NewsWire.encode_request("Everybody gossips".into());
/// assert!(bytes.len() <= NewsWire.request_bound());
/// ```
pub trait Protobuf: fmt::Debug + Send + Sync + 'static {
    /// What opens an exchange.
    type Request: fmt::Debug + Message + Default + 'static;
    /// What answers it.
    type Response: fmt::Debug + Message + Default + 'static;

    /// The second half of the protocol's name: [`Wire::NAME`].
    const NAME: &'static str;

    /// The longest message, in bytes without its length. Longer ones are refused before they are
    /// read. A message may take many times the memory that its bytes take: a list of empty messages
    /// does.
    const MOST_BYTES: usize;
}

impl<T: Protobuf> Wire for T {
    type Request = T::Request;
    type Response = T::Response;
    type Expected = ();

    const NAME: &'static str = T::NAME;

    fn request_bound(&self) -> usize {
        T::MOST_BYTES
    }

    fn response_bound(&self, (): &()) -> usize {
        T::MOST_BYTES
    }

    fn encode_request(&self, request: T::Request) -> (Vec<u8>, ()) {
        (encode(&request), ())
    }

    fn decode_request(&self, _: PeerId, bytes: &[u8]) -> Result<T::Request, MessageError> {
        decode(bytes)
    }

    fn encode_response(&self, response: T::Response, _: usize) -> Vec<u8> {
        encode(&response)
    }

    fn decode_response(
        &self,
        _: PeerId,
        bytes: &[u8],
        (): (),
    ) -> Result<T::Response, MessageError> {
        decode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct NumberWire;

    impl Protobuf for NumberWire {
        type Request = u64;
        type Response = String;
        const NAME: &'static str = "number/1.0.0";
        const MOST_BYTES: usize = 16;
    }

    #[test]
    fn messages_come_back_and_what_is_no_protobuf_is_refused() {
        let peer = PeerId::random();
        let (bytes, ()) = NumberWire.encode_request(300);
        let request = NumberWire.decode_request(peer, &bytes);
        assert!(matches!(request, Ok(300)));
        let bytes = NumberWire.encode_response("three".to_owned(), 0);
        let response = NumberWire.decode_response(peer, &bytes, ());
        assert!(response.is_ok_and(|text| text == "three"));
        let refused = NumberWire.decode_request(peer, &[0xff]);
        assert!(matches!(refused, Err(MessageError::NotProtobuf(_))));
        assert_eq!(NumberWire.response_bound(&()), 16);
    }
}
