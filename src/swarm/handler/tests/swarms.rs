//! Two nodes with real connections, one handler each.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    executor::block_on,
    future::{Either, select},
};
use futures_timer::Delay;
use libp2p_core::{
    Endpoint, Multiaddr, Transport,
    transport::{MemoryTransport, PortUse},
    upgrade::Version,
};
use libp2p_identity::{Keypair, PeerId};
use libp2p_swarm::{
    self as swarm, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler,
    StreamProtocol, Swarm, SwarmEvent, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};

use super::{Echo, FORBIDDEN, shared};
use crate::swarm::{
    counters::Reason,
    handler::{Command, InboundError, OutboundError, OutboundId, ToBehaviour, connection::Handler},
    shared::Shared,
    wire::MessageError,
};

/// Answers what comes in, and tells what it hears.
struct Plain {
    protocol: StreamProtocol,
    shared: Arc<Shared<Echo>>,
    actions: VecDeque<ToSwarm<ToBehaviour<Echo>, Command<Echo>>>,
}

impl Plain {
    fn command(&mut self, peer_id: PeerId, connection: ConnectionId, command: Command<Echo>) {
        self.actions.push_back(ToSwarm::NotifyHandler {
            peer_id,
            handler: NotifyHandler::One(connection),
            event: command,
        });
    }

    fn handler(&self, peer: PeerId) -> Handler<Echo> {
        let timeout = Duration::from_secs(20);
        Handler::new(
            self.protocol.clone(),
            self.shared.clone(),
            peer,
            timeout,
            true,
        )
    }
}

impl NetworkBehaviour for Plain {
    type ConnectionHandler = Handler<Echo>;
    type ToSwarm = ToBehaviour<Echo>;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            ToBehaviour::Request(id, request) => {
                self.command(peer, connection, Command::Respond(id, request));
            }
            event => self.actions.push_back(ToSwarm::GenerateEvent(event)),
        }
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.actions.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

fn node(name: &'static str, wire: Echo) -> Swarm<Plain> {
    let keypair = Keypair::generate_ed25519();
    let transport = MemoryTransport::default()
        .upgrade(Version::V1)
        .authenticate(libp2p_plaintext::Config::new(&keypair))
        .multiplex(libp2p_yamux::Config::default())
        .boxed();
    let behaviour = Plain {
        protocol: StreamProtocol::new(name),
        shared: shared(wire),
        actions: VecDeque::new(),
    };
    let peer = keypair.public().to_peer_id();
    Swarm::new(
        transport,
        behaviour,
        peer,
        swarm::Config::without_executor(),
    )
}

/// A node that has dialled another, and is connected.
struct Pair {
    here: Swarm<Plain>,
    there: Swarm<Plain>,
    connection: ConnectionId,
}

impl Pair {
    /// The other speaks `name`, and answers with this wire.
    fn connect(name: &'static str, answers: Echo) -> Self {
        let mut here = node("/echo/1.0.0", Echo::default());
        let mut there = node(name, answers);
        let address: Multiaddr = "/memory/0".parse().expect("a multiaddr");
        there
            .listen_on(address)
            .expect("memory addresses can be listened on");
        let address = block_on(async {
            loop {
                if let SwarmEvent::NewListenAddr { address, .. } = there.select_next_some().await {
                    return address;
                }
            }
        });
        here.dial(address).expect("nobody denies it");
        let connection = block_on(async {
            loop {
                match select(here.select_next_some(), there.select_next_some()).await {
                    Either::Left((SwarmEvent::ConnectionEstablished { connection_id, .. }, _)) => {
                        return connection_id;
                    }
                    Either::Left((SwarmEvent::OutgoingConnectionError { error, .. }, _)) => {
                        panic!("not connected: {error}");
                    }
                    _ => {}
                }
            }
        });
        Self {
            here,
            there,
            connection,
        }
    }

    fn command(&mut self, command: Command<Echo>) {
        let (peer, connection) = (*self.there.local_peer_id(), self.connection);
        self.here.behaviour_mut().command(peer, connection, command);
    }

    /// The next thing that either end's handler tells: this one's first.
    fn next(&mut self) -> Either<ToBehaviour<Echo>, ToBehaviour<Echo>> {
        let events = async {
            loop {
                match select(self.here.select_next_some(), self.there.select_next_some()).await {
                    Either::Left((SwarmEvent::Behaviour(event), _)) => return Either::Left(event),
                    Either::Right((SwarmEvent::Behaviour(event), _)) => {
                        return Either::Right(event);
                    }
                    _ => {}
                }
            }
        };
        let patience = Delay::new(Duration::from_secs(30)).map(|()| panic!("nothing happens"));
        match block_on(select(pin!(events), patience)) {
            Either::Left((event, _)) => event,
            Either::Right((never, _)) => {
                let never: Infallible = never;
                match never {}
            }
        }
    }

    /// What becomes of a request; and what the other end tells before that.
    fn request(
        &mut self,
        request: &[u8],
    ) -> (Result<Vec<u8>, OutboundError>, Vec<ToBehaviour<Echo>>) {
        self.command(Command::Request(OutboundId(7), request.to_vec()));
        let mut told = Vec::new();
        loop {
            match self.next() {
                Either::Left(ToBehaviour::Outcome(OutboundId(7), result)) => return (result, told),
                Either::Left(event) => panic!("told {event:?}"),
                Either::Right(event) => told.push(event),
            }
        }
    }

    /// Sends a request that is not served; and returns what the other end tells of it.
    fn refused(&mut self, request: &[u8]) -> ToBehaviour<Echo> {
        let (result, mut told) = self.request(request);
        let not_served = matches!(result, Err(OutboundError::NotServed { .. }));
        assert!(not_served, "{result:?}");
        assert!(told.len() <= 1, "{told:?}");
        told.pop().unwrap_or_else(|| match self.next() {
            Either::Right(event) => event,
            Either::Left(event) => panic!("told {event:?}"),
        })
    }

    fn counted(&self, reason: Reason) -> [u64; 2] {
        [&self.here, &self.there].map(|swarm| {
            let counters = swarm.behaviour().shared.tally.snapshot();
            counters.refused(reason)
        })
    }
}

#[test]
fn any_wire_is_served() {
    let mut pair = Pair::connect("/echo/1.0.0", Echo::default());
    for word in ["hello", "", "good day"] {
        let (result, told) = pair.request(word.as_bytes());
        assert_eq!(result.expect("an answer"), word.as_bytes());
        assert!(told.is_empty(), "{told:?}");
    }
    pair.command(Command::NotifyIdle);
    assert!(matches!(pair.next(), Either::Left(ToBehaviour::Idle)));
}

#[test]
fn request_beyond_the_bound_is_not_served() {
    let mut pair = Pair::connect("/echo/1.0.0", Echo::default());
    let told = pair.refused(b"good day!");
    assert!(
        matches!(
            told,
            ToBehaviour::InboundFailed(InboundError::Request(MessageError::TooLong { bytes: 9 }))
        ),
        "{told:?}"
    );
    assert_eq!(pair.counted(Reason::MessageTooLong), [0, 1]);
    assert_eq!(pair.counted(Reason::NotServed), [1, 0]);
}

#[test]
fn a_node_with_too_much_to_do_says_when_to_come_back() {
    let mut pair = Pair::connect("/echo/1.0.0", Echo::default());
    let gate = pair.there.behaviour().shared.gate.clone();
    // One request in a quarter of an hour, and somebody else has had that.
    gate.slow_down(1e6);
    let now = pair.there.behaviour().shared.clock.now();
    while gate.admit((1, PeerId::random()), true, now).is_ok() {}
    let (result, told) = pair.request(b"hello");
    let Err(OutboundError::NotServed { retry_after }) = result else {
        panic!("{result:?}");
    };
    assert_eq!(retry_after, Some(Duration::from_secs(60)));
    assert!(told.len() <= 1, "{told:?}");
    assert_eq!(pair.counted(Reason::NotServed), [1, 0]);
    assert_eq!(pair.counted(Reason::Overloaded), [0, 1]);
}

#[test]
fn answer_beyond_the_bound_is_refused() {
    let mut pair = Pair::connect("/echo/1.0.0", Echo { adds: true });
    let (result, _) = pair.request(b"hello");
    assert!(
        matches!(
            result,
            Err(OutboundError::Message(MessageError::TooLong { bytes: 6 }))
        ),
        "{result:?}"
    );
    assert_eq!(pair.counted(Reason::MessageTooLong), [1, 0]);
}

#[test]
fn request_that_breaks_a_rule_of_the_protocol_is_not_served() {
    let mut pair = Pair::connect("/echo/1.0.0", Echo::default());
    let told = pair.refused(&[FORBIDDEN]);
    assert!(
        matches!(
            told,
            ToBehaviour::InboundFailed(InboundError::Request(MessageError::Refused(_)))
        ),
        "{told:?}"
    );
    assert_eq!(pair.counted(Reason::RefusedByProtocol), [0, 1]);
}

#[test]
fn peer_with_another_protocol_is_told_apart() {
    let mut pair = Pair::connect("/other/1.0.0", Echo::default());
    let (result, told) = pair.request(b"hello");
    let Err(OutboundError::Unsupported(name)) = result else {
        panic!("{result:?}");
    };
    assert_eq!(name, StreamProtocol::new("/echo/1.0.0"));
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(pair.counted(Reason::Unsupported), [1, 0]);
}

/// The name is what is negotiated, and nothing is negotiated any more.
#[test]
fn node_that_has_left_speaks_no_protocol() {
    let mut pair = Pair::connect("/echo/1.0.0", Echo::default());
    assert!(pair.request(b"hello").0.is_ok());
    pair.there.behaviour().shared.leave();
    let (result, _) = pair.request(b"hello");
    assert!(
        matches!(result, Err(OutboundError::Unsupported(_))),
        "{result:?}"
    );
}

#[test]
fn request_beyond_the_substreams_of_a_connection_fails_at_once() {
    let mut pair = Pair::connect("/echo/1.0.0", Echo::default());
    let most = pair.here.behaviour().shared.limits.outbound_streams as u64;
    for id in 0..=most {
        pair.command(Command::Request(OutboundId(id), b"hello".to_vec()));
    }
    let mut served = Vec::new();
    let mut busy = Vec::new();
    for _ in 0..=most {
        match pair.next() {
            Either::Left(ToBehaviour::Outcome(id, Ok(_))) => served.push(id),
            Either::Left(ToBehaviour::Outcome(id, Err(OutboundError::Busy))) => busy.push(id),
            other => panic!("told {other:?}"),
        }
    }
    assert_eq!(busy, [OutboundId(most)]);
    assert_eq!(served.len() as u64, most);
}
