//! The skeleton of a gossip protocol: what one node does, without I/O.
//!
//! A gossip protocol is two threads (Jelasity, Voulgaris, Guerraoui, Kermarrec, van Steen,
//! *Gossip-based peer sampling*, ACM TOCS 25(3), 2007, Figure 1). Once per period the active one
//! chooses a partner and sends it something. The passive one answers. [`Protocol`] is both, as a
//! state machine: the time is an argument, partners come from [`Peers`], messages go in and out of
//! its methods. The peer sampling [`Sampler`](crate::sampler::Sampler) is one, and so is each
//! protocol that rides on it.
//!
//! For other protocols there are three components here, each a value that the protocol owns.
//! [`Rounds`](rounds::Rounds) is the clock of the active thread, [`InFlight`](in_flight::InFlight)
//! holds the exchanges that wait for an answer, and [`Partners`](partners::Partners) says where
//! partners come from.

pub mod in_flight;
pub mod partners;
pub mod rounds;

use std::{fmt, hash::Hash};

use crate::time::{Time, Wake};

/// One node's side of a gossip protocol: the active and the passive thread, without I/O.
///
/// # Contract
///
/// Time never goes backwards, and nothing happens by itself when it advances. Whenever
/// [`next_wake`](Self::next_wake) is reached, and after every other input, the caller calls
/// [`poll_expired`](Self::poll_expired), [`poll_exchange`](Self::poll_exchange) and
/// [`poll_event`](Self::poll_event), in this order, each until it returns `None`. It carries each
/// exchange out, and reports how it ended.
///
/// No method blocks, or panics on anything that comes from the network, or keeps an amount of
/// memory that others decide.
pub trait Protocol {
    /// What tells two peers apart.
    type Id: Clone + Eq + Hash + fmt::Debug;
    /// What the active thread sends.
    type Request;
    /// What the passive thread answers.
    type Response;
    /// What the application is told.
    type Event;

    /// The active thread: the next exchange that is due. To be called until `None`.
    fn poll_exchange(
        &mut self,
        peers: &mut impl Peers<Self::Id>,
        now: Time,
    ) -> Option<Exchange<Self::Id, Self::Request>>;

    /// The passive thread: answers a request. `None` refuses it: the peer is told nothing.
    fn handle_request(
        &mut self,
        from: &Self::Id,
        request: Self::Request,
        now: Time,
    ) -> Option<Self::Response>;

    /// How an exchange that [`poll_exchange`](Self::poll_exchange) returned has ended. An outcome
    /// that comes too late, or twice, changes nothing.
    fn handle_outcome(
        &mut self,
        id: ExchangeId,
        outcome: Result<Self::Response, Failure>,
        now: Time,
    );

    /// Gives up an exchange whose time is over, and returns which: the caller forgets it, and need
    /// not go on with it. To be called until `None`, before [`poll_exchange`](Self::poll_exchange).
    /// The default is for protocols in which an exchange ends only by an outcome.
    fn poll_expired(&mut self, now: Time) -> Option<ExchangeId> {
        let _ = now;
        None
    }

    /// A peer has become a neighbour, which both ends keep connected, or is none any more. The
    /// default ignores it.
    fn handle_neighbour(&mut self, peer: &Self::Id, up: bool, now: Time) {
        let _ = (peer, up, now);
    }

    /// The node has too much to do, or no longer. A protocol that has rounds gives `restraint` to
    /// [`Rounds::restrain`](rounds::Rounds::restrain). Told before every
    /// [`poll_exchange`](Self::poll_exchange).
    fn restrain(&mut self, restraint: Option<f64>, now: Time) {
        let _ = (restraint, now);
    }

    /// The next thing that the application is to be told. To be called until `None`.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// When there is something to do next, without any other input; `None`: never.
    fn next_wake(&self) -> Option<Wake>;
}

/// Where a protocol's partners come from.
pub trait Peers<I> {
    /// A peer that the sampling service hands out: uniform, without replacement as long as
    /// possible. To contact it may cost a dial. `None` when nobody is known.
    fn select_peer(&mut self) -> Option<I>;

    /// The neighbours: peers that are kept connected, so that an exchange with them costs no dial.
    fn neighbours(&self) -> &[I];

    /// The partner of an exchange that the sampler has just made, each once. Its connection is
    /// still open, so that an exchange with it costs no dial, and it is another peer in each round.
    /// `None` when all were returned already.
    fn next_exchanged(&mut self) -> Option<I>;
}

/// No peers at all: for a protocol that knows its partners itself, as the sampler does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Nobody;

impl<I> Peers<I> for Nobody {
    fn select_peer(&mut self) -> Option<I> {
        None
    }

    fn neighbours(&self) -> &[I] {
        &[]
    }

    fn next_exchanged(&mut self) -> Option<I> {
        None
    }
}

/// Tells apart the exchanges that one [`Protocol`] of a node has started. Never used twice by the
/// same one; never travels. [`InFlight`](in_flight::InFlight) hands them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExchangeId(pub(crate) u64);

impl ExchangeId {
    /// The id of a protocol's exchange with this number, for a protocol that counts its exchanges
    /// itself.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

/// An exchange to carry out: the caller brings `request` to `partner`, and what comes of it back to
/// [`Protocol::handle_outcome`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an exchange that is not carried out blocks its partner until it times out"]
pub struct Exchange<I, Q> {
    /// To be given back with the outcome.
    pub id: ExchangeId,
    /// The peer to send the request to.
    pub partner: I,
    /// What to send.
    pub request: Q,
}

/// Why an exchange came to nothing, as far as a protocol needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The partner cannot be reached: every address failed.
    Unreachable,
    /// The partner does not speak the protocol.
    Unsupported,
    /// The exchange began and broke: connection lost, timeout, a message that breaks the rules.
    /// Under load that happens to live peers.
    Broken,
    /// This node itself would not carry the exchange out, or the partner has no room or no time for
    /// it. Connection limits, a block list, or a request that it does not serve, for example. Says
    /// nothing about whether the partner lives.
    Refused,
}
