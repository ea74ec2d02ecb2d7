//! Extremes in a swarm: the wire of [`Extrema`], and its behaviour.

use libp2p_identity::PeerId;
use rand::rngs::StdRng;

use crate::{
    protocols::extrema::{
        Extrema, Extremes, Message,
        config::{Config, ConfigError},
    },
    swarm::{
        handle::Handle,
        rider,
        wire::{MessageError, Wire},
    },
};

/// [`Extrema`] in a swarm, beside the sampler that it rides on.
pub type Behaviour = rider::Behaviour<Extrema<PeerId, StdRng>, ExtremaWire>;

impl Behaviour {
    /// Looks for the extremes of all nodes' values, this node's included, beside the sampler of this
    /// handle. Its protocol is called `/extrema/1.0.0`, or `/<network>/extrema/1.0.0` where the
    /// sampler's network has a name.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when a setting is outside its bounds, or the value is not a number.
    ///
    /// # Panics
    ///
    /// When the operating system has no random numbers.
    pub fn beside(sampling: &Handle, config: Config, value: f64) -> Result<Self, ConfigError> {
        let protocol = Extrema::new(config, value, rand::make_rng())?;
        let (sampling, config) = (sampling.clone(), rider::config::Config::default());
        Ok(Self::new(protocol, ExtremaWire, sampling, config))
    }
}

/// The wire of [`Extrema`].
///
/// The request and the answer are alike, 24 bytes, big-endian: the number of the epoch, then the
/// minimum and the maximum as IEEE 754 doubles. What follows is left to later versions.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExtremaWire;

impl ExtremaWire {
    /// With room for later versions.
    const MOST_BYTES: usize = 64;

    fn encode(Message { epoch, extremes }: Message) -> Vec<u8> {
        let fields = [
            epoch.to_be_bytes(),
            extremes.min.to_be_bytes(),
            extremes.max.to_be_bytes(),
        ];
        fields.concat()
    }

    fn decode(bytes: &[u8]) -> Result<Message, MessageError> {
        let (fields, _) = bytes.as_chunks::<8>();
        let [epoch, min, max, ..] = fields else {
            return Err(MessageError::Refused("less than 24 bytes".into()));
        };
        let (min, max) = (f64::from_be_bytes(*min), f64::from_be_bytes(*max));
        // Also if one of them is not a number.
        if !matches!(min.partial_cmp(&max), Some(ordering) if ordering.is_le()) {
            return Err(MessageError::Refused("no minimum and maximum".into()));
        }
        Ok(Message {
            epoch: u64::from_be_bytes(*epoch),
            extremes: Extremes { min, max },
        })
    }
}

impl Wire for ExtremaWire {
    type Request = Message;
    type Response = Message;
    type Expected = ();

    const NAME: &'static str = "extrema/1.0.0";

    fn request_bound(&self) -> usize {
        Self::MOST_BYTES
    }

    fn response_bound(&self, (): &()) -> usize {
        Self::MOST_BYTES
    }

    fn encode_request(&self, request: Message) -> (Vec<u8>, ()) {
        (Self::encode(request), ())
    }

    fn decode_request(&self, _: PeerId, bytes: &[u8]) -> Result<Message, MessageError> {
        Self::decode(bytes)
    }

    fn encode_response(&self, response: Message, _: usize) -> Vec<u8> {
        Self::encode(response)
    }

    fn decode_response(&self, _: PeerId, bytes: &[u8], (): ()) -> Result<Message, MessageError> {
        Self::decode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    fn message(min: f64, max: f64) -> Message {
        let extremes = Extremes { min, max };
        Message { epoch: 7, extremes }
    }

    fn decoded(bytes: &[u8]) -> Option<Message> {
        let peer = PeerId::random();
        let request = ExtremaWire.decode_request(peer, bytes).ok();
        let response = ExtremaWire.decode_response(peer, bytes, ()).ok();
        assert_eq!(request, response);
        request
    }

    #[test]
    fn messages_come_back_as_they_were() {
        for sent in [
            message(-1.5, 2.5),
            message(0.0, 0.0),
            message(f64::MIN, f64::MAX),
        ] {
            let (mut bytes, ()) = ExtremaWire.encode_request(sent);
            assert_eq!(bytes, ExtremaWire.encode_response(sent, 0));
            assert_eq!(bytes.len(), 24);
            assert_eq!(decoded(&bytes), Some(sent));
            bytes.extend([1; 40]);
            assert_eq!(bytes.len(), ExtremaWire.request_bound());
            assert_eq!(decoded(&bytes), Some(sent), "of a later version");
        }
    }

    #[test]
    fn what_is_no_minimum_and_maximum_is_refused() {
        for (min, max) in [(2.0, 1.0), (f64::NAN, 1.0), (1.0, f64::NAN)] {
            let (bytes, ()) = ExtremaWire.encode_request(message(min, max));
            let refused = ExtremaWire.decode_request(PeerId::random(), &bytes);
            assert!(matches!(refused, Err(MessageError::Refused(_))));
        }
        let (bytes, ()) = ExtremaWire.encode_request(message(1.0, 2.0));
        assert_eq!(decoded(&bytes[..23]), None);
    }

    #[test]
    fn random_bytes_are_refused_or_understood_and_never_panic() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut understood = 0;
        for _ in 0..20_000 {
            let mut bytes = vec![0; rng.random_range(0..=64)];
            rng.fill_bytes(&mut bytes);
            if let Some(Message { extremes, .. }) = decoded(&bytes) {
                assert!(extremes.min <= extremes.max);
                understood += 1;
            }
        }
        assert!((1_000..20_000).contains(&understood), "{understood}");
    }
}
