//! Kills and replaces nodes while messages go round, and finds the deliveries that are missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use clap::ValueEnum;
use libp2p::Multiaddr;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    node::{Command, Failure, Settings},
    process::{Process, until},
};

/// A node is a speaker, and expected to hear, from this age on.
pub const GROWN_UP: Duration = Duration::from_secs(3);
/// How long a message may take. Gossipsub repairs for five heartbeats of a second.
pub const MESSAGE_TIME: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Transports {
    Tcp,
    Quic,
    Both,
}

impl Transports {
    fn listen(self) -> Vec<Multiaddr> {
        let (tcp, quic) = ("/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1");
        let addresses = match self {
            Self::Tcp => &[tcp][..],
            Self::Quic => &[quic],
            Self::Both => &[tcp, quic],
        };
        let parsed = addresses.iter().map(|address| address.parse());
        parsed
            .map(|address| address.expect("a multiaddr"))
            .collect()
    }
}

/// What is done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The arguments that make this program a node.
    pub arguments: &'static [&'static str],
    pub nodes: usize,
    pub transports: Transports,
    pub replace_every: Duration,
    pub message_every: Duration,
    /// How long nodes are replaced.
    pub duration: Duration,
    pub period: Duration,
    pub exchange_timeout: Option<Duration>,
    pub fanout: usize,
    pub seed: u64,
}

impl Plan {
    fn settings(&self, key: u64, seed: Option<&Process>) -> Settings {
        let mut settings = Settings::new(key, self.transports.listen());
        settings.period = self.period;
        settings.fanout = self.fanout;
        settings.gossipsub = true;
        settings.exchange_timeout = self.exchange_timeout;
        settings.seeds = seed.map_or_else(Vec::new, |seed| seed.addresses.clone());
        settings
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Measured {
    pub replaced: usize,
    pub messages: usize,
    /// How many of them gossipsub did not take, for want of anybody to send them to.
    pub unsent: usize,
    pub expected: usize,
    pub lost: Vec<Lost>,
}

/// A delivery that is missing.
#[derive(Debug)]
pub struct Lost {
    pub message: u64,
    /// The number of the node that has not heard it, in the order of their starts.
    pub node: u64,
    /// Its age when the message was sent.
    pub age: Duration,
}

/// A node, and when it lived.
struct Life {
    started: Instant,
    /// What it has heard, and when it was killed.
    ended: Option<(BTreeSet<u64>, Instant)>,
}

struct Message {
    speaker: u64,
    sent: Instant,
    /// Whether gossipsub took it.
    published: bool,
}

struct Study<'a> {
    plan: &'a Plan,
    rng: StdRng,
    /// The nodes that are alive.
    processes: Vec<Process>,
    /// All that ever lived, by their key.
    lives: BTreeMap<u64, Life>,
    /// By their number.
    messages: Vec<Message>,
}

/// # Errors
///
/// When a node cannot be started or ends by itself, or the nodes do not come together.
pub async fn run(plan: &Plan) -> Result<Measured, Failure> {
    let mut study = Study {
        plan,
        rng: StdRng::seed_from_u64(plan.seed),
        processes: Vec::new(),
        lives: BTreeMap::new(),
        messages: Vec::new(),
    };
    study.join().await?;
    study.churn().await?;
    study.end().await
}

impl Study<'_> {
    async fn start(&mut self, seed: Option<usize>) -> Result<(), Failure> {
        let key = self.lives.len() as u64;
        let seed = seed.map(|seed| &self.processes[seed]);
        let settings = self.plan.settings(key, seed);
        let process = Process::start(self.plan.arguments, settings).await?;
        self.processes.push(process);
        let life = Life {
            started: Instant::now(),
            ended: None,
        };
        self.lives.insert(key, life);
        Ok(())
    }

    async fn join(&mut self) -> Result<(), Failure> {
        for node in 0..self.plan.nodes {
            self.start((node > 0).then_some(0)).await?;
        }
        let others = self.plan.nodes - 1;
        until("every view is full", &mut self.processes, |looks| {
            let full = |len: usize| len >= others.min(30);
            looks.iter().all(|look| full(look.view.len())).then_some(())
        })
        .await?;
        sleep(GROWN_UP).await;
        Ok(())
    }

    async fn churn(&mut self) -> Result<(), Failure> {
        let end = Instant::now() + self.plan.duration;
        let mut replace = Instant::now() + self.plan.replace_every;
        let mut say = Instant::now();
        loop {
            let next = say.min(replace);
            if next >= end {
                return Ok(());
            }
            sleep_until(next).await;
            if say <= replace {
                self.say().await?;
                say += self.plan.message_every;
            } else {
                self.replace().await?;
                replace += self.plan.replace_every;
            }
        }
    }

    /// Somebody who is old enough says something.
    async fn say(&mut self) -> Result<(), Failure> {
        let Self {
            processes, lives, ..
        } = self;
        let mut grown_up: Vec<_> = processes.iter_mut().collect();
        grown_up.retain(|process| lives[&process.settings.key].started.elapsed() >= GROWN_UP);
        if grown_up.is_empty() {
            return Ok(());
        }
        let speaker = self.rng.random_range(0..grown_up.len());
        let speaker = &mut grown_up[speaker];
        let message = self.messages.len() as u64;
        let sent = Instant::now();
        let published = speaker.ask(&Command::Publish { message }).await?;
        self.messages.push(Message {
            speaker: speaker.settings.key,
            sent,
            published,
        });
        Ok(())
    }

    /// Somebody is killed, and somebody new joins through one that lives.
    async fn replace(&mut self) -> Result<(), Failure> {
        let victim = self.rng.random_range(0..self.processes.len());
        let victim = self.processes.swap_remove(victim);
        self.kill(victim).await?;
        let seeds: Vec<usize> = (0..self.processes.len()).collect();
        let seed = seeds.choose(&mut self.rng).copied();
        self.start(seed).await
    }

    async fn kill(&mut self, mut victim: Process) -> Result<(), Failure> {
        let key = victim.settings.key;
        let heard = victim.look().await?.heard;
        let ended = Some((heard.into_iter().collect(), Instant::now()));
        victim.kill().await?;
        self.lives.entry(key).and_modify(|life| life.ended = ended);
        Ok(())
    }

    async fn end(mut self) -> Result<Measured, Failure> {
        let replaced = self.lives.len() - self.plan.nodes;
        sleep(MESSAGE_TIME).await;
        for process in std::mem::take(&mut self.processes) {
            self.kill(process).await?;
        }
        let mut measured = Measured {
            replaced,
            messages: self.messages.len(),
            unsent: self.messages.iter().filter(|m| !m.published).count(),
            ..Measured::default()
        };
        for (number, message) in (0..).zip(&self.messages) {
            if self.heard(message.speaker, message).is_none() {
                continue;
            }
            for (node, life) in &self.lives {
                let age = message.sent.saturating_duration_since(life.started);
                let Some(heard) = self.heard(*node, message) else {
                    continue;
                };
                if *node == message.speaker || age < GROWN_UP {
                    continue;
                }
                measured.expected += 1;
                if !heard.contains(&number) {
                    measured.lost.push(Lost {
                        message: number,
                        node: *node,
                        age,
                    });
                }
            }
        }
        Ok(measured)
    }

    /// What a node has heard that was alive for the message's time.
    fn heard(&self, node: u64, message: &Message) -> Option<&BTreeSet<u64>> {
        let (heard, ended) = self.lives[&node].ended.as_ref()?;
        (*ended >= message.sent + MESSAGE_TIME).then_some(heard)
    }
}
