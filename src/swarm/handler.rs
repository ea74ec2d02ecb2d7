//! One connection: bounded substreams, one per exchange, each with a time limit.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_bounded::{Delay, FuturesMap, FuturesSet, Timeout};
use libp2p_core::upgrade::ReadyUpgrade;
use libp2p_swarm::{
    ConnectionHandler, ConnectionHandlerEvent, Stream, StreamProtocol, StreamUpgradeError,
    SubstreamProtocol,
    handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
};
use thiserror::Error;

use crate::swarm::{
    generated as pb,
    record::Verifier,
    wire::{MessageError, Reply, Request, Response, receive_request, send_request},
};

/// The most substreams that one peer may have open towards us on one connection. One is enough for
/// a peer that keeps to the protocol; the others are for its time-outs. A guess.
const MAX_INBOUND: usize = 4;
/// The most substreams that we open on one connection: an exchange, and notices beside it. A guess.
const MAX_OUTBOUND: usize = 4;

type HandlerEvent = ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, (), ToBehaviour>;
type Received = Result<(Request, Reply<Stream>), MessageError>;

/// Names a request of ours, chosen by the behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutboundId(pub(crate) u64);

/// Names a request of the peer's, until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InboundId(pub(crate) u64);

/// From the behaviour.
#[derive(Debug)]
pub enum Command {
    /// Sends a request.
    Request(OutboundId, Request),
    /// Answers a request.
    Respond(InboundId, Response),
    /// Drops a request unanswered.
    Refuse(InboundId),
    /// Keeps the connection alive, or no longer.
    KeepAlive(bool),
    /// Asks for one [`ToBehaviour::Idle`] when nothing is under way on the connection.
    NotifyIdle,
}

/// To the behaviour.
#[derive(Debug)]
pub enum ToBehaviour {
    /// The peer sent a request; it waits for [`Command::Respond`].
    Request(InboundId, Request),
    /// What became of a request of ours.
    Outcome(OutboundId, Result<Response, OutboundError>),
    /// A request of the peer's came to nothing, or our answer to it did.
    InboundFailed(InboundError),
    /// Another protocol, identify, has learnt that the peer speaks ours.
    Supported,
    /// Nothing is under way on the connection.
    Idle,
}

/// Why an exchange that this node has started came to nothing once there was a connection.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OutboundError {
    /// The peer does not speak the protocol.
    #[error("the peer does not speak the protocol")]
    Unsupported,
    /// The peer did not answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The answer did not arrive, or was refused.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// Too many exchanges under way on this connection already. Caused by this node.
    #[error("too many exchanges under way on this connection")]
    Busy,
}

/// Why an exchange that a peer has started came to nothing. The view was not changed, unless the
/// error says that the answer failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InboundError {
    /// The peer opened a substream and did not send its request in time.
    #[error("no request in time")]
    RequestTimeout,
    /// The peer did not read the answer in time. Its request was merged.
    #[error("the answer was not read in time")]
    ResponseTimeout,
    /// The request did not arrive, or was refused.
    #[error("request: {0}")]
    Request(#[source] MessageError),
    /// The answer could not be sent. The request was merged.
    #[error("answer: {0}")]
    Response(#[source] MessageError),
    /// The peer has too many substreams open on this connection; this one was dropped unread.
    #[error("more than {MAX_INBOUND} substreams open")]
    TooManyStreams,
}

/// The handler of one connection. Made by the behaviour.
pub struct Handler {
    protocol: StreamProtocol,
    verifier: Arc<Verifier>,
    /// How long a substream may take: to be negotiated, and then to be used.
    timeout: Duration,
    /// Requests of ours without a substream yet, in the order in which substreams were asked for.
    waiting: VecDeque<(OutboundId, pb::Request)>,
    /// How many of `waiting` a substream was asked for.
    asked: usize,
    sending: FuturesMap<OutboundId, Result<Response, MessageError>>,
    receiving: FuturesSet<Received>,
    /// Requests that the behaviour has not answered yet.
    unanswered: HashMap<InboundId, Reply<Stream>>,
    answering: FuturesSet<Result<(), MessageError>>,
    next_inbound: u64,
    events: VecDeque<ToBehaviour>,
    keep_alive: bool,
    notify_idle: bool,
    waker: Option<Waker>,
}

impl Handler {
    pub(crate) fn new(
        protocol: StreamProtocol,
        verifier: Arc<Verifier>,
        timeout: Duration,
        keep_alive: bool,
    ) -> Self {
        let delay = move || Delay::futures_timer(timeout);
        Self {
            protocol,
            verifier,
            timeout,
            waiting: VecDeque::new(),
            asked: 0,
            sending: FuturesMap::new(delay, MAX_OUTBOUND),
            receiving: FuturesSet::new(delay, MAX_INBOUND),
            unanswered: HashMap::new(),
            answering: FuturesSet::new(delay, MAX_INBOUND),
            next_inbound: 0,
            events: VecDeque::new(),
            keep_alive,
            notify_idle: false,
            waker: None,
        }
    }

    fn inbound(&self) -> usize {
        self.receiving.len() + self.unanswered.len() + self.answering.len()
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.sending.is_empty() && self.inbound() == 0
    }

    fn outcome(&mut self, id: OutboundId, result: Result<Response, OutboundError>) {
        self.events.push_back(ToBehaviour::Outcome(id, result));
    }

    fn on_outbound(&mut self, stream: Stream) {
        self.asked = self.asked.saturating_sub(1);
        let Some((id, request)) = self.waiting.pop_front() else {
            return; // Given up meanwhile.
        };
        let verifier = self.verifier.clone();
        let exchange = async move { send_request(stream, request, &verifier).await };
        if self.sending.try_push(id, exchange).is_err() {
            self.outcome(id, Err(OutboundError::Busy));
        }
    }

    fn on_inbound(&mut self, stream: Stream) {
        let verifier = self.verifier.clone();
        let receive = async move { receive_request(stream, &verifier).await };
        if self.inbound() >= MAX_INBOUND || self.receiving.try_push(receive).is_err() {
            self.events
                .push_back(ToBehaviour::InboundFailed(InboundError::TooManyStreams));
        }
    }

    fn on_received(&mut self, received: Result<Received, Timeout>) -> ToBehaviour {
        match received {
            Ok(Ok((request, reply))) => {
                let id = InboundId(self.next_inbound);
                self.next_inbound += 1;
                self.unanswered.insert(id, reply);
                ToBehaviour::Request(id, request)
            }
            Ok(Err(error)) => ToBehaviour::InboundFailed(InboundError::Request(error)),
            Err(_) => ToBehaviour::InboundFailed(InboundError::RequestTimeout),
        }
    }

    fn next_event(&mut self, cx: &mut Context<'_>) -> Poll<ToBehaviour> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        if let Poll::Ready((id, result)) = self.sending.poll_unpin(cx) {
            let result = match result {
                Ok(result) => result.map_err(OutboundError::from),
                Err(_) => Err(OutboundError::Timeout),
            };
            return Poll::Ready(ToBehaviour::Outcome(id, result));
        }
        if let Poll::Ready(received) = self.receiving.poll_unpin(cx) {
            return Poll::Ready(self.on_received(received));
        }
        while let Poll::Ready(answered) = self.answering.poll_unpin(cx) {
            let error = match answered {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => InboundError::Response(error),
                Err(_) => InboundError::ResponseTimeout,
            };
            return Poll::Ready(ToBehaviour::InboundFailed(error));
        }
        if self.notify_idle && self.is_idle() {
            self.notify_idle = false;
            return Poll::Ready(ToBehaviour::Idle);
        }
        Poll::Pending
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler")
            .field("protocol", &self.protocol)
            .field("outbound", &(self.waiting.len() + self.sending.len()))
            .field("inbound", &self.inbound())
            .field("keep_alive", &self.keep_alive)
            .finish_non_exhaustive()
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Command;
    type ToBehaviour = ToBehaviour;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(self.protocol.clone()), ())
            .with_timeout(self.timeout)
    }

    fn connection_keep_alive(&self) -> bool {
        self.keep_alive || !self.waiting.is_empty()
    }

    fn on_behaviour_event(&mut self, command: Command) {
        match command {
            Command::Request(id, request) => {
                if self.waiting.len() + self.sending.len() >= MAX_OUTBOUND {
                    self.outcome(id, Err(OutboundError::Busy));
                } else {
                    self.waiting.push_back((id, request.into_protobuf()));
                }
            }
            Command::Respond(id, response) => {
                if let Some(reply) = self.unanswered.remove(&id) {
                    // Cannot fail: every stream here was counted when it came in.
                    let _ = self.answering.try_push(reply.send(response));
                }
            }
            Command::Refuse(id) => _ = self.unanswered.remove(&id),
            Command::KeepAlive(keep_alive) => self.keep_alive = keep_alive,
            Command::NotifyIdle => self.notify_idle = true,
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    #[tracing::instrument(level = "trace", name = "ConnectionHandler::poll", skip(self, cx))]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<HandlerEvent> {
        if let Poll::Ready(event) = self.next_event(cx) {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
        }
        if self.asked < self.waiting.len() {
            self.asked += 1;
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: self.listen_protocol(),
            });
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: stream,
                ..
            }) => self.on_inbound(stream),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                ..
            }) => self.on_outbound(stream),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                self.asked = self.asked.saturating_sub(1);
                // Substreams are alike, so whichever request waits longest takes the failure.
                if let Some((id, _)) = self.waiting.pop_front() {
                    self.outcome(id, Err(upgrade_error(error)));
                }
            }
            ConnectionEvent::RemoteProtocolsChange(change) => {
                use libp2p_swarm::handler::ProtocolsChange::Added;
                if let Added(mut added) = change
                    && added.any(|protocol| *protocol == self.protocol)
                {
                    self.events.push_back(ToBehaviour::Supported);
                }
            }
            _ => {}
        }
    }
}

fn upgrade_error(error: StreamUpgradeError<std::convert::Infallible>) -> OutboundError {
    match error {
        StreamUpgradeError::NegotiationFailed => OutboundError::Unsupported,
        StreamUpgradeError::Timeout => OutboundError::Timeout,
        StreamUpgradeError::Io(error) => OutboundError::Message(MessageError::Stream(error)),
        StreamUpgradeError::Apply(never) => libp2p_core::util::unreachable(never),
    }
}
