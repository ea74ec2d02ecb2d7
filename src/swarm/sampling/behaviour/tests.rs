//! What the behaviour does between its swarm and its driver.

mod addresses;
mod events;
mod records;

use std::{
    task::{Context, Poll},
    time::Duration,
};

use futures::task::noop_waker;
use libp2p_identity::Keypair;
use libp2p_swarm::{NetworkBehaviour, ToSwarm};

use crate::swarm::{
    record::Record,
    sampling::{behaviour::Behaviour, config::Config, event::Event},
};

fn behaviour(keypair: &Keypair) -> Behaviour {
    Behaviour::new(keypair, Config::local()).expect("valid settings")
}

fn record(keypair: &Keypair, address: &str) -> Record {
    let address = address.parse().expect("a multiaddr");
    Record::sign(keypair, 1, &[address]).expect("signing works")
}

/// All events that are there now, after `later`.
fn events(behaviour: &mut Behaviour, later: Duration) -> Vec<Event> {
    behaviour.node.pass(later);
    let waker = noop_waker();
    let mut events = Vec::new();
    while let Poll::Ready(action) = behaviour.poll(&mut Context::from_waker(&waker)) {
        if let ToSwarm::GenerateEvent(event) = action {
            events.push(event);
        }
    }
    events
}
