//! Other behaviours beside ours, in real swarms: they reach the peers that it has found, and it
//! finds the peers that they know.

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod discovery;
mod questions;
mod visitors;

use std::{fmt::Debug, time::Duration};

use common::swarms::{Node, swarm};
use libp2p::{identify, identity::Keypair, swarm::NetworkBehaviour};
use libp2p_peer_sampling::{Behaviour, Config, Handle};

/// A period that no test lives to see: what happens, happens without waiting for it.
const NEVER: Duration = Duration::from_secs(60 * 60);

const IDLE: Duration = Duration::from_millis(100);

fn sampling(keypair: &Keypair, config: Config) -> Behaviour {
    Behaviour::new(keypair, config).expect("valid settings")
}

async fn stop<B: NetworkBehaviour + Send>(nodes: impl IntoIterator<Item = Node<B>>)
where
    B::ToSwarm: Debug,
{
    for node in nodes {
        node.stop().await;
    }
}

#[derive(NetworkBehaviour)]
struct Identified {
    sampling: Behaviour,
    identify: identify::Behaviour,
}

fn identified(config: Config) -> (Node<Identified>, Handle) {
    let (swarm, address) = swarm(Keypair::generate_ed25519(), IDLE, |keypair| {
        let identify = identify::Config::new("/test/1.0.0".to_owned(), keypair.public());
        Identified {
            sampling: sampling(keypair, config.with_neighbours(0)),
            identify: identify::Behaviour::new(identify),
        }
    });
    let handle = swarm.behaviour().sampling.handle();
    (Node::spawn(swarm, address), handle)
}
