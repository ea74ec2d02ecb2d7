//! The simulations of the study, and their results. No simulation runs twice.

use clap::ValueEnum;
use libp2p_peer_sampling::simulator::{adversary::attack::Attack, config::ConfigError};

use crate::{
    attacks::measure::{
        Attacked, Candidate, Crashed, Job, Network, Outcome, Scenario, Started, What,
    },
    shared::runs,
};

/// A part of the study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The attackers' share of views, over their share of the network
    Curves,
    /// The overlays that could be the default
    Overlays,
    /// All attacks, on the default and on the random overlay
    Attacks,
    /// Shuffle lengths: how much of the view each message carries
    Shuffle,
    /// Smaller and larger networks
    Scale,
}

/// The shares of attackers that all tables have.
pub const FEW_AND_MANY: [f64; 2] = [0.1, 0.3];

/// The overlays that have a curve.
pub const CURVES: [Candidate; 5] = [
    Candidate::Shipped,
    Candidate::Paper,
    Candidate::Capped,
    Candidate::Random,
    Candidate::Cyclon,
];

/// The overlays that could be the default.
pub fn candidates(network: Network) -> [Candidate; 8] {
    [
        Candidate::Shipped,
        Candidate::Shuffling(network.view_size.div_ceil(6)),
        Candidate::Shuffling(network.view_size / 2),
        Candidate::Paper,
        Candidate::SmallRandom,
        Candidate::Random,
        Candidate::Capped,
        Candidate::Cyclon,
    ]
}

/// The overlays that face all attacks.
pub const ATTACKED: [Candidate; 2] = [Candidate::Shipped, Candidate::Random];

/// How many of all nodes attack, for the curves.
pub fn fractions(quick: bool) -> &'static [f64] {
    match quick {
        false => &[0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4],
        true => &FEW_AND_MANY,
    }
}

/// The attacks that all face.
pub fn attacks(quick: bool) -> &'static [What] {
    match quick {
        false => &[
            What::FLOOD,
            What::Plain(Attack::Hub),
            What::Plain(Attack::Eclipse),
            What::Plain(Attack::Restart),
            What::Kept,
            What::Plain(Attack::Spray),
            What::Prefix(1),
            What::Prefix(10),
            What::Prefix(100),
        ],
        true => &[What::FLOOD, What::Plain(Attack::Spray), What::Prefix(10)],
    }
}

/// The shuffle lengths that are compared: a tenth of the view to all of it.
pub fn lengths(study: &Study) -> Vec<(usize, Candidate)> {
    let view_size = study.network.view_size;
    let default = view_size.div_ceil(3);
    let lengths = [
        view_size.div_ceil(10),
        view_size.div_ceil(6),
        default,
        view_size / 2,
        view_size,
    ];
    let candidate = |length| match length == default {
        true => (length, Candidate::Shipped),
        false => (length, Candidate::Shuffling(length)),
    };
    lengths.map(candidate).to_vec()
}

/// The networks that are compared. The largest has half of the time.
pub fn sizes(study: &Study) -> Vec<Network> {
    let Network { nodes, rounds, .. } = study.network;
    let sizes = match study.quick {
        true => vec![(nodes, rounds), (nodes * 2, rounds)],
        false => vec![
            (nodes * 3 / 10, rounds),
            (nodes, rounds),
            (nodes * 3, rounds),
            (nodes * 10, rounds / 2),
        ],
    };
    let network = |(nodes, rounds)| Network {
        nodes,
        rounds,
        ..study.network
    };
    sizes.into_iter().map(network).collect()
}

/// What is known so far.
pub struct Study {
    pub network: Network,
    pub quick: bool,
    known: Vec<(Job, Outcome)>,
}

impl Study {
    pub fn new(network: Network, quick: bool) -> Self {
        let known = Vec::new();
        Self {
            network,
            quick,
            known,
        }
    }

    /// Runs what this part needs and no part before has run.
    ///
    /// # Errors
    ///
    /// Where there is no such network.
    pub fn run(&mut self, part: Part, threads: usize) -> Result<(), ConfigError> {
        let mut jobs: Vec<Job> = Vec::new();
        for job in self.jobs(part) {
            if !jobs.contains(&job) && self.outcome(&job).is_none() {
                jobs.push(job);
            }
        }
        // The longest first, so that none is left over at the end.
        jobs.sort_by_key(|job| std::cmp::Reverse(job.network.nodes as u64 * job.network.rounds));
        let outcomes = runs::side_by_side(&jobs, threads, Job::run)?;
        self.known.extend(jobs.into_iter().zip(outcomes));
        Ok(())
    }

    fn jobs(&self, part: Part) -> Vec<Job> {
        let job = |candidate, scenario| Job {
            network: self.network,
            candidate,
            scenario,
        };
        let attack =
            |candidate, what, fraction| job(candidate, Scenario::Attack { what, fraction });
        let floods = |candidate| FEW_AND_MANY.map(|f| attack(candidate, What::FLOOD, f));
        let mut jobs = Vec::new();
        match part {
            Part::Curves => {
                for candidate in CURVES {
                    let all = fractions(self.quick).iter();
                    jobs.extend(all.map(|&f| attack(candidate, What::FLOOD, f)));
                }
            }
            Part::Overlays => {
                for candidate in candidates(self.network) {
                    jobs.extend(floods(candidate));
                    jobs.push(job(candidate, Scenario::Crash));
                }
            }
            Part::Attacks => {
                for candidate in ATTACKED {
                    for &what in attacks(self.quick) {
                        jobs.extend(FEW_AND_MANY.map(|f| attack(candidate, what, f)));
                    }
                }
            }
            Part::Shuffle => {
                for (_, candidate) in lengths(self) {
                    jobs.extend(floods(candidate));
                    jobs.push(job(candidate, Scenario::Crash));
                    jobs.push(job(candidate, Scenario::Star));
                }
            }
            Part::Scale => {
                for network in sizes(self) {
                    let [few, _] = floods(Candidate::Shipped);
                    jobs.push(Job { network, ..few });
                }
            }
        }
        jobs
    }

    fn outcome(&self, job: &Job) -> Option<Outcome> {
        let mut known = self.known.iter();
        known.find(|(of, _)| of == job).map(|(_, outcome)| *outcome)
    }

    fn of(&self, candidate: Candidate, scenario: Scenario) -> Job {
        Job {
            network: self.network,
            candidate,
            scenario,
        }
    }

    /// What attackers have gained, in a simulation that was run.
    pub fn attacked(&self, candidate: Candidate, what: What, fraction: f64) -> Attacked {
        self.attacked_in(self.network, candidate, Scenario::Attack { what, fraction })
    }

    /// The same in another network.
    pub fn attacked_in(
        &self,
        network: Network,
        candidate: Candidate,
        scenario: Scenario,
    ) -> Attacked {
        let job = Job {
            network,
            candidate,
            scenario,
        };
        match self.outcome(&job) {
            Some(Outcome::Attacked(attacked)) => attacked,
            _ => unreachable!("each part runs what it shows: {job:?}"),
        }
    }

    /// What a crash has done, in a simulation that was run.
    pub fn crashed(&self, candidate: Candidate) -> Crashed {
        match self.outcome(&self.of(candidate, Scenario::Crash)) {
            Some(Outcome::Crashed(crashed)) => crashed,
            _ => unreachable!("each part runs what it shows: {candidate:?}"),
        }
    }

    /// What has become of a star, in a simulation that was run.
    pub fn started(&self, candidate: Candidate) -> Started {
        match self.outcome(&self.of(candidate, Scenario::Star)) {
            Some(Outcome::Started(started)) => started,
            _ => unreachable!("each part runs what it shows: {candidate:?}"),
        }
    }
}
