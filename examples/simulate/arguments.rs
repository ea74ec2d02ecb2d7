//! What is asked for on the command line, and what is wrong with it.

use std::{path::PathBuf, time::Duration};

use clap::{
    Parser, ValueEnum,
    error::{ContextKind, ContextValue, ErrorKind},
};
use libp2p_peer_sampling::{
    Basalt, Cyclon, Overlay, Random, Ranking,
    gossip::config::{self as gossip, PartnerSelection, Propagation},
    overlay::OverlayError,
    simulator::{
        adversary::attack::{Adversaries, Attack},
        bootstrap::Bootstrap,
        config::{Config, ConfigError},
        faults::{Crash, Faults},
        host::Host,
        latency::Latency,
        report::Paths,
    },
};

use crate::simulate::values::{
    AttackName, Between, BootstrapName, Caps, CrashAt, DriverName, KeptName, OverlayName, Pair,
    PathsName, PropagationName, RankingName, SelectName,
};

/// Simulates a network of nodes that sample their peers by gossip, and measures it.
///
/// Prints a report before the first round, after every K rounds and after the last one. The same
/// arguments give the same output, byte for byte, except for exchanges_per_second in that of --json.
/// Path lengths are exact up to 10,000 nodes, clustering up to 20,000; beyond, they are sampled.
#[derive(Debug, Parser)]
#[command(name = "simulate")]
struct Arguments {
    /// How many nodes there are
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10_000,
        allow_negative_numbers = true
    )]
    nodes: usize,

    /// The view size c: how many peers each node knows
    #[arg(
        long,
        value_name = "C",
        default_value_t = 30,
        allow_negative_numbers = true
    )]
    view: usize,

    /// The overlay: which peers survive a merge
    #[arg(long, value_name = "NAME", default_value = "random")]
    overlay: OverlayName,

    /// The healer parameter of the overlay random: up to H of the oldest descriptors go [default:
    /// each node's own, growing up to C/2 as its exchanges fail; with --swapper 0]
    #[arg(long, value_name = "H", allow_negative_numbers = true)]
    healer: Option<usize>,

    /// The swapper parameter of the overlay random: up to S of the descriptors sent go [default:
    /// C/2 - H; with --healer 0]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    swapper: Option<usize>,

    /// The shuffle length of the overlays cyclon and basalt: how many descriptors go each way [default:
    /// for cyclon 8, at most C; for basalt a third of C]
    #[arg(long, value_name = "L", allow_negative_numbers = true)]
    shuffle_length: Option<usize>,

    /// What the slots of the overlay basalt compare: identities, or networks first [default: prefixes]
    #[arg(long, value_name = "WHAT")]
    ranking: Option<RankingName>,

    /// With how many tickets wide and narrow networks compete in the overlay basalt [default: 16/4]
    #[arg(long, value_name = "WIDE/NARROW", allow_hyphen_values = true)]
    tickets: Option<Pair>,

    /// How many slots of the overlay basalt get new seeds, and every how many rounds [default: 1/2]
    #[arg(long, value_name = "K/R", allow_hyphen_values = true)]
    renewal: Option<Pair>,

    /// For how many rounds after its last answer others are told of a peer, in the overlay basalt
    /// [default: 60]
    #[arg(long, value_name = "R", allow_negative_numbers = true)]
    memory: Option<usize>,

    /// For how many rounds a peer that failed is not taken in again: at first, and at most
    #[arg(long, value_name = "FIRST..LONGEST", allow_hyphen_values = true)]
    quarantine: Option<Between>,

    /// How many peers of a view may be learnt from one partner, how many may be in one narrow network,
    /// and how many may come in with the requests of one round
    #[arg(long, value_name = "SOURCE/PREFIX/ROUND", allow_hyphen_values = true)]
    diversity: Option<Caps>,

    /// With whom a node starts its exchanges: the youngest of its view, the oldest, or a random one
    #[arg(long, value_name = "WHOM", default_value = "tail")]
    select: SelectName,

    /// In which direction descriptors travel
    #[arg(long, value_name = "WAY", default_value = "push-pull")]
    propagation: PropagationName,

    /// How many exchanges each node starts per round
    #[arg(
        long,
        value_name = "F",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    fanout: usize,

    /// How many further partners a node tries in a round when exchanges fail [default: 3, at most C]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    retries: Option<usize>,

    /// Who knows whom at the start. Growing: all join within 20 rounds, knowing only the oldest node
    #[arg(long, value_name = "SHAPE", default_value = "random")]
    bootstrap: BootstrapName,

    /// How many rounds there are
    #[arg(
        long,
        value_name = "R",
        default_value_t = 100,
        allow_negative_numbers = true
    )]
    rounds: u64,

    /// Report after every K rounds, and in any case after the last
    #[arg(
        long,
        value_name = "K",
        default_value_t = 10,
        allow_negative_numbers = true
    )]
    every: u64,

    /// Where all random numbers come from: another seed, another run
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    seed: u64,

    /// That share of the nodes, 0 to 1, crashes at the end of that round; may be given several times
    #[arg(long, value_name = "FRACTION@ROUND", allow_hyphen_values = true)]
    crash: Vec<CrashAt>,

    /// The share of the nodes, 0 to 1, that are replaced by newcomers in each round
    #[arg(
        long,
        value_name = "FRACTION",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    churn: f64,

    /// The probability, 0 to 1, that a message is lost
    #[arg(
        long,
        value_name = "P",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    loss: f64,

    /// Cut the network in two halves from the beginning of round FROM to that of round TO
    #[arg(long, value_name = "FROM..TO", allow_hyphen_values = true)]
    partition: Option<Between>,

    /// The share of the nodes, 0 to 1, that are attackers. All measures are of the honest nodes then,
    /// and there are more: attacker_share of their views, attacker_samples of what their sampling
    /// service hands out, how many are isolated, how many victim_dials they make, and in an eclipse the
    /// victim_share of attackers in the view of the victim. Without attackers, these keys are not there
    #[arg(long, value_name = "FRACTION", allow_negative_numbers = true)]
    attackers: Option<f64>,

    /// What attackers do: push identities of theirs to everybody (flood), the same few of them (hub),
    /// push to one node (eclipse) or to nodes that restart in turn (restart), hand out made-up
    /// identities with the address of one victim (spray), flood out of one /16 (prefix) [default:
    /// flood]
    #[arg(long, value_name = "NAME")]
    attack: Option<AttackName>,

    /// How many exchanges each attacker starts per round [default: 10]
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    force: Option<usize>,

    /// How many identities the attackers have together [default: one each]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    identities: Option<usize>,

    /// How many descriptors attackers put into a message [default: as many as a view holds]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    message: Option<usize>,

    /// What nodes keep over a restart in the attack restart: nothing, or their latest partners [default:
    /// nothing]
    #[arg(long, value_name = "WHAT")]
    kept: Option<KeptName>,

    /// Along which links path lengths are measured
    #[arg(long, value_name = "KIND", default_value = "directed")]
    paths: PathsName,

    /// How time passes: in synchronous rounds, as in the papers, or in virtual time, where messages
    /// take some and exchanges overlap
    #[arg(long, value_name = "NAME", default_value = "rounds")]
    driver: DriverName,

    /// The median latency of a message in milliseconds; a period takes 10,000 [default: 50]
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    latency: Option<u64>,

    /// How latencies spread: the standard deviation of their logarithm, 0 to 5 [default: 0.5]
    #[arg(long, value_name = "SIGMA", allow_negative_numbers = true)]
    jitter: Option<f64>,

    /// How many threads may be used; the result is the same. Fewer than 65,536 nodes use one
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    threads: usize,

    /// Print JSON instead of a table: one object per report, each on a line of its own, with
    /// dead_links as a share from 0 to 1. As in the table, bytes_per_node (per round) and exchanges
    /// are counted since the report before, and so are exchanges_per_second, without the time that
    /// the measures take
    #[arg(long)]
    json: bool,

    /// Write null for exchanges_per_second, the only thing that differs from run to run
    #[arg(long)]
    no_speed: bool,

    /// Draw the reports into this file
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

/// What the command line asks for.
pub enum Request {
    /// To be shown how to ask.
    Help(String),
    /// A simulation.
    Simulate(Box<Settings>),
}

/// The overlay of all nodes.
#[derive(Debug, Clone)]
pub enum Chosen {
    /// The peer sampling paper's.
    Random(Random),
    /// Cyclon's.
    Cyclon(Cyclon),
    /// Basalt's.
    Basalt(Basalt),
}

/// A simulation that is known to be possible, and what is to be shown of it.
pub struct Settings {
    arguments: Arguments,
    /// What to simulate.
    pub config: Config,
    /// The overlay of all nodes.
    pub overlay: Chosen,
    /// Along which links paths are followed.
    pub paths: Paths,
    /// After how many rounds there is a report; at least 1.
    pub every: u64,
    /// Whether messages take time.
    pub events: bool,
    /// Whether the reports are printed as JSON.
    pub json: bool,
    /// Whether exchanges per second are among them.
    pub speed: bool,
    /// Where the figure goes.
    pub plot: Option<PathBuf>,
}

impl Settings {
    /// What the command line asks for.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in a line that names the argument.
    pub fn from_args() -> Result<Request, String> {
        match Arguments::try_parse() {
            Ok(arguments) => arguments.settings().map(|s| Request::Simulate(Box::new(s))),
            Err(error) if error.kind() == ErrorKind::DisplayHelp => {
                Ok(Request::Help(error.to_string()))
            }
            Err(error) => Err(one_line(&error)),
        }
    }

    /// Which argument an error is about, and why, in a line.
    pub fn blame(&self, error: &ConfigError) -> String {
        self.arguments.blame(error)
    }

    /// All that makes the simulation what it is, in a line: what makes it different from others of
    /// its kind is left out where it is as always.
    pub fn description(&self) -> String {
        let Arguments {
            nodes, view, seed, ..
        } = self.arguments;
        let gossip = self.config.gossip();
        let name = |value: Option<clap::builder::PossibleValue>| {
            value.map_or_else(String::new, |value| value.get_name().to_owned())
        };
        let mut parts = vec![format!("{nodes} nodes"), format!("view {view}")];
        let overlay = name(self.arguments.overlay.to_possible_value());
        parts.push(format!("overlay {overlay}"));
        for (name, parameter) in [
            ("H=", self.arguments.healer),
            ("S=", self.arguments.swapper),
            ("L=", self.arguments.shuffle_length),
            ("memory ", self.arguments.memory),
        ] {
            parts.extend(parameter.map(|value| format!("{name}{value}")));
        }
        let ranking = self.arguments.ranking.and_then(|r| r.to_possible_value());
        parts.extend(ranking.map(|ranking| format!("ranking {}", ranking.get_name())));
        for (what, pair) in [
            ("tickets", self.arguments.tickets),
            ("renewal", self.arguments.renewal),
        ] {
            parts.extend(pair.map(|pair| format!("{what} {pair}")));
        }
        if let Some(Between(rounds)) = &self.arguments.quarantine {
            parts.push(format!("quarantine {}..{}", rounds.start, rounds.end));
        }
        parts.extend(
            self.arguments
                .diversity
                .map(|caps| format!("diversity {caps}")),
        );
        parts.push(name(self.arguments.select.to_possible_value()));
        parts.push(name(self.arguments.propagation.to_possible_value()));
        if gossip.fanout() != 1 {
            parts.push(format!("fanout {}", gossip.fanout()));
        }
        parts.push(format!("{} retries", gossip.retries()));
        if let Latency::LogNormal { median, sigma } = self.config.latency()
            && self.events
        {
            parts.push(format!("latency {} ms, sigma {sigma}", median.as_millis()));
        }
        let bootstrap = name(self.arguments.bootstrap.to_possible_value());
        parts.push(format!("bootstrap {bootstrap}"));
        for CrashAt(Crash { fraction, round }) in &self.arguments.crash {
            parts.push(format!("crash {fraction}@{round}"));
        }
        if self.arguments.churn > 0.0 {
            parts.push(format!("churn {}", self.arguments.churn));
        }
        if self.arguments.loss > 0.0 {
            parts.push(format!("loss {}", self.arguments.loss));
        }
        if let Some(adversaries) = self.config.adversaries() {
            let attack = name(
                self.arguments
                    .attack
                    .unwrap_or(AttackName::Flood)
                    .to_possible_value(),
            );
            parts.push(format!("attackers {}", adversaries.fraction()));
            parts.push(format!("{attack} with force {}", adversaries.force()));
            for (what, number) in [
                ("identities", adversaries.identities()),
                ("descriptors each", adversaries.message()),
            ] {
                parts.extend(number.map(|number| format!("{number} {what}")));
            }
            let kept = self
                .arguments
                .kept
                .and_then(|kept| kept.to_possible_value());
            parts.extend(kept.map(|kept| format!("kept {}", kept.get_name())));
        }
        if self.paths == Paths::Undirected {
            parts.push("undirected paths".to_owned());
        }
        if let Some(Between(rounds)) = &self.arguments.partition {
            parts.push(format!("partition {}..{}", rounds.start, rounds.end));
        }
        parts.push(format!("seed {seed}"));
        parts.join(", ")
    }
}

impl Arguments {
    fn settings(self) -> Result<Settings, String> {
        if self.every == 0 {
            return Err("--every 0: must be at least 1".to_owned());
        }
        if self.no_speed && !self.json {
            return Err("--no-speed: only with --json".to_owned());
        }
        for (argument, given) in [
            ("latency", self.latency.map(|value| value.to_string())),
            ("jitter", self.jitter.map(|value| value.to_string())),
        ] {
            if let Some(value) = given
                && self.driver != DriverName::Events
            {
                return Err(format!("--{argument} {value}: only with --driver events"));
            }
        }
        self.check_attack()?;
        let config = self.config();
        config.check().map_err(|error| self.blame(&error))?;
        let overlay = self.chosen()?;
        let checked = match &overlay {
            Chosen::Random(overlay) => Overlay::<Host>::check(overlay, self.view),
            Chosen::Cyclon(overlay) => Overlay::<Host>::check(overlay, self.view),
            Chosen::Basalt(overlay) => Overlay::<Host>::check(overlay, self.view),
        };
        checked.map_err(|error| self.blame_overlay(&error))?;
        Ok(Settings {
            config,
            overlay,
            paths: match self.paths {
                PathsName::Directed => Paths::Directed,
                PathsName::Undirected => Paths::Undirected,
            },
            every: self.every,
            events: self.driver == DriverName::Events,
            json: self.json,
            speed: !self.no_speed,
            plot: self.plot.clone(),
            arguments: self,
        })
    }

    /// What is said of attackers must be said of some.
    fn check_attack(&self) -> Result<(), String> {
        let name = |value: Option<clap::builder::PossibleValue>| {
            value.map(|value| value.get_name().to_owned())
        };
        let attack = name(self.attack.and_then(|attack| attack.to_possible_value()));
        let kept = name(self.kept.and_then(|kept| kept.to_possible_value()));
        let number = |number: Option<usize>| number.map(|number| number.to_string());
        for (argument, given) in [
            ("attack", attack),
            ("force", number(self.force)),
            ("identities", number(self.identities)),
            ("message", number(self.message)),
            ("kept", kept.clone()),
        ] {
            if let Some(value) = given
                && self.attackers.is_none()
            {
                return Err(format!("--{argument} {value}: only with --attackers"));
            }
        }
        if let Some(kept) = kept
            && self.attack != Some(AttackName::Restart)
        {
            return Err(format!("--kept {kept}: only with --attack restart"));
        }
        match self.attackers {
            Some(fraction) if self.driver == DriverName::Events => {
                Err(format!("--attackers {fraction}: only with --driver rounds"))
            }
            _ => Ok(()),
        }
    }

    fn adversaries(&self) -> Option<Adversaries> {
        let attack = self.attack.map_or(Attack::Flood, Attack::from);
        let mut adversaries = Adversaries::new(attack, self.attackers?);
        if let Some(force) = self.force {
            adversaries = adversaries.with_force(force);
        }
        if let Some(identities) = self.identities {
            adversaries = adversaries.with_identities(identities);
        }
        if let Some(descriptors) = self.message {
            adversaries = adversaries.with_message(descriptors);
        }
        if let Some(kept) = self.kept {
            adversaries = adversaries.with_kept(kept.into());
        }
        Some(adversaries)
    }

    fn config(&self) -> Config {
        let gossip = gossip::Config::default();
        let retries = gossip.retries().min(self.view);
        let gossip = gossip
            .with_view_size(self.view)
            .with_fanout(self.fanout)
            .with_retries(self.retries.unwrap_or(retries))
            .with_propagation(match self.propagation {
                PropagationName::Push => Propagation::Push,
                PropagationName::Pull => Propagation::Pull,
                PropagationName::PushPull => Propagation::PushPull,
            })
            .with_selection(match self.select {
                SelectName::Head => PartnerSelection::Head,
                SelectName::Tail => PartnerSelection::Tail,
                SelectName::Rand => PartnerSelection::Rand,
            });
        // Longer than it takes for the caller to be told that it is too long.
        let rounds = |rounds: u64| gossip.period() * u32::try_from(rounds).unwrap_or(u32::MAX);
        let quarantine = self.quarantine.as_ref();
        let quarantine = quarantine.map(|Between(r)| (rounds(r.start), rounds(r.end)));
        let gossip = gossip
            .with_quarantine(quarantine)
            .with_diversity(self.diversity.map(|Caps(diversity)| diversity));
        let mut faults = Faults::none().with_churn(self.churn).with_loss(self.loss);
        for CrashAt(crash) in &self.crash {
            faults = faults.with_crash(*crash);
        }
        if let Some(Between(rounds)) = &self.partition {
            faults = faults.with_partition(rounds.clone());
        }
        let config = Config::new(self.nodes)
            .with_gossip(gossip)
            .with_bootstrap(match self.bootstrap {
                BootstrapName::Growing => Bootstrap::GROWING,
                BootstrapName::Lattice => Bootstrap::Lattice,
                BootstrapName::Star => Bootstrap::Star,
                BootstrapName::Chain => Bootstrap::Chain,
                BootstrapName::Random => Bootstrap::Random,
            })
            .with_faults(faults)
            .with_rounds(self.rounds)
            .with_seed(self.seed)
            .with_threads(self.threads)
            .with_latency(Latency::LogNormal {
                median: Duration::from_millis(self.latency.unwrap_or(50)),
                sigma: self.jitter.unwrap_or(0.5),
            });
        match self.adversaries() {
            Some(adversaries) => config.with_adversaries(adversaries),
            None => config,
        }
    }

    fn chosen(&self) -> Result<Chosen, String> {
        use OverlayName::{Basalt as IsBasalt, Cyclon as IsCyclon, Random as IsRandom};
        let number = |number: Option<usize>| number.map(|number| number.to_string());
        let ranking = self.ranking.and_then(|ranking| ranking.to_possible_value());
        let pair = |pair: Option<Pair>| pair.map(|pair| pair.to_string());
        let basalt = &[IsBasalt][..];
        for (argument, given, overlays) in [
            ("healer", number(self.healer), &[IsRandom][..]),
            ("swapper", number(self.swapper), &[IsRandom]),
            (
                "shuffle-length",
                number(self.shuffle_length),
                &[IsCyclon, IsBasalt],
            ),
            ("ranking", ranking.map(|r| r.get_name().to_owned()), basalt),
            ("tickets", pair(self.tickets), basalt),
            ("renewal", pair(self.renewal), basalt),
            ("memory", number(self.memory), basalt),
        ] {
            if let Some(value) = given
                && !overlays.contains(&self.overlay)
            {
                let names = overlays.iter().filter_map(ValueEnum::to_possible_value);
                let names: Vec<_> = names.map(|name| name.get_name().to_owned()).collect();
                return Err(match &names[..] {
                    [name] => format!("--{argument} {value}: only the overlay {name} has one"),
                    names => format!(
                        "--{argument} {value}: only the overlays {} have one",
                        names.join(" and ")
                    ),
                });
            }
        }
        if let Some(tickets) = self.tickets
            && self.ranking == Some(RankingName::Identity)
        {
            return Err(format!("--tickets {tickets}: only with --ranking prefixes"));
        }
        match self.overlay {
            OverlayName::Random => Ok(Chosen::Random(match (self.healer, self.swapper) {
                (None, None) => Random::for_view_size(self.view),
                (healer, swapper) => {
                    Random::new(healer.unwrap_or_default(), swapper.unwrap_or_default())
                }
            })),
            OverlayName::Cyclon => {
                let length = self.shuffle_length.unwrap_or(8.min(self.view));
                Ok(Chosen::Cyclon(Cyclon::new(length)))
            }
            OverlayName::Basalt => {
                let length = self.shuffle_length;
                let default = || Basalt::for_view_size(self.view);
                let mut basalt = length.map_or_else(default, Basalt::new);
                if self.ranking == Some(RankingName::Identity) {
                    basalt = basalt.with_ranking(Ranking::Identity);
                }
                if let Some(Pair(wide, narrow)) = self.tickets {
                    basalt = basalt.with_ranking(Ranking::Prefixes { wide, narrow });
                }
                if let Some(Pair(slots, rounds)) = self.renewal {
                    basalt = basalt.with_renewal(slots as usize, rounds as usize);
                }
                if let Some(rounds) = self.memory {
                    basalt = basalt.with_memory(rounds);
                }
                Ok(Chosen::Basalt(basalt))
            }
        }
    }

    /// Which argument an error is about, and why, in a line.
    fn blame(&self, error: &ConfigError) -> String {
        use gossip::ConfigError as Gossip;
        match error {
            ConfigError::OutOfBounds {
                setting: "growing",
                value,
                ..
            } => format!(
                "--bootstrap growing: takes {value} rounds, must be at most --rounds {}",
                self.rounds
            ),
            ConfigError::OutOfBounds {
                setting,
                value,
                min,
                max,
            } => format!("--{setting} {value}: must be {min} to {max}"),
            ConfigError::NotAFraction { setting, value } => {
                format!("--{setting} {value}: must be a fraction from 0 to 1")
            }
            ConfigError::ViewTooLarge { view_size, nodes } => {
                format!("--view {view_size}: must be smaller than the network of {nodes} nodes")
            }
            ConfigError::AfterTheLastRound {
                setting,
                round,
                rounds,
            } => format!("--{setting}: round {round} comes after the last round, {rounds}"),
            ConfigError::Attackers { fraction, nodes } => format!(
                "--attackers {fraction}: must be at least one of {nodes} nodes, and leave two of them \
                 honest"
            ),
            ConfigError::TooManyNewcomers { churn, rounds } => {
                format!("--churn {churn}: brings more than 2^31 nodes in --rounds {rounds}")
            }
            ConfigError::EmptyPartition { from, to } => {
                format!("--partition {from}..{to}: must end after it begins")
            }
            ConfigError::Latency(Latency::LogNormal { median, sigma }) => {
                match *median > Latency::MAX {
                    true => format!("--latency {}: must be at most an hour", median.as_millis()),
                    false => format!("--jitter {sigma}: must be 0 to 5"),
                }
            }
            ConfigError::Gossip(Gossip::OutOfBounds {
                setting: "peers per source" | "peers per prefix",
                value,
                max,
                ..
            }) => match self.diversity {
                Some(caps) => format!("--diversity {caps}: {value} must be at most --view {max}"),
                None => error.to_string(),
            },
            ConfigError::Gossip(Gossip::TimeOutOfBounds {
                setting: "quarantine" | "first quarantine",
                ..
            }) => {
                let Between(rounds) = self.quarantine.clone().unwrap_or(Between(1..1));
                let most = self.config().gossip().period();
                let most = gossip::Config::PERIOD.1.as_secs() / most.as_secs().max(1);
                format!(
                    "--quarantine {}..{}: must not go down, nor beyond {most}",
                    rounds.start, rounds.end
                )
            }
            ConfigError::Gossip(Gossip::OutOfBounds {
                setting,
                value,
                min,
                max,
            }) => {
                let argument = match *setting {
                    "view size" => "view",
                    other => other,
                };
                format!("--{argument} {value}: must be {min} to {max}")
            }
            ConfigError::Gossip(Gossip::Overlay(error)) => self.blame_overlay(error),
            other => other.to_string(),
        }
    }

    fn blame_overlay(&self, error: &OverlayError) -> String {
        match error {
            OverlayError::HealerSwapper {
                healer,
                swapper,
                view_size,
            } => {
                let half = view_size / 2;
                match (self.healer, self.swapper) {
                    (Some(_), None) => format!(
                        "--healer {healer}: must be at most half of --view {view_size}, {half}"
                    ),
                    (None, Some(_)) => format!(
                        "--swapper {swapper}: must be at most half of --view {view_size}, {half}"
                    ),
                    _ => format!(
                        "--healer {healer} --swapper {swapper}: must together be at most half of \
                         --view {view_size}, {half}"
                    ),
                }
            }
            OverlayError::ShuffleLength {
                shuffle_length,
                view_size,
            } => format!("--shuffle-length {shuffle_length}: must be 1 to --view {view_size}"),
            OverlayError::Renewal {
                slots,
                rounds,
                view_size,
            } => format!(
                "--renewal {slots}/{rounds}: must be at most as many slots as --view {view_size}"
            ),
            other => format!("--overlay: {other}"),
        }
    }
}

/// What clap says, in a line that begins with the argument.
fn one_line(error: &clap::Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let argument = context(ContextKind::InvalidArg);
    let argument = argument.split(' ').next().unwrap_or_default();
    let value = context(ContextKind::InvalidValue);
    let source = std::error::Error::source(error).map(ToString::to_string);
    match (error.kind(), source) {
        (ErrorKind::ValueValidation, Some(reason)) => format!("{argument} {value}: {reason}"),
        (ErrorKind::InvalidValue, _) if value.is_empty() => format!("{argument}: needs a value"),
        (ErrorKind::InvalidValue, _) => {
            let possible = context(ContextKind::ValidValue);
            format!("{argument} {value}: must be one of {possible}")
        }
        (ErrorKind::UnknownArgument, _) => format!("{argument}: there is no such argument"),
        (ErrorKind::ArgumentConflict, _) => format!("{argument}: given twice"),
        _ => {
            let text = error.to_string();
            let reason = text.lines().take_while(|line| !line.is_empty());
            let words: Vec<&str> = reason.flat_map(str::split_whitespace).collect();
            words.join(" ").trim_start_matches("error: ").to_owned()
        }
    }
}
