//! What a world drives: one behaviour of a node, without its clock and its swarm.

use std::fmt;

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::{
    ConnectionId,
    behaviour::{ConnectionClosed, ConnectionEstablished, DialFailure},
};

use crate::{
    swarm::{
        exchanger::Exchanger,
        handler::{InboundId, OutboundError, OutboundId},
        wire::Wire,
    },
    time::{Time, Wake},
};

/// A node, as the driver of one of its behaviours is told of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Home<'a> {
    pub(crate) node: usize,
    pub(crate) address: &'a Multiaddr,
}

/// The driver of one behaviour. All but `Setup` and `Notes` is what its `NetworkBehaviour` does
/// with it.
pub(crate) trait Driven {
    /// How its messages travel.
    type Wire: Wire;
    /// What it tells the application.
    type Event: fmt::Debug;
    /// What the drivers of a world have in common: settings, keys.
    type Setup;
    /// What a test remembers of events.
    type Notes: Default;

    fn exchanger(&self) -> &Exchanger<Self::Wire, Self::Event>;
    fn exchanger_mut(&mut self) -> &mut Exchanger<Self::Wire, Self::Event>;

    /// Does what the time asks for.
    fn advance(&mut self, home: Home<'_>, setup: &Self::Setup, now: Time);
    fn next_wake(&self) -> Option<Wake>;

    fn addresses_to_dial(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        now: Time,
    ) -> Vec<Multiaddr>;
    fn on_connection_established(&mut self, event: ConnectionEstablished, now: Time);
    fn on_connection_closed(&mut self, event: ConnectionClosed, now: Time);
    fn on_dial_failure(&mut self, event: DialFailure, now: Time);
    fn on_request(
        &mut self,
        from: (PeerId, ConnectionId),
        id: InboundId,
        request: <Self::Wire as Wire>::Request,
        now: Time,
    );
    fn on_result(
        &mut self,
        from: (PeerId, ConnectionId),
        id: OutboundId,
        result: Result<<Self::Wire as Wire>::Response, OutboundError>,
        now: Time,
    );

    /// Whether `peer` is kept connected, as a neighbour.
    fn is_neighbour(&self, peer: &PeerId) -> bool;
    /// Whether no exchange is under way.
    fn is_at_rest(&self) -> bool;

    /// Driver `at` of the world, which is this one, has told the application something.
    fn note(&self, at: usize, event: Self::Event, notes: &mut Self::Notes);
    /// Driver `at` is gone.
    fn forget(at: usize, notes: &mut Self::Notes);
}
