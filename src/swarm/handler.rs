//! One connection: bounded substreams, one per exchange, each with a time limit.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::{
    future::{Ready, ready},
    stream::{Abortable, Aborted},
};
use futures_bounded::{Delay, FuturesMap, FuturesSet, Timeout};
use libp2p_core::upgrade::{InboundUpgrade, ReadyUpgrade, UpgradeInfo};
use libp2p_identity::PeerId;
use libp2p_swarm::{
    ConnectionHandler, ConnectionHandlerEvent, Stream, StreamProtocol, StreamUpgradeError,
    SubstreamProtocol,
    handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
};
use thiserror::Error;

use crate::swarm::{
    counters::Reason,
    generated as pb,
    limits::MIN_INBOUND_TIMEOUT,
    node::gate::{Pass, Refusal},
    shared::Shared,
    wire::{MessageError, Reply, Request, Response, is_reset, receive_request, send_request},
};

type HandlerEvent = ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, (), ToBehaviour>;
/// `Aborted`: the stream had to give way to others.
type Received = Result<Result<(Request, Reply<Stream>), MessageError>, Aborted>;
type Answered = Result<Result<(), MessageError>, Aborted>;

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
    /// The peer does not speak the protocol of this name.
    #[error(
        "the peer does not speak {0}; a node of another network has another name in place of this \
         one, see Config::with_network"
    )]
    Unsupported(StreamProtocol),
    /// The peer ended or reset the stream before a byte of its answer came. It reads no more
    /// requests than it can bear, of one peer and of all: this says nothing else about it, and the
    /// view is as it was. Other peers come before it from now on.
    #[error("the peer did not serve the request: it reads no more than it can bear")]
    NotServed,
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

impl OutboundError {
    /// Which kind of error it is; of a message's error, the message's.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Unsupported(_) => Reason::Unsupported,
            Self::NotServed => Reason::NotServed,
            Self::Timeout => Reason::NoAnswer,
            Self::Message(error) => error.reason(),
            Self::Busy => Reason::Busy,
        }
    }
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
    /// The peer has too many substreams open on this connection; this one was dropped unread. Told
    /// once a minute for each peer, however many there are; all are
    /// [counted](crate::Behaviour::counters).
    #[error("too many substreams open on this connection")]
    TooManyStreams,
    /// The peer sends too many requests: this one was dropped unread. Told as seldom.
    #[error("too many requests from this peer")]
    TooManyRequests,
    /// All peers together send too many requests, or have too many substreams open: this one, which
    /// was perhaps an honest peer's, was dropped unread, or had been open for longest. If the request
    /// was read already, it was merged. Told as seldom.
    #[error("too many requests from all peers together")]
    Overloaded,
}

impl InboundError {
    /// Which kind of error it is; of a message's error, the message's.
    pub fn reason(&self) -> Reason {
        match self {
            Self::RequestTimeout => Reason::RequestTimeout,
            Self::ResponseTimeout => Reason::ResponseTimeout,
            Self::Request(error) | Self::Response(error) => error.reason(),
            Self::TooManyStreams => Reason::TooManyStreams,
            Self::TooManyRequests => Reason::TooManyRequests,
            Self::Overloaded => Reason::Overloaded,
        }
    }
}

impl From<Refusal> for InboundError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooManyStreams => Self::TooManyStreams,
            Refusal::TooManyRequests => Self::TooManyRequests,
            Refusal::Overloaded => Self::Overloaded,
        }
    }
}

/// What is spoken on the streams that a peer opens: the protocol; nothing, once this node has left.
/// To its partners it is a peer that does not speak the protocol then, which they forget. A stream
/// that is reset would say nothing about it, and they would ask again and again.
#[derive(Debug)]
pub struct Listen(Option<StreamProtocol>);

impl UpgradeInfo for Listen {
    type Info = StreamProtocol;
    type InfoIter = std::option::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl<C> InboundUpgrade<C> for Listen {
    type Output = C;
    type Error = Infallible;
    type Future = Ready<Result<C, Infallible>>;

    fn upgrade_inbound(self, stream: C, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

/// The handler of one connection. Made by the behaviour.
pub struct Handler {
    protocol: StreamProtocol,
    shared: Arc<Shared>,
    peer: PeerId,
    /// How long a substream of this node's may take: to be negotiated, and then to be used.
    timeout: Duration,
    /// How long one of the peer's may take: to be negotiated, to bring the request, to take the
    /// answer.
    inbound_timeout: Duration,
    /// Requests of ours without a substream yet, in the order in which substreams were asked for.
    waiting: VecDeque<(OutboundId, pb::Request)>,
    /// How many of `waiting` a substream was asked for.
    asked: usize,
    /// `None`: the peer ended the stream before it answered.
    sending: FuturesMap<OutboundId, Result<Option<Response>, MessageError>>,
    /// Each pass stays with the stream it is for, until that is closed.
    receiving: FuturesSet<(Received, Pass)>,
    /// Requests that the behaviour has not answered yet.
    unanswered: HashMap<InboundId, (Reply<Stream>, Pass)>,
    answering: FuturesSet<Answered>,
    next_inbound: u64,
    events: VecDeque<ToBehaviour>,
    keep_alive: bool,
    notify_idle: bool,
    waker: Option<Waker>,
}

impl Handler {
    pub(crate) fn new(
        protocol: StreamProtocol,
        shared: Arc<Shared>,
        peer: PeerId,
        timeout: Duration,
        keep_alive: bool,
    ) -> Self {
        let inbound_timeout = timeout.max(MIN_INBOUND_TIMEOUT);
        let delay = move || Delay::futures_timer(timeout);
        let inbound_delay = move || Delay::futures_timer(inbound_timeout);
        let inbound = shared.limits.inbound_streams;
        Self {
            protocol,
            peer,
            timeout,
            inbound_timeout,
            waiting: VecDeque::new(),
            asked: 0,
            sending: FuturesMap::new(delay, shared.limits.outbound_streams),
            receiving: FuturesSet::new(inbound_delay, inbound),
            unanswered: HashMap::new(),
            answering: FuturesSet::new(inbound_delay, inbound),
            shared,
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

    fn outcome(&self, id: OutboundId, result: Result<Response, OutboundError>) -> ToBehaviour {
        if let Err(error) = &result {
            tracing::debug!(peer = %self.peer, %error, "Request failed");
            self.shared.tally.refuse(error.reason());
        }
        ToBehaviour::Outcome(id, result)
    }

    fn outbound_failed(&mut self, id: OutboundId, error: OutboundError) {
        let event = self.outcome(id, Err(error));
        self.events.push_back(event);
    }

    fn inbound_failed(&self, error: InboundError) -> ToBehaviour {
        self.shared.tally.refuse(error.reason());
        ToBehaviour::InboundFailed(error)
    }

    /// A stream of the peer's was dropped. That may happen very often: `None` when the behaviour was
    /// told not long ago.
    fn refused(&self, refusal: Refusal) -> Option<ToBehaviour> {
        let event = self.inbound_failed(refusal.into());
        let news = self
            .shared
            .gate
            .is_news(self.peer, refusal, self.shared.now());
        if !news {
            tracing::debug!(peer = %self.peer, ?refusal, "Inbound stream refused again");
        }
        news.then_some(event)
    }

    fn on_outbound(&mut self, stream: Stream) {
        self.asked = self.asked.saturating_sub(1);
        let Some((id, request)) = self.waiting.pop_front() else {
            return; // Given up meanwhile.
        };
        let shared = self.shared.clone();
        let exchange = async move { send_request(stream, request, &shared).await };
        if self.sending.try_push(id, exchange).is_err() {
            self.outbound_failed(id, OutboundError::Busy);
        }
    }

    fn on_inbound(&mut self, stream: Stream) {
        if let Err(refusal) = self.admit(stream) {
            let event = self.refused(refusal);
            self.events.extend(event);
        }
    }

    fn admit(&mut self, stream: Stream) -> Result<(), Refusal> {
        if self.inbound() >= self.shared.limits.inbound_streams {
            return Err(Refusal::TooManyStreams);
        }
        let now = self.shared.now();
        let pass = self.shared.gate.admit(self.peer, self.keep_alive, now)?;
        let shared = self.shared.clone();
        let receive = async move {
            let receive = receive_request(stream, &shared);
            let received = Abortable::new(receive, pass.registration()).await;
            (received, pass)
        };
        self.receiving
            .try_push(receive)
            .map_err(|_| Refusal::TooManyStreams)
    }

    fn on_received(&mut self, received: Result<(Received, Pass), Timeout>) -> Option<ToBehaviour> {
        match received {
            Ok((Ok(Ok((request, reply))), pass)) => {
                let id = InboundId(self.next_inbound);
                self.next_inbound += 1;
                self.unanswered.insert(id, (reply, pass));
                Some(ToBehaviour::Request(id, request))
            }
            Ok((Ok(Err(error)), _)) => Some(self.inbound_failed(InboundError::Request(error))),
            Ok((Err(Aborted), _)) => self.refused(Refusal::Overloaded),
            Err(_) => Some(self.inbound_failed(InboundError::RequestTimeout)),
        }
    }

    fn on_answered(&self, answered: Result<Answered, Timeout>) -> Option<ToBehaviour> {
        match answered {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some(self.inbound_failed(InboundError::Response(error))),
            Ok(Err(Aborted)) => self.refused(Refusal::Overloaded),
            Err(_) => Some(self.inbound_failed(InboundError::ResponseTimeout)),
        }
    }

    fn upgrade_error(&self, error: StreamUpgradeError<Infallible>) -> OutboundError {
        match error {
            StreamUpgradeError::NegotiationFailed => {
                OutboundError::Unsupported(self.protocol.clone())
            }
            StreamUpgradeError::Timeout => OutboundError::Timeout,
            StreamUpgradeError::Io(error) if is_reset(&error) => OutboundError::NotServed,
            StreamUpgradeError::Io(error) => OutboundError::Message(MessageError::Stream(error)),
            StreamUpgradeError::Apply(never) => libp2p_core::util::unreachable(never),
        }
    }

    fn next_event(&mut self, cx: &mut Context<'_>) -> Poll<ToBehaviour> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        if let Poll::Ready((id, result)) = self.sending.poll_unpin(cx) {
            let result = match result {
                Ok(Ok(answer)) => answer.ok_or(OutboundError::NotServed),
                Ok(Err(error)) => Err(error.into()),
                Err(_) => Err(OutboundError::Timeout),
            };
            return Poll::Ready(self.outcome(id, result));
        }
        while let Poll::Ready(received) = self.receiving.poll_unpin(cx) {
            if let Some(event) = self.on_received(received) {
                return Poll::Ready(event);
            }
        }
        while let Poll::Ready(answered) = self.answering.poll_unpin(cx) {
            if let Some(event) = self.on_answered(answered) {
                return Poll::Ready(event);
            }
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
    type InboundProtocol = Listen;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        let serves = !self.shared.has_left();
        let protocol = serves.then(|| self.protocol.clone());
        SubstreamProtocol::new(Listen(protocol), ()).with_timeout(self.inbound_timeout)
    }

    fn connection_keep_alive(&self) -> bool {
        self.keep_alive || !self.waiting.is_empty()
    }

    fn on_behaviour_event(&mut self, command: Command) {
        match command {
            Command::Request(id, request) => {
                let under_way = self.waiting.len() + self.sending.len();
                if under_way >= self.shared.limits.outbound_streams {
                    self.outbound_failed(id, OutboundError::Busy);
                } else {
                    self.waiting.push_back((id, request.into_protobuf()));
                }
            }
            Command::Respond(id, response) => {
                if let Some((reply, pass)) = self.unanswered.remove(&id) {
                    let answer = async move {
                        Abortable::new(reply.send(response), pass.registration()).await
                    };
                    // Cannot fail: every stream here was counted when it came in.
                    let _ = self.answering.try_push(answer);
                }
            }
            Command::Refuse(id) => {
                tracing::debug!(peer = %self.peer, "Request refused: this node is leaving");
                self.unanswered.remove(&id);
            }
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
                protocol: SubstreamProtocol::new(ReadyUpgrade::new(self.protocol.clone()), ())
                    .with_timeout(self.timeout),
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
                    let error = self.upgrade_error(error);
                    self.outbound_failed(id, error);
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
