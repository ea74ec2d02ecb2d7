//! The handler, with the wire of a protocol that is not the sampler's: what the tests have in
//! common.

mod streams;
mod swarms;

use std::{sync::Arc, time::Duration};

use libp2p_identity::PeerId;
use web_time::Instant;

use crate::swarm::{
    clock::Clock,
    counters::Tally,
    limits::Limits,
    node::gate::Gate,
    shared::Shared,
    wire::{MessageError, Wire},
};

/// The answer is the request again. Messages have up to eight bytes.
#[derive(Debug, Default)]
struct Echo {
    /// Adds a byte to its answers, which the other side has not asked for.
    adds: bool,
}

/// A byte that no message may have, by a rule of this protocol.
const FORBIDDEN: u8 = b'!';
/// The bound of requests.
const MOST_BYTES: usize = 8;

impl Echo {
    fn decode(bytes: &[u8]) -> Result<Vec<u8>, MessageError> {
        if bytes.contains(&FORBIDDEN) {
            return Err(MessageError::Refused("no shouting".into()));
        }
        Ok(bytes.to_vec())
    }
}

impl Wire for Echo {
    type Request = Vec<u8>;
    type Response = Vec<u8>;
    /// How many bytes come back.
    type Expected = usize;

    const NAME: &'static str = "echo/1.0.0";

    fn request_bound(&self) -> usize {
        MOST_BYTES
    }

    fn response_bound(&self, expected: &usize) -> usize {
        *expected
    }

    fn encode_request(&self, request: Vec<u8>) -> (Vec<u8>, usize) {
        let expected = request.len();
        (request, expected)
    }

    fn encode_refusal(&self, retry_after: Duration) -> Option<Vec<u8>> {
        Some(vec![b'?', retry_after.as_secs() as u8])
    }

    fn decode_refusal(&self, bytes: &[u8]) -> Option<Duration> {
        match bytes {
            [b'?', seconds] => Some(Duration::from_secs((*seconds).into())),
            _ => None,
        }
    }

    fn decode_request(&self, _: PeerId, bytes: &[u8]) -> Result<Vec<u8>, MessageError> {
        Self::decode(bytes)
    }

    fn encode_response(&self, mut response: Vec<u8>, _: usize) -> Vec<u8> {
        if self.adds {
            response.push(b'.');
        }
        response
    }

    fn decode_response(
        &self,
        _: PeerId,
        bytes: &[u8],
        expected: usize,
    ) -> Result<Vec<u8>, MessageError> {
        if bytes.len() != expected {
            return Err(MessageError::Refused("only a part".into()));
        }
        Self::decode(bytes)
    }
}

fn shared<W: Wire>(wire: W) -> Arc<Shared<W>> {
    #[expect(clippy::disallowed_methods, reason = "any time will do")]
    let clock = Clock::new(Instant::now());
    let limits = Limits::default();
    let gate = Arc::new(Gate::new(&limits, Duration::from_secs(10)));
    Arc::new(Shared::new(
        wire,
        limits,
        (gate, 1),
        Arc::new(Tally::default()),
        clock,
    ))
}
