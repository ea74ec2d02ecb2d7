//! The mechanism: a state machine that exchanges and merges views.
//!
//! It does no I/O, reads no clock and owns no ambient randomness: messages go in and out of its
//! methods, the time is an argument, the RNG comes in through the constructor. The same seed and
//! the same inputs give the same outputs, byte for byte. The libp2p behaviour drives it over
//! substreams, the simulator by the million in one process.

mod admission;
pub(crate) mod buffers;
pub(crate) mod config;
mod marks;
pub(crate) mod message;

use std::{hint::black_box, mem, num::NonZeroU64, sync::Arc};

use rand::{Rng, RngExt};
use thiserror::Error;

use crate::{
    gossip::{
        Exchange, ExchangeId, Failure,
        in_flight::{InFlight, Pending},
        rounds::Rounds,
    },
    peer::Peer,
    sampling::{
        PeerSampling, Selection,
        overlay::{Arrange, Merge, Overlay, Side},
        sampler::{
            admission::Admission,
            buffers::Buffers,
            config::{Config, ConfigError, PartnerSelection},
            marks::Notes,
            message::{Request, Response},
        },
        view::{Descriptor, View},
    },
    time::Time,
};

/// The peer sampling state machine of one node.
///
/// `P` is the peer type, `O` the overlay, `R` the random number generator.
///
/// # Contract
///
/// *Getters*: [`view`](Self::view), [`config`](Self::config), [`local`](Self::local), [`overlay`](Self::overlay),
/// [`in_flight`](Self::in_flight), [`next_wake`](Self::next_wake). They change nothing.
///
/// *Inputs*. Time is a [`Duration`] since an instant that the caller chose once; it must not go
/// backwards, and nothing happens by itself when it advances:
///
/// 1. Whenever `next_wake` is reached, and after every other input, call
///    [`poll_timeout`](Self::poll_timeout) and then [`poll_round`](Self::poll_round), each until
///    it returns `None`. Each [`Exchange`] returned is to be carried out.
/// 2. Its outcome goes to [`handle_response`](Self::handle_response) or
///    [`handle_failure`](Self::handle_failure), with the exchange's id. Neither within the
///    time-out means that `poll_timeout` gives it up; what comes later is refused.
/// 3. A request from another node goes to [`handle_request`](Self::handle_request), whose result
///    is to be sent back. Any number may come while own exchanges are in flight.
/// 4. An empty view starts nothing. [`init`](Self::init) fills it with known peers, or
///    [`exchange_with`](Self::exchange_with) starts an exchange with a peer of whom only the
///    identity is known: a seed.
///
/// No method blocks, panics on any input from the network, or allocates more than the input and
/// the view size call for.
#[derive(Debug)]
pub struct Sampler<P: Peer, O, R> {
    id: P::Id,
    local: Option<P>,
    config: Arc<Config>,
    overlay: O,
    rng: R,
    view: View<P>,
    in_flight: InFlight<P::Id, Started<P::Id>>,
    rounds: Rounds<P::Id>,
    buffers: Buffers<P>,
    notes: Notes<P>,
    admission: Admission<P>,
}

/// What a node notes about an exchange that it has started.
#[derive(Debug)]
struct Started<I> {
    /// What the swapper will remove. Per exchange: others may run in between.
    sent: Vec<I>,
    /// The round that started it, and may make up for it.
    round: Option<NonZeroU64>,
}

/// What became of an exchange that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed<I> {
    /// The exchange.
    pub id: ExchangeId,
    /// The peer it was with.
    pub partner: I,
    /// Whether the partner left the view for it.
    pub removed: bool,
}

/// The outcome of an exchange that is not in flight: it was never started, has timed out, or its
/// outcome is already known. Caused by the caller or by a late answer; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an answer to nothing: this exchange is not in flight")]
pub struct UnknownExchange;

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
            id,
            local: None,
            view: View::with_capacity(config.view_size()),
            config,
            overlay,
            rng,
            in_flight: InFlight::new(),
            rounds: Rounds::new(),
            buffers: Buffers::default(),
            notes: Notes::new(),
            admission: Admission::new(),
        })
    }

    /// The current view.
    pub fn view(&self) -> &View<P> {
        &self.view
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The overlay.
    pub fn overlay(&self) -> &O {
        &self.overlay
    }

    /// This node as it advertises itself, if it does.
    pub fn local(&self) -> Option<&P> {
        self.local.as_ref()
    }

    /// How many exchanges this node has started and not finished.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether so many exchanges are in flight, 64, that no more are started.
    pub fn is_saturated(&self) -> bool {
        self.in_flight.is_full()
    }

    /// When [`poll_timeout`](Self::poll_timeout) or [`poll_round`](Self::poll_round) have work to
    /// do next; `None` when only another input can give them any. May be in the past.
    pub fn next_wake(&self) -> Option<Time> {
        let round = (!self.view.is_empty()).then(|| self.rounds.next_round());
        round.into_iter().chain(self.in_flight.deadline()).min()
    }

    /// Sets how this node advertises itself: the descriptor of age 0 in every buffer it sends.
    /// `None`: it takes part, and others do not learn of it.
    pub fn set_local(&mut self, local: Option<P>) {
        self.local = local;
    }

    /// The paper's `init`: fills the view with known peers, at age 0, as far as there is room, and
    /// returns how many came in. This node itself and peers already in the view are passed over. An
    /// overlay that chooses among all it hears of may let some of them go again at once.
    pub fn init(&mut self, peers: impl IntoIterator<Item = P>) -> usize {
        let before = self.view.len();
        for peer in peers {
            if self.view.len() >= self.config.view_size() {
                break;
            }
            if *peer.id() != self.id {
                self.view.insert(Descriptor::fresh(peer));
            }
        }
        self.tell_overlay();
        self.view.len().saturating_sub(before)
    }

    /// Does `work` with this node, whose messages then come out of `buffers`, and leave their
    /// storage there. For whoever drives many nodes in one process: a node that rests then holds no
    /// buffer, and those in use stay in the cache.
    pub fn with_buffers<T>(
        &mut self,
        buffers: &mut Buffers<P>,
        work: impl FnOnce(&mut Self) -> T,
    ) -> T {
        mem::swap(&mut self.buffers, buffers);
        let done = work(self);
        mem::swap(&mut self.buffers, buffers);
        done
    }

    /// Reads what an exchange is going to need, and changes nothing. For whoever drives so many nodes
    /// that no cache holds them: when several are touched before their turns, the misses are waited
    /// for together.
    pub fn touch(&self) {
        self.in_flight.touch();
        self.rounds.touch();
        let others = (self.notes.is_empty(), self.buffers.is_empty());
        // One of eight small descriptors lies on each cache line.
        let ages = self.view.iter().step_by(8).map(|d| d.age);
        black_box((others, ages.fold(0, u32::wrapping_add)));
    }

    /// Removes a peer from the view: it said goodbye, or the application does not want it. It may
    /// come back through others.
    pub fn remove(&mut self, id: &P::Id) -> Option<P> {
        // It may be waiting as a sample, and have left the view long ago.
        self.notes.withdraw(id);
        let removed = self.view.remove(id)?;
        self.tell_overlay();
        if self.view.is_empty() {
            self.admission.forgive();
        }
        Some(removed.peer)
    }

    /// The next of the peers that the overlay itself gives out as samples, if it does: Basalt's output
    /// stream. [`select_peer`](PeerSampling::select_peer) hands them out before all others.
    pub fn next_sample(&mut self) -> Option<P> {
        self.notes.next_sample()
    }

    /// Whether the node knows so few peers, by the overlay's word, that it looks for more in haste.
    pub fn has_room(&self) -> bool {
        self.overlay.has_room(&self.view, self.config.view_size())
    }

    /// An exchange whose time is over, for whoever knows better than [`poll_timeout`](Self::poll_timeout)
    /// what that says about the partner, and tells [`handle_failure`](Self::handle_failure).
    pub fn overdue(&self, now: Time) -> Option<ExchangeId> {
        self.in_flight.overdue(now)
    }

    /// Gives up on the exchanges whose time is over, one per call. To be called until `None`.
    pub fn poll_timeout(&mut self, now: Time) -> Option<Failed<P::Id>> {
        let id = self.in_flight.overdue(now)?;
        self.handle_failure(id, Failure::Broken, now).ok()
    }

    /// Starts the exchanges that are due, one per call. To be called until `None`.
    ///
    /// A round starts when a period has passed since the last one, or earlier while the view has
    /// room (see [`Config::with_eager_delay`]), and makes up to `fanout` exchanges. A failed one is
    /// made up for by another partner, up to `retries` times a round.
    pub fn poll_round(&mut self, now: Time) -> Option<Exchange<P::Id, Request<P>>> {
        if self.view.is_empty() {
            return None;
        }
        let pace = self.config.pace();
        if self.rounds.begin_if_due(now, &pace, &mut self.rng) {
            self.begin_round();
        }
        if self.is_saturated() || !self.rounds.take_turn() {
            return None;
        }
        let partner = self.select_partner()?;
        self.rounds.note_tried(partner.clone());
        self.start(partner, self.rounds.round(), now)
    }

    /// Starts an exchange with a given peer, in the view or not: the way in for seeds and for peers
    /// that somebody else has connected. `None` when one with it is in flight already, when too
    /// many are, or when it is this node itself.
    pub fn exchange_with(
        &mut self,
        partner: P::Id,
        now: Time,
    ) -> Option<Exchange<P::Id, Request<P>>> {
        if self.in_flight.is_with(&partner) || partner == self.id || self.is_saturated() {
            return None;
        }
        self.start(partner, None, now)
    }

    /// Lets the next round start after the eager delay, as if the view had room. For whoever needs
    /// partners sooner than the period brings them. The delay doubles each time, until a whole
    /// period has passed without haste.
    pub fn hasten(&mut self, now: Time) {
        self.rounds.hasten(now, &self.config.pace());
    }

    /// Lets the current round start one more exchange, beside those under way: for a caller
    /// that does not wait until a partner which does not answer has failed.
    pub fn add_turn(&mut self) {
        self.rounds.add_turns(1);
    }

    /// How many exchanges in a row, of those that this node has started while its view had room,
    /// have brought nobody new.
    pub fn fruitless(&self) -> u32 {
        self.rounds.fruitless()
    }

    /// The passive thread: answers the request of another node and merges it.
    ///
    /// TOCS, passive, on a buffer received: "if pull: buffer ← ((me,0)); view.permute(); move
    /// oldest H items to end of view; buffer.append(view.head(c/2-1)); send buffer; then
    /// view.select(c,H,S,buffer_p); view.increaseAge()".
    pub fn handle_request(&mut self, from: &P::Id, request: Request<P>, now: Time) -> Response<P> {
        self.notes.shows_life(from);
        self.notes.accept(from);
        self.admission.called(from, now, &self.config);
        let known = &request.descriptors;
        let buffer = request
            .pull
            .then(|| self.buffer((from, Side::Passive), known, request.room));
        let (descriptors, sent) = buffer.unwrap_or_default();
        self.merge((from, Side::Passive), sent, request.descriptors, now);
        Response { descriptors }
    }

    /// The end of the active thread: merges the answer to an exchange that this node started.
    ///
    /// TOCS, active: "receive buffer_p; view.select(c,H,S,buffer_p); view.increaseAge()".
    ///
    /// Returns the partner. Descriptors in an answer that did not ask for any are dropped.
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
        self.overlay.exchange_ended(true);
        self.notes.shows_life(&exchange.partner);
        self.notes.accept(&exchange.partner);
        self.admission.answered(&exchange.partner);
        let before = self.view.len();
        let received = if self.config.propagation().pulls() {
            response.descriptors
        } else {
            Vec::new()
        };
        let partner = (&exchange.partner, Side::Active);
        self.merge(partner, exchange.note.sent, received, now);
        let grown = self.view.len() != before;
        let pace = self.config.pace();
        self.rounds.hasten_while(self.has_room(), grown, now, &pace);
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
        let Started { sent, round } = exchange.note;
        let partner = exchange.partner;
        self.buffers.keep_ids(sent);
        let dead = match failure {
            Failure::Unreachable | Failure::Unsupported => true,
            Failure::Broken => self.notes.is_suspect(&partner),
            Failure::Refused => false,
        };
        self.rounds.make_up_for_failure(round);
        if failure != Failure::Refused {
            self.overlay.exchange_ended(false);
        } else if self.view.contains(&partner) {
            self.notes.refuse(partner.clone());
        }
        if dead {
            let known = self.view.get(&partner).map(|d| &d.peer);
            self.admission.failed(&partner, known, (now, &self.config));
        }
        let removed = dead && self.remove(&partner).is_some();
        if self.view.is_empty() {
            self.admission.forgive();
        }
        if failure == Failure::Broken && !dead && self.view.contains(&partner) {
            self.notes.suspect(partner.clone());
        }
        Ok(Failed {
            id,
            partner,
            removed,
        })
    }

    /// Ends an exchange that this node itself would not carry out, as [`Failure::Refused`] does, and starts
    /// one with `partner`, in the view or not, in its place: the round tries nobody else for it. `None`, and
    /// nothing has changed, when an exchange with `partner` is in flight, when it is this node itself, or
    /// when exchange `id` is not in flight or no round has started it.
    pub fn exchange_instead(
        &mut self,
        id: ExchangeId,
        partner: P::Id,
        now: Time,
    ) -> Option<Exchange<P::Id, Request<P>>> {
        let is_free = !self.in_flight.is_with(&partner) && partner != self.id;
        let round = self.in_flight.get(id)?.note.round;
        if !is_free || round.is_none() {
            return None;
        }
        let refused = self.finish(id).ok()?;
        self.buffers.keep_ids(refused.note.sent);
        if self.view.contains(&refused.partner) {
            self.notes.refuse(refused.partner);
        }
        if round == self.rounds.round() {
            self.rounds.note_tried(partner.clone());
        }
        self.start(partner, round, now)
    }

    /// Gives the peer another chance that this node has refused for longest: it is not passed over any
    /// more. For whoever knows that what has refused it may have room again.
    pub fn reconsider(&mut self) {
        self.notes.reconsider();
    }

    /// TOCS, active: "p ← view.selectPeer()".
    fn select_partner(&mut self) -> Option<P::Id> {
        // Those whom we ourselves refuse only when there is nobody else, or the oldest of them would
        // be tried in every round, and nobody but it.
        self.select_partner_but(true)
            .or_else(|| self.select_partner_but(false))
    }

    fn select_partner_but(&mut self, pass_over_refused: bool) -> Option<P::Id> {
        let (tried, refused) = (self.rounds.tried(), self.notes.refused());
        let is_eligible = |id: &P::Id| {
            let passed_over = pass_over_refused && refused.contains(id);
            !(tried.contains(id) || self.in_flight.is_with(id) || passed_over)
        };
        let own_choice = self
            .overlay
            .select_partner(&self.view, is_eligible, &mut self.rng);
        if own_choice.is_some() {
            return own_choice;
        }
        let eligible = self.view.iter().filter(|d| is_eligible(d.peer.id()));
        let anybody = tried.is_empty() && self.in_flight.is_empty() && refused.is_empty();
        let chosen = match self.config.selection() {
            PartnerSelection::Head => eligible.min_by_key(|d| d.age),
            // `rev`: among equals the first of the view, as `View::oldest`.
            PartnerSelection::Tail => eligible.rev().max_by_key(|d| d.age),
            // Nearly always: everybody is eligible, and nobody need be counted.
            PartnerSelection::Rand if anybody => {
                let at = self.rng.random_range(0..self.view.len().max(1));
                self.view.as_slice().get(at)
            }
            PartnerSelection::Rand => {
                let count = eligible.clone().count();
                let at = self.rng.random_range(0..count.max(1));
                eligible.clone().nth(at)
            }
        };
        chosen.map(|d| d.peer.id().clone())
    }

    /// Starts an exchange; there is room for one more in flight.
    fn start(
        &mut self,
        partner: P::Id,
        round: Option<NonZeroU64>,
        now: Time,
    ) -> Option<Exchange<P::Id, Request<P>>> {
        let propagation = self.config.propagation();
        let buffer = propagation
            .pushes()
            .then(|| self.buffer((&partner, Side::Active), &[], usize::MAX));
        let (descriptors, sent) = buffer.unwrap_or_default();
        let deadline = now.saturating_add(self.config.exchange_timeout());
        let started = Started { sent, round };
        let id = self.in_flight.start(partner.clone(), started, deadline)?;
        let request = Request {
            descriptors,
            pull: propagation.pulls(),
            room: usize::MAX,
        };
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

    /// What a round brings beside exchanges.
    fn begin_round(&mut self) {
        self.admission.begin_round();
        let mut samples = Vec::new();
        let (view_size, before) = (self.config.view_size(), self.view.len());
        self.overlay
            .begin_round(&mut self.view, view_size, &mut samples, &mut self.rng);
        self.notes.offer(&mut samples, view_size);
        if self.view.len() < before {
            self.forget_the_gone();
        }
        let extra = self.overlay.extra_exchanges(view_size);
        // At most the view size, which is at most 10,000.
        self.rounds.add_turns(extra.min(view_size) as u32);
    }

    /// The view has changed in another way than by a merge.
    fn tell_overlay(&mut self) {
        let view_size = self.config.view_size();
        self.overlay
            .view_changed(&mut self.view, view_size, &mut self.rng);
        self.forget_the_gone();
    }

    /// Forgets what is kept about peers that are no longer in the view.
    fn forget_the_gone(&mut self) {
        self.notes.retain(&self.view);
        self.admission.retain(&self.view);
    }

    /// Returns the buffer to send, which takes at most `room` bytes, and who of the view is in it.
    fn buffer(
        &mut self,
        (partner, side): (&P::Id, Side),
        known: &[Descriptor<P>],
        room: usize,
    ) -> (Vec<Descriptor<P>>, Vec<P::Id>) {
        let arrange = Arrange {
            view_size: self.config.view_size(),
            partner,
            side,
            known,
        };
        let outgoing = self.overlay.arrange(&mut self.view, arrange, &mut self.rng);
        let local = self.local.as_ref().filter(|_| outgoing.local);
        let mut left = room;
        let mut fits = |peer: &P| match left.checked_sub(peer.size()) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        };
        let local = local.filter(|local| fits(local)).cloned();
        let head = self.view.head(outgoing.entries);
        let fitting = head.iter().take_while(|d| fits(&d.peer)).count();
        let head = &head[..fitting];
        let mut sent = self.buffers.ids();
        sent.extend(head.iter().map(|d| d.peer.id().clone()));
        let mut buffer = self.buffers.descriptors();
        buffer.reserve_exact(head.len() + 1);
        buffer.extend(local.map(Descriptor::fresh));
        buffer.extend_from_slice(head);
        (buffer, sent)
    }

    fn merge(
        &mut self,
        (partner, side): (&P::Id, Side),
        sent: Vec<P::Id>,
        mut received: Vec<Descriptor<P>>,
        now: Time,
    ) {
        received.retain(|d| *d.peer.id() != self.id);
        let settings = (now, &*self.config);
        self.admission
            .filter(&self.view, (partner, side), &mut received, settings);
        let newcomers = self.config.diversity().map(|_| {
            let ids = received.iter().map(|d| d.peer.id());
            let new = ids.filter(|id| !self.view.contains(id));
            new.cloned().collect()
        });
        let merge = Merge {
            view_size: self.config.view_size(),
            partner,
            side,
            sent: &sent,
            received: &mut received,
        };
        self.view.with_workspace(self.buffers.workspace(), |view| {
            self.overlay.merge(view, merge, &mut self.rng);
        });
        debug_assert!(self.view.len() <= self.config.view_size());
        if let Some(newcomers) = newcomers {
            self.admission.note(&self.view, (partner, side), newcomers);
        }
        self.notes.retain(&self.view);
        // But not what a peer with a larger view has sent, so nothing is hoarded.
        if received.capacity() <= self.config.view_size() {
            self.buffers.keep(received);
        }
        self.buffers.keep_ids(sent);
    }
}

impl<P: Peer, O: Overlay<P>, R: Rng> PeerSampling for Sampler<P, O, R> {
    type Peer = P;

    fn view(&self) -> Vec<P> {
        self.view.iter().map(|d| d.peer.clone()).collect()
    }

    fn view_len(&self) -> usize {
        self.view.len()
    }

    fn select_peer(&mut self, selection: Selection) -> Option<P> {
        if selection == Selection::Uniform
            && let Some(sample) = self.next_sample()
        {
            return Some(sample);
        }
        let sampler = self.notes.sampler();
        sampler.select(&self.view, selection, &mut self.rng)
    }

    fn broadcast(&mut self, mut send: impl FnMut(P)) -> usize {
        self.notes.sampler().mark_all(&self.view);
        for descriptor in &self.view {
            send(descriptor.peer.clone());
        }
        self.view.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::{
        gossip::in_flight::MAX_IN_FLIGHT,
        sampling::{
            overlay::random::Random,
            sampler::config::{Diversity, Propagation},
        },
    };

    type Node = Sampler<u32, Random, StdRng>;

    const ROUND: Duration = Duration::from_secs(10);

    fn node(id: u32, config: Config) -> Node {
        let overlay = Random::for_view_size(config.view_size());
        let rng = StdRng::seed_from_u64(u64::from(id));
        let mut node = Sampler::new(id, config, overlay, rng).expect("valid settings");
        node.set_local(Some(id));
        node
    }

    fn config() -> Config {
        Config::default().with_view_size(10)
    }

    /// A node that knows 1..=10, at ages 10..=1.
    fn full_node(config: Config) -> Node {
        let mut node = node(0, config);
        for peer in 1..=10 {
            node.init([peer]);
            node.view.increase_age();
        }
        node
    }

    fn empty() -> Response<u32> {
        Response {
            descriptors: Vec::new(),
        }
    }

    #[test]
    fn an_exchange_teaches_both_sides_of_each_other() {
        let (mut a, mut b) = (node(1, config()), node(2, config()));
        let exchange = a.exchange_with(2, Time::ZERO).expect("free");
        assert_eq!(exchange.request.descriptors, [Descriptor::fresh(1)]);
        let response = b.handle_request(&1, exchange.request, Time::new(ROUND));
        assert_eq!(response.descriptors, [Descriptor::fresh(2)]);
        assert_eq!(a.handle_response(exchange.id, response, Time::ZERO), Ok(2));
        assert_eq!(a.view().as_slice(), [Descriptor { peer: 2, age: 1 }]);
        assert_eq!(b.view().as_slice(), [Descriptor { peer: 1, age: 1 }]);
    }

    #[test]
    fn push_sends_and_pull_asks() {
        let push = config().with_propagation(Propagation::Push);
        let pull = config().with_propagation(Propagation::Pull);

        let (mut a, mut b) = (full_node(push), node(20, config()));
        let exchange = a.poll_round(Time::ZERO).expect("due");
        assert_eq!(exchange.request.descriptors.len(), 5);
        let response = b.handle_request(&0, exchange.request, Time::new(ROUND));
        assert_eq!(response, empty());
        assert_eq!(b.view().len(), 5);
        let unasked = Response {
            descriptors: vec![Descriptor::fresh(99)],
        };
        a.handle_response(exchange.id, unasked, Time::new(ROUND))
            .expect("in flight");
        assert!(!a.view().contains(&99), "an answer nobody asked for");

        let mut a = full_node(pull);
        let exchange = a.poll_round(Time::ZERO).expect("due");
        assert!(exchange.request.descriptors.is_empty());
        let response = b.handle_request(&0, exchange.request, Time::new(ROUND));
        assert_eq!(response.descriptors[0], Descriptor::fresh(20));
        a.handle_response(exchange.id, response, Time::new(ROUND))
            .expect("in flight");
        assert!(a.view().contains(&20));
    }

    #[test]
    fn a_node_that_does_not_advertise_takes_part_unseen() {
        let (mut a, mut b) = (node(1, config()), node(2, config()));
        a.set_local(None);
        let exchange = a.exchange_with(2, Time::ZERO).expect("free");
        let response = b.handle_request(&1, exchange.request, Time::new(ROUND));
        a.handle_response(exchange.id, response, Time::ZERO)
            .expect("in flight");
        assert!(a.view().contains(&2));
        assert!(b.view().is_empty());
    }

    #[test]
    fn descriptors_of_oneself_are_dropped() {
        let mut a = node(1, config());
        a.init([1]);
        let request = Request {
            descriptors: vec![Descriptor::fresh(1), Descriptor::fresh(3)],
            pull: false,
            room: usize::MAX,
        };
        a.handle_request(&3, request, Time::new(ROUND));
        assert_eq!(a.view().len(), 1);
        assert!(!a.view().contains(&1));
    }

    /// Inbound exchanges permute the view while an own exchange is in flight; what goes is still
    /// what that exchange sent.
    #[test]
    fn the_swapper_remembers_what_each_exchange_sent() {
        let rng = StdRng::seed_from_u64(9);
        let mut a = Node::new(0, config(), Random::swapper(10), rng).expect("valid settings");
        a.init(1..=10);
        let exchange = a.poll_round(Time::ZERO).expect("due");
        let sent: Vec<u32> = exchange
            .request
            .descriptors
            .iter()
            .map(|d| d.peer)
            .collect();
        assert_eq!(sent.len(), 4);
        for _ in 0..5 {
            let pull = Request {
                descriptors: Vec::new(),
                pull: true,
                room: usize::MAX,
            };
            a.handle_request(&99, pull, Time::new(ROUND));
        }
        let response = Response {
            descriptors: (20..24).map(Descriptor::fresh).collect(),
        };
        a.handle_response(exchange.id, response, Time::new(ROUND))
            .expect("in flight");
        assert_eq!(a.view().len(), 10);
        assert!(sent.iter().all(|id| !a.view().contains(id)), "{a:?}");
    }

    #[test]
    fn partners_are_chosen_by_age_or_at_random() {
        let choose = |selection| {
            let mut a = full_node(config().with_selection(selection));
            a.poll_round(Time::ZERO).map(|e| e.partner)
        };
        assert_eq!(choose(PartnerSelection::Tail), Some(1));
        assert_eq!(choose(PartnerSelection::Head), Some(10));

        let mut counts = [0u32; 10];
        for seed in 0..10_000 {
            let config = config().with_selection(PartnerSelection::Rand);
            let rng = StdRng::seed_from_u64(seed);
            let mut a = Node::new(0, config, Random::blind(), rng).expect("valid settings");
            a.init(1..=10);
            let partner = a.poll_round(Time::ZERO).expect("due").partner;
            counts[partner as usize - 1] += 1;
        }
        // 1,000 expected, standard deviation 30.
        assert!(
            counts.iter().all(|n| (850..1_150).contains(n)),
            "{counts:?}"
        );
    }

    #[test]
    fn a_round_makes_fanout_exchanges_with_different_partners() {
        let mut a = full_node(config().with_fanout(3));
        let partners: Vec<u32> = std::iter::from_fn(|| a.poll_round(Time::new(ROUND)))
            .map(|e| e.partner)
            .collect();
        assert_eq!(partners, [1, 2, 3]);
        assert!(
            a.poll_round(Time::new(2 * ROUND - Duration::from_nanos(1)))
                .is_none()
        );
        assert!(a.poll_round(Time::new(2 * ROUND)).is_some());
    }

    #[test]
    fn the_unreachable_leave_at_once_and_others_are_tried() {
        let mut a = full_node(config().with_retries(2));
        let mut tried = Vec::new();
        while let Some(exchange) = a.poll_round(Time::new(ROUND)) {
            tried.push(exchange.partner);
            let failed = a.handle_failure(exchange.id, Failure::Unreachable, Time::new(ROUND));
            assert!(failed.expect("in flight").removed);
        }
        assert_eq!(tried, [1, 2, 3]);
        assert_eq!(a.view().len(), 7);
    }

    #[test]
    fn the_broken_leave_only_when_it_happens_twice_in_a_row() {
        let mut a = full_node(config().with_retries(0));
        let fail = |a: &mut Node, round: u32| {
            let exchange = a.exchange_with(1, Time::new(round * ROUND)).expect("free");
            let failed = a.handle_failure(exchange.id, Failure::Broken, Time::new(ROUND));
            failed.expect("in flight").removed
        };
        assert!(!fail(&mut a, 1));
        let exchange = a.exchange_with(1, Time::new(ROUND)).expect("free");
        a.handle_response(exchange.id, empty(), Time::new(ROUND))
            .expect("in flight");
        assert!(!fail(&mut a, 2));
        assert!(fail(&mut a, 3));
        assert!(!a.view().contains(&1));
    }

    /// A peer that this node itself refuses to dial, for a block list, is the oldest for ever.
    #[test]
    fn our_own_refusal_blames_nobody_and_blocks_nobody_else() {
        let mut a = full_node(config());
        for round in 1..=5 {
            let exchange = a.poll_round(Time::new(round * ROUND)).expect("due");
            let mut partner = exchange.partner;
            if partner == 1 {
                assert_eq!(round, 1, "passed over once it was refused");
                let failed = a.handle_failure(exchange.id, Failure::Refused, Time::new(ROUND));
                assert!(!failed.expect("in flight").removed);
                let other = a
                    .poll_round(Time::new(round * ROUND))
                    .expect("another in its place");
                partner = other.partner;
                a.handle_response(other.id, empty(), Time::new(round * ROUND))
                    .expect("in flight");
            } else {
                a.handle_response(exchange.id, empty(), Time::new(round * ROUND))
                    .expect("in flight");
            }
            assert_ne!(partner, 1);
        }
        assert_eq!(a.view().len(), 10);
    }

    #[test]
    fn whom_we_refuse_is_tried_again_when_there_is_nobody_else() {
        let mut a = node(0, config());
        a.init([1]);
        for round in 1..=3 {
            let exchange = a.poll_round(Time::new(round * ROUND)).expect("due");
            assert_eq!(exchange.partner, 1);
            a.handle_failure(exchange.id, Failure::Refused, Time::new(ROUND))
                .expect("in flight");
            assert!(a.poll_round(Time::new(round * ROUND)).is_none());
        }
    }

    #[test]
    fn an_exchange_that_is_refused_is_made_with_another_within_the_same_round() {
        let mut a = full_node(config());
        let refused = a.poll_round(Time::new(ROUND)).expect("due");
        let itself = a.exchange_instead(refused.id, refused.partner, Time::new(ROUND));
        assert_eq!((itself, a.in_flight()), (None, 1));
        assert_eq!(
            a.exchange_instead(refused.id, 0, Time::new(ROUND)),
            None,
            "ourselves"
        );
        // Not in the view: a neighbour.
        let other = a
            .exchange_instead(refused.id, 99, Time::new(ROUND))
            .expect("free");
        assert_eq!((other.partner, a.in_flight()), (99, 1));
        assert!(
            a.poll_round(Time::new(ROUND)).is_none(),
            "the round tries nobody else"
        );
        assert_eq!(
            a.exchange_instead(refused.id, 98, Time::new(ROUND)),
            None,
            "over"
        );
        let seed = a.exchange_with(97, Time::new(ROUND)).expect("free");
        assert_eq!(
            a.exchange_instead(seed.id, 98, Time::new(ROUND)),
            None,
            "of no round"
        );
        // Unless that fails as well.
        a.handle_failure(other.id, Failure::Broken, Time::new(ROUND))
            .expect("in flight");
        let third = a.poll_round(Time::new(ROUND)).expect("in its place");
        assert_ne!(third.partner, refused.partner);
        assert!(a.view().contains(&refused.partner));
    }

    #[test]
    fn who_was_refused_for_longest_has_another_chance_first() {
        let mut a = node(0, config().with_retries(0));
        a.init([1, 2, 3]);
        for partner in [2, 1] {
            let exchange = a.exchange_with(partner, Time::new(ROUND)).expect("free");
            a.handle_failure(exchange.id, Failure::Refused, Time::new(ROUND))
                .expect("in flight");
        }
        a.reconsider();
        let _with_3 = a.exchange_with(3, Time::new(ROUND)).expect("free");
        assert_eq!(a.poll_round(Time::new(ROUND)).expect("due").partner, 2);
    }

    #[test]
    fn an_inbound_exchange_clears_a_suspect() {
        let mut a = full_node(config().with_retries(0));
        for _ in 0..2 {
            let exchange = a.exchange_with(1, Time::new(ROUND)).expect("free");
            let failed = a.handle_failure(exchange.id, Failure::Broken, Time::new(ROUND));
            assert!(!failed.expect("in flight").removed);
            let ping = Request {
                descriptors: Vec::new(),
                pull: true,
                room: usize::MAX,
            };
            a.handle_request(&1, ping, Time::new(ROUND));
        }
    }

    #[test]
    fn a_failure_of_an_earlier_round_is_not_made_up_for_in_a_later_one() {
        let mut a = full_node(config());
        let first = a.poll_round(Time::new(ROUND)).expect("due");
        let _second = a.poll_round(Time::new(2 * ROUND)).expect("due");
        a.handle_failure(first.id, Failure::Broken, Time::new(ROUND))
            .expect("in flight");
        assert!(a.poll_round(Time::new(2 * ROUND)).is_none());
    }

    #[test]
    fn silence_times_out_and_late_answers_are_refused() {
        let mut a = full_node(config());
        let exchange = a.poll_round(Time::ZERO).expect("due");
        assert_eq!(a.next_wake(), Some(Time::new(ROUND)));
        assert_eq!(
            a.poll_timeout(Time::new(ROUND - Duration::from_nanos(1))),
            None
        );
        let failed = a.poll_timeout(Time::new(ROUND)).expect("over");
        assert_eq!((failed.id, failed.partner), (exchange.id, exchange.partner));
        let view = a.view().clone();
        assert_eq!(
            a.handle_response(exchange.id, empty(), Time::new(ROUND)),
            Err(UnknownExchange)
        );
        assert_eq!(
            a.handle_failure(exchange.id, Failure::Broken, Time::new(ROUND)),
            Err(UnknownExchange)
        );
        assert_eq!(*a.view(), view);
    }

    #[test]
    fn one_exchange_at_a_time_with_each_peer_and_none_with_oneself() {
        let mut a = full_node(config());
        let _first = a.exchange_with(1, Time::new(ROUND)).expect("free");
        assert!(a.exchange_with(1, Time::new(ROUND)).is_none());
        assert!(a.exchange_with(0, Time::new(ROUND)).is_none());
        let others = 100..100 + MAX_IN_FLIGHT as u32;
        let started = others
            .filter_map(|id| a.exchange_with(id, Time::new(ROUND)))
            .count();
        assert_eq!(started, MAX_IN_FLIGHT - 1);
    }

    #[test]
    fn rounds_follow_each_other_until_the_view_is_full() {
        let mut a = node(0, config());
        let eager = a.config().eager_delay();
        a.init([1]);
        let mut now = Time::ZERO;
        for newcomer in 2..=10 {
            let exchange = a.poll_round(now).expect("due");
            let response = Response {
                descriptors: vec![Descriptor::fresh(newcomer)],
            };
            a.handle_response(exchange.id, response, now)
                .expect("in flight");
            assert!(a.poll_round(now).is_none());
            now = a.next_wake().expect("a round");
        }
        assert_eq!(now, Time::new(8 * eager + ROUND));
    }

    #[test]
    fn eager_rounds_fade_out_where_nobody_new_is_to_be_found() {
        let mut a = node(0, config());
        a.init([1]);
        let mut now = Time::ZERO;
        let mut rounds = 0;
        while now < Time::new(20 * ROUND) {
            let exchange = a.poll_round(now).expect("due");
            a.handle_response(exchange.id, empty(), now)
                .expect("in flight");
            now = a.next_wake().expect("a round");
            rounds += 1;
        }
        assert!((20..30).contains(&rounds), "{rounds}");
    }

    #[test]
    fn haste_brings_rounds_forward_and_tires() {
        let mut a = full_node(config());
        let mut now = ROUND;
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let exchange = a.poll_round(Time::new(now)).expect("due");
            a.handle_response(exchange.id, empty(), Time::new(now))
                .expect("in flight");
            a.hasten(Time::new(now));
            let next = a.next_wake().expect("a round");
            pauses.push((next - Time::new(now)).as_millis());
            now = next.since_zero();
        }
        // And after a whole period without, it starts anew.
        let tired = [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 100, 200];
        assert_eq!(pauses, tired);
    }

    #[test]
    fn the_service_hands_out_newcomers_first() {
        let mut a = full_node(config());
        let mut all: Vec<u32> = (0..10)
            .filter_map(|_| a.select_peer(Selection::Uniform))
            .collect();
        all.sort_unstable();
        assert_eq!(all, (1..=10).collect::<Vec<_>>());
        a.remove(&4);
        a.init([44]);
        assert_eq!(a.select_peer(Selection::Uniform), Some(44));

        let mut sent = Vec::new();
        assert_eq!(a.broadcast(|peer| sent.push(peer)), 10);
        assert_eq!(sent, PeerSampling::view(&a));
        assert_eq!(a.view_len(), 10);
    }

    #[test]
    fn settings_out_of_bounds_are_refused() {
        let make = |config, overlay| {
            Sampler::<u32, _, _>::new(0, config, overlay, StdRng::seed_from_u64(0)).err()
        };
        assert!(matches!(
            make(config().with_fanout(0), Random::blind()),
            Some(ConfigError::OutOfBounds {
                setting: "fanout",
                ..
            })
        ));
        assert!(matches!(
            make(config(), Random::new(3, 3)),
            Some(ConfigError::Overlay(_))
        ));
    }

    /// Nobody is left: it may be this node that was cut off, so all may come back.
    #[test]
    fn who_is_left_with_nobody_forgives_all() {
        let quarantine = Some((ROUND, 10 * ROUND));
        let mut a = node(0, config().with_quarantine(quarantine).with_retries(5));
        a.init([1, 2]);
        let tell = |a: &mut Node, peers: &[u32]| {
            let request = Request {
                descriptors: peers.iter().copied().map(Descriptor::fresh).collect(),
                pull: false,
                room: usize::MAX,
            };
            a.handle_request(&99, request, Time::new(ROUND));
        };
        let fail = |a: &mut Node| {
            let exchange = a.poll_round(Time::new(ROUND)).expect("due");
            a.handle_failure(exchange.id, Failure::Unreachable, Time::new(ROUND))
                .expect("in flight");
            exchange.partner
        };
        let first = fail(&mut a);
        tell(&mut a, &[first]);
        assert!(!a.view().contains(&first), "in quarantine");
        fail(&mut a);
        assert!(a.view().is_empty());
        tell(&mut a, &[first]);
        assert!(a.view().contains(&first), "forgiven");
    }

    /// Whoever comes and says goodbye again and again uses up what may enter in a round; but without anybody
    /// there would be no next round.
    #[test]
    fn who_is_left_with_nobody_lets_the_next_in_at_once() {
        let diversity = Diversity {
            per_source: 10,
            per_prefix: 10,
            per_round: 2,
        };
        let quarantine = Some((ROUND, ROUND));
        let config = config().with_diversity(Some(diversity));
        let mut a = node(0, config.with_quarantine(quarantine));
        a.init([8]);
        let exchange = a.poll_round(Time::new(ROUND)).expect("due");
        let tell = |a: &mut Node, peer: u32| {
            let request = Request {
                descriptors: vec![Descriptor::fresh(peer)],
                pull: false,
                room: usize::MAX,
            };
            a.handle_request(&peer, request, Time::new(ROUND));
        };
        tell(&mut a, 1);
        a.handle_failure(exchange.id, Failure::Unreachable, Time::new(ROUND))
            .expect("in flight");
        assert!(a.view().contains(&1) && a.view().len() == 1);
        for visitor in 2..10 {
            a.remove(&(visitor - 1));
            assert!(a.view().is_empty());
            tell(&mut a, visitor);
            assert!(a.view().contains(&visitor), "8 too, that has failed");
        }
    }

    /// What is sent is what fits, and what was sent is what the swapper takes out.
    #[test]
    fn answers_keep_to_the_room_there_is() {
        #[derive(Debug, Clone, PartialEq)]
        struct Heavy(u32);
        impl Peer for Heavy {
            type Id = u32;

            fn id(&self) -> &u32 {
                &self.0
            }

            fn size(&self) -> usize {
                100
            }
        }
        let rng = StdRng::seed_from_u64(1);
        let overlay = Random::swapper(10);
        let mut a = Sampler::new(0, config(), overlay, rng).expect("valid settings");
        a.set_local(Some(Heavy(0)));
        a.init((1..=10).map(Heavy));
        for (room, count) in [(0, 0), (99, 0), (100, 1), (399, 3), (usize::MAX, 5)] {
            let request = Request {
                descriptors: Vec::new(),
                pull: true,
                room,
            };
            let answer = a.handle_request(&99, request, Time::new(ROUND));
            assert_eq!(answer.descriptors.len(), count, "room for {room} bytes");
        }
    }
}
