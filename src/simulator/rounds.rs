//! The papers' model: synchronous rounds, in each of which every node takes one turn.

mod mail;
#[cfg(test)]
mod tests;
mod worker;

use std::{mem, thread};

use rand::seq::SliceRandom;

use crate::{
    sampling::{mode::Mode, overlay::Overlay},
    simulator::{
        adversary::attackers::{Attackers, Onset},
        chance::fork,
        config::{Config, ConfigError},
        driver::Driver,
        host::Host,
        network::Network,
        rounds::{
            mail::{Barrier, Mail},
            worker::{MAX_BATCH, Shard, Turns, Worker},
        },
        traffic::Traffic,
    },
    time::Time,
};

/// The round-based driver.
///
/// In each round all nodes take a turn, in random order (from 16,384 nodes on, in blocks of 64
/// whose order is random): a node starts what it has to start, its partner answers, it merges the
/// answer. Time-outs take no time: that a message does not arrive is known at once, and the node
/// may try another partner in the same turn.
///
/// # One exchange after another, many at a time
///
/// That exchanges do not overlap is part of the model, and matters: where each lasts a tenth of
/// the period, the swapper's in-degrees spread by half as much again (measured). And yet the nodes
/// are worked on in batches of 1/128 of them, at most 256, so that caches can be filled ahead and
/// threads can share the nodes between them. A batch
///
/// 1. lets its nodes start their exchanges,
/// 2. lets the partners answer, except those that have started one of their own, which is not over:
///    requests to these wait for a later batch,
/// 3. lets the answers be merged.
///
/// So nobody is touched between the start and the end of its own exchange, and the outcome is that
/// of the same exchanges one after another, in the order in which they were answered: a test
/// replays them. Only where nodes wait for each other in a circle do their exchanges overlap: in
/// about one round of 250 there is one. What attackers send comes between the turns, and waits
/// likewise for a node that has an exchange under way. Nor does the outcome depend on the number of
/// threads.
#[derive(Debug)]
pub struct Rounds<O> {
    network: Network<O>,
    round: u64,
    order: Vec<u32>,
    live: Vec<bool>,
    onsets: Vec<Onset>,
    workers: Vec<Worker>,
    mail: Mail,
    traffic: Traffic,
}

/// From how many nodes on turns are taken in blocks: no cache holds so many.
const BLOCKS: usize = 16_384;

/// From how many nodes on a second thread is worth while: batches have their full size there, and
/// waiting for each other takes little of the time.
const MANY_NODES: usize = if cfg!(test) { 1_000 } else { 65_536 };

/// Rounds are counted here, so nothing may come between them.
fn paced(config: Config) -> Config {
    let gossip = config.gossip().clone();
    let period = gossip.period();
    config.with_gossip(gossip.with_eager_delay(period))
}

impl<O: Overlay<Host> + Clone + Send + Sync> Rounds<O> {
    /// A network at its start.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when the settings do not go together.
    pub fn new(config: Config, overlay: O) -> Result<Self, ConfigError> {
        Ok(Self::of(Network::new(paced(config), overlay)?))
    }

    /// A network without nodes: others bring them.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when the settings do not go together.
    pub(crate) fn empty(config: Config, overlay: O) -> Result<Self, ConfigError> {
        Ok(Self::of(Network::empty(paced(config), overlay)?))
    }

    fn of(network: Network<O>) -> Self {
        let threads = network.config().threads();
        Self {
            network,
            round: 0,
            order: Vec::new(),
            live: Vec::new(),
            onsets: Vec::new(),
            workers: Vec::new(),
            mail: Mail::new(threads),
            traffic: Traffic::default(),
        }
    }

    pub(crate) fn network_mut(&mut self) -> &mut Network<O> {
        &mut self.network
    }

    /// Draws the order of the turns: of very many nodes, those that lie side by side in memory (as
    /// long as none has vanished) take theirs together, and each batch has its share of every
    /// quarter, whichever thread is to work on it.
    fn draw_order(&mut self) {
        let live = self.network.live();
        let (block, quarter) = match live.len() < BLOCKS {
            true => (1, live.len()),
            false => (64, live.len().div_ceil(4)),
        };
        let mut rng = fork(self.network.config().seed(), (u32::MAX, self.round, 0));
        let quarters = live.chunks(quarter.max(1)).map(|quarter| {
            let mut blocks: Vec<&[u32]> = quarter.chunks(block).collect();
            blocks.shuffle(&mut rng);
            blocks
        });
        let quarters: Vec<_> = quarters.collect();
        let most = quarters.iter().map(Vec::len).max().unwrap_or_default();
        self.order.clear();
        for number in 0..most {
            let blocks = quarters.iter().filter_map(|blocks| blocks.get(number));
            self.order.extend(blocks.copied().flatten());
        }
    }

    fn exchanges(&mut self) {
        let config = self.network.config();
        let turns = Turns {
            now: Time::new(
                config.gossip().period() * u32::try_from(self.round).unwrap_or(u32::MAX),
            ),
            round: self.round,
            config: config.clone(),
            batch: (self.order.len() / 128).clamp(1, MAX_BATCH),
            order: &self.order,
            live: &self.live,
            attackers: self.network.attackers().copied(),
            onsets: &self.onsets,
            mail: &self.mail,
        };
        let threads = match self.order.len() < MANY_NODES {
            true => 1,
            false => config.threads(),
        };
        let (nodes, contacts) = self.network.nodes_mut();
        let size = nodes.len().div_ceil(threads).max(1);
        let shards = nodes.chunks_mut(size).enumerate();
        let mut contacts = contacts.chunks_mut(size);
        let barrier = Barrier::new(shards.len());
        self.workers.resize_with(shards.len(), Worker::new);
        thread::scope(|scope| {
            let mut first = None;
            for ((index, nodes), worker) in shards.zip(&mut self.workers) {
                let shard = Shard {
                    index,
                    size,
                    first: index * size,
                    nodes,
                    contacts: contacts.next().unwrap_or_default(),
                };
                match first {
                    None => first = Some((worker, shard)),
                    Some(_) => {
                        let (turns, barrier) = (&turns, &barrier);
                        scope.spawn(move || worker.work(shard, turns, barrier));
                    }
                }
            }
            if let Some((worker, shard)) = first {
                worker.work(shard, &turns, &barrier);
            }
        });
        for worker in &mut self.workers {
            self.traffic += mem::take(&mut worker.traffic);
        }
    }
}

impl<O: Overlay<Host> + Clone + Send + Sync> Driver for Rounds<O> {
    type Overlay = O;

    fn next_round(&mut self) {
        self.round += 1;
        self.network.begin_round(self.round);
        // Which nodes a node cannot reach is decided by who is there now.
        self.live.clear();
        self.live.resize(self.network.ids(), false);
        for &id in self.network.live() {
            self.live[id as usize] = true;
        }
        self.draw_order();
        let onsets = |all: &Attackers| all.onsets(self.round, self.network.live());
        self.onsets = self.network.attackers().map(onsets).unwrap_or_default();
        self.exchanges();
        self.network.end_round(self.round);
    }

    fn round(&self) -> u64 {
        self.round
    }

    fn network(&self) -> &Network<O> {
        &self.network
    }

    fn select_peer(&mut self, id: u32, mode: impl Mode<Host>) -> Option<u32> {
        self.network.select_peer(id, mode)
    }

    fn traffic(&self) -> Traffic {
        self.traffic
    }
}
