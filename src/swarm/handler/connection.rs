//! One connection: bounded substreams, one per exchange, each with a time limit.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    fmt,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::stream::{Abortable, Aborted};
use futures_bounded::{Delay, FuturesMap, FuturesSet, Timeout};
use libp2p_core::upgrade::ReadyUpgrade;
use libp2p_identity::PeerId;
use libp2p_swarm::{
    ConnectionHandler, ConnectionHandlerEvent, Stream, StreamProtocol, StreamUpgradeError,
    SubstreamProtocol,
    handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
};

use crate::{
    swarm::{
        alarm::Alarm,
        handler::{
            Command, InboundError, InboundId, OutboundError, OutboundId, ToBehaviour,
            listen::Listen,
            streams::{Answer, Reply, is_reset, receive_request, refuse, send_request},
        },
        limits::MIN_INBOUND_TIMEOUT,
        node::gate::{Pass, Refusal},
        shared::Shared,
        wire::{MessageError, Wire},
    },
    time::Time,
};

type HandlerEvent<W> = ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, (), ToBehaviour<W>>;
/// A request that has come in, and the stream that waits for its answer.
type Unanswered<W> = (<W as Wire>::Request, Reply<W, Stream>);
/// `Aborted`: the stream had to give way to others.
type Received<W> = Result<Result<Unanswered<W>, MessageError>, Aborted>;
type Answered = Result<Result<(), MessageError>, Aborted>;

/// The handler of one connection, for the protocol with this wire. Made by its behaviour.
pub struct Handler<W: Wire> {
    protocol: StreamProtocol,
    shared: Arc<Shared<W>>,
    peer: PeerId,
    /// How long a substream of this node's may take: to be negotiated, and then to be used.
    timeout: Duration,
    /// How long one of the peer's may take: to be negotiated, to bring the request, to take the
    /// answer.
    inbound_timeout: Duration,
    /// Requests of ours without a substream yet, in the order in which substreams were asked for.
    waiting: VecDeque<(OutboundId, W::Request)>,
    /// How many of `waiting` a substream was asked for.
    asked: usize,
    sending: FuturesMap<OutboundId, Result<Answer<W::Response>, MessageError>>,
    /// Each pass stays with the stream it is for, until that is closed.
    receiving: FuturesSet<(Received<W>, Pass)>,
    /// Requests that the behaviour has not answered yet.
    unanswered: HashMap<InboundId, (Reply<W, Stream>, Pass)>,
    answering: FuturesSet<Answered>,
    /// The word to those that are not served.
    refusing: FuturesSet<()>,
    next_inbound: u64,
    events: VecDeque<ToBehaviour<W>>,
    keep_alive: bool,
    /// Until when the peer may need the connection: for its first request, or to read an answer.
    linger: Option<Time>,
    alarm: Alarm,
    notify_idle: bool,
    waker: Option<Waker>,
}

impl<W: Wire> Handler<W> {
    pub(crate) fn new(
        protocol: StreamProtocol,
        shared: Arc<Shared<W>>,
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
            refusing: FuturesSet::new(inbound_delay, inbound),
            shared,
            next_inbound: 0,
            events: VecDeque::new(),
            keep_alive,
            linger: None,
            alarm: Alarm::default(),
            notify_idle: false,
            waker: None,
        }
    }

    /// Keeps the connection alive until the peer's first request is read, for as long as that may
    /// take.
    pub(crate) fn expecting_request(mut self) -> Self {
        self.linger();
        self
    }

    /// Keeps the connection alive for a while, though nothing is under way. Where the swarm's idle
    /// time-out is zero, it would otherwise close before the peer's request arrives, or before a
    /// behaviour of this node that may still need it has been asked, or together with the last
    /// bytes of an answer: then the peer's swarm may drop the answer unread.
    fn linger(&mut self) {
        self.linger = Some(self.shared.clock.now() + self.inbound_timeout);
    }

    fn inbound(&self) -> usize {
        self.receiving.len() + self.unanswered.len() + self.answering.len()
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.sending.is_empty() && self.inbound() == 0
    }

    fn outcome(
        &self,
        id: OutboundId,
        result: Result<W::Response, OutboundError>,
    ) -> ToBehaviour<W> {
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

    fn inbound_failed(&self, error: InboundError) -> ToBehaviour<W> {
        self.shared.tally.refuse(error.reason());
        ToBehaviour::InboundFailed(error)
    }

    /// A stream of the peer's was dropped. That may happen very often: `None` when the behaviour
    /// was told not long ago.
    fn refused(&self, refusal: Refusal) -> Option<ToBehaviour<W>> {
        let event = self.inbound_failed(refusal.into());
        let news = self.shared.gate.is_news(
            (self.shared.holder, self.peer),
            refusal,
            self.shared.clock.now(),
        );
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
        let (peer, shared) = (self.peer, self.shared.clone());
        let exchange = async move { send_request(stream, peer, request, &shared).await };
        if self.sending.try_push(id, exchange).is_err() {
            self.outbound_failed(id, OutboundError::Busy);
        }
    }

    fn on_inbound(&mut self, stream: Stream) {
        if let Err((refusal, stream)) = self.admit(stream) {
            if refusal == Refusal::Overloaded {
                let retry_after = self.shared.gate.retry_after(self.shared.clock.now());
                let word = refuse(stream, retry_after, self.shared.clone());
                // With too many of them under way, the stream ends without a word.
                let _ = self.refusing.try_push(word);
            }
            let event = self.refused(refusal);
            self.events.extend(event);
        }
    }

    fn admit(&mut self, stream: Stream) -> Result<(), (Refusal, Stream)> {
        if self.inbound() >= self.shared.limits.inbound_streams {
            return Err((Refusal::TooManyStreams, stream));
        }
        let now = self.shared.clock.now();
        let caller = (self.shared.holder, self.peer);
        let pass = match self.shared.gate.admit(caller, self.keep_alive, now) {
            Ok(pass) => pass,
            Err(refusal) => return Err((refusal, stream)),
        };
        let (peer, shared) = (self.peer, self.shared.clone());
        let receive = async move {
            let receive = receive_request(stream, peer, &shared);
            let received = Abortable::new(receive, pass.registration()).await;
            (received, pass)
        };
        // Cannot fail: there is room for it, see above.
        let _ = self.receiving.try_push(receive);
        Ok(())
    }

    fn on_received(
        &mut self,
        received: Result<(Received<W>, Pass), Timeout>,
    ) -> Option<ToBehaviour<W>> {
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

    fn on_answered(&self, answered: Result<Answered, Timeout>) -> Option<ToBehaviour<W>> {
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
            StreamUpgradeError::Io(error) if is_reset(&error) => {
                OutboundError::NotServed { retry_after: None }
            }
            StreamUpgradeError::Io(error) => OutboundError::Message(MessageError::Stream(error)),
            StreamUpgradeError::Apply(never) => libp2p_core::util::unreachable(never),
        }
    }

    fn next_event(&mut self, cx: &mut Context<'_>) -> Poll<ToBehaviour<W>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        if let Poll::Ready((id, result)) = self.sending.poll_unpin(cx) {
            let result = match result {
                Ok(Ok(Answer::Served(response))) => Ok(response),
                Ok(Ok(Answer::NotServed(retry_after))) => {
                    Err(OutboundError::NotServed { retry_after })
                }
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
            self.linger();
            if let Some(event) = self.on_answered(answered) {
                return Poll::Ready(event);
            }
        }
        while self.refusing.poll_unpin(cx).is_ready() {}
        if self.notify_idle && self.is_idle() {
            self.notify_idle = false;
            return Poll::Ready(ToBehaviour::Idle);
        }
        if self.linger.is_some() {
            let now = self.shared.clock.now();
            if self.alarm.poll(self.linger, now, cx).is_ready() {
                self.linger = None;
            }
        }
        Poll::Pending
    }
}

impl<W: Wire> fmt::Debug for Handler<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler")
            .field("protocol", &self.protocol)
            .field("outbound", &(self.waiting.len() + self.sending.len()))
            .field("inbound", &self.inbound())
            .field("keep_alive", &self.keep_alive)
            .finish_non_exhaustive()
    }
}

impl<W: Wire> ConnectionHandler for Handler<W> {
    type FromBehaviour = Command<W>;
    type ToBehaviour = ToBehaviour<W>;
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
        self.keep_alive || self.linger.is_some() || !self.waiting.is_empty()
    }

    fn on_behaviour_event(&mut self, command: Command<W>) {
        match command {
            Command::Request(id, request) => {
                let under_way = self.waiting.len() + self.sending.len();
                if under_way >= self.shared.limits.outbound_streams {
                    self.outbound_failed(id, OutboundError::Busy);
                } else {
                    self.waiting.push_back((id, request));
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
            Command::KeepAlive(keep_alive) => {
                if self.keep_alive && !keep_alive {
                    self.linger();
                }
                self.keep_alive = keep_alive;
            }
            Command::NotifyIdle => self.notify_idle = true,
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    #[tracing::instrument(level = "trace", name = "ConnectionHandler::poll", skip(self, cx))]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<HandlerEvent<W>> {
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
