//! The papers' model, in the smallest form that tests need: synchronous rounds, in each of which
//! every node, in random order, starts what it has to start, and answers arrive at once.

use std::time::Duration;

use libp2p_peer_sampling::{
    Random,
    gossip::{Gossip, config::Config, message::Failure},
};
use rand::{RngExt, SeedableRng, rngs::SmallRng, seq::SliceRandom};

pub type Node = Gossip<u32, Random, SmallRng>;

pub struct Rounds {
    pub nodes: Vec<Option<Node>>,
    rng: SmallRng,
    now: Duration,
    config: Config,
    overlay: Random,
}

impl Rounds {
    pub fn new(config: Config, overlay: Random, seed: u64) -> Self {
        // Rounds are counted here, so nothing may come between them.
        let config = config.with_eager_delay(Duration::from_secs(60 * 60));
        Self {
            nodes: Vec::new(),
            rng: SmallRng::seed_from_u64(seed),
            now: Duration::ZERO,
            config,
            overlay,
        }
    }

    /// Adds a node that knows `peers`.
    pub fn add(&mut self, peers: impl IntoIterator<Item = u32>) {
        let id = self.nodes.len() as u32;
        let rng = SmallRng::from_rng(&mut self.rng);
        let node = Gossip::new(id, self.config.clone(), self.overlay, rng);
        let mut node = node.expect("valid settings");
        node.set_local(Some(id));
        node.init(peers);
        self.nodes.push(Some(node));
    }

    /// `count` nodes, each of which knows the first.
    pub fn star(&mut self, count: u32) {
        for id in 0..count {
            self.add((id > 0).then_some(0));
        }
    }

    /// `count` nodes, each of which knows `c` others at random.
    pub fn random(&mut self, count: u32) {
        for id in 0..count {
            let mut peers = Vec::new();
            while peers.len() < self.config.view_size().min(count as usize - 1) {
                let peer = self.rng.random_range(0..count);
                if peer != id && !peers.contains(&peer) {
                    peers.push(peer);
                }
            }
            self.add(peers);
        }
    }

    pub fn crash(&mut self, id: u32) {
        self.nodes[id as usize] = None;
    }

    pub fn round(&mut self) {
        self.now += self.config.period();
        let mut order: Vec<u32> = (0..self.nodes.len() as u32).collect();
        order.shuffle(&mut self.rng);
        for id in order {
            let now = self.now;
            while let Some(exchange) = self.node(id).and_then(|node| node.poll_round(now)) {
                let response = self
                    .node(exchange.partner)
                    .map(|partner| partner.handle_request(&id, exchange.request));
                let node = self.node(id).expect("it has just polled");
                match response {
                    Some(response) => node
                        .handle_response(exchange.id, response, now)
                        .map(|_| ())
                        .expect("in flight"),
                    None => node
                        .handle_failure(exchange.id, Failure::Unreachable)
                        .map(|_| ())
                        .expect("in flight"),
                }
            }
        }
    }

    fn node(&mut self, id: u32) -> Option<&mut Node> {
        self.nodes[id as usize].as_mut()
    }

    pub fn live(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().flatten()
    }

    /// The standard deviation of the in-degrees.
    pub fn in_degree_sd(&self) -> f64 {
        let views = self.live().map(|node| node.view());
        in_degree_sd(
            self.nodes.len(),
            views.flat_map(|view| view.iter().map(|d| d.peer as usize)),
        )
    }

    /// The share of links that lead to crashed nodes.
    pub fn dead_links(&self) -> f64 {
        let links = || self.live().flat_map(|node| node.view().iter());
        let dead = links().filter(|d| self.nodes[d.peer as usize].is_none());
        dead.count() as f64 / links().count() as f64
    }

    /// Whether all live nodes hang together, links taken both ways.
    pub fn connected(&self) -> bool {
        let live: Vec<usize> = (0..self.nodes.len())
            .filter(|&id| self.nodes[id].is_some())
            .collect();
        let mut neighbours = vec![Vec::new(); self.nodes.len()];
        for &id in &live {
            let node = self.nodes[id].as_ref().expect("live");
            for descriptor in node.view() {
                neighbours[id].push(descriptor.peer as usize);
                neighbours[descriptor.peer as usize].push(id);
            }
        }
        let mut seen = vec![false; self.nodes.len()];
        let mut stack: Vec<usize> = live.first().copied().into_iter().collect();
        while let Some(id) = stack.pop() {
            if !std::mem::replace(&mut seen[id], true) {
                stack.extend(
                    neighbours[id]
                        .iter()
                        .filter(|&&other| self.nodes[other].is_some()),
                );
            }
        }
        live.iter().all(|&id| seen[id])
    }
}

/// The standard deviation of how often each of `nodes` nodes occurs among `links`.
pub fn in_degree_sd(nodes: usize, links: impl Iterator<Item = usize>) -> f64 {
    let mut degrees = vec![0f64; nodes];
    links.for_each(|to| degrees[to] += 1.0);
    let mean = degrees.iter().sum::<f64>() / nodes as f64;
    let variance = degrees.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / nodes as f64;
    variance.sqrt()
}
