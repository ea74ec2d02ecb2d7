//! What two nodes say to each other in one exchange.

use crate::sampling::view::Descriptor;

/// The first message of an exchange, from the node that started it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<P> {
    /// The sender's buffer: itself at age 0, if it advertises itself, then part of its view. Empty
    /// when the sender only pulls.
    pub descriptors: Vec<Descriptor<P>>,
    /// Whether the sender wants a buffer back.
    pub pull: bool,
    /// How many bytes that buffer may take, as [`Peer::size`](crate::peer::Peer::size) counts them.
    /// Never travels: the receiver sets it, by what it has received, and whoever carries the request
    /// there may set it to ask for as much. `usize::MAX` where nobody counts.
    pub room: usize,
}

/// The second and last message of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response<P> {
    /// The answering node's buffer, taken before it merged the request. Empty when the request did
    /// not pull: then the response only says that the request has arrived.
    pub descriptors: Vec<Descriptor<P>>,
}

/// Tells apart the exchanges that one node has started. Never used twice by the same
/// [`Sampler`](crate::sampling::sampler::Sampler); never travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExchangeId(pub(crate) u64);

/// An exchange to carry out: the caller brings `request` to `partner`, and what comes of it back
/// to [`Sampler::handle_response`](crate::sampling::sampler::Sampler::handle_response) or
/// [`Sampler::handle_failure`](crate::sampling::sampler::Sampler::handle_failure).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an exchange that is not carried out blocks its partner until it times out"]
pub struct Exchange<P, I> {
    /// To be given back with the outcome.
    pub id: ExchangeId,
    /// Whom to send the request to.
    pub partner: I,
    /// What to send.
    pub request: Request<P>,
}

/// Why an exchange came to nothing, as far as the overlay needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The partner cannot be reached: every address failed. It leaves the view at once.
    Unreachable,
    /// The partner does not speak the protocol. It leaves the view at once.
    Unsupported,
    /// The exchange began and broke: connection lost, time-out, a message that breaks the rules.
    /// Under load that happens to live peers, so the partner leaves the view only when it happens
    /// twice without an exchange that succeeds in between.
    Broken,
    /// This node itself would not carry the exchange out, or the partner has no room or no time for
    /// it: connection limits, a block list, a request that it does not serve. Says nothing about
    /// whether the partner lives: it stays in the view, and is passed over as long as there are
    /// others, until an exchange with it succeeds or
    /// [`Sampler::reconsider`](crate::sampling::sampler::Sampler::reconsider) gives it another chance.
    Refused,
}
