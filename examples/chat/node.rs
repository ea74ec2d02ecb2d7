//! One chat node. Gossipsub carries the messages; peer sampling finds the peers that get them.
//! Identify and mDNS are there as in most swarms. Peer sampling also tries the peers that these two
//! report to the swarm.

use std::{error::Error, time::Duration};

use clap::ValueEnum;
use libp2p::{
    Multiaddr, SwarmBuilder, gossipsub, identify,
    identity::Keypair,
    mdns, noise,
    swarm::{NetworkBehaviour, Swarm, behaviour::toggle::Toggle},
    tcp, yamux,
};
use libp2p_peer_sampling::{Behaviour, Config, Event};

/// The name of the network, unless another one is chosen.
pub const NETWORK: &str = "chat";

#[derive(NetworkBehaviour)]
pub struct Node {
    pub sampling: Behaviour,
    pub gossipsub: gossipsub::Behaviour,
    identify: identify::Behaviour,
    mdns: Toggle<mdns::tokio::Behaviour>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum KeyType {
    Ed25519,
    Secp256k1,
    Ecdsa,
}

impl KeyType {
    fn generate(self) -> Keypair {
        match self {
            Self::Ed25519 => Keypair::generate_ed25519(),
            Self::Secp256k1 => Keypair::generate_secp256k1(),
            Self::Ecdsa => Keypair::generate_ecdsa(),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Options {
    pub network: String,
    pub key_type: KeyType,
    pub listen: Vec<Multiaddr>,
    pub seeds: Vec<Multiaddr>,
    pub period: Option<Duration>,
    pub mdns: bool,
    pub view_size: Option<usize>,
}

impl Options {
    pub fn all_interfaces() -> Vec<Multiaddr> {
        ["/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1"]
            .map(|address| address.parse().expect("a multiaddr"))
            .into()
    }

    pub fn loopback() -> Vec<Multiaddr> {
        ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"]
            .map(|address| address.parse().expect("a multiaddr"))
            .into()
    }

    fn sampling(&self) -> Config {
        // Loopback and private addresses too: two terminals on one machine, or one LAN.
        let mut config = Config::local()
            .with_network(&self.network)
            .with_seeds(self.seeds.iter().cloned());
        if let Some(period) = self.period {
            config = config.with_period(period);
        }
        if let Some(view_size) = self.view_size {
            config = config.with_view_size(view_size);
        }
        config
    }
}

fn topic() -> gossipsub::IdentTopic {
    gossipsub::IdentTopic::new("chat")
}

/// Builds the swarm and starts to listen.
pub fn start(options: Options) -> Result<Swarm<Node>, Box<dyn Error + Send + Sync>> {
    let mut swarm = SwarmBuilder::with_existing_identity(options.key_type.generate())
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_quic()
        .with_behaviour(|keypair| behaviour(keypair, &options))?
        .build();
    swarm.behaviour_mut().gossipsub.subscribe(&topic())?;
    for address in options.listen {
        swarm
            .listen_on(address.clone())
            .map_err(|error| format!("cannot listen on {address}: {error:?}"))?;
    }
    Ok(swarm)
}

fn behaviour(keypair: &Keypair, options: &Options) -> Result<Node, Box<dyn Error + Send + Sync>> {
    let peer_id = keypair.public().to_peer_id();
    let mdns = match options.mdns {
        // A machine without a network has no mDNS, and may chat with itself.
        true => mdns::tokio::Behaviour::new(mdns::Config::default(), peer_id)
            .inspect_err(|error| eprintln!("no mDNS: {error}"))
            .ok(),
        false => None,
    };
    let sampling = Behaviour::new(keypair, options.sampling())?;
    // Two networks that meet, on a LAN for example, stay apart in every protocol.
    let gossipsub = gossipsub::ConfigBuilder::default()
        .protocol_id_prefix(format!("/{}/meshsub", options.network))
        .build()?;
    Ok(Node {
        sampling,
        gossipsub: gossipsub::Behaviour::new(
            gossipsub::MessageAuthenticity::Signed(keypair.clone()),
            gossipsub,
        )?,
        identify: identify::Behaviour::new(identify::Config::new(
            "/peer-sampling-chat/1.0.0".into(),
            keypair.public(),
        )),
        mdns: mdns.into(),
    })
}

/// What an event means for the chat.
#[derive(Debug)]
pub enum Incoming {
    /// Somebody said something.
    Text(String),
    /// Peer sampling has something to say.
    Sampling(Box<Event>),
    Nothing,
}

impl Node {
    pub fn say(&mut self, name: &str, text: &str) -> Result<(), gossipsub::PublishError> {
        let line = format!("{name}: {text}");
        self.gossipsub.publish(topic(), line)?;
        Ok(())
    }

    pub fn on_event(&mut self, event: NodeEvent) -> Incoming {
        match event {
            NodeEvent::Gossipsub(gossipsub::Event::Message { message, .. }) => {
                Incoming::Text(printable(&String::from_utf8_lossy(&message.data)))
            }
            NodeEvent::Sampling(event) => Incoming::Sampling(Box::new(event)),
            _ => Incoming::Nothing,
        }
    }
}

/// What others send may hold anything: no control characters on our terminal.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
