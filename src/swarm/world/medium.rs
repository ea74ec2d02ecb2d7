//! What lies between the drivers of a world: dials and messages on their way, with delays and
//! faults.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use libp2p_identity::PeerId;
use libp2p_swarm::ConnectionId;
use rand::{RngExt, rngs::StdRng};

use crate::{
    swarm::{
        handler::{Command, InboundId, OutboundError, OutboundId},
        wire::{MessageError, Wire},
        world::{
            agenda::Agenda,
            connections::{Connections, End},
            faults::{Faults, Lost},
            handlers::Handlers,
            network::Network,
        },
    },
    time::Time,
};

/// A dial on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dial {
    /// The driver that dials.
    pub(crate) from: usize,
    /// The node where the dial leads; `None`: to nobody.
    pub(crate) to: Option<usize>,
    /// The peer that is dialled; `None`: whichever is at the address.
    pub(crate) peer: Option<PeerId>,
    pub(crate) connection: ConnectionId,
}

/// What is to happen.
#[derive(Debug)]
pub(crate) enum Happening<W: Wire> {
    /// A driver is woken.
    Wake(usize),
    /// The behaviours that are not driven here have their turn.
    Siblings,
    /// One of them closes a connection.
    SiblingCloses(End),
    DialEnds(Dial),
    Request {
        from: End,
        id: OutboundId,
        request: W::Request,
    },
    Response {
        to: End,
        id: OutboundId,
        result: Result<W::Response, OutboundError>,
    },
}

/// What lies between the drivers.
#[derive(Debug)]
pub(crate) struct Medium<W: Wire> {
    pub(crate) rng: StdRng,
    pub(crate) now: Time,
    pub(crate) faults: Faults,
    pub(crate) lost: Lost,
    pub(crate) network: Network,
    pub(crate) agenda: Agenda<Happening<W>>,
    pub(crate) connections: Connections,
    pub(crate) handlers: Handlers,
    /// Requests that wait for an answer: the end that asked, by the number that the other end was
    /// given.
    unanswered: BTreeMap<u64, (End, OutboundId)>,
    /// Which node dials which at the moment, seeds left out.
    dialling: BTreeSet<(usize, usize, ConnectionId)>,
}

impl<W: Wire> Medium<W> {
    pub(crate) fn new(rng: StdRng, nodes: usize, faults: Faults) -> Self {
        Self {
            rng,
            now: Time::ZERO,
            faults,
            lost: Lost::default(),
            network: Network::new(nodes),
            agenda: Agenda::default(),
            connections: Connections::default(),
            handlers: Handlers::default(),
            unanswered: BTreeMap::new(),
            dialling: BTreeSet::new(),
        }
    }

    pub(crate) fn plan(&mut self, after: Duration, happening: Happening<W>) {
        self.agenda.plan(self.now + after, happening);
    }

    fn latency(&mut self) -> Duration {
        Duration::from_millis(self.rng.random_range(5..200))
    }

    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    // ---- Dials ----

    /// Whether `node` dials node `to` by its peer id.
    pub(crate) fn is_dialling(&self, node: usize, to: usize) -> bool {
        let mut dialling = self.dialling.iter();
        dialling.any(|(from, other, _)| (*from, *other) == (node, to))
    }

    /// A dial is on its way from `node`.
    pub(crate) fn begin_dial(&mut self, node: usize, dial: Dial, is_reached: bool) {
        if let (Some(_), Some(to)) = (dial.peer, dial.to) {
            self.dialling.insert((node, to, dial.connection));
        }
        let latency = self.latency();
        let after = match is_reached {
            true => latency,
            false => self.network.silence.unwrap_or(latency),
        };
        self.plan(after, Happening::DialEnds(dial));
    }

    /// A dial is at its end; returns whether a fault has broken it.
    pub(crate) fn end_dial(&mut self, connection: ConnectionId) -> bool {
        self.dialling.retain(|(_, _, id)| *id != connection);
        let failed = self.happens(self.faults.dial);
        self.lost.dials += u32::from(failed);
        failed
    }

    // ---- Messages ----

    /// A driver tells a handler what to do; returns whether the handler may be idle now.
    pub(crate) fn command(&mut self, end: End, command: Command<W>) -> bool {
        match command {
            Command::Request(id, request) => {
                self.handlers.begin(end);
                let after = self.latency();
                let from = end;
                self.plan(after, Happening::Request { from, id, request });
                false
            }
            Command::Respond(InboundId(asked), response) => self.answer(end, asked, Ok(response)),
            Command::Refuse(InboundId(asked)) => self.answer(
                end,
                asked,
                Err(OutboundError::NotServed { retry_after: None }),
            ),
            Command::KeepAlive(is_kept) => {
                self.handlers.keep_alive(end, is_kept);
                false
            }
            Command::NotifyIdle => {
                self.handlers.notify_idle(end);
                true
            }
        }
    }

    fn answer(&mut self, end: End, asked: u64, result: Result<W::Response, OutboundError>) -> bool {
        self.handlers.finish(end);
        let Some((to, id)) = self.unanswered.remove(&asked) else {
            return false;
        };
        let lost = self.happens(self.faults.response);
        self.lost.messages += u32::from(lost);
        let result = match lost {
            true => Err(OutboundError::Message(MessageError::CutOff)),
            false => result,
        };
        let after = self.latency();
        self.plan(after, Happening::Response { to, id, result });
        true
    }

    /// Whether a fault closes the connection that a request travels on.
    pub(crate) fn loses_connection(&mut self) -> bool {
        let lost = self.happens(self.faults.connection);
        self.lost.connections += u32::from(lost);
        lost
    }

    /// Whether a fault loses a request.
    pub(crate) fn loses_request(&mut self) -> bool {
        let lost = self.happens(self.faults.request);
        self.lost.messages += u32::from(lost);
        lost
    }

    /// A request has arrived at `to`.
    pub(crate) fn ask(&mut self, from: End, id: OutboundId, to: End) -> InboundId {
        let asked = self.agenda.number();
        self.unanswered.insert(asked, (from, id));
        self.handlers.begin(to);
        InboundId(asked)
    }

    /// Whether messages or dials are on their way.
    pub(crate) fn is_busy(&self) -> bool {
        let is_busy = |happening: &Happening<W>| {
            !matches!(
                happening,
                Happening::Wake(_) | Happening::Siblings | Happening::SiblingCloses(_)
            )
        };
        self.agenda.pending().any(is_busy)
    }
}
