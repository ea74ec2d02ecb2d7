//! What happens to the nodes: they join one after another, talk for many rounds, and then half of
//! them crash.

use std::{sync::Arc, time::Duration};

use futures::future::try_join_all;
use libp2p_peer_sampling::Config;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::gossip::{
    gauge::{Bin, Most, Phase},
    ledger::Delivery,
    node::{All, Failure, Keeps, Look, Mesh, Node, Options, Records, Tally},
    topology::Topology,
};

/// How long anything may take that should not take long.
const PATIENCE: Duration = Duration::from_secs(30);
/// Within so many rounds after a crash everything has to be together again.
pub const HEALED_WITHIN: u32 = 5;
/// How many rounds are looked at after that.
const AFTERWARDS: u32 = 10;
/// How often per round the nodes are looked at after a crash.
const LOOKS: u32 = 5;

/// How many connections a node may have at any moment, as long as an exchange takes less than a
/// period.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    pub neighbours: usize,
    /// Exchanges that others have started.
    pub inbound: usize,
    /// One each for: an exchange of the node's own; the exchange before, whose connection is being
    /// closed; a neighbour that has given way to another; and a second connection to a peer, where
    /// both ends have dialled at once.
    pub slack: usize,
}

impl Bound {
    /// As many inbound exchanges as neighbours: those come one per period on average, at random.
    pub fn of(neighbours: usize) -> Self {
        Self {
            neighbours,
            inbound: neighbours,
            slack: 4,
        }
    }

    pub fn total(self) -> usize {
        self.neighbours + self.inbound + self.slack
    }
}

/// One run.
#[derive(Debug, Clone)]
pub struct Plan {
    pub nodes: usize,
    pub keeps: Keeps,
    /// About how many rounds pass before a new neighbour is due.
    pub rotation: u32,
    pub view_size: usize,
    /// From when all have joined.
    pub rounds: u32,
    pub period: Duration,
    /// Gossipsub's.
    pub heartbeat: Duration,
    /// The time between two nodes that join.
    pub interval: Duration,
    /// How many messages are published per round, by all nodes in turn.
    pub messages: u32,
    pub mesh: Mesh,
    /// Some connections beyond this number are closed, no matter which side dialled.
    pub max_connections: Option<usize>,
    /// Whether half of the nodes crash in the end.
    pub crash: bool,
    /// Which half.
    pub seed: u64,
}

impl Plan {
    fn options(&self, seed: Option<&Node>) -> Options {
        Options {
            keeps: self.keeps,
            rotation: self.rotation,
            view_size: self.view_size,
            period: self.period,
            heartbeat: self.heartbeat,
            seeds: seed.iter().map(|node| node.address.clone()).collect(),
            mesh: self.mesh,
            max_connections: self.max_connections,
        }
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Measured {
    pub plan: Plan,
    /// From the first node's start until all views were full and the mesh was one.
    pub joined: Duration,
    pub joining: Most,
    pub running: Most,
    /// One for each round's time since the first node's start.
    pub bins: Vec<Bin>,
    pub delivery: Delivery,
    /// The messages that somebody has missed: when they were said, and who.
    pub missed: Vec<(Duration, Vec<usize>)>,
    /// At each round's end.
    pub topologies: Vec<Topology>,
    /// Until the crash.
    pub tally: Tally,
    pub crashed: Option<Crashed>,
    /// By how much a timer was late in the worst case: what the machine has measured of itself.
    pub latest_timer: Duration,
}

impl Measured {
    /// The most connections of any node in the rounds in which the machine kept up, and how many
    /// such rounds there were. In such a round, and before it for as long as an exchange may take,
    /// no timer was late by a tenth of a period.
    pub fn unhurried(&self) -> (usize, usize) {
        let Plan { period, .. } = self.plan;
        let before = (Config::local().gossip().exchange_timeout().as_secs_f64()
            / period.as_secs_f64()) as usize;
        let (mut most, mut rounds, mut quiet) = (0, 0, before);
        for bin in &self.bins {
            quiet = match bin.late < period / 10 {
                true => quiet + 1,
                false => 0,
            };
            if quiet > before {
                most = most.max(bin.most);
                rounds += 1;
            }
        }
        (most, rounds)
    }
}

/// What came of a crash.
#[derive(Debug)]
pub struct Crashed {
    pub survivors: usize,
    /// From how many rounds after the crash on, the neighbours and the mesh were one component;
    /// `None`: not within the time that was looked at.
    pub neighbours: Option<f64>,
    pub mesh: Option<f64>,
    /// After how many rounds the survivors had as many neighbours as before, but for a tenth.
    pub refilled: Option<f64>,
    /// What was said in the first rounds after the crash, and what later.
    pub at_once: Delivery,
    pub later: Delivery,
    pub missed: Vec<(Duration, Vec<usize>)>,
    pub most: Most,
}

/// # Errors
///
/// When a node cannot be started or stops by itself, or the nodes do not come together.
pub async fn run(plan: &Plan) -> Result<Measured, Failure> {
    let records = Records::new(plan.nodes, plan.period);
    let clock = Clock::start(records.clone());
    let mut study = Study {
        plan: plan.clone(),
        records: records.clone(),
        nodes: Vec::new(),
        said: 0,
    };
    let measured = study.measure().await;
    let stopped = try_join_all(study.nodes.into_iter().map(Node::stop)).await;
    let latest_timer = clock.stop().await?;
    let measured = measured?;
    stopped?;
    Ok(Measured {
        latest_timer,
        ..measured
    })
}

struct Study {
    plan: Plan,
    records: Arc<Records>,
    nodes: Vec<Node>,
    /// How many messages were published.
    said: usize,
}

impl Study {
    async fn measure(&mut self) -> Result<Measured, Failure> {
        self.join().await?;
        let joined = self.records.elapsed();
        self.enter(Phase::Running);
        let topologies = self.talk().await?;
        self.settle(Phase::Running).await;
        let tally = self.records.all().tally.clone();
        let mut before = topologies.iter().rev();
        let before = before.next().map_or(0.0, |topology| topology.neighbours);
        let bins = self.records.all().gauge.bins(self.records.elapsed());
        let crashed = match self.plan.crash {
            true => Some(self.crash(before).await?),
            false => None,
        };
        let all = &mut *self.records.all();
        let gauge = &all.gauge;
        Ok(Measured {
            plan: self.plan.clone(),
            joined,
            joining: gauge.most(Phase::Joining),
            running: gauge.most(Phase::Running),
            bins,
            delivery: all.ledger.delivery(Phase::Running),
            missed: all.ledger.missed(Phase::Running),
            topologies,
            tally,
            crashed,
            latest_timer: Duration::ZERO,
        })
    }

    fn enter(&self, phase: Phase) {
        let at = self.records.elapsed();
        self.records.all().gauge.enter(phase, at);
    }

    /// One node after another, each with the first as its seed.
    async fn join(&mut self) -> Result<(), Failure> {
        let started = Instant::now();
        for number in 0..self.plan.nodes {
            sleep_until(started + self.plan.interval * number as u32).await;
            let options = self.plan.options(self.nodes.first());
            let node = Node::start(number, &options, &self.records).await?;
            self.nodes.push(node);
        }
        let full = self.plan.view_size.min(self.plan.nodes - 1);
        let together = timeout(PATIENCE, async {
            loop {
                let looks = self.look().await?;
                let all_full = looks.iter().all(|look| look.view_len >= full);
                if all_full && Topology::of(&looks).mesh_components == 1 {
                    return Ok(());
                }
                sleep(self.plan.period / LOOKS).await;
            }
        });
        let outcome = together.await;
        outcome.map_err(|_| format!("after {PATIENCE:?} the nodes have not come together"))?
    }

    async fn look(&self) -> Result<Vec<Look>, Failure> {
        try_join_all(self.nodes.iter().map(Node::look)).await
    }

    /// The next node in turn says something.
    async fn say(&mut self, phase: Phase) -> Result<(), Failure> {
        let speaker = &self.nodes[self.said % self.nodes.len()];
        self.said += 1;
        let there: Vec<usize> = self.nodes.iter().map(|node| node.number).collect();
        let at = self.records.elapsed();
        let begin = |all: &mut All| all.ledger.begin(speaker.number, &there, phase, at);
        let message = begin(&mut self.records.all());
        speaker.publish(message).await
    }

    async fn talk(&mut self) -> Result<Vec<Topology>, Failure> {
        let Plan {
            rounds,
            period,
            messages,
            ..
        } = self.plan;
        let started = Instant::now();
        let mut topologies = Vec::new();
        for round in 0..rounds {
            for number in 0..messages {
                sleep_until(started + period * round + period * number / messages).await;
                self.say(Phase::Running).await?;
            }
            sleep_until(started + period * (round + 1)).await;
            topologies.push(Topology::of(&self.look().await?));
        }
        Ok(topologies)
    }

    /// Waits for what was said to arrive, as long as there is hope.
    async fn settle(&self, phase: Phase) {
        let deadline = Instant::now() + PATIENCE / 3;
        while Instant::now() < deadline && !self.records.all().ledger.delivery(phase).is_complete()
        {
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Half of the nodes vanish. `before`: how many neighbours a node had.
    async fn crash(&mut self, before: f64) -> Result<Crashed, Failure> {
        self.nodes
            .shuffle(&mut StdRng::seed_from_u64(self.plan.seed));
        let dead = self.nodes.split_off(self.nodes.len().div_ceil(2));
        self.enter(Phase::Healing);
        try_join_all(dead.into_iter().map(Node::stop)).await?;
        let crash = Instant::now();
        let period = self.plan.period;
        let (mut neighbours, mut mesh, mut refilled) = (None, None, None);
        for look in 0..=LOOKS * (HEALED_WITHIN + AFTERWARDS) {
            sleep_until(crash + period * look / LOOKS).await;
            let topology = Topology::of(&self.look().await?);
            let rounds = Some(crash.elapsed().as_secs_f64() / period.as_secs_f64());
            note(&mut neighbours, topology.neighbour_components == 1, rounds);
            note(&mut mesh, topology.mesh_components == 1, rounds);
            note(&mut refilled, topology.neighbours >= 0.9 * before, rounds);
            let phase = match look < LOOKS * HEALED_WITHIN {
                true => Phase::Healing,
                false => Phase::Healed,
            };
            if look == LOOKS * HEALED_WITHIN {
                self.enter(phase);
            }
            self.say(phase).await?;
        }
        // All, in case that some have not had their turn.
        for _ in 0..self.nodes.len() {
            self.say(Phase::Healed).await?;
        }
        self.settle(Phase::Healed).await;
        let all = self.records.all();
        let most = [Phase::Healing, Phase::Healed].map(|phase| all.gauge.most(phase));
        Ok(Crashed {
            survivors: self.nodes.len(),
            neighbours,
            mesh,
            refilled,
            at_once: all.ledger.delivery(Phase::Healing),
            later: all.ledger.delivery(Phase::Healed),
            missed: all.ledger.missed(Phase::Healed),
            most: match most[0].total() >= most[1].total() {
                true => most[0],
                false => most[1],
            },
        })
    }
}

/// Keeps since when something is so.
fn note(since: &mut Option<f64>, so: bool, now: Option<f64>) {
    *since = match so {
        true => since.or(now),
        false => None,
    };
}

/// Measures by how much timers are late.
struct Clock {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Duration>,
}

impl Clock {
    fn start(records: Arc<Records>) -> Self {
        const TICK: Duration = Duration::from_millis(10);
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut latest = Duration::ZERO;
            loop {
                let due = Instant::now() + TICK;
                tokio::select! {
                    () = sleep_until(due) => {
                        let late = due.elapsed();
                        latest = latest.max(late);
                        let at = records.elapsed();
                        records.all().gauge.timer(late, at);
                    }
                    _ = &mut stopped => return latest,
                }
            }
        });
        Self { stop, task }
    }

    async fn stop(self) -> Result<Duration, Failure> {
        drop(self.stop);
        Ok(self.task.await?)
    }
}
