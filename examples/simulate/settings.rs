//! The command line, translated into settings of the simulator.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum, error::ErrorKind};
use libp2p_peer_sampling::{
    overlay::{Basalt, Cyclon, Overlay, Random, Ranking},
    sampler as gossip,
    sampler::{PartnerSelection, Propagation},
    simulator::{
        adversary::attack::{Adversaries, Attack},
        bootstrap::Bootstrap,
        config::{Config, ConfigError},
        faults::Faults,
        host::Host,
        latency::Latency,
        report::Paths,
    },
    time::Backoff,
};

use crate::simulate::{
    arguments::Arguments,
    blame,
    description::description,
    experiment::Experiment,
    topology,
    values::{
        AttackName, Between, BootstrapName, Caps, CrashAt, DriverName, OverlayName, Pair,
        PathsName, PropagationName, RankingName, SelectName,
    },
};

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
    /// A topology, T-Man's.
    Topology(Box<topology::Chosen>),
}

/// A simulation that is known to be possible, and what is to be shown of it.
pub struct Settings {
    arguments: Arguments,
    /// What to simulate, and to measure.
    pub experiment: Experiment,
    /// The overlay of all nodes.
    pub overlay: Chosen,
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
            Err(error) => Err(blame::clap(&error)),
        }
    }

    /// Which argument an error is about, and why, in a line.
    pub fn blame(&self, error: &ConfigError) -> String {
        blame::config(&self.arguments, error, "view")
    }
}

impl Arguments {
    fn settings(self) -> Result<Settings, String> {
        if self.every == Some(0) {
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
        let mut config = self.config();
        config
            .check()
            .map_err(|error| blame::config(&self, &error, "view"))?;
        let overlay = self.chosen(&config)?;
        if self.is_topology() {
            let cap = self.ranked_view();
            let gossip = config.gossip().clone();
            let retries = gossip.retries().min(cap);
            let gossip = gossip.with_view_size(cap).with_retries(retries);
            config = config.with_gossip(gossip);
            config
                .check()
                .map_err(|error| blame::config(&self, &error, "cap"))?;
        }
        let checked = match &overlay {
            Chosen::Random(overlay) => Overlay::<Host>::check(overlay, self.view),
            Chosen::Cyclon(overlay) => Overlay::<Host>::check(overlay, self.view),
            Chosen::Basalt(overlay) => Overlay::<Host>::check(overlay, self.view),
            Chosen::Topology(chosen) => chosen.overlay.check(self.ranked_view()),
        };
        checked.map_err(|error| blame::overlay(&self, &error))?;
        Ok(Settings {
            experiment: Experiment {
                description: description(&self, &config),
                config,
                paths: match self.paths {
                    PathsName::Directed => Paths::Directed,
                    PathsName::Undirected => Paths::Undirected,
                },
                every: self.every,
                is_topology: self.is_topology(),
            },
            overlay,
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

    /// All but the overlay.
    pub fn config(&self) -> Config {
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
        let quarantine = quarantine.map(|Between(r)| Backoff::new(rounds(r.start), rounds(r.end)));
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

    /// The overlay. `config`: all the rest.
    fn chosen(&self, config: &Config) -> Result<Chosen, String> {
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
        if let Some(topology) = self.topology(config.gossip())? {
            return Ok(Chosen::Topology(Box::new(topology)));
        }
        match self.overlay {
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
            _ => Ok(Chosen::Random(match (self.healer, self.swapper) {
                (None, None) => Random::for_view_size(self.view),
                (healer, swapper) => {
                    Random::new(healer.unwrap_or_default(), swapper.unwrap_or_default())
                }
            })),
        }
    }
}
