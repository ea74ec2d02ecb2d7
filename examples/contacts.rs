//! To copy: a node saves the peers that it has met, and comes back by them, without its seed.
//! `cargo run --example contacts` tells the whole story in one process.

use std::{error::Error, fs, io::ErrorKind, path::Path};

use futures::{StreamExt, future::Either};
use libp2p::{
    Multiaddr, Swarm, SwarmBuilder, identity::Keypair, noise, swarm::SwarmEvent, tcp, yamux,
};
use libp2p_peer_sampling::{Behaviour, Config, Handle};
use serde::{Deserialize, Serialize};

type Failure = Box<dyn Error + Send + Sync>;

/// What a node keeps from one start to the next.
#[derive(Default, Serialize, Deserialize)]
struct Saved {
    /// The signed records of peers, as they travel.
    contacts: Vec<Vec<u8>>,
}

/// Writes what the node has to know at its next start. Call it now and then, and at the end.
fn save(handle: &Handle, file: &Path) -> Result<(), Failure> {
    let contacts = handle.contacted();
    let contacts = contacts.iter().map(|record| record.envelope().to_vec());
    let saved = Saved {
        contacts: contacts.collect(),
    };
    Ok(fs::write(file, serde_json::to_vec(&saved)?)?)
}

/// Reads what [`save`] has written; nothing at the first start.
fn restore(sampling: &mut Behaviour, file: &Path) -> Result<(), Failure> {
    let saved: Saved = match fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(error) if error.kind() == ErrorKind::NotFound => Saved::default(),
        Err(error) => return Err(error.into()),
    };
    let restored = sampling.init(saved.contacts);
    println!("{} peers were saved at the last start", restored.entered);
    Ok(())
}

/// A node that listens, and where.
async fn start(seed: Option<Multiaddr>) -> Result<(Swarm<Behaviour>, Multiaddr), Failure> {
    let keypair = Keypair::generate_ed25519();
    let config = Config::local().with_network("contacts").with_seeds(seed);
    let mut swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_behaviour(|keypair| Ok(Behaviour::new(keypair, config)?))?
        .build();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return Ok((swarm, address));
        }
    }
}

/// Runs both until the second has found somebody that it can go back to.
async fn meet(seed: &mut Swarm<Behaviour>, node: &mut Swarm<Behaviour>) {
    while node.behaviour().contacted().is_empty() {
        match futures::future::select(seed.next(), node.next()).await {
            Either::Left(_) | Either::Right(_) => {}
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let file = std::env::temp_dir().join(format!("contacts-{}.json", std::process::id()));
    let (mut other, address) = start(None).await?;

    let (mut node, _) = start(Some(address)).await?;
    restore(node.behaviour_mut(), &file)?;
    meet(&mut other, &mut node).await;
    save(&node.behaviour().handle(), &file)?;
    drop(node);
    println!("the node has met a peer through its seed, has saved it, and is gone");

    let (mut node, _) = start(None).await?;
    restore(node.behaviour_mut(), &file)?;
    meet(&mut other, &mut node).await;
    println!("the node is back, and has had no seed");
    Ok(fs::remove_file(&file)?)
}
