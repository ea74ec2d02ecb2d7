//! The sampler as a gossip protocol like any other.

use rand::Rng;

use crate::{
    gossip::{Exchange, ExchangeId, Failure, Peers, Protocol},
    peer::Peer,
    sampling::{
        overlay::Overlay,
        sampler::{
            Sampler,
            message::{Request, Response},
        },
    },
    time::{Time, Wake},
};

/// What it tells the application are its samples: those that
/// the overlay itself gives out, if it does.
impl<P: Peer, O: Overlay<P>, R: Rng> Protocol for Sampler<P, O, R> {
    type Id = P::Id;
    type Request = Request<P>;
    type Response = Response<P>;
    type Event = P;

    /// The partners come from the view: `peers` is not asked.
    fn poll_exchange(
        &mut self,
        _peers: &mut impl Peers<P::Id>,
        now: Time,
    ) -> Option<Exchange<P::Id, Request<P>>> {
        self.poll_round(now)
    }

    /// Answers every request.
    fn handle_request(
        &mut self,
        from: &P::Id,
        request: Request<P>,
        now: Time,
    ) -> Option<Response<P>> {
        Some(Self::handle_request(self, from, request, now))
    }

    fn handle_outcome(&mut self, id: ExchangeId, outcome: Result<Response<P>, Failure>, now: Time) {
        // An exchange that is not in flight is over: there is nothing left to do for it.
        let _ = match outcome {
            Ok(response) => self.handle_response(id, response, now).is_ok(),
            Err(failure) => self.handle_failure(id, failure, now).is_ok(),
        };
    }

    fn poll_expired(&mut self, now: Time) -> Option<ExchangeId> {
        Self::poll_expired(self, now).map(|failed| failed.id)
    }

    fn poll_event(&mut self) -> Option<P> {
        self.next_sample()
    }

    fn restrain(&mut self, restraint: Option<f64>, now: Time) {
        Sampler::restrain(self, restraint, now);
    }

    fn next_wake(&self) -> Option<Wake> {
        Self::next_wake(self)
    }
}
