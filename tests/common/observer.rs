//! A behaviour that speaks no protocol, and sees what happens in its swarm.

use std::{
    collections::VecDeque,
    fmt,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, dummy,
    },
};

/// Who sees what happens, and may have something to say of it.
pub trait Sees: 'static {
    type Says: fmt::Debug + Send + 'static;

    fn sees(&mut self, event: &FromSwarm<'_>) -> Option<Self::Says>;
}

#[derive(Debug)]
pub struct Observer<T: Sees> {
    pub who: T,
    said: VecDeque<T::Says>,
}

impl<T: Sees + Default> Default for Observer<T> {
    fn default() -> Self {
        Self {
            who: T::default(),
            said: VecDeque::new(),
        }
    }
}

impl<T: Sees> NetworkBehaviour for Observer<T> {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = T::Says;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.said.extend(self.who.sees(&event));
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        libp2p::core::util::unreachable(event)
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        // Polled after every event that it could see.
        match self.said.pop_front() {
            Some(said) => Poll::Ready(ToSwarm::GenerateEvent(said)),
            None => Poll::Pending,
        }
    }
}
