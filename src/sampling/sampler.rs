//! The mechanism: a state machine that exchanges and merges views.
//!
//! It does no I/O, reads no clock and owns no ambient randomness. Messages go in and out of its
//! methods, the time is an argument, the RNG comes in through the constructor. The same seed and
//! the same inputs give the same outputs, byte for byte. The libp2p behaviour drives it over
//! substreams, the simulator by the million in one process.

mod admission;
pub(crate) mod buffers;
pub(crate) mod config;
mod contacts;
pub(crate) mod exchange;
#[cfg(any(feature = "simulator", feature = "fuzzing"))]
mod hooks;
mod marks;
mod membership;
pub(crate) mod message;
mod partners;
mod protocol;
mod service;
#[cfg(test)]
mod tests;

use std::{num::NonZeroU64, sync::Arc};

use rand::Rng;

use crate::{
    gossip::{
        Exchange, ExchangeId, Failure,
        in_flight::{InFlight, Pending},
        rounds::Rounds,
    },
    peer::Peer,
    sampling::{
        overlay::{Overlay, exchange::Side},
        sampler::{
            config::{Config, ConfigError},
            exchange::{Failed, Started, UnknownExchange},
            membership::Membership,
            message::{Request, Response},
        },
        view::View,
    },
    time::{Time, Wake},
};

/// The peer sampling state machine of one node.
///
/// `P` is the peer type, `O` the overlay, `R` the random number generator.
///
/// # Contract
///
/// *Getters*: [`view`](Self::view), [`config`](Self::config), [`local`](Self::local),
/// [`overlay`](Self::overlay), [`in_flight`](Self::in_flight), [`next_wake`](Self::next_wake). They
/// change nothing.
///
/// *Inputs*. Time must not go backwards, and nothing happens by itself when it advances:
///
/// 1. Whenever `next_wake` is reached, and after every other input, call
///    [`poll_expired`](Self::poll_expired) and then [`poll_round`](Self::poll_round), each until
///    it returns `None`. Each [`Exchange`] returned is to be carried out.
/// 2. Its outcome goes to [`handle_response`](Self::handle_response) or
///    [`handle_failure`](Self::handle_failure), with the exchange's id. If neither comes within the
///    timeout, `poll_expired` gives it up; what comes later is refused.
/// 3. A request from another node goes to [`handle_request`](Self::handle_request), whose result
///    is to be sent back. Any number may come while own exchanges are in flight.
/// 4. An empty view starts nothing. [`init`](Self::init) fills it with known peers, or
///    [`exchange_with`](Self::exchange_with) starts an exchange with a peer of which only the
///    identity is known: a seed.
///
/// No method blocks, panics on any input from the network, or allocates more than the input and
/// the view size call for.
#[derive(Debug)]
pub struct Sampler<P: Peer, O, R> {
    members: Membership<P, O, R>,
    in_flight: InFlight<P::Id, Started<P::Id>>,
    rounds: Rounds<P::Id>,
}

impl<P: Peer, O: Overlay<P>, R: Rng> Sampler<P, O, R> {
    /// A node called `id`, with an empty view. It does not advertise itself until
    /// [`set_local`](Self::set_local). Many nodes may share one `config`.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when `config` or the settings of `overlay` are outside their bounds.
    pub fn new(
        id: P::Id,
        config: impl Into<Arc<Config>>,
        overlay: O,
        rng: R,
    ) -> Result<Self, ConfigError> {
        let config = config.into();
        config.check()?;
        overlay.check(config.view_size())?;
        Ok(Self {
            members: Membership::new(id, config, overlay, rng),
            in_flight: InFlight::new(),
            rounds: Rounds::new(),
        })
    }

    /// The current view.
    pub fn view(&self) -> &View<P> {
        &self.members.view
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.members.config
    }

    /// The overlay.
    pub fn overlay(&self) -> &O {
        &self.members.overlay
    }

    /// This node as it advertises itself, if it does.
    pub fn local(&self) -> Option<&P> {
        self.members.local.as_ref()
    }

    /// How many exchanges this node has started and not finished.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether 64 exchanges are in flight, so that no more are started.
    pub fn is_saturated(&self) -> bool {
        self.in_flight.is_full()
    }

    /// When [`poll_expired`](Self::poll_expired) or [`poll_round`](Self::poll_round) have work to
    /// do next, and which; `None` when only another input can give them any. May be in the past.
    pub fn next_wake(&self) -> Option<Wake> {
        let round = (!self.members.knows_nobody()).then(|| self.rounds.next_round());
        Wake::first([
            round.map(|at| Wake::new(at, "a round of the sampler")),
            (self.in_flight.deadline())
                .map(|at| Wake::new(at, "an exchange of the sampler expires")),
        ])
    }

    /// Sets how this node advertises itself: the descriptor of age 0 in every buffer it sends.
    /// `None`: it takes part, and others do not learn of it.
    pub fn set_local(&mut self, local: Option<P>) {
        self.members.set_local(local);
    }

    /// The paper's `init`: fills the view with known peers, at age 0, as far as there is room, and
    /// returns how many came in. This node itself and peers already in the view are passed over. An
    /// overlay that chooses among all peers it hears of may drop some of them at once.
    pub fn init(&mut self, peers: impl IntoIterator<Item = P>) -> usize {
        self.members.add(peers)
    }

    /// Removes a peer from the view: it said goodbye, or the application does not want it. It may
    /// come back through others.
    pub fn remove(&mut self, id: &P::Id) -> Option<P> {
        self.members.remove(id)
    }

    /// The next sample that the overlay itself gives out, if it does: Basalt's output stream.
    /// [`select_peer`](Self::select_peer) hands them out before all others.
    pub fn next_sample(&mut self) -> Option<P> {
        self.members.next_sample()
    }

    /// Whether the overlay says that the node knows so few peers that it eagerly looks for more.
    pub fn has_room(&self) -> bool {
        self.members.has_room()
    }

    /// How many records the overlay hopes for in an answer. If the node wants more than it sends,
    /// its request asks for so many.
    pub fn hopes_for(&self) -> usize {
        self.members.hopes_for()
    }

    /// What is known of a peer, in the view or by the overlay, which may choose partners outside
    /// it.
    pub fn peer(&self, id: &P::Id) -> Option<&P> {
        self.members.peer(id)
    }

    /// Tells the overlay of peers known from elsewhere, in place of those of the last call. For
    /// overlays that rank: the view of a sampler whose peers are random. Kept until the next call.
    pub fn set_candidates(&mut self, candidates: Vec<P>) {
        self.members.set_candidates(candidates);
    }

    /// An exchange whose time is over. For a caller that knows better than
    /// [`poll_expired`](Self::poll_expired) what that says about the partner, and tells
    /// [`handle_failure`](Self::handle_failure).
    pub fn overdue(&self, now: Time) -> Option<ExchangeId> {
        self.in_flight.overdue(now)
    }

    /// Gives up on the exchanges whose time is over, one per call. To be called until `None`.
    pub fn poll_expired(&mut self, now: Time) -> Option<Failed<P::Id>> {
        let id = self.in_flight.overdue(now)?;
        self.handle_failure(id, Failure::Broken, now).ok()
    }

    /// Starts the exchanges that are due, one per call. To be called until `None`.
    ///
    /// A round starts when a period has passed since the last one, or earlier while the view has
    /// room (see [`Config::with_eager_delay`]), and makes up to `fanout` exchanges. If one fails,
    /// another partner takes its place, up to `retries` times a round.
    pub fn poll_round(&mut self, now: Time) -> Option<Exchange<P::Id, Request<P>>> {
        if self.members.knows_nobody() {
            return None;
        }
        let pace = self.members.config.pace();
        if self.rounds.begin_if_due(now, &pace, &mut self.members.rng) {
            // At most the view size, which is at most 10,000.
            let extra = self.members.begin_round(now) as u32;
            self.rounds.add_turns(extra);
        }
        if self.is_saturated() || !self.rounds.take_turn() {
            return None;
        }
        let tried = self.rounds.tried();
        let (partner, probe) = self.members.select_partner(tried, &self.in_flight)?;
        self.rounds.note_tried(partner.clone());
        let round = self.rounds.round();
        match probe {
            true => self.probe(partner, round, now),
            false => self.start(partner, round, now),
        }
    }

    /// Starts an exchange with a given peer, in the view or not: the way in for seeds and for peers
    /// that somebody else has connected. `None` when one with it is in flight already, when too
    /// many are, or when it is this node itself.
    pub fn exchange_with(
        &mut self,
        partner: P::Id,
        now: Time,
    ) -> Option<Exchange<P::Id, Request<P>>> {
        if self.in_flight.is_with(&partner) || partner == self.members.id || self.is_saturated() {
            return None;
        }
        self.start(partner, None, now)
    }

    /// Lets the next round start after the eager delay, as if the view had room. For a caller that
    /// needs partners sooner than the period brings them. The delay doubles each time, until a
    /// whole period has passed without an early round.
    pub fn hasten(&mut self, now: Time) {
        self.rounds.hasten(now, &self.members.config.pace());
    }

    /// Does less from now on, or as much as it is set to: see [`Rounds::restrain`].
    pub fn restrain(&mut self, restraint: Option<f64>, now: Time) {
        let pace = self.members.config.pace();
        self.rounds.restrain(restraint, now, &pace);
    }

    /// Whether it does less than it is set to.
    pub fn is_restrained(&self) -> bool {
        self.rounds.is_restrained()
    }

    /// Lets the current round start one more exchange, beside those under way: for a caller that
    /// does not wait for a silent partner to fail.
    pub fn add_turn(&mut self) {
        self.rounds.add_turns(1);
    }

    /// How many exchanges in a row have brought nobody new, of those that this node has started
    /// while its view had room.
    pub fn fruitless(&self) -> u32 {
        self.rounds.fruitless()
    }

    /// The passive thread: answers the request of another node and merges it.
    ///
    /// TOCS, passive, on a buffer received: "if pull: buffer ← ((me,0)); view.permute(); move
    /// oldest H items to end of view; buffer.append(view.head(c/2-1)); send buffer; then
    /// view.select(c,H,S,buffer_p); view.increaseAge()".
    pub fn handle_request(&mut self, from: &P::Id, request: Request<P>, now: Time) -> Response<P> {
        self.members.called(from, now);
        let known = &request.descriptors;
        let buffer = request.pull.then(|| {
            self.members
                .buffer((from, Side::Passive), known, request.room)
        });
        let (descriptors, sent) = buffer.unwrap_or_default();
        self.members
            .merge((from, Side::Passive), sent, request.descriptors, now);
        Response { descriptors }
    }

    /// The end of the active thread: merges the answer to an exchange that this node started.
    ///
    /// TOCS, active: "receive buffer_p; view.select(c,H,S,buffer_p); view.increaseAge()".
    ///
    /// Returns the partner. If the request asked for no descriptors, those in the answer are
    /// dropped.
    ///
    /// # Errors
    ///
    /// [`UnknownExchange`] when the exchange is not in flight.
    pub fn handle_response(
        &mut self,
        id: ExchangeId,
        response: Response<P>,
        now: Time,
    ) -> Result<P::Id, UnknownExchange> {
        let exchange = self.finish(id)?;
        self.members.answered(&exchange.partner, now);
        if exchange.note.is_probe {
            return Ok(exchange.partner);
        }
        let before = self.members.view.len();
        let received = if self.members.config.propagation().pulls() {
            response.descriptors
        } else {
            Vec::new()
        };
        let partner = (&exchange.partner, Side::Active);
        self.members
            .merge(partner, exchange.note.sent, received, now);
        let grown = self.members.view.len() != before;
        let pace = self.members.config.pace();
        let wants_more = self.has_room();
        self.rounds.hasten_while(wants_more, grown, now, &pace);
        Ok(exchange.partner)
    }

    /// Ends an exchange that this node started and that came to nothing.
    ///
    /// The round may try another partner instead: the caller goes on with
    /// [`poll_round`](Self::poll_round).
    ///
    /// # Errors
    ///
    /// [`UnknownExchange`] when the exchange is not in flight.
    pub fn handle_failure(
        &mut self,
        id: ExchangeId,
        failure: Failure,
        now: Time,
    ) -> Result<Failed<P::Id>, UnknownExchange> {
        let exchange = self.finish(id)?;
        let Started { sent, round, .. } = exchange.note;
        let partner = exchange.partner;
        self.members.buffers.keep_ids(sent);
        self.rounds.make_up_for_failure(round);
        let removed = self.members.failed(&partner, failure, now);
        Ok(Failed {
            id,
            partner,
            removed,
        })
    }

    /// Ends an exchange that this node itself would not carry out, as [`Failure::Refused`] does. In
    /// its place it starts one with `partner`, in the view or not: the round tries nobody else for
    /// it. `None`, and nothing has changed, if an exchange with `partner` is in flight, or
    /// `partner` is this node itself. The same if exchange `id` is not in flight, or no round has
    /// started it.
    pub fn exchange_instead(
        &mut self,
        id: ExchangeId,
        partner: P::Id,
        now: Time,
    ) -> Option<Exchange<P::Id, Request<P>>> {
        let is_free = !self.in_flight.is_with(&partner) && partner != self.members.id;
        let round = self.in_flight.get(id)?.note.round;
        if !is_free || round.is_none() {
            return None;
        }
        let refused = self.finish(id).ok()?;
        self.members.buffers.keep_ids(refused.note.sent);
        self.members.refuse(refused.partner);
        if round == self.rounds.round() {
            self.rounds.note_tried(partner.clone());
        }
        self.start(partner, round, now)
    }

    /// Gives another chance to the peer that this node has refused for longest: it is not passed
    /// over any more. For a caller that knows that there may be room for it again.
    pub fn reconsider(&mut self) {
        self.members.reconsider();
    }

    /// Starts an exchange; there is room for one more in flight.
    fn start(
        &mut self,
        partner: P::Id,
        round: Option<NonZeroU64>,
        now: Time,
    ) -> Option<Exchange<P::Id, Request<P>>> {
        let propagation = self.members.config.propagation();
        let buffer = propagation.pushes().then(|| {
            self.members
                .buffer((&partner, Side::Active), &[], usize::MAX)
        });
        let (descriptors, sent) = buffer.unwrap_or_default();
        let request = Request {
            descriptors,
            pull: propagation.pulls(),
            room: usize::MAX,
        };
        let started = Started {
            sent,
            round,
            is_probe: false,
        };
        self.send(partner, request, started, now)
    }

    /// Starts an exchange that tells nothing and asks for nothing.
    fn probe(
        &mut self,
        partner: P::Id,
        round: Option<NonZeroU64>,
        now: Time,
    ) -> Option<Exchange<P::Id, Request<P>>> {
        let request = Request {
            descriptors: Vec::new(),
            pull: false,
            room: usize::MAX,
        };
        let started = Started {
            sent: Vec::new(),
            round,
            is_probe: true,
        };
        self.send(partner, request, started, now)
    }

    fn send(
        &mut self,
        partner: P::Id,
        request: Request<P>,
        started: Started<P::Id>,
        now: Time,
    ) -> Option<Exchange<P::Id, Request<P>>> {
        let deadline = now.saturating_add(self.members.config.exchange_timeout());
        let id = self.in_flight.start(partner.clone(), started, deadline)?;
        Some(Exchange {
            id,
            partner,
            request,
        })
    }

    fn finish(
        &mut self,
        id: ExchangeId,
    ) -> Result<Pending<P::Id, Started<P::Id>>, UnknownExchange> {
        self.in_flight.finish(id).ok_or(UnknownExchange)
    }
}
