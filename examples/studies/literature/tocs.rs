//! Gossip-based peer sampling, ACM TOCS 2007: what the overlay looks like, and how it gets there.

use libp2p_peer_sampling::{
    sampler::{Config as Gossip, PartnerSelection, Propagation},
    simulator::{
        autocorrelation::Series, bootstrap::Bootstrap, clustering::Clustering,
        components::Components, config::Config, driver::Driver, faults::Faults, graph::Graph,
        in_degrees::InDegrees, paths::PathLengths, rounds::Rounds,
    },
};
use rand::{SeedableRng, rngs::StdRng};

use crate::literature::{
    check::{Line, PLOT, Tolerance},
    reading::Reading,
    study::{Paper, Study},
};

pub const PAPER: Paper = Paper {
    name: "TOCS 2007",
    title: "Jelasity, Voulgaris, Guerraoui, Kermarrec, van Steen: Gossip-based peer sampling, \
            ACM TOCS 25(3), 2007",
    settings: &[
        "N = 10,000, c = 30, push-pull unless said.",
        "A: c/2 - 1 of the view go with the own descriptor, as in the paper's text;",
        "B: c/2 of the view do.",
    ],
};

/// The network and the view of all of its experiments.
pub const N: usize = 10_000;
pub const C: usize = 30;

/// The healer's in-degrees are known less well than others.
const HEALER: Tolerance = Tolerance::Percent(10.0);

/// How finely clustering can be read off where it comes near to 0.
const CLUSTERING: Tolerance = Tolerance::PercentOrAbsolute(5.0, 0.0004);

const MORE_SENT: &str = "The printed pseudo-code sends 14 descriptors of the view. So S = 14 \
    removes all of them, as S = 15 does, and S = 10 removes a larger part of them than in the \
    published curve. If 15 are sent (B), our figures agree.";

const HEALER_IS_WIDER: &str = "The healer's in-degrees spread 7 to 8 % wider than published, with \
    H = 14 as with H = 15. No reading of the text that we tried changes that.";

const EDGE: &str = "At the limit of what can be read off: runs differ by 1 %, and so do A and B.";

const RANDOM_IS_HIGHER: &str = "At the limit of what can be read off the plot: the random graph \
    has 0.0060 by calculation, and was read as 0.0058.";

/// What a protocol of the paper is made of, but for the reading.
#[derive(Clone, Copy)]
pub struct Protocol {
    pub name: &'static str,
    pub selection: PartnerSelection,
    pub healer: usize,
    pub swapper: usize,
}

impl Protocol {
    pub const fn rand(name: &'static str, healer: usize, swapper: usize) -> Self {
        Self {
            name,
            selection: PartnerSelection::Rand,
            healer,
            swapper,
        }
    }

    const fn tail(self) -> Self {
        Self {
            selection: PartnerSelection::Tail,
            ..self
        }
    }

    fn selection(self) -> &'static str {
        match self.selection {
            PartnerSelection::Head => "head",
            PartnerSelection::Tail => "tail",
            PartnerSelection::Rand => "rand",
        }
    }

    pub fn read(self, one_more: bool) -> Reading {
        match one_more {
            true => Reading::one_more(self.healer, self.swapper),
            false => Reading::printed(self.healer, self.swapper),
        }
    }

    /// TOCS: `selectPeer` returns a *live* entry, so all entries may be tried.
    pub fn gossip(self) -> Gossip {
        Gossip::default()
            .with_view_size(C)
            .with_retries(C)
            .with_selection(self.selection)
    }

    pub fn set_up(self, reading: Reading, rest: &str) -> String {
        format!("{reading}: {}, {}, {rest}", self.selection(), self.name)
    }

    fn is_healer(self) -> bool {
        self.healer >= 14
    }
}

pub const BLIND: Protocol = Protocol::rand("blind", 0, 0);
pub const HEALER_RAND: Protocol = Protocol::rand("healer", 15, 0);
pub const SWAPPER: Protocol = Protocol::rand("swapper", 0, 15);
const ALL: [Protocol; 3] = [BLIND, HEALER_RAND, SWAPPER];

/// What is published of a converged overlay: in-degree SD, clustering, path length.
#[derive(Clone, Copy, Default)]
struct Shape {
    sd: Option<f64>,
    clustering: Option<f64>,
    path: Option<f64>,
}

impl Shape {
    const fn sd(sd: f64) -> Self {
        Self {
            sd: Some(sd),
            clustering: None,
            path: None,
        }
    }

    const fn all(sd: f64, clustering: f64, path: f64) -> Self {
        Self {
            sd: Some(sd),
            clustering: Some(clustering),
            path: Some(path),
        }
    }

    /// Of a protocol with random partners, from wherever it started.
    fn of(protocol: Protocol) -> Self {
        match (protocol.selection, protocol.healer, protocol.swapper) {
            (PartnerSelection::Rand, 0, 0) => Self::all(23.1, 0.0252, 3.122),
            (PartnerSelection::Rand, 15, 0) => Self::all(9.95, 0.1498, 3.198),
            (PartnerSelection::Rand, 0, 15) => Self::all(4.15, 0.0059, 2.974),
            (PartnerSelection::Rand, 1, 0) => Self::sd(20.4),
            (PartnerSelection::Rand, 3, 0) => Self::sd(17.9),
            (PartnerSelection::Rand, 14, 0) => Self::sd(10.4),
            (PartnerSelection::Rand, 0, 5) => Self::sd(19.97),
            (PartnerSelection::Rand, 0, 10) => Self::sd(15.6),
            (PartnerSelection::Rand, 0, 14) => Self::sd(8.3),
            (PartnerSelection::Tail, 0, 0) => Self::all(21.9, 0.0224, 3.110),
            _ => Self::default(),
        }
    }

    fn lines(self, measured: Measured, protocol: Option<Protocol>) -> Vec<Line> {
        let is_healer = protocol.is_some_and(Protocol::is_healer);
        let line = |what, published: Option<f64>, ours| match published {
            Some(published) => Line::plot(what, published, ours),
            None => Line::unlisted(what, ours),
        };
        let sd_reason = match protocol.map(|p| p.swapper) {
            Some(10 | 14) => MORE_SENT,
            _ if is_healer => HEALER_IS_WIDER,
            _ => "",
        };
        vec![
            line("in-degree SD", self.sd, measured.sd)
                .allowing(if is_healer { HEALER } else { PLOT })
                .because(sd_reason),
            line("clustering", self.clustering, measured.clustering)
                .allowing(CLUSTERING)
                .decimals(4)
                .because(match protocol.map(|p| p.swapper) {
                    Some(15) => RANDOM_IS_HIGHER,
                    _ => EDGE,
                }),
            line("path length, directed", self.path, measured.path).decimals(3),
        ]
    }
}

/// The same, as measured.
#[derive(Clone, Copy)]
struct Measured {
    sd: f64,
    clustering: f64,
    path: f64,
}

impl Measured {
    fn of(graph: &Graph, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self {
            sd: InDegrees::of(graph).sd,
            clustering: Clustering::of(&graph.undirected(), N, &mut rng).coefficient,
            path: PathLengths::directed(graph, 128, &mut rng).mean,
        }
    }
}

pub fn start(
    gossip: Gossip,
    reading: Reading,
    bootstrap: Bootstrap,
    faults: Faults,
    seed: u64,
) -> Rounds<Reading> {
    let config = Config::new(N)
        .with_gossip(gossip)
        .with_bootstrap(bootstrap)
        .with_faults(faults)
        .with_rounds(1_000)
        .with_seed(seed);
    Rounds::new(config, reading).expect("the paper's settings are valid")
}

pub fn pass<O>(rounds: &mut Rounds<O>, count: usize)
where
    Rounds<O>: Driver,
{
    (0..count).for_each(|_| rounds.next_round());
}

fn sd(rounds: &Rounds<Reading>) -> f64 {
    InDegrees::of(&rounds.network().graph()).sd
}

/// Lets so many rounds pass and 20 more, and measures the overlay in five of the 20: the means.
fn converge(rounds: &mut Rounds<Reading>, count: usize, seed: u64) -> Measured {
    pass(rounds, count);
    let mut all = vec![Measured::of(&rounds.network().graph(), seed)];
    for _ in 0..4 {
        pass(rounds, 5);
        all.push(Measured::of(&rounds.network().graph(), seed));
    }
    let mean = |of: fn(&Measured) -> f64| mean(all.iter().map(of));
    Measured {
        sd: mean(|m| m.sd),
        clustering: mean(|m| m.clustering),
        path: mean(|m| m.path),
    }
}

pub fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len();
    values.sum::<f64>() / count as f64
}

pub fn studies() -> Vec<Study> {
    let mut studies = vec![random_graph()];
    let healers = [1, 3, 14].map(|h| (h, 0));
    let swappers = [5, 10, 14].map(|s| (0, s));
    let names = ["H=1", "H=3", "H=14", "S=5", "S=10", "S=14"];
    let others = healers.into_iter().chain(swappers).zip(names);
    let others = others.map(|((h, s), name)| Protocol::rand(name, h, s));
    for protocol in ALL.into_iter().chain(others) {
        for one_more in [false, true] {
            let quick = matches!(protocol.swapper, 10 | 14)
                || !one_more && matches!(protocol.name, "blind" | "healer" | "swapper");
            studies.push(converged(protocol, one_more, Bootstrap::Random, quick));
        }
    }
    studies.extend(ALL.map(|protocol| converged(protocol, false, Bootstrap::Lattice, false)));
    for one_more in [false, true] {
        studies.extend(ALL.map(|protocol| growing(protocol, one_more)));
        studies.extend(ALL.map(|protocol| growing(protocol.tail(), one_more)));
    }
    for one_more in [false, true] {
        studies.extend(ALL.map(|protocol| autocorrelation(protocol, one_more)));
    }
    studies.extend(ALL.map(push));
    studies.extend(ALL.map(|protocol| push(protocol.tail())));
    studies
}

const CONVERGED: &str = "in-degree SD, clustering and path length of the converged overlay";

fn random_graph() -> Study {
    let run = |seed| {
        let graph = Graph::random(N as u32, C, &mut StdRng::seed_from_u64(seed));
        Shape::all(5.47, 0.0058, 2.978).lines(Measured::of(&graph, seed), None)
    };
    PAPER.study(CONVERGED, "the uniform random graph".to_owned(), true, run)
}

/// From random views, or to see that it makes no difference, from a lattice.
fn converged(protocol: Protocol, one_more: bool, bootstrap: Bootstrap, quick: bool) -> Study {
    let reading = protocol.read(one_more);
    let from = match bootstrap {
        Bootstrap::Lattice => "from a lattice, 120 rounds",
        _ => "from random views, 120 rounds",
    };
    let run = move |seed| {
        let mut rounds = start(protocol.gossip(), reading, bootstrap, Faults::none(), seed);
        let measured = converge(&mut rounds, 100, seed);
        Shape::of(protocol).lines(measured, Some(protocol))
    };
    PAPER.study(CONVERGED, protocol.set_up(reading, from), quick, run)
}

/// How many networks are grown for the SD on the way, where it falls fast.
const GROWN: u64 = 4;

fn growing(protocol: Protocol, one_more: bool) -> Study {
    let reading = protocol.read(one_more);
    let grow = move |seed| {
        let (gossip, bootstrap) = (protocol.gossip(), Bootstrap::GROWING);
        start(gossip, reading, bootstrap, Faults::none(), seed)
    };
    let run = move |seed: u64| {
        let published: &[(usize, f64)] = match (protocol.selection, protocol.name) {
            (PartnerSelection::Rand, "healer") => &[(25, 18.1), (30, 10.5)],
            (PartnerSelection::Rand, "swapper") => &[(50, 10.8), (100, 4.5)],
            (PartnerSelection::Rand, "blind") => &[(50, 27.3), (100, 23.4)],
            _ => &[],
        };
        // In each run, the SD after each round.
        let last = published.last().map_or(0, |(round, _)| round + 2);
        let runs = (0..GROWN).map(|run| {
            let mut rounds = grow(seed.wrapping_add(run));
            let sd_of_next = |_| {
                rounds.next_round();
                sd(&rounds)
            };
            (0..last).map(sd_of_next).collect()
        });
        let runs: Vec<Vec<f64>> = runs.collect();
        let mut lines = Vec::new();
        for &(round, figure) in published {
            // The paper counts from 0, so that this is its round's end.
            let after = |index: usize| mean(runs.iter().map(|sds| sds[index]));
            let reason = format!(
                "The curve is steep here, {:.1} in the round before and {:.1} in the one after, and the \
                 healer's SD ends 8 % above the published one.",
                after(round - 1),
                after(round + 1)
            );
            let line = Line::plot(
                format!("SD in round {round}, of 4 runs"),
                figure,
                after(round),
            );
            lines.push(match protocol.is_healer() {
                true => line.allowing(HEALER).because(reason),
                false => line,
            });
        }
        let mut rounds = grow(seed);
        let measured = converge(&mut rounds, 130, seed);
        lines.extend(Shape::of(protocol).lines(measured, Some(protocol)));
        let pieces = Components::of(&rounds.network().graph()).count;
        lines.push(Line::printed("pieces: never partitioned", 1.0, pieces as f64).decimals(0));
        lines
    };
    let set_up = protocol.set_up(reading, "growing, 150 rounds");
    PAPER.study(
        "in-degree SD over the rounds, and at the end",
        set_up,
        false,
        run,
    )
}

/// For how many rounds the paper follows the in-degree of one node.
const FOLLOWED: f64 = 300.0;

fn autocorrelation(protocol: Protocol, one_more: bool) -> Study {
    let reading = protocol.read(one_more);
    let run = move |seed| {
        let published = match protocol.name {
            "blind" => [(1, 0.973), (10, 0.768), (20, 0.592)],
            "swapper" => [(1, 0.943), (10, 0.680), (20, 0.477)],
            _ => [(1, 0.650), (10, 0.055), (20, 0.009)],
        };
        let (gossip, bootstrap) = (protocol.gossip(), Bootstrap::Random);
        let mut rounds = start(gossip, reading, bootstrap, Faults::none(), seed);
        pass(&mut rounds, 100);
        let mut series = Series::new((0..).take(N));
        for _ in 0..100 {
            rounds.next_round();
            series.record(&rounds.network().graph());
        }
        let lines = published.map(|(lag, figure)| {
            // For the series of one node: twice the standard error, and how much less correlated a
            // short series seems.
            let chance = 2.0 * f64::sqrt((1.0 - figure * figure) / FOLLOWED);
            let tolerance = chance + figure * lag as f64 / FOLLOWED;
            Line::plot(format!("at lag {lag}"), figure, of_all(&series, lag))
                .allowing(Tolerance::Absolute(tolerance))
                .decimals(3)
        });
        lines.into()
    };
    let set_up = protocol.set_up(reading, "all nodes, rounds 101 to 200");
    PAPER.study(
        "autocorrelation of in-degrees (of one node in the paper)",
        set_up,
        false,
        run,
    )
}

/// The autocorrelation over all nodes at once, about the mean of all in-degrees, which is c. That
/// avoids the error of a single short series.
fn of_all(series: &Series, lag: usize) -> f64 {
    let mean_product = |lag: usize| {
        let (mut sum, mut count) = (0.0, 0);
        for (_, degrees) in series.nodes() {
            for (d, later) in degrees.iter().zip(&degrees[lag..]) {
                sum += (d - C as f64) * (later - C as f64);
                count += 1;
            }
        }
        sum / f64::from(count)
    };
    mean_product(lag) / mean_product(0)
}

/// How often each push-only network is grown.
const PUSH_RUNS: u64 = 20;

/// What is published of a push-only network.
struct Push {
    /// In how many percent of the runs it partitions.
    partitions: f64,
    /// If so, into how many pieces, and how many nodes the largest has.
    pieces: Option<(f64, f64)>,
}

impl Push {
    /// The paper prints that the healer with random partners always partitions. The rest is
    /// recalled from memory.
    fn of(protocol: Protocol) -> Self {
        let (partitions, pieces) = match (protocol.selection, protocol.name) {
            (PartnerSelection::Rand, "healer") => (100.0, Some((22.28, 9_124.0))),
            (PartnerSelection::Rand, "swapper") => (0.0, None),
            (PartnerSelection::Rand, _) => (18.0, None),
            (_, "healer") => (29.0, Some((2.17, 9_945.0))),
            (_, "swapper") => (97.0, Some((4.07, 9_808.0))),
            (_, _) => (10.0, None),
        };
        Self { partitions, pieces }
    }
}

fn push(protocol: Protocol) -> Study {
    let reading = protocol.read(false);
    let run = move |seed: u64| {
        let grow = |run| {
            let gossip = protocol.gossip().with_propagation(Propagation::Push);
            let seed = seed.wrapping_add(run);
            let mut rounds = start(gossip, reading, Bootstrap::GROWING, Faults::none(), seed);
            pass(&mut rounds, 300);
            let graph = rounds.network().graph();
            (InDegrees::of(&graph).max as f64, Components::of(&graph))
        };
        let runs: Vec<(f64, Components)> = (0..PUSH_RUNS).map(grow).collect();
        let parted: Vec<Components> = runs
            .iter()
            .map(|run| run.1)
            .filter(|c| c.count > 1)
            .collect();
        let published = Push::of(protocol);
        let share = 100.0 * parted.len() as f64 / PUSH_RUNS as f64;
        let hub = mean(runs.iter().map(|run| run.0)) / N as f64;
        let is_printed = protocol.is_healer() && protocol.selection == PartnerSelection::Rand;
        let mut lines = match is_printed {
            true => vec![
                Line::printed("runs that partition, %", published.partitions, share),
                Line::printed("largest in-degree / N: near 1", 1.0, hub)
                    .allowing(Tolerance::Percent(10.0))
                    .decimals(2),
            ],
            false => vec![
                Line::recollected("runs that partition, %", published.partitions, share)
                    .allowing(Tolerance::Absolute(0.0)),
                Line::unlisted("largest in-degree / N", hub).decimals(2),
            ],
        };
        lines[0].decimals = 0;
        if let Some((pieces, largest)) = published.pieces.filter(|_| !parted.is_empty()) {
            let ours = mean(parted.iter().map(|c| c.count as f64));
            lines.push(Line::recollected("  then in pieces", pieces, ours));
            let ours = mean(parted.iter().map(|c| c.largest as f64));
            lines.push(Line::recollected("  nodes in the largest", largest, ours).decimals(0));
        }
        lines
    };
    let set_up = protocol.set_up(reading, "push only, growing, 300 rounds, 20 runs");
    PAPER.study("push cannot undo a star", set_up, false, run)
}
