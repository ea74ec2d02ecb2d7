//! The demo in one process: nodes that know one seed find each other, the seed stops, and a message
//! still reaches all others.

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt;
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol, swarm::Swarm, swarm::SwarmEvent};
use libp2p_peer_sampling::Handle;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::node::{self, Incoming, Node, Options};

/// How long the views may take to fill, and the message to reach everybody.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many rounds the views are mixed before the seed stops.
const MIXING: u32 = 10;
/// How often the state of the views is printed.
const REPORT: Duration = Duration::from_millis(500);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A node in a task of its own, with real sockets.
struct Running {
    peer_id: PeerId,
    /// One address, with `/p2p`.
    address: Multiaddr,
    handle: Handle,
    say: mpsc::UnboundedSender<String>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Somebody has heard something.
struct Heard {
    by: PeerId,
    text: String,
}

pub async fn run(count: usize, options: Options) -> Result<(), Failure> {
    let period = options.period.unwrap_or(Duration::from_millis(500));
    // Small enough that nobody simply knows everybody.
    let view_size = (count / 2).clamp(2, 30);
    let (heard_tx, mut heard) = mpsc::unbounded_channel();
    let options = |seeds| Options {
        seeds,
        period: Some(period),
        view_size: Some(view_size),
        ..options.clone()
    };

    let seed = Running::start(options(Vec::new()), heard_tx.clone()).await?;
    println!("one seed listens on {}", seed.address);
    let mut nodes = Vec::new();
    for _ in 0..count {
        let options = options(vec![seed.address.clone()]);
        nodes.push(Running::start(options, heard_tx.clone()).await?);
    }
    println!("{count} nodes join; they know only the seed");

    let result = tell(seed, &nodes, view_size, period, &mut heard).await;
    for node in nodes {
        node.stop().await?;
    }
    result
}

async fn tell(
    seed: Running,
    nodes: &[Running],
    view_size: usize,
    period: Duration,
    heard: &mut mpsc::UnboundedReceiver<Heard>,
) -> Result<(), Failure> {
    let count = nodes.len();
    let started = Instant::now();
    timeout(PATIENCE, async {
        while report(nodes, view_size, started) < count {
            tokio::time::sleep(REPORT).await;
        }
    })
    .await
    .map_err(|_| format!("the views are not full after {PATIENCE:?}"))?;

    println!("every view is full, with {view_size} of the {count} others");
    for round in [0, MIXING / 2, MIXING] {
        if round > 0 {
            tokio::time::sleep(period * (MIXING / 2)).await;
        }
        let (least, most) = in_degrees(nodes);
        println!("after {round:2} more rounds each node is in {least} to {most} views");
    }

    let neighbours = format!(
        "{} of {count} nodes had it in their view",
        in_views(nodes, &seed.peer_id)
    );
    seed.stop().await?;
    println!("the seed is stopped; {neighbours}");

    let text = "is anybody still there?";
    let (speaker, listeners) = nodes.split_first().ok_or("no nodes")?;
    println!("one node says: {text}");
    let said = Instant::now();
    speaker.say.send(text.into())?;
    let mut times = BTreeMap::new();
    let everybody = timeout(PATIENCE, async {
        while times.len() < listeners.len() {
            let Some(Heard { by, text: heard }) = heard.recv().await else {
                break;
            };
            if heard.ends_with(text) {
                *times.entry(by).or_insert(0) += 1;
            }
        }
    });
    let all = everybody.await.is_ok() && times.len() == listeners.len();
    println!(
        "{} of the {} others have heard it, after {:.0?}",
        times.len(),
        listeners.len(),
        said.elapsed()
    );
    match all {
        true => Ok(()),
        false => Err(format!("the message did not reach everybody within {PATIENCE:?}").into()),
    }
}

/// Prints how full the views are, and returns how many are full.
fn report(nodes: &[Running], view_size: usize, started: Instant) -> usize {
    let lens: Vec<usize> = nodes.iter().map(|node| node.handle.view_len()).collect();
    let mean = lens.iter().sum::<usize>() as f64 / lens.len() as f64;
    let full = lens.iter().filter(|len| **len >= view_size).count();
    println!(
        "{:4.1} s: a node knows {mean:4.1} others on average, {full} of {} views are full",
        started.elapsed().as_secs_f64(),
        nodes.len()
    );
    full
}

/// In how many of the nodes' views the least and the best known of them is.
fn in_degrees(nodes: &[Running]) -> (usize, usize) {
    let degrees = nodes.iter().map(|node| in_views(nodes, &node.peer_id));
    let (least, most) = (degrees.clone().min(), degrees.max());
    (least.unwrap_or_default(), most.unwrap_or_default())
}

fn in_views(nodes: &[Running], peer: &PeerId) -> usize {
    let knows = |node: &&Running| node.handle.contains(peer);
    nodes.iter().filter(knows).count()
}

impl Running {
    async fn start(options: Options, heard: mpsc::UnboundedSender<Heard>) -> Result<Self, Failure> {
        let mut swarm = node::start(options)?;
        let peer_id = *swarm.local_peer_id();
        let handle = swarm.behaviour().sampling.handle();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address.with(Protocol::P2p(peer_id));
            }
        };
        let (say, lines) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(drive(swarm, lines, stopped, heard));
        Ok(Self {
            peer_id,
            address,
            handle,
            say,
            stop,
            task,
        })
    }

    /// Stops the node as a crash would: nobody is told.
    async fn stop(self) -> Result<(), Failure> {
        drop(self.stop);
        Ok(self.task.await?)
    }
}

async fn drive(
    mut swarm: Swarm<Node>,
    mut lines: mpsc::UnboundedReceiver<String>,
    mut stopped: oneshot::Receiver<()>,
    heard: mpsc::UnboundedSender<Heard>,
) {
    let by = *swarm.local_peer_id();
    loop {
        tokio::select! {
            event = swarm.select_next_some() => {
                if let SwarmEvent::Behaviour(event) = event
                    && let Incoming::Text(text) = swarm.behaviour_mut().on_event(event)
                {
                    // The story may be over already.
                    let _ = heard.send(Heard { by, text });
                }
            }
            Some(line) = lines.recv() => {
                if let Err(error) = swarm.behaviour_mut().say("demo", &line) {
                    eprintln!("not sent: {error}");
                }
            }
            _ = &mut stopped => return,
        }
    }
}
