//! To copy: another task of the program gets a random peer every second, while the swarm runs.
//!
//! Run `cargo run --example samples`, and paste the address that it prints behind the same command
//! in a second terminal: `cargo run --example samples -- ADDRESS`.

use std::{error::Error, time::Duration};

use futures::StreamExt;
use libp2p::{Multiaddr, SwarmBuilder, noise, swarm::SwarmEvent, tcp, yamux};
use libp2p_peer_sampling::{Behaviour, Config, Handle};

/// Works with one random peer after the other, until the swarm is gone.
async fn work(handle: Handle) {
    // Endless, and at once: the reader sets the pace.
    let mut peers = handle.samples();
    while let Some(peer) = peers.next().await {
        println!("{} at {:?}", peer.peer_id(), peer.addresses());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let seeds = std::env::args().skip(1).map(|seed| seed.parse());
    let seeds = seeds.collect::<Result<Vec<Multiaddr>, _>>()?;
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_behaviour(|keypair| {
            let config = Config::local().with_network("samples").with_seeds(seeds);
            Ok(Behaviour::new(keypair, config)?)
        })?
        .build();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    // A handle is cheap to clone, and works from any task or thread.
    tokio::spawn(work(swarm.behaviour().handle()));
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            println!("listening at {address}");
        }
    }
}
