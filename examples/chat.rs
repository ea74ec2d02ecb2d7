//! A chat that survives its seed: gossipsub finds no peers by itself, peer sampling does.
//!
//! Start one node. Paste the line that it prints into a second terminal, and into a third; then
//! stop the first node. `--demo 20` shows all of this in one process.

mod chat {
    pub mod demo;
    pub mod node;
    pub mod trouble;
}

use std::{
    io::{BufRead, IsTerminal, stdin, stdout},
    process::ExitCode,
    time::Duration,
};

use chat::{
    demo,
    node::{Incoming, KeyType, NETWORK, Node, Options, printable},
    trouble::Troubles,
};
use clap::{Parser, error::ErrorKind};
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId,
    gossipsub::PublishError,
    multiaddr::Protocol,
    swarm::{Swarm, SwarmEvent},
};
use libp2p_peer_sampling::Event;
use tokio::sync::mpsc;

/// Chat with all nodes of the same network. The node sends each line that you type. /view,
/// /sample K and /peers show what this node knows. /why shows the latest failures. /quit says
/// goodbye, and ends.
#[derive(Debug, Parser)]
#[command(name = "chat", after_help = LOGGING)]
struct Args {
    /// The name of the network: the node hears only nodes of the same network
    #[arg(long, value_name = "NAME", default_value = NETWORK)]
    network: String,

    /// The name that others see [default: the end of the peer id]
    #[arg(long)]
    name: Option<String>,

    /// Where to listen; may be given several times [default: TCP and QUIC, all interfaces, any
    /// port]
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<Multiaddr>,

    /// The time between two exchanges, in milliseconds [default: 10000; in the demo 500]
    #[arg(
        long,
        value_name = "MILLIS",
        value_parser = clap::value_parser!(u64).range(1..=86_400_000)
    )]
    period: Option<u64>,

    /// The type of the key that this node generates for itself
    #[arg(long, value_enum, value_name = "TYPE", default_value = "ed25519")]
    key_type: KeyType,

    /// Do not look for seeds on the local network
    #[arg(long)]
    no_mdns: bool,

    /// Start a seed and N more nodes in this process, stop the seed, and show that a message still
    /// reaches all others
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=200))]
    demo: Option<u16>,

    /// The address of a node to join through, with or without /p2p
    #[arg(value_name = "SEED")]
    seeds: Vec<Multiaddr>,
}

const LOGGING: &str = "\
The variable RUST_LOG makes the node print more, on standard error:
  RUST_LOG=libp2p_peer_sampling=debug   what peer sampling fails at, and why
  RUST_LOG=libp2p_swarm=debug           every dial and connection
  RUST_LOG=debug                        everything";

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            print!("{error}");
            return ExitCode::SUCCESS;
        }
        Err(error) => return usage(&one_line(&error.to_string())),
    };
    let period = args.period.map(Duration::from_millis);
    if let Some(count) = args.demo {
        if !(args.seeds.is_empty() && args.listen.is_empty() && args.name.is_none()) {
            return usage("error: --demo takes no name, no seeds and no listen addresses");
        }
        let options = Options {
            network: args.network,
            key_type: args.key_type,
            listen: Options::loopback(),
            seeds: Vec::new(),
            period,
            mdns: false,
            view_size: None,
        };
        return match demo::run(count.into(), options).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let options = Options {
        network: args.network.clone(),
        key_type: args.key_type,
        listen: match args.listen.is_empty() {
            true => Options::all_interfaces(),
            false => args.listen,
        },
        seeds: args.seeds,
        period,
        mdns: !args.no_mdns,
        view_size: None,
    };
    let mut swarm = match chat::node::start(options) {
        Ok(swarm) => swarm,
        Err(error) => return usage(&format!("error: {error}")),
    };
    let name = args.name.unwrap_or_else(|| short(swarm.local_peer_id()));
    run(&mut swarm, &args.network, &name).await;
    ExitCode::SUCCESS
}

fn usage(line: &str) -> ExitCode {
    eprintln!("{line}");
    ExitCode::from(2)
}

/// The part of clap's message that says what is wrong.
fn one_line(message: &str) -> String {
    let reason = message.lines().take_while(|line| !line.is_empty());
    let words = reason.flat_map(str::split_whitespace);
    words.collect::<Vec<_>>().join(" ")
}

fn short(peer: &PeerId) -> String {
    let id = peer.to_string();
    id[id.len() - 6..].to_owned()
}

async fn run(swarm: &mut Swarm<Node>, network: &str, name: &str) {
    println!("you are {name}, on the network {network}");
    // What others have to say for the same network.
    let network = match network {
        NETWORK => String::new(),
        network => format!("--network {network} "),
    };
    let mut lines = read_lines();
    let mut invited = false;
    let mut joined = false;
    let mut troubles = Troubles::default();
    loop {
        tokio::select! {
            event = swarm.select_next_some() => match event {
                SwarmEvent::NewListenAddr { address, .. } => {
                    let address = address.with(Protocol::P2p(*swarm.local_peer_id()));
                    println!("listening on {address}");
                    if stdout().is_terminal() && !invited && is_handy(&address) {
                        invited = true;
                        println!("to join, paste into another terminal:");
                        println!("  cargo run --example chat -- {network}{address}");
                    }
                }
                SwarmEvent::Behaviour(event) => match swarm.behaviour_mut().on_event(event) {
                    Incoming::Text(text) => println!("{text}"),
                    Incoming::Sampling(event) => {
                        troubles.note(&event);
                        match *event {
                            Event::Left => return,
                            Event::Exchanged { .. } if !joined => {
                                joined = true;
                                let peers = counted(swarm.connected_peers().count(), "peer");
                                println!("connected to {peers}; {COMMANDS}");
                            }
                            Event::SeedFailed { address, error } => {
                                eprintln!("seed {address}: {error}");
                            }
                            Event::NotAdvertising(why) => eprintln!("{why}"),
                            _ => {}
                        }
                    }
                    Incoming::Nothing => {}
                },
                SwarmEvent::ListenerClosed { reason: Err(error), addresses, .. } => {
                    eprintln!("no longer listening on {addresses:?}: {error}");
                }
                _ => {}
            },
            // After the end of input this branch rests, and the node goes on.
            Some(line) = lines.recv() => match line.trim() {
                "" => {}
                "/quit" => swarm.behaviour_mut().sampling.leave(),
                "/why" => troubles.print(),
                command if command.starts_with('/') => show(swarm, command),
                text => match swarm.behaviour_mut().say(name, text) {
                    Ok(()) => {}
                    Err(PublishError::NoPeersSubscribedToTopic) => {
                        eprintln!("not sent: nobody is here to hear it");
                    }
                    Err(error) => eprintln!("not sent: {error}"),
                },
            },
            _ = tokio::signal::ctrl_c() => swarm.behaviour_mut().sampling.leave(),
        }
    }
}

/// The address that works in another terminal of the same machine.
fn is_handy(address: &Multiaddr) -> bool {
    let mut protocols = address.iter();
    let loopback = matches!(protocols.next(), Some(Protocol::Ip4(ip)) if ip.is_loopback());
    loopback && matches!(protocols.next(), Some(Protocol::Tcp(_)))
}

const COMMANDS: &str = "/view, /sample K, /peers, /why, /quit";

/// "1 peer", "2 peers".
fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// Answers `/view`, `/sample K` and `/peers`.
fn show(swarm: &mut Swarm<Node>, command: &str) {
    let sampling = &mut swarm.behaviour_mut().sampling;
    let records = match command.split_whitespace().collect::<Vec<_>>()[..] {
        ["/view"] => sampling.view().peers().cloned().collect(),
        ["/sample"] => sampling.handle().sample(1),
        ["/sample", count] => match count.parse() {
            Ok(count) => sampling.handle().sample(count),
            Err(_) => return eprintln!("/sample K: {} is not a number", printable(count)),
        },
        ["/peers"] => {
            let neighbours = sampling.neighbours().to_vec();
            for peer in swarm.connected_peers() {
                let kind = match neighbours.contains(peer) {
                    true => "neighbour",
                    false => "connected",
                };
                println!("{kind} {peer}");
            }
            let count = swarm.connected_peers().count();
            return println!("connected to {}", counted(count, "peer"));
        }
        _ => return eprintln!("commands: {COMMANDS}"),
    };
    for record in &records {
        let addresses: Vec<_> = record.addresses().iter().map(ToString::to_string).collect();
        println!("{} {}", record.peer_id(), addresses.join(" "));
    }
    println!("{}", counted(records.len(), "peer"));
}

/// Lines from standard input. A thread of its own: reading a terminal cannot be cancelled.
fn read_lines() -> mpsc::UnboundedReceiver<String> {
    let (lines_tx, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let lines = stdin().lock().lines().map_while(Result::ok);
        for line in lines {
            if lines_tx.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
