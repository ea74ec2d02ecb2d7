//! Round trips in a swarm: the wire of [`RoundTrip`], which measures, and its behaviour.

use libp2p_identity::PeerId;
use rand::rngs::StdRng;

use crate::{
    protocols::round_trip::{
        Ping, Pong, RoundTrip,
        config::{Config, ConfigError},
    },
    swarm::{
        clock::Clock,
        handle::Handle,
        rider,
        wire::{MessageError, Wire},
    },
    time::Time,
};

/// [`RoundTrip`] in a swarm, beside the sampler that it rides on.
pub type Behaviour = rider::Behaviour<RoundTrip<PeerId, StdRng>, RoundTripWire>;

impl Behaviour {
    /// Measures round trips to other peers, beside the sampler of this handle. Its protocol is called
    /// `/round-trip/1.0.0`, or `/<network>/round-trip/1.0.0` where the sampler's network has a name.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when a setting is outside its bounds.
    ///
    /// # Panics
    ///
    /// When the operating system has no random numbers.
    pub fn beside(sampling: &Handle, config: Config) -> Result<Self, ConfigError> {
        let protocol = RoundTrip::new(config, rand::make_rng())?;
        let wire = RoundTripWire {
            clock: sampling.node().clock(),
        };
        let (sampling, config) = (sampling.clone(), rider::config::Config::default());
        Ok(Self::new(protocol, wire, sampling, config))
    }
}

/// The wire of [`RoundTrip`].
///
/// The request and the answer are the same 8 bytes, a number. What follows is left to later versions.
/// The time is taken when the request's bytes are made, and when those of the answer are read: on a
/// connection that stands, and a substream that is negotiated.
#[derive(Debug, Clone)]
pub struct RoundTripWire {
    clock: Clock,
}

/// The number of a request, and when it was sent.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    number: u64,
    at: Time,
}

impl RoundTripWire {
    /// With room for later versions.
    const MOST_BYTES: usize = 64;

    fn decode(bytes: &[u8]) -> Result<u64, MessageError> {
        let number = bytes.first_chunk().copied();
        let number = number.ok_or(MessageError::Refused("less than 8 bytes".into()))?;
        Ok(u64::from_be_bytes(number))
    }
}

impl Wire for RoundTripWire {
    type Request = Ping;
    type Response = Pong;
    type Expected = Sent;

    const NAME: &'static str = "round-trip/1.0.0";

    fn request_bound(&self) -> usize {
        Self::MOST_BYTES
    }

    fn response_bound(&self, _: &Sent) -> usize {
        Self::MOST_BYTES
    }

    fn encode_request(&self, Ping { number }: Ping) -> (Vec<u8>, Sent) {
        let at = self.clock.now();
        (number.to_be_bytes().to_vec(), Sent { number, at })
    }

    fn decode_request(&self, _: PeerId, bytes: &[u8]) -> Result<Ping, MessageError> {
        let number = Self::decode(bytes)?;
        Ok(Ping { number })
    }

    fn encode_response(&self, Pong { number, .. }: Pong, _: usize) -> Vec<u8> {
        number.to_be_bytes().to_vec()
    }

    fn decode_response(&self, _: PeerId, bytes: &[u8], sent: Sent) -> Result<Pong, MessageError> {
        let number = Self::decode(bytes)?;
        if number != sent.number {
            return Err(MessageError::Refused("answers another request".into()));
        }
        let took = Some(self.clock.now() - sent.at);
        Ok(Pong { number, took })
    }
}

#[cfg(test)]
mod tests {
    use std::{thread::sleep, time::Duration};

    use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
    use web_time::Instant;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "the wire measures real time")]
    fn wire() -> RoundTripWire {
        let clock = Clock::new(Instant::now());
        RoundTripWire { clock }
    }

    #[test]
    fn an_answer_tells_how_long_it_took() {
        let (wire, peer) = (wire(), PeerId::random());
        let (mut bytes, sent) = wire.encode_request(Ping { number: 7 });
        assert_eq!(bytes.len(), 8);
        bytes.extend([1; 56]);
        assert_eq!(bytes.len(), wire.request_bound());
        let ping = wire
            .decode_request(peer, &bytes)
            .expect("of a later version");
        assert_eq!(ping, Ping { number: 7 });
        let (number, took) = (ping.number, None);
        let answer = wire.encode_response(Pong { number, took }, 8);
        sleep(Duration::from_millis(5));
        let pong = wire
            .decode_response(peer, &answer, sent)
            .expect("its answer");
        assert!(pong.took >= Some(Duration::from_millis(5)));
    }

    #[test]
    fn an_answer_to_another_request_is_refused() {
        let wire = wire();
        let (_, sent) = wire.encode_request(Ping { number: 7 });
        let other = 8u64.to_be_bytes();
        let refused = wire.decode_response(PeerId::random(), &other, sent);
        assert!(matches!(refused, Err(MessageError::Refused(_))));
    }

    #[test]
    fn random_bytes_are_refused_or_understood_and_never_panic() {
        let mut rng = StdRng::seed_from_u64(1);
        let (wire, peer) = (wire(), PeerId::random());
        for _ in 0..20_000 {
            let mut bytes = vec![0; rng.random_range(0..=64)];
            rng.fill_bytes(&mut bytes);
            let (_, sent) = wire.encode_request(Ping { number: 7 });
            let request = wire.decode_request(peer, &bytes);
            assert_eq!(request.is_ok(), bytes.len() >= 8);
            assert!(wire.decode_response(peer, &bytes, sent).is_err());
        }
    }
}
