//! The measures of a healing policy: in a network at rest, in one under churn, after a crash.

use libp2p_peer_sampling::{
    overlay::Random,
    sampler as gossip,
    simulator::{
        config::{Config, ConfigError},
        driver::Driver,
        faults::{Crash, Faults},
        in_degrees::InDegrees,
        rounds::Rounds,
    },
};

/// The share of the nodes that are replaced in each round.
pub const CHURN: f64 = 0.001;
/// The share of the nodes that crash.
pub const CRASH: f64 = 0.5;
/// After so many rounds: from random views, any overlay has converged.
const CONVERGED: u64 = 60;
/// Of the rounds in which randomness is measured, every tenth is.
const RANDOMNESS: [u64; 11] = [100, 110, 120, 130, 140, 150, 160, 170, 180, 190, 200];
/// How many rounds after the crash the dead are waited for to be forgotten.
pub const PATIENCE: usize = 300;

/// How H is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// From the node's own failures.
    Adaptive,
    /// H as given, S = c/2 − H.
    Fixed(usize),
}

impl Policy {
    fn overlay(self, view_size: usize) -> Random {
        match self {
            Self::Adaptive => Random::adaptive(view_size),
            Self::Fixed(healer) => Random::new(healer, (view_size / 2).saturating_sub(healer)),
        }
    }
}

/// The network that a policy is judged in.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    /// How many nodes there are.
    pub nodes: usize,
    /// The view size c.
    pub view_size: usize,
}

/// What was measured of a policy, from one seed.
pub struct Run {
    rest_sd: f64,
    churn_sd: f64,
    /// Dead links per view.
    churn_dead: f64,
    /// The share of dead links, so many rounds after the crash, until there are none.
    dead: Vec<f64>,
}

impl Network {
    /// With the crate's defaults, but for these.
    pub fn config(self, seed: u64) -> Config {
        let gossip = gossip::Config::default();
        let retries = gossip.retries().min(self.view_size);
        let gossip = gossip.with_view_size(self.view_size).with_retries(retries);
        Config::new(self.nodes)
            .with_gossip(gossip)
            .with_rounds(RANDOMNESS[RANDOMNESS.len() - 1])
            .with_seed(seed)
    }

    /// # Errors
    ///
    /// Where there is no such network.
    pub fn judge(self, policy: Policy, seed: u64) -> Result<Run, ConfigError> {
        let start = |faults| {
            let config = self.config(seed).with_faults(faults);
            Rounds::new(config, policy.overlay(self.view_size))
        };
        let (rest_sd, _) = randomness(start(Faults::none())?);
        let (churn_sd, churn_dead) = randomness(start(Faults::none().with_churn(CHURN))?);
        let crash = Crash {
            fraction: CRASH,
            round: CONVERGED,
        };
        Ok(Run {
            rest_sd,
            churn_sd,
            churn_dead,
            dead: forgetting(start(Faults::none().with_crash(crash))?),
        })
    }
}

/// The SD of in-degrees and the number of dead links per view.
fn randomness(mut rounds: Rounds<Random>) -> (f64, f64) {
    let (mut sd, mut dead) = (0.0, 0.0);
    for round in RANDOMNESS {
        while rounds.round() < round {
            rounds.next_round();
        }
        let graph = rounds.network().graph();
        sd += InDegrees::of(&graph).sd;
        dead += graph.dead_links() as f64 / graph.len().max(1) as f64;
    }
    let times = RANDOMNESS.len() as f64;
    (sd / times, dead / times)
}

/// The share of dead links from the crash on.
fn forgetting(mut rounds: Rounds<Random>) -> Vec<f64> {
    while rounds.round() < CONVERGED {
        rounds.next_round();
    }
    let mut dead = vec![rounds.network().graph().dead_share()];
    while dead.len() <= PATIENCE && dead.last().is_some_and(|share| *share > 0.0) {
        rounds.next_round();
        dead.push(rounds.network().graph().dead_share());
    }
    dead
}

/// What the seeds say of one measure.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub mean: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        Self {
            mean: values.clone().sum::<f64>() / values.clone().count().max(1) as f64,
            min: values.clone().fold(f64::INFINITY, f64::min),
            max: values.fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// What was measured of a policy, from all seeds.
pub struct Judged {
    /// The policy.
    pub policy: Policy,
    /// The SD of in-degrees at rest.
    pub rest_sd: Spread,
    /// The same under churn, among the live.
    pub churn_sd: Spread,
    /// Dead links per view under churn.
    pub churn_dead: Spread,
    /// Rounds after the crash until less than 1 % of the links are dead; `None` where some seed has
    /// not seen it.
    pub below_one_percent: Option<Spread>,
    /// The same until none is.
    pub none: Option<Spread>,
    runs: Vec<Run>,
}

impl Judged {
    /// All seeds together.
    pub fn new(policy: Policy, runs: Vec<Run>) -> Self {
        let spread = |measure: fn(&Run) -> f64| Spread::of(runs.iter().map(measure));
        let until = |over: fn(f64) -> bool| {
            let of = |run: &Run| run.dead.iter().position(|&share| over(share));
            let rounds: Option<Vec<usize>> = runs.iter().map(of).collect();
            rounds.map(|rounds| Spread::of(rounds.iter().map(|&rounds| rounds as f64)))
        };
        Self {
            policy,
            rest_sd: spread(|run| run.rest_sd),
            churn_sd: spread(|run| run.churn_sd),
            churn_dead: spread(|run| run.churn_dead),
            below_one_percent: until(|share| share < 0.01),
            none: until(|share| share == 0.0),
            runs,
        }
    }

    /// Dead links so many rounds after the crash, in % of all links.
    pub fn dead_percent(&self, rounds: usize) -> Spread {
        let share = |run: &Run| run.dead.get(rounds).copied().unwrap_or_default();
        Spread::of(self.runs.iter().map(|run| share(run) * 100.0))
    }
}
