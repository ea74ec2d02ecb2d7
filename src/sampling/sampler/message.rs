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
    /// Never travels: the receiver sets it, by what it has received, and the caller that carries
    /// the request there may set it to ask for as much. `usize::MAX` where nobody counts.
    pub room: usize,
}

/// The second and last message of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response<P> {
    /// The answering node's buffer, taken before it merged the request. Empty when the request did
    /// not pull: then the response only says that the request has arrived.
    pub descriptors: Vec<Descriptor<P>>,
}
