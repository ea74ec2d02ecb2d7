//! A topology that nodes find by gossip, with a random overlay beside it.

pub mod shape;
mod target;
#[cfg(test)]
mod tests;

use rand::seq::index;

use crate::{
    sampling::{
        mode::Mode,
        overlay::{random::Random, ranked::Ranked},
        sampler::config as gossip,
    },
    simulator::{
        chance::fork,
        config::{Config, ConfigError},
        driver::Driver,
        host::Host,
        network::Network,
        rounds::Rounds,
        topology::{shape::Shape, target::Target},
        traffic::Traffic,
    },
};

/// Two networks of the same nodes in lockstep: in one, views are random, in the other they are
/// ranked, and form a topology. In each round a node of the second is told of some peers that the
/// same node has in its view in the first: they are the candidates of
/// [`Ranked`].
///
/// Who joins, vanishes or crashes does so in both. Messages are lost in both, each for itself. As a
/// driver it shows the ranked network alone: its views, its messages.
#[derive(Debug)]
pub struct Topology {
    random: Rounds<Random>,
    ranked: Rounds<Ranked<Shape, Host>>,
    candidates: usize,
    target: Target,
}

impl Topology {
    /// Both networks at their start, where a ranked view holds what the random one holds: no more
    /// than the view size `c` of the random network. `config` is that of the ranked network, whose
    /// view size is CAP; `random` are the settings of the nodes of the other. `candidates`: of how
    /// many peers a node is told in each round, at most; 0 for none.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] when the settings do not go together, or there are attackers: those of
    /// [`Config`] know random views only.
    pub fn new(
        config: Config,
        random: gossip::Config,
        overlay: Ranked<Shape, Host>,
        candidates: usize,
    ) -> Result<Self, ConfigError> {
        if config.adversaries().is_some() {
            return Err(ConfigError::OnlyRandomViews);
        }
        let view_size = random.view_size();
        let beside = config.clone().with_gossip(random);
        let faults = config.faults().clone().without_departures();
        let mut topology = Self {
            random: Rounds::new(beside, Random::for_view_size(view_size))?,
            target: Target::new(overlay.distance().clone(), overlay.target_degree()),
            ranked: Rounds::empty(config.with_faults(faults), overlay)?,
            candidates,
        };
        topology.follow();
        Ok(topology)
    }

    /// The share of the links of the topology that the nodes do not have, 0 to 1: of each node, its
    /// K nearest live peers that are not among the first K of its view. Of peers at the same
    /// distance, any will do. Attackers have no links, and no node is to link to one.
    ///
    /// In a ring the K nearest are found by sorting. In other shapes each node is compared with
    /// each other one when nodes have come or gone: some seconds for 2^14 nodes.
    pub fn missing_links(&mut self) -> f64 {
        let network = self.ranked.network();
        self.target.renew(network);
        self.target.missing(network)
    }

    /// The share of the peers among the first K of honest nodes' views that are liars: see
    /// [`Shape::with_liars`].
    ///
    /// Measured, 2^12 nodes of which a tenth lie, 8 links, 15 rounds: 10.6 % in
    /// [`Kind::Proximity`](shape::Kind::Proximity), 10.2 % in [`Kind::Ring`](shape::Kind::Ring).
    /// So liars with a victim each gain nothing beyond their number. Caps of 4 or 1 per narrow
    /// network changed nothing, when candidates did not pass them; they do now, and that was not
    /// measured again. What all liars together do to one victim was not measured either.
    pub fn liars_share(&self) -> f64 {
        self.target.liars(self.ranked.network())
    }

    /// The random network.
    pub fn random(&self) -> &Network<Random> {
        self.random.network()
    }

    fn follow(&mut self) {
        let random = self.random.network();
        self.ranked.network_mut().follow(random);
    }

    /// Tells each node of the ranked network of some peers that it knows in the random one.
    fn tell(&mut self) {
        if self.candidates == 0 {
            return;
        }
        let (random, ranked) = (self.random.network(), self.ranked.network_mut());
        let (seed, round) = (random.config().seed(), self.random.round());
        for (id, node) in random.nodes() {
            let view = node.view().as_slice();
            let mut rng = fork(seed, (id, round, CANDIDATES));
            let drawn = index::sample(&mut rng, view.len(), self.candidates.min(view.len()));
            let candidates: Vec<Host> = drawn.into_iter().map(|at| view[at].peer).collect();
            if let Some(node) = ranked.node_mut(id) {
                if node.view().is_empty() {
                    node.init(candidates.iter().copied());
                }
                node.set_candidates(candidates);
            }
        }
    }
}

/// Apart from all other numbers that a node's chance is drawn for.
const CANDIDATES: u32 = u32::MAX - 1;

impl Driver for Topology {
    type Overlay = Ranked<Shape, Host>;

    fn next_round(&mut self) {
        self.tell();
        self.ranked.next_round();
        // Crashes come at the end of its round, and so at the end of that of both.
        self.random.next_round();
        self.follow();
    }

    fn round(&self) -> u64 {
        self.ranked.round()
    }

    fn network(&self) -> &Network<Self::Overlay> {
        self.ranked.network()
    }

    fn select_peer(&mut self, id: u32, mode: impl Mode<Host>) -> Option<u32> {
        self.ranked.select_peer(id, mode)
    }

    fn traffic(&self) -> Traffic {
        self.ranked.traffic()
    }
}
