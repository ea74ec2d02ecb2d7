//! The nodes: who is there, who joins, who vanishes.

use std::sync::Arc;

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus, seq::SliceRandom};

use crate::{
    sampling::{
        mode::{Mode, selection::Selection},
        overlay::Overlay,
        sampler::{Sampler, config as gossip},
    },
    simulator::{
        adversary::{
            attack::{Adversaries, Attack, Kept},
            attackers::Attackers,
        },
        bootstrap::Bootstrap,
        chance::fork,
        config::{Config, ConfigError},
        graph::Graph,
        host::Host,
    },
};

/// A simulated node: the state machine that the libp2p behaviour drives too.
pub type Node<O> = Sampler<Host, O, Xoshiro256PlusPlus>;

/// All nodes of a simulation.
///
/// Nodes are numbered in the order in which they join. A number is never used twice, so that links
/// to nodes that have vanished stay links to nobody.
#[derive(Debug)]
pub struct Network<O> {
    config: Config,
    /// The settings of every node, once for all.
    gossip: Arc<gossip::Config>,
    overlay: O,
    /// From which the RNG of each node is forked.
    rng: Xoshiro256PlusPlus,
    /// By number; `None` for those that have vanished.
    nodes: Vec<Option<Node<O>>>,
    /// The numbers of those that are there, in an order that chance has given them.
    live: Vec<u32>,
    /// How many nodes the bootstrap has brought so far.
    founders: usize,
    /// No node with a smaller number is there any more.
    oldest: usize,
    /// The nodes of each round, added up.
    turns: u64,
    /// What churn could not replace yet: less than a node.
    churn: f64,
    attackers: Option<Attackers>,
    /// By number, if anybody is ever to need them.
    contacts: Vec<Contacts>,
    sampled: Sampled,
}

/// What the sampling service has handed out where there are attackers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sampled {
    /// How many peers: one per honest node and round.
    pub drawn: u64,
    /// How many of these were attackers, or identities that attackers have made up.
    pub hostile: u64,
}

/// The peers with which a node's own exchanges have succeeded last, as many as fit in a view.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contacts(Vec<u32>);

impl Contacts {
    /// An exchange with `peer` has succeeded.
    pub(crate) fn note(&mut self, peer: u32, view_size: usize) {
        self.0.retain(|known| *known != peer);
        if self.0.len() >= view_size {
            self.0.remove(0);
        }
        self.0.push(peer);
    }
}

impl<O: Overlay<Host> + Clone> Network<O> {
    /// The nodes that are there at the start.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when the settings do not go together, or the overlay refuses them.
    pub(crate) fn new(config: Config, overlay: O) -> Result<Self, ConfigError> {
        let mut network = Self::empty(config, overlay)?;
        network.founders = 0;
        network.found(0);
        Ok(network)
    }

    /// No nodes: others bring them, by [`follow`](Self::follow).
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when the settings do not go together, or the overlay refuses them.
    pub(crate) fn empty(config: Config, overlay: O) -> Result<Self, ConfigError> {
        config.check()?;
        let mut network = Self {
            rng: Xoshiro256PlusPlus::seed_from_u64(config.seed()),
            overlay,
            nodes: Vec::with_capacity(config.nodes()),
            live: Vec::with_capacity(config.nodes()),
            founders: config.honest(),
            oldest: 0,
            turns: 0,
            churn: 0.0,
            attackers: Attackers::of(&config),
            contacts: Vec::new(),
            sampled: Sampled::default(),
            gossip: Arc::new(config.gossip().clone()),
            config,
        };
        // Once for all: whether the overlay can work with the view size.
        network.node_of(0)?;
        Ok(network)
    }

    /// Lets the same nodes be there as in `leader`, under the same numbers. Those that join know
    /// the peers that they know there.
    pub(crate) fn follow<L: Overlay<Host> + Clone>(&mut self, leader: &Network<L>) {
        self.live.retain(|&id| leader.node(id).is_some());
        for (id, node) in (0..).zip(&mut self.nodes) {
            if leader.node(id).is_none() {
                *node = None;
            }
        }
        for id in self.nodes.len()..leader.ids() {
            match leader.node(id as u32) {
                Some(node) => self.join(node.view().iter().map(|descriptor| descriptor.peer)),
                None => self.nodes.push(None),
            }
        }
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How many nodes are there. Attackers are none, here and below.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// How many numbers have been given: every node that ever was has a smaller one.
    pub fn ids(&self) -> usize {
        self.nodes.len()
    }

    /// How many nodes have taken part in each round so far, added up: newcomers have, and so have
    /// those that crashed at the end of it.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// The node with this number, if it is there.
    pub fn node(&self, id: u32) -> Option<&Node<O>> {
        self.nodes.get(id as usize)?.as_ref()
    }

    /// The nodes that are there and their numbers, by number.
    pub fn nodes(&self) -> impl Iterator<Item = (u32, &Node<O>)> + Clone {
        let numbered = (0..).zip(&self.nodes);
        numbered.filter_map(|(id, node)| Some((id, node.as_ref()?)))
    }

    /// What the sampling service has handed out so far; nothing where there are no attackers.
    pub fn sampled(&self) -> Sampled {
        self.sampled
    }

    /// The graph of the views as they are now. Attackers in them are left out; identities that they
    /// have made up are links to nobody.
    pub fn graph(&self) -> Graph {
        let views = self.nodes().map(|(id, node)| {
            let hosts = node.view().iter().map(|descriptor| descriptor.peer);
            let counted = hosts.filter(|host| !host.is_hostile() || host.is_fake());
            (id, counted.map(|Host(number)| number))
        });
        Graph::new(self.ids(), views)
    }

    /// A sample from the sampling service of one node; `None` when it is not there, or knows
    /// nobody.
    pub(crate) fn select_peer(&mut self, id: u32, mode: impl Mode<Host>) -> Option<u32> {
        let node = self.nodes.get_mut(id as usize)?.as_mut()?;
        node.select_peer(mode).map(|Host(number)| number)
    }

    /// The numbers of those that are there, in no particular order that is the same for the same
    /// seed.
    pub(crate) fn live(&self) -> &[u32] {
        &self.live
    }

    pub(crate) fn node_mut(&mut self, id: u32) -> Option<&mut Node<O>> {
        self.nodes.get_mut(id as usize)?.as_mut()
    }

    /// The nodes, and the peers that each has contacted, if that is noted.
    pub(crate) fn nodes_mut(&mut self) -> (&mut [Option<Node<O>>], &mut [Contacts]) {
        (&mut self.nodes, &mut self.contacts)
    }

    pub(crate) fn attackers(&self) -> Option<&Attackers> {
        self.attackers.as_ref()
    }

    /// Whether the network is cut in two between these nodes, in this round.
    pub(crate) fn parts(&self, one: u32, other: u32, round: u64) -> bool {
        parts(&self.config, round, one, other)
    }

    /// What the beginning of a round brings: newcomers.
    pub(crate) fn begin_round(&mut self, round: u64) {
        self.found(round);
        self.replace();
        self.restart(round);
        self.turns += self.live.len() as u64;
    }

    /// What the end of a round brings: samples, where there are attackers to be found in them, and
    /// crashes.
    pub(crate) fn end_round(&mut self, round: u64) {
        if self.attackers.is_some() {
            self.draw_samples();
        }
        for at in 0..self.config.faults().crashes().len() {
            let crash = self.config.faults().crashes()[at];
            if crash.round == round {
                let count = (crash.fraction * self.live.len() as f64).round() as usize;
                self.vanish(count);
            }
        }
    }

    /// Every node asks its sampling service for one peer.
    fn draw_samples(&mut self) {
        for at in 0..self.live.len() {
            if let Some(sample) = self.select_peer(self.live[at], Selection::Uniform) {
                self.sampled.drawn += 1;
                self.sampled.hostile += u64::from(Host(sample).is_hostile());
            }
        }
    }

    /// Lets those join that the bootstrap brings until `round`.
    fn found(&mut self, round: u64) {
        let honest = self.config.honest();
        let bootstrap = self.config.bootstrap();
        let view_size = self.config.gossip().view_size();
        let among = match bootstrap {
            // Attackers are in these views like all others.
            Bootstrap::Random => self.config.nodes() as u32,
            _ => honest as u32,
        };
        while self.founders < bootstrap.joined(honest, round) {
            let founder = self.founders as u32;
            let oldest = self.oldest();
            let peers = bootstrap.peers(founder, oldest, among, view_size, &mut self.rng);
            self.founders += 1;
            let attackers = self.attackers;
            self.join(peers.into_iter().map(|number| {
                let attacker = number.checked_sub(honest as u32).zip(attackers);
                attacker.map_or(Host(number), |(number, all)| all.identity(number))
            }));
        }
    }

    /// Who is there for the longest time: a number never comes back.
    fn oldest(&mut self) -> Option<u32> {
        while self.nodes.get(self.oldest).is_some_and(Option::is_none) {
            self.oldest += 1;
        }
        (self.oldest < self.nodes.len()).then_some(self.oldest as u32)
    }

    /// Churn: some vanish, and as many join, each of which knows one live node.
    fn replace(&mut self) {
        self.churn += self.config.faults().churn() * self.live.len() as f64;
        let count = self.churn as usize;
        self.churn -= count as f64;
        self.vanish(count);
        let survivors = self.live.len();
        for _ in 0..count {
            let contact = match survivors {
                0 => None,
                _ => Some(self.live[self.rng.random_range(0..survivors)]),
            };
            self.join(contact.map(Host));
        }
    }

    /// Lets those restart whose turn it is: each knows the peers that it has kept, and one node at
    /// random.
    fn restart(&mut self, round: u64) {
        let Some(attackers) = self.attackers else {
            return;
        };
        for at in 0..self.live.len() {
            let id = self.live[at];
            if attackers.adversaries().restarts(id, round) {
                let contact = self.anybody_but(id, &attackers);
                let kept = self.contacts.get(id as usize).cloned();
                let kept = kept.unwrap_or_default().0.into_iter().map(Host);
                let node = self.start(id, std::iter::once(contact).chain(kept));
                self.nodes[id as usize] = Some(node);
            }
        }
    }

    /// Any other node or any attacker, all as likely.
    fn anybody_but(&mut self, id: u32, attackers: &Attackers) -> Host {
        let all = self.live.len() + attackers.count() as usize;
        loop {
            let drawn = self.rng.random_range(0..all);
            match self.live.get(drawn) {
                None => return attackers.identity((drawn - self.live.len()) as u32),
                Some(&other) if other != id => return Host(other),
                Some(_) => {}
            }
        }
    }

    fn join(&mut self, peers: impl IntoIterator<Item = Host>) {
        let id = self.nodes.len() as u32;
        let node = self.start(id, peers);
        self.nodes.push(Some(node));
        self.live.push(id);
        let adversaries = self.attackers.as_ref().map(Attackers::adversaries);
        let keeps = |a: &Adversaries| (a.attack(), a.kept()) == (Attack::Restart, Kept::Contacted);
        if adversaries.is_some_and(keeps) {
            self.contacts.push(Contacts::default());
        }
    }

    fn start(&mut self, id: u32, peers: impl IntoIterator<Item = Host>) -> Node<O> {
        let mut node = self.node_of(id).expect("checked when the network was made");
        node.set_local(Some(Host(id)));
        node.init(peers);
        node
    }

    fn node_of(&mut self, id: u32) -> Result<Node<O>, ConfigError> {
        let rng = Xoshiro256PlusPlus::from_rng(&mut self.rng);
        let config = Arc::clone(&self.gossip);
        Ok(Sampler::new(id, config, self.overlay.clone(), rng)?)
    }

    /// Takes away `count` nodes, or all when there are fewer, chosen at random.
    fn vanish(&mut self, count: usize) {
        let count = count.min(self.live.len());
        let (vanished, _) = self.live.partial_shuffle(&mut self.rng, count);
        for &mut id in vanished {
            self.nodes[id as usize] = None;
        }
        // That is where `partial_shuffle` leaves those it has drawn.
        self.live.truncate(self.live.len() - count);
    }
}

/// Whether the network is cut in two between these nodes, in this round.
pub(crate) fn parts(config: &Config, round: u64, one: u32, other: u32) -> bool {
    let side = |id| side(config.seed(), id);
    config.faults().partitioned(round) && side(one) != side(other)
}

/// On which side of a partition a node is.
pub(crate) fn side(seed: u64, id: u32) -> bool {
    fork(seed, (id, 0, 0)).random()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        sampling::overlay::random::Random,
        simulator::{bootstrap::Bootstrap, faults::Faults},
    };

    /// Or nobody who joins after the very first node has gone would ever know anybody.
    #[test]
    fn a_newcomer_to_a_growing_network_knows_the_oldest_node_that_is_left() {
        let config = Config::new(400)
            .with_bootstrap(Bootstrap::GROWING)
            .with_faults(Faults::none().with_churn(0.2));
        let mut network = Network::new(config, Random::new(1, 14)).expect("valid settings");
        network.begin_round(1);
        while network.node(0).is_some() {
            network.replace();
        }
        let (oldest, _) = network.nodes().next().expect("churn replaces");
        let joined = network.ids();
        network.found(2);
        for (id, node) in network
            .nodes()
            .skip_while(|(id, _)| (*id as usize) < joined)
        {
            let peers = node.view().iter().map(|d| d.peer.0);
            assert_eq!(peers.collect::<Vec<_>>(), [oldest], "node {id}");
        }
        assert_eq!(network.ids(), joined + 20);
    }
}
