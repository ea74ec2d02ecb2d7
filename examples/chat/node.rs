//! One chat node: gossipsub carries the messages, peer sampling finds the peers to carry them to,
//! identify and mDNS are there as in most swarms. Whom they tell the swarm of, peer sampling tries.

use std::{error::Error, time::Duration};

use libp2p::{
    Multiaddr, SwarmBuilder, gossipsub, identify,
    identity::Keypair,
    mdns, noise,
    swarm::{NetworkBehaviour, Swarm, behaviour::toggle::Toggle},
    tcp, yamux,
};
use libp2p_peer_sampling::{Behaviour, Config, Event};

#[derive(NetworkBehaviour)]
pub struct Node {
    pub sampling: Behaviour,
    pub gossipsub: gossipsub::Behaviour,
    identify: identify::Behaviour,
    mdns: Toggle<mdns::tokio::Behaviour>,
}

#[derive(Debug)]
pub struct Options {
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
            .with_network("chat")
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

pub fn topic() -> gossipsub::IdentTopic {
    gossipsub::IdentTopic::new("chat")
}

/// Builds the swarm and starts to listen.
pub fn start(options: Options) -> Result<Swarm<Node>, Box<dyn Error + Send + Sync>> {
    let mut swarm = SwarmBuilder::with_new_identity()
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
    Ok(Node {
        sampling: Behaviour::new(keypair, options.sampling())?,
        gossipsub: gossipsub::Behaviour::new(
            gossipsub::MessageAuthenticity::Signed(keypair.clone()),
            gossipsub::Config::default(),
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
