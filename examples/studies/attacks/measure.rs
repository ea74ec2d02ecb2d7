//! The measures of an overlay: what attackers gain in it, what a crash does to it, what it costs.

use libp2p_peer_sampling::{
    Config as SwarmConfig,
    overlay::{AnyOverlay, Basalt, Cyclon, Random, Ranking},
    sampler as gossip,
    sampler::Diversity,
    simulator::{
        adversary::attack::{Adversaries, Attack, Kept},
        bootstrap::Bootstrap,
        config::{Config, ConfigError},
        driver::Driver,
        faults::{Crash, Faults},
        in_degrees::InDegrees,
        report::{Paths, Report, Since},
        rounds::Rounds,
    },
};

/// The view size of the peer sampling paper.
const SMALL_VIEW: usize = 30;
/// The share of the nodes that crash.
pub const CRASH: f64 = 0.5;
/// How many rounds after the crash the dead are waited for to be forgotten.
pub const PATIENCE: usize = 100;
/// After so many rounds dead links are looked at.
const LOOK: usize = 10;

/// The network that all are judged in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Network {
    /// How many nodes there are, attackers included.
    pub nodes: usize,
    /// The view size c or v.
    pub view_size: usize,
    /// How many rounds there are under attack; half as many go before a crash.
    pub rounds: u64,
    /// From which all chance comes.
    pub seed: u64,
}

/// An overlay with its settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Candidate {
    /// What `Config::open_internet` makes.
    Shipped,
    /// The same with another shuffle length.
    Shuffling(usize),
    /// Basalt with nothing that is not the paper's, but for the renewal one by one.
    Paper,
    /// The random overlay.
    Random,
    /// The same with the caps and the quarantine of `Config::open_internet`.
    Capped,
    /// The random overlay with the view of the paper.
    SmallRandom,
    /// Cyclon with the shuffle length of its paper.
    Cyclon,
}

impl Candidate {
    pub fn name(self) -> String {
        match self {
            Self::Shipped => "Basalt, as shipped".to_owned(),
            Self::Shuffling(length) => format!("Basalt, L={length}"),
            Self::Paper => "Basalt, as in the paper".to_owned(),
            Self::Random => "Random".to_owned(),
            Self::Capped => "Random, caps".to_owned(),
            Self::SmallRandom => format!("Random, c={SMALL_VIEW}"),
            Self::Cyclon => "Cyclon, l=8".to_owned(),
        }
    }

    fn overlay(self, view_size: usize) -> AnyOverlay {
        match self {
            Self::Shipped => AnyOverlay::new(*SwarmConfig::open_internet().overlay(), view_size),
            Self::Shuffling(length) => Basalt::new(length).into(),
            Self::Paper => Basalt::new(view_size)
                .with_ranking(Ranking::Identity)
                .with_renewal(1, 1)
                .with_memory(usize::MAX)
                .into(),
            Self::Random | Self::Capped | Self::SmallRandom => {
                Random::for_view_size(view_size).into()
            }
            Self::Cyclon => Cyclon::new(8.min(view_size)).into(),
        }
    }

    pub fn view_size(self, network: Network) -> usize {
        match self {
            Self::SmallRandom => SMALL_VIEW.min(network.view_size),
            _ => network.view_size,
        }
    }

    fn gossip(self, view_size: usize) -> gossip::Config {
        let shipped = SwarmConfig::open_internet();
        let shipped = shipped.gossip();
        // In proportion, where the view is another.
        let scaled = |peers: usize| (peers * view_size).div_ceil(shipped.view_size());
        let gossip = gossip::Config::default().with_view_size(view_size);
        match self {
            Self::Shipped | Self::Shuffling(_) | Self::Capped => gossip
                .with_quarantine(shipped.quarantine())
                .with_diversity(shipped.diversity().map(|caps| Diversity {
                    per_source: scaled(caps.per_source),
                    per_prefix: scaled(caps.per_prefix),
                    per_round: scaled(caps.per_round),
                })),
            _ => gossip,
        }
    }
}

/// What happens to the network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scenario {
    /// An attack by this share of the nodes.
    Attack { what: What, fraction: f64 },
    /// Nobody attacks; half of the nodes crash.
    Crash,
    /// Nobody attacks; all nodes know only the first.
    Star,
}

/// Which attack.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum What {
    Plain(Attack),
    /// The attack restart, on nodes that keep their latest partners.
    Kept,
    /// All in one prefix, with so many identities each.
    Prefix(usize),
}

impl What {
    pub const FLOOD: Self = Self::Plain(Attack::Flood);

    pub fn name(self) -> String {
        match self {
            Self::Plain(Attack::Restart) => "restart, nothing kept".to_owned(),
            Self::Plain(attack) => format!("{attack:?}").to_lowercase(),
            Self::Kept => "restart, contacts kept".to_owned(),
            Self::Prefix(1) => "prefix, 1 identity each".to_owned(),
            Self::Prefix(each) => format!("prefix, {each} identities"),
        }
    }

    fn adversaries(self, fraction: f64, nodes: usize) -> Adversaries {
        match self {
            Self::Plain(attack) => Adversaries::new(attack, fraction),
            Self::Kept => Adversaries::new(Attack::Restart, fraction).with_kept(Kept::Contacted),
            Self::Prefix(each) => {
                let all = Adversaries::new(Attack::Prefix, fraction);
                all.with_identities(all.count(nodes) * each)
            }
        }
    }

    /// Whether a network whose views hold only attackers stays as it is, so that nothing is left to
    /// count.
    fn is_final(self) -> bool {
        !matches!(
            self,
            Self::Plain(Attack::Restart | Attack::Spray) | Self::Kept
        )
    }
}

/// One simulation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Job {
    pub network: Network,
    pub candidate: Candidate,
    pub scenario: Scenario,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub enum Outcome {
    Attacked(Attacked),
    Crashed(Crashed),
    Started(Started),
}

/// What attackers have gained. Shares are of 1.
#[derive(Debug, Clone, Copy)]
pub struct Attacked {
    /// In honest views, after half of the rounds and after all.
    pub share: [f64; 2],
    /// In what the sampling service has handed out in either half of the rounds.
    pub samples: [f64; 2],
    /// How many nodes are cut off at the end.
    pub isolated: usize,
    /// In the view of the victim at the end, if the attack has one.
    pub victim_share: Option<f64>,
    /// Dials at the victim per honest node and hour, over all rounds.
    pub victim_dials: f64,
}

/// A network at rest, and then after a crash.
#[derive(Debug, Clone, Copy)]
pub struct Crashed {
    /// Sent per node and round at rest.
    pub bytes: f64,
    /// The SD of in-degrees at rest.
    pub sd: f64,
    /// Rounds after the crash until less than 1 % of the links are dead; `None`: not seen.
    pub below_one_percent: Option<usize>,
    /// Dead links ten rounds after the crash.
    pub dead: f64,
}

/// A network that began as a star.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    /// Rounds until views are nine tenths as full as at the end, and no in-degree is three times
    /// the mean; `None`: not seen.
    pub converged: Option<usize>,
}

impl Job {
    /// # Errors
    ///
    /// Where there is no such network.
    pub fn run(&self) -> Result<Outcome, ConfigError> {
        match self.scenario {
            Scenario::Attack { what, fraction } => self.attack(what, fraction),
            Scenario::Crash => self.crash(),
            Scenario::Star => self.star(),
        }
    }

    fn config(&self) -> Config {
        let view_size = self.candidate.view_size(self.network);
        Config::new(self.network.nodes)
            .with_gossip(self.candidate.gossip(view_size))
            .with_rounds(self.network.rounds)
            .with_seed(self.network.seed)
    }

    fn start(&self, config: Config) -> Result<Rounds<AnyOverlay>, ConfigError> {
        let view_size = config.gossip().view_size();
        Rounds::new(config, self.candidate.overlay(view_size))
    }

    fn attack(&self, what: What, fraction: f64) -> Result<Outcome, ConfigError> {
        let Network { nodes, rounds, .. } = self.network;
        let adversaries = what.adversaries(fraction, nodes);
        let mut network = self.start(self.config().with_adversaries(adversaries))?;
        let period = network.network().config().gossip().period().as_secs_f64();
        let mut attacked = Attacked {
            share: [0.0; 2],
            samples: [0.0; 2],
            isolated: 0,
            victim_share: None,
            victim_dials: 0.0,
        };
        let half = (rounds / 2).max(1);
        for (number, (from, until)) in [(0, half), (half, rounds)].into_iter().enumerate() {
            let since = Since::now(&network);
            while network.round() < until && !(what.is_final() && is_lost(&network)) {
                network.next_round();
            }
            let report = Report::of(&network, &since, Paths::Directed);
            let Some(exposure) = report.exposure else {
                continue;
            };
            // In the rounds that were left out only attackers would have been handed out.
            let ran = network.round().saturating_sub(from) as f64;
            let hostile = exposure.attacker_samples * ran + (until - from) as f64 - ran;
            attacked.samples[number] = hostile / f64::max((until - from) as f64, 1.0);
            attacked.share[number] = exposure.attacker_share;
            attacked.isolated = exposure.isolated;
            attacked.victim_share = exposure.victim_share;
            let hours = rounds as f64 * period / 3_600.0;
            let dials = exposure.victim_dials as f64;
            attacked.victim_dials += dials / report.nodes.max(1) as f64 / hours;
        }
        Ok(Outcome::Attacked(attacked))
    }

    fn crash(&self) -> Result<Outcome, ConfigError> {
        let round = (self.network.rounds / 2).max(2);
        let crash = Crash {
            fraction: CRASH,
            round,
        };
        let faults = Faults::none().with_crash(crash);
        let mut network = self.start(self.config().with_faults(faults))?;
        while network.round() < round / 2 {
            network.next_round();
        }
        let since = Since::now(&network);
        let (mut sd, mut times) = (0.0, 0.0);
        while network.round() + 1 < round {
            network.next_round();
            sd += InDegrees::of(&network.network().graph()).sd;
            times += 1.0;
        }
        let bytes = Report::of(&network, &since, Paths::Directed).bytes_per_node;
        network.next_round();
        let mut dead = vec![network.network().graph().dead_share()];
        let forgotten = |dead: &[f64]| dead.last().is_some_and(|share| *share < 0.01);
        while dead.len() <= LOOK || dead.len() <= PATIENCE && !forgotten(&dead) {
            network.next_round();
            dead.push(network.network().graph().dead_share());
        }
        Ok(Outcome::Crashed(Crashed {
            bytes,
            sd: sd / f64::max(times, 1.0),
            below_one_percent: dead.iter().position(|share| *share < 0.01),
            dead: dead[LOOK],
        }))
    }

    fn star(&self) -> Result<Outcome, ConfigError> {
        let mut network = self.start(self.config().with_bootstrap(Bootstrap::Star))?;
        let mut seen = Vec::new();
        while network.round() < self.network.rounds / 2 {
            let in_degrees = InDegrees::of(&network.network().graph());
            seen.push((in_degrees.mean, in_degrees.max as f64));
            network.next_round();
        }
        let full = seen.last().map_or(0.0, |(mean, _)| *mean);
        let converged = |&(mean, max): &(f64, f64)| mean >= 0.9 * full && max < 3.0 * mean;
        Ok(Outcome::Started(Started {
            converged: seen.iter().position(converged),
        }))
    }
}

/// Whether no view holds anybody but attackers, who tell of nobody else.
fn is_lost(network: &Rounds<AnyOverlay>) -> bool {
    let mut nodes = network.network().nodes();
    nodes.all(|(_, node)| node.view().iter().all(|d| d.peer.is_hostile()))
}
